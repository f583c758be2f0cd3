// The shape that products of matrices have.
#pragma once

#include "core/op/infer_context.h"

namespace weft {

// As numpy.matmul, of inputs `at_a` and `at_b`, which have ranks.
Result<Dims> matmul_dims(const InferContext& c, int at_a, int at_b);

}  // namespace weft
