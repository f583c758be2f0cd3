// Images sampled between their pixels, for every instruction set of this machine.
#include "core/simd/sample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/core/simd/series.h"

namespace weft {
namespace {

const SampleTable<float>& sample_table_of(Isa isa, float) { return sample_f32(isa); }
const SampleTable<double>& sample_table_of(Isa isa, double) { return sample_f64(isa); }

template <typename T>
class SampleTest : public testing::Test {
 protected:
  static constexpr T kInf = std::numeric_limits<T>::infinity(), kNan = std::numeric_limits<T>::quiet_NaN();

  struct Point {
    T y, x, wanted;
  };

  template <typename Fn>
  static void each(Fn fn) {
    for (Isa isa : kAllIsas) {
      if (!isa_supported(isa)) continue;
      SCOPED_TRACE(isa_name(isa));
      fn(sample_table_of(isa, T()));
    }
  }

  static void expect_same(T y, T wanted) {
    if (std::isnan(wanted)) {
      EXPECT_TRUE(std::isnan(y)) << y;
    } else {
      EXPECT_EQ(y, wanted);
    }
  }

  // The points over and over, so that each stands everywhere in a vector and in what is left of one; with both
  // orders of the axes.
  static void expect_points(SampledPlane plane, const std::vector<T>& image, const std::vector<Point>& points) {
    each([&](const SampleTable<T>& table) {
      for (int64_t n = 1; n <= 70; ++n) {
        const int64_t room = 80;
        std::vector<int32_t> index(static_cast<size_t>(2 * room));
        std::vector<T> weight(static_cast<size_t>(4 * room)), places, y(static_cast<size_t>(n + 1), T(-7));
        plane.x_first = n % 2 == 1;
        for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
          const Point& point = points[i % points.size()];
          places.push_back(plane.x_first ? point.x : point.y);
          places.push_back(plane.x_first ? point.y : point.x);
        }
        const SampledPoints<T> sampled{n, 2, room, index.data(), weight.data()};
        table.find_pairs(plane, places.data(), sampled);
        table.pairs(sampled, image.data(), y.data());
        for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
          SCOPED_TRACE(testing::Message() << "point " << i << " of " << n);
          expect_same(y[i], points[i % points.size()].wanted);
        }
        ASSERT_EQ(y.back(), T(-7));
        if (testing::Test::HasFailure()) return;
      }
    });
  }
};
using SampledTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(SampleTest, SampledTypes);

// Pixels outside count nothing, whatever the one at index 0 is; a pixel inside that weighs 0 makes NaN of infinity.
TYPED_TEST(SampleTest, PlacesInsideAndOutside) {
  using T = TypeParam;
  const T inf = TestFixture::kInf, nan = TestFixture::kNan;
  this->expect_points({2, 3, 0, 0, false}, {inf, 1, 2, 4, 8, 16},
                      {{T(0.5), T(1.5), T(6.75)},
                       {0, T(2.5), 1},
                       {T(-0.5), 2, 1},
                       {T(1.5), T(-0.5), 1},
                       {0, 1, 1},
                       {T(0.5), 0, inf},
                       {1, 0, 4},
                       {1, -1, 0},
                       {0, -1, nan},
                       {5, 5, 0},
                       {-inf, 0, 0},
                       {0, inf, 0},
                       {nan, 2, nan},
                       {nan, 9, 0},
                       {nan, -inf, 0},
                       {1, nan, nan},
                       {0, -2, 0},
                       {T(1e30), 1, 0},
                       {1, 2, 16},
                       {2, 2, 0}});
}

TYPED_TEST(SampleTest, SlopesAlongTheLastAxis) {
  using T = TypeParam;
  const std::vector<T> image{0, 1, 2, 4, 8, 16};
  this->expect_points({2, 3, 0, 1, false}, image,
                      {{0, T(1.25), 1}, {1, T(1.5), 8}, {1, T(2.5), -16}, {1, T(-0.5), 4}, {T(0.5), T(1.5), T(4.5)}});
  this->expect_points({2, 3, 1, 0, false}, image, {{T(0.5), 1, 7}, {T(1.5), 2, -16}, {T(-0.5), 2, 2}});
  this->expect_points({2, 3, 0, 2, false}, image, {{T(0.5), T(1.5), 0}});
}

