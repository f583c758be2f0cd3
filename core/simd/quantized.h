// Bytes that stand for numbers: these as f32, f32 as bytes again, and sums and products on the way, many at once, for
// every instruction set. All give the same bits, those of each step by itself.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// A byte q stands for (q - zero) * scale.
struct ByteCode {
  bool is_signed = false;
  float scale = 1;
  int32_t zero = 0;
};

// What a number x becomes: x / scale to the nearest whole number, halves to the even one, plus zero, no less than `least`
// and no more than `most`, which the type holds; NaN becomes `least`.
struct ByteResult {
  ByteCode code;
  int32_t least = 0, most = 255;
};

// Two operands and what is made of them.
struct BytePair {
  ByteCode a, b;
  bool b_is_float = false;  // then it is numbers, and its code says nothing
  ByteResult y;
};

// from[i] * scales[i * scale_step] + addends[i * addend_step]
struct ScaledSums {
  const int32_t* from;
  const float *scales, *addends;
  int64_t scale_step, addend_step;
};

struct QuantizedTable {
  // to[i] is the number that from[i] stands for, or has it added.
  void (*dequantize)(const uint8_t* from, int64_t n, const ByteCode& code, float* to);
  void (*add)(const uint8_t* from, int64_t n, const ByteCode& code, float* to);
  // Of from[i] / divisor, which is rounded first.
  void (*quantize)(const float* from, int64_t n, float divisor, const ByteResult& y, uint8_t* to);
  // `a` is bytes, `b` bytes or f32; `to` may be `a`.
  void (*sum)(const BytePair& pair, const void* a, const void* b, int64_t n, uint8_t* to);
  void (*product)(const BytePair& pair, const void* a, const void* b, int64_t n, uint8_t* to);
  void (*quantize_sums)(const ScaledSums& sums, int64_t n, const ByteResult& y, uint8_t* to);
};

const QuantizedTable& quantized_table(Isa isa);

}  // namespace weft
