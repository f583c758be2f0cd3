// Graphs for people: as text, as DOT for Graphviz, and in errors.
#pragma once

#include <string>
#include <string_view>

#include "core/graph/graph.h"

namespace weft {

std::string graph_text(const Graph& graph);
std::string graph_dot(const Graph& graph);
// What an error calls a node that could not be added: the name that it was to have in the open scopes, there that of its
// operator if it was given none.
std::string name_in_errors(const Graph& graph, std::string_view name, std::string_view op);

}  // namespace weft
