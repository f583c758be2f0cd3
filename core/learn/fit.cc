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
  static Result<EarlyStop> make(const FitOptions& options, const std::vector<std::string>& names) {
    EarlyStop stop;
    if (options.monitor.empty()) {
      if (options.restore_best)
        return invalid("option 'restore_best' needs 'monitor', the metric that says what is best");
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
    return waited_++ >= options.patience;
  }

  Status restore(Session& session) { return session.set_variables(variables_); }

 private:
  Status keep_variables(Session& session) {
    variables_.clear();
    for (const VariableInfo& variable : session.graph()->variables()) {
      WEFT_TRY(Tensor value, session.get_variable(variable.name));
      variables_.emplace_back(variable.name, std::move(value));
    }
    return {};
  }

  std::ptrdiff_t metric_ = -1;
  bool seen_ = false;
  double best_ = 0;
  int64_t waited_ = 0;
  std::vector<std::pair<std::string, Tensor>> variables_;
};

Status check(const FitOptions& options, const Dataset& dataset) {
  if (options.epochs < 0 || options.first_epoch < 0) {
    return invalid("options 'epochs' and 'first_epoch' are ", options.epochs, " and ", options.first_epoch,
                   " but must not be negative");
  }
  if (options.patience < 0) return invalid("option 'patience' is ", options.patience, " but must not be negative");
  if (!(options.min_delta >= 0)) return invalid("option 'min_delta' is ", options.min_delta, " but must be at least 0");
  if (options.loop.batch_size < 1) {
    return invalid("option 'batch_size' is ", options.loop.batch_size, " but must be at least 1");
  }
  if (dataset.row_count() == 0) return invalid("the dataset has no rows to train on");
  if (options.drop_last && dataset.row_count() < options.loop.batch_size) {
    return invalid("the dataset has ", dataset.row_count(), " rows, fewer than one batch of ", options.loop.batch_size,
                   ", and 'drop_last' leaves short batches out");
  }
  return {};
}

// Averages over one pass in order, for evaluate and for the validation of fit.
Result<std::vector<double>> averages_of(BatchCall& call, std::shared_ptr<const Dataset> dataset,
                                        const std::vector<std::string>& names, int64_t batch_size, LoopStop& stop) {
  if (dataset->row_count() == 0) return invalid("the dataset has no rows to evaluate on");
  Averages averages(names.size());
  WEFT_TRY(std::unique_ptr<Batches> batches, Batches::make(dataset, BatchOptions{batch_size, false, 0, false}, 0));
  for (;;) {
    WEFT_TRY(std::vector<Tensor> batch, batches->next());
    if (batch.empty()) return averages.means();
    int64_t rows = batch[0].shape()[0];
    WEFT_CHECK(call.run(std::move(batch), stop));
    WEFT_CHECK(averages.add(call, names, rows));
  }
}

// One training: what its epochs share.
struct Training {
  const FitOptions& options;
  std::shared_ptr<const Dataset> dataset;
  BatchCall call;
  std::vector<std::string> names;
  LoopStop stop;
  bool ended = false;  // by the callback

  Status notify(FitEvent event, int64_t epoch, int64_t batch, int64_t batch_count,
                const std::vector<double>& averages) {
    if (options.callback == nullptr) return {};
    return options.callback(options.callback_user, FitProgress{event, epoch, batch, batch_count, averages}, &ended);
  }

  Result<std::vector<double>> train_epoch(int64_t epoch) {
    Averages averages(names.size());
    BatchOptions batching{options.loop.batch_size, options.shuffle, options.seed, options.drop_last};
    WEFT_TRY(std::unique_ptr<Batches> batches, Batches::make(dataset, batching, epoch));
    for (int64_t i = 0; i < batches->count() && !ended; ++i) {
      WEFT_TRY(std::vector<Tensor> batch, batches->next());
      int64_t rows = batch[0].shape()[0];
      WEFT_CHECK(call.run(std::move(batch), stop));
      WEFT_CHECK(averages.add(call, names, rows));
      WEFT_CHECK(notify(FitEvent::kBatch, epoch, i, batches->count(), averages.means()));
    }
    return averages.means();
  }
};

}  // namespace

Result<std::shared_ptr<History>> fit(Session& session, std::shared_ptr<const Dataset> dataset, ValueId target,
                                     const std::vector<ValueId>& metrics, const FitOptions& options) {
  WEFT_CHECK(check(options, *dataset));
  const Graph& graph = *session.graph();
  auto history = std::make_shared<History>();
  WEFT_TRY(std::vector<std::string> names, metric_names(graph, metrics));
  WEFT_TRY(std::vector<std::string> validation_names, metric_names(graph, options.validation_metrics));
  history->names = names;
  for (const std::string& name : validation_names) history->names.push_back("val_" + name);
  WEFT_TRY(EarlyStop early, EarlyStop::make(options, history->names));
  WEFT_TRY(BatchCall call, BatchCall::make(session, *dataset, options.loop.feeds, metrics, {target}));
  BatchCall validation;
  if (options.validation != nullptr) {
    WEFT_TRY(validation,
             BatchCall::make(session, *options.validation, options.loop.feeds, options.validation_metrics, {}));
  }
  Training training{options, dataset, std::move(call), std::move(names), LoopStop(options.loop.run)};
  int64_t batch_count = (dataset->row_count() + options.loop.batch_size - 1) / options.loop.batch_size;
  for (int64_t epoch = options.first_epoch; epoch < options.epochs; ++epoch) {
    WEFT_TRY(std::vector<double> row, training.train_epoch(epoch));
    if (options.validation != nullptr) {
      WEFT_TRY(std::vector<double> means,
               averages_of(validation, options.validation, validation_names, options.loop.batch_size, training.stop));
      row.insert(row.end(), means.begin(), means.end());
    }
    ++history->epochs;
    history->rows.insert(history->rows.end(), row.begin(), row.end());
    WEFT_TRY(bool no_progress, early.after_epoch(session, options, row));
    WEFT_CHECK(training.notify(FitEvent::kEpoch, epoch, batch_count - 1, batch_count, row));
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
  WEFT_TRY(std::vector<std::string> names, metric_names(*session.graph(), metrics));
  WEFT_TRY(BatchCall call, BatchCall::make(session, *dataset, options.feeds, metrics, {}));
  LoopStop stop(options.run);
  return averages_of(call, std::move(dataset), names, options.batch_size, stop);
}

}  // namespace weft
