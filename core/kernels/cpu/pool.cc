// Kernels of pools, and of picking and adding elements at flat places.
#include <algorithm>
#include <cstring>
#include <limits>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/pool_common.h"
#include "core/kernels/cpu/quantized_common.h"
#include "core/op/window.h"

namespace weft {
namespace {

struct Pool {
  int64_t planes = 1, in_size = 1, out_size = 1;
  double window_size = 1;  // a guess of the work; the number of elements may not fit
  Shape in, out, kernel;
  std::vector<int64_t> strides, dilations, begin_pads, end_pads;
  bool count_pads = false, indices = false, columns = false;

  // Where an element of a window takes so long.
  double plane_ns(double of_element) const { return of_element * static_cast<double>(out_size) * window_size; }
};

// Calls body(place in the plane) for each element of the window of output `o` that lies inside; returns how many places
// of it lie inside the padded plane. Goes through no others: a window may be far larger than the plane.
template <typename Body>
int64_t for_window(const Pool& p, int64_t o, Body&& body) {
  int rank = static_cast<int>(p.in.size());
  int64_t first[3], count[3], total = 1, padded = 1;
  for (int d = rank; d-- > 0;) {
    const int64_t start = o % p.out[d] * p.strides[d] - p.begin_pads[d];
    o /= p.out[d];
    const WindowSpan span = window_span(start, p.kernel[d], p.dilations[d], p.in[d], p.end_pads[d]);
    first[d] = span.first;
    count[d] = span.count;
    total *= span.count;
    padded *= span.padded;
  }
  for (int64_t k = 0; k < total; ++k) {
    int64_t index[3], rest = k, at = 0;
    for (int d = rank; d-- > 0;) {
      index[d] = first[d] + rest % count[d] * p.dilations[d];
      rest /= count[d];
    }
    for (int d = 0; d < rank; ++d) at = at * p.in[d] + index[d];
    body(at);
  }
  return padded;
}

// A place in the plane, counted along the first axis first.
int64_t column_major(const Pool& p, int64_t at) {
  int64_t place = 0;
  for (size_t d = p.in.size(); d-- > 0;) {
    place = place * p.in[d];
    int64_t below = 1;
    for (size_t e = d + 1; e < p.in.size(); ++e) below *= p.in[e];
    place += at / below % p.in[d];
  }
  return place;
}

constexpr int64_t kPlanes = 4;

template <typename T>
void max_pool(const Pool& p, const RunArgs& args) {
  const T* x = args.input<T>(0);
  T* y = args.output<T>(0);
  int64_t* indices = p.indices ? args.output<int64_t>(1) : nullptr;
  const double cost = p.plane_ns(2.0);
  parallel_for(*args.parallel, p.planes, kPlanes, cost, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const T* from = x + plane * p.in_size;
      for (int64_t o = 0; o < p.out_size; ++o) {
        int64_t best = -1;
        for_window(p, o, [&](int64_t at) {
          if (best < 0 || from[at] > from[best] || (from[at] != from[at] && from[best] == from[best])) best = at;
        });
        y[plane * p.out_size + o] = best < 0 ? std::numeric_limits<T>::lowest() : from[best];
        if (indices == nullptr) continue;
        int64_t place = p.columns && best >= 0 ? column_major(p, best) : best;
        indices[plane * p.out_size + o] = best < 0 ? -1 : plane * p.in_size + place;
      }
    }
  });
}

template <typename T>
void average_pool(const Pool& p, const RunArgs& args) {
  const T* x = args.input<T>(0);
  T* y = args.output<T>(0);
  const double cost = p.plane_ns(2.0);
  parallel_for(*args.parallel, p.planes, kPlanes, cost, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const T* from = x + plane * p.in_size;
      for (int64_t o = 0; o < p.out_size; ++o) {
        T sum = 0;
        int64_t count = 0;
        int64_t padded = for_window(p, o, [&](int64_t at) {
          sum += from[at];
          ++count;
        });
        y[plane * p.out_size + o] = sum / static_cast<T>(p.count_pads ? padded : count);
      }
    }
  });
}

// The same of the numbers that bytes stand for.
struct PoolOfBytes {
  Pool pool;
  float numbers[256];  // by the byte's bits
  ByteResult y;
};

