// Operators on complex numbers, which case files cannot write.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <limits>
#include <utility>

#include "core/graph/expr.h"
#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"
#include "tests/core/expect_error.h"

namespace weft {
namespace {

using Complex64 = std::complex<float>;
using Complex128 = std::complex<double>;

template <typename T>
Tensor complex_tensor(Shape shape, const std::vector<T>& numbers) {
  return *Tensor::from_bytes(dtype_of<T>(), std::move(shape), numbers.data(),
                             static_cast<int64_t>(numbers.size() * sizeof(T)));
}

// What a node of this operator gives of inputs that are fed; an empty one is omitted.
std::vector<Tensor> outputs_of(std::string_view op, const std::vector<Tensor>& inputs, Attrs attrs, int count = 1) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  std::vector<Expr> args;
  Signature signature;
  std::vector<Tensor> feeds, out;
  for (const Tensor& input : inputs) {
    args.emplace_back();
    if (input.empty()) continue;
    const ValueType type = ValueType::tensor(input.dtype(), to_dims(input.shape()));
    signature.feeds.push_back(*graph->add_input(cat("x", feeds.size()), type));
    args.back() = Expr(scope, signature.feeds.back());
    feeds.push_back(input);
  }
  for (Expr y : make_all(scope, op, args, std::move(attrs), count)) signature.fetches.push_back(y.id());
  EXPECT_TRUE(scope.status().ok()) << scope.status().text();
  Status status = (*Session::make(graph, {}))->run(signature, feeds, {}, &out);
  EXPECT_TRUE(status.ok()) << status.text();
  return out;
}

// The gradients by the inputs that have one, given that of the output.
std::vector<Tensor> gradients_of(std::string_view op, const std::vector<Tensor>& inputs, Attrs attrs,
                                 const Tensor& dy) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  std::vector<Expr> args;
  Signature signature;
  std::vector<ValueId> xs;
  std::vector<Tensor> feeds = inputs, out;
  feeds.push_back(dy);
  for (const Tensor& feed : feeds) {
    const ValueType type = ValueType::tensor(feed.dtype(), to_dims(feed.shape()));
    signature.feeds.push_back(*graph->add_input(cat("x", signature.feeds.size()), type));
    if (carries_gradient(type)) xs.push_back(signature.feeds.back());
    args.emplace_back(scope, signature.feeds.back());
  }
  const Expr weight = args.back();
  args.pop_back();
  xs.pop_back();
  const Expr y = make(scope, op, args, std::move(attrs));
  EXPECT_TRUE(scope.status().ok()) << scope.status().text();
  Result<std::vector<ValueId>> gradients = differentiate(*graph, {y.id()}, xs, {weight.id()});
  EXPECT_TRUE(gradients.ok()) << gradients.status().text();
  if (!gradients.ok()) return std::vector<Tensor>(xs.size());
  signature.fetches = *gradients;
  Status status = (*Session::make(graph, {}))->run(signature, feeds, {}, &out);
  EXPECT_TRUE(status.ok()) << status.text();
  return out;
}

template <typename T>
void expect_near(const Tensor& found, const Shape& shape, const std::vector<T>& wanted) {
  ASSERT_EQ(found.dtype(), dtype_of<T>());
  ASSERT_EQ(found.shape(), shape);
  const double close = sizeof(T) == 8 ? 1e-5 : 1e-12;
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(found.as<T>()[i].real(), wanted[i].real(), close) << "element " << i;
    EXPECT_NEAR(found.as<T>()[i].imag(), wanted[i].imag(), close) << "element " << i;
  }
}

