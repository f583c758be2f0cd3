// Convolutions of many images and their gradients, with channels first and last, against index arithmetic.
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
    {1, 1, 16, 70, 32, 32, 3, 1, 1, 1},
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

// Calls body(place in y, place in x, place in w) for every product.
template <typename Body>
void for_products(const Conv2d& c, Body&& body) {
  const int64_t h = c.out(c.height), w = c.out(c.width), in = c.in_channels / c.group, out = c.out_channels / c.group;
  for (int64_t i = 0; i < c.images; ++i)
    for (int64_t o = 0; o < c.out_channels; ++o)
      for (int64_t at = 0; at < h * w; ++at)
        for (int64_t place = 0; place < in * c.kernel * c.kernel; ++place) {
          const int64_t channel = o / out * in + place / (c.kernel * c.kernel);
          const int64_t row = at / w * c.stride + place / c.kernel % c.kernel * c.dilation - c.pad;
          const int64_t column = at % w * c.stride + place % c.kernel * c.dilation - c.pad;
          if (row < 0 || row >= c.height || column < 0 || column >= c.width) continue;
          body((i * c.out_channels + o) * h * w + at,
               ((i * c.in_channels + channel) * c.height + row) * c.width + column,
               o * in * c.kernel * c.kernel + place);
        }
}

std::vector<double> numbers(const Shape& shape, int64_t salt) {
  std::vector<double> out(static_cast<size_t>(*element_count(shape)));
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

Tensor run(const Conv2d& c, const char* op, const std::vector<Tensor>& inputs, int threads,
           const std::vector<std::string>& disabled) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  std::vector<Expr> exprs;
  std::vector<ValueId> feeds;
  for (size_t i = 0; i < inputs.size(); ++i) {
    feeds.push_back(*graph->add_input(cat("in", i), ValueType::tensor(inputs[i].dtype(), to_dims(inputs[i].shape()))));
    exprs.emplace_back(scope, feeds.back());
  }
  Attrs attrs{{"group", c.group},
              {"strides", std::vector<int64_t>(2, c.stride)},
              {"dilations", std::vector<int64_t>(2, c.dilation)},
              {"pads", std::vector<int64_t>(4, c.pad)}};
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

void expect_equal(const Conv2d& c, const char* op, const std::vector<Tensor>& inputs,
                  const std::vector<double>& expected) {
  for (const char* disabled : {"winograd", "channels_last"}) {
    for (int threads : {1, 2, 4}) {
      const std::vector<double> got = values_of(run(c, op, inputs, threads, {disabled}));
      ASSERT_EQ(got.size(), expected.size());
      const size_t i = static_cast<size_t>(std::mismatch(got.begin(), got.end(), expected.begin()).first - got.begin());
      ASSERT_EQ(i, got.size()) << op << " of " << c.images << " images at " << i << ": " << got[i] << " for "
                               << expected[i] << ", " << threads << " threads, without " << disabled;
    }
  }
}

// Fractions that f32 holds exactly, and whose sums are rounded.
std::vector<double> fractions(const Shape& shape, uint64_t seed) {
  std::vector<double> out(static_cast<size_t>(*element_count(shape)));
  for (double& value : out) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    value = static_cast<double>(seed >> 40) / (1 << 23) - 1;
  }
  return out;
}

struct Sum {
  double value = 0, size = 0;  // that of the products' sizes

  void add(double product) {
    value += product;
    size += std::abs(product);
  }
};

// The same bits from any number of threads, and within 4e-6 of the products' sizes.
void expect_close(const Conv2d& c, const char* op, const std::vector<Tensor>& inputs, const std::vector<Sum>& sums) {
  const Tensor got = run(c, op, inputs, 1, {});
  ASSERT_EQ(got.count(), static_cast<int64_t>(sums.size()));
  if (sums.empty()) return;
  for (size_t i = 0; i < sums.size(); ++i) {
    ASSERT_NEAR(got.as<float>()[i], sums[i].value, 4e-6 * sums[i].size) << op << " at " << i;
  }
  for (int threads : {2, 4}) {
    const Tensor other = run(c, op, inputs, threads, {});
    ASSERT_EQ(std::memcmp(other.data(), got.data(), static_cast<size_t>(got.bytes())), 0) << op << ", " << threads;
  }
}

TEST(Conv, ManyImages) {
  for (const Conv2d& c : kConvs) {
    const std::vector<double> x = numbers(c.x(), 1), w = numbers(c.w(), 2), dy = numbers(c.y(), 3);
    const std::vector<double> bias = numbers({c.out_channels}, 5);
    std::vector<double> y(dy.size()), dx(x.size()), dw(w.size());
    const size_t pixels = static_cast<size_t>(c.y()[2] * c.y()[3]);
    for (size_t i = 0; i < dy.size(); ++i) y[i] = bias[i / pixels % bias.size()];
    for_products(c, [&](int64_t iy, int64_t ix, int64_t iw) {
      y[iy] += x[ix] * w[iw];
      dx[ix] += dy[iy] * w[iw];
      dw[iw] += dy[iy] * x[ix];
    });
    for (DType dtype : {DType::kF32, DType::kF64}) {
      const Tensor tx = tensor_of(dtype, c.x(), x), tw = tensor_of(dtype, c.w(), w), tdy = tensor_of(dtype, c.y(), dy);
      expect_equal(c, "Conv", {tx, tw, tensor_of(dtype, {c.out_channels}, bias)}, y);
      expect_equal(c, "weft.ConvGradInput", {tdy, tw, tx}, dx);
      expect_equal(c, "weft.ConvGradWeight", {tdy, tx, tw}, dw);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Conv, SumsThatAreRounded) {
  for (const Conv2d& c : kConvs) {
    const std::vector<double> x = fractions(c.x(), 1), w = fractions(c.w(), 2), dy = fractions(c.y(), 3);
    std::vector<Sum> y(dy.size()), dx(x.size()), dw(w.size());
    for_products(c, [&](int64_t iy, int64_t ix, int64_t iw) {
      y[iy].add(x[ix] * w[iw]);
      dx[ix].add(dy[iy] * w[iw]);
      dw[iw].add(dy[iy] * x[ix]);
    });
    const DType f32 = DType::kF32;
    const Tensor tx = tensor_of(f32, c.x(), x), tw = tensor_of(f32, c.w(), w), tdy = tensor_of(f32, c.y(), dy);
    expect_close(c, "Conv", {tx, tw}, y);
    expect_close(c, "weft.ConvGradInput", {tdy, tw, tx}, dx);
    expect_close(c, "weft.ConvGradWeight", {tdy, tx, tw}, dw);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace weft
