// Kernels of sums over sliding windows, and of what flows back through them.
#include <algorithm>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/pool_common.h"
#include "core/kernels/cpu/stop_common.h"
#include "core/op/window.h"
#include "core/tensor/tensor.h"

namespace weft {
namespace {

struct PoolAxis {
  int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, pad = 0;

  bool keeps_all() const { return kernel == 1 && stride == 1 && pad == 0 && in == out; }
  WindowSpan span(int64_t o) const { return window_span(o * stride - pad, kernel, dilation, in, 0); }
};

// The last axis makes rows; what lies before it is gone through one output row at a time.
struct SumPool {
  int64_t planes = 1, in_rows = 1, out_rows = 1;  // rows of one plane
  std::vector<PoolAxis> outer;
  PoolAxis row;

  double row_ns() const {
    double taps = static_cast<double>(std::min(row.kernel, row.in));
    for (const PoolAxis& axis : outer) taps *= static_cast<double>(std::min(axis.kernel, axis.in));
    return 0.3 * taps * static_cast<double>(row.out);
  }
};

// Calls fn(row of the input) for each row in the windows of an output row, in order.
template <typename Fn>
void for_rows(const SumPool& p, int64_t out_row, Fn&& fn) {
  const int axes = static_cast<int>(p.outer.size());
  WindowSpan spans[kMostAxes];
  int64_t total = 1;
  for (int d = axes; d-- > 0;) {
    spans[d] = p.outer[d].span(out_row % p.outer[d].out);
    out_row /= p.outer[d].out;
    total *= spans[d].count;
  }
  for (int64_t k = 0; k < total; ++k) {
    int64_t rest = k, at = 0, below = 1;
    for (int d = axes; d-- > 0;) {
      at += (spans[d].first + rest % spans[d].count * p.outer[d].dilation) * below;
      rest /= spans[d].count;
      below *= p.outer[d].in;
    }
    fn(at);
  }
}

// Calls fn(first output, one behind the last, input of the first) for each place of windows that move by one: outputs and
// inputs lie side by side. Places at which no window is inside are not gone through.
template <typename Fn>
void for_places(const PoolAxis& a, Fn&& fn) {
  const int64_t least = a.pad - a.out + 1;
  for (int64_t k = least > 0 ? (least + a.dilation - 1) / a.dilation : 0; k < a.kernel; ++k) {
    const int64_t offset = k * a.dilation - a.pad;
    if (offset >= a.in) break;
    const int64_t begin = std::max<int64_t>(0, -offset);
    fn(begin, std::min(a.out, a.in - offset), begin + offset);
  }
}

// Calls fn(window, output) for each window that does not move by one.
template <typename Fn>
void for_windows(const PoolAxis& a, StopCheck& stop, Fn&& fn) {
  for (int64_t o = 0; o < a.out; ++o) {
    const WindowSpan span = a.span(o);
    if (stop.after(span.count + 1)) return;
    fn(span, o);
  }
}

template <typename T>
void add_row(const PoolAxis& a, StopCheck& stop, const T* x, T* y) {
  if (a.stride == 1) {
    for_places(a, [&](int64_t begin, int64_t end, int64_t from) {
      if (stop.after(end - begin)) return;
      for (int64_t i = 0; i < end - begin; ++i) y[begin + i] += x[from + i];
    });
    return;
  }
  for_windows(a, stop, [&](const WindowSpan& span, int64_t o) {
    for (int64_t k = 0; k < span.count; ++k) y[o] += x[span.first + k * a.dilation];
  });
}
template <typename T>
void add_row_back(const PoolAxis& a, StopCheck& stop, const T* dy, T* dx) {
  if (a.stride == 1) {
    for_places(a, [&](int64_t begin, int64_t end, int64_t from) {
      if (stop.after(end - begin)) return;
      for (int64_t i = 0; i < end - begin; ++i) dx[from + i] += dy[begin + i];
    });
    return;
  }
  for_windows(a, stop, [&](const WindowSpan& span, int64_t o) {
    for (int64_t k = 0; k < span.count; ++k) dx[span.first + k * a.dilation] += dy[o];
  });
}

template <typename T>
void sum_pool(const SumPool& p, const RunArgs& args) {
  const T* x = args.input<T>(0);
  T* y = args.output<T>(0);
  const int64_t block = std::max<int64_t>(1, 4096 / std::max<int64_t>(1, p.row.out));
  parallel_for(*args.parallel, p.planes * p.out_rows, block, p.row_ns(), [&](int64_t begin, int64_t end) {
    StopCheck stop(*args.parallel);
    for (int64_t r = begin; r < end; ++r) {
      T* to = y + r * p.row.out;
      const T* plane = x + r / p.out_rows * p.in_rows * p.row.in;
      std::fill_n(to, p.row.out, T(0));
      for_rows(p, r % p.out_rows, [&](int64_t row) { add_row(p.row, stop, plane + row * p.row.in, to); });
    }
  });
}

template <typename T>
void sum_pool_grad(const SumPool& p, const RunArgs& args) {
  const T* dy = args.input<T>(0);
  T* dx = args.output<T>(0);
  const double cost = p.row_ns() * static_cast<double>(p.out_rows);
  parallel_for(*args.parallel, p.planes, 1, cost, [&](int64_t begin, int64_t end) {
    StopCheck stop(*args.parallel);
    for (int64_t plane = begin; plane < end; ++plane) {
      T* to = dx + plane * p.in_rows * p.row.in;
      std::fill_n(to, p.in_rows * p.row.in, T(0));
      for (int64_t r = 0; r < p.out_rows; ++r) {
        const T* from = dy + (plane * p.out_rows + r) * p.row.out;
        for_rows(p, r, [&](int64_t row) { add_row_back(p.row, stop, from, to + row * p.row.in); });
      }
    }
  });
}

SumPool plan_sum_pool(const KernelContext& c, const Shape& x, const Shape& y) {
  SumPool p;
  const int64_t spatial = static_cast<int64_t>(x.size()) - 2;
  const Window window = *read_window(c.attrs(), spatial, {});
  p.planes = x[0] * x[1];
  for (int64_t i = 0; i < spatial; ++i) {
    const int64_t in = x[i + 2], out = y[i + 2];
    PoolAxis axis{
        in, out, window.kernel[i].value(), window.strides[i], window.dilations[i], window.begin_pad(i, in, out)};
    // Axes along which nothing is added are one.
    if (!p.outer.empty() && axis.keeps_all() && p.outer.back().keeps_all()) {
      p.outer.back().in *= in;
      p.outer.back().out *= out;
    } else {
      p.outer.push_back(axis);
    }
  }
  p.row = p.outer.back();
  p.outer.pop_back();
  for (const PoolAxis& axis : p.outer) {
    p.in_rows *= axis.in;
    p.out_rows *= axis.out;
  }
  return p;
}

template <bool back>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  SumPool p = back ? plan_sum_pool(c, c.output_shape(0), c.shape(0)) : plan_sum_pool(c, c.shape(0), c.output_shape(0));
  prepared->cost_ns = p.row_ns() * static_cast<double>(p.planes) * static_cast<double>(p.out_rows);
  if (c.dtype(0) == DType::kF32)
    prepared->use<back ? &sum_pool_grad<float> : &sum_pool<float>>(std::move(p));
  else
    prepared->use<back ? &sum_pool_grad<double> : &sum_pool<double>>(std::move(p));
  return {};
}
bool takes_float(const KernelContext& c) { return c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64; }

}  // namespace

void add_cpu_sum_pool(KernelRegistry& kernels) {
  kernels.add("weft.SumPool", {"plain", takes_float, prepare<false>});
  kernels.add("weft.SumPoolGrad", {"plain", takes_float, prepare<true>});
}

}  // namespace weft
