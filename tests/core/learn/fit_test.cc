// Training and evaluation over datasets: averages, epochs, early stop, callbacks, stopping, errors. Expected numbers are
// those of exact fractions in Python.
#include "core/learn/fit.h"

#include <cmath>
#include <limits>

#include "core/exec/host_functions.h"
#include "tests/core/learn/learn_common.h"

namespace weft {
namespace {

void expect_near(const Values& got, const Values& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-12) << i;
}

// -- Epochs and averages.

TEST(Fit, AveragesTheMetricsOfAnEpochOverItsRows) {
  Line m;
  auto history = *m.fit(m.options(2));
  EXPECT_EQ(history->names, (std::vector<std::string>{"loss"}));
  EXPECT_EQ(history->epochs, 2);
  EXPECT_FALSE(history->stopped);
  // Of batches of 2, 2 and 1 rows; each batch's loss is that before its own step.
  expect_near(history->rows, {33.81376419067383, 0.9756135046649483});
  EXPECT_NEAR(m.weight(), 2.3275362416170537, 1e-12);
}

TEST(Fit, GoesThroughTheRowsInTheOrderOfSeedAndEpoch) {
  Line m;
  FitOptions options = m.options(2);
  options.shuffle = true;
  options.seed = 9;  // 2, 0, 4, 1, 3, then 1, 0, 4, 2, 3
  auto history = *m.fit(options);
  expect_near(history->rows, {34.36979236602783, 4.074545802308615});
  EXPECT_NEAR(m.weight(), 2.010813981294632, 1e-12);
}

TEST(Fit, ShufflesRowsUnlessToldNotTo) {
  Line m;
  FitOptions options = m.options(1);
  options.shuffle.reset();
  options.seed = 9;
  expect_near((*m.fit(options))->rows, {34.36979236602783});
}

TEST(Fit, ContinuesWithTheEpochThatIsNext) {
  Line m;
  FitOptions options = m.options(1);
  options.shuffle = true;
  options.seed = 9;
  ASSERT_TRUE(m.fit(options).ok());
  EXPECT_NEAR(m.weight(), 1.6138916015625, 1e-12);
  options.first_epoch = 1;
  options.epochs = 2;
  auto history = *m.fit(options);
  EXPECT_EQ(history->epochs, 1);
  expect_near(history->rows, {4.074545802308615});
  EXPECT_NEAR(m.weight(), 2.010813981294632, 1e-12);
}

TEST(Fit, LeavesTheShortBatchOutIfToldTo) {
  Line m;
  FitOptions options = m.options(1);
  options.drop_last = true;
  expect_near((*m.fit(options))->rows, {28.28515625});
  EXPECT_EQ(m.weight(), 0.904296875);
}

TEST(Fit, TakesOneBatchOfAllRows) {
  Line m;
  FitOptions options = m.options(2);
  options.loop.batch_size.reset();  // 32
  expect_near((*m.fit(options))->rows, {54, 23.6885546875});
  EXPECT_NEAR(m.weight(), 1.2525390625, 1e-12);
}

TEST(Fit, NoEpochsTrainNothing) {
  Line m;
  auto history = *m.fit(m.options(0));
  EXPECT_EQ(history->epochs, 0);
  EXPECT_EQ(history->rows, Values());
  EXPECT_FALSE(history->stopped);
  EXPECT_EQ(m.weight(), 0);
}

TEST(Fit, ValidatesAfterEachEpoch) {
  Line m;
  FitOptions options = m.options(2);
  options.validation = rows_of({numbers({1, 2, 3}), numbers({1, 2, 6})});
  options.validation_metrics = {m.loss.id()};
  auto history = *m.fit(options);
  EXPECT_EQ(history->names, (std::vector<std::string>{"loss", "val_loss"}));
  expect_near(history->rows, {33.81376419067383, 1.934125877916813, 0.9756135046649483, 3.2590940900624292});
  EXPECT_NEAR(m.weight(), 2.3275362416170537, 1e-12) << "validation trains nothing";
}

TEST(Fit, AMetricMayBeOfF32AndOfAnyRankUntilItRuns) {
  Line m;
  Expr single = cast(m.loss, DType::kF32);
  auto history = *weft::fit(*m.session, m.dataset, m.step.id(), {single.id()}, m.options(1));
  EXPECT_NEAR(history->rows[0], 33.81376419067383, 1e-5);
}

TEST(Fit, AMetricMayBeOfHalves) {
  Line m;
  Expr mean = make(m.scope, "ReduceMean", {m.x}, {{"keepdims", int64_t{0}}});
  std::vector<ValueId> metrics = {cast(mean, DType::kF16).id(), cast(mean, DType::kBF16).id()};
  auto history = *weft::fit(*m.session, m.dataset, m.step.id(), metrics, m.options(1));
  expect_near(history->rows, {3, 3});  // 1.5, 3.5 and 5 of 2, 2 and 1 rows
}

// -- Datasets of functions.

TEST(Fit, TakesBatchesAsAFunctionGivesThem) {
  Table m({3, 5});
  FitOptions options = m.options(1);
  m.dataset = given_batches({numbers({1, 1, 1}), numbers({1})});
  auto history = *m.fit(options);
  expect_near(history->rows, {(3.0 * 3 + 5.0 * 1) / 4});
  EXPECT_EQ(m.steps(), 2);
}

TEST(Fit, AFunctionDatasetTakesNoOptionsOfRows) {
  Table m({3, 5});
  m.dataset = given_batches({numbers({1})});
  FitOptions options = m.options(1);
  options.loop.batch_size = 4;
  expect_error(m.fit(options).status(), Code::kInvalidArgument, "option 'batch_size' is for datasets of rows");
  // Unless it is meant for the rows of the validation.
  options.validation = rows_of({numbers({1, 2})});
  EXPECT_TRUE(m.fit(options).ok());
  options.validation = m.dataset;
  expect_error(m.fit(options).status(), Code::kInvalidArgument, "option 'batch_size' is for datasets of rows");
  options.loop.batch_size.reset();
  options.shuffle = true;
  expect_error(m.fit(options).status(), Code::kInvalidArgument, "option 'shuffle' is for datasets of rows");
  EXPECT_EQ(m.steps(), 1);
}

TEST(Fit, AnEpochHasABatch) {
  Table m({3});
  m.dataset = given_batches({});
  expect_error(m.fit(m.options(1)).status(), Code::kInvalidArgument, "epoch 0 has no batch to train on");
}

// What only moves the counter of a layer trains nothing.
TEST(Fit, TheStepTrains) {
  Table m({3});
  FitOptions options = m.options(1);
  ValueId count = *m.graph->add_variable("count", *m.graph->add_constant(Tensor::scalar<double>(0)), false);
  Expr counted = make(m.scope, "weft.Assign", {Expr(m.scope, count), Expr(m.scope, count) + 1.0});
  Expr loss = make(m.scope, "ReduceMean", {m.x}, {{"keepdims", int64_t{0}}}, "loss");
  auto refused = [&] { return weft::fit(*m.session, m.dataset, loss.id(), {}, options).status().message(); };
  options.monitor = "";
  options.patience = 0;
  EXPECT_EQ(refused(), "the training step changes no variable; give what minimize of an optimizer returned");
  ASSERT_TRUE(m.graph->attach(m.graph->value(loss.id()).node, counted.id()).ok());
  EXPECT_EQ(refused(), "the training step changes no trainable variable; give what minimize of an optimizer returned");
  // An assignment is meant, whatever it changes.
  EXPECT_TRUE(weft::fit(*m.session, m.dataset, counted.id(), {}, options).ok());
}

// -- Early stop. A score of the table an epoch.

struct Stopped {
  int64_t epochs;
  bool early;
  double steps;
};
Stopped stopped(const Values& scores, const std::function<void(FitOptions&)>& set) {
  Table m(scores);
  FitOptions options = m.options(static_cast<int64_t>(scores.size()));
  set(options);
  Result<std::shared_ptr<History>> history = m.fit(options);
  EXPECT_TRUE(history.ok()) << history.status().text();
  if (!history.ok()) return {};
  EXPECT_EQ((*history)->rows.size(), static_cast<size_t>((*history)->epochs));
  return {(*history)->epochs, (*history)->stopped, m.steps()};
}
int64_t epochs(const Values& scores, const std::function<void(FitOptions&)>& set) {
  return stopped(scores, set).epochs;
}

TEST(EarlyStop, WaitsAsManyEpochsAsItsPatience) {
  const Values scores{5, 4, 4.5, 4, 3, 3.5, 3.5, 3.5, 3.5};
  EXPECT_EQ(epochs(scores, [](FitOptions& o) { o.patience = 1; }), 3);
  EXPECT_EQ(epochs(scores, [](FitOptions& o) { o.patience = 2; }), 4) << "an equal score is no progress";
  EXPECT_EQ(epochs(scores, [](FitOptions& o) { o.patience = 3; }), 8) << "progress starts the waiting anew";
  EXPECT_EQ(epochs(scores, [](FitOptions& o) { o.patience = 4; }), 9);
  EXPECT_EQ(epochs(scores, [](FitOptions& o) { o.monitor = "", o.patience = 0; }), 9);
}

TEST(EarlyStop, SaysWhetherTheLastEpochWasLeftOut) {
  EXPECT_TRUE(stopped({1, 2, 3}, [](FitOptions&) {}).early);
  EXPECT_FALSE(stopped({1, 2}, [](FitOptions&) {}).early) << "there was no epoch after it";
  EXPECT_FALSE(stopped({3, 2, 1}, [](FitOptions&) {}).early);
}

TEST(EarlyStop, ProgressIsMoreThanTheLeastDifference) {
  auto half = [](FitOptions& o) { o.min_delta = 0.5; };
  EXPECT_EQ(epochs({5, 4.5, 4, 1}, half), 2) << "exactly that much is none";
  EXPECT_EQ(epochs({5, 4.25, 3.5, 3.25}, half), 4);
  // Measured from the best score, not from the last.
  EXPECT_EQ(epochs({5, 4.75, 4.25, 4, 4, 4}, [](FitOptions& o) { o.min_delta = 0.5, o.patience = 2; }), 5);
}

TEST(EarlyStop, LargerCanBeBetter) {
  auto larger = [](FitOptions& o) { o.larger_is_better = true; };
  EXPECT_EQ(epochs({-3, -2, -2.5, 9}, larger), 3);
  EXPECT_EQ(epochs({1, 1.4, 2}, [](FitOptions& o) { o.larger_is_better = true, o.min_delta = 0.5; }), 2);
}

TEST(EarlyStop, NaNIsNoProgressAndNoBest) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(epochs({nan, 1, 1}, [](FitOptions&) {}), 1);
  EXPECT_EQ(epochs({nan, nan, 7, 6, nan, 5, 5, 5, 5}, [](FitOptions& o) { o.patience = 3; }), 9);
  EXPECT_EQ(epochs({3, nan, nan}, [](FitOptions&) {}), 2);
}

