// Arithmetic of two arrays, for every instruction set.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// Each element's result is the one that IEEE 754 rounds to. `y` may be `a` or `b`.
template <typename T>
struct ArithmeticTable {
  using Fn = void (*)(const T* a, const T* b, T* y, int64_t n);
  // By what moves: both arrays, or one of them while the other is a single number.
  struct Forms {
    Fn both, a_alone, b_alone;
  };
  Forms add, sub, mul, div;
};

const ArithmeticTable<float>& arithmetic_f32(Isa isa);
const ArithmeticTable<double>& arithmetic_f64(Isa isa);

}  // namespace weft
