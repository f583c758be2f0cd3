// What the kernels of the optimizers' updates share: their attributes, and what all elements of a step do.
#pragma once

#include <cmath>

#include "core/kernel/kernel.h"
#include "core/simd/update.h"

namespace weft {

struct DescentState {
  int64_t count;
  double momentum, weight_decay;
  bool nesterov;
};

// Of Sgd and Momentum.
inline DescentState descent_state(const KernelContext& c) {
  const Attrs& a = c.attrs();
  const bool moves = a.has("momentum");
  return {c.count(0), moves ? a.f("momentum") : 0, a.f("weight_decay"), moves && a.b("nesterov")};
}

struct AdamState {
  int64_t count;
  double beta1, beta2, epsilon, weight_decay;
  bool decoupled;
};

inline AdamState adam_state(const KernelContext& c, bool decoupled) {
  const Attrs& a = c.attrs();
  return {c.count(0), a.f("beta1"), a.f("beta2"), a.f("epsilon"), a.f("weight_decay"), decoupled};
}

// The input that says which rows the gradient is of.
inline int gradient_indices(const KernelContext& c) {
  return c.attrs().has("beta1") ? 6 : c.attrs().has("momentum") ? 4 : 3;
}
inline bool updates_rows(const KernelContext& c) { return c.has_input(gradient_indices(c)); }

// Computed in double precision.
template <typename T, typename W>
bool adam_factors(const AdamState& s, const RunArgs& args, AdamFactors<W>* f) {
  const int64_t step = *args.input<int64_t>(5);
  if (step < 1) {
    *args.status = invalid("input 'step' is ", step, "; the first step is 1");
    return false;
  }
  const double learning_rate = static_cast<double>(static_cast<W>(*args.input<T>(4)));
  const double time = static_cast<double>(step);
  f->rate = static_cast<W>(learning_rate / (1 - std::pow(s.beta1, time)));
  f->root = static_cast<W>(std::sqrt(1 - std::pow(s.beta2, time)));
  f->shrink = static_cast<W>(s.decoupled ? 1 - learning_rate * s.weight_decay : 1.0);
  f->decay = static_cast<W>(s.decoupled ? 0.0 : s.weight_decay);
  f->new1 = static_cast<W>(1 - s.beta1);
  f->old1 = W(1) - f->new1;
  f->new2 = static_cast<W>(1 - s.beta2);
  f->old2 = static_cast<W>(s.beta2);
  f->epsilon = static_cast<W>(s.epsilon);
  return true;
}

inline bool near_old(const AdamState& s) { return 1 - s.beta1 < 0.5; }

inline const UpdateTable<float>& table(float) { return update_f32(current_isa()); }
inline const UpdateTable<double>& table(double) { return update_f64(current_isa()); }

}  // namespace weft
