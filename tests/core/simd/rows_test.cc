// Rows of Softmax and of normalizations on vectors, against their formulas in long double.
#include "core/simd/rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tests/core/simd/series.h"

namespace weft {
namespace {

const RowsTable<float>& rows_table(Isa isa, float) { return rows_f32(isa); }
const RowsTable<double>& rows_table(Isa isa, double) { return rows_f64(isa); }

// `y` has an element of -7 before and behind the row.
template <typename T>
void expect_row(const std::vector<T>& y, const std::vector<long double>& right, double ulps, Isa isa) {
  ASSERT_EQ(y.front(), T(-7));
  ASSERT_EQ(y.back(), T(-7));
  for (size_t i = 0; i < right.size(); ++i) {
    const double size = std::max(1.0, std::fabs(static_cast<double>(right[i])));
    ASSERT_NEAR(y[i + 1], static_cast<double>(right[i]), ulps * size * std::numeric_limits<T>::epsilon())
        << i << " of " << right.size() << " with " << isa_name(isa);
  }
}

std::vector<int64_t> lengths() {
  std::vector<int64_t> all;
  for (int64_t n = 1; n <= 70; ++n) all.push_back(n);
  all.insert(all.end(), {1000, 4095, 4096, 4097, 8211});
  return all;
}

template <typename T>
class RowsTest : public testing::Test {
 protected:
  // Calls fn(table, isa) for all that this machine has.
  template <typename Fn>
  static void each(Fn fn) {
    for (Isa isa : kAllIsas) {
      if (isa_supported(isa)) fn(rows_table(isa, T()), isa);
    }
  }
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(RowsTest, Types);

TYPED_TEST(RowsTest, Softmax) {
  using T = TypeParam;
  this->each([](const RowsTable<T>& t, Isa isa) {
    for (int64_t n : lengths()) {
      const std::vector<T> x = series<T>(n, 0.4);
      std::vector<long double> right(n), right_log(n);
      long double sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<long double>(x[i]));
      for (int64_t i = 0; i < n; ++i) {
        right_log[i] = x[i] - std::log(sum);
        right[i] = std::exp(right_log[i]);
      }
      std::vector<T> y(n + 2, T(-7)), y_log = y, in_place = y;
      t.softmax(x.data(), y.data() + 1, n);
      t.log_softmax(x.data(), y_log.data() + 1, n);
      expect_row(y, right, 4, isa);
      expect_row(y_log, right_log, 8, isa);
      std::copy(x.begin(), x.end(), in_place.begin() + 1);
      t.softmax(in_place.data() + 1, in_place.data() + 1, n);
      EXPECT_EQ(in_place, y);
    }
  });
}

TYPED_TEST(RowsTest, MaxAndSumOfExponentials) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  this->each([=](const RowsTable<T>& t, Isa isa) {
    for (int64_t n : lengths()) {
      std::vector<T> x = series<T>(n, 2.5), y(n + 2, T(-7));
      std::vector<long double> right(n);
      long double sum = 0;
      T top = -inf;
      for (int64_t i = 0; i < n; ++i) {
        right[i] = std::exp(static_cast<long double>(x[i]) - 5);
        sum += right[i];
        top = std::max(top, x[i]);
      }
      const T got = t.exp_sum(x.data(), 5, y.data() + 1, n);
      expect_row(y, right, 1, isa);
      EXPECT_NEAR(got / static_cast<T>(sum), 1, 20 * std::numeric_limits<T>::epsilon());
      EXPECT_EQ(t.exp_sum(x.data(), 5, nullptr, n), got);
      EXPECT_EQ(t.max(x.data(), n), top);
      for (int64_t at : {int64_t{0}, n / 2, n - 1}) {
        const T kept = x[at];
        x[at] = nan;
        EXPECT_TRUE(std::isnan(t.max(x.data(), n))) << at << " of " << n;
        x[at] = inf;
        EXPECT_EQ(t.max(x.data(), n), inf);
        x[at] = kept;
      }
      for (T endless : {nan, inf, -inf}) {
        EXPECT_TRUE(std::isnan(t.exp_sum(x.data(), endless, nullptr, n)));
        EXPECT_TRUE(std::isnan(t.exp_sum(x.data(), endless, y.data() + 1, n)));
        for (int64_t i = 1; i <= n; ++i) EXPECT_TRUE(std::isnan(y[i]));
      }
    }
  });
}

// In units in the last place of normal results; less than these is rounded to the nearest number or to its neighbour. Of f32
// the fit is off by 0.77 units and rounding by 1.2 or so; what is left of log(2), 1.9e-9, counts up to 150 times far from the
// top: 2.4 units.
TYPED_TEST(RowsTest, Exponentials) {
  using T = TypeParam;
  const int64_t n = 60000;
  const double least = sizeof(T) == 4 ? -110 : -760;
  std::vector<T> x(n), y(n);
  for (int64_t i = 0; i < n; ++i) x[i] = static_cast<T>(least * static_cast<double>(i) / static_cast<double>(n));
  this->each([&](const RowsTable<T>& t, Isa isa) {
    t.exp_sum(x.data(), 0, y.data(), n);
    EXPECT_EQ(y[0], 1);
    EXPECT_EQ(y[n - 1], 0);
    double most = 0, near_most = 0;
    for (int64_t i = 0; i < n; ++i) {
      const long double right = std::exp(static_cast<long double>(x[i]));
      const T near = static_cast<T>(right), next = std::nextafter(near, T(2));
      const auto off = static_cast<double>(std::fabs(y[i] - right) / (static_cast<long double>(next) - near));
      most = std::max(most, off);
      if (x[i] > -10) near_most = std::max(near_most, off);
    }
    const double rounding = isa == Isa::kBaseline ? 1.5 : 1.05;
    EXPECT_LE(near_most, sizeof(T) == 4 ? 2.2 : rounding) << isa_name(isa);
    EXPECT_LE(most, sizeof(T) == 4 ? 5 : rounding) << isa_name(isa);
  });
}

// A NaN or an infinity on top makes a row NaN, as does one of -infinity alone; elsewhere -infinity has no share.
TYPED_TEST(RowsTest, SoftmaxOfSpecialValues) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  this->each([=](const RowsTable<T>& t, Isa isa) {
    for (int64_t n = 2; n <= 70; ++n) {
      for (auto row : {t.softmax, t.log_softmax}) {
        for (T special : {nan, inf}) {
          for (int64_t at : {int64_t{0}, n / 2, n - 1}) {
            std::vector<T> x = series<T>(n, 1), y(n);
            x[at] = special;
            row(x.data(), y.data(), n);
            for (T v : y) EXPECT_TRUE(std::isnan(v)) << n << " with " << isa_name(isa);
          }
        }
        std::vector<T> x(n, -inf), y(n);
        row(x.data(), y.data(), n);
        for (T v : y) EXPECT_TRUE(std::isnan(v)) << n << " with " << isa_name(isa);
      }
      std::vector<T> x(n, -inf), y(n), y_log(n);
      x[n / 2] = 3;
      t.softmax(x.data(), y.data(), n);
      t.log_softmax(x.data(), y_log.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_EQ(y[i], i == n / 2 ? T(1) : T(0));
        EXPECT_EQ(y_log[i], i == n / 2 ? T(0) : -inf);
      }
    }
  });
}

