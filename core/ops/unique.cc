// Unique: what a tensor holds, each once.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_unique(InferContext& c) {
  const Dim count = c.fresh();
  Dim all = c.fresh();
  if (!c.attrs().has("axis")) {
    c.set_dims(0, {count});
    if (c.has_rank(0)) {
      all = Dim(1);
      for (const Dim& dim : c.dims(0)) all = all * dim;
    }
  } else if (c.has_rank(0)) {
    WEFT_TRY(int64_t axis, InferContext::axis(c.attrs().i("axis"), c.rank(0)));
    Dims out = c.dims(0);
    all = out[static_cast<size_t>(axis)];
    out[static_cast<size_t>(axis)] = count;
    c.set_dims(0, std::move(out));
  }
  for (int i = 1; i < c.output_count(); ++i) c.set_dims(i, {i == 2 ? all : count});
  return {};
}

// Y is a Gather of X by the first places, to which the gradient goes back.
Status grad_unique(GradContext& c) {
  if (!c.has_grad(0)) return {};
  ExprScope& s = c.scope();
  Expr x = c.input(0);
  const bool flat = !c.attrs().has("axis");
  Expr first = c.output_count() > 1 ? c.output(1) : make_all(s, "Unique", {x}, c.attrs(), 2)[1];
  Expr like = flat ? make(s, "Reshape", {x, constant_ints(s, {-1})}) : x;
  Expr dx = make(s, "weft.ScatterRows", {c.grad(0), first, like}, {{"axis", flat ? int64_t{0} : c.attrs().i("axis")}});
  c.set_grad(0, flat ? reshape_like(dx, x) : dx);
  return {};
}

}  // namespace

void define_op_unique(OpRegistry& ops) {
  ops.add("Unique")
      .group("indexing")
      .since(11)
      .doc(
          "The different elements of a tensor, or with an axis its different slices, which are compared element by "
          "element, row by row. All NaN count as equal, and as greater than any number. Of complex numbers the real "
          "parts are compared first. The gradient goes to the first of equal ones.")
      .types("T", kTensorTypes)
      .optional_attr("axis", AttrKind::kInt,
                     "The axis of the slices; negative counts from the end. Without it the input counts as a list of "
                     "its elements, row by row.")
      .flag("sorted", true, "Whether they come in ascending order, else in that of their first places.")
      .input("X", "T", "Any shape; at least one dimension if there is an axis.")
      .output("Y", "T", "[count]; with an axis the shape of X with another size along it.")
      .optional_output("indices", "i64", "[count]: of each the first place in X, along the axis if there is one.")
      .optional_output("inverse_indices", "i64", "[all]: of each element or slice of X its place in Y.")
      .optional_output("counts", "i64", "[count]: how often each is there.")
      .infer(infer_unique)
      .sizes_outputs()
      .grad(grad_unique);
}

}  // namespace weft
