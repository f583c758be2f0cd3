// What kernels that go over rows share: loads of several elements at once, and functions in the precision of an element.
#pragma once

#include <cstring>

#include "plugins/cuda/launch.h"
#include "plugins/cuda/types.cuh"

namespace weft::cuda {

// Several neighbours that are loaded and stored at once: 16 bytes, or one element.
template <typename T, int V>
struct Pack {
  T v[V];
};

template <typename T>
constexpr int kWhole = 16 / static_cast<int>(sizeof(T));

template <typename T, int V>
__device__ Pack<T, V> load_pack(const T* from) {
  Pack<T, V> pack;
  if constexpr (V == 1) {
    pack.v[0] = *from;
  } else {
    static_assert(sizeof pack == sizeof(uint4));
    const uint4 raw = *reinterpret_cast<const uint4*>(from);
    memcpy(&pack, &raw, sizeof raw);
  }
  return pack;
}

template <typename T, int V>
__device__ void store_pack(T* to, const Pack<T, V>& pack) {
  if constexpr (V == 1) {
    *to = pack.v[0];
  } else {
    uint4 raw;
    memcpy(&raw, &pack, sizeof raw);
    __stwb(reinterpret_cast<uint4*>(to), raw);  // else halves may be stored two by two
  }
}

// Of what results in a T: halves need less of it.
template <typename T>
__device__ Wide<T> exp_of(Wide<T> x) {
  if constexpr (std::is_same_v<T, double>)
    return exp(x);
  else if constexpr (std::is_same_v<T, float>)
    return expf(x);
  else
    return __expf(x);
}

template <typename W>
__device__ W log_of(W x) {
  if constexpr (std::is_same_v<W, double>)
    return log(x);
  else
    return logf(x);
}

// a * b, but 0 where a is exactly 0.
template <typename W>
__device__ W guarded(W a, W b) {
  return a == W(0) ? W(0) : a * b;
}

}  // namespace weft::cuda
