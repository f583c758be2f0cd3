// Means and squares of what is normalized together, and the normalizing, for every instruction set.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// Sums are taken in an order that the number of elements and the instruction set alone decide; what is done to each element
// depends on it alone.
template <typename T>
struct MomentsTable {
  // The mean of n > 0 elements, and the sum of the squares of their distances from it.
  void (*of_row)(const T* x, int64_t n, T* mean, T* squares);
  // The same of each column of `rows` > 0 rows, side by side.
  void (*of_columns)(const T* x, int64_t rows, int64_t columns, T* mean, T* squares);
  // y = (x - mean) * factor + shift. `y` may be `x`.
  void (*scale_row)(const T* x, T mean, T factor, T shift, T* y, int64_t n);
  // The same with a mean, factor and shift for each column of rows that lie side by side.
  void (*scale_columns)(const T* x, int64_t rows, int64_t columns, const T* mean, const T* factor, const T* shift,
                        T* y);
  // The sum of dy, and that of dy * (x - mean) * inverse, where a product with a dy of exactly 0 is 0.
  void (*slopes_of_row)(const T* x, const T* dy, T mean, T inverse, int64_t n, T* sum, T* along);
  // dx = dy * factor - (x - mean) * bend - shift, where a product with a dy or `bend` of exactly 0 is 0. `dx` may be `x` or
  // `dy`.
  void (*grad_of_row)(const T* x, const T* dy, T mean, T factor, T bend, T shift, T* dx, int64_t n);
};

const MomentsTable<float>& moments_f32(Isa isa);
const MomentsTable<double>& moments_f64(Isa isa);

}  // namespace weft
