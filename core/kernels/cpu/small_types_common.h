// Numbers of 8 bits and fewer: the floating-point formats of ONNX, bit by bit.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/tensor/dtype.h"

namespace weft {

// Sign, exponent and mantissa from the top; what is not finite is either at the greatest exponent
// or just the code of minus 0.
struct SmallFloat {
  int mantissa_bits;
  int bias;
  uint8_t sign;      // its bit; 0 for unsigned numbers
  uint8_t greatest;  // code of the greatest finite number
  int infinity;      // code, or -1 if there is none
  int nan;           // code, or -1 if there is none
  bool no_minus_zero;
};

inline const SmallFloat& small_float(DType dtype) {
  static constexpr SmallFloat kE4M3FN{3, 7, 0x80, 0x7e, -1, 0x7f, false};
  static constexpr SmallFloat kE4M3FNUZ{3, 8, 0x80, 0x7f, -1, 0x80, true};
  static constexpr SmallFloat kE5M2{2, 15, 0x80, 0x7b, 0x7c, 0x7f, false};
  static constexpr SmallFloat kE5M2FNUZ{2, 16, 0x80, 0x7f, -1, 0x80, true};
  static constexpr SmallFloat kE2M1{1, 1, 0x08, 0x07, -1, -1, false};
  switch (dtype) {
    case DType::kF8E4M3FN: return kE4M3FN;
    case DType::kF8E4M3FNUZ: return kE4M3FNUZ;
    case DType::kF8E5M2: return kE5M2;
    case DType::kF8E5M2FNUZ: return kE5M2FNUZ;
    default: return kE2M1;
  }
}

inline double decode_small_float(const SmallFloat& f, uint8_t code) {
  const int size = code & (f.sign - 1);
  const double sign = code & f.sign ? -1 : 1;
  if (f.no_minus_zero && code == f.sign) return NAN;
  if (size > f.greatest) return size == f.infinity ? sign * INFINITY : NAN;
  const int exponent = size >> f.mantissa_bits, mantissa = size & ((1 << f.mantissa_bits) - 1);
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - f.bias - f.mantissa_bits);
  return sign * std::ldexp(mantissa + (1 << f.mantissa_bits), exponent - f.bias - f.mantissa_bits);
}

// To the nearest, ties to even. What is too great becomes the greatest number if `saturate`, else
// infinite or NaN.
inline uint8_t encode_small_float(const SmallFloat& f, double x, bool saturate) {
  const uint8_t sign = std::signbit(x) ? f.sign : 0;
  const double size = std::fabs(x);
  if (std::isnan(x)) return f.nan < 0 ? 0 : static_cast<uint8_t>(f.no_minus_zero ? f.nan : f.nan | sign);
  int code = f.greatest + 1;
  if (size < std::ldexp(1, 32)) {
    int exponent = 1 - f.bias;  // of the least normal number
    if (size >= std::ldexp(1, exponent)) exponent = std::ilogb(size);
    // Whole multiples of the last place; one that rounds up to the next exponent carries over by
    // itself.
    const int multiple = static_cast<int>(std::nearbyint(std::ldexp(size, f.mantissa_bits - exponent)));
    code = multiple + ((exponent + f.bias - 1) << f.mantissa_bits);
  }
  if (code > f.greatest) {
    if (saturate || (f.infinity < 0 && f.nan < 0))
      code = f.greatest;
    else if (f.infinity >= 0)
      code = f.infinity;
    else
      return static_cast<uint8_t>(f.no_minus_zero ? f.nan : f.nan | sign);
  }
  return static_cast<uint8_t>(code == 0 && f.no_minus_zero ? 0 : code | sign);
}

// A power of two without a sign, 2^-127 to 2^127; code 255 is NaN.
enum class PowerRounding { kUp, kDown, kNearest };
inline uint8_t encode_power(double x, PowerRounding rounding, bool saturate) {
  if (std::isnan(x)) return 255;
  if (x == 0 || std::isinf(x)) return saturate ? (x == 0 ? 0 : 254) : 255;
  int exponent;
  const double fraction = std::frexp(std::fabs(x), &exponent) * 2;  // [1, 2)
  if (rounding == PowerRounding::kUp ? fraction > 1 : rounding == PowerRounding::kNearest && fraction >= 1.5)
    ++exponent;
  const int code = exponent - 1 + 127;
  if (code < 0 || code > 254) return static_cast<uint8_t>(!saturate ? 255 : code < 0 ? 0 : 254);
  return static_cast<uint8_t>(code);
}
inline double decode_power(uint8_t code) { return code == 255 ? NAN : std::ldexp(1, code - 127); }

}  // namespace weft
