// What convolutions over images whose channels lie side by side share.
#include "core/kernels/cpu/channels_last_common.h"

#include "core/op/window.h"

namespace weft {

ConvGeometry read_geometry(const KernelContext& c) {
  return read_geometry(c, c.shape(0), c.shape(1), c.output_shape(0));
}

ConvGeometry read_geometry(const KernelContext& c, const Shape& x, const Shape& w, const Shape& y) {
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

template <typename T>
void pad_images(const ConvGeometry& g, int64_t padded_h, int64_t padded_w, const T* x, T* to,
                const Parallel& parallel) {
  const int64_t row = padded_w * g.in_c;
  const int64_t inside = std::min(g.in_w, padded_w - g.pad_w) * g.in_c, before = g.pad_w * g.in_c;
  parallel_for(parallel, g.images * padded_h, 16, 0.3 * static_cast<double>(row), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / padded_h, y = i % padded_h - g.pad_h;
      T* out = to + i * row;
      if (y < 0 || y >= g.in_h) {
        std::fill_n(out, row, T(0));
        continue;
      }
      std::fill_n(out, before, T(0));
      std::copy_n(x + (image * g.in_h + y) * g.in_w * g.in_c, inside, out + before);
      std::fill(out + before + inside, out + row, T(0));
    }
  });
}
template void pad_images(const ConvGeometry&, int64_t, int64_t, const float*, float*, const Parallel&);
template void pad_images(const ConvGeometry&, int64_t, int64_t, const double*, double*, const Parallel&);

bool pads_little(const ConvGeometry& g, int64_t padded_h, int64_t padded_w) {
  constexpr double kTimes = 4, kSmall = 4096;
  return static_cast<double>(padded_h) * static_cast<double>(padded_w) <
         kTimes * static_cast<double>(g.in_h * g.in_w) + kSmall;
}

}  // namespace weft
