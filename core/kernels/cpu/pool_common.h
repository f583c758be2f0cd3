// What pools share: the part of a window that lies in the image.
#pragma once

#include <algorithm>
#include <cstdint>

namespace weft {

// Along one axis: the first input place of a window, how many of its places lie in the image, and how many in the padded
// image.
struct WindowSpan {
  int64_t first, count, padded;
};

// Of a window that starts at `start`, before the image if that is negative. A window may be far larger than the image.
inline WindowSpan window_span(int64_t start, int64_t kernel, int64_t dilation, int64_t image, int64_t end_pad) {
  auto before = [&](int64_t end) {
    return start >= end ? 0 : std::min<int64_t>(kernel, (end - start - 1) / dilation + 1);
  };
  const int64_t skipped = before(0);
  return {start + skipped * dilation, before(image) - skipped, before(image + end_pad)};
}

}  // namespace weft
