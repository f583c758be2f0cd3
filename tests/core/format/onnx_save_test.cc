// What the writer of ONNX files writes, and what it leaves alone when it fails.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/format/onnx_wire.h"
#include "tests/core/format/onnx_common.h"

namespace weft {
namespace {

struct Saved {
  std::shared_ptr<Graph> graph;
  std::vector<ValueId> outputs;

  Status save(const std::string& path, const std::string& weights = "") const {
    OnnxSaveOptions options;
    options.weights = weights;
    return save_onnx(*graph, outputs, {}, path, options);
  }
};

// y = x + a0 + a1 + ... - c, where c is what the constants sum up to: 0 for x = 0 if model and weights belong together.
Saved sum_of(int64_t elements, float value, int terms) {
  Saved out{*Graph::make(builtin_ops()), {}};
  Graph& graph = *out.graph;
  ValueId y = *graph.add_input("x", ValueType::tensor(DType::kF32, {Dim(elements)}));
  for (int i = 0; i < terms; ++i) {
    Tensor tensor = Tensor::vector<float>(std::vector<float>(static_cast<size_t>(elements), value));
    ValueId constant = *graph.add_constant(std::move(tensor), cat("a", i));
    y = graph.node(*graph.add("", "Add", {y, constant})).output(0);
  }
  ValueId wanted = *graph.add_constant(Tensor::scalar<float>(value * static_cast<float>(terms)));
  out.outputs.push_back(graph.node(*graph.add("", "Sub", {y, wanted})).output(0));
  EXPECT_TRUE(graph.set_value_name(out.outputs[0], "y").ok());
  return out;
}

// Loads and runs it for zeros.
Result<float> answer(const std::string& path, int64_t elements) {
  WEFT_TRY(std::shared_ptr<Graph> graph, load_onnx(builtin_ops(), path, {}));
  WEFT_TRY(std::vector<Tensor> out,
           run_graph(graph, {Tensor::vector<float>(std::vector<float>(static_cast<size_t>(elements)))}));
  float worst = 0;
  for (float y : floats_of(out[0])) worst = std::max(worst, std::abs(y));
  return worst;
}

TEST(OnnxSave, AModelAndItsWeightsAreReplacedTogether) {
  TestFolder folder;
  for (int terms : {1, 3, 2}) {
    ASSERT_TRUE(sum_of(1000, 1, terms).save(folder / "model.onnx", "weights.safetensors").ok());
    EXPECT_EQ(folder.count(), 2u);
    Result<float> found = answer(folder / "model.onnx", 1000);
    ASSERT_TRUE(found.ok()) << found.status().text();
    EXPECT_EQ(*found, 0);
  }
  std::filesystem::create_symlink("elsewhere", folder / "link");
  EXPECT_EQ(sum_of(1000, 1, 1).save(folder / "model.onnx", "link").code(), Code::kInvalidArgument);
  for (const char* name : {"model.onnx", "..", "a/b", "a\\b", "a:b", "a\xff"}) {
    EXPECT_EQ(sum_of(1000, 1, 1).save(folder / "model.onnx", name).code(), Code::kInvalidArgument) << name;
  }
  EXPECT_EQ(folder.count(), 3u);
}

// Wherever the disk is full, the old pair stays, and nothing else is left.
TEST(OnnxSave, AFullDiskLeavesTheOldPair) {
  TestFolder folder;
  std::string path = folder / "model.onnx";
  ASSERT_TRUE(sum_of(1000, 1, 2).save(path, "weights").ok());
  int failures = 0;
  for (rlim_t most : {0, 100, 1000, 5000, 12'100, 12'400}) {
    pid_t child = ::fork();
    if (child == 0) {
      rlimit limit{most, most};
      ::setrlimit(RLIMIT_FSIZE, &limit);
      Status status = sum_of(1000, 7, 3).save(path, "weights");
      ::_exit(status.ok() ? 0 : status.code() == Code::kResourceExhausted ? 1 : 2);
    }
    int result = 0;
    ::waitpid(child, &result, 0);
    ASSERT_TRUE(WIFEXITED(result));
    ASSERT_NE(WEXITSTATUS(result), 2);
    failures += WEXITSTATUS(result);
    EXPECT_EQ(folder.count(), 2u);
    Result<float> found = answer(path, 1000);
    ASSERT_TRUE(found.ok()) << found.status().text();
    EXPECT_EQ(*found, 0);
  }
  EXPECT_GE(failures, 4);
}

// A process that is killed at any moment of saving leaves a pair that belongs together.
TEST(OnnxSave, ACrashLeavesAPairThatBelongsTogether) {
  TestFolder folder;
  std::string path = folder / "model.onnx";
  Saved models[2] = {sum_of(20'000, 1, 1), sum_of(20'000, 2, 3)};
  ASSERT_TRUE(models[0].save(path, "weights").ok());
  for (int round = 0; round < 40; ++round) {
    pid_t child = ::fork();
    if (child == 0) {
      for (int i = round + 1;; ++i) (void)models[i % 2].save(path, "weights");
    }
    ::usleep(static_cast<useconds_t>(2000 + 337 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    Result<float> found = answer(path, 20'000);
    ASSERT_TRUE(found.ok()) << found.status().text();
    ASSERT_EQ(*found, 0) << "round " << round;
  }
}

TEST(OnnxSave, BranchesNestAsDeepAsTheReaderGoes) {
  for (int depth : {30, kMostNesting - 1}) {
    Saved saved{*Graph::make(builtin_ops()), {}};
    ValueId flag = *saved.graph->add_input("flag", ValueType::tensor(DType::kBool, {}));
    ValueId x = *saved.graph->add_input("x", ValueType::tensor(DType::kF32, {Dim(2)}));
    std::vector<std::shared_ptr<Graph>> graphs{saved.graph};
    for (int i = 0; i < depth; ++i) graphs.push_back(*Graph::make_subgraph(graphs.back()));
    ValueId inner = *graphs.back()->capture(*saved.graph, x);
    ASSERT_TRUE(
        graphs.back()->set_outputs({graphs.back()->node(*graphs.back()->add("", "Gelu", {inner})).output(0)}).ok());
    for (size_t i = graphs.size() - 1; i > 0; --i) {
      Graph& around = *graphs[i - 1];
      std::shared_ptr<Graph> other = *Graph::make_subgraph(graphs[i - 1]);
      ASSERT_TRUE(other->set_outputs({*other->capture(*saved.graph, x)}).ok());
      Attrs attrs;
      attrs.set("then_branch", AttrValue(GraphRef(graphs[i])));
      attrs.set("else_branch", AttrValue(GraphRef(other)));
      ValueId condition = *around.capture(*saved.graph, flag);
      Result<NodeId> node = around.add("", "If", {condition}, std::move(attrs));
      ASSERT_TRUE(node.ok()) << node.status().text();
      ASSERT_TRUE(around.set_outputs({around.node(*node).output(0)}).ok());
    }
    saved.outputs = saved.graph->outputs();
    Result<std::string> bytes = save_onnx_bytes(*saved.graph, saved.outputs, {}, {});
    ASSERT_TRUE(bytes.ok()) << bytes.status().text();
    Result<std::shared_ptr<Graph>> again = load(*bytes);
    ASSERT_TRUE(again.ok()) << again.status().text();
    Result<std::string> twice = save_onnx_bytes(**again, (*again)->outputs(), {}, {});
    ASSERT_TRUE(twice.ok());
    Result<std::shared_ptr<Graph>> third = load(*twice);
    ASSERT_TRUE(third.ok());
    EXPECT_EQ(*save_onnx_bytes(**third, (*third)->outputs(), {}, {}), *twice);
    // In an older opset every If is a form of its own, and Gelu is made of others: that nests no deeper.
    OnnxSaveOptions options;
    options.opset = 13;
    Result<std::string> older = save_onnx_bytes(*saved.graph, saved.outputs, {}, options);
    ASSERT_TRUE(older.ok()) << older.status().text();
    EXPECT_TRUE(load(*older).ok());
  }
}

TEST(OnnxSave, LeavesOutWhatABranchDoesNotNeed) {
  Saved saved{*Graph::make(builtin_ops()), {}};
  ValueId flag = *saved.graph->add_input("flag", ValueType::tensor(DType::kBool, {}));
  ValueId x = *saved.graph->add_input("x", ValueType::tensor(DType::kF32, {Dim(2)}));
  ValueId unused = *saved.graph->add_input("unused", ValueType::tensor(DType::kF32, {Dim(2)}));
  Attrs attrs;
  for (const char* branch : {"then_branch", "else_branch"}) {
    std::shared_ptr<Graph> sub = *Graph::make_subgraph(saved.graph);
    for (ValueId outer : {unused, x}) {
      ValueId inner = *sub->capture(*saved.graph, outer);
      NodeId node = *sub->add("", "Neg", {inner});
      ASSERT_TRUE(sub->set_outputs({sub->node(node).output(0)}).ok());
    }
    attrs.set(branch, AttrValue(GraphRef(std::move(sub))));
  }
  NodeId node = *saved.graph->add("", "If", {flag}, std::move(attrs));
  EXPECT_EQ(saved.graph->node(node).inputs, (std::vector<ValueId>{flag, x, x}));
  Result<std::string> bytes = save_onnx_bytes(*saved.graph, {saved.graph->node(node).output(0)}, {}, {});
  ASSERT_TRUE(bytes.ok()) << bytes.status().text();
  Result<std::shared_ptr<Graph>> again = load(*bytes);
  ASSERT_TRUE(again.ok()) << again.status().text();
  EXPECT_EQ((*again)->inputs().size(), 2u);
  Result<std::vector<Tensor>> out = run_graph(*again, {Tensor::scalar<bool>(true), Tensor::vector<float>({1, -2})});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_EQ(floats_of((*out)[0]), (std::vector<float>{-1, 2}));
}

TEST(OnnxSave, EverythingInTheFileCountsTowardsItsSize) {
  std::string large(5000, 'x');
  Message in_branch = graph_proto({{}, {tensor_proto("c", {1000}, 1)}, {}, {value_proto("c", kFloat, {1000})}});
  GraphParts branches{
      {node_proto("If", {"flag"}, {"y"},
                  {graph_attribute("then_branch", in_branch), graph_attribute("else_branch", in_branch)})},
      {},
      {value_proto("flag", 9, {})},
      {value_proto("y", kFloat, {1000})}};
  GraphParts strings{{node_proto("Identity", {"s"}, {"y"})},
                     {Message().number(1, 1).number(2, 8).text(6, large).text(8, "s")},
                     {},
                     {value_proto("y", 8, {1})}};
  GraphParts attribute{
      {node_proto("ConstantOfShape", {"n"}, {"y"}), node_proto("Transpose", {"x"}, {"z"}, {}, "", large)},
      {},
      {value_proto("n", 7, {1}), value_proto("x", kFloat, {1})},
      {value_proto("y", kFloat, {-1}), value_proto("z", kFloat, {1})}};
  for (const GraphParts& parts : {branches, strings, attribute}) {
    Result<std::shared_ptr<Graph>> graph = load(model_bytes(parts));
    ASSERT_TRUE(graph.ok()) << graph.status().text();
    OnnxSaveOptions options;
    ASSERT_TRUE(save_onnx_bytes(**graph, (*graph)->outputs(), {}, options).ok());
    options.most_bytes = 4000;
    Status status = save_onnx_bytes(**graph, (*graph)->outputs(), {}, options).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_NE(status.message().find("'weights'"), std::string::npos) << status.text();
  }
  // Constants of branches go to the file of weights too.
  TestFolder folder;
  Saved saved{*load(model_bytes(branches)), {}};
  saved.outputs = saved.graph->outputs();
  ASSERT_TRUE(saved.save(folder / "m.onnx", "w").ok());
  EXPECT_LT(std::filesystem::file_size(folder / "m.onnx"), 2000u);
  Result<std::shared_ptr<Graph>> again = load_onnx(builtin_ops(), folder / "m.onnx", {});
  ASSERT_TRUE(again.ok()) << again.status().text();
  EXPECT_EQ(floats_of((*run_graph(*again, {Tensor::scalar<bool>(false)}))[0]), std::vector<float>(1000, 1));
}

TEST(OnnxSave, DropoutInTrainingIsNoModelForOthers) {
  auto graph = *Graph::make(builtin_ops());
  ValueId x = *graph->add_input("x", ValueType::tensor(DType::kF32, {Dim(2), Dim(3)}));
  auto layer = *Layer::make(graph, builtin_layers(), "Dropout", {}, "drop", "here");
  ValueId training = (*layer->call({x}, true, "there"))[0], predicting = (*layer->call({x}, false, "there"))[0];
  const VariableValues values{{"drop/counter", Tensor::scalar<int64_t>(0)}};
  EXPECT_TRUE(save_onnx_bytes(*graph, {predicting}, values, {}).ok());
  Status status = save_onnx_bytes(*graph, {training}, values, {}).status();
  EXPECT_EQ(status.code(), Code::kUnimplemented);
  EXPECT_NE(status.text().find("a model for others would drop the same in every run"), std::string::npos)
      << status.text();
  EXPECT_EQ(status.origin(), "there");
  OnnxSaveOptions whole;
  whole.training = true;
  EXPECT_TRUE(save_onnx_bytes(*graph, {training}, values, whole).ok());
}

// It is a hint for who builds graphs: others need not know the operator.
TEST(OnnxSave, OfARankThatIsSaidOthersSeeAnIdentity) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  const ValueId x = *graph->add_input("x", ValueType::tensor(DType::kF32, {Dim(2)}));
  Result<NodeId> made = graph->add(kWeftDomain, "EnsureRank", {x}, {{"rank", 1}});
  ASSERT_TRUE(made.ok()) << made.status().text();
  for (bool training : {false, true}) {
    OnnxSaveOptions options;
    options.training = training;
    Result<std::string> bytes = save_onnx_bytes(*graph, {graph->node(*made).output(0)}, {}, options);
    ASSERT_TRUE(bytes.ok()) << bytes.status().text();
    const onnx::GraphWire saved = *onnx::read_graph((*onnx::read_model(*bytes)).graph);
    ASSERT_EQ(saved.nodes.size(), 1u);
    const onnx::NodeWire node = *onnx::read_node(saved.nodes[0]);
    EXPECT_EQ(node.op_type, training ? "EnsureRank" : "Identity");
    EXPECT_EQ(node.attributes.size(), training ? 1u : 0u);
    Result<std::shared_ptr<Graph>> again = load(*bytes);
    ASSERT_TRUE(again.ok()) << again.status().text();
    Result<std::vector<Tensor>> out = run_graph(*again, {Tensor::vector<float>({3, 4})});
    ASSERT_TRUE(out.ok()) << out.status().text();
    EXPECT_EQ(floats_of((*out)[0]), (std::vector<float>{3, 4}));
  }
}

}  // namespace
}  // namespace weft
