// Puts a graph into the bytes of an ONNX model. The field numbers are those of onnx.proto.
#include "core/format/onnx_write.h"

#include <algorithm>
#include <map>
#include <optional>
#include <protozero/pbf_writer.hpp>
#include <set>
#include <utility>

#include "core/base/text.h"
#include "core/format/onnx_history.h"
#include "core/format/onnx_parts.h"
#include "core/format/onnx_type.h"
#include "core/format/onnx_wire.h"
#include "core/graph/expr.h"
#include "core/graph/walk.h"

namespace weft::onnx {

namespace {

using protozero::pbf_writer;

constexpr int64_t kExternalFrom = 1024;
// Deprecated: other readers refuse them in files of later versions of ai.onnx.ml.
constexpr std::string_view kGone[] = {"TreeEnsembleClassifier", "TreeEnsembleRegressor"};
constexpr int kLastMlWithGone = 4;

class Writer {
 public:
  Writer(const ModelContents& contents, const WeightsFile* weights, NamedTensors* outside)
      : contents_(contents), weights_(weights), outside_(outside), opset_(static_cast<int>(contents.options.opset)) {}

  Result<std::string> write() {
    {
      pbf_writer model(file_);
      model.add_int64(1, ir_version());
      model.add_string(2, "weft");
      {
        pbf_writer body(model, 7);
        WEFT_CHECK(add_graph(body, contents_.graph, contents_.outputs, contents_.needed, ""));
      }
      domains_.emplace(kOnnxDomain, 1);
      for (const auto& [domain, since] : domains_) add_opset(model, domain, version_of(domain, since));
    }
    WEFT_CHECK(check_room(0));
    return std::move(file_);
  }

 private:
  int ir_version() const { return opset_ != 0 ? ir_version_of(opset_) : kIrVersion; }
  // Before version 4 of the format what had a value was an input as well.
  bool initializers_are_inputs() const { return ir_version() < 4; }

  // The one that was asked for, or else the newest released, or that which has the newest operator; of ai.onnx.ml the last
  // one that has all of them, if any.
  int version_of(std::string_view domain, int since) const {
    if (domain == kOnnxDomain && opset_ != 0) return opset_;
    if (domain == kMlDomain && has_gone_ && since <= kLastMlWithGone) return kLastMlWithGone;
    return std::max(since, Opsets().of(domain));
  }
  static void add_opset(pbf_writer& model, std::string_view domain, int64_t version) {
    pbf_writer opset(model, 8);
    opset.add_string(1, domain.data(), domain.size());
    opset.add_int64(2, version);
  }

  Status check_room(int64_t more) const {
    int64_t most = contents_.options.most_bytes;
    int64_t wanted = static_cast<int64_t>(file_.size());
    if (__builtin_add_overflow(wanted, more, &wanted) || wanted > most) {
      return invalid("the model would hold ", wanted, " bytes or more, but an ONNX file can have ", most,
                     contents_.options.weights.empty() ? "; give the option 'weights' a file name" : "");
    }
    return {};
  }

  // -- Tensors.

  bool goes_outside(const Tensor& tensor) const {
    return !contents_.options.weights.empty() && tensor.dtype() != DType::kString && tensor.bytes() >= kExternalFrom;
  }

