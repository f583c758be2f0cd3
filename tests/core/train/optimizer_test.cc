// Training steps as graph: gradients of rows, clipping, what may not be trained.
#include "core/train/optimizer.h"

#include <gtest/gtest.h>

#include <cstring>

#include "core/graph/walk.h"
#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

// The sum of squares of rows of a table that are looked up, once or twice.
struct Lookup {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  ValueId indices = *graph->add_input("indices", ValueType::tensor(DType::kI64, {Dim(3)}));
  Tensor table = *Tensor::vector<float>({1, 2, 3, 4, 5, 6, 7, 8}).reshaped({4, 2});
  Expr variable = Expr(scope, *graph->add_variable("table", constant(scope, table).id(), true));
  Tensor fed = Tensor::vector<int64_t>({2, 0, 2});

  Expr looked_up() { return make(scope, "Gather", {variable, Expr(scope, indices)}); }
  Expr sum_of_squares(Expr x) { return make(scope, "ReduceSumSquare", {x}, {{"keepdims", int64_t{0}}}); }
  ValueId step(Expr loss, OptimizerOptions options) {
    Result<ValueId> made = add_train_step(*graph, options, loss.id(), {}, kNoValue, "here", &differentiate);
    EXPECT_TRUE(made.ok()) << made.status().text();
    return made.ok() ? *made : kNoValue;
  }
  // Whether the step makes a gradient of the whole table.
  bool makes_whole(ValueId step) {
    Cut cut = *cut_program(*graph, {indices}, {}, {step});
    for (NodeId id : ordered_nodes(*cut.program.graph, cut.program.outputs, {}, false)) {
      if (cut.program.graph->node(id).is(kWeftDomain, "ScatterRows")) return true;
    }
    return false;
  }
  std::vector<float> after(ValueId step, int runs) {
    auto session = *Session::make(graph, {});
    for (int i = 0; i < runs; ++i) {
      std::vector<Tensor> out;
      Status status = session->run({{indices}, {}, {step}}, {fed}, {}, &out);
      EXPECT_TRUE(status.ok()) << status.text();
    }
    Tensor value = *session->get_variable("table");
    return std::vector<float>(value.as<float>(), value.as<float>() + value.count());
  }
};

TEST(TrainStep, AGradientOfRowsIsNotMadeWhole) {
  Lookup t;
  ValueId step = t.step(t.sum_of_squares(t.looked_up()), {"Sgd", 0.25, {}, 0});
  EXPECT_FALSE(t.makes_whole(step));
  // Row 2 was looked up twice: 5 - 0.25 * 2 * (2 * 5).
  EXPECT_EQ(t.after(step, 1), (std::vector<float>{0.5f, 1, 3, 4, 0, 0, 7, 8}));
}

TEST(TrainStep, TwoLookupsOfOneTableAreRowsToo) {
  Lookup t;
  Expr loss = t.sum_of_squares(t.looked_up()) + t.sum_of_squares(t.looked_up() * 2.0);
  ValueId step = t.step(loss, {"Sgd", 0.0625, {}, 0});
  EXPECT_FALSE(t.makes_whole(step));
  // The gradient of a row is 2 * (1 + 4) of it for each time.
  EXPECT_EQ(t.after(step, 1), (std::vector<float>{0.375f, 0.75f, 3, 4, -1.25f, -1.5f, 7, 8}));
}

TEST(TrainStep, ATableThatIsUsedOtherwiseHasAWholeGradient) {
  Lookup t;
  Expr loss = t.sum_of_squares(t.looked_up()) + t.sum_of_squares(t.variable);
  ValueId step = t.step(loss, {"Sgd", 0.0625, {}, 0});
  EXPECT_TRUE(t.makes_whole(step));
  EXPECT_EQ(t.after(step, 1), (std::vector<float>{0.75f, 1.5f, 2.625f, 3.5f, 3.125f, 3.75f, 6.125f, 7}));
}

