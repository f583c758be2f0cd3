// Pools over images whose channels lie side by side, and their gradients: whole pixels are compared or added.
#include <algorithm>
#include <cstring>
#include <limits>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/channels_last_common.h"
#include "core/kernels/cpu/pool_common.h"
#include "core/kernels/cpu/quantized_common.h"
#include "core/op/window.h"
#include "core/simd/pool.h"

namespace weft {
namespace {

const PoolTable<float>& table_of(float) { return pool_table_f32(current_isa()); }
const PoolTable<double>& table_of(double) { return pool_table_f64(current_isa()); }

// Neighbours in a row of output pixels whose windows have as many pixels, one as far behind the other as the next.
struct Run {
  int64_t first, windows;
};

struct Pool {
  int64_t images, channels;
  int64_t in[2], out[2], stride[2], dilation[2];  // with one spatial axis the height is 1
  std::vector<WindowSpan> spans[2];               // of the windows along each axis
  std::vector<Run> runs;
  bool count_pads;
  double pixel_cost;  // of an output pixel

  int64_t in_size() const { return in[0] * in[1] * channels; }
  int64_t out_size() const { return out[0] * out[1] * channels; }
  const WindowSpan& rows(int64_t oy) const { return spans[0][static_cast<size_t>(oy)]; }
  const WindowSpan& columns(int64_t ox) const { return spans[1][static_cast<size_t>(ox)]; }
};

// Calls body(pixel) for the input pixels of a window, row by row.
template <typename Body>
void for_window(const Pool& p, int64_t oy, int64_t ox, Body&& body) {
  const WindowSpan &rows = p.rows(oy), &columns = p.columns(ox);
  for (int64_t i = 0; i < rows.count; ++i) {
    const int64_t row = (rows.first + i * p.dilation[0]) * p.in[1] + columns.first;
    for (int64_t j = 0; j < columns.count; ++j) body(row + j * p.dilation[1]);
  }
}

// What a sum over the window is divided by: all its places in the padded image, or those in the image.
template <typename T>
T window_size(const Pool& p, int64_t oy, int64_t ox) {
  const WindowSpan &rows = p.rows(oy), &columns = p.columns(ox);
  return static_cast<T>(p.count_pads ? rows.padded * columns.padded : rows.count * columns.count);
}

// Calls body(windows, offset of the first one's input, its place in the row of output pixels) for `channels` of the windows
// of a row that have pixels; what else the row has is given to none(first, windows). With `reaches` vectors may reach behind
// the channels, though not beyond the image and the row.
template <typename T, typename Body, typename None>
void for_windows(const Pool& p, int64_t oy, int64_t channels, bool reaches, Body&& body, None&& none) {
  if (p.runs.empty()) return;
  const int64_t vector = table_of(T()).vector, rest = channels % vector, past = channels - rest + vector;
  const WindowSpan& rows = p.rows(oy);
  for (const Run& run : p.runs) {
    const WindowSpan& columns = p.columns(run.first);
    if (rows.count == 0 || columns.count == 0) {
      none(run.first, run.windows);
      continue;
    }
    PoolWindows<T> w{};
    w.step = p.stride[1] * p.channels;
    w.y_step = p.channels;
    w.rows = rows.count;
    w.columns = columns.count;
    w.row_step = p.dilation[0] * p.in[1] * p.channels;
    w.column_step = p.dilation[1] * p.channels;
    w.channels = channels;
    const int64_t begin = (rows.first * p.in[1] + columns.first) * p.channels;
    const int64_t last = begin + (w.rows - 1) * w.row_step + (w.columns - 1) * w.column_step;
    int64_t reaching = reaches && rest != 0 ? run.windows : 0;
    while (reaching > 0 && (last + (reaching - 1) * w.step + past > p.in_size() ||
                            (run.first + reaching - 1) * p.channels + past > p.out[1] * p.channels)) {
      --reaching;
    }
    w.reaches = true;
    w.windows = reaching;
    if (w.windows > 0) body(w, begin, run.first);
    w.reaches = false;
    w.windows = run.windows - reaching;
    if (w.windows > 0) body(w, begin + reaching * w.step, run.first + reaching);
  }
}

// Calls body(image, oy, elements before the row of output pixels) for all rows.
template <typename Body>
void for_rows(const Pool& p, const RunArgs& args, Body&& body) {
  if (p.runs.empty()) return;  // no elements
  const double cost = p.pixel_cost * static_cast<double>(p.out[1]);
  parallel_for(*args.parallel, p.images * p.out[0], 4, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i / p.out[0], i % p.out[0], i * p.out[1] * p.channels);
  });
}

