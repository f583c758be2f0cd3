// Sequences in graphs: what is known of their shapes, gradients, and feeds that do not fit.
#include "tests/core/runtime/model_common.h"

namespace weft {
namespace {

struct Pair : TestModel {
  Expr x = input("x", DType::kF64, {Dim::symbol("n")}), y = input("y", DType::kF64, {Dim::symbol("m")});
  Expr s = make(scope, "SequenceConstruct", {x, y});
  Values all(Expr fetch) { return values({x, y}, {numbers({1, 2}), numbers({3, 4, 5})}, fetch); }
  Expr fed_sequence(const char* name) {
    ValueType type;
    type.kind = Kind::kSequence;
    type.dtype = DType::kF64;
    return Expr(scope, *graph->add_input(name, type));
  }
};

TEST(Sequence, ItemsKeepWhatAllShapesHaveInCommon) {
  TestModel m;
  Expr a = m.input("a", DType::kF64, {Dim::symbol("n"), 3, 1}), b = m.input("b", DType::kF64, {Dim::symbol("n"), 4, 1});
  Expr s = make(m.scope, "SequenceConstruct", {a, b});
  Expr first = at(s, 0), second = at(s, 1);
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  ASSERT_TRUE(first.has_rank());
  EXPECT_TRUE(first.dims()[0] == Dim::symbol("n"));
  EXPECT_FALSE(first.dims()[1].known());
  EXPECT_TRUE(first.dims()[2].is(1));
  // The items differ there, so two of them must not look alike.
  EXPECT_FALSE(first.dims()[1] == second.dims()[1]);
  Expr other_rank = make(m.scope, "SequenceConstruct", {a, m.input("c", DType::kF64, {2})});
  EXPECT_FALSE(at(other_rank, 0).has_rank());
}

TEST(Sequence, GradientsReachTheTensorsThatWentIn) {
  Pair m;
  Expr z = make(m.scope, "ReduceSum", {at(m.s, 0) * at(m.s, 0)}, {{"keepdims", int64_t{0}}}) * at(m.s, -1);
  std::vector<Expr> g = m.gradients(z, {m.x, m.y});
  EXPECT_EQ(m.all(g[0]), (Values{24, 48}));  // 2 x * (3 + 4 + 5)
  EXPECT_EQ(m.all(g[1]), (Values{5, 5, 5}));
  std::vector<Expr> second = m.gradients(g[0], {m.x, m.y});
  EXPECT_EQ(m.all(second[0]), (Values{24, 24}));
  EXPECT_EQ(m.all(second[1]), (Values{6, 6, 6}));  // the sum of 2 x
}

TEST(Sequence, AnItemThatNobodyReadsHasTheGradientZero) {
  Pair m;
  std::vector<Expr> g = m.gradients(at(m.s, 1) * 3.0, {m.x, m.y});
  EXPECT_EQ(m.all(g[0]), (Values{0, 0}));
  EXPECT_EQ(m.all(g[1]), (Values{3, 3, 3}));
}

TEST(Sequence, GradientsByAFedSequence) {
  Pair m;
  Expr s = m.fed_sequence("s");
  Expr picked = at(s, 0) * at(s, 0) + at(s, 2);
  Expr g = m.gradients(picked, {s})[0];
  EXPECT_EQ(g.type().kind, Kind::kSequence);
  Tensor value = Tensor::sequence({numbers({1, 2}), numbers({7}), numbers({3, 4})});
  auto out = m.run({s}, {value}, {g});
  ASSERT_TRUE(out.ok()) << out.status().text();
  Tensor wanted = Tensor::sequence({numbers({2, 4}), numbers({0}), numbers({1, 1})});
  EXPECT_TRUE((*out)[0].same_bits(wanted));
  expect_error(differentiate(*m.graph, {s.id()}, {s.id()}, {}).status(), Code::kInvalidArgument, "without a weight");
}

TEST(Sequence, GradientsThroughBranches) {
  Pair m;
  Expr c = m.input("c", DType::kBool, {});
  std::shared_ptr<Graph> yes = *Graph::make_subgraph(m.graph), no = *Graph::make_subgraph(m.graph);
  ExprScope in_yes(*yes), in_no(*no);
  Expr picked = at(Expr(in_yes, *yes->capture(*m.graph, m.s.id())), 0);
  ASSERT_TRUE(yes->set_outputs({(picked * picked).id()}).ok());
  ASSERT_TRUE(no->set_outputs({constant(in_no, numbers({1, 1})).id()}).ok());
  Expr z = make(m.scope, "If", {c}, {{"then_branch", GraphRef(yes)}, {"else_branch", GraphRef(no)}});
  std::vector<Expr> g = m.gradients(z, {m.x, m.y});
  for (bool taken : {true, false}) {
    std::vector<Tensor> given{Tensor::scalar<bool>(taken), numbers({1, 2}), numbers({3, 4, 5})};
    EXPECT_EQ(m.values({c, m.x, m.y}, given, g[0]), taken ? (Values{2, 4}) : (Values{0, 0}));
    EXPECT_EQ(m.values({c, m.x, m.y}, given, g[1]), (Values{0, 0, 0}));
  }
}

TEST(Sequence, FedItemsMustHaveTheElementType) {
  Pair m;
  Expr s = m.fed_sequence("s");
  Expr z = at(s, 1) + 1.0;
  EXPECT_EQ(m.values({s}, {Tensor::sequence({numbers({1}), numbers({2, 3})})}, z), (Values{3, 4}));
  Tensor mixed = Tensor::sequence({numbers({1}), Tensor::vector<float>({2})});
  expect_error(m.run({s}, {mixed}, {z}).status(), Code::kInvalidArgument, "f32[1]");
  expect_error(m.run({s}, {numbers({1})}, {z}).status(), Code::kInvalidArgument, "'s' is f64[1]");
  expect_error(m.run({s}, {Tensor::sequence({})}, {z}).status(), Code::kOutOfRange, "has 0 items");
  Tensor nested = Tensor::sequence({Tensor::sequence({numbers({1})})});
  expect_error(m.run({s}, {nested}, {z}).status(), Code::kInvalidArgument, "sequence of 1");
}

// An element type without items: no case can say that of a sequence that is fed.
TEST(Sequence, WithoutItems) {
  Pair m;
  Expr none =
      make(m.scope, "SequenceEmpty", std::initializer_list<Expr>{}, {{"dtype", static_cast<int64_t>(DType::kF64)}});
  Expr one = make(m.scope, "SequenceInsert", {none, m.x, constant_int(m.scope, 0)});
  Expr counts = cast(make(m.scope, "SequenceLength", {none}) + make(m.scope, "SequenceLength", {one}), DType::kF64);
  EXPECT_EQ(m.all(counts), Values{1});
  EXPECT_EQ(m.all(at(one, -1)), (Values{1, 2}));
  Expr joined = make(m.scope, "ConcatFromSequence", {none}, {{"axis", int64_t{0}}});
  expect_error(m.run({m.x, m.y}, {numbers({1}), numbers({2})}, {joined}).status(), Code::kInvalidArgument, "no items");
  // Nothing is cut into nothing, whose gradient is nothing.
  Expr parts = make(m.scope, "SplitToSequence", {m.x * 2.0});
  Expr whole =
      make(m.scope, "ConcatFromSequence", {make(m.scope, "SequenceInsert", {parts, m.y})}, {{"axis", int64_t{0}}});
  Expr g = m.gradients(whole * whole, {m.x})[0];
  for (const Values& x : {Values{}, Values{1, 2}}) {
    Values want = x;
    for (double& value : want) value *= 8;
    EXPECT_EQ(m.values({m.x, m.y}, {numbers(x), numbers({3, 4, 5})}, g), want);
  }
}

}  // namespace
}  // namespace weft
