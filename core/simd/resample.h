// Rows of images that become larger or smaller, for every instruction set.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// Sums of two weighted elements, the first one first: products and sums are rounded apart, so that each element has the same bits
// wherever it stands. A second element of weight 0 is not looked at.
template <typename T>
struct ResampleTable {
  // y[i] = first[i] * weights[0] + second[i] * weights[1].
  void (*down)(const T* first, const T* second, const T* weights, T* y, int64_t n);
  // Of pixels of `inner` elements: pixel o of y is that of x at index[o] times weight[o], and the one at index[out + o] times
  // weight[out + o].
  void (*across)(const T* x, const int32_t* index, const T* weight, int64_t out, int64_t inner, T* y);
  // y[2 i] = x[i - 1] * weights[0] + x[i] * weights[1] and y[2 i + 1] = x[i] * weights[2] + x[i + 1] * weights[3]; no weight is 0.
  void (*pairs)(const T* x, const T* weights, T* y, int64_t n);
};

// y[2 i] = y[2 i + 1] = x[i], of elements of so many bits.
struct TwiceTable {
  void (*of_8)(const uint8_t* x, uint8_t* y, int64_t n);
  void (*of_16)(const uint16_t* x, uint16_t* y, int64_t n);
  void (*of_32)(const uint32_t* x, uint32_t* y, int64_t n);
  void (*of_64)(const uint64_t* x, uint64_t* y, int64_t n);
};

const ResampleTable<float>& resample_f32(Isa isa);
const ResampleTable<double>& resample_f64(Isa isa);
const TwiceTable& twice_table(Isa isa);

}  // namespace weft
