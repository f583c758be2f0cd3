// The definition of an operator.
#include "core/op/op_def.h"

namespace weft {

namespace {

const Formal* formal_at(const std::vector<Formal>& formals, int i) {
  if (i < static_cast<int>(formals.size())) return &formals[i];
  return !formals.empty() && formals.back().variadic ? &formals.back() : nullptr;
}

Formal formal(std::string_view name, std::string_view type, std::string_view doc) {
  Formal out;
  out.name = name;
  out.type = type;
  out.doc = doc;
  return out;
}

}  // namespace

const TypeVar* OpDef::find_type_var(std::string_view name) const {
  for (const TypeVar& variable : type_vars_) {
    if (variable.name == name) return &variable;
  }
  return nullptr;
}

const Formal* OpDef::input_formal(int i) const { return formal_at(inputs_, i); }
const Formal* OpDef::output_formal(int i) const { return formal_at(outputs_, i); }

AttrValue OpDef::held(AttrValue value) const {
  if (domain_ == kWeftDomain) return value;
  if (value.kind() == AttrKind::kFloat) return double{static_cast<float>(value.f())};
  if (value.kind() == AttrKind::kFloats) {
    std::vector<double> values = value.floats();
    for (double& number : values) number = double{static_cast<float>(number)};
    return values;
  }
  return value;
}

int OpDef::min_inputs() const {
  int count = 0;
  for (const Formal& formal : inputs_) {
    if (formal.variadic) return count + formal.min_count;
    if (formal.optional) return count;
    ++count;
  }
  return count;
}

OpDef& OpDef::types(std::string_view name, DTypeSet set) {
  type_vars_.push_back({std::string(name), set});
  return *this;
}

OpDef& OpDef::input(std::string_view name, std::string_view type, std::string_view doc) {
  inputs_.push_back(formal(name, type, doc));
  return *this;
}

OpDef& OpDef::optional_input(std::string_view name, std::string_view type, std::string_view doc) {
  input(name, type, doc);
  inputs_.back().optional = true;
  return *this;
}

OpDef& OpDef::variadic_input(std::string_view name, std::string_view type, std::string_view doc, int min_count) {
  input(name, type, doc);
  inputs_.back().variadic = true;
  inputs_.back().min_count = min_count;
  return *this;
}

OpDef& OpDef::output(std::string_view name, std::string_view type, std::string_view doc) {
  outputs_.push_back(formal(name, type, doc));
  return *this;
}

OpDef& OpDef::optional_output(std::string_view name, std::string_view type, std::string_view doc) {
  output(name, type, doc);
  outputs_.back().optional = true;
  return *this;
}

OpDef& OpDef::variadic_output(std::string_view name, std::string_view type, std::string_view doc, int min_count) {
  output(name, type, doc);
  outputs_.back().variadic = true;
  outputs_.back().min_count = min_count;
  return *this;
}

OpDef& OpDef::quantized_input() {
  inputs_.back().quantized = true;
  return *this;
}

OpDef& OpDef::quantized_output() {
  outputs_.back().quantized = true;
  return *this;
}

}  // namespace weft
