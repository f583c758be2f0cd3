// What a program says of an operator of its own.
#include "core/op/schema.h"

#include <algorithm>
#include <optional>

#include "core/op/registry.h"

namespace weft {

namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What ONNX wants of names: an identifier of C.
bool is_identifier(std::string_view text) {
  return !text.empty() && is_letter(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_letter(c) || is_digit(c); });
}

Status check_identifier(std::string_view what, std::string_view name) {
  if (is_identifier(name)) return {};
  return invalid("the name of ", what, " must be of letters, digits and '_', and not begin with a digit, but is '",
                 readable(name), "'");
}

// Parts of letters, digits, '_' and '-', with dots between them.
bool is_domain(std::string_view text) {
  bool part = false;
  for (char c : text) {
    const bool dot = c == '.';
    if (dot ? !part : !(is_letter(c) || is_digit(c) || c == '-')) return false;
    part = !dot;
  }
  return part;
}

bool belongs_to(std::string_view domain, std::string_view owner) {
  return domain == owner || (domain.starts_with(owner) && domain[owner.size()] == '.');
}

// What stands between `begin` and a bracket at the end.
std::optional<std::string_view> bracketed(std::string_view text, std::string_view begin) {
  if (!text.starts_with(begin) || !text.ends_with(')')) return std::nullopt;
  return text.substr(begin.size(), text.size() - begin.size() - 1);
}

struct KindRow {
  const char* text;
  AttrKind kind;
  AttrUse use;
};
constexpr KindRow kAttrKinds[] = {
    {"int", AttrKind::kInt, AttrUse::kPlain},         {"float", AttrKind::kFloat, AttrUse::kPlain},
    {"string", AttrKind::kString, AttrUse::kPlain},   {"tensor", AttrKind::kTensor, AttrUse::kPlain},
    {"ints", AttrKind::kInts, AttrUse::kPlain},       {"floats", AttrKind::kFloats, AttrUse::kPlain},
    {"strings", AttrKind::kStrings, AttrUse::kPlain}, {"bool", AttrKind::kInt, AttrUse::kFlag},
    {"dtype", AttrKind::kInt, AttrUse::kDType},
};

}  // namespace

Result<Schema> Schema::make(std::string_view full_name, int64_t version, std::string_view doc) {
  const auto [domain, name] = split_op_name(full_name);
  if (domain.empty()) {
    return invalid("the name of an operator must have a domain, as 'com.acme.FastGelu' does, but is '",
                   readable(full_name), "'");
  }
  if (!is_domain(domain)) {
    return invalid("the domain of an operator must be words of letters, digits, '_' and '-' with dots between them, ",
                   "but is '", readable(domain), "'");
  }
  WEFT_CHECK(check_identifier("an operator, after the last dot,", name));
  for (std::string_view taken : {std::string_view("ai.onnx"), kWeftDomain}) {
    if (!belongs_to(domain, taken)) continue;
    return invalid("the domain '", domain, "' is not a program's to add operators to, as '", taken,
                   "' and what begins with it are ", taken == kWeftDomain ? "the library's" : "ONNX's");
  }
  if (version < 1 || version > INT32_MAX) {
    return invalid("the version of the domain is ", version, " but must be 1 or more");
  }
  OpDef def(domain, name);
  def.since(static_cast<int>(version)).doc(doc).added();
  return Schema(std::move(def));
}

