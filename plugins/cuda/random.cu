// Random tensors and dropout: the numbers that the CPU makes of a key, a stream's name, a counter and a position.
#include <cmath>
#include <string>

#include "plugins/cuda/kernels.h"
#include "plugins/cuda/launch.h"
#include "plugins/cuda/types.cuh"

namespace weft::cuda {
namespace {

// FNV-1a, 64 bits.
uint64_t hash_name(const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

// 2^64 streams for every key, each of 2^64 positions of four words: Philox 4x32-10 (Salmon et al., 2011). A counter
// owns 2^32 positions.
struct Philox {
  uint64_t key, stream;

  __device__ uint4 at(int64_t counter, int64_t index) const {
    const uint64_t position = (static_cast<uint64_t>(counter) << 32) + static_cast<uint64_t>(index);
    uint32_t c0 = static_cast<uint32_t>(position), c1 = static_cast<uint32_t>(position >> 32),
             c2 = static_cast<uint32_t>(stream), c3 = static_cast<uint32_t>(stream >> 32);
    uint32_t key_0 = static_cast<uint32_t>(key), key_1 = static_cast<uint32_t>(key >> 32);
#pragma unroll
    for (int round = 0; round < 10; ++round) {
      const uint64_t first = uint64_t{0xd2511f53} * c0, second = uint64_t{0xcd9e8d57} * c2;
      c0 = static_cast<uint32_t>(second >> 32) ^ c1 ^ key_0;
      c1 = static_cast<uint32_t>(second);
      c2 = static_cast<uint32_t>(first >> 32) ^ c3 ^ key_1;
      c3 = static_cast<uint32_t>(first);
      key_0 += 0x9e3779b9;
      key_1 += 0xbb67ae85;
    }
    return {c0, c1, c2, c3};
  }
};

__device__ uint32_t word_of(uint4 words, int i) {
  return i == 0 ? words.x : i == 1 ? words.y : i == 2 ? words.z : words.w;
}

// Multiples of 2^-24 in [0, 1).
__device__ float uniform_f32(uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }
// Multiples of 2^-53 in [0, 1).
__device__ double uniform_f64(uint32_t high, uint32_t low) {
  return static_cast<double>((uint64_t{high} << 32 | low) >> 11) * 0x1p-53;
}

// Two independent standard normal numbers (Box and Muller).
__device__ double2 normal_pair(uint4 words) {
  const double first = 1.0 - uniform_f64(words.x, words.y), second = uniform_f64(words.z, words.w);
  const double radius = sqrt(-2.0 * log(first));
  double sine, cosine;
  sincos(6.283185307179586 * second, &sine, &cosine);
  return {radius * cosine, radius * sine};
}

// A word's number in [0, 1) is below `limit` where its upper 24 bits are below this.
__host__ __device__ uint32_t bound_of(double limit) { return static_cast<uint32_t>(ceil(limit * 0x1p24)); }

// Halves by way of f32.
template <typename T>
__device__ T rounded(double x) {
  return narrow<T>(static_cast<Wide<T>>(x));
}

// The number before `x` in its type.
template <typename T>
__device__ T below(T x) {
  if constexpr (std::is_same_v<T, float>) {
    return nextafterf(x, -INFINITY);
  } else if constexpr (std::is_same_v<T, double>) {
    return nextafter(x, -static_cast<double>(INFINITY));
  } else {
    static_assert(sizeof(T) == 2);
    uint16_t bits;
    memcpy(&bits, &x, 2);
    if ((bits & 0x7fff) == 0)
      bits = 0x8001;
    else
      bits = static_cast<uint16_t>(bits & 0x8000 ? bits + 1 : bits - 1);
    memcpy(&x, &bits, 2);
    return x;
  }
}

template <typename T, int width>
struct alignas(sizeof(T) * width) Pack {
  T at[width];
};

enum class Law { kUniform, kNormal, kTruncated, kBernoulli };

struct Draw {
  Philox philox;
  int64_t count;
  double a, b;  // low and high, mean and scale, or the probability
};

// Elements that share a position.
template <typename T, Law law>
constexpr int kShared = law == Law::kBernoulli                               ? 4
                        : law == Law::kUniform && !std::is_same_v<T, double> ? 4
                        : law == Law::kTruncated                             ? 1
                                                                             : 2;

// `u` is in [0, 1).
template <typename T, typename U>
__device__ T between(const Draw& d, bool unit, U u) {
  if constexpr (std::is_same_v<T, U>) {
    if (unit) return u;
  }
  T value;
  if (unit)
    value = narrow<T>(static_cast<Wide<T>>(u));
  else
    value = rounded<T>(d.a + (d.b - d.a) * static_cast<double>(u));
  // Rounding must not reach the upper limit.
  const bool reached = unit ? widen(value) >= Wide<T>(1) : static_cast<double>(widen(value)) >= d.b && d.a < d.b;
  return reached ? below(rounded<T>(d.b)) : value;
}

template <typename T, Law law>
__device__ void make(const Draw& d, int64_t counter, int64_t group, T* out) {
  if constexpr (law == Law::kTruncated) {
    // Those drawn again are taken from the streams behind.
    for (uint64_t attempt = 0;; ++attempt) {
      const Philox philox{d.philox.key, d.philox.stream + attempt};
      const double2 pair = normal_pair(philox.at(counter, group));
      const bool first = fabs(pair.x) <= 2;
      if (!first && !(fabs(pair.y) <= 2)) continue;
      out[0] = rounded<T>(d.a + d.b * (first ? pair.x : pair.y));
      return;
    }
  } else {
    const uint4 words = d.philox.at(counter, group);
    if constexpr (law == Law::kNormal) {
      const double2 pair = normal_pair(words);
      out[0] = rounded<T>(d.a + d.b * pair.x);
      out[1] = rounded<T>(d.a + d.b * pair.y);
    } else if constexpr (law == Law::kBernoulli) {
      const uint32_t bound = bound_of(d.a);
#pragma unroll
      for (int k = 0; k < 4; ++k) out[k] = narrow<T>(word_of(words, k) >> 8 < bound ? Wide<T>(1) : Wide<T>(0));
    } else {
      const bool unit = d.a == 0 && d.b == 1;
      if constexpr (std::is_same_v<T, double>) {
        out[0] = between<T>(d, unit, uniform_f64(words.x, words.y));
        out[1] = between<T>(d, unit, uniform_f64(words.z, words.w));
      } else {
#pragma unroll
        for (int k = 0; k < 4; ++k) out[k] = between<T>(d, unit, uniform_f32(word_of(words, k)));
      }
    }
  }
}

// `wide`: whether all elements of a position can be stored at once.
template <typename T, Law law>
__global__ void __launch_bounds__(kThreads) draw_all(Draw d, const int64_t* given_counter, T* y, bool wide) {
  constexpr int kEach = kShared<T, law>;
  const int64_t counter = *given_counter;
  WEFT_FOR(group, (d.count + kEach - 1) / kEach) {
    Pack<T, kEach> made;
    make<T, law>(d, counter, group, made.at);
    const int64_t begin = group * kEach;
    if (wide && begin + kEach <= d.count) {
      reinterpret_cast<Pack<T, kEach>*>(y)[group] = made;
    } else {
#pragma unroll
      for (int k = 0; k < kEach; ++k) {
        if (begin + k < d.count) y[begin + k] = made.at[k];
      }
    }
  }
}

bool aligned(const void* data, size_t bytes) { return reinterpret_cast<uintptr_t>(data) % bytes == 0; }

Philox philox_of(const Node& node) { return {static_cast<uint64_t>(node.i("seed")), hash_name(node.s("stream"))}; }

template <Law law>
Prepared prepare_draw(const Node& node) {
  const char* a = law == Law::kUniform ? "low" : law == Law::kBernoulli ? "probability" : "mean";
  const char* b = law == Law::kUniform ? "high" : law == Law::kBernoulli ? a : "scale";
  const Draw draw{philox_of(node), node.output(0).count(), node.f(a), node.f(b)};
  Prepared prepared;
  with_type(FloatTypes{}, node.output(0).dtype, [&]<typename T>() {
    prepared.run = [draw](const Launch& launch) {
      if (draw.count == 0) return;
      constexpr int kEach = kShared<T, law>;
      T* y = launch.output<T>(0);
      start(launch, draw_all<T, law>, blocks_for(draw.count, kThreads * kEach), kThreads, 0, draw,
            launch.input<int64_t>(1), y, aligned(y, sizeof(Pack<T, kEach>)));
    };
  });
  return prepared;
}

// A counter has 2^32 positions.
bool accepts_draw(const Node& node) {
  return in_list(FloatTypes{}, node.output(0).dtype) && node.output(0).count() <= int64_t{1} << 32;
}

__device__ double number_at(const void* at, int32_t dtype) {
  switch (dtype) {
    case WEFT_F32: return *static_cast<const float*>(at);
    case WEFT_F64: return *static_cast<const double*>(at);
    case WEFT_F16: return __half2float(*static_cast<const __half*>(at));
    default: return __bfloat162float(*static_cast<const __nv_bfloat16*>(at));
  }
}

// Four elements share a position. `mask` may be null; `y` may be `x`.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    drop(Philox philox, int64_t count, const T* x, const void* given_ratio, int32_t ratio_dtype,
         const int64_t* given_counter, T* y, uint8_t* mask, bool wide, FaultSlot faults, int32_t step) {
  const double ratio = number_at(given_ratio, ratio_dtype);
  if (!(ratio >= 0 && ratio <= 1)) {
    if (blockIdx.x == 0 && threadIdx.x == 0) faults.report(step, kRatioOutOfRange, __double_as_longlong(ratio), 1);
    return;
  }
  const int64_t counter = *given_counter;
  const uint32_t bound = bound_of(ratio);
  const Wide<T> kept = static_cast<Wide<T>>(1 - ratio);
  WEFT_FOR(group, (count + 3) / 4) {
    const int64_t begin = group * 4;
    const bool whole = wide && begin + 4 <= count;
    Pack<T, 4> values{};
    if (whole) {
      values = reinterpret_cast<const Pack<T, 4>*>(x)[group];
    } else {
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        if (begin + k < count) values.at[k] = x[begin + k];
      }
    }
    const uint4 words = philox.at(counter, group);
    Pack<uint8_t, 4> keep;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      keep.at[k] = word_of(words, k) >> 8 >= bound;
      values.at[k] = narrow<T>(keep.at[k] ? widen(values.at[k]) / kept : Wide<T>(0));
    }
    if (whole) {
      reinterpret_cast<Pack<T, 4>*>(y)[group] = values;
      if (mask != nullptr) reinterpret_cast<Pack<uint8_t, 4>*>(mask)[group] = keep;
    } else {
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        if (begin + k >= count) continue;
        y[begin + k] = values.at[k];
        if (mask != nullptr) mask[begin + k] = keep.at[k];
      }
    }
  }
}

