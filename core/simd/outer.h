// Sums of outer products over pixels, for the gradients of convolutions by their weights: what one row of the window sees
// of the input, times what the output gets.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// c[r][j] += sum over images, lines and places of a[r] * b[j] for one tile of rows and one panel of columns, with `a` at
// image * a_image + line * a_line + place * a_step, and `b` likewise with rows of `width` elements side by side. The order
// of additions depends on these numbers and the instruction set alone.
template <typename T>
struct OuterTile {
  int64_t rows, columns;
  int64_t images, lines, places;
  const T* a;  // `rows` neighbours for each place
  int64_t a_image, a_line, a_step;
  const T* b;
  int64_t b_image, b_line;
  T* c;  // [rows][width]
};

template <typename T>
struct OuterTable {
  int64_t rows;    // of a full tile
  int64_t vector;  // elements
  void (*run)(const OuterTile<T>& tile);

  // Elements between rows of b and of c.
  int64_t width(int64_t columns) const { return columns <= vector ? vector : panel(); }
  int64_t panel() const { return 2 * vector; }  // most columns
};

const OuterTable<float>& outer_table_f32(Isa isa);
const OuterTable<double>& outer_table_f64(Isa isa);

}  // namespace weft
