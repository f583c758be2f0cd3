// Kernels of ArgMax, ArgMin, TopK and CumSum.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

// A tensor as [outer, size, inner] around an axis.
struct Lines {
  int64_t outer = 1, size = 0, inner = 1;
};

Lines lines_of(const Shape& shape, int64_t axis) {
  Lines lines;
  if (axis < 0) axis += static_cast<int64_t>(shape.size());
  for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i) {
    if (i < axis) lines.outer *= shape[static_cast<size_t>(i)];
    if (i > axis) lines.inner *= shape[static_cast<size_t>(i)];
  }
  lines.size = shape[static_cast<size_t>(axis)];
  return lines;
}

// a comes before b: is larger (or smaller), with NaN at the front.
template <typename T>
bool before(T a, T b, bool largest) {
  if constexpr (!std::is_integral_v<T>) {
    Wide<T> x = a, y = b;
    if (std::isnan(y)) return false;
    if (std::isnan(x)) return true;
    return largest ? x > y : x < y;
  } else {
    return largest ? a > b : a < b;
  }
}

struct ArgState {
  Lines lines;
  bool max, last;
};

template <typename T>
void arg(const ArgState& s, const RunArgs& args) {
  const T* x = args.input<T>(0);
  int64_t* out = args.output<int64_t>(0);
  const Lines& l = s.lines;
  parallel_for(*args.parallel, l.outer * l.inner, 64, static_cast<double>(l.size), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* line = x + i / l.inner * l.size * l.inner + i % l.inner;
      int64_t best = 0;
      for (int64_t k = 1; k < l.size; ++k) {
        const T candidate = line[k * l.inner], held = line[best * l.inner];
        if (before(candidate, held, s.max) || (s.last && !before(held, candidate, s.max))) best = k;
      }
      out[i] = best;
    }
  });
}

template <bool max>
Status prepare_arg(const KernelContext& c, PreparedKernel* prepared) {
  ArgState s{lines_of(c.shape(0), c.attrs().i("axis")), max, c.attrs().b("select_last_index")};
  if (s.lines.size == 0 && s.lines.outer * s.lines.inner > 0) {
    return invalid("the axis of ", shape_text(c.shape(0)), " is empty, so nothing is largest on it");
  }
  prepared->cost_ns = static_cast<double>(c.count(0));
  with_type(NumberElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&arg<T>>(s); });
  return {};
}

struct TopKState {
  Lines lines;
  int64_t k;
  bool largest;
};

template <typename T>
void top_k(const TopKState& s, const RunArgs& args) {
  const T* x = args.input<T>(0);
  T* values = args.output<T>(0);
  int64_t* indices = args.output<int64_t>(1);
  const Lines& l = s.lines;
  int64_t* order = static_cast<int64_t*>(args.scratch);
  for (int64_t i = 0; i < l.outer * l.inner; ++i) {
    const T* line = x + i / l.inner * l.size * l.inner + i % l.inner;
    int64_t start = i / l.inner * s.k * l.inner + i % l.inner;
    std::iota(order, order + l.size, int64_t{0});
    // NaN is the largest: of the smallest ones it comes last.
    auto first = [&](int64_t a, int64_t b) {
      const T x_a = line[a * l.inner], x_b = line[b * l.inner];
      if (s.largest ? before(x_a, x_b, true) : before(x_b, x_a, true)) return true;
      if (s.largest ? before(x_b, x_a, true) : before(x_a, x_b, true)) return false;
      return a < b;
    };
    std::partial_sort(order, order + s.k, order + l.size, first);
    for (int64_t k = 0; k < s.k; ++k) {
      values[start + k * l.inner] = line[order[k] * l.inner];
      indices[start + k * l.inner] = order[k];
    }
  }
}

Status prepare_top_k(const KernelContext& c, PreparedKernel* prepared) {
  int64_t axis = c.attrs().i("axis");
  TopKState s{lines_of(c.shape(0), axis), lines_of(c.output_shape(0), axis).size, c.attrs().b("largest")};
  if (s.k > s.lines.size) {
    return invalid("K is ", s.k, " but axis ", axis, " of ", shape_text(c.shape(0)), " has fewer elements");
  }
  prepared->scratch_bytes = s.lines.size * 8;
  prepared->cost_ns = 10.0 * static_cast<double>(c.count(0));
  with_type(NumberElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&top_k<T>>(s); });
  return {};
}

struct CumSumState {
  Shape shape;
  bool exclusive, reverse, wide_axis;
};

template <typename T>
void cum_sum(const CumSumState& s, const RunArgs& args) {
  int64_t axis = s.wide_axis ? *args.input<int64_t>(1) : *args.input<int32_t>(1);
  int64_t rank = static_cast<int64_t>(s.shape.size());
  if (axis < -rank || axis >= rank) {
    *args.status = invalid("the axis is ", axis, " but x has ", rank, " dimensions");
    return;
  }
  const Lines l = lines_of(s.shape, axis);
  const T* x = args.input<T>(0);
  T* y = args.output<T>(0);
  for (int64_t i = 0; i < l.outer * l.inner; ++i) {
    int64_t start = i / l.inner * l.size * l.inner + i % l.inner;
    Wide<T> sum{};
    for (int64_t step = 0; step < l.size; ++step) {
      int64_t at = start + (s.reverse ? l.size - 1 - step : step) * l.inner;
      Wide<T> before_it = sum, element = x[at];
      if constexpr (std::is_integral_v<T>)
        sum = wrap_add(sum, element);
      else
        sum = sum + element;
      y[at] = static_cast<T>(s.exclusive ? before_it : sum);
    }
  }
}

Status prepare_cum_sum(const KernelContext& c, PreparedKernel* prepared) {
  if (c.rank(0) == 0) return invalid("x must have at least one dimension");
  if (c.count(1) != 1) return invalid("the axis must be one number but is ", shape_text(c.shape(1)));
  CumSumState s{c.shape(0), c.attrs().b("exclusive"), c.attrs().b("reverse"), c.dtype(1) == DType::kI64};
  prepared->cost_ns = static_cast<double>(c.count(0));
  with_type(NumberElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&cum_sum<T>>(s); });
  return {};
}

bool has_elements(const KernelContext& c) {
  return with_type(NumberElements{}, c.dtype(0), []<typename T>() {});
}

}  // namespace

void add_cpu_arg(KernelRegistry& kernels) {
  kernels.add("ArgMax", {"plain", has_elements, prepare_arg<true>});
  kernels.add("ArgMin", {"plain", has_elements, prepare_arg<false>});
  kernels.add("TopK", {"plain", has_elements, prepare_top_k});
  kernels.add("CumSum", {"plain", has_elements, prepare_cum_sum});
}

}  // namespace weft
