// Loop: counts, conditions, what is carried and stacked, captures, nesting, shapes and errors. Expected numbers are worked
// out by hand.
#include "tests/core/runtime/subgraph_common.h"

namespace weft {
namespace {

TEST(Loop, CountsAndStacks) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {Dim::symbol("k")});
  LoopBody body(m.graph, {x});
  Expr next = body.carried[0] * 2.0 + cast(body.number, DType::kF64);
  body.returns({body.condition, next, body.carried[0]});
  std::vector<Expr> y = loop(m.scope, n, {}, {x}, body);
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  EXPECT_EQ(y[0].type().text(), "f64[k]");
  ASSERT_EQ(y[1].dims().size(), 2u);
  EXPECT_TRUE(y[1].dims()[1] == Dim::symbol("k"));
  EXPECT_EQ(m.values({n, x}, {count_of(3), numbers({1, 0})}, y[0]), (Values{12, 4}));
  EXPECT_EQ(m.values({n, x}, {count_of(3), numbers({1, 0})}, y[1]), (Values{1, 0, 2, 0, 5, 1}));
  EXPECT_EQ(m.values({n, x}, {count_of(1), numbers({5})}, y[1]), (Values{5}));
  for (int64_t none : {0, -4}) {
    auto out = m.run({n, x}, {count_of(none), numbers({7, 8})}, y);
    ASSERT_TRUE(out.ok()) << out.status().text();
    EXPECT_EQ((*out)[0].as<double>()[1], 8);
    EXPECT_EQ((*out)[1].summary(), "f64[0, 2]");
  }
}

TEST(Loop, GoesOnAsLongAsItsConditionHolds) {
  TestModel m;
  Expr c = m.input("c", DType::kBool, {1}), x = m.input("x", DType::kF64, {});
  LoopBody body(m.graph, {x});
  Expr next = body.carried[0] * 2.0;
  body.returns({make(*body.scope, "Less", {next, scalar_like(next, 100)}), next, next});
  std::vector<Expr> y = loop(m.scope, {}, c, {x}, body);
  auto flag = [](bool b) { return *Tensor::from_bytes(DType::kBool, {1}, &b, 1); };
  EXPECT_EQ(m.values({c, x}, {flag(true), Tensor::scalar<double>(9)}, y[1]), (Values{18, 36, 72, 144}));
  EXPECT_EQ(m.values({c, x}, {flag(true), Tensor::scalar<double>(100)}, y[1]), (Values{200}));
  EXPECT_EQ(m.values({c, x}, {flag(false), Tensor::scalar<double>(9)}, y[0]), (Values{9}));
  EXPECT_EQ(m.values({c, x}, {flag(false), Tensor::scalar<double>(9)}, y[1]), (Values{}));
  // More than the first room is made for.
  EXPECT_EQ(m.values({c, x}, {flag(true), Tensor::scalar<double>(1e-300)}, y[1]).size(), 1004u);
}

TEST(Loop, AConditionThatHasNotOneElementIsRefused) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {Dim::symbol("k")});
  LoopBody body(m.graph, {x});
  Expr next = body.carried[0] * 2.0;
  body.returns({make(*body.scope, "Less", {next, scalar_like(next, 100)}), next});
  Expr y = loop(m.scope, {}, {}, {x}, body)[0];
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  EXPECT_EQ(m.values({x}, {numbers({9})}, y), (Values{144}));
  for (size_t many : {0, 1000}) {
    auto out = m.run({x}, {Tensor::vector<double>(std::vector<double>(many, 1))}, {y});
    ASSERT_FALSE(out.ok());
    EXPECT_NE(out.status().text().find("the condition must have one element"), std::string::npos)
        << out.status().text();
  }
}

TEST(Loop, ACountBelowOneIsNoneWhateverTheCondition) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {});
  LoopBody body(m.graph, {x});
  Expr next = body.carried[0] + 1.0;
  body.returns({make(*body.scope, "Less", {next, scalar_like(next, 5)}), next, next});
  std::vector<Expr> y = loop(m.scope, n, {}, {x}, body);
  EXPECT_EQ(m.values({n, x}, {count_of(-4), Tensor::scalar<double>(3)}, y[0]), (Values{3}));
  EXPECT_EQ(m.values({n, x}, {count_of(-4), Tensor::scalar<double>(3)}, y[1]), (Values{}));
}

