// The choice among the tables that a source of vector kernels has for each instruction set.
#pragma once

#include "core/simd/isa.h"

// The table of that name that was compiled for `isa`, in the part of a source that is compiled once (HWY_ONCE).
#if defined(__x86_64__)
#define WEFT_TABLE_OF(isa, table) \
  ((isa) == Isa::kAvx512 ? N_AVX3::table : (isa) == Isa::kAvx2 ? N_AVX2::table : HWY_NAMESPACE::table)
#else
#define WEFT_TABLE_OF(isa, table) HWY_NAMESPACE::table
#endif

// Rows of a tile whose sums, two vectors of columns and one element fill the registers of the instruction set that is
// compiled for: 32 with AVX-512 and NEON, else 16.
#define WEFT_TILE_ROWS (HWY_TARGET == HWY_AVX3 ? 14 : HWY_TARGET == HWY_NEON ? 8 : HWY_TARGET == HWY_AVX2 ? 6 : 4)