void average_pool_of_bytes(const PoolOfBytes& s, const RunArgs& args) {
  const Pool& p = s.pool;
  const double cost = p.plane_ns(2.0);
  parallel_for(*args.parallel, p.planes, kPlanes, cost, [&](int64_t begin, int64_t end) {
    constexpr int64_t kAtOnce = 256;
    float means[kAtOnce];
    for (int64_t plane = begin; plane < end; ++plane) {
      const uint8_t* from = args.input<uint8_t>(0) + plane * p.in_size;
      uint8_t* to = args.output<uint8_t>(0) + plane * p.out_size;
      for (int64_t first = 0; first < p.out_size; first += kAtOnce) {
        const int64_t n = std::min(kAtOnce, p.out_size - first);
        for (int64_t i = 0; i < n; ++i) {
          float sum = 0;
          int64_t count = 0;
          const int64_t padded = for_window(p, first + i, [&](int64_t at) {
            sum += s.numbers[from[at]];
            ++count;
          });
          means[i] = sum / static_cast<float>(p.count_pads ? padded : count);
        }
        quantized_table().quantize(means, n, 1, s.y, to + first);
      }
    }
  });
}

template <typename T>
void average_pool_grad(const Pool& p, const RunArgs& args) {
  const T* dy = args.input<T>(0);
  T* dx = args.output<T>(0);
  const double cost = p.plane_ns(3.0);
  parallel_for(*args.parallel, p.planes, kPlanes, cost, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      T* to = dx + plane * p.in_size;
      std::fill_n(to, p.in_size, T(0));
      for (int64_t o = 0; o < p.out_size; ++o) {
        int64_t count = 0;
        int64_t padded = for_window(p, o, [&](int64_t) { ++count; });
        T share = dy[plane * p.out_size + o] / static_cast<T>(p.count_pads ? padded : count);
        for_window(p, o, [&](int64_t at) { to[at] += share; });
      }
    }
  });
}

Pool make_pool(const KernelContext& c, const Shape& x, const Shape& y) {
  Pool p;
  int64_t spatial = static_cast<int64_t>(x.size()) - 2;
  Window window = *read_window(c.attrs(), spatial, {});
  p.planes = x[0] * x[1];
  p.in.assign(x.begin() + 2, x.end());
  p.out.assign(y.begin() + 2, y.end());
  p.kernel = to_shape(window.kernel);
  p.strides = window.strides;
  p.dilations = window.dilations;
  for (int64_t i = 0; i < spatial; ++i) {
    p.begin_pads.push_back(window.begin_pad(i, p.in[i], p.out[i]));
    p.end_pads.push_back(window.end_pad(i, p.in[i], p.out[i]));
    p.in_size *= p.in[i];
    p.out_size *= p.out[i];
    p.window_size *= static_cast<double>(std::min(p.kernel[i], p.in[i]));
  }
  if (const AttrValue* count = c.attrs().find("count_include_pad")) p.count_pads = count->i() != 0;
  if (const AttrValue* order = c.attrs().find("storage_order")) p.columns = order->i() == 1;
  p.indices = c.has_output(1);
  return p;
}

Status prepare_max(const KernelContext& c, PreparedKernel* prepared) {
  Pool p = make_pool(c, c.shape(0), c.output_shape(0));
  prepared->cost_ns = p.plane_ns(2.0) * static_cast<double>(p.planes);
  switch (c.dtype(0)) {
    case DType::kF32: prepared->use<&max_pool<float>>(std::move(p)); break;
    case DType::kF64: prepared->use<&max_pool<double>>(std::move(p)); break;
    case DType::kI8: prepared->use<&max_pool<int8_t>>(std::move(p)); break;
    default: prepared->use<&max_pool<uint8_t>>(std::move(p)); break;
  }
  return {};
}
Status prepare_average(const KernelContext& c, PreparedKernel* prepared) {
  Pool p = make_pool(c, c.shape(0), c.output_shape(0));
  prepared->cost_ns = p.plane_ns(2.0) * static_cast<double>(p.planes);
  if (c.dtype(0) == DType::kF32)
    prepared->use<&average_pool<float>>(std::move(p));
  else
    prepared->use<&average_pool<double>>(std::move(p));
  return {};
}
Status prepare_average_of_bytes(const KernelContext& c, PreparedKernel* prepared) {
  PoolOfBytes state{make_pool(c, c.shape(0), c.output_shape(0)), {}, read_byte_result(c)};
  uint8_t all[256];
  for (size_t i = 0; i < std::size(all); ++i) all[i] = static_cast<uint8_t>(i);
  const ByteCode code = read_byte_code(c.attrs(), "x_scale", "x_zero_point", c.dtype(0));
  quantized_table().dequantize(all, static_cast<int64_t>(std::size(all)), code, state.numbers);
  prepared->cost_ns = state.pool.plane_ns(2.0) * static_cast<double>(state.pool.planes);
  prepared->use<&average_pool_of_bytes>(std::move(state));
  return {};
}
Status prepare_average_grad(const KernelContext& c, PreparedKernel* prepared) {
  Pool p = make_pool(c, c.output_shape(0), c.shape(0));
  prepared->cost_ns = p.plane_ns(3.0) * static_cast<double>(p.planes);
  if (c.dtype(0) == DType::kF32)
    prepared->use<&average_pool_grad<float>>(std::move(p));
  else
    prepared->use<&average_pool_grad<double>>(std::move(p));
  return {};
}

