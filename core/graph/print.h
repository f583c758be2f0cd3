// Graphs for people: as text, and as DOT for Graphviz.
#pragma once

#include <string>

#include "core/graph/graph.h"

namespace weft {

std::string graph_text(const Graph& graph);
std::string graph_dot(const Graph& graph);

}  // namespace weft