  Status add_tensor(pbf_writer& out, const Tensor& tensor, std::string_view name) {
    if (tensor.kind() != Kind::kTensor) return unimplemented("'", name, "' is no tensor, which a file could hold");
    for (int64_t dim : tensor.shape()) out.add_int64(1, dim);
    out.add_int32(2, static_cast<int32_t>(tensor.dtype()));
    if (!name.empty()) out.add_string(8, name.data(), name.size());
    if (tensor.dtype() == DType::kString) {
      for (const std::string& string : tensor.strings()) {
        WEFT_CHECK(check_room(static_cast<int64_t>(string.size())));
        out.add_bytes(6, string);
      }
      return {};
    }
    bool outside = !name.empty() && goes_outside(tensor);
    if (outside && outside_ != nullptr) {
      // The model says what they are; to the file of weights they may be bytes.
      Tensor kept = tensor;
      if (!safetensors_can_say(tensor)) {
        WEFT_TRY(kept, Tensor::over(DType::kU8, {tensor.bytes()}, tensor.buffer(), tensor.offset()));
      }
      outside_->emplace_back(name, std::move(kept));
    } else if (outside) {
      const WeightsFile::Place& place = weights_->places.find(name)->second;
      add_entry(out, 13, "location", weights_->name);
      add_entry(out, 13, "offset", cat(place.begin));
      add_entry(out, 13, "length", cat(place.bytes));
      out.add_int32(14, 1);
    } else {
      WEFT_CHECK(check_room(tensor.bytes()));
      WEFT_TRY(const Tensor elements, tensor.briefly());
      out.add_bytes(9, tensor.bytes() == 0 ? "" : elements.as<char>(), static_cast<size_t>(tensor.bytes()));
    }
    return {};
  }
  // A value that the file has under a name. `trainable` is said of variables.
  Status add_initializer(pbf_writer& graph, const Tensor& tensor, const std::string& name,
                         std::optional<bool> trainable = std::nullopt) {
    // An input of a sub-graph would be what a node gives it; so the value is one of the outermost graph.
    if (initializers_are_inputs() && depth_ > 1) {
      hoisted_.emplace_back(name, tensor);
      return {};
    }
    {
      pbf_writer proto(graph, 5);
      WEFT_CHECK(add_tensor(proto, tensor, name));
      if (trainable) add_entry(proto, 16, kTrainableMark, *trainable ? "1" : "0");
    }
    if (initializers_are_inputs()) {
      write_value(graph, 11, ValueType::tensor(tensor.dtype(), to_dims(tensor.shape())), name);
    }
    return {};
  }
  static void add_entry(pbf_writer& message, uint32_t field, std::string_view key, std::string_view value) {
    pbf_writer entry(message, field);
    entry.add_string(1, key.data(), key.size());
    entry.add_string(2, value.data(), value.size());
  }

  // -- Graphs and nodes. All names of a file are different, those of branches too.

  struct Names {
    std::set<std::string> used;
    std::map<std::string, int> last;  // of the numbers behind a name
  };
  static std::string claim(Names* names, const std::string& name, const std::string& prefix) {
    std::string out = names->used.count(name) == 0 ? name : prefix + name;
    if (names->used.insert(out).second) return out;
    int& last = names->last[out];
    const std::string wanted = out;
    do {
      out = cat(wanted, "_", ++last);
    } while (!names->used.insert(out).second);
    return out;
  }
  std::string claim(const std::string& name, const std::string& prefix) { return claim(&used_, name, prefix); }

  // `captured` are the names of what it captures, in that order.
  Status add_graph(pbf_writer& out, const Graph& graph, const std::vector<ValueId>& outputs,
                   const std::vector<bool>& needed, const std::string& prefix,
                   const std::vector<std::string>& captured = {}) {
    if (depth_ >= kMostNesting) return unimplemented("its graphs are nested more than ", kMostNesting, " deep");
    std::vector<std::string> names(static_cast<size_t>(graph.value_count()));
    for (size_t i = 0; i < graph.captures().size(); ++i) {
      names[static_cast<size_t>(graph.captures()[i].inner)] = captured[i];
    }
    for (ValueId id = 0; id < graph.value_count(); ++id) {
      std::string& name = names[static_cast<size_t>(id)];
      if (name.empty()) name = claim(graph.value(id).name, prefix);
    }
    const int around = std::exchange(parts_depth_, 0);  // those that it is within are no parts of its own
    ++depth_;
    Status status = add_named_graph(out, graph, outputs, still_needed(graph, outputs, needed), prefix, names);
    --depth_;
    parts_depth_ = around;
    return status;
  }

