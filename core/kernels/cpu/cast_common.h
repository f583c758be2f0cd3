// One number of any type as a number of any other, defined for every value.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "core/kernels/cpu/types_common.h"

namespace weft {

// A float from which rounding once more gives what rounding `x` at once would: inexact results get
// an odd last bit.
inline float round_to_odd(double x) {
  float nearest = static_cast<float>(x);
  if (static_cast<double>(nearest) == x || nearest != nearest || std::isinf(nearest)) return nearest;
  uint32_t bits;
  std::memcpy(&bits, &nearest, 4);
  if ((bits & 1) == 0) {
    // The odd neighbour on the other side of x.
    bool away = std::fabs(static_cast<double>(nearest)) < std::fabs(x);
    bits += away ? 1u : ~0u;
    std::memcpy(&nearest, &bits, 4);
  }
  return nearest;
}

// The same for a double from a 64-bit integer.
template <typename T>
double round_to_odd(T x) {
  constexpr T kExact = T{1} << 53, kLow = 2047;
  if (x > kExact || (std::is_signed_v<T> && x < T(0) - kExact)) x = (x & ~kLow) | ((x & kLow) != 0 ? kLow + 1 : 0);
  return static_cast<double>(x);
}

// To integers the fraction is cut off; out of range is the nearest in range, NaN the lowest; wider
// integers keep their low bits. To floats the nearest, ties to even. To bool: not 0.
template <typename To, typename From>
To convert(From x) {
  if constexpr (kIsHalf<From>) {
    return convert<To, float>(x);
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (kIsHalf<To>) {
    if constexpr (std::is_same_v<From, float> || sizeof(From) < 4)
      return To(static_cast<float>(x));
    else if constexpr (sizeof(From) == 8 && std::is_integral_v<From>)
      return To(round_to_odd(round_to_odd(x)));
    else
      return To(round_to_odd(static_cast<double>(x)));
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // Both limits are powers of two, or 0, and so exact.
    constexpr From kLow = static_cast<From>(std::numeric_limits<To>::min());
    constexpr From kEnd = static_cast<From>(std::numeric_limits<To>::max() / 2 + 1) * 2;
    if (!(x > kLow)) return std::numeric_limits<To>::min();  // NaN, too
    if (x >= kEnd) return std::numeric_limits<To>::max();
    return static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace weft