Prepared prepare_dropout(const Node& node) {
  const Philox philox = philox_of(node);
  const int64_t count = node.input(0).count();
  const int32_t ratio_dtype = node.input(1).dtype;
  const bool has_mask = node.makes(1);
  Prepared prepared;
  with_type(FloatTypes{}, node.input(0).dtype, [&]<typename T>() {
    prepared.run = [philox, count, ratio_dtype, has_mask](const Launch& launch) {
      const T* x = launch.input<T>(0);
      T* y = launch.output<T>(0);
      uint8_t* mask = has_mask ? launch.output<uint8_t>(1) : nullptr;
      const bool wide = aligned(x, 4 * sizeof(T)) && aligned(y, 4 * sizeof(T)) && aligned(mask, 4);
      // The ratio is looked at even if there is nothing to drop.
      start(launch, drop<T>, blocks_for(count, kThreads * 4), kThreads, 0, philox, count, x, launch.in[1], ratio_dtype,
            launch.input<int64_t>(2), y, mask, wide, launch.stream.faults(), launch.step);
    };
  });
  return prepared;
}

bool accepts_dropout(const Node& node) {
  return node.i_or("mt19937", 0) == 0 && in_list(FloatTypes{}, node.input(0).dtype) && in_list(FloatTypes{}, node.input(1).dtype) && node.makes(0) &&
         node.input(0).count() / 4 < int64_t{1} << 32;
}

