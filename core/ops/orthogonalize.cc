// weft.Orthogonalize: a matrix with orthonormal columns or rows, for initial values.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_orthogonalize(InferContext& c) {
  if (c.has_rank(0) && c.rank(0) != 2) return invalid("input 'x' must be a matrix but is ", c.input(0).text());
  return infer_same_as_first(c);
}

}  // namespace

void define_op_orthogonalize(OpRegistry& ops) {
  ops.add(kWeftDomain, "Orthogonalize")
      .group("random")
      .doc(
          "Q of the QR decomposition of `x` in which the diagonal of R is not negative; of the "
          "transposed `x`, and "
          "transposed back, if `x` has more columns than rows. The columns (else the rows) are "
          "orthonormal. Of normal "
          "random numbers every orthogonal matrix is equally likely (Saxe et al., "
          "arXiv:1312.6120).")
      .types("T", kFloatTypes)
      .input("x", "T", "A matrix.")
      .output("y", "T", "The shape of x.")
      .infer(infer_orthogonalize)
      .no_gradient("initial values are not differentiated");
}

}  // namespace weft
