// The values of variables.
#include "core/runtime/store.h"

#include <chrono>

namespace weft {

namespace {
constexpr std::chrono::milliseconds kLookEvery{20};
}  // namespace

Status Store::Writer::lock(StopCondition& stop, const std::atomic<bool>* closing) {
  std::unique_lock lock(mutex_);
  ++waiting_;
  Status status;
  while (held_ && status.ok()) {
    if (closing != nullptr && closing->load()) {
      status = failed_precondition("this prepared call is closed");
      break;
    }
    if (stop.trivial()) {
      free_.wait(lock);
      continue;
    }
    free_.wait_for(lock, kLookEvery);
    // The caller's poll may take its time, and take other locks.
    lock.unlock();
    status = stop.check();
    lock.lock();
  }
  --waiting_;
  if (status.ok())
    held_ = true;
  else if (!held_ && waiting_ > 0)
    free_.notify_one();  // this one may have been woken in another's place
  return status;
}

void Store::Writer::lock() {
  StopCondition never;
  (void)lock(never);
}

void Store::Writer::unlock() {
  std::lock_guard lock(mutex_);
  held_ = false;
  if (waiting_ > 0) free_.notify_one();
}

void Store::Writer::look() {
  std::lock_guard lock(mutex_);
  free_.notify_all();
}

Result<int> Store::slot(std::string_view name, DType dtype, const Shape& shape) {
  std::lock_guard lock(mutex_);
  auto at = index_.find(name);
  if (at != index_.end()) {
    const Slot& slot = slots_[at->second];
    if (slot.dtype != dtype || slot.shape != shape) {
      return failed_precondition("variable '", name, "' is ", dtype_name(dtype), shape_text(shape),
                                 " in the graph but ", dtype_name(slot.dtype), shape_text(slot.shape), " in the store");
    }
    return at->second;
  }
  int index = static_cast<int>(slots_.size());
  slots_.push_back({std::string(name), dtype, shape, {}, {}});
  index_.emplace(name, index);
  return index;
}

int Store::find(std::string_view name) const {
  std::lock_guard lock(mutex_);
  auto at = index_.find(name);
  return at == index_.end() ? -1 : at->second;
}

bool Store::initialised(int slot) const {
  std::lock_guard lock(mutex_);
  return !slots_[slot].value.empty();
}

Result<Tensor> Store::get(std::string_view name) const {
  std::lock_guard lock(mutex_);
  auto at = index_.find(name);
  if (at == index_.end() || slots_[at->second].value.empty()) {
    Suggestion suggestion(name);
    for (const Slot& slot : slots_) suggestion.offer(slot.name);
    return not_found("there is no variable '", name, "'", suggestion.text());
  }
  const Tensor& value = slots_[at->second].value;
  return value.memory() != nullptr ? value.moved_to(nullptr) : value.copy();
}

Status Store::set(std::string_view name, Tensor value) {
  WEFT_TRY(int index, slot(name, value.dtype(), value.shape()));
  WEFT_TRY(Tensor copy, value.copy());
  std::lock_guard writer(writer_);
  std::lock_guard lock(mutex_);
  slots_[index].value = std::move(copy);
  return {};
}

Status Store::set_all(std::vector<std::pair<std::string, Tensor>> values) {
  std::vector<int> slots;
  std::vector<Tensor> copies;
  for (const auto& [name, value] : values) {
    WEFT_TRY(int index, slot(name, value.dtype(), value.shape()));
    slots.push_back(index);
    WEFT_TRY(Tensor copy, value.copy());
    copies.push_back(std::move(copy));
  }
  std::lock_guard writer(writer_);
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < slots.size(); ++i) slots_[slots[i]].value = std::move(copies[i]);
  return {};
}

Status Store::initialise(std::string_view name, Tensor value) {
  WEFT_TRY(int index, slot(name, value.dtype(), value.shape()));
  WEFT_TRY(Tensor copy, value.copy());
  std::lock_guard lock(mutex_);
  if (slots_[index].value.empty()) slots_[index].value = std::move(copy);
  return {};
}

std::vector<std::string> Store::names() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [name, index] : index_) {
    if (!slots_[index].value.empty()) out.push_back(name);
  }
  return out;
}

void Store::snapshot(const std::vector<int>& slots, std::vector<Tensor>* values) const {
  if (slots.empty()) return;
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < slots.size(); ++i) (*values)[i] = slots_[slots[i]].value;
}

Status Store::snapshot_in(const std::shared_ptr<Memory>& memory, const std::vector<int>& slots,
                          std::vector<Tensor>* values) {
  snapshot(slots, values);
  for (size_t i = 0; i < slots.size(); ++i) {
    if ((*values)[i].memory() == memory.get()) continue;
    // Not under the lock, as copies take their time. What a run has written since stays where that has put it.
    const Tensor old = (*values)[i];
    WEFT_TRY((*values)[i], old.moved_to(memory));
    std::lock_guard lock(mutex_);
    Tensor& value = slots_[slots[i]].value;
    if (value.buffer() == old.buffer()) value = (*values)[i];
  }
  return {};
}

Status Store::spares_in(const std::shared_ptr<Memory>& memory, const std::vector<int>& slots, Tensor* values) {
  if (slots.empty()) return {};
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < slots.size(); ++i) {
    Slot& slot = slots_[slots[i]];
    const bool fits = !slot.spare.empty() && slot.spare.memory() == memory.get();
    if (fits && slot.spare.buffer().use_count() == 1) {
      // Whoever else read it has let go; letting go of a copy ourselves puts what they did before what we write.
      std::shared_ptr<Buffer>(slot.spare.buffer()).reset();
      values[i] = std::move(slot.spare);
    } else {
      WEFT_TRY(values[i], Tensor::make_in(memory, slot.dtype, slot.shape));
    }
  }
  return {};
}

void Store::commit(const std::vector<int>& slots, std::vector<Tensor>& values) {
  if (slots.empty()) return;
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < slots.size(); ++i) {
    Slot& slot = slots_[slots[i]];
    slot.spare = std::move(slot.value);
    slot.value = std::move(values[i]);
  }
}

}  // namespace weft