TEST(EarlyStop, InfiniteScoresAreScores) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(epochs({infinity, 5, 4, infinity}, [](FitOptions&) {}), 4);
  EXPECT_EQ(epochs({-infinity, -infinity, 0}, [](FitOptions&) {}), 2);
}

TEST(EarlyStop, BringsTheBestVariablesBack) {
  const Values scores{5, 4, 4.5, 4.6, 9};
  auto best = [](FitOptions& o) { o.restore_best = true, o.patience = 2; };
  Stopped end = stopped(scores, best);
  EXPECT_EQ(end.epochs, 4);
  EXPECT_EQ(end.steps, 2) << "as they were after the second epoch";
  EXPECT_EQ(stopped(scores, [](FitOptions& o) { o.patience = 2; }).steps, 4);
  // Also when the epochs ended first.
  EXPECT_EQ(stopped(scores, [](FitOptions& o) { o.restore_best = true, o.patience = 10; }).steps, 2);
  // Nothing was best: nothing is brought back.
  EXPECT_EQ(stopped({std::numeric_limits<double>::quiet_NaN()}, [](FitOptions& o) { o.restore_best = true; }).steps, 1);
}

TEST(EarlyStop, BringsTheBestBackWithoutStopping) {
  auto all = [](FitOptions& o) { o.restore_best = true, o.patience = 0; };
  Stopped end = stopped({5, 4, 4.5, 4.6, 9}, all);
  EXPECT_EQ(end.epochs, 5);
  EXPECT_EQ(end.steps, 2);
  EXPECT_FALSE(end.early);
  // The first metric, unless another one is named.
  EXPECT_EQ(stopped({5, 4, 9}, [](FitOptions& o) { o.restore_best = true, o.patience = 0, o.monitor = ""; }).steps, 2);
}

