// Means of quantized values that are quantized again: pools of windows and of whole planes, and ReduceMean.
#include <utility>

#include "core/passes/rules/quantized_common.h"

namespace weft {
namespace {

// An operator that makes a mean, without what it says of numbers.
struct Mean {
  const char* op;
  std::vector<int64_t> axes;  // of a reduction
  Attrs attrs;
};

std::optional<Mean> read_mean(const RuleContext& c, const Node& node) {
  if (node.is("AveragePool")) return Mean{"weft.QLinearAveragePool", {}, node.attrs};
  const char* op = "weft.QLinearReduceMean";
  if (node.is("GlobalAveragePool")) {
    const ValueType& x = c.type(node.inputs[0]);
    if (!x.has_rank) return std::nullopt;
    Mean mean{op, {}, {}};
    for (int64_t i = 2; i < static_cast<int64_t>(x.dims.size()); ++i) mean.axes.push_back(i);
    if (mean.axes.empty()) return std::nullopt;
    return mean;
  }
  if (!node.is("ReduceMean") || node.inputs.size() < 2) return std::nullopt;
  const Tensor* axes = constant_of(c, node.inputs[1]);
  if (axes == nullptr || axes->count() == 0) return std::nullopt;
  return Mean{op, *axes->to_ints(), {{"keepdims", node.attrs.i("keepdims")}}};
}

Expr quantized_mean(RuleContext& c, ValueId id, const QuantizedResult& y) {
  const Node& node = c.from.producer(id);
  if (node.inputs.empty() || c.uses(id) != 1 || c.type(id).dtype != DType::kF32) return {};
  std::optional<Mean> mean = read_mean(c, node);
  if (!mean || !c.kernels.has(mean->op)) return {};
  std::optional<MovedBytes> bytes = find_bytes(c, node.inputs[0]);
  if (!bytes || !bytes->code.one()) return {};
  const Quantized x = move_bytes(c, std::move(*bytes));
  const Attrs result = result_attrs(y);
  for (const auto& [name, value] : result) mean->attrs.set(name, value);
  set_code_attrs(&mean->attrs, "x", x.code);
  std::vector<Expr> inputs{x.q};
  if (!mean->axes.empty()) inputs.push_back(constant_ints(c.scope(), mean->axes));
  return make(c.scope(), mean->op, inputs, std::move(mean->attrs));
}

Status quantize(RuleContext& c) { return quantize_by(c, quantized_mean); }

}  // namespace

void add_rule_fuse_quantized_means(RuleRegistry& rules) {
  rules.add({"fuse_quantized_means", "QuantizeLinear", quantize, "DequantizeLinear"});
}

}  // namespace weft
