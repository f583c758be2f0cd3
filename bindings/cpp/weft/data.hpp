// Datasets and passes over them.
#pragma once

#include <functional>
#include <optional>

#include "weft/tensor.hpp"

namespace weft {

// Gives the next batch of a pass: the tensors in the order of the dataset's names, or none at the end of the pass.
using NextBatch = std::function<std::vector<Tensor>()>;
// Begins a pass over a dataset, given its number from 0.
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
        check(weft_tensors_set(out_batch, names[i].c_str(), batch[i].handle()));
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
    for (const std::string& name : source->names) names.push_back(name.c_str());
    auto drop = [](void* held) { delete static_cast<BatchPass*>(held); };
    return weft_batches_new(names.data(), static_cast<int32_t>(names.size()), out_batches, BatchPass::give,
                            pass.release(), drop);
  } catch (...) {
    return current_exception_status();
  }
}

}  // namespace detail

// Rows of tensors, or the batches of a function. Copies are the same dataset.
class Dataset {
 public:
  explicit Dataset(const std::vector<Tensor>& tensors) {
    std::vector<const weft_tensor*> handles;
    for (const Tensor& tensor : tensors) handles.push_back(tensor.handle());
    weft_dataset* out = nullptr;
    detail::check(weft_dataset_new(handles.data(), static_cast<int32_t>(handles.size()), &out));
    handle_ = std::make_shared<Owned>(out);
  }
  // The named tensors of a .safetensors, .npy or .csv file; all without names. With `map` a safetensors file is mapped,
  // not read; it must then not be made shorter.
  static Dataset load(const std::string& path, const std::vector<std::string>& names = {}, bool map = false) {
    detail::OptionsHandle options("load");
    options.set("map", int64_t{map});
    std::vector<const char*> pointers;
    for (const std::string& name : names) pointers.push_back(name.c_str());
    weft_dataset* out = nullptr;
    detail::check(
        weft_dataset_load(path.c_str(), pointers.data(), static_cast<int32_t>(pointers.size()), options.get(), &out));
    return Dataset(out);
  }
  // A dataset of the batches that a function gives, their tensors named `names`. It is called for every pass, on the
  // thread that wants the batch, between runs, so it may run and save the session; an exception in it ends that call
  // and is thrown there as it is. What a batch is and in which order they come is the function's to decide: batch size,
  // shuffling and dropping a short batch cannot be asked for. The first dimension of the first tensor counts the rows.
  static Dataset from_function(BeginPass begin, std::vector<std::string> names) {
    if (!begin) throw Error(WEFT_INVALID_ARGUMENT, "the function of the dataset is empty");
    int32_t width = static_cast<int32_t>(names.size());
    auto source = std::make_shared<detail::BatchSource>(detail::BatchSource{std::move(begin), std::move(names)});
    auto drop = [](void* user) { delete static_cast<std::shared_ptr<detail::BatchSource>*>(user); };
    weft_dataset* out = nullptr;
    detail::check(weft_dataset_new_function(width, &out, detail::BatchSource::begin_pass,
                                            new std::shared_ptr<detail::BatchSource>(std::move(source)), drop));
    return Dataset(out);
  }
  // The rows first .. first + count - 1, sharing the memory.
  Dataset rows(int64_t first, int64_t count) const {
    weft_dataset* out = nullptr;
    detail::check(weft_dataset_new_rows(handle(), first, count, &out));
    return Dataset(out);
  }
  // The number of rows; -1 if a function gives the batches.
  int64_t count() const { return weft_dataset_count(handle()); }
  int32_t width() const { return weft_dataset_width(handle()); }
  // Tensor i, all rows of it.
  Tensor at(int32_t i) const {
    weft_tensor* out = nullptr;
    detail::check(weft_dataset_at(handle(), i, &out));
    return Tensor(out);
  }
  weft_dataset* handle() const { return handle_->get(); }

 private:
  using Owned = detail::Handle<weft_dataset, weft_dataset_free>;
  explicit Dataset(weft_dataset* handle) : handle_(std::make_shared<Owned>(handle)) {}
  std::shared_ptr<Owned> handle_;
};

struct BatchOptions {
  std::optional<int64_t> batch_size;  // 32 rows
  bool shuffle = false;
  int64_t seed = 0;
  bool drop_last = false;
};

// One pass over a dataset; the order depends on seed and epoch alone.
class Batches {
 public:
  Batches(const Dataset& dataset, const BatchOptions& wanted = {}, int64_t epoch = 0) : width_(dataset.width()) {
    detail::OptionsHandle options("dataset");
    if (wanted.batch_size) options.set("batch_size", *wanted.batch_size);
    options.set("shuffle", int64_t{wanted.shuffle});
    options.set("seed", wanted.seed);
    options.set("drop_last", int64_t{wanted.drop_last});
    weft_batches* out = nullptr;
    detail::check(weft_dataset_open(dataset.handle(), options.get(), epoch, &out));
    handle_ = detail::Handle<weft_batches, weft_batches_free>(out);
  }
  // The next batch; empty at the end.
  std::vector<Tensor> next() {
    std::vector<weft_tensor*> out(static_cast<size_t>(width_));
    detail::check(weft_batches_next(handle_.get(), out.data(), width_));
    std::vector<Tensor> batch;
    for (weft_tensor* tensor : out) {
      if (tensor != nullptr) batch.emplace_back(tensor);
    }
    return batch;
  }

 private:
  int32_t width_;
  detail::Handle<weft_batches, weft_batches_free> handle_;
};

}  // namespace weft
