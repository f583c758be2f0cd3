// If: branches, captures, nesting, gradients, shapes and errors. Expected numbers are worked out by hand.
#include <cmath>

#include "tests/core/runtime/model_common.h"

namespace weft {
namespace {

// A sub-graph under construction.
struct Branch {
  std::shared_ptr<Graph> graph;
  std::unique_ptr<ExprScope> scope;

  explicit Branch(const std::shared_ptr<Graph>& parent)
      : graph(*Graph::make_subgraph(parent)), scope(std::make_unique<ExprScope>(*graph)) {}
  Expr use(Expr outer) { return Expr(*scope, *graph->capture(outer.scope().graph(), outer.id())); }
  Branch& returns(const std::vector<Expr>& values) {
    EXPECT_TRUE(scope->status().ok()) << scope->status().text();
    std::vector<ValueId> ids;
    for (Expr value : values) ids.push_back(value.id());
    EXPECT_TRUE(graph->set_outputs(ids).ok());
    return *this;
  }
};

std::vector<Expr> choose_all(Expr condition, const Branch& yes, const Branch& no, int outputs) {
  return make_all(condition.scope(), "If", {condition},
                  {{"then_branch", GraphRef(yes.graph)}, {"else_branch", GraphRef(no.graph)}}, outputs);
}
Expr choose(Expr condition, const Branch& yes, const Branch& no) { return choose_all(condition, yes, no, 1)[0]; }

const Tensor kTrue = Tensor::scalar<bool>(true), kFalse = Tensor::scalar<bool>(false);

TEST(If, TakesTheBranchThatTheConditionNames) {
  TestModel m;
  Expr c = m.input("c", DType::kBool, {}), x = m.input("x", DType::kF64, {Dim::symbol("n")});
  Branch yes(m.graph), no(m.graph);
  yes.returns({yes.use(x) * 2.0});
  no.returns({no.use(x) - 1.0});
  Expr y = choose(c, yes, no);
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  EXPECT_EQ(y.type().text(), "f64[n]");
  EXPECT_EQ(m.values({c, x}, {kTrue, numbers({1, 5})}, y), (Values{2, 10}));
  EXPECT_EQ(m.values({c, x}, {kFalse, numbers({1, 5})}, y), (Values{0, 4}));
  EXPECT_EQ(m.values({c, x}, {kFalse, numbers({})}, y), Values{});
}

TEST(If, MayGiveFewerOutputsThanItsBranchesHave) {
  TestModel m;
  Expr c = m.input("c", DType::kBool, {}), x = m.input("x", DType::kF64, {2});
  Branch yes(m.graph), no(m.graph);
  yes.returns({yes.use(x) * 2.0, yes.use(x) * 3.0, yes.use(x) * 4.0});
  no.returns({no.use(x) - 1.0, no.use(x), no.use(x)});
  Expr y = choose(c, yes, no);
  EXPECT_EQ(m.values({c, x}, {kTrue, numbers({1, 5})}, y + x), (Values{3, 15}));
  EXPECT_EQ(m.values({c, x}, {kFalse, numbers({1, 5})}, y + x), (Values{1, 9}));
}

TEST(If, GoesOnWithWhatTheBranchGave) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {Dim::symbol("n")});
  Expr total = make(m.scope, "ReduceSum", {x}, {{"keepdims", int64_t{0}}});
  Expr positive = make(m.scope, "Greater", {total, scalar_like(total, 0)});
  Branch yes(m.graph), no(m.graph);
  Expr inner = yes.use(x);
  yes.returns({concat({inner, inner}, 0)});
  no.returns({make(*no.scope, "Neg", {no.use(x)})});
  Expr y = choose(positive, yes, no);
  ASSERT_TRUE(y.has_rank());
  EXPECT_FALSE(y.dims()[0].known());
  EXPECT_FALSE(y.dims()[0] == Dim::symbol("n"));
  Expr size = cast(make(m.scope, "Size", {y}), DType::kF64);
  Expr out = concat({y * y + 1.0, reshape(size, constant_ints(m.scope, {1}))}, 0);
  EXPECT_EQ(m.values({x}, {numbers({1, 2})}, out), (Values{2, 5, 2, 5, 4}));
  EXPECT_EQ(m.values({x}, {numbers({-1, -2})}, out), (Values{2, 5, 2}));
}

