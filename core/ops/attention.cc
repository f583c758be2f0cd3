// Attention: scaled products of queries and keys, as weights of values; made of other operators.
#include <limits>

#include "core/graph/downgrade.h"
#include "core/ops/heads_common.h"

namespace weft {
namespace {

Expr dim_of(Expr x, int64_t axis) { return squeeze(dims_of(x, axis, axis + 1), {0}); }

// [N, heads, L, features] of what was given, by heads.
Expr heads_first(Expr x, Expr given) { return given.rank() == 4 ? x : transpose(x, {0, 2, 1, 3}); }

// An error unless two dimensions may be the same.
Status check_same(Expr a, Expr b, int axis, const char* what) {
  const Dim &x = a.dims()[axis], &y = b.dims()[axis];
  if (!x.known() || !y.known() || x == y) return {};
  return invalid(what, " do not fit: [N, heads, L, features] are ", dims_text(a.dims()), " and ", dims_text(b.dims()));
}

// What came before, with what is new behind it.
Result<Expr> with_past(BodyContext& c, int input, const char* name, Expr now) {
  if (!c.has_input(input)) return now;
  Expr past = c.input(input);
  if (!past.has_rank() || past.rank() != 4) {
    return invalid("input '", name, "' must be [N, heads, P, features] but is ", past.type().text());
  }
  for (int axis : {0, 1, 3}) WEFT_CHECK(check_same(past, now, axis, cat("input '", name, "' and what is new").c_str()));
  return concat({past, now}, 2);
}

Expr scaled(BodyContext& c, Expr q) {
  if (c.attrs().has("scale")) return q * c.attrs().f("scale");
  Expr size = cast(dim_of(q, 3), DType::kF64);
  return q * cast(make(c.scope(), "Reciprocal", {make(c.scope(), "Sqrt", {size})}), q.dtype());
}

struct Parts {
  Expr q, k, v;  // [N, heads, L, features]
};

// As they are given, but by heads, and the queries scaled: before transposes, so that nothing stands between those and the
// products.
Result<Parts> parts_by_heads(BodyContext& c) {
  Parts p;
  WEFT_TRY(p.q, by_heads(c, 0, "Q", "q_num_heads"));
  WEFT_TRY(p.k, by_heads(c, 1, "K", "kv_num_heads"));
  WEFT_TRY(p.v, by_heads(c, 2, "V", "kv_num_heads"));
  p.q = scaled(c, wide(p.q));
  return p;
}

Parts heads_first(BodyContext& c, const Parts& p) {
  return {heads_first(p.q, c.input(0)), heads_first(p.k, c.input(1)), heads_first(p.v, c.input(2))};
}

Status check_parts(const Parts& p) {
  WEFT_CHECK(check_same(p.q, p.k, 0, "the batches of Q and K"));
  WEFT_CHECK(check_same(p.k, p.v, 0, "the batches of K and V"));
  WEFT_CHECK(check_same(p.k, p.v, 1, "the heads of K and V"));
  WEFT_CHECK(check_same(p.k, p.v, 2, "the lengths of K and V"));
  WEFT_CHECK(check_same(p.q, p.k, 3, "the features of Q and K"));
  const Dim &queries = p.q.dims()[1], &keys = p.k.dims()[1];
  if (!queries.known() || !keys.known()) return {};
  if (keys.value() > 0 && queries.value() % keys.value() == 0) return {};
  return invalid("Q has ", queries.value(), " heads, which the ", keys.value(), " of K do not divide");
}

// The heads of queries that share a head of keys below one another: [N, heads of `like`, rows, columns].
Expr stacked(Expr x, Expr like) {
  if (!x.has_rank() || x.dims()[1] == like.dims()[1]) return x;
  // Divided first: heads that cannot share then leave elements over.
  Expr rows = dims_of(x, 1, 2) / dims_of(like, 1, 2) * dims_of(x, 2, 3);
  return reshape(x, concat({dims_of(x, 0, 1), dims_of(like, 1, 2), rows, dims_of(x, 3, 4)}, 0));
}
// And apart again, as `like` has them.
Expr apart(Expr x, Expr like) {
  if (!x.has_rank() || x.dims()[1] == like.dims()[1]) return x;
  return reshape(x, concat({dims_of(like, 0, 3), dims_of(x, 3, 4)}, 0));
}

Expr both(Expr a, Expr b) { return a.valid() ? make(a.scope(), "And", {a, b}) : b; }

// Which keys a query may look at: a truth value for each, or none where it may look at all.
Expr allowed(BodyContext& c, Expr scores, Expr mask) {
  ExprScope& s = c.scope();
  auto range = [&](Expr end) { return make(s, "Range", {constant_int(s, 0), end, constant_int(s, 1)}); };
  Expr out = mask;
  if (c.attrs().b("is_causal")) {
    Expr row = range(dim_of(scores, 2));
    if (c.has_input(4)) row = row + dim_of(c.input(4), 2);
    out = both(out, make(s, "LessOrEqual", {range(dim_of(scores, 3)), unsqueeze(row, {1})}));
  }
  if (c.has_input(6)) {
    out = both(out, make(s, "Less", {range(dim_of(scores, 3)), unsqueeze(c.input(6), {1, 2, 3})}));
  }
  return out;
}

// The mask, as long as there are keys: no query may look at those that it leaves out.
Result<Expr> long_mask(Expr mask, Expr scores) {
  if (!mask.has_rank() || mask.rank() < 1 || mask.rank() > 4) {
    return invalid("input 'attn_mask' must have one to four axes but is ", mask.type().text());
  }
  const Dim &have = mask.dims().back(), &want = scores.dims()[3];
  Dims whole = mask.dims();
  whole.back() = want;
  Result<Dims> fits = broadcast(whole, scores.dims());
  if (!fits.ok() || !may_equal(*fits, scores.dims()) || (have.known() && want.known() && have.value() > want.value())) {
    return invalid("input 'attn_mask' is ", mask.type().text(), " but must broadcast to ", dims_text(scores.dims()));
  }
  if (have == want) return mask;
  ExprScope& s = mask.scope();
  const std::vector<int64_t> none(static_cast<size_t>(mask.rank()), 0);
  Expr missing =
      make(s, "Max", {dims_of(scores, 3, 4) - dims_of(mask, mask.rank() - 1, mask.rank()), constant_ints(s, {0})});
  Expr pads = concat({constant_ints(s, none), constant_ints(s, {none.begin() + 1, none.end()}), missing}, 0);
  const double outside = mask.dtype() == DType::kBool ? 0 : -std::numeric_limits<double>::infinity();
  return make(s, "Pad", {mask, pads, scalar_like(mask, outside)});
}

struct Masks {
  Expr added, allowed;  // either may be none
};

Result<Masks> masks_of(BodyContext& c, Expr scores) {
  Masks masks;
  if (c.has_input(3)) {
    Expr mask = c.input(3);
    if (mask.dtype() != DType::kBool) mask = cast(mask, scores.dtype());
    WEFT_TRY(mask, long_mask(mask, scores));
    (mask.dtype() == DType::kBool ? masks.allowed : masks.added) = mask;
  }
  masks.allowed = allowed(c, scores, masks.allowed);
  return masks;
}

Result<Expr> masked(BodyContext& c, Expr scores) {
  WEFT_TRY(Masks masks, masks_of(c, scores));
  Expr y = scores;
  if (masks.added.valid()) y = y + masks.added;
  if (masks.allowed.valid()) y = where(masks.allowed, y, scalar_like(y, -std::numeric_limits<double>::infinity()));
  // Where sizes are known in a run alone, a mask must not have stretched them.
  return reshape_like(y, scores);
}

// Weights that add up to 1, or to 0 for a query that a mask lets look at no key: a softmax alone would give NaN there, and
// to everything in the gradient.
Expr softmax(BodyContext& c, Expr x) {
  ExprScope& s = c.scope();
  const DType precision = static_cast<DType>(c.attrs().i_or("softmax_precision", static_cast<int64_t>(x.dtype())));
  x = cast(x, precision == DType::kF64 ? DType::kF64 : DType::kF32);
  auto weights = [&s](Expr x) { return make(s, "Softmax", {x}, {{"axis", int64_t{-1}}}); };
  if (!c.has_input(3) && !c.has_input(6)) return weights(x);
  Expr best = make(s, "ReduceMax", {x, constant_ints(s, {3})}, {{"keepdims", int64_t{1}}});
  Expr none = make(s, "Equal", {best, scalar_like(x, -std::numeric_limits<double>::infinity())}),
       zero = scalar_like(x, 0);
  return where(none, zero, weights(where(none, zero, x)));
}

Status check_attributes(BodyContext& c) {
  const int64_t mode = c.attrs().i("qk_matmul_output_mode");
  if (mode < 0 || mode > 3) return invalid("attribute 'qk_matmul_output_mode' is ", mode, " but must be 0 to 3");
  const double cap = c.attrs().f("softcap");
  if (!(cap >= 0)) return invalid("attribute 'softcap' is ", cap, " but must be positive, or 0 for none");
  const int64_t precision = c.attrs().i_or("softmax_precision", 1);
  if (precision < 1 || precision >= kDTypeCount || !contains(kFloatTypes, static_cast<DType>(precision))) {
    return invalid(
        "attribute 'softmax_precision' is ",
        0 < precision && precision < kDTypeCount ? dtype_name(static_cast<DType>(precision)) : cat(precision).c_str(),
        " but must be one of ", dtype_set_text(kFloatTypes));
  }
  if (c.has_input(4) != c.has_input(5)) return invalid("inputs 'past_key' and 'past_value' must be given together");
  if (c.has_input(4) && c.has_input(6)) return invalid("input 'nonpad_kv_seqlen' cannot be given beside 'past_key'");
  if (c.has_input(6) && c.input(6).has_rank() && c.input(6).rank() != 1) {
    return invalid("input 'nonpad_kv_seqlen' must be [N] but is ", c.input(6).type().text());
  }
  return {};
}

// Vaswani et al., 2017, arXiv:1706.03762; heads of keys that several heads of queries share: Ainslie et al., 2023,
// arXiv:2305.13245.
Status attend(BodyContext& c) {
  WEFT_CHECK(check_attributes(c));
  WEFT_TRY(Parts p, parts_by_heads(c));
  p = heads_first(c, p);
  WEFT_CHECK(c.scope().status());
  WEFT_TRY(p.k, with_past(c, 4, "past_key", p.k));
  WEFT_TRY(p.v, with_past(c, 5, "past_value", p.v));
  WEFT_CHECK(c.scope().status());
  WEFT_CHECK(check_parts(p));
  if (c.output_count() > 1) c.set_output(1, p.k);
  if (c.output_count() > 2) c.set_output(2, p.v);

  const DType dtype = c.input(0).dtype();
  Expr q = p.q, k = wide(p.k), v = wide(p.v);
  Expr stages[4];
  stages[0] = stages[1] = apart(matmul(stacked(q, k), swap_last_two(k)), q);
  const double cap = c.attrs().f("softcap");
  if (cap > 0) stages[1] = make(c.scope(), "Tanh", {stages[0] / cap}) * cap;
  WEFT_CHECK(c.scope().status());
  WEFT_TRY(stages[2], masked(c, stages[1]));
  stages[3] = softmax(c, stages[2]);
  if (c.output_count() > 3) c.set_output(3, cast(stages[c.attrs().i("qk_matmul_output_mode")], dtype));

  Expr y = apart(matmul(stacked(cast(stages[3], v.dtype()), v), v), q);
  if (c.input(0).rank() == 3) {
    Expr features = dims_of(y, 1, 2) * dims_of(y, 3, 4);
    y = reshape(transpose(y, {0, 2, 1, 3}), concat({dims_of(c.input(0), 0, 2), features}, 0));
  }
  c.set_output(0, cast(y, dtype));
  return {};
}

// Whether there is nothing that AttentionGrad does not know: no past, no cap, no heads that share keys, no halves.
bool is_simple(GradContext& c) {
  Expr q = c.input(0), k = c.input(1), v = c.input(2);
  for (Expr x : {q, k, v}) {
    if (!x.has_rank() || x.rank() != q.rank() || x.dtype() != q.dtype()) return false;
  }
  const bool same_heads = q.rank() == 4 ? q.dims()[1] == k.dims()[1]
                                        : c.attrs().i_or("q_num_heads", 0) == c.attrs().i_or("kv_num_heads", 0);
  const int64_t dtype = static_cast<int64_t>(q.dtype());
  if (!same_heads || (q.dtype() != DType::kF32 && q.dtype() != DType::kF64)) return false;
  if (c.has_input(4) || c.has_input(6) || c.needs(3) || c.attrs().f("softcap") != 0) return false;
  for (int i = 1; i < c.output_count(); ++i) {
    if (c.has_grad(i)) return false;
  }
  return c.attrs().i_or("softmax_precision", dtype) == dtype;
}

Status grad_attention(GradContext& c) {
  if (!is_simple(c)) {
    c.use_body();
    return {};
  }
  std::vector<Expr> given;
  for (int i = 0; i < c.input_count(); ++i) given.push_back(c.input(i));
  BodyContext body(c.scope(), *c.node().op, c.attrs(), given, c.output_count(), c.node().name);
  WEFT_TRY(Parts p, parts_by_heads(body));
  const Parts first = heads_first(body, p);
  WEFT_CHECK(c.scope().status());
  // Only the shape of these products is looked at.
  WEFT_TRY(Masks masks, masks_of(body, matmul(first.q, swap_last_two(first.k))));
  const bool inside = c.input(0).rank() == 3;
  Expr dy = c.grad(0);
  if (inside) dy = reshape(dy, concat({dims_of(p.q, 0, 3), dims_of(p.v, 3, 4)}, 0));
  std::vector<Expr> grads =
      make_all(c.scope(), "weft.AttentionGrad", {p.q, p.k, p.v, dy, masks.added, masks.allowed},
               {{"heads_inside", int64_t{inside}}, {"empty_is_zero", int64_t{c.has_input(3)}}}, 3);
  c.set_grad(0, reshape_like(scaled(body, grads[0]), c.input(0)));
  c.set_grad(1, reshape_like(grads[1], c.input(1)));
  c.set_grad(2, reshape_like(grads[2], c.input(2)));
  return {};
}

// Before opset 24 a mask of one key spoke of all, as masks broadcast; later ones are filled up.
Status mask_of_all_keys(UpgradeContext& c) {
  const auto given = [&c](size_t i) { return i < c.inputs.size() && c.inputs[i] != kNoValue; };
  if (!given(1) || !given(3) || given(6)) return {};
  const ValueType &k = c.type(1), &mask = c.type(3);
  if (!k.has_rank || k.dims.size() < 3 || !mask.has_rank || mask.dims.empty()) return {};  // the operator wants to know
  if (given(4) && (!c.type(4).has_rank || c.type(4).dims.size() != 4)) return {};
  const int64_t at = static_cast<int64_t>(k.dims.size()) - 2, rank = static_cast<int64_t>(mask.dims.size());
  Dim keys = k.dims[static_cast<size_t>(at)];
  if (given(4)) keys = c.type(4).dims[2] + keys;
  const Dim& last = mask.dims.back();
  if (last == keys || (last.known() && !last.is(1))) return {};
  ExprScope s(c.graph());
  Expr all = dims_of(Expr(s, c.inputs[1]), at, at + 1);
  if (given(4)) all = dims_of(Expr(s, c.inputs[4]), 2, 3) + all;
  const std::vector<int64_t> as_it_is(static_cast<size_t>(rank - 1), 1);
  Expr shape = rank > 1 ? concat({constant_ints(s, as_it_is), all}, 0) : all;
  c.inputs[3] = make(s, "Expand", {Expr(s, c.inputs[3]), shape}).id();
  return s.status();
}

// Before opset 24 a mask was as long as there are keys, and none was beside `is_causal`.
Status long_mask_alone(DowngradeContext& c) {
  if (!c.has_input(3)) return {};
  if (c.attrs.b("is_causal")) return unimplemented("it has a mask and is causal");
  const Expr k = c.inputs[1], mask = c.inputs[3];
  const Expr past = c.has_input(4) ? c.inputs[4] : Expr();
  if (k.has_rank() && k.rank() >= 3 && mask.has_rank() && mask.rank() > 0 && (!past.valid() || past.rank() == 4)) {
    const Dim keys = k.dims()[static_cast<size_t>(k.rank() - 2)];
    if (mask.dims().back() == (past.valid() ? past.dims()[2] + keys : keys)) return {};
  }
  return unimplemented("its mask is ", mask.type().text(), ", which may be shorter than there are keys");
}

}  // namespace

void define_op_attention(OpRegistry& ops) {
  ops.add("Attention")
      .group("nn/attention")
      .since(24)
      .doc(
          "`softmax(scale * Q K^T + mask) V` in every head: each of L queries takes the mean of the values, by how "
          "well "
          "their keys fit. Where K and V have fewer heads, each of theirs is shared by as many neighbours of Q. Halves "
          "are "
          "computed with in f32. A query that may look at no key gives 0.")
      .types("T1", kFloatTypes)
      .types("T2", kFloatTypes)
      .types("U", kNumberTypes | set_of(DType::kBool))
      .flag("is_causal", false, "Whether the query at place i, after those of the past, looks at keys up to i only.")
      .optional_attr("kv_num_heads", AttrKind::kInt, "The heads of K and V; must be given where they have three axes.")
      .optional_attr("q_num_heads", AttrKind::kInt, "The heads of Q; must be given where it has three axes.")
      .attr("qk_matmul_output_mode", int64_t{0},
            "What the last output is: 0 the products, 1 behind the soft cap, 2 behind the mask too, 3 behind the "
            "softmax.")
      .optional_attr("scale", AttrKind::kFloat, "`1 / sqrt(features)` if not given.")
      .attr("softcap", 0.0, "Products are bent to stay within this: `softcap * tanh(x / softcap)`; 0: they are not.")
      .optional_dtype_attr("softmax_precision",
                           "What the softmax is computed in, f32 at least: the dtype of Q if not given.")
      .input("Q", "T1", "[N, heads, L, features], or [N, L, heads * features].")
      .input("K", "T1", "Like Q, with a number of keys for L.")
      .input("V", "T2", "Like K, with features of its own.")
      .optional_input(
          "attn_mask", "U",
          "Broadcasts to [N, heads, L, keys], or is shorter than there are keys, of which no query looks at the "
          "last ones then. Truth values say which keys a query looks at; numbers are added.")
      .optional_input("past_key", "T1", "[N, heads, P, features]: keys before K.")
      .optional_input("past_value", "T2", "[N, heads, P, features]: values before V.")
      .optional_input("nonpad_kv_seqlen", "i64", "[N]: how many keys of each image are none that only fill up.")
      .output("Y", "T1", "The shape of Q, with the features of V.")
      .optional_output("present_key", "T1", "[N, heads, P + keys, features]: those of the past and K.")
      .optional_output("present_value", "T2", "The same of values.")
      .optional_output("qk_matmul_output", "T1", "[N, heads, L, P + keys]: see `qk_matmul_output_mode`.")
      .upgrade(24, mask_of_all_keys)
      .downgrade(24, long_mask_alone)
      .body(attend)
      .grad(grad_attention);
}

}  // namespace weft
