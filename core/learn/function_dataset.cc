// Batches that a function of the user's gives.
#include "core/learn/function_dataset.h"

#include <algorithm>

#include "core/base/text.h"

namespace weft {

namespace {

// Functions may open and go through passes of other datasets, but not without end: each call inside another takes
// some of the thread's stack.
constexpr int kMostNested = 32;
thread_local int t_nested = 0;

class Nested {
 public:
  Nested() { ++t_nested; }
  ~Nested() { --t_nested; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;
  Status check() const {
    if (t_nested <= kMostNested) return {};
    return failed_precondition("the functions of datasets call each other more than ", kMostNested, " deep");
  }
};

class NamedBatches : public Batches {
 public:
  NamedBatches(std::vector<std::string> names, std::function<Status(NamedTensors*)> next)
      : names_(std::move(names)), next_(std::move(next)) {}

  int64_t count() const override { return -1; }

 private:
  Result<std::vector<Tensor>> take() override {
    if (ended_) return std::vector<Tensor>();
    Nested nested;
    WEFT_CHECK(nested.check());
    NamedTensors given;
    WEFT_CHECK(next_(&given));
    if (given.empty()) {
      ended_ = true;
      return std::vector<Tensor>();
    }
    std::vector<Tensor> batch;
    for (const std::string& name : names_) {
      auto at = std::find_if(given.begin(), given.end(), [&](const auto& item) { return item.first == name; });
      if (at == given.end()) {
        std::vector<std::string> known;
        for (const auto& item : given) known.push_back(item.first);
        return invalid("batch ", number_, " has no tensor '", name, "'; it has ", join(known));
      }
      batch.push_back(at->second);
    }
    const Tensor& first = batch[0];
    if (first.kind() != Kind::kTensor || first.rank() == 0 || first.shape()[0] == 0) {
      return invalid("'", names_[0], "' of batch ", number_, " is ", first.summary(),
                     "; its first dimension counts the rows of the batch, of which there must be one at least");
    }
    ++number_;
    return batch;
  }

  const std::vector<std::string> names_;
  const std::function<Status(NamedTensors*)> next_;
  bool ended_ = false;
  int64_t number_ = 0;
};

// A pass that a function gave, held to what its dataset promises.
class Pass : public Batches {
 public:
  Pass(std::shared_ptr<const Dataset> dataset, std::shared_ptr<Batches> batches)
      : dataset_(std::move(dataset)), batches_(std::move(batches)) {}

  int64_t count() const override { return batches_->count(); }

 private:
  Result<std::vector<Tensor>> take() override {
    WEFT_TRY(std::vector<Tensor> batch, batches_->next());
    if (!batch.empty() && batch.size() != static_cast<size_t>(dataset_->width())) {
      return invalid("the function of the dataset began a pass with ", batch.size(), " tensors in a batch, but the ",
                     "dataset has ", dataset_->width());
    }
    return batch;
  }

  std::shared_ptr<const Dataset> dataset_;  // what the pass needs may belong to the dataset's function
  std::shared_ptr<Batches> batches_;
};

Status no_rows(const char* what) {
  return failed_precondition("a function gives the batches of this dataset, so it has no ", what);
}

}  // namespace

Result<std::unique_ptr<Batches>> function_batches(std::vector<std::string> names,
                                                  std::function<Status(NamedTensors*)> next) {
  if (names.empty()) return invalid("a batch needs the name of at least one tensor");
  for (size_t i = 0; i < names.size(); ++i) {
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
        names.begin() + static_cast<std::ptrdiff_t>(i)) {
      return invalid("two tensors of a batch have the name '", names[i], "'");
    }
  }
  return std::unique_ptr<Batches>(std::make_unique<NamedBatches>(std::move(names), std::move(next)));
}

Result<std::shared_ptr<const Dataset>> FunctionDataset::make(int32_t width, OpenPass open) {
  if (width < 1) return invalid("a dataset needs at least one tensor, but the width is ", width);
  auto dataset = std::make_shared<FunctionDataset>();
  dataset->width_ = width;
  dataset->open_ = std::move(open);
  return std::shared_ptr<const Dataset>(std::move(dataset));
}

Result<Tensor> FunctionDataset::column(int32_t) const { return no_rows("tensors of all rows"); }

Result<std::shared_ptr<const Dataset>> FunctionDataset::rows(int64_t, int64_t) const {
  return no_rows("rows to choose from");
}

Status FunctionDataset::check(const BatchOptions& options) const {
  const char* refused = options.shuffle      ? "shuffle"
                        : options.batch_size ? "batch_size"
                        : options.drop_last  ? "drop_last"
                                             : nullptr;
  if (refused == nullptr) return {};
  return invalid("option '", refused, "' is for datasets of rows; the batches of this one are as its function ",
                 "gives them");
}

Result<std::unique_ptr<Batches>> FunctionDataset::open(const BatchOptions& options, int64_t epoch) const {
  WEFT_CHECK(check(options));
  if (epoch < 0) return invalid("the number of a pass must not be negative but is ", epoch);
  Nested nested;
  WEFT_CHECK(nested.check());
  std::shared_ptr<const Dataset> self = shared_from_this();
  WEFT_TRY(std::shared_ptr<Batches> batches, open_(epoch));
  if (batches == nullptr) return invalid("the function of the dataset gave no pass");
  return std::unique_ptr<Batches>(std::make_unique<Pass>(std::move(self), std::move(batches)));
}

}  // namespace weft
