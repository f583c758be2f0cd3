// Gradients through Loop and Scan, of any order. Expected numbers are worked out by hand or are finite differences.
#include <cmath>

#include "core/passes/merge_loops.h"
#include "tests/core/runtime/subgraph_common.h"

namespace weft {
namespace {

Tensor number(double x) { return Tensor::scalar<double>(x); }

// y = x * w^n, with n from data.
struct Power : TestModel {
  Expr n = input("n", DType::kI64, {}), x = input("x", DType::kF64, {}), w = variable("w", 3);
  std::vector<Expr> y;
  Power() {
    LoopBody body(graph, {x});
    Expr next = body.carried[0] * body.use(w);
    body.returns({body.condition, next, next * next});
    y = loop(scope, n, {}, {x}, body);
  }
  Values all(int64_t count, double at, Expr fetch) { return values({n, x}, {count_of(count), number(at)}, fetch); }
};

TEST(LoopGradient, ByWhatIsCarriedAndWhatIsCaptured) {
  Power m;
  std::vector<Expr> g = m.gradients(m.y[0], {m.x, m.w});
  for (int64_t n : {0, 1, 2, 4}) {
    const double k = static_cast<double>(n);
    EXPECT_EQ(m.all(n, 2, m.y[0]), Values{2 * std::pow(3, k)});
    EXPECT_EQ(m.all(n, 2, g[0]), Values{std::pow(3, k)});
    EXPECT_EQ(m.all(n, 2, g[1]), Values{n == 0 ? 0 : 2 * k * std::pow(3, k - 1)});
  }
}

TEST(LoopGradient, OfSecondAndThirdOrder) {
  Power m;
  Expr first = m.gradients(m.y[0], {m.w})[0];
  std::vector<Expr> second = m.gradients(first, {m.w, m.x});
  Expr third = m.gradients(second[0], {m.w})[0];
  ASSERT_TRUE(third.valid());
  EXPECT_EQ(m.all(4, 2, second[0]), Values{2 * 4 * 3 * 9});
  EXPECT_EQ(m.all(4, 2, second[1]), Values{4 * 27});
  EXPECT_EQ(m.all(4, 2, third), Values{2 * 4 * 3 * 2 * 3});
  EXPECT_EQ(m.all(1, 2, second[0]), Values{0});
  EXPECT_EQ(m.all(0, 2, third), Values{0});
}

// x' = x z and z' = z^2, of which x alone is asked for.
TEST(LoopGradient, ByWhatIsCarriedAndNoOutput) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {}), z = m.input("z", DType::kF64, {});
  LoopBody body(m.graph, {x, z});
  body.returns({body.condition, body.carried[0] * body.carried[1], body.carried[1] * body.carried[1]});
  Expr y = make_all(m.scope, "Loop", {n, Expr(), x, z}, {{"body", GraphRef(body.graph)}}, 1)[0];
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  std::vector<Expr> g = m.gradients(y, {x, z});
  const std::vector<Tensor> fed{count_of(2), number(2), number(3)};  // x z^3
  EXPECT_EQ(m.values({n, x, z}, fed, y), Values{54});
  EXPECT_EQ(m.values({n, x, z}, fed, g[0]), Values{27});
  EXPECT_EQ(m.values({n, x, z}, fed, g[1]), Values{54});
}

TEST(LoopGradient, ByStacks) {
  Power m;
  // The sum of x^2 w^(2 i) for i in 1..n.
  std::vector<Expr> g = m.gradients(m.y[1], {m.x, m.w});
  EXPECT_EQ(m.all(2, 2, m.y[1]), (Values{36, 324}));
  EXPECT_EQ(m.all(2, 2, g[0]), Values{2 * 2 * (9 + 81)});
  EXPECT_EQ(m.all(2, 2, g[1]), Values{4 * (2 * 3 + 4 * 27)});
  Expr second = m.gradients(g[1], {m.w})[0];
  EXPECT_EQ(m.all(2, 2, second), Values{4 * (2 + 12 * 9)});
}

