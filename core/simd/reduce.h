// Sums and extremes of rows and of columns, for every instruction set.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

constexpr int64_t kMostColumns = 1024;

// One way to make many numbers one. Orders depend on the lengths and the instruction set alone; NaN stays NaN.
template <typename T>
struct Reduction {
  T (*row)(const T* x, int64_t n);  // n > 0
  // y[i] of x[i], x[i + stride], ..., of `rows` > 0 elements each, for at most kMostColumns columns.
  void (*columns)(const T* x, int64_t rows, int64_t columns, int64_t stride, T* y);
};

template <typename T>
struct ReduceTable {
  Reduction<T> sum, squares, sizes, max, min;  // sums of elements, of their squares, of their absolute values
};

const ReduceTable<float>& reduce_f32(Isa isa);
const ReduceTable<double>& reduce_f64(Isa isa);

}  // namespace weft
