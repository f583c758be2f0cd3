// Kernels of the optimizers' updates, one pass over parameter, gradient and state each.
#include <cmath>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

struct DescentState {
  int64_t count;
  double momentum, weight_decay;
  bool nesterov;
};

template <typename T>
void sgd(const DescentState& s, const RunArgs& args) {
  using W = Wide<T>;
  const T *p = args.input<T>(0), *g = args.input<T>(1);
  T* out = args.output<T>(0);
  const W rate = static_cast<W>(*args.input<T>(2)), decay = static_cast<W>(s.weight_decay);
  parallel_for(*args.parallel, s.count, kElementwiseBlock, 0.6, [&](int64_t begin, int64_t end) {
#pragma GCC ivdep
    for (int64_t i = begin; i < end; ++i) {
      const W old = static_cast<W>(p[i]);
      out[i] = static_cast<T>(old - rate * (static_cast<W>(g[i]) + decay * old));
    }
  });
}

template <typename T, bool nesterov>
void momentum(const DescentState& s, const RunArgs& args) {
  using W = Wide<T>;
  const T *p = args.input<T>(0), *g = args.input<T>(1), *v = args.input<T>(2);
  T *out = args.output<T>(0), *out_v = args.output<T>(1);
  const W rate = static_cast<W>(*args.input<T>(3)), decay = static_cast<W>(s.weight_decay);
  const W mu = static_cast<W>(s.momentum);
  parallel_for(*args.parallel, s.count, kElementwiseBlock, 1, [&](int64_t begin, int64_t end) {
#pragma GCC ivdep
    for (int64_t i = begin; i < end; ++i) {
      const W old = static_cast<W>(p[i]), slope = static_cast<W>(g[i]) + decay * old;
      const W velocity = mu * static_cast<W>(v[i]) + slope;
      out_v[i] = static_cast<T>(velocity);
      out[i] = static_cast<T>(old - rate * (nesterov ? slope + mu * velocity : velocity));
    }
  });
}

struct AdamState {
  int64_t count;
  double beta1, beta2, epsilon, weight_decay;
  bool decoupled;
};

// What all elements share, computed in double precision.
template <typename W>
struct AdamFactors {
  W rate, root, shrink, decay, new1, old1, new2, old2, epsilon;
};

// Interpolates the first moment from the nearer end, where rounding errors are smaller.
template <bool near_old, typename T, typename W>
void adam_run(const AdamFactors<W> f, const T* p, const T* g, const T* m, const T* v, T* out, T* out_m, T* out_v,
              int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const W old = static_cast<W>(p[i]) * f.shrink, slope = static_cast<W>(g[i]) + f.decay * old;
    const W mean = static_cast<W>(m[i]), change = slope - mean;
    const W first = near_old ? mean + f.new1 * change : slope - change * f.old1;
    const W second = f.old2 * static_cast<W>(v[i]) + f.new2 * slope * slope;
    out_m[i] = static_cast<T>(first);
    out_v[i] = static_cast<T>(second);
    out[i] = static_cast<T>(old - f.rate * first / (std::sqrt(second) / f.root + f.epsilon));
  }
}

template <typename T>
void adam(const AdamState& s, const RunArgs& args) {
  using W = Wide<T>;
  const int64_t step = *args.input<int64_t>(5);
  if (step < 1) {
    *args.status = invalid("input 'step' is ", step, "; the first step is 1");
    return;
  }
  const double learning_rate = static_cast<double>(static_cast<W>(*args.input<T>(4)));
  const double time = static_cast<double>(step);
  AdamFactors<W> f;
  f.rate = static_cast<W>(learning_rate / (1 - std::pow(s.beta1, time)));
  f.root = static_cast<W>(std::sqrt(1 - std::pow(s.beta2, time)));
  f.shrink = static_cast<W>(s.decoupled ? 1 - learning_rate * s.weight_decay : 1.0);
  f.decay = static_cast<W>(s.decoupled ? 0.0 : s.weight_decay);
  f.new1 = static_cast<W>(1 - s.beta1);
  f.old1 = W(1) - f.new1;
  f.new2 = static_cast<W>(1 - s.beta2);
  f.old2 = static_cast<W>(s.beta2);
  f.epsilon = static_cast<W>(s.epsilon);
  auto run = 1 - s.beta1 < 0.5 ? &adam_run<true, T, W> : &adam_run<false, T, W>;
  parallel_for(*args.parallel, s.count, kElementwiseBlock, 3, [&](int64_t begin, int64_t end) {
    auto in = [&](int i) { return args.input<T>(i) + begin; };
    auto out = [&](int i) { return args.output<T>(i) + begin; };
    run(f, in(0), in(1), in(2), in(3), out(0), out(1), out(2), end - begin);
  });
}

Status prepare_sgd(const KernelContext& c, PreparedKernel* prepared) {
  DescentState state{c.count(0), 0, c.attrs().f("weight_decay"), false};
  prepared->cost_ns = 0.6 * static_cast<double>(state.count);
  with_type(FloatElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&sgd<T>>(state); });
  return {};
}

Status prepare_momentum(const KernelContext& c, PreparedKernel* prepared) {
  DescentState state{c.count(0), c.attrs().f("momentum"), c.attrs().f("weight_decay"), c.attrs().b("nesterov")};
  prepared->cost_ns = static_cast<double>(state.count);
  with_type(FloatElements{}, c.dtype(0), [&]<typename T>() {
    if (state.nesterov)
      prepared->use<&momentum<T, true>>(state);
    else
      prepared->use<&momentum<T, false>>(state);
  });
  return {};
}

template <bool decoupled>
Status prepare_adam(const KernelContext& c, PreparedKernel* prepared) {
  const Attrs& a = c.attrs();
  AdamState state{c.count(0), a.f("beta1"), a.f("beta2"), a.f("epsilon"), a.f("weight_decay"), decoupled};
  prepared->cost_ns = 3.0 * static_cast<double>(state.count);
  with_type(FloatElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&adam<T>>(state); });
  return {};
}

}  // namespace

void add_cpu_optimizer(KernelRegistry& kernels) {
  kernels.add("weft.Sgd", {"plain", nullptr, prepare_sgd});
  kernels.add("weft.Momentum", {"plain", nullptr, prepare_momentum});
  kernels.add("weft.Adam", {"plain", nullptr, prepare_adam<false>});
  kernels.add("weft.AdamW", {"plain", nullptr, prepare_adam<true>});
}

}  // namespace weft