template <typename T>
void max_pool(const Pool& p, const RunArgs& args) {
  for_rows(p, args, [&](int64_t image, int64_t oy, int64_t row) {
    const T* x = args.input<T>(0) + image * p.in_size();
    T* y = args.output<T>(0) + row;
    for_windows<T>(
        p, oy, p.channels, true,
        [&](PoolWindows<T>& windows, int64_t begin, int64_t first) {
          windows.x = x + begin;
          table_of(T()).max(windows, y + first * p.channels);
        },
        [&](int64_t first, int64_t windows) {
          std::fill_n(y + first * p.channels, windows * p.channels, std::numeric_limits<T>::lowest());
        });
  });
}

// Of bytes, so many at once that the compiler makes vectors of them.
template <typename T>
void take_greater(const T* x, int64_t n, T* y) {
  constexpr int64_t kAtOnce = 16;
  int64_t i = 0;
  for (; i + kAtOnce <= n; i += kAtOnce) {
    T most[kAtOnce];
    for (int64_t j = 0; j < kAtOnce; ++j) most[j] = std::max(x[i + j], y[i + j]);
    std::memcpy(y + i, most, kAtOnce);
  }
  for (; i < n; ++i) y[i] = std::max(x[i], y[i]);
}

template <typename T>
void max_pool_of_bytes(const Pool& p, const RunArgs& args) {
  for_rows(p, args, [&](int64_t image, int64_t oy, int64_t row) {
    const T* x = args.input<T>(0) + image * p.in_size();
    T* y = args.output<T>(0) + row;
    for (int64_t ox = 0; ox < p.out[1]; ++ox, y += p.channels) {
      std::fill_n(y, p.channels, std::numeric_limits<T>::lowest());
      for_window(p, oy, ox, [&](int64_t pixel) { take_greater(x + pixel * p.channels, p.channels, y); });
    }
  });
}

template <typename T>
void average_pool(const Pool& p, const RunArgs& args) {
  for_rows(p, args, [&](int64_t image, int64_t oy, int64_t row) {
    T* out = args.output<T>(0) + row;
    for (int64_t ox = 0; ox < p.out[1]; ++ox, out += p.channels) {
      std::fill_n(out, p.channels, T(0));
      for_window(p, oy, ox, [&](int64_t pixel) {
        const T* x = args.input<T>(0) + image * p.in_size() + pixel * p.channels;
        for (int64_t c = 0; c < p.channels; ++c) out[c] += x[c];
      });
      const T size = window_size<T>(p, oy, ox);
      for (int64_t c = 0; c < p.channels; ++c) out[c] /= size;
    }
  });
}

// The same of the numbers that bytes stand for, some channels at a time.
struct PoolOfBytes {
  Pool pool;
  ByteCode x;
  ByteResult y;
};

void average_pool_of_bytes(const PoolOfBytes& s, const RunArgs& args) {
  constexpr int64_t kAtOnce = 256;
  const Pool& p = s.pool;
  const QuantizedTable& table = quantized_table();
  for_rows(p, args, [&](int64_t image, int64_t oy, int64_t row) {
    const uint8_t* x = args.input<uint8_t>(0) + image * p.in_size();
    uint8_t* out = args.output<uint8_t>(0) + row;
    for (int64_t ox = 0; ox < p.out[1]; ++ox, out += p.channels) {
      const float size = window_size<float>(p, oy, ox);
      for (int64_t first = 0; first < p.channels; first += kAtOnce) {
        const int64_t n = std::min(kAtOnce, p.channels - first);
        float sums[kAtOnce] = {};
        for_window(p, oy, ox, [&](int64_t pixel) { table.add(x + pixel * p.channels + first, n, s.x, sums); });
        table.quantize(sums, n, size, s.y, out + first);
      }
    }
  });
}

