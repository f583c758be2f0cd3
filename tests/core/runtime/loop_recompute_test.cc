// Gradients through Loop and Scan that compute again what others keep. Expected numbers are worked out by hand.
#include <cmath>
#include <functional>

#include "core/exec/host_functions.h"
#include "core/passes/merge_loops.h"
#include "tests/core/runtime/subgraph_common.h"

namespace weft {
namespace {

Tensor one_number(double x) { return Tensor::scalar<double>(x); }

// How many outputs the node has that keeps what the gradient of a loop needs; 0 if there is none.
int kept_by_twin(const Graph& graph) {
  for (NodeId id = 0; id < graph.node_count(); ++id) {
    if (graph.node(id).name.ends_with(kTwinSuffix)) return graph.node(id).output_count;
  }
  return 0;
}

// y of what is fed, and what it is differentiated by.
struct Differentiated {
  Expr y;
  std::vector<Expr> by, feeds;
  std::vector<Tensor> given;
};
using BuildLoop = std::function<Differentiated(TestModel&, const Attrs&)>;

// First gradients of what is built without `recompute` have the bits of those with it. Second ones add up the same in
// another order.
void expect_same_gradients(const BuildLoop& build) {
  std::vector<Tensor> found[2];
  size_t first_count = 0;
  for (int recompute : {0, 1}) {
    TestModel m;
    const Differentiated d = build(m, Attrs{{"recompute", recompute}});
    ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
    std::vector<Expr> wanted = m.gradients(d.y, d.by);
    first_count = wanted.size();
    Expr squares = scalar(m.scope, DType::kF64, 0);
    for (Expr g : wanted) {
      ASSERT_TRUE(g.valid());
      squares = squares + make(m.scope, "ReduceSum", {g * g}, {{"keepdims", int64_t{0}}});
    }
    for (Expr g : m.gradients(squares, d.by)) {
      ASSERT_TRUE(g.valid());
      wanted.push_back(g);
    }
    wanted.push_back(d.y);
    Result<std::vector<Tensor>> out = m.run(d.feeds, d.given, wanted);
    ASSERT_TRUE(out.ok()) << out.status().text();
    found[recompute] = *out;
  }
  ASSERT_EQ(found[0].size(), found[1].size());
  for (size_t i = 0; i < found[0].size(); ++i) {
    ASSERT_EQ(found[0][i].summary(), found[1][i].summary());
    for (int64_t k = 0; k < found[0][i].count(); ++k) {
      const double without = found[0][i].as<double>()[k], with = found[1][i].as<double>()[k];
      const bool second = i >= first_count && i + 1 < found[0].size();
      EXPECT_NEAR(without, with, second ? 1e-13 * std::abs(without) : 0) << "number " << k << " of " << i;
      EXPECT_NE(found[0][i].as<double>()[k], 0) << "number " << k << " of " << i;
    }
  }
}

// y = sin(cos(x w)), again and again.
struct Waves : TestModel {
  Expr n = input("n", DType::kI64, {}), x = input("x", DType::kF64, {}), w = input("w", DType::kF64, {});
  Expr y;
  explicit Waves(int recompute) {
    LoopBody body(graph, {x});
    Expr inner = make(*body.scope, "Cos", {body.carried[0] * body.use(w)});
    body.returns({body.condition, make(*body.scope, "Sin", {inner})});
    y = loop(scope, n, {}, {x}, body, {{"recompute", recompute}})[0];
  }
};

TEST(LoopRecompute, KeepsWhatGoesInAlone) {
  Waves plain(0), again(1);
  Expr kept = plain.gradients(plain.y, {plain.w})[0], computed = again.gradients(again.y, {again.w})[0];
  // What is carried, and what it was in each iteration; else the arguments of both functions too.
  EXPECT_EQ(kept_by_twin(*again.graph), 2);
  EXPECT_EQ(kept_by_twin(*plain.graph), 4);
  const std::vector<Tensor> given{count_of(2), one_number(0.5), one_number(2)};
  const Values found = again.values({again.n, again.x, again.w}, given, computed);
  EXPECT_EQ(found, plain.values({plain.n, plain.x, plain.w}, given, kept));
  // y2 = f(y1 w) with y1 = f(x w), f(z) = sin(cos z) and f'(z) = -cos(cos z) sin z.
  auto f = [](double z) { return std::sin(std::cos(z)); };
  auto slope = [](double z) { return -std::cos(std::cos(z)) * std::sin(z); };
  const double y1 = f(0.5 * 2);
  EXPECT_NEAR(found[0], slope(y1 * 2) * (y1 + 2 * slope(0.5 * 2) * 0.5), 1e-14);
}

TEST(LoopRecompute, GoesOnInHigherOrders) {
  TestModel m;
  Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {}), w = m.input("w", DType::kF64, {});
  LoopBody body(m.graph, {x});
  body.returns({body.condition, body.carried[0] * body.use(w)});
  Expr y = loop(m.scope, n, {}, {x}, body, {{"recompute", 1}})[0];
  Expr first = m.gradients(y, {w})[0];
  std::vector<Expr> second = m.gradients(first, {w, x});
  Expr third = m.gradients(second[0], {w})[0];
  for (NodeId id = 0; id < m.graph->node_count(); ++id) {
    const Node& node = m.graph->node(id);
    if (node.is("Loop") || node.is("Scan")) {
      EXPECT_EQ(node.attrs.i("recompute"), 1) << node.name;
    }
  }
  const std::vector<Tensor> given{count_of(4), one_number(2), one_number(3)};  // x w^4
  EXPECT_EQ(m.values({n, x, w}, given, first), Values{2 * 4 * 27});
  EXPECT_EQ(m.values({n, x, w}, given, second[0]), Values{2 * 4 * 3 * 9});
  EXPECT_EQ(m.values({n, x, w}, given, second[1]), Values{4 * 27});
  EXPECT_EQ(m.values({n, x, w}, given, third), Values{2 * 4 * 3 * 2 * 3});
}

TEST(LoopRecompute, OfALoopWhoseCountIsFed) {
  expect_same_gradients([](TestModel& m, const Attrs& how) -> Differentiated {
    Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {3}), w = m.input("w", DType::kF64, {3});
    LoopBody body(m.graph, {x});
    Expr next = make(*body.scope, "Tanh", {make(*body.scope, "Exp", {body.carried[0] * body.use(w)}) * 0.3});
    body.returns({body.condition, next, make(*body.scope, "Sin", {next * cast(body.number, DType::kF64) + next})});
    std::vector<Expr> y = loop(m.scope, n, {}, {x}, body, how);
    Expr total = make(m.scope, "ReduceSum", {y[1] * y[1]}, {{"keepdims", int64_t{0}}}) +
                 make(m.scope, "ReduceSum", {y[0]}, {{"keepdims", int64_t{0}}});
    return {total, {x, w}, {n, x, w}, {count_of(4), numbers({0.3, -0.2, 1.1}), numbers({0.7, 1.3, -0.4})}};
  });
}

