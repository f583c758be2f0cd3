// Stopping work early.
#include "core/base/cancel.h"

#include <time.h>

namespace weft {

namespace {
constexpr int64_t kPollEveryNs = 20'000'000;

int64_t now_ns(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}
}  // namespace

int64_t monotonic_ns() { return now_ns(CLOCK_MONOTONIC); }

Status StopCondition::check_slow() {
  if (!reason_.ok()) return reason_;
  if (stopped()) {
    return trip(Status(Code::kCancelled, "the run was cancelled"));
  }
  if (deadline_ns_ == 0 && poll_ == nullptr) return {};
  // A poll needs no better clock than that of the scheduler's ticks, which costs a fraction.
  int64_t now = deadline_ns_ != 0 ? monotonic_ns() : now_ns(CLOCK_MONOTONIC_COARSE);
  if (deadline_ns_ != 0 && now >= deadline_ns_) {
    return trip(Status(Code::kDeadlineExceeded, "the run passed its deadline"));
  }
  if (poll_ != nullptr && now >= next_poll_ns_) {
    next_poll_ns_ = now + kPollEveryNs;
    Status status = poll_(poll_user_);
    if (!status.ok()) return trip(std::move(status));
  }
  return {};
}

Status StopCondition::trip(Status reason) {
  tripped_.store(true, std::memory_order_relaxed);
  reason_ = std::move(reason);
  return reason_;
}

}  // namespace weft
