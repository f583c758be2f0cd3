// Messages for whoever runs the program.
#include "core/base/log.h"

#include <memory>
#include <mutex>

namespace weft {

namespace {

struct Sink {
  LogFn fn;
  void* user;
  void (*drop)(void* user);

  Sink(LogFn fn, void* user, void (*drop)(void*)) : fn(fn), user(user), drop(drop) {}
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  ~Sink() {
    if (drop != nullptr) drop(user);
  }
};

struct State {
  std::mutex mutex;  // guards the pointer alone; nothing is called under it
  std::shared_ptr<Sink> sink;
};

State& state() {
  // Never destroyed: threads may still log while the process exits.
  static State& state = *new State;
  return state;
}

}  // namespace

const char* log_level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
    case LogLevel::kNone: return "none";
  }
  return "none";
}

std::atomic<int32_t>& log_threshold() {
  static std::atomic<int32_t> threshold{static_cast<int32_t>(LogLevel::kNone)};
  return threshold;
}

void set_log(LogLevel least, LogFn fn, void* user, void (*drop)(void* user)) {
  // Made even without fn, so that drop runs once in any case.
  auto sink = std::make_shared<Sink>(fn, user, drop);
  if (fn == nullptr) least = LogLevel::kNone;
  State& s = state();
  {
    std::lock_guard lock(s.mutex);
    log_threshold().store(static_cast<int32_t>(least), std::memory_order_relaxed);
    s.sink.swap(sink);
  }
  // What was there before is let go of here, outside the lock.
}

void send_log(LogLevel level, const std::string& message) {
  if (level < LogLevel::kDebug || level >= LogLevel::kNone) return;
  State& s = state();
  std::unique_lock lock(s.mutex);
  std::shared_ptr<Sink> sink = s.sink;
  lock.unlock();
  if (sink != nullptr && sink->fn != nullptr) sink->fn(sink->user, level, message.c_str());
}

}  // namespace weft
