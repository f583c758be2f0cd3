// Element types.
#pragma once

#include <complex>

#include "weft/base.hpp"

namespace weft {

// An element type.
enum class DType : int32_t {
  f32 = WEFT_F32,
  u8 = WEFT_U8,
  i8 = WEFT_I8,
  u16 = WEFT_U16,
  i16 = WEFT_I16,
  i32 = WEFT_I32,
  i64 = WEFT_I64,
  string = WEFT_STRING,
  boolean = WEFT_BOOL,
  f16 = WEFT_F16,
  f64 = WEFT_F64,
  u32 = WEFT_U32,
  u64 = WEFT_U64,
  c64 = WEFT_C64,
  c128 = WEFT_C128,
  bf16 = WEFT_BF16,
  f8e4m3fn = WEFT_F8E4M3FN,
  f8e4m3fnuz = WEFT_F8E4M3FNUZ,
  f8e5m2 = WEFT_F8E5M2,
  f8e5m2fnuz = WEFT_F8E5M2FNUZ,
  u4 = WEFT_U4,
  i4 = WEFT_I4,
  f4e2m1 = WEFT_F4E2M1,
  f8e8m0 = WEFT_F8E8M0,
  u2 = WEFT_U2,
  i2 = WEFT_I2,
};

// "f32"
inline std::string dtype_name(DType dtype) {
  const char* name = weft_dtype_name(static_cast<int32_t>(dtype));
  return name != nullptr ? name : "";
}
// The bits of an element; 0 for strings.
inline int32_t dtype_bits(DType dtype) { return weft_dtype_bits(static_cast<int32_t>(dtype)); }
// The element type of that name.
inline DType find_dtype(const std::string& name) {
  int32_t dtype = weft_dtype_find(name.c_str());
  if (dtype == 0) throw Error(WEFT_NOT_FOUND, "there is no element type '" + name + "'");
  return static_cast<DType>(dtype);
}

// The element type of a C++ type.
template <typename T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::f64;
}
template <>
constexpr DType dtype_of<int8_t>() {
  return DType::i8;
}
template <>
constexpr DType dtype_of<int16_t>() {
  return DType::i16;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::i32;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::i64;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::u8;
}
template <>
constexpr DType dtype_of<uint16_t>() {
  return DType::u16;
}
template <>
constexpr DType dtype_of<uint32_t>() {
  return DType::u32;
}
template <>
constexpr DType dtype_of<uint64_t>() {
  return DType::u64;
}
template <>
constexpr DType dtype_of<bool>() {
  return DType::boolean;
}
template <>
constexpr DType dtype_of<std::complex<float>>() {
  return DType::c64;
}
template <>
constexpr DType dtype_of<std::complex<double>>() {
  return DType::c128;
}

}  // namespace weft
