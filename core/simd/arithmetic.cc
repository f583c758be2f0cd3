// Arithmetic of two arrays, for every instruction set.
#include "core/simd/arithmetic.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/arithmetic.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

struct Add {
  template <class V>
  V operator()(V a, V b) const {
    return hn::Add(a, b);
  }
};
struct Sub {
  template <class V>
  V operator()(V a, V b) const {
    return hn::Sub(a, b);
  }
};
struct Mul {
  template <class V>
  V operator()(V a, V b) const {
    return hn::Mul(a, b);
  }
};
struct Div {
  template <class V>
  V operator()(V a, V b) const {
    return hn::Div(a, b);
  }
};

template <typename T, typename Op, bool a_moves, bool b_moves>
void apply(const T* a, const T* b, T* y, int64_t n) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> one;
  const Op op;
  constexpr int64_t kLanes = HWY_LANES(T);
  // Read before anything is written: the number may lie in `y`.
  const auto same_a = hn::Set(d, *a), same_b = hn::Set(d, *b);
  const T number_a = *a, number_b = *b;
  int64_t i = 0;
  const auto at = [&](int64_t k) {
    if constexpr (a_moves && b_moves)
      return op(hn::LoadU(d, a + k), hn::LoadU(d, b + k));
    else if constexpr (a_moves)
      return op(hn::LoadU(d, a + k), same_b);
    else
      return op(same_a, hn::LoadU(d, b + k));
  };
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const auto y0 = at(i), y1 = at(i + kLanes);
    hn::StoreU(y0, d, y + i);
    hn::StoreU(y1, d, y + i + kLanes);
  }
  if (i + kLanes <= n) {
    hn::StoreU(at(i), d, y + i);
    i += kLanes;
  }
  for (; i < n; ++i) {
    hn::StoreU(op(hn::Set(one, a_moves ? a[i] : number_a), hn::Set(one, b_moves ? b[i] : number_b)), one, y + i);
  }
}

template <typename T, typename Op>
constexpr typename ArithmeticTable<T>::Forms kForms = {apply<T, Op, true, true>, apply<T, Op, true, false>,
                                                       apply<T, Op, false, true>};

}  // namespace

extern constexpr ArithmeticTable<float> kArithmeticF32 = {kForms<float, Add>, kForms<float, Sub>, kForms<float, Mul>,
                                                          kForms<float, Div>};
extern constexpr ArithmeticTable<double> kArithmeticF64 = {kForms<double, Add>, kForms<double, Sub>,
                                                           kForms<double, Mul>, kForms<double, Div>};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const ArithmeticTable<float>& arithmetic_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kArithmeticF32); }
const ArithmeticTable<double>& arithmetic_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kArithmeticF64); }

}  // namespace weft
#endif