TEST(If, OnlyTheBranchThatIsTakenRuns) {
  TestModel m;
  Expr c = m.input("c", DType::kBool, {}), x = m.input("x", DType::kF64, {1});
  Branch yes(m.graph), no(m.graph);
  std::vector<Expr> called = make_all(*yes.scope, "weft.HostCall", {yes.use(x)},
                                      {{"name", "if_test.never"},
                                       {"dtypes", std::vector<std::string>{"f64"}},
                                       {"shapes", std::vector<std::string>{"1"}}},
                                      1);
  yes.returns(called);
  no.returns({no.use(x)});
  Expr y = choose(c, yes, no);
  EXPECT_EQ(m.values({c, x}, {kFalse, numbers({3})}, y), Values{3});
  expect_error(m.run({c, x}, {kTrue, numbers({3})}, {y}).status(), Code::kFailedPrecondition, "if_test.never");
}

TEST(If, ReturnsCapturedValuesAndConstantsAsTheyAre) {
  TestModel m;
  Expr c = m.input("c", DType::kBool, {1}), x = m.input("x", DType::kF64, {2}), k = m.input("k", DType::kI64, {});
  Branch yes(m.graph), no(m.graph);
  yes.returns({yes.use(x), yes.use(k), yes.use(x)});
  no.returns({constant(*no.scope, numbers({7, 8})), constant_int(*no.scope, 9), no.use(x)});
  std::vector<Expr> y = choose_all(c, yes, no, 3);
  for (bool taken : {true, false}) {
    Tensor condition = *Tensor::from_bytes(DType::kBool, {1}, &taken, 1);
    auto out = m.run({c, x, k}, {condition, numbers({1, 2}), Tensor::scalar<int64_t>(4)}, y);
    ASSERT_TRUE(out.ok()) << out.status().text();
    EXPECT_EQ((*out)[0].as<double>()[1], taken ? 2 : 8);
    EXPECT_EQ(*(*out)[1].as<int64_t>(), taken ? 4 : 9);
    EXPECT_EQ((*out)[2].as<double>()[1], 2);
  }
}

// if c: (if d: x * w else: x + w) else: w
struct Nested : TestModel {
  Expr c = input("c", DType::kBool, {}), d = input("d", DType::kBool, {});
  Expr x = input("x", DType::kF64, {2}), w = variable("w", 3);
  Expr y;

  Nested() {
    Branch yes(graph), no(graph);
    Branch inner_yes(yes.graph), inner_no(yes.graph);
    inner_yes.returns({inner_yes.use(x) * inner_yes.use(w)});
    // x comes in through the branch between as a value of its own.
    Expr between = yes.use(x);
    inner_no.returns({inner_no.use(between) + inner_no.use(w)});
    yes.returns({choose(yes.use(d), inner_yes, inner_no)});
    no.returns({expand_like(no.use(w), no.use(x))});
    y = choose(c, yes, no);
  }
  Values all(bool first, bool second, Expr fetch) {
    return values({c, d, x},
                  {Tensor::scalar<bool>(first), Tensor::scalar<bool>(second), Tensor::vector<double>({1, 5})}, fetch);
  }
};

TEST(If, NestsAndReadsVariablesFromOutside) {
  Nested m;
  EXPECT_EQ(m.all(true, true, m.y), (Values{3, 15}));
  EXPECT_EQ(m.all(true, false, m.y), (Values{4, 8}));
  EXPECT_EQ(m.all(false, true, m.y), (Values{3, 3}));
}

TEST(If, NestedGradients) {
  Nested m;
  std::vector<Expr> g = m.gradients(m.y, {m.x, m.w});
  EXPECT_EQ(m.all(true, true, g[0]), (Values{3, 3}));
  EXPECT_EQ(m.all(true, true, g[1]), (Values{6}));
  EXPECT_EQ(m.all(true, false, g[0]), (Values{1, 1}));
  EXPECT_EQ(m.all(true, false, g[1]), (Values{2}));
  EXPECT_EQ(m.all(false, true, g[0]), (Values{0, 0}));
  EXPECT_EQ(m.all(false, true, g[1]), (Values{2}));
}

