// Every kind of object of the C++ header made and destroyed 10,000 times: no object of the library stays alive, nor
// anything that callbacks hold, and after the first 1,000 rounds the memory of the process does not grow.
#include <unistd.h>

#include <fstream>

#include "support.h"

namespace {

using weft::DType;
using weft::Graph;
using weft::Tensor;
using weft::Value;

// Sanitizers make everything slow, and keep what was freed.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kFirst = 10, kRounds = 100;
constexpr bool kMeasures = false;
#else
constexpr int kFirst = 1000, kRounds = 10'000;
constexpr bool kMeasures = true;
#endif
constexpr int64_t kMost = 8 << 20;  // bytes by which the memory of the process may grow: what others than us keep

int64_t resident_bytes() {
  int64_t size = 0, resident = -1;
  std::ifstream("/proc/self/statm") >> size >> resident;
  EXPECT_GT(resident, 0);
  return resident * sysconf(_SC_PAGESIZE);
}

// What the rounds share.
struct Leaks : NoLeaks {
  Graph graph;
  Value x = graph.input("x", DType::f32, "n"), w = graph.variable("w", 0.0f), twice = x * 2;
  Value mean = weft::reduce_mean(x * w, {}, {false}, "mean");
  Value step = weft::Sgd(0.1).minimize(mean);
  weft::Session session{graph};
  Tensor row = Tensor::from<float>({1}, {1});
  weft::Dataset rows{{row}};
  std::shared_ptr<int> held = std::make_shared<int>(0);  // by the callbacks