TEST(TrainStep, RowsGiveTheBitsOfTheWhole) {
  for (const char* kind : {"Sgd", "Momentum", "Adam", "AdamW"}) {
    Lookup rows, whole;
    ValueId a = rows.step(rows.sum_of_squares(rows.looked_up()), {kind, 0.1, {}, 0});
    // Through another shape the lookup is not seen.
    Expr hidden = make(whole.scope, "Reshape", {whole.variable, constant_ints(whole.scope, {2, 2, 2})});
    hidden = make(whole.scope, "Reshape", {hidden, constant_ints(whole.scope, {4, 2})});
    ValueId b =
        whole.step(whole.sum_of_squares(make(whole.scope, "Gather", {hidden, Expr(whole.scope, whole.indices)})),
                   {kind, 0.1, {}, 0});
    EXPECT_TRUE(whole.makes_whole(b));
    std::vector<float> x = rows.after(a, 3), y = whole.after(b, 3);
    EXPECT_EQ(std::memcmp(x.data(), y.data(), x.size() * sizeof(float)), 0) << kind;
  }
}

TEST(TrainStep, LazyOnesLeaveOtherRowsAsTheyAre) {
  Lookup t;
  ValueId step = t.step(t.sum_of_squares(t.looked_up()), {"AdamW", 0.1, {{"lazy", int64_t{1}}}, 0});
  std::vector<float> after = t.after(step, 2);
  EXPECT_EQ(std::vector<float>(after.begin() + 2, after.begin() + 4), (std::vector<float>{3, 4}));
  EXPECT_LT(after[0], 1.0f);
}

TEST(TrainStep, RowsAreClippedByTheNormOfTheWhole) {
  Lookup t;
  // The gradient is 2 and 4 in row 0, twice 10 and 12 in row 2: its norm is sqrt(996).
  ValueId step = t.step(t.sum_of_squares(t.looked_up()), {"Sgd", 1.0, {}, 1.0});
  std::vector<float> after = t.after(step, 1);
  EXPECT_NEAR(after[0], 1 - 2 / 31.559468f, 1e-6);
  EXPECT_NEAR(after[5], 6 - 24 / 31.559468f, 1e-6);
}

// As torch.nn.utils.clip_grad_norm_ does with gradients 300 and 400: by 1 / (500 + 1e-6). The square of 300 is no f16.
TEST(TrainStep, HalvesAreClippedByTheNormOfAll) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  Expr half(scope, *graph->add_variable("a", scalar(scope, DType::kF16, 0).id(), true));
  Expr single(scope, *graph->add_variable("b", scalar(scope, DType::kF32, 0).id(), true));
  Expr loss = cast(half * 300.0, DType::kF32) + single * 400.0;
  Result<ValueId> step = add_train_step(*graph, {"Sgd", 1.0, {}, 1.0}, loss.id(), {}, kNoValue, "here", &differentiate);
  ASSERT_TRUE(step.ok()) << step.status().text();
  auto session = *Session::make(graph, {});
  std::vector<Tensor> out;
  Status status = session->run({{}, {}, {*step}}, {}, {}, &out);
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_NEAR(f16_to_float(*session->get_variable("a")->as<uint16_t>()), -0.6, 1e-3);
  EXPECT_NEAR(*session->get_variable("b")->as<float>(), -0.8, 1e-6);
}

