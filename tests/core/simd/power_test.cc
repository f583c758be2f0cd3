// Powers on vectors against the C library in a wider type, in units in the last place.
#include "core/simd/power.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tests/core/simd/ulps.h"

namespace weft {
namespace {

const PowerTable<float>& power_table(Isa isa, float) { return power_f32(isa); }
const PowerTable<double>& power_table(Isa isa, double) { return power_f64(isa); }

template <typename T>
struct Pairs {
  std::vector<T> x, y;
};

// Bases of all sizes, each with an exponent that brings the power somewhere between underflow and overflow, or just past
// them; bases next to 1 with huge exponents; negative ones with whole exponents.
template <typename T>
Pairs<T> pairs() {
  using Limits = std::numeric_limits<T>;
  std::mt19937_64 random(20240608);
  std::uniform_real_distribution<double> size(Limits::min_exponent - Limits::digits, Limits::max_exponent), unit(0, 1);
  const double widest = Limits::max_exponent * 1.1;
  Pairs<T> pairs;
  const auto add = [&](double x, double y) {
    const T base = static_cast<T>(x), exponent = static_cast<T>(y);
    if (base == 0 || std::isinf(base)) return;
    pairs.x.push_back(base);
    pairs.y.push_back(exponent);
  };
  for (int i = 0; i < 40000; ++i) {
    const double any = std::exp2(size(random) * 0.9999), common = 4 * unit(random);
    const double near = 1 + (unit(random) - 0.5) * std::exp2(-45 * unit(random));
    for (double x : {any, common, near}) {
      const double wish = (2 * unit(random) - 1) * widest;  // the power's logarithm
      if (static_cast<T>(x) != 1) add(x, wish / std::log2(static_cast<T>(x)));
      add(x, 20 * unit(random) - 10);
    }
    const double whole = std::floor(41 * unit(random)) - 20;
    add(-common, whole);
  }
  // Roots just above 1 are furthest off, and their reciprocals are rounded once more.
  for (int i = 0; i < 4000; ++i) add(1 + std::exp2(-20) * unit(random), -0.5);
  return pairs;
}

template <typename T>
class PowerTest : public testing::Test {};
using PowerTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(PowerTest, PowerTypes);

// Powers that are denormal numbers too.
TYPED_TEST(PowerTest, Accuracy) {
  using T = TypeParam;
  const Pairs<T> p = pairs<T>();
  std::vector<long double> right;
  for (size_t i = 0; i < p.x.size(); ++i) {
    right.push_back(std::pow(static_cast<long double>(p.x[i]), static_cast<long double>(p.y[i])));
  }
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    std::vector<T> z(p.x.size());
    power_table(isa, T()).both(p.x.data(), p.y.data(), z.data(), static_cast<int64_t>(z.size()));
    double worst = 0;  // of what it may be
    size_t at = 0;
    for (size_t i = 0; i < z.size(); ++i) {
      const double error = ulps(z[i], right[i]) / (p.y[i] == T(-0.5) ? 1.5 : 1.3);
      if (error > worst) worst = error, at = i;
    }
    EXPECT_LE(worst, 1) << p.x[at] << " to the " << p.y[at] << ", " << isa_name(isa);
  }
}

// Annex F.10.4.4 of the C standard.
TYPED_TEST(PowerTest, SpecialCases) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const T least = std::numeric_limits<T>::denorm_min(), most = std::numeric_limits<T>::max();
  const T odd = sizeof(T) == 4 ? T(16777215) : T(9007199254740991), even = odd + 1;
  const struct {
    T x, y, z;
  } cases[] = {{T(0.0), -3, inf},
               {T(-0.0), -3, -inf},
               {T(0.0), -1, inf},
               {T(-0.0), -1, -inf},
               {T(0.0), -2, inf},
               {T(-0.0), -2, inf},
               {T(0.0), T(-2.5), inf},
               {T(-0.0), T(-2.5), inf},
               {T(0.0), -inf, inf},
               {T(-0.0), -inf, inf},
               {T(0.0), 3, T(0.0)},
               {T(-0.0), 3, T(-0.0)},
               {T(-0.0), 1, T(-0.0)},
               {T(-0.0), 2, T(0.0)},
               {T(-0.0), T(0.5), 0},
               {T(-0.0), T(-0.5), inf},
               {T(-0.0), T(2.5), 0},
               {T(-0.0), inf, 0},
               {T(-0.0), -odd, -inf},
               {T(-0.0), odd, T(-0.0)},
               {T(-0.0), even, 0},
               {-1, inf, 1},
               {-1, -inf, 1},
               {1, nan, 1},
               {1, inf, 1},
               {1, T(0.3), 1},
               {nan, 0, 1},
               {nan, T(-0.0), 1},
               {inf, 0, 1},
               {T(0.0), 0, 1},
               {-inf, T(-0.0), 1},
               {-2, T(2.5), nan},
               {-2, T(0.5), nan},
               {-2, T(-0.5), nan},
               {-least, T(0.3), nan},
               {T(0.5), -inf, inf},
               {T(-0.5), -inf, inf},
               {2, -inf, 0},
               {-2, -inf, 0},
               {T(0.5), inf, 0},
               {T(-0.5), inf, 0},
               {2, inf, inf},
               {-2, inf, inf},
               {-inf, -3, T(-0.0)},
               {-inf, -1, T(-0.0)},
               {-inf, -2, 0},
               {-inf, T(-2.5), 0},
               {-inf, 3, -inf},
               {-inf, 1, -inf},
               {-inf, 2, inf},
               {-inf, T(2.5), inf},
               {-inf, T(0.5), inf},
               {-inf, T(-0.5), 0},
               {-inf, odd, -inf},
               {-inf, even, inf},
               {inf, -3, 0},
               {inf, T(-0.1), 0},
               {inf, 3, inf},
               {inf, T(0.1), inf},
               {inf, inf, inf},
               {inf, -inf, 0},
               {-inf, inf, inf},
               {-inf, -inf, 0},
               {nan, 1, nan},
               {nan, 2, nan},
               {nan, T(0.5), nan},
               {nan, inf, nan},
               {2, nan, nan},
               {-1, nan, nan},
               {nan, nan, nan},
               {-1, odd, -1},
               {-1, even, 1},
               {-1, -odd, -1},
               {-2, 5, -32},
               {-2, 4, 16},
               {-2, -2, T(0.25)},
               {2, 10, 1024},
               {4, T(1.5), 8},
               {8, 4, 4096},
               {10, 5, 100000},
               {most, most, inf},
               {most, -most, 0},
               {least, most, 0},
               {least, -most, inf},
               {-most, odd, -inf},
               {-least, odd, T(-0.0)},
               {-most, -odd, T(-0.0)},
               {least, least, 1},
               {most, least, 1},
               {least, 1, least},
               {most, 1, most},
               {T(0.25), T(-0.5), 2},
               {T(0.25), T(0.5), T(0.5)},
               {-4, -1, T(-0.25)},
               {-3, 3, -27},
               {2, T(sizeof(T) == 4 ? -149 : -1074), least},
               {2, T(sizeof(T) == 4 ? -150 : -1075), 0},
               {2, T(sizeof(T) == 4 ? 128 : 1024), inf},
               {-2, T(sizeof(T) == 4 ? -149 : -1074), sizeof(T) == 4 ? -least : least}};
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const PowerTable<T>& t = power_table(isa, T());
    for (const auto& c : cases) {
      for (auto fn : {t.both, t.x_alone, t.y_alone}) {
        T z = 7;
        fn(&c.x, &c.y, &z, 1);
        EXPECT_TRUE(std::isnan(c.z) ? std::isnan(z) : z == c.z && std::signbit(z) == std::signbit(c.z))
            << c.x << " to the " << c.y << " is " << z << ", not " << c.z << ", " << isa_name(isa);
      }
    }
  }
}

