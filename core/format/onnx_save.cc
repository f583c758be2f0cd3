// Writes a graph as an ONNX file. The field numbers are those of onnx.proto.
#include <algorithm>
#include <protozero/pbf_writer.hpp>
#include <set>

#include "core/base/file.h"
#include "core/base/text.h"
#include "core/format/onnx.h"
#include "core/format/onnx_wire.h"
#include "core/tensor/safetensors.h"

namespace weft {

namespace {

using namespace onnx;
using protozero::pbf_writer;

constexpr int kIrVersion = 10;  // what readers of the time of opset 21 and later know
constexpr int64_t kExternalFrom = 1024;
// protobuf's readers refuse messages of 2 GiB.
constexpr int64_t kMostInline = (int64_t{1} << 31) - (int64_t{1} << 20);

// Where a tensor lies in the file of weights.
struct Place {
  int64_t begin;
  int64_t bytes;
};

// The nodes that `outputs` need, in the order in which they were added, which is one that ONNX accepts.
std::vector<bool> needed_nodes(const Graph& graph, const std::vector<ValueId>& outputs) {
  std::vector<bool> needed(static_cast<size_t>(graph.node_count()));
  std::vector<NodeId> open;
  auto need = [&](ValueId id) {
    if (id == kNoValue) return;
    NodeId node = graph.value(id).node;
    if (!needed[static_cast<size_t>(node)]) {
      needed[static_cast<size_t>(node)] = true;
      open.push_back(node);
    }
  };
  for (ValueId id : outputs) need(id);
  while (!open.empty()) {
    const Node& node = graph.node(open.back());
    open.pop_back();
    for (ValueId input : node.inputs) need(input);
  }
  return needed;
}

class Saver {
 public:
  Saver(const VariableValues& values, const OnnxSaveOptions& options) : values_(values), options_(options) {}

  Status save(const Graph& graph, const std::vector<ValueId>& outputs, const std::string& path) {
    std::vector<bool> needed = options_.training ? std::vector<bool>(static_cast<size_t>(graph.node_count()), true)
                                                 : needed_nodes(graph, outputs);
    WEFT_CHECK(place_weights(graph, needed, path));
    std::string file;
    {
      pbf_writer model(file);
      model.add_int64(1, kIrVersion);
      model.add_string(2, "weft");
      add_opset(model, "", kNewestOpset);
      if (options_.training) add_opset(model, kWeftDomain, 1);
      pbf_writer body(model, 7);
      WEFT_CHECK(add_graph(body, graph, outputs, needed, ""));
    }
    return write_file(path, file);
  }

 private:
  static void add_opset(pbf_writer& model, std::string_view domain, int64_t version) {
    pbf_writer opset(model, 8);
    opset.add_string(1, domain.data(), domain.size());
    opset.add_int64(2, version);
  }

  // -- Weights beside the model.

  // Every tensor that is to be written as an initializer, with its name.
  void each_weight(const Graph& graph, const std::vector<bool>& needed, auto&& visit) const {
    for (NodeId id = 0; id < graph.node_count(); ++id) {
      if (!needed[static_cast<size_t>(id)]) continue;
      const Node& node = graph.node(id);
      const std::string& name = graph.value(node.output(0)).name;
      if (node.is("Constant")) {
        visit(name, *graph.value(node.output(0)).constant);
      } else if (node.is(kWeftDomain, "Variable")) {
        auto value = values_.find(name);
        if (value != values_.end()) visit(options_.training ? saved_name(graph, name) : name, value->second);
      }
    }
  }

