// Optionals. Expected numbers are worked out by hand.
#include "core/format/onnx.h"
#include "tests/core/runtime/subgraph_common.h"

namespace weft {
namespace {

ValueType optional_of(const char* type) { return *ValueType::parse(cat("optional(", type, ")")); }

struct Maybe : TestModel {
  Expr fed(const char* name, const char* type) {
    Result<ValueId> id = graph->add_input(name, optional_of(type));
    EXPECT_TRUE(id.ok()) << id.status().text();
    return Expr(scope, *id);
  }
  Expr has(Expr value) { return make(scope, "OptionalHasElement", {value}); }
  Expr get(Expr value) { return make(scope, "OptionalGetElement", {value}); }
  // What the optional holds, times 2, or x.
  Expr twice_or(Expr optional, Expr x) {
    Body yes(graph), no(graph);
    yes.returns({make(*yes.scope, "OptionalGetElement", {yes.use(optional)}) * 2.0});
    no.returns({make(*no.scope, "Identity", {no.use(x)})});
    return make(scope, "If", {has(optional)},
                {{"then_branch", GraphRef(yes.graph)}, {"else_branch", GraphRef(no.graph)}});
  }
};

TEST(ValueTypes, AreReadFromText) {
  EXPECT_EQ(ValueType::parse("f32")->text(), "f32[...]");
  EXPECT_EQ(ValueType::parse("f32[batch, 3]")->text(), "f32[batch, 3]");
  EXPECT_EQ(ValueType::parse("i64[]")->text(), "i64[]");
  EXPECT_EQ(ValueType::parse("seq(f32)")->text(), "sequence(f32[...])");
  EXPECT_EQ(ValueType::parse("optional(seq(f64[2]))")->text(), "optional(sequence(f64[2]))");
  for (const char* text : {"optional(sequence(f64[2]))", "sequence(f32[...])", "f32[batch, 3]"}) {
    EXPECT_EQ(ValueType::parse(text)->text(), text);
  }
  for (const char* text : {"", "f", "f32[", "f32]", "f32[2", "seq(f32", "seq(seq(f32))", "seq(optional(f32))",
                           "optional()", "optional(optional(f32))", "f32[2]x"}) {
    expect_error(ValueType::parse(text).status(), Code::kInvalidArgument, "is no type");
  }
}

TEST(Optional, TypesSayWhatIsHeld) {
  Maybe m;
  Expr x = m.input("x", DType::kF64, {2});
  EXPECT_EQ(make(m.scope, "Optional", {x}).type().text(), "optional(f64[2])");
  EXPECT_EQ(m.get(make(m.scope, "Optional", {x})).type().text(), "f64[2]");
  Expr items = make(m.scope, "SequenceConstruct", {x});
  EXPECT_EQ(make(m.scope, "Optional", {items}).type().text(), "optional(sequence(f64[2]))");
  EXPECT_EQ(m.get(make(m.scope, "Optional", {items})).type().text(), "sequence(f64[2])");
  EXPECT_FALSE(optional_of("f64") == optional_of("seq(f64)"));
}

TEST(Optional, AreFedAndFetched) {
  Maybe m;
  Expr tensor = m.fed("tensor", "f64[2]"), items = m.fed("items", "seq(f64)");
  const Tensor two = numbers({1, 2});
  auto out = m.run({tensor, items}, {Tensor::optional({two}), Tensor::optional({Tensor::sequence({two, two})})},
                   {m.get(tensor), m.get(items), m.has(tensor), items});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_TRUE((*out)[0].same_bits(two));
  EXPECT_EQ((*out)[1].kind(), Kind::kSequence);
  EXPECT_EQ((*out)[1].count(), 2);
  EXPECT_TRUE(*(*out)[2].as<bool>());
  EXPECT_EQ((*out)[3].kind(), Kind::kOptional);
  out = m.run({tensor}, {Tensor::optional({})}, {m.has(tensor), tensor});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_FALSE(*(*out)[0].as<bool>());
  EXPECT_EQ((*out)[1].kind(), Kind::kOptional);
  EXPECT_EQ((*out)[1].count(), 0);
}

TEST(Optional, TellsWhatDoesNotFit) {
  Maybe m;
  Expr tensor = m.fed("tensor", "f64[2]"), items = m.fed("items", "seq(f64)");
  Expr y = m.get(tensor), z = m.has(items);
  expect_error(m.run({tensor}, {Tensor::optional({})}, {y}).status(), Code::kFailedPrecondition,
               "the optional has no element");
  expect_error(m.run({tensor}, {Tensor::optional({numbers({1})})}, {y}).status(), Code::kInvalidArgument,
               "what is held by the tensor fed to 'tensor' is f64[1] but must be f64[2]");
  expect_error(m.run({tensor}, {numbers({1, 2})}, {y}).status(), Code::kInvalidArgument,
               "'tensor' is f64[2] but must be optional(f64[2])");
  expect_error(m.run({items}, {Tensor::optional({numbers({1})})}, {z}).status(), Code::kInvalidArgument,
               "must be sequence(f64[...])");
  expect_error(m.run({items}, {Tensor::optional({Tensor::sequence({Tensor::scalar<int64_t>(1)})})}, {z}).status(),
               Code::kInvalidArgument, "has an item that is i64[]");
}

TEST(Optional, HasGradientsWhetherItIsThereOrNot) {
  Maybe m;
  Expr flag = m.input("flag", DType::kBool, {}), x = m.input("x", DType::kF64, {2});
  Body yes(m.graph), no(m.graph);
  yes.returns({make(*yes.scope, "Optional", {yes.use(x) * yes.use(x)})});
  no.returns({make(*no.scope, "Optional", std::vector<Expr>(), {{"type", "f64[2]"}})});
  Expr maybe = make(m.scope, "If", {flag}, {{"then_branch", GraphRef(yes.graph)}, {"else_branch", GraphRef(no.graph)}});
  // Used twice, so that gradients of optionals are added.
  Expr y = m.twice_or(maybe, x) + m.twice_or(maybe, x * 5.0);
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  Expr g = m.gradients(y, {x})[0];
  const auto all = [&](bool there, Expr fetch) {
    return m.values({flag, x}, {Tensor::scalar<bool>(there), numbers({3, 4})}, fetch);
  };
  EXPECT_EQ(all(true, y), (Values{36, 64}));
  EXPECT_EQ(all(true, g), (Values{24, 32}));
  EXPECT_EQ(all(false, y), (Values{18, 24}));
  EXPECT_EQ(all(false, g), (Values{6, 6}));
  Expr second = m.gradients(g, {x})[0];
  EXPECT_EQ(all(true, second), (Values{8, 8}));
  EXPECT_EQ(all(false, second), (Values{0, 0}));
}

TEST(Optional, HasGradientsOfSequences) {
  Maybe m;
  Expr x = m.input("x", DType::kF64, {2}), y = m.input("y", DType::kF64, {1});
  Expr held = make(m.scope, "Optional", {make(m.scope, "SequenceConstruct", {x * x, y})});
  const auto item = [&](int64_t i) { return make(m.scope, "SequenceAt", {m.get(held), constant_int(m.scope, i)}); };
  std::vector<Expr> g = m.gradients(item(0) * item(1), {x, y});
  const std::vector<Tensor> given = {numbers({3, 4}), numbers({5})};
  EXPECT_EQ(m.values({x, y}, given, g[0]), (Values{30, 40}));
  EXPECT_EQ(m.values({x, y}, given, g[1]), (Values{25}));
}

// What is carried in as an optional may come out as what it holds.
TEST(Optional, IsCarriedByALoop) {
  Maybe m;
  Expr n = m.input("n", DType::kI64, {}), start = m.fed("start", "f64[1]");
  LoopBody body(m.graph, {start});
  Body yes(body.graph), no(body.graph);
  yes.returns({make(*yes.scope, "OptionalGetElement", {yes.use(body.carried[0])})});
  no.returns({constant(*no.scope, numbers({1}))});
  Expr now = make(*body.scope, "If", {make(*body.scope, "OptionalHasElement", {body.carried[0]})},
                  {{"then_branch", GraphRef(yes.graph)}, {"else_branch", GraphRef(no.graph)}});
  body.returns({body.condition, now * 2.0});
  Expr y = loop(m.scope, n, {}, {start}, body)[0];
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  EXPECT_EQ(y.type().kind, Kind::kTensor);
  EXPECT_EQ(m.values({n, start}, {count_of(3), Tensor::optional({})}, y), Values{8});
  EXPECT_EQ(m.values({n, start}, {count_of(3), Tensor::optional({numbers({5})})}, y), Values{40});
  EXPECT_EQ(m.values({n, start}, {count_of(0), Tensor::optional({numbers({5})})}, y), Values{5});
  expect_error(m.run({n, start}, {count_of(0), Tensor::optional({})}, {y}).status(), Code::kFailedPrecondition,
               "still an empty optional");
}

TEST(Optional, IsSavedAndLoaded) {
  Maybe m;
  Expr maybe = m.fed("maybe", "seq(f64)"), other = m.fed("other", "f64[2]");
  Expr empty = make(m.scope, "Optional", std::vector<Expr>(), {{"type", "seq(f64)"}});
  Result<std::string> bytes =
      save_onnx_bytes(*m.graph, {m.get(maybe).id(), m.has(empty).id(), m.has(other).id(), empty.id()}, {}, {});
  ASSERT_TRUE(bytes.ok()) << bytes.status().text();
  Result<std::shared_ptr<Graph>> loaded = load_onnx_bytes(builtin_ops(), *bytes, "", {});
  ASSERT_TRUE(loaded.ok()) << loaded.status().text();
  const Graph& graph = **loaded;
  EXPECT_EQ(graph.type(graph.find("maybe")).text(), "optional(sequence(f64[...]))");
  EXPECT_EQ(graph.type(graph.find("other")).text(), "optional(f64[2])");
  EXPECT_EQ(graph.type(graph.outputs()[0]).text(), "sequence(f64[...])");
  EXPECT_EQ(graph.type(graph.outputs()[3]).text(), "optional(sequence(f64[...]))");
}

}  // namespace
}  // namespace weft
