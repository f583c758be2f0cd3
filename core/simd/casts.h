// Integers of 8 and 32 bits as f32, and f32 as bytes, many at once, for every instruction set. All give the same bits.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

struct CastTable {
  // To the nearest f32, ties to even.
  void (*from_u8)(const uint8_t* from, int64_t n, float* to);
  void (*from_i8)(const int8_t* from, int64_t n, float* to);
  void (*from_i32)(const int32_t* from, int64_t n, float* to);
  // The fraction is cut off; out of range is the nearest in range, NaN the lowest.
  void (*to_u8)(const float* from, int64_t n, uint8_t* to);
  void (*to_i8)(const float* from, int64_t n, int8_t* to);
};

const CastTable& cast_table(Isa isa);

}  // namespace weft