// Windows may share pixels, so an image, or some of its channels, is worked on by one thread, in the order of the output.
constexpr int64_t kChannels = 64;

// Calls body(oy, elements before the image, elements before the row of output pixels, channels), where both are counted to
// the first of so many channels. The gradient is 0 before.
template <typename T, typename Body>
void for_gradients(const Pool& p, const RunArgs& args, Body&& body) {
  const int64_t parts = divide_up(p.channels, kChannels), pixels = p.in[0] * p.in[1];
  const double cost = p.pixel_cost * static_cast<double>(p.out[0] * p.out[1]) / static_cast<double>(parts);
  parallel_for(*args.parallel, p.images * parts, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / parts, first = i % parts * kChannels;
      const int64_t channels = std::min(kChannels, p.channels - first);
      T* dx = args.output<T>(0) + image * p.in_size() + first;
      if (channels == p.channels) {
        std::fill_n(dx, p.in_size(), T(0));
      } else {
        for (int64_t pixel = 0; pixel < pixels; ++pixel) std::fill_n(dx + pixel * p.channels, channels, T(0));
      }
      for (int64_t oy = 0; oy < p.out[0]; ++oy) {
        body(oy, image * p.in_size() + first, (image * p.out[0] + oy) * p.out[1] * p.channels + first, channels);
      }
    }
  });
}

// The gradient goes to the first element that is the maximum.
template <typename T>
void max_pool_grad(const Pool& p, const RunArgs& args) {
  const T *dy = args.input<T>(0), *x = args.input<T>(1), *y = args.input<T>(2);
  T* dx = args.output<T>(0);
  for_gradients<T>(p, args, [&](int64_t oy, int64_t image, int64_t row, int64_t channels) {
    for_windows<T>(
        p, oy, channels, false,
        [&](PoolWindows<T>& windows, int64_t begin, int64_t first) {
          windows.x = x + image + begin;
          const int64_t at = row + first * p.channels;
          table_of(T()).max_grad(windows, y + at, dy + at, dx + image + begin);
        },
        [](int64_t, int64_t) {});
  });
}

template <typename T>
void average_pool_grad(const Pool& p, const RunArgs& args) {
  for_gradients<T>(p, args, [&](int64_t oy, int64_t image, int64_t row, int64_t channels) {
    const T* dy = args.input<T>(0) + row;
    for (int64_t ox = 0; ox < p.out[1]; ++ox, dy += p.channels) {
      const T size = window_size<T>(p, oy, ox);
      T share[kChannels];
      for (int64_t c = 0; c < channels; ++c) share[c] = dy[c] / size;
      for_window(p, oy, ox, [&](int64_t pixel) {
        T* to = args.output<T>(0) + image + pixel * p.channels;
        for (int64_t c = 0; c < channels; ++c) to[c] += share[c];
      });
    }
  });
}

bool accepts(const KernelContext& c) {
  return (c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64) && (c.rank(0) == 3 || c.rank(0) == 4);
}

bool accepts_bytes(const KernelContext& c) {
  return (c.dtype(0) == DType::kI8 || c.dtype(0) == DType::kU8) && (c.rank(0) == 3 || c.rank(0) == 4);
}

std::vector<Run> find_runs(const Pool& p) {
  std::vector<Run> runs;
  for (int64_t ox = 0; ox < static_cast<int64_t>(p.spans[1].size()); ++ox) {
    const bool goes_on = ox > 0 && p.columns(ox).count == p.columns(ox - 1).count &&
                         p.columns(ox).first == p.columns(ox - 1).first + p.stride[1];
    if (!goes_on) runs.push_back({ox, 0});
    ++runs.back().windows;
  }
  return runs;
}

