// The definition of an operator.
#include "core/op/op_def.h"

namespace weft {

namespace {

template <typename T>
const T* find_named(const std::vector<T>& items, std::string_view name) {
  for (const T& item : items) {
    if (item.name == name) return &item;
  }
  return nullptr;
}

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

const char* AttrDef::kind_text() const {
  switch (use) {
    case AttrUse::kFlag: return "bool";
    case AttrUse::kDType: return "dtype";
    case AttrUse::kPlain: return attr_kind_name(kind);
  }
  return "";
}

const AttrDef* OpDef::find_attr(std::string_view name) const { return find_named(attrs_, name); }
const TypeVar* OpDef::find_type_var(std::string_view name) const { return find_named(type_vars_, name); }
const Formal* OpDef::input_formal(int i) const { return formal_at(inputs_, i); }
const Formal* OpDef::output_formal(int i) const { return formal_at(outputs_, i); }

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

OpDef& OpDef::attr(std::string_view name, AttrValue default_value, std::string_view doc) {
  AttrKind kind = default_value.kind();
  attrs_.push_back({std::string(name), kind, std::string(doc), false, std::move(default_value)});
  return *this;
}

OpDef& OpDef::required_attr(std::string_view name, AttrKind kind, std::string_view doc) {
  attrs_.push_back({std::string(name), kind, std::string(doc), true, std::nullopt});
  return *this;
}

OpDef& OpDef::optional_attr(std::string_view name, AttrKind kind, std::string_view doc) {
  attrs_.push_back({std::string(name), kind, std::string(doc), false, std::nullopt});
  return *this;
}

OpDef& OpDef::flag(std::string_view name, bool default_value, std::string_view doc) {
  attr(name, default_value, doc);
  attrs_.back().use = AttrUse::kFlag;
  return *this;
}

OpDef& OpDef::dtype_attr(std::string_view name, DType default_value, std::string_view doc) {
  attr(name, static_cast<int64_t>(default_value), doc);
  attrs_.back().use = AttrUse::kDType;
  return *this;
}

OpDef& OpDef::required_dtype_attr(std::string_view name, std::string_view doc) {
  required_attr(name, AttrKind::kInt, doc);
  attrs_.back().use = AttrUse::kDType;
  return *this;
}

}  // namespace weft
