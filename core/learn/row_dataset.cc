// Rows of tensors, given out in batches.
#include "core/learn/row_dataset.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/base/philox.h"

namespace weft {

namespace {

class RowBatches : public Batches {
 public:
  RowBatches(std::shared_ptr<const RowDataset> dataset, const BatchOptions& options, int64_t epoch)
      : dataset_(std::move(dataset)), size_(options.rows_of_a_batch()), drop_last_(options.drop_last) {
    // Rows without elements are all alike, and may be more than there is memory for an order of them.
    if (!options.shuffle || !dataset_->has_elements()) return;
    order_.resize(static_cast<size_t>(dataset_->row_count()));
    std::iota(order_.begin(), order_.end(), int64_t{0});
    shuffle(order_.data(), dataset_->row_count(), static_cast<uint64_t>(options.seed), static_cast<uint64_t>(epoch));
  }

  int64_t count() const override {
    int64_t rows = dataset_->row_count();
    return rows / size_ + (!drop_last_ && rows % size_ != 0 ? 1 : 0);
  }

 private:
  Result<std::vector<Tensor>> take() override {
    int64_t count = std::min(size_, dataset_->row_count() - at_);
    if (count <= 0 || (drop_last_ && count < size_)) return std::vector<Tensor>();
    WEFT_TRY(std::vector<Tensor> out, dataset_->take(at_, order_.empty() ? nullptr : order_.data() + at_, count));
    at_ += count;
    return out;
  }

  std::shared_ptr<const RowDataset> dataset_;
  const int64_t size_;
  const bool drop_last_;
  std::vector<int64_t> order_;  // empty unless they are shuffled
  int64_t at_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Dataset>> RowDataset::make(std::vector<Tensor> tensors) {
  if (tensors.empty()) return invalid("a dataset needs at least one tensor");
  auto dataset = std::make_shared<RowDataset>();
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

Result<std::shared_ptr<const Dataset>> RowDataset::rows(int64_t first, int64_t count) const {
  if (first < 0 || count < 0 || first > rows_ || count > rows_ - first) {
    return invalid("rows ", first, " to ", first, " + ", count, " are not all within the dataset's ", rows_);
  }
  std::vector<Tensor> parts;
  for (const Tensor& tensor : tensors_) {
    Shape shape = tensor.shape();
    shape[0] = count;
    int64_t row_bytes = rows_ == 0 ? 0 : tensor.bytes() / rows_;
    const int64_t start = tensor.offset() + first * row_bytes;
    WEFT_TRY(Tensor part, Tensor::over(tensor.dtype(), std::move(shape), tensor.buffer(), start));
    parts.push_back(std::move(part));
  }
  return make(std::move(parts));
}

Result<std::vector<Tensor>> RowDataset::take(int64_t first, const int64_t* indices, int64_t count) const {
  std::vector<Tensor> out;
  for (const Tensor& tensor : tensors_) {
    Shape shape = tensor.shape();
    int64_t bytes = rows_ == 0 ? 0 : tensor.bytes() / rows_;
    shape[0] = count;
    WEFT_TRY(Tensor batch, Tensor::make(tensor.dtype(), std::move(shape)));
    if (bytes > 0 && indices == nullptr) {
      std::memcpy(batch.as<char>(), tensor.as<char>() + first * bytes, static_cast<size_t>(count * bytes));
    }
    for (int64_t i = 0; bytes > 0 && indices != nullptr && i < count; ++i) {
      std::memcpy(batch.as<char>() + i * bytes, tensor.as<char>() + indices[i] * bytes, static_cast<size_t>(bytes));
    }
    out.push_back(std::move(batch));
  }
  return out;
}

bool RowDataset::has_elements() const {
  return std::any_of(tensors_.begin(), tensors_.end(), [](const Tensor& tensor) { return tensor.count() > 0; });
}

Status RowDataset::check(const BatchOptions& options) const {
  if (options.rows_of_a_batch() >= 1) return {};
  return invalid("option 'batch_size' is ", options.rows_of_a_batch(), " but must be at least 1");
}

Result<std::unique_ptr<Batches>> RowDataset::open(const BatchOptions& options, int64_t epoch) const {
  WEFT_CHECK(check(options));
  if (epoch < 0) return invalid("the number of a pass must not be negative but is ", epoch);
  auto self = std::static_pointer_cast<const RowDataset>(shared_from_this());
  return std::unique_ptr<Batches>(std::make_unique<RowBatches>(std::move(self), options, epoch));
}

}  // namespace weft
