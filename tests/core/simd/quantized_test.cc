// Bytes that stand for numbers, for every instruction set: literal values, and single numbers computed step by step.
#include "core/simd/quantized.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace weft {
namespace {

// What fills vectors, and what is left over.
const int64_t kLengths[] = {0, 1, 3, 15, 16, 17, 64, 100};

template <typename Fn>
void for_isas(Fn&& fn) {
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    SCOPED_TRACE(isa_name(isa));
    fn(quantized_table(isa));
  }
}

std::vector<uint8_t> some_bytes(int64_t n, uint32_t seed) {
  std::vector<uint8_t> out;
  for (int64_t i = 0; i < n; ++i) {
    seed = seed * 1664525u + 1013904223u;
    out.push_back(static_cast<uint8_t>(seed >> 20));
  }
  return out;
}

float number_of(uint8_t q, const ByteCode& code) {
  const int whole = (code.is_signed ? static_cast<int8_t>(q) : q) - code.zero;
  return static_cast<float>(whole) * code.scale;
}
uint8_t byte_of(float x, const ByteResult& y) {
  const float steps = x / y.code.scale;
  if (std::isnan(steps)) return static_cast<uint8_t>(y.least);
  const float low = static_cast<float>(y.least - y.code.zero), high = static_cast<float>(y.most - y.code.zero);
  return static_cast<uint8_t>(static_cast<int>(std::nearbyint(std::clamp(steps, low, high))) + y.code.zero);
}

TEST(QuantizedNumbers, BytesAsNumbers) {
  const std::vector<uint8_t> bytes = {0, 1, 127, 128, 129, 255, 5};
  for_isas([&](const QuantizedTable& table) {
    std::vector<float> plain(bytes.size(), 1000), with_sign(bytes.size(), 1000);
    table.dequantize(bytes.data(), 7, {false, 0.5f, 128}, plain.data());
    table.dequantize(bytes.data(), 7, {true, 0.25f, -3}, with_sign.data());
    EXPECT_EQ(plain, (std::vector<float>{-64, -63.5f, -0.5f, 0, 0.5f, 63.5f, -61.5f}));
    EXPECT_EQ(with_sign, (std::vector<float>{0.75f, 1, 32.5f, -31.25f, -31, 0.5f, 2}));
    table.add(bytes.data(), 7, {false, 0.5f, 128}, with_sign.data());
    EXPECT_EQ(with_sign, (std::vector<float>{-63.25f, -62.5f, 32, -31.25f, -30.5f, 64, -59.5f}));
  });
}

TEST(QuantizedNumbers, NumbersAsBytes) {
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> numbers = {0,      -0.0f, 1,     3,    -1,  -3,   5,     1e30f,
                                      -1e30f, kInf,  -kInf, kNaN, 300, -300, 0.99f, 250};
  const std::vector<uint8_t> plain = {10, 10, 10, 12, 10, 8, 12, 255, 0, 255, 0, 0, 160, 0, 10, 135};
  const std::vector<uint8_t> narrow = {10, 10, 10, 12, 10, 9, 12, 20, 9, 20, 9, 9, 20, 9, 10, 20};
  for_isas([&](const QuantizedTable& table) {
    for (int64_t n : {int64_t{16}, int64_t{5}, int64_t{11}}) {
      std::vector<uint8_t> to(17, 77);
      // In steps of 2: 0.5 and -0.5 become 0, 1.5 and 2.5 become 2, -1.5 becomes -2.
      table.quantize(numbers.data(), n, 1, {{false, 2.0f, 10}, 0, 255}, to.data());
      for (int64_t i = 0; i < 17; ++i) EXPECT_EQ(to[i], i < n ? plain[i] : 77) << i;
      table.quantize(numbers.data(), n, 1, {{false, 2.0f, 10}, 9, 20}, to.data());
      for (int64_t i = 0; i < n; ++i) EXPECT_EQ(to[i], narrow[i]) << i;
    }
    std::vector<uint8_t> to(16);
    table.quantize(numbers.data(), 16, 4, {{true, 0.5f, -128}, -128, 127}, to.data());
    // A quarter of them in steps of a half, from -128 on: 300 / 4 is 150 steps.
    const std::vector<int> wanted = {-128, -128, -128, -126, -128, -128, -126, 127,
                                     -128, 127,  -128, -128, 22,   -128, -128, -3};
    for (size_t i = 0; i < 16; ++i) EXPECT_EQ(static_cast<int8_t>(to[i]), wanted[i]) << i;
  });
}

