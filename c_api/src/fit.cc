// Fit, evaluate, predict and their history in the C ABI.
#include "core/learn/fit.h"

#include "c_api/src/handles.h"
#include "weft/learn.h"

struct weft_history {
  std::shared_ptr<weft::History> history;
};

using namespace weft;
using namespace weft::c_api;

namespace {

// Feeds of a loop: 0 leaves a tensor of the dataset out.
Result<LoopOptions> loop_options(const Graph& graph, const int64_t* feeds, int32_t feed_count,
                                 const weft_options* options) {
  LoopOptions loop;
  if (feed_count < 0) return invalid("the number of feeds is ", feed_count);
  if (feed_count > 0) WEFT_NOT_NULL(feeds);
  for (int32_t i = 0; i < feed_count; ++i) {
    ValueId id = kNoValue;
    if (feeds[i] != 0) {
      WEFT_TRY(id, from_value(graph, feeds[i], "a feed"));
    }
    loop.feeds.push_back(id);
  }
  WEFT_CHECK(run_options(options, "fit", &loop.run));
  if (options != nullptr) loop.batch_size = options->int_if("batch_size");
  return loop;
}

Status call_back(void* user, const FitProgress& progress, bool* stop) {
  auto* callback = static_cast<Callback<weft_fit_fn>*>(user);
  int32_t out_stop = 0;
  WEFT_CHECK(from_handle(callback->function(
      callback->user, static_cast<int32_t>(progress.event), progress.epoch, progress.batch, progress.batch_count,
      progress.names, progress.averages.data(), static_cast<int32_t>(progress.averages.size()), &out_stop)));
  if (out_stop != 0) *stop = true;
  return {};
}

Status fill(const weft_options& options, const Graph& graph, FitOptions* fit) {
  fit->epochs = options.int_or("epochs", fit->epochs);
  fit->first_epoch = options.int_or("first_epoch", 0);
  if (std::optional<int64_t> shuffle = options.int_if("shuffle")) fit->shuffle = *shuffle != 0;
  fit->seed = options.int_or("seed", 0);
  fit->drop_last = options.int_or("drop_last", 0) != 0;
  fit->monitor = options.string_or("monitor", "");
  fit->patience = options.int_or("patience", 0);
  fit->min_delta = options.float_or("min_delta", 0);
  fit->restore_best = options.int_or("restore_best", 0) != 0;
  std::string mode = options.string_or("mode", "min");
  if (mode != "min" && mode != "max") return invalid("option 'mode' is '", mode, "' but must be 'min' or 'max'");
  fit->larger_is_better = mode == "max";
  fit->validation = options.validation;
  WEFT_TRY(fit->validation_metrics,
           from_values(graph, options.validation_metrics.data(),
                       static_cast<int32_t>(options.validation_metrics.size()), "validation metric"));
  if (options.callback != nullptr) {
    fit->callback = call_back;
    fit->callback_user = options.callback.get();
  }
  return {};
}

Status check_fit(const weft_options& options, const char* what) {
  if (options.kind == "fit") return {};
  return invalid("options for '", options.kind, "' take no ", what, "; those for 'fit' do");
}

}  // namespace