  void repeat(const char* kind, const std::function<void()>& once) {
    const int64_t live = weft::live_objects();
    const long holders = held.use_count();
    for (int i = 0; i < kFirst; ++i) once();
    const int64_t before = resident_bytes();
    for (int i = kFirst; i < kRounds; ++i) once();
    const int64_t grown = resident_bytes() - before;
    EXPECT_EQ(weft::live_objects(), live) << kind;
    EXPECT_EQ(held.use_count(), holders) << kind;
    EXPECT_TRUE(!kMeasures || grown <= kMost) << kind << ": the process grew by " << grown << " bytes";
  }
  // One of the program's own exceptions, on its way out of a callback.
  [[noreturn]] void thrown() const { throw std::shared_ptr<int>(held); }
  static void caught(const std::function<void()>& call) { EXPECT_THROW(call(), std::shared_ptr<int>); }
};

TEST_F(Leaks, Tensors) {
  repeat("numbers", [] { Tensor::scalar(1.0f); });
  repeat("strings", [] { Tensor::strings({2}, {"one", "a longer one, which does not fit into the string itself"}); });
  repeat("sequence", [&] { Tensor::sequence({row}); });
  repeat("shape", [&] { row.reshape({1, 1}); });
  repeat("memory", [&] { row.buffer(); });
  repeat("given away and taken over", [&] { Tensor::from_dlpack(row.to_dlpack()); });
  float number = 1;
  repeat("borrowed", [&] { Tensor::borrow({}, &number, 1, held); });
  TemporaryFile file("leaks.safetensors");
  weft::save_tensors(file.path(), {{"row", row}});
  repeat("those of a file", [&] { EXPECT_EQ(weft::load_tensors(file.path()).size(), 1u); });
}

TEST_F(Leaks, Graphs) {
  repeat("graph", [] { Graph(); });
  repeat("attributes", [&] { Graph().add("Constant", {}, weft::Attrs().set("value", row)); });
  repeat("branches", [] {
    Graph made;
    Value flag = made.input("flag", DType::boolean, ""), number = made.constant(1.0f);
    made.if_(
        flag, [&] { return std::vector{number * 2}; }, [&] { return std::vector{number}; });
  });
  repeat("value without its graph", [] { weft::relu(Graph().input("x", DType::f32, "n")); });
  repeat("layer without its graph", [] {
    Graph made;
    weft::layers::BatchNorm norm(made, "norm", {2});
    made = Graph();
    EXPECT_EQ(norm.variables().size(), 4u);
  });
  TemporaryFile file("leaks.onnx");
  graph.save(file.path(), {twice});
  repeat("that of a file", [&] { EXPECT_EQ(Graph::load(file.path()).outputs().size(), 1u); });
}

TEST_F(Leaks, Runs) {
  repeat("session", [&] { weft::Session{graph}; });
  repeat("run of a session of its own", [&] {
    weft::Session own(graph);
    own.run({{x, row}}, {w}, {step});
  });
  repeat("prepared run", [&] {
    weft::Prepared prepared = session.prepare({x}, {twice});
    prepared.bind_input(0, row);
    prepared.run();
    prepared.output(0);
  });
  repeat("closed before", [&] {
    weft::Session own(graph);
    weft::Prepared prepared = own.prepare({x}, {twice});
    own.close();
    prepared.close();
  });
  repeat("options", [&] {
    weft::RunOptions options;
    options.timeout_s = 1000;
    options.cancel = weft::Cancel();
    options.trace = weft::Trace();
    options.poll = [held = held] {};
    session.run({{x, row}}, {twice}, {}, options);
    options.cancel->set();
    EXPECT_EQ(error_of([&] { session.run({{x, row}}, {twice}, {}, options); }).code(), WEFT_CANCELLED);
  });
}

TEST_F(Leaks, Training) {
  repeat("rows", [&] {
    weft::Batches batches(weft::Dataset({row}).rows(0, 1));
    EXPECT_EQ(batches.next().size(), 1u);
  });
  repeat("batches of a function", [&] {
    auto data = weft::Dataset::from_function(
        [held = held, this](int64_t) { return [held, this] { return std::vector{row}; }; }, {"x"});
    EXPECT_EQ(weft::Batches(data).next().size(), 1u);
  });
  repeat("batches that a function fails to give", [&] {
    auto data =
        weft::Dataset::from_function([this](int64_t) { return [this]() -> std::vector<Tensor> { thrown(); }; }, {"x"});
    caught([&] { weft::Batches(data).next(); });
  });
  repeat("fit", [&] {
    weft::FitOptions options;
    options.validation = rows;
    options.callback = [held = held](const weft::FitEvent&) { return false; };
    EXPECT_EQ(session.fit(rows, {x}, step, {mean}, options).names.size(), 2u);
  });
  repeat("fit that its callback ends", [&] {
    weft::FitOptions options;
    options.callback = [this](const weft::FitEvent&) -> bool { thrown(); };
    caught([&] { session.fit(rows, {x}, step, {mean}, options); });
  });
  repeat("evaluate", [&] { session.evaluate(rows, {x}, {mean}); });
  repeat("predict", [&] { session.predict(rows, {x}, {twice}); });
}

TEST_F(Leaks, Functions) {
  Value y = graph.host_call("cpp/leaks", {x}, {{DType::f32, "n"}})[0];
  repeat("host function", [&] {
    weft::set_host_function("cpp/leaks", [held = held](const std::vector<Tensor>& in) { return in; });
    session.run({{x, row}}, {y});
    weft::set_host_function("cpp/leaks", [held = held](const std::vector<Tensor>& in) { return in; });
    weft::remove_host_function("cpp/leaks");
  });
  repeat("host function that fails", [&] {
    weft::set_host_function("cpp/leaks", [this](const std::vector<Tensor>&) -> std::vector<Tensor> { thrown(); });
    caught([&] { session.run({{x, row}}, {y}); });
    weft::remove_host_function("cpp/leaks");
  });
  repeat("log function", [&] {
    weft::set_log([held = held](weft::LogLevel, const std::string&) {});
    weft::set_log(nullptr);
  });
}

TEST_F(Leaks, Errors) {
  repeat("operator", [&] { EXPECT_EQ(error_of([&] { graph.add("Nothing", {x}); }).code(), WEFT_NOT_FOUND); });
  repeat("layer", [&] { EXPECT_EQ(error_of([&] { graph.layer("Nothing", {}, "n"); }).code(), WEFT_NOT_FOUND); });
  repeat("file", [] { EXPECT_EQ(error_of([] { Graph::load("/no/such.onnx"); }).code(), WEFT_NOT_FOUND); });
  repeat("run", [&] { EXPECT_EQ(error_of([&] { session.run({}, {twice}); }).code(), WEFT_INVALID_ARGUMENT); });
  repeat("prepared run", [&] { EXPECT_THROW(session.prepare({x}, {Value()}), weft::Error); });
}

}  // namespace
