// Types of values as ONNX files have them.
#pragma once

#include <protozero/pbf_writer.hpp>
#include <string_view>

#include "core/format/onnx_wire.h"
#include "core/op/infer_context.h"

namespace weft::onnx {

// `name` is that of dimensions that have none. UNIMPLEMENTED for a type that cannot be read.
Result<ValueType> to_type(const ValueWire& wire, std::string_view name);
// Adds a value's name and type to a graph, in its list of that field.
void write_value(protozero::pbf_writer& graph, protozero::pbf_tag_type field, const ValueType& type,
                 std::string_view name);
// The fields of a TypeProto.
void write_type(protozero::pbf_writer& proto, const ValueType& type);

}  // namespace weft::onnx
