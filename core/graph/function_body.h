// Bodies that functions of programs build, each in a graph of its own.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/graph/expr.h"

namespace weft {

// Builds the body of a node in `graph`, where nothing else is. `inputs` are those of the schema, kNoValue for one that
// is omitted; of a variadic one as many as the node has. `attrs` are complete. It sets every one of `outputs`, as many
// as the node has. For the same types and attributes it must build the same; it may be called on several threads at
// once.
using BuildBody = std::function<Status(const std::shared_ptr<Graph>& graph, const std::vector<ValueId>& inputs,
                                       const Attrs& attrs, std::vector<ValueId>* outputs)>;

// The body that is what `build` builds, in operators of those versions. What is not as the schema says is an error.
// Random nodes without a seed draw from a stream that is named after the node whose body they are in, so that its
// gradient sees the same numbers.
BodyFunction function_body(const Opsets& opsets, BuildBody build);

}  // namespace weft
