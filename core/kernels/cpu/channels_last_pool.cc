// Pools over images whose channels lie side by side: whole pixels are compared or added.
#include <algorithm>
#include <limits>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/pool_common.h"
#include "core/op/window.h"

namespace weft {
namespace {

struct Pool {
  int64_t images, channels;
  int64_t in[2], out[2], kernel[2], stride[2], dilation[2], begin_pad[2], end_pad[2];
  bool count_pads;
};

WindowSpan span_of(const Pool& p, int axis, int64_t o) {
  return window_span(o * p.stride[axis] - p.begin_pad[axis], p.kernel[axis], p.dilation[axis], p.in[axis],
                     p.end_pad[axis]);
}

// Calls body(pixel) for the input pixels of a window, row by row; returns the size of the window in the padded image.
template <typename Body>
int64_t for_window(const Pool& p, int64_t oy, int64_t ox, Body&& body) {
  const WindowSpan rows = span_of(p, 0, oy), columns = span_of(p, 1, ox);
  for (int64_t i = 0; i < rows.count; ++i) {
    const int64_t row = (rows.first + i * p.dilation[0]) * p.in[1] + columns.first;
    for (int64_t j = 0; j < columns.count; ++j) body(row + j * p.dilation[1]);
  }
  return rows.padded * columns.padded;
}

// Calls body(input image, oy, ox, output pixel) for all output pixels.
template <typename T, typename Body>
void for_pixels(const Pool& p, const RunArgs& args, Body&& body) {
  const double cost = 0.3 * static_cast<double>(p.out[1] * p.channels * p.kernel[0] * p.kernel[1]);
  parallel_for(*args.parallel, p.images * p.out[0], 4, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* in = args.input<T>(0) + i / p.out[0] * p.in[0] * p.in[1] * p.channels;
      T* out = args.output<T>(0) + i * p.out[1] * p.channels;
      for (int64_t ox = 0; ox < p.out[1]; ++ox) body(in, i % p.out[0], ox, out + ox * p.channels);
    }
  });
}

template <typename T>
void max_pool(const Pool& p, const RunArgs& args) {
  for_pixels<T>(p, args, [&](const T* in, int64_t oy, int64_t ox, T* out) {
    bool first = true;
    for_window(p, oy, ox, [&](int64_t pixel) {
      const T* x = in + pixel * p.channels;
      if (first) {
        std::copy_n(x, p.channels, out);
        first = false;
        return;
      }
      // A NaN wins and stays.
      for (int64_t c = 0; c < p.channels; ++c) out[c] = x[c] > out[c] || x[c] != x[c] ? x[c] : out[c];
    });
    if (first) std::fill_n(out, p.channels, std::numeric_limits<T>::lowest());
  });
}

template <typename T>
void average_pool(const Pool& p, const RunArgs& args) {
  for_pixels<T>(p, args, [&](const T* in, int64_t oy, int64_t ox, T* out) {
    std::fill_n(out, p.channels, T(0));
    int64_t count = 0;
    const int64_t padded = for_window(p, oy, ox, [&](int64_t pixel) {
      const T* x = in + pixel * p.channels;
      for (int64_t c = 0; c < p.channels; ++c) out[c] += x[c];
      ++count;
    });
    const T size = static_cast<T>(p.count_pads ? padded : count);
    for (int64_t c = 0; c < p.channels; ++c) out[c] /= size;
  });
}

bool accepts(const KernelContext& c) {
  return (c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64) && (c.rank(0) == 3 || c.rank(0) == 4);
}

template <void (*F32)(const Pool&, const RunArgs&), void (*F64)(const Pool&, const RunArgs&)>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  const Shape &x = c.shape(0), &y = c.output_shape(0);
  const int64_t spatial = c.rank(0) - 2;
  const Window window = *read_window(c.attrs(), spatial, {});
  Pool p{};
  p.images = x[0];
  p.channels = x.back();
  p.count_pads = c.attrs().has("count_include_pad") && c.attrs().b("count_include_pad");
  for (int axis = 0; axis < 2; ++axis) {
    // With one spatial axis the height is 1.
    const int64_t from = axis - (2 - spatial);
    const bool given = from >= 0;
    const size_t at = given ? static_cast<size_t>(from) : 0;
    p.in[axis] = given ? x[at + 1] : 1;
    p.out[axis] = given ? y[at + 1] : 1;
    p.kernel[axis] = given ? window.kernel[at].value() : 1;
    p.stride[axis] = given ? window.strides[at] : 1;
    p.dilation[axis] = given ? window.dilations[at] : 1;
    if (!given) continue;
    p.begin_pad[axis] = window.begin_pad(from, p.in[axis], p.out[axis]);
    p.end_pad[axis] = window.end_pad(from, p.in[axis], p.out[axis]);
  }
  prepared->cost_ns = 0.3 * static_cast<double>(c.output_count_of(0) * p.kernel[0] * p.kernel[1]);
  if (c.dtype(0) == DType::kF32)
    prepared->use<F32>(p);
  else
    prepared->use<F64>(p);
  return {};
}

}  // namespace

void add_cpu_channels_last_pool(KernelRegistry& kernels) {
  kernels.add("weft.ChannelsLastMaxPool", {"pixels", accepts, prepare<max_pool<float>, max_pool<double>>});
  kernels.add("weft.ChannelsLastAveragePool", {"pixels", accepts, prepare<average_pool<float>, average_pool<double>>});
}

}  // namespace weft
