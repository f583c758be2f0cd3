// Chains of elementwise operations that stay in registers from the first to the last, for every instruction set.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// What becomes of an element `a`, with `b` from elsewhere.
enum class ChainOp : uint8_t {
  kNone,     // no operation that a chain has
  kAdd,      // a + b
  kSub,      // a - b
  kMul,      // a * b
  kDiv,      // a / b
  kSubFrom,  // b - a
  kDivInto,  // b / a
  kRelu,     // 0 where a < 0, else a
  kNeg,      // -a
  kAbs,      // |a|
  kSqrt,
};
constexpr bool takes_two(ChainOp op) { return op >= ChainOp::kAdd && op <= ChainOp::kDivInto; }

template <typename T>
struct ChainStep {
  ChainOp op;
  bool number;  // `b` is one number for all elements
  const T* b;   // null where the operation takes none
};

template <typename T>
struct ChainTable {
  // y[i] = x[i] through all steps, with the bits that the operations give one by one (of NaNs, any). `y` may be `x` or any `b` that is an
  // array. `past_cache` says that nobody will read `y` soon.
  void (*run)(const T* x, const ChainStep<T>* steps, int64_t count, T* y, int64_t n, bool past_cache);
};

const ChainTable<float>& chain_f32(Isa isa);
const ChainTable<double>& chain_f64(Isa isa);

}  // namespace weft
