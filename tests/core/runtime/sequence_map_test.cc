// SequenceMap. Expected numbers are worked out by hand.
#include "core/format/onnx.h"
#include "core/graph/subgraph.h"
#include "tests/core/runtime/subgraph_common.h"

namespace weft {
namespace {

// The body of a SequenceMap, with the inputs that such a node gives it.
struct MapBody : Body {
  std::vector<Expr> items;

  MapBody(const std::shared_ptr<Graph>& parent, const std::vector<Expr>& inputs) : Body(parent) {
    std::vector<ValueId> ids;
    for (Expr value : inputs) ids.push_back(value.id());
    graph = *make_body(parent, **parent->ops().get("", "SequenceMap"), ids, {});
    scope = std::make_unique<ExprScope>(*graph);
    for (ValueId id : graph->inputs()) items.emplace_back(*scope, id);
  }
};

std::vector<Expr> sequence_map(ExprScope& scope, const std::vector<Expr>& inputs, const Body& body) {
  return make_all(scope, "SequenceMap", inputs, {{"body", GraphRef(body.graph)}},
                  static_cast<int>(body.graph->outputs().size()));
}

// Sequences of x and y, and the sum s * item * w + other item, with a tensor s and a captured w.
struct Mapped : TestModel {
  Expr x = input("x", DType::kF64, {Dim::symbol("n")}), y = input("y", DType::kF64, {Dim::symbol("m")});
  Expr s = input("s", DType::kF64, {}), w = variable("w", 3);
  Expr pair = make(scope, "SequenceConstruct", {x, y}), swapped = make(scope, "SequenceConstruct", {x * x, y*y});
  std::vector<Expr> out;
  Mapped() {
    MapBody body(graph, {pair, swapped, s});
    const Expr product = body.items[2] * body.items[0] * body.use(w);
    body.returns({product + body.items[1], shape_of(body.items[0])});
    out = sequence_map(scope, {pair, swapped, s}, body);
  }
  Values all(Expr fetch) {
    return values({x, y, s}, {numbers({1, 2}), numbers({3, 4, 5}), Tensor::scalar<double>(2)}, fetch);
  }
};

TEST(SequenceMap, ComputesItsBodyOfEachItem) {
  Mapped m;
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  EXPECT_EQ(m.all(at(m.out[0], 0)), (Values{7, 16}));  // 2 * 3 * x + x^2
  EXPECT_EQ(m.all(at(m.out[0], 1)), (Values{27, 40, 55}));
  EXPECT_EQ(m.all(cast(at(m.out[1], 1), DType::kF64)), Values{3});
  EXPECT_EQ(m.all(cast(make(m.scope, "SequenceLength", {m.out[1]}), DType::kF64)), Values{2});
}

TEST(SequenceMap, SaysWhatIsKnownOfItsItems) {
  Mapped m;
  EXPECT_EQ(m.out[0].type().kind, Kind::kSequence);
  ASSERT_TRUE(m.out[0].has_rank());
  EXPECT_EQ(m.out[0].rank(), 1);
  EXPECT_FALSE(m.out[0].dims()[0].known());
  EXPECT_EQ(m.out[1].dtype(), DType::kI64);
  EXPECT_TRUE(m.out[1].dims()[0].is(1));
  EXPECT_FALSE(at(m.out[0], 0).dims()[0] == at(m.out[0], 1).dims()[0]);
}

TEST(SequenceMap, HasGradientsByAllThatGoesIn) {
  Mapped m;
  const std::vector<Expr> g = m.gradients(at(m.out[0], 1), {m.x, m.y, m.s, m.w});
  ASSERT_TRUE(g[1].valid() && g[2].valid() && g[3].valid());
  EXPECT_EQ(m.all(g[0]), (Values{0, 0}));
  EXPECT_EQ(m.all(g[1]), (Values{12, 14, 16}));  // s w + 2 y
  EXPECT_EQ(m.all(g[2]), Values{36});            // w * (3 + 4 + 5)
  EXPECT_EQ(m.all(g[3]), Values{24});            // s * (3 + 4 + 5)
  // The first gradient takes gradients out of a sequence that a loop carries, and the second one needs that.
  const std::vector<Expr> second = m.gradients(g[1], {m.x, m.y, m.s, m.w});
  EXPECT_FALSE(second[0].valid());  // nothing of x is in it
  EXPECT_EQ(m.all(second[1]), (Values{2, 2, 2}));
  EXPECT_EQ(m.all(second[2]), Values{9});  // w for each of three
  EXPECT_EQ(m.all(second[3]), Values{6});  // s for each of three
}

TEST(SequenceMap, HasGradientsOfAnyOrder) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {Dim::symbol("n")}), y = m.input("y", DType::kF64, {1}),
       w = m.input("w", DType::kF64, {});
  Expr pair = make(m.scope, "SequenceConstruct", {x, y});
  MapBody body(m.graph, {pair});
  body.returns({body.items[0] * body.items[0] * body.items[0] * body.use(w)});
  Expr cubes = sequence_map(m.scope, {pair}, body)[0];
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  const std::vector<Tensor> given = {numbers({1, 2}), numbers({5}), Tensor::scalar<double>(3)};
  const Expr first = m.gradients(at(cubes, 0), {x})[0];
  EXPECT_EQ(m.values({x, y, w}, given, at(cubes, 0)), (Values{3, 24}));
  EXPECT_EQ(m.values({x, y, w}, given, first), (Values{9, 36}));  // 3 w x^2
  const std::vector<Expr> second = m.gradients(first, {x, w});
  EXPECT_EQ(m.values({x, y, w}, given, second[0]), (Values{18, 36}));  // 6 w x
  EXPECT_EQ(m.values({x, y, w}, given, second[1]), Values{15});
  const std::vector<Expr> third = m.gradients(second[0], {x, w});
  EXPECT_EQ(m.values({x, y, w}, given, third[0]), (Values{18, 18}));  // 6 w
  EXPECT_EQ(m.values({x, y, w}, given, third[1]), Values{18});
}

