// Means, squares and what is normalized by them, for every instruction set of this machine, against sums in long double.
#include "core/simd/moments.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/core/simd/series.h"

namespace weft {
namespace {

const MomentsTable<float>& moments_table_of(Isa isa, float) { return moments_f32(isa); }
const MomentsTable<double>& moments_table_of(Isa isa, double) { return moments_f64(isa); }

struct RightMoments {
  long double mean = 0, squares = 0;
};

// Of n elements that lie `step` apart.
template <typename T>
RightMoments right_moments(const T* x, int64_t n, int64_t step) {
  RightMoments right;
  for (int64_t i = 0; i < n; ++i) right.mean += x[i * step];
  right.mean /= static_cast<long double>(n);
  for (int64_t i = 0; i < n; ++i) right.squares += (x[i * step] - right.mean) * (x[i * step] - right.mean);
  return right;
}

template <typename T>
class MomentsTest : public testing::Test {
 protected:
  static constexpr double kClose = 40 * std::numeric_limits<T>::epsilon();

  template <typename Fn>
  static void each(Fn fn) {
    for (Isa isa : kAllIsas) {
      if (!isa_supported(isa)) continue;
      SCOPED_TRACE(isa_name(isa));
      fn(moments_table_of(isa, T()));
    }
  }
  static void expect_moments(T mean, T squares, const RightMoments& right, int64_t n) {
    EXPECT_NEAR(mean, static_cast<double>(right.mean), kClose) << n;
    EXPECT_NEAR(squares, static_cast<double>(right.squares), kClose * (1 + static_cast<double>(right.squares))) << n;
  }
};
using MomentTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(MomentsTest, MomentTypes);

TYPED_TEST(MomentsTest, OfRows) {
  using T = TypeParam;
  this->each([](const MomentsTable<T>& table) {
    for (int64_t n : {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 1023, 1024, 1025, 8192}) {
      const std::vector<T> x = series<T>(n, 0.3);
      T mean, squares;
      table.of_row(x.data(), n, &mean, &squares);
      TestFixture::expect_moments(mean, squares, right_moments(x.data(), n, 1), n);
    }
  });
}

TYPED_TEST(MomentsTest, OfColumnsOfEveryNumber) {
  using T = TypeParam;
  this->each([](const MomentsTable<T>& table) {
    for (int64_t columns = 1; columns <= 70; ++columns) {
      for (int64_t rows : {1, 2, 4, 5, 30}) {
        const std::vector<T> x = series<T>(rows * columns, 1.1);
        std::vector<T> mean(static_cast<size_t>(columns + 1), T(-7)), squares = mean;
        table.of_columns(x.data(), rows, columns, mean.data(), squares.data());
        for (int64_t c = 0; c < columns; ++c) {
          const size_t i = static_cast<size_t>(c);
          TestFixture::expect_moments(mean[i], squares[i], right_moments(x.data() + c, rows, columns), rows);
        }
        EXPECT_EQ(mean.back(), T(-7));
        EXPECT_EQ(squares.back(), T(-7));
      }
    }
  });
}

// A column has the same bits among few and among many.
TYPED_TEST(MomentsTest, ColumnsDoNotDependOnTheirPlace) {
  using T = TypeParam;
  this->each([](const MomentsTable<T>& table) {
    const int64_t rows = 37, columns = 33;
    const std::vector<T> x = series<T>(rows * columns, 2.3);
    std::vector<T> mean(columns), squares(columns), column(rows);
    table.of_columns(x.data(), rows, columns, mean.data(), squares.data());
    for (int64_t c = 0; c < columns; ++c) {
      for (int64_t r = 0; r < rows; ++r) column[static_cast<size_t>(r)] = x[static_cast<size_t>(r * columns + c)];
      T alone, alone_squares;
      table.of_columns(column.data(), rows, 1, &alone, &alone_squares);
      EXPECT_EQ(alone, mean[static_cast<size_t>(c)]);
      EXPECT_EQ(alone_squares, squares[static_cast<size_t>(c)]);
    }
  });
}

TYPED_TEST(MomentsTest, ScaledAlsoInPlace) {
  using T = TypeParam;
  this->each([](const MomentsTable<T>& table) {
    for (int64_t n = 1; n <= 70; ++n) {
      const std::vector<T> x = series<T>(n, 0.7);
      std::vector<T> y(static_cast<size_t>(n + 1), T(-7)), in_place = x;
      table.scale_row(x.data(), T(0.5), T(3), T(-1.25), y.data(), n);
      table.scale_row(in_place.data(), T(0.5), T(3), T(-1.25), in_place.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        const size_t at = static_cast<size_t>(i);
        EXPECT_NEAR(y[at], (static_cast<double>(x[at]) - 0.5) * 3 - 1.25, TestFixture::kClose) << i << " of " << n;
        EXPECT_EQ(in_place[at], y[at]);
      }
      EXPECT_EQ(y.back(), T(-7));
    }
  });
}

TYPED_TEST(MomentsTest, ColumnsScaledByTheirOwnNumbers) {
  using T = TypeParam;
  this->each([](const MomentsTable<T>& table) {
    for (int64_t columns = 1; columns <= 40; ++columns) {
      const int64_t rows = 3;
      const std::vector<T> x = series<T>(rows * columns, 0.7), mean = series<T>(columns, 1.0);
      const std::vector<T> factor = series<T>(columns, 2.0), shift = series<T>(columns, 3.0);
      std::vector<T> y(static_cast<size_t>(rows * columns + 1), T(-7));
      table.scale_columns(x.data(), rows, columns, mean.data(), factor.data(), shift.data(), y.data());
      for (int64_t i = 0; i < rows * columns; ++i) {
        const size_t at = static_cast<size_t>(i), c = static_cast<size_t>(i % columns);
        const double right =
            (static_cast<double>(x[at]) - static_cast<double>(mean[c])) * static_cast<double>(factor[c]) +
            static_cast<double>(shift[c]);
        EXPECT_NEAR(y[at], right, TestFixture::kClose) << i << " of " << columns << " columns";
      }
      EXPECT_EQ(y.back(), T(-7));
    }
  });
}

TYPED_TEST(MomentsTest, GradientsOfRows) {
  using T = TypeParam;
  this->each([](const MomentsTable<T>& table) {
    for (int64_t n : {1, 2, 5, 16, 33, 70, 1500}) {
      const std::vector<T> x = series<T>(n, 0.7), dy = series<T>(n, 1.9);
      T sum, along;
      table.slopes_of_row(x.data(), dy.data(), T(0.25), T(2), n, &sum, &along);
      long double right_sum = 0, right_along = 0;
      for (int64_t i = 0; i < n; ++i) {
        const size_t at = static_cast<size_t>(i);
        right_sum += dy[at];
        right_along += static_cast<long double>(dy[at]) * (static_cast<long double>(x[at]) - 0.25L) * 2;
      }
      EXPECT_NEAR(sum, static_cast<double>(right_sum), TestFixture::kClose * static_cast<double>(n));
      EXPECT_NEAR(along, static_cast<double>(right_along), 10 * TestFixture::kClose * static_cast<double>(n));
      std::vector<T> dx(static_cast<size_t>(n));
      table.grad_of_row(x.data(), dy.data(), T(0.25), T(2), T(-0.5), T(0.125), dx.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        const size_t at = static_cast<size_t>(i);
        const double right = 2.0 * dy[at] + 0.5 * (static_cast<double>(x[at]) - 0.25) - 0.125;
        EXPECT_NEAR(dx[at], right, TestFixture::kClose) << i << " of " << n;
      }
    }
  });
}

// Where nothing comes from behind, what is not finite has no gradient either.
TYPED_TEST(MomentsTest, ZeroSlopesAreZero) {
  using T = TypeParam;
  this->each([](const MomentsTable<T>& table) {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    const std::vector<T> x(20, nan), dy(20, T(0));
    T sum, along;
    table.slopes_of_row(x.data(), dy.data(), nan, nan, 20, &sum, &along);
    EXPECT_EQ(sum, 0);
    EXPECT_EQ(along, 0);
    std::vector<T> dx(20, T(1));
    table.grad_of_row(x.data(), dy.data(), nan, nan, T(0), T(0), dx.data(), 20);
    for (T value : dx) EXPECT_EQ(value, 0);
  });
}

}  // namespace
}  // namespace weft
