// Eigenvalues and eigenvectors of symmetric matrices: closed forms, numbers that mpmath found with 40 digits, and how far
// A V is from V L and V^T V from 1, in every size around those of vectors.
#include "core/kernels/cpu/symmetric_common.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <vector>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

using Element = std::function<double(int64_t i, int64_t j)>;  // for i >= j

template <typename T>
struct Found {
  int64_t n;
  std::vector<T> a, values, vectors;
};

// The upper triangle is no number, as nothing may read it.
template <typename T>
Found<T> eigen_of(int64_t n, const Element& element, int threads = 1) {
  Found<T> out{n, std::vector<T>(n * n, std::numeric_limits<T>::quiet_NaN()), std::vector<T>(n), std::vector<T>(n * n)};
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) out.a[i * n + j] = static_cast<T>(element(i, j));
  }
  std::vector<char> memory(linalg::symmetric_scratch<T>(n) + 64, 'x');
  char* scratch = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64);
  Parallel parallel;
  parallel.max_threads = threads;
  EXPECT_TRUE(linalg::symmetric_eigen(out.a.data(), n, out.values.data(), out.vectors.data(), scratch, parallel));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = i + 1; j < n; ++j) out.a[i * n + j] = out.a[j * n + i];
  }
  return out;
}

// Residuals in n epsilons, of the largest value where they have its size. LAPACK's (syev, syevd) are 0.01 to
// 0.9 for such matrices, and ours.
template <typename T>
void expect_eigen(const Found<T>& f) {
  const int64_t n = f.n;
  const long double epsilon = std::numeric_limits<T>::epsilon();
  long double largest = 0;
  for (T value : f.values) largest = std::max<long double>(largest, std::fabs(value));
  for (int64_t j = 0; j < n; ++j) {
    EXPECT_LE(f.values[std::max<int64_t>(j - 1, 0)], f.values[j]);
    T most = 0;
    for (int64_t i = 0; i < n; ++i) most = std::max(most, std::fabs(f.vectors[i * n + j]));
    int64_t first = 0;
    while (std::fabs(f.vectors[first * n + j]) < most * T(1 - 1e-6)) ++first;
    EXPECT_GT(f.vectors[first * n + j], 0) << "the sign of vector " << j;
  }
  // A few columns of large matrices, as sums in long double take long.
  const int64_t step = n > 80 ? 13 : 1;
  for (int64_t j = 0; j < n; j += step) {
    for (int64_t i = 0; i < n; ++i) {
      long double row = 0, both = 0;
      for (int64_t k = 0; k < n; ++k) {
        row += static_cast<long double>(f.a[i * n + k]) * f.vectors[k * n + j];
        both += static_cast<long double>(f.vectors[k * n + i]) * f.vectors[k * n + j];
      }
      const long double wanted = static_cast<long double>(f.values[j]) * f.vectors[i * n + j];
      ASSERT_NEAR((row - wanted) / std::max(largest, static_cast<long double>(std::numeric_limits<T>::min())), 0,
                  (0.2L * n + 4) * epsilon)
          << n << ": element " << i << " of vector " << j;
      ASSERT_NEAR(both, i == j ? 1 : 0, (0.2L * n + 4) * epsilon) << n << ": vectors " << i << " and " << j;
    }
  }
}

template <typename T>
void expect_values(const Found<T>& f, const std::vector<double>& right, double epsilons) {
  const double size = std::max(std::fabs(right.front()), std::fabs(right.back()));
  for (int64_t i = 0; i < f.n; ++i) {
    EXPECT_NEAR(f.values[i], right[i], epsilons * size * std::numeric_limits<T>::epsilon()) << f.n << ": value " << i;
  }
}

// Between -1 and 1.
double noise(int64_t i, int64_t j) {
  uint32_t x = static_cast<uint32_t>(i * 7919 + j * 104729 + 12345);
  for (int k = 0; k < 4; ++k) x = (x ^ (x >> 15)) * 2246822519u;
  return x / 2147483648.0 - 1;
}

