// Nodes of types that no kernel takes: what is put around them, what stays, and what they say when they fail.
#include "core/passes/widen.h"

#include "core/passes/differentiate.h"
#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

Expr typed(RuleTest& t, DType dtype, const Shape& shape, const std::vector<float>& numbers) {
  return cast(t.input<float>(shape, numbers), dtype);
}

// An input of halves, by their bits.
Expr halves(RuleTest& t, const std::vector<uint16_t>& bits) {
  Tensor value = *Tensor::make(DType::kF16, {static_cast<int64_t>(bits.size())});
  std::copy(bits.begin(), bits.end(), value.as<uint16_t>());
  return t.input({static_cast<int64_t>(bits.size())}, value);
}

TEST(Widen, HalvesAreComputedAsF32AndRoundedOnce) {
  RuleTest t;
  Expr y = make(t.scope, "Exp", {halves(t, {0x3c00, 0x4900})});  // 1 and 10
  EXPECT_EQ(t.left(y), "Cast Exp Cast");
  Tensor out = t.run(y, {});
  ASSERT_EQ(out.dtype(), DType::kF16);
  EXPECT_EQ(out.as<uint16_t>()[0], 0x4170);  // numpy.exp(numpy.float16(1)): 2.719
  EXPECT_EQ(out.as<uint16_t>()[1], 0x7561);  // 22032, the nearest to 22026.47
}

TEST(Widen, EachOperatorRoundsWhetherFusedOrNot) {
  RuleTest t;
  // 1 + 2^-11 is 1 as f16, so the second addition sees nothing of the first.
  Expr x = halves(t, {0x3c00, 0x3c01}), small = halves(t, {0x1000, 0x1000});
  Expr y = (x + small) + small;
  EXPECT_EQ(t.left(y), "Cast Cast Add Cast Cast Add Cast");
  t.expect_same_bits(y);
  EXPECT_EQ(t.run(y, {}).as<uint16_t>()[0], 0x3c00);
  EXPECT_EQ(t.run(y, {}).as<uint16_t>()[1], 0x3c02);
}

TEST(Widen, OnlyTheVariableConcernedChanges) {
  RuleTest t;
  Expr x = halves(t, {0x3c00, 0x4000, 0x3800});
  std::vector<Expr> top = make_all(t.scope, "TopK", {x, constant_ints(t.scope, {2})}, {}, 2);
  EXPECT_EQ(t.left(top[1]), "Cast TopK");
  Tensor places = t.run(top[1], {});
  EXPECT_EQ(places.as<int64_t>()[0], 1);
  EXPECT_EQ(places.as<int64_t>()[1], 0);
}

TEST(Widen, WhatHasAKernelIsLeftAlone) {
  RuleTest t;
  Expr x = halves(t, {0x3c00, 0x4000});
  EXPECT_EQ(t.left(reshape(concat({x, x}, 0), constant_ints(t.scope, {2, 2}))), "Concat Reshape");
}

TEST(Widen, SmallIntegersWrapAround) {
  RuleTest t;
  Expr x = typed(t, DType::kI8, {3}, {-128, 127, 5});
  EXPECT_EQ(t.left(make(t.scope, "Abs", {x})), "Cast Cast Abs Cast");
  Tensor y = t.run(make(t.scope, "Abs", {x}), {});
  EXPECT_EQ(y.as<int8_t>()[0], -128);
  EXPECT_EQ(y.as<int8_t>()[1], 127);
  Tensor negative = t.run(-x, {});
  EXPECT_EQ(negative.as<int8_t>()[0], -128);
  EXPECT_EQ(negative.as<int8_t>()[1], -127);
  Tensor product = t.run(make(t.scope, "ReduceProd", {typed(t, DType::kU32, {3}, {65536, 65536, 3})}), {});
  EXPECT_EQ(product.as<uint32_t>()[0], 0u);
}

TEST(Widen, TheExtremesOfNothingAreThoseOfTheType) {
  RuleTest t;
  for (DType dtype : {DType::kI8, DType::kU8}) {
    Expr x = typed(t, dtype, {0}, {});
    const int low = t.run(make(t.scope, "ReduceMax", {x}), {}).as<uint8_t>()[0];
    const int high = t.run(make(t.scope, "ReduceMin", {x}), {}).as<uint8_t>()[0];
    EXPECT_EQ(low, dtype == DType::kI8 ? 0x80 : 0);
    EXPECT_EQ(high, dtype == DType::kI8 ? 0x7f : 0xff);
  }
}

