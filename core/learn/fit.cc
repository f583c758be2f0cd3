// Training over a dataset, epoch by epoch.
#include "core/learn/fit.h"

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/learn/loop.h"

namespace weft {

namespace {

// The end of a training that makes no more progress.
class EarlyStop {
 public:
  // `names` are those of the history, of which the ones from `validated` on are of the validation.
  static Result<EarlyStop> make(const FitOptions& options, const std::vector<std::string>& names, size_t validated) {
    EarlyStop stop;
    if (options.patience == 0 && !options.restore_best) {
      if (options.monitor.empty()) return stop;
      return invalid("option 'monitor' is '", options.monitor,
                     "' but without 'patience' or 'restore_best' nothing is made of it");
    }
    if (options.monitor.empty()) {
      if (names.empty()) {
        return invalid(
            options.patience > 0 ? cat("option 'patience' is ", options.patience) : "option 'restore_best' is set",
            " but there is no metric to watch");
      }
      stop.metric_ = options.validation != nullptr ? static_cast<std::ptrdiff_t>(validated) : 0;
      return stop;
    }
    auto at = std::find(names.begin(), names.end(), options.monitor);
    if (at == names.end()) {
      return invalid("option 'monitor' is '", options.monitor, "' but ",
                     names.empty() ? "there are no metrics" : cat("the metrics are ", join(names)));
    }
    stop.metric_ = at - names.begin();
    return stop;
  }

  // Takes in the averages of an epoch; true if the training should end.
  Result<bool> after_epoch(Session& session, const FitOptions& options, const std::vector<double>& row) {
    if (metric_ < 0) return false;
    double now = row[static_cast<size_t>(metric_)];
    double gain = options.larger_is_better ? now - best_ : best_ - now;
    if (!std::isnan(now) && (!seen_ || gain > options.min_delta)) {
      seen_ = true;
      best_ = now;
      waited_ = 0;
      if (options.restore_best) WEFT_CHECK(keep_variables(session));
      return false;
    }
    ++waited_;
    return options.patience > 0 && waited_ >= options.patience;
  }

  Status restore(Session& session) { return session.set_variables(variables_); }

 private:
  Status keep_variables(Session& session) {
    variables_.clear();
    std::vector<std::string> names;
    {
      GraphReading reading(*session.graph());  // which may grow meanwhile
      for (const VariableInfo& variable : session.graph()->variables()) names.push_back(variable.name);
    }
    for (std::string& name : names) {
      WEFT_TRY(Tensor value, session.get_variable(name));
      variables_.emplace_back(std::move(name), std::move(value));
    }
    return {};
  }