// Here while the variables are kept: the initial value of one of them adds others.
TEST(EarlyStop, KeepsTheVariablesOfAGraphThatGrows) {
  Table m({5, 4});
  Expr grows = make(m.scope, "weft.HostCall", {scalar(m.scope, DType::kF64, 1)},
                    {{"name", "fit_test.grows"},
                     {"dtypes", std::vector<std::string>{"f64"}},
                     {"shapes", std::vector<std::string>{""}}});
  ASSERT_TRUE(m.graph->add_variable("grows", grows.id(), false).ok());
  auto grow = [](void* user, const std::vector<Tensor>& in, std::vector<Tensor>* out) -> Status {
    Graph& graph = *static_cast<Graph*>(user);
    WEFT_TRY(ValueId one, graph.add_constant(Tensor::scalar<double>(1)));
    for (int i = 0; i < 100; ++i) WEFT_CHECK(graph.add_variable(cat("late", i), one, false).status());
    (*out)[0] = in[0];
    return {};
  };
  set_host_function("fit_test.grows", std::make_shared<const HostFunction>(grow, m.graph.get(), nullptr));
  FitOptions options = m.options(2);
  options.restore_best = true;
  Status status = m.fit(options).status();
  EXPECT_TRUE(status.ok()) << status.text();
  EXPECT_EQ(m.steps(), 2);
  EXPECT_EQ(*(*m.session->get_variable("late99")).as<double>(), 1);
  remove_host_function("fit_test.grows");
}

