// Shape rules of operators that move a window over images, for those that do the same with another layout.
#pragma once

#include "core/op/infer_context.h"

namespace weft {

Status infer_conv(InferContext& c);
Status infer_pool(InferContext& c);

}  // namespace weft
