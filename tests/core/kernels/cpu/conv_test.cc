// Convolutions of many images, transposed ones and their gradients, with channels first and last, against index arithmetic.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

struct Conv2d {
  int64_t images, group, in_channels, out_channels;  // channels of all groups
  int64_t height, width, kernel, stride, dilation, pad;

  int64_t out(int64_t size) const { return (size + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1; }
  Shape x() const { return {images, in_channels, height, width}; }
  Shape w() const { return {out_channels, in_channels / group, kernel, kernel}; }
  Shape y() const { return {images, out_channels, out(height), out(width)}; }
};

const Conv2d kConvs[] = {
    {40, 1, 3, 20, 9, 11, 3, 1, 1, 1},
    {17, 2, 6, 34, 8, 8, 3, 2, 1, 0},
    {5, 1, 1, 6, 12, 12, 5, 1, 1, 2},
    {33, 4, 4, 8, 7, 5, 3, 1, 2, 2},
    {1, 1, 16, 70, 28, 28, 3, 1, 1, 1},
    {18, 1, 9, 5, 6, 6, 1, 1, 1, 0},
    {0, 1, 2, 2, 4, 4, 3, 1, 1, 1},
    // The last part of an image is shorter and needs more room than the others.
    {3, 1, 8, 4, 51, 44, 3, 1, 1, 1},
    // Sums in parts, panels in groups, several images in a block, channels in parts.
    {20, 1, 6, 16, 7, 7, 5, 1, 1, 0},
    {17, 1, 66, 33, 4, 3, 3, 1, 1, 1},
    {2, 1, 20, 300, 3, 3, 3, 2, 1, 1},
    {3, 1, 70, 21, 9, 7, 1, 2, 1, 0},
    {5, 1, 11, 40, 13, 12, 4, 3, 1, 3},
    {2, 1, 7, 9, 3, 150, 3, 1, 1, 1},
    {4, 1, 10, 37, 14, 15, 3, 2, 3, 4},
};

std::vector<double> zeros_of(const Shape& shape) {
  return std::vector<double>(static_cast<size_t>(*element_count(shape)));
}

struct Right {
  std::vector<double> y, dx, dw;
};

// Through plain pointers, as tests are not optimized.
Right right_of(const Conv2d& c, const double* x, const double* w, const double* dy) {
  Right right{zeros_of(c.y()), zeros_of(c.x()), zeros_of(c.w())};
  double *y = right.y.data(), *dx = right.dx.data(), *dw = right.dw.data();
  const int64_t h = c.out(c.height), wide = c.out(c.width), in = c.in_channels / c.group,
                out = c.out_channels / c.group;
  const int64_t window = c.kernel * c.kernel;
  for (int64_t iy = 0; iy < c.images * c.out_channels * h * wide; ++iy) {
    const int64_t image = iy / (c.out_channels * h * wide), o = iy / (h * wide) % c.out_channels, at = iy % (h * wide);
    for (int64_t place = 0; place < in * window; ++place) {
      const int64_t channel = o / out * in + place / window;
      const int64_t row = at / wide * c.stride + place / c.kernel % c.kernel * c.dilation - c.pad;
      const int64_t column = at % wide * c.stride + place % c.kernel * c.dilation - c.pad;
      if (row < 0 || row >= c.height || column < 0 || column >= c.width) continue;
      const int64_t ix = ((image * c.in_channels + channel) * c.height + row) * c.width + column;
      const int64_t iw = o * in * window + place;
      y[iy] += x[ix] * w[iw];
      dx[ix] += dy[iy] * w[iw];
      dw[iw] += dy[iy] * x[ix];
    }
  }
  return right;
}

std::vector<double> numbers(const Shape& shape, int64_t salt) {
  std::vector<double> out = zeros_of(shape);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<double>((static_cast<int64_t>(i * 7 + i / 13) + salt) % 9 - 4);
  }
  return out;
}

