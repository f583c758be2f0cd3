// Attention as exporters write it, and as the operator is made of, becomes one operator.
#include <limits>

#include "core/passes/differentiate.h"
#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

struct AttentionTest : RuleTest {
  Expr number(double value) { return scalar(scope, DType::kF32, value); }
  Expr softmax(Expr x, int64_t axis = -1) { return make(scope, "Softmax", {x}, {{"axis", axis}}); }
  // bool[5, 7]: keys up to a place that grows.
  Expr causal() {
    Tensor out = *Tensor::make(DType::kBool, {5, 7});
    for (int64_t i = 0; i < 35; ++i) out.as<bool>()[i] = i % 7 <= i / 7 + 1;
    return constant(scope, out);
  }
  Expr only_allowed(Expr x) { return where(causal(), x, number(-std::numeric_limits<double>::infinity())); }
  // [2, L, 3, 4] with the heads before L, and turned for the products.
  Expr heads(Expr x) { return transpose(x, {0, 2, 1, 3}); }
  Expr turned(Expr x) { return transpose(x, {0, 2, 3, 1}); }
};

TEST(FuseAttention, ProductsAroundASoftmax) {
  AttentionTest t;
  Expr q = t.noise({2, 3, 5, 4}), k = t.noise({2, 3, 4, 7}), v = t.noise({2, 3, 7, 6}), mask = t.noise({2, 1, 1, 7});
  const char* fused = "weft.FusedAttention";
  Expr scores = matmul(q, k);
  for (Expr x : {scores, scores / t.number(2), t.number(0.5) * scores, scores / t.number(2) + mask, mask + scores,
                 t.only_allowed(scores * t.number(0.5)), t.only_allowed(scores + mask)}) {
    Expr y = matmul(t.softmax(x), v);
    EXPECT_EQ(t.left(y), fused);
    EXPECT_EQ(t.left(matmul(t.softmax(x, 3), v)), fused);
    t.expect_close(y);
  }
  Expr keys = t.noise({2, 3, 7, 4}), y = matmul(t.softmax(matmul(q, swap_last_two(keys))), v);
  EXPECT_EQ(t.left(y), fused);
  t.expect_close(y);
  EXPECT_EQ(t.left(y, {"fuse_attention"}), "Transpose MatMul Softmax MatMul");
}

// As PyTorch writes scaled_dot_product_attention: a factor for queries and for keys each, truth values as a mask that is
// added, and zeros for queries that may look at nothing.
TEST(FuseAttention, FactorsOfBothOperandsAndZerosForNaN) {
  AttentionTest t;
  const double none = -std::numeric_limits<double>::infinity();
  Expr q = t.noise({2, 5, 3, 4}), k = t.noise({2, 7, 3, 4}), v = t.noise({2, 7, 3, 4});
  Tensor first = *Tensor::make(DType::kBool, {5, 7});
  for (int64_t i = 0; i < 35; ++i) first.as<bool>()[i] = i >= 7;
  Expr scores = matmul(t.heads(q) * t.number(0.75), swap_last_two(t.heads(k)) * t.number(0.5));
  Expr mask = where(constant(t.scope, first), t.number(0), t.number(none)), p = t.softmax(scores + mask);
  Expr y = t.heads(matmul(where(make(t.scope, "IsNaN", {p}), t.number(0), p), t.heads(v)));
  EXPECT_EQ(t.left(y), "weft.FusedAttention");
  t.expect_close(y);
  // The first query looks at nothing.
  for (int64_t i = 0; i < 12; ++i) EXPECT_EQ(t.run(y, {}).as<float>()[i], 0);
  y = t.heads(matmul(t.softmax(t.number(3) * scores), t.heads(v)));
  EXPECT_EQ(t.left(y), "weft.FusedAttention");
  t.expect_close(y);
  // Factors that something else needs are made for it alone.
  Expr scaled = t.heads(q) * t.number(0.75);
  y = matmul(t.softmax(matmul(scaled, swap_last_two(t.heads(k)))), t.heads(v)) + scaled;
  EXPECT_NE(t.left(y).find("weft.FusedAttention"), std::string::npos) << t.left(y);
  t.expect_close(y);
}

