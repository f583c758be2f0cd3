// The order in which a graph's nodes are visited, which does not depend on the order in which they were added.
#pragma once

#include <vector>

#include "core/graph/graph.h"

namespace weft {

// The nodes that `roots` need, each after those it needs itself, in the order of a depth-first walk over input
// positions; does not go past `stops`. Iterative: depth costs heap, not stack.
std::vector<NodeId> ordered_nodes(const Graph& graph, const std::vector<ValueId>& roots, const std::vector<bool>& stops,
                                  bool with_attached);

// The roots by how long the longest way to them is. A walk in this order comes to the gradient by a weight, and to what is
// done with it, right after that by the layer's outputs, which would be out of the caches and still in memory later.
std::vector<ValueId> nearest_first(const Graph& graph, std::vector<ValueId> roots);

// Whether `roots` need it, for each node.
std::vector<bool> needed_nodes(const Graph& graph, const std::vector<ValueId>& roots);

// Whether each of its nodes gives the same whenever it is given the same, those of graphs inside of nodes too.
bool all_pure(const Graph& graph);
// The same of the graphs that are attributes of a node.
bool graphs_all_pure(const Node& node);

}  // namespace weft