// The node that stacks what the gradient needs does what the one that was written does: one of them runs.
TEST(LoopGradient, TheLoopRunsOnceForItsResultAndItsGradient) {
  Power m;
  Expr g = m.gradients(m.y[0], {m.x})[0];
  auto out = m.run({m.n, m.x}, {count_of(3), number(2)}, {m.y[0], g});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_EQ(*(*out)[0].as<double>(), 54);
  EXPECT_EQ(*(*out)[1].as<double>(), 27);
  const std::string text = *m.session->describe();
  EXPECT_NE(text.find("\"Loop: \": 1"), std::string::npos) << text;
}

TEST(LoopGradient, UntilAConditionFails) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {2});
  LoopBody body(m.graph, {x});
  Expr next = body.carried[0] * body.carried[0];
  Expr most = make(*body.scope, "ReduceMax", {next}, {{"keepdims", int64_t{0}}});
  body.returns({make(*body.scope, "Less", {most, scalar_like(most, 50)}), next});
  Expr y = loop(m.scope, {}, {}, {x}, body)[0];
  Expr g = m.gradients(y, {x})[0];
  EXPECT_EQ(m.values({x}, {numbers({2, 3})}, y), (Values{16, 81}));
  EXPECT_EQ(m.values({x}, {numbers({2, 3})}, g), (Values{32, 108}));
  Expr second = m.gradients(g, {x})[0];
  EXPECT_EQ(m.values({x}, {numbers({2, 3})}, second), (Values{48, 108}));
}

TEST(LoopGradient, ThroughShapesThatGrow) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {1}), w = m.input("w", DType::kF64, {});
  LoopBody body(m.graph, {x});
  Expr now = body.carried[0];
  body.returns({body.condition, concat({now * now, now * body.use(w)}, 0)});
  Expr y = loop(m.scope, n, {}, {x}, body)[0];
  std::vector<Expr> g = m.gradients(y, {x, w});
  ASSERT_TRUE(g[0].valid() && g[1].valid());
  std::vector<Tensor> given{count_of(2), numbers({2}), number(3)};
  // x -> [x^2, x w] -> [x^4, x^2 w^2, x^2 w, x w^2]
  EXPECT_EQ(m.values({n, x, w}, given, y), (Values{16, 36, 12, 18}));
  EXPECT_EQ(m.values({n, x, w}, given, g[0]), (Values{32 + 36 + 12 + 9}));
  EXPECT_EQ(m.values({n, x, w}, given, g[1]), (Values{24 + 4 + 12}));
  std::vector<Expr> second = m.gradients(g[0], {x, w});
  EXPECT_EQ(m.values({n, x, w}, given, second[0]), (Values{48 + 18 + 6}));
  EXPECT_EQ(m.values({n, x, w}, given, second[1]), (Values{24 + 4 + 6}));
}

// A recurrent layer: h' = tanh(x W + h U + b).
TEST(LoopGradient, OfARecurrentScan) {
  TestModel m;
  Expr h = m.input("h", DType::kF64, {Dim::symbol("b"), 2}),
       x = m.input("x", DType::kF64, {Dim::symbol("n"), Dim::symbol("b"), 2});
  Expr w = m.input("w", DType::kF64, {2, 2}), u = m.input("u", DType::kF64, {2, 2}),
       b = m.input("bias", DType::kF64, {2});
  Body body(m.graph);
  Expr before = body.input("before", h.type());
  Expr item = body.input("item", DType::kF64, {Dim::symbol("b"), 2});
  Expr next = make(*body.scope, "Tanh", {matmul(item, body.use(w)) + matmul(before, body.use(u)) + body.use(b)});
  body.returns({next, next});
  std::vector<Expr> y = scan(m.scope, {h}, {x}, body);
  Expr loss = make(m.scope, "ReduceSum", {y[1] * y[1]}, {{"keepdims", int64_t{0}}}) +
              make(m.scope, "ReduceSum", {y[0]}, {{"keepdims", int64_t{0}}});
  const std::vector<Expr> feeds{h, x, w, u, b};
  std::vector<Expr> g = m.gradients(loss, feeds);
  std::vector<Tensor> given{*numbers({0.1, -0.2}).reshaped({1, 2}),
                            *numbers({0.5, -1, 0.3, 0.2, -0.4, 0.6}).reshaped({3, 1, 2}),
                            *numbers({0.3, -0.1, 0.2, 0.4}).reshaped({2, 2}),
                            *numbers({0.5, 0.6, -0.7, 0.2}).reshaped({2, 2}), numbers({0.1, -0.3})};
  // The sum of the squares of all gradients, so that their gradient is one of second order.
  Expr squares = scalar(m.scope, DType::kF64, 0);
  for (Expr one : g) {
    ASSERT_TRUE(one.valid());
    squares = squares + make(m.scope, "ReduceSum", {one * one}, {{"keepdims", int64_t{0}}});
  }
  std::vector<Expr> second = m.gradients(squares, feeds);
  for (const auto& [target, derivatives] : {std::pair{loss, g}, std::pair{squares, second}}) {
    for (size_t i = 0; i < feeds.size(); ++i) {
      ASSERT_TRUE(derivatives[i].valid()) << i;
      const Values found = m.values(feeds, given, derivatives[i]);
      ASSERT_EQ(static_cast<int64_t>(found.size()), given[i].count());
      for (int64_t k = 0; k < given[i].count(); ++k) {
        double sides[2];
        for (int side : {0, 1}) {
          std::vector<Tensor> moved = given;
          moved[i] = *given[i].copy();
          moved[i].as<double>()[k] += side == 0 ? -1e-5 : 1e-5;
          sides[side] = m.values(feeds, moved, target)[0];
        }
        EXPECT_NEAR(found[k], (sides[1] - sides[0]) / 2e-5, 1e-7) << "input " << i << ", element " << k;
      }
    }
  }
}

