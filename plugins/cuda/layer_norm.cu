// LayerNormalization, its gradient and RMSNormalization.
#include <algorithm>

#include "plugins/cuda/kernels.h"
#include "plugins/cuda/rows.cuh"

namespace weft::cuda {

namespace {

template <typename W>
__device__ W inverse_root(W x) {
  if constexpr (std::is_same_v<W, double>)
    return 1 / sqrt(x);
  else
    return 1 / sqrtf(x);
}

constexpr int kWarp = 32, kMostThreads = 1024;

// The sum of a number of each thread of a row: `lanes` threads, a power of two up to a warp, or the whole block. All
// threads of the block come here, and all of a row get the result.
template <typename W>
__device__ W sum_row(W own, int lanes, W* shared) {
  const int within = lanes < kWarp ? lanes : kWarp;
  for (int offset = within / 2; offset > 0; offset /= 2) own += __shfl_xor_sync(~0u, own, offset);
  if (lanes <= kWarp) return own;
  __syncthreads();  // until all have read what was there before
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = own;
  __syncthreads();
  W all = shared[0];
  for (int warp = 1; warp < lanes / kWarp; ++warp) all += shared[warp];
  return all;
}

// Means and inverse deviations are kept in a dtype of their own.
struct Kept {
  void* at;  // or null
  int32_t dtype;

  template <typename W>
  __device__ void put(int64_t i, W value) const {
    if (at == nullptr) return;
    switch (dtype) {
      case WEFT_F64: static_cast<double*>(at)[i] = static_cast<double>(value); break;
      case WEFT_F16: static_cast<__half*>(at)[i] = __float2half_rn(static_cast<float>(value)); break;
      case WEFT_BF16: static_cast<__nv_bfloat16*>(at)[i] = __float2bfloat16_rn(static_cast<float>(value)); break;
      default: static_cast<float*>(at)[i] = static_cast<float>(value); break;
    }
  }
};

// What is done to the rows of [rows, n].
template <typename T>
struct Norm {
  const T *x, *scale, *bias;  // `bias` may be null
  T* y;
  Kept mean, inverse;
  int64_t rows, n;
  Wide<T> epsilon;
  bool centred;  // else only the mean square counts

  __device__ Wide<T> normal(Wide<T> x, Wide<T> mean, Wide<T> inverse) const { return (x - mean) * inverse; }
};

// A row of at most lanes * K * V elements is in the registers of its threads.
template <typename T, int V, int K>
__global__ void __launch_bounds__(kMostThreads) norm_rows(const Norm<T> norm, int lanes) {
  using W = Wide<T>;
  __shared__ W shared[kWarp];
  const int n = static_cast<int>(norm.n), packs = n / V, lane = static_cast<int>(threadIdx.x) % lanes;
  const int64_t together = blockDim.x / static_cast<unsigned>(lanes);
  for (int64_t base = blockIdx.x * together; base < norm.rows; base += gridDim.x * together) {
    const int64_t row = base + threadIdx.x / static_cast<unsigned>(lanes);
    const int own = row < norm.rows ? packs : 0;
    Pack<T, V> x[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes < own) x[k] = load_pack<T, V>(norm.x + row * n + (lane + k * lanes) * V);
    }
    W mean = 0;
    if (norm.centred) {
#pragma unroll
      for (int k = 0; k < K; ++k) {
        if (lane + k * lanes >= own) continue;
#pragma unroll
        for (int e = 0; e < V; ++e) mean += widen(x[k].v[e]);
      }
      mean = sum_row(mean, lanes, shared) / static_cast<W>(n);
    }
    W squares = 0;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes >= own) continue;
#pragma unroll
      for (int e = 0; e < V; ++e) {
        const W away = widen(x[k].v[e]) - mean;
        squares += away * away;
      }
    }
    const W inverse = inverse_root(sum_row(squares, lanes, shared) / static_cast<W>(n) + norm.epsilon);
    if (lane == 0 && own > 0) {
      norm.mean.put(row, mean);
      norm.inverse.put(row, inverse);
    }
#pragma unroll
    for (int k = 0; k < K; ++k) {
      const int at = (lane + k * lanes) * V;
      if (lane + k * lanes >= own) continue;
      const Pack<T, V> scale = load_pack<T, V>(norm.scale + at);
      Pack<T, V> bias, y;
      if (norm.bias != nullptr) bias = load_pack<T, V>(norm.bias + at);
#pragma unroll
      for (int e = 0; e < V; ++e) {
        W result = norm.normal(widen(x[k].v[e]), mean, inverse) * widen(scale.v[e]);
        if (norm.bias != nullptr) result += widen(bias.v[e]);
        y.v[e] = narrow<T>(result);
      }
      store_pack<T, V>(norm.y + row * n + at, y);
    }
  }
}

