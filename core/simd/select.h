// Where a row has an element beyond a limit, for every instruction set.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

template <typename T>
struct SelectTable {
  // The first i < n for which x[i] <= limit (x[i] >= limit) does not hold, as it never does with NaN; n if there is none.
  int64_t (*above)(const T* x, int64_t n, T limit);
  int64_t (*below)(const T* x, int64_t n, T limit);
};

const SelectTable<float>& select_f32(Isa isa);
const SelectTable<double>& select_f64(Isa isa);

}  // namespace weft
