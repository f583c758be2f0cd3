// Kernels of weft.SumTo: sums over the axes that broadcasting had stretched.
#include <algorithm>
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"
#include "core/kernels/cpu/reduce_common.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

// The input is read once, in order. Its axes alternate between kept and summed ones. The first kept
// axis (`outer`) and pieces of the first summed one (`slices`) are worked on in parallel; each
// slice has a partial result of its own, and these are added in their order at the end. Sums are
// taken in short groups first, so that rounding errors stay small however long the axis.
struct State {
  int64_t outer = 1;           // length of a leading kept axis
  int64_t summed = 1;          // length of the summed axis after it
  int64_t rest = 1;            // input elements behind one index of both
  int64_t rest_out = 1;        // output elements of these
  int64_t slices = 1;          // pieces of the summed axis
  int64_t slice = 1;           // indices in a piece
  std::vector<int64_t> dims;   // of the rest: kept, summed, kept, ...
  std::vector<int64_t> steps;  // of the rest in the output: 0 for the summed
  int64_t block = 1;           // slices handed to a thread at once
  bool convert = false;        // sums are kept in scratch memory first
  int64_t count_out = 0;
};

constexpr int64_t kGroup = 32;   // additions into one place before it is added to the next
constexpr int64_t kTile = 512;   // columns summed at once
constexpr int64_t kNarrow = 32;  // rows of so few columns are put side by side
constexpr int64_t kLanes = 16;

template <typename T>
T plus(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return wrap_add(a, b);
  else
    return a + b;
}

// The sum of n neighbours: sixteen lanes in groups, then the lanes in pairs.
template <typename T>
T sum_run(const T* x, int64_t n) {
  T total[kLanes] = {};
  int64_t i = 0;
  while (i + kLanes <= n) {
    T group[kLanes] = {};
    const int64_t end = std::min(n - kLanes + 1, i + kGroup * kLanes);
    for (; i < end; i += kLanes) {
      for (int64_t l = 0; l < kLanes; ++l) group[l] = plus(group[l], x[i + l]);
    }
    for (int64_t l = 0; l < kLanes; ++l) total[l] = plus(total[l], group[l]);
  }
  for (int64_t l = 0; i < n; ++i, ++l) total[l] = plus(total[l], x[i]);
  for (int64_t width = kLanes / 2; width > 0; width /= 2) {
    for (int64_t l = 0; l < width; ++l) total[l] = plus(total[l], total[l + width]);
  }
  return total[0];
}

// Adds `rows` rows of `columns` each into y.
template <typename T>
void add_rows(const T* x, int64_t rows, int64_t columns, T* y) {
  if (columns <= kNarrow && rows >= 2 * kGroup) {
    // Several rows side by side make one that is worth a loop.
    const int64_t width = kTile / columns, wide = rows / width;
    T sums[kTile] = {};
    add_rows(x, wide, width * columns, sums);
    for (int64_t i = 0; i < width * columns; ++i) y[i % columns] = plus(y[i % columns], sums[i]);
    x += wide * width * columns;
    rows -= wide * width;
  }
  T group[kTile];
  for (int64_t column = 0; column < columns; column += kTile) {
    const int64_t width = std::min(kTile, columns - column);
    for (int64_t row = 0; row < rows; row += kGroup) {
      const int64_t stop = std::min(rows, row + kGroup);
      const T* from = x + row * columns + column;
      for (int64_t i = 0; i < width; ++i) group[i] = from[i];
      for (int64_t r = row + 1; r < stop; ++r) {
        from += columns;
        for (int64_t i = 0; i < width; ++i) group[i] = plus(group[i], from[i]);
      }
      for (int64_t i = 0; i < width; ++i) y[column + i] = plus(y[column + i], group[i]);
    }
  }
}

// Adds `rows` indices of the summed axis, with the rest behind each, into y.
template <typename T>
void add_slice(const State& s, const T* x, int64_t rows, T* y) {
  if (s.dims.empty()) {
    *y = plus(*y, sum_run<T>(x, rows));
    return;
  }
  if (s.dims.size() == 1) {  // one kept axis
    add_rows(x, rows, s.dims[0], y);
    return;
  }
  const int last = static_cast<int>(s.dims.size()) - 1;
  const bool sums_runs = s.steps[last] == 0;
  const int64_t run = s.dims[last];
  int64_t index[kMaxCollapsedRank];
  for (int64_t row = 0; row < rows; ++row) {
    std::fill(index, index + last, 0);
    int64_t at = 0;
    for (int64_t done = 0; done < s.rest; done += run, x += run) {
      if (sums_runs) {
        y[at] = plus(y[at], sum_run<T>(x, run));
      } else {
        for (int64_t i = 0; i < run; ++i) y[at + i] = plus(y[at + i], x[i]);
      }
      for (int d = last - 1; d >= 0; --d) {
        at += s.steps[d];
        if (++index[d] < s.dims[d]) break;
        at -= s.dims[d] * s.steps[d];
        index[d] = 0;
      }
    }
  }
}

