// Outputs for every row of a dataset.
#include <algorithm>
#include <cstring>

#include "core/base/text.h"
#include "core/learn/fit.h"
#include "core/learn/loop.h"

namespace weft {

namespace {

// The batches' parts of one output, and where they go.
struct Joined {
  Tensor whole;
  int64_t rows = 0;

  Status add(const Tensor& part, int64_t batch_rows, int64_t all_rows, const std::string& name) {
    if (part.kind() != Kind::kTensor || dtype_bits(part.dtype()) < 8 || part.rank() == 0 ||
        part.shape()[0] != batch_rows) {
      return invalid("'", name, "' is ", part.summary(), " for a batch of ", batch_rows,
                     " rows; what is predicted must be a tensor, not of strings, with one row for each");
    }
    if (whole.empty()) {
      Shape shape = part.shape();
      shape[0] = all_rows;
      WEFT_TRY(whole, Tensor::make(part.dtype(), std::move(shape)));
    }
    if (!std::equal(part.shape().begin() + 1, part.shape().end(), whole.shape().begin() + 1, whole.shape().end())) {
      return invalid("'", name, "' is ", part.summary(), " for one batch and was ", whole.summary(),
                     " with all rows of the first; rows of different shapes cannot be joined");
    }
    int64_t row_bytes = part.bytes() / batch_rows;
    if (part.bytes() > 0) {
      std::memcpy(whole.as<char>() + rows * row_bytes, part.data(), static_cast<size_t>(part.bytes()));
    }
    rows += batch_rows;
    return {};
  }
};

}  // namespace

Result<std::vector<Tensor>> predict(Session& session, std::shared_ptr<const Dataset> dataset,
                                    const std::vector<ValueId>& fetches, const LoopOptions& options) {
  WEFT_TRY(BatchCall call, BatchCall::make(session, *dataset, options.feeds, fetches, {}));
  WEFT_TRY(std::unique_ptr<Batches> batches,
           Batches::make(dataset, BatchOptions{options.batch_size, false, 0, false}, 0));
  LoopStop stop(options.run);
  std::vector<Tensor> outputs(fetches.size());
  if (dataset->row_count() == 0) {  // one empty batch says what the rows would look like
    WEFT_TRY(std::vector<Tensor> none, dataset->take(nullptr, 0));
    WEFT_CHECK(call.run(std::move(none), stop));
    for (size_t i = 0; i < fetches.size(); ++i) {
      WEFT_TRY(outputs[i], call.output(static_cast<int>(i)));
    }
    return outputs;
  }
  std::vector<Joined> joined(fetches.size());
  for (;;) {
    WEFT_TRY(std::vector<Tensor> batch, batches->next());
    if (batch.empty()) break;
    int64_t rows = batch[0].shape()[0];
    WEFT_CHECK(call.run(std::move(batch), stop));
    for (size_t i = 0; i < fetches.size(); ++i) {
      WEFT_TRY(Tensor part, call.output(static_cast<int>(i)));
      const std::string& name = session.graph()->value(fetches[i]).name;
      WEFT_CHECK(joined[i].add(part, rows, dataset->row_count(), name));
    }
  }
  for (size_t i = 0; i < fetches.size(); ++i) outputs[i] = std::move(joined[i].whole);
  return outputs;
}

}  // namespace weft
