// Functions on vectors against the C library in a wider type, in units in the last place.
#include "core/simd/math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tests/core/simd/ulps.h"

namespace weft {
namespace {

const MathTable<float>& math_table(Isa isa, float) { return math_f32(isa); }
const MathTable<double>& math_table(Isa isa, double) { return math_f64(isa); }

template <typename T>
using Fn = void (*)(const T*, T*, int64_t);
using Exact = long double (*)(long double);

constexpr long double kRootOfHalf = 0.707106781186547524400844L, kRootOfTwoOverPi = 0.797884560802865355879892L;

long double exact_exp(long double x) { return std::exp(x); }
long double exact_log(long double x) { return std::log(x); }
long double exact_tanh(long double x) { return std::tanh(x); }
long double exact_sigmoid(long double x) { return 1 / (1 + std::exp(-x)); }
long double exact_sin(long double x) { return std::sin(x); }
long double exact_cos(long double x) { return std::cos(x); }
long double exact_softplus(long double x) { return std::fmax(x, 0.0L) + std::log1p(std::exp(-std::fabs(x))); }
long double exact_erf(long double x) { return std::erf(x); }
long double exact_gelu(long double x) { return x / 2 * std::erfc(-x * kRootOfHalf); }
long double exact_gelu_tanh(long double x) {
  return x / 2 * (1 + std::tanh(kRootOfTwoOverPi * (x + 0.044715L * x * x * x)));
}
long double exact_tan(long double x) { return std::tan(x); }
long double exact_asin(long double x) { return std::asin(x); }
long double exact_acos(long double x) { return std::acos(x); }
long double exact_atan(long double x) { return std::atan(x); }
long double exact_sinh(long double x) { return std::sinh(x); }
long double exact_cosh(long double x) { return std::cosh(x); }
long double exact_asinh(long double x) { return std::asinh(x); }
long double exact_acosh(long double x) { return std::acosh(x); }
long double exact_atanh(long double x) { return std::atanh(x); }
long double exact_mish(long double x) { return x * std::tanh(exact_softplus(x)); }
long double exact_elu(long double x) { return x > 0 ? x : std::expm1(x); }

long double exact_slope(long double x) {
  return std::erfc(-x * kRootOfHalf) / 2 + x * std::exp(-x * x / 2) * kRootOfTwoOverPi / 2;
}
long double exact_tanh_slope(long double x) {
  const long double t = std::tanh(kRootOfTwoOverPi * (x + 0.044715L * x * x * x));
  return (1 + t) / 2 + x / 2 * (1 - t * t) * kRootOfTwoOverPi * (1 + 3 * 0.044715L * x * x);
}

// Largest distance within [low, high].
template <typename T>
double farthest(Fn<T> fn, Exact exact, double low, double high) {
  std::vector<T> x, y(100001);
  for (int i = 0; i <= 100000; ++i) x.push_back(static_cast<T>(low + (high - low) * i / 100000));
  fn(x.data(), y.data(), 100001);
  double most = 0;
  for (int i = 0; i <= 100000; ++i) most = std::max(most, static_cast<double>(std::fabs(y[i] - exact(x[i]))));
  return most;
}

// Numbers within [low, high]: evenly spread, and of all sizes down to the least.
template <typename T>
std::vector<T> arguments(double low, double high) {
  std::mt19937_64 random(20240607);
  std::uniform_real_distribution<double> even(low, high);
  std::uniform_real_distribution<double> size(std::numeric_limits<T>::min_exponent,
                                              std::numeric_limits<T>::max_exponent),
      common(-20, 10);
  std::vector<T> x;
  const auto add = [&](double value) {
    const T rounded = static_cast<T>(value);
    if (rounded >= low && rounded <= high) x.push_back(rounded);
  };
  for (int i = 0; i < 60000; ++i) add(even(random));
  for (int i = 0; i < 40000; ++i) {
    for (double exponent : {size(random), common(random)}) add(std::copysign(std::exp2(exponent), even(random)));
  }
  return x;
}

// By instruction set the largest error over arguments; of results that are normal numbers alone.
template <typename T>
void expect_within(double most, const char* name, const std::vector<T>& x, Exact exact, auto run) {
  std::vector<long double> right;
  for (T value : x) right.push_back(exact(value));
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    std::vector<T> y(x.size());
    run(math_table(isa, T()), x.data(), y.data(), static_cast<int64_t>(x.size()));
    double worst = 0;
    size_t at = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double error = std::isnormal(static_cast<T>(right[i])) ? ulps(y[i], right[i]) : 0;
      if (error > worst) worst = error, at = i;
    }
    EXPECT_LE(worst, most) << name << " of " << x[at] << ", " << isa_name(isa);
  }
}

