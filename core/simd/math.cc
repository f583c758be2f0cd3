// Functions of one variable over arrays, for every instruction set.
#include "core/simd/math.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/math.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "core/simd/erf_inl.h"
#include "core/simd/hyperbolic_inl.h"
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

struct SoftplusOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    const V e = ExpOf()(d, hn::Neg(hn::Abs(x)));
    return hn::Add(hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x), near_log1p(d, e));
  }
};

template <typename T>
struct EluOf {
  T alpha;

  template <class D, class V>
  V operator()(D d, V x) const {
    const V least = hn::Set(d, T(-50)), within = hn::Max(hn::IfThenElseZero(hn::Lt(x, hn::Zero(d)), x), least);
    const V near = near_expm1(d, within);
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

// alpha elu(x / alpha) of alpha > 0.
template <typename T>
struct CeluOf {
  T alpha;

  template <class D, class V>
  V operator()(D d, V x) const {
    const V by = hn::Set(d, alpha), low = hn::Mul(EluOf<T>{T(1)}(d, hn::Div(x, by)), by);
    return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), low, x);
  }
};

template <typename T>
struct SeluOf {
  T alpha, gamma;

  template <class D, class V>
  V operator()(D d, V x) const {
    return hn::Mul(EluOf<T>{alpha}(d, x), hn::Set(d, gamma));
  }
};

template <typename T>
struct LeakyReluOf {
  T alpha;

  template <class D, class V>
  V operator()(D d, V x) const {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(hn::Set(d, alpha), x));
  }
};

template <typename T>
struct HardSigmoidOf {
  T alpha, beta;

  template <class D, class V>
  V operator()(D d, V x) const {
    const V line = hn::Add(hn::Mul(hn::Set(d, alpha), x), hn::Set(d, beta));
    return between(hn::Zero(d), hn::Set(d, T(1)), line);
  }
};

struct HardSwishOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    return hn::Mul(x, HardSigmoidOf<T>{T(1), T(0.5)}(d, hn::Mul(x, hn::Set(d, T(1.0 / 6)))));
  }
};

template <typename T>
struct SwishOf {
  T alpha;

  template <class D, class V>
  V operator()(D d, V x) const {
    return hn::Mul(x, SigmoidOf()(d, hn::Mul(x, hn::Set(d, alpha))));
  }
};

// s + alpha x s (1 - s), with s = sigmoid(alpha x). Far out the last part is 0, and must not become infinity times that.
template <typename T>
struct SwishSlopeOf {
  T alpha;

  template <class D, class V>
  V operator()(D d, V x) const {
    const V scaled = hn::Mul(x, hn::Set(d, alpha)), most = hn::Set(d, T(1000));
    const auto is_number = hn::Eq(scaled, scaled);
    const V near = hn::Max(hn::Min(hn::IfThenElseZero(is_number, scaled), most), hn::Neg(most));
    const V s = SigmoidOf()(d, near), rest = SigmoidOf()(d, hn::Neg(near));
    return hn::IfThenElse(is_number, hn::MulAdd(hn::Mul(s, rest), near, s), scaled);
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

// Of the vector library: what is outside [-1, 1] has no arc sine and cosine.
struct AsinOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    const auto inside = hn::Le(hn::Abs(x), hn::Set(d, hn::TFromD<D>(1)));
    return hn::IfThenElse(inside, hn::CopySign(hn::Asin(d, hn::IfThenElseZero(inside, x)), x), hn::NaN(d));
  }
};
struct AcosOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    const auto inside = hn::Le(hn::Abs(x), hn::Set(d, hn::TFromD<D>(1)));
    return hn::IfThenElse(inside, hn::Acos(d, hn::IfThenElseZero(inside, x)), hn::NaN(d));
  }
};
struct AtanOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    // From there on it rounds to a quarter turn.
    const V most = hn::Set(d, T(1e18)), size = hn::Min(hn::IfThenElseZero(hn::Eq(x, x), hn::Abs(x)), most);
    return hn::IfThenElse(hn::Eq(x, x), hn::CopySign(hn::Atan(d, size), x), x);
  }
};

// tanh(softplus(x)) is n / (n + 2) with n = e^x (e^x + 2); it rounds to 1 from 22 on, and to 0 long before -1000.
struct MishOf {
  template <class D, class V>
  V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V two = hn::Set(d, T(2)), number = hn::IfThenElseZero(hn::Eq(x, x), x);
    const V e = ExpOf()(d, hn::Min(number, hn::Set(d, T(22)))), n = hn::Mul(e, hn::Add(e, two));
    const V y = hn::Mul(hn::Max(number, hn::Set(d, T(-1000))), hn::Div(n, hn::Add(n, two)));
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
template <typename T, template <typename> class Of>
void with_alpha(const T* x, T* y, int64_t n, T alpha) {
  each(x, y, n, Of<T>{alpha});
}
template <typename T, template <typename> class Of>
void with_two(const T* x, T* y, int64_t n, T alpha, T other) {
  each(x, y, n, Of<T>{alpha, other});
}

template <typename T>
constexpr MathTable<T> kTable = {map<T, ExpOf>,
                                 map<T, LogOf>,
                                 map<T, TanhOf>,
                                 map<T, SigmoidOf>,
                                 map<T, ReluOf>,
                                 map<T, SinOf>,
                                 map<T, CosOf>,
                                 map<T, TanOf>,
                                 map<T, AsinOf>,
                                 map<T, AcosOf>,
                                 map<T, AtanOf>,
                                 map<T, SinhOf>,
                                 map<T, CoshOf>,
                                 map<T, AsinhOf>,
                                 map<T, AcoshOf>,
                                 map<T, AtanhOf>,
                                 map<T, MishOf>,
                                 map<T, SoftplusOf>,
                                 map<T, GeluTanhOf>,
                                 map<T, ErfOf>,
                                 map<T, GeluOf>,
                                 map<T, GeluTanhSlopeOf>,
                                 map<T, GeluSlopeOf>,
                                 map<T, HardSwishOf>,
                                 with_alpha<T, EluOf>,
                                 with_alpha<T, CeluOf>,
                                 with_alpha<T, LeakyReluOf>,
                                 with_alpha<T, SwishOf>,
                                 with_alpha<T, SwishSlopeOf>,
                                 with_two<T, HardSigmoidOf>,
                                 with_two<T, SeluOf>};

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