// Each of two loops has one that does more, which needs the other one.
TEST(Loop, LoopsThatNeedEachOtherAreNotTakenAsOne) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {}), y = m.input("y", DType::kF64, {});
  auto times = [&](double factor, const std::vector<Expr>& initial) {
    LoopBody body(m.graph, initial);
    std::vector<Expr> out{body.condition, body.carried[0] * factor};
    if (initial.size() > 1) out.push_back(body.carried[1] + 1.0);
    body.returns(out);
    return loop(m.scope, n, {}, initial, body);
  };
  Expr a = times(2, {x})[0], c = times(3, {y})[0];
  std::vector<Expr> b = times(2, {x, c}), d = times(3, {y, a});
  auto out =
      m.run({n, x, y}, {count_of(2), Tensor::scalar<double>(1), Tensor::scalar<double>(1)}, {b[0], b[1], d[0], d[1]});
  ASSERT_TRUE(out.ok()) << out.status().text();
  const double wanted[] = {4, 11, 9, 6};
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(*(*out)[i].as<double>(), wanted[i]) << i;
}

// Nothing is carried, so the node without a condition has no input in its place.
TEST(Loop, OneWithoutAConditionIsNotTakenForOneWithIt) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), begins = m.input("begins", DType::kBool, {});
  std::vector<Expr> out;
  for (Expr condition : {begins, Expr()}) {
    LoopBody body(m.graph, {});
    body.returns({body.condition, cast(body.number, DType::kF64)});
    out.push_back(loop(m.scope, n, condition, {}, body)[0]);
  }
  auto found = m.run({n, begins}, {count_of(2), Tensor::scalar<bool>(false)}, out);
  ASSERT_TRUE(found.ok()) << found.status().text();
  EXPECT_EQ((*found)[0].summary(), "f64[0]");
  EXPECT_EQ((*found)[1].summary(), "f64[2]");
}

TEST(Loop, ACountAndAConditionAreBothHeeded) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {1}), x = m.input("x", DType::kF64, {});
  LoopBody body(m.graph, {x});
  Expr next = body.carried[0] + 1.0;
  body.returns({make(*body.scope, "Less", {next, scalar_like(next, 5)}), next, next * next});
  std::vector<Expr> y = loop(m.scope, n, {}, {x}, body);
  EXPECT_EQ(m.values({n, x}, {Tensor::vector<int64_t>({3}), Tensor::scalar<double>(0)}, y[1]), (Values{1, 4, 9}));
  EXPECT_EQ(m.values({n, x}, {Tensor::vector<int64_t>({9}), Tensor::scalar<double>(3)}, y[1]), (Values{16, 25}));
}

TEST(Loop, KnowsHowOftenItGoesRoundIfItCan) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {Dim::symbol("k"), 2});
  Expr k = make(m.scope, "Gather", {shape_of(x), constant_int(m.scope, 0)});
  for (bool by_shape : {true, false}) {
    LoopBody body(m.graph, {});
    body.returns({make(*body.scope, "Identity", {body.condition}), cast(body.number, DType::kF64)});
    std::vector<Expr> y = loop(m.scope, by_shape ? k : constant_int(m.scope, 4), {}, {}, body);
    ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
    EXPECT_EQ(y[0].type().text(), by_shape ? "f64[k]" : "f64[4]");
  }
}

// The carried value doubles its length in every iteration, though the body is built for what goes in at first.
TEST(Loop, WhatIsCarriedMayGrow) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {2}), w = m.input("w", DType::kF64, {2});
  LoopBody body(m.graph, {x, w});
  body.returns({body.condition, concat({body.carried[0], body.carried[0] + 1.0}, 0), body.carried[1] * 2.0});
  std::vector<Expr> y = loop(m.scope, n, {}, {x, w}, body);
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  ASSERT_TRUE(y[0].has_rank());
  EXPECT_FALSE(y[0].dims()[0].known());
  EXPECT_EQ(y[1].type().text(), "f64[2]");
  EXPECT_EQ(m.values({n, x, w}, {count_of(2), numbers({1, 5}), numbers({1, 1})}, y[0]),
            (Values{1, 5, 2, 6, 2, 6, 3, 7}));
  EXPECT_EQ(m.values({n, x, w}, {count_of(0), numbers({1, 5}), numbers({1, 1})}, y[0]), (Values{1, 5}));
  EXPECT_TRUE(m.graph->verify().ok());
}

TEST(Loop, WhatIsCarriedMayChangeItsRank) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {});
  LoopBody body(m.graph, {x});
  body.returns({body.condition, unsqueeze(body.carried[0], {0})});
  Expr y = loop(m.scope, constant_int(m.scope, 3), {}, {x}, body)[0];
  EXPECT_FALSE(y.has_rank());
  auto out = m.run({x}, {Tensor::scalar<double>(4)}, {y});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_EQ((*out)[0].summary(), "f64[1, 1, 1]");
}

