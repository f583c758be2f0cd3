// Powers over arrays, for every instruction set.
#include "core/simd/power.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/power.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/simd/lanes_inl.h"
#include "core/simd/math_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

// x^y is 2^(y log2 x). With x = 2^k m, m from sqrt(1/2) to sqrt(2), log2 x is k + 2 / ln(2) atanh((m - 1) / (m + 1))
// (Muller and others, "Handbook of floating-point arithmetic", 2018, chapter 10). The coefficients are Chebyshev fits,
// but for the first two of the logarithm for doubles, which are 2 / ln(2) and a third of that with twice the digits.

// k and m of a number, which may be a denormal one where that is said.
template <class V>
struct Split {
  V k, m;
};
template <bool denormal, class D, class V>
HWY_INLINE Split<V> split(D d, V x) {
  const hn::RebindToUnsigned<D> bits;
  constexpr uint64_t kOne = 0x3FF0000000000000, kRootOfHalf = 0x3FE6A09E667F3BCD, kHidden = 0x4330000000000000;  // 2^52
  const V bias = hn::Set(d, 0x1p52 + 1023);
  const auto small = hn::Lt(x, hn::Set(d, 0x1p-1022));
  const auto of_x = hn::BitCast(bits, denormal ? hn::IfThenElse(small, hn::Mul(x, hn::Set(d, 0x1p54)), x) : x);
  const auto exponent = hn::ShiftRight<52>(hn::Add(of_x, hn::Set(bits, kOne - kRootOfHalf)));
  const V biased = hn::BitCast(d, hn::Or(exponent, hn::Set(bits, kHidden)));
  const V k = hn::Sub(biased, denormal ? hn::IfThenElse(small, hn::Set(d, 0x1p52 + 1023 + 54), bias) : bias);
  const auto of_m = hn::Add(hn::Sub(of_x, hn::ShiftLeft<52>(exponent)), hn::Set(bits, kOne));
  return {k, hn::BitCast(d, of_m)};
}

// 2 / ln(2) atanh(f / (m + 1)) + k, with twice the digits of a double.
template <class D, class V>
HWY_INLINE Two<V> log2_of(D d, V x) {
  constexpr double kRest[] = {0.16912971664122153, 0.16888529114458137, 0.19238056603036385, 0.2219527885851067,
                              0.2623081914681522,  0.3205988979671547,  0.4121985831111439,  0.5770780163555853};
  const Split<V> of_x = split<true>(d, x);
  const V one = hn::Set(d, 1.0), f = hn::Sub(of_x.m, one);
  const Two<V> below = exact_sum(of_x.m, one);
  const V inverse = hn::Div(one, below.high), ratio = hn::Mul(f, inverse);
  const Two<V> back = exact_product(d, ratio, below.high);
  const V missing = hn::NegMulAdd(ratio, below.low, hn::Sub(hn::Sub(f, back.high), back.low));
  const Two<V> s = {ratio, hn::Mul(missing, inverse)};
  Two<V> u = exact_product(d, s.high, s.high);
  u.low = hn::MulAdd(hn::Add(s.high, s.high), s.low, u.low);
  const V rest = polynomial(d, u.high, kRest);
  const Two<V> third_power = exact_product(d, u.high, rest);
  Two<V> sum = exact_sum_of_larger(hn::Set(d, 0.9617966939259756), third_power.high);
  sum.low = hn::Add(hn::Add(sum.low, hn::Set(d, 5.0577616648125907e-17)), hn::MulAdd(u.low, rest, third_power.low));
  const Two<V> second_power = exact_product(d, u.high, sum.high);
  const V second_low = hn::MulAdd(u.high, sum.low, hn::MulAdd(u.low, sum.high, second_power.low));
  sum = exact_sum_of_larger(hn::Set(d, 2.8853900817779268), second_power.high);
  sum.low = hn::Add(hn::Add(sum.low, hn::Set(d, 4.0710547481862066e-17)), second_low);
  const Two<V> product = exact_product(d, s.high, sum.high);
  const V product_low = hn::MulAdd(s.high, sum.low, hn::MulAdd(s.low, sum.high, product.low));
  const Two<V> all = exact_sum_of_larger(of_x.k, product.high);
  return {all.high, hn::Add(all.low, product_low)};
}

