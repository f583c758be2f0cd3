// Powers over arrays, for every instruction set.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// z[i] = x[i]^y[i] with the special cases of pow in the C standard (annex F). Each element's result depends on its x and y
// alone, whichever form it is computed by and wherever it stands: exponents of 1, 2, 3, -1, 1/2 and -1/2 are products,
// quotients and roots in every form. Largest errors measured, in units in the last place, those of denormal numbers
// included: 0.5 for f32, 0.75 for f64, of cubes 1.25, of reciprocal roots 1.5. `z` may be `x` or `y`.
template <typename T>
struct PowerTable {
  using Fn = void (*)(const T* x, const T* y, T* z, int64_t n);
  // By what moves: both arrays, or one of them while the other is a single number.
  Fn both, x_alone, y_alone;
};

const PowerTable<float>& power_f32(Isa isa);
const PowerTable<double>& power_f64(Isa isa);

}  // namespace weft
