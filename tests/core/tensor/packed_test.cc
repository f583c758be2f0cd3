// Elements that share bytes, copied one by one and whole bytes at a time.
#include "core/tensor/packed.h"

#include <gtest/gtest.h>

#include <array>

namespace weft {
namespace {

TEST(Packed, TheFirstLiesInTheLowestBits) {
  const uint8_t bytes[] = {0x21, 0xd3};
  for (int i = 0; i < 4; ++i) EXPECT_EQ(load_packed(bytes, i, 4), (std::array{1, 2, 3, 13})[static_cast<size_t>(i)]);
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(load_packed(bytes, i, 2), (std::array{1, 0, 2, 0, 3, 0, 1, 3})[static_cast<size_t>(i)]);
  }
}

TEST(Packed, CopiesLeaveWhatLiesBeside) {
  const uint8_t from[] = {0x21, 0x43, 0x65};
  uint8_t to[] = {0xff, 0xff, 0xff};
  copy_packed(to, 1, from, 2, 3, 4);  // 3 4 5 behind the first
  EXPECT_EQ(to[0], 0x3f);
  EXPECT_EQ(to[1], 0x54);
  EXPECT_EQ(to[2], 0xff);
  copy_packed(to, 0, from, 2, 3, 4);
  EXPECT_EQ(to[0], 0x43);
  EXPECT_EQ(to[1], 0x55);
  copy_packed(to, 0, from, 0, 0, 4);
  EXPECT_EQ(to[0], 0x43);
}

TEST(Packed, CopiesOfTwoBits) {
  const uint8_t from[] = {0xe4, 0xe4};  // 0 1 2 3 0 1 2 3
  uint8_t to[] = {0, 0};
  copy_packed(to, 3, from, 1, 5, 2);  // 1 2 3 0 1
  EXPECT_EQ(to[0], 0x40);
  EXPECT_EQ(to[1], 0x4e);
}

}  // namespace
}  // namespace weft
