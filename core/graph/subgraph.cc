// Sub-graphs: copies of them, and what their types must be like for the node that has them.
#include "core/graph/subgraph.h"

#include <algorithm>

#include "core/graph/walk.h"
#include "core/tensor/truth.h"

namespace weft {

Result<std::vector<ValueId>> add_stand_ins(const Graph& from, const std::vector<ValueId>& values, Graph& to) {
  std::vector<ValueId> out;
  for (ValueId id : values) {
    out.push_back(kNoValue);
    if (id == kNoValue) continue;
    const Value& value = from.value(id);
    if (value.constant != nullptr) {
      WEFT_TRY(out.back(), to.add_constant(*value.constant));
    } else {
      WEFT_TRY(out.back(), to.add_input({}, value.type));
    }
  }
  return out;
}

Status copy_nodes(const Graph& from, const std::vector<ValueId>& roots, Graph& to, std::vector<ValueId>* map) {
  std::vector<bool> there(from.value_count(), false);
  for (ValueId id = 0; id < from.value_count(); ++id) there[id] = (*map)[id] != kNoValue;
  for (NodeId id : ordered_nodes(from, roots, there, false)) {
    const Node& node = from.node(id);
    if (node.is(kWeftDomain, "Input")) {
      return internal_error("the copy of a graph lacks its input '", from.value(node.first_output).name, "'");
    }
    std::vector<ValueId> inputs;
    for (ValueId input : node.inputs) inputs.push_back(input == kNoValue ? kNoValue : (*map)[input]);
    WEFT_TRY(NodeId copy, to.add_node(*node.op, std::move(inputs), node.attrs, NodeOptions::copy_of(from, node)));
    for (int i = 0; i < node.output_count; ++i) {
      ValueId& place = (*map)[node.output(i)];
      if (place == kNoValue) place = to.node(copy).output(i);
    }
  }
  return {};
}

Result<std::shared_ptr<Graph>> copy_subgraph(const Graph& from, const std::shared_ptr<Graph>& parent,
                                             const std::vector<ValueType>& inputs, const std::vector<ValueId>& outer) {
  WEFT_TRY(std::shared_ptr<Graph> copy, Graph::make_subgraph(parent));
  std::vector<ValueId> map(from.value_count(), kNoValue);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ValueId id = from.inputs()[i];
    WEFT_TRY(map[id], copy->add_input(from.value(id).name, inputs[i], from.producer(id).origin));
  }
  const std::vector<Graph::Capture> captures = from.needed_captures();
  for (size_t i = 0; i < captures.size(); ++i) {
    WEFT_TRY(map[captures[i].inner], copy->capture(*parent, outer[i]));
  }
  WEFT_CHECK(copy_nodes(from, from.outputs(), *copy, &map));
  std::vector<ValueId> outputs;
  for (ValueId id : from.outputs()) outputs.push_back(map[id]);
  WEFT_CHECK(copy->set_outputs(std::move(outputs)));
  return copy;
}

Result<std::shared_ptr<Graph>> make_body(const std::shared_ptr<Graph>& parent, const OpDef& op,
                                         const std::vector<ValueId>& inputs, const Attrs& attrs) {
  if (op.repeated_types_fn() == nullptr) return invalid("no sub-graph of ", op.full_name(), " has inputs");
  WEFT_TRY(std::vector<ValueType> types, parent->subgraph_inputs(op, inputs, attrs, ""));
  WEFT_TRY(std::shared_ptr<Graph> body, Graph::make_subgraph(parent));
  for (ValueType& type : types) WEFT_CHECK(body->add_input("", std::move(type)).status());
  return body;
}

void TypeFit::fix(const ValueType& type) {
  for (const Dim& dim : type.dims) {
    if (!dim.known()) bound_.emplace_back(dim, dim);
  }
}

bool TypeFit::fits(const Dim& inner, const Dim& outer) const {
  if (inner == outer) {
    // Unless the symbol stands for something else meanwhile.
    return std::all_of(bound_.begin(), bound_.end(),
                       [&](const auto& bound) { return !(bound.first == inner) || bound.second == outer; });
  }
  if (inner.known()) return false;
  const bool symbol = Dim::symbol(inner.text()) == inner;
  if (!symbol) return outer.known();  // a formula, of which numbers alone can be trusted to obey it
  return std::all_of(bound_.begin(), bound_.end(),
                     [&](const auto& bound) { return !(bound.first == inner) || bound.second == outer; });
}

bool TypeFit::fits(const ValueType& inner, const ValueType& outer) {
  if (!inner.alike(outer)) return false;
  if (!inner.has_rank) return true;
  if (!outer.has_rank || inner.dims.size() != outer.dims.size()) return false;
  bool all = true;
  for (size_t d = 0; d < inner.dims.size(); ++d) {
    if (!fits(inner.dims[d], outer.dims[d])) {
      all = false;
    } else if (!inner.dims[d].known()) {
      bound_.emplace_back(inner.dims[d], outer.dims[d]);
    }
  }
  return all;
}

ValueType TypeFit::widened(const ValueType& inner, const ValueType& outer, const TypeFit& fit,
                           std::string_view prefix) {
  ValueType out = inner;
  out.ints = nullptr;
  if (!inner.has_rank) return out;
  if (!outer.has_rank || inner.dims.size() != outer.dims.size()) {
    out.has_rank = false;
    out.dims.clear();
    return out;
  }
  for (size_t d = 0; d < out.dims.size(); ++d) {
    if (!fit.fits(inner.dims[d], outer.dims[d])) out.dims[d] = Dim::symbol(cat(prefix, ".", d));
  }
  return out;
}

bool known_outside(const Dim& dim, const Graph& sub, const std::vector<const ValueType*>& given) {
  if (dim.known()) return true;
  auto among = [&dim](const ValueType& type) {
    return type.has_rank && std::find(type.dims.begin(), type.dims.end(), dim) != type.dims.end();
  };
  return std::any_of(sub.captures().begin(), sub.captures().end(),
                     [&](const Graph::Capture& capture) { return among(sub.type(capture.inner)); }) ||
         std::any_of(given.begin(), given.end(), [&](const ValueType* type) { return among(*type); });
}

ValueType as_carried(const ValueType& out, const ValueType& in) {
  ValueType carried = out;
  if (in.kind != Kind::kOptional || out.kind != in.holds) return carried;
  carried.holds = out.kind;
  carried.kind = Kind::kOptional;
  return carried;
}

bool always_holds(const Graph& graph, ValueId out, ValueId in) {
  while (graph.producer(out).is("Identity")) out = graph.producer(out).inputs[0];
  if (out == in) return true;
  const std::shared_ptr<const Tensor>& constant = graph.value(out).constant;
  return constant != nullptr && constant->dtype() == DType::kBool && constant->count() == 1 && says_true(*constant);
}

}  // namespace weft