template <typename W>
struct Moments {
  W mean, inverse;
};

// The sum of fn(element) over a row of `packs` packs, by the whole block.
template <typename T, int V, typename Fn>
__device__ Wide<T> sum_long(const T* x, int64_t packs, Wide<T>* shared, Fn fn) {
  Wide<T> sum = 0;
#pragma unroll 4
  for (int64_t p = threadIdx.x; p < packs; p += blockDim.x) {
    const Pack<T, V> x_pack = load_pack<T, V>(x + p * V);
#pragma unroll
    for (int e = 0; e < V; ++e) sum += fn(widen(x_pack.v[e]));
  }
  return sum_row(sum, static_cast<int>(blockDim.x), shared);
}

template <typename T, int V>
__device__ Moments<Wide<T>> moments_long(const T* x, int64_t n, Wide<T> epsilon, bool centred, Wide<T>* shared) {
  using W = Wide<T>;
  W mean = 0;
  if (centred) mean = sum_long<T, V>(x, n / V, shared, [](W v) { return v; }) / static_cast<W>(n);
  const W squares = sum_long<T, V>(x, n / V, shared, [mean](W v) { return (v - mean) * (v - mean); });
  return {mean, inverse_root(squares / static_cast<W>(n) + epsilon)};
}

// Rows that are too long for registers, by a block each.
template <typename T, int V>
__global__ void __launch_bounds__(kMostThreads) norm_long(const Norm<T> norm) {
  using W = Wide<T>;
  __shared__ W shared[kWarp];
  for (int64_t row = blockIdx.x; row < norm.rows; row += gridDim.x) {
    const T* from = norm.x + row * norm.n;
    const auto [mean, inverse] = moments_long<T, V>(from, norm.n, norm.epsilon, norm.centred, shared);
    if (threadIdx.x == 0) {
      norm.mean.put(row, mean);
      norm.inverse.put(row, inverse);
    }
    for (int64_t at = threadIdx.x * V; at < norm.n; at += blockDim.x * V) {
      const Pack<T, V> x = load_pack<T, V>(from + at), scale = load_pack<T, V>(norm.scale + at);
      Pack<T, V> bias, y;
      if (norm.bias != nullptr) bias = load_pack<T, V>(norm.bias + at);
#pragma unroll
      for (int e = 0; e < V; ++e) {
        W result = norm.normal(widen(x.v[e]), mean, inverse) * widen(scale.v[e]);
        if (norm.bias != nullptr) result += widen(bias.v[e]);
        y.v[e] = narrow<T>(result);
      }
      store_pack<T, V>(norm.y + row * norm.n + at, y);
    }
  }
}

// What the gradients are made of.
template <typename T>
struct Grad {
  const T *x, *scale, *dy;
  T* dx;
  Wide<T>* partial;  // [blocks, n]: the gradient to the scale from the rows of each block; null if it is not wanted
  int64_t rows, n, rows_of_block;
  Wide<T> epsilon;
};

constexpr int kGradThreads = 512;

// A block goes over some rows, one at a time, with the row in its registers, and what they give the scale.
template <typename T, int V, int K>
__global__ void __launch_bounds__(kGradThreads) grad_rows(const Grad<T> grad) {
  using W = Wide<T>;
  __shared__ W shared[2][kWarp];
  const int n = static_cast<int>(grad.n), packs = n / V, lanes = static_cast<int>(blockDim.x);
  const int lane = static_cast<int>(threadIdx.x);
  const W count = static_cast<W>(n);
  Pack<T, V> scale[K];
  W to_scale[K][V];
#pragma unroll
  for (int k = 0; k < K; ++k) {
    if (lane + k * lanes < packs) scale[k] = load_pack<T, V>(grad.scale + (lane + k * lanes) * V);
#pragma unroll
    for (int e = 0; e < V; ++e) to_scale[k][e] = 0;
  }
  const int64_t first = blockIdx.x * grad.rows_of_block, end = first + grad.rows_of_block;
  for (int64_t row = first; row < (end < grad.rows ? end : grad.rows); ++row) {
    Pack<T, V> x[K], dy[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes >= packs) continue;
      const int64_t at = row * n + (lane + k * lanes) * V;
      x[k] = load_pack<T, V>(grad.x + at);
      dy[k] = load_pack<T, V>(grad.dy + at);
    }
    W sum = 0;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes >= packs) continue;
