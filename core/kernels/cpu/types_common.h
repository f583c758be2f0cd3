// Element types of CPU kernels: half-precision numbers as C++ types, and a dtype turned into a
// template argument.
#pragma once

#include <complex>
#include <cstdint>
#include <type_traits>

#include "core/tensor/dtype.h"

namespace weft {

// Stored in 16 bits, computed with as float.
struct F16 {
  uint16_t bits;
  F16() = default;
  F16(float value) : bits(float_to_f16(value)) {}
  operator float() const { return f16_to_float(bits); }
};
struct BF16 {
  uint16_t bits;
  BF16() = default;
  BF16(float value) : bits(float_to_bf16(value)) {}
  operator float() const { return bf16_to_float(bits); }
};

template <typename T>
inline constexpr bool kIsHalf = std::is_same_v<T, F16> || std::is_same_v<T, BF16>;
// What arithmetic on T is done in.
template <typename T>
using Wide = std::conditional_t<kIsHalf<T>, float, T>;

// The numbers that a complex one is made of; every other type itself.
template <typename T>
struct RealOf {
  using type = T;
};
template <typename T>
struct RealOf<std::complex<T>> {
  using type = T;
};
template <typename T>
using Real = typename RealOf<T>::type;
template <typename T>
inline constexpr bool kIsComplex = !std::is_same_v<T, Real<T>>;

template <typename T>
constexpr DType element_dtype() {
  if constexpr (std::is_same_v<T, F16>)
    return DType::kF16;
  else if constexpr (std::is_same_v<T, BF16>)
    return DType::kBF16;
  else
    return dtype_of<T>();
}

template <typename... Ts>
struct Types {};
// Halves are computed as f32, between casts that rewriting puts there: few kernels have loops for them.
using FloatElements = Types<float, double>;
using ComplexElements = Types<std::complex<float>, std::complex<double>>;
using IntElements = Types<int32_t, int64_t, uint8_t, int8_t, uint16_t, int16_t, uint32_t, uint64_t>;
using NumberElements = Types<float, double, int32_t, int64_t, uint8_t, int8_t, uint16_t, int16_t, uint32_t, uint64_t>;

// Calls fn.operator()<T>() for the type of `dtype`; false if the list has none.
template <typename... Ts, typename Fn>
bool with_type(Types<Ts...>, DType dtype, Fn&& fn) {
  return ((dtype == element_dtype<Ts>() ? (fn.template operator()<Ts>(), true) : false) || ...);
}

template <typename... Ts>
bool in_list(Types<Ts...>, DType dtype) {
  return ((dtype == element_dtype<Ts>()) || ...);
}

// Integer arithmetic that wraps around instead of overflowing.
template <typename T>
using Wrapping = std::make_unsigned_t<std::conditional_t<(sizeof(T) < 4), int32_t, T>>;
template <typename T>
T wrap_add(T a, T b) {
  return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
}
template <typename T>
T wrap_sub(T a, T b) {
  return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
}
template <typename T>
T wrap_mul(T a, T b) {
  return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
}

}  // namespace weft