// Every length, address and form gives a pair the same bits, and writes nothing else.
TYPED_TEST(PowerTest, PlaceAndFormDoNotMatter) {
  using T = TypeParam;
  const T exponents[] = {2, 3, T(0.5), -1, 1, T(-0.5), T(1.7), -4, 0, T(0.3)};
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const PowerTable<T>& t = power_table(isa, T());
    std::vector<T> x(70), y(70), whole(70);
    for (int i = 0; i < 70; ++i) {
      x[i] = static_cast<T>(i % 5 == 4 ? -0.3 - i : 0.31 + 0.17 * i);
      y[i] = exponents[i * 7 / 3 % 10];
    }
    t.both(x.data(), y.data(), whole.data(), 70);
    for (int64_t n = 0; n < 40; ++n) {
      for (int64_t offset : {0, 1, 5}) {
        std::vector<T> z(80, T(-7));
        t.both(x.data() + offset, y.data() + offset, z.data() + 1, n);
        EXPECT_EQ(std::memcmp(z.data() + 1, whole.data() + offset, n * sizeof(T)), 0);
        EXPECT_EQ(z[0], T(-7));
        EXPECT_EQ(z[n + 1], T(-7));
      }
    }
    for (int i = 0; i < 70; ++i) {
      std::vector<T> z(40), base(40, x[i]), exponent(40, y[i]);
      t.x_alone(base.data(), &y[i], z.data(), 39);
      for (int k : {0, 20, 38}) EXPECT_EQ(std::memcmp(&z[k], &whole[i], sizeof(T)), 0) << x[i] << " to the " << y[i];
      t.y_alone(&x[i], exponent.data(), z.data(), 39);
      for (int k : {0, 20, 38}) EXPECT_EQ(std::memcmp(&z[k], &whole[i], sizeof(T)), 0) << x[i] << " to the " << y[i];
      t.both(base.data(), exponent.data(), exponent.data(), 39);
      for (int k : {0, 20, 38}) EXPECT_EQ(std::memcmp(&exponent[k], &whole[i], sizeof(T)), 0) << x[i];
    }
  }
}

}  // namespace
}  // namespace weft
