// Softmax, LogSoftmax and weft.SoftmaxGrad.
#include <cmath>

#include "plugins/cuda/kernels.h"
#include "plugins/cuda/rows.cuh"

namespace weft::cuda {

namespace {

template <typename W>
__device__ W larger(W a, W b) {
  if constexpr (std::is_same_v<W, double>)
    return fmax(a, b);
  else
    return fmaxf(a, b);
}

constexpr int kWarp = 32, kMostThreads = 1024;

// Joins a number of each thread of a row: `lanes` threads, a power of two up to a warp, or the whole block. All threads
// of the block come here, and all of a row get the result.
template <typename W, typename Join>
__device__ W join_row(W own, int lanes, W* shared, Join join) {
  const int within = lanes < kWarp ? lanes : kWarp;
  for (int offset = within / 2; offset > 0; offset /= 2) own = join(own, __shfl_xor_sync(~0u, own, offset));
  if (lanes <= kWarp) return own;
  __syncthreads();  // until all have read what was there before
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = own;
  __syncthreads();
  W all = shared[0];
  for (int warp = 1; warp < lanes / kWarp; ++warp) all = join(all, shared[warp]);
  return all;
}

struct Add {
  template <typename W>
  __device__ W operator()(W a, W b) const {
    return a + b;
  }
};
struct Larger {
  template <typename W>
  __device__ W operator()(W a, W b) const {
    return larger(a, b);
  }
};

// A row of at most lanes * K * V elements is in the registers of its threads.
template <typename T, int V, int K>
__global__ void __launch_bounds__(kMostThreads)
    softmax_rows(const T* x, T* y, int64_t rows, int n, int lanes, bool log) {
  using W = Wide<T>;
  __shared__ W shared[kWarp];
  const int packs = n / V, lane = static_cast<int>(threadIdx.x) % lanes;
  const int64_t together = blockDim.x / static_cast<unsigned>(lanes);
  for (int64_t base = blockIdx.x * together; base < rows; base += gridDim.x * together) {
    const int64_t row = base + threadIdx.x / static_cast<unsigned>(lanes);
    const T* from = x + row * n;
    T* to = y + row * n;
    const int own = row < rows ? packs : 0;
    Pack<T, V> packed[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes < own) packed[k] = load_pack<T, V>(from + (lane + k * lanes) * V);
    }
    // What is past the end counts nothing: exp(-inf) is 0 unless all is -inf, and then the row is no number.
    W v[K][V], top = -INFINITY;
#pragma unroll
    for (int k = 0; k < K; ++k) {
#pragma unroll
      for (int e = 0; e < V; ++e) {
        v[k][e] = lane + k * lanes < own ? widen(packed[k].v[e]) : W(-INFINITY);
        top = larger(top, v[k][e]);
      }
    }
    top = join_row(top, lanes, shared, Larger());
    W sum = 0;
#pragma unroll
    for (int k = 0; k < K; ++k) {
#pragma unroll
      for (int e = 0; e < V; ++e) {
        const W share = exp_of<T>(v[k][e] - top);
        sum += share;
        v[k][e] = log ? v[k][e] - top : share;
      }
    }
    sum = join_row(sum, lanes, shared, Add());
    const W last = log ? log_of(sum) : 1 / sum;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes >= own) continue;
      Pack<T, V> out;
#pragma unroll
      for (int e = 0; e < V; ++e) out.v[e] = narrow<T>(log ? v[k][e] - last : v[k][e] * last);
      store_pack<T, V>(to + (lane + k * lanes) * V, out);
    }
  }
}

template <typename T, int V, int K>
__global__ void __launch_bounds__(kMostThreads)
    grad_rows(const T* y, const T* dy, T* dx, int64_t rows, int n, int lanes) {
  using W = Wide<T>;
  __shared__ W shared[kWarp];
  const int packs = n / V, lane = static_cast<int>(threadIdx.x) % lanes;
  const int64_t together = blockDim.x / static_cast<unsigned>(lanes);
  for (int64_t base = blockIdx.x * together; base < rows; base += gridDim.x * together) {
    const int64_t row = base + threadIdx.x / static_cast<unsigned>(lanes);
    const int own = row < rows ? packs : 0;
    Pack<T, V> share[K], slope[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes >= own) continue;
      const int64_t at = row * n + (lane + k * lanes) * V;
      share[k] = load_pack<T, V>(y + at);
      slope[k] = load_pack<T, V>(dy + at);
    }
    W sum = 0;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes >= own) continue;
#pragma unroll
      for (int e = 0; e < V; ++e) sum += guarded(widen(slope[k].v[e]), widen(share[k].v[e]));
    }
    sum = join_row(sum, lanes, shared, Add());
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes >= own) continue;
      Pack<T, V> out;