TEST(LoopRecompute, OfALoopThatAConditionEnds) {
  expect_same_gradients([](TestModel& m, const Attrs& how) -> Differentiated {
    Expr x = m.input("x", DType::kF64, {2});
    LoopBody body(m.graph, {x});
    Expr next = make(*body.scope, "Exp", {body.carried[0] * 0.5}) * body.carried[0];
    Expr most = make(*body.scope, "ReduceMax", {next}, {{"keepdims", int64_t{0}}});
    body.returns({make(*body.scope, "Less", {most, scalar_like(most, 50)}), next});
    return {loop(m.scope, {}, {}, {x}, body, how)[0], {x}, {x}, {numbers({0.5, 1.5})}};
  });
}

// Where shapes grow, sequences keep what is carried.
TEST(LoopRecompute, OfShapesThatGrow) {
  expect_same_gradients([](TestModel& m, const Attrs& how) -> Differentiated {
    Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {1}), w = m.input("w", DType::kF64, {});
    LoopBody body(m.graph, {x});
    Expr sine = make(*body.scope, "Sin", {body.carried[0] * body.use(w)});
    body.returns({body.condition, concat({make(*body.scope, "Exp", {sine}), sine}, 0)});
    Expr y = make(m.scope, "ReduceSum", {loop(m.scope, n, {}, {x}, body, how)[0]}, {{"keepdims", int64_t{0}}});
    return {y, {x, w}, {n, x, w}, {count_of(3), numbers({0.4}), one_number(1.2)}};
  });
}

// What differs in shape from iteration to iteration need not be kept.
TEST(LoopRecompute, OfWhatOneIterationAloneHas) {
  expect_same_gradients([](TestModel& m, const Attrs& how) -> Differentiated {
    Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {4});
    LoopBody body(m.graph, {x});
    ExprScope& s = *body.scope;
    Expr end = reshape(body.number + constant_int(s, 1), constant_ints(s, {1}));
    Expr part = make(s, "Slice", {body.carried[0], constant_ints(s, {0}), end});
    Expr sum = make(s, "ReduceSum", {make(s, "Exp", {part * 0.2})}, {{"keepdims", int64_t{0}}});
    body.returns({body.condition, make(s, "Sin", {body.carried[0] * sum})});
    return {loop(m.scope, n, {}, {x}, body, how)[0], {x}, {n, x}, {count_of(3), numbers({0.1, 0.2, 0.3, 0.4})}};
  });
}

