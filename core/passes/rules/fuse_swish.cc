// x * sigmoid(x) and x * sigmoid(alpha * x), as exporters write them, become Swish: the same bits without a tile of memory in
// between.
#include "core/passes/rules/patterns_common.h"

namespace weft {
namespace {

// The number by which x is multiplied, if the value is x or such a product.
std::optional<double> steepness(const RuleContext& c, ValueId id, ValueId x) {
  if (id == x) return 1.0;
  const Node* product = c.producer_of(id, "Mul", true);
  for (size_t side : {0, 1}) {
    if (product == nullptr || product->inputs[1 - side] != x) continue;
    if (const std::optional<double> number = one_number(c, product->inputs[side])) return number;
  }
  return std::nullopt;
}

Status fuse_swish(RuleContext& c) {
  for (int side : {0, 1}) {
    const Node* sigmoid = c.input_from(side, "Sigmoid", true);
    const ValueId x = c.input(1 - side);
    if (sigmoid == nullptr || !gives_floats_like(c, x)) continue;
    const std::optional<double> alpha = steepness(c, sigmoid->inputs[0], x);
    // Attributes hold what f32 does.
    if (!alpha || static_cast<double>(static_cast<float>(*alpha)) != *alpha) continue;
    const Expr y = c.make_with_kernel("Swish", {c.mapped(x)}, {{"alpha", *alpha}});
    if (y.valid()) c.replace(y);
    return {};
  }
  return {};
}

}  // namespace

void add_rule_fuse_swish(RuleRegistry& rules) { rules.add({"fuse_swish", "Mul", fuse_swish}); }

}  // namespace weft
