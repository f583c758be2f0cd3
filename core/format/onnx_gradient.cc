#include "core/format/onnx_gradient.h"

#include "core/graph/walk.h"
#include "core/passes/differentiate.h"

namespace weft::onnx {
namespace {

// y where the values of `map` stand in the places of others: what depends on these is made again.
Result<ValueId> made_again(Graph& graph, ValueId y, std::vector<ValueId> map) {
  for (NodeId id : ordered_nodes(graph, {y}, std::vector<bool>(map.size(), false), false)) {
    const Node node = graph.node(id);  // adding nodes moves them
    std::vector<ValueId> inputs;
    bool others = false;
    for (ValueId input : node.inputs) {
      const ValueId now = input == kNoValue || map[input] == kNoValue ? input : map[input];
      others = others || now != input;
      inputs.push_back(now);
    }
    if (!others) continue;
    NodeOptions options = NodeOptions::copy_of(graph, node);
    WEFT_TRY(NodeId copy, graph.add_node(*node.op, std::move(inputs), node.attrs, std::move(options)));
    for (int i = 0; i < node.output_count; ++i) {
      ValueId& place = map[node.output(i)];
      if (place == kNoValue) place = graph.node(copy).output(i);
    }
  }
  return map[y] == kNoValue ? y : map[y];
}

}  // namespace

Result<std::vector<ValueId>> gradient_at(Graph& graph, ValueId y, const std::vector<ValueId>& named, size_t count,
                                         const std::vector<ValueId>& at) {
  if (at != named) {
    std::vector<ValueId> map(static_cast<size_t>(graph.value_count()), kNoValue);
    for (size_t i = 0; i < named.size(); ++i) {
      if (!graph.type(at[i]).alike(graph.type(named[i]))) {
        return invalid("input ", i, " is ", graph.type(at[i]).text(), " but stands for '", graph.value(named[i]).name,
                       "', which is ", graph.type(named[i]).text());
      }
      map[named[i]] = at[i];
    }
    WEFT_TRY(y, made_again(graph, y, std::move(map)));
  }
  return differentiate(graph, {y}, {at.begin(), at.begin() + static_cast<std::ptrdiff_t>(count)}, {});
}

}  // namespace weft::onnx