// The first one grows; each of the others is what the one before it was.
TEST(Loop, ManyValuesMayGrowOneAfterTheOther) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {1});
  const std::vector<Expr> initial(1100, x);
  LoopBody body(m.graph, initial);
  std::vector<Expr> next{body.condition, concat({body.carried[0], body.carried[0]}, 0)};
  next.insert(next.end(), body.carried.begin(), body.carried.end() - 1);
  body.returns(next);
  std::vector<Expr> y = loop(m.scope, n, {}, initial, body);
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  for (size_t i : {0, 1, 1099}) {
    ASSERT_EQ(y[i].dims().size(), 1u);
    EXPECT_FALSE(y[i].dims()[0].known()) << i;
  }
}

// Inside of a growing loop, a branch and another loop see what grows.
TEST(Loop, WhatIsInsideOfAGrowingLoopIsMadeToFit) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {1});
  LoopBody body(m.graph, {x});
  Body yes(body.graph), no(body.graph);
  Expr grown = concat({body.carried[0], body.carried[0]}, 0);
  yes.returns({yes.use(grown) * 3.0});
  no.returns({no.use(grown)});
  Expr odd = make(*body.scope, "Equal", {body.number, constant_int(*body.scope, 1)});
  Expr chosen =
      make(*body.scope, "If", {odd}, {{"then_branch", GraphRef(yes.graph)}, {"else_branch", GraphRef(no.graph)}});
  LoopBody inner(body.graph, {chosen});
  inner.returns({inner.condition, inner.carried[0] + inner.use(chosen)});
  Expr added = loop(*body.scope, constant_int(*body.scope, 2), {}, {chosen}, inner)[0];
  body.returns({body.condition, added});
  Expr y = loop(m.scope, n, {}, {x}, body)[0];
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  // First [3, 3], then [27, 27, 27, 27], then 81.
  EXPECT_EQ(m.values({n, x}, {count_of(2), numbers({1})}, y), (Values{27, 27, 27, 27}));
  EXPECT_EQ(m.values({n, x}, {count_of(3), numbers({1})}, y), (Values(8, 81)));
  EXPECT_TRUE(m.graph->verify().ok());
}

TEST(Loop, UsesValuesOfAllGraphsAround) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {2}), w = m.variable("w", 3);
  LoopBody outer(m.graph, {x});
  LoopBody inner(outer.graph, {outer.carried[0]});
  Expr plus = inner.carried[0] * inner.use(w) + cast(inner.use(outer.number), DType::kF64);
  inner.returns({inner.condition, plus, plus});
  std::vector<Expr> done = loop(*outer.scope, constant_int(*outer.scope, 2), {}, {outer.carried[0]}, inner);
  outer.returns({outer.condition, done[0], done[1]});
  std::vector<Expr> y = loop(m.scope, n, {}, {x}, outer);
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  // 0: 1, 2 -> 3, 6 -> 9, 18; 1: -> 28, 55 -> 85, 166
  EXPECT_EQ(m.values({n, x}, {count_of(2), numbers({1, 2})}, y[0]), (Values{85, 166}));
  EXPECT_EQ(m.values({n, x}, {count_of(2), numbers({1, 2})}, y[1]), (Values{3, 6, 9, 18, 28, 55, 85, 166}));
}

TEST(Loop, AFirstIterationMayBroadcastWhatIsCarried) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {}), b = m.input("b", DType::kF64, {Dim::symbol("k")});
  LoopBody body(m.graph, {x});
  body.returns({body.condition, body.carried[0] + body.use(b)});
  Expr y = loop(m.scope, constant_int(m.scope, 5), {}, {x}, body)[0];
  EXPECT_EQ(m.values({x, b}, {Tensor::scalar<double>(1), numbers({1, 2})}, y), (Values{6, 11}));
}

TEST(Loop, TheNumberOfTheIterationMayDecideShapes) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {Dim::symbol("k")});
  LoopBody body(m.graph, {});
  Expr from = reshape(body.number, constant_ints(*body.scope, {1}));
  Expr part = make(*body.scope, "Slice", {body.use(x), constant_ints(*body.scope, {0}), from});
  body.returns({body.condition, make(*body.scope, "ReduceSum", {part}, {{"keepdims", int64_t{0}}})});
  Expr y = loop(m.scope, constant_int(m.scope, 4), {}, {}, body)[0];
  EXPECT_EQ(m.values({x}, {numbers({1, 2, 4, 8})}, y), (Values{0, 1, 3, 7}));
}

TEST(Loop, StacksMustBeAlike) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {1});
  LoopBody body(m.graph, {x});
  body.returns({body.condition, concat({body.carried[0], body.carried[0]}, 0), body.carried[0]});
  std::vector<Expr> y = loop(m.scope, constant_int(m.scope, 3), {}, {x}, body);
  Status status = m.run({x}, {numbers({1})}, {y[1]}).status();
  expect_error(status, Code::kInvalidArgument, "in iteration 1 of 'Loop': what is stacked is f64[2] but was f64[1]");
}

