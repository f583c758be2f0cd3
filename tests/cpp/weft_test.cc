// The C++ header: values, errors, training, callbacks, what is left alive.
#include "weft.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "other_unit.h"

namespace {

struct NoLeaks : testing::Test {
  ~NoLeaks() override { EXPECT_EQ(weft::live_objects(), 0); }
};
using Cpp = NoLeaks;

template <typename Call>
weft::Error error_of(Call call) {
  try {
    call();
  } catch (const weft::Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return weft::Error(WEFT_UNKNOWN, "");
}

TEST_F(Cpp, OperatorsBuildAndRun) {
  weft::Graph graph;
  auto x = graph.input("x", weft::DType::f32, "n,2");
  auto w = graph.constant(weft::Tensor::from<float>({2, 1}, {1, 2}));
  auto y = 10.0 - weft::relu(weft::matmul(x, w) * 2.0 + 1.0) / 2.0;
  EXPECT_EQ(*y.shape(), (weft::Shape{-1, 1}));
  weft::Session session(graph);
  auto out = session.run({y, -x}, {{x, weft::Tensor::from<float>({2, 2}, {1, 1, 2, -5})}});
  EXPECT_EQ(out[0].to_vector<float>(), (std::vector<float>{6.5f, 10}));
  EXPECT_EQ(out[1].to_vector<float>(), (std::vector<float>{-1, -1, -2, 5}));
}

TEST_F(Cpp, ErrorsNameTheLine) {
  weft::Graph graph;
  auto x = graph.input("x", weft::DType::f32, "2,3");
  int line = __LINE__ + 1;
  auto error = error_of([&] { weft::matmul(x, x); });
  EXPECT_EQ(error.code(), WEFT_INVALID_ARGUMENT);
  EXPECT_EQ(error.op(), "MatMul");
  EXPECT_NE(error.origin().find("weft_test.cc:" + std::to_string(line)), std::string::npos) << error.origin();
  line = __LINE__ + 1;
  error = error_of([&] { x + graph.input("y", weft::DType::f32, "5"); });
  EXPECT_NE(error.origin().find("weft_test.cc:" + std::to_string(line)), std::string::npos) << error.origin();
  EXPECT_EQ(error_of([&] { graph.add("Rellu", {x}); }).code(), WEFT_NOT_FOUND);
}

TEST_F(Cpp, EmptyObjectsThrow) {
  weft::Value value;
  EXPECT_THROW(weft::relu(value), weft::Error);
  EXPECT_THROW(value.name(), weft::Error);
  weft::Tensor tensor;
  EXPECT_THROW(tensor.count(), weft::Error);
  weft::Graph graph;
  auto x = graph.input("x", weft::DType::f32, "1");
  weft::Session session(graph);
  weft::Session moved = std::move(session);
  EXPECT_THROW(session.run({x}), weft::Error);
  EXPECT_THROW(moved.run({x}), weft::Error);
  EXPECT_THROW(weft::Tensor::scalar(1.0f).data<double>(), weft::Error);
}

TEST_F(Cpp, ValuesKeepTheirGraph) {
  weft::Value y;
  {
    weft::Graph graph;
    y = weft::relu(graph.input("x", weft::DType::f32, "2"));
  }
  EXPECT_EQ(y.name(), "Relu");
}

TEST_F(Cpp, GradientsAndTraining) {
  weft::Graph graph;
  auto x = graph.input("x", weft::DType::f32, "n,1");
  auto w = graph.variable("w", weft::Tensor::from<float>({1, 1}, {0}));
  weft::ReduceMeanAttrs whole;
  whole.keepdims = 0;
  auto error = weft::matmul(x, w) - x * 3.0;
  auto loss = weft::reduce_mean(error * error, weft::Value(), whole);
  auto gradients = graph.gradients({loss}, {w, graph.input("unused", weft::DType::f32, "1")});
  EXPECT_TRUE(gradients[1].empty());
  auto step = weft::Sgd(0.1).minimize(loss);
  weft::Session session(graph);
  weft::Dataset data({weft::Tensor::from<float>({4, 1}, {1, -1, 2, -2})});
  EXPECT_EQ(session.run({gradients[0]}, {{x, data.at(0)}})[0].item<float>(), -15);
  weft::FitOptions options;
  options.epochs = 40;
  options.batch_size = 2;
  int batches = 0;
  options.callback = [&](const weft::Progress& progress) {
    batches += !progress.epoch_done;
    return false;
  };
  auto history = weft::fit(session, data, {x}, step, {loss}, options);
  EXPECT_EQ(history.epochs.size(), 40u);
  EXPECT_EQ(batches, 80);
  EXPECT_NEAR(session.get("w").item<float>(), 3, 1e-3);
  EXPECT_LT(weft::evaluate(session, data, {x}, {loss})[0], 1e-5);
  EXPECT_EQ(weft::predict(session, data.rows(1, 2), {x}, {x})[0].to_vector<float>(), (std::vector<float>{-1, 2}));
}

struct Mine : std::runtime_error {
  Mine() : std::runtime_error("mine") {}
};

TEST_F(Cpp, ExceptionsInCallbacksComeBackAsTheyAre) {
  weft::Graph graph;
  auto x = graph.input("x", weft::DType::f32, "2");
  weft::register_host_function("cpp/twice", [](const std::vector<weft::Tensor>& in) {
    if (in[0].data<float>()[0] < 0) throw Mine();
    std::vector<float> out = in[0].to_vector<float>();
    for (float& value : out) value *= 2;
    return std::vector<weft::Tensor>{weft::Tensor::from<float>({2}, out)};
  });
  weft::Attrs attrs;
  attrs.set("name", std::string("cpp/twice"));
  attrs.set("dtypes", std::vector<std::string>{"f32"});
  attrs.set("shapes", std::vector<std::string>{"2"});
  auto y = graph.add("weft.HostCall", {x}, attrs)[0];
  {
    weft::Session session(graph);
    auto out = session.run({y}, {{x, weft::Tensor::from<float>({2}, {1, 2})}});
    EXPECT_EQ(out[0].to_vector<float>(), (std::vector<float>{2, 4}));
    EXPECT_THROW(session.run({y}, {{x, weft::Tensor::from<float>({2}, {-1, 2})}}), Mine);
  }
  weft_status_free(weft_host_function_set("cpp/twice", nullptr, nullptr, nullptr));
}

TEST_F(Cpp, BranchesAreBuiltByFunctions) {
  weft::Graph graph;
  auto flag = graph.input("flag", weft::DType::boolean, "");
  auto x = graph.input("x", weft::DType::f32, "1");
  auto y = graph.cond(
      flag, [&] { return std::vector{x * 2.0}; }, [&] { return std::vector{x}; })[0];
  weft::Session session(graph);
  auto five = weft::Tensor::from<float>({1}, {5});
  for (bool choice : {true, false}) {
    auto holds = weft::Tensor::zeros(weft::DType::boolean, {});
    holds.mutable_data<bool>()[0] = choice;
    EXPECT_EQ(session.run({y}, {{x, five}, {flag, holds}})[0].item<float>(), choice ? 10 : 5);
  }
}

TEST_F(Cpp, CancelFromAnotherThread) {
  weft::Graph graph;
  auto x = graph.input("x", weft::DType::f32, "256,256");
  auto y = x;
  for (int i = 0; i < 2000; ++i) y = weft::matmul(y, x);
  weft::Session session(graph);
  weft::Cancel cancel;
  std::thread other([&] { cancel.set(); });
  weft::RunOptions options;
  options.cancel = &cancel;
  auto feed = weft::Tensor::zeros(weft::DType::f32, {256, 256});
  EXPECT_EQ(error_of([&] { session.run({y}, {{x, feed}}, {}, options); }).code(), WEFT_CANCELLED);
  other.join();
}

TEST_F(Cpp, BorrowedMemoryIsLetGo) {
  auto values = std::make_shared<std::vector<float>>(std::vector<float>{1, 2});
  {
    auto tensor = weft::Tensor::borrow({2}, values->data(), values->size(), values);
    EXPECT_EQ(tensor.data<float>(), values->data());
    EXPECT_EQ(values.use_count(), 2);
  }
  EXPECT_EQ(values.use_count(), 1);
}

TEST_F(Cpp, TensorsOfEveryType) {
  const uint16_t halves[2] = {0x3c00, 0xc000};  // 1 and -2
  auto half = weft::Tensor::from_bytes(weft::DType::f16, {2}, halves, sizeof halves);
  EXPECT_EQ(half.text(), "f16[2]");
  EXPECT_EQ(half.bytes(), 4u);
  EXPECT_EQ(std::memcmp(half.raw_data(), halves, 4), 0);
  EXPECT_EQ(weft::dtype_name(half.dtype()), "f16");
  EXPECT_EQ(weft::find_dtype("i4"), weft::DType::i4);
  EXPECT_EQ(weft::dtype_bits(weft::DType::i4), 4);
  EXPECT_EQ(weft::dtype_bits(weft::DType::string), 0);
  EXPECT_EQ(error_of([] { weft::find_dtype("f33"); }).code(), WEFT_NOT_FOUND);
  auto complex = weft::Tensor::from<std::complex<float>>({1}, {{1, -2}});
  EXPECT_EQ(complex.item<std::complex<float>>().imag(), -2);
  auto copy = complex.copy();
  EXPECT_NE(copy.raw_data(), complex.raw_data());
  EXPECT_EQ(complex.kind(), WEFT_TENSOR);
  EXPECT_EQ(weft::Tensor::sequence({half, complex}).kind(), WEFT_SEQUENCE);
}

TEST_F(Cpp, TheProcess) {
  EXPECT_GE(weft::threads(), 1);
  EXPECT_EQ(weft::devices()[0], "cpu");
  auto contains = [](const std::vector<std::string>& all, const char* one) {
    return std::find(all.begin(), all.end(), one) != all.end();
  };
  EXPECT_TRUE(contains(weft::operators(), "weft.Adam"));
  EXPECT_TRUE(contains(weft::layer_kinds(), "Dense"));
  EXPECT_NE(weft::describe_operator("MatMul").find("\"MatMul\""), std::string::npos);
  EXPECT_NE(weft::describe_layer("Dense").find("units"), std::string::npos);
  EXPECT_EQ(error_of([] { weft::describe_operator("MatMull"); }).code(), WEFT_NOT_FOUND);
  weft::set_memory_limit(1 << 20);
  EXPECT_EQ(weft::memory_limit(), 1 << 20);
  EXPECT_EQ(error_of([] { weft::Tensor::zeros(weft::DType::f32, {1 << 20}); }).code(), WEFT_RESOURCE_EXHAUSTED);
  weft::set_memory_limit(0);
  EXPECT_GE(weft::memory_peak(), weft::memory_bytes());
  weft::set_log([](int32_t, const std::string&) {}, 0);
  weft::set_log(nullptr);
}

TEST_F(Cpp, APollEndsARun) {
  weft::Graph graph;
  auto x = graph.input("x", weft::DType::f32, "n,256");
  EXPECT_EQ(x.shape_text(), "[n, 256]");
  auto y = x;
  for (int i = 0; i < 2000; ++i) y = weft::matmul(y, x);
  weft::Session session(graph);
  weft::RunOptions options;
  options.poll = [] { throw Mine(); };
  auto feed = weft::Tensor::zeros(weft::DType::f32, {256, 256});
  EXPECT_THROW(session.run({y}, {{x, feed}}, {}, options), Mine);
}

TEST_F(Cpp, ModelsComeFromMemory) {
  weft::Graph graph;
  auto x = graph.input("x", weft::DType::f32, "n");
  auto y = graph.variable("w", weft::Tensor::scalar(3.0f)) * x;
  y.set_name("y");
  weft::Session session(graph);
  session.initialise();
  EXPECT_EQ(session.get("w").item<float>(), 3);
  std::string path = testing::TempDir() + "weft_cpp_test.onnx";
  graph.save(path, {y}, &session);
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::remove(path.c_str());
  auto loaded = weft::Graph::load_bytes(bytes.data(), bytes.size(), {"*"});
  ASSERT_EQ(loaded.variables().size(), 1u);
  weft::Session other(loaded);
  auto out = other.run({loaded.find("y")}, {{loaded.find("x"), weft::Tensor::from<float>({2}, {1, 2})}});
  EXPECT_EQ(out[0].to_vector<float>(), (std::vector<float>{3, 6}));
  EXPECT_EQ(error_of([&] { weft::Graph::load_bytes(bytes.data(), bytes.size() / 2); }).code(), WEFT_DATA_LOSS);
}

TEST_F(Cpp, TheHeaderServesSeveralUnits) { EXPECT_EQ(five_from_another_unit(), 5); }

}  // namespace
