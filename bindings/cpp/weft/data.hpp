// Datasets and passes over them.
#pragma once

#include <functional>

#include "weft/tensor.hpp"

namespace weft {

/// Gives the next batch of a pass: the tensors in the order of the dataset's names, or none at the end of the pass.
using NextBatch = std::function<std::vector<Tensor>()>;
/// Begins a pass over a dataset, given its number from 0.
using BeginPass = std::function<NextBatch(int64_t epoch)>;

namespace detail {

// A dataset's function; one for the dataset itself and all of its passes.
struct BatchSource {
  BeginPass begin;
  std::vector<std::string> names;

  // `user` is a shared_ptr<BatchSource>*.
  static weft_status* begin_pass(void* user, int64_t epoch, weft_batches** out_batches);
};

struct BatchPass {
  std::shared_ptr<BatchSource> source;
  NextBatch next;

  static weft_status* give(void* user, weft_tensors* out_batch) {
    try {
      auto& pass = *static_cast<BatchPass*>(user);
      const std::vector<std::string>& names = pass.source->names;
      std::vector<Tensor> batch = pass.next();
      if (!batch.empty() && batch.size() != names.size()) {
        throw Error(WEFT_INVALID_ARGUMENT,
                    "a batch has " + std::to_string(batch.size()) + " tensors, not " + std::to_string(names.size()));
      }
      for (size_t i = 0; i < batch.size(); ++i) {
        check(weft_tensors_set(out_batch, detail::text(names[i]), batch[i].handle()));
      }
      return nullptr;
    } catch (...) {
      return current_exception_status();
    }
  }
};

inline weft_status* BatchSource::begin_pass(void* user, int64_t epoch, weft_batches** out_batches) {
  try {
    const auto& source = *static_cast<std::shared_ptr<BatchSource>*>(user);
    auto pass = std::make_unique<BatchPass>(BatchPass{source, source->begin(epoch)});
    if (!pass->next) throw Error(WEFT_INVALID_ARGUMENT, "the function of the dataset began no pass");
    std::vector<const char*> names;
    for (const std::string& name : source->names) names.push_back(detail::text(name));
    return weft_batches_new(names.data(), count32(names), out_batches, BatchPass::give, pass.release(),
                            drop<BatchPass>);
  } catch (...) {
    return current_exception_status();
  }
}

}  // namespace detail

/// Rows of tensors that have their first dimension in common (a row is one element of each), or the batches that a
/// function gives. Copies are the same dataset.
class Dataset {
 public:
  /// Shares the elements of the tensors.
  explicit Dataset(const std::vector<Tensor>& tensors)
      : handle_(detail::made<weft_dataset>([&](weft_dataset** out) {
          std::vector<const weft_tensor*> handles;
          for (const Tensor& tensor : tensors) handles.push_back(tensor.handle());
          return weft_dataset_new(handles.data(), detail::count32(handles), out);
        })) {}
  /// The named tensors of a .safetensors, .npy or .csv file, in that order; all without names. `map` as in
  /// load_tensors.
  static Dataset load(const std::string& path, const std::vector<std::string>& names = {}, bool map = false) {
    detail::OptionsHandle options("load");
    options.set("map", map);
    std::vector<const char*> pointers;
    for (const std::string& name : names) pointers.push_back(detail::text(name));
    return Dataset(detail::made<weft_dataset>([&](weft_dataset** out) {
      return weft_dataset_load(detail::text(path), pointers.data(), detail::count32(pointers), options.get(), out);
    }));
  }
  /// A dataset of the batches that a function gives, their tensors named `names`. It is called for every pass, on the
  /// thread that wants the batch, between runs, so it may run and save the session; what it throws ends that call and
  /// is thrown there as it is. What a batch is and in which order they come is the function's to decide: batch size,
  /// shuffling and dropping a short batch cannot be asked for. The first dimension of the first tensor counts the rows.
  static Dataset from_function(BeginPass function, std::vector<std::string> names) {
    if (!function) throw Error(WEFT_INVALID_ARGUMENT, "the function of the dataset is empty");
    using Source = std::shared_ptr<detail::BatchSource>;
    const int32_t width = detail::count32(names);
    auto source = std::make_shared<detail::BatchSource>(detail::BatchSource{std::move(function), std::move(names)});
    return Dataset(detail::made<weft_dataset>([&](weft_dataset** out) {
      return weft_dataset_new_function(width, out, detail::BatchSource::begin_pass, new Source(std::move(source)),
                                       detail::drop<Source>);
    }));
  }
  /// The rows first .. first + count - 1, sharing the memory.
  Dataset rows(int64_t first, int64_t count) const {
    return Dataset(detail::made<weft_dataset>(
        [&](weft_dataset** out) { return weft_dataset_new_rows(handle(), first, count, out); }));
  }
  /// The number of rows; -1 if a function gives the batches.
  int64_t count() const { return weft_dataset_count(handle()); }
  /// The number of tensors in a row.
  int32_t width() const { return weft_dataset_width(handle()); }
  /// Tensor i, all rows of it, shared.
  Tensor at(int32_t i) const {
    return Tensor(detail::made<weft_tensor>([&](weft_tensor** out) { return weft_dataset_at(handle(), i, out); }));
  }
  /// Later calls throw FAILED_PRECONDITION, through all copies. It waits for nobody: calls and passes that were begun go
  /// on, as do datasets of its rows. Any thread, any number of times.
  void close() const { detail::check(weft_dataset_close(handle())); }
  /// The handle for the C functions; it stays this object's.
  weft_dataset* handle() const { return handle_.get(); }

 private:
  explicit Dataset(weft_dataset* handle) : handle_(handle) {}
  detail::SharedHandle<weft_dataset, weft_dataset_free> handle_;
};

/// How a dataset is passed over.
struct BatchOptions {
  std::optional<int64_t> batch_size = {};  ///< rows of a batch; 32
  bool shuffle = false;                    ///< whether the rows come in an order that depends on seed and epoch alone
  int64_t seed = 0;                        ///< of that order
  bool drop_last = false;                  ///< whether a short last batch is left out
};

/// One pass over a dataset. For one thread at a time.
class Batches {
 public:
  /// Starts pass number `epoch`, from 0.
  explicit Batches(const Dataset& dataset, const BatchOptions& wanted = {}, int64_t epoch = 0)
      : width_(dataset.width()) {
    detail::OptionsHandle options("dataset");
    if (wanted.batch_size) options.set("batch_size", *wanted.batch_size);
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
