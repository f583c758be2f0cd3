// The library itself: its version, what is alive, memory, logging, devices, what operators and layers there are.
#pragma once

#include <functional>

#include "weft/base.hpp"

namespace weft {

/// The version of the library, such as "0.1.0".
inline std::string version() { return weft_version(); }
/// The version as a number: major * 1000000 + minor * 1000 + patch.
inline int32_t version_number() { return weft_version_number(); }
/// How many objects of the library are alive in the process; 0 when everything is destroyed.
inline int64_t live_objects() { return weft_live_objects(); }
/// The most threads that a run uses when nothing limits it.
inline int32_t threads() { return weft_threads(); }

/// Bytes of tensors and working memory that the library holds now.
inline int64_t memory_bytes() { return weft_memory_bytes(); }
/// The most bytes that it ever held.
inline int64_t memory_peak() { return weft_memory_peak(); }
/// The most bytes that it may hold; 0, the start, is no limit.
inline int64_t memory_limit() { return weft_memory_limit(); }
/// Sets that limit for the process; what would pass it throws RESOURCE_EXHAUSTED. 0 takes it away.
inline void set_memory_limit(int64_t bytes) { detail::check(weft_memory_set_limit(bytes)); }

/// How much a line of the log matters.
enum class LogLevel : int32_t { debug = 0, info = 1, warning = 2, error = 3 };
/// Gets the lines of the log, on any thread. It must not call the library; its exceptions are dropped.
using LogFunction = std::function<void(LogLevel level, const std::string& text)>;

/// Gives the process's log lines of at least that level to a function; an empty one, the start, is silence.
inline void set_log(LogFunction function, LogLevel lowest_level = LogLevel::info) {
  if (function == nullptr) return weft_log_set(nullptr, static_cast<int32_t>(lowest_level), nullptr, nullptr);
  auto call = [](void* user, int32_t level, const char* text) {
    try {
      (*static_cast<LogFunction*>(user))(static_cast<LogLevel>(level), text);
    } catch (...) {  // whoever causes a line cannot be told about it
    }
  };
  weft_log_set(call, static_cast<int32_t>(lowest_level), new LogFunction(std::move(function)),
               detail::drop<LogFunction>);
}

namespace detail {
inline std::vector<std::string> names(int32_t count, const char* (*name)(int32_t)) {
  std::vector<std::string> out;
  for (int32_t i = 0; i < count; ++i) out.emplace_back(name(i));
  return out;
}
}  // namespace detail

/// The names of the devices that sessions can run on; the first is always "cpu".
inline std::vector<std::string> devices() { return detail::names(weft_device_count(), weft_device_name); }
/// Loads a device plug-in, whose devices are there from then on: a file, or a name that the system's loader looks for.
/// NOT_FOUND if it cannot be loaded, INVALID_ARGUMENT if it is none, FAILED_PRECONDITION if it is one for another version.
inline void load_devices(const std::string& path) { detail::check(weft_device_load(detail::text(path))); }

/// The full names of all operators ("MatMul", "weft.Adam"), sorted by domain and name.
inline std::vector<std::string> operators() { return detail::names(weft_op_count(), weft_op_name); }
/// The definition of an operator as JSON: names, types and docs of its inputs, outputs and attributes. NOT_FOUND, with
/// the nearest name, if there is none.
inline std::string describe_operator(const std::string& name) {
  return detail::take(
      detail::made<weft_bytes>([&](weft_bytes** out) { return weft_op_inspect(detail::text(name), out); }));
}

/// What is in an ONNX file, and what of it cannot be loaded, as JSON; its keys are those of weft_model_inspect. The file is
/// mapped meanwhile and must not be made shorter.
inline std::string inspect(const std::string& path) {
  return detail::take(
      detail::made<weft_bytes>([&](weft_bytes** out) { return weft_model_inspect(detail::text(path), out); }));
}
/// The same from `bytes` bytes at `data`; external weights are looked for in `folder`, "" for none.
inline std::string inspect_bytes(const void* data, size_t bytes, const std::string& folder = {}) {
  const char* beside = folder.empty() ? nullptr : detail::text(folder);
  return detail::take(
      detail::made<weft_bytes>([&](weft_bytes** out) { return weft_model_inspect_bytes(data, bytes, beside, out); }));
}

/// The types of all layers ("Dense"), sorted.
inline std::vector<std::string> layer_types() { return detail::names(weft_layer_count(), weft_layer_name); }
/// A type of layer as JSON: its attributes with defaults and docs, its input and output. NOT_FOUND if there is none.
inline std::string describe_layer(const std::string& type) {
  return detail::take(
      detail::made<weft_bytes>([&](weft_bytes** out) { return weft_layer_inspect(detail::text(type), out); }));
}

}  // namespace weft
