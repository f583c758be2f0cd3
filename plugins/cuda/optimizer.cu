// The optimizers' updates for whole gradients, one pass over parameter, gradient and state each.
#include "plugins/cuda/kernels.h"
#include "plugins/cuda/launch.h"
#include "plugins/cuda/types.cuh"

namespace weft::cuda {
namespace {

template <typename T, int width>
struct alignas(sizeof(T) * width) Pack {
  T at[width];
};

// What a step does to one element. `in` are parameter, gradient and state, `out` what replaces parameter and state.
struct SgdStep {
  static constexpr int kIn = 2, kOut = 1;
  struct Given {
    double decay;
  };
  template <typename W>
  struct Factors {
    W rate, decay;
  };
  template <typename T, typename W>
  static __device__ bool make(const Given& given, const T* rate, const int64_t*, FaultSlot, int32_t, Factors<W>* f) {
    *f = {widen(*rate), static_cast<W>(given.decay)};
    return true;
  }
  template <typename W>
  static __device__ void run(const Factors<W>& f, const W* in, W* out) {
    out[0] = in[0] - f.rate * (in[1] + f.decay * in[0]);
  }
};

template <bool nesterov>
struct MomentumStep {
  static constexpr int kIn = 3, kOut = 2;
  struct Given {
    double decay, momentum;
  };
  template <typename W>
  struct Factors {
    W rate, decay, mu;
  };
  template <typename T, typename W>
  static __device__ bool make(const Given& given, const T* rate, const int64_t*, FaultSlot, int32_t, Factors<W>* f) {
    *f = {widen(*rate), static_cast<W>(given.decay), static_cast<W>(given.momentum)};
    return true;
  }
  template <typename W>
  static __device__ void run(const Factors<W>& f, const W* in, W* out) {
    const W slope = in[1] + f.decay * in[0];
    const W velocity = f.mu * in[2] + slope;
    out[1] = velocity;
    out[0] = in[0] - f.rate * (nesterov ? slope + f.mu * velocity : velocity);
  }
};

// `near_old`: the first moment is interpolated from the old one, else from the gradient.
template <bool near_old>
struct AdamStep {
  static constexpr int kIn = 4, kOut = 3;
  struct Given {
    double beta1, beta2, epsilon, decay;
    bool decoupled;
  };
  template <typename W>
  struct Factors {
    W rate, root, shrink, decay, new1, old1, new2, old2, epsilon;
  };
  // In double precision, as the CPU does.
  template <typename T, typename W>
  static __device__ bool make(const Given& given, const T* given_rate, const int64_t* given_step, FaultSlot faults,
                              int32_t plan_step, Factors<W>* f) {
    const int64_t step = *given_step;
    if (step < 1) {
      if (blockIdx.x == 0) faults.report(plan_step, kStepTooLow, step, 1);
      return false;
    }
    const double rate = static_cast<double>(widen(*given_rate));
    const double time = static_cast<double>(step);
    f->rate = static_cast<W>(rate / (1 - pow(given.beta1, time)));
    f->root = static_cast<W>(sqrt(1 - pow(given.beta2, time)));
    f->shrink = static_cast<W>(given.decoupled ? 1 - rate * given.decay : 1.0);
    f->decay = static_cast<W>(given.decoupled ? 0.0 : given.decay);
    f->new1 = static_cast<W>(1 - given.beta1);
    f->old1 = W(1) - f->new1;
    f->new2 = static_cast<W>(1 - given.beta2);
    f->old2 = static_cast<W>(given.beta2);
    f->epsilon = static_cast<W>(given.epsilon);
    return true;
  }
  template <typename W>
  static __device__ void run(const Factors<W>& f, const W* in, W* out) {
    const W old = in[0] * f.shrink, slope = in[1] + f.decay * old;
    const W mean = in[2], change = slope - mean;
    const W first = near_old ? mean + f.new1 * change : slope - change * f.old1;
    const W second = f.old2 * in[3] + f.new2 * slope * slope;
    out[1] = first;
    out[2] = second;
    out[0] = old - f.rate * first / (sqrt(second) / f.root + f.epsilon);
  }
};

template <typename T, typename Step>
struct Arrays {
  const T* in[Step::kIn];
  T* out[Step::kOut];  // may lie where their inputs do
};

template <typename Step, typename T, int width>
__device__ void update(const typename Step::template Factors<Wide<T>>& f, const Pack<T, width>* given,
                       Pack<T, width>* made) {
#pragma unroll
  for (int k = 0; k < width; ++k) {
    Wide<T> in[Step::kIn], out[Step::kOut];
#pragma unroll
    for (int i = 0; i < Step::kIn; ++i) in[i] = widen(given[i].at[k]);
    Step::run(f, in, out);
#pragma unroll
    for (int i = 0; i < Step::kOut; ++i) made[i].at[k] = narrow<T>(out[i]);
  }
}

// The factors are the same for all: one thread of a block makes them, while the first elements are on their way.
template <typename Step, typename T, int width>
__global__ void __launch_bounds__(kThreads)
    update_all(Arrays<T, Step> arrays, int64_t count, typename Step::Given given, const T* rate, const int64_t* step,
               FaultSlot faults, int32_t plan_step) {
  using Group = Pack<T, width>;
  using Factors = typename Step::template Factors<Wide<T>>;
  __shared__ Factors shared;
  __shared__ bool good;
  const int64_t groups = count / width, stride = static_cast<int64_t>(gridDim.x) * kThreads;
  int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  Group in[Step::kIn], out[Step::kOut];
  auto load = [&](int64_t at) {
#pragma unroll
    for (int k = 0; k < Step::kIn; ++k) in[k] = reinterpret_cast<const Group*>(arrays.in[k])[at];
  };
  if (i < groups) load(i);
  if (threadIdx.x == 0) good = Step::make(given, rate, step, faults, plan_step, &shared);
  __syncthreads();
  if (!good) return;
  const Factors f = shared;
  while (i < groups) {
    update<Step, T, width>(f, in, out);
    const int64_t now = i;
    i += stride;
    // Before anything is stored: other elements do not overlap with those stored.
    if (i < groups) load(i);
#pragma unroll
    for (int k = 0; k < Step::kOut; ++k) reinterpret_cast<Group*>(arrays.out[k])[now] = out[k];
  }
  if constexpr (width > 1) {
    const int64_t last = groups * width + threadIdx.x;
    if (blockIdx.x != 0 || last >= count) return;
    Pack<T, 1> one[Step::kIn], done[Step::kOut];
#pragma unroll
    for (int k = 0; k < Step::kIn; ++k) one[k].at[0] = arrays.in[k][last];
    update<Step, T, 1>(f, one, done);
#pragma unroll
    for (int k = 0; k < Step::kOut; ++k) arrays.out[k][last] = done[k].at[0];
  }
}

// The learning rate, and the number of the step if there is one, follow the arrays.
template <typename Step>
Prepared prepare_step(const Node& node, typename Step::Given given) {
  const int64_t count = node.input(0).count();
  Prepared prepared;
  with_type(FloatTypes{}, node.input(0).dtype, [&]<typename T>() {
    prepared.run = [count, given](const Launch& launch) {
      constexpr int kWidth = 16 / sizeof(T);
      constexpr bool kCountsSteps = Step::kIn == 4;
      Arrays<T, Step> arrays;
      bool wide = true;
      for (int i = 0; i < Step::kIn; ++i) {
        arrays.in[i] = launch.input<T>(i);
        wide = wide && aligned(arrays.in[i]);
      }
      for (int i = 0; i < Step::kOut; ++i) {
        arrays.out[i] = launch.output<T>(i);
        wide = wide && aligned(arrays.out[i]);
      }
      if (count == 0 && !kCountsSteps) return;
      const T* rate = launch.input<T>(Step::kIn);
      const int64_t* step = kCountsSteps ? launch.input<int64_t>(Step::kIn + 1) : nullptr;
      // As many blocks as are in work at a time, so that few make the factors.
      const unsigned most =
          static_cast<unsigned>(launch.stream.device().properties().multiProcessorCount) * (2048 / kThreads);
      auto run = [&](auto kernel, int64_t groups) {
        start(launch, kernel, std::min(blocks_for(groups), most), kThreads, 0, arrays, count, given, rate, step,
              launch.stream.faults(), launch.step);
      };
      if (wide)
        run(update_all<Step, T, kWidth>, count / kWidth);
      else
        run(update_all<Step, T, 1>, count);
    };
  });
  return prepared;
}

Prepared prepare_sgd(const Node& node) { return prepare_step<SgdStep>(node, {node.f("weight_decay")}); }

Prepared prepare_momentum(const Node& node) {
  const double decay = node.f("weight_decay"), momentum = node.f("momentum");
  return node.i("nesterov") != 0 ? prepare_step<MomentumStep<true>>(node, {decay, momentum})
                                 : prepare_step<MomentumStep<false>>(node, {decay, momentum});
}

template <bool decoupled>
Prepared prepare_adam(const Node& node) {
  const double beta1 = node.f("beta1"), beta2 = node.f("beta2"), epsilon = node.f("epsilon"),
               decay = node.f("weight_decay");
  return 1 - beta1 < 0.5 ? prepare_step<AdamStep<true>>(node, {beta1, beta2, epsilon, decay, decoupled})
                         : prepare_step<AdamStep<false>>(node, {beta1, beta2, epsilon, decay, decoupled});
}

// `indices` is the input that says which rows the gradient is of.
template <int indices, int outputs>
bool accepts(const Node& node) {
  if (node.has(indices) || !in_list(FloatTypes{}, node.input(0).dtype)) return false;
  for (int i = 0; i < outputs; ++i) {
    if (!node.makes(i)) return false;
  }
  const Shape& shape = node.input(0).shape;
  if (node.input(1).shape != shape) return false;
  for (int i = 1; i < outputs; ++i) {
    if (node.input(i + 1).shape != shape) return false;
  }
  return true;
}

}  // namespace

void define_optimizer(Definitions& all) {
  all.push_back({"weft.Sgd", "update", accepts<3, 1>, prepare_sgd});
  all.push_back({"weft.Momentum", "update", accepts<4, 2>, prepare_momentum});
  all.push_back({"weft.Adam", "update", accepts<6, 3>, prepare_adam<false>});
  all.push_back({"weft.AdamW", "update", accepts<6, 3>, prepare_adam<true>});
}

}  // namespace weft::cuda
