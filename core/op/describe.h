// Operator definitions as JSON: what the language bindings and the reference pages are generated from.
#pragma once

#include <string>

#include "core/op/registry.h"

namespace weft {

std::string describe_op(const OpDef& op);
// The attributes of an operator or layer, as an array.
std::string describe_attrs(const std::vector<AttrDef>& attrs);
// All that users can add, in an array, one operator a line.
std::string describe_ops(const OpRegistry& ops);

}  // namespace weft
