// Gradients of the models of ai.onnx.ml, whose results are f32 and so too coarse for the case runner's finite
// differences. Expected values: numpy's, by steps along the imaginary axis.
#include <gtest/gtest.h>

#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

// The gradient to the row x = (1, 2), of that type, of the sum of the operator's last output times weights.
std::vector<double> gradient_of_input(const ValueType& type, const char* op, Attrs attrs, int outputs,
                                      std::vector<float> weights) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  const ValueId x = *graph->add_input("x", type);
  const Expr y = make_all(scope, cat("ai.onnx.ml.", op), {Expr(scope, x)}, std::move(attrs), outputs).back();
  const Expr weighted = y * constant(scope, Tensor::vector<float>(std::move(weights)));
  EXPECT_TRUE(scope.status().ok()) << scope.status().text();
  auto made = differentiate(*graph, {weighted.id()}, {x}, {});
  EXPECT_TRUE(made.ok()) << made.status().text();
  if (!made.ok()) return {};
  Signature signature;
  signature.feeds = {x};
  signature.fetches = *made;
  std::vector<Tensor> found;
  auto session = *Session::make(graph, {});
  Status status = session->run(signature, {Tensor::vector<double>({1, 2})}, {}, &found);
  EXPECT_TRUE(status.ok()) << status.text();
  return {found[0].as<double>(), found[0].as<double>() + found[0].count()};
}

// It is the same whether the graph knows the shape of x or not.
std::vector<double> gradient_of_model(const char* op, const Attrs& attrs, int outputs,
                                      const std::vector<float>& weights) {
  const std::vector<double> found = gradient_of_input(ValueType::tensor(DType::kF64, {2}), op, attrs, outputs, weights);
  EXPECT_EQ(gradient_of_input(ValueType::unranked(DType::kF64), op, attrs, outputs, weights), found);
  return found;
}

void expect_pair(const std::vector<double>& found, double first, double second) {
  ASSERT_EQ(found.size(), 2U);
  EXPECT_NEAR(found[0], first, 1e-7);
  EXPECT_NEAR(found[1], second, 1e-7);
}

const std::vector<double> kSupportVectors{0.5, -1, 1, 0.75, -0.25, 0};

std::vector<double> gradient_of_regressor(const char* kernel, std::vector<double> params) {
  Attrs attrs{{"kernel_type", kernel}, {"n_supports", 3}};
  attrs.set("kernel_params", std::move(params));
  attrs.set("support_vectors", kSupportVectors);
  attrs.set("coefficients", std::vector<double>{0.5, -1.5, 1});
  attrs.set("rho", std::vector<double>{0.25});
  return gradient_of_model("SVMRegressor", attrs, 1, {1});
}

TEST(ModelGradient, SupportVectorRegressorsOfEachKernel) {
  expect_pair(gradient_of_regressor("LINEAR", {0, 0, 0}), -1.5, -1.625);
  expect_pair(gradient_of_regressor("POLY", {0.5, 0.25, 3}), -4.974609375, -3.984375);
  expect_pair(gradient_of_regressor("RBF", {0.5, 0, 0}), -0.0799021733721204, 0.71981005538698);
  expect_pair(gradient_of_regressor("SIGMOID", {0.25, -0.5, 0}), -0.383923405177303, -0.339965455673126);
}

Attrs support_vector_classifier() {
  Attrs attrs{{"kernel_type", "RBF"}};
  attrs.set("kernel_params", std::vector<double>{0.5, 0, 0});
  attrs.set("support_vectors", kSupportVectors);
  attrs.set("vectors_per_class", std::vector<int64_t>{1, 1, 1});
  attrs.set("coefficients", std::vector<double>{1, 0.5, -1.5, 0.75, 0.25, -1});
  attrs.set("rho", std::vector<double>{0.25, -0.125, 0.5});
  attrs.set("classlabels_ints", std::vector<int64_t>{5, 7, 9});
  return attrs;
}

TEST(ModelGradient, DecisionsBetweenClasses) {
  expect_pair(gradient_of_model("SVMClassifier", support_vector_classifier(), 2, {1, 2, 3}), 0.452452988884213,
              -0.0453599482504272);
}

// Of the likelihoods that a search comes near to, which numpy's solve gives exactly.
TEST(ModelGradient, LikelihoodsOfClasses) {
  Attrs attrs = support_vector_classifier();
  attrs.set("prob_a", std::vector<double>{-1, -0.5, -2});
  attrs.set("prob_b", std::vector<double>{0.1, -0.2, 0.3});
  expect_pair(gradient_of_model("SVMClassifier", attrs, 2, {1, 2, 3}), -0.028126382963474906, 0.02027327165897232);
}

TEST(ModelGradient, LinearModels) {
  const std::vector<double> coefficients{0.3, 0.1, 1, -2, 0.5, 0.5};
  Attrs three{{"post_transform", "SOFTMAX"}};
  three.set("coefficients", coefficients);
  three.set("intercepts", std::vector<double>{0.05, 1, 0.25});
  three.set("classlabels_ints", std::vector<int64_t>{5, 7, 9});
  expect_pair(gradient_of_model("LinearClassifier", three, 2, {1, 2, 3}), 0.0647784343828577, 0.162334481335051);
  Attrs two{{"post_transform", "LOGISTIC"}};
  two.set("coefficients", std::vector<double>{0.3, 0.1});
  two.set("intercepts", std::vector<double>{0.05});
  two.set("classlabels_ints", std::vector<int64_t>{5, 7});
  expect_pair(gradient_of_model("LinearClassifier", two, 2, {1, 3}), 0.13920458593451, 0.0464015286448366);
  Attrs regressor{{"targets", 3}};
  regressor.set("coefficients", coefficients);
  expect_pair(gradient_of_model("LinearRegressor", regressor, 1, {1, 2, 3}), 3.8, -2.4);
}

TEST(ModelGradient, FeaturesMadeReady) {
  Attrs scaler;
  scaler.set("offset", std::vector<double>{1, 2});
  scaler.set("scale", std::vector<double>{3, 0.5});
  expect_pair(gradient_of_model("Scaler", scaler, 1, {1, 2}), 3, 1);
  Attrs vectorizer;
  vectorizer.set("inputdimensions", std::vector<int64_t>{1});
  expect_pair(gradient_of_model("FeatureVectorizer", vectorizer, 1, {4}), 4, 0);
}

}  // namespace
}  // namespace weft
