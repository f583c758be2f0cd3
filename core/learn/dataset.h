// What fit, evaluate and predict go through: batches of tensors, pass by pass.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/live.h"
#include "core/tensor/tensor.h"

namespace weft {

// How rows are taken apart. A function decides by itself what its batches are, so what is set here is refused there.
struct BatchOptions {
  std::optional<int64_t> batch_size;  // 32 rows
  bool shuffle = false;
  int64_t seed = 0;
  bool drop_last = false;

  int64_t rows_of_a_batch() const { return batch_size.value_or(32); }
};

// One pass, for one thread at a time.
class Batches {
 public:
  virtual ~Batches() = default;
  // A tensor for each column; empty at the end. An error if another thread is in it, or a call further up this one.
  Result<std::vector<Tensor>> next();
  // Of the pass; -1 if only going through it tells.
  virtual int64_t count() const = 0;

 private:
  virtual Result<std::vector<Tensor>> take() = 0;

  std::atomic<bool> busy_{false};
  Live live_;
};

// Immutable; any number of passes may be under way. The first dimension of the first column counts the rows.
class Dataset : public std::enable_shared_from_this<Dataset> {
 public:
  virtual ~Dataset() = default;
  // -1 if a function gives the batches.
  virtual int64_t row_count() const = 0;
  bool has_rows() const { return row_count() >= 0; }
  // The number of columns.
  virtual int32_t width() const = 0;
  // Column i, all rows of it.
  virtual Result<Tensor> column(int32_t i) const = 0;
  // The rows first .. first + count - 1, sharing the memory.
  virtual Result<std::shared_ptr<const Dataset>> rows(int64_t first, int64_t count) const = 0;
  // Whether a pass can be as the options want it.
  virtual Status check(const BatchOptions& options) const = 0;
  // Begins pass number `epoch`; the pass keeps the dataset.
  virtual Result<std::unique_ptr<Batches>> open(const BatchOptions& options, int64_t epoch) const = 0;

  // Calls that begin later fail; what is under way goes on. Any thread, any number of times, and from inside its calls:
  // a function that gives batches may run on a thread that nobody here knows, so that nobody can be waited for.
  void close() const { closed_.store(true, std::memory_order_release); }
  // An error once it is closed.
  Status check_open() const;

 private:
  mutable std::atomic<bool> closed_{false};
  Live live_;
};

}  // namespace weft
