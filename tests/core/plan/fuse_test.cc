// Elementwise fusion: which steps go together, that no bit changes, and what memory is used again.
#include "core/plan/fuse.h"

#include <limits>

#include "core/plan/plan.h"
#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

using Sets = std::vector<std::vector<int32_t>>;

FusionStep elementwise(std::vector<int32_t> needs, Shape shape = {8}) {
  return {true, std::move(shape), std::move(needs)};
}
FusionStep other(std::vector<int32_t> needs) { return {false, {}, std::move(needs)}; }
FusionStep product(std::vector<int32_t> needs, Shape shape = {8}) {
  return {false, std::move(shape), std::move(needs), true};
}

// The elementwise steps of each set, and where there is a producer, that in front.
Sets find(const std::vector<FusionStep>& steps, int most_operands = 64) {
  Sets found;
  for (const FusionSet& set : find_fusions(steps, most_operands)) {
    found.push_back(set.steps);
    if (set.producer != -1) found.back().insert(found.back().begin(), set.producer);
  }
  return found;
}

TEST(FindFusions, AChainIsOneSet) {
  EXPECT_EQ(find({elementwise({-1}), elementwise({0}), elementwise({1, -1})}, 64), (Sets{{0, 1, 2}}));
}

TEST(FindFusions, OneStepIsNoSet) { EXPECT_EQ(find({elementwise({-1}), other({0})}, 64), Sets()); }

TEST(FindFusions, BranchesThatMeetAreOneSet) {
  EXPECT_EQ(find({elementwise({-1}), elementwise({-1}), elementwise({0, 1})}, 64), (Sets{{0, 1, 2}}));
}

TEST(FindFusions, AStepInBetweenThatNeedsTheSetEndsIt) {
  // 2 needs both 0 and what 1 makes of it, so 0 cannot wait for 2.
  EXPECT_EQ(find({elementwise({-1}), other({0}), elementwise({0, 1})}, 64), Sets());
  EXPECT_EQ(find({elementwise({-1}), elementwise({0}), other({1}), elementwise({1, 2}), elementwise({3})}, 64),
            (Sets{{0, 1}, {3, 4}}));
}

TEST(FindFusions, AStepInBetweenThatTheSetNeedsDoesNot) {
  EXPECT_EQ(find({elementwise({-1}), other({-1}), elementwise({0, 1})}, 64), (Sets{{0, 2}}));
}

TEST(FindFusions, ShapesAreNotMixed) {
  EXPECT_EQ(find({elementwise({-1}, {1}), elementwise({0}), elementwise({1})}, 64), (Sets{{1, 2}}));
}

TEST(FindFusions, SetsStayWithinTheLimit) {
  std::vector<FusionStep> chain;
  for (int32_t i = 0; i < 10; ++i) chain.push_back(elementwise({i - 1, -1}));
  // A step and an input each, and the first has two inputs: 4 steps are 9 operands.
  EXPECT_EQ(find(chain, 9), (Sets{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}}));
}

TEST(FindFusions, AValueThatIsReadTwiceCountsOnceMade) {
  // Two inputs read once become one operand: an input and two steps.
  EXPECT_EQ(find({elementwise({-1}), elementwise({0, 0})}, 3), (Sets{{0, 1}}));
  EXPECT_EQ(find({elementwise({-1}), elementwise({0, 0})}, 2), Sets());
}

TEST(FindFusions, WhatTheLimitKeepsOutIsClosed) {
  // 2 takes 0 and then is full; 1 cannot wait for 3, since 2 needs it.
  EXPECT_EQ(find({elementwise({-1}), elementwise({-1}), elementwise({0, 1}), elementwise({1})}, 4), (Sets{{0, 2}}));
}

TEST(FindFusions, StepsOfSetsThatMeetStayInOrder) {
  EXPECT_EQ(
      find({elementwise({-1}), elementwise({-1}), elementwise({0}), elementwise({1}), other({-1}), elementwise({2, 3})},
           64),
      (Sets{{0, 1, 2, 3, 5}}));
}

TEST(FindFusions, AProductJoinsWhatIsBehindIt) {
  EXPECT_EQ(find({product({-1}), elementwise({0})}), (Sets{{0, 1}}));
  EXPECT_EQ(find({product({-1}), elementwise({0}), elementwise({1, -1})}), (Sets{{0, 1, 2}}));
  EXPECT_EQ(find({product({-1}), other({0})}), Sets());
}

