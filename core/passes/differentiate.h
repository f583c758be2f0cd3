// Reverse-mode differentiation, symbolic: adds the nodes that compute gradients to the graph.
#pragma once

#include <vector>

#include "core/graph/expr.h"

namespace weft {

// Whether a value of this type may have a gradient of its own type.
bool carries_gradient(const ValueType& type);
// Whether a gradient can flow by this value: of one that was quantized, in a wider type.
bool carries_gradient(const Graph& graph, ValueId id);

// The gradient of `ys` with respect to each of `xs`, weighted by `grad_ys` (of the shapes of `ys`; one, or none for
// ones). A value of `xs` that no y depends on through differentiable operators gets kNoValue. Contributions are summed
// in the order of a walk from `ys` over input positions, whatever the order the nodes were added in. `graph` may be a
// sub-graph; captured values count as its inputs.
Result<std::vector<ValueId>> differentiate(Graph& graph, const std::vector<ValueId>& ys, const std::vector<ValueId>& xs,
                                           const std::vector<ValueId>& grad_ys, std::string_view origin = {});

// Of two parts of one gradient: tensors, sequences or optionals.
Expr sum_of_gradients(Expr a, Expr b);

}  // namespace weft