  Status place_weights(const Graph& graph, const std::vector<bool>& needed, const std::string& path) {
    int64_t inline_bytes = 0;
    NamedTensors outside;
    bool external = !options_.weights.empty();
    if (external && options_.weights.find('/') != std::string::npos) {
      return invalid("option 'weights' is '", options_.weights, "' but must be the name of a file beside the model");
    }
    each_weight(graph, needed, [&](const std::string& name, const Tensor& tensor) {
      if (external && tensor.dtype() != DType::kString && tensor.bytes() >= kExternalFrom)
        outside.emplace_back(name, tensor);
      else if (tensor.dtype() != DType::kString)
        inline_bytes += tensor.bytes();
    });
    if (inline_bytes > kMostInline) {
      return invalid("the model would hold ", inline_bytes,
                     " bytes, more than an ONNX file can; give the option 'weights' a file name");
    }
    if (!external) return {};
    size_t slash = path.rfind('/');
    std::string beside = slash == std::string::npos ? options_.weights : path.substr(0, slash + 1) + options_.weights;
    if (beside == path) return invalid("the weights cannot be in the same file as the model");
    WEFT_CHECK(write_safetensors(beside, outside));
    WEFT_TRY(SafetensorsFile written, SafetensorsFile::open(beside));
    for (const SafetensorsFile::Entry& entry : written.entries()) {
      places_.emplace(entry.name, Place{entry.begin, entry.end - entry.begin});
    }
    return {};
  }

  // -- Tensors.

  Status add_tensor(pbf_writer& out, const Tensor& tensor, std::string_view name) {
    if (tensor.kind() != Kind::kTensor) return unimplemented("'", name, "' is no tensor, which a file could hold");
    for (int64_t dim : tensor.shape()) out.add_int64(1, dim);
    out.add_int32(2, static_cast<int32_t>(tensor.dtype()));
    if (!name.empty()) out.add_string(8, name.data(), name.size());
    auto place = places_.find(name);
    if (tensor.dtype() == DType::kString) {
      for (const std::string& string : tensor.strings()) out.add_bytes(6, string);
    } else if (place != places_.end()) {
      add_entry(out, "location", options_.weights);
      add_entry(out, "offset", cat(place->second.begin));
      add_entry(out, "length", cat(place->second.bytes));
      out.add_int32(14, 1);
    } else {
      out.add_bytes(9, tensor.bytes() == 0 ? "" : tensor.as<char>(), static_cast<size_t>(tensor.bytes()));
    }
    return {};
  }
  static void add_entry(pbf_writer& tensor, std::string_view key, std::string_view value) {
    pbf_writer entry(tensor, 13);
    entry.add_string(1, key.data(), key.size());
    entry.add_string(2, value.data(), value.size());
  }

  // -- Types.

  static Status add_value(pbf_writer& graph, int field, const Graph& owner, ValueId id, std::string_view name) {
    const ValueType& type = owner.type(id);
    pbf_writer value(graph, static_cast<protozero::pbf_tag_type>(field));
    value.add_string(1, name.data(), name.size());
    if (type.dtype == DType::kNone) return {};  // an output may leave its type open
    pbf_writer proto(value, 2);
    if (type.kind == Kind::kSequence) {
      pbf_writer sequence(proto, 4);
      pbf_writer element(sequence, 1);
      pbf_writer tensor(element, 1);
      tensor.add_int32(1, static_cast<int32_t>(type.dtype));
    } else if (type.kind == Kind::kTensor) {
      pbf_writer tensor(proto, 1);
      tensor.add_int32(1, static_cast<int32_t>(type.dtype));
      if (!type.has_rank) return {};
      if (type.dims.empty()) tensor.add_message(2, "", 0);  // an empty writer would leave it out
      pbf_writer shape(tensor, 2);
      for (const Dim& dim : type.dims) {
        pbf_writer item(shape, 1);
        if (dim.known())
          item.add_int64(1, dim.value());
        else
          item.add_string(2, dim.text());
      }
    } else {
      return unimplemented("'", name, "' is of a type that cannot be saved yet: ", type.text());
    }
    return {};
  }

  // -- Graphs and nodes. Names of branches' values get the path of their node, so that all are different.