double second_difference(int64_t i, int64_t j) { return i == j ? 2 : i == j + 1 ? -1 : 0; }
std::vector<double> second_difference_values(int64_t n) {
  std::vector<double> out;
  for (int64_t i = 1; i <= n; ++i) out.push_back(2 - 2 * std::cos(std::numbers::pi * i / (n + 1)));
  return out;
}

template <typename T>
class SymmetricEigen : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(SymmetricEigen, Types);

TYPED_TEST(SymmetricEigen, OfAnySize) {
  for (int64_t n = 1; n <= 68; ++n) expect_eigen(eigen_of<TypeParam>(n, noise));
  for (int64_t n : {127, 128, 129, 255, 256, 257}) expect_eigen(eigen_of<TypeParam>(n, noise));
}

TYPED_TEST(SymmetricEigen, OfSecondDifferences) {
  for (int64_t n : {1, 2, 3, 4, 7, 16, 17, 100, 256}) {
    const auto f = eigen_of<TypeParam>(n, second_difference);
    expect_eigen(f);
    expect_values(f, second_difference_values(n), 12);
    for (int64_t j = 0; n > 2 && j < n; ++j) {
      // sin(i j pi / (n + 1)) of length 1.
      for (int64_t i = 0; i < n; ++i) {
        const double wave = std::sqrt(2.0 / (n + 1)) * std::sin(std::numbers::pi * (i + 1) * (j + 1) / (n + 1));
        // Values that lie close together turn the vectors into each other.
        ASSERT_NEAR(std::fabs(f.vectors[i * n + j]), std::fabs(wave),
                    10 * n * n * std::numeric_limits<TypeParam>::epsilon());
      }
    }
  }
}

TYPED_TEST(SymmetricEigen, OfWilkinsonsMatrix) {
  const auto f = eigen_of<TypeParam>(21, [](int64_t i, int64_t j) { return i == j ? std::abs(i - 10) : i == j + 1; });
  expect_eigen(f);
  expect_values(f,
                {-1.1254415221199842, 0.25380581709667817, 0.94753436752929328, 1.7893213526950814, 2.1302092193625059,
                 2.9610588841857267,  3.0430992925788237,  3.9960482013836250,  4.0043540234408567, 4.9997824777429019,
                 5.0002444250019130,  6.0002175222570981,  6.0002340315841670,  7.0039517986163750, 7.0039522095286757,
                 8.0389411158142733,  8.0389411228290232,  9.2106786473049186,  9.2106786473613321, 10.746194182903322,
                 10.746194182903393},
                4);
}

TYPED_TEST(SymmetricEigen, OfHilbertsMatrix) {
  const auto f = eigen_of<TypeParam>(6, [](int64_t i, int64_t j) { return 1 / static_cast<double>(i + j + 1); });
  expect_eigen(f);
  expect_values(f,
                {1.0827994845655498e-7, 1.2570757122625195e-5, 6.1574835418265770e-4, 1.6321521319875822e-2,
                 0.24236087057520955, 1.6188998589243391},
                4);
}

TYPED_TEST(SymmetricEigen, OfGradedMatrices) {
  for (bool upwards : {false, true}) {
    const auto f = eigen_of<TypeParam>(4, [&](int64_t i, int64_t j) {
      return (i == j ? 2 : 1) * std::pow(10, -4 * static_cast<double>(upwards ? 6 - i - j : i + j));
    });
    const std::vector<double> right = {1.2499999992187500e-24, 1.3333333326851852e-16, 1.4999999979166667e-8,
                                       2.0000000050000001};
    expect_eigen(f);
    expect_values(f, right, 12);
    for (int64_t i = 0; upwards && i < 4; ++i) {  // begun at the large end, which keeps the small numbers
      EXPECT_NEAR(f.values[i] / right[i], 1, 2000 * std::numeric_limits<TypeParam>::epsilon()) << i;
    }
  }
}

// The second block is turned round while sweeps of the first wait.
TYPED_TEST(SymmetricEigen, OfBlocksInBothDirections) {
  for (int64_t n : {10, 70, 140}) {
    const auto f = eigen_of<TypeParam>(2 * n, [&](int64_t i, int64_t j) {
      if (i >= n && j < n) return 0.0;
      return i == j && i >= n ? 100 - static_cast<double>(i - n) / 2 : second_difference(i, j);
    });
    expect_eigen(f);
  }
}

