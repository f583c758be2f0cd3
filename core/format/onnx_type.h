// Types of values as ONNX files have them.
#pragma once

#include <string_view>

#include "core/format/onnx_wire.h"
#include "core/op/infer_context.h"

namespace weft::onnx {

// `name` is that of dimensions that have none. UNIMPLEMENTED for a type that cannot be read.
Result<ValueType> to_type(const ValueWire& wire, std::string_view name);

}  // namespace weft::onnx