  // Those of the nodes that something needs in that opset, too, as what a node is given may have become an attribute: a file
  // is not refused for what nobody reads.
  std::vector<bool> still_needed(const Graph& graph, const std::vector<ValueId>& outputs,
                                 std::vector<bool> needed) const {
    if (opset_ == 0) return needed;
    std::vector<bool> read(static_cast<size_t>(graph.value_count()));
    for (ValueId id : outputs) {
      if (id != kNoValue) read[static_cast<size_t>(id)] = true;
    }
    for (NodeId id = graph.node_count() - 1; id >= 0; --id) {
      const Node& node = graph.node(id);
      if (!needed[static_cast<size_t>(id)] || node.inputs.empty()) continue;
      bool is_read = false;
      for (int i = 0; i < node.output_count; ++i) is_read = is_read || read[static_cast<size_t>(node.output(i))];
      needed[static_cast<size_t>(id)] = is_read;
      if (is_read) mark_read(graph, node, &read);
    }
    return needed;
  }

  // Marks what the node is given in that opset, or more.
  void mark_read(const Graph& graph, const Node& node, std::vector<bool>* read) const {
    std::vector<bool> given(node.inputs.size(), true);
    if (const std::optional<Parts> form = rewritten(graph, node)) {
      const std::vector<ValueId>& roots = form->def != nullptr ? form->inputs : form->outputs;
      const std::vector<bool> needed = needed_nodes(*form->graph, roots);
      for (size_t i = 0; i < form->given.size(); ++i) {
        const ValueId id = form->given[i];
        given[i] = id != kNoValue && needed[static_cast<size_t>(form->graph->value(id).node)];
      }
    }
    for (size_t i = 0; i < given.size(); ++i) {
      if (given[i] && node.inputs[i] != kNoValue) (*read)[static_cast<size_t>(node.inputs[i])] = true;
    }
  }

  // The node's form in that opset, if rewrites lead to one.
  std::optional<Parts> rewritten(const Graph& graph, const Node& node) const {
    if (node.op->domain() != kOnnxDomain || !has_rewrite(*node.op)) return std::nullopt;
    Result<Parts> form = older_form(graph, node, *node.op, history_, opset_);
    return form.ok() ? std::optional<Parts>(std::move(*form)) : std::nullopt;
  }

  Status add_named_graph(pbf_writer& out, const Graph& graph, const std::vector<ValueId>& outputs,
                         const std::vector<bool>& needed, const std::string& prefix,
                         const std::vector<std::string>& names) {
    out.add_string(2, prefix.empty() ? "weft" : prefix.substr(0, prefix.size() - 1));
    std::set<ValueId> captured;
    for (const Graph::Capture& capture : graph.captures()) captured.insert(capture.inner);
    // Constants are initializers, but those that are outputs are nodes: an output is made by one.
    std::set<ValueId> made;
    for (ValueId id : outputs) {
      const std::shared_ptr<const Tensor>& constant = graph.value(id).constant;
      if (constant != nullptr && !goes_outside(*constant) && !initializers_are_inputs()) made.insert(id);
    }
    for (NodeId id = 0; id < graph.node_count(); ++id) {
      const Node& node = graph.node(id);
      ValueId first = node.output(0);
      if (!needed[static_cast<size_t>(id)] || captured.count(first) != 0) continue;
      const std::string& name = names[static_cast<size_t>(first)];
      if (node.is(kWeftDomain, "Input")) {
        write_value(out, 11, graph.type(first), name);
      } else if (node.is("Constant") && made.count(first) == 0) {
        // What becomes an attribute in an older opset need not be there; that is known in the end.
        if (opset_ == 0) WEFT_CHECK(add_initializer(out, *graph.value(first).constant, name));
      } else if (node.is(kWeftDomain, "Variable")) {
        WEFT_CHECK(add_variable(out, *graph.find_variable(node.attrs.s("name")), names));
      } else {
        WEFT_CHECK(add_node(out, graph, node, names).at(node.name, node.op->full_name(), node.origin));
      }
    }
    if (contents_.options.training) add_attached(out, graph, needed, names);
    std::set<std::string> shown;
    for (ValueId id : outputs) {
      const std::string& name = names[static_cast<size_t>(id)];
      bool passed = captured.count(id) != 0 || graph.producer(id).is(kWeftDomain, "Input") ||
                    graph.producer(id).is(kWeftDomain, "Variable") ||
                    (graph.producer(id).is("Constant") && made.count(id) == 0);
      // A model's output is made by a node of its own, and each but once.
      if (!passed && shown.insert(name).second) {
        write_value(out, 12, graph.type(id), name);
        continue;
      }
      const Result<std::string_view> domain = identity_domain(graph.type(id), graph.ops());
      if (!domain.ok()) return domain.status().within(cat("the output '", name, "' is passed on: "));
      std::string copy = claim(name + "/output", prefix);
      shown.insert(copy);
      read_.insert(name);
      {
        pbf_writer node(out, 1);  // must end before the next one begins
        node.add_string(1, name);
        node.add_string(2, copy);
        node.add_string(3, copy);
        node.add_string(4, "Identity");
        if (!domain->empty()) node.add_string(7, domain->data(), domain->size());
      }
      write_value(out, 12, graph.type(id), copy);
    }
    return opset_ == 0 ? Status() : add_constants(out, graph, needed, made, names);
  }