Tensor tensor_of(DType dtype, const Shape& shape, const std::vector<double>& values) {
  Tensor out = *Tensor::make(dtype, shape);
  if (dtype == DType::kF32)
    std::copy(values.begin(), values.end(), out.as<float>());
  else
    std::copy(values.begin(), values.end(), out.as<double>());
  return out;
}

std::vector<double> values_of(const Tensor& t) {
  if (t.dtype() == DType::kF32) return {t.as<float>(), t.as<float>() + t.count()};
  return {t.as<double>(), t.as<double>() + t.count()};
}

Attrs conv_attrs(const Conv2d& c) {
  return {{"group", c.group},
          {"strides", std::vector<int64_t>(2, c.stride)},
          {"dilations", std::vector<int64_t>(2, c.dilation)},
          {"pads", std::vector<int64_t>(4, c.pad)}};
}

// Of what gives the convolution's image from its output.
Attrs transposed_attrs(const Conv2d& c) {
  auto left = [&](int64_t size) {
    return size - (c.stride * (c.out(size) - 1) + c.dilation * (c.kernel - 1) + 1 - 2 * c.pad);
  };
  Attrs attrs = conv_attrs(c);
  attrs.set("output_padding", std::vector<int64_t>{left(c.height), left(c.width)});
  return attrs;
}

Tensor run(const Attrs& attrs, const char* op, const std::vector<Tensor>& inputs, int threads,
           const std::vector<std::string>& disabled) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  std::vector<Expr> exprs;
  std::vector<ValueId> feeds;
  for (size_t i = 0; i < inputs.size(); ++i) {
    feeds.push_back(*graph->add_input(cat("in", i), ValueType::tensor(inputs[i].dtype(), to_dims(inputs[i].shape()))));
    exprs.emplace_back(scope, feeds.back());
  }
  Expr y = make(scope, op, exprs, attrs);
  EXPECT_TRUE(scope.status().ok()) << scope.status().text();
  SessionOptions options;
  options.threads = threads;
  options.disabled_passes = disabled;
  auto session = *Session::make(graph, options);
  std::vector<Tensor> outputs;
  Status status = session->run({feeds, {y.id()}, {}}, inputs, {}, &outputs);
  EXPECT_TRUE(status.ok()) << status.text();
  return outputs[0];
}

void expect_equal(const Conv2d& c, const Attrs& attrs, const char* op, const std::vector<Tensor>& inputs,
                  const std::vector<double>& expected) {
  for (const char* disabled : {"winograd", "channels_last"}) {
    for (int threads : {1, 2, 4}) {
      const std::vector<double> got = values_of(run(attrs, op, inputs, threads, {disabled}));
      ASSERT_EQ(got.size(), expected.size());
      const size_t i = static_cast<size_t>(std::mismatch(got.begin(), got.end(), expected.begin()).first - got.begin());
      ASSERT_EQ(i, got.size()) << op << " of " << c.images << " images at " << i << ": " << got[i] << " for "
                               << expected[i] << ", " << threads << " threads, without " << disabled;
    }
  }
}

// Fractions that f32 holds exactly, and whose sums are rounded.
std::vector<double> fractions(const Shape& shape, uint64_t seed) {
  std::vector<double> out = zeros_of(shape);
  for (double& value : out) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    value = static_cast<double>(seed >> 40) / (1 << 23) - 1;
  }
  return out;
}

// The same bits from any number of threads, and near sums of so many products, of which none is above 1.
void expect_close(const Conv2d& c, const char* op, const std::vector<Tensor>& inputs,
                  const std::vector<double>& expected, int64_t products) {
  const Tensor got = run(conv_attrs(c), op, inputs, 1, {});
  const std::vector<double> values = values_of(got);
  ASSERT_EQ(values.size(), expected.size());
  if (values.empty()) return;
  const double error = 1e-6 * static_cast<double>(products);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(std::abs(values[i] - expected[i]) <= error))
      FAIL() << op << " at " << i << ": " << values[i] << " for " << expected[i];
  }
  for (int threads : {2, 4}) {
    const Tensor other = run(conv_attrs(c), op, inputs, threads, {});
    ASSERT_EQ(std::memcmp(other.data(), got.data(), static_cast<size_t>(got.bytes())), 0) << op << ", " << threads;
  }
}

