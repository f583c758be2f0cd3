// Sums over the places of a window of 8-bit numbers, with one weight for each channel: convolutions over images whose
// channels lie side by side, of one filter for each channel.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// What a tap sees: `columns` numbers for the first row of a tile, and so many bytes behind each other for the next ones.
struct ByteTap {
  const uint8_t* a;
  int64_t a_row;
};

// For one tile of rows, c[r][j] = init[j] + sum over taps of a[t][r][j] * b[t][j], in 32 bits that wrap around: exact, so that
// bits depend on nothing.
struct ByteLaneTile {
  int64_t rows;     // 1, 2, 4 or 8
  int64_t columns;  // `least_columns` or more
  int64_t taps;
  bool a_signed;  // numbers are i8
  const ByteTap* a;
  const int32_t* b;  // [taps][b_row], of which `columns` are read; each from -32768 to 32767
  int64_t b_row;
  const int32_t* init;
  void* c;  // the sums, or with scales the bytes that they become
  int64_t c_row;
  // c[r][j] * scales[j] to the nearest whole number, halves to the even one, + zero, between the limits of the type.
  const float* scales;  // null: sums are wanted
  int32_t zero;
  bool c_signed;
};

struct ByteTapTable {
  int64_t most_rows;  // of a tile
  int64_t least_columns;
  void (*run_lanes)(const ByteLaneTile& tile);
};

const ByteTapTable& byte_tap_table(Isa isa);

}  // namespace weft
