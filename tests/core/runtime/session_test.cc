// Sessions: what a run sees and changes, errors, stopping, closing, many threads.
#include "core/runtime/session.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "core/exec/host_functions.h"
#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/simd/isa.h"
#include "tests/core/expect_error.h"

namespace weft {
namespace {

// A graph under construction with a session over it.
struct SessionModel {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  std::shared_ptr<Session> session;

  Expr input(const char* name, DType dtype, Dims dims) {
    Result<ValueId> id = graph->add_input(name, ValueType::tensor(dtype, std::move(dims)));
    EXPECT_TRUE(id.ok()) << id.status().text();
    return Expr(scope, *id);
  }
  Expr variable(const char* name, float initial) {
    return Expr(scope, *graph->add_variable(name, scalar(scope, DType::kF32, initial).id(), true));
  }
  Expr assign(Expr variable, Expr value) { return make(scope, "weft.Assign", {variable, value}); }
  void start(SessionOptions options = {}, std::shared_ptr<Store> store = nullptr) {
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    session = *Session::make(graph, std::move(options), std::move(store));
  }
  Result<std::vector<Tensor>> run(Signature signature, const std::vector<Tensor>& feeds = {}, RunOptions options = {}) {
    std::vector<Tensor> out;
    WEFT_CHECK(session->run(signature, feeds, options, &out));
    return out;
  }
  float get(const char* name) { return *(*session->get_variable(name)).as<float>(); }
};

TEST(Session, ARunOfNothingTakesWhatItIsFed) {
  SessionModel m;
  Expr x = m.input("x", DType::kF32, {1});
  m.start();
  EXPECT_EQ((*m.run({{x.id()}, {}, {}}, {Tensor::vector<float>({1})})).size(), 0u);
}

TEST(Session, RunsReadTheValuesFromBeforeTheirAssignments) {
  SessionModel m;
  Expr w = m.variable("w", 1.0f), next = m.assign(w, w * 3.0);
  m.start();
  std::vector<Tensor> out = *m.run({{}, {w.id(), next.id()}, {}});
  EXPECT_EQ(*out[0].as<float>(), 1.0f);
  EXPECT_EQ(*out[1].as<float>(), 3.0f);
  EXPECT_EQ(m.get("w"), 3.0f);
}

TEST(Session, VariablesSwapTheirValues) {
  SessionModel m;
  Expr a = m.variable("a", 1.0f), b = m.variable("b", 2.0f);
  Expr to_b = m.assign(b, a), to_a = m.assign(a, b);
  m.start();
  ASSERT_TRUE(m.run({{}, {}, {to_a.id(), to_b.id()}}).ok());
  EXPECT_EQ(m.get("a"), 2.0f);
  EXPECT_EQ(m.get("b"), 1.0f);
}

TEST(Session, SaysWhatItKeepsAndHasDone) {
  SessionModel m;
  Expr x = m.input("x", DType::kF32, {Dim::symbol("n"), 3}), w = m.variable("w", 2.0f);
  Expr y = make(m.scope, "ReduceMax", {make(m.scope, "Exp", {x * w})}), next = m.assign(w, w * 3.0);
  SessionOptions options;
  options.threads = 1;
  options.reference_kernels = true;
  m.start(options);
  const Signature signature{{x.id()}, {y.id()}, {next.id()}};
  for (int64_t rows : {1, 2, 1}) {
    Tensor fed = *Tensor::make(DType::kF32, {rows, 3});
    std::fill_n(fed.as<float>(), fed.count(), 1.0f);
    ASSERT_TRUE(m.run(signature, {fed}).ok());
  }
  const std::string plan =
      R"(, "kernels": {"Exp: plain": 1, "Mul: plain": 2, "ReduceMax: plain": 1}, "on_cpu": {}, "constant_bytes": 4, "arena_bytes": 64, )"
      R"("device_arena_bytes": 0, "idle_arenas": 1, "branch_groups": 0})";
  EXPECT_EQ(
      *m.session->describe(),
      cat(R"({"runs": 3, "threads": 1, "instruction_set": ")", isa_name(current_isa()),
          R"(", "device": "cpu", "weight_cache": {"found": 0, "made": 0}, "calls": [{"feeds": ["x"], "fetches": ["ReduceMax"], "assigns": ["w"], "plans": [)"
          R"({"inputs": ["f32[1, 3]", "f32[]"])",
          plan, R"(, {"inputs": ["f32[2, 3]", "f32[]"])", plan, "]}]}"));
  m.session->trim();
  EXPECT_NE(m.session->describe()->find(R"("runs": 3, )"), std::string::npos);
  EXPECT_NE(m.session->describe()->find(R"("calls": [])"), std::string::npos);
  ASSERT_TRUE(m.session->close().ok());
  expect_error(m.session->describe().status(), Code::kFailedPrecondition, "closed");
}

// How many plans the session has for its one call.
size_t plans_of(Session& session) {
  const std::string text = *session.describe();
  size_t count = 0;
  for (size_t at = 0; (at = text.find("\"inputs\"", at)) != std::string::npos; ++at) ++count;
  return count;
}

TEST(Session, PreparingPlansWhereSizesAreKnown) {
  SessionModel m;
  Expr x = m.input("x", DType::kF32, {2}), w = m.variable("w", 2.0f), y = x * w;
  m.start();
  std::shared_ptr<Prepared> prepared = *m.session->prepare({{x.id()}, {y.id()}, {}});
  EXPECT_EQ(plans_of(*m.session), 1u);
  ASSERT_TRUE(prepared->bind_input(0, Tensor::vector<float>({1, 2})).ok());
  ASSERT_TRUE(prepared->run({}).ok());
  EXPECT_EQ(plans_of(*m.session), 1u);
  EXPECT_EQ((*prepared->output(0)).as<float>()[1], 4.0f);
}

TEST(Session, PreparingWaitsForSizesThatAreNotKnown) {
  SessionModel m;
  Expr x = m.input("x", DType::kF32, {Dim::symbol("n")}), shape = m.input("shape", DType::kI64, {1});
  Expr y = make(m.scope, "Reshape", {x, shape});
  m.start();
  EXPECT_TRUE(m.session->prepare({{x.id()}, {(x + x).id()}, {}}).ok());
  EXPECT_TRUE(m.session->prepare({{x.id(), shape.id()}, {y.id()}, {}}).ok());
  EXPECT_EQ(plans_of(*m.session), 0u);
}

TEST(Session, ARunThatFailsChangesNothing) {
  SessionModel m;
  Expr w = m.variable("w", 1.0f), x = m.input("x", DType::kI32, {1}), y = m.input("y", DType::kI32, {1});
  Expr quotient = make(m.scope, "Div", {x, y}), next = m.assign(w, w + 1.0);
  m.start();
  int32_t one = 1, zero = 0;
  Tensor ones = *Tensor::from_bytes(DType::kI32, {1}, &one, 4), zeros = *Tensor::from_bytes(DType::kI32, {1}, &zero, 4);
  Signature signature{{x.id(), y.id()}, {quotient.id()}, {next.id()}};
  expect_error(m.run(signature, {ones, zeros}).status(), Code::kInvalidArgument, "zero");
  EXPECT_EQ(m.get("w"), 1.0f);
  ASSERT_TRUE(m.run(signature, {ones, ones}).ok());
  EXPECT_EQ(m.get("w"), 2.0f);
}

// Softsign is made of others, one of which is a Div.
TEST(Session, ErrorsNameTheNodeAsItWasAdded) {
  SessionModel m;
  Expr x = m.input("x", DType::kF32, {Dim::symbol("n")});
  Expr a = m.input("a", DType::kI64, {Dim::symbol("n")}), b = m.input("b", DType::kI64, {Dim::symbol("n")});
  Expr soft = make(m.scope, "Softsign", {x}), bad = a / b, good = a / (b + 1.0);
  m.start();
  const std::vector<Tensor> fed{Tensor::vector<float>({1}), Tensor::vector<int64_t>({1}), Tensor::vector<int64_t>({0})};
  Status status = m.run({{x.id(), a.id(), b.id()}, {soft.id(), bad.id(), good.id()}, {}}, fed).status();
  expect_error(status, Code::kInvalidArgument, "zero");
  EXPECT_EQ(status.node(), "Div");
}

TEST(Session, FetchedVariablesAreNotChangedByLaterRuns) {
  SessionModel m;
  Expr w = m.variable("w", 0.0f), next = m.assign(w, w + 1.0);
  m.start();
  std::vector<Tensor> kept;
  for (int i = 0; i < 5; ++i) kept.push_back((*m.run({{}, {next.id()}, {}}))[0]);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(*kept[static_cast<size_t>(i)].as<float>(), static_cast<float>(i + 1));
}

TEST(Session, WhatIsFetchedIsNobodyElses) {
  SessionModel m;
  Expr w = m.variable("w", 1.0f), x = m.input("x", DType::kF32, {});
  Expr both = make(m.scope, "SequenceConstruct", {w, x}), same = make(m.scope, "OptionalGetElement", {w});
  m.start();
  Tensor fed = Tensor::scalar(5.0f);
  std::vector<Tensor> out = *m.run({{x.id()}, {both.id(), same.id(), same.id()}, {}}, {fed});
  Tensor first = out[0].items()[0], second = out[0].items()[1];
  *first.as<float>() = 8.0f;
  *out[1].as<float>() = 9.0f;
  *fed.as<float>() = 6.0f;
  EXPECT_EQ(*second.as<float>(), 5.0f);
  EXPECT_EQ(*out[2].as<float>(), 1.0f);
  auto prepared = *m.session->prepare({{}, {same.id()}, {}});
  ASSERT_TRUE(prepared->run({}).ok());
  Tensor third = *prepared->output(0);
  *third.as<float>() = 7.0f;
  EXPECT_EQ(m.get("w"), 1.0f);
}

TEST(Session, SaysWhichFeedIsWrong) {
  SessionModel m;
  Expr x = m.input("pixels", DType::kF32, {Dim::symbol("batch"), 3}), y = x + 1.0;
  m.start();
  Tensor good = *Tensor::make(DType::kF32, {2, 3});
  expect_error(m.run({{}, {y.id()}, {}}).status(), Code::kInvalidArgument, "'pixels'");
  expect_error(m.run({{x.id(), x.id()}, {y.id()}, {}}, {good, good}).status(), Code::kInvalidArgument, "pixels");
  expect_error(m.run({{x.id()}, {y.id()}, {}}, {*Tensor::make(DType::kF32, {2, 4})}).status(), Code::kInvalidArgument,
               "f32[2, 4]");
  expect_error(m.run({{x.id()}, {y.id()}, {}}, {*Tensor::make(DType::kF64, {2, 3})}).status(), Code::kInvalidArgument,
               "f64[2, 3]");
  expect_error(m.run({{x.id()}, {y.id()}, {}}, {*Tensor::make(DType::kF32, {3})}).status(), Code::kInvalidArgument,
               "f32[3]");
  EXPECT_TRUE(m.run({{x.id()}, {y.id()}, {}}, {good}).ok());
}

TEST(Session, NamesThatAreEqualAskForEqualDimensions) {
  SessionModel m;
  Expr x = m.input("x", DType::kF32, {Dim::symbol("n")}), y = m.input("y", DType::kF32, {Dim::symbol("n")}), z = x + y;
  m.start();
  Signature signature{{x.id(), y.id()}, {z.id()}, {}};
  expect_error(m.run(signature, {*Tensor::make(DType::kF32, {2}), *Tensor::make(DType::kF32, {3})}).status(),
               Code::kInvalidArgument, "'n' is 3 in 'y'");
  expect_error(m.run(signature, {*Tensor::make(DType::kF32, {2}), *Tensor::make(DType::kF32, {1})}).status(),
               Code::kInvalidArgument, "'n' is 1 in 'y'");
}

TEST(Session, AnyValueCanBeFed) {
  SessionModel m;
  Expr x = m.input("x", DType::kF32, {2}), middle = x * 2.0, y = middle + 1.0;
  m.start();
  std::vector<Tensor> out = *m.run({{middle.id()}, {y.id()}, {}}, {Tensor::vector<float>({10, 20})});
  EXPECT_EQ(out[0].as<float>()[1], 21.0f);
}

TEST(Session, AFedOutputStaysWhereAnotherOneOfItsNodeIsComputed) {
  SessionModel m;
  Expr x = m.input("x", DType::kF32, {4});
  std::vector<Expr> halves = make_all(m.scope, "Split", {x}, {{"num_outputs", int64_t{2}}}, 2);
  Expr fed = halves[0], computed = halves[1];
  Expr fed_first = fed * 10.0 + computed, computed_first = computed + fed * 10.0;
  m.start();
  const std::vector<Tensor> feeds{Tensor::vector<float>({1, 2, 3, 4}), Tensor::vector<float>({100, 200})};
  for (Expr sum : {fed_first, computed_first}) {
    std::vector<Tensor> out = *m.run({{x.id(), fed.id()}, {sum.id(), computed.id(), fed.id()}, {}}, feeds);
    EXPECT_EQ(out[0].as<float>()[0], 1003.0f);
    EXPECT_EQ(out[0].as<float>()[1], 2004.0f);
    EXPECT_EQ(out[1].as<float>()[1], 4.0f);
    EXPECT_EQ(out[2].as<float>()[1], 200.0f);
  }
}

TEST(Session, SharesAStoreWithAnother) {
  SessionModel a, b;
  Expr w = a.variable("w", 1.0f), next = a.assign(w, w + 1.0);
  Expr same = b.variable("w", 50.0f), twice = same * 2.0;
  a.start();
  ASSERT_TRUE(a.run({{}, {}, {next.id()}}).ok());
  b.start({}, a.session->store());
  EXPECT_EQ(*(*b.run({{}, {twice.id()}, {}}))[0].as<float>(), 4.0f);
  SessionModel c;
  Expr other(c.scope, *c.graph->add_variable("w", constant(c.scope, Tensor::vector<float>({1, 2})).id(), true));
  c.start({}, a.session->store());
  expect_error(c.run({{}, {other.id()}, {}}).status(), Code::kFailedPrecondition, "'w'");
}

TEST(Session, CountsEveryStepOfManyThreads) {
  SessionModel m;
  Expr w = m.variable("w", 0.0f), next = m.assign(w, w + 1.0);
  m.start();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) EXPECT_TRUE(m.run({{}, {}, {next.id()}}).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(m.get("w"), 800.0f);
}

TEST(Session, ReadersSeeOneMomentOfAllVariables) {
  SessionModel m;
  Expr a = m.variable("a", 0.0f), b = m.variable("b", 0.0f);
  Expr next_a = m.assign(a, a + 1.0), next_b = m.assign(b, b + 1.0);
  m.start();
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 500; ++i) EXPECT_TRUE(m.run({{}, {}, {next_a.id(), next_b.id()}}).ok());
    done = true;
  });
  while (!done) {
    std::vector<Tensor> out = *m.run({{}, {a.id(), b.id()}, {}});
    EXPECT_EQ(*out[0].as<float>(), *out[1].as<float>());
  }
  writer.join();
}