TEST(TrainStep, WhatItRefuses) {
  Lookup t;
  Expr loss = t.sum_of_squares(t.looked_up());
  auto error = [&](OptimizerOptions options, ValueId loss_id, std::vector<ValueId> variables) {
    return add_train_step(*t.graph, options, loss_id, variables, kNoValue, "here", &differentiate).status().text();
  };
  auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  EXPECT_TRUE(has(error({"Sdg", 1, {}, 0}, loss.id(), {}), "there is no optimizer 'Sdg'; there are Sgd, Momentum"));
  EXPECT_TRUE(has(error({"Sgd", 1, {}, 0}, t.looked_up().id(), {}), "the loss must be a floating-point scalar"));
  EXPECT_TRUE(has(error({"Sgd", 1, {}, 0}, reshape(loss, constant_ints(t.scope, {1, 1})).id(), {}),
                  "is f32[1, 1]; reduce it with keepdims 0"));
  EXPECT_TRUE(has(error({"Sgd", 1, {}, -1}, loss.id(), {}), "clip_norm is -1"));
  EXPECT_TRUE(has(error({"Sgd", -0.5, {}, 0}, loss.id(), {}), "learning_rate is -0.5 but must be a number that"));
  EXPECT_TRUE(has(error({"Momentum", 1, {{"momentum", 1.0}}, 0}, loss.id(), {}),
                  "momentum is 1 but must be at least 0 and less than 1"));
  EXPECT_TRUE(has(error({"Adam", 1, {{"beta1", 2.0}}, 0}, loss.id(), {}), "beta1 is 2 but"));
  EXPECT_TRUE(has(error({"Sgd", 1, {}, 0}, loss.id(), {loss.id()}), "is no variable of this graph"));
  EXPECT_TRUE(
      has(error({"Sgd", 1, {}, 0}, scalar(t.scope, DType::kF32, 1).id(), {}),
          "depends on no trainable variable, at least through nothing that has a gradient; one that the graph"));
  const ValueId halves = *t.graph->add_constant(*Tensor::make(DType::kF16, {2}), "halves");
  Expr of_halves = cast(reduce_sum(Expr(t.scope, halves), {0}, false), DType::kF32);
  EXPECT_TRUE(has(error({"Sgd", 1, {}, 0}, of_halves.id(), {}),
                  "no trainable variable, but on the constant 'halves', which is f16[2]: weights of that type"));
}

// Two optimizers of one graph: torch.optim's keep the steps of each apart, so two first steps of Adam(0.1) move both
// variables by 0.1.
TEST(TrainStep, OptimizersOfOneGraphHaveNames) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  auto variable = [&](const char* name) {
    return Expr(scope, *graph->add_variable(name, scalar(scope, DType::kF64, 1).id(), true));
  };
  Expr a = variable("a"), b = variable("b");
  auto minimize = [&](Expr x, const char* name) {
    return add_train_step(*graph, {"Adam", 0.1, {}, 0, name}, (x * x).id(), {x.id()}, kNoValue, "here", &differentiate);
  };
  Result<ValueId> first = minimize(a, "first");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(
      minimize(b, "first").status().message(),
      "this graph has an optimizer named 'first' already, whose steps it counts; give this one a name of its own");
  EXPECT_EQ(minimize(b, "").status().message(), "an optimizer needs a name");
  ValueId counted = *step_variable(*graph, "second");
  Result<ValueId> second = minimize(b, "second");
  ASSERT_TRUE(second.ok()) << second.status().text();
  auto session = *Session::make(graph, {});
  std::vector<Tensor> out;
  ASSERT_TRUE(session->run({{}, {}, {*first}}, {}, {}, &out).ok());
  ASSERT_TRUE(session->run({{}, {counted}, {*second}}, {}, {}, &out).ok());
  EXPECT_EQ(*out[0].as<int64_t>(), 0);
  EXPECT_NEAR(*session->get_variable("a")->as<double>(), 0.9, 1e-8);
  EXPECT_NEAR(*session->get_variable("b")->as<double>(), 0.9, 1e-8);
  EXPECT_EQ(*session->get_variable("second/step")->as<int64_t>(), 1);
}

TEST(Optimizer, ARateThatFollowsAnotherCounterIsRefused) {
  Lookup t;
  Expr loss = t.sum_of_squares(t.looked_up());
  Expr rate = 0.1 / (cast(Expr(t.scope, *step_variable(*t.graph, "first")), DType::kF32) + 1.0);
  OptimizerOptions options;
  options.kind = "Sgd";
  auto add = [&](const char* name) {
    options.name = name;
    return add_train_step(*t.graph, options, loss.id(), {}, rate.id(), "here", &differentiate).status();
  };
  EXPECT_EQ(add("second").message(),
            "the learning rate follows 'first/step', which no optimizer counts so far; this one counts 'second/step'");
  EXPECT_TRUE(add("first").ok());
  EXPECT_TRUE(add("second").ok()) << "now it is counted";
}

}  // namespace
}  // namespace weft
