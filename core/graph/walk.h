// The order in which a graph's nodes are visited, which does not depend on the order in which they were added.
#pragma once

#include <vector>

#include "core/graph/graph.h"

namespace weft {

// The nodes that `roots` need, each after those it needs itself, in the order of a depth-first walk over input
// positions; does not go past `stops`. Iterative: depth costs heap, not stack.
std::vector<NodeId> ordered_nodes(const Graph& graph, const std::vector<ValueId>& roots, const std::vector<bool>& stops,
                                  bool with_attached);

// Whether `roots` need it, for each node.
std::vector<bool> needed_nodes(const Graph& graph, const std::vector<ValueId>& roots);

}  // namespace weft
