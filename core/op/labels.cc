// The attributes of LabelEncoder.
#include "core/op/labels.h"

namespace weft {

namespace {

constexpr DTypeSet kLabelTypes =
    set_of(DType::kString, DType::kI64, DType::kF32, DType::kI32, DType::kI16, DType::kF64);

int64_t length_of(const AttrValue& value) {
  switch (value.kind()) {
    case AttrKind::kTensor: return value.tensor().count();
    case AttrKind::kStrings: return static_cast<int64_t>(value.strings().size());
    case AttrKind::kInts: return static_cast<int64_t>(value.ints().size());
    default: return static_cast<int64_t>(value.floats().size());
  }
}

Result<Tensor> as_tensor(const std::string& name, const AttrValue& value) {
  switch (value.kind()) {
    case AttrKind::kTensor: {
      const Tensor& tensor = value.tensor();
      if (tensor.rank() != 1) return invalid(name, " must have one dimension but is ", tensor.summary());
      if (!contains(kLabelTypes, tensor.dtype())) {
        return invalid(name, " is ", dtype_name(tensor.dtype()), " but must be one of ", dtype_set_text(kLabelTypes));
      }
      return tensor;
    }
    case AttrKind::kStrings: return Tensor::from_strings({length_of(value)}, value.strings());
    case AttrKind::kInts: return Tensor::vector(value.ints());
    default: return Tensor::vector(std::vector<float>(value.floats().begin(), value.floats().end()));
  }
}

// The one of the attributes `what`_tensor, `what`_strings, ... that is given; beside it there may be empty lists.
Result<Tensor> given_list(const Attrs& attrs, std::string_view what) {
  const AttrValue* chosen = nullptr;
  std::string chosen_name;
  for (const char* form : {"_tensor", "_strings", "_int64s", "_floats"}) {
    const std::string name = cat(what, form);
    const AttrValue* value = attrs.find(name);
    if (value == nullptr || (chosen != nullptr && length_of(*value) == 0)) continue;
    if (chosen != nullptr && length_of(*chosen) > 0) {
      return invalid(chosen_name, " and ", name, " are both given, of which there can be one");
    }
    chosen = value;
    chosen_name = name;
  }
  if (chosen == nullptr) {
    return invalid("one of ", what, "_tensor, ", what, "_strings, ", what, "_int64s and ", what,
                   "_floats must be given");
  }
  return as_tensor(chosen_name, *chosen);
}

Result<Tensor> other_value(const Attrs& attrs, DType dtype) {
  if (const AttrValue* given = attrs.find("default_tensor")) {
    const Tensor& tensor = given->tensor();
    if (tensor.dtype() != dtype || tensor.count() != 1) {
      return invalid("default_tensor must be one ", dtype_name(dtype), ", as the values are, but is ",
                     tensor.summary());
    }
    return tensor;
  }
  switch (dtype) {
    case DType::kString: return Tensor::from_strings({}, {attrs.s("default_string")});
    case DType::kI64: return Tensor::scalar(attrs.i("default_int64"));
    case DType::kF32: return Tensor::scalar(static_cast<float>(attrs.f("default_float")));
    case DType::kF64: return Tensor::scalar(-0.0);
    case DType::kI32: return Tensor::scalar(int32_t{-1});
    default: {
      const int16_t other = -1;
      return Tensor::from_bytes(DType::kI16, {}, &other, sizeof other);
    }
  }
}

}  // namespace

Result<LabelMap> read_label_map(const Attrs& attrs) {
  LabelMap map;
  WEFT_TRY(map.keys, given_list(attrs, "keys"));
  WEFT_TRY(map.values, given_list(attrs, "values"));
  if (map.keys.count() != map.values.count()) {
    return invalid("there must be a value for each key, but there are ", map.keys.count(), " keys and ",
                   map.values.count(), " values");
  }
  WEFT_TRY(map.otherwise, other_value(attrs, map.values.dtype()));
  return map;
}

}  // namespace weft
