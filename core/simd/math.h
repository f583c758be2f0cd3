// Functions of one variable over arrays, for every instruction set.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// Each element's result depends on the element alone, wherever it stands. Largest errors measured, in units in the last
// place of results that are normal numbers: exp 1, log 1, tanh 3, sigmoid 2; gelu_tanh, from -3 on, 16; erf, for f32
// alone, 3; the slopes of gelu, by which they rise, are off by 3e-7 (gelu_tanh_slope 1e-6, 1e-15 for f64) at most. NaN
// stays NaN and infinities give the limits. `y` may be `x`.
template <typename T>
struct MathTable {
  using Fn = void (*)(const T* x, T* y, int64_t n);
  Fn exp, log, tanh, sigmoid, relu, gelu_tanh;
  Fn erf, gelu;  // null for f64
  Fn gelu_tanh_slope;
  Fn gelu_slope;  // null for f64
};

const MathTable<float>& math_f32(Isa isa);
const MathTable<double>& math_f64(Isa isa);

}  // namespace weft