template <typename T>
std::vector<Fn<T>> all_of(const MathTable<T>& t) {
  return {t.exp,        t.log,
          t.tanh,       t.sigmoid,
          t.relu,       t.sin,
          t.cos,        t.tan,
          t.asin,       t.acos,
          t.atan,       t.sinh,
          t.cosh,       t.asinh,
          t.acosh,      t.atanh,
          t.mish,       t.softplus,
          t.gelu_tanh,  t.erf,
          t.gelu,       t.gelu_tanh_slope,
          t.gelu_slope, t.hard_swish};
}

template <typename T>
class MathTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(MathTest, Types);

TYPED_TEST(MathTest, Accuracy) {
  using T = TypeParam;
  using Table = MathTable<T>;
  struct Case {
    const char* name;
    typename Table::Fn Table::*fn;
    Exact exact;
    double low, high, most;
  };
  const bool single = sizeof(T) == 4;
  const double edge = single ? 88.7 : 709.7, largest = std::numeric_limits<T>::max();
  const Case cases[] = {
      {"exp", &Table::exp, exact_exp, -edge, edge, 1.05},
      {"log", &Table::log, exact_log, 0, largest, 1},
      {"tanh", &Table::tanh, exact_tanh, -30, 30, 2},
      {"sigmoid", &Table::sigmoid, exact_sigmoid, -edge, edge, 2},
      {"sin", &Table::sin, exact_sin, -2000, 2000, 1},
      {"cos", &Table::cos, exact_cos, -2000, 2000, 1},
      {"sin", &Table::sin, exact_sin, -largest / 2, largest / 2, 1},
      {"cos", &Table::cos, exact_cos, -largest / 2, largest / 2, 1},
      {"tan", &Table::tan, exact_tan, -2000, 2000, 2.5},
      {"tan", &Table::tan, exact_tan, -largest / 2, largest / 2, 2.5},
      {"asin", &Table::asin, exact_asin, -1, 1, 4},
      {"acos", &Table::acos, exact_acos, -1, 1, 4},
      {"atan", &Table::atan, exact_atan, -10, 10, 4},
      {"atan", &Table::atan, exact_atan, -largest / 2, largest / 2, 4},
      {"sinh", &Table::sinh, exact_sinh, -edge, edge, 3},
      {"cosh", &Table::cosh, exact_cosh, -edge, edge, 3},
      {"asinh", &Table::asinh, exact_asinh, -10, 10, 4},
      {"asinh", &Table::asinh, exact_asinh, -largest / 2, largest / 2, 4},
      {"acosh", &Table::acosh, exact_acosh, 1, 10, 4},
      {"acosh", &Table::acosh, exact_acosh, 1, largest, 4},
      {"atanh", &Table::atanh, exact_atanh, -1, 1, 4},
      {"mish", &Table::mish, exact_mish, -edge, edge, 4},
      {"softplus", &Table::softplus, exact_softplus, -edge, edge, 2},
      {"erf", &Table::erf, exact_erf, -7, 7, 2},
      {"gelu", &Table::gelu, exact_gelu, single ? -12.8 : -37.0, 40, 5},
      {"gelu_tanh", &Table::gelu_tanh, exact_gelu_tanh, -3, 30, 12},
  };
  for (const Case& c : cases) {
    const auto run = [&](const Table& t, const T* x, T* y, int64_t n) { (t.*c.fn)(x, y, n); };
    expect_within<T>(c.most, c.name, arguments<T>(c.low, c.high), c.exact, run);
  }
  const auto elu = [](const Table& t, const T* x, T* y, int64_t n) { t.elu(x, y, n, T(1)); };
  expect_within<T>(2, "elu", arguments<T>(-60, 10), exact_elu, elu);
  const auto celu = [](const Table& t, const T* x, T* y, int64_t n) { t.celu(x, y, n, T(1)); };
  expect_within<T>(2, "celu", arguments<T>(-60, 10), exact_elu, celu);
  const auto selu = [](const Table& t, const T* x, T* y, int64_t n) { t.selu(x, y, n, T(1), T(2)); };
  expect_within<T>(
      2, "selu", arguments<T>(-60, 10), [](long double x) { return 2 * exact_elu(x); }, selu);
  const auto swish = [](const Table& t, const T* x, T* y, int64_t n) { t.swish(x, y, n, T(2)); };
  // Further out the sigmoid is no normal number any more.
  expect_within<T>(
      5, "swish", arguments<T>(single ? -40 : -350, edge), [](long double x) { return x * exact_sigmoid(2 * x); },
      swish);
  const auto exact_swish_slope = [](long double x) {
    const long double s = exact_sigmoid(2 * x);
    return s + 2 * x * s * exact_sigmoid(-2 * x);
  };
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    std::vector<T> x, y(4001);
    for (int i = -2000; i <= 2000; ++i) x.push_back(static_cast<T>(i / 100.0));
    math_table(isa, T()).swish_slope(x.data(), y.data(), 4001, T(2));
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_NEAR(y[i], static_cast<double>(exact_swish_slope(x[i])), single ? 5e-7 : 1e-15) << isa_name(isa);
    }
  }
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const Table& t = math_table(isa, T());
    EXPECT_LE(farthest<T>(t.gelu_tanh_slope, exact_tanh_slope, -20, 20), single ? 3e-7 : 5e-16) << isa_name(isa);
    EXPECT_LE(farthest<T>(t.gelu_slope, exact_slope, -20, 20), single ? 3e-7 : 5e-16) << isa_name(isa);
  }
}

