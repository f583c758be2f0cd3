// What operators share that join updates with places of a tensor: ScatterND and ScatterElements.
#pragma once

#include "core/graph/expr.h"

namespace weft {

// That the attribute 'reduction' is one of those that ONNX names.
Status check_reduction(const Attrs& attrs);

// i64 in the shape `shape` (of `rank` numbers): at each place its coordinate along `axis`.
Expr coordinates_along(Expr shape, int64_t axis, int64_t rank);

// The gradients of inputs 0, the data, and 2, the updates, for every reduction but "add"; `places` are those of the
// updates, as ScatterND has them.
void grad_joined(GradContext& c, Expr places);

}  // namespace weft
