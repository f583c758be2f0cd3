// Functions of one variable over arrays, for every instruction set.
#include "core/simd/math.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/math.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "core/simd/erf_inl.h"
#include "core/simd/lanes_inl.h"
#include "core/simd/math_inl.h"
#include "core/simd/sine_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

struct ExpOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V number = hn::IfThenElseZero(hn::Eq(x, x), x);
    const V y = exp_of(d, hn::Max(hn::Min(number, hn::Set(d, kExpMost<T>)), hn::Set(d, kExpLeast<T>)));
    return hn::IfThenElse(hn::Eq(x, x), y, x);
  }
};

struct LogOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V infinity = hn::Inf(d), zero = hn::Zero(d);
    const auto inside = hn::And(hn::Gt(x, zero), hn::Lt(x, infinity));
    const V y = hn::Log(d, hn::IfThenElse(inside, x, hn::Set(d, T(1))));
    // Of infinity and NaN: themselves; of 0: -infinity; of less: NaN.
    const V edge = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(infinity),
                                  hn::IfThenElse(hn::Lt(x, zero), hn::Sub(infinity, infinity), x));
    return hn::IfThenElse(inside, y, edge);
  }
};

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

// log(1 + e) is 2 atanh(s) with s = e / (2 + e), and 2 s is e - e s.
struct SoftplusOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V one = hn::Set(d, T(1)), e = ExpOf()(d, hn::Neg(hn::Abs(x))), half = hn::Mul(e, hn::Set(d, T(0.5)));
    const V s = hn::Div(half, hn::Add(half, one));
    const V bend = hn::Mul(hn::Mul(s, s), hn::Sub(one, s));
    const V log = hn::MulAdd(e, hn::MulSub(bend, polynomial(d, hn::Mul(s, s), Fits<T>::kAtanh), s), e);
    return hn::Add(hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x), log);
  }
};

template <typename T>
struct EluOf {
  T alpha;

  template <class D, class V>
  V operator()(D d, V x) const {
    const V least = hn::Set(d, T(-50)), within = hn::Max(hn::IfThenElseZero(hn::Lt(x, hn::Zero(d)), x), least);
    const V near = hn::MulAdd(hn::Mul(within, within), polynomial(d, within, Fits<T>::kExpm1), within);
    const V far = hn::Sub(exp_of(d, within), hn::Set(d, T(1)));
    const V y = hn::Mul(hn::Set(d, alpha), hn::IfThenElse(hn::Lt(within, hn::Set(d, T(-0.6931))), far, near));
    return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), y, x);
  }
};

struct SigmoidOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V one = hn::Set(d, T(1)), e = ExpOf()(d, hn::Neg(hn::Abs(x)));
    return hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), hn::Add(one, e));
  }
};

struct ReluOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);
  }
};

// 2 u = x (kLine + kCube x^2); (1 + tanh(u)) / 2 is sigmoid(2 u), which loses no digit where tanh is near -1.
constexpr double kLine = 2 * 0.7978845608028654, kCube = kLine * 0.044715;

struct GeluTanhOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V bend = hn::MulAdd(hn::Mul(x, x), hn::Set(d, T(kCube)), hn::Set(d, T(kLine)));
    // At -100 the other factor is long 0; -infinity times 0 would be NaN.
    return hn::Mul(hn::Max(x, hn::Set(d, T(-100))), SigmoidOf()(d, hn::Mul(x, bend)));
  }
};

// s + x s (1 - s) (2 u)', with s = sigmoid(2 u). Further out the last part is 0, and must not become infinity times that.
struct GeluTanhSlopeOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V line = hn::Set(d, T(kLine)), most = hn::Set(d, T(100));
    const V near = hn::Max(hn::Min(hn::IfThenElseZero(hn::Eq(x, x), x), most), hn::Neg(most));
    const V square = hn::Mul(near, near);
    const V twice = hn::Mul(near, hn::MulAdd(square, hn::Set(d, T(kCube)), line));
    const V rise = hn::Mul(near, hn::MulAdd(square, hn::Set(d, T(3 * kCube)), line));
    const V s = SigmoidOf()(d, twice), rest = SigmoidOf()(d, hn::Neg(twice));
    const V y = hn::MulAdd(hn::Mul(s, rest), rise, s);
    return hn::IfThenElse(hn::Eq(x, x), y, x);
  }
};

template <typename T, typename Fn>
HWY_INLINE void each(const T* x, T* y, int64_t n, Fn fn) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(fn(d, hn::LoadU(d, x + i)), d, y + i);
  if (i == n) return;
  Tail<T> tail(x + i, n - i, T(1));
  hn::Store(fn(d, hn::Load(d, tail.lanes)), d, tail.lanes);
  tail.store(y + i, n - i);
}

template <typename T, typename Fn>
void map(const T* x, T* y, int64_t n) {
  each(x, y, n, Fn());
}
template <typename T>
void elu(const T* x, T* y, int64_t n, T alpha) {
  each(x, y, n, EluOf<T>{alpha});
}

template <typename T>
constexpr MathTable<T> kTable = {map<T, ExpOf>,       map<T, LogOf>, map<T, TanhOf>, map<T, SigmoidOf>,
                                 map<T, ReluOf>,      map<T, SinOf>, map<T, CosOf>,  map<T, SoftplusOf>,
                                 map<T, GeluTanhOf>,  map<T, ErfOf>, map<T, GeluOf>, map<T, GeluTanhSlopeOf>,
                                 map<T, GeluSlopeOf>, elu<T>};

}  // namespace

extern constexpr MathTable<float> kMathF32 = kTable<float>;
extern constexpr MathTable<double> kMathF64 = kTable<double>;

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const MathTable<float>& math_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kMathF32); }
const MathTable<double>& math_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kMathF64); }

}  // namespace weft
#endif
