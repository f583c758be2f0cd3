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

thread_local const DatasetUse* DatasetUse::innermost = nullptr;

DatasetUse::DatasetUse(std::shared_ptr<const Dataset> dataset) : dataset_(std::move(dataset)), outer_(innermost) {
  innermost = this;
  // In one order with close(), which first says that it closes and then counts: one of the two sees the other.
  dataset_->uses_.fetch_add(1);
  open_ = !dataset_->closed_.load();
}

DatasetUse::~DatasetUse() {
  innermost = outer_;
  if (dataset_->uses_.fetch_sub(1) == 1 && dataset_->closed_.load()) dataset_->uses_.notify_all();
}

Status DatasetUse::check() const { return open_ ? Status() : failed_precondition("this dataset is closed"); }

Status Dataset::close() const {
  for (const DatasetUse* use = DatasetUse::innermost; use != nullptr; use = use->outer_) {
    if (use->dataset_.get() == this) {
      return failed_precondition("a dataset cannot be closed from inside a call that goes through it");
    }
  }
  closed_.store(true);
  for (int32_t uses = uses_.load(); uses != 0; uses = uses_.load()) uses_.wait(uses);
  return {};
}

}  // namespace weft