// As dynamo turns keys: with images and heads as one axis.
TEST(FuseAttention, KeysThatAreTurnedAsThreeAxes) {
  AttentionTest t;
  Expr q = t.noise({2, 5, 3, 4}), k = t.noise({2, 7, 3, 4}), v = t.noise({2, 7, 3, 4});
  Expr merged = reshape(t.heads(k), constant_ints(t.scope, {-1, 7, 4}));
  Expr turned = reshape(transpose(merged, {0, 2, 1}), constant_ints(t.scope, {2, 3, 4, 7}));
  Expr y = t.heads(matmul(t.softmax(matmul(t.heads(q) * t.number(0.5), turned)), t.heads(v)));
  EXPECT_EQ(t.left(y), "weft.FusedAttention");
  t.expect_close(y);
  // Other axes than those that were merged.
  Expr other = reshape(transpose(merged, {0, 2, 1}), constant_ints(t.scope, {3, 2, 4, 7}));
  EXPECT_EQ(t.left(other), "Transpose Reshape Transpose Reshape") << t.left(other);
}

// As transformers had it: the least number in place of scores that are left out, and then perhaps a mask that is added.
TEST(FuseAttention, ANumberInPlaceOfScores) {
  AttentionTest t;
  const double least = std::numeric_limits<float>::lowest();
  Expr q = t.noise({2, 3, 5, 4}), k = t.noise({2, 3, 4, 7}), v = t.noise({2, 3, 7, 6}), mask = t.noise({2, 1, 1, 7});
  Expr scores = matmul(q, k) / t.number(2), no = make(t.scope, "Not", {t.causal()});
  for (double number : {least, -10000.0, 0.25, -std::numeric_limits<double>::infinity()}) {
    Expr out = t.number(number);
    for (Expr x : {where(t.causal(), scores, out), where(no, out, scores), where(t.causal(), scores, out) + mask,
                   mask + where(no, out, scores), where(t.causal(), scores + mask, out)}) {
      Expr y = matmul(t.softmax(x), v);
      EXPECT_EQ(t.left(y), "weft.FusedAttention") << number;
      t.expect_close(y);
    }
  }
  // A number for each key, and one that no f32 holds.
  Expr several = matmul(t.softmax(where(t.causal(), scores, t.noise({7}))), v);
  EXPECT_EQ(t.left(several).find("weft.FusedAttention"), std::string::npos);
  Expr wide = where(t.causal(), cast(scores, DType::kF64), scalar(t.scope, DType::kF64, -1e300));
  EXPECT_EQ(t.left(matmul(t.softmax(wide), cast(v, DType::kF64))).find("weft.FusedAttention"), std::string::npos);
}

// Two queries with the same scores of two keys, 1 and 2; values are 10 and 30. The first may look at nothing: with a number in
// place of both scores it has the mean of the values, with minus infinity in place of them NaN.
TEST(FuseAttention, AQueryThatMayLookAtNothing) {
  for (double number : {-10000.0, static_cast<double>(std::numeric_limits<float>::lowest())}) {
    AttentionTest t;
    Expr q = t.input<float>({2, 1}, {1, 1}), k = t.input<float>({1, 2}, {1, 2}), v = t.input<float>({2, 1}, {10, 30});
    Tensor allowed = *Tensor::make(DType::kBool, {2, 2});
    for (int i = 0; i < 4; ++i) allowed.as<bool>()[i] = i >= 2;
    Expr scores = where(constant(t.scope, allowed), matmul(q, k), t.number(number));
    Expr y = matmul(t.softmax(scores), v);
    EXPECT_EQ(t.left(y), "weft.FusedAttention");
    const Tensor got = t.run(y, {});
    EXPECT_EQ(got.as<float>()[0], 20);
    EXPECT_NEAR(got.as<float>()[1], 24.6211715726, 1e-5);  // (10 e + 30 e^2) / (e + e^2)
    // Behind it a mask that leaves the second key out: of two numbers the larger one.
    Expr masked = matmul(t.softmax(scores + t.input<float>({2}, {0, -20000})), v);
    EXPECT_EQ(t.left(masked), "weft.FusedAttention");
    EXPECT_EQ(t.run(masked, {}).as<float>()[0], number == -10000 ? 10 : 20);
    EXPECT_EQ(t.run(masked, {}).as<float>()[1], 10);
  }
}

