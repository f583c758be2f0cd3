// Element types in kernels: what they are computed in, and how each becomes another.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>
#include <utility>

#include "plugins/cuda/host.h"

namespace weft::cuda {

// What sums and functions of an element are computed in: halves in f32.
template <typename T>
using Wide = std::conditional_t<std::is_same_v<T, __half> || std::is_same_v<T, __nv_bfloat16>, float, T>;

template <typename T>
__device__ Wide<T> widen(T x) {
  if constexpr (std::is_same_v<T, __half>)
    return __half2float(x);
  else if constexpr (std::is_same_v<T, __nv_bfloat16>)
    return __bfloat162float(x);
  else
    return x;
}

// To the nearest, ties to even.
template <typename T>
__device__ T narrow(Wide<T> x) {
  if constexpr (std::is_same_v<T, __half>)
    return __float2half_rn(x);
  else if constexpr (std::is_same_v<T, __nv_bfloat16>)
    return __float2bfloat16_rn(x);
  else
    return x;
}

template <typename... T>
struct Types {};
using FloatTypes = Types<float, double, __half, __nv_bfloat16>;
// Moved as they are, by their size.
using SizeTypes = Types<uint8_t, uint16_t, uint32_t, uint64_t>;

template <typename T>
constexpr int32_t dtype_of() {
  if constexpr (std::is_same_v<T, float>) return WEFT_F32;
  if constexpr (std::is_same_v<T, double>) return WEFT_F64;
  if constexpr (std::is_same_v<T, __half>) return WEFT_F16;
  if constexpr (std::is_same_v<T, __nv_bfloat16>) return WEFT_BF16;
  if constexpr (std::is_same_v<T, int8_t>) return WEFT_I8;
  if constexpr (std::is_same_v<T, int16_t>) return WEFT_I16;
  if constexpr (std::is_same_v<T, int32_t>) return WEFT_I32;
  if constexpr (std::is_same_v<T, int64_t>) return WEFT_I64;
  if constexpr (std::is_same_v<T, uint8_t>) return WEFT_U8;
  if constexpr (std::is_same_v<T, uint16_t>) return WEFT_U16;
  if constexpr (std::is_same_v<T, uint32_t>) return WEFT_U32;
  if constexpr (std::is_same_v<T, uint64_t>) return WEFT_U64;
  return 0;
}

// Calls fn.template operator()<T>() for the type of the list that `dtype` is; false if it is none of them.
template <typename... T, typename Fn>
bool with_type(Types<T...>, int32_t dtype, Fn&& fn) {
  return ((dtype_of<T>() == dtype && (fn.template operator()<T>(), true)) || ...);
}
template <typename... T>
bool in_list(Types<T...>, int32_t dtype) {
  return ((dtype_of<T>() == dtype) || ...);
}
// Calls fn.template operator()<T>() for the unsigned type of `bytes` bytes.
template <typename Fn>
bool with_size(int64_t bytes, Fn&& fn) {
  switch (bytes) {
    case 1: fn.template operator()<uint8_t>(); return true;
    case 2: fn.template operator()<uint16_t>(); return true;
    case 4: fn.template operator()<uint32_t>(); return true;
    case 8: fn.template operator()<uint64_t>(); return true;
    default: return false;
  }
}

}  // namespace weft::cuda
