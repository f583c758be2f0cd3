// Element types, with ONNX's numbers.
#pragma once

#include <complex>
#include <cstdint>
#include <string_view>

#include "core/base/status.h"

namespace weft {

enum class DType : int32_t {
  kNone = 0,
  kF32 = 1,
  kU8 = 2,
  kI8 = 3,
  kU16 = 4,
  kI16 = 5,
  kI32 = 6,
  kI64 = 7,
  kString = 8,
  kBool = 9,
  kF16 = 10,
  kF64 = 11,
  kU32 = 12,
  kU64 = 13,
  kC64 = 14,
  kC128 = 15,
  kBF16 = 16,
  kF8E4M3FN = 17,
  kF8E4M3FNUZ = 18,
  kF8E5M2 = 19,
  kF8E5M2FNUZ = 20,
  kU4 = 21,
  kI4 = 22,
  kF4E2M1 = 23,
  kF8E8M0 = 24,
  kU2 = 25,
  kI2 = 26,
};
constexpr int kDTypeCount = 27;

// Bits of one element: 4 and 2 for the packed types, 0 for strings.
int dtype_bits(DType dtype);
// Bytes of one element; only for types of whole bytes.
inline int64_t dtype_size(DType dtype) { return dtype_bits(dtype) / 8; }
// Bytes of `count` elements; packed types fill the last byte up. What would not fit into
// the number counts as half of the largest, which no machine has.
inline int64_t dtype_bytes(DType dtype, int64_t count) {
  int64_t bits;
  if (__builtin_mul_overflow(int64_t{dtype_bits(dtype)}, count, &bits) || bits > INT64_MAX - 7) return INT64_MAX / 2;
  return (bits + 7) / 8;
}

const char* dtype_name(DType dtype);  // "f32"
Result<DType> parse_dtype(std::string_view name);
// A number from outside: an error unless it names an element type.
Result<DType> checked_dtype(int64_t number);

bool is_float(DType dtype);    // f16 bf16 f32 f64 and the 8- and 4-bit floats
bool is_integer(DType dtype);  // signed and unsigned, packed ones too; not bool
bool is_complex(DType dtype);

// What the real and the imaginary part of a complex number are; every other type itself.
constexpr DType part_dtype(DType dtype) {
  return dtype == DType::kC64 ? DType::kF32 : dtype == DType::kC128 ? DType::kF64 : dtype;
}

// A set of element types, as a bit mask over the numbers.
using DTypeSet = uint32_t;
constexpr DTypeSet set_of(DType dtype) { return DTypeSet{1} << static_cast<int>(dtype); }
template <typename... More>
constexpr DTypeSet set_of(DType first, More... more) {
  return set_of(first) | set_of(more...);
}
constexpr bool contains(DTypeSet set, DType dtype) { return (set & set_of(dtype)) != 0; }
std::string dtype_set_text(DTypeSet set);  // "f32, f64"

constexpr DTypeSet kFloatTypes = set_of(DType::kF32, DType::kF64, DType::kF16, DType::kBF16);
// They have no arithmetic of their own.
constexpr DTypeSet kFloat8Types = set_of(DType::kF8E4M3FN, DType::kF8E4M3FNUZ, DType::kF8E5M2, DType::kF8E5M2FNUZ);
constexpr DTypeSet kSignedTypes = set_of(DType::kI8, DType::kI16, DType::kI32, DType::kI64) | kFloatTypes;
constexpr DTypeSet kNumberTypes = set_of(DType::kU8, DType::kU16, DType::kU32, DType::kU64) | kSignedTypes;
constexpr DTypeSet kComplexTypes = set_of(DType::kC64, DType::kC128);
constexpr DTypeSet kIndexTypes = set_of(DType::kI32, DType::kI64);
constexpr DTypeSet kTensorTypes = kNumberTypes | kComplexTypes | set_of(DType::kBool, DType::kString);
constexpr DTypeSet kAllTypes = ((DTypeSet{1} << kDTypeCount) - 1) & ~DTypeSet{1};

// The C++ type of a dtype with arithmetic here, and back.
template <typename T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::kF32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::kF64;
}
template <>
constexpr DType dtype_of<int8_t>() {
  return DType::kI8;
}
template <>
constexpr DType dtype_of<int16_t>() {
  return DType::kI16;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::kI32;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::kI64;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::kU8;
}
template <>
constexpr DType dtype_of<uint16_t>() {
  return DType::kU16;
}
template <>
constexpr DType dtype_of<uint32_t>() {
  return DType::kU32;
}
template <>
constexpr DType dtype_of<uint64_t>() {
  return DType::kU64;
}
template <>
constexpr DType dtype_of<bool>() {
  return DType::kBool;
}
template <>
constexpr DType dtype_of<std::complex<float>>() {
  return DType::kC64;
}
template <>
constexpr DType dtype_of<std::complex<double>>() {
  return DType::kC128;
}

// Half-precision bits to float and back, round to nearest even.
float f16_to_float(uint16_t bits);
uint16_t float_to_f16(float value);
inline float bf16_to_float(uint16_t bits) {
  uint32_t wide = uint32_t{bits} << 16;
  float out;
  __builtin_memcpy(&out, &wide, 4);
  return out;
}
uint16_t float_to_bf16(float value);

}  // namespace weft
