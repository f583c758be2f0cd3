// Which elements of an axis each element of the resized axis is made of, with their weights.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/op/resize.h"

namespace weft {

// Row r is the sum of weight[e] times element index[e], for e from begin[r] on and before begin[r + 1].
template <typename T>
struct ResizeRows {
  int64_t* begin;
  int64_t* index;
  T* weight;

  // The rows in `memory` for them, which is aligned for 64 bits.
  static ResizeRows in(void* memory, int64_t rows, int64_t entries) {
    int64_t* begin = static_cast<int64_t*>(memory);
    int64_t* index = begin + rows + 1;
    return {begin, index, reinterpret_cast<T*>(index + entries)};
  }
  static int64_t bytes(int64_t rows, int64_t entries) {
    const int64_t weights = entries * static_cast<int64_t>(sizeof(T));
    return (rows + 1 + entries) * 8 + (weights + 7) / 8 * 8;
  }
  bool is_empty(int64_t row) const { return begin[row] == begin[row + 1]; }
};

// So many elements make one at most, whatever scale gives these sizes.
int64_t most_taps(const Resizing& resizing, int64_t in, int64_t out);

// A row for each element of the output, without weights of 0; what lies outside of the region has none.
template <typename T>
void fill_rows(const Resizing& resizing, const ResizedAxis& axis, const ResizeRows<T>& rows);

// A row for each element that `count` rows are made of, of which there are `columns`: to what it contributes.
template <typename T>
void transpose_rows(const ResizeRows<T>& rows, int64_t count, int64_t columns, const ResizeRows<T>& out);

}  // namespace weft
