// Scan: what is carried, scanned and stacked, axes and directions, batches of opset 8, errors. Expected numbers are worked
// out by hand.
#include "core/graph/subgraph.h"
#include "core/runtime/builtin.h"
#include "tests/core/runtime/subgraph_common.h"

namespace weft {
namespace {

Tensor matrix(int64_t rows, const Values& values) {
  return *numbers(values).reshaped({rows, static_cast<int64_t>(values.size()) / rows});
}

TEST(Scan, GoesAlongTheFirstAxis) {
  TestModel m;
  Expr h = m.input("h", DType::kF64, {2}), x = m.input("x", DType::kF64, {Dim::symbol("n"), 2});
  Body body(m.graph);
  Expr before = body.input("before", DType::kF64, {2}), item = body.input("item", DType::kF64, {2});
  Expr sum = before + item;
  body.returns({sum, sum * 10.0});
  std::vector<Expr> y = scan(m.scope, {h}, {x}, body);
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  EXPECT_EQ(y[0].type().text(), "f64[2]");
  EXPECT_EQ(y[1].type().text(), "f64[n, 2]");
  std::vector<Tensor> given{numbers({0, 1}), matrix(3, {1, 2, 3, 4, 5, 6})};
  EXPECT_EQ(m.values({h, x}, given, y[0]), (Values{9, 13}));
  EXPECT_EQ(m.values({h, x}, given, y[1]), (Values{10, 30, 40, 70, 90, 130}));
  auto none = m.run({h, x}, {numbers({0, 1}), *Tensor::make(DType::kF64, {0, 2})}, y);
  ASSERT_TRUE(none.ok()) << none.status().text();
  EXPECT_EQ((*none)[0].as<double>()[1], 1);
  EXPECT_EQ((*none)[1].summary(), "f64[0, 2]");
}

TEST(Scan, AxesAndDirections) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {2, 3}), z = m.input("z", DType::kF64, {3});
  for (int64_t backward : {0, 1}) {
    for (int64_t axis : {0, 1, -1}) {
      Body body(m.graph);
      Expr column = body.input("column", DType::kF64, {2}), number = body.input("number", DType::kF64, {});
      body.returns({column * number, number});
      std::vector<Expr> y = scan(m.scope, {}, {x, z}, body,
                                 {{"scan_input_axes", std::vector<int64_t>{1, 0}},
                                  {"scan_input_directions", std::vector<int64_t>{backward, 0}},
                                  {"scan_output_axes", std::vector<int64_t>{axis, 0}},
                                  {"scan_output_directions", std::vector<int64_t>{0, 1}}});
      ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
      std::vector<Tensor> given{matrix(2, {1, 2, 3, 4, 5, 6}), numbers({1, 10, 100})};
      Values want = backward != 0 ? Values{3, 6, 20, 50, 100, 400} : Values{1, 4, 20, 50, 300, 600};
      if (axis != 0) want = {want[0], want[2], want[4], want[1], want[3], want[5]};
      EXPECT_EQ(y[0].type().text(), axis == 0 ? "f64[3, 2]" : "f64[2, 3]");
      EXPECT_EQ(m.values({x, z}, given, y[0]), want);
      EXPECT_EQ(m.values({x, z}, given, y[1]), (Values{100, 10, 1}));
    }
  }
}

TEST(Scan, OfStringsAndWithStepsThatAreNoPlainMemory) {
  TestModel m;
  Expr x = m.input("x", DType::kString, {2, 2}), c = m.input("c", DType::kBool, {2});
  Body body(m.graph);
  Expr item = body.input("item", DType::kString, {2}), flag = body.input("flag", DType::kBool, {});
  Body yes(body.graph), no(body.graph);
  yes.returns({yes.use(item)});
  no.returns({constant(*no.scope, *Tensor::from_strings({2}, {"x", "y"}))});
  body.returns(
      {make(*body.scope, "If", {flag}, {{"then_branch", GraphRef(yes.graph)}, {"else_branch", GraphRef(no.graph)}})});
  std::vector<Expr> y =
      scan(m.scope, {}, {x, c}, body,
           {{"scan_input_axes", std::vector<int64_t>{1, 0}}, {"scan_output_axes", std::vector<int64_t>{1}}});
  bool flags[] = {true, false};
  auto out =
      m.run({x, c},
            {*Tensor::from_strings({2, 2}, {"a", "b", "c", "d"}), *Tensor::from_bytes(DType::kBool, {2}, flags, 2)}, y);
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_EQ((*out)[0].strings(), (std::vector<std::string>{"a", "x", "c", "y"}));
}

