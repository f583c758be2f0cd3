// What pools share with those of another layout.
#pragma once

#include "core/op/infer_context.h"

namespace weft {

// The shape rule of AveragePool.
Status infer_pool(InferContext& c);

}  // namespace weft