TEST(FindFusions, OfTwoProductsTheLaterOneJoins) {
  EXPECT_EQ(find({product({-1}), product({-1}), elementwise({0, 1})}), (Sets{{1, 2}}));
  // Both can, where they have sets of their own.
  EXPECT_EQ(find({product({-1}), elementwise({0}), product({1}), elementwise({2})}), (Sets{{0, 1}, {2, 3}}));
}

TEST(FindFusions, AProductServesOneSet) {
  // 1 and 3 are of one shape but cannot be one set, since 2 needs 1 and 3 needs 2.
  EXPECT_EQ(find({product({-1}), elementwise({0}), other({1}), elementwise({0, 2})}), (Sets{{0, 1}}));
}

TEST(FindFusions, AProductThatIsNeededBeforeTheSetStaysWhereItIs) {
  EXPECT_EQ(find({product({-1}), other({0}), elementwise({0, 1})}), Sets());
  EXPECT_EQ(find({product({-1}), elementwise({0}), other({0})}), (Sets{{0, 1}}));
}

TEST(FindFusions, AProductOfAnotherShapeStaysOutside) {
  EXPECT_EQ(find({product({-1}, {1}), elementwise({0})}), Sets());
}

TEST(FindFusions, AProductJoinsNoSetOverTheLimit) {
  EXPECT_EQ(find({product({-1}), elementwise({0, -1, -1})}, 4), (Sets{{0, 1}}));
  EXPECT_EQ(find({product({-1}), elementwise({0, -1, -1})}, 3), Sets());
}

struct FuseTest : RuleTest {
  Expr numbers(const Shape& shape) {
    int64_t count = 1;
    for (int64_t dim : shape) count *= dim;
    std::vector<float> out;
    for (int64_t i = 0; i < count; ++i) {
      seed = seed * 1664525u + 1013904223u;
      out.push_back(static_cast<float>(seed >> 8) / 2097152.0f - 4.0f);
    }
    return input(shape, out);
  }
  Expr op(const char* name, std::vector<Expr> inputs, Attrs attrs = {}) {
    return make(scope, name, std::move(inputs), std::move(attrs));
  }
  std::shared_ptr<const Plan> plan(std::vector<Expr> ys, const std::vector<std::string>& disabled = {}) {
    std::vector<ValueId> fetches;
    for (Expr y : ys) fetches.push_back(y.id());
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    Result<Cut> cut = cut_program(*graph, feeds, fetches, {});
    PlanOptions options;
    options.rewrite = rewrite_options(builtin_rules(), disabled);
    std::vector<InputKey> keys;
    for (const Tensor& value : values) keys.push_back({value.kind(), value.dtype(), value.shape(), {}});
    Result<std::shared_ptr<const Plan>> made = make_plan(cut->program, keys, cpu_kernels(), options);
    EXPECT_TRUE(made.ok()) << made.status().text();
    return made.ok() ? *made : nullptr;
  }
  std::string steps(Expr y, const std::vector<std::string>& disabled = {}) {
    std::string names;
    std::shared_ptr<const Plan> made = plan({y}, disabled);
    for (const StepInfo& info : made->infos) names += cat(names.empty() ? "" : " ", info.op);
    return names;
  }
  // The same bits with fusion alone switched off.
  void expect_same(Expr y) {
    Tensor with = run(y, {}), without = run(y, {"fuse_elementwise"});
    ASSERT_EQ(with.shape(), without.shape());
    EXPECT_EQ(std::memcmp(with.data(), without.data(), static_cast<size_t>(with.bytes())), 0);
  }
  uint32_t seed = 1;
};

TEST(FuseElementwise, OneStepIsLeft) {
  FuseTest t;
  Expr x = t.numbers({3, 5}), b = t.numbers({5});
  Expr y = t.op("Tanh", {x * b + 1.0}) - x;
  EXPECT_EQ(t.steps(y), "Mul+Add+Tanh+Sub");
  EXPECT_EQ(t.steps(y, {"fuse_elementwise"}), "Mul Add Tanh Sub");
  EXPECT_EQ(t.steps(y, {"*"}), "Mul Add Tanh Sub");
}

TEST(FuseElementwise, GivesTheNumbersOfTheOperators) {
  FuseTest t;
  Expr x = t.input<float>({2, 2}, {1, 2, 3, 4}), row = t.input<float>({2}, {10, 20});
  Tensor y = t.run(t.op("Relu", {(x - row) * -0.5}), {});
  EXPECT_EQ(std::vector<float>(y.as<float>(), y.as<float>() + 4), (std::vector<float>{4.5f, 9.0f, 3.5f, 8.0f}));
}

