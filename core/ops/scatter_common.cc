// Gradients of joining updates with places of a tensor.
#include "core/ops/scatter_common.h"

namespace weft {
namespace {

Expr gather_places(Expr data, Expr places) { return make(data.scope(), "GatherND", {data, places}); }

// Evenly among all that are equal to what came out, the element of data and the updates that meet it.
void grad_extreme(GradContext& c, Expr places) {
  ExprScope& s = c.scope();
  Expr y = c.output(0), zero = scalar_like(y, 0);
  Expr kept = make(s, "Equal", {c.input(0), y}), taken = make(s, "Equal", {c.input(2), gather_places(y, places)});
  Expr ties = make(s, "ScatterND", {cast(kept, y.dtype()), places, cast(taken, y.dtype())}, {{"reduction", "add"}});
  Expr share = c.grad(0) / ties;
  if (c.needs(0)) c.set_grad(0, where(kept, share, zero));
  if (c.needs(2)) c.set_grad(2, where(taken, gather_places(share, places), zero));
}

// Back from the last place: an element is multiplied by what the updates after multiplied it with, 0 where one
// replaced it. An update of a product has what was there before as its slope.
void grad_scan(GradContext& c, Expr places, bool product) {
  ExprScope& s = c.scope();
  Expr updates = c.input(2);
  Expr factors = product ? updates : fill_like(updates, 0);
  std::vector<Expr> back = make_all(s, "weft.ScatterScan", {c.grad(0), places, factors}, {{"reverse", int64_t{1}}}, 2);
  c.set_grad(0, back[0]);
  if (!c.needs(2)) return;
  if (product) {
    Expr before = make_all(s, "weft.ScatterScan", {c.input(0), places, updates}, {}, 2)[1];
    back[1] = grad_mul(back[1], before);
  }
  c.set_grad(2, back[1]);
}

}  // namespace

Status check_reduction(const Attrs& attrs) {
  const std::string& reduction = attrs.s("reduction");
  for (const char* known : {"none", "add", "mul", "max", "min"}) {
    if (reduction == known) return {};
  }
  return invalid("attribute 'reduction' is \"", reduction,
                 "\" but must be \"none\", \"add\", \"mul\", \"max\" or \"min\"");
}

Expr coordinates_along(Expr shape, int64_t axis, int64_t rank) {
  if (!shape.valid()) return shape;
  ExprScope& s = shape.scope();
  Expr size = make(s, "Gather", {shape, constant_int(s, axis)});
  Expr index = make(s, "Range", {constant_int(s, 0), size, constant_int(s, 1)});
  std::vector<int64_t> inner;
  for (int64_t d = axis + 1; d < rank; ++d) inner.push_back(d - axis);
  if (!inner.empty()) index = unsqueeze(index, inner);
  return make(s, "Expand", {index, shape});
}

void grad_joined(GradContext& c, Expr places) {
  const std::string& reduction = c.attrs().s("reduction");
  if (reduction == "max" || reduction == "min")
    grad_extreme(c, places);
  else
    grad_scan(c, places, reduction == "mul");
}

}  // namespace weft
