// Kernels of ArgMax, ArgMin and CumSum.
#include "core/kernels/cpu/lines_common.h"

namespace weft {
namespace {

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
  parallel_for(*args.parallel, l.outer * l.inner, 64, static_cast<double>(l.size), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t start = i / l.inner * l.size * l.inner + i % l.inner;
      T sum{};
      for (int64_t step = 0; step < l.size; ++step) {
        int64_t at = start + (s.reverse ? l.size - 1 - step : step) * l.inner;
        T before_it = sum, element = x[at];
        if constexpr (std::is_integral_v<T>)
          sum = wrap_add(sum, element);
        else
          sum = sum + element;
        y[at] = static_cast<T>(s.exclusive ? before_it : sum);
      }
    }
  });
}

Status prepare_cum_sum(const KernelContext& c, PreparedKernel* prepared) {
  if (c.rank(0) == 0) return invalid("x must have at least one dimension");
  if (c.count(1) != 1) return invalid("the axis must be one number but is ", shape_text(c.shape(1)));
  CumSumState s{c.shape(0), c.attrs().b("exclusive"), c.attrs().b("reverse"), c.dtype(1) == DType::kI64};
  prepared->cost_ns = static_cast<double>(c.count(0));
  with_type(NumberElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&cum_sum<T>>(s); });
  return {};
}

}  // namespace

void add_cpu_arg(KernelRegistry& kernels) {
  kernels.add("ArgMax", {"plain", has_elements, prepare_arg<true>});
  kernels.add("ArgMin", {"plain", has_elements, prepare_arg<false>});
  kernels.add("CumSum", {"plain", has_elements, prepare_cum_sum});
}

}  // namespace weft
