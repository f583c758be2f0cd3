// Singular values and what is made of them: Svd, Pinv, Lstsq. The gradient of Svd: Townsend, "Differentiating the
// singular value decomposition", 2016; of Pinv: Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear
// least squares problems whose variables separate", 1973.
#include <algorithm>

#include "core/ops/linalg_common.h"

namespace weft {
namespace {

using namespace linalg;

// The lesser of two dimensions.
Dim lesser(InferContext& c, const Dim& a, const Dim& b) {
  if (a == b || a.is(0)) return a;
  if (b.is(0)) return b;
  return a.known() && b.known() ? Dim(std::min(a.value(), b.value())) : c.fresh();
}

Status infer_svd(InferContext& c) {
  for (int i = 0; i < c.output_count(); ++i) c.set_dtype(i, c.input(0).dtype);
  if (!c.has_rank(0)) return {};
  Dim rows, columns;
  WEFT_CHECK(matrix_dims(c, &rows, &columns));
  const bool full = c.attrs().b("full");
  const Dim k = lesser(c, rows, columns);
  const Dims batch(c.dims(0).begin(), c.dims(0).end() - 2);
  auto shaped = [&](int i, std::initializer_list<Dim> last) {
    if (i >= c.output_count()) return;
    Dims dims = batch;
    dims.insert(dims.end(), last);
    c.set_dims(i, std::move(dims));
  };
  shaped(0, {rows, full ? rows : k});
  shaped(1, {k});
  shaped(2, {full ? columns : k, columns});
  return {};
}

// Whether the first of the last two axes is known to be no longer than the second; or the other way round.
bool no_longer(Expr x, bool rows) {
  if (!x.has_rank()) return false;
  const Dim &m = x.dims()[x.dims().size() - 2], &n = x.dims().back();
  if (m == n) return true;
  if (!m.known() || !n.known()) return false;
  return rows ? m.value() <= n.value() : n.value() <= m.value();
}

// The first `count` of an axis.
Expr first_of(Expr x, Expr count, int64_t axis) {
  ExprScope& s = x.scope();
  return make(s, "Slice", {x, constant_ints(s, {0}), unsqueeze(count, {0}), constant_ints(s, {axis})});
}

// 1 / x, or 0 where only rounding tells it from 0 beside the largest of the last axis.
Expr inverse_or_zero(Expr x, Expr limit) {
  ExprScope& s = x.scope();
  Expr none = make(s, "LessOrEqual", {make(s, "Abs", {x}), limit});
  return where(none, scalar_like(x, 0), scalar_like(x, 1) / where(none, scalar_like(x, 1), x));
}

// With F_ij = 1 / (s_j^2 - s_i^2), and skew(X) = X - X^T:
// U (F * skew(U^T dU) S + S F * skew(V^T dV) + diag(dS)) V^T + (1 - U U^T) dU S^-1 V^T + U S^-1 dV^T (1 - V V^T).
Status grad_svd(GradContext& c) {
  Expr a = c.input(0), u = c.output(0), values = c.output(1), vt = c.output(2), du, dvt;
  const bool wide = no_longer(a, true), tall = no_longer(a, false), full = c.attrs().b("full");
  if (full && ((c.has_grad(0) && !wide) || (c.has_grad(2) && !tall))) {
    return unimplemented(
        "with 'full' the vectors beyond the singular values are any orthonormal ones, so no gradient can flow from "
        "those of the longer side");
  }
  if (c.has_grad(0)) du = c.grad(0);
  if (c.has_grad(2)) dvt = c.grad(2);
  if (full) {
    Expr count = size_of(values, -1);
    u = first_of(u, count, -1);
    vt = first_of(vt, count, -2);
  }
  Expr row = unsqueeze(values, {-2}), column = unsqueeze(values, {-1});
  Expr limit = unsqueeze(largest(values, -1), {-1}) * rounding(values);
  Expr gap = gaps(values), apart = inverse_or_zero(gap, limit) * inverse_or_zero(row + column, limit);
  Expr turned = swap_last_two(u), v = swap_last_two(vt);
  Expr middle = fill_like(gap, 0), outside;
  auto skew = [](Expr x) { return x - swap_last_two(x); };
  if (du.valid()) {
    Expr along = matmul(turned, du);
    middle = middle + skew(along) * apart * row;
    if (!wide) outside = matmul((du - matmul(u, along)) * inverse_or_zero(row, limit), vt);
  }
  if (dvt.valid()) {
    Expr along = matmul(dvt, v);
    middle = middle - column * (apart * skew(along));
    if (!tall) {
      Expr part = matmul(u, inverse_or_zero(column, limit) * (dvt - matmul(along, vt)));
      outside = outside.valid() ? outside + part : part;
    }
  }
  if (c.has_grad(1)) middle = with_diagonal(c.grad(1), middle);
  Expr da = matmul(matmul(u, middle), vt);
  c.set_grad(0, outside.valid() ? da + outside : da);
  return {};
}

Status check_rtol(const Attrs& attrs) {
  if (!attrs.has("rtol") || attrs.f("rtol") >= 0) return {};
  return invalid("attribute 'rtol' is ", attrs.f("rtol"), " but must not be negative");
}

Status infer_pinv(InferContext& c) {
  WEFT_CHECK(check_rtol(c.attrs()));
  if (!c.has_rank(0)) return {};
  Dim rows, columns;
  WEFT_CHECK(matrix_dims(c, &rows, &columns));
  Dims dims = c.dims(0);
  std::swap(dims[dims.size() - 2], dims.back());
  c.set_dims(0, std::move(dims));
  return {};
}

Status build_pinv(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr a = c.input(0);
  std::vector<Expr> parts = make_all(s, "weft.Svd", {a}, {}, 3);
  Expr values = parts[1];
  Expr tolerance = c.attrs().has("rtol") ? scalar_like(values, c.attrs().f("rtol"))
                                         : make(s, "Max", {rounding(a), rounding(swap_last_two(a))});
  Expr inverse = inverse_or_zero(values, largest(values, -1) * tolerance);
  c.set_output(0, matmul(swap_last_two(parts[2]) * unsqueeze(inverse, {-2}), swap_last_two(parts[0])));
  return {};
}

// -P^T dP P^T + (1 - A P) dP^T P P^T + P^T P dP^T (1 - P A), for changes of A that leave its rank as it is.
Status grad_pinv(GradContext& c) {
  Expr a = c.input(0), p = c.output(0), turned = swap_last_two(p), dp = c.grad(0), back = swap_last_two(dp);
  Expr left = matmul(matmul(back, p), turned);
  Expr right = matmul(turned, matmul(p, back));
  Expr both = left - matmul(a, matmul(p, left)) + right - matmul(matmul(right, p), a);
  c.set_grad(0, both - matmul(matmul(turned, dp), turned));
  return {};
}

Status infer_lstsq(InferContext& c) {
  WEFT_CHECK(check_rtol(c.attrs()));
  Dim rows, columns;
  if (c.has_rank(0)) WEFT_CHECK(matrix_dims(c, &rows, &columns));
  WEFT_CHECK(check_beside(c));
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  Dims dims = c.dims(0);
  dims[dims.size() - 2] = dims.back();
  dims.back() = c.dims(1).back();
  c.set_dims(0, std::move(dims));
  return {};
}

Status build_lstsq(BodyContext& c) {
  c.set_output(0, matmul(make(c.scope(), "weft.Pinv", {c.input(0)}, c.attrs()), c.input(1)));
  return {};
}

constexpr const char* kRtol =
    "Singular values up to that part of the largest count as 0; max(m, n) machine epsilons if not given.";

}  // namespace

void define_op_svd(OpRegistry& ops) {
  ops.add(kWeftDomain, "Svd")
      .group("linalg")
      .doc(
          "The singular value decomposition of each matrix, `A = U @ diag(S) @ Vt` with k = min(m, n) values; the "
          "columns of U and "
          "the rows of Vt are orthonormal. The first largest element of each column of U is positive, and with `full` "
          "of "
          "each row of Vt that belongs to no value. Pairs of values that only rounding tells apart (k machine epsilons "
          "of "
          "the largest), and values that it alone tells from 0, add nothing to the gradient by the vectors of their "
          "own, "
          "which does not exist there. No gradient flows from vectors that belong to no value.")
      .types("T", kFloatTypes)
      .flag("full", false, "Whether U and Vt are square, filled up with vectors that belong to no value.")
      .input("A", "T", "[..., m, n].")
      .output("U", "T", "[..., m, k], or with `full` [..., m, m].")
      .output("S", "T", "[..., k], descending, none negative.")
      .output("Vt", "T", "[..., k, n], or with `full` [..., n, n].")
      .infer(infer_svd)
      .grad(grad_svd);
  ops.add(kWeftDomain, "Pinv")
      .group("linalg")
      .doc(
          "The pseudo-inverse of each matrix, by its singular values: `V @ diag(1 / S) @ transpose(U)`, without those "
          "that "
          "count as 0. The gradient is that of matrices which keep their rank.")
      .types("T", kFloatTypes)
      .optional_attr("rtol", AttrKind::kFloat, kRtol)
      .input("A", "T", "[..., m, n].")
      .output("Y", "T", "[..., n, m].")
      .infer(infer_pinv)
      .body(build_pinv)
      .grad(grad_pinv);
  ops.add(kWeftDomain, "Lstsq")
      .group("linalg")
      .doc(
          "The X for which the sum of squares of `A @ X - B` is least, and of those with the least the one whose own "
          "is: "
          "`Pinv(A) @ B`, for each matrix.")
      .types("T", kFloatTypes)
      .optional_attr("rtol", AttrKind::kFloat, kRtol)
      .input("A", "T", "[..., m, n].")
      .input("B", "T", "[..., m, k], with the leading axes of A.")
      .output("X", "T", "[..., n, k].")
      .infer(infer_lstsq)
      .body_by_shapes(build_lstsq);
}

}  // namespace weft
