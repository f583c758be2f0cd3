// Sessions on a device: what moves and what stays, errors that come later, memory.
#include <cmath>
#include <thread>

#include "core/runtime/checkpoint.h"
#include "tests/core/expect_error.h"
#include "tests/core/runtime/model_common.h"
#include "tests/device/test_device.h"

namespace weft {
namespace {

std::shared_ptr<Session> session_on(const std::string& device, const TestModel& m,
                                    std::shared_ptr<Store> store = nullptr) {
  add_test_devices();
  SessionOptions options;
  options.device = device;
  Result<std::shared_ptr<Session>> made = Session::make(m.graph, options, std::move(store));
  EXPECT_TRUE(made.ok()) << made.status().text();
  return made.ok() ? *made : nullptr;
}

Result<Values> run_one(Session& session, const std::vector<Expr>& feeds, const std::vector<Tensor>& given, Expr fetch) {
  Signature signature;
  for (Expr feed : feeds) signature.feeds.push_back(feed.id());
  signature.fetches = {fetch.id()};
  std::vector<Tensor> out;
  WEFT_CHECK(session.run(signature, given, {}, &out));
  EXPECT_EQ(out[0].memory(), nullptr);
  return Values(out[0].as<double>(), out[0].as<double>() + out[0].count());
}

// w := w + x, which also is the result.
struct Counter : TestModel {
  Expr x = input("x", DType::kF64, {});
  Expr w = variable("w", 10);
  Expr next = make(scope, "weft.Assign", {w, w + x});
};

Expr reshape_row(Expr x) {
  return make(x.scope(), "Reshape", {x, constant(x.scope(), Tensor::vector<int64_t>({1, 1}))});
}

TEST(Device, VariablesStayThere) {
  for (const std::string& device : test_devices()) {
    Counter m;
    std::shared_ptr<Session> session = session_on(device, m);
    EXPECT_EQ(*run_one(*session, {m.x}, {Tensor::scalar<double>(1)}, m.next), Values{11});
    const TestDeviceCounts before = test_device_counts();
    EXPECT_EQ(*run_one(*session, {m.x}, {Tensor::scalar<double>(2)}, m.next), Values{13});
    EXPECT_EQ(*run_one(*session, {m.x}, {Tensor::scalar<double>(3)}, m.next), Values{16});
    const TestDeviceCounts after = test_device_counts();
    // What is fed goes in and what is fetched comes out, and with all kernels nothing else does.
    if (device != "test:partial") {
      EXPECT_EQ(after.copies_in - before.copies_in, 2) << device;
      EXPECT_EQ(after.copies_out - before.copies_out, 2) << device;
    }
    EXPECT_EQ(*session->get_variable("w")->as<double>(), 16);
    ASSERT_TRUE(session->set_variable("w", Tensor::scalar<double>(100)).ok());
    EXPECT_EQ(*run_one(*session, {m.x}, {Tensor::scalar<double>(1)}, m.next), Values{101});
  }
}

TEST(Device, APreparedCallIsTheSame) {
  for (const std::string& device : test_devices()) {
    Counter m;
    std::shared_ptr<Session> session = session_on(device, m);
    std::shared_ptr<Prepared> call = *session->prepare({{m.x.id()}, {m.next.id()}, {}});
    Tensor fed = Tensor::scalar<double>(1), bound = Tensor::scalar<double>(0);
    ASSERT_TRUE(call->bind_input(0, fed).ok());
    for (int run = 1; run <= 3; ++run) {
      ASSERT_TRUE(call->run({}).ok());
      EXPECT_EQ(*call->output(0)->as<double>(), 10 + run);
    }
    ASSERT_TRUE(call->bind_output(0, bound).ok());
    *fed.as<double>() = 5;
    ASSERT_TRUE(call->run({}).ok());
    EXPECT_EQ(*bound.as<double>(), 18) << device;
  }
}

// The variable lies in two places by turns: a recording for each, made in the third run with it.
TEST(Device, WhatRunsOftenIsRecorded) {
  for (const std::string& device : test_devices()) {
    Counter m;
    Expr y = make(m.scope, "Exp", {make(m.scope, "MatMul", {reshape_row(m.next * 2.0), reshape_row(m.x)})});
    std::shared_ptr<Session> session = session_on(device, m);
    std::shared_ptr<Prepared> call = *session->prepare({{m.x.id()}, {m.next.id(), y.id()}, {}});
    Tensor fed = Tensor::scalar<double>(0);
    ASSERT_TRUE(call->bind_input(0, fed).ok());
    const TestDeviceCounts before = test_device_counts();
    double w = 10;
    for (int run = 1; run <= 10; ++run) {
      *fed.as<double>() = 0.01 * run;
      w += 0.01 * run;
      ASSERT_TRUE(call->run({}).ok());
      EXPECT_EQ(*call->output(0)->as<double>(), w) << device << " " << run;
      EXPECT_NEAR(*call->output(1)->as<double>(), std::exp(w * 2.0 * 0.01 * run), 1e-12) << device << " " << run;
    }
    const TestDeviceCounts after = test_device_counts();
    if (device == "test:partial") continue;
    EXPECT_GE(after.recordings - before.recordings, 2) << device;
    EXPECT_EQ(after.replays - before.replays, 3 * (after.recordings - before.recordings)) << device;
  }
}

struct Doubled : TestModel {
  Expr x = input("x", DType::kF64, {});
  Expr y = make(scope, "Exp", {make(scope, "MatMul", {reshape_row(x * 2.0), reshape_row(x)})});
};

TEST(Device, WhatCannotBeRecordedIsDoneStepByStep) {
  Doubled m;
  std::shared_ptr<Session> session = session_on("test:late", m);
  std::shared_ptr<Prepared> call = *session->prepare({{m.x.id()}, {m.y.id()}, {}});
  Tensor fed = Tensor::scalar<double>(0);
  ASSERT_TRUE(call->bind_input(0, fed).ok());
  const TestDeviceCounts before = test_device_counts();
  for (int run = 1; run <= 6; ++run) {
    if (run == 3) fail_next_recording();
    *fed.as<double>() = 0.1 * run;
    ASSERT_TRUE(call->run({}).ok());
    EXPECT_NEAR(*call->output(0)->as<double>(), std::exp(2 * 0.01 * run * run), 1e-12) << run;
  }
  EXPECT_EQ(test_device_counts().replays - before.replays, 0);
}

// What a run does not come to has made no choices, which a recording would hold.
TEST(Device, RunsThatEndEarlyDoNotCountBeforeARecording) {
  Doubled m;
  std::shared_ptr<Session> session = session_on("test:late", m);
  std::shared_ptr<Prepared> call = *session->prepare({{m.x.id()}, {m.y.id()}, {}});
  ASSERT_TRUE(call->bind_input(0, Tensor::scalar<double>(1)).ok());
  RunOptions late;
  late.timeout_ns = 1;
  const TestDeviceCounts before = test_device_counts();
  for (int run = 0; run < 3; ++run) expect_error(call->run(late), Code::kDeadlineExceeded, "");
  for (int run = 1; run <= 2; ++run) ASSERT_TRUE(call->run({}).ok());
  EXPECT_EQ(test_device_counts().recordings, before.recordings);
  ASSERT_TRUE(call->run({}).ok());
  EXPECT_GT(test_device_counts().recordings, before.recordings);
}

TEST(Device, SessionsOfOneStoreMayLieOnSeveral) {
  Counter m;
  auto store = std::make_shared<Store>();
  double wanted = 10;
  std::vector<std::shared_ptr<Session>> sessions;
  for (const char* device : {"cpu", "test:early", "test:late"}) sessions.push_back(session_on(device, m, store));
  for (int round = 0; round < 3; ++round) {
    for (const auto& session : sessions) {
      EXPECT_EQ(*run_one(*session, {m.x}, {Tensor::scalar<double>(1)}, m.next), Values{++wanted});
      EXPECT_EQ(*sessions[0]->get_variable("w")->as<double>(), wanted);
    }
  }
}

// A graph whose shapes come from its data, with strings of steps on both sides and an If.
struct Mixed : TestModel {
  Expr x = input("x", DType::kF64, {Dim::symbol("n")});
  Expr places = make(scope, "NonZero", {x});
  Expr kept = make(scope, "Gather", {x, reshape(places)});
  Expr y = make(scope, "Exp", {kept * 2.0}) + make(scope, "CumSum", {kept, constant_int(scope, 0)});

