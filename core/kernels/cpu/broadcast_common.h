// Broadcasting for elementwise kernels: shapes are collapsed once in prepare; run walks over
// contiguous runs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "core/kernel/kernel.h"

namespace weft {

// How operands are read to fill an output. Axes of size 1 are dropped and neighbours merged
// wherever every operand steps through both alike, so two operands of one shape have a single axis.
struct Broadcast {
  int64_t count = 0;                        // elements of the output
  std::vector<int64_t> dims;                // outermost first, at least one
  std::vector<std::vector<int64_t>> steps;  // by operand and axis: elements to move; 0 where it repeats
  // Along the last axis an operand either moves by one element or stays.
  int64_t last_step(int operand) const { return steps[operand].back(); }
};

// Every operand must broadcast to `out`.
Broadcast plan_broadcast(const Shape& out, const std::vector<Shape>& operands);
Broadcast plan_broadcast(const KernelContext& context);  // all inputs of a node to its first output

// Axes left when all are at least 2 and the elements can be counted in 63 bits.
constexpr int kMaxCollapsedRank = 63;
// Elements a block of a parallel loop: whole cache lines, large enough to hide the hand-over to
// another thread.
constexpr int64_t kElementwiseBlock = 16384;

// Calls fn(position in the output, positions in the operands, length) for runs along the last axis
// that together cover [begin, end) of the output.
template <int N, typename Fn>
void for_runs(const Broadcast& plan, int64_t begin, int64_t end, Fn&& fn) {
  if (begin >= end) return;
  const int last = static_cast<int>(plan.dims.size()) - 1;
  int64_t index[kMaxCollapsedRank];
  int64_t at[N] = {};
  const int64_t* steps[N];
  for (int k = 0; k < N; ++k) steps[k] = plan.steps[k].data();
  int64_t rest = begin;
  for (int d = last; d >= 0; --d) {
    index[d] = rest % plan.dims[d];
    rest /= plan.dims[d];
    for (int k = 0; k < N; ++k) at[k] += index[d] * steps[k][d];
  }
  while (begin < end) {
    int64_t length = std::min(plan.dims[last] - index[last], end - begin);
    fn(begin, static_cast<const int64_t*>(at), length);
    begin += length;
    index[last] += length;
    for (int k = 0; k < N; ++k) at[k] += length * steps[k][last];
    for (int d = last; d > 0 && index[d] == plan.dims[d]; --d) {
      index[d] = 0;
      ++index[d - 1];
      for (int k = 0; k < N; ++k) at[k] += steps[k][d - 1] - plan.dims[d] * steps[k][d];
    }
  }
}

// Elements that a short row is repeated to.
constexpr int64_t kRowTile = 1024;

// Whether operand `k` is a short row that repeats along a matrix which the other operand fills.
inline bool is_short_row(const Broadcast& plan, int k) {
  return plan.dims.size() == 2 && plan.dims[1] <= kRowTile / 16 && plan.steps[k][0] == 0 && plan.steps[k][1] == 1 &&
         plan.steps[1 - k][0] == plan.dims[1] && plan.steps[1 - k][1] == 1;
}

template <bool a_moves, bool b_moves, typename R, typename A, typename B, typename Fn>
void apply_each(R* y, const A* a, const B* b, int64_t n, Fn fn) {
  const A same_a = *a;
  const B same_b = *b;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = fn(a_moves ? a[i] : same_a, b_moves ? b[i] : same_b);
}

// y[i] = fn(a[i], b[i]) for a run; a pointer that does not move stays where it is. A function that is one of arrays takes
// the run as a whole.
template <bool a_moves, bool b_moves, typename R, typename A, typename B, typename Fn>
void apply_run(R* y, const A* a, const B* b, int64_t n, Fn fn) {
  if constexpr (requires { fn.template over<a_moves, b_moves>(y, a, b, n); }) {
    fn.template over<a_moves, b_moves>(y, a, b, n);
  } else {
    apply_each<a_moves, b_moves>(y, a, b, n, fn);
  }
}

// A short row is repeated until it is worth a loop; the operand of the matrix fills the output.
template <bool row_first, typename R, typename Row, typename Matrix, typename Fn>
void run_short_row(const Broadcast& plan, const RunArgs& args, double cost_ns, const Row* row, const Matrix* matrix,
                   R* y, Fn fn) {
  const int64_t width = plan.dims[1], length = kRowTile / width * width;
  auto block = [&](int64_t begin, int64_t end) {
    Row tile[kRowTile];
    const int64_t used = std::min(length, end - begin);
    for (int64_t i = 0, at = begin % width; i < used; ++i) {
      tile[i] = row[at];
      if (++at == width) at = 0;
    }
    for (; begin < end; begin += length) {
      const int64_t n = std::min(length, end - begin);
      if constexpr (row_first)
        apply_run<true, true>(y + begin, tile, matrix + begin, n, fn);
      else
        apply_run<true, true>(y + begin, matrix + begin, tile, n, fn);
    }
  };
  parallel_for(*args.parallel, plan.count, kElementwiseBlock, cost_ns, block);
}

// Types that get loops of their own for each way to step, and spans for fused groups; the others share one loop, so that
// the library stays small.
template <typename T>
inline constexpr bool kHot = std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, int32_t> ||
                             std::is_same_v<T, int64_t> || std::is_same_v<T, uint8_t>;

// The span (see RunSpanFn) of an operator on two operands.
template <typename R, typename A, typename B, typename Fn>
void apply_span(const void* const* in, void* out, int64_t n, Fn fn) {
  apply_run<true, true>(static_cast<R*>(out), static_cast<const A*>(in[0]), static_cast<const B*>(in[1]), n, fn);
}

// y[i] = fn(a[i], b[i]) over the broadcast of two operands. `y` may be `a` or `b` itself.
template <typename R, typename A, typename B, typename Fn>
void run_broadcast(const Broadcast& plan, const RunArgs& args, double cost_ns, Fn fn) {
  const A* a = args.input<A>(0);
  const B* b = args.input<B>(1);
  R* y = args.output<R>(0);
  const int64_t step_a = plan.last_step(0), step_b = plan.last_step(1);
  if constexpr (kHot<A> && kHot<B>) {
    if (is_short_row(plan, 0)) return run_short_row<true>(plan, args, cost_ns, a, b, y, fn);
    if (is_short_row(plan, 1)) return run_short_row<false>(plan, args, cost_ns, b, a, y, fn);
  }
  auto run = [&](int64_t out, const int64_t* at, int64_t n) {
    R* to = y + out;
    const A* x = a + at[0];
    const B* z = b + at[1];
    if constexpr (kHot<A> && kHot<B>) {
      if (step_a != 0 && step_b != 0)
        apply_run<true, true>(to, x, z, n, fn);
      else if (step_a != 0)
        apply_run<true, false>(to, x, z, n, fn);
      else
        apply_run<false, true>(to, x, z, n, fn);
    } else {
      for (int64_t i = 0; i < n; ++i) to[i] = fn(x[i * step_a], z[i * step_b]);
    }
  };
  auto block = [&](int64_t begin, int64_t end) { for_runs<2>(plan, begin, end, run); };
  parallel_for(*args.parallel, plan.count, kElementwiseBlock, cost_ns, block);
}

}  // namespace weft
