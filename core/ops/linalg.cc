// Linear algebra on the last two axes: Cholesky, Det, Eig, Eigh, Inverse, SlogDet, Solve. Gradients: Giles, "Collected matrix
// derivative results for forward and reverse mode algorithmic differentiation", 2008; Boeddeker et al., "On the
// computation of complex-valued gradients", 2017.
#include "core/ops/linalg_common.h"

namespace weft {
namespace {

using namespace linalg;

Status infer_same(InferContext& c) {
  WEFT_CHECK(check_square(c));
  c.output(0) = c.input(0);
  return {};
}

Status infer_det(InferContext& c) {
  WEFT_CHECK(check_square(c));
  if (c.has_rank(0)) c.set_dims(0, Dims(c.dims(0).begin(), c.dims(0).end() - 2));
  return {};
}

// Values [..., n] first, then vectors [..., n, n].
Status infer_eigen(InferContext& c) {
  WEFT_CHECK(check_square(c));
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
  WEFT_CHECK(check_square(c));
  WEFT_CHECK(check_beside(c));
  c.output(0) = c.input(1);
  return {};
}

Expr symmetric(Expr x) { return (x + swap_last_two(x)) * 0.5; }

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

Status grad_det(GradContext& c) {
  c.set_grad(0, grad_mul(unsqueeze(c.grad(0), {-2, -1}), make(c.scope(), "weft.Cofactors", {c.input(0)})));
  return {};
}

Status infer_slogdet(InferContext& c) {
  WEFT_CHECK(infer_det(c));
  for (int i = 1; i < c.output_count(); ++i) c.output(i) = c.output(0);
  return {};
}

// The sign does not move. X^-T times the gradient of the logarithm.
Status grad_slogdet(GradContext& c) {
  if (!c.has_grad(1)) return {};
  Expr inverse = make(c.scope(), "weft.Inverse", {c.input(0)});
  c.set_grad(0, unsqueeze(c.grad(1), {-2, -1}) * swap_last_two(inverse));
  return {};
}

// With the cofactors C = det(X) X^-T and their gradient G: X^-T (sum(G * C) I - G^T C).
Status grad_cofactors(GradContext& c) {
  Expr all = reduce_sum(c.grad(0) * c.output(0), {-2, -1}, true);
  Expr rest = -matmul(swap_last_two(c.grad(0)), c.output(0));
  Expr middle = where(compare_indices(rest, "Equal"), rest + all, rest);
  c.set_grad(0, make(c.scope(), "weft.Solve", {swap_last_two(c.input(0)), middle}));
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

// V (diag(dw) + F * (V^T dV)) V^T, symmetrised, with F = 1 / (w_j - w_i), or 0 where only rounding tells them apart.
Status grad_eigh(GradContext& c) {
  Expr values = c.output(0), vectors = c.output(1), turned = swap_last_two(vectors);
  Expr middle = fill_like(vectors, 0);
  if (c.has_grad(1)) {
    ExprScope& s = c.scope();
    Expr gap = gaps(values), zero = scalar_like(gap, 0), one = scalar_like(gap, 1);
    Expr limit = unsqueeze(largest(values, -1), {-1}) * rounding(vectors);
    Expr same = make(s, "LessOrEqual", {make(s, "Abs", {gap}), limit});
    Expr factor = where(same, zero, one / where(same, one, gap));
    middle = factor * matmul(turned, c.grad(1));
  }
  if (c.has_grad(0)) middle = with_diagonal(c.grad(0), middle);
  c.set_grad(0, symmetric(matmul(matmul(vectors, middle), turned)));
  return {};
}

struct Complex {
  Expr re, im;
};

// [[Re, -Im], [Im, Re]], which multiplies and is inverted as the complex matrix is; transposed, it is that of the
// conjugate transpose. The left half stands for all of it.
Expr real_form(const Complex& z) { return concat({concat({z.re, -z.im}, -1), concat({z.im, z.re}, -1)}, -2); }
Complex from_left_half(Expr half) {
  std::vector<Expr> parts = make_all(half.scope(), "Split", {half}, {{"axis", -2}, {"num_outputs", 2}}, 2);
  return {parts[0], parts[1]};
}

// Which element of each column is real and positive by convention: the first of the largest ones. The kernel says so
// where its magnitude is within 1e-6 of the largest, and makes its imaginary part exactly 0.
Expr pivots(const Complex& v) {
  ExprScope& s = v.re.scope();
  Expr square = v.re * v.re + v.im * v.im;
  Expr large = make(s, "GreaterOrEqual", {square, largest(square, -2) * (1 - 3e-6)});
  Expr candidate = make(s, "And", {large, make(s, "Equal", {v.im, scalar_like(v.im, 0)})});
  Expr count = make(s, "CumSum", {cast(candidate, DType::kI32), constant_int(s, -2)});
  return make(s, "And", {candidate, make(s, "Equal", {count, scalar_like(count, 1)})});
}

// 1 / conj(w_j - w_i), or 0 where only rounding tells them apart. The values are scaled so that no square of them
// overflows or vanishes.
Complex inverse_gaps(const Complex& values) {
  ExprScope& s = values.re.scope();
  Expr scale = make(s, "Max", {largest(values.re, -1), largest(values.im, -1)});
  scale = make(s, "weft.StopGradient",
               {where(make(s, "Equal", {scale, scalar_like(scale, 0)}), scalar_like(scale, 1), scale)});
  Expr re = gaps(values.re / scale), im = gaps(values.im / scale);
  Expr square = re * re + im * im, limit = rounding(values.re);
  Expr same = make(s, "LessOrEqual", {square, limit * limit});
  Expr zero = scalar_like(square, 0), divisor = where(same, scalar_like(square, 1), square) * unsqueeze(scale, {-1});
  return {where(same, zero, re) / divisor, where(same, zero, im) / divisor};
}

// V^H times the gradient of V as it may move: v_j + dv_j stays of length 1 and its pivot real. With s_j = g_j^H v_j
// that takes Re(s_j) v_j from g_j, and adds i Im(s_j) / pivot to it at the pivot: nothing, if the phase is free.
Complex turned_gradient(const Complex& v, const Complex& g, Expr turned) {
  Expr along = reduce_sum(g.re * v.re + g.im * v.im, {-2}, true);
  Expr across = reduce_sum(g.re * v.im - g.im * v.re, {-2}, true);
  Expr held = where(pivots(v), across / v.re, scalar_like(across, 0));
  return from_left_half(matmul(turned, concat({g.re - v.re * along, g.im - v.im * along + held}, -2)));
}

// Re(V^-H (diag(g) + 1 / conj(w_j - w_i) * (V^H h)) V^H), with h from turned_gradient.
Status grad_eig(GradContext& c) {
  Complex values{c.output(0), c.output(1)}, vectors{c.output(2), c.output(3)};
  Expr turned = swap_last_two(real_form(vectors));
  Complex middle{fill_like(vectors.re, 0), fill_like(vectors.re, 0)};
  if (c.has_grad(2) || c.has_grad(3)) {
    Complex f = inverse_gaps(values), q = turned_gradient(vectors, {c.grad(2), c.grad(3)}, turned);
    middle = {f.re * q.re - f.im * q.im, f.re * q.im + f.im * q.re};
  }
  if (c.has_grad(0)) middle.re = with_diagonal(c.grad(0), middle.re);
  if (c.has_grad(1)) middle.im = with_diagonal(c.grad(1), middle.im);
  Expr right = concat({swap_last_two(vectors.re), -swap_last_two(vectors.im)}, -2);
  Expr whole = make(c.scope(), "weft.Solve", {turned, matmul(real_form(middle), right)});
  c.set_grad(0, from_left_half(whole).re);
  return {};
}

// scipy.linalg.solve of a matrix of no known kind, which reads all of it whatever `lower` says.
Status solve_of_skl2onnx(BodyContext& c) {
  const bool is_vector = c.input(1).has_rank() && c.input(1).rank() == 1;
  Expr a = c.attrs().b("transposed") ? swap_last_two(c.input(0)) : c.input(0);
  Expr y = is_vector ? unsqueeze(c.input(1), {1}) : c.input(1);
  Expr x = make(c.scope(), "weft.Solve", {a, y});
  c.set_output(0, is_vector ? squeeze(x, {1}) : x);
  return {};
}

constexpr const char* kSquare = "[..., n, n].";

}  // namespace

void define_op_linalg(OpRegistry& ops) {
  ops.add("Det")
      .group("linalg")
      .since(22)
      .doc(
          "The determinant of each matrix. The gradient is exact for singular ones too; the gradient of the gradient "
          "needs matrices that are not singular.")
      .types("T", kFloatTypes)
      .input("X", "T", kSquare)
      .output("Y", "T", "[...].")
      .infer(infer_det)
      .grad(grad_det);
  ops.add(kWeftDomain, "Cofactors")
      .group("gradient")
      .doc(
          "The cofactors of each matrix: at a row and column, the determinant of what is left without them, with the "
          "sign of a chessboard. They are the gradient of Det.")
      .types("T", kFloatTypes)
      .input("X", "T", kSquare)
      .output("Y", "T", "The shape of X.")
      .infer(infer_same)
      .grad(grad_cofactors);
  ops.add(kWeftDomain, "SlogDet")
      .group("linalg")
      .doc(
          "The sign and the logarithm of the magnitude of the determinant of each matrix, `det = sign * "
          "exp(logabsdet)`, "
          "which neither overflow nor vanish where Det does. Of a singular matrix they are 0 and -infinity; the "
          "gradient by the logarithm needs matrices that are not singular.")
      .types("T", kFloatTypes)
      .input("X", "T", kSquare)
      .output("sign", "T", "[...]: -1, 0 or 1.")
      .output("logabsdet", "T", "[...].")
      .infer(infer_slogdet)
      .grad(grad_slogdet);
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
  ops.add(kMicrosoftDomain, "Solve")
      .group("linalg")
      .doc(
          "The X for which `A @ X = Y`. skl2onnx writes it for GaussianProcessClassifier, and means "
          "scipy.linalg.solve.")
      .types("T", set_of(DType::kF32, DType::kF64))
      .flag("lower", false, "Which half of a symmetric A SciPy reads; counts for nothing, as both are the same.")
      .flag("transposed", false, "Whether A is to be transposed.")
      .input("A", "T", "[n, n].")
      .input("Y", "T", "[n, k] or [n].")
      .output("X", "T", "The shape of Y.")
      .body(solve_of_skl2onnx)
      .unlisted();
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
          "is symmetric. Pairs of eigenvalues that only rounding tells apart (n machine epsilons of the largest) add "
          "nothing to the gradient by the vectors, which is right where a loss does not depend on the choice of "
          "vectors for one value.")
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
          "Eigenvalues and eigenvectors of each matrix, in real and imaginary parts. Those of a matrix that equals "
          "its transpose are as of `Eigh`: nothing is imaginary, and the vectors are orthogonal. The gradient is "
          "that of the vectors as they are normalised here, in length and phase, and so that of any loss; where "
          "another element becomes the largest they jump, which it does not tell. Pairs of eigenvalues that only "
          "rounding tells apart (n machine epsilons of the largest) add nothing to the gradient by the vectors. "
          "Where a matrix has not n independent vectors, the gradient does not exist and is an error or huge.")
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
