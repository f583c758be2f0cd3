// What operators that slide windows with weights share: their attributes and the shape that they give.
#pragma once

#include "core/op/op_def.h"

namespace weft {

// The attributes of Conv but for `kernel_shape`.
OpDef& conv_window_schema(OpDef& op);
// The shape that Conv gives, of inputs `at_x` and `at_w`, which have ranks.
Result<Dims> conv_dims(const InferContext& c, int at_x, int at_w);
// The shape rule of Conv.
Status infer_conv(InferContext& c);

}  // namespace weft