  std::ptrdiff_t metric_ = -1;
  bool seen_ = false;
  double best_ = 0;
  int64_t waited_ = 0;
  std::vector<std::pair<std::string, Tensor>> variables_;
};

// How the dataset is taken apart for training.
BatchOptions batching_of(const FitOptions& options, const Dataset& dataset) {
  BatchOptions batching{options.loop.batch_size, options.shuffle.value_or(dataset.has_rows()), options.seed,
                        options.drop_last};
  // The batch size may be meant for the rows of the validation alone.
  bool for_validation = options.validation != nullptr && options.validation->has_rows();
  if (!dataset.has_rows() && for_validation) batching.batch_size.reset();
  return batching;
}

BatchOptions in_order(std::optional<int64_t> batch_size) {
  BatchOptions batching;
  batching.batch_size = batch_size;
  return batching;
}

Status check(const FitOptions& options, const Dataset& dataset) {
  if (options.epochs < 0 || options.first_epoch < 0) {
    return invalid("options 'epochs' and 'first_epoch' are ", options.epochs, " and ", options.first_epoch,
                   " but must not be negative");
  }
  // Whoever asks for no epoch gets none; whoever says where to go on wants some.
  if (options.first_epoch > 0 && options.first_epoch >= options.epochs) {
    return invalid("option 'first_epoch' is ", options.first_epoch, " but must be below 'epochs', which is ",
                   options.epochs, " and counts the epochs before it too");
  }
  if (options.patience < 0) return invalid("option 'patience' is ", options.patience, " but must not be negative");
  if (!(options.min_delta >= 0)) return invalid("option 'min_delta' is ", options.min_delta, " but must be at least 0");
  BatchOptions batching = batching_of(options, dataset);
  WEFT_CHECK(dataset.check(batching));
  if (dataset.row_count() == 0) return invalid("the dataset has no rows to train on");
  if (options.drop_last && dataset.row_count() < batching.rows_of_a_batch()) {
    return invalid("the dataset has ", dataset.row_count(), " rows, fewer than one batch of ",
                   batching.rows_of_a_batch(), ", and 'drop_last' leaves short batches out");
  }
  return {};
}

// A step is an assignment itself, or changes what is trained. The loss may change variables too: what layers count in
// training.
Status check_step(const Graph& graph, ValueId target, const std::vector<std::string>& assigned) {
  GraphReading reading(graph);
  const Node& node = graph.producer(target);
  const bool trains = std::any_of(assigned.begin(), assigned.end(),
                                  [&](const std::string& name) { return graph.find_variable(name)->trainable; });
  if (trains || (node.is(kWeftDomain, "Assign") && !assigned.empty())) return {};
  return invalid("the training step changes no ", assigned.empty() ? "" : "trainable ",
                 "variable; give what minimize of an optimizer returned")
      .at(graph.value(target).name, node.op->full_name(), node.origin);
}

// Averages over one pass in order, for evaluate and for the validation of fit.
Result<std::vector<double>> averages_of(BatchCall& call, const Dataset& dataset, const std::vector<std::string>& names,
                                        const BatchOptions& batching, int64_t epoch, LoopStop& stop) {
  Averages averages(names.size());
  WEFT_CHECK(stop.check());
  WEFT_TRY(std::unique_ptr<Batches> batches, dataset.open(batching, epoch));
  for (bool any = false;; any = true) {
    WEFT_CHECK(stop.check());
    WEFT_TRY(std::vector<Tensor> batch, batches->next());
    if (batch.empty() && !any) return invalid("the dataset has no rows to evaluate on");
    if (batch.empty()) return averages.means();
    int64_t rows = batch[0].shape()[0];
    WEFT_CHECK(call.run(std::move(batch), stop));
    WEFT_CHECK(averages.add(call, names, rows));
  }
}

// What an epoch of training was.
struct Epoch {
  std::vector<double> averages;
  int64_t batches = 0;      // that were trained
  int64_t batch_count = 0;  // that there are
};

// One training: what its epochs share.
struct Training {
  const FitOptions& options;
  const Dataset& dataset;
  BatchCall call;
  const std::vector<std::string>& names;  // of the metrics, then of those of the validation
  const size_t metric_count;
  LoopStop stop;
  bool ended = false;                  // by the callback
  std::vector<const char*> told = {};  // the names, as callbacks get them

  Status notify(FitEvent event, int64_t epoch, int64_t batch, int64_t batch_count,
                const std::vector<double>& averages) {
    if (options.callback == nullptr) return {};
    for (size_t i = told.size(); i < names.size(); ++i) told.push_back(names[i].c_str());
    return options.callback(options.callback_user, FitProgress{event, epoch, batch, batch_count, told.data(), averages},
                            &ended);
  }