TEST(If, GradientsOfAnyOrder) {
  TestModel m;
  Expr c = m.input("c", DType::kBool, {}), x = m.input("x", DType::kF64, {Dim::symbol("n")}),
       unused = m.input("unused", DType::kF64, {1});
  Branch yes(m.graph), no(m.graph);
  Expr in_yes = yes.use(x);
  yes.returns({in_yes * in_yes * in_yes});
  no.returns({make(*no.scope, "Sin", {no.use(x)}) + no.use(unused)});
  Expr y = choose(c, yes, no) * 2.0;
  Expr first = m.gradients(y, {x})[0];
  Expr second = m.gradients(first, {x})[0];
  Expr third = m.gradients(second, {x})[0];
  Values at{0.5, 2};
  EXPECT_EQ(m.values({c, x, unused}, {kTrue, numbers(at), numbers({1})}, first), (Values{1.5, 24}));
  EXPECT_EQ(m.values({c, x, unused}, {kTrue, numbers(at), numbers({1})}, second), (Values{6, 24}));
  EXPECT_EQ(m.values({c, x, unused}, {kTrue, numbers(at), numbers({1})}, third), (Values{12, 12}));
  Values sin_first = m.values({c, x, unused}, {kFalse, numbers(at), numbers({1})}, first);
  Values sin_third = m.values({c, x, unused}, {kFalse, numbers(at), numbers({1})}, third);
  ASSERT_EQ(sin_first.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(sin_first[i], 2 * std::cos(at[i]), 1e-12);
    EXPECT_NEAR(sin_third[i], -2 * std::cos(at[i]), 1e-12);
  }
  Expr by_unused = m.gradients(y, {unused})[0];
  EXPECT_EQ(m.values({c, x, unused}, {kTrue, numbers(at), numbers({1})}, by_unused), Values{0});
  EXPECT_EQ(m.values({c, x, unused}, {kFalse, numbers(at), numbers({1})}, by_unused), Values{4});
}

TEST(If, SeveralOutputsOfWhichSomeCarryGradients) {
  TestModel m;
  Expr c = m.input("c", DType::kBool, {}), x = m.input("x", DType::kF64, {2});
  Branch yes(m.graph), no(m.graph);
  yes.returns({constant_int(*yes.scope, 1), yes.use(x) * 3.0, yes.use(x) * 5.0});
  no.returns({constant_int(*no.scope, 2), no.use(x), constant(*no.scope, numbers({1, 1}))});
  std::vector<Expr> y = choose_all(c, yes, no, 3);
  Expr both = y[1] + y[2], one = y[2] * cast(y[0], DType::kF64);
  Expr g_both = m.gradients(both, {x})[0], g_one = m.gradients(one, {x})[0];
  EXPECT_EQ(m.values({c, x}, {kTrue, numbers({1, 1})}, g_both), (Values{8, 8}));
  EXPECT_EQ(m.values({c, x}, {kFalse, numbers({1, 1})}, g_both), (Values{1, 1}));
  EXPECT_EQ(m.values({c, x}, {kTrue, numbers({1, 1})}, g_one), (Values{5, 5}));
  EXPECT_EQ(m.values({c, x}, {kFalse, numbers({1, 1})}, g_one), (Values{0, 0}));
}

TEST(If, KnowsOfShapesWhatTheBranchesAgreeOn) {
  TestModel m;
  Expr c = m.input("c", DType::kBool, {}), x = m.input("x", DType::kF64, {Dim::symbol("n"), 3});
  Branch yes(m.graph), no(m.graph);
  Expr a = yes.use(x), b = no.use(x);
  yes.returns({a, concat({a, a}, 1), a});
  no.returns({b, b, make(*no.scope, "ReduceSum", {b}, {{"keepdims", int64_t{0}}})});
  std::vector<Expr> y = choose_all(c, yes, no, 3);
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  EXPECT_EQ(y[0].type().text(), "f64[n, 3]");
  EXPECT_TRUE(y[1].dims()[0] == Dim::symbol("n"));
  EXPECT_FALSE(y[1].dims()[1].known());
  EXPECT_FALSE(y[2].has_rank());
  Expr sum = make(m.scope, "ReduceSum", {y[2] * 2.0}, {{"keepdims", int64_t{0}}});
  Tensor value = *numbers({1, 2, 3}).reshaped({1, 3});
  EXPECT_EQ(m.values({c, x}, {kTrue, value}, sum), Values{12});
  EXPECT_EQ(m.values({c, x}, {kFalse, value}, sum), Values{12});
}

