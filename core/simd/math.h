// Functions of one variable over arrays, for every instruction set.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// Each element's result depends on the element alone, wherever it stands. Largest errors measured against a wider type, in
// units in the last place of results that are normal numbers, f32 and f64 alike: exp 0.7, log 0.8, tanh 1.2, sigmoid 2,
// sin and cos 0.75, tan 2, asin and atan 2.6, acos 1.3, sinh 2.8, cosh 1.1, asinh and acosh 2.1, atanh 2.6, mish 3.9,
// softplus 1.8, erf 1.2, elu of alpha 1 1.4, gelu 4.8 where the normal distribution below x is a normal
// number; gelu_tanh, from -3 on, 12. The slopes of gelu, by which they rise, are off by 2e-7 (4e-16 for f64) at most, those of
// swish by little more. hard_sigmoid, hard_swish, leaky_relu, swish, selu and celu have the bits of the operations that they
// are made of.
// Sines, cosines and tangents of 2^20 and more are made of the C library's, one by one. NaN stays NaN; infinities give the
// limits, or NaN where there is none. `y` may be `x`.
template <typename T>
struct MathTable {
  using Fn = void (*)(const T* x, T* y, int64_t n);
  Fn exp, log, tanh, sigmoid, relu, sin, cos, tan, asin, acos, atan, sinh, cosh, asinh, acosh, atanh, mish, softplus;
  Fn gelu_tanh, erf, gelu;
  Fn gelu_tanh_slope, gelu_slope;
  Fn hard_swish;  // x max(0, min(1, x / 6 + 0.5))
  using WithAlpha = void (*)(const T* x, T* y, int64_t n, T alpha);
  // elu of alpha, alpha elu(x / alpha) of alpha > 0, alpha x below 0, x sigmoid(alpha x), and the slope of that.
  WithAlpha elu, celu, leaky_relu, swish, swish_slope;
  using WithTwo = void (*)(const T* x, T* y, int64_t n, T alpha, T other);
  WithTwo hard_sigmoid;  // max(0, min(1, alpha x + other))
  WithTwo selu;          // other elu(x), of alpha
};

const MathTable<float>& math_f32(Isa isa);
const MathTable<double>& math_f64(Isa isa);

}  // namespace weft