TYPED_TEST(SampleTest, SmallestPlane) {
  using T = TypeParam;
  this->expect_points({1, 2, 0, 0, false}, {3, 5},
                      {{0, T(0.5), 4}, {T(-0.5), T(0.5), 2}, {T(0.25), T(1.5), T(1.875)}, {0, 1, 5}, {0, 2, 0}});
}

TYPED_TEST(SampleTest, TapsOfAnyNumber) {
  using T = TypeParam;
  const T inf = TestFixture::kInf, nan = TestFixture::kNan, none = T(-0.0);
  const std::vector<T> image{inf, 2, 3};
  // Three taps of four points.
  const int32_t indices[3][4] = {{1, 0, 0, 2}, {0, 0, 1, 1}, {2, 0, 1, 1}};
  const T weights[3][4] = {{T(0.5), none, 0, -1}, {none, none, 1, none}, {2, none, 1, nan}};
  const T wanted[4] = {7, 0, nan, nan};
  this->each([&](const SampleTable<T>& table) {
    for (int64_t n = 1; n <= 40; ++n) {
      const int64_t room = 48;
      std::vector<int32_t> index(static_cast<size_t>(3 * room));
      std::vector<T> weight(static_cast<size_t>(3 * room), none), y(static_cast<size_t>(n + 1), T(-7));
      for (int64_t k = 0; k < 3; ++k) {
        for (int64_t i = 0; i < n; ++i) {
          index[static_cast<size_t>(k * room + i)] = indices[k][i % 4];
          weight[static_cast<size_t>(k * room + i)] = weights[k][i % 4];
        }
      }
      table.taps({n, 3, room, index.data(), weight.data()}, image.data(), y.data());
      for (int64_t i = 0; i < n; ++i) {
        SCOPED_TRACE(testing::Message() << "point " << i << " of " << n);
        TestFixture::expect_same(y[static_cast<size_t>(i)], wanted[i % 4]);
        EXPECT_FALSE(wanted[i % 4] == 0 && std::signbit(y[static_cast<size_t>(i)]));
      }
      ASSERT_EQ(y.back(), T(-7));
    }
  });
}

// One after another, each product and each sum rounded.
TYPED_TEST(SampleTest, TermsAreAddedInTurn) {
  using T = TypeParam;
  const std::vector<T> image = series<T>(50, 0.3), weight = series<T>(4 * 80, 1.9);
  std::vector<int32_t> index;
  for (int32_t i = 0; i < 4 * 80; ++i) index.push_back(i * 7 % 49);
  std::vector<T> weights = weight;  // what the tables point to is not const
  this->each([&](const SampleTable<T>& table) {
    for (int64_t n : {1, 5, 16, 37, 70}) {
      std::vector<T> y(static_cast<size_t>(n)), of_pairs(static_cast<size_t>(n));
      table.taps({n, 4, 80, index.data(), weights.data()}, image.data(), y.data());
      table.pairs({n, 2, 80, index.data(), weights.data()}, image.data(), of_pairs.data());
      for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
        T sum = 0, sum_of_pairs = 0;
        for (size_t k = 0; k < 4; ++k) {
          const T term = weight[k * 80 + i] * image[static_cast<size_t>(index[k * 80 + i])];
          const T other = weight[k * 80 + i] * image[static_cast<size_t>(index[k / 2 * 80 + i]) + k % 2];
          sum += term;
          sum_of_pairs += other;
        }
        ASSERT_EQ(y[i], sum) << i << " of " << n;
        ASSERT_EQ(of_pairs[i], sum_of_pairs) << i << " of " << n;
      }
    }
  });
}

}  // namespace
}  // namespace weft
