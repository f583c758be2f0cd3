// Linear algebra on the last two axes: Cholesky, Eig, Eigh, Inverse, Solve. Gradients: Giles, "Collected matrix
// derivative results for forward and reverse mode algorithmic differentiation", 2008.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_square(InferContext& c, Dim* size) {
  if (!c.has_rank(0)) return {};
  const Dims& dims = c.dims(0);
  bool square = dims.size() >= 2;
  if (square) {
    const Dim &rows = dims[dims.size() - 2], &columns = dims[dims.size() - 1];
    square = rows == columns || !rows.known() || !columns.known();
    *size = rows.known() ? rows : columns;
  }
  return square ? Status()
                : invalid("the last two axes must make a square matrix but the input is ", c.input(0).text());
}

Status infer_same(InferContext& c) {
  Dim size;
  WEFT_CHECK(infer_square(c, &size));
  c.output(0) = c.input(0);
  return {};
}

// Values [..., n] first, then vectors [..., n, n].
Status infer_eigen(InferContext& c) {
  Dim size;
  WEFT_CHECK(infer_square(c, &size));
  int half = static_cast<int>(c.op().outputs().size()) / 2;
  for (int i = 0; i < c.output_count(); ++i) {
    c.set_dtype(i, c.input(0).dtype);
    if (!c.has_rank(0)) continue;
    Dims dims = c.dims(0);
    if (i < half) dims.pop_back();
    c.set_dims(i, std::move(dims));
  }
  return {};
}

Status infer_solve(InferContext& c) {
  Dim size;
  WEFT_CHECK(infer_square(c, &size));
  if (c.has_rank(0) && c.has_rank(1)) {
    const Dims &a = c.dims(0), &b = c.dims(1);
    bool fits = a.size() == b.size();
    for (size_t i = 0; fits && i + 1 < a.size(); ++i) fits = a[i] == b[i] || !a[i].known() || !b[i].known();
    if (!fits) {
      return invalid("B must have the leading axes and the rows of A, ", c.input(0).text(), ", but is ",
                     c.input(1).text());
    }
  }
  c.output(0) = c.input(1);
  return {};
}

// Whether row >= column, row == column and so on, for matrices like x: bool [n, n].
Expr compare_indices(Expr x, const char* op) {
  ExprScope& s = x.scope();
  Expr size = make(s, "Gather", {shape_of(x), constant_int(s, -1)});
  Expr index = make(s, "Range", {constant_int(s, 0), size, constant_int(s, 1)});
  return make(s, op, {unsqueeze(index, {1}), unsqueeze(index, {0})});
}

Expr symmetric(Expr x) { return (x + swap_last_two(x)) * 0.5; }

// A diagonal matrix of the last axis, with `rest` elsewhere.
Expr with_diagonal(Expr diagonal, Expr rest) {
  return where(compare_indices(rest, "Equal"), unsqueeze(diagonal, {-1}), rest);
}

Status grad_inverse(GradContext& c) {
  Expr transposed = swap_last_two(c.output(0));
  c.set_grad(0, -matmul(matmul(transposed, c.grad(0)), transposed));
  return {};
}

Status grad_solve(GradContext& c) {
  Expr db = make(c.scope(), "weft.Solve", {swap_last_two(c.input(0)), c.grad(0)});
  c.set_grad(1, db);
  if (c.needs(0)) c.set_grad(0, -matmul(db, swap_last_two(c.output(0))));
  return {};
}

// L^-T phi(L^T dL) L^-1, symmetrised; phi keeps the lower triangle and halves the diagonal.
Status grad_cholesky(GradContext& c) {
  Expr l = c.output(0), product = matmul(swap_last_two(l), c.grad(0));
  Expr zero = scalar_like(product, 0);
  Expr lower = where(compare_indices(product, "Greater"), product, zero);
  Expr phi = lower + where(compare_indices(product, "Equal"), product * 0.5, zero);
  Expr upper = swap_last_two(l);
  Expr left = make(c.scope(), "weft.Solve", {upper, phi});
  Expr both = swap_last_two(make(c.scope(), "weft.Solve", {upper, swap_last_two(left)}));
  c.set_grad(0, symmetric(both));
  return {};
}

// V (diag(dw) + F * (V^T dV)) V^T, symmetrised, with F = 1 / (w_j - w_i) off the diagonal and 0 where values are equal.
Status grad_eigh(GradContext& c) {
  Expr values = c.output(0), vectors = c.output(1), turned = swap_last_two(vectors);
  Expr middle = fill_like(vectors, 0);
  if (c.has_grad(1)) {
    Expr gap = unsqueeze(values, {-2}) - unsqueeze(values, {-1});
    Expr zero = scalar_like(gap, 0), one = scalar_like(gap, 1);
    Expr same = make(c.scope(), "Equal", {gap, zero});
    Expr factor = where(same, zero, one / where(same, one, gap));
    middle = factor * matmul(turned, c.grad(1));
  }
  if (c.has_grad(0)) middle = with_diagonal(c.grad(0), middle);
  c.set_grad(0, symmetric(matmul(matmul(vectors, middle), turned)));
  return {};
}

