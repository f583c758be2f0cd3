// What convolutions over images whose channels lie side by side share.
#pragma once

#include <algorithm>

#include "core/base/divide_up.h"
#include "core/kernels/cpu/limits_common.h"
#include "core/kernels/cpu/packed_common.h"
#include "core/simd/taps.h"

namespace weft {

// With one spatial axis the height is 1.
struct ConvGeometry {
  int64_t images, in_h, in_w, in_c, out_h, out_w, out_c, group;
  int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;

  int64_t pixels() const { return out_h * out_w; }
  int64_t taps() const { return kernel_h * kernel_w; }
  bool one_filter_each() const { return group > 1 && group == in_c && out_c == in_c; }
  // Whether each output pixel sees the input pixel in its place and no other.
  bool sees_itself() const { return taps() == 1 && stride_h == 1 && stride_w == 1 && in_h == out_h && in_w == out_w; }
  // What the windows reach of an image with its padding, or that image where it is larger.
  int64_t reach_h() const { return std::max(pad_h + in_h, (out_h - 1) * stride_h + (kernel_h - 1) * dilation_h + 1); }
  int64_t reach_w() const { return std::max(pad_w + in_w, (out_w - 1) * stride_w + (kernel_w - 1) * dilation_w + 1); }
};

// Of a node with inputs X and W, whose attributes are those of Conv.
ConvGeometry read_geometry(const KernelContext& c);
// Of a node with these shapes.
ConvGeometry read_geometry(const KernelContext& c, const Shape& x, const Shape& w, const Shape& y);

// A pixel of the padding.
template <typename T>
Result<std::shared_ptr<Buffer>> zeros(int64_t count) {
  WEFT_TRY(auto buffer, Buffer::allocate(count * static_cast<int64_t>(sizeof(T))));
  std::fill_n(static_cast<T*>(buffer->data()), count, T(0));
  return buffer;
}

// Most places of a filter of one channel, whose taps are found on the stack.
constexpr int64_t kMostLaneTaps = 256;

// One filter for each channel as [tap][channel].
template <typename T>
void pack_lane_filters(const ConvGeometry& g, const T* w, T* to) {
  for (int64_t tap = 0; tap < g.taps(); ++tap) {
    for (int64_t c = 0; c < g.in_c; ++c) *to++ = w[c * g.taps() + tap];
  }
}
template <typename T>
Result<std::shared_ptr<const Buffer>> packed_lane_filters(const ConvGeometry& g, const Tensor& w, FormCache* cache) {
  return packed_constant<T>(w, "one filter for each channel", g.taps() * g.in_c, cache,
                            [&](const T* elements, T* to) { pack_lane_filters(g, elements, to); });
}

inline const TapTable<float>& tap_table(float) { return tap_table_f32(current_isa()); }
inline const TapTable<double>& tap_table(double) { return tap_table_f64(current_isa()); }

// Copies of all images as [padded_h, padded_w, in_c], with zeros around them.
template <typename T>
void pad_images(const ConvGeometry& g, int64_t padded_h, int64_t padded_w, const T* x, T* to, const Parallel& parallel);

// Whether the padding of an image is no more than a few times the image, or small.
bool pads_little(const ConvGeometry& g, int64_t padded_h, int64_t padded_w);

// Places of something, [first, past).
struct Range {
  int64_t first, past;
};

// Some channels of one filter each, whose taps see the first of these; `init` are those of all channels, or null. What is left
// to say is how many pixels there are, and where they go.
template <typename T>
LaneTile<T> lane_tile(const ConvGeometry& g, Range channels, const LaneTap<T>* taps, const T* weight, const T* init,
                      Limits<T> limits) {
  LaneTile<T> t{};
  t.columns = channels.past - channels.first;
  t.taps = g.taps();
  t.a = taps;
  t.b = weight + channels.first;
  t.b_row = g.in_c;
  t.init = init != nullptr ? init + channels.first : nullptr;
  t.limits = limits;
  return t;
}

// Pixels of `from` channels times a weight [to, from, 1, ...].
template <typename T>
Gemm<T> product_of_pixels(int64_t pixels, int64_t from, int64_t to, Limits<T> limits) {
  Gemm<T> gemm;
  gemm.m = pixels;
  gemm.n = gemm.c_row = to;
  gemm.k = gemm.a_row = gemm.b_column = from;
  gemm.b_row = 1;
  gemm.init_column = 1;
  gemm.limits = limits;
  return gemm;
}

// The outputs along an axis for which the window's place `at` steps behind its beginning lies in the image.
inline Range seeing(int64_t at, int64_t pad, int64_t stride, int64_t in, int64_t out) {
  const int64_t before = pad - at;  // so far before the image is what the first output sees
  return {before > 0 ? divide_up(before, stride) : 0,
          in + before > 0 ? std::min(out, divide_up(in + before, stride)) : 0};
}

// The outputs along an axis whose windows lie in the image.
inline Range seeing_whole(int64_t kernel, int64_t dilation, int64_t pad, int64_t stride, int64_t in, int64_t out) {
  const Range first = seeing(0, pad, stride, in, out), last = seeing((kernel - 1) * dilation, pad, stride, in, out);
  const int64_t begin = std::min(std::max(first.first, last.first), out);
  return {begin, std::max(begin, std::min(first.past, last.past))};
}

}  // namespace weft