TEST(EarlyStop, WatchesOneOfTheMetrics) {
  Table m({1, 2});
  FitOptions options = m.options(2);
  options.monitor = "accuracy";
  expect_error(m.fit(options).status(), Code::kInvalidArgument,
               "option 'monitor' is 'accuracy' but the metrics are score");
  expect_error(weft::fit(*m.session, m.dataset, m.step.id(), {}, options).status(), Code::kInvalidArgument,
               "option 'monitor' is 'accuracy' but there are no metrics");
  options.monitor = "";
  expect_error(weft::fit(*m.session, m.dataset, m.step.id(), {}, options).status(), Code::kInvalidArgument,
               "option 'patience' is 1 but there is no metric to watch");
  options.patience = 0;
  options.restore_best = true;
  expect_error(weft::fit(*m.session, m.dataset, m.step.id(), {}, options).status(), Code::kInvalidArgument,
               "option 'restore_best' is set but there is no metric to watch");
  options.monitor = "score";
  options.restore_best = false;
  expect_error(m.fit(options).status(), Code::kInvalidArgument,
               "option 'monitor' is 'score' but without 'patience' or 'restore_best' nothing is made of it");
  EXPECT_EQ(m.steps(), 0);
}

TEST(EarlyStop, CanWatchTheValidation) {
  Table m({1, 9, 8, 7, 7});
  FitOptions options = m.options(5);
  options.monitor = "val_score";
  options.validation = m.dataset;
  options.validation_metrics = {m.score.id()};
  // Validation sees the table after the step: 9, 8, 7, 7.
  auto history = *m.fit(options);
  EXPECT_EQ(history->epochs, 4);
  EXPECT_EQ(history->rows, (Values{1, 9, 9, 8, 8, 7, 7, 7}));
}