// The rule of MatMul needs ranks, which nobody knows of what comes out of a sequence that was empty at first.
TEST(SequenceMap, HasGradientsOfAnyOrderThroughProductsOfMatrices) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {Dim::symbol("n"), 2}), y = m.input("y", DType::kF64, {1, 2}),
       w = m.input("w", DType::kF64, {2, 2});
  Expr pair = make(m.scope, "SequenceConstruct", {x, y});
  MapBody body(m.graph, {pair});
  body.returns({matmul(body.items[0] * body.items[0], body.use(w))});
  Expr products = sequence_map(m.scope, {pair}, body)[0];
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  const auto all = [&](Expr fetch) {
    return m.values({x, y, w},
                    {*numbers({1, 2, 3, -1}).reshaped({2, 2}), *numbers({5, 6}).reshaped({1, 2}),
                     *numbers({1, 2, 3, 4}).reshaped({2, 2})},
                    fetch);
  };
  EXPECT_EQ(all(at(products, 0)), (Values{13, 18, 12, 22}));
  const std::vector<Expr> first = m.gradients(at(products, 0), {x, w});
  ASSERT_TRUE(first[0].valid() && first[1].valid());
  EXPECT_EQ(all(first[0]), (Values{6, 28, 18, -14}));  // 2 x (w00 + w01), 2 x (w10 + w11)
  EXPECT_EQ(all(first[1]), (Values{10, 10, 5, 5}));    // the sums of x^2 over the rows
  const std::vector<Expr> second = m.gradients(first[0], {x, w});
  ASSERT_TRUE(second[0].valid() && second[1].valid());
  EXPECT_EQ(all(second[0]), (Values{6, 14, 6, 14}));
  EXPECT_EQ(all(second[1]), (Values{8, 8, 2, 2}));  // 2 x, summed over the rows
  const Expr crossed = m.gradients(first[1], {x})[0];
  ASSERT_TRUE(crossed.valid());
  EXPECT_EQ(all(crossed), (Values{4, 8, 12, -4}));
  const Expr third = m.gradients(second[1], {x})[0];
  ASSERT_TRUE(third.valid());
  EXPECT_EQ(all(third), (Values{4, 4, 4, 4}));
}

// Values and places come from one node, which the gradient of the body must leave to whoever differentiates the rest.
TEST(SequenceMap, GradientsOfItsBodyEndAtWhatGoesIn) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {3}), z = m.input("z", DType::kF64, {1});
  const std::vector<Expr> top = make_all(m.scope, "TopK", {x, constant_ints(m.scope, {2})}, {}, 2);
  Expr one = make(m.scope, "SequenceConstruct", {z});
  MapBody body(m.graph, {one});
  Expr again = make(*body.scope, "Gather", {body.use(x), body.use(top[1])});
  body.returns({body.items[0] * body.use(top[0]) * again});
  Expr y = at(sequence_map(m.scope, {one}, body)[0], 0);
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  Expr g = m.gradients(y, {x})[0];
  ASSERT_TRUE(g.valid());
  EXPECT_EQ(m.values({x, z}, {numbers({3, 1, 2}), numbers({1})}, y), (Values{9, 4}));
  EXPECT_EQ(m.values({x, z}, {numbers({3, 1, 2}), numbers({1})}, g), (Values{6, 0, 4}));
}

