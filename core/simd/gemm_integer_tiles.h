// The innermost part of products of 8-bit numbers, one function per instruction set. All give the same bits.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// What is added to the sums of a row: add - zero * column_terms[j] - sum * column_zeros[j], in 32 bits that wrap around.
struct IntegerRow {
  int32_t add, zero, sum;
};

// c[rows, columns] = a b + what rows add, for one panel of at most `panel` columns. Numbers that are summed together
// lie side by side in groups: `group` of a row of a, in 4 bytes, and as many of a column of b, for each column of the panel.
struct IntegerPanel {
  int64_t rows, columns, groups;
  const uint8_t* a;
  int64_t a_row;  // bytes
  const uint8_t* b;
  int32_t* c;
  int64_t c_row;
  const IntegerRow* row_terms;  // null: nothing is added
  const int32_t *column_terms, *column_zeros;
  const uint8_t* ahead = nullptr;  // the panel that is needed next, as GemmPanel has it; null: none
};

struct IntegerTiles {
  int64_t rows;   // of a full tile
  int64_t panel;  // columns of a panel
  int64_t group;  // numbers that are multiplied and summed at once
  bool widens;    // a is of 16-bit numbers; else it is read as it lies
  // Whether b is packed as signed numbers, by whether those of a are.
  bool b_signed[2];
  // The same by whether numbers of a are signed.
  void (*run[2])(const IntegerPanel& panel);
  // For one or two rows and two or four full panels, whose b lie `distance` apart: sums enough at once to keep the multipliers
  // busy.
  void (*run_low[2])(const IntegerPanel& panels, int64_t distance);
  // Sums of a full panel's columns, by whether its numbers are signed.
  void (*sum_panel[2])(const uint8_t* b, int64_t groups, int32_t* sums);
  // Packs `groups` of a full panel from rows of b, `distance` apart; each number is changed by an exclusive or with `flip`.
  void (*pack_rows)(const uint8_t* from, int64_t distance, int64_t groups, uint8_t flip, uint8_t* to);
  // The same from `width` columns, `distance` apart.
  void (*pack_columns)(const uint8_t* from, int64_t distance, int64_t width, int64_t groups, uint8_t flip, uint8_t* to);
  // A row of a with what fills its last group, from numbers `step` apart.
  void (*pack_a)(const uint8_t* from, int64_t step, int64_t n, bool is_signed, uint8_t* to);
  int32_t (*sum_row)(const uint8_t* from, int64_t step, int64_t n, bool is_signed);
  // to[i] = (from[i] + bias[i]) * scales[i * step] to the nearest whole number, halves to the even one, + zero, between the
  // limits of the type; NaN becomes the least. Without a bias it is 0; sums wrap around.
  void (*quantize)(const int32_t* from, int64_t n, const int32_t* bias, const float* scales, int64_t step, int32_t zero,
                   bool is_signed, uint8_t* to);
};

const IntegerTiles& integer_tiles(Isa isa);

}  // namespace weft
