// What functions on vectors are made of: polynomials, powers of two, and sums of two numbers that hold twice the digits.
// Included once for every instruction set, inside none of its namespaces.
#if defined(WEFT_CORE_SIMD_MATH_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WEFT_CORE_SIMD_MATH_INL_H
#undef WEFT_CORE_SIMD_MATH_INL_H
#else
#define WEFT_CORE_SIMD_MATH_INL_H
#endif

#include <cstddef>
#include <cstdint>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// c[0] x^(N - 1) + ... + c[N - 1], in two sums that do not wait for each other where there are many.
template <class D, class V, size_t N>
HWY_INLINE V polynomial(D d, V x, const hn::TFromD<D> (&c)[N]) {
  constexpr size_t kStep = N < 6 ? 1 : 2;
  const V power = kStep == 1 ? x : hn::Mul(x, x);
  V y = hn::Set(d, c[0]), other = hn::Set(d, c[1]);
#pragma GCC unroll 24
  for (size_t i = kStep; i < N; i += kStep) y = hn::MulAdd(y, power, hn::Set(d, c[i]));
  if constexpr (kStep == 1) return y;
#pragma GCC unroll 24
  for (size_t i = 3; i < N; i += 2) other = hn::MulAdd(other, power, hn::Set(d, c[i]));
  return N % 2 == 0 ? hn::MulAdd(y, x, other) : hn::MulAdd(other, x, y);
}

// high + low, where low is less than a unit in the last place of high or so.
template <class V>
struct Two {
  V high, low;
};

// a + b exactly, if |a| >= |b| or a is 0 (Dekker, "A floating-point technique for extending the available precision", 1971).
template <class V>
HWY_INLINE Two<V> exact_sum_of_larger(V a, V b) {
  const V high = hn::Add(a, b);
  return {high, hn::Sub(b, hn::Sub(high, a))};
}

// a + b exactly (Knuth, "The Art of Computer Programming", volume 2, 4.2.2).
template <class V>
HWY_INLINE Two<V> exact_sum(V a, V b) {
  const V high = hn::Add(a, b), of_b = hn::Sub(high, a);
  return {high, hn::Add(hn::Sub(a, hn::Sub(high, of_b)), hn::Sub(b, of_b))};
}

// a b exactly, unless something overflows or underflows. Without fused operations by Dekker's halves of the digits.
template <class D, class V>
HWY_INLINE Two<V> exact_product([[maybe_unused]] D d, V a, V b) {
  const V high = hn::Mul(a, b);
#if HWY_NATIVE_FMA
  return {high, hn::MulSub(a, b, high)};
#else
  using T = hn::TFromD<D>;
  const V splitter = hn::Set(d, T(sizeof(T) == 4 ? 4097 : 134217729));
  const V a_far = hn::Mul(a, splitter), b_far = hn::Mul(b, splitter);
  const V a_high = hn::Sub(a_far, hn::Sub(a_far, a)), b_high = hn::Sub(b_far, hn::Sub(b_far, b));
  const V a_low = hn::Sub(a, a_high), b_low = hn::Sub(b, b_high);
  const V first = hn::Sub(hn::Mul(a_high, b_high), high);
  const V rest = hn::Add(hn::Add(first, hn::Mul(a_high, b_low)), hn::Mul(a_low, b_high));
  return {high, hn::MulAdd(a_low, b_low, rest)};
#endif
}

// What added to a number of less than a third of it leaves its nearest whole number in the last bits: 1.5 * 2^23 or 2^52.
template <typename T>
constexpr T kRounder = sizeof(T) == 4 ? T(12582912) : T(6755399441055744);

template <class D, class V>
HWY_INLINE V rounded(D d, V x) {
  const V rounder = hn::Set(d, kRounder<hn::TFromD<D>>);
  return hn::Sub(hn::Add(x, rounder), rounder);
}

