// Functions of one variable over arrays, for every instruction set.
#include "core/simd/math.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/math.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "core/simd/lanes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

template <typename T>
struct Infinity;
template <>
struct Infinity<float> {
  static constexpr float kValue = __builtin_inff();
};
template <>
struct Infinity<double> {
  static constexpr double kValue = __builtin_inf();
};

// Beyond these exp is infinity or 0.
template <typename T>
constexpr T kExpMost = sizeof(T) == 4 ? T(88.72283935546875) : T(709.78271289338397);
template <typename T>
constexpr T kExpLeast = sizeof(T) == 4 ? T(-104) : T(-746);

struct ExpOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    // The arguments of Min and Max are such that Highway's own function sees no NaN.
    const V within =
        hn::Max(hn::Min(hn::IfThenElseZero(hn::Eq(x, x), x), hn::Set(d, kExpMost<T>)), hn::Set(d, kExpLeast<T>));
    const V y = hn::Exp(d, within);
    const V high = hn::IfThenElse(hn::Gt(x, hn::Set(d, kExpMost<T>)), hn::Set(d, Infinity<T>::kValue), y);
    const V low = hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, kExpLeast<T>)), high);
    return hn::IfThenElse(hn::Eq(x, x), low, x);
  }
};

struct LogOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V infinity = hn::Set(d, Infinity<T>::kValue), zero = hn::Zero(d);
    const auto inside = hn::And(hn::Gt(x, zero), hn::Lt(x, infinity));
    const V y = hn::Log(d, hn::IfThenElse(inside, x, hn::Set(d, T(1))));
    // Of infinity and NaN: themselves; of 0: -infinity; of less: NaN.
    const V edge = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(infinity),
                                  hn::IfThenElse(hn::Lt(x, zero), hn::Sub(infinity, infinity), x));
    return hn::IfThenElse(inside, y, edge);
  }
};

struct TanhOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V size = hn::Min(hn::IfThenElseZero(hn::Eq(x, x), hn::Abs(x)), hn::Set(d, T(22)));
    const V e = hn::Expm1(d, hn::Add(size, size));
    const V y = hn::CopySign(hn::Div(e, hn::Add(e, hn::Set(d, T(2)))), x);
    return hn::IfThenElse(hn::Eq(x, x), y, x);
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

// Chebyshev fits: erf(x) / x in x^2 up to 1, and log(1 - erf(x)) in x from there to 4, where erf rounds to 1.
struct ErfOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    constexpr float kNear[] = {-9.67359017e-06f, 0.000112682537f, -0.000848439652f, 0.00522105341f,
                               -0.0268654383f,   0.112837826f,    -0.376126385f,    1.12837917f};
    constexpr float kFar[] = {-1.33093904e-05f, 0.000317572035f, -0.0034368676f, 0.0226219859f,
                              -0.10331898f,     -0.63909332f,    -1.12592595f,   -0.000756968626f};
    const V size = hn::Min(hn::IfThenElseZero(hn::Eq(x, x), hn::Abs(x)), hn::Set(d, 4.0f));
    const V square = hn::Mul(size, size);
    V near = hn::Set(d, kNear[0]), far = hn::Set(d, kFar[0]);
    for (int i = 1; i < 8; ++i) {
      near = hn::MulAdd(near, square, hn::Set(d, kNear[i]));
      far = hn::MulAdd(far, size, hn::Set(d, kFar[i]));
    }
    const V one = hn::Set(d, 1.0f);
    const V y = hn::IfThenElse(hn::Lt(size, one), hn::Mul(near, size), hn::Sub(one, hn::Exp(d, far)));
    return hn::IfThenElse(hn::Eq(x, x), hn::CopySign(y, x), x);
  }
};

struct GeluOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    const V erf = ErfOf()(d, hn::Mul(x, hn::Set(d, 0.7071067811865476f)));
    return hn::Mul(hn::Mul(hn::Set(d, 0.5f), x), hn::Add(hn::Set(d, 1.0f), erf));
  }
};

