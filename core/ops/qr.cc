// Triangular matrices: Qr and TriangularSolve. The gradient of Qr: Walter and Lehmann, "Algorithmic differentiation of
// linear algebra functions with application in optimum experimental design", 2010; of wide matrices: Roberts and Roberts,
// arXiv:2009.10071.
#include "core/ops/linalg_common.h"

namespace weft {
namespace {

using namespace linalg;

Status infer_qr(InferContext& c) {
  for (int i = 0; i < c.output_count(); ++i) c.set_dtype(i, c.input(0).dtype);
  if (!c.has_rank(0)) return {};
  Dim rows, columns;
  WEFT_CHECK(matrix_dims(c, &rows, &columns));
  Dim k = rows;
  if (!c.attrs().b("complete") && rows != columns) {
    if (!rows.known() || !columns.known())
      k = c.fresh();
    else if (columns.value() < rows.value())
      k = columns;
  }
  Dims q = c.dims(0), r = c.dims(0);
  q.back() = k;
  r[r.size() - 2] = k;
  c.set_dims(0, std::move(q));
  if (c.output_count() > 1) c.set_dims(1, std::move(r));
  return {};
}

// The part [start, end) of the last axis or the one before it.
Expr part_of(Expr x, int64_t axis, Expr start, Expr end) {
  ExprScope& s = x.scope();
  return make(s, "Slice", {x, unsqueeze(start, {0}), unsqueeze(end, {0}), constant_ints(s, {axis})});
}

// With the lower triangle of M = R dR^T - dQ^T Q mirrored: (dQ + Q M) R^-T, for a square R.
Expr grad_of_square(Expr q, Expr r, Expr dq, Expr dr) {
  Expr m = matmul(r, swap_last_two(dr)) - matmul(swap_last_two(dq), q);
  Expr mirrored = triangle(m, false, 0) + swap_last_two(triangle(m, false, -1));
  Expr solved = make(q.scope(), "weft.TriangularSolve", {r, swap_last_two(dq + matmul(q, mirrored))});
  return swap_last_two(solved);
}

// The columns of A = [X Y] beyond the first k = min(m, n) are Q times those of R = [S T], so Q = X S^-1 gets Y dT^T
// besides its own gradient.
Status grad_qr(GradContext& c) {
  ExprScope& s = c.scope();
  Expr a = c.input(0), q = c.output(0), r = c.output(1), dq = c.grad(0), dr = c.grad(1);
  const Dims sizes = a.has_rank() ? Dims(a.dims().end() - 2, a.dims().end()) : Dims{Dim(), Dim()};
  const Dim &m = sizes[0], &n = sizes[1];
  const bool known = a.has_rank() && m.known() && n.known();
  const bool square = a.has_rank() && m == n, tall = square || (known && n.value() < m.value());
  Expr zero = constant_int(s, 0);
  if (c.attrs().b("complete") && !square && !(known && m.value() < n.value())) {
    if (c.has_grad(0)) {
      return unimplemented(
          "with 'complete' the columns of Q beyond those of the matrix are any orthonormal ones, so no gradient can "
          "flow from Q");
    }
    Expr count = size_of(a, -1);
    q = part_of(q, -1, zero, count);
    dq = fill_like(q, 0);
    r = part_of(r, -2, zero, count);
    dr = part_of(dr, -2, zero, count);
  }
  if (tall) {
    c.set_grad(0, grad_of_square(q, r, dq, dr));
    return {};
  }
  Expr k = size_of(q, -1), columns = size_of(a, -1);
  Expr rest = part_of(dr, -1, k, columns);
  dq = dq + matmul(part_of(a, -1, k, columns), swap_last_two(rest));
  Expr dx = grad_of_square(q, part_of(r, -1, zero, k), dq, part_of(dr, -1, zero, k));
  c.set_grad(0, concat({dx, matmul(q, rest)}, -1));
  return {};
}

Status infer_triangular_solve(InferContext& c) {
  WEFT_CHECK(check_square(c));
  WEFT_CHECK(check_beside(c));
  c.output(0) = c.input(1);
  return {};
}

// dB = A^-T dX, and dA the triangle of -dB X^T; of the transposed A, its transpose.
Status grad_triangular_solve(GradContext& c) {
  const bool lower = c.attrs().b("lower"), transposed = c.attrs().b("transposed");
  Attrs attrs = c.attrs();
  attrs.set("transposed", int64_t{!transposed});
  Expr db = make(c.scope(), "weft.TriangularSolve", {c.input(0), c.grad(0)}, attrs), x = c.output(0);
  c.set_grad(1, db);
  if (!c.needs(0)) return {};
  Expr da = transposed ? matmul(x, swap_last_two(db)) : matmul(db, swap_last_two(x));
  const int64_t inside = c.attrs().b("unit_diagonal") ? 1 : 0;
  c.set_grad(0, -triangle(da, !lower, lower ? -inside : inside));
  return {};
}

}  // namespace

void define_op_qr(OpRegistry& ops) {
  ops.add(kWeftDomain, "Qr")
      .group("linalg")
      .doc(
          "`A = Q @ R` for each matrix, with orthonormal columns of Q and an upper triangular R without negative "
          "numbers on "
          "its diagonal, which makes both unique where the first k = min(m, n) columns of A are independent (other "
          "libraries leave the signs to the method). Only there the gradient exists, and is an error elsewhere. With "
          "`complete`, if m > n, none flows from Q.")
      .types("T", kFloatTypes)
      .flag("complete", false, "Whether Q is square, [..., m, m], and R as A, [..., m, n].")
      .input("A", "T", "[..., m, n].")
      .output("Q", "T", "[..., m, k].")
      .output("R", "T", "[..., k, n].")
      .infer(infer_qr)
      .grad(grad_qr);
  ops.add(kWeftDomain, "TriangularSolve")
      .group("linalg")
      .doc(
          "The X for which `A @ X = B`, for each matrix, with a triangular A, of which the other triangle is not read. "
          "A "
          "0 on the diagonal is an error.")
      .types("T", kFloatTypes)
      .flag("lower", false, "Whether A is lower triangular, else upper.")
      .flag("transposed", false, "Whether it is `transpose(A) @ X = B`.")
      .flag("unit_diagonal", false, "Whether the diagonal of A counts as 1 and is not read.")
      .input("A", "T", "[..., n, n].")
      .input("B", "T", "[..., n, k], with the leading axes of A.")
      .output("X", "T", "The shape of B.")
      .infer(infer_triangular_solve)
      .grad(grad_triangular_solve);
}

}  // namespace weft
