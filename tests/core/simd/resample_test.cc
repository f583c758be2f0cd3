// Rows that become larger or smaller, for every instruction set of this machine, element by element: the bits are those of products
// and a sum that are rounded apart.
#include "core/simd/resample.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tests/core/simd/series.h"

namespace weft {
namespace {

const ResampleTable<float>& resample_table_of(Isa isa, float) { return resample_f32(isa); }
const ResampleTable<double>& resample_table_of(Isa isa, double) { return resample_f64(isa); }

template <typename T>
class ResampleTest : public testing::Test {
 protected:
  template <typename Fn>
  static void each(Fn fn) {
    for (Isa isa : kAllIsas) {
      if (!isa_supported(isa)) continue;
      SCOPED_TRACE(isa_name(isa));
      fn(resample_table_of(isa, T()));
    }
  }
};
using ResampledTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(ResampleTest, ResampledTypes);

TYPED_TEST(ResampleTest, TwoRowsAreWeighed) {
  using T = TypeParam;
  this->each([](const ResampleTable<T>& table) {
    for (int64_t n = 1; n <= 70; ++n) {
      const std::vector<T> a = series<T>(n, 0.3), b = series<T>(n, 1.1);
      const T weights[2] = {T(0.3), T(0.7)};
      std::vector<T> y(static_cast<size_t>(n + 1), T(-7));
      table.down(a.data(), b.data(), weights, y.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        const size_t at = static_cast<size_t>(i);
        const T one = a[at] * weights[0], other = b[at] * weights[1];
        ASSERT_EQ(y[at], one + other) << i << " of " << n;
      }
      ASSERT_EQ(y.back(), T(-7));
    }
  });
}

// Infinity times 0 would be no number.
TYPED_TEST(ResampleTest, WhatWeighsNothingIsNotLookedAt) {
  using T = TypeParam;
  this->each([](const ResampleTable<T>& table) {
    const std::vector<T> infinite(40, std::numeric_limits<T>::infinity()), x = series<T>(40, 0.3);
    const T weights[2] = {T(1), T(0)};
    std::vector<T> y(40);
    table.down(x.data(), infinite.data(), weights, y.data(), 40);
    EXPECT_EQ(y, x);
    // The pixels of a row in turn: one that is finite, and one that is not.
    const std::vector<T> row{1, 2, std::numeric_limits<T>::infinity(), 3};
    const std::vector<int32_t> index{0, 1, 2, 2};
    const std::vector<T> weight{1, 1, 0, 0};
    for (int64_t inner : {1, 2}) {
      std::vector<T> to(static_cast<size_t>(2 * inner));
      const std::vector<int32_t> places = inner == 1 ? index : std::vector<int32_t>{0, 0, 1, 1};
      table.across(row.data(), places.data(), weight.data(), 2, inner, to.data());
      EXPECT_EQ(to[0], 1);
      EXPECT_EQ(to[1], 2);
    }
  });
}

TYPED_TEST(ResampleTest, PixelsAreWeighedWhereTheyStand) {
  using T = TypeParam;
  this->each([](const ResampleTable<T>& table) {
    for (int64_t inner : {1, 2, 3, 8, 17, 64}) {
      const int64_t in = 9, out = 23;
      const std::vector<T> x = series<T>(in * inner, 0.3), weight = series<T>(2 * out, 1.9);
      std::vector<int32_t> index;
      for (int64_t i = 0; i < 2 * out; ++i) index.push_back(static_cast<int32_t>(i * 7 % in));
      std::vector<T> y(static_cast<size_t>(out * inner + 1), T(-7));
      table.across(x.data(), index.data(), weight.data(), out, inner, y.data());
      for (int64_t i = 0; i < out * inner; ++i) {
        const size_t o = static_cast<size_t>(i / inner), past = o + static_cast<size_t>(out);
        const T one = x[static_cast<size_t>(index[o] * inner + i % inner)] * weight[o];
        const T other = x[static_cast<size_t>(index[past] * inner + i % inner)] * weight[past];
        ASSERT_EQ(y[static_cast<size_t>(i)], one + other) << i << " of pixels of " << inner;
      }
      ASSERT_EQ(y.back(), T(-7));
    }
  });
}

TYPED_TEST(ResampleTest, PairsAreMadeOfNeighbours) {
  using T = TypeParam;
  this->each([](const ResampleTable<T>& table) {
    for (int64_t n = 0; n <= 40; ++n) {
      const std::vector<T> x = series<T>(n + 2, 0.3);
      const T w[4] = {T(0.25), T(0.75), T(0.6), T(0.4)};
      std::vector<T> y(static_cast<size_t>(2 * n + 1), T(-7));
      table.pairs(x.data() + 1, w, y.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        const size_t at = static_cast<size_t>(i + 1);
        const T before = x[at - 1] * w[0], even = x[at] * w[1], odd = x[at] * w[2], behind = x[at + 1] * w[3];
        ASSERT_EQ(y[static_cast<size_t>(2 * i)], before + even) << i << " of " << n;
        ASSERT_EQ(y[static_cast<size_t>(2 * i + 1)], odd + behind) << i << " of " << n;
      }
      ASSERT_EQ(y.back(), T(-7));
    }
  });
}

template <typename E>
void expect_twice(void (*fn)(const E*, E*, int64_t)) {
  for (int64_t n = 0; n <= 150; ++n) {
    std::vector<E> x, y(static_cast<size_t>(2 * n + 1), E(77));
    for (int64_t i = 0; i < n; ++i) x.push_back(static_cast<E>(i * 37 + 1));
    fn(x.data(), y.data(), n);
    for (int64_t i = 0; i < 2 * n; ++i) ASSERT_EQ(y[static_cast<size_t>(i)], x[static_cast<size_t>(i / 2)]);
    ASSERT_EQ(y.back(), E(77));
  }
}

TEST(Twice, ElementsOfEverySize) {
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    SCOPED_TRACE(isa_name(isa));
    expect_twice(twice_table(isa).of_8);
    expect_twice(twice_table(isa).of_16);
    expect_twice(twice_table(isa).of_32);
    expect_twice(twice_table(isa).of_64);
  }
}

}  // namespace
}  // namespace weft
