// What convolutions over images whose channels lie side by side share.
#include "core/kernels/cpu/channels_last_common.h"

#include "core/op/window.h"

namespace weft {

ConvGeometry read_geometry(const KernelContext& c) {
  const Shape &x = c.shape(0), &w = c.shape(1), &y = c.output_shape(0);
  const int64_t spatial = static_cast<int64_t>(x.size()) - 2;
  Window window = *read_window(c.attrs(), spatial, to_dims(Shape(w.begin() + 2, w.end())));
  ConvGeometry g;
  g.images = x[0];
  g.in_c = x.back();
  g.out_c = w[0];
  g.group = c.attrs().i("group");
  const size_t last = static_cast<size_t>(spatial) - 1;
  g.in_w = x[last + 1];
  g.out_w = y[last + 1];
  g.kernel_w = w[last + 2];
  g.stride_w = window.strides[last];
  g.dilation_w = window.dilations[last];
  g.pad_w = window.begin_pad(static_cast<int64_t>(last), g.in_w, g.out_w);
  const bool flat = spatial == 1;
  g.in_h = flat ? 1 : x[1];
  g.out_h = flat ? 1 : y[1];
  g.kernel_h = flat ? 1 : w[2];
  g.stride_h = flat ? 1 : window.strides[0];
  g.dilation_h = flat ? 1 : window.dilations[0];
  g.pad_h = flat ? 0 : window.begin_pad(0, g.in_h, g.out_h);
  return g;
}

}  // namespace weft