template <typename T>
void run(const State& s, const RunArgs& args) {
  const T* x = args.input<T>(0);
  T* y = args.output<T>(0);
  T* partial = s.convert ? static_cast<T*>(args.scratch) : reinterpret_cast<T*>(y);
  const double cost = 0.3 * static_cast<double>(s.slice * s.rest);
  parallel_for(*args.parallel, s.outer * s.slices, s.block, cost, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t piece = task % s.slices, at = task / s.slices;
      const int64_t first = piece * s.slice, rows = std::max<int64_t>(0, std::min(s.slice, s.summed - first));
      T* to = partial + piece * s.count_out + at * s.rest_out;
      std::fill(to, to + s.rest_out, T(0));
      if (rows != 0) add_slice<T>(s, x + (at * s.summed + first) * s.rest, rows, to);
    }
  });
  if (!s.convert) return;
  parallel_for(*args.parallel, s.count_out, kElementwiseBlock, static_cast<double>(s.slices),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   T sum = partial[i];
                   for (int64_t k = 1; k < s.slices; ++k) sum = plus(sum, partial[k * s.count_out + i]);
                   y[i] = sum;
                 }
               });
}

void copy(const int64_t& bytes, const RunArgs& args) {
  if (bytes != 0) std::memcpy(args.out[0], args.in[0], static_cast<size_t>(bytes));
}

// The axes of the input, neighbours of one kind together; those of size 1 are of any kind.
struct Axes {
  Shape dims;
  std::vector<bool> kept;
  bool fits = true;
};

Axes axes_of(const KernelContext& c) {
  const Shape &from = c.shape(0), &to = c.output_shape(0);
  Axes axes;
  axes.fits = to.size() <= from.size();
  for (size_t i = 0; axes.fits && i < from.size(); ++i) {
    size_t missing = from.size() - to.size();
    int64_t target = i < missing ? 1 : to[i - missing];
    axes.fits = target == from[i] || target == 1;
    if (from[i] == 1) continue;
    bool keep = i >= missing && target == from[i];
    if (!axes.dims.empty() && axes.kept.back() == keep) {
      axes.dims.back() *= from[i];
    } else {
      axes.dims.push_back(from[i]);
      axes.kept.push_back(keep);
    }
  }
  return axes;
}

template <typename T>
void run_vectors(const ReduceStages& stages, const RunArgs& args) {
  const Reduction<T>& sum = reduce_table(T()).sum;
  stages.run(*args.parallel, sum, sum, args.input<T>(0), static_cast<T*>(args.scratch), args.output<T>(0));
}

ReduceStages stages_of(const Axes& axes) {
  std::vector<bool> summed = axes.kept;
  summed.flip();
  return ReduceStages::make(axes.dims, summed);
}

bool accepts_vectors(const KernelContext& c) {
  if ((c.dtype(0) != DType::kF32 && c.dtype(0) != DType::kF64) || c.count(0) == 0) return false;
  const Axes axes = axes_of(c);
  return axes.fits && stages_of(axes).worthwhile();
}

Status prepare_vectors(const KernelContext& c, PreparedKernel* prepared) {
  ReduceStages stages = stages_of(axes_of(c));
  prepared->scratch_bytes = dtype_bytes(c.dtype(0), stages.scratch_count());
  prepared->cost_ns = stages.cost_ns();
  if (c.dtype(0) == DType::kF32)
    prepared->use<&run_vectors<float>>(std::move(stages));
  else
    prepared->use<&run_vectors<double>>(std::move(stages));
  return {};
}

bool takes_sum(const KernelContext& c) { return in_list(NumberElements{}, c.dtype(0)); }

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  auto [dims, kept, fits] = axes_of(c);
  if (!fits) {
    return invalid("a value of shape ", shape_text(c.output_shape(0)), " does not broadcast to ",
                   shape_text(c.shape(0)));
  }
  State state;
  state.count_out = c.output_count_of(0);
  const int64_t total = c.count(0);
  if (total == state.count_out && total != 0) {
    prepared->use<&copy>(total * dtype_size(c.dtype(0)));
    return {};
  }
  if (total == 0) {
    dims = {0};
    kept = {false};
  }
  size_t next = 0;
  if (next < dims.size() && kept[next]) state.outer = dims[next++];
  if (next < dims.size()) state.summed = dims[next++];
  for (size_t i = next; i < dims.size(); ++i) state.rest *= dims[i];
  state.dims.assign(dims.begin() + static_cast<int64_t>(next), dims.end());
  state.steps.assign(state.dims.size(), 0);
  for (size_t i = state.dims.size(); i-- > 0;) {
    if (!kept[next + i]) continue;
    state.steps[i] = state.rest_out;
    state.rest_out *= state.dims[i];
  }
  // Pieces worth a thread each, no more than there is memory for beside the input.
  constexpr int64_t kPiece = 32768, kMostPieces = 64;
  const int64_t piece = total / state.outer;
  const int64_t wanted =
      std::max<int64_t>(1, std::min({piece / kPiece, piece / state.rest_out / 8, state.summed / kGroup, kMostPieces}));
  state.slice = std::max<int64_t>(1, (state.summed + wanted - 1) / wanted);
  state.slices = std::max<int64_t>(1, (state.summed + state.slice - 1) / state.slice);
  state.block = std::max<int64_t>(1, kElementwiseBlock / std::max<int64_t>(1, state.slice * state.rest));
  if (total == 0) state.rest_out = state.count_out;
  state.convert = state.slices > 1;
  if (state.convert) prepared->scratch_bytes = state.count_out * state.slices * dtype_size(c.dtype(0));
  prepared->cost_ns = 0.3 * static_cast<double>(total);
  with_type(NumberElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&run<T>>(std::move(state)); });
  return {};
}

}  // namespace

void add_cpu_sum_to(KernelRegistry& kernels) {
  kernels.add("weft.SumTo", {"vectors", accepts_vectors, prepare_vectors});
  kernels.add("weft.SumTo", {"plain", takes_sum, prepare});
}

}  // namespace weft
