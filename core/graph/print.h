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
// What an error calls a value of the graph: "'y' (built at train.py:12)", without the line if none is known.
std::string value_in_errors(const Graph& graph, ValueId id);
// What an error calls a sub-graph, and what it says to who would use a value of it outside: the same words everywhere.
std::string body_in_errors(const Graph& graph);
inline constexpr std::string_view kBodyGives = "what the body is to give outside must be one of its results";

}  // namespace weft
