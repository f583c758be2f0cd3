// Rows of Softmax and of normalizations, for every instruction set.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// Rows of n elements, for Softmax at least one. The order of additions depends on n and the instruction set alone. `y`
// may be `x`.
template <typename T>
struct RowsTable {
  T (*max)(const T* x, int64_t n);  // NaN if there is one
  // y = exp(x - top) and its sum, where no element is above `top` or NaN; NaN throughout where `top` is not finite, as
  // infinity less itself is NaN. Null `y`: only the sum. The error of an exponential is at most 1.5
  // units in the last place, and 1.05 where products and sums are fused.
  T (*exp_sum)(const T* x, T top, T* y, int64_t n);
  void (*softmax)(const T* x, T* y, int64_t n);
  void (*log_softmax)(const T* x, T* y, int64_t n);
  // dx = y * (dy - sum(y * dy)), which may be in the place of either. In gradients a product with a factor from behind
  // that is exactly 0 is 0.
  void (*softmax_grad)(const T* y, const T* dy, T* dx, int64_t n);
  // y = (x - mean) * inverse * scale + bias, with the mean and the inverse of the root of variance + epsilon. `bias` may
  // be null.
  void (*layer_norm)(const T* x, const T* scale, const T* bias, T epsilon, T* y, int64_t n, T* mean, T* inverse);
  // The gradient of the sum of layer_norm's y * dy to x, which may be in the place of `x` or `dy`; that to the scale is
  // added to `dscale` unless it is null.
  void (*layer_norm_grad)(const T* x, const T* scale, const T* dy, T epsilon, T* dx, T* dscale, int64_t n);
  // y = x * inverse * scale, with the inverse of the root of the mean square + epsilon.
  void (*rms_norm)(const T* x, const T* scale, T epsilon, T* y, int64_t n);
  // y[i] = the sum of (factor * a) * x over row i of `count`, at x + i * distance: one chain of multiply-adds over its elements in
  // ascending order, as in products of matrices. There are as many rows as a vector has elements, or more.
  void (*dots)(const T* a, const T* x, int64_t distance, int64_t count, T factor, T* y, int64_t n);
};

const RowsTable<float>& rows_f32(Isa isa);
const RowsTable<double>& rows_f64(Isa isa);

}  // namespace weft
