// What a device is to the core: memory of its own, and streams on which work runs in order, later.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/status.h"
#include "core/tensor/memory.h"

namespace weft {

// Work of a stream that was written down instead of done, to be put on it again and again. Goes before its stream does.
class Recording {
 public:
  virtual ~Recording() = default;
};

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

  // From `record` to `recorded` the work of kernels and copies within the device is written down. Work that was begun as
  // `recorded` fails is as if it had not been asked for. Only of streams that can.
  virtual bool can_record() const { return false; }
  virtual Status record() { return {}; }
  virtual Result<std::unique_ptr<Recording>> recorded() { return std::unique_ptr<Recording>(); }
  // Puts it on the stream. What it was recorded with (addresses, steps) is what it works with.
  virtual Status replay([[maybe_unused]] Recording& recording) { return {}; }
};

// Any number of threads may use a device at once, each with streams of its own.
class Device : public Memory {
 public:
  virtual Result<std::unique_ptr<Stream>> make_stream() = 0;
};

}  // namespace weft
