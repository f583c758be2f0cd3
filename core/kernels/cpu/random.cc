// Kernels of the random tensors.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/random_common.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

struct State {
  uint64_t seed, stream;
  int64_t count;
  double a, b;  // low and high, mean and scale, or the probability
};

constexpr int64_t kBlock = 4096;

// The number before `x` in its type.
template <typename T>
T below(T x) {
  if constexpr (kIsHalf<T>) {
    if ((x.bits & 0x7fff) == 0)
      x.bits = 0x8001;
    else
      x.bits += x.bits & 0x8000 ? 1 : -1;
    return x;
  } else {
    return std::nextafter(x, -std::numeric_limits<T>::infinity());
  }
}

// `u` is in [0, 1).
template <typename T>
T between(double low, double high, double u) {
  T value = static_cast<T>(low + (high - low) * u);
  // Rounding must not reach the upper limit.
  return static_cast<double>(value) >= high && low < high ? below(static_cast<T>(high)) : value;
}

template <typename T>
void uniform(const State& s, const RunArgs& args) {
  T* y = args.output<T>(0);
  const int64_t counter = *args.input<int64_t>(1);
  const Philox philox(s.seed, s.stream);
  parallel_for(*args.parallel, s.count, kBlock, 5, [&](int64_t begin, int64_t end) {
    if constexpr (std::is_same_v<T, double>) {
      for (int64_t i = begin; i < end; ++i) {
        const PhiloxWords words = philox.at(position_of(counter, i / 2));
        y[i] = between<T>(s.a, s.b, uniform_f64(words.word[i % 2 * 2], words.word[i % 2 * 2 + 1]));
      }
    } else {
      for_words(philox, counter, begin, end,
                [&](int64_t i, uint32_t word) { y[i] = between<T>(s.a, s.b, uniform_f32(word)); });
    }
  });
}

template <typename T>
void bernoulli(const State& s, const RunArgs& args) {
  T* y = args.output<T>(0);
  const int64_t counter = *args.input<int64_t>(1);
  const Philox philox(s.seed, s.stream);
  parallel_for(*args.parallel, s.count, kBlock, 4, [&](int64_t begin, int64_t end) {
    for_words(philox, counter, begin, end,
              [&](int64_t i, uint32_t word) { y[i] = static_cast<T>(uniform_f32(word) < s.a ? 1.0f : 0.0f); });
  });
}

template <typename T>
void normal(const State& s, const RunArgs& args) {
  T* y = args.output<T>(0);
  const int64_t counter = *args.input<int64_t>(1);
  const Philox philox(s.seed, s.stream);
  static_assert(kBlock % 2 == 0);
  parallel_for(*args.parallel, s.count, kBlock, 25, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += 2) {
      const NormalPair pair = normal_pair(philox.at(position_of(counter, i / 2)));
      for (int64_t k = 0; k < std::min<int64_t>(2, end - i); ++k) {
        y[i + k] = static_cast<T>(s.a + s.b * pair.value[k]);
      }
    }
  });
}

// Every element has a position of its own; those drawn again take it from the streams behind.
double normal_within_two(const State& s, int64_t counter, int64_t i) {
  for (uint64_t attempt = 0;; ++attempt) {
    const NormalPair pair = normal_pair(Philox(s.seed, s.stream + attempt).at(position_of(counter, i)));
    for (double value : pair.value) {
      if (std::fabs(value) <= 2) return value;
    }
  }
}

template <typename T>
void truncated_normal(const State& s, const RunArgs& args) {
  T* y = args.output<T>(0);
  const int64_t counter = *args.input<int64_t>(1);
  parallel_for(*args.parallel, s.count, kBlock, 50, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      y[i] = static_cast<T>(s.a + s.b * normal_within_two(s, counter, i));
    }
  });
}

struct Choice {
  uint64_t seed, stream;
  int64_t rows, classes, samples;
};

// Sums up to each class; false if the row has no greatest score that is finite.
template <typename T>
bool sum_up(const T* scores, double* sums, int64_t classes) {
  double most = -std::numeric_limits<double>::infinity(), sum = 0;
  for (int64_t k = 0; k < classes; ++k) most = std::max(most, static_cast<double>(scores[k]));
  for (int64_t k = 0; k < classes; ++k) {
    sum += std::exp(static_cast<double>(scores[k]) - most);
    sums[k] = sum;
  }
  return std::isfinite(sum) && classes > 0;
}

