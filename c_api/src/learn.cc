// Optimizers and datasets of the C ABI.
#include "weft/learn.h"

#include <algorithm>

#include "c_api/src/handles.h"
#include "core/learn/dataset.h"
#include "core/passes/differentiate.h"
#include "core/train/optimizer.h"

struct weft_batches {
  std::unique_ptr<weft::Batches> batches;
};

using namespace weft;
using namespace weft::c_api;

weft_status* weft_optimizer_add(weft_graph* graph, const char* kind, const weft_options* options, int64_t loss,
                                const int64_t* variables, int32_t variable_count, int64_t learning_rate,
                                const char* origin, int64_t* out_target) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_target);
    *out_target = 0;
    WEFT_NOT_NULL(graph);
    WEFT_NOT_NULL(kind);
    WEFT_CHECK(check_options(options, "optimizer"));
    std::string where = origin != nullptr ? origin : "";
    const Graph& g = *graph->graph;
    OptimizerOptions wanted;
    wanted.kind = kind;
    if (options != nullptr) {
      for (const auto& [key, value] : options->floats) {
        if (key == "learning_rate")
          wanted.learning_rate = value;
        else if (key == "clip_norm")
          wanted.clip_norm = value;
        else
          wanted.attrs.set(key, value);
      }
      for (const auto& [key, value] : options->ints) wanted.attrs.set(key, value);
    }
    WEFT_TRY(ValueId loss_id, from_value(g, loss, "the loss"));
    WEFT_TRY(std::vector<ValueId> chosen, from_values(g, variables, variable_count, "variable"));
    ValueId rate = kNoValue;
    if (learning_rate != 0) {
      WEFT_TRY(rate, from_value(g, learning_rate, "the learning rate"));
    }
    Result<ValueId> target = add_train_step(*graph->graph, wanted, loss_id, chosen, rate, where, differentiate);
    if (!target.ok()) return target.status().at("", kind, where);
    *out_target = to_value(g, *target);
    return {};
  });
}

weft_status* weft_dataset_new(const weft_tensor* const* tensors, int32_t count, weft_dataset** out_dataset) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_dataset);
    *out_dataset = nullptr;
    WEFT_NOT_NULL(tensors);
    std::vector<Tensor> columns;
    for (int32_t i = 0; i < count; ++i) {
      if (tensors[i] == nullptr) return invalid("tensor ", i, " is NULL");
      columns.push_back(tensors[i]->tensor);
    }
    WEFT_TRY(std::shared_ptr<const Dataset> dataset, Dataset::make(std::move(columns)));
    *out_dataset = new weft_dataset{std::move(dataset)};
    return {};
  });
}
weft_status* weft_dataset_load(const char* path, const char* const* names, int32_t count, const weft_options* options,
                               weft_dataset** out_dataset) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_dataset);
    *out_dataset = nullptr;
    if (count < 0) return invalid("the number of names is ", count);
    if (count > 0) WEFT_NOT_NULL(names);
    weft_tensors* loaded = nullptr;
    WEFT_CHECK(from_handle(weft_tensors_load(path, options, &loaded)));
    std::unique_ptr<weft_tensors> tensors(loaded);
    std::vector<Tensor> columns;
    for (int32_t i = 0; i < count; ++i) {
      if (names[i] == nullptr) return invalid("name ", i, " is NULL");
      auto at = std::find_if(tensors->items.begin(), tensors->items.end(),
                             [&](const auto& item) { return item.first == names[i]; });
      if (at == tensors->items.end()) {
        std::string known;
        for (const auto& item : tensors->items) known += cat(known.empty() ? "" : ", ", item.first);
        return not_found("'", path, "' has no tensor '", names[i], "'; it has ", known);
      }
      columns.push_back(at->second);
    }
    if (count == 0) {
      for (auto& item : tensors->items) columns.push_back(std::move(item.second));
    }
    WEFT_TRY(std::shared_ptr<const Dataset> dataset, Dataset::make(std::move(columns)));
    *out_dataset = new weft_dataset{std::move(dataset)};
    return {};
  });
}
weft_status* weft_dataset_new_rows(const weft_dataset* dataset, int64_t first, int64_t count,
                                   weft_dataset** out_dataset) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_dataset);
    *out_dataset = nullptr;
    WEFT_NOT_NULL(dataset);
    WEFT_TRY(std::shared_ptr<const Dataset> rows, dataset->dataset->rows(first, count));
    *out_dataset = new weft_dataset{std::move(rows)};
    return {};
  });
}
weft_status* weft_dataset_at(const weft_dataset* dataset, int32_t i, weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    WEFT_NOT_NULL(dataset);
    if (i < 0 || i >= weft_dataset_width(dataset)) {
      return out_of_range("the dataset has no tensor ", i, "; it has ", weft_dataset_width(dataset));
    }
    *out_tensor = new weft_tensor{dataset->dataset->tensors()[static_cast<size_t>(i)], {}};
    return {};
  });
}
void weft_dataset_free(weft_dataset* dataset) { delete dataset; }
int64_t weft_dataset_count(const weft_dataset* dataset) {
  return dataset == nullptr ? 0 : dataset->dataset->row_count();
}
int32_t weft_dataset_width(const weft_dataset* dataset) {
  return dataset == nullptr ? 0 : static_cast<int32_t>(dataset->dataset->tensors().size());
}
weft_status* weft_dataset_open(const weft_dataset* dataset, const weft_options* options, int64_t epoch,
                               weft_batches** out_batches) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_batches);
    *out_batches = nullptr;
    WEFT_NOT_NULL(dataset);
    WEFT_CHECK(check_options(options, "dataset"));
    BatchOptions wanted;
    if (options != nullptr) {
      wanted.batch_size = options->int_or("batch_size", wanted.batch_size);
      wanted.shuffle = options->int_or("shuffle", 0) != 0;
      wanted.seed = options->int_or("seed", 0);
      wanted.drop_last = options->int_or("drop_last", 0) != 0;
    }
    WEFT_TRY(std::unique_ptr<Batches> batches, Batches::make(dataset->dataset, wanted, epoch));
    *out_batches = new weft_batches{std::move(batches)};
    return {};
  });
}
weft_status* weft_batches_next(weft_batches* batches, weft_tensor** out_tensors, int32_t count) {
  return guard([&]() -> Status {
    if (count > 0) WEFT_NOT_NULL(out_tensors);
    for (int32_t i = 0; i < count; ++i) out_tensors[i] = nullptr;
    WEFT_NOT_NULL(batches);
    WEFT_TRY(std::vector<Tensor> next, batches->batches->next());
    if (next.empty()) return {};
    if (static_cast<int32_t>(next.size()) != count) {
      return invalid("a batch has ", next.size(), " tensors but ", count, " are asked for");
    }
    to_handles(std::move(next), out_tensors);
    return {};
  });
}
void weft_batches_free(weft_batches* batches) { delete batches; }
