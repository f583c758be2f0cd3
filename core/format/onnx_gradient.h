// The operator Gradient of ai.onnx.preview.training, which names values of the graph that it stands in.
#pragma once

#include <vector>

#include "core/graph/graph.h"

namespace weft::onnx {

// The gradients by the first `count` of `named` of the sum of y, as a function of `named`, where these have the values
// `at`: kNoValue for what y does not depend on. Nodes between `named` and y are copied where the values are others.
Result<std::vector<ValueId>> gradient_at(Graph& graph, ValueId y, const std::vector<ValueId>& named, size_t count,
                                         const std::vector<ValueId>& at);

}  // namespace weft::onnx