// -- Callbacks.

struct Watch {
  std::vector<std::string> events;
  std::string stop_at, fail_at;
  CancelToken token;
  std::string cancel_at;
  static Status call(void* user, const FitProgress& p, bool* stop) {
    auto* self = static_cast<Watch*>(user);
    std::string event = cat(p.event == FitEvent::kBatch ? "batch " : "epoch ", p.epoch, ".", p.batch);
    self->events.push_back(cat(event, " of ", p.batch_count, ":"));
    for (double average : p.averages) self->events.back() += cat(" ", average);
    if (event == self->stop_at) *stop = true;
    if (event == self->cancel_at) self->token.cancel();
    return event == self->fail_at ? Status(Code::kAborted, "enough") : Status();
  }
  void add_to(FitOptions& options) {
    options.callback = &call;
    options.callback_user = this;
    options.loop.run.cancel = &token;
  }
};
using Events = std::vector<std::string>;

// Two rows in batches of one: a score of the table a batch.
FitOptions in_batches_of_one(const Table& m, int64_t epochs) {
  FitOptions options = m.options(epochs);
  options.monitor = "";
  options.patience = 0;
  options.loop.batch_size = 1;
  return options;
}

TEST(FitCallback, ComesAfterEveryBatchAndEveryEpoch) {
  Table m({2, 4, 6, 8, 10});
  FitOptions options = in_batches_of_one(m, 2);
  options.validation = m.dataset;
  options.validation_metrics = {m.score.id()};
  Watch watch;
  watch.add_to(options);
  ASSERT_TRUE(m.fit(options).ok());
  EXPECT_EQ(watch.events, (Events{"batch 0.0 of 2: 2", "batch 0.1 of 2: 3", "epoch 0.1 of 2: 3 6", "batch 1.0 of 2: 6",
                                  "batch 1.1 of 2: 7", "epoch 1.1 of 2: 7 10"}));
}

TEST(FitCallback, OfAFunctionLearnsTheNumberOfBatchesAtTheEnd) {
  Table m({2, 4});
  m.dataset = given_batches({numbers({1}), numbers({1})});
  FitOptions options = m.options(1);
  Watch watch;
  watch.add_to(options);
  ASSERT_TRUE(m.fit(options).ok());
  EXPECT_EQ(watch.events, (Events{"batch 0.0 of -1: 2", "batch 0.1 of -1: 3", "epoch 0.1 of 2: 3"}));
}

TEST(FitCallback, CanStopAfterABatch) {
  Table m({2, 4, 6, 8});
  FitOptions options = in_batches_of_one(m, 3);
  Watch watch;
  watch.stop_at = "batch 1.0";
  watch.add_to(options);
  auto history = *m.fit(options);
  EXPECT_EQ(watch.events, (Events{"batch 0.0 of 2: 2", "batch 0.1 of 2: 3", "epoch 0.1 of 2: 3", "batch 1.0 of 2: 6",
                                  "epoch 1.0 of 2: 6"}));
  EXPECT_EQ(history->epochs, 2);
  EXPECT_EQ(history->rows, (Values{3, 6}));
  EXPECT_TRUE(history->stopped);
  EXPECT_EQ(m.steps(), 3);
}

