// What gradients are at kinks, ties and poles, where finite differences cannot tell. Where PyTorch, JAX and TensorFlow
// agree, so do we; else the choice is in the operator's documentation. The cotangent is of ones.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <tuple>

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

// The gradient of one operator to a vector.
Values gradient(const Values& x, const char* op, Attrs attrs = {}) {
  static const char* current_op;
  static Attrs current_attrs;
  current_op = op;
  current_attrs = std::move(attrs);
  return gradients({x}, [](ExprScope& s, const std::vector<Expr>& inputs) {
    return make(s, current_op, {inputs[0]}, current_attrs);
  })[0];
}

TEST(GradientConventions, KinksOfActivations) {
  expect_values(gradient({-1, 0, 2}, "Relu"), {0, 0, 1});
  expect_values(gradient({-1, 0, 2}, "Abs"), {-1, 0, 1});
  expect_values(gradient({-1, 0, 2}, "LeakyRelu", {{"alpha", 0.25}}), {0.25, 0.25, 1});
  expect_values(gradient({0, 2}, "Elu", {{"alpha", 1.5}}), {1.5, 1});
  // As PyTorch's hardsigmoid has it, stretched; and what follows for the product with x.
  expect_values(gradient({-2, 0, 2}, "HardSigmoid", {{"alpha", 0.25}}), {0, 0.25, 0});
  expect_values(gradient({-3, 0, 3}, "HardSwish"), {0, 0.5, 1});
  expect_values(gradient({0, 2}, "Selu", {{"alpha", 1.5}, {"gamma", 2.0}}), {3, 2});
  expect_values(gradient({0, 2}, "Celu", {{"alpha", 2.0}}), {1, 1});
  expect_values(gradient({0.25, 0.5, 2}, "ThresholdedRelu", {{"alpha", 0.5}}), {0, 0, 1});
  expect_values(gradient({-2, -0.5, 0, 0.5, 2}, "Shrink", {{"bias", 0.25}}), {1, 0, 0, 0, 1});
  auto prelu = gradients({{-1, 0, 2}, {0.25, 0.25, 0.25}}, [](ExprScope& s, const std::vector<Expr>& x) {
    return make(s, "PRelu", {x[0], x[1]});
  });
  expect_values(prelu[0], {0.25, 0.25, 1});
  expect_values(prelu[1], {-1, 0, 0});
}

TEST(GradientConventions, FarOut) {
  for (const char* form : {"none", "tanh"}) {
    expect_values(gradient({-kInf, -1e200, 1e200, kInf}, "Gelu", {{"approximate", form}}), {0, 0, 1, 1});
  }
  expect_values(gradient({-kInf, -1e200, 1e200, kInf}, "Mish"), {0, 0, 1, 1});
  expect_values(gradient({-kInf, 1e200, kInf}, "Atan"), {0, 0, 0});
  expect_values(gradient({-0x1p300, 0x1p300}, "Softsign"), {0x1p-600, 0x1p-600});
}

TEST(GradientConventions, StepsAreFlat) {
  for (const char* op : {"Floor", "Ceil", "Round", "Sign", "Hardmax"}) {
    expect_values(gradient({-1, 0, 0.5, 2}, op), {0, 0, 0, 0});
  }
}

TEST(GradientConventions, PolesAreInfinite) {
  expect_values(gradient({0, 4}, "Sqrt"), {kInf, 0.25});
  expect_values(gradient({0, 4}, "Log"), {kInf, 0.25});
  expect_values(gradient({-1, 0, 1}, "Asin"), {kInf, 1, kInf});
  expect_values(gradient({-1, 0, 1}, "Acos"), {-kInf, -1, -kInf});
  expect_values(gradient({1, 1.25}, "Acosh"), {kInf, 4.0 / 3});
  expect_values(gradient({-1, 0, 1}, "Atanh"), {kInf, 1, kInf});
}

