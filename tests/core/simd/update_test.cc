// Updates of parameters on vectors, against their formulas in long double.
#include "core/simd/update.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/core/simd/series.h"

namespace weft {
namespace {

const UpdateTable<float>& update_table(Isa isa, float) { return update_f32(isa); }
const UpdateTable<double>& update_table(Isa isa, double) { return update_f64(isa); }

template <typename T>
void expect_near(const std::vector<T>& got, const std::vector<long double>& right, Isa isa) {
  for (size_t i = 0; i < right.size(); ++i) {
    ASSERT_NEAR(got[i], static_cast<double>(right[i]), 40 * std::numeric_limits<T>::epsilon())
        << i << " of " << right.size() << " with " << isa_name(isa);
  }
  ASSERT_EQ(got.back(), T(-7));
}

template <typename T>
class UpdateTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(UpdateTest, Types);

TYPED_TEST(UpdateTest, Descent) {
  using T = TypeParam;
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    for (int64_t n = 0; n < 40; ++n) {
      const auto p = series<T>(n, 1, 1), g = series<T>(n, 2, 1), v = series<T>(n, 3, 1);
      for (bool nesterov : {false, true}) {
        std::vector<T> out(n + 1, T(-7)), out_v(n + 1, T(-7));
        std::vector<long double> right(n), right_v(n);
        for (int64_t i = 0; i < n; ++i) {
          const long double slope = g[i] + 0.25L * p[i];
          right_v[i] = 0.5L * v[i] + slope;
          right[i] = p[i] - 0.125L * (nesterov ? slope + 0.5L * right_v[i] : right_v[i]);
        }
        update_table(isa, T()).momentum(T(0.125), T(0.25), T(0.5), nesterov, p.data(), g.data(), v.data(), out.data(),
                                        out_v.data(), n);
        expect_near(out, right, isa);
        expect_near(out_v, right_v, isa);
      }
      std::vector<T> out(n + 1, T(-7));
      std::vector<long double> right(n);
      for (int64_t i = 0; i < n; ++i) right[i] = p[i] - 0.125L * (g[i] + 0.25L * p[i]);
      update_table(isa, T()).sgd(T(0.125), T(0.25), p.data(), g.data(), out.data(), n);
      expect_near(out, right, isa);
    }
  }
}

TYPED_TEST(UpdateTest, AdamAndEqualBits) {
  using T = TypeParam;
  const AdamFactors<T> f = {T(0.125), T(0.5), T(0.75), T(0.25), T(0.25), T(0.75), T(0.0625), T(0.9375), T(0.5)};
  for (int64_t n = 0; n < 40; ++n) {
    const auto p = series<T>(n, 1, 1), g = series<T>(n, 2, 1), m = series<T>(n, 3, 1);
    auto v = series<T>(n, 4, 1);
    for (T& x : v) x = x * x;
    for (bool near_old : {false, true}) {
      std::vector<T> first;
      for (Isa isa : kAllIsas) {
        if (!isa_supported(isa)) continue;
        std::vector<T> out(n + 1, T(-7)), out_m(n + 1, T(-7)), out_v(n + 1, T(-7));
        std::vector<long double> right(n), right_m(n), right_v(n);
        for (int64_t i = 0; i < n; ++i) {
          const long double old = 0.75L * p[i], slope = g[i] + 0.25L * old;
          right_m[i] = 0.75L * m[i] + 0.25L * slope;
          right_v[i] = 0.9375L * v[i] + 0.0625L * slope * slope;
          right[i] = old - 0.125L * right_m[i] / (std::sqrt(right_v[i]) / 0.5L + 0.5L);
        }
        update_table(isa, T()).adam(f, near_old, p.data(), g.data(), m.data(), v.data(), out.data(), out_m.data(),
                                    out_v.data(), n);
        expect_near(out, right, isa);
        expect_near(out_m, right_m, isa);
        expect_near(out_v, right_v, isa);
        if (first.empty()) first = out;
        EXPECT_EQ(out, first) << isa_name(isa);
      }
    }
  }
}

}  // namespace
}  // namespace weft
