// The dataflow graph: an append-only list of nodes whose types and shapes are known as they are added.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/graph/access.h"
#include "core/op/registry.h"

namespace weft {

using ValueId = int32_t;  // index in its graph
using NodeId = int32_t;
constexpr ValueId kNoValue = -1;  // an omitted optional input

// Graphs inside attributes of nodes inside graphs...: so many at most, the outermost one counted. Passes and runs go one
// into the other on the caller's stack.
constexpr int kMostNesting = 32;

struct Node {
  const OpDef* op = nullptr;
  Attrs attrs;  // complete: defaults are filled in
  // Sub-graphs' captures follow the schema's own inputs.
  std::vector<ValueId> inputs;
  int32_t schema_inputs = 0;
  ValueId first_output = kNoValue;
  int32_t output_count = 0;
  std::string name;
  std::string origin;
  // Values of side effects (assignments) that a run of this node brings with it.
  std::vector<ValueId> attached;

  ValueId output(int i) const { return first_output + i; }
  bool is(std::string_view domain, std::string_view op_name) const {
    return op->domain() == domain && op->name() == op_name;
  }
  bool is(std::string_view onnx_name) const { return is(kOnnxDomain, onnx_name); }
};

struct Value {
  ValueType type;
  NodeId node = -1;
  int32_t output_index = 0;
  bool fed = false;  // an input is among what it is made of
  std::string name;
  std::shared_ptr<const Tensor> constant;  // the value itself, of constants
};

struct VariableInfo {
  std::string name;
  ValueId value = kNoValue;    // what the run sees
  ValueId initial = kNoValue;  // value given when a store first meets the variable
  bool trainable = true;
};

class Graph;

// Says what `Graph::add` should call a node and whom an error should name.
struct NodeOptions {
  std::string name;      // "" makes one from the operator
  std::string origin;    // the user's source line
  int output_count = 0;  // 0: the schema's non-optional ones, one of a variadic output
  // For copies of a node: the inputs from here on are its sub-graphs' captures, already found.
  int schema_inputs = -1;
  // And where it is copied from, with the same attributes: what was found out about it there need not be again.
  const Graph* copied_from = nullptr;
  const Node* copied = nullptr;

  static NodeOptions copy_of(const Graph& from, const Node& node);
};

class Graph : public std::enable_shared_from_this<Graph> {
 public:
  // `opset` is the version of that domain's operators that `add` speaks, 0 the newest released; of others it is that.
  static Result<std::shared_ptr<Graph>> make(const OpRegistry& ops, int opset = 0,
                                             std::string_view domain = kOnnxDomain);
  // A graph for an attribute of one node of `parent`; values of the parent may be used in it.
  static Result<std::shared_ptr<Graph>> make_subgraph(std::shared_ptr<Graph> parent);
  // A graph of its own for the body of a node of `op`, which is one of this graph. An error if the operator is a program's
  // and made of itself.
  Result<std::shared_ptr<Graph>> body_graph(const OpDef& op) const;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  uint32_t number() const { return number_; }  // unique in the process, never 0
  const Opsets& opsets() const { return opsets_; }
  const OpRegistry& ops() const { return ops_; }
  // The enclosing graph; null of an outermost graph and of one that became an attribute.
  Graph* parent() const { return parent_.get(); }

  // -- Building. Each checks all that can be checked, and leaves the graph as it was on an error.
  Result<ValueId> add_input(std::string_view name, ValueType type, std::string_view origin = {});
  Result<ValueId> add_constant(Tensor value, std::string_view name = {}, std::string_view origin = {});
  // `initial` is a value of this graph that depends on no input; its shape becomes the variable's.
  Result<ValueId> add_variable(std::string_view name, ValueId initial, bool trainable, std::string_view origin = {});
  // The same under exactly that name, whatever scope is under way.
  Result<ValueId> add_variable_full(std::string_view full_name, ValueId initial, bool trainable,
                                    std::string_view origin = {});
  // A node of the operator as the graph's opset of its domain knows it.
  Result<NodeId> add(std::string_view domain, std::string_view op, std::vector<ValueId> inputs, Attrs attrs = {},
                     NodeOptions options = {});
  // A node of the newest version of the operator.
  Result<NodeId> add_node(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, NodeOptions options);
  // Runs `assignment` (an output of weft.Assign) whenever `node` runs.
  Status attach(NodeId node, ValueId assignment);
  // Grows with every call of attach: what was cut from the graph before lacks the assignment.
  int attached_count() const { return attached_count_.load(std::memory_order_acquire); }
  // The values that a sub-graph returns or that a saved model shows.
  Status set_outputs(std::vector<ValueId> outputs);
  Status set_value_name(ValueId value, std::string_view name);
  // For importers: what has this name, which the graph chose itself, gets another. Variables keep theirs.
  Status free_name(std::string_view name);
  // For importers: the versions that `add` speaks from now on, which have been checked.
  void speak_opsets(const Opsets& opsets) { opsets_ = opsets; }
  // The types that the inputs of the one sub-graph of such a node, of that name, have at first; none if it has none. An
  // error if no such node could be.
  Result<std::vector<ValueType>> subgraph_inputs(const OpDef& op, const std::vector<ValueId>& inputs,
                                                 const Attrs& attrs, std::string_view name) const;
  // For rewriting: the names of that graph are for copies of its nodes, not for nodes without a name. Null for none.
  void spare_names(const Graph* of) { spared_ = of; }
  // The value of `outer` (of this graph or an enclosing one) as a value of this graph.
  Result<ValueId> capture(const Graph& owner, ValueId outer);