TEST(LoopGradient, AlongOtherAxesAndFromTheEnd) {
  TestModel m;
  Expr h = m.input("h", DType::kF64, {2}), x = m.input("x", DType::kF64, {2, 3});
  Body body(m.graph);
  Expr before = body.input("before", DType::kF64, {2}), item = body.input("item", DType::kF64, {2});
  Expr next = before * item;
  body.returns({next, next});
  std::vector<Expr> y = scan(m.scope, {h}, {x}, body,
                             {{"scan_input_axes", std::vector<int64_t>{1}},
                              {"scan_input_directions", std::vector<int64_t>{1}},
                              {"scan_output_axes", std::vector<int64_t>{1}},
                              {"scan_output_directions", std::vector<int64_t>{1}}});
  Expr weights = constant(m.scope, *numbers({1, 10, 100, 1, 1, 1}).reshaped({2, 3}));
  std::vector<Expr> g = m.gradients(y[1] * weights, {h, x});
  std::vector<Tensor> given{numbers({1, 2}), *numbers({2, 3, 5, 7, 11, 13}).reshaped({2, 3})};
  // Of the first row: h x2, h x2 x1, h x2 x1 x0, weighted by 100, 10 and 1.
  EXPECT_EQ(m.values({h, x}, given, y[1]), (Values{30, 15, 5, 2002, 286, 26}));
  EXPECT_EQ(m.values({h, x}, given, g[0]), (Values{500 + 150 + 30, 13 + 143 + 1001}));
  EXPECT_EQ(m.values({h, x}, given, g[1]), (Values{15, 50 + 10, 100 + 30 + 6, 286, 26 + 182, 2 + 22 + 154}));
}

TEST(LoopGradient, OfLoopsInsideOfLoopsAndBranches) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {}), w = m.input("w", DType::kF64, {});
  LoopBody outer(m.graph, {x});
  LoopBody inner(outer.graph, {outer.carried[0]});
  inner.returns({inner.condition, inner.carried[0] * inner.use(w)});
  Expr powered = loop(*outer.scope, outer.number, {}, {outer.carried[0]}, inner)[0];
  Body yes(outer.graph), no(outer.graph);
  Expr in_yes = yes.use(powered);
  yes.returns({in_yes * in_yes});
  no.returns({no.use(powered)});
  Expr two = make(*outer.scope, "Equal", {outer.number, constant_int(*outer.scope, 2)});
  outer.returns({outer.condition, make(*outer.scope, "If", {two},
                                       {{"then_branch", GraphRef(yes.graph)}, {"else_branch", GraphRef(no.graph)}})});
  // x -> x -> x w -> (x w^3)^2
  Expr y = loop(m.scope, n, {}, {x}, outer)[0];
  std::vector<Expr> g = m.gradients(y, {x, w});
  std::vector<Tensor> given{count_of(3), number(3), number(2)};
  EXPECT_EQ(m.values({n, x, w}, given, y), Values{576});
  EXPECT_EQ(m.values({n, x, w}, given, g[0]), Values{2 * 3 * 64});
  EXPECT_EQ(m.values({n, x, w}, given, g[1]), Values{9 * 6 * 32});
  Expr second = m.gradients(g[1], {w})[0];
  EXPECT_EQ(m.values({n, x, w}, given, second), Values{9 * 30 * 16});
}

