// Rows of tensors, and batches of them.
#pragma once

#include "weft/tensor.hpp"

namespace weft {

/// Rows of tensors that have their first dimension in common; a row is one element of each. Copies are the same dataset.
class Dataset {
 public:
  /// Shares the elements of the tensors.
  explicit Dataset(const std::vector<Tensor>& tensors)
      : handle_(detail::made<weft_dataset>([&](weft_dataset** out) {
          std::vector<const weft_tensor*> handles;
          for (const Tensor& tensor : tensors) handles.push_back(tensor.handle());
          return weft_dataset_new(handles.data(), detail::count32(handles), out);
        })) {}
  /// The named tensors of a .safetensors, .npy or .csv file, in that order; all without names. `map` as in load_tensors.
  static Dataset load(const std::string& path, const std::vector<std::string>& names = {}, bool map = false) {
    detail::OptionsHandle options("load");
    options.set("map", map);
    std::vector<const char*> pointers;
    for (const std::string& name : names) pointers.push_back(name.c_str());
    return Dataset(detail::made<weft_dataset>([&](weft_dataset** out) {
      return weft_dataset_load(path.c_str(), pointers.data(), detail::count32(pointers), options.get(), out);
    }));
  }
  /// The rows first .. first + count - 1, sharing the memory.
  Dataset rows(int64_t first, int64_t count) const {
    return Dataset(detail::made<weft_dataset>(
        [&](weft_dataset** out) { return weft_dataset_new_rows(handle(), first, count, out); }));
  }
  /// The number of rows.
  int64_t count() const { return weft_dataset_count(handle()); }
  /// The number of tensors in a row.
  int32_t width() const { return weft_dataset_width(handle()); }
  /// Tensor i, all rows of it, shared.
  Tensor at(int32_t i) const {
    return Tensor(detail::made<weft_tensor>([&](weft_tensor** out) { return weft_dataset_at(handle(), i, out); }));
  }
  /// The handle for the C functions; it stays this object's.
  weft_dataset* handle() const { return handle_.get(); }

 private:
  explicit Dataset(weft_dataset* handle) : handle_(handle) {}
  detail::SharedHandle<weft_dataset, weft_dataset_free> handle_;
};

/// How a dataset is passed over.
struct BatchOptions {
  int64_t batch_size = 32;  ///< rows of a batch
  bool shuffle = false;     ///< whether the rows come in an order that depends on seed and epoch alone
  int64_t seed = 0;
  bool drop_last = false;  ///< whether a short last batch is left out
};

/// One pass over a dataset. For one thread at a time.
class Batches {
 public:
  /// Starts pass number `epoch`, from 0.
  explicit Batches(const Dataset& dataset, const BatchOptions& wanted = {}, int64_t epoch = 0)
      : width_(dataset.width()) {
    detail::OptionsHandle options("dataset");
    options.set("batch_size", wanted.batch_size);
    options.set("shuffle", wanted.shuffle);
    options.set("seed", wanted.seed);
    options.set("drop_last", wanted.drop_last);
    handle_ = Owned(detail::made<weft_batches>(
        [&](weft_batches** out) { return weft_dataset_open(dataset.handle(), options.get(), epoch, out); }));
  }
  /// The next batch, a tensor for each of the dataset's; empty at the end.
  std::vector<Tensor> next() {
    std::vector<weft_tensor*> made(static_cast<size_t>(width_));
    detail::check(weft_batches_next(handle_.get(), made.data(), width_));
    std::vector<Tensor> batch;
    for (weft_tensor* tensor : made) {
      if (tensor != nullptr) batch.emplace_back(tensor);
    }
    return batch;
  }

 private:
  using Owned = detail::Handle<weft_batches, weft_batches_free>;
  int32_t width_;
  Owned handle_;
};

}  // namespace weft
