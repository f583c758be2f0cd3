// Rotary embeddings as exporters write them, and as the operator is made of, become one operator.
#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

struct RotaryTest : RuleTest {
  Expr slice(Expr x, int64_t start, int64_t end) {
    auto list = [&](int64_t number) { return constant_ints(scope, {number}); };
    return make(scope, "Slice", {x, list(start), list(end), list(-1)});
  }
  // As transformers writes it.
  Expr turned(Expr x) {
    const int64_t half = x.dims().back().value() / 2;
    return concat({-slice(x, half, INT64_MAX), slice(x, 0, half)}, x.rank() - 1);
  }
  void expect_fused(Expr y) {
    EXPECT_EQ(left(y), "weft.RotateHalves");
    expect_same_bits(y);
    EXPECT_EQ(left(y, {"fuse_rotary"}).find("RotateHalves"), std::string::npos);
  }
};

TEST(FuseRotary, HalvesThatAreExchangedAndJoined) {
  RotaryTest t;
  Expr x = t.noise({2, 3, 5, 8}), cos = t.noise({5, 8}), sin = t.noise({5, 8}), each = t.noise({2, 1, 5, 8});
  t.expect_fused(x * cos + t.turned(x) * sin);
  t.expect_fused(sin * t.turned(x) + cos * x);
  t.expect_fused(x * each + t.turned(x) * t.noise({2, 3, 5, 8}));
  const std::vector<Expr> parts =
      make_all(t.scope, "Split", {x}, {{"axis", int64_t{3}}, {"num_outputs", int64_t{2}}}, 2);
  t.expect_fused(x * cos + concat({-parts[1], parts[0]}, 3) * sin);
  Expr flat = t.noise({6});
  t.expect_fused(flat * t.noise({6}) + t.turned(flat) * t.noise({6}));
}

TEST(FuseRotary, WhatTurnsOtherwiseStays) {
  RotaryTest t;
  Expr x = t.noise({2, 3, 5, 8}), y = t.noise({2, 3, 5, 8}), cos = t.noise({5, 8}), sin = t.noise({5, 8});
  auto stays = [&](Expr z) { EXPECT_EQ(t.left(z).find("RotateHalves"), std::string::npos) << t.left(z); };
  stays(x * cos + t.turned(y) * sin);
  stays(x * cos + concat({t.slice(x, 4, 8), t.slice(x, 0, 4)}, 3) * sin);
  stays(x * cos + concat({-t.slice(x, 0, 4), t.slice(x, 4, 8)}, 3) * sin);
  stays(x * cos + concat({-t.slice(x, 2, 8), t.slice(x, 0, 2)}, 3) * sin);
  stays(x * t.noise({5, 1}) + t.turned(x) * sin);  // angles for all features at once
  Expr product = x * cos;
  stays((product + t.turned(x) * sin) * product);
}

TEST(FuseRotary, TheOperator) {
  RotaryTest t;
  Expr x = t.noise({2, 3, 5, 8}), cos = t.noise({1, 5, 4}), sin = t.noise({1, 5, 4});
  Expr y = make(t.scope, "RotaryEmbedding", {x, cos, sin});
  EXPECT_NE(t.left(y).find("weft.RotateHalves"), std::string::npos) << t.left(y);
  t.expect_same_bits(y);
  y = make(t.scope, "RotaryEmbedding", {t.noise({2, 5, 24}), cos, sin}, {{"num_heads", int64_t{3}}});
  EXPECT_NE(t.left(y).find("weft.RotateHalves"), std::string::npos) << t.left(y);
  t.expect_same_bits(y);
  // Some of the features alone.
  y = make(t.scope, "RotaryEmbedding", {x, t.noise({2, 5, 2}), t.noise({2, 5, 2})},
           {{"rotary_embedding_dim", int64_t{4}}});
  EXPECT_NE(t.left(y).find("weft.RotateHalves"), std::string::npos) << t.left(y);
  t.expect_same_bits(y);
}

}  // namespace
}  // namespace weft
