// Rows of symmetric matrices and of their vectors on vectors, against the formulas in long double.
#include "core/simd/symmetric.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/core/simd/series.h"

namespace weft {
namespace {

const SymmetricTable<float>& symmetric_of(Isa isa, float) { return symmetric_f32(isa); }
const SymmetricTable<double>& symmetric_of(Isa isa, double) { return symmetric_f64(isa); }

// At a multiple of 64 bytes.
template <typename T>
class Aligned {
 public:
  explicit Aligned(const std::vector<T>& values) : memory_(values.size() + 64) {
    const size_t off = reinterpret_cast<uintptr_t>(memory_.data()) % 64 / sizeof(T);
    begin_ = memory_.data() + (off == 0 ? 0 : 64 / sizeof(T) - off);
    std::copy(values.begin(), values.end(), begin_);
  }
  Aligned(const Aligned&) = delete;
  T* data() { return begin_; }
  T& operator[](int64_t i) { return begin_[i]; }

 private:
  std::vector<T> memory_;
  T* begin_;
};

// n numbers, and zeros up to the next block.
template <typename T>
std::vector<T> padded(int64_t n, double salt, int64_t size) {
  std::vector<T> out = series<T>(n, salt, 1);
  out.resize(static_cast<size_t>(size));
  return out;
}

constexpr int64_t kSizes[] = {1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33, 48, 65, 130};

int64_t blocks(int64_t n) { return (n + kSymmetricBlock - 1) / kSymmetricBlock * kSymmetricBlock; }

template <typename T>
class SymmetricTest : public testing::Test {
 protected:
  static constexpr long double kEpsilon = std::numeric_limits<T>::epsilon();

