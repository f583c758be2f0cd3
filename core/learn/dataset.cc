// Rows of tensors, given out in batches.
#include "core/learn/dataset.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/base/philox.h"

namespace weft {

Result<std::shared_ptr<const Dataset>> Dataset::make(std::vector<Tensor> tensors) {
  if (tensors.empty()) return invalid("a dataset needs at least one tensor");
  auto dataset = std::make_shared<Dataset>();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i];
    if (tensor.kind() != Kind::kTensor || tensor.dtype() == DType::kString || dtype_bits(tensor.dtype()) < 8) {
      return invalid("tensor ", i, " of a dataset is ", tensor.summary(), ", whose rows cannot be taken apart");
    }
    if (tensor.rank() == 0) return invalid("tensor ", i, " of a dataset is a scalar; its first dimension counts rows");
    if (i > 0 && tensor.shape()[0] != tensors[0].shape()[0]) {
      return invalid("tensors 0 and ", i, " of a dataset have ", tensors[0].shape()[0], " and ", tensor.shape()[0],
                     " rows but must have the same number");
    }
  }
  dataset->rows_ = tensors[0].shape()[0];
  dataset->tensors_ = std::move(tensors);
  return std::shared_ptr<const Dataset>(std::move(dataset));
}

Result<std::shared_ptr<const Dataset>> Dataset::rows(int64_t first, int64_t count) const {
  if (first < 0 || count < 0 || first > rows_ || count > rows_ - first) {
    return invalid("rows ", first, " to ", first, " + ", count, " are not all within the dataset's ", rows_);
  }
  std::vector<Tensor> parts;
  for (const Tensor& tensor : tensors_) {
    Shape shape = tensor.shape();
    shape[0] = count;
    int64_t row_bytes = rows_ == 0 ? 0 : tensor.bytes() / rows_;
    int64_t start = tensor.as<char>() - static_cast<const char*>(tensor.buffer()->data());
    WEFT_TRY(Tensor part, Tensor::over(tensor.dtype(), std::move(shape), tensor.buffer(), start + first * row_bytes));
    parts.push_back(std::move(part));
  }
  return make(std::move(parts));
}

Result<std::vector<Tensor>> Dataset::take(const int64_t* indices, int64_t count) const {
  std::vector<Tensor> out;
  for (const Tensor& tensor : tensors_) {
    Shape shape = tensor.shape();
    int64_t bytes = rows_ == 0 ? 0 : tensor.bytes() / rows_;
    shape[0] = count;
    WEFT_TRY(Tensor batch, Tensor::make(tensor.dtype(), std::move(shape)));
    for (int64_t i = 0; bytes > 0 && i < count; ++i) {
      std::memcpy(batch.as<char>() + i * bytes, tensor.as<char>() + indices[i] * bytes, static_cast<size_t>(bytes));
    }
    out.push_back(std::move(batch));
  }
  return out;
}

Result<std::unique_ptr<Batches>> Batches::make(std::shared_ptr<const Dataset> dataset, const BatchOptions& options,
                                               int64_t epoch) {
  if (options.batch_size < 1) return invalid("option 'batch_size' is ", options.batch_size, " but must be at least 1");
  if (epoch < 0) return invalid("the number of a pass must not be negative but is ", epoch);
  auto batches = std::make_unique<Batches>();
  batches->order_.resize(static_cast<size_t>(dataset->row_count()));
  std::iota(batches->order_.begin(), batches->order_.end(), int64_t{0});
  if (options.shuffle) {
    shuffle(batches->order_.data(), dataset->row_count(), static_cast<uint64_t>(options.seed),
            static_cast<uint64_t>(epoch));
  }
  batches->dataset_ = std::move(dataset);
  batches->options_ = options;
  return batches;
}

int64_t Batches::count() const {
  int64_t rows = dataset_->row_count(), size = options_.batch_size;
  return options_.drop_last ? rows / size : (rows + size - 1) / size;
}

Result<std::vector<Tensor>> Batches::next() {
  int64_t left = dataset_->row_count() - at_;
  int64_t count = std::min(options_.batch_size, left);
  if (count <= 0 || (options_.drop_last && count < options_.batch_size)) return std::vector<Tensor>();
  WEFT_TRY(std::vector<Tensor> out, dataset_->take(order_.data() + at_, count));
  at_ += count;
  return out;
}

}  // namespace weft
