// Element types: ONNX's numbers, sizes, names, and half-precision conversion against the compiler's
// own.
#include "core/tensor/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace weft {
namespace {

// onnx.TensorProto.DataType and the bits of each.
TEST(DType, HasOnnxNumbersAndSizes) {
  struct Row {
    const char* name;
    int number, bits;
  };
  for (Row row :
       {Row{"f32", 1, 32}, {"u8", 2, 8},        {"i8", 3, 8},          {"u16", 4, 16},    {"i16", 5, 16},
        {"i32", 6, 32},    {"i64", 7, 64},      {"string", 8, 0},      {"bool", 9, 8},    {"f16", 10, 16},
        {"f64", 11, 64},   {"u32", 12, 32},     {"u64", 13, 64},       {"c64", 14, 64},   {"c128", 15, 128},
        {"bf16", 16, 16},  {"f8e4m3fn", 17, 8}, {"f8e4m3fnuz", 18, 8}, {"f8e5m2", 19, 8}, {"f8e5m2fnuz", 20, 8},
        {"u4", 21, 4},     {"i4", 22, 4},       {"f4e2m1", 23, 4},     {"f8e8m0", 24, 8}, {"u2", 25, 2},
        {"i2", 26, 2}}) {
    auto dtype = parse_dtype(row.name);
    ASSERT_TRUE(dtype.ok()) << row.name;
    EXPECT_EQ(static_cast<int>(*dtype), row.number) << row.name;
    EXPECT_EQ(dtype_bits(*dtype), row.bits) << row.name;
    EXPECT_STREQ(dtype_name(*dtype), row.name);
    EXPECT_EQ(*checked_dtype(row.number), *dtype);
  }
}

TEST(DType, RefusesOthers) {
  for (int32_t number : {0, -1, 27, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()}) {
    EXPECT_FALSE(checked_dtype(number).ok()) << number;
  }
  EXPECT_EQ(checked_dtype(0).status().message(), "dtype 0 is not one of 1 (f32) to 26 (i2)");
  for (const char* name : {"", "none", "F32", "float", "f32 "}) EXPECT_FALSE(parse_dtype(name).ok()) << name;
  EXPECT_EQ(parse_dtype("float").status().message().substr(0, 42), "unknown dtype 'float'; known are f32, u8, ");
}

TEST(DType, PackedTypesFillTheLastByte) {
  EXPECT_EQ(dtype_bytes(DType::kI4, 0), 0);
  EXPECT_EQ(dtype_bytes(DType::kI4, 1), 1);
  EXPECT_EQ(dtype_bytes(DType::kI4, 2), 1);
  EXPECT_EQ(dtype_bytes(DType::kU2, 5), 2);
  EXPECT_EQ(dtype_bytes(DType::kF32, 5), 20);
  EXPECT_EQ(dtype_bytes(DType::kC128, int64_t{1} << 55), int64_t{1} << 59);
  EXPECT_EQ(dtype_bytes(DType::kString, 5), 0);
}

TEST(DType, Kinds) {
  EXPECT_TRUE(is_float(DType::kBF16) && is_float(DType::kF4E2M1) && !is_float(DType::kI4) && !is_float(DType::kC64));
  EXPECT_TRUE(is_integer(DType::kU2) && !is_integer(DType::kBool) && !is_integer(DType::kF32));
  EXPECT_TRUE(is_complex(DType::kC64) && is_complex(DType::kC128) && !is_complex(DType::kF64));
  EXPECT_EQ(dtype_set_text(set_of(DType::kF64, DType::kF32)), "f32, f64");
  EXPECT_EQ(dtype_set_text(0), "");
  EXPECT_FALSE(contains(kAllTypes, DType::kNone));
  EXPECT_TRUE(contains(kAllTypes, DType::kI2));
  EXPECT_EQ(dtype_of<std::complex<double>>(), DType::kC128);
}

float from_bits(uint32_t bits) {
  float out;
  std::memcpy(&out, &bits, 4);
  return out;
}
uint32_t to_bits(float value) {
  uint32_t out;
  std::memcpy(&out, &value, 4);
  return out;
}

TEST(Half, Literals) {
  EXPECT_EQ(float_to_f16(1.0f), 0x3c00);
  EXPECT_EQ(float_to_f16(-2.0f), 0xc000);
  EXPECT_EQ(float_to_f16(65504.0f), 0x7bff);
  EXPECT_EQ(float_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(float_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_f16(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(float_to_f16(0x1p-24f), 0x0001);
  EXPECT_EQ(float_to_f16(0x1p-25f), 0x0000);         // half way, to even
  EXPECT_EQ(float_to_f16(0x1.000002p-25f), 0x0001);  // a little more
  EXPECT_EQ(float_to_f16(0x1.8p-24f), 0x0002);       // half way, to even
  EXPECT_EQ(float_to_f16(0x1.ffbp-15f), 0x03ff);
  EXPECT_EQ(float_to_f16(0x1.ffcp-15f), 0x0400);  // half way, up to the least normal number
  EXPECT_EQ(float_to_f16(-0.0f), 0x8000);
  EXPECT_EQ(float_to_f16(1.0f + 0x1p-11f), 0x3c00);
  EXPECT_EQ(float_to_f16(1.0f + 0x3p-11f), 0x3c02);
  EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(from_bits(0x7f800001)))));  // payload in the low bits alone
  EXPECT_EQ(f16_to_float(0x0001), 0x1p-24f);
  EXPECT_EQ(f16_to_float(0x83ff), -0x1.ff8p-15f);
}

#if defined(__FLT16_MAX__)
TEST(Half, AgreesWithTheCompiler) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    auto half = static_cast<uint16_t>(bits);
    _Float16 theirs;
    std::memcpy(&theirs, &half, 2);
    float ours = f16_to_float(half);
    if (std::isnan(ours)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(theirs)));
      EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(ours))));
    } else {
      ASSERT_EQ(to_bits(ours), to_bits(static_cast<float>(theirs))) << bits;
      ASSERT_EQ(float_to_f16(ours), half);
    }
  }
  // Every exponent, mantissas around each half-way point.
  for (uint32_t wide = 0; wide < 0xff000000u; wide += 0x7ff) {
    float value = from_bits(wide);
    if (std::isnan(value)) continue;
    _Float16 theirs = static_cast<_Float16>(value);
    uint16_t expected;
    std::memcpy(&expected, &theirs, 2);
    ASSERT_EQ(float_to_f16(value), expected) << std::hexfloat << value;
  }
}
#endif

TEST(Bfloat, RoundsToNearestEven) {
  EXPECT_EQ(float_to_bf16(1.0f), 0x3f80);
  EXPECT_EQ(float_to_bf16(from_bits(0x3f808000)), 0x3f80);  // half way, to even
  EXPECT_EQ(float_to_bf16(from_bits(0x3f808001)), 0x3f81);
  EXPECT_EQ(float_to_bf16(from_bits(0x3f818000)), 0x3f82);  // half way, to even
  EXPECT_EQ(float_to_bf16(from_bits(0x7f7fffff)), 0x7f80);  // to infinity
  EXPECT_EQ(float_to_bf16(from_bits(0xff800000)), 0xff80);
  EXPECT_EQ(float_to_bf16(from_bits(0x00000001)), 0x0000);
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(from_bits(0x7f800001)))));
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(from_bits(0xffffffff)))));
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    float value = bf16_to_float(static_cast<uint16_t>(bits));
    EXPECT_EQ(to_bits(value), bits << 16);
    if (!std::isnan(value)) {
      ASSERT_EQ(float_to_bf16(value), bits);
    }
  }
}

}  // namespace
}  // namespace weft