// 2^n of a whole number, where that is a normal number.
template <class D, class V>
HWY_INLINE V power_of_two(D d, V n) {
  using T = hn::TFromD<D>;
  const hn::RebindToUnsigned<D> bits;
  constexpr int kDigits = sizeof(T) == 4 ? 23 : 52;
  const V biased = hn::Add(n, hn::Set(d, kRounder<T> + T(sizeof(T) == 4 ? 127 : 1023)));
  return hn::BitCast(d, hn::ShiftLeft<kDigits>(hn::BitCast(bits, biased)));
}

// x 2^n of x from 1/2 to 2, in two steps, of which the first is exact: what underflows is rounded once.
template <class D, class V>
HWY_INLINE V scaled(D d, V x, V n) {
  const V some = rounded(d, hn::Mul(n, hn::Set(d, hn::TFromD<D>(0.5))));
  return hn::Mul(hn::Mul(x, power_of_two(d, some)), power_of_two(d, hn::Sub(n, some)));
}

// Chebyshev fits of (e^t - 1 - t) / t^2 up to log(2) / 2 either way, and log(2) in two parts, of which the first times a
// whole number of up to 2^11 has no rounding error (Cody and Waite, "Software manual for the elementary functions", 1980).
template <typename T>
struct ExpFits;
template <>
struct ExpFits<float> {
  static constexpr float kExp[] = {0.000198910799f, 0.00139337312f, 0.00833331048f, 0.041666463f, 0.166666672f, 0.5f};
  static constexpr float kLog2High = 0.693145751953125f, kLog2Low = 1.4286068e-06f;
};
template <>
struct ExpFits<double> {
  static constexpr double kExp[] = {2.09147553258932e-09,
                                    2.5105312729622103e-08,
                                    2.755727347871858e-07,
                                    2.755725517000089e-06,
                                    2.480158732567746e-05,
                                    0.0001984126987500228,
                                    0.0013888888888883711,
                                    0.008333333333326084,
                                    0.04166666666666667,
                                    0.1666666666666667,
                                    0.5};
  static constexpr double kLog2High = 0x1.62e42fefa38p-1, kLog2Low = 5.497923018708371e-14;
};

// e^(t.high + t.low), up to log(2) / 2 either way.
template <class D, class V>
HWY_INLINE V exp_of_rest(D d, Two<V> t) {
  using T = hn::TFromD<D>;
  const Two<V> start = exact_sum_of_larger(hn::Set(d, T(1)), t.high);
  const V bend = hn::MulAdd(hn::Mul(t.high, t.high), polynomial(d, t.high, ExpFits<T>::kExp), t.low);
  return hn::Add(start.high, hn::Add(start.low, bend));
}

// e^(x.high + x.low) of no NaN, within the bounds past which it is infinity or 0.
template <typename T>
constexpr T kExpMost = sizeof(T) == 4 ? T(89) : T(710);
template <typename T>
constexpr T kExpLeast = sizeof(T) == 4 ? T(-104) : T(-746);
template <class D, class V>
HWY_INLINE V exp_of(D d, Two<V> x) {
  using T = hn::TFromD<D>;
  using Fits = ExpFits<T>;
  const V n = rounded(d, hn::Mul(x.high, hn::Set(d, T(1.4426950408889634))));
  const V high = hn::Sub(x.high, hn::Mul(n, hn::Set(d, Fits::kLog2High)));
  const V low = hn::NegMulAdd(n, hn::Set(d, Fits::kLog2Low), x.low);
  return scaled(d, exp_of_rest(d, exact_sum_of_larger(high, low)), n);
}
template <class D, class V>
HWY_INLINE V exp_of(D d, V x) {
  return exp_of(d, Two<V>{x, hn::Zero(d)});
}

// fn(doubles, numbers...) on vectors of float, each of which makes two of double.
template <class D, class Fn, class... V>
HWY_INLINE auto in_double(D d, Fn fn, V... x) {
  const hn::Repartition<double, D> doubles;
  const hn::Half<D> half;
  const auto low = fn(doubles, hn::PromoteTo(doubles, hn::LowerHalf(half, x))...);
  const auto high = fn(doubles, hn::PromoteTo(doubles, hn::UpperHalf(half, x))...);
  return hn::Combine(d, hn::DemoteTo(half, high), hn::DemoteTo(half, low));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#endif
