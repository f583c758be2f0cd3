// Building graphs: what is inferred, what is refused and how, names, scopes, sub-graphs, printing.
#include "core/graph/graph.h"

#include <gtest/gtest.h>

#include <mutex>
#include <thread>

#include "core/graph/expr.h"
#include "core/graph/print.h"
#include "core/runtime/builtin.h"
#include "tests/core/expect_error.h"

namespace weft {
namespace {

struct Building {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph, "model.py:7"};

  ValueId input(const char* name, DType dtype, Dims dims) {
    return *graph->add_input(name, ValueType::tensor(dtype, std::move(dims)));
  }
  std::string type_of(NodeId node) const { return graph->type(graph->node(node).output(0)).text(); }
};

TEST(Graph, IsReadWithoutWaitingWhereNoOtherThreadBuilds) {
  Building b;
  const auto tried = [&] { return GraphReading(*b.graph, std::try_to_lock).entered(); };
  EXPECT_TRUE(tried());
  GraphWriting writing(*b.graph);
  EXPECT_TRUE(tried());  // on the thread that builds
  bool elsewhere = true;
  std::thread([&] { elsewhere = tried(); }).join();
  EXPECT_FALSE(elsewhere);
}

TEST(Graph, InfersShapesWithSymbols) {
  Building b;
  ValueId x = b.input("x", DType::kF32, {Dim::symbol("batch"), 64});
  ValueId w = b.input("w", DType::kF32, {64, 10});
  NodeId y = *b.graph->add("", "MatMul", {x, w});
  EXPECT_EQ(b.type_of(y), "f32[batch, 10]");
  NodeId z = *b.graph->add("", "Transpose", {b.graph->node(y).output(0)});
  EXPECT_EQ(b.type_of(z), "f32[10, batch]");
}

TEST(Graph, FollowsShapesThroughIntegerArithmetic) {
  Building b;
  ValueId x = b.input("x", DType::kF32, {Dim::symbol("n"), 3, 4});
  Expr value(b.scope, x);
  Expr shape = make(b.scope, "Shape", {value});
  Expr first = make(b.scope, "Gather", {shape, constant_ints(b.scope, {0})});
  Expr flat = reshape(value, concat({first, constant_ints(b.scope, {-1})}, 0));
  ASSERT_TRUE(b.scope.status().ok()) << b.scope.status().text();
  EXPECT_EQ(flat.type().text(), "f32[n, 12]");
  // Lists of 1024 numbers at most are known.
  Expr half = constant_ints(b.scope, std::vector<int64_t>(512, 7));
  Expr whole = concat({half, half}, 0), more = concat({whole, half}, 0);
  ASSERT_TRUE(b.scope.status().ok()) << b.scope.status().text();
  ASSERT_NE(whole.type().ints, nullptr);
  EXPECT_EQ(whole.type().ints->size(), 1024u);
  EXPECT_EQ(more.type().dims, Dims{1536});
  EXPECT_EQ(more.type().ints, nullptr);
}

TEST(Graph, SizesThatABodyLeavesOpenAreOfTheirNodeAlone) {
  Building b;
  Expr n(b.scope, b.input("n", DType::kI64, {})), m(b.scope, b.input("m", DType::kI64, {}));
  Expr first = make(b.scope, "HannWindow", {n}), second = make(b.scope, "HammingWindow", {m});
  ASSERT_TRUE(b.scope.status().ok()) << b.scope.status().text();
  ASSERT_EQ(first.rank(), 1);
  ASSERT_EQ(second.rank(), 1);
  EXPECT_FALSE(first.dims()[0].known());
  EXPECT_FALSE(first.dims()[0] == second.dims()[0]);
}

TEST(Graph, RefusesWhatCannotBe) {
  Building b;
  ValueId x = b.input("x", DType::kF32, {2, 3}), y = b.input("y", DType::kF32, {4, 5});
  ValueId flags = b.input("flags", DType::kBool, {2, 3});
  expect_error(b.graph->add("", "MatMul", {x, y}).status(), Code::kInvalidArgument, "f32[2, 3]");
  expect_error(b.graph->add("", "MatMull", {x, y}).status(), Code::kNotFound, "MatMul");
  expect_error(b.graph->add("", "MatMul", {x}).status(), Code::kInvalidArgument, "MatMul");
  expect_error(b.graph->add("", "MatMul", {x, y, y}).status(), Code::kInvalidArgument, "3");
  expect_error(b.graph->add("", "MatMul", {kNoValue, y}).status(), Code::kInvalidArgument, "'A'");
  expect_error(b.graph->add("", "MatMul", {x, 999}).status(), Code::kInvalidArgument, "MatMul");
  expect_error(b.graph->add("", "Exp", {flags}).status(), Code::kInvalidArgument, "bool");
  Attrs attrs;
  attrs.set("axs", int64_t{1});
  expect_error(b.graph->add("", "Softmax", {x}, attrs).status(), Code::kInvalidArgument, "axis");
  Attrs text;
  text.set("axis", std::string("one"));
  expect_error(b.graph->add("", "Softmax", {x}, text).status(), Code::kInvalidArgument, "axis");
  expect_error(b.graph->add("ai.nowhere", "Softmax", {x}).status(), Code::kNotFound, "ai.nowhere");
  EXPECT_EQ(b.graph->node_count(), 3) << "what fails adds nothing";
}

TEST(Graph, ANodeHasTheOutputsThatItsOperatorAlwaysMakes) {
  Building b;
  ValueId x = b.input("x", DType::kF32, {4}), k = *b.graph->add_constant(Tensor::vector<int64_t>({2}));
  NodeOptions one;
  one.output_count = 1;
  Result<NodeId> node = b.graph->add("", "TopK", {x, k}, {}, one);
  ASSERT_TRUE(node.ok()) << node.status().text();
  EXPECT_EQ(b.graph->node(*node).output_count, 2);
}

TEST(Graph, AnErrorNamesTheNodeAndTheUsersLine) {
  Building b;
  Expr x(b.scope, b.input("x", DType::kF32, {2, 3}));
  matmul(x, x);
  const Status& status = b.scope.status();
  EXPECT_EQ(status.op(), "MatMul");
  EXPECT_EQ(status.origin(), "model.py:7");
}

TEST(Graph, AnErrorNamesTheNodeWithItsScope) {
  Building b;
  ValueId x = b.input("x", DType::kF32, {2, 3});
  auto node_of = [&](const char* op, const char* name, Attrs attrs = {}) {
    NodeOptions options;
    options.name = name;
    return b.graph->add("", op, {x, x}, std::move(attrs), options).status().node();
  };
  EXPECT_EQ(node_of("MatMul", ""), "");
  EXPECT_EQ(node_of("MatMul", "scores"), "scores");
  ASSERT_TRUE(b.graph->push_scope("encoder/layer1").ok());
  EXPECT_EQ(node_of("MatMul", ""), "encoder/layer1/MatMul");
  EXPECT_EQ(node_of("MatMul", "scores"), "encoder/layer1/scores");
  EXPECT_EQ(node_of("Add", "", {{"alpha", int64_t{1}}}), "encoder/layer1/Add");
  EXPECT_EQ(matmul(Expr(b.scope, x), Expr(b.scope, x)).id(), kNoValue);
  EXPECT_EQ(b.scope.status().text(),
            "INVALID_ARGUMENT: A f32[2, 3] has 3 columns but B f32[2, 3] has 2 rows [MatMul 'encoder/layer1/MatMul'] "
            "(built at model.py:7)");
  ASSERT_TRUE(b.graph->pop_scope().ok());
  EXPECT_EQ(node_of("MatMul", ""), "");
}

TEST(Graph, KeepsNamesApart) {
  Building b;
  ValueId x = b.input("x", DType::kF32, {2});
  NodeOptions named;
  named.name = "act";
  EXPECT_EQ(b.graph->node(*b.graph->add("", "Relu", {x}, {}, named)).name, "act");
  EXPECT_EQ(b.graph->node(*b.graph->add("", "Relu", {x}, {}, named)).name, "act_1");
  EXPECT_EQ(b.graph->node(*b.graph->add("", "Relu", {x})).name, "Relu");
  expect_error(b.graph->add_input("x", ValueType::tensor(DType::kF32, {2})).status(), Code::kAlreadyExists, "'x'");
  // The values of a node of several outputs have names of their own.
  named.name = "best";
  named.output_count = 2;
  ASSERT_TRUE(b.graph->add("", "TopK", {x, *b.graph->add_constant(Tensor::vector<int64_t>({1}))}, {}, named).ok());
  ValueId best = b.input("best", DType::kF32, {2});
  EXPECT_EQ(b.graph->value(best).name, "best");
  EXPECT_EQ(b.graph->find("best"), best);
  ASSERT_TRUE(b.graph->push_scope("block/1").ok());
  ASSERT_TRUE(b.graph->push_scope("attention").ok());
  EXPECT_EQ(b.graph->node(*b.graph->add("", "Relu", {x})).name, "block/1/attention/Relu");
  ASSERT_TRUE(b.graph->pop_scope().ok());
  EXPECT_EQ(b.graph->node(*b.graph->add("", "Relu", {x})).name, "block/1/Relu");
  ASSERT_TRUE(b.graph->pop_scope().ok());
  EXPECT_EQ(b.graph->node(*b.graph->add("", "Relu", {x})).name, "Relu_1");
  expect_error(b.graph->pop_scope(), Code::kFailedPrecondition, "scope");
  expect_error(b.graph->push_scope(""), Code::kInvalidArgument, "empty");
}

TEST(Graph, VariablesNeedAnInitialValueOfKnownShape) {
  Building b;
  ValueId x = b.input("x", DType::kF32, {Dim::symbol("n")});
  expect_error(b.graph->add_variable("w", x, true).status(), Code::kInvalidArgument, "f32[n]");
  expect_error(b.graph->add_variable("w", 17, true).status(), Code::kInvalidArgument, "'w'");
  ValueId zero = *b.graph->add_constant(Tensor::scalar<float>(0));
  ASSERT_TRUE(b.graph->add_variable("w", zero, true).ok());
  expect_error(b.graph->add_variable("w", zero, true).status(), Code::kAlreadyExists, "'w'");
  // It is found by that name whatever its value is called.
  ASSERT_TRUE(b.graph->set_value_name(b.graph->find("w"), "other").ok());
  ASSERT_NE(b.graph->find_variable("w"), nullptr);
  EXPECT_EQ(b.graph->find_variable("w")->value, b.graph->find("other"));
  EXPECT_EQ(b.graph->find_variable("other"), nullptr);
}

TEST(Graph, AVariableCannotBeginAsWhatIsFed) {
  Building b;
  ValueId x = b.input("x", DType::kF32, {2});
  ValueId y = b.graph->node(*b.graph->add("", "Neg", {x})).output(0);
  for (ValueId fed : {x, y}) {
    expect_error(b.graph->add_variable("v", fed, true).status(), Code::kInvalidArgument,
                 "the initial value of variable 'v' depends on an input");
  }
  // What another variable holds is known before a run.
  ValueId one = *b.graph->add_constant(Tensor::scalar<float>(1));
  ValueId v = *b.graph->add_variable("v", one, true);
  EXPECT_TRUE(b.graph->add_variable("w", b.graph->node(*b.graph->add("", "Neg", {v})).output(0), true).ok());
}

TEST(Graph, NamesAreUtf8) {
  Building b;
  ValueId one = *b.graph->add_constant(Tensor::scalar<float>(1));
  const char* bad = "\xff\xfe";
  const char* part = "must be UTF-8 but is '\\xff\\xfe'";
  expect_error(b.graph->add_input(bad, ValueType::tensor(DType::kF32, {})).status(), Code::kInvalidArgument, part);
  expect_error(b.graph->add_variable(bad, one, true).status(), Code::kInvalidArgument, part);
  NodeOptions options;
  options.name = bad;
  expect_error(b.graph->add("", "Neg", {one}, {}, options).status(), Code::kInvalidArgument, part);
  expect_error(b.graph->add_constant(Tensor::scalar<float>(1), bad).status(), Code::kInvalidArgument, part);
  expect_error(b.graph->push_scope(bad), Code::kInvalidArgument, part);
  expect_error(b.graph->set_value_name(one, bad), Code::kInvalidArgument, part);
  EXPECT_TRUE(b.graph->add_input("größe", ValueType::tensor(DType::kF32, {})).ok());
}

TEST(Graph, AValueHas64DimensionsAtMost) {
  Building b;
  const char* part = "has 65 dimensions but values have at most 64";
  expect_error(b.graph->add_input("x", ValueType::tensor(DType::kF32, Dims(65, Dim(1)))).status(),
               Code::kInvalidArgument, part);
  ValueId x = b.input("y", DType::kF32, Dims(64, Dim(1)));
  ValueId axes = *b.graph->add_constant(Tensor::vector<int64_t>({0}));
  expect_error(b.graph->add("", "Unsqueeze", {x, axes}).status(), Code::kInvalidArgument, "more than 64 dimensions");
  // The length of a list that nobody knows yet is a rank.
  ValueId list = b.input("list", DType::kI64, {int64_t{1} << 40});
  for (const char* op : {"Reshape", "Expand"}) {
    expect_error(b.graph->add("", op, {x, list}).status(), Code::kInvalidArgument, "more than 64 dimensions");
  }
  expect_error(b.graph->add("", "ConstantOfShape", {list}).status(), Code::kInvalidArgument, "more than 64 dimensions");
}

TEST(Graph, AssignmentsNeedAVariableAndItsType) {
  Building b;
  ValueId zero = *b.graph->add_constant(Tensor::scalar<float>(0));
  ValueId w = *b.graph->add_variable("w", zero, true);
  ValueId wide = *b.graph->add_constant(Tensor::vector<float>({1, 2}));
  expect_error(b.graph->add(kWeftDomain, "Assign", {w, wide}).status(), Code::kInvalidArgument, "f32[2]");
  expect_error(b.graph->add(kWeftDomain, "Assign", {zero, zero}).status(), Code::kInvalidArgument, "variable");
}

TEST(Graph, SubgraphsSeeTheValuesAroundThem) {
  Building b;
  ValueId x = b.input("x", DType::kF32, {2});
  std::shared_ptr<Graph> branch = *Graph::make_subgraph(b.graph);
  ValueId inner = *branch->capture(*b.graph, x);
  EXPECT_EQ(branch->type(inner).text(), "f32[2]");
  EXPECT_EQ(*branch->capture(*b.graph, x), inner) << "one capture a value";
  std::shared_ptr<Graph> other = *Graph::make(builtin_ops());
  ValueId foreign = *other->add_input("y", ValueType::tensor(DType::kF32, {2}));
  EXPECT_FALSE(branch->capture(*other, foreign).ok());
  ValueId zero = *branch->add_constant(Tensor::scalar<float>(0));
  expect_error(branch->add_variable("w", zero, true).status(), Code::kFailedPrecondition, "outermost");
}

TEST(Graph, TwoWritersAtOnceAreRefusedNotRaced) {
  Building b;
  ValueId x = b.input("x", DType::kF32, {2});
  std::atomic<int> added{0}, refused{0};
  auto build = [&] {
    for (int i = 0; i < 3000; ++i) {
      Result<NodeId> node = b.graph->add("", "Relu", {x});
      if (node.ok()) {
        ++added;
      } else {
        EXPECT_EQ(node.status().code(), Code::kFailedPrecondition);
        ++refused;
      }
    }
  };
  std::thread other(build);
  build();
  other.join();
  EXPECT_EQ(added + refused, 6000);
  EXPECT_EQ(b.graph->node_count(), added + 1);
}

TEST(Graph, PrintsOneLineANodeWithItsOrigin) {
  Building b;
  Expr x(b.scope, b.input("x", DType::kF32, {Dim::symbol("n"), 2}));
  Attrs attrs;
  attrs.set("axis", int64_t{0});
  make(b.scope, "Softmax", {x}, attrs);
  // Defaults are not printed, though nodes hold 0.01 as f32.
  make(b.scope, "LeakyRelu", {x});
  EXPECT_EQ(graph_text(*b.graph),
            "x: f32[n, 2] = weft.Input()\n"
            "Softmax: f32[n, 2] = Softmax(x) {axis=0}  # model.py:7\n"
            "LeakyRelu: f32[n, 2] = LeakyRelu(x)  # model.py:7\n");
  std::string dot = graph_dot(*b.graph);
  EXPECT_EQ(dot.rfind("digraph", 0), 0u);
  EXPECT_NE(dot.find("Softmax"), std::string::npos);
}

TEST(Graph, OldOpsetsAreUpgraded) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops(), 13);
  ValueId x = *graph->add_input("x", ValueType::tensor(DType::kF32, {2, 3}));
  Attrs attrs;
  attrs.set("axes", std::vector<int64_t>{1});
  Result<NodeId> node = graph->add("", "ReduceMean", {x}, attrs);
  ASSERT_TRUE(node.ok()) << node.status().text();
  EXPECT_EQ(graph->type(graph->node(*node).output(0)).text(), "f32[2, 1]");
  expect_error(Graph::make(builtin_ops(), 99).status(), Code::kInvalidArgument, "99");
}

}  // namespace
}  // namespace weft
