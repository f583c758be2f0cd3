// Builds a graph from an ONNX file.
#include <algorithm>
#include <map>

#include "core/base/file.h"
#include "core/base/text.h"
#include "core/format/onnx.h"
#include "core/format/onnx_tensor.h"
#include "core/format/onnx_wire.h"

namespace weft {

namespace {

using namespace onnx;

struct Names {
  Graph* graph;
  std::map<std::string, ValueId, std::less<>> values;
};

class Loader {
 public:
  Loader(const OpRegistry& ops, const OnnxLoadOptions& options, const ModelFile& file, const std::string& folder)
      : ops_(ops), options_(options), file_(file), files_(folder, options.map) {}

  Result<std::shared_ptr<Graph>> load() {
    WEFT_TRY(ModelWire model, read_model(file_.bytes()));
    if (!model.has_graph) return data_loss("it holds no graph; is it an ONNX model?");
    if (model.function_count > 0) {
      return unimplemented(
          "it has functions of its own; inline them (onnx.inliner.inline_local_functions) before loading");
    }
    int64_t opset = 0;
    for (const auto& [domain, version] : model.opsets) {
      if (domain.empty() || domain == "ai.onnx") opset = version;
    }
    if (opset == 0) opset = 1;  // files from before opsets
    if (opset < 1 || opset > kNewestOpset + 1) {
      return unimplemented("it is of opset ", opset, "; opsets 1 to ", kNewestOpset + 1,
                           " can be read; onnx.version_converter brings a model down");
    }
    WEFT_TRY(std::shared_ptr<Graph> graph, Graph::make(ops_, static_cast<int>(opset)));
    WEFT_TRY(GraphWire wire, read_graph(model.graph));
    WEFT_CHECK(add_contents(graph, wire));
    for (const std::string& name : options_.trainable) {
      if (name != "*" && graph->find_variable(name) == nullptr) {
        return not_found("it has no weight '", name, "' of floating point to be trainable");
      }
    }
    graph->speak_newest_opset();
    return graph;
  }

 private:
  // Initializers, inputs, nodes and outputs, into a new graph.
  Status add_contents(const std::shared_ptr<Graph>& graph, const GraphWire& wire) {
    if (wire.has_sparse) return unimplemented("it has sparse initializers");
    if (scopes_.size() >= kMostNesting) return unimplemented("its graphs are nested more than ", kMostNesting, " deep");
    scopes_.push_back({graph.get(), {}});
    Status status = add_in_scope(graph, wire);
    scopes_.pop_back();
    return status;
  }

  Status add_in_scope(const std::shared_ptr<Graph>& graph, const GraphWire& wire) {
    for (std::string_view bytes : wire.initializers) WEFT_CHECK(add_initializer(*graph, bytes));
    for (const ValueWire& input : wire.inputs) {
      if (names().count(input.name) == 0) WEFT_CHECK(add_input(*graph, input));
    }
    for (std::string_view bytes : wire.nodes) {
      WEFT_TRY(NodeWire node, read_node(bytes));
      std::string text = node.name.empty() ? std::string(node.op_type) : std::string(node.name);
      WEFT_CHECK(add_node(graph, node).at(text, node.op_type, ""));
    }
    std::vector<ValueId> outputs;
    for (const ValueWire& output : wire.outputs) {
      WEFT_TRY(ValueId id, find(*graph, output.name));
      outputs.push_back(id);
    }
    return graph->set_outputs(std::move(outputs));
  }

  std::map<std::string, ValueId, std::less<>>& names() { return scopes_.back().values; }

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

  // A name of this graph or one around it, as a value of this graph.
  Result<ValueId> find(Graph& graph, std::string_view name) {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      auto at = scope->values.find(name);
      if (at == scope->values.end()) continue;
      if (scope->graph == &graph) return at->second;
      return graph.capture(*scope->graph, at->second);
    }
    return invalid("it uses '", name, "', which nothing before it makes");
  }

  Status add_initializer(Graph& graph, std::string_view bytes) {
    WEFT_TRY(TensorWire wire, read_tensor(bytes));
    Result<Tensor> tensor = to_tensor(wire, file_, files_);
    if (!tensor.ok()) return tensor.status().within(cat("the weight '", wire.name, "': "));
    std::string name(wire.name);
    WEFT_CHECK(claim(graph, name));
    bool is_float = tensor->dtype() == DType::kF32 || tensor->dtype() == DType::kF64;
    auto wanted = [&](std::string_view key) {
      return std::find(options_.trainable.begin(), options_.trainable.end(), key) != options_.trainable.end();
    };
    if (scopes_.size() == 1 && is_float && (wanted("*") || wanted(name))) {
      // A name that the graph chose itself could be one that the file has for something later.
      WEFT_TRY(ValueId initial, graph.add_constant(std::move(*tensor), graph.unique_name(name + "/initial")));
      WEFT_TRY(ValueId variable, graph.add_variable_full(name, initial, true));
      return define(name, variable);
    }
    WEFT_TRY(ValueId id, graph.add_constant(std::move(*tensor), name));
    return define(name, id);
  }