// The power of |x|, where that is neither 0 nor infinite, and |y| is at most 2^65.
template <class D, class V>
HWY_INLINE V power_of_double(D d, V x, V y) {
  const V limit = hn::Set(d, 1100.0);  // past 2^1100 every power of two is 0 or infinity
  const Two<V> log = log2_of(d, hn::Abs(x)), product = exact_product(d, y, log.high);
  const V high = hn::Max(hn::Min(product.high, limit), hn::Neg(limit));
  const V low = hn::IfThenElseZero(hn::Eq(high, product.high), hn::MulAdd(y, log.low, product.low));
  const V n = rounded(d, high), f = hn::Sub(high, n);
  // 2^(f + low) is e^t.
  const V log_2 = hn::Set(d, 0.6931471805599453);
  Two<V> t = exact_product(d, f, log_2);
  t.low = hn::Add(t.low, hn::MulAdd(f, hn::Set(d, 2.3190468138462996e-17), hn::Mul(low, log_2)));
  return scaled(d, exp_of_rest(d, exact_sum_of_larger(t.high, t.low)), n);
}

// The same with more digits than a float has.
template <class D, class V>
HWY_INLINE V power_of_float(D d, V x, V y) {
  constexpr double kLog[] = {0.28288718263073565, 0.3199066608891474, 0.41220922733052445,
                             0.5770779426302618,  0.9617966941123595, 2.8853900817778504};
  constexpr double kExp2[] = {1.530380284962428e-05, 0.00015469861921601935, 0.0013333478154201467,
                              0.009618025198219938,  0.055504109065657,      0.24022651216614133,
                              0.6931471805568075,    0.9999999999592369};
  const V one = hn::Set(d, 1.0), limit = hn::Set(d, 300.0);
  const Split<V> of_x = split<false>(d, hn::Abs(x));
  const V s = hn::Div(hn::Sub(of_x.m, one), hn::Add(of_x.m, one));
  const V log = hn::MulAdd(s, polynomial(d, hn::Mul(s, s), kLog), of_x.k);
  const V product = hn::Max(hn::Min(hn::Mul(y, log), limit), hn::Neg(limit));
  const V n = rounded(d, product);
  return hn::Mul(polynomial(d, hn::Sub(product, n), kExp2), power_of_two(d, n));
}

// The special cases around `size`, the power of |x|.
template <class D, class V>
HWY_INLINE V with_special_cases(D d, V x, V y, V size) {
  using T = hn::TFromD<D>;
  const V zero = hn::Zero(d), infinity = hn::Inf(d), one = hn::Set(d, T(1)), y_half = hn::Mul(y, hn::Set(d, T(0.5)));
  const auto whole = hn::Eq(hn::Trunc(y), y), odd = hn::AndNot(hn::Eq(hn::Trunc(y_half), y_half), whole);
  const auto infinite = hn::Eq(hn::Abs(x), infinity);
  const auto up = hn::Xor(infinite, hn::Lt(y, zero));
  V z = hn::IfThenElse(hn::Or(infinite, hn::Eq(x, zero)), hn::IfThenElseZero(up, infinity), size);
  z = hn::IfThenElse(odd, hn::CopySign(z, x), z);
  const auto no_power = hn::AndNot(whole, hn::And(hn::Lt(x, zero), hn::Gt(x, hn::Neg(infinity))));
  z = hn::IfThenElse(no_power, hn::Sub(infinity, infinity), z);
  z = hn::IfThenElse(hn::Or(hn::IsNaN(x), hn::IsNaN(y)), hn::Add(x, y), z);
  return hn::IfThenElse(hn::Or(hn::Eq(y, zero), hn::Eq(x, one)), one, z);
}

struct PowerOf {
  template <class D, class V>
  V operator()(D d, V x, V y) const {
    using T = hn::TFromD<D>;
    // Past 2^65 every exponent gives 0, 1 or infinity.
    const V far = hn::Set(d, T(0x1p65)), within = hn::Max(hn::Min(y, far), hn::Neg(far));
    V size;
    if constexpr (sizeof(T) == 4) {
      const auto part = [](auto doubles, auto base, auto exponent)
                            HWY_ATTR { return power_of_float(doubles, base, exponent); };
      size = in_double(d, part, x, within);
    } else {
      size = power_of_double(d, x, within);
    }
    return with_special_cases(d, x, y, size);
  }
};

