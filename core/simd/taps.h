// Products of rows that pointers find, for convolutions over images whose channels lie side by side: a tap is one place
// of the window, and says for each output pixel where the input pixel is that it sees.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"
#include "core/simd/limits.h"

namespace weft {

// c[r][j] = init[j] + sum over taps t and k of a[t][r][k] * b[t][k][j] for one tile of rows and one panel of columns.
// Each sum is one chain of multiply-adds, taps in order and k within them.
template <typename T>
struct TapTile {
  int64_t rows, columns, taps, k;
  const T* const* a;  // [taps][rows]: k elements each
  const T* b;         // [taps][k][panel], whatever the number of columns
  const T* init;      // `panel` elements; null: zero
  T* c;
  int64_t c_row;
  Limits<T> limits;
  const T* ahead = nullptr;  // the panel that is needed next, which is fetched meanwhile; null: none
};

// What a tap sees: `columns` elements for the first row of a tile, and so many behind each other for the next ones.
template <typename T>
struct LaneTap {
  const T* a;
  int64_t a_row;
};

// The same with one weight for each channel: c[r][j] = init[j] + sum over taps of a[t][r][j] * b[t][j].
template <typename T>
struct LaneTile {
  int64_t rows, columns, taps;
  const LaneTap<T>* a;
  const T* b;  // [taps][b_row], of which `columns` are read
  int64_t b_row;
  const T* init;  // `columns` elements; null: zero
  T* c;
  int64_t c_row;
  Limits<T> limits;
};

template <typename T>
struct TapTable {
  int64_t rows;         // of a full tile
  int64_t narrow_rows;  // of one with half a panel of columns or fewer
  int64_t panel;        // columns of a panel
  void (*run)(const TapTile<T>& tile);
  int64_t lane_rows;      // of a full LaneTile
  int64_t least_columns;  // of a LaneTile
  int64_t lane_columns;   // of one whose input stays in the first-level cache
  void (*run_lanes)(const LaneTile<T>& tile);
};

const TapTable<float>& tap_table_f32(Isa isa);
const TapTable<double>& tap_table_f64(Isa isa);

}  // namespace weft
