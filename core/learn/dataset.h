// Rows of tensors, given out in batches in an order that seed and epoch alone decide.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/live.h"
#include "core/tensor/tensor.h"

namespace weft {

struct BatchOptions {
  int64_t batch_size = 32;
  bool shuffle = false;
  int64_t seed = 0;
  bool drop_last = false;
};

class Dataset {
 public:
  // Tensors of one first dimension, not strings.
  static Result<std::shared_ptr<const Dataset>> make(std::vector<Tensor> tensors);

  int64_t row_count() const { return rows_; }
  const std::vector<Tensor>& tensors() const { return tensors_; }
  // The rows first .. first + count - 1, sharing the memory.
  Result<std::shared_ptr<const Dataset>> rows(int64_t first, int64_t count) const;
  // Copies the rows of `indices` into new tensors.
  Result<std::vector<Tensor>> take(const int64_t* indices, int64_t count) const;

 private:
  std::vector<Tensor> tensors_;
  int64_t rows_ = 0;
  Live live_;
};

// One pass.
class Batches {
 public:
  static Result<std::unique_ptr<Batches>> make(std::shared_ptr<const Dataset> dataset, const BatchOptions& options,
                                               int64_t epoch);
  int64_t count() const;  // of the pass
  // Empty at the end.
  Result<std::vector<Tensor>> next();

 private:
  std::shared_ptr<const Dataset> dataset_;
  BatchOptions options_;
  std::vector<int64_t> order_;
  int64_t at_ = 0;
  Live live_;
};

}  // namespace weft
