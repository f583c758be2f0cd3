// Windows of pools, for every instruction set of this machine, against one element at a time.
#include "core/simd/pool.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace weft {
namespace {

const PoolTable<float>& pool_table(Isa isa, float) { return pool_table_f32(isa); }
const PoolTable<double>& pool_table(Isa isa, double) { return pool_table_f64(isa); }

// Few numbers, so that maxima meet, and now and then none.
template <typename T>
std::vector<T> few_numbers(int64_t count, uint32_t seed) {
  std::vector<T> out;
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    const int32_t n = static_cast<int32_t>(seed >> 16) % 23;
    out.push_back(n == 22 ? std::numeric_limits<T>::quiet_NaN() : static_cast<T>(n % 5 - 2));
  }
  return out;
}

template <typename T>
bool same(T a, T b) {
  return a == b || (a != a && b != b);
}

template <typename T>
class PoolTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(PoolTest, Types);

TYPED_TEST(PoolTest, MaximaAndTheirGradients) {
  using T = TypeParam;
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const PoolTable<T>& pool = pool_table(isa, T());
    for (int64_t channels = 1; channels <= 3 * pool.vector; ++channels) {
      for (const bool reaches : {false, true}) {
        for (int64_t stride : {1, 2, 3}) {
          SCOPED_TRACE(std::string(isa_name(isa)) + ", channels " + std::to_string(channels));
          const int64_t windows = 4, width = windows * stride + 2, spare = reaches ? pool.vector : 0;
          PoolWindows<T> p{};
          p.windows = windows;
          p.step = stride * channels;
          p.y_step = p.column_step = channels;
          p.rows = 2;
          p.columns = 3;
          p.row_step = width * channels;
          p.channels = channels;
          p.reaches = reaches;
          const std::vector<T> x = few_numbers<T>(2 * width * channels + spare, 1);
          const std::vector<T> dy = few_numbers<T>(windows * channels + spare, 2);
          std::vector<T> y(static_cast<size_t>(windows * channels + spare)), dx(x.size(), T(3)), wanted = dx;
          p.x = x.data();
          pool.max(p, y.data());
          pool.max_grad(p, y.data(), dy.data(), dx.data());
          for (int64_t i = 0; i < windows * channels; ++i) {
            size_t best = 0;
            for (int64_t pixel = 0; pixel < 6; ++pixel) {
              const size_t at = static_cast<size_t>(i / channels * p.step + pixel / 3 * p.row_step +
                                                    pixel % 3 * channels + i % channels);
              if (pixel == 0 || x[at] > x[best] || (x[at] != x[at] && x[best] == x[best])) best = at;
            }
            ASSERT_TRUE(same(y[static_cast<size_t>(i)], x[best])) << i;
            wanted[best] += dy[static_cast<size_t>(i)];
          }
          for (size_t i = 0; i < dx.size(); ++i) ASSERT_TRUE(same(dx[i], wanted[i])) << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace weft
