// Types of values from ONNX files.
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

}  // namespace weft::onnx
