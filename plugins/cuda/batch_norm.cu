// BatchNormalization, outside training and in it. Where its gradient is wanted the library expands it instead.
#include "plugins/cuda/kernels.h"
#include "plugins/cuda/launch.h"
#include "plugins/cuda/types.cuh"
#include "plugins/cuda/window.cuh"

namespace weft::cuda {
namespace {

// [batch, channels, inner]
struct Channels {
  int64_t batch = 1, channels = 1, inner = 1;
  double epsilon = 0, momentum = 0;
  int32_t scale_type = 0, mean_type = 0;  // dtypes
  bool training = false;

  int64_t count() const { return batch * channels * inner; }
};

// A vector of any float dtype.
template <typename C>
__device__ C load(const void* from, int32_t dtype, int64_t i) {
  switch (dtype) {
    case WEFT_F32: return static_cast<C>(static_cast<const float*>(from)[i]);
    case WEFT_F64: return static_cast<C>(static_cast<const double*>(from)[i]);
    case WEFT_F16: return static_cast<C>(widen(static_cast<const __half*>(from)[i]));
    default: return static_cast<C>(widen(static_cast<const __nv_bfloat16*>(from)[i]));
  }
}
template <typename C>
__device__ void store(void* to, int32_t dtype, int64_t i, C value) {
  switch (dtype) {
    case WEFT_F32: static_cast<float*>(to)[i] = static_cast<float>(value); break;
    case WEFT_F64: static_cast<double*>(to)[i] = static_cast<double>(value); break;
    case WEFT_F16: static_cast<__half*>(to)[i] = narrow<__half>(static_cast<float>(value)); break;
    default: static_cast<__nv_bfloat16*>(to)[i] = narrow<__nv_bfloat16>(static_cast<float>(value)); break;
  }
}

// What is done to each channel: y = (x - centre) * factor + shift.
template <typename C>
struct Line {
  C centre, factor, shift;
};

// Of given statistics, one product and one sum.
template <typename C>
__global__ void lines_of_given(Channels c, const void* scale, const void* bias, const void* mean, const void* variance,
                               Line<C>* lines) {
  WEFT_FOR(i, c.channels) {
    const C factor =
        load<C>(scale, c.scale_type, i) / sqrt(load<C>(variance, c.mean_type, i) + static_cast<C>(c.epsilon));
    lines[i] = {C(0), factor, load<C>(bias, c.scale_type, i) - load<C>(mean, c.mean_type, i) * factor};
  }
}

template <typename T, int kVector>
struct alignas(sizeof(T) * kVector) Pack {
  T at[kVector];
};

// V elements of one channel at a time. y may be x.
template <typename T, int kVector>
__global__ void apply(int64_t packs, PlaceDivider packs_of_plane, PlaceDivider channels, int channel_count,
                      const Line<Wide<T>>* __restrict__ lines, const T* x, T* y) {
  using P = Pack<T, kVector>;
  WEFT_FOR(i, packs) {
    const int64_t plane = packs_of_plane.of(i);
    const int channel = static_cast<int>(plane - channels.of(plane) * channel_count);
    const Line<Wide<T>> line = lines[channel];
    P pack = reinterpret_cast<const P*>(x)[i];
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      pack.at[k] = narrow<T>((widen(pack.at[k]) - line.centre) * line.factor + line.shift);
    }
    reinterpret_cast<P*>(y)[i] = pack;
  }
}

// The mean of some elements, and the sum of the squares of how far each is from it.
template <typename C>
struct Moments {
  C mean, squares;
};

// Elements of a thread, which stay in registers between the two sums.
constexpr int kEach = 16;
constexpr int kWarps = kThreads / 32;

// The sum over a block of kThreads, in a fixed order; every thread gets it. `parts` has kWarps.
template <typename C>
__device__ C block_sum(C sum, C* parts) {
  for (int lane = 16; lane > 0; lane /= 2) sum += __shfl_xor_sync(~0u, sum, lane);
  __syncthreads();  // who still reads what was there
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = sum;
  __syncthreads();
  sum = 0;
  for (int k = 0; k < kWarps; ++k) sum += parts[k];
  return sum;
}

// Part blockIdx.x of channel blockIdx.y: packs of kVector elements, kThreads * kEach / kVector of them.
template <typename T, int kVector>
__global__ void moments_of_parts(int64_t packs, PlaceDivider packs_of_plane, int64_t plane_packs, int64_t channels,
                                 const T* __restrict__ x, Moments<Wide<T>>* __restrict__ moments) {
  using C = Wide<T>;
  using P = Pack<T, kVector>;
  constexpr int kPacks = kEach / kVector;
  __shared__ C parts[kWarps];
  const P* from = reinterpret_cast<const P*>(x);
  for (int64_t channel = blockIdx.y; channel < channels; channel += gridDim.y) {
    const int64_t begin = static_cast<int64_t>(blockIdx.x) * kThreads * kPacks;
    const int count = static_cast<int>(min(static_cast<int64_t>(kThreads * kPacks), packs - begin));
    C values[kEach];
    C sum = 0;
#pragma unroll
    for (int j = 0; j < kPacks; ++j) {
      const int at = j * kThreads + static_cast<int>(threadIdx.x);
      P pack{};
      if (at < count) {
        const int64_t image = packs_of_plane.of(begin + at);
        pack = from[(image * channels + channel) * plane_packs + (begin + at - image * plane_packs)];
      }
#pragma unroll
      for (int k = 0; k < kVector; ++k) {
        values[j * kVector + k] = widen(pack.at[k]);
        sum += values[j * kVector + k];  // 0 where there is none
      }
    }
    const C mean = block_sum(sum, parts) / static_cast<C>(count * kVector);
    C squares = 0;
#pragma unroll
    for (int j = 0; j < kPacks; ++j) {
      const bool inside = j * kThreads + static_cast<int>(threadIdx.x) < count;
#pragma unroll
      for (int k = 0; k < kVector; ++k) {
        const C off = values[j * kVector + k] - mean;
        if (inside) squares += off * off;
      }
    }
    squares = block_sum(squares, parts);
    if (threadIdx.x == 0) moments[channel * gridDim.x + blockIdx.x] = {mean, squares};
  }
}

constexpr int kRowWarps = kThreads / 32;
constexpr int kRowsOfPart = kRowWarps * kEach;

// Of a matrix [batch, channels]: part blockIdx.x of 32 channels, each a lane of every warp.
template <typename T>
__global__ void moments_of_rows(int64_t batch, int64_t channels, const T* __restrict__ x,
                                Moments<Wide<T>>* __restrict__ moments) {
  using C = Wide<T>;
  __shared__ C parts[kRowWarps][32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * kRowsOfPart;
  const int count = static_cast<int>(min(static_cast<int64_t>(kRowsOfPart), batch - begin));
  // Every thread of the block goes through the same rounds.
  for (int64_t first = static_cast<int64_t>(blockIdx.y) * 32; first < channels; first += int64_t{gridDim.y} * 32) {
    const int64_t channel = first + lane;
    auto sum_rows = [&](C sum) {
      __syncthreads();
      parts[warp][lane] = sum;
      __syncthreads();
      sum = 0;
      for (int k = 0; k < kRowWarps; ++k) sum += parts[k][lane];
      return sum;
    };
    C values[kEach];
    C sum = 0;
#pragma unroll
    for (int j = 0; j < kEach; ++j) {
      const int row = j * kRowWarps + warp;
      values[j] = row < count && channel < channels ? widen(x[(begin + row) * channels + channel]) : C(0);
      sum += values[j];
    }
    const C mean = sum_rows(sum) / static_cast<C>(count);
    C squares = 0;
#pragma unroll
    for (int j = 0; j < kEach; ++j) {
      const C off = values[j] - mean;
      if (j * kRowWarps + warp < count) squares += off * off;
    }
    squares = sum_rows(squares);
    if (warp == 0 && channel < channels) moments[channel * gridDim.x + blockIdx.x] = {mean, squares};
  }
}

// Joins the parts of a channel, all of `part` elements but the last, and moves the running statistics.
template <typename C>
__global__ void lines_of_batch(Channels c, int parts_count, int64_t part, const Moments<C>* __restrict__ moments,
                               const void* scale, const void* bias, const void* mean, const void* variance,
                               void* running_mean, void* running_variance, Line<C>* lines) {
  __shared__ C parts[kWarps];
  const int64_t count = c.batch * c.inner;
  for (int64_t i = blockIdx.x; i < c.channels; i += gridDim.x) {
    const Moments<C>* of = moments + i * parts_count;
    auto size = [&](int k) { return static_cast<C>(min(part, count - k * part)); };
    C sum = 0;
    for (int k = static_cast<int>(threadIdx.x); k < parts_count; k += kThreads) sum += of[k].mean * size(k);
    const C batch_mean = block_sum(sum, parts) / static_cast<C>(count);
    C squares = 0;
    for (int k = static_cast<int>(threadIdx.x); k < parts_count; k += kThreads) {
      const C off = of[k].mean - batch_mean;
      squares += of[k].squares + off * off * size(k);
    }
    const C batch_variance = block_sum(squares, parts) / static_cast<C>(count);
    if (threadIdx.x != 0) continue;
    const C factor = load<C>(scale, c.scale_type, i) / sqrt(batch_variance + static_cast<C>(c.epsilon));
    lines[i] = {batch_mean, factor, load<C>(bias, c.scale_type, i)};
    const C old = static_cast<C>(c.momentum), fresh = static_cast<C>(1 - c.momentum);
    if (running_mean != nullptr) {
      store(running_mean, c.mean_type, i, load<C>(mean, c.mean_type, i) * old + batch_mean * fresh);
    }
    if (running_variance != nullptr) {
      store(running_variance, c.mean_type, i, load<C>(variance, c.mean_type, i) * old + batch_variance * fresh);
    }
  }
}

// All in f64, or none: what f32 and halves are computed in is f32.
bool accepts(const Node& node) {
  const Value& x = node.input(0);
  if (!in_list(FloatTypes(), x.dtype) || x.rank() < 2) return false;
  for (int i = 1; i < 5; ++i) {
    const Value& each = node.input(i);
    if (!in_list(FloatTypes(), each.dtype) || (each.dtype == WEFT_F64) != (x.dtype == WEFT_F64)) return false;
    if (each.shape != Shape{x.shape[1]}) return false;
  }
  const int64_t inner = product(x.shape, 2, x.shape.size());
  if (x.shape[1] > INT32_MAX || inner > INT32_MAX) return false;
  // Of a batch of nothing the statistics are no numbers.
  return node.i("training_mode") == 0 || x.count() > 0;
}

template <typename T, int kVector>
void run_apply(const Launch& launch, const Channels& c, const Line<Wide<T>>* lines) {
  // With one element to a plane, packs would hold several channels.
  const int64_t packs = c.count() / kVector;
  start(launch, apply<T, kVector>, blocks_for(packs), kThreads, 0, packs, PlaceDivider(c.inner / kVector),
        PlaceDivider(c.channels), static_cast<int>(c.channels), lines, launch.input<T>(0), launch.output<T>(0));
}

int64_t parts_of(const Channels& c) {
  const int64_t part = c.inner == 1 ? kRowsOfPart : kThreads * kEach;
  return (c.batch * c.inner + part - 1) / part;
}

template <typename T, int kVector>
void run_moments(const Launch& launch, const Channels& c, Moments<Wide<T>>* moments) {
  const unsigned parts = static_cast<unsigned>(parts_of(c));
  if (c.inner == 1) {
    const dim3 blocks(parts, static_cast<unsigned>(std::min<int64_t>((c.channels + 31) / 32, 65535)));
    start(launch, moments_of_rows<T>, blocks, kThreads, 0, c.batch, c.channels, launch.input<T>(0), moments);
    return;
  }
  const dim3 blocks(parts, static_cast<unsigned>(std::min<int64_t>(c.channels, 65535)));
  const int64_t plane_packs = c.inner / kVector;
  start(launch, moments_of_parts<T, kVector>, blocks, kThreads, 0, c.batch * plane_packs, PlaceDivider(plane_packs),
        plane_packs, c.channels, launch.input<T>(0), moments);
}

template <typename T>
void run(const Launch& launch, const Channels& c, int64_t moments_at) {
  using C = Wide<T>;
  if (c.count() == 0) return;
  constexpr int kVector = 16 / sizeof(T);
  auto* lines = static_cast<Line<C>*>(launch.scratch);
  const bool packed = c.inner % kVector == 0 && aligned(launch.in[0]) && aligned(launch.out[0]);
  if (!c.training) {
    start(launch, lines_of_given<C>, blocks_for(c.channels), kThreads, 0, c, launch.in[1], launch.in[2], launch.in[3],
          launch.in[4], lines);
  } else {
    auto* moments = reinterpret_cast<Moments<C>*>(static_cast<char*>(launch.scratch) + moments_at);
    packed ? run_moments<T, kVector>(launch, c, moments) : run_moments<T, 1>(launch, c, moments);
    const int64_t part = c.inner == 1 ? kRowsOfPart : kThreads * kEach;
    start(launch, lines_of_batch<C>, static_cast<unsigned>(std::min<int64_t>(c.channels, 1 << 20)), kThreads, 0, c,
          static_cast<int>(parts_of(c)), part, moments, launch.in[1], launch.in[2], launch.in[3], launch.in[4],
          launch.out[1], launch.out[2], lines);
  }
  packed ? run_apply<T, kVector>(launch, c, lines) : run_apply<T, 1>(launch, c, lines);
}

Prepared prepare(const Node& node) {
  const Value& x = node.input(0);
  Channels c;
  c.batch = x.shape[0];
  c.channels = x.shape[1];
  c.inner = product(x.shape, 2, x.shape.size());
  c.epsilon = node.f("epsilon");
  c.momentum = node.f("momentum");
  c.scale_type = node.input(1).dtype;
  c.mean_type = node.input(3).dtype;
  c.training = node.i("training_mode") != 0;
  const bool running_mean = node.makes(1), running_variance = node.makes(2);
  const int64_t number = x.dtype == WEFT_F64 ? 8 : 4;
  const int64_t moments_at = (3 * c.channels * number + 255) / 256 * 256;
  if (c.training && parts_of(c) > INT32_MAX) {
    throw Error(WEFT_RESOURCE_EXHAUSTED, "the batch has too many elements for BatchNormalization");
  }
  Prepared prepared;
  prepared.scratch_bytes = moments_at + (c.training ? 2 * c.channels * parts_of(c) * number : 0);
  with_type(FloatTypes(), x.dtype, [&]<typename T>() {
    prepared.run = [c, moments_at, running_mean, running_variance](const Launch& launch) {
      // Only as many outputs as the node has are there to be looked at.
      void* out[3] = {launch.out[0], running_mean ? launch.out[1] : nullptr,
                      running_variance ? launch.out[2] : nullptr};
      run<T>({launch.in, out, launch.scratch, launch.stream, launch.step}, c, moments_at);
    };
  });
  return prepared;
}

}  // namespace

void define_batch_norm(Definitions& all) { all.push_back({"BatchNormalization", "batch_norm", accepts, prepare}); }

}  // namespace weft::cuda
