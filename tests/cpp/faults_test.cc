// Programs that go wrong while they build and run: numbers, indices, memory, threads and depth, with the C++ header.
#include <pthread.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

#include "support.h"

namespace {

using weft::DType;
using weft::Tensor;
using weft::Value;
using Faults = NoLeaks;

constexpr int32_t kLeast = std::numeric_limits<int32_t>::min(), kMost = std::numeric_limits<int32_t>::max();

std::string here(int line) { return std::string(__FILE__) + ":" + std::to_string(line); }

void expect_error(const weft::Error& error, int32_t code, const std::string& part, const std::string& node = "",
                  const std::string& origin = "") {
  EXPECT_EQ(error.code(), code) << error.what();
  EXPECT_NE(error.message().find(part), std::string::npos) << error.what();
  EXPECT_EQ(error.node(), node) << error.what();
  EXPECT_EQ(error.origin(), origin) << error.what();
}

TEST_F(Faults, UnknownNamesAreErrorsOfTheLine) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "2");
  const int line = __LINE__;
  const weft::Error op = error_of([&] { graph.add("MatMull", {x, x}); });
  const weft::Error attr = error_of([&] { graph.add("Relu", {x}, weft::Attrs().set("alpha", 1)); });
  const weft::Error dtype = error_of([&] { graph.input("y", static_cast<DType>(99), "2"); });
  expect_error(op, WEFT_NOT_FOUND, "did you mean 'MatMul'?", "", here(line + 1));
  expect_error(attr, WEFT_INVALID_ARGUMENT, "there is no attribute 'alpha'", "", here(line + 2));
  expect_error(dtype, WEFT_INVALID_ARGUMENT, "99", "y", here(line + 3));
  const int rank = __LINE__ + 1;
  const weft::Error error = error_of([&] { weft::concat({x, graph.input("z", DType::f32, "2,2")}, {0}, "both"); });
  expect_error(error, WEFT_INVALID_ARGUMENT, "have the ranks 1 and 2", "both", here(rank));
}

TEST_F(Faults, ErrorsNameTheNodeWithItsScope) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "2,3");
  weft::Graph::Scope encoder(graph, "encoder"), layer(graph, "layer1");
  EXPECT_EQ(error_of([&] { weft::matmul(x, x); }).node(), "encoder/layer1/MatMul");
  EXPECT_EQ(error_of([&] { weft::matmul(x, x, "scores"); }).node(), "encoder/layer1/scores");
  EXPECT_EQ(error_of([&] { graph.add("MatMull", {x, x}); }).node(), "encoder/layer1/MatMull");
  EXPECT_EQ(error_of([&] { graph.input("y", static_cast<DType>(99), "2"); }).node(), "encoder/layer1/y");
  EXPECT_EQ(error_of([&] { graph.variable("v", x); }).node(), "encoder/layer1/v");
  Value whole = graph.input("i", DType::i32, ""), quotient = weft::div(whole, whole);
  const Tensor zero = Tensor::scalar(0);
  EXPECT_EQ(error_of([&] { weft::Session(graph).run({{whole, zero}}, {quotient}); }).node(), "encoder/layer1/Div");
}

