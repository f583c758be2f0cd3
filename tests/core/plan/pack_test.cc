// Places in one block of memory for values with lifetimes.
#include <gtest/gtest.h>

#include "core/plan/plan.h"

namespace weft {
namespace {

TEST(PackLifetimes, ValuesThatNeverMeetShareAPlace) {
  Packing packing = pack_lifetimes({{100, 0, 1}, {100, 2, 3}, {100, 4, 5}});
  EXPECT_EQ(packing.offsets, (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(packing.total_bytes, 128);
}

TEST(PackLifetimes, ValuesOfOneStepDoNot) {
  // The first dies in the step in which the second is made.
  Packing packing = pack_lifetimes({{64, 0, 1}, {64, 1, 2}});
  EXPECT_NE(packing.offsets[0], packing.offsets[1]);
  EXPECT_EQ(packing.total_bytes, 128);
}

TEST(PackLifetimes, PlacesAreAlignedTo64) {
  Packing packing = pack_lifetimes({{1, 0, 9}, {65, 0, 9}, {3, 0, 9}});
  for (int64_t offset : packing.offsets) EXPECT_EQ(offset % 64, 0);
  EXPECT_EQ(packing.total_bytes, 256);
}

TEST(PackLifetimes, ASmallOneFillsAGap) {
  // The large ones meet; the small one fits where the first was once that has died.
  Packing packing = pack_lifetimes({{256, 0, 2}, {192, 1, 5}, {128, 3, 5}});
  EXPECT_EQ(packing.total_bytes, 448);
  EXPECT_EQ(packing.offsets[2], 0);
}

TEST(PackLifetimes, NothingTakesNoPlace) {
  EXPECT_EQ(pack_lifetimes({{0, 0, 3}}).total_bytes, 0);
  EXPECT_EQ(pack_lifetimes({}).total_bytes, 0);
}

}  // namespace
}  // namespace weft