// What some exponents are computed as, wherever they come from.
struct Same {
  template <class D, class V>
  V operator()(D, V x) const {
    return x;
  }
};
struct Square {
  template <class D, class V>
  V operator()(D, V x) const {
    return hn::Mul(x, x);
  }
};
struct Cube {
  template <class D, class V>
  V operator()(D, V x) const {
    return hn::Mul(hn::Mul(x, x), x);
  }
};
struct Inverse {
  template <class D, class V>
  V operator()(D d, V x) const {
    return hn::Div(hn::Set(d, hn::TFromD<D>(1)), x);
  }
};
// Of -0 it is 0, and of -infinity infinity.
struct Root {
  template <class D, class V>
  V operator()(D d, V x) const {
    const V infinity = hn::Inf(d);
    const V root = hn::Sqrt(hn::Add(x, hn::Zero(d)));
    return hn::IfThenElse(hn::Eq(x, hn::Neg(infinity)), infinity, root);
  }
};
struct InverseRoot {
  template <class D, class V>
  V operator()(D d, V x) const {
    return Inverse()(d, Root()(d, x));
  }
};

// fn(exponent, how) for each of them.
template <typename Fn>
HWY_INLINE void for_simple_exponents(Fn fn) {
  fn(1, Same());
  fn(2, Square());
  fn(3, Cube());
  fn(-1, Inverse());
  fn(0.5, Root());
  fn(-0.5, InverseRoot());
}

struct AnyPowerOf {
  template <class D, class V>
  V operator()(D d, V x, V y) const {
    using T = hn::TFromD<D>;
    auto simple = hn::FirstN(d, 0);
    for_simple_exponents([&](double exponent, auto)
                             HWY_ATTR { simple = hn::Or(simple, hn::Eq(y, hn::Set(d, static_cast<T>(exponent)))); });
    if (HWY_LIKELY(hn::AllFalse(d, simple))) return PowerOf()(d, x, y);
    V z = hn::AllTrue(d, simple) ? x : PowerOf()(d, x, y);
    for_simple_exponents([&](double exponent, auto how) HWY_ATTR {
      z = hn::IfThenElse(hn::Eq(y, hn::Set(d, static_cast<T>(exponent))), how(d, x), z);
    });
    return z;
  }
};

template <typename T>
void both(const T* x, const T* y, T* z, int64_t n) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  const AnyPowerOf fn;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(fn(d, hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, z + i);
  if (i == n) return;
  Tail<T> bases(x + i, n - i, T(1)), exponents(y + i, n - i, T(1));
  hn::Store(fn(d, hn::Load(d, bases.lanes), hn::Load(d, exponents.lanes)), d, bases.lanes);
  bases.store(z + i, n - i);
}

// Of x or y alone, which `from` is.
template <typename T, typename Fn>
HWY_INLINE void each(const T* from, T* z, int64_t n, Fn fn) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(fn(d, hn::LoadU(d, from + i)), d, z + i);
  if (i == n) return;
  Tail<T> tail(from + i, n - i, T(1));
  hn::Store(fn(d, hn::Load(d, tail.lanes)), d, tail.lanes);
  tail.store(z + i, n - i);
}

template <typename T>
void x_alone(const T* x, const T* y, T* z, int64_t n) {
  const hn::ScalableTag<T> d;
  const T exponent = *y;  // read before anything is written: it may lie in `z`
  bool done = false;
  for_simple_exponents([&](double simple, auto how) HWY_ATTR {
    if (exponent != static_cast<T>(simple)) return;
    each(x, z, n, how);
    done = true;
  });
  if (done) return;
  const auto same = hn::Set(d, exponent);
  each(x, z, n, [same](auto tag, auto base) HWY_ATTR { return PowerOf()(tag, base, same); });
}

template <typename T>
void y_alone(const T* x, const T* y, T* z, int64_t n) {
  const hn::ScalableTag<T> d;
  const auto same = hn::Set(d, *x);
  each(y, z, n, [same](auto tag, auto exponent) HWY_ATTR { return AnyPowerOf()(tag, same, exponent); });
}

}  // namespace

extern constexpr PowerTable<float> kPowerF32 = {both<float>, x_alone<float>, y_alone<float>};
extern constexpr PowerTable<double> kPowerF64 = {both<double>, x_alone<double>, y_alone<double>};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const PowerTable<float>& power_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kPowerF32); }
const PowerTable<double>& power_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kPowerF64); }

}  // namespace weft
#endif
