// Trilu: the upper or lower triangle of matrices.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_trilu(InferContext& c) {
  WEFT_CHECK(c.check_number(1));
  WEFT_CHECK(infer_same_as_first(c));
  if (!c.has_rank(0) || c.rank(0) >= 2) return {};
  return invalid("'input' must have at least two dimensions but is ", c.input(0).text());
}

Status grad_trilu(GradContext& c) {
  c.set_grad(0, make(c.scope(), "Trilu", {c.grad(0), c.input(1)}, c.attrs()));
  return {};
}

}  // namespace

void define_op_trilu(OpRegistry& ops) {
  ops.add("Trilu")
      .group("shape")
      .since(14)
      .doc(
          "Matrices with zeros outside of a triangle: what is kept is `column - row >= k` if upper, else "
          "`column - row <= k`.")
      .types("T", kAllTypes)
      .flag("upper", true, "Whether the upper triangle is kept, else the lower one.")
      .input("input", "T", "[..., rows, columns].")
      .optional_input("k", "i64", "A number: how far above the main diagonal the kept part ends; 0 if not given.")
      .output("output", "T", "The shape of the input.")
      .inplace(0, 0)
      .infer(infer_trilu)
      .grad(grad_trilu);
}

}  // namespace weft