// C would end each of these strings at its NUL, and use what another string names.
TEST_F(Faults, StringsWithANulCharacterAreRefused) {
  const std::string bad("x\0y", 3), path = testing::TempDir() + bad;
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "n"), v = graph.variable("v", 1.0f);
  weft::Session session(graph);
  const Tensor one = Tensor::scalar(1.0f);
  weft::SaveOptions beside;
  beside.weights = bad;
  auto kept = std::make_shared<int>(0);
  const std::function<void()> uses[] = {
      [&] { graph.input(bad, DType::f32, "2"); },
      [&] { graph.input("y", DType::f32, bad); },
      [&] { graph.constant(one, bad); },
      [&] { graph.variable(bad, 1.0f); },
      [&] { graph.add(std::string("Relu\0", 5), {x}); },
      [&] { weft::relu(x, bad); },
      [&] { graph.add("LeakyRelu", {x}, weft::Attrs().set(bad, 1.0)); },
      [&] { graph.add("Relu", {x}, weft::Attrs().set("a", bad)); },
      [&] {
        graph.add("Relu", {x}, weft::Attrs().set("a", std::vector<std::string>{"b", bad}));
      },
      [&] { weft::Graph::Scope scope(graph, bad); },
      [&] { x.set_name(bad); },
      [&] { graph.find(bad); },
      [&] { graph.optimizer_step(bad); },
      [&] { graph.layer("Flatten", {}, bad); },
      [&] { graph.save("never", {v}, nullptr, beside); },
      [&] { graph.save(path, {v}); },
      [&] { weft::Graph::load(path); },
      [&] { session.get(bad); },
      [&] { session.set(bad, one); },
      [&] { session.save(path); },
      [&] { session.load(path); },
      [&] {
        weft::save_tensors("never", {{bad, one}});
      },
      [&] { weft::load_tensors(path); },
      [&] {
        weft::Dataset::load("never", {"a", bad});
      },
      [&] { weft::describe_operator(bad); },
      [&] { weft::inspect(path); },
      [&] { weft::set_host_function(bad, [kept](const std::vector<Tensor>& in) { return in; }); },
  };
  for (size_t i = 0; i < std::size(uses); ++i) {
    const weft::Error error = error_of(uses[i]);
    EXPECT_EQ(error.code(), WEFT_INVALID_ARGUMENT) << i;
    EXPECT_EQ(error.message(), "a string with a NUL character in it cannot be used here") << i;
  }
  EXPECT_EQ(kept.use_count(), 1);
}

TEST_F(Faults, ValuesFedTwiceAndValuesOfAnotherGraph) {
  weft::Graph graph, other;
  Value x = graph.input("x", DType::f32, "2"), foreign = other.input("x", DType::f32, "2");
  weft::Session session(graph);
  const Tensor two = Tensor::zeros(DType::f32, {2});
  expect_error(error_of([&] { session.run({{x, two}, {x, two}}, {x}); }), WEFT_INVALID_ARGUMENT, "'x' is fed twice");
  expect_error(error_of([&] { session.prepare({x, x}, {x}); }), WEFT_INVALID_ARGUMENT, "'x' is fed twice");
  expect_error(error_of([&] {
                 session.run({{x, Tensor()}}, {x});
               }),
               WEFT_FAILED_PRECONDITION,
               "the tensor that is fed to 'x' is empty: nothing made it, or it was moved from");
  expect_error(error_of([&] { session.prepare({x}, {x}).bind_input(0, Tensor()); }), WEFT_FAILED_PRECONDITION,
               "the tensor for input 0 is empty: nothing made it, or it was moved from");
  const int line = __LINE__ + 1;
  Value named = other.input("named", DType::f32, "2");
  expect_error(error_of([&] {
                 session.run({{x, two}}, {named});
               }),
               WEFT_INVALID_ARGUMENT, "fetch 0 is 'named' (built at " + here(line) + "): it belongs to another graph");
  const std::string part = "belongs to another graph";
  expect_error(error_of([&] { session.run({{x, two}}, {foreign}); }), WEFT_INVALID_ARGUMENT, part);
  expect_error(error_of([&] { session.run({{foreign, two}}, {x}); }), WEFT_INVALID_ARGUMENT, part);
  expect_error(error_of([&] { session.run({{x, two}}, {}, {foreign}); }), WEFT_INVALID_ARGUMENT, part);
  expect_error(error_of([&] { session.prepare({x}, {foreign}); }), WEFT_INVALID_ARGUMENT, part);
  expect_error(error_of([&] { graph.gradients({foreign}, {x}); }), WEFT_INVALID_ARGUMENT, part);
  expect_error(error_of([&] { graph.set_outputs({foreign}); }), WEFT_INVALID_ARGUMENT, part);
}

TEST_F(Faults, ValuesOfABodyAreToldOfByName) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, ""), inside;
  int line = 0;
  graph.loop(graph.constant(int64_t{2}), Value(), {x}, [&](const std::vector<Value>& in) {
    line = __LINE__ + 1;
    inside = weft::neg(in[2], "inside");
    return std::vector<Value>{in[1], in[2]};
  });
  const std::string words = " is 'inside' (built at " + here(line) +
                            "): it belongs to the body of a sub-graph (a loop, a scan or a branch), which is finished; "
                            "what the body is to give outside must be one of its results";
  const weft::Error beside = error_of([&] { graph.add("Add", {x, inside}); });
  EXPECT_EQ(beside.code(), WEFT_INVALID_ARGUMENT);
  EXPECT_EQ(beside.message(), "input 1" + words);
  const weft::Error alone = error_of([&] { inside.abs(); });
  EXPECT_EQ(alone.code(), WEFT_FAILED_PRECONDITION);
  EXPECT_EQ(alone.message(), "input 0" + words);
  const Tensor one = Tensor::scalar(1.0f);
  expect_error(error_of([&] {
                 weft::Session(graph).run({{x, one}}, {inside});
               }),
               WEFT_INVALID_ARGUMENT, "fetch 0" + words);
}

