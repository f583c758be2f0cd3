// Kernels of ArgMax, ArgMin and CumSum.
#include <algorithm>

#include "core/kernels/cpu/lines_common.h"
#include "core/kernels/cpu/stop_common.h"

namespace weft {
namespace {

// So many columns at most go side by side, in vectors: the best of each so far and its place are on the stack.
constexpr int64_t kColumns = 512;
// Of fewer than so many columns, rows that follow each other are taken for one wide row, if that leaves enough of them.
template <typename T>
constexpr int64_t kLanes = 128 / static_cast<int64_t>(sizeof(T));
constexpr int64_t kLeastWideRows = 4;
// Else narrow rows are taken as they are, from so many columns on.
constexpr int64_t kLeastColumns = 4;

// The place of an element among rows, as wide as the element, so that vectors hold as many of both.
template <typename T>
using Place = std::make_unsigned_t<
    std::conditional_t<std::is_integral_v<T>, T, std::conditional_t<sizeof(T) == 4, int32_t, int64_t>>>;
// Rows that have one, and between which nobody asks whether to stop.
template <typename T>
constexpr int64_t kRows = sizeof(T) == 1 ? 256 : 1024;

struct ArgState {
  Lines lines;
  int64_t fold;  // rows in a wide one; 0: each line goes by itself
  double element_ns;
};

template <typename T>
int64_t fold_of(const Lines& l) {
  const int64_t fold = std::max<int64_t>(1, kLanes<T> / std::max<int64_t>(1, l.inner));
  if (fold == 1 || l.size >= kLeastWideRows * fold) return fold;
  return l.inner >= kLeastColumns ? 1 : 0;
}

// Whether a later element comes in place of the one held: NaN is the best, and of equal ones the first or the last is. Without
// branches, which vectors cannot take.
template <bool max, bool last, typename T>
bool better(T later, T held) {
  const bool not_behind = max ? later >= held : later <= held, not_ahead = max ? later <= held : later >= held;
  if constexpr (std::is_integral_v<T>)
    return last ? not_behind : !not_ahead;
  else
    return last ? not_behind | std::isnan(later) : !not_ahead & !std::isnan(held);
}

// The best of each column and its place, of at most kRows rows.
template <bool max, bool last, typename T>
void look(const T* x, int64_t rows, int64_t columns, int64_t stride, T* __restrict best, Place<T>* __restrict places) {
  std::copy_n(x, columns, best);
  std::fill_n(places, columns, Place<T>(0));
  for (int64_t k = 1; k < rows; ++k) {
    const T* row = x + k * stride;
    const Place<T> place = static_cast<Place<T>>(k);
    for (int64_t i = 0; i < columns; ++i) {
      const bool taken = better<max, last>(row[i], best[i]);
      best[i] = taken ? row[i] : best[i];
      places[i] = taken ? place : places[i];
    }
  }
}

// Of any number of rows, or of those before the run was stopped.
template <bool max, bool last, typename T>
void look_at_all(const T* x, int64_t rows, int64_t columns, int64_t stride, StopCheck& stop, T* best, int64_t* places) {
  T found[kColumns];
  Place<T> at[kColumns];
  for (int64_t begin = 0; begin < rows; begin += kRows<T>) {
    const int64_t count = std::min(kRows<T>, rows - begin);
    look<max, last>(x + begin * stride, count, columns, stride, begin == 0 ? best : found, at);
    if (begin == 0) std::copy_n(at, columns, places);
    for (int64_t i = 0; begin > 0 && i < columns; ++i) {
      if (!better<max, last>(found[i], best[i])) continue;
      best[i] = found[i];
      places[i] = begin + static_cast<int64_t>(at[i]);
    }
    if (stop.after(count * columns)) return;
  }
}

// The place of the best of the line at x: of those of its lanes, `inner` from each other, and what is behind the last wide row.
template <bool max, bool last, typename T>
int64_t join(const ArgState& s, const T* x, const T* best, const int64_t* places) {
  const int64_t inner = s.lines.inner, wide = s.fold > 0 ? s.lines.size / s.fold * s.fold : 0;
  T held = x[0];
  int64_t at = 0;
  for (int64_t lane = 0; wide > 0 && lane < s.fold; ++lane) {
    const T other = best[lane * inner];
    const int64_t place = places[lane * inner] * s.fold + lane;
    // Lanes are not in the order of their places.
    if (place > at ? better<max, last>(other, held) : !better<max, last>(held, other)) {
      held = other;
      at = place;
    }
  }
  for (int64_t k = wide; k < s.lines.size; ++k) {
    const T later = x[k * inner];
    const bool taken = better<max, last>(later, held);
    held = taken ? later : held;
    at = taken ? k : at;
  }
  return at;
}

template <typename T, bool max, bool last>
void arg(const ArgState& s, const RunArgs& args) {
  const Lines& l = s.lines;
  const int64_t tiles = (l.inner + kColumns - 1) / kColumns, wide_rows = s.fold > 0 ? l.size / s.fold : 0;
  const int64_t elements = std::max<int64_t>(1, l.size * std::min(l.inner, kColumns));
  const auto run = [&](int64_t begin, int64_t end) {
    StopCheck stop(*args.parallel);
    T best[kColumns];
    int64_t places[kColumns];
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t outer = tile / tiles, column = tile % tiles * kColumns;
      const int64_t columns = std::min(kColumns, l.inner - column);
      const T* x = args.input<T>(0) + outer * l.size * l.inner + column;
      int64_t* out = args.output<int64_t>(0) + outer * l.inner + column;
      const bool whole = s.fold == 1;
      look_at_all<max, last>(x, wide_rows, whole ? columns : s.fold * l.inner, s.fold * l.inner, stop, best,
                             whole ? out : places);
      for (int64_t i = 0; !whole && i < columns; ++i) out[i] = join<max, last>(s, x + i, best + i, places + i);
    }
  };
  parallel_for(*args.parallel, l.outer * tiles, std::max<int64_t>(1, 4096 / elements),
               s.element_ns * static_cast<double>(elements), run);
}

template <bool max>
Status prepare_arg(const KernelContext& c, PreparedKernel* prepared) {
  const Lines lines = lines_of(c.shape(0), c.attrs().i("axis"));
  if (lines.size == 0 && lines.outer * lines.inner > 0) {
    return invalid("the axis of ", shape_text(c.shape(0)), " is empty, so nothing is largest on it");
  }
  with_type(NumberElements{}, c.dtype(0), [&]<typename T>() {
    const int64_t fold = fold_of<T>(lines);
    const ArgState s{lines, fold, fold > 0 ? 0.06 * sizeof(T) : 1.0};
    prepared->cost_ns = s.element_ns * static_cast<double>(c.count(0));
    if (c.attrs().b("select_last_index"))
      prepared->use<&arg<T, max, true>>(s);
    else
      prepared->use<&arg<T, max, false>>(s);
  });
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