weft_status* weft_session_fit(weft_session* session, const weft_dataset* dataset, const int64_t* feeds,
                              int32_t feed_count, int64_t target, const int64_t* metrics, int32_t metric_count,
                              const weft_options* options, weft_history** out_history) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_history);
    *out_history = nullptr;
    WEFT_NOT_NULL(session);
    WEFT_NOT_NULL(dataset);
    const Graph& graph = *session->session->graph();
    FitOptions wanted;
    WEFT_TRY(wanted.loop, loop_options(graph, feeds, feed_count, options));
    if (options != nullptr) WEFT_CHECK(fill(*options, graph, &wanted));
    WEFT_TRY(ValueId target_id, from_value(graph, target, "the target"));
    WEFT_TRY(std::vector<ValueId> metric_ids, from_values(graph, metrics, metric_count, "metric"));
    WEFT_TRY(std::shared_ptr<History> history, fit(*session->session, dataset->dataset, target_id, metric_ids, wanted));
    *out_history = new weft_history{std::move(history)};
    return {};
  });
}
weft_status* weft_session_evaluate(weft_session* session, const weft_dataset* dataset, const int64_t* feeds,
                                   int32_t feed_count, const int64_t* metrics, int32_t metric_count,
                                   const weft_options* options, double* out_averages) {
  return guard([&]() -> Status {
    if (metric_count > 0) WEFT_NOT_NULL(out_averages);
    for (int32_t i = 0; i < metric_count; ++i) out_averages[i] = 0;
    WEFT_NOT_NULL(session);
    WEFT_NOT_NULL(dataset);
    const Graph& graph = *session->session->graph();
    WEFT_TRY(LoopOptions loop, loop_options(graph, feeds, feed_count, options));
    WEFT_TRY(std::vector<ValueId> metric_ids, from_values(graph, metrics, metric_count, "metric"));
    WEFT_TRY(std::vector<double> averages, evaluate(*session->session, dataset->dataset, metric_ids, loop));
    std::copy(averages.begin(), averages.end(), out_averages);
    return {};
  });
}
weft_status* weft_session_predict(weft_session* session, const weft_dataset* dataset, const int64_t* feeds,
                                  int32_t feed_count, const int64_t* fetches, int32_t fetch_count,
                                  const weft_options* options, weft_tensor** out_tensors) {
  return guard([&]() -> Status {
    if (fetch_count > 0) WEFT_NOT_NULL(out_tensors);
    for (int32_t i = 0; i < fetch_count; ++i) out_tensors[i] = nullptr;
    WEFT_NOT_NULL(session);
    WEFT_NOT_NULL(dataset);
    const Graph& graph = *session->session->graph();
    WEFT_TRY(LoopOptions loop, loop_options(graph, feeds, feed_count, options));
    WEFT_TRY(std::vector<ValueId> fetch_ids, from_values(graph, fetches, fetch_count, "fetch"));
    WEFT_TRY(std::vector<Tensor> outputs, predict(*session->session, dataset->dataset, fetch_ids, loop));
    to_handles(std::move(outputs), out_tensors);
    return {};
  });
}

weft_status* weft_options_set_validation(weft_options* options, const weft_dataset* dataset, const int64_t* metrics,
                                         int32_t metric_count) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(options);
    WEFT_NOT_NULL(dataset);
    WEFT_CHECK(check_fit(*options, "validation"));
    if (metric_count < 0) return invalid("the number of metrics is ", metric_count);
    if (metric_count > 0) WEFT_NOT_NULL(metrics);
    options->validation_metrics.assign(metrics, metrics + metric_count);
    options->validation = dataset->dataset;
    return {};
  });
}
weft_status* weft_options_set_callback(weft_options* options, weft_fit_fn callback, void* user, weft_drop drop) {
  std::shared_ptr<Callback<weft_fit_fn>> held;
  if (weft_status* failed = hold(callback, user, drop, &held); failed != nullptr) return failed;
  return guard([&]() -> Status {
    WEFT_NOT_NULL(options);
    WEFT_NOT_NULL(callback);
    WEFT_CHECK(check_fit(*options, "callback"));
    CallScope::free(std::exchange(options->callback, std::move(held)));
    return {};
  });
}

int64_t weft_history_count(const weft_history* history) { return history == nullptr ? 0 : history->history->epochs; }
int32_t weft_history_width(const weft_history* history) {
  return history == nullptr ? 0 : static_cast<int32_t>(history->history->names.size());
}
const char* weft_history_name(const weft_history* history, int32_t i) {
  if (i < 0 || i >= weft_history_width(history)) return nullptr;
  return history->history->names[static_cast<size_t>(i)].c_str();
}
const double* weft_history_data(const weft_history* history) {
  return history == nullptr ? nullptr : history->history->rows.data();
}
int32_t weft_history_stopped(const weft_history* history) {
  return history != nullptr && history->history->stopped ? 1 : 0;
}
void weft_history_free(weft_history* history) { delete history; }