TEST(SequenceMap, InsideOneAnother) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {2}), y = m.input("y", DType::kF64, {1});
  Expr pair = make(m.scope, "SequenceConstruct", {x, y});
  MapBody outer(m.graph, {pair});
  Expr inner_pair = outer.use(pair);
  MapBody inner(outer.graph, {inner_pair});
  Expr total = make(*inner.scope, "ReduceSum", {inner.items[0]}, {{"keepdims", int64_t{0}}});
  inner.returns({total * inner.use(outer.items[0])});
  Expr products = sequence_map(*outer.scope, {inner_pair}, inner)[0];
  outer.returns({at(products, 0) + at(products, 1)});
  Expr z = sequence_map(m.scope, {pair}, outer)[0];
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  const std::vector<Tensor> given = {numbers({1, 2}), numbers({4})};
  EXPECT_EQ(m.values({x, y}, given, at(z, 0)), (Values{7, 14}));
  EXPECT_EQ(m.values({x, y}, given, at(z, 1)), (Values{28}));
}

TEST(SequenceMap, OfNoItemsGivesNone) {
  TestModel m;
  Expr none = make(m.scope, "SequenceEmpty", std::vector<Expr>(), {{"dtype", static_cast<int64_t>(DType::kF64)}});
  MapBody body(m.graph, {none});
  body.returns({body.items[0] * body.items[0]});
  Expr length = make(m.scope, "SequenceLength", {sequence_map(m.scope, {none}, body)[0]});
  EXPECT_EQ(m.values({}, {}, cast(length, DType::kF64)), Values{0});
}

TEST(SequenceMap, IsSavedAndLoaded) {
  Mapped m;
  ASSERT_TRUE(m.graph->set_outputs({at(m.out[0], 1).id()}).ok());
  Result<std::string> bytes = save_onnx_bytes(*m.graph, m.graph->outputs(), {{"w", Tensor::scalar<double>(3)}}, {});
  ASSERT_TRUE(bytes.ok()) << bytes.status().text();
  Result<std::shared_ptr<Graph>> loaded = load_onnx_bytes(builtin_ops(), *bytes, "", {});
  ASSERT_TRUE(loaded.ok()) << loaded.status().text();
  TestModel again;
  again.graph = *loaded;
  ExprScope scope(*again.graph);
  std::vector<Expr> feeds;
  for (ValueId id : again.graph->inputs()) feeds.emplace_back(scope, id);
  std::vector<Tensor> given;
  for (const Expr& feed : feeds) {
    const std::string& name = again.graph->value(feed.id()).name;
    given.push_back(name == "x" ? numbers({1, 2}) : name == "y" ? numbers({3, 4, 5}) : Tensor::scalar<double>(2));
  }
  EXPECT_EQ(again.values(feeds, given, Expr(scope, again.graph->outputs()[0])), (Values{27, 40, 55}));
}

TEST(SequenceMap, TellsWhatDoesNotFit) {
  Mapped m;
  Expr three = make(m.scope, "SequenceConstruct", {m.x, m.y, m.y});
  MapBody lengths(m.graph, {m.pair, three});
  lengths.returns({lengths.items[0]});
  Expr bad = at(sequence_map(m.scope, {m.pair, three}, lengths)[0], 0);
  expect_error(m.run({m.x, m.y}, {numbers({1}), numbers({2})}, {bad}).status(), Code::kInvalidArgument,
               "the sequences must be of one length, but the first has 2 items and number 1 has 3");
  const auto fails = [&](const std::vector<Expr>& inputs, const Body& body, const char* text) {
    ExprScope scope(*m.graph);
    std::vector<Expr> moved;
    for (Expr value : inputs) moved.emplace_back(scope, value.id());
    sequence_map(scope, moved, body);
    expect_error(scope.status(), Code::kInvalidArgument, text);
  };
  MapBody one(m.graph, {m.pair});
  one.returns({one.items[0]});
  fails({m.pair, m.s}, one, "'body' has 1 inputs but must have 2");
  MapBody tensor(m.graph, {m.pair});
  tensor.returns({tensor.items[0]});
  fails({m.s}, tensor, "input 'input_sequence' must be a sequence of tensors but is f64[]");
  MapBody sequence(m.graph, {m.pair});
  sequence.returns({make(*sequence.scope, "SequenceConstruct", {sequence.items[0]})});
  fails({m.pair}, sequence, "only tensors can be items of a sequence");
  Body other(m.graph);
  other.returns({other.input("item", DType::kI64, {})});
  fails({m.pair}, other, "but it takes i64[]");
}

}  // namespace
}  // namespace weft