#pragma unroll
      for (int e = 0; e < V; ++e) sum += widen(x[k].v[e]);
    }
    const W mean = sum_row(sum, lanes, shared[0]) / count;
    W squares = 0;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes >= packs) continue;
#pragma unroll
      for (int e = 0; e < V; ++e) {
        const W away = widen(x[k].v[e]) - mean;
        squares += away * away;
      }
    }
    const W inverse = inverse_root(sum_row(squares, lanes, shared[1]) / count + grad.epsilon);
    // The slope of the normalized elements, and its product with them.
    W slopes = 0, along = 0;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes >= packs) continue;
#pragma unroll
      for (int e = 0; e < V; ++e) {
        const W normal = (widen(x[k].v[e]) - mean) * inverse, behind = widen(dy[k].v[e]);
        const W slope = guarded(behind, widen(scale[k].v[e]));
        slopes += slope;
        along += guarded(slope, normal);
        to_scale[k][e] += guarded(behind, normal);
      }
    }
    slopes = sum_row(slopes, lanes, shared[0]) / count;
    along = sum_row(along, lanes, shared[1]) / count;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes >= packs) continue;
      Pack<T, V> dx;
#pragma unroll
      for (int e = 0; e < V; ++e) {
        const W normal = (widen(x[k].v[e]) - mean) * inverse;
        const W slope = guarded(widen(dy[k].v[e]), widen(scale[k].v[e]));
        dx.v[e] = narrow<T>(guarded(slope - slopes - guarded(along, normal), inverse));
      }
      store_pack<T, V>(grad.dx + row * n + (lane + k * lanes) * V, dx);
    }
  }
  if (grad.partial == nullptr) return;
#pragma unroll
  for (int k = 0; k < K; ++k) {
    if (lane + k * lanes >= packs) continue;
    W* to = grad.partial + blockIdx.x * grad.n + (lane + k * lanes) * V;
#pragma unroll
    for (int e = 0; e < V; ++e) to[e] = to_scale[k][e];
  }
}

// Of rows that are too long for that: first the moments of each, then what each block of rows gives the scale, and last
// the gradient to X, as it may lie where X or dY does.
template <typename T, int V>
__global__ void __launch_bounds__(kMostThreads) moments_of_long(const Grad<T> grad, Moments<Wide<T>>* moments) {
  __shared__ Wide<T> shared[kWarp];
  for (int64_t row = blockIdx.x; row < grad.rows; row += gridDim.x) {
    const Moments<Wide<T>> found = moments_long<T, V>(grad.x + row * grad.n, grad.n, grad.epsilon, true, shared);
    if (threadIdx.x == 0) moments[row] = found;
  }
}

template <typename T>
__global__ void scale_of_long(const Grad<T> grad, const Moments<Wide<T>>* moments) {
  const int64_t first = blockIdx.y * grad.rows_of_block, end = first + grad.rows_of_block;
  WEFT_FOR(column, grad.n) {
    Wide<T> sum = 0;
#pragma unroll 4
    for (int64_t row = first; row < (end < grad.rows ? end : grad.rows); ++row) {
      const Wide<T> x = widen(grad.x[row * grad.n + column]), behind = widen(grad.dy[row * grad.n + column]);
      sum += guarded(behind, (x - moments[row].mean) * moments[row].inverse);
    }
    grad.partial[blockIdx.y * grad.n + column] = sum;
  }
}

