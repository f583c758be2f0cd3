// Types of elements.
#pragma once

#include <type_traits>

#include "weft/base.hpp"

namespace weft {

/// An element type; the numbers are ONNX's.
enum class DType : int32_t {
  unknown = 0,  ///< of a value whose type is not known
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

/// The name of an element type, such as "f32"; "unknown" for what is none.
inline std::string dtype_name(DType dtype) {
  const char* name = weft_dtype_name(static_cast<int32_t>(dtype));
  return name != nullptr ? name : "unknown";
}
/// The bits of an element; 0 for strings, -1 if there is no such type.
inline int32_t dtype_bits(DType dtype) { return weft_dtype_bits(static_cast<int32_t>(dtype)); }
/// The element type of that name; NOT_FOUND if there is none.
inline DType find_dtype(const std::string& name) {
  int32_t found = weft_dtype_find(detail::text(name));
  if (found == 0) throw Error(WEFT_NOT_FOUND, "there is no element type '" + name + "'");
  return static_cast<DType>(found);
}

/// The element type of a C++ type: bool, the integers, float and double.
template <typename T>
constexpr DType dtype_of() {
  static_assert(std::is_arithmetic_v<T> && sizeof(T) <= 8, "bool, integers, float and double have element types");
  if constexpr (std::is_same_v<T, bool>)
    return DType::boolean;
  else if constexpr (std::is_floating_point_v<T>)
    return sizeof(T) == 4 ? DType::f32 : DType::f64;
  else if constexpr (sizeof(T) == 1)
    return std::is_signed_v<T> ? DType::i8 : DType::u8;
  else if constexpr (sizeof(T) == 2)
    return std::is_signed_v<T> ? DType::i16 : DType::u16;
  else if constexpr (sizeof(T) == 4)
    return std::is_signed_v<T> ? DType::i32 : DType::u32;
  else
    return std::is_signed_v<T> ? DType::i64 : DType::u64;
}

}  // namespace weft
