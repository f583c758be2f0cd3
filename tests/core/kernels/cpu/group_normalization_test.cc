// Normalization in groups that are looked at in parts, with the channels first and last, against sums in double.
#include <gtest/gtest.h>

#include <cmath>

#include "core/graph/expr.h"
#include "core/op/layout.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

struct GroupsCase {
  Shape x;
  int64_t groups;  // 0: each channel is one
};

const GroupsCase kGroupsCases[] = {
    {{1, 8, 65, 67}, 2},   // groups of several parts, too few for the threads
    {{1, 6, 97, 101}, 1},  // one group
    {{3, 32, 60, 41}, 8},  // groups of several parts, enough of them
    {{2, 48, 7, 5}, 16},   // of one part
    {{5, 12, 1, 1}, 3},    // of one pixel
    {{2, 7, 40, 33}, 0},   // planes
    {{1, 3, 200, 201}, 0},
};

constexpr double kEpsilon = 0.0078125;

template <typename T>
Tensor waves(const Shape& shape, double salt, double shift) {
  Tensor out = *Tensor::make(dtype_of<T>(), shape);
  for (int64_t i = 0; i < out.count(); ++i)
    out.as<T>()[i] =
        static_cast<T>(shift + std::sin(salt + 0.7 * static_cast<double>(i)) * (1 + 0.1 * static_cast<double>(i % 13)));
  return out;
}

// The formula, over [images, channels, pixels].
template <typename T>
std::vector<double> normalized(const GroupsCase& c, const Tensor& x, const Tensor& scale, const Tensor& bias) {
  const int64_t channels = c.x[1], pixels = c.x[2] * c.x[3], together = c.groups == 0 ? 1 : channels / c.groups;
  const int64_t size = together * pixels;
  std::vector<double> out;
  for (int64_t begin = 0; begin < x.count(); begin += size) {
    double mean = 0, variance = 0;
    for (int64_t i = begin; i < begin + size; ++i) mean += static_cast<double>(x.as<T>()[i]);
    mean /= static_cast<double>(size);
    for (int64_t i = begin; i < begin + size; ++i) variance += std::pow(static_cast<double>(x.as<T>()[i]) - mean, 2);
    variance /= static_cast<double>(size);
    for (int64_t i = begin; i < begin + size; ++i) {
      const int64_t channel = i / pixels % channels;
      out.push_back((static_cast<double>(x.as<T>()[i]) - mean) / std::sqrt(variance + kEpsilon) *
                        static_cast<double>(scale.as<T>()[channel]) +
                    static_cast<double>(bias.as<T>()[channel]));
    }
  }
  return out;
}

template <typename T>
void check_groups(const GroupsCase& c, double shift, double close) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  Expr x(scope, *graph->add_input("x", ValueType::tensor(dtype_of<T>(), to_dims(c.x))));
  const Tensor scale = waves<T>({c.x[1]}, 0.4, 1), bias = waves<T>({c.x[1]}, 2.1, 0);
  const std::vector<Expr> factors{constant(scope, scale), constant(scope, bias)};
  const char* op = c.groups == 0 ? "InstanceNormalization" : "GroupNormalization";
  Attrs attrs{{"epsilon", kEpsilon}};
  if (c.groups != 0) attrs.set("num_groups", c.groups);
  Expr first = make(scope, op, {x, factors[0], factors[1]}, attrs);
  Expr turned = transpose(x, to_channels_last(4));
  Expr last = make(scope, "weft.ChannelsLastGroupNormalization", {turned, factors[0], factors[1]}, attrs);
  last = transpose(last, to_channels_first(4));
  // What follows is done part by part.
  Expr behind = make(scope, "Relu", {first});
  ASSERT_TRUE(scope.status().ok()) << scope.status().text();
  const Tensor values = waves<T>(c.x, 0.3, shift);
  const std::vector<double> wanted = normalized<T>(c, values, scale, bias);
  std::vector<Tensor> found;
  for (int threads : {1, 2, 4}) {
    SessionOptions options;
    options.threads = threads;
    auto session = *Session::make(graph, options);
    for (const Expr& y : {first, last, behind}) {
      std::vector<Tensor> out;
      Status status = session->run({{x.id()}, {y.id()}, {}}, {values}, {}, &out);
      ASSERT_TRUE(status.ok()) << status.text();
      found.push_back(out[0]);
    }
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(found[found.size() - 3 + i].same_bits(found[i])) << threads << " threads";
    }
  }
  for (size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_NEAR(found[0].as<T>()[i], wanted[i], close) << i;
    ASSERT_NEAR(found[1].as<T>()[i], wanted[i], close) << "with the channels last, " << i;
    ASSERT_EQ(found[2].as<T>()[i], std::max(found[0].as<T>()[i], T(0))) << i;
  }
}

TEST(GroupNormalization, InParts) {
  for (const GroupsCase& c : kGroupsCases) {
    SCOPED_TRACE(shape_text(c.x));
    check_groups<float>(c, 0.5, 2e-5);
    check_groups<double>(c, 0.5, 1e-12);
    if (HasFatalFailure()) return;
  }
}

// The difference of two large numbers would leave no digit of the variance.
TEST(GroupNormalization, FarFromZero) {
  for (const GroupsCase& c : kGroupsCases) {
    SCOPED_TRACE(shape_text(c.x));
    check_groups<float>(c, 4096, 1e-2);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace weft
