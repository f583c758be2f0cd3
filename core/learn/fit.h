// The loops over a dataset: fit, evaluate and predict.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/live.h"
#include "core/learn/dataset.h"
#include "core/runtime/session.h"

namespace weft {

// Which tensor of the dataset is fed to what, and how long it may last.
struct LoopOptions {
  std::vector<ValueId> feeds;         // one for each tensor of the dataset; kNoValue leaves it out
  std::optional<int64_t> batch_size;  // of datasets of rows: 32
  RunOptions run;                     // the timeout is that of the whole loop
};

enum class FitEvent : int32_t { kBatch = 0, kEpoch = 1 };

// Where a training is, for callbacks.
struct FitProgress {
  FitEvent event;
  int64_t epoch;
  int64_t batch;
  int64_t batch_count;       // -1 if only the end of the epoch tells
  const char* const* names;  // of the averages
  const std::vector<double>& averages;
};

struct FitOptions {
  LoopOptions loop;
  int64_t epochs = 1;
  int64_t first_epoch = 0;
  std::optional<bool> shuffle;  // datasets of rows: true
  int64_t seed = 0;
  bool drop_last = false;
  std::string monitor;   // a name in the history; "": the first metric, that of the validation if there is one
  int64_t patience = 0;  // so many epochs in a row without progress end the training; 0: nothing does
  double min_delta = 0;
  bool larger_is_better = false;
  bool restore_best = false;
  std::shared_ptr<const Dataset> validation;
  std::vector<ValueId> validation_metrics;  // none: those of the training
  // May set *stop to end the training after this step.
  Status (*callback)(void* user, const FitProgress& progress, bool* stop) = nullptr;
  void* callback_user = nullptr;
};

// The averages of each epoch.
struct History {
  std::vector<std::string> names;
  std::vector<double> rows;  // epoch by epoch
  int64_t epochs = 0;        // that were trained
  bool stopped = false;      // before the last epoch
  Live live;
};

Result<std::shared_ptr<History>> fit(Session& session, std::shared_ptr<const Dataset> dataset, ValueId target,
                                     const std::vector<ValueId>& metrics, const FitOptions& options);
Result<std::vector<double>> evaluate(Session& session, std::shared_ptr<const Dataset> dataset,
                                     const std::vector<ValueId>& metrics, const LoopOptions& options);
Result<std::vector<Tensor>> predict(Session& session, std::shared_ptr<const Dataset> dataset,
                                    const std::vector<ValueId>& fetches, const LoopOptions& options);

}  // namespace weft
