// Moving elements without looking at them: loops by element size, and strided copies of boxes.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "core/base/thread_pool.h"
#include "core/kernel/kernel.h"

namespace weft {

struct Pair128 {
  uint64_t low, high;
};

// Calls body(T{}) with an unsigned type as large as the dtype's elements; packed types are refused by `movable`.
template <typename Body>
void with_element(int64_t size, Body&& body) {
  switch (size) {
    case 1: body(uint8_t{}); break;
    case 2: body(uint16_t{}); break;
    case 4: body(uint32_t{}); break;
    case 8: body(uint64_t{}); break;
    default: body(Pair128{}); break;
  }
}
inline bool movable(DType dtype) { return dtype != DType::kString && dtype_bits(dtype) >= 8; }
inline bool takes_movable_data(const KernelContext& c) { return movable(c.dtype(0)); }

// A loop nest: for every index of `shape`, out[offset of out strides] = in[offset of in strides]. Strides in elements.
// Dimensions that can be joined are joined, so the innermost loop is as long as it can be.
struct StridedCopy {
  std::vector<int64_t> shape, in_stride, out_stride;
  int64_t in_start = 0, out_start = 0;
  int64_t element_size = 0;
  int64_t count = 0;

  static StridedCopy make(const Shape& shape, std::vector<int64_t> in_stride, std::vector<int64_t> out_stride,
                          int64_t element_size);
  void run(const Parallel& parallel, const void* in, void* out) const;
  double cost_ns() const;
};

// Row-major strides in elements.
std::vector<int64_t> row_major(const Shape& shape);

// The copy as a kernel from input 0 to output 0.
void use_strided(StridedCopy copy, PreparedKernel* prepared);

// A guess for copying what lies side by side.
inline double copy_cost_ns(int64_t bytes) { return 0.05 * static_cast<double>(bytes); }

}  // namespace weft
