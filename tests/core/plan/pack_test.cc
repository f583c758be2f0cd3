// Places in one block of memory for values with lifetimes.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/plan/plan.h"

namespace weft {
namespace {

TEST(PackLifetimes, ValuesThatNeverMeetShareAPlace) {
  Packing packing = *pack_lifetimes({{100, 0, 1}, {100, 2, 3}, {100, 4, 5}});
  EXPECT_EQ(packing.offsets, (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(packing.total_bytes, 128);
}

TEST(PackLifetimes, ValuesOfOneStepDoNot) {
  // The first dies in the step in which the second is made.
  Packing packing = *pack_lifetimes({{64, 0, 1}, {64, 1, 2}});
  EXPECT_NE(packing.offsets[0], packing.offsets[1]);
  EXPECT_EQ(packing.total_bytes, 128);
}

TEST(PackLifetimes, PlacesAreAlignedTo64) {
  Packing packing = *pack_lifetimes({{1, 0, 9}, {65, 0, 9}, {3, 0, 9}});
  for (int64_t offset : packing.offsets) EXPECT_EQ(offset % 64, 0);
  EXPECT_EQ(packing.total_bytes, 256);
}

TEST(PackLifetimes, ASmallOneFillsAGap) {
  // The large ones meet; the small one fits where the first was once that has died.
  Packing packing = *pack_lifetimes({{256, 0, 2}, {192, 1, 5}, {128, 3, 5}});
  EXPECT_EQ(packing.total_bytes, 448);
  EXPECT_EQ(packing.offsets[2], 0);
}

TEST(PackLifetimes, NothingTakesNoPlace) {
  EXPECT_EQ(pack_lifetimes({{0, 0, 3}})->total_bytes, 0);
  EXPECT_EQ(pack_lifetimes({})->total_bytes, 0);
}

// Too many for the slower way: chains of values of mixed sizes, some of which live on.
TEST(PackLifetimes, ManyValuesNeverOverlapAndStayNearTheLeastPossible) {
  std::vector<Lifetime> lifetimes;
  uint32_t seed = 1;
  constexpr int32_t kSteps = 6000;
  for (int32_t i = 0; i < kSteps; ++i) {
    seed = seed * 1664525u + 1013904223u;
    int64_t bytes = 64 * (1 + (seed >> 20) % 16);
    int32_t end = (seed >> 8) % 8 == 0 ? std::min(kSteps, i + 200) : i + 1;
    lifetimes.push_back({bytes, i, end});
  }
  Packing packing = *pack_lifetimes(lifetimes);
  int64_t most = 0;
  for (int32_t step = 0; step <= kSteps; ++step) {
    std::vector<std::pair<int64_t, int64_t>> alive;
    int64_t bytes = 0;
    for (int32_t i = std::max(0, step - 200); i < kSteps && i <= step; ++i) {
      if (lifetimes[i].end < step) continue;
      alive.emplace_back(packing.offsets[i], packing.offsets[i] + lifetimes[i].bytes);
      bytes += lifetimes[i].bytes;
    }
    most = std::max(most, bytes);
    std::sort(alive.begin(), alive.end());
    for (size_t k = 1; k < alive.size(); ++k) ASSERT_LE(alive[k - 1].second, alive[k].first) << "step " << step;
    if (!alive.empty()) {
      ASSERT_LE(alive.back().second, packing.total_bytes);
    }
  }
  EXPECT_LE(packing.total_bytes, most * 5 / 4);
}

TEST(PackLifetimes, GapsAreJoined) {
  // Thousands of small values, then one as large as all of them.
  std::vector<Lifetime> lifetimes(5000, Lifetime{64, 0, 1});
  lifetimes.push_back({5000 * 64, 2, 3});
  EXPECT_EQ(pack_lifetimes(lifetimes)->total_bytes, 5000 * 64);
}

// Step 0; then steps 1 and 2 beside steps 3 and 4; then step 5.
const std::vector<Beside> kTwoBranches{{0, 0, 0}, {1, 1, 4}, {1, 1, 4}, {1, 3, 4}, {1, 3, 4}, {5, 5, 5}};

TEST(PackLifetimes, ValuesOfBranchesSideBySideShareNoPlace) {
  // What each branch makes and reads within itself.
  EXPECT_EQ(pack_lifetimes({{64, 1, 1, 1}, {64, 3, 3, 3}}, kTwoBranches)->total_bytes, 128);
  EXPECT_EQ(pack_lifetimes({{64, 1, 1, 1}, {64, 4, 5, 5}}, kTwoBranches)->total_bytes, 128);
  // One after another in one branch, before the group and behind it.
  EXPECT_EQ(pack_lifetimes({{64, 1, 1, 1}, {64, 2, 2, 2}}, kTwoBranches)->total_bytes, 64);
  EXPECT_EQ(pack_lifetimes({{64, 0, 0, 0}, {64, 3, 3, 3}, {64, 5, 5, 5}}, kTwoBranches)->total_bytes, 64);
}

TEST(PackLifetimes, WhatSeveralBranchesReadLivesUntilAllHaveEnded) {
  // Read in steps 1 and 3; step 4 comes behind them in its own branch alone.
  EXPECT_EQ(pack_lifetimes({{64, 0, 3, 1}, {64, 4, 4, 4}}, kTwoBranches)->total_bytes, 128);
  // Read in step 3 alone.
  EXPECT_EQ(pack_lifetimes({{64, 0, 3, 3}, {64, 4, 4, 4}}, kTwoBranches)->total_bytes, 64);
}

TEST(PackLifetimes, ManyValuesOfBranchesShareNoPlaceEither) {
  // Too many for the slower way: as many that live in one step alone of two branches.
  std::vector<Lifetime> lifetimes(4000, Lifetime{64, 1, 1, 1});
  lifetimes.insert(lifetimes.end(), 4000, Lifetime{64, 3, 3, 3});
  Packing packing = *pack_lifetimes(lifetimes, kTwoBranches);
  std::sort(packing.offsets.begin(), packing.offsets.end());
  EXPECT_EQ(std::unique(packing.offsets.begin(), packing.offsets.end()), packing.offsets.end());
}

// A, B, C and D meet at first; B and D live on, and E, F and G take what A and C leave.
const std::vector<Lifetime> kGaps{{256, 0, 1}, {64, 0, 9}, {128, 0, 1}, {64, 0, 9},
                                  {128, 2, 9}, {64, 2, 9}, {192, 2, 9}};

TEST(PackLifetimes, TheLowestGapIsTaken) {
  // By size A, G, C, E, B, D, F: G lies under A, E behind it, and F fits in between E and B.
  Packing packing = *pack_lifetimes(kGaps);
  EXPECT_EQ(packing.offsets, (std::vector<int64_t>{0, 384, 256, 448, 192, 320, 0}));
  EXPECT_EQ(packing.total_bytes, 512);
}

TEST(PackLifetimes, WithManyValuesTheSmallestGapIsTaken) {
  std::vector<Lifetime> lifetimes = kGaps;
  lifetimes.resize(5000, {0, 0, 1});  // those of no bytes make it many and take nothing
  Packing packing = *pack_lifetimes(lifetimes);
  packing.offsets.resize(kGaps.size());
  EXPECT_EQ(packing.offsets, (std::vector<int64_t>{0, 256, 320, 448, 320, 0, 64}));
  EXPECT_EQ(packing.total_bytes, 512);
}

TEST(PackLifetimes, MoreThanMemoryCanBeIsAnError) {
  for (size_t count : {3, 5000}) {
    Status status = pack_lifetimes(std::vector<Lifetime>(count, {kMostBytes, 0, 1})).status();
    EXPECT_EQ(status.code(), Code::kResourceExhausted) << count;
    EXPECT_EQ(status.message(), "the values of this run need more than 140737488355328 bytes");
  }
}

}  // namespace
}  // namespace weft
