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

// Asks that after so much work that it costs nothing beside it. One for each block of a loop.
class StopCheck {
 public:
  explicit StopCheck(const Parallel& parallel) : parallel_(parallel) {}

  // Whether what is left may be skipped, after so many simple operations more.
  bool after(int64_t operations) {
    left_ -= operations;
    if (left_ <= 0) {
      left_ = kBetween;
      stop_ = stop_ || should_stop(parallel_);
    }
    return stop_;
  }

 private:
  static constexpr int64_t kBetween = 1 << 18;  // operations, some 100 us

  const Parallel& parallel_;
  int64_t left_ = kBetween;
  bool stop_ = false;
};

}  // namespace weft