// Places 0.5, 1.5 and 4 of three pixels.
TEST(Complex, GridSampleWeighsBothParts) {
  const Tensor grid = *Tensor::vector<double>({-1.0 / 3, 1.0 / 3, 2}).reshaped({1, 3, 1});
  const Tensor single = *Tensor::vector<float>({-1.0f / 3, 1.0f / 3, 2}).reshaped({1, 3, 1});
  const std::vector<Complex128> x{{10, 1}, {20, 3}, {40, -5}}, y{{15, 2}, {30, -1}, {0, 0}};
  const std::vector<Complex64> x_single(x.begin(), x.end()), y_single(y.begin(), y.end());
  const Attrs linear{{"mode", "linear"}};
  expect_near<Complex128>(outputs_of("GridSample", {complex_tensor<Complex128>({1, 1, 3}, x), grid}, linear)[0],
                          {1, 1, 3}, y);
  expect_near<Complex64>(outputs_of("GridSample", {complex_tensor<Complex64>({1, 1, 3}, x_single), single}, linear)[0],
                         {1, 1, 3}, y_single);
  const Attrs nearest{{"mode", "nearest"}, {"padding_mode", "border"}, {"align_corners", int64_t{1}}};
  expect_near<Complex128>(outputs_of("GridSample", {complex_tensor<Complex128>({1, 1, 3}, x), grid}, nearest)[0],
                          {1, 1, 3}, {x[1], x[1], x[2]});
}

// Half of the gradient of each sample goes to either pixel beside it.
TEST(Complex, SamplesHaveAGradientToTheImage) {
  const Tensor dy = complex_tensor<Complex128>({1, 1, 2}, {{2, 4}, {-6, 1}});
  const Tensor x = complex_tensor<Complex128>({1, 1, 3}, {{0, 0}, {0, 0}, {0, 0}});
  const Tensor places = *Tensor::vector<double>({0.5, 1.5}).reshaped({1, 2, 1});
  expect_near<Complex128>(outputs_of("weft.SamplePointsGrad", {dy, x, places}, {})[0], {1, 1, 3},
                          {{1, 2}, {-2, 2.5}, {-3, 0.5}});
}

// Places -0.25, 0.25, 0.75 and 1.25 of two.
TEST(Complex, ResizeWeighsBothParts) {
  const std::vector<Complex128> x{{1, 2}, {3, -2}}, y{{1, 2}, {1.5, 1}, {2.5, -1}, {3, -2}};
  const std::vector<Complex64> x_single(x.begin(), x.end()), y_single(y.begin(), y.end());
  const Tensor scales = Tensor::vector<float>({2});
  const Attrs linear{{"mode", "linear"}};
  expect_near<Complex128>(outputs_of("Resize", {complex_tensor<Complex128>({2}, x), {}, scales}, linear)[0], {4}, y);
  expect_near<Complex64>(outputs_of("Resize", {complex_tensor<Complex64>({2}, x_single), {}, scales}, linear)[0], {4},
                         y_single);
}

TEST(Complex, ResizeOfTheFirstAxis) {
  const Tensor x = complex_tensor<Complex64>({2, 2}, {{1, 2}, {3, 4}, {5, 6}, {7, 0}});
  const Attrs corners{{"mode", "linear"}, {"coordinate_transformation_mode", "align_corners"}};
  expect_near<Complex64>(outputs_of("Resize", {x, {}, {}, Tensor::vector<int64_t>({3, 2})}, corners)[0], {3, 2},
                         {{1, 2}, {3, 4}, {3, 4}, {5, 2}, {5, 6}, {7, 0}});
}

TEST(Complex, ResizeFillsUpWithARealNumber) {
  const Tensor x = complex_tensor<Complex64>({2}, {{1, 2}, {3, -2}});
  const Attrs crop{
      {"mode", "linear"}, {"coordinate_transformation_mode", "tf_crop_and_resize"}, {"extrapolation_value", 7.0}};
  expect_near<Complex64>(
      outputs_of("Resize", {x, Tensor::vector<float>({0, 2}), {}, Tensor::vector<int64_t>({3})}, crop)[0], {3},
      {{1, 2}, {3, -2}, {7, 0}});
}

