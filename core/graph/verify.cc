// Checks a whole graph again.
#include "core/graph/graph.h"

namespace weft {

namespace {

// Two views of one value: what both know must be the same.
bool agree(const ValueType& a, const ValueType& b) {
  if (a.kind != b.kind || a.holds != b.holds || a.keys != b.keys || (a.dtype != b.dtype && a.kind == Kind::kTensor))
    return false;
  if (!a.has_rank || !b.has_rank) return true;
  if (a.dims.size() != b.dims.size()) return false;
  for (size_t i = 0; i < a.dims.size(); ++i) {
    if (a.dims[i].known() && b.dims[i].known() && a.dims[i].value() != b.dims[i].value()) return false;
  }
  return true;
}

}  // namespace

Status Graph::verify_node(NodeId id) const {
  const Node& node = nodes_[id];
  for (ValueId input : node.inputs) {
    if (input == kNoValue) continue;
    if (!has_value(input)) return internal_error("an input is no value of the graph");
    if (values_[input].node >= id) return internal_error("needs '", values_[input].name, "', which comes later");
  }
  for (int i = 0; i < node.output_count; ++i) {
    const bool own =
        has_value(node.output(i)) && values_[node.output(i)].node == id && values_[node.output(i)].output_index == i;
    if (!own) return internal_error("output ", i, " is not its own");
  }
  WEFT_CHECK(check_inputs(*node.op, node.inputs.data(), node.schema_inputs));
  if (node.is(kWeftDomain, "Input") || node.is("Constant")) return {};
  std::vector<ValueType> outputs(node.output_count);
  WEFT_CHECK(infer(*node.op, node.attrs, node.inputs, node.schema_inputs, node.name, &outputs));
  for (int i = 0; i < node.output_count; ++i) {
    const ValueType& known = values_[node.output(i)].type;
    if (agree(known, outputs[i])) continue;
    return internal_error("output ", i, " is ", known.text(), " but inference says ", outputs[i].text());
  }
  return {};
}

Status Graph::verify() const {
  for (NodeId id = 0; id < node_count(); ++id) {
    const Node& node = nodes_[id];
    WEFT_CHECK(verify_node(id).at(node.name, node.op->full_name(), node.origin));
  }
  return {};
}

}  // namespace weft
