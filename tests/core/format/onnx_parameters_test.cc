// What "*" makes trainable of a model of another's making. That the states, constants and buffers here are no parameters
// is what PyTorch's own parameters() of such modules say.
#include <limits>

#include "tests/core/format/onnx_common.h"

namespace weft {
namespace {

// The names of the weights that became variables.
Strings parameters_of(const GraphParts& parts, const std::vector<Message>& infos = {}, const Strings& names = {"*"}) {
  Message graph = graph_proto(parts);
  for (const Message& info : infos) graph.part(13, info);
  Message model = Message().number(1, 8).part(8, Message().text(1, "").number(2, 20)).part(7, graph);
  OnnxLoadOptions options;
  options.trainable = names;
  Result<std::shared_ptr<Graph>> loaded = load_onnx_bytes(builtin_ops(), model.str(), "", options);
  EXPECT_TRUE(loaded.ok()) << loaded.status().text();
  Strings out;
  if (!loaded.ok()) return out;
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) {
    if ((*loaded)->find_variable(name) != nullptr) out.push_back(name);
  }
  return out;
}

GraphParts sums(const std::vector<Message>& weights) {
  GraphParts parts{{}, weights, {value_proto("x", kFloat, {2})}, {value_proto("y", kFloat, {2})}};
  std::string last = "x";
  for (const char* name : {"a", "b", "c", "d"}) {
    const std::string sum = std::string(name) == "d" ? "y" : cat("sum_", name);
    parts.nodes.push_back(node_proto("Add", {last, name}, {sum}));
    last = sum;
  }
  return parts;
}

// As dynamo marks what a module has.
Message marked(const std::string& name, const std::string& kind) {
  return Message().text(1, name).part(
      4, Message().text(1, "pkg.torch.export.graph_signature.InputSpec.kind").text(2, kind));
}

TEST(OnnxParameters, ScalarsAndMasksAreConstants) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(parameters_of(sums({tensor_proto("a", {1}, 0), tensor_proto("b", {}, 2), tensor_proto("c", {2}, -infinity),
                                tensor_proto("d", {2}, -1e9F)})),
            (Strings{"a"}));
  EXPECT_EQ(parameters_of(sums({tensor_proto("a", {2}, std::numeric_limits<float>::quiet_NaN()),
                                tensor_proto("b", {2}, std::numeric_limits<float>::lowest()),
                                tensor_proto("c", {2}, -9e8F), tensor_proto("d", {2}, 0)})),
            (Strings{"c", "d"}));
  EXPECT_EQ(parameters_of(sums({tensor_proto("a", {1, 1}, 1e-3F), tensor_proto("b", {1, 1, 1}, 1e-3F),
                                tensor_proto("c", {1, 1, 2}, 1e-3F), tensor_proto("d", {1, 1, 1, 1}, 1e-3F)})),
            (Strings{"a", "c"}));
}

TEST(OnnxParameters, WhatIsNamedIsTrainableWhateverItIs) {
  const GraphParts parts = sums(
      {tensor_proto("a", {1}, 0), tensor_proto("b", {}, 2), tensor_proto("c", {2}, 1e30F), tensor_proto("d", {2}, 1)});
  EXPECT_EQ(parameters_of(parts, {}, {"b"}), (Strings{"b"}));
  EXPECT_EQ(parameters_of(parts, {marked("c", "BUFFER")}, {"*", "c"}), (Strings{"a", "c", "d"}));
}

TEST(OnnxParameters, MarksOfTheExporterCount) {
  const GraphParts parts =
      sums({tensor_proto("a", {1}, 0), tensor_proto("b", {}, 2), tensor_proto("c", {2}, 1), tensor_proto("d", {2}, 1)});
  EXPECT_EQ(parameters_of(parts, {marked("b", "PARAMETER"), marked("c", "BUFFER"), marked("d", "CONSTANT_TENSOR")}),
            (Strings{"a", "b"}));
}

TEST(OnnxParameters, RunningAveragesAreNone) {
  for (bool shared : {false, true}) {
    GraphParts parts{
        {},
        {tensor_proto("a", {2}, 1), tensor_proto("b", {2}, 0), tensor_proto("c", {2}, 0.5F), tensor_proto("d", {2}, 2)},
        {value_proto("x", kFloat, {1, 2, 3})},
        {value_proto("y", kFloat, {1, 2, 3})}};
    // Equal weights are one in a file of TorchScript, and reach the nodes through Identity.
    if (shared) parts.nodes = {node_proto("Identity", {"d"}, {"i"}), node_proto("Identity", {"i"}, {"j"})};
    parts.nodes.push_back(node_proto("BatchNormalization", {"x", "a", "b", "c", shared ? "j" : "d"}, {"y"}));
    EXPECT_EQ(parameters_of(parts), (Strings{"a", "b"})) << shared;
  }
}

TEST(OnnxParameters, BeginningsOfRecurrentNodesAreNone) {
  const std::vector<Message> weights = {tensor_proto("a", {1, 8, 3}, 0.1F), tensor_proto("b", {1, 8, 2}, 0.2F),
                                        tensor_proto("c", {1, 16}, 0.3F),   tensor_proto("d", {1, 4, 2}, 0),
                                        tensor_proto("e", {1, 4, 2}, 0),    tensor_proto("f", {1, 6}, 0.1F)};
  GraphParts parts{
      {node_proto("LSTM", {"x", "a", "b", "c", "", "d", "e", "f"}, {"y"}, {int_attribute("hidden_size", 2)})},
      weights,
      {value_proto("x", kFloat, {5, 4, 3})},
      {value_proto("y", kFloat, {5, 1, 4, 2})}};
  EXPECT_EQ(parameters_of(parts), (Strings{"a", "b", "c", "f"}));
}

