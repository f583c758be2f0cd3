// What convolutions over images whose channels lie side by side share.
#pragma once

#include <algorithm>

#include "core/kernels/cpu/limits_common.h"

namespace weft {

// With one spatial axis the height is 1.
struct ConvGeometry {
  int64_t images, in_h, in_w, in_c, out_h, out_w, out_c, group;
  int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;

  int64_t pixels() const { return out_h * out_w; }
  int64_t taps() const { return kernel_h * kernel_w; }
  bool one_filter_each() const { return group > 1 && group == in_c && out_c == in_c; }
};

// Of a node with inputs X and W, whose attributes are those of Conv.
ConvGeometry read_geometry(const KernelContext& c);

// A pixel of the padding.
template <typename T>
Result<std::shared_ptr<Buffer>> zeros(int64_t count) {
  WEFT_TRY(auto buffer, Buffer::allocate(count * static_cast<int64_t>(sizeof(T))));
  std::fill_n(static_cast<T*>(buffer->data()), count, T(0));
  return buffer;
}

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace weft
