// What a program says of an operator of its own: names, types and documentation, each checked as it is said.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/op/op_def.h"

namespace weft {

class Schema {
 public:
  // `full_name` is a domain, a dot and a name: "com.acme.FastGelu". `version` is the one of the domain that files with a
  // node of the operator name.
  static Result<Schema> make(std::string_view full_name, int64_t version, std::string_view doc);

  // A type variable and what it may be: "f32, f64".
  Status add_type(std::string_view name, std::string_view dtypes);
  // Required ones come first, then optional ones or one variadic.
  Status add_input(Formal formal);
  Status add_output(Formal formal);
  // Of a kind that `read_attr_kind` knows; its default is turned into that.
  Status add_attr(AttrDef def);

  // The definition, which still needs a body.
  Result<std::unique_ptr<OpDef>> define() const;

 private:
  explicit Schema(OpDef def) : def_(std::move(def)) {}
  bool is_element(std::string_view type) const;
  bool is_type(std::string_view type) const;
  Status check_formal(const Formal& formal, const std::vector<Formal>& before, std::string_view what) const;

  OpDef def_;
};

// The kind that descriptions of operators call so: "int", "floats", "bool", "dtype".
Status read_attr_kind(std::string_view text, AttrDef* def);

}  // namespace weft
