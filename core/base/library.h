// Shared libraries that are loaded while the process runs. What was loaded stays until it ends.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "core/base/status.h"

namespace weft {

// `path` is a file, or a name that the system's loader looks for. NOT_FOUND, with the loader's words.
Result<void*> open_library(const std::string& path);
void close_library(void* library);

void* library_symbol(void* library, const char* name);

// A function that a library exports; null if it does not.
template <typename Fn>
Fn library_function(void* library, const char* name) {
  return reinterpret_cast<Fn>(library_symbol(library, name));
}

// A library that comes with this one, but is there only for some operators: it is loaded when it is first asked for. It lies
// in the folder of this library, or else where the system looks for libraries. It exports one function without arguments,
// which gives a table that begins with its size, as size_t, and its version, as int32_t. From any thread; what failed is
// tried again the next time.
class Companion {
 public:
  constexpr Companion(const char* name, const char* function, int32_t version, size_t size)
      : name_(name), function_(function), version_(version), size_(size) {}

  // FAILED_PRECONDITION if there is none that can be loaded, or it is for another version of this library.
  Result<const void*> table();

 private:
  Result<const void*> load() const;

  const char* name_;  // "libweft_text.so"
  const char* function_;
  int32_t version_;
  size_t size_;
  std::atomic<const void*> table_ = nullptr;
};

}  // namespace weft
