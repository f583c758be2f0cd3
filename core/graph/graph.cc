// The dataflow graph: adding nodes, names, scopes, sub-graphs and captures.
#include "core/graph/graph.h"

#include <algorithm>

#include "core/graph/building.h"
#include "core/graph/expr.h"
#include "core/graph/print.h"
#include "core/graph/walk.h"

namespace weft {

namespace {

std::atomic<uint32_t> next_graph_number{1};

constexpr int32_t kMaxValues = 1 << 30;

Status too_deep() { return unimplemented("graphs inside graphs may be nested ", kMostNesting, " deep at most"); }

// Files keep names as UTF-8 and would be refused with any other.
Status check_name(std::string_view what, std::string_view name) {
  if (is_utf8(name)) return {};
  return invalid("the name of a ", what, " must be UTF-8 but is '", readable(name), "'");
}

// Upgrades take the attributes as the old schema had them, which nobody has checked.
Status apply_upgrade(const Upgrade& upgrade, UpgradeContext& context) {
  try {
    return upgrade.apply(context);
  } catch (const std::bad_variant_access&) {
    return invalid("an attribute of ", context.op, " is of another kind than it was before opset ", upgrade.version);
  }
}

}  // namespace

GraphWriting::GraphWriting(Graph& graph) : graph_(graph), entered_(graph.access_.write()) {}

GraphWriting::~GraphWriting() {
  if (entered_) graph_.access_.leave();
}

Status GraphWriting::alone() const {
  return entered_ ? Status()
                  : failed_precondition("two threads are building this graph at once; a graph has one writer");
}

Status GraphWriting::check() const {
  WEFT_CHECK(alone());
  if (graph_.frozen_) {
    return failed_precondition("this is ", body_in_errors(graph_), " and can no longer change; ", kBodyGives);
  }
  if (!Building::may_write(graph_.number_)) {
    return failed_precondition(
        "the body of an operator is being built; it adds to the graph that it is given, or to ones that it makes");
  }
  return {};
}

GraphReading::GraphReading(const Graph& graph) : access_(graph.access_), entered_(true) { access_.read(); }

GraphReading::GraphReading(const Graph& graph, std::try_to_lock_t)
    : access_(graph.access_), entered_(access_.try_read()) {}

GraphReading::~GraphReading() {
  if (entered_) access_.leave();
}

Graph::Graph(const OpRegistry& ops, const Opsets& opsets, std::shared_ptr<Graph> parent)
    : ops_(ops),
      number_(next_graph_number.fetch_add(1) & 0x7fffffff),
      opsets_(opsets),
      parent_(std::move(parent)),
      parent_number_(parent_ != nullptr ? parent_->number_ : 0),
      depth_(parent_ != nullptr ? parent_->depth_ + 1 : 0) {
  if (parent_ != nullptr) bodies_ = parent_->bodies_;
}

Result<std::shared_ptr<Graph>> Graph::make(const OpRegistry& ops, int opset, std::string_view domain) {
  const int last = Opsets::last_of(domain);
  if (opset < 0 || opset > last) {
    return invalid("opset ", opset, domain.empty() ? "" : cat(" of ", domain), " is not supported; it must be 1 to ",
                   last, ", or 0 for the newest");
  }
  Opsets opsets;
  if (opset != 0) opsets.set(domain, opset);
  return std::shared_ptr<Graph>(new Graph(ops, opsets, nullptr));
}

Result<std::shared_ptr<Graph>> Graph::make_subgraph(std::shared_ptr<Graph> parent) {
  if (parent->depth_ + 1 >= kMostNesting) return too_deep();
  const OpRegistry& ops = parent->ops_;
  const Opsets opsets = parent->opsets_;
  return std::shared_ptr<Graph>(new Graph(ops, opsets, std::move(parent)));
}

Result<std::shared_ptr<Graph>> Graph::body_graph(const OpDef& op) const {
  WEFT_TRY(std::shared_ptr<Graph> body, Graph::make(ops_));
  body->bodies_ = bodies_;
  if (!op.is_added()) return body;
  const auto same = std::find(bodies_.begin(), bodies_.end(), &op);
  body->bodies_.push_back(&op);
  if (same == bodies_.end()) return body;
  std::vector<std::string> parts;
  for (auto part = same + 1; part != bodies_.end(); ++part) parts.push_back((*part)->full_name());
  parts.push_back(op.full_name());
  return invalid("an operator cannot be made of itself: ", op.full_name(), " is made of ",
                 join(parts, ", which is made of "));
}

std::string Graph::scoped(std::string_view name) const {
  return scope_.empty() ? std::string(name) : cat(scope_, name);
}

Status Graph::push_scope(std::string_view name) {
  GraphWriting writing(*this);
  WEFT_CHECK(writing.check());
  if (name.empty()) return invalid("the name of a scope must not be empty");
  WEFT_CHECK(check_name("scope", name));
  scope_starts_.push_back(scope_.size());
  scope_ += cat(name, "/");
  return {};
}

Status Graph::pop_scope() {
  GraphWriting writing(*this);
  WEFT_CHECK(writing.check());
  if (scope_starts_.empty()) return failed_precondition("there is no scope to leave");
  scope_.resize(scope_starts_.back());
  scope_starts_.pop_back();
  return {};
}

std::string Graph::unique_name(std::string_view wanted, const Graph* spared) const {
  const auto taken = [&](const std::string& name) {
    return node_names_.count(name) != 0 || names_.count(name) != 0 ||
           (spared != nullptr && spared->node_names_.count(name) != 0);
  };
  std::string name(wanted);
  if (!taken(name)) return name;
  int& counter = name_counters_[name];
  for (;;) {
    std::string numbered = cat(name, "_", ++counter);
    if (!taken(numbered)) return numbered;
  }
}

std::string Graph::node_name(const OpDef& op, std::string_view wanted) const {
  return wanted.empty() ? unique_name(scoped(op.name()), spared_) : unique_name(scoped(wanted));
}

void Graph::name_value(ValueId id, std::string name) {
  values_[id].name = name;
  names_.emplace(std::move(name), id);
}

Status Graph::set_value_name(ValueId id, std::string_view name) {
  GraphWriting writing(*this);
  WEFT_CHECK(writing.check());
  if (!has_value(id)) return invalid("there is no value ", id, " in this graph");
  if (name.empty()) return invalid("the name of a value must not be empty");
  WEFT_CHECK(check_name("value", name));
  auto taken = names_.find(std::string(name));
  if (taken != names_.end()) {
    if (taken->second == id) return {};
    return make_error(Code::kAlreadyExists, "this graph has a value '", name, "' already");
  }
  names_.erase(values_[id].name);
  name_value(id, std::string(name));
  return {};
}

Status Graph::free_name(std::string_view name) {
  GraphWriting writing(*this);
  WEFT_CHECK(writing.check());
  std::string taken(name);
  auto value = names_.find(taken);
  auto node = node_names_.find(taken);
  if (value == names_.end() && node == node_names_.end()) return {};
  if (find_variable(taken) != nullptr) {
    return make_error(Code::kAlreadyExists, "this graph has a variable '", taken, "' already");
  }
  std::string other = unique_name(taken);
  if (value != names_.end()) {
    ValueId id = value->second;
    names_.erase(value);
    name_value(id, other);
  }
  if (node != node_names_.end()) {
    NodeId id = node->second;
    node_names_.erase(node);
    nodes_[id].name = other;
    node_names_.emplace(std::move(other), id);
  }
  return {};
}

Result<ValueId> Graph::get(std::string_view name) const {
  if (ValueId id = find(name); id != kNoValue) return id;
  Suggestion suggestion(name);
  for (const auto& [known, id] : names_) suggestion.offer(known);
  return not_found("this graph has no value '", name, "'", suggestion.text());
}

ValueId Graph::find(std::string_view name) const {
  auto at = names_.find(std::string(name));
  return at == names_.end() ? kNoValue : at->second;
}

const VariableInfo* Graph::find_variable(std::string_view name) const {
  // Its node has its name for good.
  auto at = node_names_.find(std::string(name));
  if (at == node_names_.end() || !nodes_[at->second].is(kWeftDomain, "Variable")) return nullptr;
  return variable_of(nodes_[at->second].first_output);
}

const VariableInfo* Graph::variable_of(ValueId value) const {
  auto at = std::lower_bound(variables_.begin(), variables_.end(), value,
                             [](const VariableInfo& variable, ValueId id) { return variable.value < id; });
  return at != variables_.end() && at->value == value ? &*at : nullptr;
}

Result<ValueId> Graph::add_input(std::string_view name, ValueType type, std::string_view origin) {
  GraphWriting writing(*this);
  WEFT_CHECK(writing.check());
  WEFT_CHECK(check_name("input", name));
  if (type.dtype == DType::kNone && type.kind == Kind::kTensor) return invalid("an input needs a dtype");
  if (!name.empty() && names_.count(scoped(name)) != 0) {
    return make_error(Code::kAlreadyExists, "this graph has a value '", scoped(name), "' already");
  }
  WEFT_TRY(const OpDef* op, ops_.get(kWeftDomain, "Input"));
  if (static_cast<int64_t>(type.dims.size()) > kMostAxes) {
    return invalid("input '", name, "' has ", type.dims.size(), " dimensions but values have at most ", kMostAxes);
  }
  for (Dim& dim : type.dims) {
    if (dim.known() && dim.value() < 0) return invalid("input '", name, "' has a negative dimension");
  }
  Node node;
  node.op = op;
  node.name = node_name(*op, name.empty() ? "input" : name);
  node.origin = origin;
  node.first_output = value_count();
  node.output_count = 1;
  Value value;
  value.type = std::move(type);
  value.node = node_count();
  value.fed = true;
  // A node may have the name, all of whose values have others.
  std::string value_name = name.empty() ? node.name : scoped(name);
  node_names_.emplace(node.name, node_count());
  nodes_.push_back(std::move(node));
  values_.push_back(std::move(value));
  ValueId id = value_count() - 1;
  name_value(id, std::move(value_name));
  inputs_.push_back(id);
  return id;
}

Result<ValueId> Graph::add_constant(Tensor value, std::string_view name, std::string_view origin) {
  if (value.kind() != Kind::kTensor || value.empty()) return invalid("a constant must be a tensor");
  WEFT_TRY(const OpDef* op, ops_.get(kOnnxDomain, "Constant"));
  Attrs attrs;
  attrs.set("value", std::move(value));
  NodeOptions options;
  options.name = name;
  options.origin = origin;
  WEFT_TRY(NodeId node, add_node(*op, {}, std::move(attrs), std::move(options)));
  return nodes_[node].first_output;
}

Result<ValueId> Graph::add_variable(std::string_view name, ValueId initial, bool trainable, std::string_view origin) {
  if (name.empty()) return invalid("a variable needs a name: files and stores know it by that");
  return add_variable_full(scoped(name), initial, trainable, origin);
}

Result<ValueId> Graph::add_variable_full(std::string_view full_name, ValueId initial, bool trainable,
                                         std::string_view origin) {
  GraphWriting writing(*this);
  WEFT_CHECK(writing.check());
  if (parent_ != nullptr) return failed_precondition("variables belong to the outermost graph, not to a sub-graph");
  WEFT_CHECK(check_name("variable", full_name));
  std::string full(full_name);
  if (names_.count(full) != 0 || node_names_.count(full) != 0) {
    return make_error(Code::kAlreadyExists, "this graph has a variable or node named '", full, "' already");
  }
  if (!has_value(initial)) return invalid("the initial value of variable '", full, "' is not a value of this graph");
  const ValueType type = values_[initial].type;
  if (!type.concrete()) {
    return invalid("variable '", full, "' needs a shape of numbers, but its initial value is ", type.text());
  }
  if (values_[initial].fed) {
    return invalid("the initial value of variable '", full, "' depends on an input; it must be known before any run");
  }
  WEFT_TRY(const OpDef* op, ops_.get(kWeftDomain, "Variable"));
  Node node;
  node.op = op;
  node.attrs.set("name", full);
  node.name = full;
  node.origin = origin;
  node.first_output = value_count();
  node.output_count = 1;
  Value value;
  value.type = ValueType::tensor(type.dtype, type.dims);
  value.node = node_count();
  node_names_.emplace(full, node_count());
  nodes_.push_back(std::move(node));
  values_.push_back(std::move(value));
  ValueId id = value_count() - 1;
  name_value(id, full);
  variables_.push_back({std::move(full), id, initial, trainable});
  return id;
}

Result<NodeId> Graph::add(std::string_view domain, std::string_view op_name, std::vector<ValueId> inputs, Attrs attrs,
                          NodeOptions options) {
  GraphWriting writing(*this);
  WEFT_CHECK(writing.check());
  WEFT_TRY(const OpDef* op, ops_.get(domain, op_name));
  if (op->is_internal()) return not_found("operator '", op->full_name(), "' is internal");
  if (const Status status = check_subgraphs(attrs); !status.ok()) {
    return status.at(name_in_errors(*this, options.name, op->name()), op->full_name(), options.origin);
  }
  // What operators of the first opsets had, a hint for whoever shares memory.
  if (op->domain().empty() && opsets_.onnx < 6) attrs.erase("consumed_inputs");
  if (!op->upgrades().empty()) {
    std::string name = op->name();
    for (ValueId input : inputs) {
      if (input != kNoValue && !has_value(input)) return invalid("an input of ", name, " is not a value of this graph");
    }
    // Upgrades rely on what every version of the operator must be given first, and on omitted inputs being between others.
    while (!inputs.empty() && inputs.back() == kNoValue) inputs.pop_back();
    const Formal* first = op->input_formal(0);
    if (first != nullptr && !first->optional && !first->variadic && (inputs.empty() || inputs[0] == kNoValue)) {
      const Status status = invalid("input '", first->name, "' must be given");
      return status.at(name_in_errors(*this, options.name, op->name()), op->name(), options.origin);
    }
    const int opset = opsets_.of(op->domain());
    UpgradeContext context(*this, inputs, attrs, name, std::max(options.output_count, 1));
    for (const Upgrade& upgrade : op->upgrades()) {
      if (opset >= upgrade.version) continue;
      Status status = apply_upgrade(upgrade, context);
      if (!status.ok()) return status.at(name_in_errors(*this, options.name, op->name()), op->name(), options.origin);
    }
    if (name != op->name()) {
      const auto [other, own_name] = split_op_name(name);
      WEFT_TRY(op, ops_.get(other.empty() ? domain : other, own_name));
    }
  }
  return add_node(*op, std::move(inputs), std::move(attrs), std::move(options));
}

Result<NodeId> Graph::add_node(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, NodeOptions options) {
  std::string name = options.name, origin = options.origin;
  GraphWriting writing(*this);
  Result<NodeId> node = append(op, std::move(inputs), std::move(attrs), std::move(options));
  if (node.ok()) return node;
  // While another thread builds, it may be opening a scope.
  if (writing.check().ok()) name = name_in_errors(*this, name, op.name());
  return node.status().at(name, op.full_name(), origin);
}

NodeOptions NodeOptions::copy_of(const Graph& from, const Node& node) {
  NodeOptions options;
  options.name = node.name;
  options.origin = node.origin;
  options.output_count = node.output_count;
  options.schema_inputs = node.schema_inputs;
  options.copied_from = &from;
  options.copied = &node;
  return options;
}

Result<NodeId> Graph::append(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, NodeOptions options) {
  GraphWriting writing(*this);
  WEFT_CHECK(writing.check());
  WEFT_CHECK(check_name("node", options.name));
  if (options.copied_from == nullptr) WEFT_CHECK(complete_attrs(op, &attrs));
  int32_t schema_inputs = options.schema_inputs;
  if (schema_inputs < 0) {
    // Trailing omitted inputs are the same as none.
    while (!inputs.empty() && inputs.back() == kNoValue) inputs.pop_back();
    schema_inputs = static_cast<int32_t>(inputs.size());
  }
  WEFT_CHECK(check_inputs(op, inputs.data(), schema_inputs));
  if (op.domain() == kWeftDomain && op.name() == "Assign") {
    if (!producer(inputs[0]).is(kWeftDomain, "Variable")) {
      return invalid("the first input of weft.Assign must be a variable");
    }
  }
  WEFT_TRY(int outputs, output_count(op, attrs, options));
  if (const std::string& counted = op.outputs_attr(); !counted.empty() && !attrs.has(counted)) {
    const bool said = op.outputs_input() < schema_inputs && inputs[static_cast<size_t>(op.outputs_input())] != kNoValue;
    if (!said) attrs.set(counted, int64_t{outputs});
  }
  const bool copied = options.schema_inputs >= 0;
  if (!copied) WEFT_CHECK(add_captures(attrs, &inputs));
  if (value_count() > kMaxValues - outputs) {
    return make_error(Code::kResourceExhausted, "a graph has at most ", kMaxValues, " values");
  }
  int height = 0;
  std::vector<GraphRef> subgraphs;
  for (const auto& [attr_name, attr] : attrs) {
    if (attr.kind() != AttrKind::kGraph) continue;
    height = std::max(height, attr.graph()->height_ + 1);
    subgraphs.push_back(attr.graph());
  }
  if (depth_ + height >= kMostNesting) return too_deep();
  std::string name = node_name(op, options.name);
  if (height > 0) WEFT_CHECK(fit_subgraphs(op, schema_inputs, copied, name, &attrs, &inputs));
  std::vector<ValueType> types(outputs);
  if (!known_outputs(inputs, name, options, &types)) {
    WEFT_CHECK(infer(op, attrs, inputs, schema_inputs, name, &types));
  }

  Node node;
  node.op = &op;
  node.attrs = std::move(attrs);
  node.inputs = std::move(inputs);
  node.schema_inputs = schema_inputs;
  node.first_output = value_count();
  node.output_count = outputs;
  node.name = name;
  node.origin = std::move(options.origin);
  NodeId id = node_count();
  bool is_constant = node.is("Constant");
  bool fed = std::any_of(node.inputs.begin(), node.inputs.end(),
                         [this](ValueId input) { return input != kNoValue && values_[input].fed; });
  for (int i = 0; i < outputs; ++i) {
    Value value;
    value.type = std::move(types[i]);
    value.node = id;
    value.output_index = i;
    value.fed = fed;
    if (is_constant) value.constant = std::make_shared<const Tensor>(node.attrs.tensor("value"));
    values_.push_back(std::move(value));
    std::string value_name = outputs == 1 ? name : cat(name, ":", i);
    if (names_.count(value_name) != 0) value_name = unique_name(value_name);
    name_value(value_count() - 1, std::move(value_name));
  }
  // Those that were given cannot change either where copies of them took their place.
  for (const auto& [attr_name, attr] : node.attrs) {
    if (attr.kind() == AttrKind::kGraph) subgraphs.push_back(attr.graph());
  }
  for (const GraphRef& subgraph : subgraphs) {
    Graph& sub = const_cast<Graph&>(*subgraph);
    if (sub.frozen_) continue;  // of another node too, and perhaps read on other threads
    sub.captures_ = sub.needed_captures();
    sub.frozen_ = true;
    sub.parent_.reset();
  }
  height_ = std::max(height_, height);
  node_names_.emplace(name, id);
  nodes_.push_back(std::move(node));
  return id;
}

Status Graph::attach(NodeId node, ValueId assignment) {
  GraphWriting writing(*this);
  WEFT_CHECK(writing.check());
  if (node < 0 || node >= node_count() || !has_value(assignment)) return invalid("no such node or value");
  if (!producer(assignment).is(kWeftDomain, "Assign")) return invalid("only assignments can be attached to a node");
  nodes_[node].attached.push_back(assignment);
  attached_count_.fetch_add(1, std::memory_order_release);
  return {};
}

Status Graph::set_outputs(std::vector<ValueId> outputs) {
  GraphWriting writing(*this);
  WEFT_CHECK(writing.check());
  for (ValueId id : outputs) {
    if (!has_value(id)) return invalid("an output is not a value of this graph");
  }
  outputs_ = std::move(outputs);
  return {};
}

Result<ValueId> Graph::capture(const Graph& owner, ValueId outer) {
  if (&owner == this) return outer;
  if (parent_ == nullptr) return invalid("a value belongs to another graph");
  // A value of a graph further out comes in through every graph between.
  std::vector<Graph*> path;
  for (Graph* graph = this; graph != &owner; graph = graph->parent_.get()) {
    if (graph == nullptr) return invalid("a value belongs to another graph, which does not enclose this one");
    path.push_back(graph);
  }
  ValueId id = outer;
  for (size_t i = path.size(); i-- > 0;) {
    Graph& graph = *path[i];
    ValueId inner = kNoValue;
    for (const Capture& known : graph.captures_) {
      if (known.outer == id) inner = known.inner;
    }
    if (inner == kNoValue) {
      const Value& value = graph.parent_->values_[id];
      WEFT_TRY(inner, graph.add_input(graph.unique_name(cat("capture", graph.captures_.size())), value.type));
      graph.inputs_.pop_back();  // not an input of the sub-graph's own
      graph.captures_.push_back({id, inner});
    }
    id = inner;
  }
  return id;
}

// A graph that several nodes share would be gone through once for each, and for each of those around them again.
Status Graph::check_subgraphs(const Attrs& attrs) const {
  std::vector<const Graph*> seen;
  for (const auto& [name, attr] : attrs) {
    if (attr.kind() != AttrKind::kGraph || attr.graph() == nullptr) continue;
    const Graph* sub = attr.graph().get();
    if (sub->frozen_ || std::find(seen.begin(), seen.end(), sub) != seen.end()) {
      return invalid("the sub-graph '", name, "' is an attribute already; make one for each");
    }
    // Upgrades take what it captures for values of this graph.
    WEFT_CHECK(check_owner(name, *sub));
    seen.push_back(sub);
  }
  return {};
}

Status Graph::check_owner(std::string_view name, const Graph& sub) const {
  if (sub.parent_number_ != 0 && sub.parent_number_ != number_) {
    return invalid("the sub-graph '", name, "' was made for another graph");
  }
  for (const Graph* around = this; around != nullptr; around = around->parent()) {
    if (around == &sub) return invalid("the sub-graph '", name, "' is the graph itself, or one around it");
  }
  return {};
}

Status Graph::add_captures(const Attrs& attrs, std::vector<ValueId>* inputs) {
  for (const auto& [name, attr] : attrs) {
    if (attr.kind() != AttrKind::kGraph) continue;
    const Graph& sub = *attr.graph();
    WEFT_CHECK(check_owner(name, sub));
    for (const Capture& capture : sub.needed_captures()) inputs->push_back(capture.outer);
  }
  return {};
}

// The order in which they were captured is that in which the user's language evaluated operands; no bit may depend on it.
std::vector<Graph::Capture> Graph::needed_captures() const {
  if (frozen_) return captures_;
  std::unordered_map<ValueId, Capture> known;
  for (const Capture& capture : captures_) known.emplace(capture.inner, capture);
  std::vector<Capture> needed;
  for (NodeId id : ordered_nodes(*this, outputs_, {}, false)) {
    auto at = known.find(nodes_[id].first_output);
    if (at != known.end()) needed.push_back(at->second);
  }
  return needed;
}

}  // namespace weft