// Of the values alone: Re(V^-H diag(g) V^H), through the real form [[Re, -Im], [Im, Re]] of V.
Status grad_eig(GradContext& c) {
  if (c.has_grad(2) || c.has_grad(3)) {
    return unimplemented(
        "the gradient of weft.Eig by its vectors, whose phase is a convention; that by its values is known");
  }
  ExprScope& s = c.scope();
  Expr re = c.output(2), im = c.output(3);
  Expr whole = concat({concat({re, -im}, -1), concat({im, re}, -1)}, -2);
  Expr inverse = make(s, "weft.Inverse", {whole});
  Expr size = make(s, "Gather", {shape_of(re), constant_ints(s, {-1})});
  Expr twice = make(s, "Mul", {size, constant_ints(s, {2})});
  auto part = [&](Expr from, Expr to, int64_t axis) {
    return [&, from, to, axis](Expr x) { return make(s, "Slice", {x, from, to, constant_ints(s, {axis})}); };
  };
  Expr zero = constant_ints(s, {0});
  Expr left = part(zero, size, -1)(inverse);
  Expr inverse_re = part(zero, size, -2)(left), inverse_im = part(size, twice, -2)(left);
  Expr g_re = unsqueeze(c.grad(0), {-1}), g_im = unsqueeze(c.grad(1), {-1});
  Expr turned_re = swap_last_two(re), turned_im = swap_last_two(im);
  Expr middle_re = g_re * turned_re + g_im * turned_im;
  Expr middle_im = g_im * turned_re - g_re * turned_im;
  c.set_grad(0, matmul(swap_last_two(inverse_re), middle_re) + matmul(swap_last_two(inverse_im), middle_im));
  return {};
}

constexpr const char* kSquare = "[..., n, n].";

}  // namespace

void define_op_linalg(OpRegistry& ops) {
  ops.add(kWeftDomain, "Inverse")
      .group("linalg")
      .doc("The inverse of each matrix. A singular one is an error.")
      .types("T", kFloatTypes)
      .input("A", "T", kSquare)
      .output("Y", "T", "The shape of A.")
      .infer(infer_same)
      .grad(grad_inverse);
  ops.add(kWeftDomain, "Solve")
      .group("linalg")
      .doc("The X for which `A @ X = B`, for each matrix. A singular A is an error.")
      .types("T", kFloatTypes)
      .input("A", "T", kSquare)
      .input("B", "T", "[..., n, k], with the leading axes of A.")
      .output("X", "T", "The shape of B.")
      .infer(infer_solve)
      .grad(grad_solve);
  ops.add(kWeftDomain, "Cholesky")
      .group("linalg")
      .doc(
          "The lower triangular L for which `A = L @ transpose(L)`, for each matrix. Only the lower triangle of A is "
          "read; its gradient is symmetric. A matrix that is not positive definite is an error.")
      .types("T", kFloatTypes)
      .input("A", "T", "[..., n, n], symmetric.")
      .output("L", "T", "The shape of A.")
      .infer(infer_same)
      .grad(grad_cholesky);
  ops.add(kWeftDomain, "Eigh")
      .group("linalg")
      .doc(
          "Eigenvalues and eigenvectors of each symmetric matrix. Only the lower triangle of A is read; its gradient "
          "is "
          "symmetric, and pairs of equal eigenvalues add nothing to the gradient by the vectors.")
      .types("T", kFloatTypes)
      .input("A", "T", "[..., n, n], symmetric.")
      .output("values", "T", "[..., n], ascending.")
      .output("vectors", "T",
              "[..., n, n]: column i belongs to value i, has length 1, and its first largest element is positive.")
      .infer(infer_eigen)
      .grad(grad_eigh);
  ops.add(kWeftDomain, "Eig")
      .group("linalg")
      .doc(
          "Eigenvalues and eigenvectors of each matrix, in real and imaginary parts. The gradient by the values is "
          "known; that by the vectors is an error, because their phase is a convention.")
      .types("T", kFloatTypes)
      .input("A", "T", kSquare)
      .output("values_re", "T", "[..., n], sorted by real part, then by imaginary part.")
      .output("values_im", "T", "[..., n].")
      .output("vectors_re", "T",
              "[..., n, n]: column i belongs to value i, has length 1, and its first largest element is real and "
              "positive.")
      .output("vectors_im", "T", "[..., n, n].")
      .infer(infer_eigen)
      .grad(grad_eig);
}

}  // namespace weft