// The weights of ResizeWeighsBothParts, the other way round.
TEST(Complex, ResizeHasAGradient) {
  const Tensor dy = complex_tensor<Complex128>({4}, {{4, 0}, {0, 4}, {8, 0}, {0, 8}});
  const Tensor x = complex_tensor<Complex128>({2}, {{0, 0}, {0, 0}});
  const Attrs linear{{"mode", "linear"}};
  expect_near<Complex128>(outputs_of("weft.ResizeGrad", {dy, x, {}, Tensor::vector<float>({2})}, linear)[0], {2},
                          {{6, 3}, {6, 9}});
}

// As onnx.reference gives.
TEST(Complex, Col2ImAddsBothParts) {
  const std::vector<Complex128> x{{1, 2}, {3, -1}, {0, 0.5}, {-2, 0}, {4, 4}, {1, -1}, {2, 0.25}, {-3, -3}};
  const std::vector<Complex128> y{{1, 2}, {7, 3}, {1, -0.5}, {0, 0.25}, {-3, -3}};
  const std::vector<Complex64> x_single(x.begin(), x.end()), y_single(y.begin(), y.end());
  const Tensor image = Tensor::vector<int64_t>({5}), block = Tensor::vector<int64_t>({2});
  expect_near<Complex128>(outputs_of("Col2Im", {complex_tensor<Complex128>({1, 2, 4}, x), image, block}, {})[0],
                          {1, 1, 5}, y);
  expect_near<Complex64>(outputs_of("Col2Im", {complex_tensor<Complex64>({1, 2, 4}, x_single), image, block}, {})[0],
                         {1, 1, 5}, y_single);
  const Attrs padded{{"pads", std::vector<int64_t>{0, 1}}};
  expect_near<Complex128>(
      outputs_of("Col2Im", {complex_tensor<Complex128>({1, 2, 4}, x), Tensor::vector<int64_t>({4}), block}, padded)[0],
      {1, 1, 4}, {y[0], y[1], y[2], y[3]});
}

// Each element has the gradient of its pixel.
TEST(Complex, Col2ImHasAGradient) {
  const Tensor x = complex_tensor<Complex128>({1, 2, 2}, {{1, 0}, {0, 1}, {2, 0}, {0, 2}});
  const Tensor dy = complex_tensor<Complex128>({1, 1, 3}, {{1, 2}, {3, -4}, {-5, 6}});
  const std::vector<Tensor> dx =
      gradients_of("Col2Im", {x, Tensor::vector<int64_t>({3}), Tensor::vector<int64_t>({2})}, {}, dy);
  expect_near<Complex128>(dx[0], {1, 2, 2}, {{1, 2}, {3, -4}, {3, -4}, {-5, 6}});
}

// As a loop over numpy's numbers gives.
TEST(Complex, ScattersJoinBothParts) {
  const std::vector<Complex128> x{{1, 2}, {3, -1}, {0, 0.5}, {-2, 0}}, u{{2, 1}, {1, -1}, {-1, 0.5}};
  const std::vector<Complex64> x_single(x.begin(), x.end()), u_single(u.begin(), u.end());
  const Tensor places = *Tensor::vector<int64_t>({1, 3, -3}).reshaped({3, 1});
  const std::vector<Complex128> sums{{1, 2}, {4, 0.5}, {0, 0.5}, {-1, -1}};
  const std::vector<Complex128> products{{1, 2}, {-7.5, 2.5}, {0, 0.5}, {-2, 2}};
  for (const auto& [reduction, y] : {std::pair{"add", sums}, std::pair{"mul", products}}) {
    const Attrs attrs{{"reduction", reduction}};
    expect_near<Complex128>(
        outputs_of("ScatterND", {complex_tensor<Complex128>({4}, x), places, complex_tensor<Complex128>({3}, u)},
                   attrs)[0],
        {4}, y);
    expect_near<Complex64>(
        outputs_of("ScatterND",
                   {complex_tensor<Complex64>({4}, x_single), places, complex_tensor<Complex64>({3}, u_single)},
                   attrs)[0],
        {4}, std::vector<Complex64>(y.begin(), y.end()));
  }
}

