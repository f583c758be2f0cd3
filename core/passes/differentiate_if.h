// The gradient of If: another If, whose branches are the gradients of the branches.
#pragma once

#include "core/graph/expr.h"

namespace weft {

Status differentiate_if(GradContext& context);

}  // namespace weft
