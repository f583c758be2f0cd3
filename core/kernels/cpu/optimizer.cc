// Kernels of the optimizers' updates, one pass over parameter, gradient and state each.
#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"
#include "core/kernels/cpu/optimizer_common.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

template <typename T>
void sgd(const DescentState& s, const RunArgs& args) {
  const T *p = args.input<T>(0), *g = args.input<T>(1);
  T* out = args.output<T>(0);
  const T rate = *args.input<T>(2), decay = static_cast<T>(s.weight_decay);
  parallel_for(*args.parallel, s.count, kElementwiseBlock, 0.6, [&](int64_t begin, int64_t end) {
#pragma GCC ivdep
    for (int64_t i = begin; i < end; ++i) {
      const T old = p[i];
      out[i] = old - rate * (g[i] + decay * old);
    }
  });
}

template <typename T, bool nesterov>
void momentum(const DescentState& s, const RunArgs& args) {
  const T *p = args.input<T>(0), *g = args.input<T>(1), *v = args.input<T>(2);
  T *out = args.output<T>(0), *out_v = args.output<T>(1);
  const T rate = *args.input<T>(3), decay = static_cast<T>(s.weight_decay);
  const T mu = static_cast<T>(s.momentum);
  parallel_for(*args.parallel, s.count, kElementwiseBlock, 1, [&](int64_t begin, int64_t end) {
#pragma GCC ivdep
    for (int64_t i = begin; i < end; ++i) {
      const T old = p[i], slope = g[i] + decay * old;
      const T velocity = mu * v[i] + slope;
      out_v[i] = velocity;
      out[i] = old - rate * (nesterov ? slope + mu * velocity : velocity);
    }
  });
}

// Interpolates the first moment from the nearer end, where rounding errors are smaller.
template <bool near_old, typename T>
void adam_run(const AdamFactors<T> f, const T* p, const T* g, const T* m, const T* v, T* out, T* out_m, T* out_v,
              int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T old = p[i] * f.shrink, slope = g[i] + f.decay * old;
    const T mean = m[i], change = slope - mean;
    const T first = near_old ? mean + f.new1 * change : slope - change * f.old1;
    const T second = f.old2 * v[i] + f.new2 * slope * slope;
    out_m[i] = first;
    out_v[i] = second;
    out[i] = old - f.rate * first / (std::sqrt(second) / f.root + f.epsilon);
  }
}

template <typename T>
void adam(const AdamState& s, const RunArgs& args) {
  AdamFactors<T> f;
  if (!adam_factors<T>(s, args, &f)) return;
  auto run = near_old(s) ? &adam_run<true, T> : &adam_run<false, T>;
  parallel_for(*args.parallel, s.count, kElementwiseBlock, 3, [&](int64_t begin, int64_t end) {
    auto in = [&](int i) { return args.input<T>(i) + begin; };
    auto out = [&](int i) { return args.output<T>(i) + begin; };
    run(f, in(0), in(1), in(2), in(3), out(0), out(1), out(2), end - begin);
  });
}

// On vectors: the same bits.
template <typename T>
void sgd_vectors(const DescentState& s, const RunArgs& args) {
  const T rate = *args.input<T>(2), decay = static_cast<T>(s.weight_decay);
  parallel_for(*args.parallel, s.count, kElementwiseBlock, 0.2, [&](int64_t begin, int64_t end) {
    table(T()).sgd(rate, decay, args.input<T>(0) + begin, args.input<T>(1) + begin, args.output<T>(0) + begin,
                   end - begin);
  });
}

template <typename T>
void momentum_vectors(const DescentState& s, const RunArgs& args) {
  const T rate = *args.input<T>(3), decay = static_cast<T>(s.weight_decay), mu = static_cast<T>(s.momentum);
  parallel_for(*args.parallel, s.count, kElementwiseBlock, 0.3, [&](int64_t begin, int64_t end) {
    table(T()).momentum(rate, decay, mu, s.nesterov, args.input<T>(0) + begin, args.input<T>(1) + begin,
                        args.input<T>(2) + begin, args.output<T>(0) + begin, args.output<T>(1) + begin, end - begin);
  });
}

template <typename T>
void adam_vectors(const AdamState& s, const RunArgs& args) {
  AdamFactors<T> f;
  if (!adam_factors<T>(s, args, &f)) return;
  parallel_for(*args.parallel, s.count, kElementwiseBlock, 0.6, [&](int64_t begin, int64_t end) {
    auto in = [&](int i) { return args.input<T>(i) + begin; };
    auto out = [&](int i) { return args.output<T>(i) + begin; };
    table(T()).adam(f, near_old(s), in(0), in(1), in(2), in(3), out(0), out(1), out(2), end - begin);
  });
}

// Gradients of rows have kernels of their own.
bool accepts_whole(const KernelContext& c) { return !updates_rows(c) && in_list(FloatElements{}, c.dtype(0)); }

template <void (*f32)(const DescentState&, const RunArgs&), void (*f64)(const DescentState&, const RunArgs&)>
Status prepare_descent_vectors(const KernelContext& c, PreparedKernel* prepared) {
  DescentState state = descent_state(c);
  prepared->cost_ns = 0.3 * static_cast<double>(state.count);
  if (c.dtype(0) == DType::kF32)
    prepared->use<f32>(state);
  else
    prepared->use<f64>(state);
  return {};
}

Status prepare_sgd(const KernelContext& c, PreparedKernel* prepared) {
  DescentState state = descent_state(c);
  prepared->cost_ns = 0.6 * static_cast<double>(state.count);
  with_type(FloatElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&sgd<T>>(state); });
  return {};
}

Status prepare_momentum(const KernelContext& c, PreparedKernel* prepared) {
  DescentState state = descent_state(c);
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
Status prepare_adam_vectors(const KernelContext& c, PreparedKernel* prepared) {
  AdamState state = adam_state(c, decoupled);
  prepared->cost_ns = 0.6 * static_cast<double>(state.count);
  if (c.dtype(0) == DType::kF32)
    prepared->use<&adam_vectors<float>>(state);
  else
    prepared->use<&adam_vectors<double>>(state);
  return {};
}

template <bool decoupled>
Status prepare_adam(const KernelContext& c, PreparedKernel* prepared) {
  AdamState state = adam_state(c, decoupled);
  prepared->cost_ns = 3.0 * static_cast<double>(state.count);
  with_type(FloatElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&adam<T>>(state); });
  return {};
}

}  // namespace

void add_cpu_optimizer(KernelRegistry& kernels) {
  kernels.add("weft.Sgd",
              {"vectors", accepts_whole, prepare_descent_vectors<&sgd_vectors<float>, &sgd_vectors<double>>});
  kernels.add("weft.Sgd", {"plain", accepts_whole, prepare_sgd});
  kernels.add("weft.Momentum",
              {"vectors", accepts_whole, prepare_descent_vectors<&momentum_vectors<float>, &momentum_vectors<double>>});
  kernels.add("weft.Momentum", {"plain", accepts_whole, prepare_momentum});
  kernels.add("weft.Adam", {"vectors", accepts_whole, prepare_adam_vectors<false>});
  kernels.add("weft.Adam", {"plain", accepts_whole, prepare_adam<false>});
  kernels.add("weft.AdamW", {"vectors", accepts_whole, prepare_adam_vectors<true>});
  kernels.add("weft.AdamW", {"plain", accepts_whole, prepare_adam<true>});
}

}  // namespace weft