// A block has a row: the sums of exp(score - greatest score) up to each class, in double precision.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    sum_up(const T* all_scores, double* all_sums, int64_t classes, FaultSlot faults, int32_t step) {
  constexpr int kWarps = kThreads / 32;
  __shared__ double shared[kWarps];
  const T* scores = all_scores + blockIdx.x * classes;
  double* sums = all_sums + blockIdx.x * classes;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;

  double most = -static_cast<double>(INFINITY);
  for (int64_t k = threadIdx.x; k < classes; k += kThreads) {
    most = fmax(most, static_cast<double>(widen(scores[k])));
  }
  for (int distance = 16; distance > 0; distance /= 2) {
    most = fmax(most, __shfl_xor_sync(0xffffffff, most, distance));
  }
  if (lane == 0) shared[warp] = most;
  __syncthreads();
  for (int i = 0; i < kWarps; ++i) most = fmax(most, shared[i]);
  __syncthreads();

  double before = 0;  // the sum of all earlier rounds
  for (int64_t begin = 0; begin < classes; begin += kThreads) {
    const int64_t k = begin + threadIdx.x;
    double sum = k < classes ? exp(static_cast<double>(widen(scores[k])) - most) : 0;
    for (int distance = 1; distance < 32; distance *= 2) {
      const double other = __shfl_up_sync(0xffffffff, sum, distance);
      if (lane >= distance) sum += other;
    }
    if (lane == 31) shared[warp] = sum;
    __syncthreads();
    double of_warps = before;
    for (int i = 0; i < kWarps; ++i) {
      if (i == warp) sum += of_warps;
      of_warps += shared[i];
    }
    if (k < classes) sums[k] = sum;
    before = of_warps;
    __syncthreads();
  }
  if (threadIdx.x == 0 && !isfinite(before)) faults.report(step, kNoClass, static_cast<int64_t>(blockIdx.x), classes);
}

