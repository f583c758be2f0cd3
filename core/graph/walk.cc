// Walks over graphs.
#include "core/graph/walk.h"

#include <algorithm>

namespace weft {

std::vector<NodeId> ordered_nodes(const Graph& graph, const std::vector<ValueId>& roots, const std::vector<bool>& stops,
                                  bool with_attached) {
  std::vector<NodeId> order;
  std::vector<bool> seen(graph.node_count(), false);
  struct Entry {
    NodeId node;
    size_t next;
  };
  std::vector<Entry> stack;
  auto push = [&](ValueId id) {
    if (id == kNoValue || (!stops.empty() && stops[id])) return;
    NodeId node = graph.value(id).node;
    if (seen[node]) return;
    seen[node] = true;
    stack.push_back({node, 0});
  };
  // Attached assignments depend on their node's outputs, so they are roots of their own, after the others.
  std::vector<ValueId> pending = roots;
  for (size_t i = 0; i < pending.size(); ++i) {
    push(pending[i]);
    while (!stack.empty()) {
      Entry& top = stack.back();
      const Node& node = graph.node(top.node);
      if (top.next < node.inputs.size()) {
        push(node.inputs[top.next++]);
        continue;
      }
      order.push_back(top.node);
      if (with_attached) pending.insert(pending.end(), node.attached.begin(), node.attached.end());
      stack.pop_back();
    }
  }
  return order;
}

std::vector<ValueId> nearest_first(const Graph& graph, std::vector<ValueId> roots) {
  std::vector<int32_t> depth(graph.node_count(), 0);
  auto depth_of = [&](ValueId id) { return id == kNoValue ? 0 : depth[graph.value(id).node]; };
  for (NodeId id : ordered_nodes(graph, roots, {}, false)) {
    for (ValueId input : graph.node(id).inputs) depth[id] = std::max(depth[id], depth_of(input) + 1);
  }
  std::stable_sort(roots.begin(), roots.end(), [&](ValueId a, ValueId b) { return depth_of(a) < depth_of(b); });
  return roots;
}

std::vector<bool> needed_nodes(const Graph& graph, const std::vector<ValueId>& roots) {
  std::vector<bool> needed(graph.node_count(), false);
  for (NodeId id : ordered_nodes(graph, roots, {}, false)) needed[id] = true;
  return needed;
}

bool all_pure(const Graph& graph) {
  for (NodeId id = 0; id < graph.node_count(); ++id) {
    const Node& node = graph.node(id);
    if (!node.op->is_pure() && !node.is(kWeftDomain, "Input")) return false;
    if (!graphs_all_pure(node)) return false;
  }
  return true;
}

bool graphs_all_pure(const Node& node) {
  return std::all_of(node.attrs.begin(), node.attrs.end(), [](const Attrs::Item& item) {
    return item.second.kind() != AttrKind::kGraph || all_pure(*item.second.graph());
  });
}

}  // namespace weft
