// The error function and what comes of it, on vectors. Included once for every instruction set, inside none of its
// namespaces.
#if defined(WEFT_CORE_SIMD_ERF_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WEFT_CORE_SIMD_ERF_INL_H
#undef WEFT_CORE_SIMD_ERF_INL_H
#else
#define WEFT_CORE_SIMD_ERF_INL_H
#endif

#include <hwy/highway.h>

#include "core/simd/math_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

// P is the normal distribution below x; erf(z) is 1 - 2 P(-sqrt(2) z). Chebyshev fits near 0: erf(z) / z - 1, in z^2 up to
// 1; (P(x) - 1/2) / x - 1/4, in x^2 up to 0.72^2. Further out: (x + 3) exp(x^2 / 2) P(-x), which is nearly flat, from 0.7 to
// where P(-x) rounds to 0, in kScale / (x + 3) - kShift, which goes from -1 to 1 there (after Shepherd and Laframboise,
// "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x", 1981).
template <typename T>
struct ErfFits;
template <>
struct ErfFits<float> {
  static constexpr float kErf[] = {7.87587487e-05f, -0.00080168643f, 0.00518908724f, -0.0268542115f,
                                   0.112835944f,    -0.37612626f,    0.128379166f};
  static constexpr float kNormal[] = {0.000103891136f, -0.00118219072f, 0.00997261424f, -0.0664903224f, 0.148942277f};
  static constexpr float kScale = 9.384057998657227f, kShift = 1.5362318754196167f;
  static constexpr float kFar[] = {-2.66099232e-06f, -4.6455848e-06f, 4.68973376e-05f, 5.96945902e-05f,
                                   -0.000755917281f, -0.00164383592f, 0.0125423735f,   0.0929959714f,
                                   0.320462495f,     0.72010994f};
  static constexpr float kErfOne = 4, kNormalNone = 14.5f;  // from where erf rounds to 1, and P(-x) to 0
};
template <>
struct ErfFits<double> {
  static constexpr double kErf[] = {5.957176147748911e-11,   -1.1372848856791674e-09, 1.4659775274047436e-08,
                                    -1.6350312701054695e-07, 1.6461000484121368e-06,  -1.4925595266831182e-05,
                                    0.0001205533111164271,   -0.000854832698083379,   0.0052239776248180145,
                                    -0.026866170645076792,   0.11283791670954879,     -0.3761263890318375,
                                    0.1283791670955126};
  static constexpr double kNormal[] = {2.0254473746099395e-09, -4.099040810231809e-08, 6.658467414669645e-07,
                                       -9.44461901889469e-06,  0.00011543468095742353, -0.0011873282148107931,
                                       0.00997355701000205,    -0.06649038006690479,   0.14894228040143268};
  static constexpr double kScale = 8.118635170603675, kShift = 1.194225721784777;
  static constexpr double kFar[] = {
      -3.239432648672393e-11, 9.016865365456097e-11,   1.803585700595399e-10,   -1.0076613684773387e-09,
      5.292160515019067e-10,  5.224395213002123e-09,   -1.2715316162554083e-08, -9.362063867501427e-09,
      9.924837972167273e-08,  -1.0638079496337942e-07, -5.2891095196282e-07,    1.5615092815008138e-06,
      2.045775534155761e-06,  -1.5076373647728473e-05, -4.455927223709892e-06,  0.00014402839971658542,
      1.5135993605473824e-05, -0.0016258540426082157,  -0.0018552004048964408,  0.020662757032469992,
      0.11612830558607444,    0.3379861403135459,      0.6723714659488567};
  static constexpr double kErfOne = 6, kNormalNone = 39;
};

// exp(x^2 / 2) P(-x).
template <class D, class V>
HWY_INLINE V scaled_tail(D d, V x) {
  using T = hn::TFromD<D>;
  using Fits = ErfFits<T>;
  const V q = hn::Div(hn::Set(d, T(1)), hn::Add(x, hn::Set(d, T(3))));
  // kScale q - kShift, of which no digit is lost.
  const V top = hn::NegMulAdd(x, hn::Set(d, Fits::kShift), hn::Set(d, Fits::kScale - 3 * Fits::kShift));
  return hn::Mul(polynomial(d, hn::Mul(top, q), Fits::kFar), q);
}

struct ErfOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    using Fits = ErfFits<T>;
    const V one = hn::Set(d, T(1));
    const V z = hn::Min(hn::IfThenElseZero(hn::Eq(x, x), hn::Abs(x)), hn::Set(d, Fits::kErfOne)), u = hn::Mul(z, z);
    const V near = hn::MulAdd(z, polynomial(d, u, Fits::kErf), z);
    const V tail = hn::Mul(exp_of(d, hn::Neg(u)), scaled_tail(d, hn::Mul(z, hn::Set(d, T(1.4142135623730951)))));
    const V far = hn::Sub(one, hn::Add(tail, tail));
    const V y = hn::CopySign(hn::IfThenElse(hn::Lt(z, one), near, far), x);
    return hn::IfThenElse(hn::Eq(x, x), y, x);
  }
};

// Of a number that is no NaN and no further from 0 than kNormalNone: P, of which no digit is lost where it is small, and
// exp(-x^2 / 2).
template <class V>
struct Normal {
  V below, bell;
};
template <class D, class V>
HWY_INLINE Normal<V> normal_of(D d, V x) {
  using T = hn::TFromD<D>;
  using Fits = ErfFits<T>;
  const V half = hn::Set(d, T(0.5)), size = hn::Abs(x);
  const Two<V> square = exact_product(d, x, x);
  const V bell = exp_of(d, Two<V>{hn::Mul(square.high, hn::Neg(half)), hn::Mul(square.low, hn::Neg(half))});
  const V tail = hn::Mul(bell, scaled_tail(d, size));
  const V far = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(hn::Set(d, T(1)), tail));
  const V near = hn::MulAdd(x, polynomial(d, square.high, Fits::kNormal), hn::MulAdd(x, hn::Set(d, T(0.25)), half));
  return {hn::IfThenElse(hn::Lt(size, hn::Set(d, T(0.71))), near, far), bell};
}

// `x` no further from 0 than kNormalNone, and 0 for NaN.
template <class D, class V>
HWY_INLINE V within_normal(D d, V x) {
  const V most = hn::Set(d, ErfFits<hn::TFromD<D>>::kNormalNone);
  return hn::Max(hn::Min(hn::IfThenElseZero(hn::Eq(x, x), x), most), hn::Neg(most));
}

struct GeluOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    const V within = within_normal(d, x);
    const V y = hn::Mul(within, normal_of(d, within).below);
    return hn::IfThenElse(hn::Lt(x, hn::Set(d, ErfFits<hn::TFromD<D>>::kNormalNone)), y, x);
  }
};

struct GeluSlopeOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V within = within_normal(d, x);
    const Normal<V> normal = normal_of(d, within);
    const V y = hn::MulAdd(hn::Mul(within, hn::Set(d, T(0.3989422804014327))), normal.bell, normal.below);
    return hn::IfThenElse(hn::Eq(x, x), y, x);
  }
};

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#endif
