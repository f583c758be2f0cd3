// HardSwish as exporters write it where their opset, or their framework, has none: x times HardSigmoid, and x times a sum
// that is brought between 0 and 6.
#include <cmath>

#include "core/passes/rules/patterns_common.h"

namespace weft {
namespace {

// Whether a number is meant to be the other one: four units in the last place of the type, as constants and products of them
// are off.
bool means(double value, double wanted, DType dtype) {
  const double half_unit = std::ldexp(1.0, dtype == DType::kF64 ? -53 : -24);
  return std::abs(value - wanted) <= 4 * half_unit * std::abs(wanted);
}

// What the value is of x, as a multiple of HardSwish's gate, min(max(x / 6 + 1 / 2, 0), 1); 0 if it is none.
double gate_of(const RuleContext& c, ValueId id, ValueId x) {
  if (const Node* sigmoid = c.producer_of(id, "HardSigmoid", true)) {
    const Attrs& attrs = sigmoid->attrs;
    return sigmoid->inputs[0] == x && means(attrs.f("alpha"), 1.0 / 6, c.type(x).dtype) && attrs.f("beta") == 0.5 ? 1
                                                                                                                  : 0;
  }
  const Node* clip = c.producer_of(id, "Clip", true);
  if (clip == nullptr || clip->inputs.size() < 3) return 0;
  const Node* sum = c.producer_of(clip->inputs[0], "Add", true);
  if (sum == nullptr || beside_number(c, *sum, 3) != x) return 0;
  return one_number(c, clip->inputs[1]) == 0.0 && one_number(c, clip->inputs[2]) == 6.0 ? 6 : 0;
}

Status fuse_hard_swish(RuleContext& c) {
  const Product product = product_of(c, c.node.output(0));
  if (product.over.size() != 2 || !product.under.empty()) return {};
  for (size_t side : {0, 1}) {
    const ValueId x = product.over[side];
    const double gate = gate_of(c, product.over[1 - side], x);
    if (gate == 0 || !means(product.coefficient * gate, 1, c.type(x).dtype)) continue;
    if (!gives_floats_like(c, x) || !used_here_alone(c, {x})) return {};
    const Expr y = c.make_with_kernel("HardSwish", {c.mapped(x)}, {});
    if (y.valid()) c.replace(y);
    return {};
  }
  return {};
}

}  // namespace

void add_rule_fuse_hard_swish(RuleRegistry& rules) {
  for (const char* op : {"Mul", "Div"}) rules.add({"fuse_hard_swish", op, fuse_hard_swish});
}

}  // namespace weft
