// Functions on vectors against the C library in a wider type, in units in the last place.
#include "core/simd/math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace weft {
namespace {

const MathTable<float>& math_table(Isa isa, float) { return math_f32(isa); }
const MathTable<double>& math_table(Isa isa, double) { return math_f64(isa); }

template <typename T>
using Fn = void (*)(const T*, T*, int64_t);
using Exact = long double (*)(long double);

long double exact_exp(long double x) { return std::exp(x); }
long double exact_log(long double x) { return std::log(x); }
long double exact_tanh(long double x) { return std::tanh(x); }
long double exact_sigmoid(long double x) { return 1 / (1 + std::exp(-x)); }
long double exact_erf(long double x) { return std::erf(x); }
long double exact_gelu_tanh(long double x) {
  return x / 2 * (1 + std::tanh(0.797884560802865355879892L * (x + 0.044715L * x * x * x)));
}

long double exact_slope(long double x) {
  return std::erfc(-x / std::sqrt(2.0L)) / 2 + x * std::exp(-x * x / 2) * 0.398942280401432677939946L;
}
long double exact_tanh_slope(long double x) {
  const long double t = std::tanh(0.797884560802865355879892L * (x + 0.044715L * x * x * x));
  return (1 + t) / 2 + x / 2 * (1 - t * t) * 0.797884560802865355879892L * (1 + 3 * 0.044715L * x * x);
}

// Largest distance within [low, high].
template <typename T>
double farthest(Fn<T> fn, Exact exact, double low, double high) {
  double most = 0;
  for (int i = 0; i <= 100000; ++i) {
    const T x = static_cast<T>(low + (high - low) * i / 100000);
    T y = 0;
    fn(&x, &y, 1);
    most = std::max(most, static_cast<double>(std::fabs(y - exact(x))));
  }
  return most;
}

// Largest error over values of all sizes within [low, high].
template <typename T>
double worst(Fn<T> fn, Exact exact, double low, double high) {
  std::vector<T> x, y;
  for (int i = 0; i <= 40000; ++i) x.push_back(static_cast<T>(low + (high - low) * i / 40000));
  for (int i = 0; i < 20000; ++i) {
    const double size = std::pow(2.0, -20 + i * 30.0 / 20000);
    for (double v : {size, -size}) {
      if (v >= low && v <= high) x.push_back(static_cast<T>(v));
    }
  }
  y.resize(x.size());
  fn(x.data(), y.data(), static_cast<int64_t>(x.size()));
  double most = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const T right = static_cast<T>(exact(x[i]));
    const T next = std::nextafter(std::fabs(right), std::numeric_limits<T>::infinity());
    if (!std::isnormal(right) || !std::isfinite(next)) continue;
    const double ulp = static_cast<double>(next) - std::fabs(static_cast<double>(right));
    const double error = static_cast<double>(std::fabs(y[i] - exact(x[i]))) / ulp;
    EXPECT_TRUE(error == error) << x[i];
    most = std::max(most, error);
  }
  return most;
}

template <typename T>
class MathTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(MathTest, Types);

TYPED_TEST(MathTest, Accuracy) {
  using T = TypeParam;
  const double most = sizeof(T) == 4 ? 88.7 : 709.7;
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const MathTable<T>& t = math_table(isa, T());
    const double exp = worst<T>(t.exp, exact_exp, -most, most), log = worst<T>(t.log, exact_log, 1e-30, 1000);
    const double tanh = worst<T>(t.tanh, exact_tanh, -30, 30);
    const double sigmoid = worst<T>(t.sigmoid, exact_sigmoid, -most, most);
    const double erf = t.erf == nullptr ? 0 : worst<T>(t.erf, exact_erf, -6, 6);
    const double gelu_tanh = worst<T>(t.gelu_tanh, exact_gelu_tanh, -3, 30);
    EXPECT_LE(exp, 1.05) << isa_name(isa);
    EXPECT_LE(log, 1) << isa_name(isa);
    EXPECT_LE(tanh, 3) << isa_name(isa);
    EXPECT_LE(sigmoid, 2) << isa_name(isa);
    EXPECT_LE(erf, 3) << isa_name(isa);
    EXPECT_LE(gelu_tanh, 16) << isa_name(isa);
    EXPECT_LE(farthest<T>(t.gelu_tanh_slope, exact_tanh_slope, -20, 20), sizeof(T) == 4 ? 1e-6 : 2e-15);
    const double slope = t.gelu_slope == nullptr ? 0 : farthest<T>(t.gelu_slope, exact_slope, -20, 20);
    EXPECT_LE(slope, 3e-7) << isa_name(isa);
  }
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
    for (Fn<T> fn : {t.exp, t.log, t.tanh, t.sigmoid, t.relu, t.gelu_tanh}) EXPECT_TRUE(std::isnan(of(fn, nan)));
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
    if (t.erf != nullptr) {
      EXPECT_EQ(of(t.erf, inf), 1);
      EXPECT_EQ(of(t.erf, -inf), -1);
      EXPECT_TRUE(std::isnan(of(t.erf, nan)));
      EXPECT_EQ(of(t.gelu, inf), inf);
    }
  }
}

// Every length and address gives an element the same bits, and writes nothing else.
TYPED_TEST(MathTest, PlaceDoesNotMatter) {
  using T = TypeParam;
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const MathTable<T>& t = math_table(isa, T());
    for (Fn<T> fn : {t.exp, t.log, t.tanh, t.sigmoid, t.relu, t.gelu_tanh, t.gelu_tanh_slope}) {
      std::vector<T> x(70), whole(70);
      for (int i = 0; i < 70; ++i) x[i] = static_cast<T>(0.3 + 0.17 * i);
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
