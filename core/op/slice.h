// Where a slice along one axis begins, for its shape and for its elements.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace weft {

// Counted from the end where negative.
inline int64_t slice_place(int64_t at, int64_t size) {
  return at < 0 && at > std::numeric_limits<int64_t>::min() + size ? at + size : at;
}

// ONNX's clamping: a start that is out of range is moved to the nearest place at which something may begin.
inline int64_t slice_start(int64_t start, int64_t step, int64_t size) {
  start = slice_place(start, size);
  return step > 0 ? std::clamp<int64_t>(start, 0, size) : std::clamp<int64_t>(start, 0, std::max<int64_t>(size - 1, 0));
}

}  // namespace weft
