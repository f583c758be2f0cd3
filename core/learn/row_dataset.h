// Rows of tensors, given out in batches in an order that seed and epoch alone decide.
#pragma once

#include <memory>
#include <vector>

#include "core/learn/dataset.h"

namespace weft {

class RowDataset : public Dataset {
 public:
  // Tensors of one first dimension, not strings.
  static Result<std::shared_ptr<const Dataset>> make(std::vector<Tensor> tensors);

  int64_t row_count() const override { return rows_; }
  int32_t width() const override { return static_cast<int32_t>(tensors_.size()); }
  Result<Tensor> column(int32_t i) const override { return tensors_[static_cast<size_t>(i)]; }
  Result<std::shared_ptr<const Dataset>> rows(int64_t first, int64_t count) const override;
  Status check(const BatchOptions& options) const override;
  Result<std::unique_ptr<Batches>> open(const BatchOptions& options, int64_t epoch) const override;
  // Copies `count` rows into new tensors: those of `indices`, or where that is null the ones from `first` on.
  Result<std::vector<Tensor>> take(int64_t first, const int64_t* indices, int64_t count) const;
  // Whether rows differ in anything.
  bool has_elements() const;

 private:
  std::vector<Tensor> tensors_;
  int64_t rows_ = 0;
};

}  // namespace weft