  Result<Epoch> train_epoch(int64_t number) {
    Epoch epoch;
    Averages averages(metric_count);
    WEFT_CHECK(stop.check());
    WEFT_TRY(std::unique_ptr<Batches> batches, dataset.open(batching_of(options, dataset), number));
    epoch.batch_count = batches->count();
    while (!ended) {
      WEFT_CHECK(stop.check());
      WEFT_TRY(std::vector<Tensor> batch, batches->next());
      if (batch.empty()) {
        epoch.batch_count = epoch.batches;
        break;
      }
      int64_t rows = batch[0].shape()[0];
      WEFT_CHECK(call.run(std::move(batch), stop));
      WEFT_CHECK(averages.add(call, names, rows));
      WEFT_CHECK(notify(FitEvent::kBatch, number, epoch.batches++, epoch.batch_count, averages.means()));
    }
    if (epoch.batches == 0) return invalid("epoch ", number, " has no batch to train on");
    epoch.averages = averages.means();
    return epoch;
  }
};

}  // namespace

Result<std::shared_ptr<History>> fit(Session& session, std::shared_ptr<const Dataset> dataset, ValueId target,
                                     const std::vector<ValueId>& metrics, const FitOptions& options) {
  WEFT_CHECK(dataset->check_open());
  if (options.validation != nullptr) WEFT_CHECK(options.validation->check_open());
  WEFT_CHECK(check(options, *dataset));
  const Graph& graph = *session.graph();
  auto history = std::make_shared<History>();
  WEFT_TRY(std::vector<std::string> names, metric_names(graph, metrics));
  std::vector<ValueId> validation_metrics = options.validation_metrics;
  if (options.validation != nullptr && validation_metrics.empty()) validation_metrics = metrics;
  WEFT_TRY(std::vector<std::string> validation_names, metric_names(graph, validation_metrics));
  history->names = std::move(names);
  for (const std::string& name : validation_names) history->names.push_back("val_" + name);
  WEFT_TRY(EarlyStop early, EarlyStop::make(options, history->names, metrics.size()));
  WEFT_TRY(BatchCall call, BatchCall::make(session, *dataset, options.loop.feeds, metrics, {target}));
  WEFT_CHECK(check_step(graph, target, call.assigned_variables()));
  BatchCall validation;
  if (options.validation != nullptr) {
    WEFT_TRY(validation, BatchCall::make(session, *options.validation, options.loop.feeds, validation_metrics, {}));
  }
  BatchOptions validation_batching;
  if (options.validation != nullptr && options.validation->has_rows()) {
    validation_batching = in_order(options.loop.batch_size);
  }
  Training training{options, *dataset, std::move(call), history->names, metrics.size(), LoopStop(options.loop.run)};
  for (int64_t epoch = options.first_epoch; epoch < options.epochs; ++epoch) {
    WEFT_TRY(Epoch trained, training.train_epoch(epoch));
    std::vector<double>& row = trained.averages;
    if (options.validation != nullptr) {
      WEFT_TRY(std::vector<double> means, averages_of(validation, *options.validation, validation_names,
                                                      validation_batching, epoch, training.stop));
      row.insert(row.end(), means.begin(), means.end());
    }
    ++history->epochs;
    history->rows.insert(history->rows.end(), row.begin(), row.end());
    WEFT_TRY(bool no_progress, early.after_epoch(session, options, row));
    WEFT_CHECK(training.notify(FitEvent::kEpoch, epoch, trained.batches - 1, trained.batch_count, row));
    if (no_progress || training.ended) {
      history->stopped = epoch + 1 < options.epochs;
      break;
    }
  }
  if (options.restore_best) WEFT_CHECK(early.restore(session));
  return history;
}

Result<std::vector<double>> evaluate(Session& session, std::shared_ptr<const Dataset> dataset,
                                     const std::vector<ValueId>& metrics, const LoopOptions& options) {
  WEFT_CHECK(dataset->check_open());
  WEFT_TRY(std::vector<std::string> names, metric_names(*session.graph(), metrics));
  WEFT_TRY(BatchCall call, BatchCall::make(session, *dataset, options.feeds, metrics, {}));
  LoopStop stop(options.run);
  return averages_of(call, *dataset, names, in_order(options.batch_size), 0, stop);
}

}  // namespace weft
