// Numbers of 16 bits as f32 and back, many at once, for every instruction set. All give the same bits.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

enum class Half { kBf16, kF16 };

struct HalvesTable {
  void (*widen)(const uint16_t* from, int64_t n, float* to);
  // To the nearest, ties to even: what is too great becomes infinite, a NaN stays one.
  void (*narrow)(const float* from, int64_t n, uint16_t* to);
};

const HalvesTable& halves_bf16(Isa isa);
const HalvesTable& halves_f16(Isa isa);
inline const HalvesTable& halves_of(Half half, Isa isa) {
  return half == Half::kBf16 ? halves_bf16(isa) : halves_f16(isa);
}

}  // namespace weft
