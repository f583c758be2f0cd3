// Integers as f32 and back, for every instruction set, against single numbers.
#include "core/simd/casts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace weft {
namespace {

// What fills vectors, and what is left over.
const int64_t kCounts[] = {0, 1, 3, 15, 16, 17, 64, 100};

TEST(Casts, EveryByteAsAFloat) {
  std::vector<uint8_t> all(256 + 3);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint8_t>(i);
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    std::vector<float> plain(all.size()), with_sign(all.size());
    cast_table(isa).from_u8(all.data(), static_cast<int64_t>(all.size()), plain.data());
    cast_table(isa).from_i8(reinterpret_cast<const int8_t*>(all.data()), static_cast<int64_t>(all.size()),
                            with_sign.data());
    for (size_t i = 0; i < all.size(); ++i) {
      ASSERT_EQ(plain[i], static_cast<float>(i % 256)) << isa_name(isa);
      ASSERT_EQ(with_sign[i], static_cast<float>(static_cast<int>((i + 128) % 256) - 128)) << isa_name(isa);
    }
  }
}

TEST(Casts, IntegersAreRoundedToTheEven) {
  const std::vector<int32_t> from = {0,         1,          -1,         16777216,   16777217,        16777219,
                                     -16777217, 2147483647, 2147483520, 2147483583, -2147483647 - 1, 33554434};
  const std::vector<float> wanted = {
      0,        1,          -1, 0x1p24f, 0x1p24f, 16777220.0f, -16777216.0f, 0x1p31f, 2147483520.0f, 2147483520.0f,
      -0x1p31f, 33554434.0f};
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    std::vector<float> to(from.size());
    cast_table(isa).from_i32(from.data(), static_cast<int64_t>(from.size()), to.data());
    EXPECT_EQ(to, wanted) << isa_name(isa);
  }
}

TEST(Casts, FloatsAsBytes) {
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();
  struct Row {
    float x;
    int plain, with_sign;
  };
  const Row rows[] = {{0, 0, 0},          {-0.0f, 0, 0},
                      {0.99f, 0, 0},      {1.5f, 1, 1},
                      {-0.99f, 0, 0},     {-1, 0, -1},
                      {-1.5f, 0, -1},     {126.9f, 126, 126},
                      {127, 127, 127},    {127.5f, 127, 127},
                      {128, 128, 127},    {-128, 0, -128},
                      {-128.9f, 0, -128}, {-129, 0, -128},
                      {254.9f, 254, 127}, {255, 255, 127},
                      {255.9f, 255, 127}, {256, 255, 127},
                      {3e9f, 255, 127},   {-3e9f, 0, -128},
                      {kInf, 255, 127},   {-kInf, 0, -128},
                      {kNaN, 0, -128},    {-kNaN, 0, -128},
                      {1e-40f, 0, 0},     {2147483648.0f, 255, 127}};
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    for (int64_t n : kCounts) {
      std::vector<float> from;
      for (int64_t i = 0; i < n; ++i) from.push_back(rows[static_cast<size_t>(i) % std::size(rows)].x);
      std::vector<uint8_t> plain(static_cast<size_t>(n) + 1, 0xa5);
      std::vector<int8_t> with_sign(static_cast<size_t>(n) + 1, 0x5a);
      cast_table(isa).to_u8(from.data(), n, plain.data());
      cast_table(isa).to_i8(from.data(), n, with_sign.data());
      for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
        const Row& row = rows[i % std::size(rows)];
        ASSERT_EQ(plain[i], row.plain) << isa_name(isa) << " " << row.x;
        ASSERT_EQ(with_sign[i], row.with_sign) << isa_name(isa) << " " << row.x;
      }
      ASSERT_EQ(plain.back(), 0xa5);
      ASSERT_EQ(with_sign.back(), 0x5a);
    }
  }
}

}  // namespace
}  // namespace weft
