// Where rows have an element beyond a limit, for every instruction set of this machine.
#include "core/simd/select.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace weft {
namespace {

const SelectTable<float>& select_table(Isa isa, float) { return select_f32(isa); }
const SelectTable<double>& select_table(Isa isa, double) { return select_f64(isa); }

template <typename T>
class SelectTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(SelectTest, Types);

// In rows of every length, at every place, beside others behind it: what is equal to the limit is not beyond it, NaN is.
TYPED_TEST(SelectTest, TheFirstBeyond) {
  using T = TypeParam;
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const SelectTable<T>& table = select_table(isa, T());
    for (int64_t n = 0; n <= 70; ++n) {
      std::vector<T> x(static_cast<size_t>(n), T(2));
      EXPECT_EQ(table.above(x.data(), n, T(2)), n);
      EXPECT_EQ(table.below(x.data(), n, T(2)), n);
      for (int64_t at = n - 1; at >= 0; --at) {
        SCOPED_TRACE(std::string(isa_name(isa)) + ", " + std::to_string(at) + " of " + std::to_string(n));
        T& element = x[static_cast<size_t>(at)];
        element = std::numeric_limits<T>::quiet_NaN();
        EXPECT_EQ(table.above(x.data(), n, T(2)), at);
        EXPECT_EQ(table.below(x.data(), n, T(2)), at);
        element = T(3);
        EXPECT_EQ(table.above(x.data(), n, T(2)), at);
        EXPECT_EQ(table.below(x.data(), n, T(2)), n);
        element = T(1);
        EXPECT_EQ(table.above(x.data(), n, T(2)), at + 1 < n ? at + 1 : n);
        EXPECT_EQ(table.below(x.data(), n, T(2)), at);
        element = T(3);
      }
    }
  }
}

}  // namespace
}  // namespace weft