template <typename T, int V>
__global__ void __launch_bounds__(kMostThreads) grad_long(const Grad<T> grad, const Moments<Wide<T>>* moments) {
  using W = Wide<T>;
  __shared__ W shared[2][kWarp];
  const int lanes = static_cast<int>(blockDim.x);
  const W count = static_cast<W>(grad.n);
  for (int64_t row = blockIdx.x; row < grad.rows; row += gridDim.x) {
    const W mean = moments[row].mean, inverse = moments[row].inverse;
    const T *from = grad.x + row * grad.n, *behind = grad.dy + row * grad.n;
    W slopes = 0, along = 0;
#pragma unroll 2
    for (int64_t at = threadIdx.x * V; at < grad.n; at += blockDim.x * V) {
      const Pack<T, V> x = load_pack<T, V>(from + at), dy = load_pack<T, V>(behind + at);
      const Pack<T, V> scale = load_pack<T, V>(grad.scale + at);
#pragma unroll
      for (int e = 0; e < V; ++e) {
        const W slope = guarded(widen(dy.v[e]), widen(scale.v[e]));
        slopes += slope;
        along += guarded(slope, (widen(x.v[e]) - mean) * inverse);
      }
    }
    slopes = sum_row(slopes, lanes, shared[0]) / count;
    along = sum_row(along, lanes, shared[1]) / count;
    for (int64_t at = threadIdx.x * V; at < grad.n; at += blockDim.x * V) {
      const Pack<T, V> x = load_pack<T, V>(from + at), dy = load_pack<T, V>(behind + at);
      const Pack<T, V> scale = load_pack<T, V>(grad.scale + at);
      Pack<T, V> dx;
#pragma unroll
      for (int e = 0; e < V; ++e) {
        const W normal = (widen(x.v[e]) - mean) * inverse, slope = guarded(widen(dy.v[e]), widen(scale.v[e]));
        dx.v[e] = narrow<T>(guarded(slope - slopes - guarded(along, normal), inverse));
      }
      store_pack<T, V>(grad.dx + row * grad.n + at, dx);
    }
  }
}

