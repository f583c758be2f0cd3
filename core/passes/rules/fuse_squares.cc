// Sums and means of squares are one reduction, which stores no squares.
#include "core/passes/rewrite.h"

namespace weft {
namespace {

Status fuse_squares(RuleContext& c) {
  const Node* product = c.input_from(0, "Mul", true);
  if (product == nullptr || product->inputs[0] != product->inputs[1]) return {};
  const ValueType &in = c.type(c.input(0)), &out = c.type(c.node.output(0));
  const Tensor* axes = c.constant(c.input(1));
  if ((out.dtype != DType::kF32 && out.dtype != DType::kF64) || axes == nullptr || axes->count() == 0) return {};
  const Expr x = c.mapped(product->inputs[0]);
  const auto sum = [&] { return make(c.scope(), "ReduceSumSquare", {x, c.mapped_input(1)}, c.attrs()); };
  if (c.node.is("ReduceSum")) {
    c.replace(sum());
    return {};
  }
  if (!in.concrete() || !out.concrete()) return {};
  const Result<int64_t> all = element_count(to_shape(in.dims)), means = element_count(to_shape(out.dims));
  if (!all.ok() || !means.ok() || *means == 0) return {};
  c.replace(sum() / static_cast<double>(*all / *means));
  return {};
}

}  // namespace

void add_rule_fuse_squares(RuleRegistry& rules) {
  for (const char* op : {"ReduceSum", "ReduceMean"}) rules.add({"fuse_squares", op, fuse_squares});
}

}  // namespace weft
