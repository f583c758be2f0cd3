// weft.SumTo: the gradient of broadcasting.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_sum_to(InferContext& c) {
  if (!c.has_rank(1)) return {};
  if (c.has_rank(0)) {
    const Dims &from = c.dims(0), &to = c.dims(1);
    bool fits = to.size() <= from.size();
    for (size_t i = 0; fits && i < to.size(); ++i) {
      const Dim &wide = from[from.size() - 1 - i], &narrow = to[to.size() - 1 - i];
      fits = narrow.is(1) || !narrow.known() || !wide.known() || narrow == wide;
    }
    if (!fits) return invalid("a value of shape ", dims_text(to), " does not broadcast to ", dims_text(from));
  }
  c.set_dims(0, c.dims(1));
  return {};
}

Status sum_to_grad(GradContext& c) {
  if (c.needs(0)) c.set_grad(0, expand_like(c.grad(0), c.input(0)));
  return {};
}

}  // namespace

void define_op_sum_to(OpRegistry& ops) {
  ops.add(kWeftDomain, "SumTo")
      .group("gradient/shape")
      .doc(
          "Sums `x` over the axes along which `like` would be broadcast to it, so that the result "
          "has the shape of "
          "`like`. It is the gradient of broadcasting. The order of additions depends on the "
          "shapes alone.")
      .types("T", kNumberTypes)
      .types("S", kAllTypes)
      .input("x", "T", "Any shape.")
      .input("like", "S", "A shape that broadcasts to that of x; its elements are not looked at.")
      .shape_only()
      .output("y", "T", "The shape of like.")
      .infer(infer_sum_to)
      .grad(sum_to_grad);
}

}  // namespace weft
