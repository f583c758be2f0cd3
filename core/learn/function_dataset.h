// Batches that a function of the user's gives.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/learn/dataset.h"

namespace weft {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

// A pass whose batches `next` gives: it adds the tensors of one by name, and none at the end of the pass. Those of
// `names` are taken, in that order; the first dimension of the first counts the rows of the batch.
Result<std::unique_ptr<Batches>> function_batches(std::vector<std::string> names,
                                                  std::function<Status(NamedTensors*)> next);

// Begins pass number `epoch`: a new one each time, of as many columns as the dataset has. Several threads may be in it.
using OpenPass = std::function<Result<std::shared_ptr<Batches>>(int64_t epoch)>;

class FunctionDataset : public Dataset {
 public:
  static Result<std::shared_ptr<const Dataset>> make(int32_t width, OpenPass open);

  int64_t row_count() const override { return -1; }
  int32_t width() const override { return width_; }
  Result<Tensor> column(int32_t i) const override;
  Result<std::shared_ptr<const Dataset>> rows(int64_t first, int64_t count) const override;
  Status check(const BatchOptions& options) const override;
  Result<std::unique_ptr<Batches>> open(const BatchOptions& options, int64_t epoch) const override;

 private:
  int32_t width_ = 0;
  OpenPass open_;
};

}  // namespace weft
