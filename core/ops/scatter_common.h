// What operators share that join updates with places of a tensor: ScatterND and ScatterElements.
#pragma once

#include "core/graph/expr.h"

namespace weft {

// That the attribute 'reduction' is one of those that ONNX names, and has a meaning for the elements of input 0.
Status check_reduction(const InferContext& c);

// i64 in the shape `shape`: at each place its coordinate along `axis`, which counts from the front.
Expr coordinates_along(Expr shape, int64_t axis);

// Updates that joined data, and the gradient by what came out, whose inputs and output these are; `places` are those of
// the updates, as ScatterND has them.
struct Joined {
  Expr data, places, updates, out, gradient;
};

// The gradients by the data and by the updates for every reduction but "add".
struct JoinedGrads {
  Expr by_data, by_updates;
};
Result<JoinedGrads> grad_joined(const Joined& joined, const std::string& reduction);

}  // namespace weft
