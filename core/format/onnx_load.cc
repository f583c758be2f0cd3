// Builds a graph from an ONNX file.
#include <algorithm>
#include <map>

#include "core/base/file.h"
#include "core/base/text.h"
#include "core/format/onnx.h"
#include "core/format/onnx_defaults.h"
#include "core/format/onnx_functions.h"
#include "core/format/onnx_gradient.h"
#include "core/format/onnx_operators.h"
#include "core/format/onnx_order.h"
#include "core/format/onnx_parameters.h"
#include "core/format/onnx_tensor.h"
#include "core/format/onnx_type.h"
#include "core/format/onnx_wire.h"
#include "core/graph/expr.h"
#include "core/tensor/truth.h"

namespace weft {

namespace {

using namespace onnx;

// Functions that call functions that call...: so many at most. Loading goes one into the other on the caller's stack.
constexpr size_t kMostCalls = 64;
// What a file's functions come to, node by node: a few that call each other twice would soon fill any memory.
constexpr int64_t kMostFunctionNodes = int64_t{1} << 19;

struct Names {
  Graph* graph;
  std::map<std::string, ValueId, std::less<>> values;
  // The nodes that are being added, and the one that is next.
  const std::vector<std::string_view>* nodes = nullptr;
  size_t at = 0;
};

// Where names mean something: the model, or one call of one of its functions.
struct Frame {
  const Function* function = nullptr;  // null: the model itself
  size_t caller = 0;
  Opsets opsets;
  GivenAttributes given;
  std::vector<Names> scopes;  // innermost last
  int branches = 0;           // whose nodes are being added to the graph around them
};

class Loader {
 public:
  Loader(const OpRegistry& ops, const OnnxLoadOptions& options, const ModelFile& file, const std::string& folder)
      : ops_(ops), options_(options), file_(file), files_(folder, options.map) {}

  Result<std::shared_ptr<Graph>> load() {
    WEFT_TRY(model_, read_model(file_.bytes()));
    WEFT_TRY(const Opsets opsets, opsets_of(model_));
    WEFT_TRY(functions_, Functions::read(model_.functions, opsets));
    frames_.push_back({nullptr, 0, opsets, {}, {}});
    WEFT_TRY(std::shared_ptr<Graph> graph, Graph::make(ops_));
    graph->speak_opsets(opsets);
    WEFT_TRY(GraphWire wire, read_graph(model_.graph));
    if (wants("*")) {
      WEFT_TRY(parameters_, Parameters::read(wire));
    }
    WEFT_CHECK(add_contents(graph, wire));
    for (const std::string& name : options_.trainable) {
      if (name != "*" && graph->find_variable(name) == nullptr) {
        return not_found("it has no weight '", name, "' of floating point to be trainable");
      }
    }
    graph->speak_opsets({});
    return graph;
  }

 private:
  // Initializers, inputs, nodes and outputs, into a new graph.
  // `types` are those that the inputs of a sub-graph have if the file says nothing of them.
  Status add_contents(const std::shared_ptr<Graph>& graph, const GraphWire& wire,
                      const std::vector<ValueType>& types = {}) {
    if (scopes().size() >= kMostNesting)
      return unimplemented("its graphs are nested more than ", kMostNesting, " deep");
    scopes().push_back({graph.get(), {}});
    Status status = add_in_scope(graph, wire, types);
    scopes().pop_back();
    return status;
  }

  Status add_in_scope(const std::shared_ptr<Graph>& graph, const GraphWire& wire, const std::vector<ValueType>& types) {
    WEFT_CHECK(add_weights(*graph, wire));
    if (frame_ == 0 && scopes().size() == 1) has_weights_ = !graph->variables().empty();
    for (size_t i = 0; i < wire.inputs.size(); ++i) {
      const ValueWire& input = wire.inputs[i];
      if (auto weight = names().find(input.name); weight != names().end()) {
        // Before version 4 of the format every weight is an input as well, and no default.
        if (graph->parent() == nullptr && model_.ir_version >= 4) defaults_.add(weight->second);
        continue;
      }
      WEFT_CHECK(add_input(*graph, input, i < types.size() ? &types[i] : nullptr));
    }
    WEFT_CHECK(add_nodes(graph, wire.nodes));
    std::vector<ValueId> outputs;
    for (const ValueWire& output : wire.outputs) {
      Result<ValueId> id = find(*graph, output.name);
      if (!id.ok()) return invalid("nothing makes its output '", output.name, "'");
      outputs.push_back(*id);
    }
    return graph->set_outputs(std::move(outputs));
  }

