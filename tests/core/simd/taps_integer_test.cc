// Sums over taps of 8-bit numbers on every instruction set, against plain loops.
#include "core/simd/taps_integer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace weft {
namespace {

struct ByteTaps {
  int64_t rows, columns, taps;
  bool a_signed;
  std::vector<uint8_t> a{};
  std::vector<int32_t> b{}, init{};
  std::vector<float> scales{};
  std::vector<ByteTap> pointers{};
  uint32_t state = 1;

  // Often the extremes, whose products are the largest.
  uint8_t next() {
    state = state * 1664525u + 1013904223u;
    const uint8_t extremes[] = {0, 127, 128, 255};
    return state >> 30 == 0 ? extremes[state >> 20 & 3] : static_cast<uint8_t>(state >> 16);
  }
  void fill() {
    // Each tap begins a byte further on, so that none is aligned; one of them stays where it is.
    const int64_t row = columns + 3, size = (rows + 1) * row + taps;
    for (int64_t i = 0; i < size; ++i) a.push_back(next());
    for (int64_t i = 0; i < taps * (columns + 1); ++i)
      b.push_back(static_cast<int32_t>(next()) - (next() & 1 ? 255 : 0));
    for (int64_t i = 0; i < columns; ++i) {
      init.push_back(static_cast<int32_t>(next()) * 10000 - 1000000);
      scales.push_back(1e-4f * static_cast<float>(i % 7 + 1));
    }
    for (int64_t t = 0; t < taps; ++t) pointers.push_back({a.data() + t, t == 1 ? 0 : row});
  }
  ByteLaneTile tile() const {
    ByteLaneTile t{};
    t.rows = rows;
    t.columns = columns;
    t.taps = taps;
    t.a_signed = a_signed;
    t.a = pointers.data();
    t.b = b.data();
    t.b_row = columns + 1;
    t.init = init.data();
    t.c_row = columns + 5;
    return t;
  }
  int32_t sum(int64_t r, int64_t j) const {
    int64_t sum = init[static_cast<size_t>(j)];
    for (int64_t t = 0; t < taps; ++t) {
      const uint8_t x = pointers[static_cast<size_t>(t)].a[r * pointers[static_cast<size_t>(t)].a_row + j];
      sum += int64_t{a_signed ? static_cast<int8_t>(x) : x} * b[static_cast<size_t>(t * (columns + 1) + j)];
    }
    return static_cast<int32_t>(sum);
  }
};

TEST(ByteTaps, AreThoseOfPlainLoops) {
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    SCOPED_TRACE(isa_name(isa));
    const ByteTapTable& table = byte_tap_table(isa);
    for (int64_t rows : {1, 2, 4, 8}) {
      for (int64_t columns :
           {table.least_columns, table.least_columns + 1, 5 * table.least_columns + 3, int64_t{144}}) {
        for (int64_t taps : {1, 9, 25}) {
          ByteTaps taps_of{rows, columns, taps, (rows + columns + taps) % 2 == 0};
          taps_of.fill();
          ByteLaneTile t = taps_of.tile();
          std::vector<int32_t> sums(static_cast<size_t>(rows * t.c_row), 77);
          t.c = sums.data();
          table.run_lanes(t);
          t.scales = taps_of.scales.data();
          std::vector<uint8_t> plain(sums.size(), 77), with_sign(sums.size(), 77);
          t.zero = 131;
          t.c = plain.data();
          table.run_lanes(t);
          t.zero = -7;
          t.c = with_sign.data();
          t.c_signed = true;
          table.run_lanes(t);
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t j = 0; j < t.c_row; ++j) {
              const size_t at = static_cast<size_t>(r * t.c_row + j);
              if (j >= columns) {
                ASSERT_EQ(sums[at], 77);
                ASSERT_EQ(plain[at], 77);
                ASSERT_EQ(with_sign[at], 77);
                continue;
              }
              const int32_t sum = taps_of.sum(r, j);
              ASSERT_EQ(sums[at], sum) << r << " " << j;
              const float scaled = static_cast<float>(sum) * taps_of.scales[static_cast<size_t>(j)];
              const int low = static_cast<int>(std::nearbyint(std::clamp(scaled, -131.0f, 124.0f))) + 131;
              ASSERT_EQ(plain[at], low) << r << " " << j;
              const int high = static_cast<int>(std::nearbyint(std::clamp(scaled, -121.0f, 134.0f))) - 7;
              ASSERT_EQ(static_cast<int8_t>(with_sign[at]), high) << r << " " << j;
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace weft
