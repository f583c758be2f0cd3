// Indices in kernels, and what is told of those that are wrong.
#pragma once

#include "plugins/cuda/device.h"

namespace weft::cuda {

// Indices of 32 or 64 bits.
struct Indices {
  const void* data;
  bool wide;

  __device__ int64_t operator[](int64_t i) const {
    return wide ? static_cast<const int64_t*>(data)[i] : static_cast<const int32_t*>(data)[i];
  }
};

struct Reporter {
  FaultSlot faults;
  int32_t step;

  // The place that an index names, counted from the end where negative; -1, once it is told, if it is outside.
  __device__ int64_t place(int64_t index, int64_t size, int32_t axis) const {
    const int64_t at = index < 0 ? index + size : index;
    if (at >= 0 && at < size) return at;
    faults.report(step, kIndexOutOfRange, index, size, axis);
    return -1;
  }
};

}  // namespace weft::cuda
