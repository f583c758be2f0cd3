// Walks along an axis: CumSum, CumProd and weft.LinearScan.
#include "plugins/cuda/kernels.h"
#include "plugins/cuda/launch.h"
#include "plugins/cuda/types.cuh"

namespace weft::cuda {

namespace {

constexpr int kAhead = 8;   // elements of a line that are read together
constexpr int kLanes = 32;  // of a warp

// A tensor as [outer, size, inner] around the axis.
struct Lines {
  int64_t outer, size, inner;
  bool reverse, exclusive;

  // The first element of a line, and the way to the next.
  __device__ int64_t first(int64_t line) const {
    const int64_t at = line / inner * size * inner + line % inner;
    return reverse ? at + (size - 1) * inner : at;
  }
  __device__ int64_t step() const { return reverse ? -inner : inner; }
};

// Integers wrap around.
struct Add {
  template <typename W>
  static __device__ W neutral() {
    return W(0);
  }
  template <typename W>
  static __device__ W join(W a, W b) {
    if constexpr (std::is_integral_v<W>)
      return static_cast<W>(static_cast<std::make_unsigned_t<W>>(a) + static_cast<std::make_unsigned_t<W>>(b));
    else
      return a + b;
  }
};
struct Multiply {
  template <typename W>
  static __device__ W neutral() {
    return W(1);
  }
  template <typename W>
  static __device__ W join(W a, W b) {
    if constexpr (std::is_integral_v<W>)
      return static_cast<W>(static_cast<std::make_unsigned_t<W>>(a) * static_cast<std::make_unsigned_t<W>>(b));
    else
      return a * b;
  }
};

// A thread for each line, in the order of the line.
template <typename Op, typename T>
__global__ void walk_lines(const T* in, T* out, Lines s) {
  using W = Wide<T>;
  const int64_t step = s.step();
  WEFT_FOR(line, s.outer * s.inner) {
    const int64_t first = s.first(line);
    W total = Op::template neutral<W>();
    for (int64_t k = 0; k < s.size; k += kAhead) {
      T held[kAhead];
#pragma unroll
      for (int j = 0; j < kAhead; ++j) {
        if (k + j < s.size) held[j] = in[first + (k + j) * step];
      }
#pragma unroll
      for (int j = 0; j < kAhead; ++j) {
        if (k + j >= s.size) continue;
        const W before = total;
        total = Op::join(total, widen(held[j]));
        out[first + (k + j) * step] = narrow<T>(s.exclusive ? before : total);
      }
    }
  }
}

// A block for each line that lies side by side, kThreads elements at a time.
template <typename Op, typename T>
__global__ void walk_rows(const T* in, T* out, Lines s) {
  using W = Wide<T>;
  __shared__ W warps[kThreads / kLanes];
  const int lane = threadIdx.x % kLanes, warp = threadIdx.x / kLanes;
  const int64_t step = s.step();
  for (int64_t line = blockIdx.x; line < s.outer; line += gridDim.x) {
    const int64_t first = s.first(line);
    W carried = Op::template neutral<W>();
    for (int64_t base = 0; base < s.size; base += kThreads) {
      const int64_t k = base + threadIdx.x;
      const W element = k < s.size ? widen(in[first + k * step]) : Op::template neutral<W>();
      W total = element;
#pragma unroll
      for (int distance = 1; distance < kLanes; distance *= 2) {
        const W before = __shfl_up_sync(0xffffffffu, total, distance);
        if (lane >= distance) total = Op::join(before, total);
      }
      W previous = __shfl_up_sync(0xffffffffu, total, 1);  // of the lane before
      if (lane == kLanes - 1) warps[warp] = total;
      __syncthreads();
      W in_front = carried;
      for (int w = 0; w < kThreads / kLanes; ++w) {
        if (w == warp) in_front = carried;
        carried = Op::join(carried, warps[w]);
      }
      __syncthreads();
      if (k >= s.size) continue;
      W result = Op::join(in_front, total);
      if (s.exclusive) result = lane == 0 ? in_front : Op::join(in_front, previous);
      out[first + k * step] = narrow<T>(result);
    }
  }
}

using NumberTypes = Types<float, double, __half, __nv_bfloat16, int32_t, int64_t, uint32_t, uint64_t>;

// Of a constant axis; the input has dimensions and the axis is one of them.
bool find_lines(const Node& node, int axis_input, Lines* s) {
  const Shape& shape = node.input(0).shape;
  const Value& given = node.input(axis_input);
  if (given.constant == nullptr || given.count() != 1) return false;
  if (given.dtype != WEFT_I32 && given.dtype != WEFT_I64) return false;
  int64_t axis = given.ints()[0];
  if (axis < 0) axis += static_cast<int64_t>(shape.size());
  if (axis < 0 || axis >= static_cast<int64_t>(shape.size())) return false;
  const size_t at = static_cast<size_t>(axis);
  *s = {product(shape, 0, at), shape[at], product(shape, at + 1, shape.size()), node.i("reverse") != 0, false};
  return true;
}

bool accepts_cumulative(const Node& node) {
  Lines s;
  return in_list(NumberTypes{}, node.input(0).dtype) && find_lines(node, 1, &s);
}

template <typename Op>
Prepared prepare_cumulative(const Node& node) {
  Lines s{};
  find_lines(node, 1, &s);
  s.exclusive = node.i("exclusive") != 0;
  const bool empty = node.input(0).count() == 0;
  Prepared made;
  with_type(NumberTypes{}, node.input(0).dtype, [&]<typename T>() {
    made.run = [s, empty](const Launch& launch) {
      if (empty) return;
      const int64_t lines = s.outer * s.inner;
      // Short rows of which there are many keep all threads at work one to a row.
      if (s.inner == 1 && (s.size > 64 || lines < 1024)) {
        start(launch, walk_rows<Op, T>, blocks_for(lines, 1), kThreads, 0, launch.input<T>(0), launch.output<T>(0), s);
      } else {
        start(launch, walk_lines<Op, T>, blocks_for(lines, 64), 64, 0, launch.input<T>(0), launch.output<T>(0), s);
      }
    };
  });
  return made;
}

// y = b + a * before, where a product with a y of exactly 0 is 0.
template <typename T>
__global__ void linear_scan(const T* a, const T* b, T* y, T* before, Lines s, bool late) {
  using W = Wide<T>;
  const int64_t step = s.step();
  WEFT_FOR(line, s.outer * s.inner) {
    int64_t at = s.first(line);
    W carried = W(0), factor = W(0);
    for (int64_t k = 0; k < s.size; ++k, at += step) {
      if (before != nullptr) before[at] = narrow<T>(carried);
      const W own = widen(a[at]), term = widen(b[at]);
      if (!late) factor = own;
      carried = carried == W(0) ? term : term + factor * carried;
      y[at] = narrow<T>(carried);
      factor = own;
    }
  }
}

using ScanTypes = Types<float, double, __half, __nv_bfloat16>;

bool accepts_linear(const Node& node) {
  Lines s;
  return in_list(ScanTypes{}, node.input(0).dtype) && find_lines(node, 2, &s);
}

Prepared prepare_linear(const Node& node) {
  Lines s{};
  find_lines(node, 2, &s);
  const bool empty = node.input(0).count() == 0, late = node.i("late") != 0, gives_before = node.makes(1);
  Prepared made;
  with_type(ScanTypes{}, node.input(0).dtype, [&]<typename T>() {
    made.run = [=](const Launch& launch) {
      if (empty) return;
      start(launch, linear_scan<T>, blocks_for(s.outer * s.inner, 64), 64, 0, launch.input<T>(0), launch.input<T>(1),
            launch.output<T>(0), gives_before ? launch.output<T>(1) : nullptr, s, late);
    };
  });
  return made;
}

}  // namespace

void define_scan(Definitions& all) {
  all.push_back({"CumSum", "plain", accepts_cumulative, prepare_cumulative<Add>});
  all.push_back({"CumProd", "plain", accepts_cumulative, prepare_cumulative<Multiply>});
  all.push_back({"weft.LinearScan", "plain", accepts_linear, prepare_linear});
}

}  // namespace weft::cuda
