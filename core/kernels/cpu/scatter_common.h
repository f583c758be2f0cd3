// How an update is joined with what it meets: ScatterND and ScatterElements.
#pragma once

#include <cmath>
#include <complex>
#include <string>

#include "core/kernels/cpu/types_common.h"

namespace weft {

// What has a sum and a product.
using JoinedElements = Types<float, double, int32_t, int64_t, uint8_t, int8_t, uint16_t, int16_t, uint32_t, uint64_t,
                             bool, std::complex<float>, std::complex<double>>;

enum class Join { kReplace, kAdd, kMul, kMax, kMin };

// Of an attribute 'reduction' that was checked.
inline Join read_join(const std::string& reduction) {
  if (reduction == "add") return Join::kAdd;
  if (reduction == "mul") return Join::kMul;
  if (reduction == "max") return Join::kMax;
  return reduction == "min" ? Join::kMin : Join::kReplace;
}

// Of complex numbers what is multiplied out says, as numpy has it: C++ looks for infinities in a NaN.
template <typename T>
T product(T a, T b) {
  if constexpr (kIsComplex<T>)
    return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
  else if constexpr (std::is_integral_v<T>)
    return wrap_mul(a, b);
  else
    return a * b;
}

// Truth values are joined as 0 and 1. A NaN stays. Complex numbers, which have no order, are not asked for extremes.
template <typename T>
T joined(Join join, T a, T b) {
  switch (join) {
    case Join::kReplace: return b;
    case Join::kAdd:
      if constexpr (std::is_integral_v<T>)
        return wrap_add(a, b);
      else
        return a + b;
    case Join::kMul: return product(a, b);
    case Join::kMax:
    case Join::kMin: break;
  }
  if constexpr (kIsComplex<T>) {
    return a;
  } else {
    if constexpr (!std::is_integral_v<T>) {
      if (std::isnan(a) || std::isnan(b)) return std::isnan(a) ? a : b;
    }
    return (a > b) == (join == Join::kMax) ? a : b;
  }
}

}  // namespace weft
