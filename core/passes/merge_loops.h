// Loops of which one does all that another does and more, as those made for gradients do.
#pragma once

#include <string_view>
#include <vector>

#include "core/graph/graph.h"

namespace weft {

struct LoopMerge {
  NodeId by = -1;  // the node whose outputs can be taken instead; -1 for none
  // By output of the node: which of the other one's it is.
  std::vector<int> outputs;
};

// What is put behind the name of a loop that differentiation makes once more, to keep what the gradient needs.
inline constexpr std::string_view kTwinSuffix = "/kept";

// For each node among `order`, which is that of a walk; none if no two of them are such.
std::vector<LoopMerge> merge_loops(const Graph& graph, const std::vector<NodeId>& order);

}  // namespace weft