TEST(Complex, ScattersOfElementsJoinBothParts) {
  const Tensor x = complex_tensor<Complex128>({2, 2}, {{1, 2}, {3, -1}, {0, 0.5}, {-2, 0}});
  const Tensor u = complex_tensor<Complex128>({2, 2}, {{2, 1}, {1, -1}, {-1, 0.5}, {0, 3}});
  const Tensor indices = *Tensor::vector<int64_t>({1, 0, 1, -1}).reshaped({2, 2});
  auto scattered = [&](const char* reduction) {
    return outputs_of("ScatterElements", {x, indices, u}, {{"axis", int64_t{1}}, {"reduction", reduction}})[0];
  };
  expect_near<Complex128>(scattered("add"), {2, 2}, {{2, 1}, {5, 0}, {0, 0.5}, {-3, 3.5}});
  expect_near<Complex128>(scattered("mul"), {2, 2}, {{3, 1}, {7, 1}, {0, 0.5}, {3, 6}});
}

// (inf + inf i) times 1 is nan + nan i to numpy, which multiplies out; C++ would make infinities of them.
TEST(Complex, ScatteredProductsAreMultipliedOut) {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor x = complex_tensor<Complex128>({1}, {{inf, inf}}), one = complex_tensor<Complex128>({1}, {{1, 0}});
  const Tensor place = *Tensor::vector<int64_t>({0}).reshaped({1, 1});
  const Tensor y = outputs_of("ScatterND", {x, place, one}, {{"reduction", "mul"}})[0];
  EXPECT_TRUE(std::isnan(y.as<Complex128>()->real()));
  EXPECT_TRUE(std::isnan(y.as<Complex128>()->imag()));
}

TEST(Complex, ScattersHaveNoExtremes) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  const ValueId x = *graph->add_input("x", ValueType::tensor(DType::kC64, {Dim(2)}));
  const ValueId at = *graph->add_input("at", ValueType::tensor(DType::kI64, {Dim(2)}));
  expect_error(graph->add("", "ScatterElements", {x, at, x}, {{"reduction", "max"}}, {}).status(),
               Code::kInvalidArgument,
               "attribute 'reduction' is \"max\" but must be \"none\", \"add\" or \"mul\" for complex numbers");
}

// Of a sum both have all of what comes back; what replaces takes it from what it replaces, and the last one from those before.
TEST(Complex, ScattersHaveGradients) {
  const Tensor x = complex_tensor<Complex128>({3}, {{1, 0}, {2, 0}, {3, 0}});
  const Tensor u = complex_tensor<Complex128>({2}, {{0, 1}, {0, 2}});
  const Tensor dy = complex_tensor<Complex128>({3}, {{1, 2}, {3, -4}, {-5, 6}});
  const Tensor places = *Tensor::vector<int64_t>({2, 2}).reshaped({2, 1}), indices = Tensor::vector<int64_t>({2, 2});
  auto check = [&](const char* reduction, const Tensor& at, const char* op, const std::vector<Complex128>& dx,
                   const std::vector<Complex128>& du) {
    const std::vector<Tensor> gradients = gradients_of(op, {x, at, u}, {{"reduction", reduction}}, dy);
    expect_near<Complex128>(gradients[0], {3}, dx);
    expect_near<Complex128>(gradients[1], {2}, du);
  };
  for (const auto& [op, at] : {std::pair{"ScatterND", places}, std::pair{"ScatterElements", indices}}) {
    check("add", at, op, {{1, 2}, {3, -4}, {-5, 6}}, {{-5, 6}, {-5, 6}});
    check("none", at, op, {{1, 2}, {3, -4}, {0, 0}}, {{0, 0}, {-5, 6}});
  }
  expect_near<Complex128>(
      gradients_of("GatherElements", {x, indices}, {}, complex_tensor<Complex128>({2}, {{1, 2}, {3, 5}}))[0], {3},
      {{0, 0}, {0, 0}, {4, 7}});
}