  Status add_nodes(const std::shared_ptr<Graph>& graph, const std::vector<std::string_view>& nodes) {
    scopes().back().nodes = &nodes;
    for (size_t i = 0; i < nodes.size(); ++i) {
      scopes().back().at = i;
      WEFT_TRY(NodeWire node, read_node(nodes[i]));
      std::string text = node.name.empty() ? std::string(node.op_type) : std::string(node.name);
      WEFT_CHECK(add_node(graph, node).at(text, node.op_type, ""));
    }
    scopes().back().nodes = nullptr;
    return {};
  }

  bool wants(std::string_view key) const {
    return std::find(options_.trainable.begin(), options_.trainable.end(), key) != options_.trainable.end();
  }

  // Whether a weight of the model's own graph becomes a variable.
  bool is_trained(std::string_view name, const Tensor& weight, bool may_be_guessed) {
    if (frame_ != 0 || scopes().size() != 1 || !named_as_in_file()) return false;
    if (weight.dtype() != DType::kF32 && weight.dtype() != DType::kF64) return false;
    return wants(name) || (may_be_guessed && wants("*") && parameters_.has(name, weight));
  }

  // What a Constant node holds, or an empty tensor if that is never trained.
  static Tensor held_by(const OpDef& op, const Attrs& attrs) {
    if (op.full_name() != "Constant") return {};
    for (const auto& [name, attr] : attrs) {
      if (attr.kind() == AttrKind::kTensor) return attr.tensor();
      if (name == "value_floats" && attr.kind() == AttrKind::kFloats) {
        return Tensor::vector<float>(std::vector<float>(attr.floats().begin(), attr.floats().end()));
      }
    }
    return {};
  }

  Frame& frame() { return frames_[frame_]; }
  std::vector<Names>& scopes() { return frame().scopes; }
  std::map<std::string, ValueId, std::less<>>& names() { return scopes().back().values; }

  Status define(std::string_view name, ValueId id) {
    if (name.empty()) return {};
    if (!names().emplace(std::string(name), id).second) return data_loss("it has two values named '", name, "'");
    return {};
  }

  // Called before a value is made or named: what the graph called so on its own gives way.
  Status claim(Graph& graph, std::string_view name) {
    if (names().count(name) != 0) return data_loss("it has two values named '", name, "'");
    if (graph.find_variable(name) != nullptr) return data_loss("it has a value and a variable named '", name, "'");
    return graph.free_name(name);
  }

  // A name of this graph or one around it, as a value of this graph; kNoValue for an input of a function that is not given.
  Result<ValueId> find(Graph& graph, std::string_view name) {
    for (auto scope = scopes().rbegin(); scope != scopes().rend(); ++scope) {
      auto at = scope->values.find(name);
      if (at == scope->values.end()) continue;
      if (scope->graph == &graph || at->second == kNoValue) return at->second;
      return graph.capture(*scope->graph, at->second);
    }
    for (auto scope = scopes().rbegin(); scope != scopes().rend(); ++scope) {
      if (scope->nodes == nullptr) continue;
      const std::string why = why_missing(*scope->nodes, scope->at, name);
      if (!why.empty()) return invalid("it uses '", name, "', which ", why);
    }
    return invalid("it uses '", name, "', which nothing before it makes");
  }

  Status add_weights(Graph& graph, const GraphWire& wire) {
    for (std::string_view bytes : wire.initializers) {
      WEFT_TRY(const TensorWire tensor, read_tensor(bytes));
      WEFT_CHECK(add_weight(graph, tensor.name, tensor_at(bytes, tensor)));
    }
    for (std::string_view bytes : wire.sparse_initializers) {
      WEFT_TRY(const SparseWire sparse, read_sparse(bytes));
      WEFT_CHECK(add_weight(graph, sparse.values.name, to_dense(sparse, file_, files_)));
    }
    return {};
  }

  // `wire` is what stands at `bytes`. A function has its tensors once, however often it is called.
  Result<Tensor> tensor_at(std::string_view bytes, const TensorWire& wire) {
    if (frames_.size() == 1) return to_tensor(wire, file_, files_);
    if (auto at = shared_.find(bytes.data()); at != shared_.end()) return at->second;
    Result<Tensor> tensor = to_tensor(wire, file_, files_);
    if (tensor.ok()) shared_.emplace(bytes.data(), *tensor);
    return tensor;
  }

