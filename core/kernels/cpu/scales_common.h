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

// y = x * (a * b / y_scale) + zero for n numbers side by side.
inline void quantize_run(const int32_t* x, int64_t n, float a, float b, float y_scale, int32_t zero, bool is_signed,
                         uint8_t* y) {
  const float scale = a * b / y_scale;
  integer_tiles(current_isa()).quantize(x, n, nullptr, &scale, 0, zero, is_signed, y);
}

// The scales of `count` columns, a * b / y_scale, where b has one for each (`step` 1) or one of all (0).
inline void join_scales(float a, const float* b, int64_t step, int64_t count, float y_scale, float* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = a * b[i * step] / y_scale;
}

}  // namespace weft
