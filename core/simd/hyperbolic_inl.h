// Hyperbolic functions, their inverses, and what else is made of the fits near 0 that they need, on vectors. Included once
// for every instruction set, inside none of its namespaces.
#if defined(WEFT_CORE_SIMD_HYPERBOLIC_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WEFT_CORE_SIMD_HYPERBOLIC_INL_H
#undef WEFT_CORE_SIMD_HYPERBOLIC_INL_H
#else
#define WEFT_CORE_SIMD_HYPERBOLIC_INL_H
#endif

#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "core/simd/math_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

// Chebyshev fits of (tanh(x) / x - 1) / x^2 in x^2 up to 0.625^2, of (expm1(x) / x - 1) / x in x from -0.7 to 0, and of
// (atanh(s) / s - 1) / s^2 in s^2 up to 1/9.
template <typename T>
struct Fits;
template <>
struct Fits<float> {
  static constexpr float kTanh[] = {0.00229274482f, -0.00834394526f, 0.0217689183f,
                                    -0.0539592579f, 0.133333042f,    -0.333333343f};
  static constexpr float kExpm1[] = {0.000153185087f, 0.00135493209f, 0.00832128245f,
                                     0.0416647121f,   0.166666552f,   0.5f};
  static constexpr float kAtanh[] = {0.116124608f, 0.108532302f, 0.14296183f, 0.199998528f, 0.333333343f};
};
template <>
struct Fits<double> {
  static constexpr double kTanh[] = {6.485163482793113e-06,  -3.12011014257974e-05, 9.257116129556769e-05,
                                     -0.0002375906496055562, 0.0005896606577757043, -0.0014557754120478055,
                                     0.0035921217511549622,  -0.008863235103240878, 0.021869488519008305,
                                     -0.05396825396789699,   0.13333333333333042,   -0.3333333333333333};
  static constexpr double kExpm1[] = {1.5562991015725103e-09,
                                      2.4213936178477727e-08,
                                      2.748060254827596e-07,
                                      2.755291193085996e-06,
                                      2.480142376828825e-05,
                                      0.00019841265932179708,
                                      0.0013888888830518855,
                                      0.008333333332824176,
                                      0.04166666666664386,
                                      0.16666666666666627,
                                      0.5};
  static constexpr double kAtanh[] = {
      0.08082469084735669, 0.04400158825434387, 0.06000577591428889, 0.06657067775440581, 0.07692785296456121,
      0.09090894708663223, 0.11111111358900891, 0.1428571428355253,  0.20000000000007298, 0.3333333333333333};
};

// e^x - 1 of x from -0.7 to 0.
template <class D, class V>
HWY_INLINE V near_expm1(D d, V x) {
  return hn::MulAdd(hn::Mul(x, x), polynomial(d, x, Fits<hn::TFromD<D>>::kExpm1), x);
}

// log(1 + e) of e from 0 to 1 is 2 atanh(s) with s = e / (2 + e), and 2 s is e - e s.
template <class D, class V>
HWY_INLINE V near_log1p(D d, V e) {
  using T = hn::TFromD<D>;
  const V one = hn::Set(d, T(1)), half = hn::Mul(e, hn::Set(d, T(0.5)));
  const V s = hn::Div(half, hn::Add(half, one)), square = hn::Mul(s, s);
  const V bend = hn::Mul(square, hn::Sub(one, s));
  return hn::MulAdd(e, hn::MulSub(bend, polynomial(d, square, Fits<T>::kAtanh), s), e);
}

// Far from 0 it is 1 - 2 / (e^2x + 1).
struct TanhOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V one = hn::Set(d, T(1)), two = hn::Set(d, T(2));
    const V size = hn::Min(hn::IfThenElseZero(hn::Eq(x, x), hn::Abs(x)), hn::Set(d, T(22)));
    const V u = hn::Mul(size, size);
    const V near = hn::MulAdd(hn::Mul(size, u), polynomial(d, u, Fits<T>::kTanh), size);
    const V far = hn::Sub(one, hn::Div(two, hn::Add(exp_of(d, hn::Add(size, size)), one)));
    const V y = hn::CopySign(hn::IfThenElse(hn::Lt(size, hn::Set(d, T(0.625))), near, far), x);
    return hn::IfThenElse(hn::Eq(x, x), y, x);
  }
};

