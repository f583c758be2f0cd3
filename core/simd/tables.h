// The instruction sets that a source of vector kernels has tables for, and the choice among the tables.
#pragma once

#include "core/simd/isa.h"

// What Highway might compile for besides. Tiles cannot be made of vectors of SVE: no compiler knows how long these are.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)

// The table of that name that was compiled for `isa`, in the part of a source that is compiled once (HWY_ONCE).
#if defined(__x86_64__)
#define WEFT_TABLE_OF(isa, table)                                     \
  ((isa) == Isa::kAvx512 || (isa) == Isa::kAvx512Vnni ? N_AVX3::table \
   : (isa) == Isa::kAvx2                              ? N_AVX2::table \
                                                      : HWY_NAMESPACE::table)
#else
#define WEFT_TABLE_OF(isa, table) HWY_NAMESPACE::table
#endif

// Rows of a tile whose sums, two vectors of columns and one element fill the registers of the instruction set that is
// compiled for: 32 with AVX-512, else 16. NEON has 32 too, but GCC puts sums of more than 10 rows into memory there, and
// what images are wide is divided by 8 more often.
#define WEFT_TILE_ROWS (HWY_TARGET == HWY_AVX3 ? 14 : HWY_TARGET == HWY_NEON ? 8 : HWY_TARGET == HWY_AVX2 ? 6 : 4)
