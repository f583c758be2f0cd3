// How products are divided: every part of the result is in one block.
#include "core/simd/gemm_blocks.h"

#include <gtest/gtest.h>

#include <vector>

namespace weft {
namespace {

TEST(GemmBlocks, EveryTileIsInOneBlock) {
  constexpr int64_t kTileRows = 14, kPanel = 32;
  for (int64_t m : {1, 2, 13, 14, 15, 28, 29, 49, 56, 57, 128, 196, 785}) {
    for (int64_t n : {1, 32, 33, 64, 160, 320, 960, 4000}) {
      for (int threads : {1, 2, 3, 8, 64}) {
        for (int64_t at_once : {1, 2, 4}) {
          for (bool hands_on : {false, true}) {
            for (int64_t bytes : {1 << 10, 1 << 24}) {
              const GemmBlocks blocks = divide({m, n, kTileRows, kPanel, at_once, bytes, hands_on, threads});
              std::vector<int> seen(static_cast<size_t>(m * blocks.panels));
              for (int64_t i = 0; i < blocks.count(); ++i) {
                const GemmBlocks::Block b = blocks.block(i);
                ASSERT_GT(b.rows, 0);
                ASSERT_LE(b.rows, kTileRows * kGemmTilesOfBlock);
                ASSERT_LT(b.from, b.to);
                ASSERT_LE(b.to, b.past);
                ASSERT_LE(b.past, blocks.panels);
                for (int64_t row = b.row; row < b.row + b.rows; ++row) {
                  for (int64_t panel = b.from; panel < b.to; ++panel)
                    ++seen[static_cast<size_t>(row * blocks.panels + panel)];
                }
              }
              for (int count : seen) ASSERT_EQ(count, 1) << m << " x " << n << ", " << threads << " threads";
            }
          }
        }
      }
    }
  }
}

TEST(GemmBlocks, AFewRowsThatAreHandedOnHaveWorkForAllThreads) {
  EXPECT_EQ(divide({49, 160, 14, 32, 1, 614400, true, 1}).count(), 1);
  EXPECT_EQ(divide({49, 160, 14, 32, 1, 614400, true, 2}).count(), 2);
  EXPECT_EQ(divide({49, 160, 14, 32, 1, 614400, true, 64}).count(), 4);
}

// A number of rows that no product may be made of.
TEST(GemmBlocks, VeryManyRows) {
  const int64_t m = int64_t{1} << 40;
  const GemmBlocks blocks = divide({m, 1, 4, 8, 1, 4, false, 2});
  const GemmBlocks::Block last = blocks.block(blocks.count() - 1);
  EXPECT_EQ(last.row + last.rows, m);
  EXPECT_GT(last.rows, 0);
}

}  // namespace
}  // namespace weft
