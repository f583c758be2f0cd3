// Optimizers and datasets of the C ABI.
#include "weft/learn.h"

#include <algorithm>

#include "c_api/src/handles.h"
#include "core/learn/function_dataset.h"
#include "core/learn/row_dataset.h"
#include "core/passes/differentiate.h"
#include "core/train/optimizer.h"

using namespace weft;
using namespace weft::c_api;

namespace {

Result<std::vector<std::string>> to_names(const char* const* names, int32_t count) {
  if (count < 0) return invalid("the number of names is ", count);
  if (count > 0) WEFT_NOT_NULL(names);
  std::vector<std::string> out;
  for (int32_t i = 0; i < count; ++i) {
    if (names[i] == nullptr) return invalid("name ", i, " is NULL");
    out.push_back(names[i]);
  }
  return out;
}

}  // namespace

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
    const std::shared_ptr<Graph> kept = graph->graph;  // a body that this calls may free the handle
    Graph& g = *kept;
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
      wanted.name = options->string_or("name", wanted.name.c_str());
    }
    GraphWriting writing(g);
    WEFT_CHECK(writing.alone());
    auto add = [&]() -> Result<ValueId> {
      WEFT_TRY(ValueId loss_id, from_value(g, loss, "the loss"));
      WEFT_TRY(std::vector<ValueId> chosen, from_values(g, variables, variable_count, "variable"));
      ValueId rate = kNoValue;
      if (learning_rate != 0) {
        WEFT_TRY(rate, from_value(g, learning_rate, "the learning rate"));
      }
      return add_train_step(g, wanted, loss_id, chosen, rate, where, differentiate);
    };
    Result<ValueId> target = add();
    if (!target.ok()) return target.status().at("", kind, where);
    *out_target = to_value(g, *target);
    return {};
  });
}

