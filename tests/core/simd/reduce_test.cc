// Sums and extremes on vectors, against long double.
#include "core/simd/reduce.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/core/simd/series.h"

namespace weft {
namespace {

const ReduceTable<float>& reduce_table(Isa isa, float) { return reduce_f32(isa); }
const ReduceTable<double>& reduce_table(Isa isa, double) { return reduce_f64(isa); }

// What each of the table's reductions makes of n elements `step` apart.
struct Right {
  long double sum = 0, squares = 0, sizes = 0, max = -INFINITY, min = INFINITY;

  template <typename T>
  Right(const T* x, int64_t n, int64_t step) {
    for (int64_t i = 0; i < n; ++i) {
      const long double v = x[i * step];
      sum += v;
      squares += v * v;
      sizes += std::fabs(v);
      max = std::max(max, v);
      min = std::min(min, v);
    }
  }
};

template <typename T>
struct Case {
  Reduction<T> ReduceTable<T>::*reduction;
  long double Right::*right;
  bool exact;
};

template <typename T>
class ReduceTest : public testing::Test {
 protected:
  // Calls fn(reduction, member of Right, whether it is exact, instruction set).
  template <typename Fn>
  static void each(Fn fn) {
    using Table = ReduceTable<T>;
    const Case<T> cases[] = {{&Table::sum, &Right::sum, false},
                             {&Table::squares, &Right::squares, false},
                             {&Table::sizes, &Right::sizes, false},
                             {&Table::max, &Right::max, true},
                             {&Table::min, &Right::min, true}};
    for (Isa isa : kAllIsas) {
      if (!isa_supported(isa)) continue;
      for (const Case<T>& c : cases) fn(reduce_table(isa, T()).*c.reduction, c.right, c.exact, isa);
    }
  }
  static void expect_near(T got, const Right& right, long double Right::*which, bool exact, const std::string& where) {
    const double close = exact ? 0 : 20 * std::numeric_limits<T>::epsilon() * static_cast<double>(right.squares + 1);
    ASSERT_NEAR(got, static_cast<double>(right.*which), close) << where;
  }
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(ReduceTest, Types);

TYPED_TEST(ReduceTest, Rows) {
  using T = TypeParam;
  std::vector<int64_t> lengths = {1023, 1024, 1025, 5000};
  for (int64_t n = 1; n <= 70; ++n) lengths.push_back(n);
  for (int64_t n : lengths) {
    const std::vector<T> x = series<T>(n + 5, 0.4);
    for (int64_t offset : {0, 1, 5}) {
      const Right right(x.data() + offset, n, 1);
      this->each([&](const Reduction<T>& reduction, long double Right::*which, bool exact, Isa isa) {
        const std::string where = std::to_string(n) + " with " + isa_name(isa);
        this->expect_near(reduction.row(x.data() + offset, n), right, which, exact, where);
      });
    }
  }
}

TYPED_TEST(ReduceTest, Columns) {
  using T = TypeParam;
  std::vector<int64_t> counts = {100, 257, kMostColumns - 1, kMostColumns};
  for (int64_t n = 1; n <= 70; ++n) counts.push_back(n);
  for (int64_t count : counts) {
    for (int64_t rows : {1, 2, 4, 5, 6, 65, 66, 67, 141, 700}) {
      if (count > 70 && rows > 67) continue;
      for (int64_t stride : {count, count + 3}) {
        const std::vector<T> x = series<T>(rows * stride, 0.1);
        const int64_t step = count > 70 ? 41 : 1;
        std::vector<Right> right;
        for (int64_t i = 0; i < count; i += step) right.emplace_back(x.data() + i, rows, stride);
        this->each([&](const Reduction<T>& reduction, long double Right::*which, bool exact, Isa isa) {
          std::vector<T> y(count + 2, T(-7));
          reduction.columns(x.data(), rows, count, stride, y.data() + 1);
          ASSERT_EQ(y.front(), T(-7));
          ASSERT_EQ(y.back(), T(-7));
          const std::string where =
              std::to_string(count) + " columns, " + std::to_string(rows) + " rows, with " + isa_name(isa);
          for (int64_t i = 0; i < count; i += step) {
            this->expect_near(y[i + 1], right[static_cast<size_t>(i / step)], which, exact, where);
          }
        });
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

// A NaN stays one wherever it stands, and in its column alone; infinities are extremes.
TYPED_TEST(ReduceTest, SpecialValues) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  this->each([=](const Reduction<T>& reduction, long double Right::*which, bool, Isa isa) {
    for (int64_t n = 1; n <= 70; ++n) {
      std::vector<T> x = series<T>(n, 2), y(7);
      for (int64_t at = 0; at < n; at += 3) {
        const T kept = x[at];
        x[at] = nan;
        EXPECT_TRUE(std::isnan(reduction.row(x.data(), n))) << at << " of " << n << " with " << isa_name(isa);
        if (n >= 14) {
          reduction.columns(x.data(), n / 7, 7, 7, y.data());
          for (int64_t i = 0; i < 7; ++i) EXPECT_EQ(std::isnan(y[i]), i == at % 7 && at < n / 7 * 7);
        }
        for (T endless : {inf, -inf}) {
          x[at] = endless;
          const T right = static_cast<T>(Right(x.data(), n, 1).*which), got = reduction.row(x.data(), n);
          EXPECT_TRUE(std::isfinite(right) || got == right) << at << " of " << n << " with " << isa_name(isa);
        }
        x[at] = kept;
      }
    }
  });
}

// Sums of many equal numbers stay near: straight additions would be off by thousands of units in the last place.
TYPED_TEST(ReduceTest, LongSums) {
  using T = TypeParam;
  const int64_t n = 1 << 20;
  const std::vector<T> x(n, T(0.1));
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const Reduction<T>& sum = reduce_table(isa, T()).sum;
    const double right = static_cast<double>(T(0.1)) * n;
    EXPECT_NEAR(sum.row(x.data(), n) / right, 1, 200 * std::numeric_limits<T>::epsilon()) << isa_name(isa);
    for (int64_t columns : {1, 2, 16, 64}) {
      std::vector<T> y(columns);
      sum.columns(x.data(), n / columns, columns, columns, y.data());
      for (T v : y) {
        EXPECT_NEAR(v * static_cast<double>(columns) / right, 1, 300 * std::numeric_limits<T>::epsilon());
      }
    }
  }
}

}  // namespace
}  // namespace weft