TEST(FitCallback, CanStopAfterAnEpoch) {
  Table m({2, 4, 6, 8});
  FitOptions options = in_batches_of_one(m, 2);
  Watch watch;
  watch.stop_at = "epoch 0.1";
  watch.add_to(options);
  auto history = *m.fit(options);
  EXPECT_EQ(history->epochs, 1);
  EXPECT_TRUE(history->stopped);
  EXPECT_EQ(m.steps(), 2);
  watch.stop_at = "epoch 1.1";
  options.first_epoch = 1;
  EXPECT_FALSE((*m.fit(options))->stopped) << "it was the last one";
}

TEST(FitCallback, ItsErrorEndsTheTraining) {
  Table m({2, 4, 6, 8});
  FitOptions options = in_batches_of_one(m, 2);
  Watch watch;
  watch.fail_at = "batch 0.1";
  watch.add_to(options);
  expect_error(m.fit(options).status(), Code::kAborted, "enough");
  EXPECT_EQ(m.steps(), 2) << "what was trained stays trained";
  EXPECT_EQ(watch.events.size(), 2u);
}

// -- Stopping.

TEST(Fit, CancelledInACallbackEndsBeforeTheNextBatch) {
  Table m({2, 4, 6, 8});
  FitOptions options = in_batches_of_one(m, 2);
  Watch watch;
  watch.cancel_at = "epoch 0.1";
  watch.add_to(options);
  expect_error(m.fit(options).status(), Code::kCancelled, "cancelled");
  EXPECT_EQ(m.steps(), 2);
  EXPECT_EQ(watch.events.size(), 3u);
}

TEST(Fit, TheDeadlineIsOfTheWholeTraining) {
  Table m({2, 4, 6, 8});
  FitOptions options = m.options(4);
  options.loop.run.timeout_ns = 1;
  expect_error(m.fit(options).status(), Code::kDeadlineExceeded, "deadline");
  EXPECT_EQ(m.steps(), 0);
  options.loop.run.timeout_ns = INT64_MAX;
  EXPECT_TRUE(m.fit(options).ok());
}

TEST(Fit, ThePollEndsIt) {
  Table m({2, 4});
  FitOptions options = m.options(2);
  options.loop.run.poll = [](void*) { return Status(Code::kAborted, "the user said so"); };
  expect_error(m.fit(options).status(), Code::kAborted, "the user said so");
  EXPECT_EQ(m.steps(), 0);
}

// -- Errors.

TEST(Fit, RefusesOptionsThatMakeNoSense) {
  Line m;
  auto refused = [&](const std::function<void(FitOptions&)>& set) {
    FitOptions options = m.options(1);
    set(options);
    Status status = m.fit(options).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.text();
    return status.message();
  };
  EXPECT_EQ(refused([](FitOptions& o) { o.epochs = -1; }),
            "options 'epochs' and 'first_epoch' are -1 and 0 but must not be negative");
  EXPECT_EQ(refused([](FitOptions& o) { o.first_epoch = -3; }),
            "options 'epochs' and 'first_epoch' are 1 and -3 but must not be negative");
  EXPECT_EQ(refused([](FitOptions& o) { o.epochs = o.first_epoch = 2; }),
            "option 'first_epoch' is 2 but must be below 'epochs', which is 2 and counts the epochs before it too");
  EXPECT_EQ(refused([](FitOptions& o) { o.patience = -1; }), "option 'patience' is -1 but must not be negative");
  EXPECT_EQ(refused([](FitOptions& o) { o.min_delta = -0.5; }), "option 'min_delta' is -0.5 but must be at least 0");
  EXPECT_EQ(refused([](FitOptions& o) { o.min_delta = std::nan(""); }),
            "option 'min_delta' is nan but must be at least 0");
  EXPECT_EQ(refused([](FitOptions& o) { o.loop.batch_size = 0; }), "option 'batch_size' is 0 but must be at least 1");
  EXPECT_EQ(refused([](FitOptions& o) { o.loop.batch_size = 6, o.drop_last = true; }),
            "the dataset has 5 rows, fewer than one batch of 6, and 'drop_last' leaves short batches out");
  EXPECT_EQ(refused([](FitOptions& o) { o.loop.feeds.pop_back(); }),
            "the dataset has 2 tensors but 1 feeds are given; there must be one for each, an empty one for a tensor "
            "that is not fed");
  m.dataset = *m.dataset->rows(0, 0);
  EXPECT_EQ(refused([](FitOptions&) {}), "the dataset has no rows to train on");
  EXPECT_EQ(m.weight(), 0);
}