TEST(If, AConditionThatIsKnownOnlyAfterATensorStep) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {Dim::symbol("n")});
  Expr found = make(m.scope, "NonZero", {x});
  Expr any = make(m.scope, "Greater", {make(m.scope, "Size", {found}), constant_int(m.scope, 0)});
  Branch yes(m.graph), no(m.graph);
  yes.returns({make(*yes.scope, "Gather", {yes.use(x), squeeze(yes.use(found), {0})})});
  no.returns({constant(*no.scope, numbers({-1}))});
  Expr y = choose(any, yes, no);
  Expr g = m.gradients(y, {x})[0];
  EXPECT_EQ(m.values({x}, {numbers({0, 4, 0, 5})}, y), (Values{4, 5}));
  EXPECT_EQ(m.values({x}, {numbers({0, 0})}, y), Values{-1});
  EXPECT_EQ(m.values({x}, {numbers({0, 4, 0, 5})}, g), (Values{0, 1, 0, 1}));
  EXPECT_EQ(m.values({x}, {numbers({0, 0})}, g), (Values{0, 0}));
}

TEST(If, RefusesBranchesThatDoNotFitTogether) {
  TestModel m;
  Expr c = m.input("c", DType::kBool, {}), x = m.input("x", DType::kF64, {2});
  auto attempt = [&](Expr condition, const Branch& yes, const Branch& no, int outputs) {
    ExprScope scope(*m.graph);
    choose_all(Expr(scope, condition.id()), yes, no, outputs);
    return scope.status();
  };
  Branch one(m.graph), two(m.graph), ints(m.graph), nothing(m.graph);
  one.returns({one.use(x)});
  two.returns({two.use(x), two.use(x)});
  ints.returns({constant_ints(*ints.scope, {1, 2})});
  expect_error(attempt(c, one, two, 1), Code::kInvalidArgument, "1 outputs but 'else_branch' has 2");
  expect_error(attempt(c, one, ints, 1), Code::kInvalidArgument, "output 0 is f64[2] in 'then_branch' but i64[2]");
  expect_error(attempt(c, one, one, 2), Code::kInvalidArgument, "2 are asked for");
  expect_error(attempt(c, nothing, nothing, 1), Code::kInvalidArgument, "no outputs");
  expect_error(attempt(x, one, one, 1), Code::kInvalidArgument, "'cond' is f64");
  Expr pair = m.input("pair", DType::kBool, {2});
  expect_error(attempt(pair, one, one, 1), Code::kInvalidArgument, "one element but is bool[2]");
  Branch with_input(m.graph);
  ValueId own = *with_input.graph->add_input("own", ValueType::tensor(DType::kF64, {2}));
  ASSERT_TRUE(with_input.graph->set_outputs({own}).ok());
  expect_error(attempt(c, with_input, one, 1), Code::kInvalidArgument, "'then_branch' has an input 'own'");
  expect_error(attempt(c, one, with_input, 1), Code::kInvalidArgument, "'else_branch' has an input 'own'");
  TestModel other;
  Branch foreign(other.graph);
  foreign.returns({constant(*foreign.scope, numbers({1, 2}))});
  expect_error(attempt(c, foreign, one, 1), Code::kInvalidArgument, "another graph");
}

TEST(If, RefusesVariablesOfItsOwnAndAssignments) {
  TestModel m;
  Expr w = m.variable("w", 3);
  Branch yes(m.graph);
  Expr initial = scalar(*yes.scope, DType::kF64, 1);
  expect_error(yes.graph->add_variable("v", initial.id(), true).status(), Code::kFailedPrecondition, "outermost graph");
  Expr inside = yes.use(w);
  make(*yes.scope, "weft.Assign", {inside, inside * 2.0});
  expect_error(yes.scope->status(), Code::kInvalidArgument, "must be a variable");
}

TEST(If, ChecksConditionsWhoseShapeOnlyTheRunTells) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {1}), c = m.input("c", DType::kBool, {Dim::symbol("n")});
  Branch yes(m.graph), no(m.graph);
  yes.returns({yes.use(x)});
  no.returns({no.use(x) * 2.0});
  Expr y = choose(c, yes, no);
  Tensor none = *Tensor::make(DType::kBool, {0});
  expect_error(m.run({c, x}, {none, numbers({1})}, {y}).status(), Code::kInvalidArgument, "one element");
  // A condition that is an item of a sequence has a shape only once it is there.
  TestModel n;
  ValueType type;
  type.kind = Kind::kSequence;
  type.dtype = DType::kBool;
  Expr s(n.scope, *n.graph->add_input("s", type)), z = n.input("z", DType::kF64, {1});
  Branch first(n.graph), second(n.graph);
  first.returns({first.use(z)});
  second.returns({second.use(z) * 2.0});
  Expr picked = choose(make(n.scope, "SequenceAt", {s, constant_int(n.scope, 0)}), first, second);
  EXPECT_EQ(n.values({s, z}, {Tensor::sequence({kFalse}), numbers({4})}, picked), Values{8});
  expect_error(n.run({s, z}, {Tensor::sequence({none}), numbers({4})}, {picked}).status(), Code::kInvalidArgument,
               "one element");
}

