// What a device is to the core: memory of its own, and streams on which work runs in order, later.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/status.h"
#include "core/tensor/memory.h"

namespace weft {

// Used by one thread at a time. Every function but `wait` returns before the work is done: memory of the process that it
// reads or writes must stay as it is until then.
class Stream {
 public:
  virtual ~Stream() = default;  // waits

  virtual Status copy_in(void* to, const void* from, int64_t bytes, int32_t step) = 0;
  virtual Status copy_out(void* to, const void* from, int64_t bytes, int32_t step) = 0;
  virtual Status copy(void* to, const void* from, int64_t bytes, int32_t step) = 0;  // within the device
  // Until everything that was put on the stream is done. Gives the first error of that work, with the step that it was put
  // there for in `step`, or -1 if the device cannot tell; after it the stream may be used again, unless the device is lost.
  virtual Status wait(int32_t* step) = 0;
};

// Any number of threads may use a device at once, each with streams of its own.
class Device : public Memory {
 public:
  virtual Result<std::unique_ptr<Stream>> make_stream() = 0;
};

}  // namespace weft