// As tf2onnx writes an einsum: images and heads as one axis for the products.
TEST(FuseAttention, ViewsBetweenTheProducts) {
  AttentionTest t;
  Expr q = t.noise({6, 5, 4}), k = t.noise({6, 4, 7}), v = t.noise({6, 7, 3}), mask = t.noise({2, 1, 1, 7});
  Expr scores = reshape(matmul(q, k), constant_ints(t.scope, {2, 3, 5, 7})) * t.number(0.5);
  const auto seen = [&](Expr x) { return matmul(reshape(t.softmax(x), constant_ints(t.scope, {6, 5, 7})), v); };
  EXPECT_EQ(t.left(seen(scores)), "weft.FusedAttention");
  t.expect_close(seen(scores));
  // A mask has the axes in between.
  EXPECT_EQ(t.left(seen(scores + mask)).find("weft.FusedAttention"), std::string::npos);
  t.expect_close(seen(scores + mask));
  // Here the softmax goes over other rows.
  Expr other = reshape(matmul(q, k), constant_ints(t.scope, {6, 7, 5}));
  EXPECT_EQ(t.left(matmul(reshape(t.softmax(other), constant_ints(t.scope, {6, 5, 7})), v)).find("weft.FusedAttention"),
            std::string::npos);
}

// A factor that is a constant only when attention has been put together.
TEST(FuseAttention, FactorsThatBecomeConstants) {
  AttentionTest t;
  Expr q = t.noise({2, 3, 5, 4}), k = t.noise({2, 3, 7, 4}), v = t.noise({2, 3, 7, 6});
  Expr size = cast(make(t.scope, "Shape", {q}, {{"start", -1}}), DType::kF32);
  Expr root = make(t.scope, "Sqrt", {t.number(1) / make(t.scope, "Sqrt", {size})});
  Expr y = matmul(t.softmax(matmul(q * root, swap_last_two(k) * root)), v);
  EXPECT_EQ(t.left(y), "weft.FusedAttention");
  t.expect_close(y);
}

TEST(FuseAttention, OneHeadAndManyAxes) {
  AttentionTest t;
  Expr q = t.noise({5, 4}), k = t.noise({4, 7}), v = t.noise({7, 2}), y = matmul(t.softmax(matmul(q, k)), v);
  EXPECT_EQ(t.left(y), "weft.FusedAttention");
  t.expect_close(y);
  y = matmul(t.softmax(matmul(t.noise({2, 1, 3, 5, 4}), t.noise({2, 1, 3, 4, 7}))), t.noise({2, 1, 3, 7, 2}));
  EXPECT_EQ(t.left(y), "weft.FusedAttention");
  t.expect_close(y);
}

TEST(FuseAttention, TransposesOfHeads) {
  AttentionTest t;
  Expr q = t.noise({2, 5, 3, 4}), k = t.noise({2, 7, 3, 4}), v = t.noise({2, 7, 3, 4});
  Expr seen = matmul(t.softmax(matmul(t.heads(q), t.turned(k))), t.heads(v)), y = t.heads(seen);
  EXPECT_EQ(t.left(y), "weft.FusedAttention");
  t.expect_close(y);
  y = t.heads(matmul(t.softmax(matmul(t.heads(q), swap_last_two(t.heads(k)))), t.heads(v)));
  EXPECT_EQ(t.left(y), "weft.FusedAttention");
  t.expect_close(y);
  y = t.heads(matmul(t.softmax(matmul(t.heads(q), t.turned(k))), t.noise({2, 3, 7, 4})));
  EXPECT_EQ(t.left(y), "Transpose Transpose weft.FusedAttention Transpose");
  t.expect_close(y);
}

TEST(FuseAttention, TheOperator) {
  AttentionTest t;
  auto attention = [&](std::vector<Expr> inputs, Attrs attrs) { return make(t.scope, "Attention", inputs, attrs); };
  Expr q = t.noise({2, 5, 12}), k = t.noise({2, 7, 12}), v = t.noise({2, 7, 6});
  const Attrs heads{{"q_num_heads", int64_t{3}}, {"kv_num_heads", int64_t{3}}};
  Attrs causal = heads;
  causal.set("is_causal", int64_t{1});
  for (Expr y : {attention({q, k, v}, heads), attention({q, k, v}, causal),
                 attention({q, k, v, t.noise({5, 7})}, heads), attention({q, k, v, t.causal()}, causal)}) {
    EXPECT_NE(t.left(y).find("weft.FusedAttention"), std::string::npos) << t.left(y);
    EXPECT_EQ(t.left(y).find("MatMul"), std::string::npos) << t.left(y);
    EXPECT_EQ(t.left(y).find("Softmax"), std::string::npos) << t.left(y);
    t.expect_close(y);
  }
  // The first query looks at nothing.
  Tensor none = *Tensor::make(DType::kBool, {5, 7});
  for (int64_t i = 0; i < 35; ++i) none.as<bool>()[i] = i >= 7;
  Expr y = attention({q, k, v, constant(t.scope, none)}, heads);
  EXPECT_NE(t.left(y).find("weft.FusedAttention"), std::string::npos) << t.left(y);
  t.expect_close(y);
  EXPECT_EQ(t.run(y, {}).as<float>()[0], 0);
}

