// What kernels that move elements share: units of up to 16 bytes, division of indices.
#pragma once

#include "plugins/cuda/divider.cuh"
#include "plugins/cuda/launch.h"
#include "plugins/cuda/types.cuh"

namespace weft::cuda {

constexpr int kMostDims = 8;
constexpr int kItems = 4;  // units that a thread has under way together
constexpr int kUnits = kThreads * kItems;
constexpr int64_t kNarrow = int64_t{1} << 31;  // counts below it are divided in 32 bits

inline Prepared ready(std::function<void(const Launch&)> run, int64_t scratch_bytes = 0) {
  Prepared made;
  made.run = std::move(run);
  made.scratch_bytes = scratch_bytes;
  return made;
}

// Calls fn.template operator()<T>() for a type of `bytes` bytes, of which 16 are the most.
template <typename Fn>
void with_unit(int64_t bytes, Fn&& fn) {
  if (bytes >= 16)
    fn.template operator()<uint4>();
  else
    with_size(bytes, fn);
}

// The largest power of two, up to 16, that divides what `bits` was made of by |.
inline int64_t unit_of(uint64_t bits) {
  bits |= 16;
  return static_cast<int64_t>(bits & (~bits + 1));
}
inline uint64_t bits_of(const void* address) { return reinterpret_cast<uintptr_t>(address); }
inline uint64_t bits_of(int64_t bytes) { return static_cast<uint64_t>(bytes); }

template <typename Out, typename In>
__device__ Out spread(In x) {
  if constexpr (sizeof(In) == sizeof(Out)) {
    return x;
  } else if constexpr (sizeof(In) == 8) {
    const uint32_t low = static_cast<uint32_t>(x), high = static_cast<uint32_t>(x >> 32);
    return uint4{low, high, low, high};
  } else {
    uint32_t word = x;
    if constexpr (sizeof(In) == 1) word *= 0x01010101u;
    if constexpr (sizeof(In) == 2) word *= 0x00010001u;
    return uint4{word, word, word, word};
  }
}

// Where Out is larger than In, an element is repeated in it.

}  // namespace weft::cuda
