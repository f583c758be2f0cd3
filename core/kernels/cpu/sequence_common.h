// Zeros like tensors and sequences, and sums of them.
#pragma once

#include "core/tensor/tensor.h"

namespace weft {

// Of the shape of `value`, or of each of its items.
Result<Tensor> zeros_like(const Tensor& value);
// Of two tensors of one shape, or item by item of two sequences; of floating point.
Result<Tensor> sum_of(const Tensor& a, const Tensor& b);

}  // namespace weft