#pragma unroll
      for (int e = 0; e < V; ++e) out.v[e] = narrow<T>(guarded(widen(slope[k].v[e]) - sum, widen(share[k].v[e])));
      store_pack<T, V>(dx + row * n + (lane + k * lanes) * V, out);
    }
  }
}

// The maximum so far and the sum of exp(x - maximum). With +inf or NaN among the elements, or -inf alone, what is made
// of it is no number.
template <typename T>
struct Scores {
  using W = Wide<T>;
  W top, sum;

  __device__ static Scores none() { return {-INFINITY, 0}; }
  __device__ void add(W x) {
    if (x == W(-INFINITY)) return;
    const W away = x - top, other = exp_of<T>(away > 0 ? -away : away);
    sum = x > top ? sum * other + 1 : sum + other;
    top = larger(top, x);
  }
  // In the order that is given.
  __device__ static Scores joined(const Scores& a, const Scores& b) {
    Scores out;
    out.top = larger(a.top, b.top);
    const W shift = out.top == W(-INFINITY) ? W(0) : out.top;
    out.sum = a.sum * exp_of<T>(a.top - shift) + b.sum * exp_of<T>(b.top - shift);
    return out;
  }
  __device__ W last(bool log) const {
    const W known = sum + (top - top);  // infinity less itself is no number
    return log ? log_of(known) : 1 / known;
  }
  __device__ T result(W x, W last, bool log) const {
    return narrow<T>(log ? x - top - last : exp_of<T>(x - top) * last);
  }
};

constexpr int kAhead = 4;  // loads in flight

// Rows that are too long for registers: read once for the sum and once more for the result, by a block each.
template <typename T, int V>
__global__ void __launch_bounds__(kMostThreads) softmax_long(const T* x, T* y, int64_t rows, int64_t n, bool log) {
  __shared__ Scores<T> shared[kWarp];
  const int64_t packs = n / V, step = blockDim.x;
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const T* from = x + row * n;
    T* to = y + row * n;
    Scores<T> all = Scores<T>::none();
    for (int64_t p = threadIdx.x; p < packs; p += kAhead * step) {
      Pack<T, V> packed[kAhead];
#pragma unroll
      for (int a = 0; a < kAhead; ++a) {
        if (p + a * step < packs) packed[a] = load_pack<T, V>(from + (p + a * step) * V);
      }
#pragma unroll
      for (int a = 0; a < kAhead; ++a) {
        if (p + a * step >= packs) continue;
#pragma unroll
        for (int e = 0; e < V; ++e) all.add(widen(packed[a].v[e]));
      }
    }
    for (int offset = kWarp / 2; offset > 0; offset /= 2) {
      Scores<T> other;
      other.top = __shfl_xor_sync(~0u, all.top, offset);
      other.sum = __shfl_xor_sync(~0u, all.sum, offset);
      all = Scores<T>::joined(all, other);
    }
    __syncthreads();
    if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = all;
    __syncthreads();
    all = shared[0];
    for (int warp = 1; warp < static_cast<int>(blockDim.x) / kWarp; ++warp) {
      all = Scores<T>::joined(all, shared[warp]);
    }
    const Wide<T> last = all.last(log);
    for (int64_t p = threadIdx.x; p < packs; p += kAhead * step) {
      Pack<T, V> packed[kAhead];
#pragma unroll
      for (int a = 0; a < kAhead; ++a) {
        if (p + a * step < packs) packed[a] = load_pack<T, V>(from + (p + a * step) * V);
      }
#pragma unroll
      for (int a = 0; a < kAhead; ++a) {
        if (p + a * step >= packs) continue;
        Pack<T, V> out;
#pragma unroll
        for (int e = 0; e < V; ++e) out.v[e] = all.result(widen(packed[a].v[e]), last, log);
        store_pack<T, V>(to + (p + a * step) * V, out);
      }
    }
  }
}

template <typename T, int V>
__global__ void __launch_bounds__(kMostThreads) grad_long(const T* y, const T* dy, T* dx, int64_t rows, int64_t n) {
  using W = Wide<T>;
  __shared__ W shared[kWarp];
  const int64_t packs = n / V, step = blockDim.x;
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    W sum = 0;
    const T *from = y + row * n, *slopes = dy + row * n;
#pragma unroll 2
    for (int64_t p = threadIdx.x; p < packs; p += step) {
      const Pack<T, V> share = load_pack<T, V>(from + p * V), slope = load_pack<T, V>(slopes + p * V);
#pragma unroll
      for (int e = 0; e < V; ++e) sum += guarded(widen(slope.v[e]), widen(share.v[e]));
    }
    sum = join_row(sum, static_cast<int>(blockDim.x), shared, Add());
    for (int64_t p = threadIdx.x; p < packs; p += step) {
      const Pack<T, V> share = load_pack<T, V>(from + p * V), slope = load_pack<T, V>(slopes + p * V);
      Pack<T, V> out;
#pragma unroll
      for (int e = 0; e < V; ++e) out.v[e] = narrow<T>(guarded(widen(slope.v[e]) - sum, widen(share.v[e])));
      store_pack<T, V>(dx + row * n + p * V, out);
    }
  }
}

