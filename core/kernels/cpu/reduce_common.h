// Reductions of f32 and f64 over any axes on vectors, for the Reduce family and for the gradient of broadcasting.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/thread_pool.h"
#include "core/kernel/kernel.h"
#include "core/kernels/cpu/vectors_common.h"

namespace weft {

// Neighbouring reduced axes are one. From the last of these to the first each is reduced in a stage of its own, and before
// that in segments where it is long, so that there is work for all threads and rounding errors stay small. Stages and
// segments depend on shapes alone, and a stage reads its input once, in order.
struct ReduceStages {
  struct Stage {
    int64_t outer, reduced, inner;  // of its input
    int64_t segment, segments;      // of the reduced axis; its output is [outer, segments, inner]

    int64_t count() const { return outer * segments * inner; }
  };
  std::vector<Stage> stages;

  // No axis is 0, and one that is reduced is more than 1.
  static ReduceStages make(const Shape& shape, const std::vector<bool>& reduced);
  // Whether vectors have enough in common to be worth calling.
  bool worthwhile() const { return !stages.empty() && stages[0].reduced * stages[0].inner >= 16; }
  int64_t scratch_count() const;
  double cost_ns() const;

  // With `first` over elements and `next` over the results of stages.
  template <typename T>
  void run(const Parallel& parallel, const Reduction<T>& first, const Reduction<T>& next, const T* x, T* scratch,
           T* y) const;
};

}  // namespace weft
