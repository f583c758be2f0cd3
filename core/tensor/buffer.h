// Reference-counted bytes: 64-byte aligned memory of our own, or borrowed from a caller with a drop callback.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/base/status.h"

namespace weft {

// No memory is larger: addresses have no more bits. What asks for more is refused before anything is computed of it.
constexpr int64_t kMostBytes = int64_t{1} << 47;

class Buffer {
 public:
  static constexpr size_t kAlign = 64;
  using Drop = void (*)(void* user);

  // Not initialised. RESOURCE_EXHAUSTED when memory, or the process-wide limit, does not allow it.
  static Result<std::shared_ptr<Buffer>> allocate(int64_t bytes);
  // `drop(user)` runs once, when the last holder lets go.
  static std::shared_ptr<Buffer> borrow(void* data, int64_t bytes, bool writable, Drop drop, void* user);

  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  void* data() { return data_; }
  const void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  bool writable() const { return writable_; }
  bool borrowed() const { return borrowed_; }

 private:
  Buffer(void* data, int64_t bytes, bool borrowed, bool writable, Drop drop, void* user)
      : data_(data), bytes_(bytes), borrowed_(borrowed), writable_(writable), drop_(drop), user_(user) {}

  void* data_;
  int64_t bytes_;
  bool borrowed_;
  bool writable_;
  Drop drop_;
  void* user_;
};

// Memory of the process's own buffers. A limit of 0 means none; an allocation past it fails cleanly.
int64_t buffer_bytes_in_use();
int64_t buffer_bytes_peak();
void set_buffer_limit(int64_t bytes);
int64_t buffer_limit();

}  // namespace weft