TEST(Session, ACloseWaitsAndLaterCallsSaySo) {
  SessionModel m;
  Expr x = m.input("x", DType::kF32, {256, 256}), y = x;
  for (int i = 0; i < 64; ++i) y = matmul(y, x);
  m.start();
  Tensor feed = *Tensor::make(DType::kF32, {256, 256});
  std::fill_n(feed.as<float>(), feed.count(), 0.0f);
  std::atomic<int> started{0};
  std::thread runner([&] {
    for (;;) {
      ++started;
      Status status = m.run({{x.id()}, {y.id()}, {}}, {feed}).status();
      if (!status.ok()) {
        expect_error(status, Code::kFailedPrecondition, "closed");
        return;
      }
    }
  });
  while (started == 0) std::this_thread::yield();
  EXPECT_TRUE(m.session->close().ok());
  EXPECT_TRUE(m.session->close().ok());
  runner.join();
  expect_error(m.session->get_variable("w").status(), Code::kFailedPrecondition, "closed");
}

TEST(Session, StopsInTheMiddleOfALongRun) {
  SessionModel m;
  Expr x = m.input("x", DType::kF32, {256, 256}), y = x, w = m.variable("w", 1.0f);
  for (int i = 0; i < 2000; ++i) y = matmul(y, x);
  Expr next = m.assign(w, w + 1.0);
  m.start();
  Tensor feed = *Tensor::make(DType::kF32, {256, 256});
  std::fill_n(feed.as<float>(), feed.count(), 0.0f);
  Signature signature{{x.id()}, {y.id()}, {next.id()}};
  RunOptions deadline;
  deadline.timeout_ns = 5'000'000;
  expect_error(m.run(signature, {feed}, deadline).status(), Code::kDeadlineExceeded, "");
  CancelToken token;
  RunOptions cancel;
  cancel.cancel = &token;
  std::thread canceller([&] { token.cancel(); });
  expect_error(m.run(signature, {feed}, cancel).status(), Code::kCancelled, "");
  canceller.join();
  RunOptions polled;
  polled.poll = [](void*) { return Status(Code::kAborted, "the user said so"); };
  expect_error(m.run(signature, {feed}, polled).status(), Code::kAborted, "the user said so");
  EXPECT_EQ(m.get("w"), 1.0f);
}