TEST(GradientConventions, KinksAndTiesOfReductions) {
  expect_values(gradient({-2, 0, 3}, "ReduceL1"), {-1, 0, 1});
  expect_values(gradient({0, 0}, "ReduceL2"), {0, 0});
  expect_values(gradient({3, 1, 3}, "ReduceMax"), {0.5, 0, 0.5});
  expect_values(gradient({3, 1, 1}, "ReduceMin"), {0, 0.5, 0.5});
  // The pole of the root must not reach what is not the extreme.
  auto root = gradients({{-1, 0}}, [](ExprScope& s, const std::vector<Expr>& x) {
    return make(s, "Sqrt", {make(s, "ReduceMax", {x[0]})});
  });
  expect_values(root[0], {0, kInf});
}

TEST(GradientConventions, ProductsThroughZeros) {
  expect_values(gradient({2, 0, 3}, "ReduceProd"), {0, 6, 0});
  expect_values(gradient({0, 2, 0}, "ReduceProd"), {0, 0, 0});
  // x0, x0 x1, x0 x1 x2
  auto running = gradients({{2, 0, 3}}, [](ExprScope& s, const std::vector<Expr>& x) {
    return make(s, "CumProd", {x[0], constant_int(s, 0)});
  });
  expect_values(running[0], {1, 8, 0});
  auto second = gradients({{2, 0, 0}}, [](ExprScope& s, const std::vector<Expr>& x) {
    Expr product = make(s, "ReduceProd", {x[0]});
    return Expr(s, (*differentiate(s.graph(), {product.id()}, {x[0].id()}, {}))[0]);
  });
  // d/dx of x1 x2 + x0 x2 + x0 x1
  expect_values(second[0], {0, 2, 2});
}

// One region of an image of 1, 2, 4, whose sample lies on the middle pixel: to the right it grows by 2 a pixel, half of
// which each side moves it. Beyond the ends nothing changes.
TEST(GradientConventions, RegionsOnAPixelAreToItsRight) {
  for (const char* mode : {"avg", "max"}) {
    for (const auto& [x1, x2, slope] :
         {std::tuple{0.5, 2.5, 1.0}, {1.5, 3.5, 0.0}, {-1.0, 0.5, 0.0}, {5.0, 7.0, 0.0}}) {
      static std::string current_mode;
      current_mode = mode;
      const Values by_rois = gradients({{x1, 0, x2, 1}}, [](ExprScope& s, const std::vector<Expr>& in) {
        const Expr image = constant(s, *Tensor::vector<double>({1, 2, 4}).reshaped({1, 1, 1, 3}));
        return make(s, "RoiAlign", {image, unsqueeze(in[0], {0}), constant_ints(s, {0})},
                    {{"mode", current_mode}, {"sampling_ratio", int64_t{1}}});
      })[0];
      // The greatest product is that of the pixel itself, which counts less to its right.
      const double wanted = current_mode == "max" && slope != 0 ? -1.0 : slope;
      EXPECT_EQ(by_rois[0], wanted) << mode << " " << x1;
      EXPECT_EQ(by_rois[2], wanted) << mode << " " << x1;
    }
  }
}