TEST(FuseElementwise, NoBitChangesOverTilesAndWaysToBroadcast) {
  for (int64_t n : {1, 7, 64, 1023, 1025, 40000}) {
    FuseTest t;
    Expr x = t.numbers({3, n}), row = t.numbers({n}), column = t.numbers({3, 1}), one = t.numbers({1});
    Expr y = t.op("Sigmoid", {x * row + column});
    y = t.op("Max", {y, t.op("Sub", {one, x}), row});
    y = where(t.op("Less", {y, column}), t.op("Exp", {y}), t.op("Div", {x, y * y + 2.0}));
    EXPECT_EQ(t.plan({y})->steps.size(), 1u);
    t.expect_same(y);
  }
}

TEST(FuseElementwise, EveryOperatorWithASpanGivesItsOwnBits) {
  for (const char* name :
       {"Neg",   "Abs",   "Sign", "Floor",  "Ceil", "Round",   "Reciprocal", "Sqrt",           "Exp",
        "Log",   "Sin",   "Cos",  "Tanh",   "Erf",  "Sigmoid", "Softplus",   "Relu",           "LeakyRelu",
        "Elu",   "Gelu",  "Tan",  "Asin",   "Acos", "Atan",    "Sinh",       "Cosh",           "Asinh",
        "Acosh", "Atanh", "Mish", "Shrink", "Celu", "Selu",    "Softsign",   "ThresholdedRelu"}) {
    FuseTest t;
    Expr y = t.op(name, {t.numbers({1100}) + 0.25}) * 1.5;
    EXPECT_EQ(t.plan({y})->steps.size(), 1u) << name;
    t.expect_same(y);
  }
  for (const char* name :
       {"Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Mean", "PRelu", "weft.GradMul", "weft.GradDiv"}) {
    FuseTest t;
    Expr y = t.op(name, {t.numbers({1100}) + 0.25, t.numbers({1100})}) * 1.5;
    EXPECT_EQ(t.plan({y})->steps.size(), 1u) << name;
    t.expect_same(y);
  }
}

TEST(FuseElementwise, LimitsOfClipAndTruthValues) {
  FuseTest t;
  Expr x = t.numbers({2, 700}), low = t.input<float>({}, {-1.5f});
  Expr inside = t.op("And", {t.op("Greater", {x, low}), t.op("Not", {t.op("IsNaN", {x})})});
  Expr y = t.op("Clip", {x + 0.5, low, Expr()}) * cast(inside, DType::kF32);
  y = y + t.op("Clip", {x, Expr(), low});
  EXPECT_EQ(t.plan({y})->steps.size(), 1u);
  t.expect_same(y);
}

TEST(FuseElementwise, DivisionsThatMayFailStayAlone) {
  FuseTest t;
  Expr a = t.input<int64_t>({2}, {7, 8}), b = t.input<int64_t>({2}, {2, 0});
  EXPECT_EQ(t.steps(t.op("Div", {a + b, b}) + a), "Add Div Add");
}

TEST(FuseElementwise, ValuesThatLeaveInTheMiddleAreWhole) {
  FuseTest t;
  Expr x = t.input<float>({3}, {1, 2, 3});
  Expr a = x * 2.0, b = a + 1.0, c = b * a;
  std::shared_ptr<const Plan> plan = t.plan({a, c, b});
  EXPECT_EQ(plan->steps.size(), 1u);
  auto session = *Session::make(t.graph, {});
  std::vector<Tensor> out;
  ASSERT_TRUE(session->run({t.feeds, {a.id(), c.id(), b.id()}, {}}, t.values, {}, &out).ok());
  auto of = [](const Tensor& y) { return std::vector<float>(y.as<float>(), y.as<float>() + 3); };
  EXPECT_EQ(of(out[0]), (std::vector<float>{2, 4, 6}));
  EXPECT_EQ(of(out[1]), (std::vector<float>{6, 20, 42}));
  EXPECT_EQ(of(out[2]), (std::vector<float>{3, 5, 7}));
}

TEST(FuseElementwise, OverwritesWhatNobodyReadsAnyMore) {
  FuseTest t;
  Expr a = t.numbers({16, 16}), b = t.numbers({16, 16});
  // The product's place serves the fused step, whose result goes to the next product.
  Expr y = matmul(t.op("Exp", {matmul(a, b) * 0.1}), b);
  EXPECT_EQ(t.plan({y})->arena_bytes, t.plan({matmul(matmul(a, b), b)})->arena_bytes);
  t.expect_same(y);
}

