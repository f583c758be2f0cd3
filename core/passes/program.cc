// A program: a graph of its own with the values that go in and come out.
#include "core/passes/program.h"

#include <algorithm>
#include <unordered_map>

#include "core/graph/walk.h"

namespace weft {

namespace {

// Copies nodes of one graph into another and remembers where each value went.
class Copier {
 public:
  Copier(const Graph& from, Graph& to)
      : from_(from), to_(to), map_(from.value_count(), kNoValue), given_(from.value_count(), false) {}

  ValueId at(ValueId id) const { return id == kNoValue ? kNoValue : map_[id]; }
  // Stays, whatever becomes of the other outputs of its node.
  void set(ValueId id, ValueId mapped) {
    map_[id] = mapped;
    given_[id] = true;
  }

  Status copy(const Node& node) {
    std::vector<ValueId> inputs;
    for (ValueId input : node.inputs) inputs.push_back(at(input));
    return copy_with(node, std::move(inputs));
  }

  Status copy_with(const Node& node, std::vector<ValueId> inputs) {
    WEFT_TRY(NodeId id, to_.add_node(*node.op, std::move(inputs), node.attrs, NodeOptions::copy_of(from_, node)));
    for (int i = 0; i < node.output_count && node.op->is_added(); ++i) {
      WEFT_CHECK(check_kept_type(from_.type(node.output(i)), to_.type(to_.node(id).output(i)))
                     .at(node.name, node.op->full_name(), node.origin));
    }
    for (int i = 0; i < node.output_count; ++i) {
      if (!given_[node.output(i)]) map_[node.output(i)] = to_.node(id).output(i);
    }
    return {};
  }

 private:
  const Graph& from_;
  Graph& to_;
  std::vector<ValueId> map_;
  std::vector<bool> given_;
};

}  // namespace

Status check_kept_type(const ValueType& was, const ValueType& is) {
  if (was.kind != Kind::kTensor) return {};
  const bool same_shape = !was.has_rank || !is.has_rank || may_equal(was.dims, is.dims);
  if (is.kind == was.kind && is.dtype == was.dtype && same_shape) return {};
  return invalid("it is ", is.text(), " now but was ", was.text(),
                 " when it was added; the body of an operator must give the same for the same types, shapes and "
                 "attributes");
}

Result<Cut> cut_program(const Graph& graph, const std::vector<ValueId>& feeds, const std::vector<ValueId>& fetches,
                        const std::vector<ValueId>& targets) {
  Cut cut;
  WEFT_TRY(cut.program.graph, Graph::make(graph.ops()));
  Graph& out = *cut.program.graph;
  Copier copier(graph, out);
  std::vector<bool> fed(graph.value_count(), false);
  for (ValueId id : feeds) {
    if (!graph.has_value(id)) return invalid("a feed is not a value of this graph");
    if (fed[id]) return invalid("'", graph.value(id).name, "' is fed twice");
    fed[id] = true;
    ValueType type = graph.type(id);
    type.ints = nullptr;
    WEFT_TRY(ValueId mapped, out.add_input(graph.value(id).name, std::move(type), graph.producer(id).origin));
    copier.set(id, mapped);
    cut.program.inputs.push_back(mapped);
  }
  cut.feed_count = feeds.size();
  cut.fetch_count = fetches.size();
  std::vector<ValueId> roots = fetches;
  roots.insert(roots.end(), targets.begin(), targets.end());
  for (ValueId id : roots) {
    if (!graph.has_value(id)) return invalid("a fetch is not a value of this graph");
  }
  // Where a variable's repeated running updates have got to.
  std::unordered_map<ValueId, ValueId> chained;
  struct Assigned {
    std::string variable;
    ValueId value;
    bool chain;
  };
  std::vector<Assigned> assigned;
  for (NodeId node_id : ordered_nodes(graph, roots, fed, true)) {
    const Node& node = graph.node(node_id);
    if (node.is(kWeftDomain, "Input")) {
      return invalid("input '", graph.value(node.first_output).name, "' is needed by what is fetched but was not fed")
          .at(node.name, "weft.Input", node.origin);
    }
    if (node.is(kWeftDomain, "Variable")) {
      WEFT_TRY(ValueId mapped, out.add_input(node.name, graph.type(node.first_output), node.origin));
      copier.set(node.first_output, mapped);
      cut.program.inputs.push_back(mapped);
      cut.read_variables.push_back(node.name);
      cut.variable_types.push_back(graph.type(node.first_output));
      continue;
    }
    if (node.is(kWeftDomain, "Assign")) {
      const Node& variable = graph.producer(node.inputs[0]);
      ValueId value = copier.at(node.inputs[1]);
      const Node& source = graph.producer(node.inputs[1]);
      bool chain = source.is(kWeftDomain, "RunningUpdate") && source.inputs[0] == node.inputs[0];
      auto earlier = std::find_if(assigned.begin(), assigned.end(),
                                  [&](const Assigned& a) { return a.variable == variable.name; });
      if (earlier != assigned.end()) {
        if (!chain || !earlier->chain) {
          return invalid("variable '", variable.name, "' is assigned twice in one run")
              .at(node.name, "weft.Assign", node.origin);
        }
        // A second running update starts from what the first one left.
        WEFT_CHECK(copier.copy_with(source, {earlier->value, copier.at(source.inputs[1])}));
        value = copier.at(node.inputs[1]);
        earlier->value = value;
      } else {
        assigned.push_back({variable.name, value, chain});
      }
      copier.set(node.first_output, value);
      continue;
    }
    WEFT_CHECK(copier.copy(node));
  }
  for (ValueId id : fetches) cut.program.outputs.push_back(copier.at(id));
  for (const Assigned& a : assigned) {
    cut.assigned_variables.push_back(a.variable);
    cut.program.outputs.push_back(a.value);
    cut.variable_types.push_back(out.type(a.value));
  }
  return cut;
}

Result<Program> subgraph_program(const Graph& graph, const std::vector<const Tensor*>& known) {
  Program program;
  WEFT_TRY(program.graph, Graph::make(graph.ops()));
  Graph& out = *program.graph;
  Copier copier(graph, out);
  auto add_input = [&](ValueId id) -> Status {
    ValueType type = graph.type(id);
    type.ints = nullptr;
    WEFT_TRY(ValueId mapped, out.add_input(graph.value(id).name, std::move(type)));
    copier.set(id, mapped);
    program.inputs.push_back(mapped);
    return {};
  };
  for (ValueId id : graph.inputs()) WEFT_CHECK(add_input(id));
  for (size_t i = 0; i < graph.captures().size(); ++i) {
    const ValueId id = graph.captures()[i].inner;
    if (known[i] == nullptr) {
      WEFT_CHECK(add_input(id));
      continue;
    }
    WEFT_TRY(ValueId mapped, out.add_constant(*known[i], graph.value(id).name));
    copier.set(id, mapped);
  }
  for (NodeId node_id : ordered_nodes(graph, graph.outputs(), {}, false)) {
    const Node& node = graph.node(node_id);
    if (node.is(kWeftDomain, "Input")) continue;
    WEFT_CHECK(copier.copy(node));
  }
  for (ValueId id : graph.outputs()) program.outputs.push_back(copier.at(id));
  return program;
}

}  // namespace weft