  Status add_weight(Graph& graph, std::string_view weight, Result<Tensor> tensor) {
    if (!tensor.ok()) return tensor.status().within(cat("the weight '", weight, "': "));
    std::string name(weight);
    if (!named_as_in_file()) {
      WEFT_TRY(ValueId id, graph.add_constant(std::move(*tensor)));
      return define(name, id);
    }
    WEFT_CHECK(claim(graph, name));
    if (is_trained(name, *tensor, true)) {
      // A name that the graph chose itself could be one that the file has for something later.
      WEFT_TRY(ValueId initial, graph.add_constant(std::move(*tensor), graph.unique_name(name + "/initial")));
      WEFT_TRY(ValueId variable, graph.add_variable_full(name, initial, true));
      return define(name, variable);
    }
    WEFT_TRY(ValueId id, graph.add_constant(std::move(*tensor), name));
    return define(name, id);
  }

  // What a sub-graph's inputs are like is known around it, and need not stand in the file.
  Status add_input(Graph& graph, const ValueWire& wire, const ValueType* known) {
    if (known != nullptr && !(wire.is_known && wire.has_shape)) {
      WEFT_CHECK(claim(graph, wire.name));
      WEFT_TRY(ValueId id, graph.add_input(wire.name, *known));
      return define(wire.name, id);
    }
    Result<ValueType> read = to_type(wire, wire.name);
    if (!read.ok()) return read.status().within(cat("the input '", wire.name, "': "));
    ValueType type = std::move(*read);
    WEFT_CHECK(claim(graph, wire.name));
    WEFT_TRY(ValueId id, graph.add_input(wire.name, std::move(type)));
    return define(wire.name, id);
  }

  Result<AttrValue> attribute(const AttributeWire& wire, const OpDef* op) {
    switch (wire.type) {
      case kTypeFloat: return AttrValue(static_cast<double>(wire.f));
      case kTypeInt: return AttrValue(wire.i);
      case kTypeString: return AttrValue(std::string(wire.s));
      case kTypeFloats: return AttrValue(std::vector<double>(wire.floats.begin(), wire.floats.end()));
      case kTypeInts: return AttrValue(wire.ints);
      case kTypeStrings: return AttrValue(std::vector<std::string>(wire.strings.begin(), wire.strings.end()));
      case kTypeTensor: {
        WEFT_TRY(TensorWire tensor_wire, read_tensor(wire.tensor));
        Result<Tensor> tensor = tensor_at(wire.tensor, tensor_wire);
        if (!tensor.ok()) return tensor.status().within(cat("attribute '", wire.name, "': "));
        // Our own operators' numbers of 64 bits are written as tensors: an attribute of ONNX has only 32.
        const AttrDef* def = op != nullptr ? op->find_attr(wire.name) : nullptr;
        if (def != nullptr && def->kind == AttrKind::kFloat && tensor->dtype() == DType::kF64 && tensor->rank() == 0) {
          return AttrValue(*tensor->as<double>());
        }
        if (def != nullptr && def->kind == AttrKind::kFloats && tensor->dtype() == DType::kF64) {
          return AttrValue(std::vector<double>(tensor->as<double>(), tensor->as<double>() + tensor->count()));
        }
        return AttrValue(std::move(*tensor));
      }
      case kTypeSparse: {
        WEFT_TRY(const SparseWire sparse, read_sparse(wire.sparse));
        Result<Tensor> tensor = to_dense(sparse, file_, files_);
        if (!tensor.ok()) return tensor.status().within(cat("attribute '", wire.name, "': "));
        return AttrValue(std::move(*tensor));
      }
      case kTypeType: {
        WEFT_TRY(ValueWire type_wire, read_type_proto(wire.type_proto));
        Result<ValueType> type = to_type(type_wire, wire.name);
        if (!type.ok()) return type.status().within(cat("attribute '", wire.name, "': "));
        return AttrValue(type->text());
      }
      default: return unimplemented("attribute '", wire.name, "' is of type ", wire.type, ", which cannot be read");
    }
  }

