// Outputs for every row of a dataset.
#include <algorithm>
#include <cstring>

#include "core/base/text.h"
#include "core/learn/fit.h"
#include "core/learn/loop.h"

namespace weft {

namespace {

Status check_part(const Tensor& part, int64_t batch_rows, const std::string& name) {
  if (part.kind() == Kind::kTensor && dtype_bits(part.dtype()) >= 8 && part.rank() > 0 &&
      part.shape()[0] == batch_rows) {
    return {};
  }
  return invalid("'", name, "' is ", part.summary(), " for a batch of ", batch_rows,
                 " rows; what is predicted must be a tensor, not of strings, with one row for each");
}

// The batches' parts of one output, and where they go.
class Joined {
 public:
  // `all_rows` is -1 if only the last batch tells.
  explicit Joined(int64_t all_rows) : all_rows_(all_rows) {}

  Status add(Tensor part, int64_t batch_rows, const std::string& name) {
    WEFT_CHECK(check_part(part, batch_rows, name));
    if (rows_ == 0) {
      dtype_ = part.dtype();
      first_ = part.shape();
    }
    if (part.dtype() != dtype_ ||
        !std::equal(part.shape().begin() + 1, part.shape().end(), first_.begin() + 1, first_.end())) {
      return invalid("'", name, "' is ", part.summary(), " for one batch and was ", dtype_name(dtype_),
                     shape_text(first_), " for the first; rows of different kinds cannot be joined");
    }
    rows_ += batch_rows;
    if (all_rows_ >= 0) return put(part, rows_ - batch_rows, all_rows_);
    parts_.push_back(std::move(part));
    return {};
  }

  Result<Tensor> whole() {
    int64_t at = 0;
    for (Tensor& part : parts_) {
      WEFT_CHECK(put(part, at, rows_));
      at += part.shape()[0];
      part = Tensor();
    }
    return whole_;
  }

 private:
  Status put(const Tensor& part, int64_t at, int64_t all_rows) {
    if (whole_.empty()) {
      Shape shape = part.shape();
      shape[0] = all_rows;
      WEFT_TRY(whole_, Tensor::make(part.dtype(), std::move(shape)));
    }
    if (part.bytes() > 0) {
      int64_t row_bytes = part.bytes() / part.shape()[0];
      std::memcpy(whole_.as<char>() + at * row_bytes, part.data(), static_cast<size_t>(part.bytes()));
    }
    return {};
  }

  const int64_t all_rows_;
  int64_t rows_ = 0;
  DType dtype_ = DType::kNone;
  Shape first_;
  Tensor whole_;
  std::vector<Tensor> parts_;
};

}  // namespace

Result<std::vector<Tensor>> predict(Session& session, std::shared_ptr<const Dataset> dataset,
                                    const std::vector<ValueId>& fetches, const LoopOptions& options) {
  WEFT_CHECK(dataset->check_open());
  WEFT_TRY(BatchCall call, BatchCall::make(session, *dataset, options.feeds, fetches, {}));
  BatchOptions batching;
  batching.batch_size = options.batch_size;
  LoopStop stop(options.run);
  WEFT_CHECK(stop.check());
  WEFT_TRY(std::unique_ptr<Batches> batches, dataset->open(batching, 0));
  std::vector<Tensor> outputs(fetches.size());
  if (dataset->row_count() == 0) {  // one empty batch says what the rows would look like
    std::vector<Tensor> none;
    for (int32_t i = 0; i < dataset->width(); ++i) {
      WEFT_TRY(Tensor column, dataset->column(i));
      none.push_back(std::move(column));
    }
    WEFT_CHECK(call.run(std::move(none), stop));
    for (size_t i = 0; i < fetches.size(); ++i) {
      WEFT_TRY(outputs[i], call.output(static_cast<int>(i)));
    }
    return outputs;
  }
  std::vector<std::string> names;
  {
    GraphReading reading(*session.graph());
    for (ValueId fetch : fetches) names.push_back(session.graph()->value(fetch).name);
  }
  std::vector<Joined> joined(fetches.size(), Joined(dataset->row_count()));
  for (bool any = false;; any = true) {
    WEFT_CHECK(stop.check());
    WEFT_TRY(std::vector<Tensor> batch, batches->next());
    if (batch.empty() && !any) return invalid("the dataset has no batch, so what its rows give is not known");
    if (batch.empty()) break;
    int64_t rows = batch[0].shape()[0];
    WEFT_CHECK(call.run(std::move(batch), stop));
    for (size_t i = 0; i < fetches.size(); ++i) {
      WEFT_TRY(Tensor part, call.output(static_cast<int>(i)));
      WEFT_CHECK(joined[i].add(std::move(part), rows, names[i]));
    }
  }
  for (size_t i = 0; i < fetches.size(); ++i) {
    WEFT_TRY(outputs[i], joined[i].whole());
  }
  return outputs;
}

}  // namespace weft
