// The optimizers' updates of many parameters, for every instruction set. All give the same bits.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// What all elements of a step of Adam share.
template <typename T>
struct AdamFactors {
  T rate, root, shrink, decay, new1, old1, new2, old2, epsilon;
};

// Parameter, gradient and state, and what replaces them: `out` may be `p`, `out_m` `m` and `out_v` `v`.
template <typename T>
struct UpdateTable {
  void (*sgd)(T rate, T decay, const T* p, const T* g, T* out, int64_t n);
  void (*momentum)(T rate, T decay, T mu, bool nesterov, const T* p, const T* g, const T* v, T* out, T* out_v,
                   int64_t n);
  // `near_old`: the first moment is interpolated from the old one, else from the gradient.
  void (*adam)(const AdamFactors<T>& factors, bool near_old, const T* p, const T* g, const T* m, const T* v, T* out,
               T* out_m, T* out_v, int64_t n);
};

const UpdateTable<float>& update_f32(Isa isa);
const UpdateTable<double>& update_f64(Isa isa);

}  // namespace weft