TYPED_TEST(SymmetricEigen, IsExactForDiagonalMatrices) {
  using T = TypeParam;
  for (int64_t n : {1, 2, 3, 16, 33}) {
    for (double scale : {0.0, 1.0}) {
      const auto f = eigen_of<T>(n, [&](int64_t i, int64_t j) { return i == j ? scale : 0; });
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_EQ(f.values[i], T(scale));
        for (int64_t j = 0; j < n; ++j) EXPECT_EQ(f.vectors[i * n + j], T(i == j));
      }
    }
    const auto f = eigen_of<T>(n, [&](int64_t i, int64_t j) { return i == j ? (i * 7 + 3) % n - 0.1 : 0; });
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const bool here = n % 7 == 0 || (i * 7 + 3) % n == j;
        EXPECT_EQ(f.vectors[i * n + j], T(here)) << n << " " << i << " " << j;
      }
      EXPECT_EQ(f.values[i], static_cast<T>(static_cast<double>(i) - 0.1));
    }
  }
}

TYPED_TEST(SymmetricEigen, OfEqualValues) {
  using T = TypeParam;
  constexpr double kRoot = 0.70710678118654752;
  // All ones: n once, and 0.
  for (int64_t n : {2, 5, 40, 100}) {
    const auto f = eigen_of<T>(n, [](int64_t, int64_t) { return 1; });
    expect_eigen(f);
    std::vector<double> right(n);
    right.back() = static_cast<double>(n);
    expect_values(f, right, 12);
  }
  // Pairs: -1 and 1 each half of the times.
  const auto pairs = eigen_of<T>(40, [](int64_t i, int64_t j) { return i == j + 1 && i % 2 == 1; });
  expect_eigen(pairs);
  std::vector<double> right(20, -1);
  right.resize(40, 1);
  expect_values(pairs, right, 12);
  // Far from the diagonal.
  const auto corner = eigen_of<T>(33, [](int64_t i, int64_t j) { return i == 32 && j == 0; });
  expect_eigen(corner);
  EXPECT_NEAR(corner.vectors[0 * 33 + 32], kRoot, 2 * std::numeric_limits<T>::epsilon());
  EXPECT_NEAR(corner.vectors[32 * 33 + 32], kRoot, 2 * std::numeric_limits<T>::epsilon());
  // I - 2 v v^T with v of equal elements: -1 once, and 1.
  const auto mirror = eigen_of<T>(50, [](int64_t i, int64_t j) { return (i == j) - 0.04; });
  expect_eigen(mirror);
  right.assign(50, 1);
  right.front() = -1;
  expect_values(mirror, right, 12);
}

TYPED_TEST(SymmetricEigen, OfLargeAndSmallNumbers) {
  using T = TypeParam;
  using Limits = std::numeric_limits<T>;
  for (int64_t n : {2, 17, 64}) {
    const auto plain = eigen_of<T>(n, noise);
    for (int exponent : {Limits::min_exponent + 30, -90, -60, 60, 90, Limits::max_exponent - 10}) {
      const T scale = std::ldexp(T{1}, exponent);
      const auto f = eigen_of<T>(n, [&](int64_t i, int64_t j) { return static_cast<double>(T(noise(i, j)) * scale); });
      expect_eigen(f);
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_NEAR(f.values[i] / scale, plain.values[i], 4 * Limits::epsilon() * n) << exponent;
      }
    }
  }
  for (double scale : {1e30, 1e-30}) {
    const auto f = eigen_of<T>(20, [&](int64_t i, int64_t j) { return scale * second_difference(i, j); });
    std::vector<double> right = second_difference_values(20);
    for (double& value : right) value *= scale;
    expect_eigen(f);
    expect_values(f, right, 12);
  }
  const auto tiny = eigen_of<T>(3, [](int64_t i, int64_t j) { return (i == j) * double(Limits::denorm_min()); });
  for (T value : tiny.values) EXPECT_EQ(value, Limits::denorm_min());
}