TYPED_TEST(RowsTest, LayerNorm) {
  using T = TypeParam;
  this->each([](const RowsTable<T>& t, Isa isa) {
    for (int64_t n : lengths()) {
      const std::vector<T> x = series<T>(n, 0.2), scale = series<T>(n, 3), bias = series<T>(n, 7);
      const T epsilon = T(0.125);
      long double mean = 0, variance = 0;
      for (T v : x) mean += v;
      mean /= n;
      for (T v : x) variance += (v - mean) * (v - mean);
      const long double inverse = 1 / std::sqrt(variance / n + epsilon);
      std::vector<long double> right(n), unbiased(n);
      for (int64_t i = 0; i < n; ++i) {
        unbiased[i] = (x[i] - mean) * inverse * scale[i];
        right[i] = unbiased[i] + bias[i];
      }
      std::vector<T> y(n + 2, T(-7)), in_place = y;
      T got_mean, got_inverse;
      t.layer_norm(x.data(), scale.data(), bias.data(), epsilon, y.data() + 1, n, &got_mean, &got_inverse);
      expect_row(y, right, 20, isa);
      EXPECT_NEAR(got_mean, static_cast<double>(mean), 8 * std::numeric_limits<T>::epsilon());
      EXPECT_NEAR(got_inverse, static_cast<double>(inverse), 16 * std::numeric_limits<T>::epsilon());
      std::copy(x.begin(), x.end(), in_place.begin() + 1);
      t.layer_norm(in_place.data() + 1, scale.data(), bias.data(), epsilon, in_place.data() + 1, n, &got_mean,
                   &got_inverse);
      EXPECT_EQ(in_place, y);
      t.layer_norm(x.data(), scale.data(), nullptr, epsilon, y.data() + 1, n, &got_mean, &got_inverse);
      expect_row(y, unbiased, 20, isa);
    }
  });
}