  // Names of nodes made until the scope is left begin with "name/".
  Status push_scope(std::string_view name);
  Status pop_scope();
  std::string scoped(std::string_view name) const;

  // -- Reading.
  int32_t node_count() const { return static_cast<int32_t>(nodes_.size()); }
  int32_t value_count() const { return static_cast<int32_t>(values_.size()); }
  const Node& node(NodeId id) const { return nodes_[id]; }
  const Value& value(ValueId id) const { return values_[id]; }
  const ValueType& type(ValueId id) const { return values_[id].type; }
  const Node& producer(ValueId id) const { return nodes_[values_[id].node]; }
  // Whether its elements stand for real numbers whatever its dtype is: QuantizeLinear made it.
  bool is_quantized(ValueId id) const {
    const Formal* formal = producer(id).op->output_formal(values_[id].output_index);
    return formal != nullptr && formal->quantized;
  }
  bool has_value(ValueId id) const { return id >= 0 && id < value_count(); }
  const std::vector<ValueId>& inputs() const { return inputs_; }
  const std::vector<ValueId>& outputs() const { return outputs_; }
  const std::vector<VariableInfo>& variables() const { return variables_; }
  const VariableInfo* find_variable(std::string_view name) const;
  const VariableInfo* variable_of(ValueId value) const;
  // An input, variable, or named value; kNoValue if there is none.
  ValueId find(std::string_view name) const;
  // The same; NOT_FOUND with a name that is near, if there is none.
  Result<ValueId> get(std::string_view name) const;
  // Of a sub-graph: outer value and inner input. Once it is an attribute, those alone that its outputs need, in the order
  // of the node's extra inputs, which is that of a walk from the outputs.
  struct Capture {
    ValueId outer;
    ValueId inner;
  };
  const std::vector<Capture>& captures() const { return captures_; }
  // The same of a sub-graph that is none yet: those that its outputs need so far, in that order.
  std::vector<Capture> needed_captures() const;
  // Not the name of a node of `spared` either.
  std::string unique_name(std::string_view wanted, const Graph* spared = nullptr) const;
  // Dimensions of a node's own are named after this: other than those that come in from the graphs around.
  std::string fresh_prefix(std::string_view node) const {
    return depth_ == 0 ? std::string(node) : cat(node, "@", depth_);
  }
  bool is_subgraph() const { return depth_ > 0; }
  // Of a sub-graph: whether it became an attribute of a node and can no longer change.
  bool finished() const { return frozen_; }
  // Whether this thread is building or reading it now.
  bool in_use_here() const { return access_.here(); }
  // Checks again what building checked: that nodes come after what they need and fit their schemas, and that inference
  // still says of their outputs what the graph does. INTERNAL and the node where not; passes are tested with it.
  Status verify() const;

 private:
  Graph(const OpRegistry& ops, const Opsets& opsets, std::shared_ptr<Graph> parent);