// Six heads of queries that share two of keys, in the operator.
TEST(FuseAttention, HeadsThatShareKeys) {
  AttentionTest t;
  Expr q = t.noise({2, 6, 5, 4}), k = t.noise({2, 2, 7, 4}), v = t.noise({2, 2, 7, 3});
  const auto expect = [&](std::vector<Expr> inputs, const Attrs& attrs = {}) {
    Expr y = make(t.scope, "Attention", inputs, attrs);
    const std::string names = t.left(y);
    EXPECT_NE(names.find("weft.FusedAttention"), std::string::npos) << names;
    EXPECT_EQ(names.find("Softmax"), std::string::npos) << names;
    t.expect_close(y);
  };
  expect({q, k, v});
  expect({q, k, v}, {{"is_causal", int64_t{1}}});
  expect({q, k, v, t.causal()});
  for (const Shape& mask : {Shape{7}, {5, 7}, {2, 1, 1, 7}, {2, 1, 5, 7}, {6, 5, 7}, {2, 6, 5, 7}}) {
    expect({q, k, v, t.noise(mask)});
  }
  // One query behind a past; three axes.
  expect({t.noise({2, 6, 1, 4}), t.noise({2, 2, 1, 4}), t.noise({2, 2, 1, 3}), Expr(), k, v});
  expect({t.noise({2, 5, 24}), t.noise({2, 7, 8}), t.noise({2, 7, 6})},
         {{"q_num_heads", int64_t{6}}, {"kv_num_heads", int64_t{2}}, {"is_causal", int64_t{1}}});
}

// As transformers writes it: keys and values are repeated for each head of queries.
TEST(FuseAttention, KeysThatAreRepeatedForHeadsOfQueries) {
  AttentionTest t;
  Expr q = t.noise({2, 6, 5, 4}), k = t.noise({2, 2, 7, 4}), v = t.noise({2, 2, 7, 3});
  const auto repeated = [&](Expr x) {
    const Shape s = to_shape(x.dims());
    Expr five = make(t.scope, "Expand", {unsqueeze(x, {2}), constant_ints(t.scope, {s[0], s[1], 3, s[2], s[3]})});
    return reshape(five, constant_ints(t.scope, {s[0], 3 * s[1], s[2], s[3]}));
  };
  for (Expr mask : {Expr(), t.noise({5, 7}), t.noise({2, 6, 5, 7})}) {
    Expr scores = matmul(q, swap_last_two(repeated(k))) * t.number(0.5);
    if (mask.valid()) scores = scores + mask;
    Expr y = matmul(t.softmax(scores), repeated(v));
    const std::string names = t.left(y);
    EXPECT_NE(names.find("weft.FusedAttention"), std::string::npos) << names;
    EXPECT_EQ(names.find("Expand"), std::string::npos) << names;
    t.expect_close(y);
  }
  // A mask that says one thing for all queries of each head.
  Expr y = matmul(t.softmax(matmul(q, swap_last_two(repeated(k))) + t.noise({6, 1, 7})), repeated(v));
  EXPECT_NE(t.left(y).find("Expand"), std::string::npos) << t.left(y);
  t.expect_close(y);
}