TEST(FuseElementwise, AnInputReadLaterIsNotOverwrittenByAnEarlierOutput) {
  FuseTest t;
  Expr a = t.numbers({16, 16}), b = t.numbers({16, 16});
  Expr product = matmul(a, b);
  Expr early = product * 0.01;
  Expr late = t.op("Exp", {early}) - product;
  Expr y = matmul(early, late);
  EXPECT_EQ(t.steps(y), "MatMul+Mul+Exp+Sub MatMul");
  t.expect_same(y);
}

// Chains of operations go through registers where nobody else reads what is in between.
TEST(FuseElementwise, ChainsGiveTheBitsOfTheirOperators) {
  for (int64_t n : {1, 5, 16, 300, 20000}) {
    for (DType dtype : {DType::kF32, DType::kF64}) {
      FuseTest t;
      Expr x = cast(t.numbers({2, n}), dtype), row = cast(t.numbers({n}), dtype), one = cast(t.numbers({1}), dtype);
      Expr y = t.op("Relu", {x * one + row}) * x;
      y = t.op("Sub", {one, y}) - row;
      y = t.op("Sqrt", {t.op("Abs", {t.op("Div", {one, y})})}) / row;
      Expr z = t.op("Neg", {row - (one + x)}) / one;
      // One is read twice, by the other and by itself.
      y = t.op("Exp", {z}) - y * (z * z);
      EXPECT_EQ(t.plan({y})->steps.size(), dtype == DType::kF32 ? 1u : 3u);  // with the casts of the row and the number
      t.expect_same(y);
    }
  }
}

TEST(FuseElementwise, AChainReadsNothingThatAnEarlierOutputReplaced) {
  FuseTest t;
  // The hyperbolic tangent may take the place of the first softmax, whose last reader starts a chain before it.
  Expr p = t.op("Softmax", {t.numbers({16, 16})}), r = t.op("Softmax", {t.numbers({16, 16})});
  Expr out = t.op("Tanh", {r});
  Expr y = matmul(p * 2.0 - out, out);
  EXPECT_EQ(t.steps(y), "Softmax Softmax Mul+Tanh+Sub MatMul");
  t.expect_same(y);
}

TEST(FuseElementwise, OnlyOneOfTwoOutputsTakesThePlaceOfAnInput) {
  FuseTest t;
  Expr a = t.numbers({16, 16}), b = t.numbers({16, 16});
  Expr half = matmul(a, b) * 0.5, low = t.op("Tanh", {half});
  Expr y = matmul(half, low);
  EXPECT_EQ(t.steps(y), "MatMul+Mul+Tanh MatMul");
  t.expect_same(y);
}

TEST(FuseElementwise, AnOutputOfAnotherWidthTakesNoPlaceOfAnInput) {
  FuseTest t;
  Expr x = t.input<float>({2, 2}, {1, 2, 3, 4}), unit = t.input<float>({2, 2}, {1, 0, 0, 1});
  // 7, 10, 15 and 22 in a place of 16 bytes; what is made of them needs 32.
  Expr wide = cast(matmul(x, x) + 0.5, DType::kF64) * 3.0;
  Expr y = matmul(wide, cast(unit, DType::kF64));
  Tensor out = t.run(y, {});
  EXPECT_EQ(std::vector<double>(out.as<double>(), out.as<double>() + 4), (std::vector<double>{22.5, 31.5, 46.5, 67.5}));
}

// Products and convolutions hand on what they make in stretches.

Attrs attributes(std::initializer_list<std::pair<const char*, AttrValue>> list) {
  Attrs attrs;
  for (const auto& [name, value] : list) attrs.set(name, value);
  return attrs;
}

TEST(FuseProducts, GiveTheNumbersOfTheOperators) {
  FuseTest t;
  Expr a = t.input<float>({2, 2}, {1, 2, 3, 4}), b = t.input<float>({2, 3}, {1, 0, -1, 0, 1, -1});
  // a b is 1 2 -3, 3 4 -7.
  Expr y = t.op("LeakyRelu", {matmul(a, b)}, attributes({{"alpha", 0.5}}));
  EXPECT_EQ(t.steps(y), "MatMul+LeakyRelu");
  Tensor out = t.run(y, {});
  EXPECT_EQ(std::vector<float>(out.as<float>(), out.as<float>() + 6), (std::vector<float>{1, 2, -1.5, 3, 4, -3.5}));
}