  template <typename Check>
  static void each(Check check) {
    for (Isa isa : kAllIsas) {
      if (!isa_supported(isa)) continue;
      SCOPED_TRACE(isa_name(isa));
      for (int64_t n : kSizes) {
        SCOPED_TRACE(n);
        check(symmetric_of(isa, T()), n);
      }
    }
  }
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(SymmetricTest, Types);

TYPED_TEST(SymmetricTest, Rows) {
  using T = TypeParam;
  this->each([&](const SymmetricTable<T>& table, int64_t n) {
    const int64_t size = blocks(n);
    Aligned<T> x(padded<T>(n, 1, size)), y(padded<T>(n, 2, size)), out(padded<T>(n, 3, size)),
        sum(padded<T>(0, 0, size));
    long double dot = 0;
    T largest = 0;
    for (int64_t i = 0; i < n; ++i) {
      dot += static_cast<long double>(x[i]) * y[i];
      largest = std::max(largest, std::fabs(x[i]));
    }
    EXPECT_NEAR(table.dot(x.data(), y.data(), size), dot, n * this->kEpsilon);
    EXPECT_EQ(table.largest(x.data(), size), largest);
    table.combine(T(0.5), x.data(), T(-3), y.data(), sum.data(), size);
    const std::vector<T> old(out.data(), out.data() + size);
    table.subtract(T(0.5), x.data(), T(-3), y.data(), out.data(), size);
    for (int64_t i = 0; i < size; ++i) {
      const long double right = 0.5L * x[i] - 3.0L * y[i];
      EXPECT_NEAR(sum[i], right, 4 * this->kEpsilon);
      EXPECT_NEAR(out[i], old[i] - right, 8 * this->kEpsilon);
    }
  });
}

TYPED_TEST(SymmetricTest, UpdateAndProduct) {
  using T = TypeParam;
  this->each([&](const SymmetricTable<T>& table, int64_t n) {
    const int64_t size = blocks(n), stride = size + 16;
    Aligned<T> a(std::vector<T>(size * stride)), u(padded<T>(n, 1, size)), w(padded<T>(n, 2, size)),
        v(padded<T>(n, 3, size)), y(std::vector<T>(size, T(-7)));
    const auto numbers = series<T>(n * n, 5, 1);
    const auto at = [&](int64_t i, int64_t j) { return numbers[std::max(i, j) * n + std::min(i, j)]; };
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        // What is right of the blocks on the diagonal is not read.
        a[i * stride + j] = j / kSymmetricBlock > i / kSymmetricBlock ? std::numeric_limits<T>::quiet_NaN() : at(i, j);
      }
    }
    table.product(a.data(), stride, n, u.data(), w.data(), v.data(), y.data());
    for (int64_t i = 0; i < n; ++i) {
      long double right = 0;
      for (int64_t j = 0; j < n; ++j) {
        const long double element =
            at(i, j) - static_cast<long double>(u[i]) * w[j] - static_cast<long double>(w[i]) * u[j];
        right += element * v[j];
        if (j / kSymmetricBlock <= i / kSymmetricBlock) {
          EXPECT_NEAR(a[i * stride + j], element, 8 * this->kEpsilon) << i << " " << j;
        }
      }
      EXPECT_NEAR(y[i], right, 8 * n * this->kEpsilon) << i;
    }
  });
}

TYPED_TEST(SymmetricTest, Reflections) {
  using T = TypeParam;
  this->each([&](const SymmetricTable<T>& table, int64_t n) {
    const int64_t last = (n + 1) / 2 * 2, size = blocks(n + 1), stride = size + 16;
    std::vector<T> all(size * stride + stride), factors(size + 16);
    for (int64_t i = 2; i < n; ++i) {
      long double square = 0;
      const auto v = series<T>(i, static_cast<double>(i), 1);
      for (int64_t j = 0; j < i; ++j) square += static_cast<long double>(v[j]) * v[j];
      std::copy(v.begin(), v.end(), all.begin() + i * stride);
      factors[i] = static_cast<T>(2 / square);
    }
    Aligned<T> v(all), factor(factors), between(std::vector<T>(size + 16)),
        rows(std::vector<T>(kSymmetricRows * stride));
    for (int64_t i = 2; i < last; i += 2) {
      between[i] = table.dot(v.data() + i * stride, v.data() + (i + 1) * stride, blocks(i));
    }
    std::vector<long double> right(kSymmetricRows * n);
    for (int64_t r = 0; r < kSymmetricRows; ++r) {
      for (int64_t j = 0; j < n; ++j) right[r * n + j] = rows[r * stride + j] = T(std::cos(1.3 * double(r * n + j)));
      for (int64_t i = 2; i < n; ++i) {
        long double along = 0;
        for (int64_t j = 0; j < i; ++j) along += right[r * n + j] * v[i * stride + j];
        for (int64_t j = 0; j < i; ++j) right[r * n + j] -= factor[i] * along * v[i * stride + j];
      }
    }
    table.reflect(rows.data(), v.data(), stride, factor.data(), between.data(), 2, last);
    for (int64_t r = 0; r < kSymmetricRows; ++r) {
      for (int64_t j = 0; j < n; ++j) {
        EXPECT_NEAR(rows[r * stride + j], right[r * n + j], 8 * n * this->kEpsilon) << r << " " << j;
      }
    }
  });
}

TYPED_TEST(SymmetricTest, Rotations) {
  using T = TypeParam;
  struct Window {
    int64_t first, last;
  };
  // Side by side, one in the other, at one end, apart, and of one rotation.
  const std::vector<Window> windows[] = {{{0, 39}},
                                         {{3, 4}},
                                         {{0, 39}, {0, 39}},
                                         {{0, 39}, {1, 38}},
                                         {{5, 6}, {5, 6}},
                                         {{0, 10}, {9, 30}},
                                         {{20, 39}, {0, 3}, {2, 4}},
                                         {{7, 30}, {5, 33}},
                                         {{7, 30}, {8, 9}},
                                         {{2, 5}, {1, 5}, {2, 5}, {2, 6}, {0, 39}}};
  constexpr int64_t kRows = 40;
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    for (int64_t columns : {16, 32, 48, 64, 80, 144}) {
      for (const auto& sweeps : windows) {
        const int64_t stride = columns + 32, begin = 16, end = begin + columns;
        Aligned<T> matrix(series<T>(kRows * stride, 1, 1));
        std::vector<long double> right(matrix.data(), matrix.data() + kRows * stride);
        std::vector<std::vector<T>> sines, tangents;
        std::vector<RotationSweep<T>> given;
        std::vector<T*> rows;  // in another order than that of the memory
        for (int64_t i = 0; i < kRows; ++i) rows.push_back(matrix.data() + (kRows - 1 - i) * stride);
        for (size_t s = 0; s < sweeps.size(); ++s) {
          sines.emplace_back(kRows);
          tangents.emplace_back(kRows);
          for (int64_t i = sweeps[s].last - 1; i >= sweeps[s].first; --i) {
            const double angle = 1.55 * std::sin(static_cast<double>(i * 7) + static_cast<double>(s));
            sines[s][i] = static_cast<T>(std::sin(angle));
            tangents[s][i] = static_cast<T>(std::tan(angle / 2));
            for (int64_t j = begin; j < end; ++j) {
              long double& low = right[(kRows - 1 - i) * stride + j];
              long double& high = right[(kRows - 2 - i) * stride + j];
              const long double x = low, y = high;
              low = std::cos(static_cast<long double>(angle)) * x - std::sin(static_cast<long double>(angle)) * y;
              high = std::sin(static_cast<long double>(angle)) * x + std::cos(static_cast<long double>(angle)) * y;
            }
          }
        }
        for (size_t s = 0; s < sweeps.size(); ++s) {
          given.push_back({sines[s].data(), tangents[s].data(), sweeps[s].first, sweeps[s].last});
        }
        symmetric_of(isa, T()).rotate(rows.data(), begin, end, given.data(), static_cast<int64_t>(given.size()));
        for (int64_t i = 0; i < kRows * stride; ++i) {
          ASSERT_NEAR(matrix[i], right[i], 100 * this->kEpsilon)
              << isa_name(isa) << " " << columns << " columns, sweep from " << sweeps[0].first << " to "
              << sweeps[0].last;
        }
      }
    }
  }
}

}  // namespace
}  // namespace weft
