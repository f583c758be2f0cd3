// What all datasets, and the passes over them, have in common.
#include "core/learn/dataset.h"

namespace weft {

Result<std::vector<Tensor>> Batches::next() {
  if (busy_.exchange(true, std::memory_order_acquire)) {
    return failed_precondition("a batch of this pass is being taken already; each thread needs a pass of its own");
  }
  struct Free {
    std::atomic<bool>& busy;
    ~Free() { busy.store(false, std::memory_order_release); }
  } free{busy_};
  return take();
}

Status Dataset::check_open() const {
  return closed_.load(std::memory_order_acquire) ? failed_precondition("this dataset is closed") : Status();
}

}  // namespace weft
