// What fit, evaluate and predict share: batches bound to a prepared call, one deadline over all of them.
#pragma once

#include <memory>
#include <vector>

#include "core/learn/fit.h"

namespace weft {

// Cancel, deadline and poll of a whole loop, between its runs and inside them.
class LoopStop {
 public:
  explicit LoopStop(const RunOptions& options);
  // An error if the loop should end.
  Status check() { return stop_.check(); }
  // The same, and what the next run may still take.
  Status next(RunOptions* run);

 private:
  RunOptions options_;
  int64_t deadline_ns_;
  StopCondition stop_;
};

// A prepared call whose inputs are the tensors of a dataset's batches.
class BatchCall {
 public:
  static Result<BatchCall> make(Session& session, const Dataset& dataset, const std::vector<ValueId>& feeds,
                                std::vector<ValueId> fetches, std::vector<ValueId> targets);
  Status run(std::vector<Tensor> batch, LoopStop& stop);
  // In the process's memory, also where the session's outputs stay on its device.
  Result<Tensor> output(int i) const { return prepared_->output(i); }
  const std::vector<std::string>& assigned_variables() const { return prepared_->assigned_variables(); }

 private:
  std::vector<size_t> columns_;  // of the batch, that are fed
  std::shared_ptr<Prepared> prepared_;
};

// Averages of scalars over rows.
class Averages {
 public:
  explicit Averages(size_t count) : sums_(count, 0.0), means_(count, 0.0) {}
  Status add(const BatchCall& call, const std::vector<std::string>& names, int64_t rows);
  const std::vector<double>& means() const { return means_; }

 private:
  std::vector<double> sums_;
  std::vector<double> means_;
  double rows_ = 0;
};

// The names of metrics, which must be of floating point and may be known to be scalars.
Result<std::vector<std::string>> metric_names(const Graph& graph, const std::vector<ValueId>& metrics);

}  // namespace weft
