// RotaryEmbedding: pairs of features turned by an angle of their place, made of other operators.
#include <limits>

#include "core/ops/heads_common.h"

namespace weft {
namespace {

constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();

// Features [start, end) of [N, _, _, features], `step` apart.
Expr features(Expr x, int64_t start, int64_t end, int64_t step = 1) {
  ExprScope& s = x.scope();
  auto list = [&s](int64_t number) { return constant_ints(s, {number}); };
  return make(s, "Slice", {x, list(start), list(end), list(3), list(step)});
}

// The part of every head that turns: all of it where the attribute is 0.
Result<Expr> turning_part(BodyContext& c, Expr heads) {
  const int64_t count = c.attrs().i("rotary_embedding_dim");
  const Dim& size = heads.dims()[3];
  if (count < 0 || count % 2 != 0 || (size.known() && count > size.value())) {
    return invalid("attribute 'rotary_embedding_dim' is ", count, " but must be even and at most the ", size.text(),
                   " features of a head");
  }
  if (count == 0 && size.known() && size.value() % 2 != 0) {
    return invalid("a head has ", size.value(), " features, of which one is left over: they turn in pairs");
  }
  return count == 0 || size.is(count) ? heads : features(heads, 0, count);
}

// Cosines or sines, for each image, place and pair, in the place of `half`, which is one feature of each pair.
Result<Expr> angles(BodyContext& c, int input, const char* name, Expr half) {
  Expr x = c.input(0), cache = c.input(input);
  const bool flat = x.rank() == 3;
  if (c.has_input(3)) cache = make(c.scope(), "Gather", {cache, c.input(3)});
  // Where it is asked for, their number is held to what was: a head whose size a run tells may be too small for it.
  const int64_t count = c.attrs().i("rotary_embedding_dim") / 2;
  Dims wanted = {x.dims()[0], x.dims()[flat ? 1 : 2], count != 0 ? Dim(count) : half.dims()[3]};
  // The same angles may be for all images, or all places.
  for (size_t axis : {0, 1}) {
    if (cache.has_rank() && cache.rank() == 3 && cache.dims()[axis].is(1)) wanted[axis] = Dim(1);
  }
  if (cache.has_rank() && !may_equal(cache.dims(), wanted)) {
    return invalid("input '", name, "' is ", c.input(input).type().text(),
                   c.has_input(3) ? ", of which 'position_ids' takes " : "",
                   c.has_input(3) ? dims_text(cache.dims()) : "", " but input 'X' wants ", dims_text(wanted));
  }
  cache = wide(cache);
  // As many pairs as turn; images and places broadcast.
  const Expr images = dims_of(cache, 0, 1), places = dims_of(cache, 1, 2), one = constant_ints(c.scope(), {1});
  const Expr pairs = count != 0 ? constant_ints(c.scope(), {count}) : dims_of(half, 3, 4);
  return reshape(cache, flat ? concat({images, places, one, pairs}, 0) : concat({images, one, places, pairs}, 0));
}

// Su et al., 2021, arXiv:2104.09864. A pair is two neighbours, or one feature of each half.
Status rotate(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.input(0);
  const bool neighbours = c.attrs().b("interleaved");
  WEFT_TRY(Expr heads, by_heads(c, 0, "X", "num_heads"));
  WEFT_CHECK(s.status());
  heads = wide(heads);
  WEFT_TRY(Expr part, turning_part(c, heads));
  std::vector<Expr> pair;
  if (neighbours)
    pair = {features(part, 0, kEnd, 2), features(part, 1, kEnd, 2)};
  else
    pair = make_all(s, "Split", {part}, {{"axis", int64_t{3}}, {"num_outputs", int64_t{2}}}, 2);
  WEFT_CHECK(s.status());
  WEFT_TRY(Expr cos, angles(c, 1, "cos_cache", pair[0]));
  WEFT_TRY(Expr sin, angles(c, 2, "sin_cache", pair[0]));
  Expr first = pair[0] * cos - pair[1] * sin, second = pair[0] * sin + pair[1] * cos;
  Expr y = neighbours ? reshape_like(concat({unsqueeze(first, {4}), unsqueeze(second, {4})}, 4), part)
                      : concat({first, second}, 3);
  if (part.id() != heads.id()) y = concat({y, features(heads, c.attrs().i("rotary_embedding_dim"), kEnd)}, 3);
  c.set_output(0, cast(reshape_like(y, x), x.dtype()));
  return {};
}

}  // namespace

void define_op_rotary_embedding(OpRegistry& ops) {
  constexpr const char* kCacheDoc =
      "[places, D / 2] where `position_ids` are given, else [N, L, D / 2], for D features that turn; N or L may be "
      "1, for all.";
  ops.add("RotaryEmbedding")
      .group("nn/attention")
      .since(23)
      .doc(
          "Rotary position embedding: in every head the features `a` and `b` of a pair become `a cos - b sin` and `a "
          "sin "
          "+ b cos`, with the angle of the place and the pair. A pair is one feature of each half of those that turn, "
          "or "
          "two neighbours. Halves are computed with in f32.")
      .types("T", kFloatTypes)
      .flag("interleaved", false, "Whether pairs are neighbours.")
      .optional_attr("num_heads", AttrKind::kInt, "How many heads there are; must be given where X has three axes.")
      .attr("rotary_embedding_dim", int64_t{0}, "How many features of every head turn, the first ones; 0: all.")
      .input("X", "T", "[N, heads, L, features], or [N, L, heads * features].")
      .input("cos_cache", "T", kCacheDoc)
      .input("sin_cache", "T", "The shape of cos_cache.")
      .optional_input("position_ids", "i64", "[N, L], where each may be 1: which row of the caches is of each place.")
      .output("Y", "T", "The shape of X.")
      .body(rotate);
}

}  // namespace weft
