// What operators and layers declare of their attributes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/op/attr.h"

namespace weft {

// What an integer stands for where languages have a type of their own for it; and a text that says the type of a value.
enum class AttrUse { kPlain, kFlag, kDType, kType };

struct AttrDef {
  std::string name;
  AttrKind kind;
  std::string doc;
  bool required = false;
  std::optional<AttrValue> default_value;
  AttrUse use = AttrUse::kPlain;
  bool is_hint = false;  // a flag of how a node is computed, not of what: see `hint`

  const char* kind_text() const;  // as documentation calls it
};

// Null if there is none.
const AttrDef* find_attr(const std::vector<AttrDef>& defs, std::string_view name);

// Whether an integer, of the kind that is asked for, is one of those that stand for something.
Status check_use(const AttrDef& def, const AttrValue& value);

// Turns those attributes that are defined into the kind that is asked for; others stay, and none is added.
Status turn_attrs(const std::vector<AttrDef>& defs, Attrs* attrs);

// Checks the attributes given to `owner`, turns numbers and empty lists into the kind that is asked for, and adds
// defaults.
Status complete_attrs(std::string_view owner, const std::vector<AttrDef>& defs, Attrs* attrs);

// The part of a definition that declares attributes; each function returns the whole definition.
template <typename Def>
class WithAttrs {
 public:
  const std::vector<AttrDef>& attrs() const { return attrs_; }
  const AttrDef* find_attr(std::string_view name) const { return weft::find_attr(attrs_, name); }

  // With a default; the kind follows from it.
  Def& attr(std::string_view name, AttrValue default_value, std::string_view doc) {
    const AttrKind kind = default_value.kind();
    return add({std::string(name), kind, std::string(doc), false, std::move(default_value)});
  }
  Def& required_attr(std::string_view name, AttrKind kind, std::string_view doc) {
    return add({std::string(name), kind, std::string(doc), true, std::nullopt});
  }
  Def& optional_attr(std::string_view name, AttrKind kind, std::string_view doc) {
    return add({std::string(name), kind, std::string(doc), false, std::nullopt});
  }
  Def& flag(std::string_view name, bool default_value, std::string_view doc) {
    return add({std::string(name), AttrKind::kInt, std::string(doc), false, int64_t{default_value}, AttrUse::kFlag});
  }
  // A flag that says how something is computed: the results are the same either way. It is the library's own, also where
  // the operator is ONNX's: files keep it as metadata of the node.
  Def& hint(std::string_view name, bool default_value, std::string_view doc) {
    return add(
        {std::string(name), AttrKind::kInt, std::string(doc), false, int64_t{default_value}, AttrUse::kFlag, true});
  }
  Def& dtype_attr(std::string_view name, DType default_value, std::string_view doc) {
    return add({std::string(name), AttrKind::kInt, std::string(doc), false, static_cast<int64_t>(default_value),
                AttrUse::kDType});
  }
  Def& required_dtype_attr(std::string_view name, std::string_view doc) {
    return add({std::string(name), AttrKind::kInt, std::string(doc), true, std::nullopt, AttrUse::kDType});
  }
  Def& optional_dtype_attr(std::string_view name, std::string_view doc) {
    return add({std::string(name), AttrKind::kInt, std::string(doc), false, std::nullopt, AttrUse::kDType});
  }

  // As it stands.
  Def& attr_def(AttrDef def) { return add(std::move(def)); }
  // A type as text, such as "seq(f32)"; in ONNX files a message of its own.
  Def& optional_type_attr(std::string_view name, std::string_view doc) {
    return add({std::string(name), AttrKind::kString, std::string(doc), false, std::nullopt, AttrUse::kType});
  }

 private:
  Def& add(AttrDef def) {
    attrs_.push_back(std::move(def));
    return static_cast<Def&>(*this);
  }

  std::vector<AttrDef> attrs_;
};

}  // namespace weft
