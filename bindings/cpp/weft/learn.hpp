// Training: optimizers, fit.
#pragma once

#include "weft/data.hpp"
#include "weft/session.hpp"

namespace weft {

// An optimizer's settings; what is not set has the default that weft/learn.h gives.
struct Optimizer {
  const char* kind;
  std::optional<double> learning_rate, momentum, beta1, beta2, epsilon, weight_decay, clip_norm;
  std::optional<bool> nesterov;
  Value schedule;  // a learning rate as a value of the graph, instead of the number

  // Adds one training step that lowers `loss`, a scalar; run the result as a target. Without `variables`, all trainable
  // ones that the loss depends on are trained.
  Value minimize(const Value& loss, const std::vector<Value>& variables = {}, const Origin& origin = Origin()) const {
    detail::OptionsHandle options("optimizer");
    auto set = [&](const char* key, const std::optional<double>& value) {
      if (value) options.set(key, *value);
    };
    set("learning_rate", learning_rate);
    set("momentum", momentum);
    set("beta1", beta1);
    set("beta2", beta2);
    set("epsilon", epsilon);
    set("weight_decay", weight_decay);
    set("clip_norm", clip_norm);
    if (nesterov) options.set("nesterov", int64_t{*nesterov});
    std::vector<int64_t> ids = Graph::ids(variables);
    int64_t out = 0;
    detail::check(weft_optimizer_add(loss.state().get(), kind, options.get(), loss.id(), ids.data(),
                                     static_cast<int32_t>(ids.size()), schedule.id(), origin.text.c_str(), &out));
    return Value(loss.graph_state(), out);
  }
};

inline Optimizer optimizer(const char* kind, double learning_rate) {
  Optimizer out{};
  out.kind = kind;
  out.learning_rate = learning_rate;
  return out;
}
inline Optimizer Sgd(double learning_rate = 0.001) { return optimizer("Sgd", learning_rate); }
inline Optimizer Momentum(double learning_rate = 0.001, double momentum = 0.9) {
  Optimizer out = optimizer("Momentum", learning_rate);
  out.momentum = momentum;
  return out;
}
inline Optimizer Adam(double learning_rate = 0.001) { return optimizer("Adam", learning_rate); }
inline Optimizer AdamW(double learning_rate = 0.001, double weight_decay = 0.01) {
  Optimizer out = optimizer("AdamW", learning_rate);
  out.weight_decay = weight_decay;
  return out;
}

// The metrics of each epoch.
struct History {
  std::vector<std::string> names;
  std::vector<std::vector<double>> epochs;
  bool stopped = false;  // before the last epoch
};

// Where a training is.
struct Progress {
  bool epoch_done;  // false: a batch was
  int64_t epoch, batch;
  int64_t batch_count;          // -1 while only the function that gives the batches can tell
  std::vector<double> metrics;  // averages
};

struct FitOptions {
  int64_t epochs = 1;
  // For datasets of rows: 32 rows a batch, in another order each epoch. A function decides by itself.
  std::optional<int64_t> batch_size;
  std::optional<bool> shuffle;
  int64_t seed = 0;
  bool drop_last = false;
  int64_t first_epoch = 0;
  std::optional<Dataset> validation;
  std::vector<Value> validation_metrics;
  std::string monitor;  // a name in the history that decides when to stop early; "" never
  int64_t patience = 0;
  double min_delta = 0;
  bool larger_is_better = false;
  bool restore_best = false;
  std::function<bool(const Progress&)> callback;  // true ends the training
  RunOptions run;                                 // the timeout is for all of it
};

namespace detail {
inline weft_status* call_fit(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                             const double* metrics, int32_t metric_count, int32_t* out_stop) {
  try {
    auto& callback = *static_cast<std::function<bool(const Progress&)>*>(user);
    Progress progress{event == WEFT_FIT_EPOCH, epoch, batch, batch_count, {metrics, metrics + metric_count}};
    *out_stop = callback(progress) ? 1 : 0;
    return nullptr;
  } catch (...) {
    return current_exception_status();
  }
}
}  // namespace detail

// Trains: runs `target` on every batch. Tensor i of the dataset is fed to feeds[i]; an empty value leaves it out.
inline History fit(const Session& session, const Dataset& dataset, const std::vector<Value>& feeds, const Value& target,
                   const std::vector<Value>& metrics, const FitOptions& wanted = {}) {
  detail::OptionsHandle options("fit");
  options.set("epochs", wanted.epochs);
  if (wanted.batch_size) options.set("batch_size", *wanted.batch_size);
  if (wanted.shuffle) options.set("shuffle", int64_t{*wanted.shuffle});
  options.set("seed", wanted.seed);
  options.set("drop_last", int64_t{wanted.drop_last});
  options.set("first_epoch", wanted.first_epoch);
  options.set("monitor", wanted.monitor);
  options.set("patience", wanted.patience);
  options.set("min_delta", wanted.min_delta);
  options.set("mode", std::string(wanted.larger_is_better ? "max" : "min"));
  options.set("restore_best", int64_t{wanted.restore_best});
  wanted.run.fill(options);
  if (wanted.validation) {
    std::vector<int64_t> ids = Graph::ids(wanted.validation_metrics);
    detail::check(weft_options_set_validation(options.get(), wanted.validation->handle(), ids.data(),
                                              static_cast<int32_t>(ids.size())));
  }
  if (wanted.callback) {
    auto drop = [](void* user) { delete static_cast<std::function<bool(const Progress&)>*>(user); };
    detail::check(weft_options_set_callback(options.get(), detail::call_fit,
                                            new std::function<bool(const Progress&)>(wanted.callback), drop));
  }
  std::vector<int64_t> fed = Graph::ids(feeds), shown = Graph::ids(metrics);
  weft_history* made = nullptr;
  detail::check(weft_session_fit(session.handle(), dataset.handle(), fed.data(), static_cast<int32_t>(fed.size()),
                                 target.id(), shown.data(), static_cast<int32_t>(shown.size()), options.get(), &made));
  detail::Handle<weft_history, weft_history_free> owned(made);
  History out;
  int32_t width = weft_history_width(made);
  const double* data = weft_history_data(made);
  for (int32_t i = 0; i < width; ++i) out.names.push_back(weft_history_name(made, i));
  for (int64_t i = 0; i < weft_history_count(made); ++i)
    out.epochs.emplace_back(data + i * width, data + (i + 1) * width);
  out.stopped = weft_history_stopped(made) != 0;
  return out;
}

// The average of each metric over the rows.
inline std::vector<double> evaluate(const Session& session, const Dataset& dataset, const std::vector<Value>& feeds,
                                    const std::vector<Value>& metrics, std::optional<int64_t> batch_size = {},
                                    const RunOptions& run = {}) {
  detail::OptionsHandle options("fit");
  if (batch_size) options.set("batch_size", *batch_size);
  run.fill(options);
  std::vector<int64_t> fed = Graph::ids(feeds), wanted = Graph::ids(metrics);
  std::vector<double> out(metrics.size());
  detail::check(weft_session_evaluate(session.handle(), dataset.handle(), fed.data(), static_cast<int32_t>(fed.size()),
                                      wanted.data(), static_cast<int32_t>(wanted.size()), options.get(), out.data()));
  return out;
}

// Computes `fetches` for every row.
inline std::vector<Tensor> predict(const Session& session, const Dataset& dataset, const std::vector<Value>& feeds,
                                   const std::vector<Value>& fetches, std::optional<int64_t> batch_size = {},
                                   const RunOptions& run = {}) {
  detail::OptionsHandle options("fit");
  if (batch_size) options.set("batch_size", *batch_size);
  run.fill(options);
  std::vector<int64_t> fed = Graph::ids(feeds), wanted = Graph::ids(fetches);
  std::vector<weft_tensor*> made(fetches.size());
  detail::check(weft_session_predict(session.handle(), dataset.handle(), fed.data(), static_cast<int32_t>(fed.size()),
                                     wanted.data(), static_cast<int32_t>(wanted.size()), options.get(), made.data()));
  std::vector<Tensor> out;
  for (weft_tensor* tensor : made) out.emplace_back(tensor);
  return out;
}

}  // namespace weft
