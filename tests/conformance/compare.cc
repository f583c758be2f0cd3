// Results beside what is expected.
#include "tests/conformance/compare.h"

#include <cmath>

#include "core/kernels/cpu/small_types_common.h"
#include "core/tensor/packed.h"

namespace weft {

namespace {

// Element i as a number; the parts of complex ones count as elements.
double number(const Tensor& tensor, int64_t i) {
  const uint8_t* bytes = tensor.as<uint8_t>();
  switch (tensor.dtype()) {
    case DType::kF32:
    case DType::kC64: return tensor.as<float>()[i];
    case DType::kF64:
    case DType::kC128: return tensor.as<double>()[i];
    case DType::kF16: return f16_to_float(tensor.as<uint16_t>()[i]);
    case DType::kBF16: return bf16_to_float(tensor.as<uint16_t>()[i]);
    case DType::kI8: return tensor.as<int8_t>()[i];
    case DType::kI16: return tensor.as<int16_t>()[i];
    case DType::kI32: return tensor.as<int32_t>()[i];
    case DType::kI64: return static_cast<double>(tensor.as<int64_t>()[i]);
    case DType::kU8:
    case DType::kBool: return bytes[i];
    case DType::kU16: return tensor.as<uint16_t>()[i];
    case DType::kU32: return tensor.as<uint32_t>()[i];
    case DType::kU64: return static_cast<double>(tensor.as<uint64_t>()[i]);
    case DType::kU4: return load_packed(bytes, i, 4);
    case DType::kU2: return load_packed(bytes, i, 2);
    case DType::kI4: return static_cast<int8_t>(load_packed(bytes, i, 4) << 4) >> 4;
    case DType::kI2: return static_cast<int8_t>(load_packed(bytes, i, 2) << 6) >> 6;
    case DType::kF4E2M1: return decode_small_float(small_float(tensor.dtype()), load_packed(bytes, i, 4));
    case DType::kF8E8M0: return decode_power(bytes[i]);
    case DType::kF8E4M3FN:
    case DType::kF8E4M3FNUZ:
    case DType::kF8E5M2:
    case DType::kF8E5M2FNUZ: return decode_small_float(small_float(tensor.dtype()), bytes[i]);
    case DType::kNone:
    case DType::kString: break;
  }
  return NAN;
}

bool near(double result, double expected, double relative, double absolute) {
  if (std::isnan(result) || std::isnan(expected)) return std::isnan(result) && std::isnan(expected);
  if (std::isinf(result) || std::isinf(expected)) return result == expected;
  return std::fabs(result - expected) <= absolute + relative * std::fabs(expected);
}

}  // namespace

std::string difference(const Tensor& result, const Tensor& expected, double relative, double absolute) {
  if (result.kind() != expected.kind()) return "wrong kind of value";
  if (expected.kind() != Kind::kTensor) {
    if (result.items().size() != expected.items().size()) return "wrong number of items";
    for (size_t i = 0; i < expected.items().size(); ++i) {
      std::string problem = difference(result.items()[i], expected.items()[i], relative, absolute);
      if (!problem.empty()) return problem;
    }
    return "";
  }
  if (result.dtype() != expected.dtype()) return "wrong type";
  if (result.shape() != expected.shape()) return "wrong shape";
  if (expected.dtype() == DType::kString) return result.strings() == expected.strings() ? "" : "wrong values";
  const int64_t count = expected.count() * (is_complex(expected.dtype()) ? 2 : 1);
  for (int64_t i = 0; i < count; ++i) {
    if (!near(number(result, i), number(expected, i), relative, absolute)) return "wrong values";
  }
  return "";
}

}  // namespace weft
