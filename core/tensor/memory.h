// Memory that the processor does not reach: a device's own. What lies there is copied in and out, never looked at.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/status.h"

namespace weft {

// Safe for use by several threads at once.
class Memory {
 public:
  virtual ~Memory() = default;

  virtual const std::string& name() const = 0;  // of the device: "cuda:0"
  // Aligned to 64 bytes, not initialised. RESOURCE_EXHAUSTED when the device has no more.
  virtual Result<void*> allocate(int64_t bytes) = 0;
  virtual void free(void* data) = 0;
  // Between the process's memory and this one; both return when the bytes are there.
  virtual Status copy_in(void* to, const void* from, int64_t bytes) = 0;
  virtual Status copy_out(void* to, const void* from, int64_t bytes) = 0;
};

}  // namespace weft
