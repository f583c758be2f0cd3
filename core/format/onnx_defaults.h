// Weights of a file that are inputs of its model too: defaults, which a caller may feed, and what is computed of them.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "core/graph/graph.h"

namespace weft::onnx {

class Defaults {
 public:
  // A value of the model's own graph.
  void add(ValueId id) { values_.insert(id); }
  // Whether the value of a graph that is being built comes of a default. Each node is looked at once.
  bool give(const Graph& graph, ValueId id);

 private:
  // The nodes of a graph so far, and which of them are computed from a default.
  struct Seen {
    std::shared_ptr<const Graph> graph;  // whose address names it as long as it lives
    std::vector<bool> of_default;
    std::map<NodeId, ValueId> captured;  // what stands for a value of the graph around it
    size_t captures = 0;
  };

  void look_on(const Graph& graph, Seen& seen);

  std::set<ValueId> values_;
  std::map<const Graph*, Seen> seen_;
};

}  // namespace weft::onnx
