// Attributes of Weft's own on operators of ONNX: files have them as metadata of the node.
#include <tuple>

#include "core/format/onnx_wire.h"
#include "core/passes/differentiate.h"
#include "tests/core/format/onnx_common.h"

namespace weft {
namespace {

// y = x[0] x[1] x[2] as a Scan over x, which starts with `first`.
struct Product {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ValueId first = *graph->add_input("first", ValueType::tensor(DType::kF32, {}));
  ValueId x = *graph->add_input("x", ValueType::tensor(DType::kF32, {Dim(3)}));
  ValueId y = kNoValue;

  explicit Product(const Attrs& more) {
    std::shared_ptr<Graph> body = *Graph::make_subgraph(graph);
    const ValueId before = *body->add_input("before", ValueType::tensor(DType::kF32, {}));
    const ValueId item = *body->add_input("item", ValueType::tensor(DType::kF32, {}));
    const NodeId product = *body->add("", "Mul", {before, item});
    EXPECT_TRUE(body->set_outputs({body->node(product).output(0)}).ok());
    Attrs attrs = more;
    attrs.set("body", GraphRef(body));
    attrs.set("num_scan_inputs", 1);
    Result<NodeId> node = graph->add("", "Scan", {first, x}, std::move(attrs));
    EXPECT_TRUE(node.ok()) << node.status().text();
    y = graph->node(*node).output(0);
    EXPECT_TRUE(graph->set_outputs({y}).ok());
  }
};

// Of each Loop and Scan of a graph.
std::vector<int64_t> recompute_of(const Graph& graph) {
  std::vector<int64_t> out;
  for (NodeId id = 0; id < graph.node_count(); ++id) {
    const Node& node = graph.node(id);
    if (node.is("Loop") || node.is("Scan")) out.push_back(node.attrs.i("recompute"));
  }
  return out;
}

TEST(OnnxHints, AreMetadataSinceVersion10OfTheFormat) {
  for (bool recompute : {false, true}) {
    const Product saved(Attrs{{"recompute", recompute}});
    for (int64_t opset : {0, 24, 21, 20, 13}) {
      OnnxSaveOptions options;
      options.opset = opset;
      Result<std::string> bytes = save_onnx_bytes(*saved.graph, {saved.y}, {}, options);
      ASSERT_TRUE(bytes.ok()) << bytes.status().text();
      const onnx::ModelWire model = *onnx::read_model(*bytes);
      const onnx::GraphWire graph = *onnx::read_graph(model.graph);
      ASSERT_EQ(graph.nodes.size(), 1u);
      const onnx::NodeWire node = *onnx::read_node(graph.nodes[0]);
      std::vector<std::string> names;
      for (std::string_view attribute : node.attributes) names.emplace_back((*onnx::read_attribute(attribute)).name);
      EXPECT_EQ(names, (std::vector<std::string>{"body", "num_scan_inputs"})) << opset;
      const bool kept = recompute && (opset == 0 || opset >= 21);
      ASSERT_EQ(node.metadata.size(), kept ? 1u : 0u) << opset;
      if (kept) {
        EXPECT_EQ(node.metadata[0].first, "weft.recompute");
        EXPECT_EQ(node.metadata[0].second, "1");
      }
      Result<std::shared_ptr<Graph>> again = load(*bytes);
      ASSERT_TRUE(again.ok()) << again.status().text();
      EXPECT_EQ(recompute_of(**again), std::vector<int64_t>{kept ? 1 : 0}) << opset;
      Result<std::vector<Tensor>> out = run_graph(*again, {Tensor::scalar<float>(7), Tensor::vector<float>({2, 3, 5})});
      ASSERT_TRUE(out.ok()) << out.status().text();
      EXPECT_EQ(floats_of((*out)[0]), std::vector<float>{210});
    }
  }
}

TEST(OnnxHints, StayWithTheNodesOfGradients) {
  const Product saved(Attrs{{"recompute", true}});
  // By x, as that alone needs what is carried; else there would be no twin.
  Result<std::vector<ValueId>> gradients = differentiate(*saved.graph, {saved.y}, {saved.x}, {});
  ASSERT_TRUE(gradients.ok()) << gradients.status().text();
  const std::vector<int64_t> kept = recompute_of(*saved.graph);
  EXPECT_GE(kept.size(), 3u);  // the node, its twin, and the one that goes back
  EXPECT_EQ(kept, std::vector<int64_t>(kept.size(), 1));
  OnnxSaveOptions options;
  options.training = true;
  Result<std::string> bytes = save_onnx_bytes(*saved.graph, {saved.y, (*gradients)[0]}, {}, options);
  ASSERT_TRUE(bytes.ok()) << bytes.status().text();
  Result<std::shared_ptr<Graph>> again = load(*bytes);
  ASSERT_TRUE(again.ok()) << again.status().text();
  EXPECT_EQ(recompute_of(**again), kept);
}

TEST(OnnxHints, AreReadWhereTheyMeanSomething) {
  const Message item = value_proto("item", kFloat, {});
  const Message body =
      graph_proto({{node_proto("Relu", {"item"}, {"out"})}, {}, {item}, {value_proto("out", kFloat, {})}});
  const auto file = [&](const std::string& key, const std::string& value) {
    Message node =
        node_proto("Scan", {"x"}, {"y"}, {int_attribute("num_scan_inputs", 1), graph_attribute("body", body)});
    node.part(9, Message().text(1, key).text(2, value));
    return model_bytes({{node}, {}, {value_proto("x", kFloat, {3})}, {value_proto("y", kFloat, {3})}});
  };
  const std::tuple<const char*, const char*, int64_t> said[] = {
      {"weft.recompute", "1", 1}, {"weft.recompute", "0", 0},   {"weft.recompute", "2", 0},
      {"weft.recompute", "", 0},  {"weft.recompute", "yes", 0}, {"weft.of_a_later_version", "some", 0},
      {"weft.body", "1", 0},      {"recompute", "1", 0},        {"namespace", "model/encoder", 0}};
  for (const auto& [key, value, wanted] : said) {
    Result<std::shared_ptr<Graph>> graph = load(file(key, value));
    ASSERT_TRUE(graph.ok()) << key << " = " << value << ": " << graph.status().text();
    EXPECT_EQ(recompute_of(**graph), std::vector<int64_t>{wanted}) << key << " = " << value;
  }
}

TEST(OnnxHints, MustBeFlags) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  const ValueId x = *graph->add_input("x", ValueType::tensor(DType::kF32, {Dim(3)}));
  std::shared_ptr<Graph> body = *Graph::make_subgraph(graph);
  const ValueId item = *body->add_input("item", ValueType::tensor(DType::kF32, {}));
  ASSERT_TRUE(body->set_outputs({item}).ok());
  const Status status =
      graph->add("", "Scan", {x}, {{"body", GraphRef(body)}, {"num_scan_inputs", 1}, {"recompute", 2}}).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.message().find("'recompute' is 2 but must be 0 or 1"), std::string::npos) << status.text();
}

}  // namespace
}  // namespace weft
