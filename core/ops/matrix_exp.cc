// The exponential of matrices. The gradient: Mathias, "A chain rule for matrix functions and applications", 1996.
#include "core/ops/linalg_common.h"

namespace weft {
namespace {

using namespace linalg;

Status infer_matrix_exp(InferContext& c) {
  WEFT_CHECK(check_square(c));
  c.output(0) = c.input(0);
  return {};
}

// The upper right block of exp([A^T dY; 0 A^T]), which is linear in dY. With dY no larger than 1 the block matrix is hardly
// larger than A, and as exact.
Status grad_matrix_exp(GradContext& c) {
  ExprScope& s = c.scope();
  Expr turned = swap_last_two(c.input(0)), dy = c.grad(0), none = fill_like(turned, 0);
  Expr most = largest(largest(dy, -1), -2);
  Expr scale = make(s, "weft.StopGradient",
                    {where(make(s, "Greater", {most, scalar_like(most, 0)}), most, scalar_like(most, 1))});
  Expr block = concat({concat({turned, dy / scale}, -1), concat({none, turned}, -1)}, -2);
  Expr upper = make_all(s, "Split", {make(s, "weft.MatrixExp", {block})}, {{"axis", -2}, {"num_outputs", 2}}, 2)[0];
  c.set_grad(0, make_all(s, "Split", {upper}, {{"axis", -1}, {"num_outputs", 2}}, 2)[1] * scale);
  return {};
}

}  // namespace

void define_op_matrix_exp(OpRegistry& ops) {
  ops.add(kWeftDomain, "MatrixExp")
      .group("linalg")
      .doc("The exponential of each matrix, `1 + A + A @ A / 2! + A @ A @ A / 3! + ...`.")
      .types("T", kFloatTypes)
      .input("A", "T", "[..., n, n].")
      .output("Y", "T", "The shape of A.")
      .infer(infer_matrix_exp)
      .grad(grad_matrix_exp);
}

}  // namespace weft