TEST(LoopGradient, OfWhatDoesNotGoRound) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {2}), z = m.input("z", DType::kF64, {2});
  LoopBody body(m.graph, {x, z});
  // The first is only counted up, the second is what the first was: its gradient comes from one iteration before.
  body.returns({body.condition, body.carried[0] + body.use(z), body.carried[0]});
  std::vector<Expr> y = loop(m.scope, n, {}, {x, z}, body);
  std::vector<Expr> g = m.gradients(y[1], {x, z});
  for (int64_t count : {0, 1, 3}) {
    std::vector<Tensor> given{count_of(count), numbers({1, 2}), numbers({3, 4})};
    const double by_x = count > 0 ? 1 : 0, by_z = count == 0 ? 1 : static_cast<double>(count - 1);
    EXPECT_EQ(m.values({n, x, z}, given, g[0]), (Values{by_x, by_x})) << count;
    EXPECT_EQ(m.values({n, x, z}, given, g[1]), (Values{by_z, by_z})) << count;
  }
}

TEST(LoopGradient, OfSequencesThatAreCarried) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {2});
  Expr none =
      make(m.scope, "SequenceEmpty", std::initializer_list<Expr>{}, {{"dtype", static_cast<int64_t>(DType::kF64)}});
  LoopBody body(m.graph, {x, none});
  Expr next = body.carried[0] * body.carried[0];
  body.returns({body.condition, next, make(*body.scope, "SequenceInsert", {body.carried[1], next})});
  std::vector<Expr> y = loop(m.scope, n, {}, {x, none}, body);
  Expr all = make(m.scope, "ConcatFromSequence", {y[1]}, {{"axis", int64_t{0}}});
  Expr g = m.gradients(all, {x})[0];
  EXPECT_EQ(m.values({n, x}, {count_of(2), numbers({2, 3})}, all), (Values{4, 9, 16, 81}));
  EXPECT_EQ(m.values({n, x}, {count_of(2), numbers({2, 3})}, g), (Values{4 + 32, 6 + 108}));
}

// a, b, a b, a b^2, a^2 b^3, ...: each is the product of the two before it, which a sequence holds.
struct Products : TestModel {
  Expr n = input("n", DType::kI64, {}), a = input("a", DType::kF64, {1}), b = input("b", DType::kF64, {1});
  Expr y;
  explicit Products(int recompute) {
    Expr both = make(scope, "SequenceConstruct", {a, b});
    LoopBody body(graph, {both});
    Expr so_far = body.carried[0];
    body.returns({body.condition, make(*body.scope, "SequenceInsert", {so_far, at(so_far, -1) * at(so_far, -2)})});
    y = at(loop(scope, n, {}, {both}, body, {{"recompute", recompute}})[0], -1);
  }
  Values all(int64_t count, Expr fetch) {
    return values({n, a, b}, {count_of(count), numbers({3}), numbers({2})}, fetch);
  }
};

TEST(LoopGradient, OfSequencesThatIterationsRead) {
  for (int recompute : {0, 1}) {
    Products m(recompute);
    const std::vector<Expr> g = m.gradients(m.y, {m.a, m.b});
    EXPECT_EQ(m.all(0, m.y), Values{2});
    EXPECT_EQ(m.all(0, g[0]), Values{0});
    EXPECT_EQ(m.all(0, g[1]), Values{1});
    EXPECT_EQ(m.all(3, m.y), Values{9 * 8});
    EXPECT_EQ(m.all(3, g[0]), Values{2 * 3 * 8});
    EXPECT_EQ(m.all(3, g[1]), Values{3 * 9 * 4});
    const std::vector<Expr> by_a = m.gradients(g[0], {m.a, m.b}), by_b = m.gradients(g[1], {m.a, m.b});
    EXPECT_EQ(m.all(3, by_a[0]), Values{2 * 8});
    EXPECT_EQ(m.all(3, by_a[1]), Values{6 * 3 * 4});
    EXPECT_EQ(m.all(3, by_b[0]), Values{6 * 3 * 4});
    EXPECT_EQ(m.all(3, by_b[1]), Values{6 * 9 * 2});
  }
}

