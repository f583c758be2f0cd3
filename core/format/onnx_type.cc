// Types of values from ONNX files, and in them.
#include "core/format/onnx_type.h"

#include "core/base/text.h"

namespace weft::onnx {

Result<ValueType> to_type(const ValueWire& wire, std::string_view name) {
  if (!wire.is_known || wire.elem_type < 1 || wire.elem_type >= kDTypeCount) {
    return unimplemented("it is of a type that cannot be read");
  }
  ValueType type;
  type.dtype = static_cast<DType>(wire.elem_type);
  if (wire.key_type != 0) {
    const DType keys = static_cast<DType>(wire.key_type);
    if (!is_map_key(keys) || wire.is_optional) return unimplemented("it is of a type of maps that cannot be read");
    type.kind = Kind::kMap;
    type.keys = keys;
  }
  if (wire.is_sequence) type = type.within(Kind::kSequence);
  if (wire.is_optional) type = type.within(Kind::kOptional);
  type.has_rank = wire.has_shape && !wire.is_sequence && wire.key_type == 0;
  for (size_t i = 0; type.has_rank && i < wire.dims.size(); ++i) {
    const DimWire& dim = wire.dims[i];
    // Old exporters write -1 for any.
    if (dim.has_value && dim.value >= 0)
      type.dims.push_back(Dim(dim.value));
    else
      type.dims.push_back(Dim::symbol(dim.param.empty() ? cat(name, "_d", i) : std::string(dim.param)));
  }
  return type;
}

namespace {

void write_tensor_type(protozero::pbf_writer& proto, const ValueType& type) {
  protozero::pbf_writer tensor(proto, 1);
  tensor.add_int32(1, static_cast<int32_t>(type.dtype));
  if (!type.has_rank) return;
  if (type.dims.empty()) tensor.add_message(2, "", 0);  // an empty writer would leave it out
  protozero::pbf_writer shape(tensor, 2);
  for (const Dim& dim : type.dims) {
    protozero::pbf_writer item(shape, 1);
    if (dim.known())
      item.add_int64(1, dim.value());
    else
      item.add_string(2, dim.text());
  }
}

}  // namespace

void write_value(protozero::pbf_writer& graph, protozero::pbf_tag_type field, const ValueType& type,
                 std::string_view name) {
  protozero::pbf_writer value(graph, field);
  value.add_string(1, name.data(), name.size());
  if (type.dtype == DType::kNone) return;  // an output may leave its type open
  protozero::pbf_writer proto(value, 2);
  write_type(proto, type);
}

// A tensor is field 1, a sequence 4, a map 5, an optional 9.
void write_type(protozero::pbf_writer& proto, const ValueType& type) {
  switch (type.kind) {
    case Kind::kSequence:
    case Kind::kOptional: {
      ValueType held = type.held();
      if (type.kind == Kind::kSequence) held.has_rank = false;
      protozero::pbf_writer around(proto, type.kind == Kind::kSequence ? 4 : 9);
      protozero::pbf_writer element(around, 1);
      return write_type(element, held);
    }
    case Kind::kMap: {
      protozero::pbf_writer map(proto, 5);
      map.add_int32(1, static_cast<int32_t>(type.keys));
      protozero::pbf_writer values(map, 2);
      return write_type(values, ValueType::tensor(type.dtype, {}));
    }
    case Kind::kTensor: return write_tensor_type(proto, type);
  }
}

}  // namespace weft::onnx
