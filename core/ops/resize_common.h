// How Resize changes with what says where places of its output lie in its input.
#pragma once

#include "core/graph/expr.h"

namespace weft {

// Resize and its gradient by X, whose inputs these are; one that is not given is not valid.
struct ResizeInputs {
  Expr x, roi, scales, sizes;
};

// The gradients of Resize by `roi` and by `scales`, given that of its output; not valid where none flows. How many places
// there are stays as it is.
Result<Expr> resize_by_roi(Expr dy, const ResizeInputs& inputs, const Attrs& attrs);
Result<Expr> resize_by_scales(Expr dy, const ResizeInputs& inputs, const Attrs& attrs);

}  // namespace weft
