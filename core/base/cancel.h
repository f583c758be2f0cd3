// Stopping work early: a reusable cancel token, a deadline and an interrupt poll, looked at as one.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "core/base/status.h"

namespace weft {

// Set from any thread; stays set until `reset`.
class CancelToken {
 public:
  void cancel() { cancelled_.store(true, std::memory_order_release); }
  void reset() { cancelled_.store(false, std::memory_order_release); }
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> cancelled_{false};
};

int64_t monotonic_ns();

// What is guessed to take less is not asked whether to stop: between steps, and before a loop of one block.
constexpr double kWatchEveryNs = 1000;

// What one run looks at to learn whether it should stop. Owned by the thread that called run, which
// alone calls `check`; any thread may call `stopped`.
class StopCondition {
 public:
  // Called on the caller's thread about every 20 ms; an error stops the run and becomes its status.
  using Poll = Status (*)(void* user);

  StopCondition() = default;

  void set_token(const CancelToken* token) { token_ = token; }
  void set_deadline_ns(int64_t monotonic) { deadline_ns_ = monotonic; }
  void set_poll(Poll poll, void* user) {
    poll_ = poll;
    poll_user_ = user;
  }

  bool trivial() const { return token_ == nullptr && deadline_ns_ == 0 && poll_ == nullptr; }

  // Between steps and between blocks of a parallel loop, on the caller's thread. Reads the clock
  // only if there is a deadline or a poll. Once stopped it stays so, and says why as it did the
  // first time.
  Status check() { return trivial() ? Status() : check_slow(); }

  // Inside long kernels, on any thread: true when what is left of the work may be skipped. Once it was, `check` says so
  // too, though the token be reset in between: the outputs are not whole.
  bool stopped() {
    if (tripped_.load(std::memory_order_relaxed)) return true;
    if (token_ == nullptr || !token_->cancelled()) return false;
    tripped_.store(true, std::memory_order_relaxed);
    return true;
  }

 private:
  Status check_slow();
  Status trip(Status reason);

  const CancelToken* token_ = nullptr;
  int64_t deadline_ns_ = 0;
  Poll poll_ = nullptr;
  void* poll_user_ = nullptr;
  int64_t next_poll_ns_ = 0;
  Status reason_;
  std::atomic<bool> tripped_{false};
};

}  // namespace weft
