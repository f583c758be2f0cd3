// Drawings of graphs, made by Graphviz.
#pragma once

#include <string>

#include "core/base/status.h"

namespace weft {

// What the program `dot` of Graphviz makes of DOT text; UNAVAILABLE if it is not installed.
Result<std::string> graph_svg(const std::string& dot);

}  // namespace weft
