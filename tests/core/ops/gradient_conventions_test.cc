// What gradients are at kinks, ties and poles, where finite differences cannot tell.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::numeric_limits<double>::quiet_NaN();

using Values = std::vector<double>;
using Build = Expr (*)(ExprScope& scope, const std::vector<Expr>& inputs);

// The gradients of the sum of what `build` makes to its inputs, f64 vectors each.
std::vector<Values> gradients(const std::vector<Values>& inputs, Build build) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  std::vector<Expr> expressions;
  Signature signature;
  std::vector<Tensor> feeds;
  for (size_t i = 0; i < inputs.size(); ++i) {
    ValueType type = ValueType::tensor(DType::kF64, {static_cast<int64_t>(inputs[i].size())});
    signature.feeds.push_back(*graph->add_input(cat("x", i), std::move(type)));
    expressions.emplace_back(scope, signature.feeds.back());
    feeds.push_back(Tensor::vector<double>(inputs[i]));
  }
  Expr y = build(scope, expressions);
  EXPECT_TRUE(scope.status().ok()) << scope.status().text();
  auto made = differentiate(*graph, {y.id()}, signature.feeds, {});
  EXPECT_TRUE(made.ok()) << made.status().text();
  signature.fetches = *made;
  auto session = *Session::make(graph, {});
  std::vector<Tensor> outputs;
  Status status = session->run(signature, feeds, {}, &outputs);
  EXPECT_TRUE(status.ok()) << status.text();
  std::vector<Values> out;
  for (const Tensor& tensor : outputs) out.emplace_back(tensor.as<double>(), tensor.as<double>() + tensor.count());
  return out;
}

void expect_values(const Values& found, const Values& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (std::isnan(wanted[i]))
      EXPECT_TRUE(std::isnan(found[i])) << "element " << i << " is " << found[i];
    else
      EXPECT_EQ(found[i], wanted[i]) << "element " << i;
  }
}

TEST(GradientConventions, TiesOfMaxAndMinAreSplitEvenly) {
  for (const char* op : {"Max", "Min"}) {
    static const char* current;
    current = op;
    auto g = gradients({{1, 2, 5}, {1, 2, 5}, {1, 2, 5}}, [](ExprScope& s, const std::vector<Expr>& x) {
      return make(s, current, {x[0], x[1], x[2]});
    });
    for (const Values& each : g) expect_values(each, {1.0 / 3, 1.0 / 3, 1.0 / 3});
  }
  auto g = gradients({{1, 4}, {1, 3}}, [](ExprScope& s, const std::vector<Expr>& x) {
    return make(s, "Max", {x[0], x[1]});
  });
  expect_values(g[0], {0.5, 1});
  expect_values(g[1], {0.5, 0});
}

TEST(GradientConventions, ClipPassesOnAtItsBounds) {
  auto g = gradients({{-2, -1, 0, 1, 2}, {-1}, {1}}, [](ExprScope& s, const std::vector<Expr>& x) {
    return make(s, "Clip", {x[0], squeeze(x[1], {0}), squeeze(x[2], {0})});
  });
  expect_values(g[0], {0, 1, 1, 1, 0});
  expect_values(g[1], {1});
  expect_values(g[2], {1});
}

TEST(GradientConventions, WhereGuardsWhatIsBehindIt) {
  auto root = gradients({{-1, 0, 4}}, [](ExprScope& s, const std::vector<Expr>& x) {
    Expr positive = make(s, "Greater", {x[0], scalar_like(x[0], 0)});
    return where(positive, make(s, "Sqrt", {x[0]}), scalar_like(x[0], 0));
  });
  expect_values(root[0], {0, 0, 0.25});
  auto entropy = gradients({{0, 1}}, [](ExprScope& s, const std::vector<Expr>& x) {
    Expr positive = make(s, "Greater", {x[0], scalar_like(x[0], 0)});
    return where(positive, x[0] * make(s, "Log", {x[0]}), scalar_like(x[0], 0));
  });
  expect_values(entropy[0], {0, 1});
  auto quotient = gradients({{1, 1}, {0, 2}}, [](ExprScope& s, const std::vector<Expr>& x) {
    return where(make(s, "Equal", {x[1], scalar_like(x[1], 0)}), scalar_like(x[0], 0), x[0] / x[1]);
  });
  expect_values(quotient[0], {0, 0.5});
  expect_values(quotient[1], {0, -0.25});
}

TEST(GradientConventions, DivisionByZero) {
  auto g = gradients({{0, 1}, {0, 0}}, [](ExprScope&, const std::vector<Expr>& x) { return x[0] / x[1]; });
  expect_values(g[0], {kInf, kInf});
  expect_values(g[1], {kNan, -kInf});
}

TEST(GradientConventions, PowerOfZeroAndOfNegativeBases) {
  auto g = gradients({{0, 0, 0, -2}, {0, 1, 2, 2}}, [](ExprScope& s, const std::vector<Expr>& x) {
    return make(s, "Pow", {x[0], x[1]});
  });
  expect_values(g[0], {0, 1, 0, -4});
  expect_values(g[1], {0, 0, 0, kNan});
  auto masked = gradients({{-2}, {2}}, [](ExprScope& s, const std::vector<Expr>& x) {
    return make(s, "Pow", {x[0], x[1]}) * 0.0;
  });
  expect_values(masked[1], {0});
}

TEST(GradientConventions, FmodAtAMultiple) {
  auto g = gradients({{6, -6}, {2, 2}}, [](ExprScope& s, const std::vector<Expr>& x) {
    return make(s, "Mod", {x[0], x[1]}, {{"fmod", 1}});
  });
  expect_values(g[0], {1, 1});
  expect_values(g[1], {-3, 3});
}

TEST(GradientConventions, LossOfIgnoredLabelsAlone) {
  auto g = gradients({{1, 2, 3, 4}}, [](ExprScope& s, const std::vector<Expr>& x) {
    Expr scores = reshape(x[0], constant_ints(s, {2, 2}));
    return make(s, "SoftmaxCrossEntropyLoss", {scores, constant_ints(s, {-1, -1})}, {{"ignore_index", -1}});
  });
  expect_values(g[0], {0, 0, 0, 0});
}

TEST(GradientConventions, DropoutOfEverything) {
  auto g = gradients({{1, 2}}, [](ExprScope& s, const std::vector<Expr>& x) {
    return make(s, "weft.Dropout", {x[0], scalar_like(x[0], 1), constant_int(s, 0)});
  });
  expect_values(g[0], {0, 0});
}

}  // namespace
}  // namespace weft
