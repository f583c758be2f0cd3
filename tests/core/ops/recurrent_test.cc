// Recurrent layers over sequences whose length only the run tells: they have a gradient, and that has none.
#include <gtest/gtest.h>

#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

Tensor numbers(const Shape& shape) {
  Tensor out = *Tensor::make(DType::kF64, shape);
  for (int64_t i = 0; i < out.count(); ++i) out.as<double>()[i] = 0.1 * static_cast<double>(i * 7 % 13 - 6);
  return out;
}

// The sum of a GRU's results by each element of X, over one sequence.
struct Layer {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  ValueId x = kNoValue, gradient = kNoValue;

  explicit Layer(const Dim& steps) {
    x = *graph->add_input("x", ValueType::tensor(DType::kF64, {steps, Dim(1), Dim(2)}));
    Expr y =
        make(scope, "GRU", {Expr(scope, x), constant(scope, numbers({1, 9, 2})), constant(scope, numbers({1, 9, 3}))});
    Result<std::vector<ValueId>> made = differentiate(*graph, {reduce_sum(y, {0, 1, 2, 3}, false).id()}, {x}, {});
    EXPECT_TRUE(made.ok()) << made.status().text();
    if (made.ok()) gradient = (*made)[0];
  }
  std::vector<double> run(const Tensor& at) {
    std::vector<Tensor> out;
    Status status = (*Session::make(graph, {}))->run({{x}, {gradient}, {}}, {at}, {}, &out);
    EXPECT_TRUE(status.ok()) << status.text();
    if (!status.ok()) return {};
    return std::vector<double>(out[0].as<double>(), out[0].as<double>() + out[0].count());
  }
};

TEST(RecurrentLayers, HaveAGradientOverAnyLength) {
  Layer any(Dim::symbol("steps"));
  for (int64_t steps : {0, 1, 5}) {
    Layer fixed{Dim(steps)};
    const Tensor x = numbers({steps, 1, 2});
    EXPECT_EQ(any.run(x), fixed.run(x)) << steps << " steps";
  }
}

TEST(RecurrentLayers, SayWhyAGradientOfTheGradientIsNot) {
  Layer any(Dim::symbol("steps"));
  Expr sum = reduce_sum(Expr(any.scope, any.gradient), {0, 1, 2}, false);
  auto made = differentiate(*any.graph, {sum.id()}, {any.x}, {});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.status().code(), Code::kUnimplemented);
  EXPECT_NE(made.status().text().find("the number of steps of X, f64[steps, 1, 2], is not known before the run"),
            std::string::npos)
      << made.status().text();
  EXPECT_EQ(made.status().op(), "weft.GRUGrad");
}

}  // namespace
}  // namespace weft