// Of a batch of two sequences the first is one long, the second two.
TEST(Scan, OfBatchesAsInOpset8) {
  for (bool lengths : {false, true}) {
    std::shared_ptr<Graph> graph = *Graph::make(builtin_ops(), 8);
    ValueId h = *graph->add_input("h", ValueType::tensor(DType::kF64, {2}));
    ValueId x = *graph->add_input("x", ValueType::tensor(DType::kF64, {2, 2, 1}));
    ValueId n = *graph->add_input("n", ValueType::tensor(DType::kI64, {2}));
    Body body(graph);
    Expr before = body.input("before", DType::kF64, {}), item = body.input("item", DType::kF64, {1});
    Expr sum = reshape(item, constant_ints(*body.scope, {})) + before;
    body.returns({sum, item * 2.0});
    NodeOptions options;
    options.output_count = 2;
    Result<NodeId> node = graph->add(
        "", "Scan", {lengths ? n : kNoValue, h, x},
        {{"num_scan_inputs", int64_t{1}}, {"body", GraphRef(body.graph)}, {"directions", std::vector<int64_t>{1}}},
        options);
    ASSERT_TRUE(node.ok()) << node.status().text();
    std::shared_ptr<Session> session = *Session::make(graph, {});
    Signature signature;
    signature.feeds = {h, x, n};
    signature.fetches = {graph->node(*node).output(0), graph->node(*node).output(1)};
    std::vector<Tensor> out;
    Status status = session->run(
        signature, {numbers({100, 200}), *numbers({1, 2, 3, 4}).reshaped({2, 2, 1}), Tensor::vector<int64_t>({1, 2})},
        {}, &out);
    ASSERT_TRUE(status.ok()) << status.text();
    EXPECT_TRUE(out[0].same_bits(numbers(lengths ? Values{101, 207} : Values{103, 207})));
    Tensor want = *numbers(lengths ? Values{2, 0, 8, 6} : Values{4, 2, 8, 6}).reshaped({2, 2, 1});
    EXPECT_TRUE(out[1].same_bits(want)) << out[1].summary();
  }
}

// What it captures would be looked for in a graph that does not have it.
TEST(Scan, OfOpset8TakesNoBodyOfAnotherGraph) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops(), 8), other = *Graph::make(builtin_ops());
  ValueId x = *graph->add_input("x", ValueType::tensor(DType::kF64, {2, 3, 4}));
  ValueId far = kNoValue;
  for (int i = 0; i < 1000; ++i) far = *other->add_input(cat("v", i), ValueType::tensor(DType::kF64, {4}));
  ExprScope scope(*other);
  Body body(other);
  Expr item = body.input("item", DType::kF64, {4});
  body.returns({item + body.use(Expr(scope, far))});
  auto add = [&](const std::shared_ptr<Graph>& inner) {
    return graph->add("", "Scan", {kNoValue, x}, {{"num_scan_inputs", int64_t{1}}, {"body", GraphRef(inner)}}).status();
  };
  expect_error(add(body.graph), Code::kInvalidArgument, "'body' was made for another graph");
  expect_error(add(graph), Code::kInvalidArgument, "'body' is the graph itself, or one around it");
}

TEST(Scan, RefusesWhatDoesNotFit) {
  TestModel m;
  Expr h = m.input("h", DType::kF64, {2}), x = m.input("x", DType::kF64, {3, 2}), z = m.input("z", DType::kF64, {4, 2});
  auto attempt = [&](const std::vector<Expr>& scanned, Attrs attrs, bool ints = false) {
    ExprScope scope(*m.graph);
    Body body(m.graph);
    Expr before = body.input("before", DType::kF64, {2});
    for (size_t i = 0; i < scanned.size(); ++i) body.input(cat("item", i).c_str(), DType::kF64, {2});
    body.returns({ints ? cast(before, DType::kI64) : before, before});
    std::vector<Expr> here;
    for (Expr e : scanned) here.emplace_back(scope, e.id());
    scan(scope, {Expr(scope, h.id())}, here, body, std::move(attrs));
    return scope.status();
  };
  EXPECT_TRUE(attempt({x}, {}).ok());
  expect_error(attempt({x, z}, {}), Code::kInvalidArgument, "input 1 is 3 long and input 2 is 4 long");
  expect_error(attempt({x}, {}, true), Code::kInvalidArgument, "place 0 is f64[2] at first but i64[2] where it leaves");
  expect_error(attempt({x}, {{"scan_input_axes", std::vector<int64_t>{2}}}), Code::kInvalidArgument,
               "axis 2 is outside");
  expect_error(attempt({x}, {{"scan_input_axes", std::vector<int64_t>{0, 0}}}), Code::kInvalidArgument,
               "'scan_input_axes' has 2 numbers but must have 1");
  expect_error(attempt({x}, {{"scan_output_axes", std::vector<int64_t>{-3}}}), Code::kInvalidArgument, "axis -3");
  expect_error(attempt({x}, {{"scan_input_directions", std::vector<int64_t>{2}}}), Code::kInvalidArgument,
               "a direction is 0, forward, or 1, backward");
  expect_error(attempt({}, {}), Code::kInvalidArgument, "'num_scan_inputs' is 0");
}

TEST(Scan, LengthsThatOnlyTheRunTellsMustBeEqual) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {Dim::symbol("a")}), z = m.input("z", DType::kF64, {Dim::symbol("b")});
  Body body(m.graph);
  Expr p = body.input("p", DType::kF64, {}), q = body.input("q", DType::kF64, {});
  body.returns({p * q});
  Expr y = scan(m.scope, {}, {x, z}, body)[0];
  EXPECT_EQ(m.values({x, z}, {numbers({1, 2}), numbers({3, 4})}, y), (Values{3, 8}));
  expect_error(m.run({x, z}, {numbers({1, 2}), numbers({3})}, {y}).status(), Code::kInvalidArgument,
               "input 0 is 2 long and input 1 is 1 long");
}

TEST(Scan, NoBodyIsMadeForAttributesOfTheWrongKind) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {2});
  const OpDef& op = **builtin_ops().get("", "Scan");
  auto body = make_body(m.graph, op, {x.id()}, {{"num_scan_inputs", std::string("one")}});
  ASSERT_FALSE(body.ok());
  EXPECT_EQ(body.status().code(), Code::kInvalidArgument);
  EXPECT_NE(body.status().message().find("'num_scan_inputs' must be of kind int"), std::string::npos)
      << body.status().message();
}

}  // namespace
}  // namespace weft