TEST(FuseProducts, EveryActivationGivesItsOwnBits) {
  for (const char* name : {"Tanh", "Erf", "Sigmoid", "Softplus", "LeakyRelu", "Elu", "Gelu", "Exp"}) {
    FuseTest t;
    // More columns than one block of the product has, and more rows.
    Expr a = t.numbers({130, 70}), b = t.numbers({70, 1100}), bias = t.numbers({1100});
    Expr y = t.op(name, {matmul(a, b) * 0.01});
    EXPECT_EQ(t.plan({y})->steps.size(), 1u) << name;
    t.expect_same(y);
    Expr z = t.op(name, {matmul(a, b) + bias});
    EXPECT_EQ(t.steps(z), cat("weft.FusedMatMul+", name));
    t.expect_same(z);
  }
}

TEST(FuseProducts, BatchesDepthsAndTransposes) {
  FuseTest t;
  // Deeper than one block, so that a stretch is final only in its last one.
  Expr a = t.numbers({3, 40, 1500}), b = t.numbers({3, 1500, 33});
  t.expect_same(t.op("Tanh", {matmul(a, b) * 0.01}));
  EXPECT_EQ(t.steps(t.op("Tanh", {matmul(a, b) * 0.01})), "MatMul+Mul+Tanh");
  Expr p = t.numbers({40, 9}), q = t.numbers({200, 40}), c = t.numbers({200});
  Expr y = t.op("Gelu", {t.op("Gemm", {p, q, c}, attributes({{"transA", 1}, {"transB", 1}, {"alpha", 0.5}}))});
  EXPECT_EQ(t.steps(y), "Gemm+Gelu");
  t.expect_same(y);
}

TEST(FuseProducts, WholeNumbersAndWide) {
  FuseTest t;
  Expr a = t.input<int64_t>({2, 2}, {1, 2, 3, 4});
  Expr y = t.op("Max", {matmul(a, a) - cast(t.input<float>({}, {9.0f}), DType::kI64), a});
  EXPECT_EQ(t.steps(y), "Cast MatMul+Sub+Max");
  Tensor out = t.run(y, {});
  // a a is 7 10, 15 22.
  EXPECT_EQ(std::vector<int64_t>(out.as<int64_t>(), out.as<int64_t>() + 4), (std::vector<int64_t>{1, 2, 6, 13}));
  Expr wide = cast(t.numbers({7, 19}), DType::kF64);
  t.expect_same(t.op("Sigmoid", {matmul(wide, t.op("Transpose", {wide}))}));
}

TEST(FuseProducts, Convolutions) {
  for (const char* name : {"Sigmoid", "Elu", "Tanh"}) {
    FuseTest t;
    Expr x = t.numbers({3, 4, 21, 19}), w = t.numbers({6, 2, 3, 3}), bias = t.numbers({6});
    Expr y = t.op(
        name,
        {t.op("Conv", {x, w, bias}, attributes({{"group", 2}, {"pads", std::vector<int64_t>{1, 0, 1, 0}}})) * 0.1});
    EXPECT_EQ(t.steps(y), cat("Conv+Mul+", name));
    t.expect_same(y);
  }
}

TEST(FuseProducts, WhatIsAddedBehindIsRead) {
  FuseTest t;
  // A residual connection: the input of the convolution is added to what it makes, and to what is made of that.
  Expr x = t.numbers({2, 3, 12, 12}), w = t.numbers({3, 3, 3, 3}), scale = t.numbers({3, 1, 1});
  auto conv = [&](Expr in) { return t.op("Conv", {in, w}, attributes({{"pads", std::vector<int64_t>{1, 1, 1, 1}}})); };
  Expr first = t.op("Tanh", {conv(x) * scale + x});
  Expr second = t.op("Sigmoid", {conv(first) + first});
  EXPECT_EQ(t.steps(second), "Conv+Mul+Add+Tanh Conv+Add+Sigmoid");
  t.expect_same(second);
}