  static Expr reshape(Expr places) {
    return make(places.scope(), "Reshape", {places, constant(places.scope(), Tensor::vector<int64_t>({-1}))});
  }
};

TEST(Device, ShapesMayComeFromData) {
  Mixed m;
  // exp(2 k) + the sum so far, for the k that are not 0.
  const Values wanted{std::exp(2.0) + 1, std::exp(-1.0) + 0.5, std::exp(4.0) + 2.5};
  for (const std::string& device : test_devices()) {
    std::shared_ptr<Session> session = session_on(device, m);
    Result<Values> got = run_one(*session, {m.x}, {numbers({1, 0, -0.5, 0, 2})}, m.y);
    ASSERT_TRUE(got.ok()) << device << ": " << got.status().text();
    ASSERT_EQ(got->size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR((*got)[i], wanted[i], 1e-12) << device;
  }
}

// The device has an Add alone. It is given exp(x) to read, whose place the processor wants for exp(y) before it has.
TEST(Device, WhatItIsGivenToReadStays) {
  ASSERT_TRUE(
      add_devices({make_test_device("test:add", true, [](const std::string& op) { return op == "Add"; })}).ok());
  TestModel m;
  const Expr x = m.input("x", DType::kF64, {2}), y = m.input("y", DType::kF64, {2});
  const Expr a = make(m.scope, "Exp", {x}), sum = a + a;
  const Expr most = make(m.scope, "ReduceMax", {make(m.scope, "Exp", {y})});
  SessionOptions options;
  options.device = "test:add";
  options.disabled_passes = {"*"};
  std::shared_ptr<Session> session = *Session::make(m.graph, options);
  const Signature signature{{x.id(), y.id()}, {sum.id(), most.id()}, {}};
  std::vector<Tensor> out;
  ASSERT_TRUE(session->run(signature, {numbers({0, 1}), numbers({2, 4})}, {}, &out).ok());
  EXPECT_DOUBLE_EQ(out[0].as<double>()[0], 2);
  EXPECT_DOUBLE_EQ(out[0].as<double>()[1], 2 * std::exp(1.0));
  EXPECT_DOUBLE_EQ(out[1].as<double>()[0], std::exp(4.0));
}

// Of operators that it lacks and that come apart.
TEST(Device, BodiesCheckWhatKernelsCheck) {
  const auto has = [](const std::string& op) { return op != "RNN" && op != "STFT"; };
  ASSERT_TRUE(add_devices({make_test_device("test:no_layers", true, has)}).ok());
  TestModel m;
  SessionOptions options;
  options.device = "test:no_layers";
  m.session = *Session::make(m.graph, options);
  const Expr x = m.input("x", DType::kF64, {3, 2, 1}), lens = m.input("lens", DType::kI32, {2});
  const Expr w = constant(m.scope, *numbers({0.5}).reshaped({1, 1, 1}));
  const Expr y = make(m.scope, "RNN", {x, w, w, Expr(), lens});
  const Tensor steps = *numbers({1, 2, 3, 4, 5, 6}).reshaped({3, 2, 1});
  const auto layer = [&](int32_t first, int32_t second) {
    return m.run({x, lens}, {steps, Tensor::vector<int32_t>({first, second})}, {y}).status();
  };
  EXPECT_TRUE(layer(3, 0).ok()) << layer(3, 0).text();
  expect_error(layer(3, 4), Code::kOutOfRange, "input 'sequence_lens' has 4 at 1 but there are 3 steps");
  expect_error(layer(-1, 3), Code::kOutOfRange, "input 'sequence_lens' has -1 at 0 but there are 3 steps");

  const Expr signal = m.input("signal", DType::kF64, {1, 6, 1}), step = m.input("step", DType::kI64, {});
  const Expr length = m.input("length", DType::kI64, {}),
             frames = make(m.scope, "STFT", {signal, step, Expr(), length});
  const Tensor sound = *numbers({1, 2, 3, 4, 5, 6}).reshaped({1, 6, 1});
  const auto cut = [&](int64_t every, int64_t size) {
    const std::vector<Tensor> given{sound, Tensor::scalar<int64_t>(every), Tensor::scalar<int64_t>(size)};
    return m.run({signal, step, length}, given, {frames}).status();
  };
  EXPECT_TRUE(cut(2, 4).ok()) << cut(2, 4).text();
  expect_error(cut(1, 0), Code::kInvalidArgument, "input 'frame_length' is 0 but must be positive");
  expect_error(cut(0, 2), Code::kInvalidArgument, "input 'frame_step' is 0 but must be positive");
  expect_error(cut(1, 7), Code::kInvalidArgument, "a frame has 7 elements, but the signal is");
}

// 1 / (1 + e^-x) at -6.4, -1, 0, 1 and 6.35, in steps of 1/256.
TEST(Device, TablesOfFunctionsAreMadeOnTheProcessor) {
  for (const std::string& device : test_devices()) {
    TestModel m;
    const auto number = [&m](auto value) { return constant(m.scope, Tensor::scalar(value)); };
    Expr q = m.input("q", DType::kU8, {5});
    Expr x = make(m.scope, "DequantizeLinear", {q, number(0.05f), number(uint8_t{128})});
    Expr y = make(m.scope, "QuantizeLinear", {make(m.scope, "Sigmoid", {x}), number(1.0f / 256), number(uint8_t{0})});
    y = cast(y, DType::kF64);
    const Tensor given = Tensor::vector<uint8_t>({0, 108, 128, 148, 255});
    EXPECT_EQ(*run_one(*session_on(device, m), {q}, {given}, y), (Values{0, 69, 128, 187, 255})) << device;
  }
}

TEST(Device, AnErrorThatComesLaterNamesItsNode) {
  for (const std::string& device : test_devices()) {
    TestModel m;
    Expr x = m.input("x", DType::kF64, {3}), at = m.input("at", DType::kI64, {1});
    NodeOptions options;
    options.name = "look_up";
    options.origin = "here.cc:7";
    const NodeId node = *m.graph->add("", "Gather", {x.id(), at.id()}, {}, options);
    Expr y = Expr(m.scope, m.graph->node(node).output(0)) * 2.0;
    std::shared_ptr<Session> session = session_on(device, m);
    const Tensor values = numbers({1, 2, 3});
    Result<Values> got = run_one(*session, {x, at}, {values, Tensor::vector<int64_t>({7})}, y);
    expect_error(got.status(), Code::kOutOfRange, "7");
    EXPECT_EQ(got.status().node(), "look_up") << device << ": " << got.status().text();
    EXPECT_EQ(got.status().origin(), "here.cc:7") << device;
    // The session goes on.
    EXPECT_EQ(*run_one(*session, {x, at}, {values, Tensor::vector<int64_t>({2})}, y), Values{6}) << device;
  }
}

TEST(Device, WithoutMemoryARunFailsAndTheSessionGoesOn) {
  Counter m;
  std::shared_ptr<Session> session = session_on("test:late", m);
  fail_next_allocation();
  Result<Values> got = run_one(*session, {m.x}, {Tensor::scalar<double>(1)}, m.next);
  expect_error(got.status(), Code::kResourceExhausted, "no more memory");
  EXPECT_EQ(*run_one(*session, {m.x}, {Tensor::scalar<double>(1)}, m.next), Values{11});
}

TEST(Device, GivesItsMemoryBack) {
  add_test_devices();
  const int64_t before = test_device_counts().bytes_held;
  {
    Mixed m;
    std::shared_ptr<Session> session = session_on("test:late", m);
    ASSERT_TRUE(run_one(*session, {m.x}, {numbers({1, 0, 2})}, m.y).ok());
    EXPECT_GT(test_device_counts().bytes_held, before);
    ASSERT_TRUE(session->close().ok());
  }
  EXPECT_EQ(test_device_counts().bytes_held, before);
}

TEST(Device, ThreadsRunAtOnce) {
  Mixed m;
  std::shared_ptr<Session> session = session_on("test:late", m);
  std::vector<std::thread> threads;
  for (int t = 1; t <= 4; ++t) {
    threads.emplace_back([&, t] {
      for (int run = 0; run < 20; ++run) {
        Result<Values> got = run_one(*session, {m.x}, {numbers(Values(static_cast<size_t>(t), 1.0))}, m.y);
        ASSERT_TRUE(got.ok()) << got.status().text();
        ASSERT_EQ(got->size(), static_cast<size_t>(t));
        ASSERT_NEAR(got->back(), std::exp(2.0) + t, 1e-12);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Device, WhatItLeavesToTheCpuIsCountedOrRefused) {
  add_test_devices();
  Mixed m;
  SessionOptions options;
  options.device = "test:early";
  std::shared_ptr<Session> session = *Session::make(m.graph, options);
  const std::vector<Tensor> given{Tensor::vector<double>({1, 0, 2})};
  ASSERT_TRUE(run_one(*session, {m.x}, given, m.y).ok());
  // As many results as the data says.
  EXPECT_NE(session->describe()->find("\"on_cpu\": {\"NonZero: "), std::string::npos) << *session->describe();
  options.device_only = true;
  session = *Session::make(m.graph, options);
  expect_error(run_one(*session, {m.x}, given, m.y).status(), Code::kUnimplemented,
               "device 'test:early' has no kernel for it, and option 'device_only' keeps it from the CPU");
  Counter counter;
  session = *Session::make(counter.graph, options);
  EXPECT_EQ(*run_one(*session, {counter.x}, {Tensor::scalar<double>(1)}, counter.next), Values{11});
}

TEST(Device, AnotherNameIsRefused) {
  add_test_devices();
  TestModel m;
  SessionOptions options;
  options.device = "cuda:0";
  expect_error(Session::make(m.graph, options).status(), Code::kNotFound,
               "option 'device': there is no device 'cuda:0'; the devices are cpu, test:");
}

}  // namespace
}  // namespace weft
