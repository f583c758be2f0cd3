// EyeLike: ones on a diagonal, made of other operators.
#include "core/graph/expr.h"

namespace weft {
namespace {

constexpr DTypeSet kEyeTypes = kNumberTypes | set_of(DType::kBool);

Expr places_along(Expr x, int64_t axis) {
  ExprScope& s = x.scope();
  Expr size = make(s, "Gather", {shape_of(x), constant_int(s, axis)});
  return make(s, "Range", {constant_int(s, 0), size, constant_int(s, 1)});
}

Status eye_like(BodyContext& c) {
  Expr x = c.input(0);
  if (x.has_rank() && x.rank() != 2) return invalid("the input must have two dimensions but is ", x.type().text());
  WEFT_TRY(DType dtype, checked_dtype(c.attrs().i_or("dtype", static_cast<int64_t>(x.dtype()))));
  if (!contains(kEyeTypes, dtype)) {
    return invalid("attribute 'dtype' is ", dtype_name(dtype), ", which is none of ", dtype_set_text(kEyeTypes));
  }
  ExprScope& s = c.scope();
  Expr rows = unsqueeze(places_along(x, 0), {1}), columns = unsqueeze(places_along(x, 1), {0});
  // Not rows + k, which may not fit.
  Expr hit = make(s, "Equal", {columns - rows, constant_int(s, c.attrs().i("k"))});
  c.set_output(0, cast(hit, dtype));
  return {};
}

}  // namespace

void define_op_eye_like(OpRegistry& ops) {
  ops.add("EyeLike")
      .group("generate")
      .since(22)
      .doc("A matrix in the shape of another: ones on a diagonal, zeros elsewhere.")
      .types("T1", kEyeTypes)
      .types("T2", kEyeTypes)
      .optional_dtype_attr("dtype", "Type of the output; that of the input if not given.")
      .attr("k", int64_t{0}, "Which diagonal: 0 for the main one, positive for those above it, negative below.")
      .input("input", "T1", "[rows, columns]; only the shape is taken.")
      .shape_only()
      .output("output", "T2", "The shape of the input.")
      .body_by_shapes(eye_like)
      .no_gradient("its output does not depend on any number that could move");
}

}  // namespace weft
