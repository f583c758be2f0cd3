// What operators of two inputs share.
#include "core/ops/elementwise_common.h"

#include "core/graph/expr.h"

namespace weft {

std::optional<Dim> add_ints(const std::vector<Dim>& v) {
  int64_t sum;
  if (v[0].known() && v[1].known() && __builtin_add_overflow(v[0].value(), v[1].value(), &sum)) return std::nullopt;
  return v[0] + v[1];
}
std::optional<Dim> mul_ints(const std::vector<Dim>& v) {
  int64_t product;
  if (v[0].known() && v[1].known() && __builtin_mul_overflow(v[0].value(), v[1].value(), &product)) {
    return std::nullopt;
  }
  return v[0] * v[1];
}

Status upgrade_old_broadcast(UpgradeContext& c) {
  const bool stretches = c.attrs.i_or("broadcast", 0) != 0, placed = c.attrs.has("axis");
  int64_t axis = c.attrs.i_or("axis", 0);
  for (const char* name : {"broadcast", "axis", "consumed_inputs"}) c.attrs.erase(name);
  if (!stretches || !placed || c.inputs.size() != 2) return {};
  const ValueType &a = c.type(0), &b = c.type(1);
  if (!a.has_rank || !b.has_rank) {
    return unimplemented("attribute 'axis' of an opset below 7 needs inputs of known rank, but they are ", a.text(),
                         " and ", b.text());
  }
  const int64_t rank = static_cast<int64_t>(a.dims.size()), inner = static_cast<int64_t>(b.dims.size());
  WEFT_TRY(axis, InferContext::axis(axis, rank));
  if (axis + inner > rank) {
    return invalid("attribute 'axis' is ", axis, ", where ", b.text(), " does not fit into ", a.text());
  }
  std::vector<int64_t> axes;
  for (int64_t d = inner; d < rank - axis; ++d) axes.push_back(d);
  if (axes.empty()) return {};
  ExprScope scope(c.graph());
  Expr wide = unsqueeze(Expr(scope, c.inputs[1]), axes);
  WEFT_CHECK(scope.status());
  c.inputs[1] = wide.id();
  return {};
}

}  // namespace weft