  friend class GraphReading;
  friend class GraphWriting;
  friend struct GraphDamage;  // breaks graphs, for the test of `verify`
  Result<NodeId> append(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, NodeOptions options);
  Status complete_attrs(const OpDef& op, Attrs* attrs) const;
  Status check_inputs(const OpDef& op, const ValueId* inputs, int count) const;
  Result<int> output_count(const OpDef& op, const Attrs& attrs, const NodeOptions& options) const;
  Status infer(const OpDef& op, const Attrs& attrs, const std::vector<ValueId>& inputs, int32_t schema_inputs,
               std::string_view name, std::vector<ValueType>* outputs) const;
  // What is known of the outputs of the node that this one is a copy of, if inference would find the same here.
  bool known_outputs(const std::vector<ValueId>& inputs, const std::string& name, const NodeOptions& options,
                     std::vector<ValueType>* outputs) const;
  Status infer_through_body(const OpDef& op, const Attrs& attrs, const std::vector<ValueId>& inputs,
                            const std::string& prefix, std::vector<ValueType>* outputs) const;
  Status verify_node(NodeId id) const;
  Status check_subgraphs(const Attrs& attrs) const;
  Status check_owner(std::string_view name, const Graph& sub) const;
  Status add_captures(const Attrs& attrs, std::vector<ValueId>* inputs);
  Status fit_subgraphs(const OpDef& op, int32_t schema_inputs, bool copied, std::string_view name, Attrs* attrs,
                       std::vector<ValueId>* inputs);
  InferContext infer_context(const OpDef& op, const Attrs& attrs, const std::vector<ValueId>& inputs,
                             int32_t schema_inputs, std::string_view name, int output_count) const;
  std::string node_name(const OpDef& op, std::string_view wanted) const;
  void name_value(ValueId id, std::string name);

  const OpRegistry& ops_;
  const uint32_t number_;
  Opsets opsets_;
  std::shared_ptr<Graph> parent_;  // let go when frozen: the parent then holds this graph
  const uint32_t parent_number_;
  const int depth_;      // how many graphs are around it
  int height_ = 0;       // how many are inside one another in it
  bool frozen_ = false;  // became an attribute of a node
  mutable GraphAccess access_;
  std::atomic<int> attached_count_{0};
  std::vector<Node> nodes_;
  std::deque<Value> values_;  // names that were given out stay where they are
  std::vector<ValueId> inputs_;
  std::vector<ValueId> outputs_;
  std::vector<VariableInfo> variables_;
  std::vector<Capture> captures_;
  std::unordered_map<std::string, ValueId> names_;
  std::unordered_map<std::string, NodeId> node_names_;
  mutable std::unordered_map<std::string, int> name_counters_;
  const Graph* spared_ = nullptr;
  std::vector<const OpDef*> bodies_;  // programs' operators whose bodies it is a part of, one in the other
  std::string scope_;                 // with its slash at the end
  std::vector<size_t> scope_starts_;  // what it was cut to before each open scope
};

// Detects two threads building one graph at once: the caller's mistake, which must not corrupt the lists. A thread that is
// writing may go on to functions that write, as upgrades of old nodes do; then all of it is one change.
class GraphWriting {
 public:
  explicit GraphWriting(Graph& graph);
  GraphWriting(const GraphWriting&) = delete;
  ~GraphWriting();
  Status alone() const;  // whether no other thread is building
  Status check() const;  // and the graph may change

 private:
  Graph& graph_;
  const bool entered_;
};

// Keeps other threads from building while one reads; waits for one that is at it.
class GraphReading {
 public:
  explicit GraphReading(const Graph& graph);
  // Without waiting: `entered` says whether the graph may be read. For who has entered another graph.
  GraphReading(const Graph& graph, std::try_to_lock_t);
  GraphReading(const GraphReading&) = delete;
  ~GraphReading();
  bool entered() const { return entered_; }

 private:
  GraphAccess& access_;
  const bool entered_;
};

// Dtypes of inputs bound to the schema's type variables, and of outputs read off them.
Status bind_types(const OpDef& op, const std::vector<const ValueType*>& inputs, std::vector<ValueType>* outputs);

// What an old version's rewrite sees: inputs and attributes of the node to be, to be changed in place.
class UpgradeContext {
 public:
  UpgradeContext(Graph& graph, std::vector<ValueId>& inputs, Attrs& attrs, std::string& op, int output_count)
      : inputs(inputs), attrs(attrs), op(op), output_count(output_count), graph_(graph) {}

  std::vector<ValueId>& inputs;
  Attrs& attrs;
  std::string& op;  // becomes another one of its domain, or of another by its full name ("weft.X")
  const int output_count;

  const ValueType& type(int input) const { return graph_.type(inputs[input]); }
  // Turns a list attribute of an old version into the constant input it became.
  Status attr_to_input(std::string_view attr, size_t input);
  Graph& graph() { return graph_; }

 private:
  Graph& graph_;
};

}  // namespace weft