  // Those initializers that the nodes have come to need, of this graph and, in the outermost one, of those within it.
  Status add_constants(pbf_writer& out, const Graph& graph, const std::vector<bool>& needed,
                       const std::set<ValueId>& made, const std::vector<std::string>& names) {
    for (NodeId id = 0; id < graph.node_count(); ++id) {
      const Node& node = graph.node(id);
      if (!needed[static_cast<size_t>(id)] || !node.is("Constant") || made.count(node.output(0)) != 0) continue;
      const std::string& name = names[static_cast<size_t>(node.output(0))];
      if (read_.count(name) != 0) WEFT_CHECK(add_initializer(out, *graph.value(node.output(0)).constant, name));
    }
    if (depth_ > 1) return {};
    for (const auto& [name, tensor] : hoisted_) WEFT_CHECK(add_initializer(out, tensor, name));
    return {};
  }

  // Where the Identity of a type is to be found: in ai.onnx, or where no version there has it in our own domain.
  Result<std::string_view> identity_domain(const ValueType& type, const OpRegistry& ops) {
    const Attrs none;
    const int opset = opset_ == 0 ? kUnreleasedOpset : opset_;
    const NodeForm form{"Identity", *ops.find(kOnnxDomain, "Identity"), {&type}, {&type}, none};
    if (history_.misfit(form, opset).empty()) return kOnnxDomain;
    if (opset_ != 0) return unimplemented("opset ", opset_, " has no Identity of ", type.text());
    domains_.emplace(kWeftDomain, kWeftOpset);
    return kWeftDomain;
  }

  Status add_variable(pbf_writer& out, const VariableInfo& variable, const std::vector<std::string>& names) {
    bool training = contents_.options.training;
    auto value = contents_.values.find(variable.name);
    bool has_value = value != contents_.values.end();
    const std::string& name = names[static_cast<size_t>(variable.value)];
    if (!training && !has_value) return failed_precondition("variable '", variable.name, "' has no value");
    std::string initial = names[static_cast<size_t>(variable.initial)];
    if (has_value) {
      initial = training ? claim(variable.name + "/saved", "") : name;
      const std::optional<bool> trainable = training ? std::nullopt : std::optional<bool>(variable.trainable);
      WEFT_CHECK(add_initializer(out, value->second, initial, trainable));
    }
    if (!training) return {};
    domains_.emplace(kWeftDomain, kWeftOpset);
    pbf_writer node(out, 1);
    node.add_string(2, name);
    node.add_string(3, variable.name);
    node.add_string(4, "Variable");
    node.add_string(7, kWeftDomain.data(), kWeftDomain.size());
    WEFT_CHECK(add_attribute(node, "name", variable.name, false));
    WEFT_CHECK(add_attribute(node, "initial", initial, false));
    return add_attribute(node, "trainable", variable.trainable, false);
  }