TEST(LoopRecompute, OfAScanOfSeveralInputs) {
  expect_same_gradients([](TestModel& m, const Attrs& how) -> Differentiated {
    const Dim steps = Dim::symbol("n");
    Expr h = m.input("h", DType::kF64, {2}), x = m.input("x", DType::kF64, {steps, 2}),
         z = m.input("z", DType::kF64, {2, steps}), u = m.input("u", DType::kF64, {2, 2});
    Body body(m.graph);
    Expr before = body.input("before", DType::kF64, {2}), item = body.input("item", DType::kF64, {2}),
         other = body.input("other", DType::kF64, {2});
    Expr gate = make(*body.scope, "Sigmoid", {item * other + matmul(before, body.use(u))});
    Expr next = make(*body.scope, "Tanh", {gate * before + item});
    body.returns({next, gate * next, next * other});
    Attrs attrs = how;
    attrs.set("scan_input_axes", std::vector<int64_t>{0, 1});
    attrs.set("scan_input_directions", std::vector<int64_t>{0, 1});
    attrs.set("scan_output_axes", std::vector<int64_t>{1, 0});
    attrs.set("scan_output_directions", std::vector<int64_t>{1, 0});
    std::vector<Expr> y = scan(m.scope, {h}, {x, z}, body, std::move(attrs));
    Expr total = make(m.scope, "ReduceSum", {y[1] * y[1]}, {{"keepdims", int64_t{0}}}) +
                 make(m.scope, "ReduceSum", {y[0] * y[2]}, {{"keepdims", int64_t{0}}});
    return {total,
            {h, x, z, u},
            {h, x, z, u},
            {numbers({0.1, -0.2}), *numbers({0.5, -1, 0.3, 0.2, -0.4, 0.6}).reshaped({3, 2}),
             *numbers({0.3, 0.8, -0.5, 0.7, 0.2, -0.9}).reshaped({2, 3}),
             *numbers({0.5, 0.6, -0.7, 0.2}).reshaped({2, 2})}};
  });
}

TEST(LoopRecompute, OfBranchesAndLoopsInside) {
  expect_same_gradients([](TestModel& m, const Attrs& how) -> Differentiated {
    Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {}), w = m.input("w", DType::kF64, {});
    LoopBody outer(m.graph, {x});
    LoopBody inner(outer.graph, {outer.carried[0]});
    inner.returns({inner.condition, make(*inner.scope, "Sin", {inner.carried[0] * inner.use(w)})});
    Expr waves = loop(*outer.scope, constant_int(*outer.scope, 2), {}, {outer.carried[0]}, inner, how)[0];
    Body yes(outer.graph), no(outer.graph);
    yes.returns({make(*yes.scope, "Exp", {yes.use(waves) * yes.use(outer.carried[0])})});
    no.returns({make(*no.scope, "Cos", {no.use(waves)})});
    Expr one = make(*outer.scope, "Equal", {outer.number, constant_int(*outer.scope, 1)});
    Expr chosen =
        make(*outer.scope, "If", {one}, {{"then_branch", GraphRef(yes.graph)}, {"else_branch", GraphRef(no.graph)}});
    outer.returns({outer.condition, chosen * outer.carried[0]});
    Expr y = loop(m.scope, n, {}, {x}, outer, how)[0];
    return {y, {x, w}, {n, x, w}, {count_of(3), one_number(0.8), one_number(1.3)}};
  });
}

// Numbers of a counter come again; those of a node that gives others whenever it is asked are kept.
TEST(LoopRecompute, OfRandomNumbers) {
  const BuildLoop build = [](TestModel& m, const Attrs& how) -> Differentiated {
    Expr n = m.input("n", DType::kI64, {}), x = m.input("x", DType::kF64, {2}), w = m.input("w", DType::kF64, {2});
    LoopBody body(m.graph, {x});
    ExprScope& s = *body.scope;
    const int64_t f64 = static_cast<int64_t>(DType::kF64);
    Expr counted =
        make(s, "weft.RandomNormal", {constant_ints(s, {2}), body.number}, {{"dtype", f64}, {"stream", "a"}});
    Expr noise = make(s, "RandomUniform", std::vector<Expr>(),
                      {{"dtype", f64}, {"shape", std::vector<int64_t>{2}}, {"low", 0.5}, {"high", 1.5}}, "noise");
    body.returns({body.condition, make(s, "Sin", {body.carried[0] * noise + counted * body.use(w)})});
    return {loop(m.scope, n, {}, {x}, body, how)[0],
            {x, w},
            {n, x, w},
            {count_of(3), numbers({0.3, 0.9}), numbers({0.2, 0.6})}};
  };
  expect_same_gradients(build);
  TestModel m;
  const Differentiated d = build(m, Attrs{{"recompute", 1}});
  ASSERT_TRUE(m.gradients(d.y, d.by)[0].valid());
  // What is carried, and of each iteration that, its number, of which the counter is made, and the noise.
  EXPECT_EQ(kept_by_twin(*m.graph), 4);
}