  // The graph of an attribute, which is read with the names of the place that it was written in.
  Result<std::shared_ptr<Graph>> subgraph(const std::shared_ptr<Graph>& graph, const GivenAttribute& given,
                                          const std::vector<ValueType>& types) {
    WEFT_TRY(GraphWire inner, read_graph(given.wire.graph));
    WEFT_TRY(std::shared_ptr<Graph> sub, Graph::make_subgraph(graph));
    const size_t here = frame_;
    frame_ = given.frame;
    sub->speak_opsets(frame().opsets);
    Status status = add_contents(sub, inner, types);
    frame_ = here;
    WEFT_CHECK(status);
    return sub;
  }

  // Attributes that stand in the metadata, as ONNX does not know them. They change no result, so a key or value that is
  // not known here, of a later version perhaps, is no reason to refuse a file.
  static void add_hints(const OpDef& op, const NodeWire& wire, Attrs* attrs) {
    for (const auto& [key, value] : wire.metadata) {
      if (!key.starts_with(kHintPrefix) || (value != "0" && value != "1")) continue;
      const AttrDef* def = op.find_attr(key.substr(kHintPrefix.size()));
      if (def != nullptr && def->is_hint) attrs->set(def->name, value == "1");
    }
  }

  static Status too_many_nodes() {
    return unimplemented("its functions come to more than ", kMostFunctionNodes, " nodes");
  }

  Status add_node(const std::shared_ptr<Graph>& graph, const NodeWire& wire) {
    bool own = wire.domain == kWeftDomain;
    if (own && wire.op_type == "Attach") return attach(*graph, wire);
    // Those of the graphs that calls give too.
    if (frames_.size() > 1 && ++function_nodes_ > kMostFunctionNodes) return too_many_nodes();
    const std::string_view domain = onnx_domain(wire.domain);
    WEFT_TRY(GivenAttributes given,
             given_attributes(wire, frame().function != nullptr ? &frame().given : nullptr, frame_));
    if (const Function* function = functions_.find(domain, wire.op_type, wire.overload); function != nullptr) {
      return add_call(graph, wire, *function, std::move(given));
    }
    if (domain == kTrainingDomain && wire.op_type == "Gradient") return add_gradient(*graph, wire, given);
    const OpDef* op = operator_of(ops_, domain, wire.op_type);
    if (op == nullptr) return unknown_operator(domain, wire.op_type);
    WEFT_CHECK(check_operator(ops_, domain, wire.op_type, frame().opsets.of(domain)));
    Attrs attrs;
    std::vector<std::pair<std::string_view, const GivenAttribute*>> graphs;
    for (const auto& [name, attr] : given) {
      if (attr.wire.type == kTypeGraph) {
        graphs.emplace_back(name, &attr);
        continue;
      }
      WEFT_TRY(AttrValue value, attribute(attr.wire, op));
      attrs.set(name, std::move(value));
    }
    add_hints(*op, wire, &attrs);
    if (own && wire.op_type == "Variable") return add_variable(*graph, wire, attrs);
    // Exporters that write all weights as Constant nodes have no others; of the rest these nodes hold what was no parameter.
    const Tensor held = held_by(*op, attrs);
    if (!held.empty() && attrs.size() == 1 && wire.outputs.size() == 1 &&
        is_trained(wire.outputs[0], held, !has_weights_)) {
      return add_weight(*graph, wire.outputs[0], held);
    }
    WEFT_TRY(std::vector<ValueId> inputs, find_inputs(*graph, wire));
    if (op->full_name() == "If" && inputs.size() == 1 && graphs.size() == 2) {
      const int taken = known_condition(*graph, inputs[0]);
      if (taken >= 0 && !defaults_.give(*graph, inputs[0])) {
        const GivenAttribute* branch = graphs[(graphs[0].first == "then_branch") == (taken == 1) ? 0 : 1].second;
        WEFT_TRY(const GraphWire inner, read_graph(branch->wire.graph));
        // What is wrong with a branch is said of the node.
        const bool fits = inner.inputs.empty() && wire.outputs.size() <= inner.outputs.size();
        if (fits) return add_branch(graph, wire, inner, branch->frame);
      }
    }
    for (const auto& [name, attr] : graphs) {
      std::vector<ValueType> types;
      // Older versions may have other inputs: of those the file must say what its sub-graph takes.
      const bool newest = std::all_of(op->upgrades().begin(), op->upgrades().end(), [&](const Upgrade& upgrade) {
        return graph->opsets().of(op->domain()) >= upgrade.version;
      });
      if (newest) {
        // What is wrong with the node is said when it is added.
        Result<std::vector<ValueType>> known = graph->subgraph_inputs(*op, inputs, attrs, wire.name);
        if (known.ok()) types = std::move(*known);
      }
      WEFT_TRY(std::shared_ptr<Graph> sub, subgraph(graph, *attr, types));
      attrs.set(name, GraphRef(std::move(sub)));
    }
    NodeOptions options;
    options.name = wire.name;
    // Errors name a node that has no name by what it gives.
    if (wire.name.empty() && !wire.outputs.empty()) options.name = wire.outputs[0];
    options.output_count = static_cast<int>(wire.outputs.size());
    while (options.output_count > 0 && wire.outputs[options.output_count - 1].empty()) --options.output_count;
    Result<NodeId> node = graph->add(op->domain(), op->name(), std::move(inputs), std::move(attrs), std::move(options));
    if (!node.ok()) return node.status();
    const Node& made = graph->node(*node);
    if (made.output_count < options.output_count) return data_loss("it has too many outputs");
    for (int i = 0; i < made.output_count && i < static_cast<int>(wire.outputs.size()); ++i) {
      WEFT_CHECK(define_output(*graph, wire.outputs[static_cast<size_t>(i)], made.output(i)));
    }
    return {};
  }

