// What the sources of vector kernels share: fetching ahead, the rest of an array that fills no vector, products of gradients,
// limits, rounding to bf16 and to bytes, and sums and extremes of rows.
// Included once for every instruction set, inside none of its namespaces.
#if defined(WEFT_CORE_SIMD_LANES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WEFT_CORE_SIMD_LANES_INL_H
#undef WEFT_CORE_SIMD_LANES_INL_H
#else
#define WEFT_CORE_SIMD_LANES_INL_H
#endif

#include <cstdint>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Asks for what is needed later, to be in the second-level cache by then.
HWY_INLINE void fetch(const void* from, int64_t bytes) {
  constexpr int64_t kLine = 64;
  for (int64_t i = 0; i < bytes; i += kLine) __builtin_prefetch(static_cast<const char*>(from) + i, 0, 2);
}

// Elements past the last whole vector, with `fill` behind them.
template <typename T>
struct Tail {
  HWY_ALIGN T lanes[HWY_LANES(T)];

  Tail(const T* x, int64_t n, T fill) {
    for (int64_t i = 0; i < static_cast<int64_t>(HWY_LANES(T)); ++i) lanes[i] = i < n ? x[i] : fill;
  }
  void store(T* y, int64_t n) const {
    for (int64_t i = 0; i < n; ++i) y[i] = lanes[i];
  }
};

template <typename T>
HWY_INLINE auto load_tail(const T* x, int64_t n) {
  const hn::ScalableTag<T> d;
  const Tail<T> tail(x, n, T(0));
  return hn::Load(d, tail.lanes);
}

// Calls fn(tag, i) for a vector of L elements from i on if there are so many before n, then for half of that, down to one.
template <typename T, int64_t L, typename Fn>
HWY_INLINE void over_rest(int64_t i, int64_t n, Fn fn) {
  const hn::CappedTag<T, L> d;
  if (i + L <= n) {
    fn(d, i);
    i += L;
  }
  if constexpr (L > 1) over_rest<T, L / 2>(i, n, fn);
}

// The same for all of [0, n): as many whole vectors as there are go first.
template <typename T, typename Fn>
HWY_INLINE void over_vectors(int64_t n, Fn fn) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) fn(d, i);
  if constexpr (kLanes > 1) over_rest<T, kLanes / 2>(i, n, fn);
}

// a * b, but 0 where a is exactly 0, as of weft.GradMul.
template <class V>
HWY_INLINE V guarded(V a, V b) {
  return hn::IfThenZeroElse(hn::Eq(a, hn::Zero(hn::DFromV<V>())), hn::Mul(a, b));
}

// `x` brought to what is between `low` and `high`; a NaN stays one.
template <class V>
HWY_INLINE V between(V low, V high, V x) {
  if constexpr (HWY_TARGET == HWY_NEON) {  // where Max and Min of a number and a NaN are the number
    const V raised = hn::IfThenElse(hn::Lt(x, low), low, x);
    return hn::IfThenElse(hn::Gt(raised, high), high, raised);
  }
  return hn::Min(high, hn::Max(low, x));  // elsewhere they are the second
}

// The nearest bf16 in the upper half of each word, ties to even: what is too great becomes infinite, a NaN stays one.
template <class V>
HWY_INLINE auto nearest_bf16(V x) {
  const hn::DFromV<V> d;
  const hn::RebindToUnsigned<decltype(d)> words;
  const auto bits = hn::BitCast(words, x);
  const auto last = hn::And(hn::ShiftRight<16>(bits), hn::Set(words, 1));
  const auto nearest = hn::Add(bits, hn::Add(last, hn::Set(words, 0x7fff)));
  const auto quiet = hn::Or(bits, hn::Set(words, 0x400000));
  return hn::IfThenElse(hn::RebindMask(words, hn::IsNaN(x)), quiet, nearest);
}

