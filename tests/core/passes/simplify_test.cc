// Rules that keep every bit: what they take away, and what they must leave.
#include <cmath>
#include <limits>

#include "core/exec/executor.h"
#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

const std::vector<float> kHard = {
    -0.0f, 0.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(), 1e-40f, -2.5f};
using Ints = std::vector<int64_t>;

// Builds on an f32[6] of awkward numbers.
void expect_left(const char* wanted, Expr (*build)(ExprScope&, Expr)) {
  RuleTest t;
  Expr y = build(t.scope, t.input({6}, kHard));
  EXPECT_EQ(t.left(y), wanted);
  t.expect_same_bits(y);
}

TEST(Simplify, NeutralElementsGo) {
  expect_left("", [](ExprScope&, Expr x) { return x + -0.0; });
  expect_left("", [](ExprScope&, Expr x) { return -0.0 + x; });
  expect_left("", [](ExprScope&, Expr x) { return x - 0.0; });
  expect_left("", [](ExprScope&, Expr x) { return x * 1.0; });
  expect_left("", [](ExprScope&, Expr x) { return 1.0 * x; });
  expect_left("", [](ExprScope&, Expr x) { return x / 1.0; });
  expect_left("", [](ExprScope& s, Expr x) { return make(s, "Pow", {x, scalar_like(x, 1)}); });
}

TEST(Simplify, WhatWouldChangeASignOfZeroStays) {
  expect_left("Add", [](ExprScope&, Expr x) { return x + 0.0; });
  expect_left("Sub", [](ExprScope&, Expr x) { return x - -0.0; });
  expect_left("Sub", [](ExprScope&, Expr x) { return 0.0 - x; });
  expect_left("Div", [](ExprScope&, Expr x) { return 1.0 / x; });
}

TEST(Simplify, IntegersHaveOneZero) {
  RuleTest t;
  Expr y = t.input<int64_t>({2}, {3, -4}) + constant_ints(t.scope, {0});
  EXPECT_EQ(t.left(y), "");
  t.expect_same_bits(y);
}

TEST(Simplify, BroadcastingStays) {
  RuleTest t;
  Tensor ones = *Tensor::vector<float>({1, 1}).reshaped({2, 1});
  Expr y = t.input({6}, kHard) * constant(t.scope, ones);
  EXPECT_EQ(t.left(y), "Mul");
  t.expect_same_bits(y);
}

TEST(Simplify, OperatorsThatUndoThemselvesGo) {
  expect_left("", [](ExprScope&, Expr x) { return -(-x); });
  expect_left("Neg", [](ExprScope&, Expr x) { return -(-(-x)); });
  expect_left("Relu", [](ExprScope& s, Expr x) { return make(s, "Relu", {make(s, "Relu", {x})}); });
  expect_left("Floor", [](ExprScope& s, Expr x) { return make(s, "Floor", {make(s, "Floor", {x})}); });
}

// More of them than folding would make.
TEST(Simplify, OnesAreCounted) {
  RuleTest t;
  Expr x = t.input<float>({600, 700}, std::vector<float>(600 * 700, 3));
  Expr ones = fill_like(x, 1);
  for (const Ints& axes : {Ints{0}, Ints{0, 1}}) {
    Expr y = x / reduce_sum(ones, axes, true);
    EXPECT_EQ(t.left(y), "Div");
    t.expect_same_bits(y);
  }
  EXPECT_EQ(t.left(x / reduce_sum(fill_like(x, 3), {0}, true)), "Expand ReduceSum Div");
}

TEST(Simplify, IdentityAndSameCastGo) {
  expect_left("Neg", [](ExprScope& s, Expr x) { return -make(s, "Identity", {make(s, "weft.StopGradient", {x})}); });
  expect_left("Neg", [](ExprScope& s, Expr x) { return -make(s, "weft.EnsureRank", {x}, {{"rank", 1}}); });
  expect_left("", [](ExprScope& s, Expr x) { return make(s, "Cast", {x}, {{"to", 1}}); });
  expect_left("Cast Cast", [](ExprScope&, Expr x) { return cast(cast(x, DType::kF64), DType::kF32); });
}

TEST(Simplify, ReshapesInARow) {
  expect_left("", [](ExprScope&, Expr x) { return squeeze(unsqueeze(x, {0}), {0}); });
  expect_left("", [](ExprScope& s, Expr x) {
    return reshape(reshape(x, constant_ints(s, {2, 3})), constant_ints(s, {-1}));
  });
  expect_left("Reshape", [](ExprScope& s, Expr x) {
    return reshape(reshape(x, constant_ints(s, {2, 3})), constant_ints(s, {3, 2}));
  });
}