  // Whoever lacks one operator wants to know of all.
  Status unknown_operator(std::string_view domain, std::string_view name) {
    const Status status = check_operator(ops_, domain, name, 1);
    WEFT_TRY(const ModelUse use, used_by(model_, functions_, frames_[0].opsets, ops_));
    std::vector<std::string> others;
    for (const auto& [full, other] : use.operators) {
      if (!other.problem.empty() && other.problem != status.message()) others.push_back(other.problem);
    }
    if (others.empty()) return status;
    return unimplemented(status.message(), "; besides, ", join(others, "; "));
  }

  // No operator: in its place stand the nodes that compute the gradients.
  Status add_gradient(Graph& graph, const NodeWire& wire, const GivenAttributes& given) {
    std::vector<ValueId> named;
    size_t count = 0;
    ValueId y = kNoValue;
    for (const char* list : {"xs", "zs"}) {
      const auto at = given.find(list);
      if (at == given.end()) continue;
      for (std::string_view name : at->second.wire.strings) {
        WEFT_TRY(ValueId id, find(graph, name));
        if (id == kNoValue) return invalid("'", list, "' names '", name, "', which is not given");
        named.push_back(id);
      }
      if (std::string_view(list) == "xs") count = named.size();
    }
    if (const auto at = given.find("y"); at != given.end()) {
      WEFT_TRY(y, find(graph, at->second.wire.s));
    }
    if (y == kNoValue || count == 0) return invalid("it needs the attributes 'xs' and 'y'");
    WEFT_TRY(const std::vector<ValueId> at, find_inputs(graph, wire));
    if (at.size() != named.size() || std::find(at.begin(), at.end(), kNoValue) != at.end()) {
      return invalid("it has ", at.size(), " inputs but must have one for each of the ", named.size(),
                     " values of 'xs' and "
                     "'zs'");
    }
    if (wire.outputs.size() > count)
      return invalid("it has ", wire.outputs.size(), " outputs for ", count, " values of 'xs'");
    const ValueId first = graph.value_count();
    WEFT_TRY(std::vector<ValueId> gradients, gradient_at(graph, y, named, count, at));
    ExprScope scope(graph);
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (gradients[i] == kNoValue) gradients[i] = fill_like(Expr(scope, at[i]), 0).id();
    }
    WEFT_CHECK(scope.status());
    for (size_t i = 0; i < wire.outputs.size(); ++i) {
      WEFT_CHECK(define_result(graph, wire.outputs[i], gradients[i], first, gradients));
    }
    return {};
  }

  Result<std::vector<ValueId>> find_inputs(Graph& graph, const NodeWire& wire) {
    std::vector<ValueId> inputs;
    for (std::string_view name : wire.inputs) {
      ValueId id = kNoValue;
      if (!name.empty()) {
        WEFT_TRY(id, find(graph, name));
      }
      inputs.push_back(id);
    }
    return inputs;
  }

  // A value that a node made has the file's name, if it is the only one of that name.
  Status define_output(Graph& graph, std::string_view name, ValueId id) {
    if (name.empty()) return {};
    if (named_as_in_file() && graph.value(id).name != name) {
      WEFT_CHECK(claim(graph, name));
      WEFT_CHECK(graph.set_value_name(id, name));
    }
    return define(name, id);
  }