// b, b W, b W^2, ...: each is made of the one before it, which a sequence holds. The rule of MatMul needs ranks.
TEST(LoopGradient, OfProductsWithWhatIterationsRead) {
  for (int recompute : {0, 1}) {
    TestModel m;
    Expr n = m.input("n", DType::kI64, {}), b = m.input("b", DType::kF64, {1, 2}),
         w = m.input("w", DType::kF64, {2, 2});
    Expr one = make(m.scope, "SequenceConstruct", {b});
    LoopBody body(m.graph, {one});
    Expr so_far = body.carried[0];
    body.returns({body.condition, make(*body.scope, "SequenceInsert", {so_far, matmul(at(so_far, -1), body.use(w))})});
    Expr y = at(loop(m.scope, n, {}, {one}, body, {{"recompute", recompute}})[0], -1);
    const auto all = [&](Expr fetch) {
      return m.values({n, b, w},
                      {count_of(2), *numbers({1, 2}).reshaped({1, 2}), *numbers({1, 1, 0, 2}).reshaped({2, 2})}, fetch);
    };
    EXPECT_EQ(all(y), (Values{1, 11}));
    const std::vector<Expr> first = m.gradients(y, {b, w});
    ASSERT_TRUE(first[0].valid() && first[1].valid());
    EXPECT_EQ(all(first[0]), (Values{4, 4}));        // W^2 1
    EXPECT_EQ(all(first[1]), (Values{3, 3, 9, 9}));  // b^T (W 1)^T + (b W)^T 1^T
    const Expr by_b = m.gradients(first[0], {w})[0];
    ASSERT_TRUE(by_b.valid());
    EXPECT_EQ(all(by_b), (Values{3, 3, 5, 5}));  // 1 (W 1)^T + W^T 1 1^T
    const std::vector<Expr> by_w = m.gradients(first[1], {b, w});
    ASSERT_TRUE(by_w[0].valid() && by_w[1].valid());
    EXPECT_EQ(all(by_w[0]), (Values{8, 8}));        // 1^T W 1 + 2 W 1
    EXPECT_EQ(all(by_w[1]), (Values{5, 5, 7, 7}));  // the sum of b + 2 b
  }
}

// x before what there was last: x^2, x^4, x. Where the place is, the gradient tells without what it was put in.
TEST(LoopGradient, OfWhatIsPutBeforeTheLast) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {2});
  Expr one = make(m.scope, "SequenceConstruct", {x});
  LoopBody body(m.graph, {x, one});
  ExprScope& s = *body.scope;
  Expr next = body.carried[0] * body.carried[0];
  body.returns({body.condition, next, make(s, "SequenceInsert", {body.carried[1], next, constant_int(s, -1)})});
  Expr items = loop(m.scope, n, {}, {x, one}, body)[1];
  Expr all = make(m.scope, "ConcatFromSequence", {items}, {{"axis", int64_t{0}}});
  Expr g = m.gradients(all * constant(m.scope, numbers({1, 1, 10, 10, 100, 100})), {x})[0];
  ASSERT_TRUE(g.valid());
  EXPECT_EQ(m.values({n, x}, {count_of(2), numbers({2, 3})}, all), (Values{4, 9, 16, 81, 2, 3}));
  EXPECT_EQ(m.values({n, x}, {count_of(2), numbers({2, 3})}, g), (Values{4 + 320 + 100, 6 + 1080 + 100}));
  int twins = 0;
  for (NodeId id = 0; id < m.graph->node_count(); ++id) {
    const Node& node = m.graph->node(id);
    if (!node.name.ends_with(kTwinSuffix)) continue;
    ++twins;
    EXPECT_EQ(node.output_count, 3) << "what is carried, and what x was in each iteration";
  }
  EXPECT_EQ(twins, 1);
}