// Holds a run in its host function until it is let go.
struct Held {
  std::atomic<bool> inside{false}, go{false};

  Held() {
    set_host_function("held", std::make_shared<const HostFunction>(
                                  [](void* user, const std::vector<Tensor>& in, std::vector<Tensor>* out) -> Status {
                                    Held& held = *static_cast<Held*>(user);
                                    held.inside = true;
                                    held.inside.notify_all();
                                    held.go.wait(false);
                                    (*out)[0] = in[0];
                                    return {};
                                  },
                                  this, nullptr));
  }
  ~Held() { remove_host_function("held"); }
  void let_go() {
    go = true;
    go.notify_all();
  }
};

// A run that adds 2 to a variable of 1 is under way, and stays so until its end is asked for.
struct HeldAssignment : SessionModel {
  Expr x = input("x", DType::kF32, {}), w = variable("w", 1.0f);
  Expr called =
      make(scope, "weft.HostCall", {x},
           {{"name", "held"}, {"dtypes", std::vector<std::string>{"f32"}}, {"shapes", std::vector<std::string>{""}}});
  Expr slow = assign(w, w + called), quick = assign(w, w + 1.0);
  Held held;
  std::thread first;

  HeldAssignment() {
    start();
    first = std::thread([this] {
      Status status = run({{x.id()}, {slow.id()}, {}}, {Tensor::scalar(2.0f)}).status();
      EXPECT_TRUE(status.ok()) << status.text();
    });
    held.inside.wait(false);
  }
  void end() {
    held.let_go();
    first.join();
  }
};