TEST(FuseAttention, TheGradientOfTheOperator) {
  AttentionTest t;
  Expr q = t.noise({4, 5, 12}), k = t.noise({4, 7, 12}), v = t.noise({4, 7, 6}), dy = t.noise({4, 5, 6});
  Attrs attrs{{"q_num_heads", int64_t{3}}, {"kv_num_heads", int64_t{3}}};
  auto gradients = [&](Expr y) {
    Expr loss = reduce_sum(y * dy, {0, 1, 2}, false);
    std::vector<Expr> out;
    const std::vector<ValueId> ids = *differentiate(*t.graph, {loss.id()}, {q.id(), k.id(), v.id()}, {});
    for (ValueId id : ids) out.emplace_back(t.scope, id);
    return out;
  };
  // As it is made of other operators, by hand.
  auto pieces = [&](Expr masked_by) {
    auto heads = [&](Expr x, int64_t rows) {
      return transpose(reshape(x, constant_ints(t.scope, {4, rows, 3, -1})), {0, 2, 1, 3});
    };
    Expr scores = matmul(heads(q, 5) * 0.5, swap_last_two(heads(k, 7)));
    if (masked_by.valid()) scores = where(masked_by, scores, t.number(-std::numeric_limits<double>::infinity()));
    Expr y = transpose(matmul(t.softmax(scores), heads(v, 7)), {0, 2, 1, 3});
    return reshape(y, constant_ints(t.scope, {4, 5, 6}));
  };
  for (bool causal : {false, true}) {
    std::vector<Expr> inputs{q, k, v};
    if (causal) inputs.push_back(t.causal());
    const std::vector<Expr> ours = gradients(make(t.scope, "Attention", inputs, attrs));
    const std::vector<Expr> theirs = gradients(pieces(causal ? t.causal() : Expr()));
    for (size_t i = 0; i < 3; ++i) {
      const std::string left = t.left(ours[i]);
      EXPECT_NE(left.find("weft.AttentionGrad"), std::string::npos) << left;
      EXPECT_EQ(left.find("Softmax"), std::string::npos) << left;
      EXPECT_EQ(left.find("Transpose"), std::string::npos) << left;
      t.expect_close(ours[i]);
      const Tensor a = t.run(ours[i], {}), b = t.run(theirs[i], {"*"});
      for (int64_t k = 0; k < a.count(); ++k) EXPECT_NEAR(a.as<float>()[k], b.as<float>()[k], 2e-6);
    }
  }
  // What the kernel does not know stays in pieces: few heads, soft caps, a gradient by the mask.
  attrs.set("softcap", 2.0);
  EXPECT_EQ(t.left(gradients(make(t.scope, "Attention", {q, k, v}, attrs))[0]).find("weft.AttentionGrad"),
            std::string::npos);
  attrs.set("softcap", 0.0);
  Expr mask = t.noise({5, 7}), y = make(t.scope, "Attention", {q, k, v, mask}, attrs);
  Expr by_mask(t.scope, (*differentiate(*t.graph, {reduce_sum(y * dy, {0, 1, 2}, false).id()}, {mask.id()}, {}))[0]);
  EXPECT_EQ(t.left(by_mask).find("weft.AttentionGrad"), std::string::npos);
  t.expect_close(by_mask);
  Expr one = t.noise({1, 5, 12}), few = make(t.scope, "Attention", {one, one, one}, attrs);
  Expr by_few(t.scope, (*differentiate(*t.graph, {reduce_sum(few, {0, 1, 2}, false).id()}, {one.id()}, {}))[0]);
  EXPECT_EQ(t.left(by_few).find("weft.AttentionGrad"), std::string::npos);
}

TEST(FuseAttention, WhatIsNeededElsewhereStays) {
  AttentionTest t;
  Expr q = t.noise({3, 5, 4}), k = t.noise({3, 4, 7}), v = t.noise({3, 7, 6});
  const std::string pieces = "MatMul Softmax MatMul";
  Expr scores = matmul(q, k), weights = t.softmax(scores), y = matmul(weights, v);
  EXPECT_EQ(t.left(matmul(t.softmax(scores), v) + matmul(scores, v)), "MatMul Softmax MatMul MatMul Add");
  EXPECT_EQ(t.left(y + matmul(weights, t.noise({3, 7, 6}))), "MatMul Softmax MatMul MatMul Add");
  EXPECT_EQ(t.left(matmul(t.softmax(scores, 1), v)), pieces);
  EXPECT_EQ(t.left(matmul(t.softmax(matmul(q, t.noise({4, 7}))), v)), pieces) << "keys of all heads";
  EXPECT_EQ(t.left(matmul(t.softmax(scores / scores), v)), "MatMul Div Softmax MatMul");
  EXPECT_EQ(t.left(matmul(t.softmax(scores + t.noise({2, 3, 5, 7})), v)), "MatMul Add Softmax MatMul")
      << "a larger mask";
}

}  // namespace
}  // namespace weft
