// Bodies that functions of programs build.
#include "core/graph/function_body.h"

#include "core/graph/building.h"
#include "core/graph/subgraph.h"
#include "core/graph/walk.h"

namespace weft {

namespace {

// Whether a value of type `made` is what the schema wants of an output that is `declared` for these inputs.
bool suits(const ValueType& made, const ValueType& declared, const TypeVar* variable) {
  if (made.kind != declared.kind) return false;
  if (made.kind == Kind::kSequence && made.holds != declared.holds) return false;
  if (declared.keys != DType::kNone && made.keys != declared.keys) return false;
  if (declared.dtype != DType::kNone) return made.dtype == declared.dtype || made.dtype == DType::kNone;
  return variable == nullptr || contains(variable->set, made.dtype);  // no input says what the variable is
}

Status check_built(const OpDef& op, const Graph& graph, size_t input_count, const std::vector<ValueId>& inputs,
                   const std::vector<ValueId>& made) {
  if (graph.inputs().size() != input_count) {
    return invalid("its body adds an input; what it works on are the inputs of the operator");
  }
  if (!graph.variables().empty()) {
    return invalid("its body adds the variable '", graph.variables()[0].name,
                   "'; a body keeps nothing: what it needs must be an input of the operator");
  }
  std::vector<const ValueType*> types;
  for (ValueId id : inputs) types.push_back(id == kNoValue ? nullptr : &graph.type(id));
  std::vector<ValueType> declared(made.size());
  WEFT_CHECK(bind_types(op, types, &declared));
  for (size_t i = 0; i < made.size(); ++i) {
    const Formal& formal = *op.output_formal(static_cast<int>(i));
    if (made[i] == kNoValue) return invalid("its body gives nothing as output ", i, ", '", formal.name, "'");
    if (!graph.has_value(made[i])) return invalid("its body gives as output ", i, " what is no value of its graph");
    const ValueType& type = graph.type(made[i]);
    const TypeVar* variable = op.find_type_var(formal.type);
    if (suits(type, declared[i], variable)) continue;
    const bool open = declared[i].dtype == DType::kNone && variable != nullptr;
    return invalid("its body gives ", type.text(), " as output ", i, ", '", formal.name, "', which must be ",
                   open ? cat("one of ", dtype_set_text(variable->set)) : declared[i].text());
  }
  return {};
}

// Whether a node comes apart as it is copied: then all that is in it is named after the outermost node, whichever graph
// the copy goes to.
bool comes_apart(const Node& node) {
  return node.op->body_fn() != nullptr && (node.op->is_added() || !node.op->is_pure());
}

// `map` says where the inputs of `from` are in the other graph, and then where all else went.
Status copy_built(const Graph& from, const std::vector<ValueId>& roots, ExprScope& to, std::vector<Expr>* map) {
  std::vector<bool> there(static_cast<size_t>(from.value_count()), false);
  for (ValueId id = 0; id < from.value_count(); ++id) there[id] = (*map)[id].valid();
  for (NodeId id : ordered_nodes(from, roots, there, false)) {
    const Node& node = from.node(id);
    std::vector<Expr> inputs, outputs;
    for (ValueId input : node.inputs) inputs.push_back(input == kNoValue ? Expr() : (*map)[input]);
    if (comes_apart(node)) {
      WEFT_TRY(outputs, expand_body(to, *node.op, node.attrs, std::move(inputs), node.output_count, node.name));
    } else {
      NodeOptions options;
      options.origin = to.origin();
      options.output_count = node.output_count;
      options.schema_inputs = node.schema_inputs;
      std::vector<ValueId> ids;
      for (const Expr& input : inputs) ids.push_back(input.id());
      WEFT_TRY(NodeId copy, to.graph().add_node(*node.op, std::move(ids), node.attrs, std::move(options)));
      for (int i = 0; i < node.output_count; ++i) outputs.emplace_back(to, to.graph().node(copy).output(i));
    }
    for (int i = 0; i < node.output_count; ++i) {
      Expr& place = (*map)[node.output(i)];
      if (!place.valid()) place = outputs[i];
    }
  }
  return {};
}

Status build_in_graph(BodyContext& c, const Opsets& opsets, const BuildBody& build) {
  Graph& around = c.scope().graph();
  const bool types_only = c.node_name().empty();
  std::shared_ptr<Graph> graph;
  std::vector<ValueId> inputs;
  if (types_only) {
    graph = around.shared_from_this();
    for (int i = 0; i < c.input_count(); ++i) inputs.push_back(c.input(i).id());
  } else {
    WEFT_TRY(graph, around.body_graph(c.op()));
    WEFT_CHECK(graph->push_scope(c.node_name()));
    std::vector<ValueId> given;
    for (int i = 0; i < c.input_count(); ++i) given.push_back(c.has_input(i) ? c.input(i).id() : kNoValue);
    WEFT_TRY(inputs, add_stand_ins(around, given, *graph));
  }
  const std::vector<Formal>& formals = c.op().inputs();
  const size_t single = formals.size() - (!formals.empty() && formals.back().variadic ? 1 : 0);
  if (inputs.size() < single) inputs.resize(single, kNoValue);
  graph->speak_opsets(opsets);
  const size_t input_count = graph->inputs().size();
  std::vector<ValueId> made(static_cast<size_t>(c.output_count()), kNoValue);
  WEFT_CHECK(Building::check_depth(kMostNesting));
  {
    const Building building(graph->number());
    WEFT_CHECK(build(graph, inputs, c.attrs(), &made).inside("its body cannot be built: "));
  }
  GraphReading reading(*graph);  // whoever built it may have kept it
  WEFT_CHECK(check_built(c.op(), *graph, input_count, inputs, made));
  if (types_only) {
    for (int i = 0; i < c.output_count(); ++i) c.set_output(i, Expr(c.scope(), made[i]));
    return {};
  }
  std::vector<Expr> map(static_cast<size_t>(graph->value_count()));
  for (int i = 0; i < c.input_count(); ++i) {
    if (c.has_input(i)) map[inputs[i]] = c.input(i);
  }
  WEFT_CHECK(copy_built(*graph, made, c.scope(), &map));
  for (int i = 0; i < c.output_count(); ++i) c.set_output(i, map[made[i]]);
  return {};
}

}  // namespace

BodyFunction function_body(const Opsets& opsets, BuildBody build) {
  return [opsets, build = std::move(build)](BodyContext& c) { return build_in_graph(c, opsets, build); };
}

}  // namespace weft