weft_status* weft_optimizer_step(weft_graph* graph, const char* name, int64_t* out_step) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_step);
    *out_step = 0;
    WEFT_NOT_NULL(graph);
    WEFT_NOT_NULL(name);
    GraphWriting writing(*graph->graph);
    WEFT_CHECK(writing.alone());
    WEFT_TRY(ValueId step, step_variable(*graph->graph, name));
    *out_step = to_value(*graph->graph, step);
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
      WEFT_TRY(Tensor column, tensors[i]->tensor.moved_to(nullptr));
      columns.push_back(std::move(column));
    }
    WEFT_TRY(std::shared_ptr<const Dataset> dataset, RowDataset::make(std::move(columns)));
    *out_dataset = new weft_dataset{std::move(dataset)};
    return {};
  });
}
weft_status* weft_dataset_load(const char* path, const char* const* names, int32_t count, const weft_options* options,
                               weft_dataset** out_dataset) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_dataset);
    *out_dataset = nullptr;
    WEFT_TRY(std::vector<std::string> wanted, to_names(names, count));
    weft_tensors* loaded = nullptr;
    WEFT_CHECK(from_handle(weft_tensors_load(path, options, &loaded)));
    std::unique_ptr<weft_tensors> tensors(loaded);
    std::vector<Tensor> columns;
    for (const std::string& name : wanted) {
      auto at = std::find_if(tensors->items.begin(), tensors->items.end(),
                             [&](const auto& item) { return item.first == name; });
      if (at == tensors->items.end()) {
        std::string known;
        for (const auto& item : tensors->items) known += cat(known.empty() ? "" : ", ", item.first);
        return not_found("'", path, "' has no tensor '", name, "'; it has ", known);
      }
      columns.push_back(at->second);
    }
    if (count == 0) {
      for (auto& item : tensors->items) columns.push_back(std::move(item.second));
    }
    WEFT_TRY(std::shared_ptr<const Dataset> dataset, RowDataset::make(std::move(columns)));
    *out_dataset = new weft_dataset{std::move(dataset)};
    return {};
  });
}
weft_status* weft_batches_new(const char* const* names, int32_t count, weft_batches** out_batches, weft_batch_fn next,
                              void* user, weft_drop drop) {
  std::shared_ptr<Callback<weft_batch_fn>> held;
  if (out_batches != nullptr) *out_batches = nullptr;
  if (weft_status* failed = hold(next, user, drop, &held); failed != nullptr) return failed;
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_batches);
    WEFT_NOT_NULL(next);
    WEFT_TRY(std::vector<std::string> wanted, to_names(names, count));
    auto give = [held](NamedTensors* batch) -> Status {
      weft_tensors given;
      WEFT_CHECK(from_handle(held->function(held->user, &given)));
      *batch = std::move(given.items);
      return {};
    };
    WEFT_TRY(std::unique_ptr<Batches> batches, function_batches(std::move(wanted), std::move(give)));
    *out_batches = new weft_batches{std::move(batches)};
    return {};
  });
}
weft_status* weft_dataset_new_function(int32_t width, weft_dataset** out_dataset, weft_pass_fn open, void* user,
                                       weft_drop drop) {
  std::shared_ptr<Callback<weft_pass_fn>> held;
  if (out_dataset != nullptr) *out_dataset = nullptr;
  if (weft_status* failed = hold(open, user, drop, &held); failed != nullptr) return failed;
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_dataset);
    WEFT_NOT_NULL(open);
    auto begin = [held](int64_t epoch) -> Result<std::shared_ptr<Batches>> {
      weft_batches* made = nullptr;
      Status status = from_handle(held->function(held->user, epoch, &made));
      std::unique_ptr<weft_batches> owned(made);
      if (!status.ok()) return status;
      return owned == nullptr ? nullptr : std::move(owned->batches);
    };
    WEFT_TRY(std::shared_ptr<const Dataset> dataset, FunctionDataset::make(width, std::move(begin)));
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
    WEFT_CHECK(dataset->dataset->check_open());
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
    WEFT_CHECK(dataset->dataset->check_open());
    if (i < 0 || i >= weft_dataset_width(dataset)) {
      return out_of_range("the dataset has no tensor ", i, "; it has ", weft_dataset_width(dataset));
    }
    WEFT_TRY(Tensor column, dataset->dataset->column(i));
    *out_tensor = new weft_tensor{std::move(column), {}};
    return {};
  });
}
weft_status* weft_dataset_close(weft_dataset* dataset) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(dataset);
    dataset->dataset->close();
    return {};
  });
}
void weft_dataset_free(weft_dataset* dataset) {
  if (dataset == nullptr) return;
  CallScope::free(std::move(dataset->dataset));
  delete dataset;
}
int64_t weft_dataset_count(const weft_dataset* dataset) {
  return dataset == nullptr ? 0 : dataset->dataset->row_count();
}
int32_t weft_dataset_width(const weft_dataset* dataset) { return dataset == nullptr ? 0 : dataset->dataset->width(); }
weft_status* weft_dataset_open(const weft_dataset* dataset, const weft_options* options, int64_t epoch,
                               weft_batches** out_batches) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_batches);
    *out_batches = nullptr;
    WEFT_NOT_NULL(dataset);
    WEFT_CHECK(dataset->dataset->check_open());
    WEFT_CHECK(check_options(options, "dataset"));
    BatchOptions wanted;
    if (options != nullptr) {
      wanted.batch_size = options->int_if("batch_size");
      wanted.shuffle = options->int_or("shuffle", 0) != 0;
      wanted.seed = options->int_or("seed", 0);
      wanted.drop_last = options->int_or("drop_last", 0) != 0;
    }
    WEFT_TRY(std::unique_ptr<Batches> batches, dataset->dataset->open(wanted, epoch));
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
void weft_batches_free(weft_batches* batches) {
  if (batches == nullptr) return;
  CallScope::free(std::move(batches->batches));
  delete batches;
}
