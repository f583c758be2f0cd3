// Element types, with ONNX's numbers.
#include "core/tensor/dtype.h"

#include <cstring>

namespace weft {

namespace {

struct Row {
  const char* name;
  int bits;
};
constexpr Row kRows[kDTypeCount] = {
    {"none", 0}, {"f32", 32},   {"u8", 8},     {"i8", 8},       {"u16", 16},       {"i16", 16},   {"i32", 32},
    {"i64", 64}, {"string", 0}, {"bool", 8},   {"f16", 16},     {"f64", 64},       {"u32", 32},   {"u64", 64},
    {"c64", 64}, {"c128", 128}, {"bf16", 16},  {"f8e4m3fn", 8}, {"f8e4m3fnuz", 8}, {"f8e5m2", 8}, {"f8e5m2fnuz", 8},
    {"u4", 4},   {"i4", 4},     {"f4e2m1", 4}, {"f8e8m0", 8},   {"u2", 2},         {"i2", 2},
};

constexpr DTypeSet kFloats = kFloatTypes | set_of(DType::kF8E4M3FN, DType::kF8E4M3FNUZ, DType::kF8E5M2,
                                                  DType::kF8E5M2FNUZ, DType::kF4E2M1, DType::kF8E8M0);
constexpr DTypeSet kIntegers = set_of(DType::kU8, DType::kI8, DType::kU16, DType::kI16, DType::kI32, DType::kI64,
                                      DType::kU32, DType::kU64, DType::kU4, DType::kI4, DType::kU2, DType::kI2);

}  // namespace

int dtype_bits(DType dtype) { return kRows[static_cast<int>(dtype)].bits; }
const char* dtype_name(DType dtype) { return kRows[static_cast<int>(dtype)].name; }
bool is_float(DType dtype) { return contains(kFloats, dtype); }
bool is_integer(DType dtype) { return contains(kIntegers, dtype); }
bool is_complex(DType dtype) { return contains(kComplexTypes, dtype); }

Result<DType> parse_dtype(std::string_view name) {
  for (int i = 1; i < kDTypeCount; ++i) {
    if (name == kRows[i].name) return static_cast<DType>(i);
  }
  return invalid("unknown dtype '", name, "'; known are ", dtype_set_text(kAllTypes));
}

Result<DType> checked_dtype(int64_t number) {
  if (number < 1 || number >= kDTypeCount) {
    return invalid("dtype ", number, " is not one of 1 (f32) to ", kDTypeCount - 1, " (i2)");
  }
  return static_cast<DType>(number);
}

std::string dtype_set_text(DTypeSet set) {
  std::string out;
  for (int i = 1; i < kDTypeCount; ++i) {
    if (!contains(set, static_cast<DType>(i))) continue;
    if (!out.empty()) out += ", ";
    out += kRows[i].name;
  }
  return out;
}

float f16_to_float(uint16_t bits) {
  uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  uint32_t exponent = (bits >> 10) & 31, mantissa = bits & 1023, wide;
  if (exponent == 31) {
    wide = sign | 0x7f800000u | (mantissa << 13);
  } else if (exponent != 0) {
    wide = sign | ((exponent + 112) << 23) | (mantissa << 13);
  } else {
    float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    std::memcpy(&wide, &magnitude, 4);
    wide |= sign;
  }
  float out;
  std::memcpy(&out, &wide, 4);
  return out;
}

uint16_t float_to_f16(float value) {
  uint32_t wide;
  std::memcpy(&wide, &value, 4);
  uint32_t sign = (wide >> 16) & 0x8000u, magnitude = wide & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 1023));
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {  // denormal: adding 0.5 lines the mantissa up with 2^-24 steps
    float shifted;
    std::memcpy(&shifted, &magnitude, 4);
    shifted += 0.5f;
    uint32_t rounded;
    std::memcpy(&rounded, &shifted, 4);
    return static_cast<uint16_t>(sign | (rounded - 0x3f000000u));
  }
  uint32_t odd = (magnitude >> 13) & 1;
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

uint16_t float_to_bf16(float value) {
  uint32_t wide;
  std::memcpy(&wide, &value, 4);
  if ((wide & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((wide >> 16) | 0x40u);
  return static_cast<uint16_t>((wide + 0x7fffu + ((wide >> 16) & 1)) >> 16);
}

}  // namespace weft