Status Schema::add_type(std::string_view name, std::string_view dtypes) {
  WEFT_CHECK(check_identifier("a type variable", name));
  if (parse_dtype(name).ok()) return invalid("a type variable cannot be called '", name, "', as that is a dtype");
  if (def_.find_type_var(name) != nullptr) {
    return make_error(Code::kAlreadyExists, "there is a type variable '", name, "' already");
  }
  DTypeSet set = 0;
  for (std::string_view rest = dtypes; !trim(rest).empty();) {
    const size_t comma = rest.find(',');
    Result<DType> dtype = parse_dtype(trim(rest.substr(0, comma)));
    if (!dtype.ok()) return dtype.status().inside(cat("the type variable '", name, "': "));
    set |= set_of(*dtype);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  if (set == 0) return invalid("the type variable '", name, "' must be able to be some dtype");
  def_.types(name, set);
  return {};
}

bool Schema::is_element(std::string_view type) const {
  return def_.find_type_var(type) != nullptr || parse_dtype(type).ok();
}

bool Schema::is_type(std::string_view type) const {
  if (is_element(type)) return true;
  if (const auto held = bracketed(type, "optional(")) return is_element(*held);
  if (const auto item = bracketed(type, "seq(")) type = *item;
  if (const auto parts = bracketed(type, "map(")) {
    const size_t comma = parts->find(", ");
    return comma != std::string_view::npos && is_element(parts->substr(0, comma)) &&
           is_element(parts->substr(comma + 2));
  }
  return is_element(type);
}

Status Schema::check_formal(const Formal& formal, const std::vector<Formal>& before, std::string_view what) const {
  WEFT_CHECK(check_identifier(cat("an ", what), formal.name));
  const bool taken =
      std::any_of(before.begin(), before.end(), [&](const Formal& other) { return other.name == formal.name; });
  if (taken) return make_error(Code::kAlreadyExists, "there is an ", what, " '", formal.name, "' already");
  if (!is_type(formal.type)) {
    std::string variables;
    for (const TypeVar& variable : def_.type_vars()) variables += cat(variables.empty() ? "" : ", ", variable.name);
    return invalid("the type of the ", what, " '", formal.name, "' is '", readable(formal.type),
                   "' but must be a type variable", variables.empty() ? "" : cat(" (", variables, ")"),
                   ", a dtype, or seq(...), optional(...) or map(..., ...) of such");
  }
  if (before.empty()) return {};
  const Formal& last = before.back();
  if (last.variadic) {
    return invalid("the ", what, " '", formal.name, "' comes after '", last.name,
                   "', which is variadic and so the last one");
  }
  if (last.optional && !formal.optional) {
    return invalid("the ", what, " '", formal.name, "' comes after '", last.name,
                   "', which is optional: those that are not come first");
  }
  return {};
}

Status Schema::add_input(Formal formal) {
  WEFT_CHECK(check_formal(formal, def_.inputs(), "input"));
  if (formal.variadic) {
    def_.variadic_input(formal.name, formal.type, formal.doc, formal.min_count);
  } else if (formal.optional) {
    def_.optional_input(formal.name, formal.type, formal.doc);
  } else {
    def_.input(formal.name, formal.type, formal.doc);
  }
  return {};
}

Status Schema::add_output(Formal formal) {
  WEFT_CHECK(check_formal(formal, def_.outputs(), "output"));
  if (formal.optional && def_.outputs().empty()) {
    return invalid("the first output, '", formal.name, "', must not be optional");
  }
  if (formal.variadic) {
    def_.variadic_output(formal.name, formal.type, formal.doc, formal.min_count);
  } else if (formal.optional) {
    def_.optional_output(formal.name, formal.type, formal.doc);
  } else {
    def_.output(formal.name, formal.type, formal.doc);
  }
  return {};
}

Status Schema::add_attr(AttrDef def) {
  WEFT_CHECK(check_identifier("an attribute", def.name));
  if (def_.find_attr(def.name) != nullptr) {
    return make_error(Code::kAlreadyExists, "there is an attribute '", def.name, "' already");
  }
  if (def.required && def.default_value) {
    return invalid("attribute '", def.name, "' is required, so it can have no default");
  }
  if (def.default_value) {
    Attrs given;
    given.set(def.name, std::move(*def.default_value));
    WEFT_CHECK(turn_attrs({def}, &given));
    def.default_value = *given.find(def.name);
    WEFT_CHECK(check_use(def, *def.default_value).within("the default: "));
  }
  def_.attr_def(std::move(def));
  return {};
}

Result<std::unique_ptr<OpDef>> Schema::define() const {
  if (def_.outputs().empty()) return invalid("the operator ", def_.full_name(), " has no output");
  return std::make_unique<OpDef>(def_);
}

Status read_attr_kind(std::string_view text, AttrDef* def) {
  std::string known;
  for (const KindRow& row : kAttrKinds) {
    if (text == row.text) {
      def->kind = row.kind;
      def->use = row.use;
      return {};
    }
    known += cat(known.empty() ? "" : ", ", row.text);
  }
  return invalid("the kind of attribute '", readable(def->name), "' is '", readable(text), "' but must be one of ",
                 known);
}

}  // namespace weft
