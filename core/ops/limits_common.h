// Limits of results, which operators made by fusion have instead of a Relu or Clip behind them.
#pragma once

#include "core/graph/expr.h"

namespace weft {

// Declares the attributes `low` and `high`.
OpDef& with_limits(OpDef& op);
Attrs without_limits(Attrs attrs);
// The Relu or Clip that the attributes stand for, if any.
Expr limited(Expr x, const Attrs& attrs);

}  // namespace weft
