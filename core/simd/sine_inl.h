// Sine, cosine and tangent on vectors. Included once for every instruction set, inside none of its namespaces.
#if defined(WEFT_CORE_SIMD_SINE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WEFT_CORE_SIMD_SINE_INL_H
#undef WEFT_CORE_SIMD_SINE_INL_H
#else
#define WEFT_CORE_SIMD_SINE_INL_H
#endif

#include <hwy/highway.h>

#include "core/simd/math_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

// The argument less the nearest multiple of pi/2 is what the functions are computed of, by Chebyshev fits. The multiple is
// taken off in parts (Cody and Waite, "Software manual for the elementary functions", 1980): pi/2 is the sum of them, and
// those of 33 bits times a whole number of up to 2^20 have no rounding error. Arguments that are larger than
// that allows go to the C library one by one.
constexpr double kPart1 = 0x1.921fb544p+0, kPart2 = 0x1.0b4611a6p-34, kPart3 = 0x1.3198a2ep-69,
                 kPart4 = 0x1.b839a252049c1p-104, kParts234 = 0x1.0b4611a626331p-34;
constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
template <typename T>
constexpr T kFarAngle = T(1048576);

// Sine or cosine at a whole number of quarter turns, whose last bits lie in `turns`, and a rest from -pi/4 to pi/4, of the
// sine and cosine of the rest.
template <bool cosine, class D, class V, class Bits>
HWY_INLINE V turned(D d, Bits turns, V sine, V other) {
  const hn::RebindToUnsigned<D> bits;
  if constexpr (cosine) turns = hn::Add(turns, hn::Set(bits, 1));
  const auto odd = hn::MaskFromVec(hn::BitCast(d, hn::Sub(hn::Zero(bits), hn::And(turns, hn::Set(bits, 1)))));
  const auto sign = hn::BitCast(d, hn::ShiftLeft<62>(hn::And(turns, hn::Set(bits, 2))));
  return hn::Xor(hn::IfThenElse(odd, other, sine), sign);
}

// With more digits than a float has.
template <bool cosine, class D, class V>
HWY_INLINE V circle_of_float(D d, V x) {
  constexpr double kSine[] = {2.724962008007533e-06, -0.00019840084376422702, 0.008333331870341349,
                              -0.16666666663844049};
  constexpr double kCosine[] = {-2.730070403808665e-07, 2.480059840835012e-05, -0.0013888887668370663,
                                0.041666666664311826};
  const V rounder = hn::Set(d, kRounder<double>);
  const V shifted = hn::Add(hn::Mul(x, hn::Set(d, kTwoOverPi)), rounder), n = hn::Sub(shifted, rounder);
  const V r = hn::Sub(hn::Sub(x, hn::Mul(n, hn::Set(d, kPart1))), hn::Mul(n, hn::Set(d, kParts234)));
  const V u = hn::Mul(r, r);
  const V sine = hn::MulAdd(hn::Mul(r, u), polynomial(d, u, kSine), r);
  const V other =
      hn::MulAdd(hn::Mul(u, u), polynomial(d, u, kCosine), hn::Sub(hn::Set(d, 1.0), hn::Mul(u, hn::Set(d, 0.5))));
  return turned<cosine>(d, hn::BitCast(hn::RebindToUnsigned<D>(), shifted), sine, other);
}

template <bool cosine, class D, class V>
HWY_INLINE V circle_of_double(D d, V x) {
  constexpr double kSine[] = {-7.586636882825159e-13, 1.6058530596645953e-10, -2.50521062259944e-08,
                              2.755731921932058e-06,  -0.0001984126984126504, 0.008333333333333331,
                              -0.16666666666666666};
  constexpr double kCosine[] = {-1.138254464534925e-11, 2.087614504941318e-09,  -2.755731726587808e-07,
                                2.48015872987544e-05,   -0.0013888888888887389, 0.041666666666666664};
  const V rounder = hn::Set(d, kRounder<double>), one = hn::Set(d, 1.0), half = hn::Set(d, 0.5);
  const V shifted = hn::Add(hn::Mul(x, hn::Set(d, kTwoOverPi)), rounder), n = hn::Sub(shifted, rounder);
  // r + s is the rest: what the differences lose is kept in s.
  const V first = hn::Sub(x, hn::Mul(n, hn::Set(d, kPart1)));
  const Two<V> second = exact_sum(first, hn::Neg(hn::Mul(n, hn::Set(d, kPart2))));
  const Two<V> third = exact_sum(second.high, hn::Neg(hn::Mul(n, hn::Set(d, kPart3))));
  const V lost = hn::Sub(hn::Add(second.low, third.low), hn::Mul(n, hn::Set(d, kPart4)));
  const V r = hn::Add(third.high, lost), s = hn::Add(hn::Sub(third.high, r), lost);
  const V u = hn::Mul(r, r), bend = hn::Mul(u, half);
  // sin(r + s) is sin(r) + s cos(r), cos(r + s) is cos(r) - s sin(r); of s the first digits are enough.
  const V sine = hn::Add(r, hn::MulAdd(hn::Mul(r, u), polynomial(d, u, kSine), hn::Mul(s, hn::Sub(one, bend))));
  const V near = hn::Sub(one, bend), off = hn::Sub(hn::Sub(one, near), bend);
  const V other =
      hn::Add(near, hn::Add(off, hn::Sub(hn::Mul(hn::Mul(u, u), polynomial(d, u, kCosine)), hn::Mul(r, s))));
  return turned<cosine>(d, hn::BitCast(hn::RebindToUnsigned<D>(), shifted), sine, other);
}

// Without the standard library's header, as all of the vector code.
HWY_INLINE double far_sine(double x) { return __builtin_sin(x); }
HWY_INLINE double far_cosine(double x) { return __builtin_cos(x); }
HWY_INLINE float far_sine(float x) { return __builtin_sinf(x); }
HWY_INLINE float far_cosine(float x) { return __builtin_cosf(x); }

// y with the C library's results where |x| is large.
template <bool cosine, class D, class V>
HWY_NOINLINE V with_far_angles(D d, V x, V y) {
  using T = hn::TFromD<D>;
  HWY_ALIGN T from[hn::MaxLanes(D())], to[hn::MaxLanes(D())];
  hn::Store(x, d, from);
  hn::Store(y, d, to);
  for (size_t i = 0; i < hn::Lanes(d); ++i) {
    if (from[i] < kFarAngle<T> && from[i] > -kFarAngle<T>) continue;
    to[i] = cosine ? far_cosine(from[i]) : far_sine(from[i]);
  }
  return hn::Load(d, to);
}

template <bool cosine>
struct CircleOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    V y;
    if constexpr (sizeof(T) == 4) {
      y = in_double(
          d, [](auto doubles, auto part) HWY_ATTR { return circle_of_float<cosine>(doubles, part); }, x);
    } else {
      y = circle_of_double<cosine>(d, x);
    }
    if constexpr (!cosine) y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, y);  // -0 stays -0
    const auto far = hn::Ge(hn::Abs(x), hn::Set(d, kFarAngle<T>));
    return HWY_LIKELY(hn::AllFalse(d, far)) ? y : with_far_angles<cosine>(d, x, y);
  }
};
using SinOf = CircleOf<false>;
using CosOf = CircleOf<true>;

struct TanOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    return hn::Div(SinOf()(d, x), CosOf()(d, x));
  }
};

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#endif