// In the first iterations there is nothing to be kept of the sequence.
TEST(LoopGradient, OfASequenceThatIsEmptyAtFirst) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {2});
  Expr none =
      make(m.scope, "SequenceEmpty", std::initializer_list<Expr>{}, {{"dtype", static_cast<int64_t>(DType::kF64)}});
  LoopBody body(m.graph, {x, none});
  ExprScope& s = *body.scope;
  Expr more = make(s, "SequenceInsert", {body.carried[1], body.carried[0] * body.carried[0]});
  body.returns({body.condition, at(more, 0) * body.carried[0], more});
  Expr y = loop(m.scope, n, {}, {x, none}, body)[0];
  // x, x^2 x, x^2 x^3, x^2 x^5
  Expr g = m.gradients(y, {x})[0];
  EXPECT_EQ(m.values({n, x}, {count_of(2), numbers({2, 3})}, y), (Values{32, 243}));
  EXPECT_EQ(m.values({n, x}, {count_of(2), numbers({2, 3})}, g), (Values{5 * 16, 5 * 81}));
  Expr second = m.gradients(g, {x})[0];
  EXPECT_EQ(m.values({n, x}, {count_of(2), numbers({2, 3})}, second), (Values{20 * 8, 20 * 27}));
}

// a, a x0, a x0 x1, ...: the last item of the sequence that a Scan carries.
TEST(LoopGradient, OfASequenceThatAScanCarries) {
  TestModel m;
  Expr a = m.input("a", DType::kF64, {}), x = m.input("x", DType::kF64, {Dim::symbol("n")});
  Expr one = make(m.scope, "SequenceConstruct", {a});
  Body body(m.graph);
  Expr before = body.input("before", one.type()), item = body.input("item", DType::kF64, {});
  Expr next = at(before, -1) * item;
  body.returns({make(*body.scope, "SequenceInsert", {before, next}), next});
  const std::vector<Expr> out = scan(m.scope, {one}, {x}, body, {{"scan_output_directions", std::vector<int64_t>{1}}});
  Expr y = at(out[0], -1);
  const std::vector<Tensor> given{number(7), numbers({2, 3, 5})};
  EXPECT_EQ(m.values({a, x}, given, y), Values{210});
  EXPECT_EQ(m.values({a, x}, given, out[1]), (Values{210, 42, 14}));
  const std::vector<Expr> g = m.gradients(y, {a, x});
  EXPECT_EQ(m.values({a, x}, given, g[0]), Values{30});
  EXPECT_EQ(m.values({a, x}, given, g[1]), (Values{105, 70, 42}));
  const std::vector<Expr> second = m.gradients(g[1], {a, x});
  EXPECT_EQ(m.values({a, x}, given, second[0]), Values{15 + 10 + 6});
  EXPECT_EQ(m.values({a, x}, given, second[1]), (Values{7 * (5 + 3), 7 * (5 + 2), 7 * (3 + 2)}));
  // By what is stacked, of which the last one comes first.
  const Expr stacked = m.gradients(at(out[0], 1) * out[1], {x})[0];
  EXPECT_EQ(m.values({a, x}, given, stacked),
            (Values{7 * (210 + 42 + 14) + 14 * (105 + 21 + 7), 14 * (70 + 14), 14 * 42}));
}

// The node that carries the long sequence does what the one that was written does.
TEST(LoopGradient, AScanThatKeepsSequencesRunsOnce) {
  TestModel m;
  Expr a = m.input("a", DType::kF64, {}), x = m.input("x", DType::kF64, {Dim::symbol("n")});
  Expr one = make(m.scope, "SequenceConstruct", {a});
  Body body(m.graph);
  Expr before = body.input("before", one.type()), item = body.input("item", DType::kF64, {});
  body.returns({make(*body.scope, "SequenceInsert", {before, at(before, -1) * item})});
  Expr y = at(scan(m.scope, {one}, {x}, body)[0], -1);
  Expr g = m.gradients(y, {a})[0];
  auto out = m.run({a, x}, {number(7), numbers({2, 3, 5})}, {y, g});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_EQ(*(*out)[0].as<double>(), 210);
  EXPECT_EQ(*(*out)[1].as<double>(), 30);
  const std::string text = *m.session->describe();
  EXPECT_NE(text.find("\"Scan: \": 2"), std::string::npos) << text;  // that one, and the one that goes back
}

}  // namespace
}  // namespace weft
