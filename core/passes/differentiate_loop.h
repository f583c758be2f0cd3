// The gradient of Loop and Scan: what iterations need is stacked by the way, and gone through from its end.
#pragma once

#include "core/graph/expr.h"

namespace weft {

Status differentiate_loop(GradContext& context);

}  // namespace weft
