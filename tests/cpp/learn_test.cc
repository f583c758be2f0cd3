// Training with the C++ header: optimizers, fit, evaluate, predict, batches.
#include "support.h"

namespace {

using weft::DType;
using weft::Tensor;
using weft::Value;
using Learning = NoLeaks;

// w x = y, to be learned, where y is 3 x for four rows.
struct Line {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "n"), y = graph.input("y", DType::f32, "n");
  Value w = graph.variable("w", 0.0f);
  Value error = w * x - y;
  Value loss = weft::reduce_mean(error * error, {}, {false}, "loss"),
        bias = weft::reduce_mean(error, {}, {false}, "bias");
  weft::Session session{graph};
  weft::Dataset data{{rows({1, 2, -1, -2}), rows({3, 6, -3, -6})}};

  static Tensor rows(const std::vector<float>& numbers) {
    return Tensor::from({static_cast<int64_t>(numbers.size())}, numbers);
  }
};

TEST_F(Learning, EveryOptimizerTakesItsFirstStep) {
  // The loss at w = 0 is mean(9 x x) = 22.5, its gradient 2 mean(x (0 - 3 x)) = -15.
  const std::pair<weft::Optimizer, float> optimizers[] = {
      {weft::Sgd(0.1), 1.5f},
      {weft::Momentum(0.1), 1.5f},
      {weft::Adam(0.1), 0.1f},  // the first step of Adam is the rate, whatever the gradient
      {weft::AdamW(0.1, 0.5), 0.1f},
  };
  for (const auto& [optimizer, want] : optimizers) {
    Line line;
    Value step = optimizer.minimize(line.loss);
    line.session.run({{line.x, line.data.at(0)}, {line.y, line.data.at(1)}}, {}, {step});
    EXPECT_NEAR(line.session.get("w").item<float>(), want, 1e-5) << optimizer.kind;
  }
  Line line;
  EXPECT_EQ(error_of([&] { weft::Optimizer{"Adagrad"}.minimize(line.loss); }).code(), WEFT_NOT_FOUND);
  EXPECT_THROW(weft::Sgd().minimize(line.error), weft::Error);
  EXPECT_THROW(weft::Sgd().minimize(Value()), weft::Error);
}

TEST_F(Learning, RatesMayBeValuesAndGradientsClipped) {
  Line line;
  Value rate = line.graph.input("rate", DType::f32, "");
  weft::Optimizer optimizer = weft::Sgd(rate);
  optimizer.clip_norm = 1;
  Value step = optimizer.minimize(line.loss, {line.w});
  const weft::Feeds feeds{{line.x, line.data.at(0)}, {line.y, line.data.at(1)}, {rate, Tensor::scalar(0.25f)}};
  EXPECT_EQ(line.session.run(feeds, {step}).size(), 1u);
  EXPECT_NEAR(line.session.get("w").item<float>(), 0.25, 1e-6);
}