TEST(QuantizedNumbers, SumsAndProductsAreThoseOfTheSteps) {
  for (int kind = 0; kind < 16; ++kind) {
    BytePair pair;
    pair.a = {(kind & 1) != 0, 0.0217f, kind & 1 ? -17 : 131};
    pair.b = {(kind & 2) != 0, 0.0391f, kind & 2 ? 127 : 0};
    pair.b_is_float = kind & 8;
    pair.y = {{(kind & 4) != 0, 0.0473f, kind & 4 ? -128 : 100}, kind & 4 ? -128 : 30, kind & 4 ? 100 : 255};
    for (int64_t n : kLengths) {
      const std::vector<uint8_t> a = some_bytes(n, 1), bytes = some_bytes(n, 2);
      std::vector<float> numbers;
      for (uint8_t q : bytes) numbers.push_back(number_of(q, pair.b));
      const void* b = pair.b_is_float ? static_cast<const void*>(numbers.data()) : bytes.data();
      for_isas([&](const QuantizedTable& table) {
        std::vector<uint8_t> sum(a.size() + 1, 0xa5), product = sum;
        table.sum(pair, a.data(), b, n, sum.data());
        table.product(pair, a.data(), b, n, product.data());
        for (size_t i = 0; i < a.size(); ++i) {
          const float x = number_of(a[i], pair.a), z = numbers[i];
          ASSERT_EQ(sum[i], byte_of(x + z, pair.y)) << i;
          ASSERT_EQ(product[i], byte_of(x * z, pair.y)) << i;
        }
        ASSERT_EQ(sum.back(), 0xa5);
        ASSERT_EQ(product.back(), 0xa5);
        std::vector<uint8_t> in_place = a;
        table.sum(pair, in_place.data(), b, n, in_place.data());
        ASSERT_TRUE(std::equal(in_place.begin(), in_place.end(), sum.begin()));
      });
    }
  }
}

// In steps of 4, halves to the even number: 2 is half of one, 6 is one and a half, 10 two and a half.
TEST(QuantizedNumbers, ScaledSums) {
  const std::vector<int32_t> from = {4, -12, 20, 1000000, -1000000, 0, 16777217};
  const std::vector<float> scales = {0.5f, 0.5f, 0.25f, 1, 1, 1, 0.0000019073486328125f};
  const std::vector<float> addends = {0, 0, 5, 0, 0, -6, 70};
  for_isas([&](const QuantizedTable& table) {
    std::vector<uint8_t> to(7);
    // 2, -6, 10, ..., -6 and 32 + 70, in steps.
    table.quantize_sums({from.data(), scales.data(), addends.data(), 1, 1}, 7, {{true, 4.0f, 3}, -128, 127}, to.data());
    const std::vector<int> wanted = {3, 1, 5, 127, -128, 1, 29};
    for (size_t i = 0; i < 7; ++i) EXPECT_EQ(static_cast<int8_t>(to[i]), wanted[i]) << i;
    table.quantize_sums({from.data(), scales.data(), addends.data() + 2, 0, 0}, 3, {{true, 4.0f, 3}, -128, 127},
                        to.data());
    // 7, -1 and 15, in steps.
    EXPECT_EQ(static_cast<int8_t>(to[0]), 5);
    EXPECT_EQ(static_cast<int8_t>(to[1]), 3);
    EXPECT_EQ(static_cast<int8_t>(to[2]), 7);
    for (int64_t n : kLengths) {
      std::vector<int32_t> sums;
      std::vector<float> by, more;
      for (int64_t i = 0; i < n; ++i) {
        sums.push_back(static_cast<int32_t>((i * 7919) % 4001 - 2000));
        by.push_back(0.0013f * static_cast<float>(i % 13 + 1));
        more.push_back(0.07f * static_cast<float>(i % 11 - 5));
      }
      std::vector<uint8_t> out(static_cast<size_t>(n) + 1, 0xa5);
      const ByteResult y{{false, 0.061f, 117}, 0, 255};
      table.quantize_sums({sums.data(), by.data(), more.data(), 1, 1}, n, y, out.data());
      for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
        const float scaled = static_cast<float>(sums[i]) * by[i];
        ASSERT_EQ(out[i], byte_of(scaled + more[i], y)) << i;
      }
      ASSERT_EQ(out.back(), 0xa5);
    }
  });
}

}  // namespace
}  // namespace weft
