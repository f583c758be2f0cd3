// The innermost part of matrix products, one function per instruction set and element type.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"
#include "core/simd/limits.h"

namespace weft {

// c[rows, columns] = init + a[rows, k] b[k, columns] for one panel of at most `panel` columns.
// The elements of b are those of c or, for f32, bf16 two in a word: what a row of the panel has in its first vector in the low
// halves, what it has in its second in the high ones.
template <typename T, typename B = T>
struct GemmPanel {
  int64_t rows, columns, k;
  const T* a;
  int64_t a_row;  // stride; columns of a lie side by side
  const B* b;     // rows of at least `panel` readable elements
  int64_t b_row;
  T* c;
  int64_t c_row;
  const T* init;                  // null: zero
  int64_t init_row, init_column;  // strides; init_column is 0 or 1
  Limits<T> limits;
  // The panel that is needed next, of the same k and b_row: it is fetched to the second-level cache while the last of several tiles
  // is computed, since nothing else would before it is asked for. Null: none.
  const B* ahead = nullptr;
};

template <typename T>
struct GemmTiles {
  int64_t rows;   // of a full tile
  int64_t panel;  // columns of a panel
  void (*run)(const GemmPanel<T>& panel);
  // The same for one or two rows and two or four full panels, whose b lie `distance` apart: sums enough at once to keep the
  // multipliers busy. For two rows four panels are more than registers hold.
  void (*run_low)(const GemmPanel<T>& panels, int64_t distance);
  // to[i * panel + j] = from[i * distance + j] for i < rows and j < panel.
  void (*copy_panel)(const T* from, int64_t distance, int64_t rows, T* to);
};

// The same with panels of bf16.
struct GemmBf16Tiles {
  void (*run)(const GemmPanel<float, uint32_t>& panel);
  void (*run_low)(const GemmPanel<float, uint32_t>& panels, int64_t distance);
  // A panel's rows rounded to the nearest, ties to even.
  void (*round_panel)(const float* from, int64_t rows, uint32_t* to);
};

const GemmBf16Tiles& gemm_tiles_bf16(Isa isa);
const GemmTiles<float>& gemm_tiles_f32(Isa isa);
const GemmTiles<double>& gemm_tiles_f64(Isa isa);

}  // namespace weft