TEST_F(Learning, HistoriesHaveNames) {
  Line line;
  Value step = weft::Sgd(0.1).minimize(line.loss);
  weft::FitOptions options;
  options.epochs = 3;
  options.batch_size = 4;
  options.validation = line.data.rows(0, 2);
  options.validation_metrics = {line.bias};
  std::vector<weft::FitEvent> seen;
  options.callback = [&](const weft::FitEvent& event) {
    seen.push_back(event);
    return false;
  };
  weft::History history = line.session.fit(line.data, {line.x, line.y}, step, {line.loss, line.bias}, options);
  EXPECT_EQ(history.names, (std::vector<std::string>{"loss", "bias", "val_bias"}));
  // w is 0, 1.5, 2.25, 2.625: each step halves what is missing; the loss is 2.5 (3 - w)^2 before the step.
  EXPECT_EQ(history["loss"], (std::vector<double>{22.5, 5.625, 1.40625}));
  EXPECT_EQ(history["bias"], (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(history["val_bias"], (std::vector<double>{-2.25, -1.125, -0.5625}));  // 1.5 (w - 3) after it
  EXPECT_EQ(history.epochs.at(1)["loss"], 5.625);
  EXPECT_FALSE(history.stopped);
  EXPECT_EQ(error_of([&] { history["gain"]; }).code(), WEFT_NOT_FOUND);
  ASSERT_EQ(seen.size(), 6u);
  EXPECT_FALSE(seen[2].epoch_end);
  EXPECT_EQ(seen[2].epoch, 1);
  EXPECT_EQ(seen[2].batch, 0);
  EXPECT_EQ(seen[2].batch_count, 1);
  EXPECT_EQ(seen[2].metrics["loss"], 5.625);
  EXPECT_TRUE(seen[3].epoch_end);
  EXPECT_EQ(seen[3].metrics["val_bias"], -1.125);
}

TEST_F(Learning, AValidationHasTheMetricsOfTheTraining) {
  Line line;
  weft::FitOptions options;
  options.epochs = 2;
  options.batch_size = 4;
  options.validation = line.data;
  std::vector<weft::Metrics> seen;
  options.callback = [&](const weft::FitEvent& event) {
    if (event.epoch_end) seen.push_back(event.metrics);
    return false;
  };
  Value step = weft::Sgd(0.1).minimize(line.loss);
  weft::History history = line.session.fit(line.data, {line.x, line.y}, step, {line.loss}, options);
  EXPECT_EQ(history.names, (std::vector<std::string>{"loss", "val_loss"}));
  EXPECT_EQ(history["val_loss"], (std::vector<double>{5.625, 1.40625}));  // as above, after the step
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1]["val_loss"], 1.40625);
}

TEST_F(Learning, MetricsComeByNameInOrder) {
  Line line;
  weft::Metrics metrics = line.session.evaluate(line.data, {line.x, line.y}, {line.loss, line.bias}, {3});
  std::vector<std::string> names;
  for (const auto& [name, average] : metrics) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"loss", "bias"}));
  EXPECT_EQ(metrics["loss"], 22.5);
  EXPECT_EQ(metrics["bias"], 0);
  EXPECT_EQ(metrics.size(), 2u);
  EXPECT_EQ(error_of([&] { metrics["gain"]; }).code(), WEFT_NOT_FOUND);
}

TEST_F(Learning, PredictionsComeForEveryRow) {
  Line line;
  line.session.set("w", Tensor::scalar(3.0f));
  for (int64_t batch_size : {1, 3, 32}) {
    auto out = line.session.predict(line.data, {line.x, {}}, {line.w * line.x, line.x}, {batch_size});
    EXPECT_EQ(out[0].to_vector<float>(), (std::vector<float>{3, 6, -3, -6}));
    EXPECT_EQ(out[1].to_vector<float>(), (std::vector<float>{1, 2, -1, -2}));
  }
  EXPECT_THROW(line.session.predict(line.data, {line.x}, {line.x}), weft::Error);
  EXPECT_THROW(line.session.predict(line.data, {line.x, {}}, {line.x}, {-1}), weft::Error);
}

TEST_F(Learning, TrainingEndsEarly) {
  Line line;
  Value step = weft::Sgd(0.1).minimize(line.loss);
  std::vector<Value> feeds{line.x, line.y};
  weft::FitOptions options;
  options.epochs = 10;
  options.callback = [](const weft::FitEvent& event) { return event.epoch_end && event.epoch == 1; };
  weft::History history = line.session.fit(line.data, feeds, step, {line.loss}, options);
  EXPECT_EQ(history.epochs.size(), 2u);
  EXPECT_TRUE(history.stopped);
  options.callback = [](const weft::FitEvent&) -> bool { throw Mine(); };
  EXPECT_THROW(line.session.fit(line.data, feeds, step, {line.loss}, options), Mine);
  options.callback = nullptr;
  options.monitor = "loss";
  options.min_delta = 1000;
  options.patience = 2;
  history = line.session.fit(line.data, feeds, step, {line.loss}, options);
  EXPECT_TRUE(history.stopped);
  EXPECT_LT(history.epochs.size(), 10u);
  options.min_delta = 0;
  options.mode = "max";  // the loss falls, so the first epoch is the best
  line.session.set("w", Tensor::scalar(0.0f));
  history = line.session.fit(line.data, feeds, step, {line.loss}, options);
  EXPECT_TRUE(history.stopped);
  EXPECT_EQ(history.epochs.size(), 3u);
  options.mode = "min";
  line.session.set("w", Tensor::scalar(0.0f));
  EXPECT_FALSE(line.session.fit(line.data, feeds, step, {line.loss}, options).stopped);
  options.mode = "largest";
  EXPECT_EQ(error_of([&] { line.session.fit(line.data, feeds, step, {line.loss}, options); }).code(),
            WEFT_INVALID_ARGUMENT);
  options.mode = "min";
  options.monitor = "";
  options.patience = 0;
  options.run.cancel = weft::Cancel();
  options.run.cancel->set();
  EXPECT_EQ(error_of([&] { line.session.fit(line.data, feeds, step, {}, options); }).code(), WEFT_CANCELLED);
  options.run = {};
  options.run.timeout_s = 0;
  EXPECT_EQ(error_of([&] { line.session.fit(line.data, feeds, step, {}, options); }).code(), WEFT_DEADLINE_EXCEEDED);
  weft::EvaluateOptions evaluating;
  evaluating.run = options.run;
  EXPECT_EQ(error_of([&] { line.session.evaluate(line.data, feeds, {line.loss}, evaluating); }).code(),
            WEFT_DEADLINE_EXCEEDED);
}