TEST(Loop, ErrorsNameTheNodeAndTheIteration) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {3});
  LoopBody body(m.graph, {});
  Expr item = make(*body.scope, "Gather", {body.use(x), body.number}, {}, "picked");
  body.returns({body.condition, item});
  Expr y = loop(m.scope, constant_int(m.scope, 5), {}, {}, body)[0];
  Status status = m.run({x}, {numbers({1, 2, 3})}, {y}).status();
  expect_error(status, Code::kOutOfRange, "in iteration 3 of 'Loop': ");
  EXPECT_EQ(status.node(), "picked");
  EXPECT_EQ(status.op(), "Gather");
}

TEST(Loop, EndsWhenTheRunIsCancelled) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {});
  LoopBody body(m.graph, {x});
  body.returns({body.condition, body.carried[0] + 1.0});
  Expr y = loop(m.scope, {}, {}, {x}, body)[0];
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  std::shared_ptr<Session> session = *Session::make(m.graph, {});
  Signature signature;
  signature.feeds = {x.id()};
  signature.fetches = {y.id()};
  RunOptions options;
  options.timeout_ns = 20'000'000;
  std::vector<Tensor> out;
  EXPECT_EQ(session->run(signature, {Tensor::scalar<double>(0)}, options, &out).code(), Code::kDeadlineExceeded);
  CancelToken token;
  token.cancel();
  options.timeout_ns = 0;
  options.cancel = &token;
  EXPECT_EQ(session->run(signature, {Tensor::scalar<double>(0)}, options, &out).code(), Code::kCancelled);
}

TEST(Loop, RefusesBodiesThatDoNotFit) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {2}), c = m.input("c", DType::kBool, {});
  auto attempt = [&](const std::vector<Expr>& inputs, const Body& body, int outputs) {
    ExprScope scope(*m.graph);
    std::vector<Expr> here;
    for (Expr input : inputs) here.emplace_back(scope, input.id());
    make_all(scope, "Loop", here, {{"body", GraphRef(body.graph)}}, outputs);
    return scope.status();
  };
  LoopBody none(m.graph, {x});
  none.returns({none.condition, none.carried[0]});
  expect_error(attempt({n, c}, none, 1), Code::kInvalidArgument, "'body' has 3 inputs but must have 2");
  expect_error(attempt({n, c, x}, none, 2), Code::kInvalidArgument, "gives 1 outputs but 2 are asked for");
  expect_error(attempt({x, c, x}, none, 1), Code::kInvalidArgument, "'M' is f64");
  LoopBody ints(m.graph, {x});
  ints.returns({ints.condition, cast(ints.carried[0], DType::kI64)});
  expect_error(attempt({n, c, x}, ints, 1), Code::kInvalidArgument,
               "what is carried in place 0 is f64[2] at first but i64[2] where it leaves 'body'");
  LoopBody short_one(m.graph, {x});
  short_one.returns({short_one.condition});
  expect_error(attempt({n, c, x}, short_one, 1), Code::kInvalidArgument, "1 outputs but must have at least 2");
  LoopBody odd(m.graph, {x});
  odd.returns({odd.carried[0], odd.carried[0]});
  expect_error(attempt({n, c, x}, odd, 1), Code::kInvalidArgument, "the condition, must be one bool but is f64[2]");
  LoopBody good(m.graph, {x});
  good.returns({good.condition, good.carried[0]});
  expect_error(attempt({x, c, n}, good, 1), Code::kInvalidArgument, "'M' is f64");
  EXPECT_TRUE(attempt({n, c, x}, good, 1).ok());
}

// Of a body that plans cannot look into whole, as it has a loop itself: x -> x + sin(sin(x)).
TEST(Loop, NoIterationsStackNothingOfTheRightSizes) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {Dim::symbol("m")});
  LoopBody body(m.graph, {x});
  LoopBody inner(body.graph, {body.carried[0]});
  inner.returns({inner.condition, make(*inner.scope, "Sin", {inner.carried[0]})});
  Expr waved = loop(*body.scope, constant_int(*body.scope, 2), {}, {body.carried[0]}, inner)[0];
  Expr next = body.carried[0] + waved;
  body.returns({body.condition, next, waved});
  std::vector<Expr> y = loop(m.scope, n, {}, {x}, body);
  Result<std::vector<Tensor>> out = m.run({n, x}, {count_of(0), numbers({1, 5})}, {y[1]});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_EQ((*out)[0].shape(), (Shape{0, 2}));
  Expr g = m.gradients(y[0], {x})[0];
  EXPECT_EQ(m.values({n, x}, {count_of(0), numbers({1, 5})}, g), (Values{1, 1}));
}

}  // namespace
}  // namespace weft