// The sums of the columns of [parts, n]: those of 32 by a block.
template <typename T>
__global__ void __launch_bounds__(kMostThreads) sum_parts(const Wide<T>* partial, T* sums, int64_t parts, int64_t n) {
  __shared__ Wide<T> shared[kWarp][kWarp];
  for (int64_t base = blockIdx.x * int64_t{kWarp}; base < n; base += gridDim.x * int64_t{kWarp}) {
    const int64_t column = base + threadIdx.x;
    Wide<T> sum = 0;
    if (column < n) {
#pragma unroll 4
      for (int64_t part = threadIdx.y; part < parts; part += kWarp) sum += partial[part * n + column];
    }
    shared[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    for (unsigned half = kWarp / 2; half > 0; half /= 2) {
      if (threadIdx.y < half) shared[threadIdx.y][threadIdx.x] += shared[threadIdx.y + half][threadIdx.x];
      __syncthreads();
    }
    if (threadIdx.y == 0 && column < n) sums[column] = narrow<T>(shared[0][threadIdx.x]);
    __syncthreads();  // before the next columns
  }
}

// What launches depend on.
struct Rows {
  int64_t rows = 0, n = 0;
  double epsilon = 0;
  bool centred = true, biased = false, gives_mean = false, gives_inverse = false;
  int32_t kept = 0;

  // Of the gradient. Blocks of rows do not depend on the GPU, so that its results are the same on all.
  static constexpr int64_t kProcessors = 132;
  bool maybe_long = false;  // the moments of each row have a place in front of the parts
  int64_t rows_of_block = 1, parts = 0;
};

template <int V>
constexpr int kMany = V == 1 ? 8 : 4;  // packs of a thread

template <typename T, int V>
void run_norm(const Launch& launch, const Norm<T>& norm) {
  constexpr int kFew = V == 1 ? 2 : 1;
  const int64_t packs = norm.n / V;
  if (packs <= kWarp * kFew) {
    int lanes = 1;
    while (lanes * kFew < packs) lanes *= 2;
    start(launch, norm_rows<T, V, kFew>, blocks_for(norm.rows, kThreads / lanes), kThreads, 0, norm, lanes);
  } else if (packs <= kWarp * kMany<V>) {
    start(launch, norm_rows<T, V, kMany<V>>, blocks_for(norm.rows, kThreads / kWarp), kThreads, 0, norm, kWarp);
  } else if (packs <= kMostThreads * kMany<V>) {
    const int lanes = static_cast<int>((packs + kWarp * kMany<V> - 1) / (kWarp * kMany<V>)) * kWarp;
    start(launch, norm_rows<T, V, kMany<V>>, blocks_for(norm.rows, 1), lanes, 0, norm, lanes);
  } else {
    start(launch, norm_long<T, V>, blocks_for(norm.rows, 1), kMostThreads, 0, norm);
  }
}

template <typename T>
void norm(const Launch& launch, const Rows& rows) {
  Norm<T> norm{};
  norm.x = launch.input<T>(0);
  norm.scale = launch.input<T>(1);
  if (rows.biased) norm.bias = launch.input<T>(2);
  if (rows.gives_mean) norm.mean = {launch.out[1], rows.kept};
  if (rows.gives_inverse) norm.inverse = {launch.out[2], rows.kept};
  norm.y = launch.output<T>(0);
  norm.rows = rows.rows;
  norm.n = rows.n;
  norm.epsilon = static_cast<Wide<T>>(rows.epsilon);
  norm.centred = rows.centred;
  const bool packs = aligned(norm.x) && aligned(norm.scale) && aligned(norm.bias) && aligned(norm.y);
  if (packs && norm.n % kWhole<T> == 0)
    run_norm<T, kWhole<T>>(launch, norm);
  else
    run_norm<T, 1>(launch, norm);
}

template <typename T, int V>
bool fits_registers(int64_t n) {
  return n % V == 0 && n <= int64_t{kGradThreads} * kMany<V> * V;
}

template <typename T, int V>
void run_grad(const Launch& launch, const Rows& rows, const Grad<T>& grad) {
  const unsigned parts = static_cast<unsigned>(rows.parts);
  if (fits_registers<T, V>(grad.n)) {
    const int64_t packs = grad.n / V;
    const int lanes = static_cast<int>((packs + kWarp * kMany<V> - 1) / (kWarp * kMany<V>)) * kWarp;
    start(launch, grad_rows<T, V, kMany<V>>, parts, lanes, 0, grad);
    return;
  }
  auto* moments = static_cast<Moments<Wide<T>>*>(launch.scratch);
  start(launch, moments_of_long<T, V>, blocks_for(rows.rows, 1), kMostThreads, 0, grad, moments);
  if (grad.partial != nullptr) {
    start(launch, scale_of_long<T>, dim3(blocks_for(rows.n), parts), kThreads, 0, grad, moments);
  }
  start(launch, grad_long<T, V>, blocks_for(rows.rows, 1), kMostThreads, 0, grad, moments);
}

template <typename T>
void grad(const Launch& launch, const Rows& rows, bool to_scale) {
  Grad<T> grad{};
  grad.x = launch.input<T>(0);
  grad.scale = launch.input<T>(1);
  grad.dy = launch.input<T>(2);
  grad.dx = launch.output<T>(0);
  auto* partial = static_cast<Wide<T>*>(launch.scratch) + (rows.maybe_long ? 2 * rows.rows : 0);
  grad.partial = to_scale ? partial : nullptr;
  grad.rows = rows.rows;
  grad.n = rows.n;
  grad.rows_of_block = rows.rows_of_block;
  grad.epsilon = static_cast<Wide<T>>(rows.epsilon);
  const bool packs = aligned(grad.x) && aligned(grad.scale) && aligned(grad.dy) && aligned(grad.dx);
  if (rows.rows == 0)
    ;  // the sums of nothing are all there is
  else if (packs && grad.n % kWhole<T> == 0)
    run_grad<T, kWhole<T>>(launch, rows, grad);
  else
    run_grad<T, 1>(launch, rows, grad);
  if (to_scale) {
    start(launch, sum_parts<T>, blocks_for(rows.n, kWarp), dim3(kWarp, kWarp), 0, partial, launch.output<T>(1),
          rows.parts, rows.n);
  }
}

int64_t first_axis(const Node& node) {
  const int64_t axis = node.i("axis");
  return axis < 0 ? axis + node.input(0).rank() : axis;
}

Rows rows_of(const Node& node) {
  const Shape& shape = node.input(0).shape;
  const size_t axis = static_cast<size_t>(first_axis(node));
  Rows rows;
  rows.rows = product(shape, 0, axis);
  rows.n = product(shape, axis, shape.size());
  rows.epsilon = node.f("epsilon");
  return rows;
}

bool is_half(int32_t dtype) { return dtype == WEFT_F16 || dtype == WEFT_BF16; }

// Floats of one dtype; the inputs from 1 to `last` have a number for each element of a row, which has one at least.
bool scales_rows(const Node& node, int last) {
  const Value& x = node.input(0);
  const int64_t axis = first_axis(node), stash = node.i("stash_type");
  if (!in_list(FloatTypes(), x.dtype) || axis < 0 || axis >= x.rank()) return false;
  if (stash != WEFT_F32 && stash != WEFT_F64 && !is_half(static_cast<int32_t>(stash))) return false;
  if (stash == WEFT_F64 && x.dtype != WEFT_F64) return false;
  if (product(x.shape, static_cast<size_t>(axis), x.shape.size()) == 0) return false;
  const size_t axes = x.shape.size() - static_cast<size_t>(axis);
  for (int i = 1; i <= last; ++i) {
    if (!node.has(i)) continue;
    const Value& given = node.input(i);
    if (given.dtype != x.dtype || given.shape.size() < axes) return false;
    const auto from = given.shape.end() - static_cast<int64_t>(axes);
    if (!std::equal(from, given.shape.end(), x.shape.begin() + axis)) return false;
    if (product(given.shape, 0, given.shape.size() - axes) != 1) return false;
  }
  return true;
}

bool accepts_layer_norm(const Node& node) {
  return scales_rows(node, 2) &&
         !(node.input(0).dtype == WEFT_F64 && is_half(static_cast<int32_t>(node.i("stash_type"))));
}

bool accepts_rms_norm(const Node& node) { return scales_rows(node, 1) && node.output(0).dtype == node.input(0).dtype; }

bool accepts_grad(const Node& node) {
  return scales_rows(node, 1) && node.input(2).dtype == node.input(0).dtype &&
         node.input(2).shape == node.input(0).shape;
}

template <bool centred>
Prepared prepare(const Node& node) {
  Rows rows = rows_of(node);
  rows.centred = centred;
  rows.biased = centred && node.has(2);
  rows.gives_mean = centred && node.makes(1);
  rows.gives_inverse = centred && node.makes(2);
  if (rows.gives_mean) rows.kept = node.output(1).dtype;
  if (rows.gives_inverse) rows.kept = node.output(2).dtype;
  Prepared prepared;
  prepared.run = [](const Launch&) {};
  if (rows.rows == 0) return prepared;
  with_type(FloatTypes(), node.input(0).dtype,
            [&]<typename T>() { prepared.run = [rows](const Launch& launch) { norm<T>(launch, rows); }; });
  return prepared;
}

Prepared prepare_grad(const Node& node) {
  Rows rows = rows_of(node);
  const bool to_scale = node.makes(1);
  Prepared prepared;
  with_type(FloatTypes(), node.input(0).dtype, [&]<typename T>() {
    // Whether packs can be loaded is known only when the addresses are.
    rows.maybe_long = !fits_registers<T, 1>(rows.n);
    if (rows.rows > 0) {
      int64_t blocks;
      if (fits_registers<T, 1>(rows.n) || fits_registers<T, kWhole<T>>(rows.n)) {
        const int64_t packs = (rows.n + kWhole<T> - 1) / kWhole<T>, warps = (packs + kWarp * 4 - 1) / (kWarp * 4);
        blocks = Rows::kProcessors * std::clamp<int64_t>(kGradThreads / kWarp / warps, 1, 16);
      } else {
        blocks = std::max<int64_t>(1, Rows::kProcessors * 8 / ((rows.n + kThreads - 1) / kThreads));
      }
      rows.rows_of_block = (rows.rows + blocks - 1) / blocks;
      rows.parts = (rows.rows + rows.rows_of_block - 1) / rows.rows_of_block;
    }
    const int64_t numbers = (rows.maybe_long ? 2 * rows.rows : 0) + (to_scale ? rows.parts * rows.n : 0);
    prepared.scratch_bytes = numbers * static_cast<int64_t>(sizeof(Wide<T>));
    prepared.run = [rows, to_scale](const Launch& launch) { grad<T>(launch, rows, to_scale); };
  });
  return prepared;
}

}  // namespace

void define_layer_norm(Definitions& all) {
  all.push_back({"LayerNormalization", "rows", accepts_layer_norm, prepare<true>});
  all.push_back({"RMSNormalization", "rows", accepts_rms_norm, prepare<false>});
  all.push_back({"weft.LayerNormalizationGrad", "rows", accepts_grad, prepare_grad});
}

}  // namespace weft::cuda
