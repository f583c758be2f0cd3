// Reductions of f32 and f64 over any axes on vectors, for the Reduce family and for the gradient of broadcasting.
#include "core/kernels/cpu/reduce_common.h"

#include <algorithm>

namespace weft {
namespace {

constexpr int64_t kSegment = 65536;  // elements
constexpr int64_t kLeastRows = 64;
constexpr double kNsOfElement = 0.25;

template <typename T>
void run_stage(const ReduceStages::Stage& s, const Parallel& parallel, const Reduction<T>& reduction, const T* x,
               T* y) {
  const int64_t width = std::min(s.inner, kMostColumns), tiles = (s.inner + width - 1) / width;
  const int64_t work = s.segment * width;
  const int64_t block = std::max<int64_t>(1, kSegment / 4 / work);
  auto body = [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t part = task / tiles, column = task % tiles * width;
      const int64_t at = part / s.segments, row = part % s.segments * s.segment;
      const int64_t rows = std::min(s.segment, s.reduced - row);
      const T* from = x + (at * s.reduced + row) * s.inner + column;
      T* to = y + part * s.inner + column;
      if (s.inner == 1)
        *to = reduction.row(from, rows);
      else
        reduction.columns(from, rows, std::min(width, s.inner - column), s.inner, to);
    }
  };
  parallel_for(parallel, s.outer * s.segments * tiles, block, kNsOfElement * static_cast<double>(work), body);
}

// What the stages of one kind, first, third, ... or second, fourth, ..., leave for the next at most.
int64_t most_left(const ReduceStages& plan, size_t first) {
  int64_t most = 0;
  for (size_t i = first; i + 1 < plan.stages.size(); i += 2) most = std::max(most, plan.stages[i].count());
  return most;
}

}  // namespace

ReduceStages ReduceStages::make(const Shape& shape, const std::vector<bool>& reduced) {
  ReduceStages plan;
  int64_t outer = 1, inner = 1;
  for (int64_t dim : shape) outer *= dim;
  for (size_t i = shape.size(); i > 0;) {
    if (!reduced[i - 1]) {
      inner *= shape[--i];
      outer /= shape[i];
      continue;
    }
    int64_t n = 1;
    for (; i > 0 && (reduced[i - 1] || shape[i - 1] == 1); --i) n *= shape[i - 1];
    outer /= n;
    const int64_t most = inner == 1 ? kSegment : std::max(kLeastRows, kSegment / inner);
    while (n > 1) {
      const int64_t wanted = (n + most - 1) / most, segment = (n + wanted - 1) / wanted;
      const int64_t segments = (n + segment - 1) / segment;
      plan.stages.push_back({outer, n, inner, segment, segments});
      n = segments;
    }
  }
  return plan;
}

int64_t ReduceStages::scratch_count() const { return most_left(*this, 0) + most_left(*this, 1); }

double ReduceStages::cost_ns() const {
  double elements = 0;
  for (const Stage& s : stages) elements += static_cast<double>(s.outer * s.reduced * s.inner);
  return kNsOfElement * elements;
}

template <typename T>
void ReduceStages::run(const Parallel& parallel, const Reduction<T>& first, const Reduction<T>& next, const T* x,
                       T* scratch, T* y) const {
  T* const other = scratch + most_left(*this, 0);
  for (size_t i = 0; i < stages.size(); ++i) {
    T* to = i + 1 == stages.size() ? y : i % 2 == 0 ? scratch : other;
    run_stage(stages[i], parallel, i == 0 ? first : next, x, to);
    x = to;
  }
}

template void ReduceStages::run(const Parallel&, const Reduction<float>&, const Reduction<float>&, const float*, float*,
                                float*) const;
template void ReduceStages::run(const Parallel&, const Reduction<double>&, const Reduction<double>&, const double*,
                                double*, double*) const;

}  // namespace weft
