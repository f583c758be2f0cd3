// Windows of pools over pixels whose channels lie side by side.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// Windows of one kind in a row, in elements: each `step` behind the one before, with the results `y_step` apart.
template <typename T>
struct PoolWindows {
  int64_t windows, step, y_step;
  int64_t rows, columns;  // pixels of a window, at least one
  int64_t row_step, column_step;
  int64_t channels;
  // Whether `max` may read, and write, whole vectors from the last channels of each pixel on.
  bool reaches;
  const T* x;
};

template <typename T>
struct PoolTable {
  int64_t vector;
  // y[c] = the largest of x[c]; NaN if there is one. Windows are worked on in their order; with `reaches`, what is written
  // behind the channels of one the next may overwrite.
  void (*max)(const PoolWindows<T>& windows, T* y);
  // dx[c] += dy[c] at the first pixel whose x[c] is y[c], with dx laid out as x is. Nothing else changes.
  void (*max_grad)(const PoolWindows<T>& windows, const T* y, const T* dy, T* dx);
};

const PoolTable<float>& pool_table_f32(Isa isa);
const PoolTable<double>& pool_table_f64(Isa isa);

}  // namespace weft