  Status add_graph(pbf_writer& out, const Graph& graph, const std::vector<ValueId>& outputs,
                   const std::vector<bool>& needed, const std::string& prefix) {
    std::vector<std::string> names(static_cast<size_t>(graph.value_count()));
    for (ValueId id = 0; id < graph.value_count(); ++id) {
      names[static_cast<size_t>(id)] = prefix + graph.value(id).name;
    }
    for (const Graph::Capture& capture : graph.captures()) {
      names[static_cast<size_t>(capture.inner)] = (*outer_names_.back())[static_cast<size_t>(capture.outer)];
    }
    outer_names_.push_back(&names);
    Status status = add_named_graph(out, graph, outputs, needed, prefix, names);
    outer_names_.pop_back();
    return status;
  }

  Status add_named_graph(pbf_writer& out, const Graph& graph, const std::vector<ValueId>& outputs,
                         const std::vector<bool>& needed, const std::string& prefix,
                         const std::vector<std::string>& names) {
    out.add_string(2, prefix.empty() ? "weft" : prefix);
    std::set<ValueId> captured;
    for (const Graph::Capture& capture : graph.captures()) captured.insert(capture.inner);
    for (NodeId id = 0; id < graph.node_count(); ++id) {
      const Node& node = graph.node(id);
      ValueId first = node.output(0);
      if (!needed[static_cast<size_t>(id)] || captured.count(first) != 0) continue;
      const std::string& name = names[static_cast<size_t>(first)];
      if (node.is(kWeftDomain, "Input")) {
        WEFT_CHECK(add_value(out, 11, graph, first, name));
      } else if (node.is("Constant")) {
        pbf_writer tensor(out, 5);
        WEFT_CHECK(add_tensor(tensor, *graph.value(first).constant, name));
      } else if (node.is(kWeftDomain, "Variable")) {
        WEFT_CHECK(add_variable(out, graph, *graph.find_variable(node.attrs.s("name")), names));
      } else {
        WEFT_CHECK(add_node(out, graph, node, names).at(node.name, node.op->full_name(), node.origin));
      }
    }
    if (options_.training) add_attached(out, graph, needed, names);
    std::set<std::string> shown;
    for (ValueId id : outputs) {
      const std::string& name = names[static_cast<size_t>(id)];
      bool passed = captured.count(id) != 0 || graph.producer(id).is(kWeftDomain, "Input") ||
                    graph.producer(id).is("Constant") || graph.producer(id).is(kWeftDomain, "Variable");
      // A model's output is made by a node of its own, and each but once.
      if (!passed && shown.insert(name).second) {
        WEFT_CHECK(add_value(out, 12, graph, id, name));
        continue;
      }
      std::string copy = cat(prefix, "output/", shown.size(), "/", name);
      shown.insert(copy);
      {
        pbf_writer node(out, 1);  // must end before the next one begins
        node.add_string(1, name);
        node.add_string(2, copy);
        node.add_string(3, copy);
        node.add_string(4, "Identity");
      }
      WEFT_CHECK(add_value(out, 12, graph, id, copy));
    }
    return {};
  }

  static std::string saved_name(const Graph& graph, const std::string& variable) {
    std::string name = variable + "/saved";
    while (graph.find(name) != kNoValue) name += '_';
    return name;
  }

  Status add_variable(pbf_writer& out, const Graph& graph, const VariableInfo& variable,
                      const std::vector<std::string>& names) {
    auto value = values_.find(variable.name);
    std::string initial = names[static_cast<size_t>(variable.initial)];
    if (value != values_.end()) {
      initial = options_.training ? saved_name(graph, variable.name) : names[static_cast<size_t>(variable.value)];
      pbf_writer tensor(out, 5);
      WEFT_CHECK(add_tensor(tensor, value->second, initial));
    }
    if (!options_.training) {
      return value != values_.end() ? Status() : failed_precondition("variable '", variable.name, "' has no value");
    }
    pbf_writer node(out, 1);
    node.add_string(2, names[static_cast<size_t>(variable.value)]);
    node.add_string(3, variable.name);
    node.add_string(4, "Variable");
    node.add_string(7, kWeftDomain.data(), kWeftDomain.size());
    WEFT_CHECK(add_attribute(node, graph, "name", variable.name, false, ""));
    WEFT_CHECK(add_attribute(node, graph, "initial", initial, false, ""));
    return add_attribute(node, graph, "trainable", variable.trainable, false, "");
  }

