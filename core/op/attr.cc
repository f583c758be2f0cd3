// Attributes of a node.
#include "core/op/attr.h"

#include <algorithm>

namespace weft {

const char* attr_kind_name(AttrKind kind) {
  switch (kind) {
    case AttrKind::kFloat: return "float";
    case AttrKind::kInt: return "int";
    case AttrKind::kString: return "string";
    case AttrKind::kTensor: return "tensor";
    case AttrKind::kGraph: return "graph";
    case AttrKind::kFloats: return "floats";
    case AttrKind::kInts: return "ints";
    case AttrKind::kStrings: return "strings";
  }
  return "unknown";
}

AttrKind AttrValue::kind() const {
  constexpr AttrKind kKinds[] = {AttrKind::kFloat, AttrKind::kInt,    AttrKind::kString, AttrKind::kTensor,
                                 AttrKind::kGraph, AttrKind::kFloats, AttrKind::kInts,   AttrKind::kStrings};
  return kKinds[value_.index()];
}

std::string AttrValue::text() const {
  switch (kind()) {
    case AttrKind::kFloat: return cat(f());
    case AttrKind::kInt: return cat(i());
    case AttrKind::kString: return cat("\"", readable(s()), "\"");
    case AttrKind::kTensor: return tensor().summary();
    case AttrKind::kGraph: return "graph";
    case AttrKind::kFloats: return cat("[", join(floats()), "]");
    case AttrKind::kInts: return cat("[", join(ints()), "]");
    case AttrKind::kStrings: return cat("[", readable(join(strings())), "]");
  }
  return {};
}

bool AttrValue::operator==(const AttrValue& other) const {
  if (value_.index() != other.value_.index()) return false;
  switch (kind()) {
    case AttrKind::kFloat: return f() == other.f();
    case AttrKind::kInt: return i() == other.i();
    case AttrKind::kString: return s() == other.s();
    case AttrKind::kTensor: return tensor().same_bits(other.tensor());
    case AttrKind::kGraph: return graph() == other.graph();
    case AttrKind::kFloats: return floats() == other.floats();
    case AttrKind::kInts: return ints() == other.ints();
    case AttrKind::kStrings: return strings() == other.strings();
  }
  return false;
}

namespace {
bool name_before(const Attrs::Item& item, std::string_view name) { return item.first < name; }
}  // namespace

void Attrs::set(std::string_view name, AttrValue value) {
  auto at = std::lower_bound(items_.begin(), items_.end(), name, name_before);
  if (at != items_.end() && at->first == name) {
    at->second = std::move(value);
  } else {
    items_.insert(at, Item(std::string(name), std::move(value)));
  }
}

void Attrs::erase(std::string_view name) {
  std::erase_if(items_, [name](const Item& item) { return item.first == name; });
}

const AttrValue* Attrs::find(std::string_view name) const {
  auto at = std::lower_bound(items_.begin(), items_.end(), name, name_before);
  return at != items_.end() && at->first == name ? &at->second : nullptr;
}

}  // namespace weft