  // Whether what is written is part of one of ONNX's operators, which nobody wants to be of others.
  enum class Within { kModel, kOnnxOperator };

  Status add_node(pbf_writer& out, const Graph& graph, const Node& node, const std::vector<std::string>& names,
                  const std::string& prefix = "", Within within = Within::kModel) {
    const OpDef* op = node.op;
    if (op->domain() == kWeftDomain && !contents_.options.training) {
      const std::string& type = op->name();
      if (type == "Assign" || type == "HostCall") {
        return unimplemented("a model for others cannot hold it; save with 'training' to keep it for Weft");
      }
      // Its counter would be a constant.
      if (type == "Dropout" && graph.producer(node.inputs[2]).is(kWeftDomain, "Variable")) {
        return unimplemented(
            "a model for others would drop the same in every run; save what the layer gives without training, or save "
            "with 'training' to keep it for Weft");
      }
      if (op->body_fn() != nullptr) {
        WEFT_TRY(const Parts body, body_of(graph, node));
        return add_parts(out, body, graph, node, names, prefix, within);
      }
      if (type == "StopGradient") {
        op = graph.ops().find(kOnnxDomain, "Identity");
      } else if (within == Within::kOnnxOperator) {
        return unimplemented(op->full_name(), " is not of ONNX");
      }
    }
    const bool fits =
        op->domain() != kOnnxDomain || history_.misfit(form_of(graph, node, *op), kUnreleasedOpset).empty();
    if (opset_ == 0 && !fits) return add_unlike(out, graph, node, *op, names, prefix, within);
    if (!fits || !is_as_today(*op)) return add_older(out, graph, node, *op, names, prefix);
    return add_as_it_is(out, graph, node, *op, names, prefix, op->domain());
  }

  Status add_as_it_is(pbf_writer& out, const Graph& graph, const Node& node, const OpDef& op,
                      const std::vector<std::string>& names, const std::string& prefix, std::string_view domain) {
    const std::vector<ValueId> inputs(node.inputs.begin(), node.inputs.begin() + node.schema_inputs);
    return add_proto(out, {op, op.name(), domain, texts(inputs, names), node.attrs}, graph, node, names, prefix);
  }

  // Whether nothing can be different in the opset that was asked for.
  bool is_as_today(const OpDef& op) const {
    if (opset_ == 0 || op.domain() != kOnnxDomain) return true;
    return !has_rewrite(op) && history_.is_newest(op.name(), opset_);
  }
  bool has_rewrite(const OpDef& op) const {
    return std::any_of(op.downgrades().begin(), op.downgrades().end(),
                       [this](const Downgrade& downgrade) { return opset_ < downgrade.version; });
  }

  // A node of ai.onnx for that opset.
  Status add_older(pbf_writer& out, const Graph& graph, const Node& node, const OpDef& op,
                   const std::vector<std::string>& names, const std::string& prefix) {
    WEFT_CHECK(enter_parts());
    Result<Parts> form = known_form(graph, node, op, opset_);
    Status status = form.status();
    if (form.ok()) {
      status = add_parts(out, *form, graph, node, names, prefix, Within::kOnnxOperator);
    } else if (op.body_fn() != nullptr) {
      const Result<Parts> body = body_of(graph, node);
      status = body.status();
      if (body.ok()) status = add_parts(out, *body, graph, node, names, prefix, Within::kOnnxOperator);
      if (!body.ok() || status.code() == Code::kUnimplemented) {
        status =
            unimplemented(form.status().message(), "; nor can it be written as what it is made of: ", status.message());
      }
    }
    --parts_depth_;
    return status;
  }

  // Its form in that opset, or one of wider types where no opset has those that it is of.
  Result<Parts> known_form(const Graph& graph, const Node& node, const OpDef& op, int opset) const {
    Result<Parts> form = older_form(graph, node, op, history_, opset);
    if (form.ok() || node.op != &op || history_.misfit(form_of(graph, node, op), kUnreleasedOpset).empty()) return form;
    WEFT_TRY(std::optional<Parts> wider, wider_form(graph, node, history_));
    return wider ? Result<Parts>(std::move(*wider)) : std::move(form);
  }

