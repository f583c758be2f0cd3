// What operators of two inputs share.
#pragma once

#include <optional>
#include <vector>

#include "core/graph/graph.h"

namespace weft {

// Before opset 7 B was stretched only if asked for with `broadcast`, from `axis` of A on. Gives B
// the axes behind.
Status upgrade_old_broadcast(UpgradeContext& c);

// The sum and the product of two known integers; nothing if they overflow.
std::optional<Dim> add_ints(const std::vector<Dim>& v);
std::optional<Dim> mul_ints(const std::vector<Dim>& v);

}  // namespace weft
