// What the reader of ONNX files takes and what it refuses.
#include "tests/core/format/onnx_common.h"

namespace weft {
namespace {

constexpr int64_t kBoolType = 9;

GraphParts relu_of(Message weight) {
  return {{node_proto("Relu", {"w"}, {"y"})}, {std::move(weight)}, {}, {value_proto("y", kFloat, {2})}};
}
Message external_tensor(const std::string& location) {
  return Message()
      .number(1, 2)
      .number(2, kFloat)
      .text(8, "w")
      .part(13, Message().text(1, "location").text(2, location))
      .number(14, 1);
}

TEST(OnnxLoad, WeightsNeverComeFromOutsideOfTheFolder) {
  TestFolder folder;
  std::filesystem::create_directories(folder / "model/deep");
  std::string data(8, '\0');
  for (const char* name : {"secret", "model/weights", "model/deep/weights"}) {
    ASSERT_TRUE(write_file(folder / name, data).ok());
  }
  std::filesystem::create_symlink("../secret", folder / "model/leak");
  std::filesystem::create_symlink(folder / "secret", folder / "model/absolute");
  std::filesystem::create_symlink("..", folder / "model/up");
  std::filesystem::create_symlink("deep/weights", folder / "model/inner");
  std::filesystem::create_symlink("model", folder / "alias");
  for (bool map : {false, true}) {
    for (const char* location : {"leak", "absolute", "up/secret", "up/model/../secret", "../secret", "/etc/passwd"}) {
      Result<std::shared_ptr<Graph>> graph =
          load(model_bytes(relu_of(external_tensor(location))), folder / "model", map);
      ASSERT_FALSE(graph.ok()) << location;
      EXPECT_EQ(graph.status().code(), Code::kInvalidArgument);
      EXPECT_NE(graph.status().message().find("outside"), std::string::npos) << graph.status().text();
    }
    for (const char* location : {"weights", "deep/weights", "./deep/weights", "inner"}) {
      for (const char* model : {"model", "alias", "model/"}) {
        Result<std::shared_ptr<Graph>> graph =
            load(model_bytes(relu_of(external_tensor(location))), folder / model, map);
        EXPECT_TRUE(graph.ok()) << graph.status().text();
      }
    }
    Result<std::shared_ptr<Graph>> graph = load(model_bytes(relu_of(external_tensor("none"))), folder / "model", map);
    EXPECT_EQ(graph.status().code(), Code::kNotFound);
    graph = load(model_bytes(relu_of(external_tensor("deep"))), folder / "model", map);
    EXPECT_EQ(graph.status().code(), Code::kInvalidArgument);
  }
}

// y = x without its second axis if that has one element, else x, as exporters write Squeeze.
Result<std::vector<Tensor>> squeezed(int64_t columns, std::vector<float> x) {
  const auto branch = [](const Message& node) { return graph_proto({{node}, {}, {}, {value_proto("b", kFloat, {})}}); };
  Message axes = Message().number(1, 1).number(2, 7).text(8, "one").text(9, std::string("\1\0\0\0\0\0\0\0", 8));
  GraphParts parts{
      {node_proto("Shape", {"x"}, {"size"}, {int_attribute("start", 1)}), node_proto("Equal", {"size", "one"}, {"is"}),
       node_proto("If", {"is"}, {"y"},
                  {graph_attribute("then_branch", branch(node_proto("Squeeze", {"x", "one"}, {"b"}))),
                   graph_attribute("else_branch", branch(node_proto("Identity", {"x"}, {"b"})))}),
       node_proto("If", {"is"}, {"z"},
                  {graph_attribute("else_branch", branch(node_proto("Neg", {"x"}, {"b"}))),
                   graph_attribute("then_branch", branch(node_proto("Relu", {"y"}, {"b"})))})},
      {axes},
      {value_proto("x", kFloat, {2, columns})},
      {value_proto("y", kFloat, {}), value_proto("z", kFloat, {})}};
  WEFT_TRY(auto graph, load(model_bytes(parts)));
  EXPECT_EQ(graph->value(graph->outputs()[0]).name, "y");
  WEFT_TRY(Tensor in, Tensor::vector(x).reshaped({2, columns}));
  return run_graph(graph, {in});
}

TEST(OnnxLoad, ABranchThatShapesLeaveOutNeedNotFit) {
  auto out = squeezed(1, {-1, 3});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_EQ((*out)[0].summary(), "f32[2]");
  EXPECT_EQ(floats_of((*out)[1]), (std::vector<float>{0, 3}));
  out = squeezed(2, {1, 2, 3, 4});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_EQ((*out)[0].summary(), "f32[2, 2]");
  EXPECT_EQ(floats_of((*out)[1]), (std::vector<float>{-1, -2, -3, -4}));
}

TEST(OnnxLoad, ShapesInALoopDecideNoBranchForLaterIterations) {
  // s = s and itself if s has one element, else s and 9: [1], [1 1], [1 1 9].
  const auto number = [](const std::string& name, int64_t value) {
    return Message().number(1, 1).number(2, 7).text(8, name).text(9, std::string(reinterpret_cast<char*>(&value), 8));
  };
  const auto branch = [](const std::string& other) {
    return graph_proto({{node_proto("Concat", {"s", other}, {"b"}, {int_attribute("axis", 0)})},
                        {},
                        {},
                        {value_proto("b", kFloat, {-1})}});
  };
  Message body = graph_proto(
      {{node_proto("Shape", {"s"}, {"size"}), node_proto("Equal", {"size", "one"}, {"first"}),
        node_proto("If", {"first"}, {"next"},
                   {graph_attribute("then_branch", branch("s")), graph_attribute("else_branch", branch("nine"))}),
        node_proto("Identity", {"again"}, {"go"})},
       {},
       {value_proto("i", 7, {}), value_proto("again", kBoolType, {}), Message().text(1, "s")},
       {value_proto("go", kBoolType, {}), value_proto("next", kFloat, {-1})}});
  GraphParts parts{{node_proto("Loop", {"two", "", "x"}, {"y"}, {graph_attribute("body", body)})},
                   {number("two", 2), number("one", 1), tensor_proto("nine", {1}, 9)},
                   {value_proto("x", kFloat, {1})},
                   {value_proto("y", kFloat, {-1})}};
  Result<std::shared_ptr<Graph>> graph = load(model_bytes(parts));
  ASSERT_TRUE(graph.ok()) << graph.status().text();
  Result<std::vector<Tensor>> out = run_graph(*graph, {Tensor::vector<float>({1})});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_EQ(floats_of((*out)[0]), (std::vector<float>{1, 1, 9}));
}

// Or nobody would find the node that an error is about.
TEST(OnnxLoad, NodesWithoutANameHaveThatOfWhatTheyGive) {
  GraphParts parts{{node_proto("Neg", {"x"}, {"opposite"}), node_proto("MatMul", {"opposite", "w"}, {"product"})},
                   {tensor_proto("w", {3, 2}, 1)},
                   {value_proto("x", kFloat, {-1, 2})},
                   {value_proto("product", kFloat, {-1, 2})}};
  const Status status = load(model_bytes(parts)).status();
  EXPECT_NE(status.text().find("'product'"), std::string::npos) << status.text();
}

TEST(OnnxLoad, AutomaticNamesGiveWayToTheFiles) {
  // The capture of x in the branch would be called capture0, the unnamed Relu's value Relu.
  auto branch = [](const std::string& op) {
    return graph_proto({{node_proto(op, {"x"}, {"capture0"}), node_proto("Neg", {"capture0"}, {"Relu"}, {}, "", "b"),
                         node_proto("Neg", {"Relu"}, {"b"}, {}, "", "capture0_1")},
                        {},
                        {},
                        {value_proto("b", kFloat, {2})}});
  };
  GraphParts parts{
      {node_proto("If", {"flag"}, {"If:0"},
                  {graph_attribute("then_branch", branch("Relu")), graph_attribute("else_branch", branch("Neg"))}),
       node_proto("Relu", {"If:0"}, {"If"}), node_proto("Relu", {"If"}, {"Relu_1"}),
       node_proto("Relu", {"Relu_1"}, {"Relu"})},
      {},
      {value_proto("x", kFloat, {2}), value_proto("flag", kBoolType, {})},
      {value_proto("Relu", kFloat, {2})}};
  Result<std::shared_ptr<Graph>> graph = load(model_bytes(parts));
  ASSERT_TRUE(graph.ok()) << graph.status().text();
  EXPECT_NE((*graph)->find("If:0"), kNoValue);
  Result<std::vector<Tensor>> out = run_graph(*graph, {Tensor::vector<float>({1, -2}), Tensor::scalar<bool>(true)});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_EQ(floats_of((*out)[0]), (std::vector<float>{1, 0}));
  out = run_graph(*graph, {Tensor::vector<float>({1, -2}), Tensor::scalar<bool>(false)});
  EXPECT_EQ(floats_of((*out)[0]), (std::vector<float>{0, 2}));
}

TEST(OnnxLoad, NamesOfTrainableWeightsDoNotPushOthersAside) {
  GraphParts parts{{node_proto("Add", {"w", "w/initial"}, {"s"}), node_proto("Add", {"s", "x/initial"}, {"y"})},
                   {tensor_proto("w", {2}, 1), tensor_proto("w/initial", {2}, 2)},
                   {value_proto("x/initial", kFloat, {2})},
                   {value_proto("y", kFloat, {2})}};
  OnnxLoadOptions options;
  options.trainable = {"*"};
  Result<std::shared_ptr<Graph>> graph = load_onnx_bytes(builtin_ops(), model_bytes(parts), "", options);
  ASSERT_TRUE(graph.ok()) << graph.status().text();
  EXPECT_NE((*graph)->find_variable("w"), nullptr);
  EXPECT_NE((*graph)->find_variable("w/initial"), nullptr);
  Result<std::vector<Tensor>> out = run_graph(*graph, {Tensor::vector<float>({1, -2})});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_EQ(floats_of((*out)[0]), (std::vector<float>{4, 1}));
}

TEST(OnnxLoad, OneNameForTwoValuesIsDamage) {
  GraphParts parts{{node_proto("Relu", {"x"}, {"y"}), node_proto("Neg", {"x"}, {"y"})},
                   {},
                   {value_proto("x", kFloat, {2})},
                   {value_proto("y", kFloat, {2})}};
  EXPECT_EQ(load(model_bytes(parts)).status().code(), Code::kDataLoss);
}

TEST(OnnxLoad, OperatorsThatOnlyPassesMakeAreDamage) {
  for (const char* op : {"Input", "FusedMatMul", "FusedConv", "FusedGemm", "Variable"}) {
    if (builtin_ops().find("weft", op) == nullptr) continue;
    GraphParts parts{{node_proto(op, {"x", "x"}, {"y"}, {}, "weft")},
                     {},
                     {value_proto("x", kFloat, {2, 2})},
                     {value_proto("y", kFloat, {2, 2})}};
    Status status = load(model_bytes(parts)).status();
    EXPECT_EQ(status.code(), Code::kDataLoss) << op << ": " << status.text();
    EXPECT_EQ(status.op(), op);
  }
}

TEST(OnnxLoad, StringsAreBytes) {
  std::string bytes = "a\xff\0b";
  bytes = std::string("a\xff\0b", 4);
  Message constant = node_proto("Constant", {}, {"c"}, {string_attribute("value_string", bytes)});
  Message tensor = Message().number(1, 1).number(2, 8).text(6, bytes).text(8, "w");
  GraphParts parts{{constant, node_proto("Identity", {"w"}, {"y"}), node_proto("Identity", {"c"}, {"z"})},
                   {tensor},
                   {},
                   {value_proto("y", 8, {1}), value_proto("z", 8, {})}};
  Result<std::shared_ptr<Graph>> graph = load(model_bytes(parts));
  ASSERT_TRUE(graph.ok()) << graph.status().text();
  Result<std::vector<Tensor>> out = run_graph(*graph, {});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_EQ((*out)[0].strings()[0], bytes);
  EXPECT_EQ((*out)[1].strings()[0], bytes);
  EXPECT_TRUE(is_utf8(graph_text(**graph)));
  // Where one comes to stand in an error, it is made readable.
  parts.nodes.push_back(node_proto("MaxPool", {"w"}, {"v"}, {string_attribute("auto_pad", bytes)}));
  parts.nodes.push_back(node_proto("Gelu", {"x"}, {"g"}, {string_attribute("approximate", bytes)}));
  parts.inputs.push_back(value_proto("x", kFloat, {2}));
  parts.nodes.erase(parts.nodes.end() - 2);
  Status status = load(model_bytes(parts)).status();
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(is_utf8(status.text())) << status.text();
}

}  // namespace
}  // namespace weft
