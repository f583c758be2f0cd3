// Where the bytes of a buffer come from until somebody wants them in memory: a file, or what they are computed from.
#pragma once

#include "core/tensor/digest.h"

namespace weft {

class FormCache;

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // All of them to `out`, the same each time. Safe for several threads at once. What was read for it does not stay in
  // memory. It cannot fail: whoever wants an element has no way to be told.
  virtual void write(void* out) const = 0;
  // The system may have the memory of a file's mapping back, until somebody reads there again.
  virtual void let_go() const = 0;
  // How many sources one `write` asks, itself among them.
  virtual int64_t steps() const = 0;
  // What tells these bytes from all others, found without computing them. `cache` remembers those of files.
  virtual Digest digest(FormCache& cache) const = 0;
};

}  // namespace weft