TEST(Widen, TruthValuesHaveAGreatest) {
  RuleTest t;
  Expr x = typed(t, DType::kBool, {2, 2}, {0, 1, 0, 0});
  Tensor any = t.run(make(t.scope, "ReduceMax", {x, constant_ints(t.scope, {1})}, {{"keepdims", int64_t{0}}}), {});
  EXPECT_TRUE(any.as<bool>()[0]);
  EXPECT_FALSE(any.as<bool>()[1]);
}

// Of so many that their sum is 0 in 8 bits.
TEST(Widen, TruthValuesThatAreJoinedStayTruthValues) {
  RuleTest t;
  Expr places = t.input<int64_t>({256, 1}, std::vector<int64_t>(256, 0));
  std::vector<float> flags(256, 1);
  Expr hits = typed(t, DType::kBool, {256}, flags);
  Expr none = typed(t, DType::kBool, {2}, {0, 0}), both = typed(t, DType::kBool, {2}, {1, 1});
  Tensor any = t.run(make(t.scope, "ScatterND", {none, places, hits}, {{"reduction", "add"}}), {});
  EXPECT_TRUE(any.as<bool>()[0]);
  EXPECT_FALSE(any.as<bool>()[1]);
  flags[7] = 0;
  Expr misses = typed(t, DType::kBool, {256}, flags);
  Tensor all = t.run(make(t.scope, "ScatterND", {both, places, misses}, {{"reduction", "mul"}}), {});
  EXPECT_FALSE(all.as<bool>()[0]);
  EXPECT_TRUE(all.as<bool>()[1]);
}

TEST(Widen, ConstantsAreConvertedOnce) {
  RuleTest t;
  Expr w = cast(constant(t.scope, Tensor::vector<float>({1, 2, 3})), DType::kF16);
  Expr y = make(t.scope, "Sigmoid", {halves(t, {0x3c00, 0x4000, 0x4200})}) * w;
  EXPECT_EQ(t.left(y), "Cast Sigmoid Cast Cast Mul Cast");
}

TEST(Widen, GradientsOfHalves) {
  RuleTest t;
  Expr x = halves(t, {0x3c00, 0x4000, 0xc000});
  Expr y = reduce_sum(make(t.scope, "Tanh", {x}) * x, {0}, false);
  std::vector<ValueId> gradients = *differentiate(*t.graph, {y.id()}, {x.id()}, {});
  Tensor found = t.run(Expr(t.scope, gradients[0]), {});
  ASSERT_EQ(found.dtype(), DType::kF16);
  // tanh(x) + x (1 - tanh(x)^2), in f64.
  const float wanted[] = {1.18157f, 1.10533f, -1.10533f};
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(f16_to_float(found.as<uint16_t>()[i]), wanted[i], 3e-3f);
}

// Of operators that are made of others: as PyTorch in f32, rounded once. In halves 300 squared is infinite, and places
// 700 pixels away are half a pixel apart.
TEST(Widen, GradientsOfBodiesRoundNothingInBetween) {
  RuleTest t;
  auto gradient = [&](Expr y, Expr x) {
    EXPECT_TRUE(t.scope.status().ok()) << t.scope.status().text();
    std::vector<ValueId> gradients = *differentiate(*t.graph, {y.id()}, {x.id()}, {});
    const Tensor found = t.run(Expr(t.scope, gradients[0]), {});
    EXPECT_EQ(found.dtype(), DType::kF16);
    std::vector<float> out;
    for (int64_t i = 0; i < found.count(); ++i) out.push_back(f16_to_float(found.as<uint16_t>()[i]));
    return out;
  };
  Expr x = typed(t, DType::kF16, {1, 1, 2}, {300, 400});
  const auto of_norm = gradient(make(t.scope, "LpPool", {x}, {{"kernel_shape", std::vector<int64_t>{2}}}), x);
  EXPECT_NEAR(of_norm[0], 0.6f, 5e-4f);
  EXPECT_NEAR(of_norm[1], 0.8f, 5e-4f);

  Expr batch = typed(t, DType::kF16, {2, 1}, {-600, 600}), scale = typed(t, DType::kF16, {1}, {1});
  Expr zero = typed(t, DType::kF16, {1}, {0}), one = typed(t, DType::kF16, {1}, {1});
  Expr normal = make(t.scope, "BatchNormalization", {batch, scale, zero, zero, one}, {{"training_mode", int64_t{1}}});
  EXPECT_NEAR(gradient(normal * typed(t, DType::kF16, {2, 1}, {-1, 1}), scale)[0], 2, 2e-3f);

  Expr line = typed(t, DType::kF16, {1, 1, 1, 1024}, std::vector<float>(1024, 0));
  Expr grid = typed(t, DType::kF16, {1, 1, 1, 2}, {0.369140625f, 0});  // pixel 700.3154296875
  const auto of_line = gradient(make(t.scope, "GridSample", {line, grid}, {{"align_corners", int64_t{1}}}), line);
  EXPECT_NEAR(of_line[700], 0.6846f, 5e-4f);
  EXPECT_NEAR(of_line[701], 0.3154f, 5e-4f);

  // e^-6, and gamma alpha times that: halves near the plateau are 5e-4 apart.
  Expr low = typed(t, DType::kF16, {1}, {-6});
  EXPECT_NEAR(gradient(make(t.scope, "Celu", {low}), low)[0], 2.47875e-3f, 2e-6f);
  EXPECT_NEAR(gradient(make(t.scope, "Selu", {low}), low)[0], 4.35789e-3f, 3e-6f);
}