  // What the function's nodes compute, in place of the node.
  Status add_call(const std::shared_ptr<Graph>& graph, const NodeWire& wire, const Function& function,
                  GivenAttributes given) {
    const FunctionWire& body = function.wire;
    if (frames_.size() > kMostCalls)
      return unimplemented("its functions call each other more than ", kMostCalls, " deep");
    for (size_t around = frame_; around != 0; around = frames_[around].caller) {
      if (frames_[around].function == &function) return data_loss("the function '", body.name, "' calls itself");
    }
    if (function_nodes_ + function.nodes > kMostFunctionNodes) return too_many_nodes();
    if (wire.inputs.size() > body.inputs.size() || wire.outputs.size() > body.outputs.size()) {
      return invalid("the function '", body.name, "' has ", body.inputs.size(), " inputs and ", body.outputs.size(),
                     " outputs, but the node has ", wire.inputs.size(), " and ", wire.outputs.size());
    }
    WEFT_CHECK(complete_attributes(function, frames_.size(), &given));
    WEFT_TRY(std::vector<ValueId> inputs, find_inputs(*graph, wire));
    inputs.resize(body.inputs.size(), kNoValue);
    Names values{graph.get(), {}};
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!values.values.emplace(std::string(body.inputs[i]), inputs[i]).second) {
        return data_loss("the function '", body.name, "' has two inputs '", body.inputs[i], "'");
      }
    }
    const ValueId first = graph->value_count();
    const size_t caller = frame_;
    WEFT_CHECK(graph->push_scope(wire.name.empty() ? wire.op_type : wire.name));
    frame_ = frames_.size();
    frames_.push_back({&function, caller, function.opsets, std::move(given), {}});
    scopes().push_back(std::move(values));
    graph->speak_opsets(frame().opsets);
    std::vector<ValueId> outputs;
    Status status = add_nodes(graph, body.nodes);
    for (size_t i = 0; status.ok() && i < wire.outputs.size(); ++i) {
      Result<ValueId> id = find(*graph, body.outputs[i]);
      status = id.status();
      if (id.ok()) outputs.push_back(*id);
    }
    frames_.pop_back();
    frame_ = caller;
    WEFT_CHECK(status.within(cat("in the function '", body.name, "': ")));
    graph->speak_opsets(frame().opsets);
    WEFT_CHECK(graph->pop_scope());
    for (size_t i = 0; i < outputs.size(); ++i) {
      WEFT_CHECK(define_result(*graph, wire.outputs[i], outputs[i], first, outputs));
    }
    return {};
  }

  // 1 or 0 where the condition is the same whatever is fed; else -1.
  static int known_condition(const Graph& graph, ValueId id) {
    if (id == kNoValue) return -1;
    // What the body of a loop takes may have other shapes in a later iteration.
    bool repeats = false;
    for (const Graph* around = &graph; around->parent() != nullptr; around = around->parent()) {
      repeats = repeats || !around->inputs().empty();
    }
    const std::shared_ptr<const Dims>& known = graph.type(id).ints;
    if (!repeats && known != nullptr && known->size() == 1 && (*known)[0].known()) return (*known)[0].value() != 0;
    const Tensor* constant = graph.value(id).constant.get();
    const bool holds = constant != nullptr && constant->dtype() == DType::kBool && constant->count() == 1;
    return holds ? says_true(*constant) : -1;
  }

  // The branch that is always taken, in place of the node. The other one need not fit what comes in: exporters write both
  // for any rank and size.
  Status add_branch(const std::shared_ptr<Graph>& graph, const NodeWire& wire, const GraphWire& branch, size_t from) {
    // They go one into the other on the caller's stack, as graphs do.
    if (taken_ >= kMostNesting) return unimplemented("its graphs are nested more than ", kMostNesting, " deep");
    const ValueId first = graph->value_count();
    const size_t here = frame_;
    WEFT_CHECK(graph->push_scope(wire.name.empty() ? wire.op_type : wire.name));
    frame_ = from;
    ++frame().branches;
    ++taken_;
    scopes().push_back({graph.get(), {}});
    graph->speak_opsets(frame().opsets);
    std::vector<ValueId> outputs;
    Status status = add_weights(*graph, branch);
    if (status.ok()) status = add_nodes(graph, branch.nodes);
    for (size_t i = 0; status.ok() && i < wire.outputs.size(); ++i) {
      Result<ValueId> id = find(*graph, branch.outputs[i].name);
      status = id.status();
      if (id.ok()) outputs.push_back(*id);
    }
    scopes().pop_back();
    --taken_;
    --frame().branches;
    frame_ = here;
    WEFT_CHECK(status);
    graph->speak_opsets(frame().opsets);
    WEFT_CHECK(graph->pop_scope());
    for (size_t i = 0; i < outputs.size(); ++i) {
      WEFT_CHECK(define_result(*graph, wire.outputs[i], outputs[i], first, outputs));
    }
    return {};
  }

  // Whether values have the names of the file: not those of a function, which many calls have, nor those of a branch, which
  // the other one may have too.
  bool named_as_in_file() { return frame().function == nullptr && frame().branches == 0; }

  // An output of a call: one that the call did not make, or that has a name already, is passed on by an Identity.
  Status define_result(Graph& graph, std::string_view name, ValueId id, ValueId first,
                       const std::vector<ValueId>& outputs) {
    if (name.empty()) return {};
    if (id == kNoValue) return invalid("the output '", name, "' is an input of the function that is not given");
    const bool named = id < first || std::count(outputs.begin(), outputs.end(), id) > 1;
    if (named && named_as_in_file()) {
      WEFT_TRY(NodeId node, graph.add(kOnnxDomain, "Identity", {id}));
      id = graph.node(node).output(0);
    }
    return define_output(graph, name, id);
  }

  Status add_variable(Graph& graph, const NodeWire& wire, const Attrs& attrs) {
    const AttrValue* name = attrs.find("name");
    const AttrValue* initial = attrs.find("initial");
    const AttrValue* trainable = attrs.find("trainable");
    if (name == nullptr || name->kind() != AttrKind::kString || initial == nullptr ||
        initial->kind() != AttrKind::kString || trainable == nullptr || trainable->kind() != AttrKind::kInt ||
        wire.outputs.size() != 1) {
      return data_loss("a variable lacks its name, initial value or output");
    }
    WEFT_TRY(ValueId start, find(graph, initial->s()));
    WEFT_CHECK(claim(graph, name->s()));
    WEFT_TRY(ValueId id, graph.add_variable_full(name->s(), start, trainable->i() != 0));
    return define(wire.outputs[0], id);
  }

  // Not a node: it brings its second input, an assignment, to the node that makes its first.
  Status attach(Graph& graph, const NodeWire& wire) {
    if (wire.inputs.size() != 2) return data_loss("it needs two inputs");
    WEFT_TRY(ValueId value, find(graph, wire.inputs[0]));
    WEFT_TRY(ValueId assignment, find(graph, wire.inputs[1]));
    if (value == kNoValue) return data_loss("its first input is not given");
    return graph.attach(graph.value(value).node, assignment);
  }

  const OpRegistry& ops_;
  const OnnxLoadOptions& options_;
  const ModelFile& file_;
  ExternalFiles files_;
  ModelWire model_;
  Functions functions_;
  Parameters parameters_;     // if "*" is trainable
  bool has_weights_ = false;  // that are variables, among the model's initializers
  Defaults defaults_;
  std::vector<Frame> frames_;  // the model, then the calls that are under way
  size_t frame_ = 0;           // whose words are being read
  int64_t function_nodes_ = 0;
  std::map<const char*, Tensor> shared_;  // by where they stand in the file
  int taken_ = 0;                         // branches that are being added to the graph around them, of all frames
};

}  // namespace

Result<std::shared_ptr<Graph>> load_onnx_bytes(const OpRegistry& ops, std::string_view bytes, const std::string& folder,
                                               const OnnxLoadOptions& options) {
  const ModelFile file = ModelFile::over(bytes);
  Result<std::shared_ptr<Graph>> graph = Loader(ops, options, file, folder).load();
  return graph.ok() ? std::move(graph) : graph.status().within("cannot load the model: ");
}

Result<std::shared_ptr<Graph>> load_onnx(const OpRegistry& ops, const std::string& path,
                                         const OnnxLoadOptions& options) {
  WEFT_TRY(const ModelFile file, ModelFile::open(path, options.map));
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  Result<std::shared_ptr<Graph>> graph = Loader(ops, options, file, folder).load();
  return graph.ok() ? std::move(graph) : graph.status().within(cat("cannot load '", path, "': "));
}

}  // namespace weft