// Stores as bytes what is between the limits of T less `zero`: rounded, halves to the even number, plus `zero`.
template <typename T, class V>
HWY_INLINE void store_bytes(V within, int32_t zero, T* to) {
  const hn::DFromV<V> d;
  const hn::RebindToUnsigned<decltype(d)> words;
  const hn::Rebind<uint8_t, decltype(d)> bytes;
  // So large that nothing is left behind the point: the last byte is that of the whole number.
  const auto whole = hn::BitCast(words, hn::Add(within, hn::Set(d, 12582912.0f)));
  const auto moved = hn::Add(whole, hn::Set(words, static_cast<uint32_t>(zero)));
  hn::StoreU(hn::TruncateTo(bytes, moved), bytes, reinterpret_cast<uint8_t*>(to));
}

// Whole numbers times `scale`, rounded with halves to the even number, plus `zero`, between the limits of T; NaN becomes
// the least.
template <typename T, class V, class S>
HWY_INLINE void quantize_vector(V from, S scale, int32_t zero, T* to) {
  const hn::DFromV<S> floats;
  constexpr int32_t kLeast = T(-1) < T(0) ? -128 : 0;
  const auto low = hn::Set(floats, static_cast<float>(kLeast - zero));
  const auto high = hn::Set(floats, static_cast<float>(kLeast + 255 - zero));
  const auto scaled = hn::Mul(hn::ConvertTo(floats, from), scale);
  const auto within = hn::Min(high, hn::IfThenElse(hn::Gt(scaled, low), scaled, low));
  store_bytes(within, zero, to);
}

// The sum of fn(d, x, more...), in blocks whose sums are added, so that rounding errors stay small in long rows. The
// order of additions depends on n and the instruction set alone.
template <typename T, typename Fn, typename... More>
HWY_INLINE T sum_of(const T* x, int64_t n, Fn fn, const More*... more) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T), kBlock = 1024;
  const auto at = [=](int64_t i) { return fn(d, hn::LoadU(d, x + i), hn::LoadU(d, more + i)...); };
  auto total = hn::Zero(d);
  int64_t i = 0;
  while (i + kLanes <= n) {
    const int64_t end = n - i < kBlock ? n : i + kBlock;
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    for (; i + 4 * kLanes <= end; i += 4 * kLanes) {
      s0 = hn::Add(s0, at(i));
      s1 = hn::Add(s1, at(i + kLanes));
      s2 = hn::Add(s2, at(i + 2 * kLanes));
      s3 = hn::Add(s3, at(i + 3 * kLanes));
    }
    for (; i + kLanes <= end; i += kLanes) s0 = hn::Add(s0, at(i));
    total = hn::Add(total, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)));
  }
  if (i < n) {
    const auto rest = fn(d, load_tail(x + i, n - i), load_tail(more + i, n - i)...);
    total = hn::Add(total, hn::IfThenElseZero(hn::FirstN(d, n - i), rest));
  }
  return hn::GetLane(hn::SumOfLanes(d, total));
}

// The largest or least of n > 0 elements; NaN if there is one.
template <typename T, bool largest>
HWY_INLINE T extreme_of(const T* x, int64_t n) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  if (n < kLanes) {
    T best = x[0];
    for (int64_t i = 1; i < n; ++i) best = (largest ? x[i] > best : x[i] < best) || x[i] != x[i] ? x[i] : best;
    return best;
  }
  const auto better = [](auto a, auto b) { return largest ? hn::Max(a, b) : hn::Min(a, b); };
  auto best = hn::LoadU(d, x), other = best;
  auto wrong = hn::IsNaN(best);
  int64_t i = kLanes;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const auto a = hn::LoadU(d, x + i), b = hn::LoadU(d, x + i + kLanes);
    wrong = hn::Or(wrong, hn::Or(hn::IsNaN(a), hn::IsNaN(b)));
    best = better(best, a);
    other = better(other, b);
  }
  // The last vector may take elements again.
  for (; i < n; i += kLanes) {
    const auto a = hn::LoadU(d, x + (i + kLanes <= n ? i : n - kLanes));
    wrong = hn::Or(wrong, hn::IsNaN(a));
    best = better(best, a);
  }
  best = better(best, other);
  const T found = hn::GetLane(largest ? hn::MaxOfLanes(d, best) : hn::MinOfLanes(d, best));
  return hn::AllFalse(d, wrong) ? found : hn::GetLane(hn::NaN(d));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#endif
