// Chains of operations on vectors, against the same on numbers one by one.
#include "core/simd/chain.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tests/core/simd/series.h"

namespace weft {
namespace {

const ChainTable<float>& chain_table(Isa isa, float) { return chain_f32(isa); }
const ChainTable<double>& chain_table(Isa isa, double) { return chain_f64(isa); }

template <typename T>
T one(ChainOp op, T a, T b) {
  switch (op) {
    case ChainOp::kAdd: return a + b;
    case ChainOp::kSub: return a - b;
    case ChainOp::kMul: return a * b;
    case ChainOp::kDiv: return a / b;
    case ChainOp::kSubFrom: return b - a;
    case ChainOp::kDivInto: return b / a;
    case ChainOp::kRelu: return a < 0 ? T(0) : a;
    case ChainOp::kNeg: return -a;
    case ChainOp::kAbs: return std::fabs(a);
    case ChainOp::kSqrt: return std::sqrt(a);
    case ChainOp::kNone: break;
  }
  return a;
}

template <typename T>
bool same(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0 || (a != a && b != b);
}

template <typename T>
class ChainTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(ChainTest, Types);

constexpr ChainOp kOps[] = {ChainOp::kMul, ChainOp::kAdd,     ChainOp::kRelu, ChainOp::kSubFrom, ChainOp::kSqrt,
                            ChainOp::kDiv, ChainOp::kDivInto, ChainOp::kAbs,  ChainOp::kNeg,     ChainOp::kSub};

// Every operation alone and all behind each other; all lengths around whole vectors; operands that are numbers, arrays, and
// the place of the result.
TYPED_TEST(ChainTest, GivesWhatItsOperationsGive) {
  using T = TypeParam;
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    for (size_t first = 0; first <= std::size(kOps); ++first) {
      const std::vector<ChainOp> ops = first < std::size(kOps) ? std::vector<ChainOp>{kOps[first]}
                                                               : std::vector<ChainOp>(std::begin(kOps), std::end(kOps));
      for (int64_t n : {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 63, 64, 65, 127, 128, 129, 145, 300}) {
        for (int way = 0; way < 12; ++way) {
          const bool number = way & 1, past_cache = way & 2;
          const auto size = static_cast<size_t>(n);
          std::vector<T> x = series<T>(size + 1, 0.4), b = series<T>(size + 1, 2), apart(size + 1, T(-7));
          x[size / 2] = std::numeric_limits<T>::infinity();
          x[size / 3] = -T(0);
          b[size / 4] = T(0);
          b[0] = T(1.75);
          const std::vector<T> a = x, other = b;
          std::vector<T>& y = way / 4 == 0 ? apart : way / 4 == 1 || number ? x : b;
          const T behind = y[size];
          std::vector<ChainStep<T>> steps;
          for (ChainOp op : ops) steps.push_back({op, number, takes_two(op) ? b.data() : nullptr});
          chain_table(isa, T()).run(x.data(), steps.data(), static_cast<int64_t>(steps.size()), y.data(), n,
                                    past_cache);
          for (size_t i = 0; i < size; ++i) {
            T right = a[i];
            for (ChainOp op : ops) right = one(op, right, number ? other[0] : other[i]);
            ASSERT_TRUE(same(y[i], right)) << y[i] << " for " << right << " at " << i << " of " << n << ", way " << way
                                           << ", operations from " << first << ", " << isa_name(isa);
          }
          ASSERT_TRUE(same(y[size], behind)) << n;
        }
      }
    }
  }
}

TYPED_TEST(ChainTest, ReluKeepsNaNAndTheSignOfZero) {
  using T = TypeParam;
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const T x[3] = {std::numeric_limits<T>::quiet_NaN(), -T(0), T(-2)};
    T y[3];
    const ChainStep<T> relu{ChainOp::kRelu, false, nullptr};
    chain_table(isa, T()).run(x, &relu, 1, y, 3, false);
    EXPECT_TRUE(std::isnan(y[0]));
    EXPECT_TRUE(same(y[1], -T(0)));
    EXPECT_TRUE(same(y[2], T(0)));
  }
}

}  // namespace
}  // namespace weft
