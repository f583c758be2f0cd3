// Winograd's transforms on every instruction set of this machine, against the sums that they stand for.
#include "core/simd/winograd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace weft {
namespace {

// Values in [-1, 1).
float noise(uint32_t& seed) {
  seed = seed * 1664525u + 1013904223u;
  return static_cast<float>(seed >> 8) / 8388608.0f - 1.0f;
}

// One tile and one filter for each channel: the parts are multiplied one by one.
TEST(Winograd, OneTile) {
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    SCOPED_TRACE(isa_name(isa));
    const WinogradTable& table = winograd_table(isa);
    const int64_t channels = 3 * table.channels;
    for (int way = 0; way < 4; ++way) {
      uint32_t seed = 5;
      std::vector<float> image(36 * channels), weight(9 * channels), bias(channels), parts(36 * (channels + 5), NAN);
      for (auto* values : {&image, &weight, &bias}) {
        for (float& value : *values) value = noise(seed);
      }
      const float* pixels[36];
      for (int64_t i = 0; i < 36; ++i) pixels[i] = image.data() + i * channels;
      table.input(pixels, channels, parts.data(), channels + 5);
      // The last three are given turned, so that vectors are filled in part, too.
      const int64_t straight = channels - 3;
      std::vector<float> turned(weight.rbegin(), weight.rbegin() + 3 * 9), filters(36 * (channels + 2), NAN);
      table.filters(weight.data(), 9, false, straight, filters.data(), channels + 2);
      for (int64_t c = 0; c < 3; ++c) {
        table.filters(turned.data() + (2 - c) * 9, 9, true, 1, filters.data() + straight + c, channels + 2);
      }
      for (int64_t i = 0; i < 36; ++i) {
        for (int64_t c = 0; c < channels; ++c) parts[i * (channels + 5) + c] *= filters[i * (channels + 2) + c];
        for (int64_t c = channels; c < channels + 2; ++c) EXPECT_TRUE(std::isnan(filters[i * (channels + 2) + c]));
      }
      for (int64_t i = 0; i < 36; ++i) {
        for (int64_t c = channels; c < channels + 5; ++c) EXPECT_TRUE(std::isnan(parts[i * (channels + 5) + c]));
      }
      std::vector<float> out(16 * channels);
      float* places[16];
      for (int64_t i = 0; i < 16; ++i) places[i] = out.data() + i * channels;
      table.output(parts.data(), channels + 5, channels, way & 1 ? bias.data() : nullptr,
                   way & 2 ? Limits<float>{-0.5f, 0.75f} : Limits<float>(), places);
      for (int64_t i = 0; i < 16; ++i) {
        for (int64_t c = 0; c < channels; ++c) {
          double sum = way & 1 ? bias[c] : 0;
          for (int64_t k = 0; k < 9; ++k) {
            sum += static_cast<double>(image[((i / 4 + k / 3) * 6 + i % 4 + k % 3) * channels + c]) * weight[c * 9 + k];
          }
          if (way & 2) sum = std::clamp(sum, -0.5, 0.75);
          ASSERT_NEAR(out[i * channels + c], sum, 1e-5) << "pixel " << i << ", channel " << c;
        }
      }
    }
  }
}

TEST(Winograd, LimitsKeepNotANumber) {
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const WinogradTable& table = winograd_table(isa);
    std::vector<float> parts(36 * table.channels, std::numeric_limits<float>::quiet_NaN()), out(table.channels);
    float* places[16];
    for (float*& place : places) place = out.data();
    table.output(parts.data(), table.channels, table.channels, nullptr, {0, 6}, places);
    EXPECT_TRUE(std::isnan(out[0])) << isa_name(isa);
  }
}

}  // namespace
}  // namespace weft