TEST(Fit, AMetricIsAScalarOfFloats) {
  Line m;
  Expr squares = make(m.scope, "Mul", {m.x, m.x}, {}, "squares"), whole = cast(m.loss, DType::kI64);
  auto with = [&](Expr metric) {
    return weft::fit(*m.session, m.dataset, m.step.id(), {metric.id()}, m.options(1)).status();
  };
  expect_error(with(squares), Code::kInvalidArgument,
               "the metric 'squares' is f64[n] but must be a scalar of f64, f32, f16 or bf16");
  expect_error(with(whole), Code::kInvalidArgument, "is i64[] but must be a scalar of f64, f32, f16 or bf16");
  EXPECT_EQ(with(squares).node(), "squares");
  EXPECT_EQ(m.weight(), 0);
}

TEST(Fit, ATensorThatIsNotFedIsLeftOut) {
  Table m({3});
  m.dataset = rows_of({numbers({1, 2}), numbers({7, 8})});
  FitOptions options = m.options(1);
  options.loop.feeds = {kNoValue, m.x.id()};
  EXPECT_TRUE(m.fit(options).ok());
}

// -- Evaluation.

struct Evaluated : TestModel {
  Expr x = input("x", DType::kF64, {Dim::symbol("n")});
  Expr mean = make(scope, "ReduceMean", {x}, {{"keepdims", int64_t{0}}});
  Expr largest = make(scope, "ReduceMax", {x}, {{"keepdims", int64_t{0}}});
  LoopOptions options;

  Evaluated() {
    session = *Session::make(graph, {});
    options.feeds = {x.id()};
    options.batch_size = 2;
  }
  Result<Values> evaluate(const std::shared_ptr<const Dataset>& dataset) {
    return weft::evaluate(*session, dataset, {mean.id(), largest.id()}, options);
  }
};

TEST(Evaluate, WeighsEachBatchByItsRows) {
  Evaluated m;
  auto dataset = rows_of({numbers({1, 3, 5, 9, 12})});
  // Means 2, 7 and 12 and largest 3, 9 and 12, of 2, 2 and 1 rows.
  expect_near(*m.evaluate(dataset), {6, 7.2});
  m.options.batch_size = 4;
  expect_near(*m.evaluate(dataset), {6, 9.6});
  m.options.batch_size.reset();
  expect_near(*m.evaluate(dataset), {6, 12});
  expect_near(*m.evaluate(given_batches({numbers({1, 3, 5}), numbers({9, 12})})), {6, 7.8});
}

TEST(Evaluate, NeedsARow) {
  Evaluated m;
  expect_error(m.evaluate(rows_of({numbers({})})).status(), Code::kInvalidArgument, "no rows to evaluate on");
  m.options.batch_size.reset();
  expect_error(m.evaluate(given_batches({})).status(), Code::kInvalidArgument, "no rows to evaluate on");
}

TEST(Evaluate, CanBeStopped) {
  Evaluated m;
  CancelToken token;
  token.cancel();
  m.options.run.cancel = &token;
  EXPECT_EQ(m.evaluate(rows_of({numbers({1})})).status().code(), Code::kCancelled);
  m.options.run = {};
  m.options.run.timeout_ns = 1;
  EXPECT_EQ(m.evaluate(rows_of({numbers({1})})).status().code(), Code::kDeadlineExceeded);
}

}  // namespace
}  // namespace weft