TEST(If, GraphsInsideGraphsNest32DeepAtMost) {
  TestModel m;
  std::vector<std::shared_ptr<Graph>> chain{m.graph};
  while (chain.size() < 32) chain.push_back(*Graph::make_subgraph(chain.back()));
  expect_error(Graph::make_subgraph(chain.back()).status(), Code::kUnimplemented, "nested 32 deep at most");
  // Nor can outermost graphs, which know of nothing around them, be put one into the other without end.
  std::shared_ptr<Graph> inner = *Graph::make(builtin_ops());
  Status status;
  int levels = 1;
  while (status.ok() && levels < 100) {
    std::shared_ptr<Graph> outer = *Graph::make(builtin_ops()), other = *Graph::make(builtin_ops());
    for (const std::shared_ptr<Graph>& branch : {inner, other}) {
      if (!branch->outputs().empty()) continue;
      ASSERT_TRUE(branch->set_outputs({*branch->add_constant(Tensor::scalar<double>(1))}).ok());
    }
    ValueId yes = *outer->add_constant(kTrue);
    Result<NodeId> node =
        outer->add("", "If", {yes}, {{"then_branch", GraphRef(inner)}, {"else_branch", GraphRef(other)}});
    status = node.status();
    if (status.ok()) {
      ASSERT_TRUE(outer->set_outputs({outer->node(*node).output(0)}).ok());
    }
    levels += status.ok();
    inner = outer;
  }
  EXPECT_EQ(levels, 32);
  expect_error(status, Code::kUnimplemented, "nested 32 deep at most");
}

TEST(If, ASubGraphIsAnAttributeOfOneNode) {
  TestModel m;
  Expr c = m.input("c", DType::kBool, {}), x = m.input("x", DType::kF64, {});
  Branch both(m.graph), other(m.graph);
  both.returns({both.use(x) * 2.0});
  other.returns({other.use(x)});
  auto add = [&](const Branch& yes, const Branch& no) {
    return m.graph->add("", "If", {c.id()}, {{"then_branch", GraphRef(yes.graph)}, {"else_branch", GraphRef(no.graph)}})
        .status();
  };
  expect_error(add(both, both), Code::kInvalidArgument, "is an attribute already");
  EXPECT_TRUE(add(both, other).ok());
  Branch third(m.graph);
  third.returns({third.use(x)});
  expect_error(add(third, both), Code::kInvalidArgument, "'else_branch' is an attribute already");
}

// y = x * 2 at the innermost of 31 levels; the gradient goes through all of them.
TEST(If, TheDeepestNestingIsDifferentiated) {
  TestModel m;
  Expr c = m.input("c", DType::kBool, {}), x = m.input("x", DType::kF64, {});
  std::vector<std::unique_ptr<Branch>> yes, no;
  for (int level = 0; level < 31; ++level) {
    const std::shared_ptr<Graph>& parent = level == 0 ? m.graph : yes.back()->graph;
    no.push_back(std::make_unique<Branch>(parent));
    yes.push_back(std::make_unique<Branch>(parent));
  }
  yes.back()->returns({yes.back()->use(x) * 2.0});
  for (int level = 31; level-- > 0;) {
    no[level]->returns({no[level]->use(x)});
    Expr condition = level == 0 ? c : yes[level - 1]->use(c);
    Expr y = choose(condition, *yes[level], *no[level]);
    if (level > 0) {
      yes[level - 1]->returns({y});
      continue;
    }
    Expr g = m.gradients(y, {x})[0];
    EXPECT_EQ(m.values({c, x}, {kTrue, Tensor::scalar<double>(3)}, g), Values{2});
    EXPECT_EQ(m.values({c, x}, {kFalse, Tensor::scalar<double>(3)}, g), Values{1});
  }
}

}  // namespace
}  // namespace weft