// The normal distribution's part below x, and x times its density there. Both come from one exp: beyond 1, 1 - erf(z) is
// exp(-z^2) times a Chebyshev fit in z up to 4, where it no longer matters; up to there erf(z) / z is one in z^2.
struct GeluSlopeOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    constexpr float kNear[] = {-9.67359017e-06f, 0.000112682537f, -0.000848439652f, 0.00522105341f,
                               -0.0268654383f,   0.112837826f,    -0.376126385f,    1.12837917f};
    constexpr float kFar[] = {8.638995e-05f, -0.00024350728f, 0.0003925621f, -0.00091999955f,
                              0.0024046563f, -0.0056084883f,  0.012491442f,  -0.026998682f,
                              0.05611006f,   -0.11152133f,    0.21080637f};
    const V one = hn::Set(d, 1.0f), half = hn::Set(d, 0.5f);
    const V size = hn::Min(hn::IfThenElseZero(hn::Eq(x, x), hn::Abs(x)), hn::Set(d, 16.0f));
    const V z = hn::Mul(size, hn::Set(d, 0.7071067811865476f)), square = hn::Mul(z, z);
    const V bell = hn::Exp(d, hn::Neg(square));
    const V at = hn::Mul(hn::Sub(hn::Min(z, hn::Set(d, 4.0f)), hn::Set(d, 2.5f)), hn::Set(d, 1 / 1.5f));
    V near = hn::Set(d, kNear[0]), far = hn::Set(d, kFar[0]);
    for (int i = 1; i < 8; ++i) near = hn::MulAdd(near, square, hn::Set(d, kNear[i]));
    for (int i = 1; i < 11; ++i) far = hn::MulAdd(far, at, hn::Set(d, kFar[i]));
    const V beyond = hn::IfThenElse(hn::Lt(z, one), hn::Sub(one, hn::Mul(near, z)), hn::Mul(bell, far));
    const V tail = hn::Mul(half, beyond);
    const V below = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(one, tail));
    const V y = hn::MulAdd(hn::CopySign(size, x), hn::Mul(bell, hn::Set(d, 0.3989422804014327f)), below);
    return hn::IfThenElse(hn::Eq(x, x), y, x);
  }
};

// (1 + tanh(u)) / 2 is sigmoid(2 u), which loses no digit where tanh is near -1.
struct GeluTanhOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V bend = hn::MulAdd(hn::Mul(x, x), hn::Set(d, T(0.044715)), hn::Set(d, T(1)));
    const V twice = hn::Mul(hn::Mul(x, bend), hn::Set(d, T(2 * 0.7978845608028654)));
    return hn::Mul(x, SigmoidOf()(d, twice));
  }
};

// s + x s (1 - s) (2 u)', with s = sigmoid(2 u). Further out the last part is 0, and must not become infinity times that.
struct GeluTanhSlopeOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V one = hn::Set(d, T(1)), most = hn::Set(d, T(100));
    const V near = hn::Max(hn::Min(hn::IfThenElseZero(hn::Eq(x, x), x), most), hn::Neg(most));
    const V square = hn::Mul(near, near), factor = hn::Set(d, T(2 * 0.7978845608028654));
    const V twice = hn::Mul(hn::Mul(near, hn::MulAdd(square, hn::Set(d, T(0.044715)), one)), factor);
    const V rise = hn::Mul(hn::Mul(near, hn::MulAdd(square, hn::Set(d, T(3 * 0.044715)), one)), factor);
    const V s = SigmoidOf()(d, twice), rest = SigmoidOf()(d, hn::Neg(twice));
    const V y = hn::MulAdd(hn::Mul(s, rest), rise, s);
    return hn::IfThenElse(hn::Eq(x, x), y, x);
  }
};

template <typename T, typename Fn>
void map(const T* x, T* y, int64_t n) {
  const hn::ScalableTag<T> d;
  const Fn fn;
  constexpr int64_t kLanes = HWY_LANES(T);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(fn(d, hn::LoadU(d, x + i)), d, y + i);
  if (i == n) return;
  Tail<T> tail(x + i, n - i, T(1));
  hn::Store(fn(d, hn::Load(d, tail.lanes)), d, tail.lanes);
  tail.store(y + i, n - i);
}

}  // namespace

extern constexpr MathTable<float> kMathF32 = {map<float, ExpOf>,      map<float, LogOf>,  map<float, TanhOf>,
                                              map<float, SigmoidOf>,  map<float, ReluOf>, map<float, GeluTanhOf>,
                                              map<float, ErfOf>,      map<float, GeluOf>, map<float, GeluTanhSlopeOf>,
                                              map<float, GeluSlopeOf>};
extern constexpr MathTable<double> kMathF64 = {map<double, ExpOf>,
                                               map<double, LogOf>,
                                               map<double, TanhOf>,
                                               map<double, SigmoidOf>,
                                               map<double, ReluOf>,
                                               map<double, GeluTanhOf>,
                                               nullptr,
                                               nullptr,
                                               map<double, GeluTanhSlopeOf>,
                                               nullptr};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const MathTable<float>& math_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kMathF32); }
const MathTable<double>& math_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kMathF64); }

}  // namespace weft
#endif
