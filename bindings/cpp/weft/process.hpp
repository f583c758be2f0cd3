// The library in this process: memory, devices, what there is to build with, the log.
#pragma once

#include <functional>

#include "weft/base.hpp"

namespace weft {

// The most threads that a run uses when nothing limits it.
inline int32_t threads() { return weft_threads(); }

// Bytes of tensors and arenas that the library holds now, and the most that it ever held.
inline int64_t memory_bytes() { return weft_memory_bytes(); }
inline int64_t memory_peak() { return weft_memory_peak(); }
// The most that it may hold; an allocation past it throws. 0 is no limit.
inline int64_t memory_limit() { return weft_memory_limit(); }
inline void set_memory_limit(int64_t bytes) { detail::check(weft_memory_set_limit(bytes)); }

namespace detail {
inline std::vector<std::string> names(int32_t count, const char* (*name)(int32_t)) {
  std::vector<std::string> out;
  for (int32_t i = 0; i < count; ++i) out.emplace_back(name(i));
  return out;
}
inline std::string described(weft_status* (*inspect)(const char*, weft_bytes**), const std::string& name) {
  weft_bytes* out = nullptr;
  check(inspect(name.c_str(), &out));
  return take(out);
}
}  // namespace detail

// The devices; the first is the CPU.
inline std::vector<std::string> devices() { return detail::names(weft_device_count(), weft_device_name); }
// The full names of all operators, such as "MatMul" and "weft.Adam", and the definition of one as JSON.
inline std::vector<std::string> operators() { return detail::names(weft_op_count(), weft_op_name); }
inline std::string describe_operator(const std::string& name) { return detail::described(weft_op_inspect, name); }
// The names of all kinds of layers, such as "Dense", and the definition of one as JSON.
inline std::vector<std::string> layer_kinds() { return detail::names(weft_layer_count(), weft_layer_name); }
inline std::string describe_layer(const std::string& kind) { return detail::described(weft_layer_inspect, kind); }

// Gets the lines that the library logs; levels are 0 debug, 1 info, 2 warning, 3 error. Called on any thread, and must
// not call the library; what it throws is lost.
using LogFunction = std::function<void(int32_t level, const std::string& text)>;

// An empty function, the start, is silence.
inline void set_log(LogFunction function, int32_t lowest_level = 1) {
  if (!function) return weft_log_set(nullptr, 0, nullptr, nullptr);
  auto call = [](void* user, int32_t level, const char* text) {
    try {
      (*static_cast<LogFunction*>(user))(level, text);
    } catch (...) {
    }
  };
  auto drop = [](void* user) { delete static_cast<LogFunction*>(user); };
  weft_log_set(call, lowest_level, new LogFunction(std::move(function)), drop);
}

}  // namespace weft
