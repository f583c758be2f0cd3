// FusedAttention: what rewriting makes of the products, the softmax and the products that attention is.
#include <limits>
#include <utility>

#include "core/graph/expr.h"

namespace weft {
namespace {

// [N, heads, L, features] of [N, L, heads, features], and back.
Expr swap_heads(Expr x) { return transpose(x, {0, 2, 1, 3}); }

Status infer(InferContext& c) {
  if (!c.has_rank(0) || !c.has_rank(2)) return {};
  if (c.rank(0) < 2 || c.rank(0) != c.rank(1) || c.rank(0) != c.rank(2)) {
    return invalid("Q ", c.input(0).text(), ", K ", c.input(1).text(), " and V ", c.input(2).text(),
                   " must have two axes or more, as many each");
  }
  Dims out = c.dims(0);
  out.back() = c.dims(2).back();
  c.set_dims(0, std::move(out));
  return {};
}

// Weights that add up to 1, or to 0 where they would be NaN.
Expr numbers_or_zero(Expr x) {
  ExprScope& s = x.scope();
  const Expr p = make(s, "Softmax", {x}, {{"axis", int64_t{-1}}});
  return where(make(s, "IsNaN", {p}), scalar_like(p, 0), p);
}

// Weights that add up to 1, or to 0 where all are minus infinity and `empty_is_zero`.
Expr weights(Expr x, bool empty_is_zero) {
  ExprScope& s = x.scope();
  auto softmax = [&s](Expr scores) { return make(s, "Softmax", {scores}, {{"axis", int64_t{-1}}}); };
  if (!empty_is_zero) return softmax(x);
  Expr best = make(s, "ReduceMax", {x, constant_ints(s, {-1})}, {{"keepdims", int64_t{1}}});
  Expr none = make(s, "Equal", {best, scalar_like(x, -std::numeric_limits<double>::infinity())});
  Expr zero = scalar_like(x, 0);
  return where(none, zero, softmax(where(none, zero, x)));
}

Status body(BodyContext& c) {
  const bool heads_inside = c.attrs().b("heads_inside");
  Expr q = c.input(0), k = c.input(1), v = c.input(2);
  if (heads_inside) {
    q = swap_heads(q);
    k = swap_heads(k);
    v = swap_heads(v);
  }
  if (!c.attrs().b("keys_last")) k = swap_last_two(k);
  Expr scores = matmul(q * c.attrs().f("scale"), k);
  const bool mask_last = c.attrs().b("mask_last");
  if (c.has_input(3) && !mask_last) scores = scores + c.input(3);
  if (c.has_input(4)) {
    const double out = c.attrs().has("left_out") ? c.attrs().f("left_out") : -std::numeric_limits<double>::infinity();
    scores = where(c.input(4), scores, scalar_like(scores, out));
  }
  if (c.has_input(3) && mask_last) scores = scores + c.input(3);
  const Expr p = c.attrs().b("nan_is_zero") ? numbers_or_zero(scores) : weights(scores, c.attrs().b("empty_is_zero"));
  const Expr y = matmul(p, v);
  c.set_output(0, heads_inside ? swap_heads(y) : y);
  return {};
}

Status infer_grad(InferContext& c) {
  for (int i = 0; i < 3; ++i) {
    if (c.has_rank(i)) c.set_dims(i, c.dims(i));
  }
  if (!c.has_rank(0)) return {};
  if (c.rank(0) < 2 || (c.attrs().b("heads_inside") && c.rank(0) != 4)) {
    return invalid("Q must have two axes or more, and four with heads inside, but is ", c.input(0).text());
  }
  for (int i = 1; i < 4; ++i) {
    if (!c.has_rank(i) || c.rank(i) == c.rank(0)) continue;
    return invalid("Q ", c.input(0).text(), " and '", c.op().inputs()[i].name, "' ", c.input(i).text(),
                   " must have as many axes");
  }
  // All is as Q says, but for the number of keys and the features of V.
  const bool inside = c.attrs().b("heads_inside");
  const size_t rows = inside ? 1 : c.dims(0).size() - 2;
  Dims k = c.dims(0);
  k[rows] = c.has_rank(1) ? c.dims(1)[rows] : c.has_rank(2) ? c.dims(2)[rows] : c.fresh();
  Dims v = k, y = c.dims(0), scores = c.dims(0);
  v.back() = y.back() = c.has_rank(2) ? c.dims(2).back() : c.fresh();
  WEFT_CHECK(c.check_shape(1, k, "Q but for the number of keys"));
  WEFT_CHECK(c.check_shape(2, v, "K but for its features"));
  WEFT_CHECK(c.check_shape(3, y, "the result"));
  if (inside) std::swap(scores[1], scores[2]);
  scores.back() = k[rows];
  for (int i = 4; i < 6; ++i) {
    if (!c.has_rank(i)) continue;
    const Result<Dims> fits = broadcast(c.dims(i), scores);
    if (fits.ok() && may_equal(*fits, scores)) continue;
    return invalid("'", c.op().inputs()[i].name, "' is ", c.input(i).text(), " but must broadcast to ",
                   dims_text(scores));
  }
  return {};
}

// As the pieces would have it.
Status grad_body(BodyContext& c) {
  const bool heads_inside = c.attrs().b("heads_inside");
  Expr in[4];
  for (int i = 0; i < 4; ++i) in[i] = heads_inside ? swap_heads(c.input(i)) : c.input(i);
  auto [q, k, v, dy] = in;
  Expr scores = matmul(q, swap_last_two(k));
  if (c.has_input(4)) scores = scores + c.input(4);
  if (c.has_input(5)) {
    scores = where(c.input(5), scores, scalar_like(scores, -std::numeric_limits<double>::infinity()));
  }
  Expr p = weights(scores, c.attrs().b("empty_is_zero"));
  Expr ds = make(c.scope(), "weft.SoftmaxGrad", {p, matmul(dy, swap_last_two(v))}, {{"axis", int64_t{-1}}});
  Expr out[3] = {matmul(ds, k), matmul(swap_last_two(ds), q), matmul(swap_last_two(p), dy)};
  for (int i = 0; i < 3; ++i) c.set_output(i, heads_inside ? swap_heads(out[i]) : out[i]);
  return {};
}

}  // namespace

void define_op_fused_attention(OpRegistry& ops) {
  ops.add(kWeftDomain, "FusedAttention")
      .group("nn/attention")
      .doc("`softmax(scale * Q K^T + mask) V` without a tensor of all products.")
      .types("T", set_of(DType::kF32, DType::kF64))
      .attr("scale", 1.0, "A factor of the products.")
      .flag("keys_last", false, "Whether K is [..., features, keys].")
      .flag("heads_inside", false, "Whether Q, K, V and Y are [N, L, heads, features].")
      .flag("empty_is_zero", false, "Whether a query that may look at no key gives 0, and not NaN.")
      .flag("nan_is_zero", false, "Whether each query whose weights would be NaN has weights of 0.")
      .optional_attr("left_out", AttrKind::kFloat,
                     "The score of a key that is not allowed: minus infinity if not given.")
      .flag("mask_last", false, "Whether the mask is added to what is not allowed, too.")
      .input("Q", "T", "[..., L, features].")
      .input("K", "T", "[..., keys, features].")
      .input("V", "T", "[..., keys, features of its own].")
      .optional_input("mask", "T", "Broadcasts to [..., L, keys] and is added.")
      .optional_input("allowed", "bool", "Broadcasts to [..., L, keys]: which keys a query looks at.")
      .output("Y", "T", "[..., L, features of V].")
      .infer(infer)
      .body(body)
      .internal();
  ops.add(kWeftDomain, "AttentionGrad")
      .group("gradient")
      .doc(
          "The gradients of `softmax(Q K^T + mask) V` without a tensor of all products: Attention's gradient is made "
          "of it, with a Q that is scaled before.")
      .types("T", set_of(DType::kF32, DType::kF64))
      .flag("heads_inside", false, "Whether all are [N, L, heads, features].")
      .flag("empty_is_zero", false, "Whether a query that may look at no key gave 0, and not NaN.")
      .input("Q", "T", "[..., L, features].")
      .input("K", "T", "[..., keys, features].")
      .input("V", "T", "[..., keys, features of its own].")
      .input("dY", "T", "The gradient to the result, [..., L, features of V].")
      .optional_input("mask", "T", "Broadcasts to [..., L, keys] and was added.")
      .optional_input("allowed", "bool", "Broadcasts to [..., L, keys]: which keys a query looked at.")
      .output("dQ", "T", "The shape of Q.")
      .output("dK", "T", "The shape of K.")
      .output("dV", "T", "The shape of V.")
      .infer(infer_grad)
      .body(grad_body);
}

}  // namespace weft
