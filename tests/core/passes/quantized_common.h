// What tests of rules on quantized values share: values that are dequantized and quantized, by constants or by bytes that
// are fed, and the integers that come of them.
#pragma once

#include "tests/core/passes/rules_common.h"

namespace weft {

using Bytes = std::vector<uint8_t>;
using Chars = std::vector<int8_t>;

struct QuantizedTest : RuleTest {
  template <typename T>
  Expr fixed(const Shape& shape, const std::vector<T>& numbers) {
    return constant(scope, *Tensor::vector<T>(numbers).reshaped(shape));
  }
  template <typename T>
  Expr number(T value) {
    return constant(scope, Tensor::scalar(value));
  }
  template <typename T>
  Expr dequantized(Expr x, float scale, T zero) {
    return make(scope, "DequantizeLinear", {x, number(scale), number(zero)});
  }
  template <typename T>
  Expr dequantized(Expr x, const std::vector<float>& scales, const std::vector<T>& zeros, int64_t axis) {
    return make(scope, "DequantizeLinear",
                {x, constant(scope, Tensor::vector(scales)), constant(scope, Tensor::vector(zeros))}, {{"axis", axis}});
  }
  template <typename T>
  Expr quantized(Expr x, float scale, T zero) {
    return make(scope, "QuantizeLinear", {x, number(scale), number(zero)});
  }
  Expr relu(Expr x) { return make(scope, "Relu", {x}); }

  template <typename T>
  void expect_numbers(Expr y, const std::vector<T>& wanted) {
    const std::vector<std::string> others{"fuse_quantized_sums", "fuse_quantized_means", "fuse_quantized_functions"};
    for (const std::vector<std::string>& disabled :
         {std::vector<std::string>{}, {"fuse_quantized"}, others, {"fuse_elementwise"}, {"*"}}) {
      const Tensor out = run(y, disabled);
      ASSERT_EQ(out.count(), static_cast<int64_t>(wanted.size()));
      EXPECT_EQ(std::vector<T>(out.as<T>(), out.as<T>() + out.count()), wanted) << disabled.size();
    }
  }

  // Any bytes, from one to the next as a congruence has them.
  Expr some_bytes(const Shape& shape, bool is_signed) {
    int64_t count = 1;
    for (int64_t dim : shape) count *= dim;
    Bytes out;
    for (int64_t i = 0; i < count; ++i) {
      seed = seed * 1664525u + 1013904223u;
      out.push_back(static_cast<uint8_t>(seed >> 20));
    }
    return input(to_dims(shape), *Tensor::from_bytes(is_signed ? DType::kI8 : DType::kU8, shape, out.data(), count));
  }
  // The same as numbers, whose scale and zero point are of its kind.
  Expr some_numbers(const Shape& shape, bool is_signed, float scale, int zero) {
    const Expr x = some_bytes(shape, is_signed);
    return is_signed ? dequantized(x, scale, static_cast<int8_t>(zero))
                     : dequantized(x, scale, static_cast<uint8_t>(zero));
  }
  Expr quantized_as(Expr x, bool is_signed, float scale, int zero) {
    return is_signed ? quantized(x, scale, static_cast<int8_t>(zero)) : quantized(x, scale, static_cast<uint8_t>(zero));
  }
  uint32_t seed = 1;

  // (1, -4, 0, 6) as u8[1, 1, 2, 2].
  Expr image() { return dequantized<uint8_t>(input<uint8_t>({1, 1, 2, 2}, Bytes{130, 120, 128, 140}), 0.5f, 128); }
  // Times (0.75, -0.5), plus (0.5, -0.25) in units of 0.5 by (0.25, 0.125).
  Expr two_channels() {
    Expr w = dequantized<int8_t>(fixed<int8_t>({2, 1, 1, 1}, {3, -4}), {0.25f, 0.125f}, {0, 0}, 0);
    Expr b = dequantized<int32_t>(fixed<int32_t>({2}, {4, -4}), {0.125f, 0.0625f}, {0, 0}, 0);
    return make(scope, "Conv", {image(), w, b});
  }
  // (1, -4, 2) and (0, 3, -2) as i8[2, 3].
  Expr matrix() { return dequantized<int8_t>(input<int8_t>({2, 3}, Chars{3, -7, 5, 1, 7, -3}), 0.5f, 1); }
};

}  // namespace weft