// What is read twice has the sum of what comes back.
TEST(Complex, ReadingHasGradients) {
  const Tensor x = complex_tensor<Complex128>({2, 2}, {{1, 0}, {2, 0}, {3, 0}, {4, 0}});
  const Tensor indices = Tensor::vector<int64_t>({1, 1, 0}), one = Tensor::vector<int64_t>({1});
  const Tensor rows = complex_tensor<Complex128>({3, 2}, {{1, 2}, {0, 1}, {3, -4}, {1, 0}, {5, 6}, {-1, -1}});
  expect_near<Complex128>(gradients_of("Gather", {x, indices}, {}, rows)[0], {2, 2},
                          {{5, 6}, {-1, -1}, {4, -2}, {1, 1}});
  const Tensor column = complex_tensor<Complex128>({2, 1}, {{1, 2}, {3, -4}});
  const Tensor end = Tensor::vector<int64_t>({2});
  expect_near<Complex128>(gradients_of("Slice", {x, one, end, one}, {}, column)[0], {2, 2},
                          {{0, 0}, {1, 2}, {0, 0}, {3, -4}});
}

TEST(Complex, ProductsHaveNoGradient) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  const ValueId x = *graph->add_input("x", ValueType::tensor(DType::kC64, {Dim(2)}));
  const ValueId at = *graph->add_input("at", ValueType::tensor(DType::kI64, {Dim(2)}));
  const NodeId node = *graph->add("", "ScatterElements", {x, at, x}, {{"reduction", "mul"}}, {});
  expect_error(differentiate(*graph, {graph->node(node).output(0)}, {x}, {}).status(), Code::kUnimplemented,
               "products of complex numbers have no gradient");
}

// As numpy.unique of the same, which returns inverse indices and counts too.
TEST(Complex, UniqueOrdersByRealPartsFirst) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor x = complex_tensor<Complex64>({7}, {{2, 1}, {1, 5}, {1, -3}, {0, nan}, {2, 1}, {nan, 0}, {1, 5}});
  const std::vector<Tensor> y = outputs_of("Unique", {x}, {}, 4);
  ASSERT_EQ(y.size(), 4u);
  ASSERT_EQ(y[0].shape(), Shape({4}));
  const Complex64 wanted[] = {{1, -3}, {1, 5}, {2, 1}};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(y[0].as<Complex64>()[i], wanted[i]) << i;
  EXPECT_TRUE(std::isnan(y[0].as<Complex64>()[3].imag()));
  EXPECT_EQ(*y[1].to_ints(), (std::vector<int64_t>{2, 1, 0, 3}));
  EXPECT_EQ(*y[2].to_ints(), (std::vector<int64_t>{2, 1, 0, 3, 2, 3, 1}));
  EXPECT_EQ(*y[3].to_ints(), (std::vector<int64_t>{1, 2, 2, 2}));
}

TEST(Complex, UniqueSlices) {
  const Tensor x = complex_tensor<Complex128>({3, 2}, {{1, 1}, {0, 2}, {1, 1}, {0, -2}, {1, 1}, {0, 2}});
  const std::vector<Tensor> y = outputs_of("Unique", {x}, {{"axis", int64_t{0}}}, 2);
  ASSERT_EQ(y.size(), 2u);
  expect_near<Complex128>(y[0], {2, 2}, {{1, 1}, {0, -2}, {1, 1}, {0, 2}});
  EXPECT_EQ(*y[1].to_ints(), (std::vector<int64_t>{1, 0}));
}

}  // namespace
}  // namespace weft