TYPED_TEST(RowsTest, RootMeanSquare) {
  using T = TypeParam;
  this->each([](const RowsTable<T>& t, Isa isa) {
    for (int64_t n : lengths()) {
      const std::vector<T> x = series<T>(n, 0.2), scale = series<T>(n, 3);
      const T epsilon = T(0.125);
      long double square = 0;
      for (T v : x) square += static_cast<long double>(v) * v;
      std::vector<long double> right(n);
      for (int64_t i = 0; i < n; ++i) right[i] = x[i] / std::sqrt(square / n + epsilon) * scale[i];
      std::vector<T> y(n + 2, T(-7));
      t.rms_norm(x.data(), scale.data(), epsilon, y.data() + 1, n);
      expect_row(y, right, 20, isa);
    }
  });
}

// Rows are apart, and what lies between them is not looked at.
TYPED_TEST(RowsTest, Dots) {
  using T = TypeParam;
  this->each([](const RowsTable<T>& t, Isa isa) {
    for (int64_t n : {1, 3, 4, 16, 17, 64, 102}) {
      for (int64_t count : {16, 17, 31, 32, 129}) {
        const int64_t distance = n + 5;
        const std::vector<T> a = series<T>(n, 0.4);
        std::vector<T> x = series<T>(count * distance + n, 0.7);
        for (int64_t i = 0; i < count; ++i) {
          std::fill_n(x.begin() + i * distance + n, 5, std::numeric_limits<T>::quiet_NaN());
        }
        std::vector<long double> right(count);
        for (int64_t i = 0; i < count; ++i) {
          for (int64_t k = 0; k < n; ++k) right[i] += 0.3L * a[k] * x[i * distance + k];
        }
        std::vector<T> y(count + 2, T(-7));
        t.dots(a.data(), x.data(), distance, count, T(0.3), y.data() + 1, n);
        expect_row(y, right, 8 + static_cast<double>(n), isa);
      }
    }
  });
}

TYPED_TEST(RowsTest, GradientOfSoftmax) {
  using T = TypeParam;
  this->each([](const RowsTable<T>& t, Isa isa) {
    for (int64_t n = 1; n <= 70; ++n) {
      const std::vector<T> y = series<T>(n, 0.2), dy = series<T>(n, 3);
      long double sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += static_cast<long double>(y[i]) * dy[i];
      std::vector<long double> right(n);
      for (int64_t i = 0; i < n; ++i) right[i] = y[i] * (dy[i] - sum);
      for (const std::vector<T>* over : {&y, &dy}) {
        std::vector<T> dx(n + 2, T(-7)), in_place = dx;
        t.softmax_grad(y.data(), dy.data(), dx.data() + 1, n);
        expect_row(dx, right, 200, isa);
        std::copy(over->begin(), over->end(), in_place.begin() + 1);
        t.softmax_grad(over == &y ? in_place.data() + 1 : y.data(), over == &dy ? in_place.data() + 1 : dy.data(),
                       in_place.data() + 1, n);
        EXPECT_EQ(in_place, dx);
      }
    }
  });
}

TYPED_TEST(RowsTest, GradientOfLayerNorm) {
  using T = TypeParam;
  this->each([](const RowsTable<T>& t, Isa isa) {
    for (int64_t n : lengths()) {
      const std::vector<T> x = series<T>(n, 0.2), scale = series<T>(n, 3), dy = series<T>(n, 5);
      const T epsilon = T(0.125);
      long double mean = 0, variance = 0, slope = 0, along = 0;
      for (T v : x) mean += v / static_cast<long double>(n);
      for (T v : x) variance += (v - mean) * (v - mean) / n;
      const long double inverse = 1 / std::sqrt(variance + epsilon);
      std::vector<long double> right(n), right_scale(n);
      for (int64_t i = 0; i < n; ++i) {
        slope += static_cast<long double>(dy[i]) * scale[i] / n;
        along += static_cast<long double>(dy[i]) * scale[i] * (x[i] - mean) * inverse / n;
        right_scale[i] = 2 + dy[i] * (x[i] - mean) * inverse;
      }
      for (int64_t i = 0; i < n; ++i) {
        right[i] = (static_cast<long double>(dy[i]) * scale[i] - slope - along * (x[i] - mean) * inverse) * inverse;
      }
      std::vector<T> dx(n + 2, T(-7)), dscale(n + 2, T(2)), alone = dx;
      dscale.front() = dscale.back() = T(-7);
      t.layer_norm_grad(x.data(), scale.data(), dy.data(), epsilon, dx.data() + 1, dscale.data() + 1, n);
      expect_row(dx, right, 200, isa);
      expect_row(dscale, right_scale, 40, isa);
      std::copy(dy.begin(), dy.end(), alone.begin() + 1);
      t.layer_norm_grad(x.data(), scale.data(), alone.data() + 1, epsilon, alone.data() + 1, nullptr, n);
      EXPECT_EQ(alone, dx);
    }
  });
}

