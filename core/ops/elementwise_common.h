// What operators of two inputs share.
#pragma once

#include "core/graph/graph.h"

namespace weft {

// Before opset 7 B was stretched only if asked for with `broadcast`, from `axis` of A on. Gives B
// the axes behind.
Status upgrade_old_broadcast(UpgradeContext& c);

}  // namespace weft