TEST_F(Faults, IndicesOutsideAndNoNumbers) {
  weft::Graph graph;
  Value table = graph.constant(std::vector<float>{10, 20}), x = graph.input("x", DType::f32, "");
  const int line = __LINE__ + 1;
  Value y = weft::gather(table, weft::cast(x, {DType::i64}), {}, "pick");
  weft::Session session(graph);
  auto picked = [&](float at) { return session.run({{x, Tensor::scalar(at)}}, {y})[0].item<float>(); };
  EXPECT_EQ(picked(-2), 10);
  for (float at : {2.0f, -3.0f, INFINITY, -INFINITY, 1e30f, NAN}) {
    expect_error(error_of([&] { picked(at); }), WEFT_OUT_OF_RANGE, "is outside axis 0 of size 2", "pick", here(line));
  }
  const int wrong = __LINE__ + 1;
  const weft::Error error = error_of([&] { weft::gather(table, x, {}, "wrong"); });
  expect_error(error, WEFT_INVALID_ARGUMENT, "is f32 but must be one of i32, i64", "wrong", here(wrong));
}

TEST_F(Faults, WholeNumbersWrapAndDivideByNoZero) {
  weft::Graph graph;
  Value a = graph.input("a", DType::i32, "3"), b = graph.input("b", DType::i32, "3");
  const int line = __LINE__ + 1;
  Value quotient = weft::div(a, b, "quotient");
  Value remainder = weft::mod(a, b, {}, "remainder");
  weft::Session session(graph);
  using Numbers = std::vector<int32_t>;
  auto run = [&](const Numbers& left, const Numbers& right, const std::vector<Value>& values) {
    return session.run({{a, Tensor::from({3}, left)}, {b, Tensor::from({3}, right)}}, values);
  };
  auto out = run({kLeast, 7, kMost}, {-1, -1, 1}, {quotient, remainder, a + b, a - b, a * b, -a, weft::abs(a)});
  const Numbers wanted[] = {{kLeast, -7, kMost},        {0, 0, 0},           {kMost, 6, kLeast},
                            {kLeast + 1, 8, kMost - 1}, {kLeast, -7, kMost}, {kLeast, -7, -kMost},
                            {kLeast, 7, kMost}};
  for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i].to_vector<int32_t>(), wanted[i]) << i;
  expect_error(error_of([&] {
                 run({1, 2, 3}, {1, 0, 1}, {quotient});
               }),
               WEFT_INVALID_ARGUMENT, "division by zero", "quotient", here(line));
  expect_error(error_of([&] {
                 run({1, 2, 3}, {1, 1, 0}, {remainder});
               }),
               WEFT_INVALID_ARGUMENT, "division by zero", "remainder", here(line + 1));
}

TEST_F(Faults, SizesThatOverflowAndMemoryThatIsNotThere) {
  const int64_t huge = int64_t{1} << 62;
  EXPECT_EQ(error_of([&] { Tensor::zeros(DType::f32, {huge, huge}); }).code(), WEFT_RESOURCE_EXHAUSTED);
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, ""), size = graph.input("size", DType::i64, "2");
  const int line = __LINE__ + 1;
  Value y = weft::expand(x, size, "wide");
  weft::Session session(graph);
  auto run = [&](int64_t rows, int64_t columns) {
    return session.run({{x, Tensor::scalar(1.0f)}, {size, Tensor::from<int64_t>({2}, {rows, columns})}}, {y})[0];
  };
  for (int64_t n : {huge, int64_t{1} << 32}) {
    expect_error(error_of([&] { run(n, n); }), WEFT_RESOURCE_EXHAUSTED, "is too large", "wide", here(line));
  }
  EXPECT_EQ(run(2, 1).to_vector<float>(), (std::vector<float>{1, 1}));
  weft::set_memory_limit(weft::memory_bytes() + 1'000'000);
  EXPECT_EQ(error_of([&] { run(1000, 1000); }).code(), WEFT_RESOURCE_EXHAUSTED);
  weft::set_memory_limit(0);
  EXPECT_EQ(run(1000, 1000).count(), 1'000'000);
}

