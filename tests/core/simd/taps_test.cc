// Products of rows that pointers find, for every instruction set of this machine, against sums in whole numbers.
#include "core/simd/taps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/core/simd/series.h"

namespace weft {
namespace {

const TapTable<float>& tap_table(Isa isa, float) { return tap_table_f32(isa); }
const TapTable<double>& tap_table(Isa isa, double) { return tap_table_f64(isa); }

// Behind the result, and perhaps behind each of its rows, is what must stay as it was.
constexpr int64_t kSpare = 3;

// Rows of `k` elements for each tap, some of them shared, as windows that overlap share pixels.
template <typename T>
struct Rows {
  Rows(int64_t taps, int64_t rows, int64_t k) : data(whole_numbers<T>((taps + rows) * k, 7)) {
    for (int64_t t = 0; t < taps; ++t) {
      for (int64_t r = 0; r < rows; ++r) pointers.push_back(data.data() + (t + r) * k);
    }
  }
  std::vector<T> data;
  std::vector<const T*> pointers;
};

// `spare` elements behind each row, and kSpare behind the last.
template <typename T>
void expect_result(const std::vector<T>& c, int64_t rows, int64_t columns, const std::vector<T>& wanted,
                   int64_t spare = kSpare) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < columns + (r + 1 < rows ? spare : kSpare); ++j) {
      const T value = c[static_cast<size_t>(r * (columns + spare) + j)];
      if (j < columns)
        ASSERT_EQ(value, wanted[static_cast<size_t>(r * columns + j)]) << "row " << r << ", column " << j;
      else
        ASSERT_TRUE(std::isnan(value)) << "behind row " << r;
    }
  }
}

template <typename T>
class TapsTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(TapsTest, Types);

TYPED_TEST(TapsTest, EveryTile) {
  using T = TypeParam;
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const TapTable<T>& taps = tap_table(isa, T());
    for (int64_t rows = 1; rows <= taps.narrow_rows; ++rows) {
      for (int64_t columns = 1; columns <= (rows <= taps.rows ? taps.panel : taps.panel / 2); ++columns) {
        for (int way = 0; way < 8; ++way) {
          SCOPED_TRACE(std::string(isa_name(isa)) + ", rows " + std::to_string(rows));
          const int64_t count = 3, k = 5, spare = way & 4 ? 0 : kSpare;
          Rows<T> a(count, rows, k);
          const std::vector<T> b = whole_numbers<T>(count * k * taps.panel, 1), init = whole_numbers<T>(taps.panel, 2);
          std::vector<T> c(static_cast<size_t>(rows * (columns + spare) + kSpare), std::numeric_limits<T>::quiet_NaN());
          std::vector<T> wanted;
          const Limits<T> limits = way & 2 ? Limits<T>{-6, 11} : Limits<T>();
          TapTile<T> tile{rows,    columns,  count,           k,     a.pointers.data(), b.data(),
                          nullptr, c.data(), columns + spare, limits};
          if (way & 1) tile.init = init.data();
          taps.run(tile);
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t j = 0; j < columns; ++j) {
              T sum = way & 1 ? init[static_cast<size_t>(j)] : T(0);
              for (int64_t i = 0; i < count * k; ++i) {
                sum += a.pointers[static_cast<size_t>(i / k * rows + r)][i % k] *
                       b[static_cast<size_t>(i * taps.panel + j)];
              }
              wanted.push_back(std::clamp(sum, limits.low, limits.high));
            }
          }
          expect_result(c, rows, columns, wanted, spare);
          if (testing::Test::HasFatalFailure()) return;
        }
      }
    }
  }
}

TYPED_TEST(TapsTest, EveryTileOfLanes) {
  using T = TypeParam;
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const TapTable<T>& taps = tap_table(isa, T());
    for (int64_t rows = 1; rows <= taps.lane_rows; ++rows) {
      for (int64_t columns = taps.least_columns; columns <= 5 * taps.least_columns; ++columns) {
        for (int way = 0; way < 4; ++way) {
          SCOPED_TRACE(std::string(isa_name(isa)) + ", rows " + std::to_string(rows));
          const int64_t count = 4;
          // One row of a tap lies `apart` behind the other, and so do the weights of the taps.
          const int64_t apart = columns + 3;
          Rows<T> a(count, 1, rows * apart);
          std::vector<LaneTap<T>> seen;
          for (int64_t t = 0; t < count; ++t) seen.push_back({a.pointers[static_cast<size_t>(t)], t == 2 ? 0 : apart});
          const std::vector<T> b = whole_numbers<T>(count * apart, 1), init = whole_numbers<T>(columns, 2);
          std::vector<T> c(static_cast<size_t>(rows * (columns + kSpare)), std::numeric_limits<T>::quiet_NaN()), wanted;
          const Limits<T> limits = way & 2 ? Limits<T>{-6, 11} : Limits<T>();
          LaneTile<T> tile{rows,  columns, count,    seen.data(),      b.data(),
                           apart, nullptr, c.data(), columns + kSpare, limits};
          if (way & 1) tile.init = init.data();
          taps.run_lanes(tile);
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t j = 0; j < columns; ++j) {
              T sum = way & 1 ? init[static_cast<size_t>(j)] : T(0);
              for (int64_t t = 0; t < count; ++t) {
                const LaneTap<T>& tap = seen[static_cast<size_t>(t)];
                sum += tap.a[r * tap.a_row + j] * b[static_cast<size_t>(t * apart + j)];
              }
              wanted.push_back(std::clamp(sum, limits.low, limits.high));
            }
          }
          expect_result(c, rows, columns, wanted);
          if (testing::Test::HasFatalFailure()) return;
        }
      }
    }
  }
}

TYPED_TEST(TapsTest, LimitsKeepNotANumber) {
  using T = TypeParam;
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const TapTable<T>& taps = tap_table(isa, T());
    const std::vector<T> x(static_cast<size_t>(taps.panel), std::numeric_limits<T>::quiet_NaN());
    const T* pointer = x.data();
    std::vector<T> c(static_cast<size_t>(taps.panel));
    taps.run({1, taps.panel, 1, 1, &pointer, x.data(), nullptr, c.data(), taps.panel, {0, 6}});
    EXPECT_TRUE(std::isnan(c[0]));
    const LaneTap<T> tap{pointer, 0};
    taps.run_lanes({1, taps.panel, 1, &tap, x.data(), taps.panel, nullptr, c.data(), taps.panel, {0, 6}});
    EXPECT_TRUE(std::isnan(c[0]));
  }
}

}  // namespace
}  // namespace weft