template <typename Index>
__global__ void __launch_bounds__(kThreads) choose(Philox philox, const double* sums, const int64_t* given_counter,
                                                   Index* y, int64_t count, int64_t samples, int64_t classes) {
  const int64_t counter = *given_counter;
  WEFT_FOR(i, count) {
    const double* row = sums + i / samples * classes;
    const uint4 words = philox.at(counter, i / 2);
    const double u = i % 2 == 0 ? uniform_f64(words.x, words.y) : uniform_f64(words.z, words.w);
    const double wanted = u * row[classes - 1];
    // The first above what is wanted; rounding may make that the whole sum.
    int64_t low = 0, high = classes - 1;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (wanted < row[middle])
        high = middle;
      else
        low = middle + 1;
    }
    y[i] = static_cast<Index>(low);
  }
}

Prepared prepare_multinomial(const Node& node) {
  const Philox philox = philox_of(node);
  const int64_t rows = node.input(0).shape[0], classes = node.input(0).shape[1], samples = node.i("sample_size");
  const bool is_long = node.output(0).dtype == WEFT_I64;
  Prepared prepared;
  prepared.scratch_bytes = rows * classes * static_cast<int64_t>(sizeof(double));
  with_type(FloatTypes{}, node.input(0).dtype, [&]<typename T>() {
    prepared.run = [philox, rows, classes, samples, is_long](const Launch& launch) {
      if (rows == 0) return;
      double* sums = static_cast<double*>(launch.scratch);
      start(launch, sum_up<T>, static_cast<unsigned>(rows), kThreads, 0, launch.input<T>(0), sums, classes,
            launch.stream.faults(), launch.step);
      const int64_t count = rows * samples;
      if (count == 0) return;
      auto draw = [&](auto kernel, auto* y) {
        start(launch, kernel, blocks_for(count), kThreads, 0, philox, sums, launch.input<int64_t>(1), y, count, samples,
              classes);
      };
      if (is_long)
        draw(choose<int64_t>, launch.output<int64_t>(0));
      else
        draw(choose<int32_t>, launch.output<int32_t>(0));
    };
  });
  return prepared;
}

bool accepts_multinomial(const Node& node) {
  const Value &scores = node.input(0), &y = node.output(0);
  return in_list(FloatTypes{}, scores.dtype) && (y.dtype == WEFT_I32 || y.dtype == WEFT_I64) && scores.rank() == 2 &&
         scores.shape[1] > 0 && scores.shape[0] < int64_t{1} << 31 && y.count() <= int64_t{1} << 32;
}

}  // namespace

void define_random(Definitions& all) {
  all.push_back({"weft.RandomUniform", "philox", accepts_draw, prepare_draw<Law::kUniform>});
  all.push_back({"weft.RandomNormal", "philox", accepts_draw, prepare_draw<Law::kNormal>});
  all.push_back({"weft.RandomTruncatedNormal", "philox", accepts_draw, prepare_draw<Law::kTruncated>});
  all.push_back({"weft.RandomBernoulli", "philox", accepts_draw, prepare_draw<Law::kBernoulli>});
  all.push_back({"weft.RandomMultinomial", "philox", accepts_multinomial, prepare_multinomial});
  all.push_back({"weft.Dropout", "philox", accepts_dropout, prepare_dropout});
}

}  // namespace weft::cuda
