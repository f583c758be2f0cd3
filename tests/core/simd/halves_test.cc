// Numbers of 16 bits as f32 and back, against the conversions of single numbers.
#include "core/simd/halves.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

namespace weft {
namespace {

// All numbers of a half, by their definition.
double value_of(Half half, uint32_t bits) {
  const int digits = half == Half::kBf16 ? 7 : 10, bias = half == Half::kBf16 ? 127 : 15;
  const int exponent = static_cast<int>(bits >> digits & (half == Half::kBf16 ? 255u : 31u));
  const int mantissa = static_cast<int>(bits & ((1u << digits) - 1));
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == 2 * bias + 1) return mantissa != 0 ? std::nan("") : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - digits);
  return sign * std::ldexp(mantissa + (1 << digits), exponent - bias - digits);
}

TEST(Halves, EveryNumberIsWidened) {
  std::vector<uint16_t> all(65536 + 3);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    for (Half half : {Half::kBf16, Half::kF16}) {
      std::vector<float> wide(all.size());
      halves_of(half, isa).widen(all.data(), static_cast<int64_t>(all.size()), wide.data());
      for (size_t i = 0; i < all.size(); ++i) {
        const double wanted = value_of(half, all[i]);
        if (std::isnan(wanted)) {
          ASSERT_TRUE(std::isnan(wide[i])) << isa_name(isa) << " " << i;
          continue;
        }
        ASSERT_EQ(static_cast<double>(wide[i]), wanted) << isa_name(isa) << " " << i;
        ASSERT_EQ(std::signbit(wide[i]), std::signbit(wanted)) << isa_name(isa) << " " << i;
      }
    }
  }
}

// Each number between two neighbours becomes the nearer one, and from half way the even one.
TEST(Halves, ToTheNearestTiesToEven) {
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    for (Half half : {Half::kBf16, Half::kF16}) {
      const uint32_t greatest = half == Half::kBf16 ? 0x7f7f : 0x7bff;
      std::vector<float> from;
      std::vector<uint32_t> wanted;
      for (uint32_t code = 0; code <= greatest; ++code) {
        const double low = value_of(half, code);
        // What would come behind the greatest.
        const double high = code < greatest ? value_of(half, code + 1) : low + (low - value_of(half, code - 1));
        const float middle = static_cast<float>((low + high) / 2);
        for (uint32_t sign : {0u, 0x8000u}) {
          const auto add = [&](float x, uint32_t to) {
            from.push_back(sign != 0 ? -x : x);
            wanted.push_back(to | sign);
          };
          add(static_cast<float>(low), code);
          if (static_cast<double>(middle) != (low + high) / 2) continue;
          add(middle, code + code % 2);
          add(std::nextafterf(middle, 0), code);
          add(std::nextafterf(middle, INFINITY), code + 1);
        }
      }
      std::vector<uint16_t> narrow(from.size());
      halves_of(half, isa).narrow(from.data(), static_cast<int64_t>(from.size()), narrow.data());
      for (size_t i = 0; i < from.size(); ++i) ASSERT_EQ(narrow[i], wanted[i]) << isa_name(isa) << " " << from[i];
      for (uint32_t bits : {0x7f800000u, 0xff800000u, 0x7f7fffffu, 0x7f800001u, 0xffc00000u, 0x7fffffffu}) {
        const float x = std::bit_cast<float>(bits);
        uint16_t found;
        halves_of(half, isa).narrow(&x, 1, &found);
        const double value = value_of(half, found);
        EXPECT_EQ(std::isnan(value), std::isnan(x)) << isa_name(isa) << " " << bits;
        EXPECT_TRUE(std::isnan(x) || value == (x < 0 ? -INFINITY : INFINITY)) << isa_name(isa) << " " << bits;
      }
    }
  }
}

}  // namespace
}  // namespace weft
