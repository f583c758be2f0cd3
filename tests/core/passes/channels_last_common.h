// What tests of images with channels last share: convolutions of small whole numbers.
#pragma once

#include "tests/core/passes/rules_common.h"

namespace weft {

using Ints = std::vector<int64_t>;

// Small whole numbers, whose sums are exact in any order.
struct ChannelsLastTest : RuleTest {
  uint32_t seed = 1;

  template <typename T>
  Tensor numbers(const Shape& shape) {
    int64_t count = 1;
    for (int64_t dim : shape) count *= dim;
    std::vector<T> out;
    for (int64_t i = 0; i < count; ++i) {
      seed = seed * 1664525u + 1013904223u;
      out.push_back(static_cast<T>(static_cast<int32_t>(seed >> 16) % 9 - 4));
    }
    return *Tensor::vector<T>(out).reshaped(shape);
  }
  Expr in(const Shape& shape) { return input(to_dims(shape), numbers<float>(shape)); }
  Expr fixed(const Shape& shape) { return constant(scope, numbers<float>(shape)); }
  Expr conv(Expr x, const Shape& w, const Attrs& attrs = {}, bool bias = true) {
    std::vector<Expr> inputs{x, fixed(w)};
    if (bias) inputs.push_back(fixed({w[0]}));
    return make(scope, "Conv", inputs, attrs);
  }
  Expr relu(Expr x) { return make(scope, "Relu", {x}); }
  // A convolution between transposes, or reshapes where there is one channel or pixel.
  void expect_alone(const std::string& behind, Expr y) {
    std::string names = left(y);
    for (size_t at; (at = names.find("Reshape")) != std::string::npos;) names.replace(at, 7, "Transpose");
    EXPECT_EQ(names, "Transpose weft.ChannelsLastConv " + behind + "Transpose");
    expect_same_bits(y);
  }
  void expect(const char* wanted, Expr y) {
    EXPECT_EQ(left(y), wanted);
    expect_same_bits(y);
  }
};

}  // namespace weft