// (max - min) / 255, where 0 is among the numbers: PyTorch's amax and amin share evenly as well.
TEST(GradientConventions, ScalesOfDynamicQuantization) {
  const auto by_x = [](const Values& x) {
    return gradients({x}, [](ExprScope& s, const std::vector<Expr>& in) {
      return cast(make_all(s, "DynamicQuantizeLinear", {cast(in[0], DType::kF32)}, {}, 3)[1], DType::kF64) * 255.0;
    })[0];
  };
  const auto expect = [&](const Values& x, const Values& wanted) {
    const Values found = by_x(x);
    ASSERT_EQ(found.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(found[i], wanted[i], 1e-6) << "element " << i;
  };
  expect({1, -2, 3, 3}, {0, -1, 0.5, 0.5});
  expect({1, 2}, {0, 1});
  expect({-1, -2}, {0, -1});
  expect({0, 0}, {0, 0});
  expect({0, 4, 0}, {-0.25, 1, -0.25});
}

TEST(GradientConventions, PoolsAndTopKPickTheFirst) {
  auto pool = gradients({{5, 5, 5, 1}}, [](ExprScope& s, const std::vector<Expr>& x) {
    return make(s, "MaxPool", {reshape(x[0], constant_ints(s, {1, 1, 4}))},
                {{"kernel_shape", std::vector<int64_t>{2}}, {"strides", std::vector<int64_t>{1}}});
  });
  expect_values(pool[0], {1, 1, 1, 0});
  auto whole = gradients({{1, 5, 5}}, [](ExprScope& s, const std::vector<Expr>& x) {
    return make(s, "MaxPool", {reshape(x[0], constant_ints(s, {1, 1, 3}))},
                {{"kernel_shape", std::vector<int64_t>{3}}});
  });
  expect_values(whole[0], {0, 1, 0});
  auto largest = gradients({{4, 1, 4, 4}}, [](ExprScope& s, const std::vector<Expr>& x) {
    return make_all(s, "TopK", {x[0], constant_ints(s, {2})}, {}, 2)[0];
  });
  expect_values(largest[0], {1, 0, 1, 0});
}

TEST(GradientConventions, GlobalMaxPoolPicksTheFirst) {
  auto g = gradients({{1, 5, 5, 2, 2, 0}}, [](ExprScope& s, const std::vector<Expr>& x) {
    return make(s, "GlobalMaxPool", {reshape(x[0], constant_ints(s, {1, 2, 3}))});
  });
  expect_values(g[0], {0, 1, 0, 1, 0, 0});
}

TEST(GradientConventions, NormsOfZeros) {
  for (int64_t p : {1, 2, 3}) {
    static int64_t power;
    power = p;
    auto pool = gradients({{0, 0, 0}}, [](ExprScope& s, const std::vector<Expr>& x) {
      Expr line = reshape(x[0], constant_ints(s, {1, 1, 3}));
      return make(s, "LpPool", {line}, {{"p", power}, {"kernel_shape", std::vector<int64_t>{2}}});
    });
    expect_values(pool[0], {0, 0, 0});
    auto whole = gradients({{0, 0, 0}}, [](ExprScope& s, const std::vector<Expr>& x) {
      return make(s, "GlobalLpPool", {reshape(x[0], constant_ints(s, {1, 1, 3}))}, {{"p", power}});
    });
    expect_values(whole[0], {0, 0, 0});
  }
  for (int64_t p : {1, 2}) expect_values(gradient({0, 0}, "LpNormalization", {{"p", p}}), {0, 0});
  // Equal elements: whatever way one moves, the deviation grows.
  expect_values(gradient({3, 3}, "MeanVarianceNormalization", {{"axes", std::vector<int64_t>{0}}}), {0, 0});
}

TEST(GradientConventions, DeterminantsOfSingularMatrices) {
  auto det = [](const Values& x) {
    return gradients({x}, [](ExprScope& s, const std::vector<Expr>& in) {
      return make(s, "Det", {reshape(in[0], constant_ints(s, {2, 2}))});
    })[0];
  };
  expect_values(det({1, 2, 2, 4}), {4, -2, -2, 1});
  expect_values(det({0, 0, 3, 4}), {4, -3, 0, 0});
  expect_values(det({0, 0, 0, 0}), {0, 0, 0, 0});
  auto det3 = [](const Values& x) {
    return gradients({x}, [](ExprScope& s, const std::vector<Expr>& in) {
      return make(s, "Det", {reshape(in[0], constant_ints(s, {3, 3}))});
    })[0];
  };
  const Values found = det3({1, 2, 3, 2, 4, 6, 1, 0, 1}), wanted = {4, 4, -4, -2, -2, 2, 0, 0, 0};
  for (size_t i = 0; i < 9; ++i) EXPECT_NEAR(found[i], wanted[i], 1e-14) << i;
  expect_values(det3({1, 2, 3, 2, 4, 6, 3, 6, 9}), {0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST(GradientConventions, SoftmaxWithoutSomeScores) {
  auto picked = [](const char* op) {
    static const char* current;
    current = op;
    return gradients({{0, -kInf, 0}, {1, 0, 0}},
                     [](ExprScope& s, const std::vector<Expr>& x) { return make(s, current, {x[0]}) * x[1]; })[0];
  };
  expect_values(picked("Softmax"), {0.25, 0, -0.25});
  expect_values(picked("LogSoftmax"), {0.5, 0, -0.5});
  // A row without any score is not a number, which must not reach what is behind a Where.
  auto masked = gradients({{-kInf, -kInf}}, [](ExprScope& s, const std::vector<Expr>& x) {
    Expr y = make(s, "Softmax", {x[0]});
    return where(make(s, "IsNaN", {y}), scalar_like(y, 0), y);
  });
  expect_values(masked[0], {0, 0});
}

TEST(GradientConventions, ScatterSharesTiesAndIsExactThroughZeros) {
  auto scatter = [](const char* reduction, const Values& data, const Values& updates) {
    static const char* current;
    current = reduction;
    return gradients({data, updates}, [](ExprScope& s, const std::vector<Expr>& x) {
      Expr indices = unsqueeze(constant_ints(s, {0, 1, 0, 0}), {1});
      return make(s, "ScatterND", {x[0], indices, x[1]}, {{"reduction", current}});
    });
  };
  using Both = std::vector<Values>;
  auto expect = [](const Both& found, const Both& wanted) {
    for (size_t i = 0; i < 2; ++i) expect_values(found[i], wanted[i]);
  };
  expect(scatter("max", {3, 1, 7}, {3, 2, 3, 2}), {{1.0 / 3, 0, 1}, {1.0 / 3, 1, 1.0 / 3, 0}});
  expect(scatter("min", {4, 1, 7}, {3, 1, 3, 5}), {{0, 0.5, 1}, {0.5, 0.5, 0.5, 0}});
  expect(scatter("mul", {2, 0, 7}, {5, 3, 0, 4}), {{0, 3, 1}, {0, 0, 40, 0}});
  expect(scatter("mul", {0, 2, 7}, {5, 0, 3, 4}), {{60, 0, 1}, {0, 2, 0, 0}});
  expect(scatter("mul", {2, 1, 7}, {0, 1, 0, 4}), {{0, 1, 1}, {0, 1, 0, 0}});
  // The last of several replaces the others.
  expect(scatter("none", {2, 1, 7}, {3, 4, 5, 6}), {{0, 0, 1}, {0, 1, 0, 1}});
  expect(scatter("add", {2, 1, 7}, {3, 4, 5, 6}), {{1, 1, 1}, {1, 1, 1, 1}});
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

TEST(GradientConventions, NothingComesBackFromAMaskedPole) {
  for (const char* op : {"Asin", "Acos", "Acosh", "Atanh"}) {
    static const char* name;
    name = op;
    auto g = gradients({{1}}, [](ExprScope& s, const std::vector<Expr>& x) {
      return where(make(s, "Greater", {x[0], scalar_like(x[0], 1)}), make(s, name, {x[0]}), x[0]);
    });
    expect_values(g[0], {1});
  }
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
  auto likelihood = gradients({{1, 2, 3, 4}, {1, 1}}, [](ExprScope& s, const std::vector<Expr>& x) {
    Expr scores = reshape(x[0], constant_ints(s, {2, 2}));
    return make(s, "NegativeLogLikelihoodLoss", {scores, constant_ints(s, {-1, -1}), x[1]}, {{"ignore_index", -1}});
  });
  expect_values(likelihood[0], {0, 0, 0, 0});
  expect_values(likelihood[1], {0, 0});
}

TEST(GradientConventions, DropoutOfEverything) {
  auto g = gradients({{1, 2}}, [](ExprScope& s, const std::vector<Expr>& x) {
    return make(s, "weft.Dropout", {x[0], scalar_like(x[0], 1), constant_int(s, 0)});
  });
  expect_values(g[0], {0, 0});
}

}  // namespace
}  // namespace weft
