// What kernels that read or make quantized numbers take from their attributes.
#pragma once

#include <string_view>

#include "core/kernel/kernel.h"
#include "core/simd/quantized.h"

namespace weft {

inline ByteCode read_byte_code(const Attrs& attrs, std::string_view scale, std::string_view zero_point, DType dtype) {
  return {dtype == DType::kI8, static_cast<float>(attrs.f(scale)), static_cast<int32_t>(attrs.i(zero_point))};
}

inline ByteResult read_byte_result(const KernelContext& c) {
  const Attrs& attrs = c.attrs();
  return {read_byte_code(attrs, "y_scale", "y_zero_point", c.output_dtype(0)), static_cast<int32_t>(attrs.i("least")),
          static_cast<int32_t>(attrs.i("most"))};
}

inline const QuantizedTable& quantized_table() { return quantized_table(current_isa()); }

}  // namespace weft
