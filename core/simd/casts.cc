// Integers as f32 and back.
#include "core/simd/casts.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/casts.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/simd/lanes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

using Words = hn::ScalableTag<int32_t>;
using Floats = hn::ScalableTag<float>;
constexpr int64_t kLanes = HWY_LANES(float);

template <typename T>
HWY_INLINE void to_float(const T* from, float* to) {
  const Words words;
  const Floats floats;
  if constexpr (sizeof(T) == 1) {
    const hn::Rebind<T, Words> bytes;
    hn::StoreU(hn::ConvertTo(floats, hn::PromoteTo(words, hn::LoadU(bytes, from))), floats, to);
  } else {
    hn::StoreU(hn::ConvertTo(floats, hn::LoadU(words, from)), floats, to);
  }
}

template <typename T>
HWY_INLINE void to_byte(const float* from, T* to) {
  const Words words;
  const Floats floats;
  const hn::Rebind<T, Words> bytes;
  constexpr float kLeast = T(-1) < T(0) ? -128 : 0;
  const auto low = hn::Set(floats, kLeast), high = hn::Set(floats, kLeast + 255), x = hn::LoadU(floats, from);
  const auto within = hn::Min(high, hn::IfThenElse(hn::Gt(x, low), x, low));
  hn::StoreU(hn::DemoteTo(bytes, hn::ConvertTo(words, within)), bytes, to);
}

// Calls step(from, to) for whole vectors, the last of which is a copy where there is less.
template <typename From, typename To, typename Step>
HWY_INLINE void for_vectors(const From* from, int64_t n, To* to, Step&& step) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) step(from + i, to + i);
  if (i == n) return;
  const Tail<From> in(from + i, n - i, From(0));
  Tail<To> out(to + i, 0, To(0));
  step(in.lanes, out.lanes);
  out.store(to + i, n - i);
}

template <typename T>
void from_integers(const T* from, int64_t n, float* to) {
  for_vectors(from, n, to, to_float<T>);
}
template <typename T>
void to_bytes(const float* from, int64_t n, T* to) {
  for_vectors(from, n, to, to_byte<T>);
}

}  // namespace

extern constexpr CastTable kCasts = {from_integers<uint8_t>, from_integers<int8_t>, from_integers<int32_t>,
                                     to_bytes<uint8_t>, to_bytes<int8_t>};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const CastTable& cast_table([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kCasts); }

}  // namespace weft
#endif