// Gradients would reach the scales and the values of OneHot, but what they stand for is no weight.
TEST(OnnxParameters, ScalesAndTablesAreNone) {
  constexpr int64_t kI8 = 3, kI64 = 7;
  const auto of = [](const Message& node, const Message& weight, const std::vector<Message>& inputs) {
    return parameters_of({{node}, {weight}, inputs, {Message().text(1, "y")}});
  };
  EXPECT_EQ(of(node_proto("Resize", {"x", "", "a"}, {"y"}), tensor_proto("a", {4}, 2),
               {value_proto("x", kFloat, {1, 1, 2, 2})}),
            Strings{});
  EXPECT_EQ(of(node_proto("OneHot", {"i", "n", "a"}, {"y"}), tensor_proto("a", {2}, 1),
               {value_proto("i", kI64, {3}), value_proto("n", kI64, {})}),
            Strings{});
  EXPECT_EQ(of(node_proto("DequantizeLinear", {"q", "a"}, {"y"}, {int_attribute("axis", 0)}), tensor_proto("a", {2}, 1),
               {value_proto("q", kI8, {2})}),
            Strings{});
  EXPECT_EQ(of(node_proto("Mul", {"x", "a"}, {"y"}), tensor_proto("a", {2}, 1), {value_proto("x", kFloat, {2})}),
            Strings{"a"});
}

// Some exporters write all weights as nodes; beside initializers that are weights, such nodes hold other numbers.
TEST(OnnxParameters, ConstantNodesHoldThemWhereNothingElseDoes) {
  const auto constant = [](const std::string& name, const Message& value) {
    return node_proto("Constant", {}, {name}, {Message().text(1, "value").part(5, value).number(20, 4)});
  };
  const auto with = [&](const Message& c) {
    GraphParts parts = sums({c});
    parts.nodes.insert(parts.nodes.begin(),
                       {constant("a", tensor_proto("", {1}, 0.5F)), constant("b", tensor_proto("", {}, 2)),
                        constant("d", tensor_proto("", {2}, -1e9F))});
    return parts;
  };
  const GraphParts alone = with(tensor_proto("c", {}, 1)), beside = with(tensor_proto("c", {2}, 1));
  EXPECT_EQ(parameters_of(alone), (Strings{"a"}));
  EXPECT_EQ(parameters_of(alone, {marked("a", "BUFFER"), marked("b", "PARAMETER")}), (Strings{"b"}));
  EXPECT_EQ(parameters_of(beside), (Strings{"c"}));
  EXPECT_EQ(parameters_of(beside, {}, {"*", "a"}), (Strings{"a", "c"}));
  EXPECT_EQ(parameters_of(beside, {}, {"d", "b"}), (Strings{"b", "d"}));
  EXPECT_EQ(parameters_of(beside, {}, {}), Strings{});
}

TEST(OnnxParameters, ListsOfConstantNodesAreTakenByName) {
  GraphParts parts = sums({tensor_proto("b", {2}, 1), tensor_proto("c", {2}, 1), tensor_proto("d", {2}, 1)});
  const Message floats = Message().text(1, "value_floats").real(7, 0.5F).real(7, 2.0F).number(20, 6);
  parts.nodes.insert(parts.nodes.begin(), node_proto("Constant", {}, {"a"}, {floats}));
  EXPECT_EQ(parameters_of(parts, {}, {"a"}), (Strings{"a"}));
}

// What was trained where it was saved is trained where it is loaded, and what was not is not.
TEST(OnnxParameters, OwnFilesSayIt) {
  TestFolder folder;
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ValueId y = *graph->add_input("x", ValueType::tensor(DType::kF32, {Dim(2)}));
  VariableValues values;
  for (const auto& [name, trainable] : {std::pair("a", true), {"b", false}}) {
    values[name] = name == std::string("a") ? Tensor::scalar<float>(1) : Tensor::vector<float>({1, 2});
    ValueId variable = *graph->add_variable_full(name, *graph->add_constant(values[name]), trainable);
    y = graph->node(*graph->add("", "Mul", {y, variable})).output(0);
  }
  y = graph->node(*graph->add("", "Mul", {y, *graph->add_constant(Tensor::vector<float>({3, 4}), "c")})).output(0);
  for (const char* weights : {"", "weights.safetensors"}) {
    OnnxSaveOptions save;
    save.weights = weights;
    ASSERT_TRUE(save_onnx(*graph, {y}, values, folder / "model.onnx", save).ok());
    OnnxLoadOptions load;
    load.trainable = {"*"};
    Result<std::shared_ptr<Graph>> loaded = load_onnx(builtin_ops(), folder / "model.onnx", load);
    ASSERT_TRUE(loaded.ok()) << loaded.status().text();
    EXPECT_NE((*loaded)->find_variable("a"), nullptr);
    EXPECT_EQ((*loaded)->find_variable("b"), nullptr);
    EXPECT_EQ((*loaded)->find_variable("c"), nullptr);
  }
}

}  // namespace
}  // namespace weft