// Where nothing comes from behind, nothing goes on, whatever the values.
TYPED_TEST(RowsTest, NoGradientFromBehind) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  this->each([=](const RowsTable<T>& t, Isa) {
    for (int64_t n = 1; n <= 70; ++n) {
      for (T special : {nan, inf}) {
        std::vector<T> x = series<T>(n, 1), scale(n, special), dy(n, T(0)), dx(n, T(1)), dscale(n, T(3));
        x[n / 2] = special;
        t.softmax_grad(x.data(), dy.data(), dx.data(), n);
        EXPECT_EQ(dx, dy);
        t.layer_norm_grad(x.data(), scale.data(), dy.data(), 1, dx.data(), dscale.data(), n);
        EXPECT_EQ(dx, dy);
        EXPECT_EQ(dscale, std::vector<T>(n, T(3)));
      }
    }
  });
}

// NaN and infinities spread over the row as the formulas say, wherever they stand.
TYPED_TEST(RowsTest, NormsOfSpecialValues) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  this->each([=](const RowsTable<T>& t, Isa isa) {
    for (int64_t n = 1; n <= 70; ++n) {
      for (T special : {nan, inf, -inf}) {
        for (int64_t at : {int64_t{0}, n / 2, n - 1}) {
          std::vector<T> x = series<T>(n, 1), y(n), scale(n, T(2));
          x[at] = special;
          T mean, inverse;
          t.layer_norm(x.data(), scale.data(), scale.data(), 1, y.data(), n, &mean, &inverse);
          for (T v : y) EXPECT_TRUE(std::isnan(v)) << n << " with " << isa_name(isa);
          EXPECT_TRUE(std::isnan(special) ? std::isnan(mean) : mean == special);
          EXPECT_TRUE(std::isnan(inverse));
          t.rms_norm(x.data(), scale.data(), 1, y.data(), n);
          for (int64_t i = 0; i < n; ++i) {
            EXPECT_TRUE(std::isnan(special) || i == at ? std::isnan(y[i]) : y[i] == 0)
                << n << " with " << isa_name(isa);
          }
        }
      }
      // A mean that overflows.
      std::vector<T> x(n, std::numeric_limits<T>::max()), y(n);
      T mean, inverse;
      t.layer_norm(x.data(), x.data(), nullptr, 1, y.data(), n, &mean, &inverse);
      if (n > 1) {
        EXPECT_EQ(mean, inf);
        EXPECT_EQ(inverse, 0);
      }
    }
  });
}

// The bits of a row do not depend on its address.
TYPED_TEST(RowsTest, PlaceDoesNotMatter) {
  using T = TypeParam;
  this->each([](const RowsTable<T>& t, Isa) {
    for (int64_t n = 1; n <= 70; ++n) {
      const std::vector<T> row = series<T>(n, 5), scale = series<T>(n, 6);
      std::vector<T> first(3 * n);
      T mean, inverse;
      for (int64_t offset : {0, 1, 5}) {
        std::vector<T> x(n + 8), y(3 * n + 8);
        std::copy(row.begin(), row.end(), x.begin() + offset);
        t.softmax(x.data() + offset, y.data() + offset, n);
        t.layer_norm(x.data() + offset, scale.data(), nullptr, 1, y.data() + offset + n, n, &mean, &inverse);
        t.rms_norm(x.data() + offset, scale.data(), 1, y.data() + offset + 2 * n, n);
        if (offset == 0) std::copy(y.begin(), y.begin() + 3 * n, first.begin());
        EXPECT_EQ(std::memcmp(y.data() + offset, first.data(), 3 * n * sizeof(T)), 0) << n;
      }
    }
  });
}

}  // namespace
}  // namespace weft
