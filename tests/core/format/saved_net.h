// Small graphs that are saved for an opset, and what their files say.
#pragma once

#include <map>

#include "core/format/onnx_wire.h"
#include "tests/core/format/onnx_common.h"

namespace weft {

// What a file says of one of its nodes.
struct NodeSaid {
  std::string op, domain;
  size_t inputs = 0, outputs = 0;
  std::map<std::string, std::vector<int64_t>> ints;  // attributes; of those of other types the names
};

struct FileSaid {
  int64_t ir = 0;
  std::map<std::string, int64_t> opsets;
  std::vector<NodeSaid> nodes;
  size_t inputs = 0, initializers = 0;

  NodeSaid first() const { return nodes.empty() ? NodeSaid() : nodes[0]; }
  const NodeSaid* find(std::string_view op) const {
    for (const NodeSaid& node : nodes) {
      if (node.op == op) return &node;
    }
    return nullptr;
  }
  std::vector<std::string> ops() const {
    std::vector<std::string> out;
    for (const NodeSaid& node : nodes) out.push_back(node.op);
    return out;
  }
};

inline FileSaid said(const std::string& bytes) {
  using namespace onnx;
  FileSaid out;
  const ModelWire model = *read_model(bytes);
  out.ir = model.ir_version;
  for (const auto& [domain, version] : model.opsets) out.opsets[std::string(domain)] = version;
  const GraphWire graph = *read_graph(model.graph);
  out.inputs = graph.inputs.size();
  out.initializers = graph.initializers.size();
  for (std::string_view node_bytes : graph.nodes) {
    const NodeWire node = *read_node(node_bytes);
    NodeSaid& said = out.nodes.emplace_back();
    said.op = node.op_type;
    said.domain = node.domain;
    said.inputs = node.inputs.size();
    said.outputs = node.outputs.size();
    for (std::string_view attribute_bytes : node.attributes) {
      const AttributeWire attribute = *read_attribute(attribute_bytes);
      std::vector<int64_t>& ints = said.ints[std::string(attribute.name)];
      ints = attribute.type == kTypeInt ? std::vector<int64_t>{attribute.i} : attribute.ints;
    }
  }
  return out;
}

// A graph of the input x.
struct Net {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ValueId x;

  explicit Net(Dims dims, DType dtype = DType::kF32)
      : x(*graph->add_input("x", ValueType::tensor(dtype, std::move(dims)))) {}

  ValueId numbers(const std::vector<int64_t>& values) { return *graph->add_constant(Tensor::vector<int64_t>(values)); }
  // The first output of a node without a name.
  ValueId made(const char* op, std::vector<ValueId> inputs, Attrs attrs = {}) {
    Result<NodeId> id = graph->add("", op, std::move(inputs), std::move(attrs));
    EXPECT_TRUE(id.ok()) << id.status().text();
    return graph->node(*id).output(0);
  }
  ValueId cast(ValueId value, DType to) { return made("Cast", {value}, {{"to", static_cast<int64_t>(to)}}); }
  // The first output of a node, whose outputs become those of the graph.
  ValueId add(const char* op, std::vector<ValueId> inputs, Attrs attrs = {}, int outputs = 0) {
    NodeOptions options;
    options.name = "it";
    options.output_count = outputs;
    Result<NodeId> id = graph->add("", op, std::move(inputs), std::move(attrs), std::move(options));
    EXPECT_TRUE(id.ok()) << id.status().text();
    const Node& node = graph->node(*id);
    std::vector<ValueId> values;
    for (int i = 0; i < node.output_count; ++i) values.push_back(node.output(i));
    EXPECT_TRUE(graph->set_outputs(values).ok());
    return values[0];
  }

  Result<std::string> save(int64_t opset, bool training = false) const {
    OnnxSaveOptions options;
    options.opset = opset;
    options.training = training;
    return save_onnx_bytes(*graph, graph->outputs(), {}, options);
  }
  // What the file of an opset says, if it can be saved, and gives of these numbers.
  FileSaid said_of(int64_t opset, const Tensor& fed, const std::vector<float>& wanted, float tolerance = 1e-6f) const {
    Result<std::string> bytes = save(opset);
    EXPECT_TRUE(bytes.ok()) << "opset " << opset << ": " << bytes.status().text();
    if (!bytes.ok()) return {};
    Result<std::shared_ptr<Graph>> again = load(*bytes);
    EXPECT_TRUE(again.ok()) << "opset " << opset << ": " << again.status().text();
    if (!again.ok()) return {};
    Result<std::vector<Tensor>> out = run_graph(*again, {fed});
    EXPECT_TRUE(out.ok()) << "opset " << opset << ": " << out.status().text();
    if (!out.ok()) return {};
    const std::vector<float> found = floats_of((*out)[0]);
    EXPECT_EQ(found.size(), wanted.size());
    for (size_t i = 0; i < found.size() && i < wanted.size(); ++i) {
      if (found[i] == wanted[i]) continue;  // infinities
      EXPECT_NEAR(found[i], wanted[i], tolerance) << "opset " << opset << ", element " << i;
    }
    return said(*bytes);
  }
  void expect_refused(int64_t opset, std::string_view text) const {
    const Status status = save(opset).status();
    EXPECT_EQ(status.code(), Code::kUnimplemented) << status.text();
    EXPECT_NE(status.message().find(text), std::string::npos) << status.text();
    EXPECT_EQ(status.node(), "it");
  }
};

inline Tensor matrix(const std::vector<float>& values, Shape shape) {
  return *Tensor::vector<float>(values).reshaped(std::move(shape));
}

}  // namespace weft