  Status add_input(Graph& graph, const ValueWire& wire) {
    if (scopes_.size() > 1) return unimplemented("a branch has inputs of its own");
    if (!wire.is_known || wire.elem_type < 1 || wire.elem_type >= kDTypeCount) {
      return unimplemented("the input '", wire.name, "' is of a type that cannot be read");
    }
    ValueType type;
    type.dtype = static_cast<DType>(wire.elem_type);
    if (wire.is_sequence) type.kind = Kind::kSequence;
    type.has_rank = wire.has_shape && !wire.is_sequence;
    for (size_t i = 0; type.has_rank && i < wire.dims.size(); ++i) {
      const DimWire& dim = wire.dims[i];
      if (dim.has_value && dim.value < 0)
        return data_loss("the input '", wire.name, "' has a dimension of ", dim.value);
      if (dim.has_value)
        type.dims.push_back(Dim(dim.value));
      else
        type.dims.push_back(Dim::symbol(dim.param.empty() ? cat(wire.name, "_d", i) : std::string(dim.param)));
    }
    WEFT_CHECK(claim(graph, wire.name));
    WEFT_TRY(ValueId id, graph.add_input(wire.name, std::move(type)));
    return define(wire.name, id);
  }

  Result<AttrValue> attribute(const std::shared_ptr<Graph>& graph, const AttributeWire& wire, const OpDef* op) {
    switch (wire.type) {
      case kTypeFloat: return AttrValue(static_cast<double>(wire.f));
      case kTypeInt: return AttrValue(wire.i);
      case kTypeString: return AttrValue(std::string(wire.s));
      case kTypeFloats: return AttrValue(std::vector<double>(wire.floats.begin(), wire.floats.end()));
      case kTypeInts: return AttrValue(wire.ints);
      case kTypeStrings: return AttrValue(std::vector<std::string>(wire.strings.begin(), wire.strings.end()));
      case kTypeTensor: {
        WEFT_TRY(TensorWire tensor_wire, read_tensor(wire.tensor));
        Result<Tensor> tensor = to_tensor(tensor_wire, file_, files_);
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
      case kTypeGraph: {
        WEFT_TRY(GraphWire inner, read_graph(wire.graph));
        WEFT_TRY(std::shared_ptr<Graph> sub, Graph::make_subgraph(graph));
        WEFT_CHECK(add_contents(sub, inner));
        return AttrValue(GraphRef(std::move(sub)));
      }
      default: return unimplemented("attribute '", wire.name, "' is of type ", wire.type, ", which cannot be read");
    }
  }

  Status add_node(const std::shared_ptr<Graph>& graph, const NodeWire& wire) {
    bool own = wire.domain == kWeftDomain;
    if (own && wire.op_type == "Attach") return attach(*graph, wire);
    std::string_view domain = wire.domain == "ai.onnx" ? std::string_view() : wire.domain;
    const OpDef* op = ops_.find(domain, wire.op_type);
    if (op != nullptr && op->is_internal() && !(own && wire.op_type == "Variable")) {
      return data_loss("it has the operator ", op->full_name(), ", which no file can hold");
    }
    Attrs attrs;
    for (std::string_view bytes : wire.attributes) {
      WEFT_TRY(AttributeWire attr, read_attribute(bytes));
      if (attrs.has(attr.name)) return data_loss("attribute '", attr.name, "' is given twice");
      WEFT_TRY(AttrValue value, attribute(graph, attr, op));
      attrs.set(attr.name, std::move(value));
    }
    if (own && wire.op_type == "Variable") return add_variable(*graph, wire, attrs);
    std::vector<ValueId> inputs;
    for (std::string_view name : wire.inputs) {
      ValueId id = kNoValue;
      if (!name.empty()) {
        WEFT_TRY(id, find(*graph, name));
      }
      inputs.push_back(id);
    }
    NodeOptions options;
    options.name = wire.name;
    options.output_count = static_cast<int>(wire.outputs.size());
    while (options.output_count > 0 && wire.outputs[options.output_count - 1].empty()) --options.output_count;
    Result<NodeId> node = graph->add(domain, wire.op_type, std::move(inputs), std::move(attrs), std::move(options));
    if (!node.ok() && node.status().code() == Code::kNotFound) {
      return unimplemented("the operator ", domain.empty() ? "" : cat(domain, "."), wire.op_type, " is not known");
    }
    if (!node.ok()) return node.status();
    const Node& made = graph->node(*node);
    if (made.output_count < options.output_count) return data_loss("it has too many outputs");
    for (int i = 0; i < made.output_count && i < static_cast<int>(wire.outputs.size()); ++i) {
      std::string_view name = wire.outputs[static_cast<size_t>(i)];
      if (name.empty()) continue;
      if (graph->value(made.output(i)).name != name) {
        WEFT_CHECK(claim(*graph, name));
        WEFT_CHECK(graph->set_value_name(made.output(i), name));
      }
      WEFT_CHECK(define(name, made.output(i)));
    }
    return {};
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
    return graph.attach(graph.value(value).node, assignment);
  }

  const OpRegistry& ops_;
  const OnnxLoadOptions& options_;
  const ModelFile& file_;
  ExternalFiles files_;
  std::vector<Names> scopes_;  // innermost last
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