TYPED_TEST(SymmetricEigen, BitsDoNotDependOnThreads) {
  for (int64_t n : {100, 257, 400}) {
    const auto one = eigen_of<TypeParam>(n, noise, 1), two = eigen_of<TypeParam>(n, noise, 2);
    EXPECT_EQ(one.values, two.values);
    EXPECT_EQ(one.vectors, two.vectors);
  }
}

// Through the operators.
std::vector<Tensor> run(const char* op, int outputs, const Tensor& a, int threads, Status* status) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  ValueId fed = *graph->add_input("a", ValueType::tensor(a.dtype(), to_dims(a.shape())));
  std::vector<ValueId> fetched;
  for (const Expr& made : make_all(scope, op, {Expr(scope, fed)}, {}, outputs)) fetched.push_back(made.id());
  SessionOptions options;
  options.threads = threads;
  std::shared_ptr<Session> session = *Session::make(graph, options);
  std::vector<Tensor> out;
  *status = session->run({{fed}, fetched, {}}, {a}, {}, &out);
  return out;
}

Tensor batch_of(int64_t count, int64_t n) {
  Tensor a = *Tensor::make(DType::kF32, {count, n, n});
  for (int64_t b = 0; b < count; ++b) {
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        a.as<float>()[(b * n + i) * n + j] = static_cast<float>(noise(std::max(i, j) + 1000 * b, std::min(i, j)));
      }
    }
  }
  return a;
}

TEST(SymmetricOperators, BatchesHaveTheBitsOfTheirMatrices) {
  constexpr int64_t kCount = 37, kSize = 40;
  const Tensor a = batch_of(kCount, kSize);
  Status status;
  for (int threads : {1, 2}) {
    const std::vector<Tensor> all = run("weft.Eigh", 2, a, threads, &status);
    ASSERT_TRUE(status.ok()) << status.text();
    for (int64_t b = 0; b < kCount; ++b) {
      const float* elements = a.as<float>() + b * kSize * kSize;
      const auto one = eigen_of<float>(kSize, [&](int64_t i, int64_t j) { return elements[i * kSize + j]; });
      EXPECT_TRUE(std::equal(one.values.begin(), one.values.end(), all[0].as<float>() + b * kSize)) << b;
      EXPECT_TRUE(std::equal(one.vectors.begin(), one.vectors.end(), all[1].as<float>() + b * kSize * kSize)) << b;
    }
  }
}

TEST(SymmetricOperators, EigOfASymmetricMatrixIsThatOfEigh) {
  Tensor a = batch_of(3, 50);
  Status status;
  const std::vector<Tensor> right = run("weft.Eigh", 2, a, 2, &status), got = run("weft.Eig", 4, a, 2, &status);
  ASSERT_TRUE(status.ok()) << status.text();
  for (int64_t i = 0; i < right[0].count(); ++i) {
    EXPECT_EQ(got[0].as<float>()[i], right[0].as<float>()[i]);
    EXPECT_EQ(got[1].as<float>()[i], 0.0f);
  }
  for (int64_t i = 0; i < right[1].count(); ++i) {
    EXPECT_EQ(got[2].as<float>()[i], right[1].as<float>()[i]);
    EXPECT_EQ(got[3].as<float>()[i], 0.0f);
  }
  // One element apart, wherever it is, another way is taken: the lower triangle alone does not tell.
  for (int64_t row : {0, 15, 16, 33, 48}) {
    Tensor other = batch_of(1, 50);
    other.as<float>()[row * 50 + 49] += 100;
    const std::vector<Tensor> apart = run("weft.Eig", 4, other, 1, &status);
    ASSERT_TRUE(status.ok()) << status.text();
    float trace = 0, sum = 0, most = 0;
    for (int64_t i = 0; i < 50; ++i) {
      trace += other.as<float>()[i * 51];
      sum += apart[0].as<float>()[i];
      most = std::max(most, std::fabs(apart[0].as<float>()[i] - right[0].as<float>()[i]));
    }
    EXPECT_NEAR(sum, trace, 1e-3);
    EXPECT_GT(most, 1e-3) << row;
  }
}

}  // namespace
}  // namespace weft