// A function of the program that gives 2, 3, 5, 7, ...: another number whenever it is called.
struct Primes {
  static constexpr char kName[] = "loop_recompute_test.primes";
  int calls = 0;

  Primes() { set_host_function(kName, std::make_shared<const HostFunction>(&next, this, nullptr)); }
  Primes(const Primes&) = delete;
  ~Primes() { remove_host_function(kName); }
  static Status next(void* user, const std::vector<Tensor>&, std::vector<Tensor>* out) {
    constexpr double kFirst[] = {2, 3, 5, 7, 11, 13, 17, 19};
    int& calls = static_cast<Primes*>(user)->calls;
    (*out)[0] = one_number(kFirst[calls++ % 8]);
    return {};
  }
};

// What a branch made of what a function of the program gave is kept, like that itself: as a tensor, although the branch
// takes only what is the same in all iterations, and as a sequence.
TEST(LoopRecompute, OfBranchesThatCallTheProgram) {
  for (int recompute : {0, 1}) {
    for (bool in_sequence : {false, true}) {
      Primes primes;
      TestModel m;
      Expr c = m.input("c", DType::kBool, {}), x = m.input("x", DType::kF64, {});
      LoopBody body(m.graph, {x});
      const auto branch = [&](Body& made, Expr value) {
        made.returns({in_sequence ? make(*made.scope, "SequenceConstruct", {value}) : value});
      };
      Body yes(body.graph), no(body.graph);
      branch(yes, make(*yes.scope, "weft.HostCall", std::vector<Expr>(),
                       {{"name", Primes::kName},
                        {"dtypes", std::vector<std::string>{"f64"}},
                        {"shapes", std::vector<std::string>{""}}}));
      branch(no, scalar(*no.scope, DType::kF64, 1));
      Expr chosen = make(*body.scope, "If", {body.use(c)},
                         {{"then_branch", GraphRef(yes.graph)}, {"else_branch", GraphRef(no.graph)}});
      body.returns({body.condition, body.carried[0] * (in_sequence ? at(chosen, 0) : chosen)});
      Expr y = loop(m.scope, constant_int(m.scope, 3), {}, {x}, body, {{"recompute", recompute}})[0];
      Expr g = m.gradients(y, {x})[0];
      ASSERT_TRUE(g.valid());
      EXPECT_EQ(m.values({c, x}, {Tensor::scalar<bool>(true), one_number(7)}, g), Values{2 * 3 * 5});
      EXPECT_EQ(primes.calls, 3);
    }
  }
}

// A loop of loops keeps what goes into every fourth step of 16, and then what four steps need: the gradient of the inner
// loop runs that once more in any case.
TEST(LoopRecompute, OfALoopOfLoopsKeepsTheSquareRoot) {
  for (int recompute : {0, 1}) {
    TestModel m;
    Expr x = m.input("x", DType::kF64, {}), w = m.input("w", DType::kF64, {});
    LoopBody outer(m.graph, {x});
    LoopBody inner(outer.graph, {outer.carried[0]});
    inner.returns({inner.condition, inner.carried[0] * inner.use(w)});
    Expr four = loop(*outer.scope, constant_int(*outer.scope, 4), {}, {outer.carried[0]}, inner)[0];
    outer.returns({outer.condition, four});
    Expr y = loop(m.scope, constant_int(m.scope, 4), {}, {x}, outer, {{"recompute", recompute}})[0];
    std::vector<Expr> g = m.gradients(y, {x, w});
    EXPECT_EQ(kept_by_twin(*m.graph), 2);
    const std::vector<Tensor> given{one_number(2), one_number(3)};  // x w^16
    EXPECT_EQ(m.values({x, w}, given, y), Values{2 * 43046721.0});
    EXPECT_EQ(m.values({x, w}, given, g[0]), Values{43046721.0});
    EXPECT_EQ(m.values({x, w}, given, g[1]), Values{2 * 16 * 14348907.0});
  }
}

}  // namespace
}  // namespace weft