  Status add_node(pbf_writer& out, const Graph& graph, const Node& node, const std::vector<std::string>& names) {
    bool own = node.op->domain() == kWeftDomain;
    std::string type = node.op->name();
    if (own && !options_.training) {
      if (type != "StopGradient") {
        return unimplemented("ONNX has no operator for it; save with 'training' to keep it for Weft");
      }
      type = "Identity";
      own = false;
    }
    pbf_writer proto(out, 1);
    for (int32_t i = 0; i < node.schema_inputs; ++i) {
      ValueId id = node.inputs[static_cast<size_t>(i)];
      proto.add_string(1, id == kNoValue ? std::string() : names[static_cast<size_t>(id)]);
    }
    for (int i = 0; i < node.output_count; ++i) proto.add_string(2, names[static_cast<size_t>(node.output(i))]);
    proto.add_string(3, node.name);
    proto.add_string(4, type);
    for (const auto& [name, value] : node.attrs) {
      WEFT_CHECK(add_attribute(proto, graph, name, value, own, node.name));
    }
    if (own) proto.add_string(7, kWeftDomain.data(), kWeftDomain.size());
    return {};
  }

  Status add_attribute(pbf_writer& node, const Graph& graph, std::string_view name, const AttrValue& value, bool own,
                       const std::string& node_name) {
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
      case AttrKind::kGraph: {
        pbf_writer sub(out, 6);
        const Graph& inner = *value.graph();
        std::vector<bool> all(static_cast<size_t>(inner.node_count()), true);
        WEFT_CHECK(add_graph(sub, inner, inner.outputs(), all, cat(node_name, "/", name, "/")));
        (void)graph;
        break;
      }
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
    return finish(value.kind() == AttrKind::kGraph ? kTypeGraph : kTypeTensor);
  }

  void add_attached(pbf_writer& out, const Graph& graph, const std::vector<bool>& needed,
                    const std::vector<std::string>& names) {
    for (NodeId id = 0; id < graph.node_count(); ++id) {
      if (!needed[static_cast<size_t>(id)]) continue;
      for (ValueId assignment : graph.node(id).attached) {
        pbf_writer node(out, 1);
        node.add_string(1, names[static_cast<size_t>(graph.node(id).output(0))]);
        node.add_string(1, names[static_cast<size_t>(assignment)]);
        node.add_string(4, "Attach");
        node.add_string(7, kWeftDomain.data(), kWeftDomain.size());
      }
    }
  }

  const VariableValues& values_;
  const OnnxSaveOptions& options_;
  std::map<std::string, Place, std::less<>> places_;
  std::vector<const std::vector<std::string>*> outer_names_;
};

}  // namespace

std::vector<std::string> saved_variables(const Graph& graph, const std::vector<ValueId>& outputs, bool training) {
  std::vector<bool> needed = needed_nodes(graph, outputs);
  std::vector<std::string> names;
  for (const VariableInfo& variable : graph.variables()) {
    if (training || needed[static_cast<size_t>(graph.value(variable.value).node)]) names.push_back(variable.name);
  }
  return names;
}

Status save_onnx(const Graph& graph, const std::vector<ValueId>& outputs, const VariableValues& values,
                 const std::string& path, const OnnxSaveOptions& options) {
  if (graph.parent() != nullptr) return invalid("only an outermost graph can be saved");
  if (outputs.empty() && !options.training) {
    return invalid("there is nothing to save: give outputs, or set the graph's own");
  }
  return Saver(values, options).save(graph, outputs, path).within(cat("cannot save '", path, "': "));
}

}  // namespace weft