// Elements of a row that lie `inner` apart. A block is blockDim.x neighbouring rows, each shared by blockDim.y threads,
// a power of two.
template <typename T>
__global__ void __launch_bounds__(kMostThreads)
    softmax_columns(const T* x, T* y, int64_t columns, int64_t n, int64_t inner, bool log) {
  __shared__ Scores<T> shared[kMostThreads];
  const unsigned own = threadIdx.y * blockDim.x + threadIdx.x;
  for (int64_t base = blockIdx.x * static_cast<int64_t>(blockDim.x); base < columns;
       base += gridDim.x * static_cast<int64_t>(blockDim.x)) {
    const int64_t column = base + threadIdx.x, start = column / inner * n * inner + column % inner;
    const bool here = column < columns;
    Scores<T> all = Scores<T>::none();
    if (here) {
#pragma unroll 4
      for (int64_t i = threadIdx.y; i < n; i += blockDim.y) all.add(widen(x[start + i * inner]));
    }
    if (blockDim.y > 1) {
      shared[own] = all;
      __syncthreads();
      for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
        if (threadIdx.y < half) shared[own] = Scores<T>::joined(shared[own], shared[own + half * blockDim.x]);
        __syncthreads();
      }
      all = shared[threadIdx.x];
      __syncthreads();  // before the next columns
    }
    if (!here) continue;
    const Wide<T> last = all.last(log);
#pragma unroll 4
    for (int64_t i = threadIdx.y; i < n; i += blockDim.y) {
      y[start + i * inner] = all.result(widen(x[start + i * inner]), last, log);
    }
  }
}

template <typename T>
__global__ void __launch_bounds__(kMostThreads)
    grad_columns(const T* y, const T* dy, T* dx, int64_t columns, int64_t n, int64_t inner) {
  using W = Wide<T>;
  __shared__ W shared[kMostThreads];
  const unsigned own = threadIdx.y * blockDim.x + threadIdx.x;
  for (int64_t base = blockIdx.x * static_cast<int64_t>(blockDim.x); base < columns;
       base += gridDim.x * static_cast<int64_t>(blockDim.x)) {
    const int64_t column = base + threadIdx.x, start = column / inner * n * inner + column % inner;
    const bool here = column < columns;
    W sum = 0;
    if (here) {
#pragma unroll 4
      for (int64_t i = threadIdx.y; i < n; i += blockDim.y) {
        sum += guarded(widen(dy[start + i * inner]), widen(y[start + i * inner]));
      }
    }
    if (blockDim.y > 1) {
      shared[own] = sum;
      __syncthreads();
      for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
        if (threadIdx.y < half) shared[own] += shared[own + half * blockDim.x];
        __syncthreads();
      }
      sum = shared[threadIdx.x];
      __syncthreads();  // before the next columns
    }
    if (!here) continue;
#pragma unroll 4
    for (int64_t i = threadIdx.y; i < n; i += blockDim.y) {
      const int64_t at = start + i * inner;
      dx[at] = narrow<T>(guarded(widen(dy[at]) - sum, widen(y[at])));
    }
  }
}

// [outer, n, inner], along n.
struct Lines {
  int64_t outer = 1, n = 1, inner = 1;

  int64_t columns() const { return outer * inner; }
  // Threads of a block of columns.
  dim3 block() const { return n < 32 ? dim3(256, 1) : n < 1024 ? dim3(32, 8) : dim3(32, 32); }
};

// Calls fn.operator()<K>(threads of a row, threads of a block) for rows that registers hold; false if these are longer.
template <int V, typename Fn>
bool held_in_registers(int64_t n, Fn fn) {
  constexpr int kFew = V == 1 ? 2 : 1, kMany = V == 1 ? 8 : 4;
  const int64_t packs = n / V;
  if (packs <= kWarp * kFew) {
    int lanes = 1;
    while (lanes * kFew < packs) lanes *= 2;
    fn.template operator()<kFew>(lanes, kThreads);
  } else if (packs <= kWarp * kMany) {
    fn.template operator()<kMany>(kWarp, kThreads);
  } else if (packs <= kMostThreads * kMany) {
    const int lanes = static_cast<int>((packs + kWarp * kMany - 1) / (kWarp * kMany)) * kWarp;
    fn.template operator()<kMany>(lanes, lanes);
  } else {
    return false;
  }
  return true;
}