  // A node of types that no version of its operator has, where no opset was asked for. A file for Weft, and one for others
  // that cannot say it otherwise, has it in the domain `weft`: nobody else takes it for ONNX's, and Weft reads it as that.
  Status add_unlike(pbf_writer& out, const Graph& graph, const Node& node, const OpDef& op,
                    const std::vector<std::string>& names, const std::string& prefix, Within within) {
    if (!contents_.options.training) {
      Result<Parts> parts = known_form(graph, node, op, kUnreleasedOpset);
      if (!parts.ok() && op.body_fn() != nullptr) parts = body_of(graph, node);
      if (parts.ok()) {
        WEFT_CHECK(enter_parts());
        const Status status = add_parts(out, *parts, graph, node, names, prefix, within);
        --parts_depth_;
        return status;
      }
    }
    if (graph.ops().find(kWeftDomain, op.name()) != nullptr) {
      return unimplemented("ONNX has no ", op.name(), " of such types, and weft.", op.name(), " is another operator");
    }
    return add_as_it_is(out, graph, node, op, names, prefix, kWeftDomain);
  }

  // Operators that are made of others that are made of others...
  Status enter_parts() {
    if (parts_depth_ >= kMostNesting) return internal_error("an operator is made of itself");
    ++parts_depth_;
    return {};
  }

  static std::vector<std::string> texts(const std::vector<ValueId>& ids, const std::vector<std::string>& names) {
    std::vector<std::string> out;
    for (ValueId id : ids) out.push_back(id == kNoValue ? std::string() : names[static_cast<size_t>(id)]);
    return out;
  }

  // What a file says of a node's operator and what it is given.
  struct NodeText {
    const OpDef& op;
    std::string_view type, domain;  // its name in the file
    std::vector<std::string> inputs;
    const Attrs& attrs;
  };

  // `graph`, `node` and `names` are those of the graph that it is a node of, or stands for one of.
  Status add_proto(pbf_writer& out, const NodeText& text, const Graph& graph, const Node& node,
                   const std::vector<std::string>& names, const std::string& prefix) {
    const std::string_view domain = text.domain;
    const bool own = domain == kWeftDomain;
    const bool any = node.schema_inputs > 0 && node.inputs[0] != kNoValue;
    const DType first = any ? graph.type(node.inputs[0]).dtype : DType::kNone;
    int& since = domains_[domain];
    since = std::max(since, own ? kWeftOpset : text.op.since_version(first));
    has_gone_ = has_gone_ ||
                (domain == kMlDomain && std::find(std::begin(kGone), std::end(kGone), text.type) != std::end(kGone));
    pbf_writer proto(out, 1);
    for (const std::string& input : text.inputs) {
      proto.add_string(1, input);
      if (opset_ != 0) read_.insert(input);
    }
    for (int i = 0; i < node.output_count; ++i) proto.add_string(2, names[static_cast<size_t>(node.output(i))]);
    const std::string& flag = text.op.outputs_flag();
    const AttrValue* together = flag.empty() ? nullptr : text.attrs.find(flag);
    const int wanted = together != nullptr && together->i() != 0 ? static_cast<int>(text.op.outputs().size()) : 0;
    for (int i = node.output_count; i < wanted; ++i) proto.add_string(2, "");
    // Some readers want the names of nodes to differ too.
    proto.add_string(3, claim(&used_by_nodes_, prefix + node.name, ""));
    proto.add_string(4, text.type.data(), text.type.size());
    size_t next_capture = static_cast<size_t>(node.schema_inputs);
    for (const auto& [name, value] : text.attrs) {
      const AttrDef* def = text.op.find_attr(name);
      if (def != nullptr && def->is_hint) continue;
      if (def != nullptr && def->use == AttrUse::kType) {
        WEFT_CHECK(add_type_attribute(proto, name, value.s()));
        continue;
      }
      if (value.kind() != AttrKind::kGraph) {
        WEFT_CHECK(add_attribute(proto, name, value, own));
        continue;
      }
      const Graph& inner = *value.graph();
      // What the node captures; its sub-graph may know it from a graph that the node was copied from.
      std::vector<std::string> captured;
      for (size_t i = inner.captures().size(); i-- > 0;) {
        captured.push_back(names[static_cast<size_t>(node.inputs[next_capture++])]);
      }
      std::vector<bool> needed = needed_nodes(inner, inner.outputs());
      for (ValueId id : inner.inputs()) needed[static_cast<size_t>(inner.value(id).node)] = true;  // by position
      pbf_writer attribute(proto, 5);
      attribute.add_string(1, name);
      {
        pbf_writer sub(attribute, 6);
        WEFT_CHECK(add_graph(sub, inner, inner.outputs(), needed, cat(node.name, "/", name, "/"), captured));
      }
      attribute.add_int32(20, kTypeGraph);
    }
    if (!domain.empty()) proto.add_string(7, domain.data(), domain.size());
    add_hints(proto, text);
    return {};
  }

