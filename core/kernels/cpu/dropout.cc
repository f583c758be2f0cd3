// Kernel of weft.Dropout.
#include <cstring>
#include <random>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/random_common.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

struct State {
  Philox philox;
  bool twister;
  uint32_t seed;
  int64_t count;
  DType ratio_dtype;
  bool has_mask;
};

double load_ratio(const State& s, const RunArgs& args) {
  double ratio = 0;
  with_type(FloatElements{}, s.ratio_dtype, [&]<typename R>() { ratio = static_cast<double>(*args.input<R>(1)); });
  return ratio;
}

constexpr int64_t kBlock = 4096;

template <typename T>
void drop(const bool* keep, const T kept, const T* x, T* y, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T scaled = x[i] / kept;
    y[i] = keep[i] ? scaled : T(0);
  }
}

// From 0 to 1, of 53 bits.
double uniform(std::mt19937& twister) {
  const uint32_t high = twister() >> 5, low = twister() >> 6;
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

template <typename T>
void run(const State& s, const RunArgs& args) {
  const double ratio = load_ratio(s, args);
  if (!(ratio >= 0 && ratio <= 1)) {
    *args.status = invalid("input 'ratio' is ", ratio, "; it must be from 0 to 1");
    return;
  }
  const int64_t counter = *args.input<int64_t>(2);
  const T kept = static_cast<T>(1 - ratio);
  const auto finish = [&](const bool* keep, int64_t begin, int64_t end) {
    drop(keep, kept, args.input<T>(0) + begin, args.output<T>(0) + begin, end - begin);
    if (s.has_mask) std::memcpy(args.output<bool>(1) + begin, keep, static_cast<size_t>(end - begin));
  };
  if (s.twister) {
    std::mt19937 twister(s.seed);
    Parallel alone = *args.parallel;
    alone.max_threads = 1;
    parallel_for(alone, s.count, kBlock, 6, [&](int64_t begin, int64_t end) {
      bool keep[kBlock];
      for (int64_t i = begin; i < end; ++i) keep[i - begin] = uniform(twister) >= ratio;
      finish(keep, begin, end);
    });
    return;
  }
  parallel_for(*args.parallel, s.count, kBlock, 6, [&](int64_t begin, int64_t end) {
    bool keep[kBlock];
    for_words(s.philox, counter, begin, end,
              [&](int64_t i, uint32_t word) { keep[i - begin] = uniform_f32(word) >= ratio; });
    finish(keep, begin, end);
  });
}

bool takes_dropout(const KernelContext& c) {
  return in_list(FloatElements{}, c.dtype(0)) && in_list(FloatElements{}, c.dtype(1));
}

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  const auto seed = static_cast<uint64_t>(c.attrs().i("seed"));
  State state{Philox(seed, hash_name(c.attrs().s("stream"))),
              c.attrs().b("mt19937"),
              static_cast<uint32_t>(seed),
              c.count(0),
              c.dtype(1),
              c.has_output(1)};
  if (state.count / 4 >= kPositionsOfACounter) {
    return unimplemented("Dropout of more than 2^34 elements: ", shape_text(c.shape(0)));
  }
  prepared->cost_ns = 4.0 * static_cast<double>(state.count);
  with_type(FloatElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&run<T>>(state); });
  return {};
}

}  // namespace

void add_cpu_dropout(KernelRegistry& kernels) { kernels.add("weft.Dropout", {"plain", takes_dropout, prepare}); }

}  // namespace weft