template <typename T, int V>
void run_rows(const Launch& launch, const Lines& lines, bool log) {
  const T* x = launch.input<T>(0);
  T* y = launch.output<T>(0);
  const int64_t rows = lines.outer, n = lines.n;
  const bool held = held_in_registers<V>(n, [&]<int K>(int lanes, int threads) {
    start(launch, softmax_rows<T, V, K>, blocks_for(rows, threads / lanes), threads, 0, x, y, rows, n, lanes, log);
  });
  if (!held) start(launch, softmax_long<T, V>, blocks_for(rows, 1), kMostThreads, 0, x, y, rows, n, log);
}

template <typename T, int V>
void run_grad_rows(const Launch& launch, const Lines& lines) {
  const T *y = launch.input<T>(0), *dy = launch.input<T>(1);
  T* dx = launch.output<T>(0);
  const int64_t rows = lines.outer, n = lines.n;
  const bool held = held_in_registers<V>(n, [&]<int K>(int lanes, int threads) {
    start(launch, grad_rows<T, V, K>, blocks_for(rows, threads / lanes), threads, 0, y, dy, dx, rows, n, lanes);
  });
  if (!held) start(launch, grad_long<T, V>, blocks_for(rows, 1), kMostThreads, 0, y, dy, dx, rows, n);
}

template <typename T>
void run_softmax(const Launch& launch, const Lines& lines, bool log) {
  if (lines.inner > 1) {
    const dim3 block = lines.block();
    start(launch, softmax_columns<T>, blocks_for(lines.columns(), block.x), block, 0, launch.input<T>(0),
          launch.output<T>(0), lines.columns(), lines.n, lines.inner, log);
  } else if (lines.n % kWhole<T> == 0 && aligned(launch.in[0]) && aligned(launch.out[0])) {
    run_rows<T, kWhole<T>>(launch, lines, log);
  } else {
    run_rows<T, 1>(launch, lines, log);
  }
}

template <typename T>
void run_grad(const Launch& launch, const Lines& lines) {
  if (lines.inner > 1) {
    const dim3 block = lines.block();
    start(launch, grad_columns<T>, blocks_for(lines.columns(), block.x), block, 0, launch.input<T>(0),
          launch.input<T>(1), launch.output<T>(0), lines.columns(), lines.n, lines.inner);
  } else if (lines.n % kWhole<T> == 0 && aligned(launch.in[0]) && aligned(launch.in[1]) && aligned(launch.out[0])) {
    run_grad_rows<T, kWhole<T>>(launch, lines);
  } else {
    run_grad_rows<T, 1>(launch, lines);
  }
}

Lines lines_of(const Node& node) {
  const Shape& shape = node.input(0).shape;
  const int64_t rank = static_cast<int64_t>(shape.size()), axis = node.i("axis");
  const size_t at = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  return {product(shape, 0, at), shape[at], product(shape, at + 1, shape.size())};
}

bool accepts(const Node& node) {
  const int64_t rank = node.input(0).rank(), axis = node.i("axis");
  return in_list(FloatTypes(), node.input(0).dtype) && axis >= -rank && axis < rank;
}

bool accepts_grad(const Node& node) { return accepts(node) && node.input(0).shape == node.input(1).shape; }

template <bool log>
Prepared prepare(const Node& node) {
  const Lines lines = lines_of(node);
  Prepared prepared;
  prepared.run = [](const Launch&) {};
  if (node.input(0).count() == 0) return prepared;
  with_type(FloatTypes(), node.input(0).dtype, [&]<typename T>() {
    prepared.run = [lines](const Launch& launch) { run_softmax<T>(launch, lines, log); };
  });
  return prepared;
}

Prepared prepare_grad(const Node& node) {
  const Lines lines = lines_of(node);
  Prepared prepared;
  prepared.run = [](const Launch&) {};
  if (node.input(0).count() == 0) return prepared;
  with_type(FloatTypes(), node.input(0).dtype,
            [&]<typename T>() { prepared.run = [lines](const Launch& launch) { run_grad<T>(launch, lines); }; });
  return prepared;
}

}  // namespace

void define_softmax(Definitions& all) {
  all.push_back({"Softmax", "rows", accepts, prepare<false>});
  all.push_back({"LogSoftmax", "rows", accepts, prepare<true>});
  all.push_back({"weft.SoftmaxGrad", "rows", accepts_grad, prepare_grad});
}

}  // namespace weft::cuda