TEST(Session, ARunThatWaitsForAnothersAssignmentStops) {
  HeldAssignment m;
  RunOptions deadline;
  deadline.timeout_ns = 1'000'000;
  expect_error(m.run({{}, {m.quick.id()}, {}}, {}, deadline).status(), Code::kDeadlineExceeded, "");
  RunOptions polled;
  polled.poll = [](void*) { return Status(Code::kAborted, "the user said so"); };
  auto prepared = *m.session->prepare({{}, {m.quick.id()}, {}});
  expect_error(prepared->run(polled), Code::kAborted, "the user said so");
  m.end();
  EXPECT_EQ(m.get("w"), 3.0f);
  EXPECT_TRUE(prepared->run({}).ok());
  EXPECT_EQ(m.get("w"), 4.0f);
}

// A host function of the run that the other one waits for may close that one.
TEST(Session, ACloseEndsAPreparedRunThatWaitsForAnothersAssignment) {
  HeldAssignment m;
  for (const bool polls : {false, true}) {
    auto prepared = *m.session->prepare({{}, {m.quick.id()}, {}});
    std::thread second([&] {
      RunOptions options;
      if (polls) options.poll = [](void*) { return Status(); };
      expect_error(prepared->run(options), Code::kFailedPrecondition, "this prepared call is");
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));  // in which it comes to where it waits
    EXPECT_TRUE(prepared->close().ok());
    second.join();
  }
  m.end();
  EXPECT_EQ(m.get("w"), 3.0f);
}

