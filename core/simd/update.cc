// The optimizers' updates of many parameters, for every instruction set.
#include "core/simd/update.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/update.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Calls fn(tag, i) for whole vectors, then for single elements. Products and sums are rounded apart, so that both give
// an element the same bits.
template <typename T, typename Fn>
void each(int64_t n, Fn fn) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> one;
  constexpr int64_t kLanes = HWY_LANES(T);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) fn(d, i);
  for (; i < n; ++i) fn(one, i);
}

template <typename T>
void sgd(T rate, T decay, const T* p, const T* g, T* out, int64_t n) {
  each<T>(n, [=](auto d, int64_t i) {
    const auto old = hn::LoadU(d, p + i);
    const auto slope = hn::Add(hn::LoadU(d, g + i), hn::Mul(hn::Set(d, decay), old));
    hn::StoreU(hn::Sub(old, hn::Mul(hn::Set(d, rate), slope)), d, out + i);
  });
}

template <typename T>
void momentum(T rate, T decay, T mu, bool nesterov, const T* p, const T* g, const T* v, T* out, T* out_v, int64_t n) {
  each<T>(n, [=](auto d, int64_t i) {
    const auto old = hn::LoadU(d, p + i);
    const auto slope = hn::Add(hn::LoadU(d, g + i), hn::Mul(hn::Set(d, decay), old));
    const auto velocity = hn::Add(hn::Mul(hn::Set(d, mu), hn::LoadU(d, v + i)), slope);
    const auto step = nesterov ? hn::Add(slope, hn::Mul(hn::Set(d, mu), velocity)) : velocity;
    hn::StoreU(velocity, d, out_v + i);
    hn::StoreU(hn::Sub(old, hn::Mul(hn::Set(d, rate), step)), d, out + i);
  });
}

template <typename T>
void adam(const AdamFactors<T>& factors, bool near_old, const T* p, const T* g, const T* m, const T* v, T* out,
          T* out_m, T* out_v, int64_t n) {
  const AdamFactors<T> f = factors;
  each<T>(n, [=](auto d, int64_t i) {
    const auto old = hn::Mul(hn::LoadU(d, p + i), hn::Set(d, f.shrink));
    const auto slope = hn::Add(hn::LoadU(d, g + i), hn::Mul(hn::Set(d, f.decay), old));
    const auto mean = hn::LoadU(d, m + i), change = hn::Sub(slope, mean);
    const auto first = near_old ? hn::Add(mean, hn::Mul(hn::Set(d, f.new1), change))
                                : hn::Sub(slope, hn::Mul(change, hn::Set(d, f.old1)));
    const auto second =
        hn::Add(hn::Mul(hn::Set(d, f.old2), hn::LoadU(d, v + i)), hn::Mul(hn::Mul(hn::Set(d, f.new2), slope), slope));
    const auto scale = hn::Add(hn::Div(hn::Sqrt(second), hn::Set(d, f.root)), hn::Set(d, f.epsilon));
    hn::StoreU(first, d, out_m + i);
    hn::StoreU(second, d, out_v + i);
    hn::StoreU(hn::Sub(old, hn::Div(hn::Mul(hn::Set(d, f.rate), first), scale)), d, out + i);
  });
}

}  // namespace

extern constexpr UpdateTable<float> kUpdateF32 = {sgd<float>, momentum<float>, adam<float>};
extern constexpr UpdateTable<double> kUpdateF64 = {sgd<double>, momentum<double>, adam<double>};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const UpdateTable<float>& update_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kUpdateF32); }
const UpdateTable<double>& update_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kUpdateF64); }

}  // namespace weft
#endif