TEST(FuseProducts, WhatTheyMakeIsKeptForOthers) {
  FuseTest t;
  Expr a = t.input<float>({2, 2}, {1, 2, 3, 4});
  // a a is 7 10, 15 22.
  Expr product = matmul(a, a), y = product * 2.0, z = matmul(product, a);
  EXPECT_EQ(t.plan({product, y, z})->steps.size(), 2u);
  auto session = *Session::make(t.graph, {});
  std::vector<Tensor> out;
  ASSERT_TRUE(session->run({t.feeds, {product.id(), y.id(), z.id()}, {}}, t.values, {}, &out).ok());
  auto of = [](const Tensor& y) { return std::vector<float>(y.as<float>(), y.as<float>() + 4); };
  EXPECT_EQ(of(out[0]), (std::vector<float>{7, 10, 15, 22}));
  EXPECT_EQ(of(out[1]), (std::vector<float>{14, 20, 30, 44}));
  EXPECT_EQ(of(out[2]), (std::vector<float>{37, 54, 81, 118}));
}

TEST(FuseProducts, ResultsOfAnotherWidthOrTooEarlyTakeNoPlaceOfTheProduct) {
  FuseTest t;
  Expr a = t.input<float>({2, 2}, {1, 2, 3, 4});
  Expr narrow = t.op("Greater", {matmul(a, a), t.input<float>({}, {12.0f})});
  EXPECT_EQ(t.steps(narrow), "MatMul+Greater");
  Tensor out = t.run(narrow, {});
  EXPECT_EQ(std::vector<bool>(out.as<bool>(), out.as<bool>() + 4), (std::vector<bool>{false, false, true, true}));
  Expr product = matmul(a, a), early = product + 1.0, late = cast(product * early, DType::kF64);
  EXPECT_EQ(t.plan({early, late})->steps.size(), 1u);
  auto session = *Session::make(t.graph, {});
  std::vector<Tensor> both;
  ASSERT_TRUE(session->run({t.feeds, {early.id(), late.id()}, {}}, t.values, {}, &both).ok());
  EXPECT_EQ(std::vector<float>(both[0].as<float>(), both[0].as<float>() + 4), (std::vector<float>{8, 11, 16, 23}));
  EXPECT_EQ(std::vector<double>(both[1].as<double>(), both[1].as<double>() + 4),
            (std::vector<double>{56, 110, 240, 506}));
}

TEST(FuseProducts, ASumOfMoreThanFitsStaysAlone) {
  FuseTest t;
  std::vector<Expr> terms{matmul(t.input<float>({1, 1}, {3}), t.input<float>({1, 1}, {2}))};
  for (int i = 0; i < 130; ++i) terms.push_back(t.input<float>({1, 1}, {1}));
  Expr y = t.op("Sum", terms);
  EXPECT_EQ(t.steps(y), "MatMul Sum");
  EXPECT_EQ(*t.run(y, {}).as<float>(), 136);
}

TEST(FuseProducts, ShortStretchesAreNotWorthIt) {
  FuseTest t;
  // A block of rows of one column is short; of all columns it is long.
  EXPECT_EQ(t.steps(t.op("Tanh", {matmul(t.numbers({600, 4}), t.numbers({4, 1}))})), "MatMul Tanh");
  EXPECT_EQ(t.steps(t.op("Tanh", {matmul(t.numbers({600, 4}), t.numbers({4, 64}))})), "MatMul+Tanh");
  EXPECT_EQ(t.steps(t.op("Tanh", {matmul(t.numbers({2, 4}), t.numbers({4, 3}))})), "MatMul+Tanh");
}

TEST(FuseProducts, OfNothing) {
  for (Shape shape : {Shape{0, 3}, Shape{3, 0}, Shape{0, 0}}) {
    FuseTest t;
    Expr a = t.numbers({shape[0], 2}), b = t.numbers({2, shape[1]});
    EXPECT_EQ(t.run(t.op("Tanh", {matmul(a, b)}), {}).shape(), shape);
  }
  FuseTest t;
  // No products to add: zeros.
  Tensor y = t.run(t.op("Exp", {matmul(t.numbers({2, 0}), t.numbers({0, 2}))}), {});
  EXPECT_EQ(std::vector<float>(y.as<float>(), y.as<float>() + 4), (std::vector<float>{1, 1, 1, 1}));
}

TEST(FuseElementwise, TraceAndErrorsNameTheLastNode) {
  FuseTest t;
  Expr x = t.numbers({4});
  Expr y = t.op("Exp", {x + 1.0});
  std::shared_ptr<const Plan> plan = t.plan({y});
  ASSERT_EQ(plan->infos.size(), 1u);
  EXPECT_EQ(plan->infos[0].node, t.graph->producer(y.id()).name);
  EXPECT_STREQ(plan->infos[0].kernel, "fused");
}

}  // namespace
}  // namespace weft