TEST(Session, VariablesGetNoValueInARunThatIsOver) {
  SessionModel m;
  Expr w = m.variable("w", 1.0f);
  m.start();
  RunOptions past;
  past.timeout_ns = 1;
  expect_error(m.run({{}, {w.id()}, {}}, {}, past).status(), Code::kDeadlineExceeded, "");
  EXPECT_TRUE(m.session->store()->names().empty());
}

TEST(Session, HostFunctionsReadTheirInputsOnly) {
  SessionModel m;
  Expr w = m.variable("w", 1.0f);
  Expr called =
      make(m.scope, "weft.HostCall", {w},
           {{"name", "looks"}, {"dtypes", std::vector<std::string>{"f32"}}, {"shapes", std::vector<std::string>{""}}});
  m.start();
  set_host_function("looks", std::make_shared<const HostFunction>(
                                 [](void*, const std::vector<Tensor>& in, std::vector<Tensor>* out) -> Status {
                                   EXPECT_FALSE(in[0].buffer()->writable());
                                   (*out)[0] = in[0];
                                   return {};
                                 },
                                 nullptr, nullptr));
  EXPECT_TRUE(m.run({{}, {called.id()}, {}}, {}).ok());
  remove_host_function("looks");
}

TEST(Session, ADeadlineIsAtTheLatestTheEndOfTime) {
  SessionModel m;
  Expr x = m.input("x", DType::kF32, {1}), y = x * 2.0;
  m.start();
  RunOptions options;
  for (int64_t timeout : {INT64_MAX, INT64_MAX - 1}) {
    options.timeout_ns = timeout;
    EXPECT_EQ(options.deadline_ns(), INT64_MAX);
    EXPECT_EQ(*(*m.run({{x.id()}, {y.id()}, {}}, {Tensor::vector<float>({3})}, options))[0].as<float>(), 6.0f);
  }
  options.timeout_ns = 0;
  EXPECT_EQ(options.deadline_ns(), 0);
}

