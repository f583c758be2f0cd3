// What exporters write for Gelu, exact and through tanh, becomes that operator.
#include <cmath>

#include "core/passes/rules/patterns_common.h"

namespace weft {
namespace {

constexpr double kRootHalf = 0.7071067811865476, kRootTwoOverPi = 0.7978845608028654, kCubic = 0.044715;

double as_f16(double value) { return f16_to_float(float_to_f16(static_cast<float>(value))); }

// Whether a constant of the graph, or what several of them make, means this number. Each constant is off by half a unit in
// the last place, and so is each product of them that was folded: four units are allowed. In f32 models there are also
// constants that once were f16, and the root of 2 of the first BERT, 1.4142099.
bool means(const RuleContext& c, double value, double wanted) {
  const bool wide = c.type(c.node.output(0)).dtype == DType::kF64;
  const double most = 4 * (wide ? std::ldexp(1.0, -53) : std::ldexp(1.0, -24));
  const auto near = [value, most](double number) { return std::abs(value - number) <= most * std::abs(number); };
  if (near(wanted)) return true;
  if (wide) return false;
  return near(as_f16(wanted)) || near(1 / as_f16(1 / wanted)) || (wanted == kRootHalf && near(1 / 1.4142099));
}

bool is_product(const RuleContext& c, ValueId id, double coefficient, const std::vector<ValueId>& over) {
  const Product product = product_of(c, id);
  return product.under.empty() && product.over == over && means(c, product.coefficient, coefficient);
}

// The argument of 1 + op(argument).
ValueId one_and(const RuleContext& c, ValueId id, const char* op) {
  const Node* sum = c.producer_of(id, "Add", true);
  const Node* function = sum == nullptr ? nullptr : c.producer_of(beside_number(c, *sum, 1), op, true);
  return function == nullptr ? kNoValue : function->inputs[0];
}

// Whether it is sqrt(2 / pi) (x + 0.044715 x^3), where x may stand before the brackets.
bool is_bent(const RuleContext& c, ValueId id, ValueId x) {
  const Product product = product_of(c, id);
  if (!product.under.empty() || !means(c, product.coefficient, kRootTwoOverPi)) return false;
  for (ValueId factor : product.over) {
    const Node* sum = c.producer_of(factor, "Add", true);
    if (sum == nullptr) continue;
    if (product.over.size() == 2) {
      const ValueId other = product.over[factor == product.over[0] ? 1 : 0], square = beside_number(c, *sum, 1);
      return other == x && square != kNoValue && is_product(c, square, kCubic, {x, x});
    }
    for (size_t side : {0, 1}) {
      if (sum->inputs[side] == x && is_product(c, sum->inputs[1 - side], kCubic, {x, x, x})) return true;
    }
  }
  return false;
}

// x (1 + erf(x / sqrt(2))) / 2 and x (1 + tanh(...)) / 2.
Status fuse_gelu(RuleContext& c) {
  const Product product = product_of(c, c.node.output(0));
  if (product.over.size() != 2 || !product.under.empty() || !means(c, product.coefficient, 0.5)) return {};
  for (size_t side : {0, 1}) {
    const ValueId x = product.over[side], sum = product.over[1 - side];
    const ValueId exact = one_and(c, sum, "Erf"), bent = one_and(c, sum, "Tanh");
    const bool through_tanh = bent != kNoValue && is_bent(c, bent, x);
    if (!through_tanh && (exact == kNoValue || !is_product(c, exact, kRootHalf, {x}))) continue;
    if (!gives_floats_like(c, x) || !used_here_alone(c, {x})) return {};
    const Expr y = c.make_with_kernel("Gelu", {c.mapped(x)}, {{"approximate", through_tanh ? "tanh" : "none"}});
    if (y.valid()) c.replace(y);
    return {};
  }
  return {};
}

}  // namespace

void add_rule_fuse_gelu(RuleRegistry& rules) {
  for (const char* op : {"Mul", "Div"}) rules.add({"fuse_gelu", op, fuse_gelu});
}

}  // namespace weft
