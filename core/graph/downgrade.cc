// Nodes as older opsets know them: what a rewrite sees of a node.
#include "core/graph/downgrade.h"

#include <cmath>

namespace weft {

const Tensor* DowngradeContext::constant(int i) const {
  return has_input(i) ? scope_.graph().value(inputs[i].id()).constant.get() : nullptr;
}

std::optional<std::vector<int64_t>> DowngradeContext::numbers(int i) const {
  if (!has_input(i)) return std::nullopt;
  if (const Tensor* tensor = constant(i); tensor != nullptr) {
    Result<std::vector<int64_t>> values = tensor->to_ints();
    if (values.ok()) return std::move(*values);
    return std::nullopt;
  }
  const std::shared_ptr<const Dims>& known = inputs[i].type().ints;
  if (known == nullptr || !all_known(*known)) return std::nullopt;
  return to_shape(*known);
}

Result<std::vector<int64_t>> DowngradeContext::known_numbers(int i) const {
  std::optional<std::vector<int64_t>> values = numbers(i);
  if (values) return std::move(*values);
  return unimplemented("its input '", input_name(i), "' would have to be a constant");
}

Result<double> DowngradeContext::known_float(int i) const {
  const Tensor* tensor = constant(i);
  if (tensor == nullptr || tensor->count() != 1) {
    return unimplemented("its input '", input_name(i), "' would have to be a constant of one element");
  }
  double value = 0;
  switch (tensor->dtype()) {
    case DType::kF32: return double{*tensor->as<float>()};
    case DType::kF16: return double{f16_to_float(*tensor->as<uint16_t>())};
    case DType::kBF16: return double{bf16_to_float(*tensor->as<uint16_t>())};
    case DType::kF64: value = *tensor->as<double>(); break;
    default:
      return unimplemented("its input '", input_name(i), "' is ", tensor->summary(),
                           " but would have to be of a floating-point type");
  }
  if (std::isnan(value) || double{static_cast<float>(value)} == value) return value;
  return unimplemented("its input '", input_name(i), "' is ", value, ", which an attribute, of f32, cannot hold");
}

Result<int64_t> DowngradeContext::known_rank(int i) const {
  if (has_input(i) && inputs[i].has_rank()) return inputs[i].rank();
  return unimplemented("the rank of its input '", input_name(i), "' would have to be known");
}

Status DowngradeContext::input_to_attr(int i, std::string_view attr) {
  if (!has_input(i)) return {};
  WEFT_TRY(std::vector<int64_t> values, known_numbers(i));
  attrs.set(attr, std::move(values));
  drop_input(i);
  return {};
}

}  // namespace weft
