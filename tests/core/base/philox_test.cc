// Philox against the published vectors, and what is made of its words. The expected orders and
// normals come from an independent implementation of the paper in Python.
#include "core/base/philox.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace weft {
namespace {

std::vector<uint32_t> words(PhiloxWords w) { return {w.word, w.word + 4}; }

// Random123, tests/kat_vectors.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(words(philox4x32({{0, 0, 0, 0}}, 0, 0)),
            (std::vector<uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  uint32_t ones = 0xffffffff;
  EXPECT_EQ(words(philox4x32({{ones, ones, ones, ones}}, ones, ones)),
            (std::vector<uint32_t>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(words(philox4x32({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0)),
            (std::vector<uint32_t>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, KeyStreamAndPositionMakeTheCounter) {
  Philox philox(0x299f31d0a4093822, 0x0370734413198a2e);
  EXPECT_EQ(words(philox.at(0x85a308d3243f6a88)),
            (std::vector<uint32_t>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, SequenceGivesTheWordsInOrder) {
  PhiloxSequence sequence(0, 0);
  EXPECT_EQ(sequence.next_word(), 0x6627e8d5u);
  EXPECT_EQ(sequence.next_word_pair(), 0xbc57ac4ce169c58dull);
  EXPECT_EQ(sequence.next_word(), 0x9b00dbd8u);
  EXPECT_EQ(sequence.next_word(), Philox(0, 0).at(1).word[0]);
}

TEST(Philox, UniformNumbers) {
  EXPECT_EQ(uniform_f32(0), 0.0f);
  EXPECT_EQ(uniform_f32(0xff), 0.0f);
  EXPECT_EQ(uniform_f32(0x100), 0x1p-24f);
  EXPECT_EQ(uniform_f32(0x80000000), 0.5f);
  EXPECT_EQ(uniform_f32(0xffffffff), 1.0f - 0x1p-24f);
  EXPECT_EQ(uniform_f64(0, 0x7ff), 0.0);
  EXPECT_EQ(uniform_f64(0, 0x800), 0x1p-53);
  EXPECT_EQ(uniform_f64(0x80000000, 0), 0.5);
  EXPECT_EQ(uniform_f64(0xffffffff, 0xffffffff), 1.0 - 0x1p-53);
  EXPECT_EQ(uniform_f32(Philox(1, 2).at(3).word[0]), 0.8673209547996521f);
}

TEST(Philox, NormalNumbers) {
  NormalPair pair = normal_pair(Philox(1, 2).at(3));
  EXPECT_NEAR(pair.value[0], -1.977265873615718, 1e-14);
  EXPECT_NEAR(pair.value[1], -0.36064452942873354, 1e-14);
  // The words at which the logarithm could fail.
  for (uint32_t extreme : {0u, 0xffffffffu}) {
    NormalPair at_edge = normal_pair({{extreme, extreme, extreme, extreme}});
    EXPECT_TRUE(std::isfinite(at_edge.value[0]) && std::isfinite(at_edge.value[1]));
  }
}

TEST(Philox, NormalNumbersHaveTheRightMoments) {
  constexpr int kPairs = 200'000;
  double sum = 0, squares = 0, fourth = 0, product = 0;
  for (int i = 0; i < kPairs; ++i) {
    NormalPair pair = normal_pair(Philox(7, 0).at(i));
    for (double x : pair.value) {
      sum += x;
      squares += x * x;
      fourth += x * x * x * x;
    }
    product += pair.value[0] * pair.value[1];
  }
  constexpr double kCount = 2 * kPairs;
  EXPECT_NEAR(sum / kCount, 0, 0.01);
  EXPECT_NEAR(squares / kCount, 1, 0.015);
  EXPECT_NEAR(fourth / kCount, 3, 0.1);
  EXPECT_NEAR(product / kPairs, 0, 0.015);
}

// The reference values of the FNV authors.
TEST(HashName, IsFnv1a) {
  EXPECT_EQ(hash_name(""), 0xcbf29ce484222325u);
  EXPECT_EQ(hash_name("a"), 0xaf63dc4c8601ec8cu);
  EXPECT_EQ(hash_name("foobar"), 0x85944171f73967e8u);
}

TEST(NextBelow, StaysBelowAndIsFair) {
  PhiloxSequence sequence(3, 4);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(sequence.next_below(1), 0u);
  // Three quarters of 2^64: without rejection multiples of three would come up twice as often as
  // the others.
  uint64_t bound = uint64_t{3} << 62;
  int counts[3] = {};
  for (int i = 0; i < 30'000; ++i) {
    uint64_t value = sequence.next_below(bound);
    ASSERT_LT(value, bound);
    ++counts[value % 3];
  }
  for (int count : counts) EXPECT_NEAR(count, 10'000, 400);
}

std::vector<int64_t> shuffled(int64_t count, uint64_t seed, uint64_t epoch) {
  std::vector<int64_t> out(count);
  std::iota(out.begin(), out.end(), 0);
  shuffle(out.data(), count, seed, epoch);
  return out;
}

TEST(Shuffle, GivesTheSameOrderForEver) {
  EXPECT_EQ(shuffled(10, 42, 0), (std::vector<int64_t>{7, 5, 3, 8, 0, 9, 2, 4, 6, 1}));
  EXPECT_EQ(shuffled(10, 42, 1), (std::vector<int64_t>{2, 9, 0, 1, 8, 7, 4, 5, 6, 3}));
  EXPECT_EQ(shuffled(10, 43, 0), (std::vector<int64_t>{6, 9, 1, 7, 3, 8, 2, 4, 0, 5}));
  EXPECT_EQ(shuffled(1, 42, 0), (std::vector<int64_t>{0}));
  EXPECT_EQ(shuffled(0, 42, 0), (std::vector<int64_t>{}));
}

TEST(Shuffle, MakesEveryOrderEquallyLikely) {
  int counts[6] = {};
  for (uint64_t epoch = 0; epoch < 12'000; ++epoch) {
    auto order = shuffled(3, 1, epoch);
    ASSERT_TRUE(std::is_permutation(order.begin(), order.end(), std::vector<int64_t>{0, 1, 2}.begin()));
    ++counts[order[0] * 2 + (order[1] > order[2])];
  }
  for (int count : counts) EXPECT_NEAR(count, 2000, 200);
}

}  // namespace
}  // namespace weft
