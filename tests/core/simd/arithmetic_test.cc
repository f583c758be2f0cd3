// Arithmetic on vectors, against the same on numbers.
#include "core/simd/arithmetic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tests/core/simd/series.h"

namespace weft {
namespace {

const ArithmeticTable<float>& arithmetic_table(Isa isa, float) { return arithmetic_f32(isa); }
const ArithmeticTable<double>& arithmetic_table(Isa isa, double) { return arithmetic_f64(isa); }

template <typename T>
struct Arithmetic {
  typename ArithmeticTable<T>::Forms ArithmeticTable<T>::*forms;
  T (*right)(T a, T b);
};
template <typename T>
std::vector<Arithmetic<T>> all_arithmetic() {
  using Table = ArithmeticTable<T>;
  return {{&Table::add, [](T a, T b) { return a + b; }},
          {&Table::sub, [](T a, T b) { return a - b; }},
          {&Table::mul, [](T a, T b) { return a * b; }},
          {&Table::div, [](T a, T b) { return a / b; }}};
}

template <typename T>
class ArithmeticTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(ArithmeticTest, Types);

TYPED_TEST(ArithmeticTest, IsThatOfNumbers) {
  using T = TypeParam;
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    for (const Arithmetic<T>& operation : all_arithmetic<T>()) {
      const auto& forms = arithmetic_table(isa, T()).*operation.forms;
      for (int64_t n = 1; n <= 70; ++n) {
        std::vector<T> a = series<T>(n + 1, 0.4), b = series<T>(n + 1, 2);
        a[static_cast<size_t>(n) / 2] = std::numeric_limits<T>::infinity();
        b[static_cast<size_t>(n) / 3] = T(0);
        for (auto fn : {forms.both, forms.a_alone, forms.b_alone}) {
          for (int place = 0; place < 3; ++place) {
            std::vector<T> x = a, z = b, apart(static_cast<size_t>(n) + 1, T(-7));
            std::vector<T>& y = place == 0 ? apart : place == 1 ? x : z;
            const T behind = y[static_cast<size_t>(n)];
            fn(x.data(), z.data(), y.data(), n);
            for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
              const T right = operation.right(fn == forms.b_alone ? a[0] : a[i], fn == forms.a_alone ? b[0] : b[i]);
              ASSERT_TRUE(std::memcmp(&y[i], &right, sizeof(T)) == 0 || (y[i] != y[i] && right != right))
                  << y[i] << " for " << right << " at " << i << " of " << n << " with " << isa_name(isa);
            }
            ASSERT_EQ(y[static_cast<size_t>(n)], behind) << n;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace weft