// e^|x| / 2, which is finite where sinh and cosh are; `x` is no NaN.
template <class D, class V>
HWY_INLINE V half_exp_of_size(D d, V x) {
  using T = hn::TFromD<D>;
  const V size = hn::Min(hn::Abs(x), hn::Set(d, kExpMost<T> + 1));
  Two<V> rest = exact_sum(size, hn::Set(d, -ExpFits<T>::kLog2High));
  rest.low = hn::Sub(rest.low, hn::Set(d, ExpFits<T>::kLog2Low));
  return exp_of(d, rest);
}

struct CoshOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V half = half_exp_of_size(d, hn::IfThenElseZero(hn::Eq(x, x), x));
    return hn::IfThenElse(hn::Eq(x, x), hn::Add(half, hn::Div(hn::Set(d, T(0.25)), half)), x);
  }
};

// Near 0, with m = e^-|x| - 1: -m (2 + m) / (2 (1 + m)).
struct SinhOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V two = hn::Set(d, T(2)), border = hn::Set(d, T(0.6931));
    const V number = hn::IfThenElseZero(hn::Eq(x, x), x), size = hn::Abs(number);
    const V m = near_expm1(d, hn::Neg(hn::Min(size, border)));
    const V near = hn::Div(hn::NegMulAdd(m, m, hn::Neg(hn::Add(m, m))), hn::MulAdd(m, two, two));
    const V half = half_exp_of_size(d, number), far = hn::Sub(half, hn::Div(hn::Set(d, T(0.25)), half));
    return hn::IfThenElse(hn::Eq(x, x), hn::CopySign(hn::IfThenElse(hn::Lt(size, border), near, far), x), x);
  }
};

// log(1 + t) of t >= 0; where t nears the largest number, it is log(t).
template <class D, class V>
HWY_INLINE V log1p_of(D d, V t) {
  using T = hn::TFromD<D>;
  const V one = hn::Set(d, T(1)), zero = hn::Zero(d), inf = hn::Inf(d);
  const auto small = hn::Le(t, one), inside = hn::And(hn::Ge(t, zero), hn::Lt(t, inf));
  const V near = near_log1p(d, hn::IfThenElse(small, t, zero));
  const V far = hn::Log(d, hn::IfThenElse(hn::AndNot(small, inside), hn::Add(one, t), one));
  return hn::IfThenElse(small, near, hn::IfThenElse(inside, far, t));
}

// log(2 x) of x so large that it is asinh(x) and acosh(x) too.
template <class D, class V>
HWY_INLINE V log_of_double(D d, V x) {
  return hn::Add(log1p_of(d, x), hn::Set(d, hn::TFromD<D>(0.6931471805599453)));
}
// From here on; squares of smaller numbers are far from the largest.
template <typename T>
constexpr T kLargeSize = sizeof(T) == 4 ? T(16777216) : T(18014398509481984);

// log(|x| + sqrt(x^2 + 1)), without cancellation near 0.
struct AsinhOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V one = hn::Set(d, T(1)), large = hn::Set(d, kLargeSize<T>), size = hn::Abs(x);
    const V within = hn::Min(size, large), square = hn::Mul(within, within);
    const V t = hn::Add(within, hn::Div(square, hn::Add(one, hn::Sqrt(hn::Add(one, square)))));
    const V y = hn::IfThenElse(hn::Lt(size, large), log1p_of(d, t), log_of_double(d, size));
    return hn::IfThenElse(hn::Eq(x, x), hn::CopySign(y, x), x);
  }
};

// With u = x - 1: log(1 + u + sqrt(u (u + 2))).
struct AcoshOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V one = hn::Set(d, T(1)), large = hn::Set(d, kLargeSize<T>);
    const V u = hn::Sub(hn::Min(x, large), one);
    const V t = hn::Add(u, hn::Sqrt(hn::Mul(u, hn::Add(u, hn::Set(d, T(2))))));
    const V y = hn::IfThenElse(hn::Lt(x, large), log1p_of(d, t), log_of_double(d, x));
    return hn::IfThenElse(hn::Ge(x, one), y, hn::NaN(d));
  }
};

// log(1 + 2 |x| / (1 - |x|)) / 2.
struct AtanhOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V one = hn::Set(d, T(1)), size = hn::Abs(x);
    const V y = log1p_of(d, hn::Div(hn::Add(size, size), hn::Sub(one, size)));
    return hn::IfThenElse(hn::Le(size, one), hn::CopySign(hn::Mul(y, hn::Set(d, T(0.5))), x), hn::NaN(d));
  }
};

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#endif
