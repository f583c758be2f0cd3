// Memory that the processor does not reach: a device's own. What lies there is copied in and out, never looked at.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/status.h"
#include "core/tensor/dlpack_abi.h"

namespace weft {

// Safe for use by several threads at once.
class Memory {
 public:
  virtual ~Memory() = default;

  virtual const std::string& name() const = 0;  // of the device: "cuda:0"
  // Aligned to 64 bytes, not initialised. RESOURCE_EXHAUSTED when the device has no more.
  virtual Result<void*> allocate(int64_t bytes) = 0;
  virtual void free(void* data) = 0;
  // Between the process's memory and this one, and within this one; they return when the bytes are there.
  virtual Status copy_in(void* to, const void* from, int64_t bytes) = 0;
  virtual Status copy_out(void* to, const void* from, int64_t bytes) = 0;
  virtual Status copy(void* to, const void* from, int64_t bytes) = 0;

  // What DLPack calls the device; the type 0 if it has no name for it.
  virtual dlpack::DLDevice dlpack_device() const { return {0, 0}; }
  // Until the work is done that other libraries of the process have put in order with the device's default stream, as far as it
  // has one: what they wrote can then be read here, and what they read can be written or freed.
  virtual Status wait_for_others() { return {}; }
};

}  // namespace weft