// Without folding it is a view of a constant, which lies in no memory of the run and on no device.
TEST(Session, AConstantInAnotherShapeIsFetchedWithoutPasses) {
  SessionModel m;
  SessionOptions options;
  options.disabled_passes = {"*"};
  m.start(options);
  Expr numbers = constant(m.scope, Tensor::vector<int64_t>({1, 2, 3, 4, 5, 6}));
  Expr y = reshape(numbers, constant_ints(m.scope, {2, 3}));
  for (int i = 0; i < 2; ++i) {
    const std::vector<Tensor> out = *m.run({{}, {y.id()}, {}}, {});
    ASSERT_EQ(out[0].shape(), (Shape{2, 3}));
    for (int64_t k = 0; k < 6; ++k) EXPECT_EQ(out[0].as<int64_t>()[k], k + 1);
  }
}

TEST(Session, RunsAGraphThatIsVeryDeepOnASmallStack) {
  SessionModel m;
  Expr x = m.input("x", DType::kF32, {1}), y = x;
  for (int i = 0; i < 20'000; ++i) y = make(m.scope, "Neg", {y});
  SessionOptions options;
  options.disabled_passes = {"*"};
  m.start(options);
  float got = 0;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);  // 13 bytes for a node
  struct Job {
    SessionModel* model;
    Signature signature;
    float* got;
  } job{&m, {{x.id()}, {y.id()}, {}}, &got};
  pthread_t thread;
  ASSERT_EQ(pthread_create(
                &thread, &attributes,
                [](void* user) -> void* {
                  Job& job = *static_cast<Job*>(user);
                  Result<std::vector<Tensor>> out = job.model->run(job.signature, {Tensor::vector<float>({2.5f})});
                  if (out.ok()) *job.got = *(*out)[0].as<float>();
                  return nullptr;
                },
                &job),
            0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  EXPECT_EQ(got, 2.5f);
}

TEST(Session, InitialValuesMayDependOnEachOther) {
  SessionModel m;
  Expr a = m.variable("a", 3.0f);
  Expr b(m.scope, *m.graph->add_variable("b", (a * 2.0).id(), true));
  m.start();
  EXPECT_EQ(m.get("b"), 6.0f);
}

TEST(Session, AnInitialValueMustNotAssign) {
  SessionModel m;
  Expr a = m.variable("a", 3.0f), next = m.assign(a, a + 1.0), twice = a * 2.0;
  ASSERT_TRUE(m.graph->attach(m.graph->value(twice.id()).node, next.id()).ok());
  ASSERT_TRUE(m.graph->add_variable("b", next.id(), true).ok());
  ASSERT_TRUE(m.graph->add_variable("c", twice.id(), true).ok());
  m.start();
  for (const char* name : {"b", "c"}) {
    expect_error(m.session->get_variable(name).status(), Code::kInvalidArgument,
                 cat("initial value of '", name, "' assigns 'a'"));
  }
  EXPECT_EQ(m.get("a"), 3.0f);
}

TEST(Session, TheGraphMayGrowBetweenRuns) {
  SessionModel m;
  Expr x = m.input("x", DType::kF32, {1}), y = x + 1.0;
  m.start();
  ASSERT_TRUE(m.run({{x.id()}, {y.id()}, {}}, {Tensor::vector<float>({1})}).ok());
  Expr z = y * 5.0;
  EXPECT_EQ(*(*m.run({{x.id()}, {z.id()}, {}}, {Tensor::vector<float>({1})}))[0].as<float>(), 10.0f);
}

TEST(Session, AssignmentsMayBeAttachedBetweenRuns) {
  SessionModel m;
  Expr w = m.variable("w", 1.0f), y = w * 2.0, next = m.assign(w, w + 1.0);
  m.start();
  ASSERT_TRUE(m.run({{}, {y.id()}, {}}).ok());
  EXPECT_EQ(m.get("w"), 1.0f);
  auto before = *m.session->prepare({{}, {y.id()}, {}});
  ASSERT_TRUE(m.graph->attach(m.graph->value(y.id()).node, next.id()).ok());
  ASSERT_TRUE(m.run({{}, {y.id()}, {}}).ok());
  EXPECT_EQ(m.get("w"), 2.0f);
  ASSERT_TRUE(before->run({}).ok());
  EXPECT_EQ(m.get("w"), 2.0f);
  auto after = *m.session->prepare({{}, {y.id()}, {}});
  ASSERT_TRUE(after->run({}).ok());
  EXPECT_EQ(m.get("w"), 3.0f);
}

}  // namespace
}  // namespace weft
