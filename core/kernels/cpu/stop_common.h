// Kernels that may take long without going through `parallel_for`.
#pragma once

#include "core/base/cancel.h"
#include "core/base/thread_pool.h"

namespace weft {

// Whether what is left of the work may be skipped. The thread that began the run also looks at the clock and the poll.
inline bool should_stop(const Parallel& parallel) {
  if (parallel.stop == nullptr) return false;
  return pool_worker() > 0 ? parallel.stop->stopped() : !parallel.stop->check().ok();
}

}  // namespace weft