Pool read_pool(const KernelContext& c, const Shape& x, const Shape& y) {
  const int64_t spatial = static_cast<int64_t>(x.size()) - 2;
  const Window window = *read_window(c.attrs(), spatial, {});
  Pool p{};
  p.images = x[0];
  p.channels = x.back();
  p.count_pads = c.attrs().has("count_include_pad") && c.attrs().b("count_include_pad");
  const bool empty = std::count(y.begin(), y.end(), 0) != 0;
  double size = 1;  // the number of elements may not fit
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t from = axis - (2 - spatial);
    const bool given = from >= 0;
    const size_t at = given ? static_cast<size_t>(from) : 0;
    p.in[axis] = given ? x[at + 1] : 1;
    p.out[axis] = given ? y[at + 1] : 1;
    p.stride[axis] = given ? window.strides[at] : 1;
    p.dilation[axis] = given ? window.dilations[at] : 1;
    const int64_t kernel = given ? window.kernel[at].value() : 1;
    const int64_t before = given ? window.begin_pad(from, p.in[axis], p.out[axis]) : 0;
    const int64_t behind = given ? window.end_pad(from, p.in[axis], p.out[axis]) : 0;
    for (int64_t o = 0; o < p.out[axis] && !empty; ++o) {
      p.spans[axis].push_back(window_span(o * p.stride[axis] - before, kernel, p.dilation[axis], p.in[axis], behind));
    }
    size *= static_cast<double>(std::min(kernel, p.in[axis]));
  }
  p.runs = find_runs(p);
  p.pixel_cost = 0.3 * static_cast<double>(p.channels) * size;
  return p;
}

template <void (*F32)(const Pool&, const RunArgs&), void (*F64)(const Pool&, const RunArgs&)>
Status use(const KernelContext& c, PreparedKernel* prepared, Pool pool) {
  prepared->cost_ns = pool.pixel_cost * static_cast<double>(pool.images * pool.out[0] * pool.out[1]);
  if (c.dtype(0) == DType::kF32)
    prepared->use<F32>(std::move(pool));
  else
    prepared->use<F64>(std::move(pool));
  return {};
}
template <void (*F32)(const Pool&, const RunArgs&), void (*F64)(const Pool&, const RunArgs&)>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  return use<F32, F64>(c, prepared, read_pool(c, c.shape(0), c.output_shape(0)));
}
template <void (*F32)(const Pool&, const RunArgs&), void (*F64)(const Pool&, const RunArgs&)>
Status prepare_grad(const KernelContext& c, PreparedKernel* prepared) {
  return use<F32, F64>(c, prepared, read_pool(c, c.output_shape(0), c.shape(0)));
}

Status prepare_bytes(const KernelContext& c, PreparedKernel* prepared) {
  Pool pool = read_pool(c, c.shape(0), c.output_shape(0));
  pool.pixel_cost /= 8;
  prepared->cost_ns = pool.pixel_cost * static_cast<double>(pool.images * pool.out[0] * pool.out[1]);
  if (c.dtype(0) == DType::kI8)
    prepared->use<&max_pool_of_bytes<int8_t>>(std::move(pool));
  else
    prepared->use<&max_pool_of_bytes<uint8_t>>(std::move(pool));
  return {};
}

Status prepare_average_of_bytes(const KernelContext& c, PreparedKernel* prepared) {
  PoolOfBytes state{read_pool(c, c.shape(0), c.output_shape(0)),
                    read_byte_code(c.attrs(), "x_scale", "x_zero_point", c.dtype(0)), read_byte_result(c)};
  const Pool& pool = state.pool;
  prepared->cost_ns = pool.pixel_cost * static_cast<double>(pool.images * pool.out[0] * pool.out[1]);
  prepared->use<&average_pool_of_bytes>(std::move(state));
  return {};
}

}  // namespace

void add_cpu_channels_last_pool(KernelRegistry& kernels) {
  auto add = [&](const char* op, Status (*prepare)(const KernelContext&, PreparedKernel*)) {
    kernels.add(op, {"pixels", accepts, prepare});
  };
  add("weft.ChannelsLastMaxPool", prepare<max_pool<float>, max_pool<double>>);
  kernels.add("weft.ChannelsLastMaxPool", {"bytes", accepts_bytes, prepare_bytes});
  add("weft.ChannelsLastAveragePool", prepare<average_pool<float>, average_pool<double>>);
  kernels.add("weft.ChannelsLastQLinearAveragePool", {"bytes", accepts_bytes, prepare_average_of_bytes});
  add("weft.ChannelsLastMaxPoolGrad", prepare_grad<max_pool_grad<float>, max_pool_grad<double>>);
  add("weft.ChannelsLastAveragePoolGrad", prepare_grad<average_pool_grad<float>, average_pool_grad<double>>);
}

}  // namespace weft