// The numbers nearest to quarter turns leave a rest of few digits.
TYPED_TEST(MathTest, AnglesNextToQuarterTurns) {
  using T = TypeParam;
  using Table = MathTable<T>;
  std::vector<T> x;
  for (int64_t k = 1; k < 700000; k += 1 + k / 50) {
    const T angle = static_cast<T>(1.57079632679489661923132169163975144L * k);
    for (T near : {std::nextafter(angle, T(0)), angle, std::nextafter(angle, T(1e9))}) {
      x.push_back(near);
      x.push_back(-near);
    }
  }
  for (T border : {T(1048575.9), T(1048576), T(1048577), T(1e9)}) x.push_back(border);
  const auto sin = [](const Table& t, const T* from, T* to, int64_t n) { t.sin(from, to, n); };
  const auto cos = [](const Table& t, const T* from, T* to, int64_t n) { t.cos(from, to, n); };
  expect_within<T>(1, "sin", x, exact_sin, sin);
  expect_within<T>(1, "cos", x, exact_cos, cos);
}

TYPED_TEST(MathTest, Edges) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const MathTable<T>& t = math_table(isa, T());
    auto of = [](Fn<T> fn, T x) {
      fn(&x, &x, 1);
      return x;
    };
    for (Fn<T> fn : all_of(t)) {
      EXPECT_TRUE(std::isnan(of(fn, nan)));
    }
    EXPECT_EQ(of(t.exp, inf), inf);
    EXPECT_EQ(of(t.exp, -inf), 0);
    EXPECT_EQ(of(t.exp, T(1e30)), inf);
    EXPECT_EQ(of(t.exp, T(-1e30)), 0);
    EXPECT_EQ(of(t.exp, 0), 1);
    EXPECT_EQ(of(t.log, 0), -inf);
    EXPECT_EQ(of(t.log, inf), inf);
    EXPECT_EQ(of(t.log, 1), 0);
    EXPECT_TRUE(std::isnan(of(t.log, -1)));
    EXPECT_TRUE(std::isnan(of(t.log, -inf)));
    EXPECT_EQ(of(t.tanh, inf), 1);
    EXPECT_EQ(of(t.tanh, -inf), -1);
    EXPECT_TRUE(std::signbit(of(t.tanh, T(-0.0))));
    EXPECT_EQ(of(t.sigmoid, inf), 1);
    EXPECT_EQ(of(t.sigmoid, -inf), 0);
    EXPECT_EQ(of(t.relu, -inf), 0);
    EXPECT_EQ(of(t.relu, inf), inf);
    EXPECT_EQ(of(t.gelu_tanh, inf), inf);
    EXPECT_EQ(of(t.gelu_tanh, T(1e30)), T(1e30));
    EXPECT_EQ(of(t.gelu_tanh, T(-1e30)), 0);
    EXPECT_EQ(of(t.gelu_tanh, -inf), 0);
    EXPECT_EQ(of(t.gelu_tanh_slope, inf), 1);
    EXPECT_EQ(of(t.gelu_tanh_slope, -inf), 0);
    EXPECT_EQ(of(t.erf, inf), 1);
    EXPECT_EQ(of(t.erf, -inf), -1);
    EXPECT_TRUE(std::signbit(of(t.erf, T(-0.0))));
    EXPECT_EQ(of(t.gelu, inf), inf);
    EXPECT_EQ(of(t.gelu, -inf), 0);
    EXPECT_EQ(of(t.gelu, 0), 0);
    EXPECT_EQ(of(t.gelu_slope, inf), 1);
    EXPECT_EQ(of(t.gelu_slope, -inf), 0);
    EXPECT_EQ(of(t.gelu_slope, 0), 0.5);
    for (T infinite : {inf, -inf}) {
      EXPECT_TRUE(std::isnan(of(t.sin, infinite)));
      EXPECT_TRUE(std::isnan(of(t.cos, infinite)));
    }
    EXPECT_EQ(of(t.cos, 0), 1);
    EXPECT_EQ(of(t.sin, 0), 0);
    EXPECT_FALSE(std::signbit(of(t.sin, T(0))));
    EXPECT_TRUE(std::signbit(of(t.sin, T(-0.0))));
    for (Fn<T> odd : {t.tan, t.asin, t.atan, t.sinh, t.asinh, t.atanh}) {
      EXPECT_EQ(of(odd, T(0)), 0);
      EXPECT_FALSE(std::signbit(of(odd, T(0))));
      EXPECT_TRUE(std::signbit(of(odd, T(-0.0))));
    }
    const T quarter = static_cast<T>(1.57079632679489661923L);
    EXPECT_LE(ulps(of(t.asin, T(-1)), -static_cast<long double>(quarter)), 1);
    EXPECT_EQ(of(t.acos, T(1)), 0);
    EXPECT_LE(ulps(of(t.acos, T(-1)), 2.0L * quarter), 1);
    EXPECT_LE(ulps(of(t.atan, inf), static_cast<long double>(quarter)), 1);
    EXPECT_LE(ulps(of(t.atan, -inf), -static_cast<long double>(quarter)), 1);
    for (T outside : {T(1.0001), T(-1.0001), inf, -inf}) {
      for (Fn<T> fn : {t.asin, t.acos, t.atanh}) EXPECT_TRUE(std::isnan(of(fn, outside)));
    }
    for (T infinite : {inf, -inf}) {
      EXPECT_TRUE(std::isnan(of(t.tan, infinite)));
      EXPECT_EQ(of(t.sinh, infinite), infinite);
      EXPECT_EQ(of(t.asinh, infinite), infinite);
      EXPECT_EQ(of(t.cosh, infinite), inf);
    }
    EXPECT_EQ(of(t.sinh, T(800)), inf);
    EXPECT_EQ(of(t.cosh, T(0)), 1);
    EXPECT_EQ(of(t.acosh, inf), inf);
    EXPECT_EQ(of(t.acosh, T(1)), 0);
    for (T below : {T(0.999), T(-3), -inf}) EXPECT_TRUE(std::isnan(of(t.acosh, below)));
    EXPECT_EQ(of(t.atanh, T(1)), inf);
    EXPECT_EQ(of(t.atanh, T(-1)), -inf);
    EXPECT_EQ(of(t.mish, inf), inf);
    EXPECT_EQ(of(t.mish, T(1e30)), T(1e30));
    EXPECT_EQ(of(t.mish, -inf), 0);
    EXPECT_EQ(of(t.softplus, inf), inf);
    EXPECT_EQ(of(t.softplus, -inf), 0);
    EXPECT_LE(ulps(of(t.softplus, 0), 0.693147180559945309417L), 2);
    const auto elu = [&](T x) {
      t.elu(&x, &x, 1, T(0.5));
      return x;
    };
    EXPECT_TRUE(std::isnan(elu(nan)));
    EXPECT_EQ(elu(inf), inf);
    EXPECT_EQ(elu(-inf), T(-0.5));
    EXPECT_EQ(elu(3), 3);
    const auto with = [](typename MathTable<T>::WithAlpha fn, T x, T alpha) {
      fn(&x, &x, 1, alpha);
      return x;
    };
    for (auto fn : {t.celu, t.leaky_relu, t.swish, t.swish_slope}) EXPECT_TRUE(std::isnan(with(fn, nan, T(2))));
    for (auto fn : {t.celu, t.leaky_relu, t.swish}) EXPECT_EQ(with(fn, inf, T(2)), inf);
    EXPECT_EQ(with(t.celu, -inf, T(2)), T(-2));
    EXPECT_EQ(with(t.leaky_relu, -inf, T(0.25)), -inf);
    EXPECT_EQ(with(t.leaky_relu, T(-8), T(0.25)), T(-2));
    EXPECT_EQ(with(t.swish, T(-1e4), T(1)), 0);
    EXPECT_EQ(with(t.swish, T(-3), T(0)), T(-1.5));
    EXPECT_EQ(with(t.swish_slope, inf, T(1)), 1);
    EXPECT_EQ(with(t.swish_slope, -inf, T(1)), 0);
    EXPECT_EQ(with(t.swish_slope, T(0), T(7)), T(0.5));
    const auto hard = [&](T x) {
      t.hard_sigmoid(&x, &x, 1, T(0.25), T(0.5));
      return x;
    };
    EXPECT_TRUE(std::isnan(hard(nan)));
    for (T above : {inf, T(2), T(5)}) EXPECT_EQ(hard(above), 1);
    for (T below : {-inf, T(-2), T(-5)}) EXPECT_EQ(hard(below), 0);
    EXPECT_EQ(hard(T(1)), T(0.75));
    EXPECT_EQ(of(t.hard_swish, inf), inf);
    for (T x : {T(3), T(4)}) EXPECT_EQ(of(t.hard_swish, x), x);
    for (T x : {T(-3), T(-4), T(0)}) EXPECT_EQ(of(t.hard_swish, x), 0);
  }
}

// Every length and address gives an element the same bits, and writes nothing else.
TYPED_TEST(MathTest, PlaceDoesNotMatter) {
  using T = TypeParam;
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const MathTable<T>& t = math_table(isa, T());
    for (Fn<T> fn : all_of(t)) {
      std::vector<T> x(70), whole(70);
      // Some are beyond what vectors of sines and cosines take.
      for (int i = 0; i < 70; ++i) x[i] = static_cast<T>(i % 7 == 3 ? 2e6 + i : 0.3 + 0.17 * i);
      fn(x.data(), whole.data(), 70);
      for (int64_t n = 0; n < 40; ++n) {
        for (int64_t offset : {0, 1, 5}) {
          std::vector<T> y(80, T(-7));
          fn(x.data() + offset, y.data() + 1, n);
          EXPECT_EQ(std::memcmp(y.data() + 1, whole.data() + offset, n * sizeof(T)), 0);
          EXPECT_EQ(y[0], T(-7));
          EXPECT_EQ(y[n + 1], T(-7));
        }
      }
    }
  }
}

}  // namespace
}  // namespace weft
