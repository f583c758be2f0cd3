// What operators and layers declare of their attributes.
#include "core/op/attr_def.h"

#include <algorithm>

#include "core/tensor/dtype.h"

namespace weft {

namespace {

// A whole number serves where a float is asked for, an empty list as a list of any kind.
AttrValue turned(AttrValue value, AttrKind kind) {
  if (kind == AttrKind::kFloat && value.kind() == AttrKind::kInt) return static_cast<double>(value.i());
  if (kind == AttrKind::kFloats && value.kind() == AttrKind::kInts) {
    return std::vector<double>(value.ints().begin(), value.ints().end());
  }
  if (kind == AttrKind::kInts && value.kind() == AttrKind::kFloats && value.floats().empty()) {
    return std::vector<int64_t>();
  }
  if (kind == AttrKind::kStrings && value.kind() == AttrKind::kInts && value.ints().empty()) {
    return std::vector<std::string>();
  }
  return value;
}

}  // namespace

const char* AttrDef::kind_text() const {
  switch (use) {
    case AttrUse::kFlag: return "bool";
    case AttrUse::kDType: return "dtype";
    case AttrUse::kType:
    case AttrUse::kPlain: return attr_kind_name(kind);
  }
  return "";
}

const AttrDef* find_attr(const std::vector<AttrDef>& defs, std::string_view name) {
  auto at = std::find_if(defs.begin(), defs.end(), [&](const AttrDef& def) { return def.name == name; });
  return at != defs.end() ? &*at : nullptr;
}

static Result<AttrValue> as_declared(const AttrDef& def, const AttrValue& given) {
  AttrValue value = turned(given, def.kind);
  if (value.kind() != def.kind) {
    return invalid("attribute '", def.name, "' must be of kind ", def.kind_text(), " but is ",
                   attr_kind_name(value.kind()));
  }
  if (value.kind() == AttrKind::kGraph && value.graph() == nullptr) {
    return invalid("attribute '", def.name, "' is a null graph");
  }
  return value;
}

Status check_use(const AttrDef& def, const AttrValue& value) {
  if (def.use == AttrUse::kFlag && value.i() != 0 && value.i() != 1) {
    return invalid("attribute '", def.name, "' is ", value.i(), " but must be 0 or 1, as it is a bool");
  }
  if (def.use == AttrUse::kDType && !checked_dtype(value.i()).ok()) {
    return invalid("attribute '", def.name, "' is ", value.i(), ", which is the number of no dtype");
  }
  return {};
}

Status turn_attrs(const std::vector<AttrDef>& defs, Attrs* attrs) {
  for (const AttrDef& def : defs) {
    const AttrValue* given = attrs->find(def.name);
    if (given == nullptr) continue;
    WEFT_TRY(AttrValue value, as_declared(def, *given));
    attrs->set(def.name, std::move(value));
  }
  return {};
}

Status complete_attrs(std::string_view owner, const std::vector<AttrDef>& defs, Attrs* attrs) {
  for (const auto& [name, value] : *attrs) {
    if (find_attr(defs, name) != nullptr) continue;
    std::vector<std::string> known;
    for (const AttrDef& def : defs) known.push_back(def.name);
    return invalid("there is no attribute '", name, "'; ", owner,
                   known.empty() ? " has none" : cat(" has ", join(known)));
  }
  Attrs complete;
  for (const AttrDef& def : defs) {
    const AttrValue* given = attrs->find(def.name);
    if (given == nullptr) {
      if (def.required) {
        return invalid("attribute '", def.name, "' must be given", def.doc.empty() ? "" : ": ", def.doc);
      }
      if (def.default_value) complete.set(def.name, *def.default_value);
      continue;
    }
    WEFT_TRY(AttrValue value, as_declared(def, *given));
    complete.set(def.name, std::move(value));
  }
  *attrs = std::move(complete);
  return {};
}

}  // namespace weft