// More than f16 can count. Wanted are 1 / 70000 and half of that below 0, as numpy rounds them.
TEST(Widen, GradientsOfMeansOfManyHalves) {
  RuleTest t;
  const auto first = [&t](Expr y, Expr x) {
    std::vector<ValueId> gradients = *differentiate(*t.graph, {y.id()}, {x.id()}, {});
    return t.run(Expr(t.scope, gradients[0]), {}).as<uint16_t>()[0];
  };
  Expr x = halves(t, std::vector<uint16_t>(70000, 0x3c00));
  EXPECT_EQ(first(make(t.scope, "ReduceMean", {x}), x), 0x00f0);
  EXPECT_EQ(first(make(t.scope, "ReduceMax", {x}), x), 0x00f0) << "shared evenly";
  Expr scores = reshape(halves(t, std::vector<uint16_t>(140000, 0)), constant_ints(t.scope, {1, 2, 70000}));
  Expr labels = t.input<int64_t>({1, 70000}, std::vector<int64_t>(70000, 0));
  EXPECT_EQ(first(make(t.scope, "SoftmaxCrossEntropyLoss", {scores, labels}), scores), 0x8078);
  Expr with_ignored = make(t.scope, "SoftmaxCrossEntropyLoss", {scores, labels}, {{"ignore_index", int64_t{5}}});
  EXPECT_EQ(first(with_ignored, scores), 0x8078);
}

TEST(Widen, BranchesToo) {
  RuleTest t;
  Expr x = halves(t, {0x3c00});
  Tensor yes = *Tensor::make(DType::kBool, {});
  *yes.as<bool>() = true;
  Expr condition = t.input({}, yes);
  std::shared_ptr<Graph> branches[2];
  for (int i = 0; i < 2; ++i) {
    branches[i] = *Graph::make_subgraph(t.graph);
    ExprScope inside(*branches[i]);
    ValueId captured = *branches[i]->capture(*t.graph, x.id());
    Expr y = make(inside, i == 0 ? "Exp" : "Neg", {Expr(inside, captured)});
    ASSERT_TRUE(inside.status().ok()) << inside.status().text();
    ASSERT_TRUE(branches[i]->set_outputs({y.id()}).ok());
  }
  Expr y = make(t.scope, "If", {condition},
                {{"then_branch", GraphRef(branches[0])}, {"else_branch", GraphRef(branches[1])}});
  ASSERT_TRUE(t.scope.status().ok()) << t.scope.status().text();
  EXPECT_EQ(t.run(y, {}).as<uint16_t>()[0], 0x4170);
}

TEST(Widen, ErrorsNameTheNode) {
  RuleTest t;
  Expr scores = typed(t, DType::kF16, {1, 2}, {1, 2});
  t.scope.set_origin("model.py:7");
  Expr z = make(t.scope, "NegativeLogLikelihoodLoss", {scores, t.input<int64_t>({1}, {5})}, {}, "loss");
  ASSERT_TRUE(t.scope.status().ok()) << t.scope.status().text();
  std::vector<Tensor> out;
  Status status = (*Session::make(t.graph, {}))->run({t.feeds, {z.id()}, {}}, t.values, {}, &out);
  EXPECT_EQ(status.op(), "NegativeLogLikelihoodLoss");
  EXPECT_EQ(status.node(), "loss");
  EXPECT_EQ(status.origin(), "model.py:7");
}

}  // namespace
}  // namespace weft