struct Flat {
  int64_t count, size;
};
bool inside(const Flat& f, int64_t at, const RunArgs& args) {
  if (at >= -1 && at < f.size) return true;
  *args.status = out_of_range("index ", at, " is outside a tensor of ", f.size, " elements");
  return false;
}
template <typename T>
void scatter_at(const Flat& f, const RunArgs& args) {
  const T* values = args.input<T>(0);
  const int64_t* indices = args.input<int64_t>(1);
  T* out = args.output<T>(0);
  std::fill_n(out, f.size, T(0));
  for (int64_t i = 0; i < f.count; ++i) {
    if (!inside(f, indices[i], args)) return;
    if (indices[i] >= 0) out[indices[i]] += values[i];
  }
}
template <typename T>
void gather_at(const Flat& f, const RunArgs& args) {
  const T* data = args.input<T>(0);
  const int64_t* indices = args.input<int64_t>(1);
  T* out = args.output<T>(0);
  for (int64_t i = 0; i < f.count; ++i) {
    if (!inside(f, indices[i], args)) return;
    out[i] = indices[i] >= 0 ? data[indices[i]] : T(0);
  }
}
Status prepare_scatter_at(const KernelContext& c, PreparedKernel* prepared) {
  Flat f{c.count(1), c.output_count_of(0)};
  prepared->cost_ns = static_cast<double>(f.count) + 0.2 * static_cast<double>(f.size);
  prepared->most_threads = 1;
  if (c.dtype(0) == DType::kF32)
    prepared->use<&scatter_at<float>>(f);
  else
    prepared->use<&scatter_at<double>>(f);
  return {};
}
Status prepare_gather_at(const KernelContext& c, PreparedKernel* prepared) {
  Flat f{c.count(1), c.count(0)};
  prepared->cost_ns = static_cast<double>(f.count);
  prepared->most_threads = 1;
  if (c.dtype(0) == DType::kF32)
    prepared->use<&gather_at<float>>(f);
  else
    prepared->use<&gather_at<double>>(f);
  return {};
}

bool takes_float(const KernelContext& c) { return c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64; }
bool takes_plane(const KernelContext& c) { return takes_float(c) && c.rank(0) <= 5; }
bool takes_plane_of_bytes(const KernelContext& c) { return c.rank(0) <= 5; }
bool takes_max(const KernelContext& c) {
  return (takes_float(c) || c.dtype(0) == DType::kI8 || c.dtype(0) == DType::kU8) && c.rank(0) <= 5;
}

}  // namespace

void add_cpu_pool(KernelRegistry& kernels) {
  kernels.add("MaxPool", {"plain", takes_max, prepare_max});
  kernels.add("AveragePool", {"plain", takes_plane, prepare_average});
  kernels.add("weft.QLinearAveragePool", {"plain", takes_plane_of_bytes, prepare_average_of_bytes});
  kernels.add("weft.AveragePoolGrad", {"plain", takes_plane, prepare_average_grad});
  kernels.add("weft.ScatterAt", {"plain", takes_float, prepare_scatter_at});
  kernels.add("weft.GatherAt", {"plain", takes_float, prepare_gather_at});
}

}  // namespace weft