TEST_F(Learning, CallbacksMayUseTheSession) {
  Line line;
  TemporaryFile file("fit.safetensors");
  Value step = weft::Sgd(0.1).minimize(line.loss);
  weft::FitOptions options;
  options.batch_size = 4;
  options.callback = [&](const weft::FitEvent& event) {
    if (event.epoch_end) line.session.save(file.path());
    return false;
  };
  line.session.fit(line.data, {line.x, line.y}, step, {}, options);
  EXPECT_EQ(weft::load_tensor(file.path(), "w").item<float>(), 1.5f);
}

TEST_F(Learning, DatasetsGiveBatches) {
  weft::Dataset data({Line::rows({1, 2, 3, 4, 5}), Tensor::from<int64_t>({5}, {10, 20, 30, 40, 50})});
  EXPECT_EQ(data.count(), 5);
  EXPECT_EQ(data.width(), 2);
  weft::Dataset middle = data.rows(1, 3);
  EXPECT_EQ(middle.at(1).to_vector<int64_t>(), (std::vector<int64_t>{20, 30, 40}));
  weft::BatchOptions options;
  options.batch_size = 2;
  weft::Batches batches(data, options);
  EXPECT_EQ(batches.next()[0].to_vector<float>(), (std::vector<float>{1, 2}));
  EXPECT_EQ(batches.next()[1].to_vector<int64_t>(), (std::vector<int64_t>{30, 40}));
  EXPECT_EQ(batches.next()[0].to_vector<float>(), (std::vector<float>{5}));
  EXPECT_TRUE(batches.next().empty());
  options.drop_last = options.shuffle = true;
  std::vector<std::vector<float>> passes;
  for (int64_t epoch : {0, 0, 1, 2, 3}) {
    passes.emplace_back();
    weft::Batches shuffled(data, options, epoch);
    for (auto batch = shuffled.next(); !batch.empty(); batch = shuffled.next()) {
      for (float number : batch[0].to_vector<float>()) passes.back().push_back(number);
    }
    EXPECT_EQ(passes.back().size(), 4u);
  }
  EXPECT_EQ(passes[0], passes[1]);
  EXPECT_FALSE(passes[0] == passes[2] && passes[2] == passes[3] && passes[3] == passes[4]);
  EXPECT_EQ(error_of([&] { data.rows(4, 2); }).code(), WEFT_INVALID_ARGUMENT);
  EXPECT_THROW(data.at(2), weft::Error);
  EXPECT_THROW(weft::Dataset({Line::rows({1}), Line::rows({1, 2})}), weft::Error);
  EXPECT_THROW(weft::Dataset::load("/no/such.csv"), weft::Error);
  TemporaryFile csv("rows.csv", "1,2\n3,4\n5,6\n");
  EXPECT_EQ(weft::Dataset::load(csv.path()).rows(2, 1).at(0).to_vector<float>(), (std::vector<float>{5, 6}));
}

}  // namespace
