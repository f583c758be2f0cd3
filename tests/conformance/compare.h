// Whether a result is what a test of ONNX's backend suite expects.
#pragma once

#include <string>

#include "core/tensor/tensor.h"

namespace weft {

// What is wrong ("wrong shape", "wrong type", "wrong values"), or "". Elements may differ as in numpy.testing.assert_allclose,
// which the suite calls: by `absolute + relative * |expected|`; NaN is NaN, and an infinity only itself.
std::string difference(const Tensor& result, const Tensor& expected, double relative, double absolute);

}  // namespace weft
