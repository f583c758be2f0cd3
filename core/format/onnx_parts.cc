// What is written in the place of a node: the operators that it is made of, its form in an older opset, or its like of wider
// types.
#include "core/format/onnx_parts.h"

#include "core/graph/downgrade.h"
#include "core/graph/subgraph.h"
#include "core/passes/widen.h"

namespace weft::onnx {

namespace {

// A graph with what stands for the first `count` inputs of a node.
Result<Parts> stand_ins(const Graph& graph, const Node& node, size_t count) {
  Parts parts;
  WEFT_TRY(parts.graph, Graph::make(graph.ops()));
  const auto first = node.inputs.begin();
  WEFT_TRY(parts.given, add_stand_ins(graph, {first, first + static_cast<std::ptrdiff_t>(count)}, *parts.graph));
  parts.first = parts.graph->node_count();
  return parts;
}

std::vector<Expr> expressions(ExprScope& scope, const std::vector<ValueId>& ids) {
  std::vector<Expr> out;
  for (ValueId id : ids) out.push_back(id == kNoValue ? Expr() : Expr(scope, id));
  return out;
}

std::vector<ValueId> ids_of(const std::vector<Expr>& values) {
  std::vector<ValueId> out;
  for (const Expr& value : values) out.push_back(value.id());
  return out;
}

// The same; an error says of "it", the node, why there is no such form.
Result<Parts> form_in(const Graph& graph, const Node& node, const OpDef& op, const OpHistory& history, int opset) {
  WEFT_TRY(Parts parts, stand_ins(graph, node, static_cast<size_t>(node.schema_inputs)));
  ExprScope scope(*parts.graph);
  std::vector<ValueType> outputs;
  for (int i = 0; i < node.output_count; ++i) outputs.push_back(graph.type(node.output(i)));
  DowngradeContext c(scope, op, expressions(scope, parts.given), node.attrs, std::move(outputs));
  for (const Downgrade& downgrade : op.downgrades()) {
    if (opset >= downgrade.version) continue;
    WEFT_CHECK(downgrade.apply(c));
    WEFT_CHECK(scope.status());
    if (!c.is_replaced()) continue;
    parts.outputs = ids_of(c.replacements());
    return parts;
  }
  while (!c.inputs.empty() && !c.inputs.back().valid()) c.inputs.pop_back();
  NodeForm form{c.op, op, {}, {}, c.attrs};
  for (const Expr& input : c.inputs) form.inputs.push_back(input.valid() ? &input.type() : nullptr);
  for (int i = 0; i < c.output_count(); ++i) form.outputs.push_back(&c.output(i));
  if (std::string why = history.misfit(form, opset); !why.empty()) return unimplemented(why);
  for (const auto& [name, value] : node.attrs) {
    const AttrDef* def = op.find_attr(name);
    if (def != nullptr && def->is_hint) continue;
    if (!history.has_attr(c.op, name, opset)) c.attrs.erase(name);  // it says what is so without it
  }
  parts.def = &op;
  parts.op = std::move(c.op);
  parts.inputs = ids_of(c.inputs);
  parts.attrs = std::move(c.attrs);
  return parts;
}

// Whether today's operator has the node with the types of a widening.
bool is_known(const Graph& graph, const Node& node, const Widening& widening, const OpHistory& history) {
  const NodeForm as_it_is = form_of(graph, node, *node.op);
  std::vector<ValueType> types;  // those that change
  types.reserve(as_it_is.inputs.size() + as_it_is.outputs.size());
  const auto changed = [&](std::vector<const ValueType*> values, const std::vector<DType>& dtypes) {
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] == nullptr || dtypes[i] == DType::kNone) continue;
      types.push_back(*values[i]);
      types.back().dtype = dtypes[i];
      values[i] = &types.back();
    }
    return values;
  };
  const NodeForm wider{as_it_is.op, *node.op, changed(as_it_is.inputs, widening.inputs),
                       changed(as_it_is.outputs, widening.outputs), widening.attrs};
  return history.misfit(wider, kUnreleasedOpset).empty();
}

// An infinity of 8 bits stays one.
Expr cast_back(Expr x, DType to) {
  const bool saturates = !is_float(to) || dtype_bits(to) != 8;
  return saturates ? cast(x, to)
                   : make(x.scope(), "Cast", {x}, {{"to", static_cast<int64_t>(to)}, {"saturate", int64_t{0}}});
}

}  // namespace

NodeForm form_of(const Graph& graph, const Node& node, const OpDef& op) {
  NodeForm form{op.name(), op, {}, {}, node.attrs};
  for (int i = 0; i < node.schema_inputs; ++i) {
    const ValueId id = node.inputs[static_cast<size_t>(i)];
    form.inputs.push_back(id == kNoValue ? nullptr : &graph.type(id));
  }
  while (!form.inputs.empty() && form.inputs.back() == nullptr) form.inputs.pop_back();
  for (int i = 0; i < node.output_count; ++i) form.outputs.push_back(&graph.type(node.output(i)));
  return form;
}

Result<Parts> body_of(const Graph& graph, const Node& node) {
  WEFT_TRY(Parts parts, stand_ins(graph, node, node.inputs.size()));
  ExprScope scope(*parts.graph);
  WEFT_TRY(const std::vector<Expr> made,
           expand_body(scope, *node.op, node.attrs, expressions(scope, parts.given), node.output_count, node.name));
  parts.outputs = ids_of(made);
  return parts;
}

Result<Parts> older_form(const Graph& graph, const Node& node, const OpDef& op, const OpHistory& history, int opset) {
  Result<Parts> parts = form_in(graph, node, op, history, opset);
  if (parts.ok()) return parts;
  int needed = opset + 1;
  while (needed <= kUnreleasedOpset && !form_in(graph, node, op, history, needed).ok()) ++needed;
  if (needed > kUnreleasedOpset) {
    return unimplemented("no opset has such a node of ", op.name(), ": ",
                         form_in(graph, node, op, history, kUnreleasedOpset).status().message());
  }
  return unimplemented(op.name(), " needs opset ", needed, ", but opset ", opset,
                       " was asked for: ", parts.status().message());
}

Result<std::optional<Parts>> wider_form(const Graph& graph, const Node& node, const OpHistory& history) {
  const auto fits = [&](const Widening& widening) { return is_known(graph, node, widening, history); };
  // What a sub-graph captures has types of its own.
  if (static_cast<size_t>(node.schema_inputs) < node.inputs.size()) return std::optional<Parts>();
  std::optional<Widening> widening;
  if (node.op->body_fn() == nullptr) {
    widening = widening_that_fits(graph, node, fits);
  } else {
    widening = widen_halves(graph, node);
    if (widening && !fits(*widening)) widening.reset();
  }
  if (!widening) return std::optional<Parts>();
  WEFT_TRY(Parts parts, stand_ins(graph, node, node.inputs.size()));
  ExprScope scope(*parts.graph);
  std::vector<Expr> inputs = expressions(scope, parts.given);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (widening->inputs[i] != DType::kNone) inputs[i] = cast(inputs[i], widening->inputs[i]);
  }
  std::vector<Expr> outputs =
      make_all(scope, node.op->full_name(), inputs, widening->attrs, node.output_count, node.name);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (widening->outputs[i] == DType::kNone) continue;
    outputs[i] = cast_back(outputs[i], graph.type(node.output(static_cast<int>(i))).dtype);
  }
  WEFT_CHECK(scope.status());
  parts.outputs = ids_of(outputs);
  return std::optional<Parts>(std::move(parts));
}

}  // namespace weft::onnx
