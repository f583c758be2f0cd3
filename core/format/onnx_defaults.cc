// Follows defaults through graphs that grow.
#include "core/format/onnx_defaults.h"

#include <algorithm>

namespace weft::onnx {

bool Defaults::give(const Graph& graph, ValueId id) {
  if (values_.empty()) return false;
  Seen& seen = seen_[&graph];
  seen.graph = graph.shared_from_this();
  look_on(graph, seen);
  return seen.of_default[static_cast<size_t>(graph.value(id).node)];
}

void Defaults::look_on(const Graph& graph, Seen& seen) {
  for (; seen.captures < graph.captures().size(); ++seen.captures) {
    const Graph::Capture& capture = graph.captures()[seen.captures];
    seen.captured.emplace(graph.value(capture.inner).node, capture.outer);
  }
  for (auto at = static_cast<NodeId>(seen.of_default.size()); at < graph.node_count(); ++at) {
    const Node& node = graph.node(at);
    bool found = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) {
      return input != kNoValue && seen.of_default[static_cast<size_t>(graph.value(input).node)];
    });
    if (graph.parent() == nullptr) {
      for (int i = 0; i < node.output_count; ++i) found = found || values_.count(node.output(i)) != 0;
    } else if (const auto outer = seen.captured.find(at); outer != seen.captured.end()) {
      found = give(*graph.parent(), outer->second);
    }
    seen.of_default.push_back(found);
  }
}

}  // namespace weft::onnx