// A run that would take minutes.
struct Long {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "512,512"), w = graph.variable("w", 1.0f);
  Value y = x, next = weft::assign(w, w + 1);
  weft::Session session{graph};
  const Tensor zeros = Tensor::zeros(DType::f32, {512, 512});

  Long() {
    for (int i = 0; i < 20'000; ++i) y = weft::matmul(y, x);
  }
  void run(const weft::RunOptions& options) { session.run({{x, zeros}}, {y}, {next}, options); }
};

TEST_F(Faults, ALongRunIsStoppedInTheMiddle) {
  Long model;
  weft::RunOptions options;
  options.cancel = weft::Cancel();
  options.poll = [&] { options.cancel->set(); };  // called from inside the run
  EXPECT_EQ(error_of([&] { model.run(options); }).code(), WEFT_CANCELLED);
  bool inside = false;
  options.cancel.reset();
  options.timeout_s = 0.1;
  options.poll = [&] { inside = true; };
  EXPECT_EQ(error_of([&] { model.run(options); }).code(), WEFT_DEADLINE_EXCEEDED);
  EXPECT_TRUE(inside);
  EXPECT_EQ(model.session.get("w").item<float>(), 1);
}

TEST_F(Faults, ASessionIsClosedDuringARun) {
  Long model;
  weft::RunOptions options;
  options.cancel = weft::Cancel();
  std::atomic<bool> closed = false;
  std::thread closer;
  options.poll = [&] {
    if (closer.joinable()) return options.cancel->set();
    std::atomic<bool> begun = false;
    closer = std::thread([&] {
      begun = true;
      model.session.close();  // waits for the run
      closed = true;
    });
    while (!begun) std::this_thread::yield();
    EXPECT_FALSE(closed);
  };
  EXPECT_EQ(error_of([&] { model.run(options); }).code(), WEFT_CANCELLED);
  closer.join();
  EXPECT_EQ(error_of([&] { model.run({}); }).code(), WEFT_FAILED_PRECONDITION);
}

TEST_F(Faults, TwoThreadsBuildOneGraph) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "2");
  std::atomic<int> added = 0;
  auto build = [&] {
    for (int i = 0; i < 2000; ++i) {
      try {
        weft::relu(x);
        ++added;
      } catch (const weft::Error& error) {
        EXPECT_EQ(error.code(), WEFT_FAILED_PRECONDITION) << error.what();
      }
    }
  };
  std::thread first(build), second(build);
  first.join();
  second.join();
  EXPECT_EQ(graph.node_count(), 1 + added);
  EXPECT_EQ(computed<float>(graph, weft::relu(x), {{x, Tensor::from<float>({2}, {-1, 1})}}),
            (std::vector<float>{0, 1}));
}

// Sanitizers make everything slow; a call for each of 20,000 nodes would not fit on the stack either.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kDepth = 20'000;
#else
constexpr int kDepth = 100'000;
#endif

// Builds, differentiates, saves, loads and runs x + 1 + ... + 1.
void go_deep(const std::string& path) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, ""), one = graph.constant(1.0f), y = x;
  for (int i = 0; i < kDepth; ++i) y = y + one;
  const Value slope = graph.gradients({y}, {x})[0];
  auto out = weft::Session(graph).run({{x, Tensor::scalar(0.5f)}}, {y, slope});
  EXPECT_EQ(out[0].item<float>(), kDepth + 0.5f);
  EXPECT_EQ(out[1].item<float>(), 1);
  graph.save(path, {y});
  weft::Graph again = weft::Graph::load(path);
  out = weft::Session(again).run({{again.inputs().at(0), Tensor::scalar(-1.0f)}}, again.outputs());
  EXPECT_EQ(out[0].item<float>(), kDepth - 1);
  EXPECT_GT(again.text().size(), static_cast<size_t>(kDepth));
}

TEST_F(Faults, AGraphThatIsVeryDeepOnASmallStack) {
  TemporaryFile file("deep.onnx");
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  pthread_t thread;
  auto call = [](void* path) -> void* {
    go_deep(*static_cast<std::string*>(path));
    return nullptr;
  };
  std::string path = file.path();
  ASSERT_EQ(pthread_create(&thread, &attributes, call, &path), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

}  // namespace
