// Executables: plans kept by signature, several segments, outputs given by the caller, errors, stopping, many threads.
#include "core/exec/executor.h"

#include <atomic>
#include <thread>

#include "tests/core/exec/exec_common.h"

namespace weft {
namespace {

using Doubles = std::vector<double>;
using Ints = std::vector<int64_t>;

// -- Plans.

TEST(Executable, KeepsAPlanForEachSignatureAndForgetsTheLeastUsed) {
  ExecTest t;
  Expr x = t.input("x", DType::kF64, {Dim::symbol("n")});
  auto executable = t.executable({x + x}, 2);
  auto plan = [&](int64_t n) { return *executable->plan_for({*Tensor::make(DType::kF64, {n})}); };
  EXPECT_EQ(executable->plan_count(), 0);
  auto one = plan(1), two = plan(2);
  EXPECT_EQ(executable->plan_count(), 2);
  EXPECT_EQ(plan(1), one) << "used again, so that 2 is now the least used";
  plan(3);
  EXPECT_EQ(executable->plan_count(), 2);
  EXPECT_EQ(plan(1), one);
  EXPECT_NE(plan(2), two) << "made anew";
  executable->trim();
  EXPECT_EQ(executable->plan_count(), 0);
  EXPECT_NE(plan(1), one);
}

TEST(Executable, TakesOnePlanAtLeast) {
  ExecTest t;
  Expr x = t.input("x", DType::kF64, {Dim::symbol("n")});
  auto executable = t.executable({x * 3.0}, -5);
  for (int64_t n : {1, 2, 1}) {
    std::vector<Tensor> out;
    ASSERT_TRUE(executable->run({numbers(Doubles(static_cast<size_t>(n), 7))}, {}, &out).ok());
    EXPECT_EQ(values_of<double>(out[0]), Doubles(static_cast<size_t>(n), 21));
    EXPECT_EQ(executable->plan_count(), 1);
  }
}

TEST(Executable, APlanHoldsForTheValuesThatDecideShapes) {
  ExecTest t;
  Expr x = t.input("x", DType::kF64, {6}), shape = t.input("shape", DType::kI64, {2});
  auto executable = t.executable({transpose(reshape(x, shape), {1, 0})});
  auto run = [&](const Ints& dims) {
    std::vector<Tensor> out;
    EXPECT_TRUE(executable->run({numbers({1, 2, 3, 4, 5, 6}), whole_numbers(dims)}, {}, &out).ok());
    return out[0];
  };
  Tensor a = run({2, 3}), b = run({3, 2}), again = run({2, 3});
  EXPECT_EQ(a.shape(), (Shape{3, 2}));
  EXPECT_EQ(values_of<double>(a), (Doubles{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(b.shape(), (Shape{2, 3}));
  EXPECT_EQ(values_of<double>(b), (Doubles{1, 3, 5, 2, 4, 6}));
  EXPECT_TRUE(a.same_bits(again));
  EXPECT_EQ(executable->plan_count(), 2);
}

TEST(Executable, APlanDoesNotHoldForOtherValues) {
  ExecTest t;
  Expr x = t.input("x", DType::kF64, {2});
  auto executable = t.executable({x * x});
  for (double value : {3.0, 5.0}) {
    std::vector<Tensor> out;
    ASSERT_TRUE(executable->run({numbers({value, 1})}, {}, &out).ok());
    EXPECT_EQ(values_of<double>(out[0]), (Doubles{value * value, 1}));
  }
  EXPECT_EQ(executable->plan_count(), 1) << "values that no shape depends on are no part of it";
}

// -- Segments.

// Every kind of output: a flat one, one of a tensor step, and those of two rests, one inside the other.
struct Segments : ExecTest {
  Expr x = input("x", DType::kF64, {Dim::symbol("n")});
  Expr doubled = x * 2.0;
  Expr found = non_zero(x);
  Expr kept = make(scope, "Gather", {x, squeeze(found, {0})}) - 2.0;
  Expr last = -cast(non_zero(kept), DType::kF64);
  std::unique_ptr<Executable> all = executable({kept, found, doubled, last});
};
const Tensor kSparse = numbers({0, 2, 0, 5, 3});

TEST(Executable, RunsSegmentsOneAfterAnother) {
  Segments s;
  std::vector<Tensor> out;
  ASSERT_TRUE(s.all->run({kSparse}, {}, &out).ok());
  ASSERT_EQ(out.size(), 4u);
  EXPECT_EQ(values_of<double>(out[0]), (Doubles{0, 3, 1}));
  EXPECT_EQ(out[1].shape(), (Shape{1, 3}));
  EXPECT_EQ(values_of<int64_t>(out[1]), (Ints{1, 3, 4}));
  EXPECT_EQ(values_of<double>(out[2]), (Doubles{0, 4, 0, 10, 6}));
  EXPECT_EQ(out[3].shape(), (Shape{1, 2}));
  EXPECT_EQ(values_of<double>(out[3]), (Doubles{-1, -2}));
}

TEST(Executable, SegmentsOfOnePlanTakeOtherSizesEachRun) {
  Segments s;
  for (const auto& [x, last] : std::vector<std::pair<Doubles, Doubles>>{
           {{0, 2, 0, 5, 3}, {-1, -2}}, {{2, 2, 2, 2, 2}, {}}, {{0, 0, 0, 0, 0}, {}}, {{7, 2, 7, 2, 7}, {0, -2, -4}}}) {
    std::vector<Tensor> out;
    ASSERT_TRUE(s.all->run({numbers(x)}, {}, &out).ok());
    EXPECT_EQ(values_of<double>(out[3]), last);
    EXPECT_EQ(out[3].shape(), (Shape{1, static_cast<int64_t>(last.size())}));
  }
  EXPECT_EQ(s.all->plan_count(), 1);
}

TEST(Executable, WritesIntoTheTensorsThatItIsGiven) {
  Segments s;
  std::vector<Tensor> out{*Tensor::make(DType::kF64, {3}), *Tensor::make(DType::kI64, {1, 3}),
                          *Tensor::make(DType::kF64, {5}), *Tensor::make(DType::kF64, {1, 2})};
  const std::vector<Tensor> given = out;
  ASSERT_TRUE(s.all->run({kSparse}, {}, &out).ok());
  for (size_t k = 0; k < given.size(); ++k) EXPECT_EQ(out[k].data(), given[k].data()) << k;
  EXPECT_EQ(values_of<double>(given[0]), (Doubles{0, 3, 1}));
  EXPECT_EQ(values_of<int64_t>(given[1]), (Ints{1, 3, 4}));
  EXPECT_EQ(values_of<double>(given[2]), (Doubles{0, 4, 0, 10, 6}));
  EXPECT_EQ(values_of<double>(given[3]), (Doubles{-1, -2}));
}

TEST(Executable, RefusesGivenTensorsOfAnotherType) {
  Segments s;
  auto run = [&](size_t k, Tensor given) {
    std::vector<Tensor> out(4);
    out[k] = std::move(given);
    return s.all->run({kSparse}, {}, &out);
  };
  expect_error(run(0, *Tensor::make(DType::kF32, {3})), Code::kInvalidArgument,
               "an output is f64[3] but was bound to f32[3]");
  expect_error(run(1, *Tensor::make(DType::kI32, {1, 3})), Code::kInvalidArgument,
               "an output is i64[1, 3] but was bound to i32[1, 3]");
  expect_error(run(1, *Tensor::make(DType::kI64, {1, 4})), Code::kInvalidArgument,
               "an output is i64[1, 3] but was bound to i64[1, 4]");
  expect_error(run(1, Tensor::sequence({})), Code::kInvalidArgument,
               "an output is i64[1, 3] but was bound to sequence of 0");
  expect_error(run(2, *Tensor::make(DType::kF64, {5, 1})), Code::kInvalidArgument,
               "an output is f64[5] but was bound to f64[5, 1]");
  expect_error(run(3, *Tensor::make(DType::kF64, {1, 3})), Code::kInvalidArgument,
               "an output is f64[1, 2] but was bound to f64[1, 3]");
  EXPECT_TRUE(run(3, *Tensor::make(DType::kF64, {1, 2})).ok());
}

TEST(Executable, WritesStringsIntoATensorThatItIsGiven) {
  ExecTest t;
  Expr c = t.input("c", DType::kBool, {2}), x = t.input("x", DType::kString, {2});
  auto executable = t.executable({where(c, x, constant(t.scope, *Tensor::from_strings({1}, {"none"})))});
  std::vector<Tensor> out{*Tensor::make(DType::kString, {2})};
  const Tensor given = out[0];
  const std::vector<Tensor> in{*Tensor::from_bytes(DType::kBool, {2}, "\0\1", 2),
                               *Tensor::from_strings({2}, {"a", "bc"})};
  ASSERT_TRUE(executable->run(in, {}, &out).ok());
  EXPECT_EQ(given.strings(), (std::vector<std::string>{"none", "bc"}));
  out[0] = *Tensor::make(DType::kString, {1});
  expect_error(executable->run(in, {}, &out), Code::kInvalidArgument,
               "an output is string[2] but was bound to string[1]");
}

TEST(Executable, ASequenceTakesThePlaceOfAnother) {
  ExecTest t;
  Expr x = t.input("x", DType::kF64, {2});
  auto executable = t.executable({make(t.scope, "SequenceConstruct", {x, x})});
  const Tensor in = numbers({1, 2});
  std::vector<Tensor> out;
  ASSERT_TRUE(executable->run({in}, {}, &out).ok());
  EXPECT_EQ(out[0].summary(), "sequence of 2");
  EXPECT_TRUE(executable->run({numbers({3, 4})}, {}, &out).ok());
  EXPECT_EQ(*out[0].items()[0].as<double>(), 3);
}

TEST(Executable, OutputsAreNeverTheMemoryOfInputsOrOfOneAnother) {
  ExecTest t;
  Expr x = t.input("x", DType::kF64, {2});
  Expr view = make(t.scope, "Reshape", {x, constant_ints(t.scope, {2, 1})}), y = x + 1.0;
  auto executable = t.executable({x, view, y, y});
  const Tensor in = numbers({4, 5});
  std::vector<Tensor> out;
  ASSERT_TRUE(executable->run({in}, {}, &out).ok());
  EXPECT_EQ(values_of<double>(out[0]), (Doubles{4, 5}));
  EXPECT_EQ(values_of<double>(out[1]), (Doubles{4, 5}));
  EXPECT_EQ(values_of<double>(out[2]), (Doubles{5, 6}));
  EXPECT_EQ(values_of<double>(out[3]), (Doubles{5, 6}));
  for (size_t a = 0; a < out.size(); ++a) {
    EXPECT_NE(out[a].data(), in.data()) << a;
    for (size_t b = 0; b < a; ++b) EXPECT_NE(out[a].data(), out[b].data()) << a << " and " << b;
  }
}

// -- Errors.

TEST(Executable, NamesTheFirstOfTheStepsThatFail) {
  ExecTest t;
  Expr x = t.input("x", DType::kI64, {1}), zero = t.input("zero", DType::kI64, {1});
  t.scope.set_origin("model.py:1");
  Expr one = make(t.scope, "Div", {x, zero}, {}, "one");
  t.scope.set_origin("model.py:2");
  Expr two = make(t.scope, "Div", {one, zero}, {}, "two");
  auto executable = t.executable({two, one});
  std::vector<Tensor> out;
  Status status = executable->run({whole_numbers({3}), whole_numbers({0})}, {}, &out);
  expect_error(status, Code::kInvalidArgument, "zero");
  EXPECT_EQ(status.node(), "one");
  EXPECT_EQ(status.op(), "Div");
  EXPECT_EQ(status.origin(), "model.py:1");
  out.clear();
  ASSERT_TRUE(executable->run({whole_numbers({30}), whole_numbers({2})}, {}, &out).ok());
  EXPECT_EQ(values_of<int64_t>(out[0]), Ints{7});
}

TEST(Executable, NamesAStepOfALaterSegmentAsTheGraphDoes) {
  ExecTest t;
  Expr x = t.input("x", DType::kI64, {Dim::symbol("n")});
  Expr places = squeeze(t.non_zero(x), {0});
  t.scope.set_origin("model.py:7");
  Expr quotient = make(t.scope, "Div", {constant_int(t.scope, 12), places}, {}, "ratio");
  auto executable = t.executable({quotient});
  std::vector<Tensor> out;
  Status status = executable->run({whole_numbers({5, 0, 5})}, {}, &out);
  expect_error(status, Code::kInvalidArgument, "zero");
  EXPECT_EQ(status.node(), "ratio");
  EXPECT_EQ(status.origin(), "model.py:7");
  out.clear();
  ASSERT_TRUE(executable->run({whole_numbers({0, 5, 5})}, {}, &out).ok());
  EXPECT_EQ(values_of<int64_t>(out[0]), (Ints{12, 6}));
}

TEST(Executable, AConditionHasOneElement) {
  ExecTest t;
  Expr given = t.input("given", ValueType::unranked(DType::kBool)), x = t.input("x", DType::kF64, {1});
  // Behind it nothing is known of the shape before the run.
  HostFunctionInTest same("test.same", [](const std::vector<Tensor>& in, std::vector<Tensor>* out) {
    *out = in;
    return Status();
  });
  Expr c =
      make(t.scope, "weft.HostCall", {given}, {{"name", "test.same"}, {"dtypes", std::vector<std::string>{"bool"}}});
  auto branch = [&](double times) {
    std::shared_ptr<Graph> graph = *Graph::make_subgraph(t.graph);
    ExprScope scope(*graph);
    Expr y = Expr(scope, *graph->capture(*t.graph, x.id())) * times;
    EXPECT_TRUE(graph->set_outputs({y.id()}).ok());
    return GraphRef(graph);
  };
  Expr y = make(t.scope, "If", {c}, {{"then_branch", branch(2)}, {"else_branch", branch(-1)}}, "choice");
  auto executable = t.executable({y});
  std::vector<Tensor> out;
  Status status = executable->run({*Tensor::from_bytes(DType::kBool, {2}, "\1\0", 2), numbers({3})}, {}, &out);
  expect_error(status, Code::kInvalidArgument, "the condition must have one element but is bool[2]");
  EXPECT_EQ(status.node(), "choice");
  for (bool value : {true, false, true}) {
    out.clear();
    ASSERT_TRUE(executable->run({Tensor::scalar<bool>(value), numbers({3})}, {}, &out).ok());
    EXPECT_EQ(values_of<double>(out[0]), Doubles{value ? 6.0 : -3.0});
  }
}

TEST(Executable, OutOfMemoryIsAnErrorAndTheNextRunWorks) {
  ExecTest t;
  Expr x = t.input("x", DType::kF64, {1});
  Expr wide = make(t.scope, "Expand", {x, constant_ints(t.scope, {1 << 17})});
  auto executable = t.executable({make(t.scope, "Exp", {wide})});
  const Tensor in = numbers({0});
  std::vector<Tensor> out;
  set_buffer_limit(buffer_bytes_in_use() + (1 << 19));  // half of what the output takes
  Status status = executable->run({in}, {}, &out);
  set_buffer_limit(0);
  expect_error(status, Code::kResourceExhausted, "would pass the limit");
  EXPECT_EQ(status.op(), "Exp");
  out.clear();
  ASSERT_TRUE(executable->run({in}, {}, &out).ok());
  EXPECT_EQ(out[0].count(), 1 << 17);
  EXPECT_EQ(out[0].as<double>()[(1 << 17) - 1], 1.0);
}

TEST(Executable, OutOfMemoryBetweenNodesNamesTheOneThatTakesMost) {
  ExecTest t;
  Expr x = t.input("x", DType::kF64, {512, 1});
  Expr squares = make(t.scope, "MatMul", {x, make(t.scope, "Transpose", {x}, {{"perm", std::vector<int64_t>{1, 0}}})});
  auto executable = t.executable({make(t.scope, "ReduceMax", {squares, constant_ints(t.scope, {0, 1})})});
  const Tensor in = *Tensor::make(DType::kF64, {512, 1});
  std::vector<Tensor> out;
  set_buffer_limit(buffer_bytes_in_use() + (1 << 20));  // half of what the product takes
  Status status = executable->run({in}, {}, &out);
  set_buffer_limit(0);
  expect_error(status, Code::kResourceExhausted, "the node that takes most of a run's memory takes ");
  EXPECT_EQ(status.op(), "MatMul");
}

// -- Stopping.

struct Stoppable : ExecTest {
  CancelToken token;
  StopCondition stop;
  HostFunctionInTest cancels{"test.cancels", [this](const std::vector<Tensor>& in, std::vector<Tensor>* out) {
                               (*out)[0] = in[0];
                               token.cancel();
                               return Status();
                             }};
  HostFunctionInTest counts{"test.counts", [](const std::vector<Tensor>& in, std::vector<Tensor>* out) {
                              (*out)[0] = in[0];
                              return Status();
                            }};
  Stoppable() { stop.set_token(&token); }

  Status run(Executable& executable, const Tensor& x) {
    std::vector<Tensor> out;
    return executable.run({x}, {{0, &stop, 0}, &stop, nullptr}, &out);
  }
};

TEST(Executable, CancelledInATensorStepRunsNoneAfterIt) {
  Stoppable s;
  Expr x = s.input("x", DType::kF64, {2});
  auto executable = s.executable({s.host("test.counts", {s.host("test.cancels", {x}, {"2"})}, {"2"})});
  EXPECT_EQ(s.run(*executable, numbers({1, 2})).code(), Code::kCancelled);
  EXPECT_EQ(s.cancels.calls, 1);
  EXPECT_EQ(s.counts.calls, 0);
}

TEST(Executable, CancelledInTheLastTensorStepIsNoSuccess) {
  Stoppable s;
  Expr x = s.input("x", DType::kF64, {2});
  auto executable = s.executable({s.host("test.cancels", {x}, {"2"})});
  EXPECT_EQ(s.run(*executable, numbers({1, 2})).code(), Code::kCancelled);
}

TEST(Executable, CancelledInOneSegmentRunsNothingOfTheNext) {
  Stoppable s;
  Expr x = s.input("x", DType::kF64, {Dim::symbol("n")});
  Expr y = s.host("test.counts", {s.host("test.cancels", {x}) + 1.0});
  auto executable = s.executable({y});
  EXPECT_EQ(s.run(*executable, numbers({1, 2})).code(), Code::kCancelled);
  EXPECT_EQ(s.counts.calls, 0);
}

TEST(Executable, CancelledInABranchStopsTheRun) {
  Stoppable s;
  Expr c = s.input("c", DType::kBool, {});
  std::shared_ptr<Graph> sides[2];
  for (int i = 0; i < 2; ++i) {
    sides[i] = *Graph::make_subgraph(s.graph);
    ExprScope scope(*sides[i]);
    Expr y = constant(scope, numbers({1.0}));
    if (i == 0) {
      Attrs attrs{{"name", "test.cancels"}, {"dtypes", std::vector<std::string>{"f64"}}};
      y = make(scope, "weft.HostCall", {y}, std::move(attrs));
    }
    ASSERT_TRUE(sides[i]->set_outputs({y.id()}).ok());
  }
  Expr chosen = make(s.scope, "If", {c}, {{"then_branch", GraphRef(sides[0])}, {"else_branch", GraphRef(sides[1])}});
  auto executable = s.executable({s.host("test.counts", {chosen})});
  EXPECT_EQ(s.run(*executable, Tensor::scalar<bool>(true)).code(), Code::kCancelled);
  EXPECT_EQ(s.counts.calls, 0);
}

TEST(Executable, ADeadlineThatHasPassedRunsNothing) {
  Stoppable s;
  Expr x = s.input("x", DType::kF64, {2});
  auto executable = s.executable({s.host("test.counts", {x}, {"2"})});
  s.stop.set_deadline_ns(1);
  EXPECT_EQ(s.run(*executable, numbers({1, 2})).code(), Code::kDeadlineExceeded);
  EXPECT_EQ(s.counts.calls, 0);
}

// -- Traces, threads.

TEST(Executable, TracesEverySegmentInTheOrderInWhichItRan) {
  Segments s;
  Trace trace;
  ExecOptions options;
  options.trace = &trace;
  std::vector<Tensor> out;
  ASSERT_TRUE(s.all->run({kSparse}, options, &out).ok());
  const std::string json = trace.json();
  std::string ops;
  const std::string before = "\"tid\":1,\"name\":\"";
  for (size_t at = json.find(before); at != std::string::npos; at = json.find(before, at + 1)) {
    size_t begin = at + before.size();
    ops += json.substr(begin, json.find('"', begin) - begin) + " ";
  }
  EXPECT_EQ(ops, "Mul NonZero Gather Sub NonZero Cast+Neg ");
}

TEST(Executable, RunsInManyThreadsAtOnce) {
  Segments s;  // of which one plan at a time is kept, while every thread has sizes of its own
  auto one = s.executable({s.kept, s.found, s.doubled, s.last}, 1);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        // t zeros, then 5 and 2: what is kept is 3 and 0.
        Doubles x(static_cast<size_t>(t), 0.0);
        x.insert(x.end(), {5, 2});
        std::vector<Tensor> out;
        RunScope scope(Parallel{});
        Status status = one->run({numbers(x)}, {}, &out);
        bool right = status.ok() && values_of<double>(out[0]) == Doubles{3, 0} &&
                     values_of<int64_t>(out[1]) == Ints{t, t + 1} && values_of<double>(out[3]) == Doubles{0};
        if (!right) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(one->plan_count(), 1);
}

TEST(Executable, GivesTheSameBitsWithAnyNumberOfThreads) {
  ExecTest t;
  Expr x = t.input("x", DType::kF32, {211, 193}), w = t.input("w", DType::kF32, {193, 301});
  Expr soft = make(t.scope, "Softmax", {matmul(x, w)}, {{"axis", int64_t{-1}}});
  Expr gelu = make(t.scope, "Gelu", {soft});
  Expr total = reduce_sum(gelu * gelu, {0, 1}, false);
  auto executable = t.executable({soft, total, reduce_sum(gelu, {0}, false)});
  std::vector<Tensor> in{*Tensor::make(DType::kF32, {211, 193}), *Tensor::make(DType::kF32, {193, 301})};
  uint32_t seed = 1;
  for (Tensor& tensor : in) {
    for (int64_t i = 0; i < tensor.count(); ++i) {
      seed = seed * 1664525u + 1013904223u;
      tensor.as<float>()[i] = static_cast<float>(seed >> 8) / 16777216.0f - 0.5f;
    }
  }
  std::vector<Tensor> alone;
  for (int threads : {1, 2, 3, 8}) {
    ExecOptions options;
    options.parallel.max_threads = threads;
    RunScope scope(options.parallel);
    std::vector<Tensor> out;
    ASSERT_TRUE(executable->run(in, options, &out).ok());
    if (threads == 1) alone = out;
    for (size_t k = 0; k < out.size(); ++k) EXPECT_TRUE(out[k].same_bits(alone[k])) << k << " with " << threads;
  }
}

// -- Types.

TEST(CheckType, SaysWhatAValueIsAndWhatItMustBe) {
  ValueType rows = ValueType::tensor(DType::kF32, {Dim::symbol("n"), 3});
  EXPECT_TRUE(check_type(*Tensor::make(DType::kF32, {0, 3}), rows, "input", "x").ok());
  auto refused = [&](const Tensor& value) { return check_type(value, rows, "input", "x").message(); };
  EXPECT_EQ(refused(*Tensor::make(DType::kF64, {1, 3})), "input 'x' is f64[1, 3] but must be f32[n, 3]");
  EXPECT_EQ(refused(*Tensor::make(DType::kF32, {1, 4})), "input 'x' is f32[1, 4] but must be f32[n, 3]");
  EXPECT_EQ(refused(*Tensor::make(DType::kF32, {3})), "input 'x' is f32[3] but must be f32[n, 3]");
  EXPECT_EQ(refused(Tensor()), "input 'x' is an empty tensor but must be f32[n, 3]");
  EXPECT_FALSE(check_type(Tensor::sequence({*Tensor::make(DType::kF32, {1, 3})}), rows, "input", "x").ok());
}

}  // namespace
}  // namespace weft
