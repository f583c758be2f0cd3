// Messages for whoever runs the program. Silent until someone asks for them.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "core/base/text.h"

namespace weft {

// The numbers are part of the ABI.
enum class LogLevel : int32_t { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3, kNone = 4 };
const char* log_level_name(LogLevel level);  // "warning"

// May come on any thread, several at a time, and must not call Weft.
using LogFn = void (*)(void* user, LogLevel level, const char* message);

// Sends messages of `least` and above to `fn`, in place of whom they went to before; a null `fn`
// makes it silent again. `drop(user)` runs once, when `fn` has been replaced and its last call has
// ended; it may be null. From any thread.
void set_log(LogLevel least, LogFn fn, void* user, void (*drop)(void* user));

// The least level that is heard.
std::atomic<int32_t>& log_threshold();
inline bool log_enabled(LogLevel level) {
  return static_cast<int32_t>(level) >= log_threshold().load(std::memory_order_relaxed);
}
void send_log(LogLevel level, const std::string& message);

// Joins the parts, if somebody listens.
template <typename... Parts>
void log(LogLevel level, const Parts&... parts) {
  if (log_enabled(level)) send_log(level, cat(parts...));
}

}  // namespace weft
