// What kernels of quantized products share: scales as f32, and results as quantized numbers.
#pragma once

#include <algorithm>
#include <cstring>

#include "core/kernel/kernel.h"
#include "core/simd/gemm_integer_tiles.h"
#include "core/simd/halves.h"

namespace weft {

// `count` scales of input `i` as f32.
inline void read_scales(const RunArgs& args, int i, DType dtype, int64_t count, float* to) {
  if (dtype == DType::kF32)
    std::memcpy(to, args.in[i], static_cast<size_t>(count) * sizeof(float));
  else
    halves_of(dtype == DType::kBF16 ? Half::kBf16 : Half::kF16, current_isa())
        .widen(args.input<uint16_t>(i), count, to);
}

// An 8-bit number.
inline int32_t read_number(const void* at, bool is_signed) {
  return is_signed ? *static_cast<const int8_t*>(at) : *static_cast<const uint8_t*>(at);
}

// y = x * (a * b / y_scale) + zero for n numbers side by side, where b has one for each (`step` 1) or one of all (0).
inline void quantize_run(const int32_t* x, int64_t n, float a, const float* b, int64_t step, float y_scale,
                         int32_t zero, bool is_signed, uint8_t* y) {
  const IntegerTiles& tiles = integer_tiles(current_isa());
  if (step == 0) {
    const float scale = a * *b / y_scale;
    return tiles.quantize(x, n, &scale, 0, zero, is_signed, y);
  }
  constexpr int64_t kBlock = 256;
  float scales[kBlock];
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t count = std::min(kBlock, n - begin);
    for (int64_t i = 0; i < count; ++i) scales[i] = a * b[begin + i] / y_scale;
    tiles.quantize(x + begin, count, scales, 1, zero, is_signed, y + begin);
  }
}

}  // namespace weft