  // ONNX has no attributes for them. Files of before do without: the results are the same.
  void add_hints(pbf_writer& proto, const NodeText& text) const {
    if (ir_version() < kNodeMetadataVersion) return;
    for (const auto& [name, value] : text.attrs) {
      const AttrDef* def = text.op.find_attr(name);
      if (def == nullptr || !def->is_hint || (def->default_value && *def->default_value == value)) continue;
      add_entry(proto, 9, cat(kHintPrefix, name), cat(value.i()));
    }
  }

  // What stands in the place of a node.
  Status add_parts(pbf_writer& out, const Parts& made, const Graph& graph, const Node& node,
                   const std::vector<std::string>& names, const std::string& prefix, Within within) {
    Graph& parts = *made.graph;
    ExprScope scope(parts);
    std::vector<std::string> inner(static_cast<size_t>(parts.value_count()));
    for (size_t i = 0; i < made.given.size(); ++i) {
      if (made.given[i] == kNoValue) continue;
      inner[static_cast<size_t>(made.given[i])] = names[static_cast<size_t>(node.inputs[i])];
    }
    // Outputs that the parts only pass on, or give twice, are made by an Identity.
    std::vector<ValueId> roots = made.inputs;
    for (size_t i = 0; i < made.outputs.size(); ++i) {
      ValueId id = made.outputs[i];
      if (id == kNoValue) continue;
      const std::string& name = names[static_cast<size_t>(node.output(static_cast<int>(i)))];
      if (inner[static_cast<size_t>(id)].empty() && !parts.producer(id).is("Constant")) {
        inner[static_cast<size_t>(id)] = name;
      } else {
        id = make(scope, "Identity", {Expr(scope, id)}).id();
        WEFT_CHECK(scope.status());
        inner.push_back(name);
      }
      roots.push_back(id);
    }
    for (ValueId id = 0; id < parts.value_count(); ++id) {
      std::string& name = inner[static_cast<size_t>(id)];
      if (name.empty()) name = claim(cat(prefix, node.name, "/", parts.value(id).name), "");
    }
    const std::vector<bool> needed = still_needed(parts, roots, needed_nodes(parts, roots));
    for (NodeId id = made.first; id < parts.node_count(); ++id) {
      const Node& part = parts.node(id);
      if (!needed[static_cast<size_t>(id)] || part.is("Constant")) continue;
      WEFT_CHECK(add_node(out, parts, part, inner, prefix + node.name + "/", within));
    }
    if (made.def != nullptr) {
      const NodeText text{*made.def, made.op, made.def->domain(), texts(made.inputs, inner), made.attrs};
      WEFT_CHECK(add_proto(out, text, graph, node, names, prefix));
    }
    // Some of them may have become attributes.
    for (NodeId id = made.first; id < parts.node_count(); ++id) {
      if (!needed[static_cast<size_t>(id)] || !parts.node(id).is("Constant")) continue;
      const ValueId value = parts.node(id).output(0);
      const std::string& name = inner[static_cast<size_t>(value)];
      if (opset_ != 0 && read_.count(name) == 0) continue;
      WEFT_CHECK(add_initializer(out, *parts.value(value).constant, name));
    }
    return {};
  }