TEST(Conv, ManyImages) {
  for (const Conv2d& c : kConvs) {
    const std::vector<double> x = numbers(c.x(), 1), w = numbers(c.w(), 2), dy = numbers(c.y(), 3);
    const std::vector<double> bias = numbers({c.out_channels}, 5);
    Right right = right_of(c, x.data(), w.data(), dy.data());
    const size_t pixels = static_cast<size_t>(c.y()[2] * c.y()[3]);
    for (size_t i = 0; i < dy.size(); ++i) right.y[i] += bias[i / pixels % bias.size()];
    for (DType dtype : {DType::kF32, DType::kF64}) {
      const Tensor tx = tensor_of(dtype, c.x(), x), tw = tensor_of(dtype, c.w(), w), tdy = tensor_of(dtype, c.y(), dy);
      expect_equal(c, conv_attrs(c), "Conv", {tx, tw, tensor_of(dtype, {c.out_channels}, bias)}, right.y);
      expect_equal(c, conv_attrs(c), "weft.ConvGradInput", {tdy, tw, tx}, right.dx);
      expect_equal(c, conv_attrs(c), "weft.ConvGradWeight", {tdy, tx, tw}, right.dw);
      if (HasFatalFailure()) return;
    }
  }
}

// The same products, with x and y in each other's place.
TEST(Conv, ManyTransposedImages) {
  for (const Conv2d& c : kConvs) {
    const std::vector<double> dy = numbers(c.x(), 1), w = numbers(c.w(), 2), x = numbers(c.y(), 3);
    const std::vector<double> bias = numbers({c.in_channels}, 5);
    Right right = right_of(c, dy.data(), w.data(), x.data());
    const size_t pixels = static_cast<size_t>(c.height * c.width);
    for (size_t i = 0; i < dy.size(); ++i) right.dx[i] += bias[i / pixels % bias.size()];
    for (DType dtype : {DType::kF32, DType::kF64}) {
      const Tensor tx = tensor_of(dtype, c.y(), x), tw = tensor_of(dtype, c.w(), w), tdy = tensor_of(dtype, c.x(), dy);
      const Attrs attrs = transposed_attrs(c);
      expect_equal(c, attrs, "ConvTranspose", {tx, tw, tensor_of(dtype, {c.in_channels}, bias)}, right.dx);
      expect_equal(c, attrs, "weft.ConvTransposeGradInput", {tdy, tw, tx}, right.y);
      expect_equal(c, attrs, "weft.ConvTransposeGradWeight", {tdy, tx, tw}, right.dw);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Conv, SumsThatAreRounded) {
  for (const Conv2d& c : kConvs) {
    const std::vector<double> x = fractions(c.x(), 1), w = fractions(c.w(), 2), dy = fractions(c.y(), 3);
    const Right right = right_of(c, x.data(), w.data(), dy.data());
    const int64_t window = c.kernel * c.kernel, pixels = c.y()[2] * c.y()[3];
    const DType f32 = DType::kF32;
    const Tensor tx = tensor_of(f32, c.x(), x), tw = tensor_of(f32, c.w(), w), tdy = tensor_of(f32, c.y(), dy);
    expect_close(c, "Conv", {tx, tw}, right.y, c.in_channels / c.group * window);
    expect_close(c, "weft.ConvGradInput", {tdy, tw, tx}, right.dx, c.out_channels / c.group * window);
    expect_close(c, "weft.ConvGradWeight", {tdy, tx, tw}, right.dw, c.images * pixels);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace weft