TEST(Simplify, ChainsOfReshapesBecomeOne) {
  expect_left("Reshape", [](ExprScope& s, Expr x) { return unsqueeze(reshape(x, constant_ints(s, {2, 3})), {1}); });
  expect_left("Reshape", [](ExprScope&, Expr x) { return unsqueeze(unsqueeze(x, {0}), {-1}); });
  expect_left("Reshape", [](ExprScope& s, Expr x) {
    return make(s, "Flatten", {unsqueeze(reshape(x, constant_ints(s, {3, 2})), {0})}, {{"axis", 2}});
  });
  expect_left("", [](ExprScope& s, Expr x) {
    return squeeze(make(s, "Flatten", {reshape(x, constant_ints(s, {3, 1, 2}))}, {{"axis", 0}}), {0});
  });
  expect_left("Reshape", [](ExprScope& s, Expr x) {
    return make(s, "Reshape", {reshape(x, constant_ints(s, {2, 3})), constant_ints(s, {0, 1, 3})});
  });
}

TEST(Simplify, ReshapesThatCopyADimensionStay) {
  RuleTest t;
  Expr x = t.input({Dim::symbol("n"), 6}, *Tensor::vector<float>(std::vector<float>(12, 1.5f)).reshaped({2, 6}));
  Expr y = make(t.scope, "Reshape", {unsqueeze(x, {1}), constant_ints(t.scope, {0, 2, 3})});
  EXPECT_EQ(t.left(y), "Unsqueeze Reshape");
  t.expect_same_bits(y);
  Expr empty = t.input({0, 6}, *Tensor::make(DType::kF32, {0, 6}));
  EXPECT_EQ(t.left(unsqueeze(unsqueeze(empty, {0}), {0})), "Unsqueeze Unsqueeze") << "a 0 is no size in Reshape";
}

TEST(Simplify, ReshapesOfNamedDimensions) {
  RuleTest t;
  Expr x = t.input({Dim::symbol("n"), 2}, *Tensor::vector<float>({1, 2, 3, 4}).reshaped({2, 2}));
  Expr y = reshape(reshape(x, constant_ints(t.scope, {-1})), constant_ints(t.scope, {-1, 2}));
  EXPECT_EQ(t.left(y), "");
  t.expect_same_bits(y);
}

// The one in between, whose result has another number of elements, would say so.
TEST(Simplify, ReshapesThatMayNotFitStay) {
  const auto expect_refused = [](RuleTest& t, Expr y, const Shape& shape) {
    t.values[0] = *Tensor::make(DType::kF32, shape);
    std::vector<Tensor> out;
    const Status status = (*Session::make(t.graph, {}))->run({t.feeds, {y.id()}, {}}, t.values, {}, &out);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.text();
  };
  RuleTest t;
  Expr x = t.input({Dim::symbol("n")}, Tensor::vector<float>(kHard));
  Expr y = reshape(reshape(x, constant_ints(t.scope, {2, 3})), constant_ints(t.scope, {-1}));
  EXPECT_EQ(t.left(y), "Reshape Reshape");
  t.expect_same_bits(y);
  expect_refused(t, y, {8});
  RuleTest u;
  Expr z = u.input({Dim::symbol("m"), 3, 2}, *Tensor::vector<float>(kHard).reshaped({1, 3, 2}));
  Expr flat = reshape(squeeze(z, {0}), constant_ints(u.scope, {-1}));
  EXPECT_EQ(u.left(flat), "Squeeze Reshape");
  u.expect_same_bits(flat);
  expect_refused(u, flat, {2, 3, 2});
}

TEST(Simplify, TransposesInARow) {
  RuleTest t;
  Expr x = t.input<float>({1, 2, 3}, kHard);
  Expr there = transpose(x, {2, 0, 1});
  EXPECT_EQ(t.left(transpose(there, {1, 2, 0})), "");
  EXPECT_EQ(t.left(transpose(there, {0, 2, 1})), "Transpose");
  EXPECT_EQ(t.left(transpose(there, {2, 0, 1})), "Reshape") << "only the axis of size 1 moves";
  EXPECT_EQ(t.left(make(t.scope, "Transpose", {make(t.scope, "Transpose", {x})})), "");
  for (const Ints& perm : {Ints{1, 2, 0}, Ints{2, 0, 1}, Ints{0, 2, 1}}) t.expect_same_bits(transpose(there, perm));
}

TEST(Simplify, RulesCanBeSwitchedOff) {
  RuleTest t;
  Expr y = -(-(t.input({6}, kHard) * 1.0));
  EXPECT_EQ(t.left(y, {"undo_twice"}), "Neg Neg");
  EXPECT_EQ(t.left(y, {"*"}), "Mul Neg Neg");
}