template <typename T, typename Index>
void multinomial(const Choice& c, const RunArgs& args) {
  const T* scores = args.input<T>(0);
  const int64_t counter = *args.input<int64_t>(1);
  double* sums = static_cast<double*>(args.scratch);
  Index* y = args.output<Index>(0);
  const Philox philox(c.seed, c.stream);
  std::atomic<bool> wrong{false};
  parallel_for(*args.parallel, c.rows, 1, 10 * static_cast<double>(c.classes), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      if (!sum_up(scores + r * c.classes, sums + r * c.classes, c.classes)) wrong = true;
    }
  });
  if (wrong) {
    *args.status = invalid("a row of the scores has no greatest one that is finite, so no class can be drawn");
    return;
  }
  parallel_for(*args.parallel, c.rows * c.samples, kBlock, 30, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double* row = sums + i / c.samples * c.classes;
      const PhiloxWords words = philox.at(position_of(counter, i / 2));
      const double u = uniform_f64(words.word[i % 2 * 2], words.word[i % 2 * 2 + 1]);
      // Rounding may make the product the whole sum.
      const double* found = std::upper_bound(row, row + c.classes - 1, u * row[c.classes - 1]);
      y[i] = static_cast<Index>(found - row);
    }
  });
}

bool takes_scores(const KernelContext& c) { return in_list(FloatElements{}, c.dtype(0)); }

Status prepare_multinomial(const KernelContext& c, PreparedKernel* prepared) {
  const Choice choice{static_cast<uint64_t>(c.attrs().i("seed")), hash_name(c.attrs().s("stream")), c.shape(0)[0],
                      c.shape(0)[1], c.attrs().i("sample_size")};
  if (c.output_count_of(0) > kPositionsOfACounter) {
    return unimplemented("a random tensor of more than 2^32 elements: ", shape_text(c.output_shape(0)));
  }
  prepared->scratch_bytes = dtype_bytes(DType::kF64, c.count(0));
  prepared->cost_ns = 10.0 * static_cast<double>(c.count(0)) + 30.0 * static_cast<double>(c.output_count_of(0));
  with_type(FloatElements{}, c.dtype(0), [&]<typename T>() {
    if (c.output_dtype(0) == DType::kI32)
      prepared->use<&multinomial<T, int32_t>>(choice);
    else
      prepared->use<&multinomial<T, int64_t>>(choice);
  });
  return {};
}

enum class Law { kUniform, kNormal, kTruncated, kBernoulli };

// What is rounded later might reach the upper limit, so that halves have a loop of their own.
template <Law law>
using RandomElements = std::conditional_t<law == Law::kUniform, Types<float, double, F16, BF16>, FloatElements>;

template <Law law>
bool takes_random(const KernelContext& c) {
  return in_list(RandomElements<law>{}, c.output_dtype(0));
}

template <Law law>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  const char* a = law == Law::kUniform ? "low" : law == Law::kBernoulli ? "probability" : "mean";
  const char* b = law == Law::kUniform ? "high" : law == Law::kBernoulli ? a : "scale";
  State state{static_cast<uint64_t>(c.attrs().i("seed")), hash_name(c.attrs().s("stream")), c.output_count_of(0),
              c.attrs().f(a), c.attrs().f(b)};
  if (state.count > kPositionsOfACounter) {
    return unimplemented("a random tensor of more than 2^32 elements: ", shape_text(c.output_shape(0)));
  }
  prepared->cost_ns = 20.0 * static_cast<double>(state.count);
  with_type(RandomElements<law>{}, c.output_dtype(0), [&]<typename T>() {
    if constexpr (law == Law::kUniform)
      prepared->use<&uniform<T>>(state);
    else if constexpr (law == Law::kNormal)
      prepared->use<&normal<T>>(state);
    else if constexpr (law == Law::kTruncated)
      prepared->use<&truncated_normal<T>>(state);
    else
      prepared->use<&bernoulli<T>>(state);
  });
  return {};
}

}  // namespace

void add_cpu_random(KernelRegistry& kernels) {
  kernels.add("weft.RandomUniform", {"plain", takes_random<Law::kUniform>, prepare<Law::kUniform>});
  kernels.add("weft.RandomNormal", {"plain", takes_random<Law::kNormal>, prepare<Law::kNormal>});
  kernels.add("weft.RandomTruncatedNormal", {"plain", takes_random<Law::kTruncated>, prepare<Law::kTruncated>});
  kernels.add("weft.RandomBernoulli", {"plain", takes_random<Law::kBernoulli>, prepare<Law::kBernoulli>});
  kernels.add("weft.RandomMultinomial", {"plain", takes_scores, prepare_multinomial});
}

}  // namespace weft
