// Images sampled between their pixels, for every instruction set.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// Tables of points have entries for a multiple of so many, past the last point too: whole vectors are read.
constexpr int64_t kSampledTogether = 16;
// Pixels along an axis of a SampledPlane, at most: f32 has all these numbers.
constexpr int64_t kMostOfSampledAxis = 1 << 24;

// Which pixels count for points, and how much. A weight of -0 is of none: the pixel at its index, which is one of the
// image, does not matter then, even if it is infinite. Other weights are never -0.
template <typename T>
struct SampledPoints {
  int64_t n;
  int64_t rows;  // of `index`
  int64_t room;  // entries of a row, a multiple of kSampledTogether
  int32_t* index;
  T* weight;
};

// An image of two axes that is sampled linearly, with zeros beyond its ends: of at least 1 x 2 pixels.
struct SampledPlane {
  int32_t height, width;     // at most kMostOfSampledAxis, and their product fits
  int32_t order_y, order_x;  // of derivatives
  bool x_first;              // in the places
};

// Sums begin with 0 and have one term after another; products and sums are rounded apart. So each element has the same
// bits wherever it stands.
template <typename T>
struct SampleTable {
  // Fills two rows of indices, of the upper and the lower pixels around each of `to.n` places of two numbers, and the
  // four rows of weights that `pairs` takes with them.
  void (*find_pairs)(const SampledPlane& plane, const T* places, const SampledPoints<T>& to);
  // y[i] = the sum over k of weight[2 k][i] * x[index[k][i]] + weight[2 k + 1][i] * x[index[k][i] + 1].
  void (*pairs)(const SampledPoints<T>& points, const T* x, T* y);
  // y[i] = the sum over k of weight[k][i] * x[index[k][i]].
  void (*taps)(const SampledPoints<T>& points, const T* x, T* y);
};

const SampleTable<float>& sample_f32(Isa isa);
const SampleTable<double>& sample_f64(Isa isa);

}  // namespace weft
