// Plans: what becomes a step, what shares memory, what is left for later.
#include <gtest/gtest.h>

#include "core/graph/expr.h"
#include "core/plan/plan.h"
#include "core/runtime/builtin.h"

namespace weft {
namespace {

struct PlanTest {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  std::vector<ValueId> inputs;

  Expr input(const char* name, DType dtype, Dims dims) {
    inputs.push_back(*graph->add_input(name, ValueType::tensor(dtype, std::move(dims))));
    return Expr(scope, inputs.back());
  }
  Result<std::shared_ptr<const Plan>> plan(const std::vector<Expr>& fetches, const std::vector<Shape>& shapes,
                                           const std::vector<Tensor>& values = {}) {
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    std::vector<ValueId> ids;
    for (Expr fetch : fetches) ids.push_back(fetch.id());
    WEFT_TRY(Cut cut, cut_program(*graph, inputs, ids, {}));
    std::vector<InputKey> keys;
    for (size_t i = 0; i < shapes.size(); ++i) {
      keys.push_back(
          {Kind::kTensor, graph->type(inputs[i]).dtype, shapes[i], i < values.size() ? values[i] : Tensor()});
    }
    return make_plan(cut.program, keys, cpu_kernels(), {});
  }
  static std::string ops(const Plan& plan) {
    std::string names;
    for (const StepInfo& info : plan.infos) names += cat(names.empty() ? "" : " ", info.op);
    return names;
  }
};

TEST(Plan, ViewsTakeNoStepAndNoMemory) {
  PlanTest t;
  Expr x = t.input("x", DType::kF32, {Dim::symbol("n"), 6});
  Expr y = matmul(make(t.scope, "Reshape", {matmul(x, x), constant_ints(t.scope, {4, 9})}),
                  make(t.scope, "Reshape", {x, constant_ints(t.scope, {9, 4})}));
  auto plan = *t.plan({y}, {{6, 6}});
  EXPECT_EQ(t.ops(*plan), "MatMul MatMul");
  EXPECT_TRUE(plan->simple());
}

TEST(Plan, AViewThatIsFetchedIsCopied) {
  PlanTest t;
  Expr x = t.input("x", DType::kF32, {4});
  Expr y = make(t.scope, "Reshape", {x, constant_ints(t.scope, {2, 2})});
  auto plan = *t.plan({y}, {{4}});
  EXPECT_EQ(t.ops(*plan), "copy");
  EXPECT_EQ(plan->arena_bytes, 0);
}

TEST(Plan, TheSameValueFetchedTwiceIsCopiedOnce) {
  PlanTest t;
  Expr x = t.input("x", DType::kF32, {4});
  Expr y = make(t.scope, "Exp", {x});
  EXPECT_EQ(t.ops(**t.plan({y, y}, {{4}})), "Exp copy");
}

TEST(Plan, ALongChainNeedsTwoPlaces) {
  PlanTest t;
  Expr x = t.input("x", DType::kF32, {16, 16});
  Expr y = x;
  for (int i = 0; i < 20; ++i) y = matmul(y, x);
  // One read, one written, at 1 KiB each; and whatever a product works in.
  int64_t shortest = (*t.plan({matmul(matmul(matmul(x, x), x), x)}, {{16, 16}}))->arena_bytes;
  EXPECT_EQ((*t.plan({y}, {{16, 16}}))->arena_bytes, shortest);
}

TEST(Plan, WhatNobodyNeedsIsNoStep) {
  PlanTest t;
  Expr x = t.input("x", DType::kF32, {4});
  make(t.scope, "Exp", {x});
  EXPECT_EQ(t.ops(**t.plan({make(t.scope, "Log", {x})}, {{4}})), "Log");
}

TEST(Plan, WhatIsNearerIsMadeFirst) {
  PlanTest t;
  Expr x = t.input("x", DType::kF32, {16, 16});
  Expr first = matmul(x, x), last = matmul(matmul(first, x), x);
  auto plan = *t.plan({last, reduce_sum(first, {0}, false)}, {{16, 16}});
  EXPECT_EQ(t.ops(*plan), "MatMul ReduceSum MatMul MatMul");
  EXPECT_EQ(plan->outputs[0].shape, (Shape{16, 16}));
}

TEST(Plan, ShapesFromValuesOfInputsArePartOfThePlan) {
  PlanTest t;
  Expr x = t.input("x", DType::kF32, {6}), shape = t.input("shape", DType::kI64, {2});
  Expr y = make(t.scope, "Exp", {make(t.scope, "Reshape", {x, shape})});
  auto plan = *t.plan({y}, {{6}, {2}}, {Tensor(), Tensor::vector<int64_t>({2, 3})});
  EXPECT_TRUE(plan->simple());
  EXPECT_EQ(plan->outputs[0].shape, (Shape{2, 3}));
}

TEST(Plan, WhatOnlyAKernelKnowsIsLeftForLater) {
  PlanTest t;
  Expr x = t.input("x", DType::kF32, {6});
  Expr found = make(t.scope, "NonZero", {x});
  Expr y = make(t.scope, "Neg", {found});
  auto plan = *t.plan({y}, {{6}});
  EXPECT_FALSE(plan->simple());
  ASSERT_EQ(plan->tensor_steps.size(), 1u);
  EXPECT_EQ(plan->tensor_steps[0].info.op, "NonZero");
  ASSERT_NE(plan->rest, nullptr);
  EXPECT_EQ(plan->results, (std::vector<int32_t>{-1}));
  EXPECT_EQ(plan->rest_results, (std::vector<int32_t>{0}));
}

TEST(Plan, DimensionsOfOneNameMustBeEqual) {
  PlanTest t;
  Expr a = t.input("a", DType::kF32, {Dim::symbol("n")}), b = t.input("b", DType::kF32, {Dim::symbol("n")});
  Status status = t.plan({a + b}, {{2}, {1}}).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.text().find("'n' is 1 in 'b'"), std::string::npos) << status.text();
}

TEST(Plan, ConstantsThatAKernelHasInItsOwnFormAreNotKept) {
  PlanTest t;
  Expr x = t.input("x", DType::kF32, {64, 64});
  Expr w = constant(t.scope, *Tensor::make(DType::kF32, {64, 64}));
  // A transposed one is packed whole.
  auto plan = *t.plan({make(t.scope, "Gemm", {x, w}, {{"transB", 1}})}, {{64, 64}});
  EXPECT_EQ(t.ops(*plan), "Gemm");
  EXPECT_TRUE(plan->constants.empty());
}

}  // namespace
}  // namespace weft
