// The C++ header: values, errors, training, callbacks, what is left alive.
#include <thread>

#include "other_unit.h"
#include "support.h"

namespace {

using Cpp = NoLeaks;

TEST_F(Cpp, OperatorsBuildAndRun) {
  weft::Graph graph;
  auto x = graph.input("x", weft::DType::f32, "n,2");
  auto w = graph.constant(weft::Tensor::from<float>({2, 1}, {1, 2}));
  auto y = 10.0 - weft::relu(weft::matmul(x, w) * 2.0 + 1.0) / 2.0;
  EXPECT_EQ(*y.dims(), (weft::Shape{-1, 1}));
  weft::Session session(graph);
  auto out = session.run({{x, weft::Tensor::from<float>({2, 2}, {1, 1, 2, -5})}}, {y, -x});
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
  EXPECT_THROW(session.run({}, {x}), weft::Error);
  EXPECT_THROW(moved.run({}, {x}), weft::Error);
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
  weft::ReduceMeanAttrs whole{0};
  auto error = weft::matmul(x, w) - x * 3.0;
  auto loss = weft::reduce_mean(error * error, weft::Value(), whole);
  auto gradients = graph.gradients({loss}, {w, graph.input("unused", weft::DType::f32, "1")});
  EXPECT_TRUE(gradients[1].empty());
  auto step = weft::Sgd(0.1).minimize(loss);
  weft::Session session(graph);
  weft::Dataset data({weft::Tensor::from<float>({4, 1}, {1, -1, 2, -2})});
  EXPECT_EQ(session.run({{x, data.at(0)}}, {gradients[0]})[0].item<float>(), -15);
  weft::FitOptions options;
  options.epochs = 40;
  options.batch_size = 2;
  int batches = 0;
  options.callback = [&](const weft::FitEvent& event) {
    batches += !event.epoch_end;
    return false;
  };
  auto history = session.fit(data, {x}, step, {loss}, options);
  EXPECT_EQ(history.epochs.size(), 40u);
  EXPECT_EQ(batches, 80);
  EXPECT_NEAR(session.get("w").item<float>(), 3, 1e-3);
  EXPECT_LT(session.evaluate(data, {x}, {loss})[loss.name()], 1e-5);
  EXPECT_EQ(session.predict(data.rows(1, 2), {x}, {x})[0].to_vector<float>(), (std::vector<float>{-1, 2}));
}

TEST_F(Cpp, ExceptionsInCallbacksComeBackAsTheyAre) {
  weft::Graph graph;
  auto x = graph.input("x", weft::DType::f32, "2");
  weft::set_host_function("cpp/twice", [](const std::vector<weft::Tensor>& in) {
    if (in[0].data<float>()[0] < 0) throw Mine();
    std::vector<float> out = in[0].to_vector<float>();
    for (float& value : out) value *= 2;
    return std::vector<weft::Tensor>{weft::Tensor::from<float>({2}, out)};
  });
  auto y = graph.host_call("cpp/twice", {x}, {{weft::DType::f32, "2"}})[0];
  {
    weft::Session session(graph);
    auto out = session.run({{x, weft::Tensor::from<float>({2}, {1, 2})}}, {y});
    EXPECT_EQ(out[0].to_vector<float>(), (std::vector<float>{2, 4}));
    EXPECT_THROW(session.run({{x, weft::Tensor::from<float>({2}, {-1, 2})}}, {y}), Mine);
  }
  weft::remove_host_function("cpp/twice");
}

TEST_F(Cpp, BranchesAreBuiltByFunctions) {
  weft::Graph graph;
  auto flag = graph.input("flag", weft::DType::boolean, "");
  auto x = graph.input("x", weft::DType::f32, "1");
  auto y = graph.if_(
      flag, [&] { return std::vector{x * 2.0}; }, [&] { return std::vector{x}; })[0];
  weft::Session session(graph);
  auto five = weft::Tensor::from<float>({1}, {5});
  for (bool choice : {true, false}) {
    auto holds = weft::Tensor::scalar(choice);
    EXPECT_EQ(session.run({{x, five}, {flag, holds}}, {y})[0].item<float>(), choice ? 10 : 5);
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
  options.cancel = cancel;
  auto feed = weft::Tensor::zeros(weft::DType::f32, {256, 256});
  EXPECT_EQ(error_of([&] { session.run({{x, feed}}, {y}, {}, options); }).code(), WEFT_CANCELLED);
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

TEST_F(Cpp, TheHeaderServesSeveralUnits) { EXPECT_EQ(five_from_another_unit(), 5); }

}  // namespace