TEST(Share, EqualNodesAreOne) {
  RuleTest t;
  Expr x = t.input({4}, std::vector<float>{-0.0f, 1.5f, -2.5f, 1e-40f});
  auto exp = [&] { return make(t.scope, "Exp", {x}); };
  Expr y = exp() * exp() + make(t.scope, "Neg", {exp()});
  EXPECT_EQ(t.left(y), "Exp Mul Neg Add");
  EXPECT_EQ(t.left(y, {"share_equal_nodes"}), "Exp Exp Mul Exp Neg Add");
  t.expect_same_bits(y);
}

TEST(Share, NodesThatDifferInAnAttributeStay) {
  RuleTest t;
  Expr x = t.input({2, 3}, kHard);
  auto softmax = [&](int64_t axis) { return make(t.scope, "Softmax", {x}, {{"axis", axis}}); };
  EXPECT_EQ(t.left(softmax(0) + softmax(1)), "Softmax Softmax Add");
}

TEST(Fold, ConstantsAreComputedOnce) {
  RuleTest t;
  Expr x = t.input({6}, kHard);
  Expr three = constant(t.scope, Tensor::scalar(1.0f)) + constant(t.scope, Tensor::scalar(2.0f));
  Expr y = x * make(t.scope, "Sqrt", {three});
  EXPECT_EQ(t.left(y), "Mul");
  EXPECT_EQ(t.left(y, {"fold_constants"}), "Add Sqrt Mul");
  t.expect_same_bits(y);
}

// The constants of a program that need not be in memory.
std::vector<Tensor> unfilled(const Program& program) {
  std::vector<Tensor> out;
  for (NodeId id : ordered_nodes(*program.graph, program.outputs, {}, false)) {
    const Node& node = program.graph->node(id);
    if (!node.is("Constant")) continue;
    const Tensor& value = node.attrs.tensor("value");
    if (value.buffer() != nullptr && value.buffer()->unfilled()) out.push_back(value);
  }
  return out;
}
Program optimized(RuleTest& t, Expr y) {
  return *optimize(cut_program(*t.graph, t.feeds, {y.id()}, {})->program, cpu_kernels(),
                   rewrite_options(builtin_rules(), {}));
}

TEST(Fold, LargeWeightsAreComputedAsTheyArePacked) {
  FuseTest t;
  Expr x = t.in({1, 32, 6, 7});
  Expr conv = make(t.scope, "Conv", {x, t.fixed({64, 32, 3, 3})}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  Expr y = make(t.scope, "BatchNormalization", {conv, t.fixed({64}), t.fixed({64}), t.fixed({64}), t.fixed({64}, 2)});
  Program program = optimized(t, y);
  const std::vector<Tensor> weights = unfilled(program);
  ASSERT_EQ(weights.size(), 1u);
  EXPECT_EQ(weights[0].summary(), "f32[64, 32, 3, 3]");
  Executable executable(std::move(program), cpu_kernels(), {}, 1);
  std::vector<Tensor> outputs(1);
  ASSERT_TRUE(executable.run(t.values, {}, &outputs).ok());
  EXPECT_TRUE(weights[0].buffer()->unfilled());
  t.expect_close(y);
}

TEST(Fold, WhoeverReadsALargeResultHasIt) {
  FuseTest t;
  Expr large = t.fixed({200, 100}), factor = t.fixed({200, 1});
  Expr x = t.in({200, 100});
  Expr y = x + make(t.scope, "Sqrt", {make(t.scope, "Abs", {large * factor})}) / factor;
  EXPECT_EQ(t.left(y), "Add");
  const std::vector<Tensor> found = unfilled(optimized(t, y));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].buffer()->source()->steps(), 4);
  t.expect_same_bits(y);
}

// Each result of these asks for the one before it, and twice.
TEST(Fold, LongChainsOfLargeResultsAreComputedAtOnce) {
  FuseTest t;
  Expr sum = t.fixed({200, 100});
  for (int i = 0; i < 1000; ++i) sum = (sum + sum) * scalar(t.scope, DType::kF32, 0.5);
  Expr y = t.in({200, 100}) + sum;
  EXPECT_EQ(t.left(y), "Add");
  t.expect_same_bits(y);
}

// Kernels take what inference found out of integers, whether folding made constants of it or not.
TEST(WithoutFolding, BoundsComputedFromShapesAreKnown) {
  RuleTest t;
  Expr x = t.input({Dim::symbol("n")}, Tensor::vector<float>({1, 2, 3, 4}));
  Expr size = make(t.scope, "Shape", {x});
  Expr y = make(t.scope, "Slice", {x, constant_ints(t.scope, {1}), size - constant_ints(t.scope, {1})});
  for (const std::vector<std::string>& disabled : {std::vector<std::string>{}, {"fold_constants"}, {"*"}}) {
    Tensor out = t.run(y, disabled);
    EXPECT_EQ(std::vector<float>(out.as<float>(), out.as<float>() + out.count()), (std::vector<float>{2, 3}));
  }
}

}  // namespace
}  // namespace weft
