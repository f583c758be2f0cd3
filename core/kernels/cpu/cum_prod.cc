// Kernels of CumProd and weft.LinearScan.
#include "core/kernels/cpu/lines_common.h"

namespace weft {
namespace {

struct Walk {
  Shape shape;
  int axis_input;
  bool wide_axis, reverse, exclusive = false, late = false, gives_before = false;

  // The lines of the axis that the run is told; `size` is -1 where there is no such axis.
  Lines lines(const RunArgs& args) const {
    const int64_t axis = wide_axis ? *args.input<int64_t>(axis_input) : *args.input<int32_t>(axis_input);
    const int64_t rank = static_cast<int64_t>(shape.size());
    if (axis >= -rank && axis < rank) return lines_of(shape, axis);
    *args.status = invalid("the axis is ", axis, " but the input has ", rank, " dimensions");
    return {0, -1, 0};
  }
};

// Calls walk(place of the first element, step to the next) for each line.
template <typename Fn>
void for_lines(const Lines& l, bool reverse, const RunArgs& args, Fn&& walk) {
  const int64_t step = reverse ? -l.inner : l.inner, last = (l.size - 1) * l.inner;
  parallel_for(*args.parallel, l.outer * l.inner, 64, static_cast<double>(l.size), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      walk(i / l.inner * l.size * l.inner + i % l.inner + (reverse ? last : 0), step);
    }
  });
}

template <typename T>
void cum_prod(const Walk& s, const RunArgs& args) {
  const Lines l = s.lines(args);
  if (l.size <= 0) return;
  const T* x = args.input<T>(0);
  T* y = args.output<T>(0);
  for_lines(l, s.reverse, args, [&](int64_t at, int64_t step) {
    Wide<T> product{1};
    for (int64_t k = 0; k < l.size; ++k, at += step) {
      const Wide<T> before = product, element = x[at];
      if constexpr (std::is_integral_v<T>)
        product = wrap_mul(product, element);
      else
        product = product * element;
      y[at] = static_cast<T>(s.exclusive ? before : product);
    }
  });
}

template <typename T>
void linear_scan(const Walk& s, const RunArgs& args) {
  const Lines l = s.lines(args);
  if (l.size <= 0) return;
  const T *a = args.input<T>(0), *b = args.input<T>(1);
  T *y = args.output<T>(0), *before = s.gives_before ? args.output<T>(1) : nullptr;
  for_lines(l, s.reverse, args, [&](int64_t at, int64_t step) {
    Wide<T> carried{0}, factor{0};
    for (int64_t k = 0; k < l.size; ++k, at += step) {
      if (before != nullptr) before[at] = static_cast<T>(carried);
      if (!s.late) factor = a[at];
      carried = carried == Wide<T>(0) ? Wide<T>(b[at]) : Wide<T>(b[at]) + factor * carried;
      y[at] = static_cast<T>(carried);
      if (s.late) factor = a[at];
    }
  });
}

Walk read_walk(const KernelContext& c, PreparedKernel* prepared, int axis_input) {
  prepared->cost_ns = static_cast<double>(c.count(0));
  return {c.shape(0), axis_input, c.dtype(axis_input) == DType::kI64, c.attrs().b("reverse")};
}

Status prepare_cum_prod(const KernelContext& c, PreparedKernel* prepared) {
  Walk walk = read_walk(c, prepared, 1);
  walk.exclusive = c.attrs().b("exclusive");
  with_type(NumberElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&cum_prod<T>>(std::move(walk)); });
  return {};
}
bool has_floats(const KernelContext& c) { return in_list(FloatElements{}, c.dtype(0)); }

Status prepare_linear_scan(const KernelContext& c, PreparedKernel* prepared) {
  Walk walk = read_walk(c, prepared, 2);
  walk.late = c.attrs().b("late");
  walk.gives_before = c.has_output(1);
  with_type(FloatElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&linear_scan<T>>(std::move(walk)); });
  return {};
}

}  // namespace

void add_cpu_cum_prod(KernelRegistry& kernels) {
  kernels.add("CumProd", {"plain", has_elements, prepare_cum_prod});
  kernels.add("weft.LinearScan", {"plain", has_floats, prepare_linear_scan});
}

}  // namespace weft
