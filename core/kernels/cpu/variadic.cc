// Kernels of Min, Max, Sum and Mean of any number of inputs with broadcasting.
#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

struct Min {
  template <typename T>
  static T apply(T a, T b) {
    return a < b || a != a ? a : b;
  }
};
struct Max {
  template <typename T>
  static T apply(T a, T b) {
    return a > b || a != a ? a : b;
  }
};
struct Sum {
  template <typename T>
  static T apply(T a, T b) {
    return a + b;
  }
};

struct State {
  int64_t count = 0;
  double cost_ns = 0;
  std::vector<Broadcast> plans;  // each input alone to the output
  double divisor = 1;
};

// A block of the output at a time, so that it stays in the cache while the inputs pass.
template <typename T, typename Op, bool mean>
void run(const State& s, const RunArgs& args) {
  constexpr int64_t kStep = 1024;
  parallel_for(*args.parallel, s.count, kElementwiseBlock, s.cost_ns, [&](int64_t begin, int64_t end) {
    T total[kStep];
    for (; begin < end; begin += kStep) {
      const int64_t stop = std::min(begin + kStep, end);
      for (size_t k = 0; k < s.plans.size(); ++k) {
        const T* x = args.input<T>(static_cast<int>(k));
        const bool moves = s.plans[k].last_step(0) != 0;
        for_runs<1>(s.plans[k], begin, stop, [&](int64_t out, const int64_t* at, int64_t n) {
          T* to = total + (out - begin);
          const T* from = x + at[0];
          if (k == 0) {
            if (moves)
              for (int64_t i = 0; i < n; ++i) to[i] = from[i];
            else
              std::fill(to, to + n, *from);
          } else if (moves) {
            for (int64_t i = 0; i < n; ++i) to[i] = Op::apply(to[i], from[i]);
          } else {
            const T same = *from;
            for (int64_t i = 0; i < n; ++i) to[i] = Op::apply(to[i], same);
          }
        });
      }
      T* y = args.output<T>(0) + begin;
      const T divisor = static_cast<T>(s.divisor);
      for (int64_t i = 0; i < stop - begin; ++i) y[i] = static_cast<T>(mean ? total[i] / divisor : total[i]);
    }
  });
}

template <typename T, typename Op, bool mean>
void span(const State& s, const void* const* in, void* out, int64_t n) {
  // Through a place of its own: the output may be one of the inputs.
  constexpr int64_t kStep = 256;
  T total[kStep];
  for (int64_t begin = 0; begin < n; begin += kStep) {
    const int64_t length = std::min(kStep, n - begin);
    for (size_t k = 0; k < s.plans.size(); ++k) {
      const T* x = static_cast<const T*>(in[k]) + begin;
      for (int64_t i = 0; i < length; ++i) total[i] = k == 0 ? x[i] : Op::apply(total[i], x[i]);
    }
    const T divisor = static_cast<T>(s.divisor);
    T* y = static_cast<T*>(out) + begin;
    for (int64_t i = 0; i < length; ++i) y[i] = mean ? total[i] / divisor : total[i];
  }
}

template <typename Elements>
bool takes(const KernelContext& c) {
  return in_list(Elements{}, c.dtype(0));
}

template <typename Op, bool mean, typename Elements>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  State state;
  state.count = c.output_count_of(0);
  state.cost_ns = 0.5 * c.input_count();
  state.divisor = c.input_count();
  for (int i = 0; i < c.input_count(); ++i) state.plans.push_back(plan_broadcast(c.output_shape(0), {c.shape(i)}));
  prepared->cost_ns = state.cost_ns * static_cast<double>(state.count);
  with_type(Elements{}, c.dtype(0), [&]<typename T>() {
    prepared->use<&run<T, Op, mean>>(std::move(state));
    if constexpr (kHot<T>) prepared->use_span<&span<T, Op, mean>, State>();
  });
  return {};
}

}  // namespace

void add_cpu_variadic(KernelRegistry& kernels) {
  kernels.add("Min", {"plain", takes<NumberElements>, prepare<Min, false, NumberElements>});
  kernels.add("Max", {"plain", takes<NumberElements>, prepare<Max, false, NumberElements>});
  kernels.add("Sum", {"plain", takes<FloatElements>, prepare<Sum, false, FloatElements>});
  kernels.add("Mean", {"plain", takes<FloatElements>, prepare<Sum, true, FloatElements>});
}

}  // namespace weft
