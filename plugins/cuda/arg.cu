// ArgMax and ArgMin.
#include "plugins/cuda/kernels.h"
#include "plugins/cuda/launch.h"
#include "plugins/cuda/types.cuh"

namespace weft::cuda {

namespace {

// A tensor as [outer, size, inner] around an axis.
struct Lines {
  int64_t outer = 1, size = 1, inner = 1;
  bool largest = true, last = false;

  int64_t count() const { return outer * inner; }
};

using Numbers = Types<float, double, __half, __nv_bfloat16, int32_t, int64_t, uint8_t, int8_t, uint16_t, int16_t,
                      uint32_t, uint64_t>;

// What elements are compared as.
template <typename T>
using Compared = std::conditional_t<std::is_integral_v<T> && sizeof(T) < 4, int32_t, Wide<T>>;

// An element and its place on the axis; -1 is none.
template <typename C>
struct Place {
  C value;
  int64_t at;
};

// Whether a is larger (or smaller) than b, with NaN at the front.
template <typename C>
__device__ bool before(C a, C b, bool largest) {
  if (b != b) return false;
  if (a != a) return true;
  return largest ? a > b : a < b;
}

// The one to choose: a matter of both alone, so the order in which many are joined is all one.
template <typename C>
__device__ Place<C> chosen(const Place<C>& a, const Place<C>& b, const Lines& lines) {
  if (a.at < 0) return b;
  if (b.at < 0) return a;
  if (before(a.value, b.value, lines.largest)) return a;
  if (before(b.value, a.value, lines.largest)) return b;
  return (a.at > b.at) == lines.last ? a : b;
}

template <typename T>
__device__ Compared<T> comparable(T element) {
  if constexpr (std::is_integral_v<T>)
    return element;
  else
    return widen(element);
}

constexpr int kWarp = 32, kMostThreads = 1024;

// The best of the elements first, first + step, ... of a line.
template <typename T>
__device__ Place<Compared<T>> best_of(const T* line, const Lines& lines, int64_t first, int64_t step) {
  using C = Compared<T>;
  Place<C> best{C(0), -1};
#pragma unroll 4
  for (int64_t i = first; i < lines.size; i += step) {
    const C value = comparable(line[i * lines.inner]);
    // Later places come later.
    const bool better = best.at < 0 || before(value, best.value, lines.largest) ||
                        (lines.last && !before(best.value, value, lines.largest));
    if (better) best = {value, i};
  }
  return best;
}

// Lines of neighbours, each by `lanes` threads: a power of two up to a warp, or the whole block.
template <typename T>
__global__ void __launch_bounds__(kMostThreads) arg_rows(const T* x, int64_t* y, const Lines lines, int lanes) {
  using C = Compared<T>;
  __shared__ Place<C> shared[kWarp];
  const int lane = static_cast<int>(threadIdx.x) % lanes, within = lanes < kWarp ? lanes : kWarp;
  const int64_t together = blockDim.x / static_cast<unsigned>(lanes);
  for (int64_t base = blockIdx.x * together; base < lines.outer; base += gridDim.x * together) {
    const int64_t row = base + threadIdx.x / static_cast<unsigned>(lanes);
    Place<C> best{C(0), -1};
    if (row < lines.outer) best = best_of(x + row * lines.size, lines, lane, lanes);
    for (int offset = within / 2; offset > 0; offset /= 2) {
      const Place<C> other{__shfl_xor_sync(~0u, best.value, offset), __shfl_xor_sync(~0u, best.at, offset)};
      best = chosen(best, other, lines);
    }
    if (lanes > kWarp) {
      if (lane % kWarp == 0) shared[lane / kWarp] = best;
      __syncthreads();
      if (lane == 0) {
        for (int warp = 1; warp < lanes / kWarp; ++warp) best = chosen(best, shared[warp], lines);
      }
      __syncthreads();  // before the next row
    }
    if (lane == 0 && row < lines.outer) y[row] = best.at;
  }
}

// Lines of elements that lie `inner` apart. A block is blockDim.x neighbouring lines, each by blockDim.y threads, a
// power of two.
template <typename T>
__global__ void __launch_bounds__(kThreads) arg_columns(const T* x, int64_t* y, const Lines lines) {
  using C = Compared<T>;
  __shared__ Place<C> shared[kThreads];
  const unsigned own = threadIdx.y * blockDim.x + threadIdx.x;
  const int64_t count = lines.outer * lines.inner;
  for (int64_t base = blockIdx.x * static_cast<int64_t>(blockDim.x); base < count;
       base += gridDim.x * static_cast<int64_t>(blockDim.x)) {
    const int64_t column = base + threadIdx.x;
    Place<C> best{C(0), -1};
    if (column < count) {
      const T* line = x + column / lines.inner * lines.size * lines.inner + column % lines.inner;
      best = best_of(line, lines, threadIdx.y, blockDim.y);
    }
    if (blockDim.y > 1) {
      shared[own] = best;
      __syncthreads();
      for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
        if (threadIdx.y < half) shared[own] = chosen(shared[own], shared[own + half * blockDim.x], lines);
        __syncthreads();
      }
      best = shared[threadIdx.x];
      __syncthreads();  // before the next lines
    }
    if (threadIdx.y == 0 && column < count) y[column] = best.at;
  }
}

template <typename T>
void run(const Launch& launch, const Lines& lines) {
  const T* x = launch.input<T>(0);
  int64_t* y = launch.output<int64_t>(0);
  if (lines.inner > 1) {
    const dim3 block = lines.size < kWarp ? dim3(kThreads, 1) : dim3(kWarp, kThreads / kWarp);
    start(launch, arg_columns<T>, blocks_for(lines.count(), block.x), block, 0, x, y, lines);
    return;
  }
  int lanes = 1;
  while (lanes < kWarp && lanes < lines.size) lanes *= 2;
  if (lines.size > 1024) lanes = lines.size > 16384 ? kMostThreads : kThreads;
  const int threads = lanes > kWarp ? lanes : kThreads;
  start(launch, arg_rows<T>, blocks_for(lines.outer, threads / lanes), threads, 0, x, y, lines, lanes);
}

bool accepts(const Node& node) {
  const Value& x = node.input(0);
  const int64_t axis = node.i("axis");
  return in_list(Numbers(), x.dtype) && node.output(0).dtype == WEFT_I64 && axis >= -x.rank() && axis < x.rank();
}

template <bool largest>
Prepared prepare(const Node& node) {
  const Shape& shape = node.input(0).shape;
  const int64_t axis = node.i("axis");
  const size_t at = static_cast<size_t>(axis < 0 ? axis + node.input(0).rank() : axis);
  const Lines lines{product(shape, 0, at), shape[at], product(shape, at + 1, shape.size()), largest,
                    node.i("select_last_index") != 0};
  if (lines.size == 0 && lines.count() > 0) {
    throw Error(WEFT_INVALID_ARGUMENT, "axis " + std::to_string(axis) + " is empty, so nothing is " +
                                           (largest ? "largest" : "smallest") + " on it");
  }
  Prepared prepared;
  prepared.run = [](const Launch&) {};
  if (lines.count() == 0) return prepared;
  with_type(Numbers(), node.input(0).dtype,
            [&]<typename T>() { prepared.run = [lines](const Launch& launch) { run<T>(launch, lines); }; });
  return prepared;
}

}  // namespace

void define_arg(Definitions& all) {
  all.push_back({"ArgMax", "lines", accepts, prepare<true>});
  all.push_back({"ArgMin", "lines", accepts, prepare<false>});
}

}  // namespace weft::cuda