  Status add_attribute(pbf_writer& node, std::string_view name, const AttrValue& value, bool own) {
    pbf_writer out(node, 5);
    out.add_string(1, name.data(), name.size());
    auto finish = [&](int32_t type) {
      out.add_int32(20, type);
      return Status();
    };
    switch (value.kind()) {
      case AttrKind::kFloat: {
        if (!own) {
          out.add_float(2, static_cast<float>(value.f()));
          return finish(kTypeFloat);
        }
        pbf_writer tensor(out, 5);
        WEFT_CHECK(add_tensor(tensor, Tensor::scalar<double>(value.f()), ""));
        break;
      }
      case AttrKind::kInt: out.add_int64(3, value.i()); return finish(kTypeInt);
      case AttrKind::kString: out.add_bytes(4, value.s()); return finish(kTypeString);
      case AttrKind::kTensor: {
        pbf_writer tensor(out, 5);
        WEFT_CHECK(add_tensor(tensor, value.tensor(), ""));
        break;
      }
      case AttrKind::kGraph: return internal_error("a graph is written where its captures are known");
      case AttrKind::kFloats: {
        if (!own) {
          for (double number : value.floats()) out.add_float(7, static_cast<float>(number));
          return finish(kTypeFloats);
        }
        pbf_writer tensor(out, 5);
        WEFT_CHECK(add_tensor(tensor, Tensor::vector<double>(value.floats()), ""));
        break;
      }
      case AttrKind::kInts:
        for (int64_t number : value.ints()) out.add_int64(8, number);
        return finish(kTypeInts);
      case AttrKind::kStrings:
        for (const std::string& string : value.strings()) out.add_bytes(9, string);
        return finish(kTypeStrings);
    }
    return finish(kTypeTensor);
  }

  static Status add_type_attribute(pbf_writer& node, std::string_view name, std::string_view text) {
    WEFT_TRY(const ValueType type, ValueType::parse(text));
    pbf_writer out(node, 5);
    out.add_string(1, name.data(), name.size());
    {
      pbf_writer proto(out, 14);
      write_type(proto, type);
    }
    out.add_int32(20, kTypeType);
    return {};
  }

  void add_attached(pbf_writer& out, const Graph& graph, const std::vector<bool>& needed,
                    const std::vector<std::string>& names) {
    for (NodeId id = 0; id < graph.node_count(); ++id) {
      if (!needed[static_cast<size_t>(id)]) continue;
      for (ValueId assignment : graph.node(id).attached) {
        domains_.emplace(kWeftDomain, kWeftOpset);
        pbf_writer node(out, 1);
        node.add_string(1, names[static_cast<size_t>(graph.node(id).output(0))]);
        node.add_string(1, names[static_cast<size_t>(assignment)]);
        node.add_string(4, "Attach");
        node.add_string(7, kWeftDomain.data(), kWeftDomain.size());
      }
    }
  }

  const ModelContents& contents_;
  const WeightsFile* weights_;
  NamedTensors* outside_;
  const int opset_;  // of ai.onnx, 0 for the newest
  const OpHistory history_;
  std::string file_;
  std::map<std::string_view, int> domains_;  // of its nodes, with the version that the newest of them came with
  bool has_gone_ = false;                    // some node is of kGone
  Names used_, used_by_nodes_;
  std::set<std::string> read_;  // names of values that nodes are given
  std::vector<std::pair<std::string, Tensor>> hoisted_;
  int depth_ = 0, parts_depth_ = 0;
};

}  // namespace

Result<std::string> model_text(const ModelContents& contents, const WeightsFile* weights, NamedTensors* outside) {
  return Writer(contents, weights, outside).write();
}

}  // namespace weft::onnx
