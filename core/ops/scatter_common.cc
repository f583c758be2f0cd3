// Gradients of joining updates with places of a tensor.
#include "core/ops/scatter_common.h"

#include "core/ops/unranked_common.h"

namespace weft {
namespace {

Expr gather_places(Expr data, Expr places) { return make(data.scope(), "GatherND", {data, places}); }

// Evenly among all that are equal to what came out, the element of data and the updates that meet it.
JoinedGrads grad_extreme(const Joined& j) {
  ExprScope& s = j.out.scope();
  Expr zero = scalar_like(j.out, 0);
  Expr kept = make(s, "Equal", {j.data, j.out}), taken = make(s, "Equal", {j.updates, gather_places(j.out, j.places)});
  Expr ties =
      make(s, "ScatterND", {cast(kept, j.out.dtype()), j.places, cast(taken, j.out.dtype())}, {{"reduction", "add"}});
  Expr share = j.gradient / ties;
  return {where(kept, share, zero), where(taken, gather_places(share, j.places), zero)};
}

// Back from the last place: an element is multiplied by what the updates after multiplied it with, 0 where one
// replaced it. An update of a product has what was there before as its slope.
JoinedGrads grad_scan(const Joined& j, bool product) {
  ExprScope& s = j.out.scope();
  Expr factors = product ? j.updates : fill_like(j.updates, 0);
  std::vector<Expr> back =
      make_all(s, "weft.ScatterScan", {j.gradient, j.places, factors}, {{"reverse", int64_t{1}}}, 2);
  if (product) back[1] = grad_mul(back[1], make_all(s, "weft.ScatterScan", {j.data, j.places, j.updates}, {}, 2)[1]);
  return {back[0], back[1]};
}

}  // namespace

Status check_reduction(const InferContext& c) {
  const std::string& reduction = c.attrs().s("reduction");
  const bool extreme = reduction == "max" || reduction == "min";
  if (reduction == "none") return {};
  if (!extreme && reduction != "add" && reduction != "mul") {
    return invalid("attribute 'reduction' is \"", reduction,
                   "\" but must be \"none\", \"add\", \"mul\", \"max\" or \"min\"");
  }
  if (c.dtype(0) == DType::kString) {
    return invalid("attribute 'reduction' is \"", reduction, "\" but must be \"none\" for strings");
  }
  if (extreme && is_complex(c.dtype(0))) {
    return invalid("attribute 'reduction' is \"", reduction,
                   "\" but must be \"none\", \"add\" or \"mul\" for complex numbers, which have no order");
  }
  return {};
}

Expr coordinates_along(Expr shape, int64_t axis) {
  if (!shape.valid()) return shape;
  ExprScope& s = shape.scope();
  Expr size = make(s, "Gather", {shape, constant_int(s, axis)});
  Expr index = make(s, "Range", {constant_int(s, 0), size, constant_int(s, 1)});
  return make(s, "Expand", {laid_along(index, shape, axis), shape});
}

Result<JoinedGrads> grad_joined(const Joined& joined, const std::string& reduction) {
  if (reduction == "mul" && is_complex(joined.data.dtype())) {
    return unimplemented("products of complex numbers have no gradient");
  }
  if (reduction == "max" || reduction == "min") return grad_extreme(joined);
  return grad_scan(joined, reduction == "mul");
}

}  // namespace weft
