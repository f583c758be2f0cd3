// Training: optimizers, fit, evaluate, predict.
#pragma once

#include "weft/data.hpp"
#include "weft/session.hpp"

namespace weft {

/// A learning rate: a number, or a value of the graph, such as a schedule over Graph::optimizer_step.
struct Rate {
  std::optional<double> number;  ///< if it is one
  Value value;                   ///< else what it is
  /// A number.
  Rate(double rate) : number(rate) {}
  /// A value: a scalar of floating point.
  Rate(const Value& schedule) : value(schedule) {}
};

/// An optimizer's settings; what is not set has the default. See Sgd, Momentum, Adam and AdamW.
struct Optimizer {
  std::string kind;                         ///< "Sgd", "Momentum", "Adam" or "AdamW"
  Rate learning_rate = 0.001;               ///< how far a step goes
  std::optional<double> momentum = {};      ///< 0.9
  std::optional<double> beta1 = {};         ///< 0.9
  std::optional<double> beta2 = {};         ///< 0.999
  std::optional<double> epsilon = {};       ///< 1e-8
  std::optional<double> weight_decay = {};  ///< 0; of AdamW 0.01
  std::optional<double> clip_norm = {};     ///< 0: gradients are not clipped
  std::optional<bool> nesterov = {};        ///< false
  /// Whether rows of a variable that is only looked up (an embedding), and their state, stay as they are in steps that
  /// do not look them up; false.
  std::optional<bool> lazy = {};
  /// Of the variables "name/step" and "name/variable/..." that its state is kept in; a second optimizer of a graph needs
  /// another name.
  std::string name = "optimizer";

  /// Adds one training step that lowers `loss`, a scalar: gradients, clipping, updates and assignments. Give the result
  /// to Session::fit, or run it as a target; as a value it is the number of the step. Without `variables`, all
  /// trainable ones that the loss depends on are trained.
  Value minimize(const Value& loss, const std::vector<Value>& variables = {}, const Origin& origin = Origin()) const {
    detail::OptionsHandle options("optimizer");
    auto set = [&](const char* key, const std::optional<double>& value) {
      if (value) options.set(key, *value);
    };
    set("learning_rate", learning_rate.number);
    set("momentum", momentum);
    set("beta1", beta1);
    set("beta2", beta2);
    set("epsilon", epsilon);
    set("weight_decay", weight_decay);
    set("clip_norm", clip_norm);
    if (nesterov) options.set("nesterov", *nesterov);
    if (lazy) options.set("lazy", *lazy);
    options.set("name", name);
    std::vector<int64_t> ids = detail::ids(variables);
    detail::GraphPointer graph = detail::target(loss.graph_state());
    int64_t out = 0;
    detail::check(weft_optimizer_add(graph->handle.get(), detail::text(kind), options.get(), loss.id(), ids.data(),
                                     detail::count32(ids), learning_rate.value.id(), origin.text.c_str(), &out));
    return Value(graph, out);
  }
};

/// Stochastic gradient descent.
inline Optimizer Sgd(const Rate& learning_rate = 0.001) { return {"Sgd", learning_rate}; }
/// Gradient descent that goes on in the direction it had.
inline Optimizer Momentum(const Rate& learning_rate = 0.001, double momentum = 0.9) {
  return {"Momentum", learning_rate, momentum};
}
/// Adam (Kingma and Ba, 2015).
inline Optimizer Adam(const Rate& learning_rate = 0.001) { return {"Adam", learning_rate}; }
/// Adam with weight decay apart from the gradient (Loshchilov and Hutter, 2019).
inline Optimizer AdamW(const Rate& learning_rate = 0.001, double weight_decay = 0.01) {
  Optimizer out{"AdamW", learning_rate};
  out.weight_decay = weight_decay;
  return out;
}

/// Averages by the names of the metrics, in the order that those were given.
class Metrics {
 public:
  /// A name and its average.
  using Item = std::pair<std::string, double>;
  /// None.
  Metrics() = default;
  /// Those, in that order.
  explicit Metrics(std::vector<Item> items) : items_(std::move(items)) {}
  /// The average of that name; NOT_FOUND if there is none.
  double operator[](const std::string& name) const {
    for (const Item& item : items_) {
      if (item.first == name) return item.second;
    }
    throw Error(WEFT_NOT_FOUND, "there is no metric '" + name + "'");
  }
  /// How many there are.
  size_t size() const { return items_.size(); }
  /// Whether names and averages are the same, in the same order.
  friend bool operator==(const Metrics& a, const Metrics& b) { return a.items_ == b.items_; }
  /// Whether they are not.
  friend bool operator!=(const Metrics& a, const Metrics& b) { return a.items_ != b.items_; }
  /// The first; one after another gives pairs of name and average.
  std::vector<Item>::const_iterator begin() const { return items_.begin(); }
  /// Past the last.
  std::vector<Item>::const_iterator end() const { return items_.end(); }

 private:
  std::vector<Item> items_;
};

/// The metrics of each epoch of a training; those of the validation have names that begin with "val_".
class History {
 public:
  std::vector<std::string> names;  ///< of the metrics
  std::vector<Metrics> epochs;     ///< the averages of each epoch that was trained
  bool stopped = false;            ///< whether it ended before its last epoch

  /// A metric of that name, epoch by epoch; NOT_FOUND if there is none.
  std::vector<double> operator[](const std::string& name) const {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      throw Error(WEFT_NOT_FOUND, "there is no metric '" + name + "' in the history");
    }
    std::vector<double> out;
    for (const Metrics& epoch : epochs) out.push_back(epoch[name]);
    return out;
  }
};

/// Where a training is.
struct FitEvent {
  bool epoch_end;       ///< whether an epoch is done, with its validation; else a batch is
  int64_t epoch;        ///< from 0
  int64_t batch;        ///< from 0
  int64_t batch_count;  ///< of an epoch; -1 while only the function that gives them can tell
  Metrics metrics;      ///< averages so far in the epoch
};

/// How Session::fit trains.
struct FitOptions {
  int64_t epochs = 1;  ///< the number of the last one, from 1
  /// Of datasets of rows: rows of a batch; 32. A function decides by itself.
  std::optional<int64_t> batch_size = {};
  /// Of datasets of rows: whether every epoch has them in another order; true.
  std::optional<bool> shuffle = {};
  int64_t seed = 0;         ///< of the order of the rows
  bool drop_last = false;   ///< whether a short last batch is left out
  int64_t first_epoch = 0;  ///< where a resumed training goes on; below `epochs`
  /// What validation_metrics are computed on after every epoch: the same tensors in the same order as the data.
  std::optional<Dataset> validation = {};
  std::vector<Value> validation_metrics = {};  ///< scalars of f32 or f64; none: the metrics of the training
  /// What patience and restore_best watch, by its name in the history. "": the first metric, that of the validation if
  /// there is one.
  std::string monitor = "";
  int64_t patience = 0;       ///< so many epochs in a row without progress end the training; 0: none do
  double min_delta = 0;       ///< the least progress
  std::string mode = "min";   ///< "max" if a larger value of what is monitored is better
  bool restore_best = false;  ///< whether the variables of the best epoch are put back
  /// Called on the thread that trains, after every batch and every epoch; true ends the training well. It may run, save
  /// and read the session; what it throws ends the training and is thrown by fit.
  std::function<bool(const FitEvent&)> callback = {};
  RunOptions run = {};  ///< of all of it
};

/// How Session::evaluate and Session::predict go over the rows.
struct EvaluateOptions {
  std::optional<int64_t> batch_size = {};  ///< of datasets of rows: rows of a batch; 32
  RunOptions run = {};                     ///< of all of it
};

namespace detail {
// What a callback of fit needs.
struct Watch {
  std::function<bool(const FitEvent&)> callback;

  static weft_status* call(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                           const char* const* names, const double* averages, int32_t metric_count, int32_t* out_stop) {
    try {
      auto& watch = *static_cast<Watch*>(user);
      std::vector<Metrics::Item> items;
      for (int32_t i = 0; i < metric_count; ++i) items.emplace_back(names[i], averages[i]);
      *out_stop =
          watch.callback({event == WEFT_FIT_EPOCH, epoch, batch, batch_count, Metrics(std::move(items))}) ? 1 : 0;
      return nullptr;
    } catch (...) {
      return current_exception_status();
    }
  }
};

inline OptionsHandle evaluate_options(const EvaluateOptions& wanted) {
  OptionsHandle options("fit");
  if (wanted.batch_size) options.set("batch_size", *wanted.batch_size);
  wanted.run.fill(options);
  return options;
}
}  // namespace detail

inline History Session::fit(const Dataset& data, const std::vector<Value>& feeds, const Value& step,
                            const std::vector<Value>& metrics, const FitOptions& wanted) const {
  detail::OptionsHandle options("fit");
  options.set("epochs", wanted.epochs);
  if (wanted.batch_size) options.set("batch_size", *wanted.batch_size);
  if (wanted.shuffle) options.set("shuffle", *wanted.shuffle);
  options.set("seed", wanted.seed);
  options.set("drop_last", wanted.drop_last);
  options.set("first_epoch", wanted.first_epoch);
  options.set("monitor", wanted.monitor);
  options.set("patience", wanted.patience);
  options.set("min_delta", wanted.min_delta);
  options.set("mode", wanted.mode);
  options.set("restore_best", wanted.restore_best);
  wanted.run.fill(options);
  if (wanted.validation) {
    std::vector<int64_t> ids = detail::ids(wanted.validation_metrics);
    detail::check(
        weft_options_set_validation(options.get(), wanted.validation->handle(), ids.data(), detail::count32(ids)));
  }
  if (wanted.callback) {
    detail::check(weft_options_set_callback(options.get(), detail::Watch::call, new detail::Watch{wanted.callback},
                                            detail::drop<detail::Watch>));
  }
  std::vector<int64_t> fed = detail::ids(feeds), shown = detail::ids(metrics);
  detail::Handle<weft_history, weft_history_free> made(detail::made<weft_history>([&](weft_history** out) {
    return weft_session_fit(handle(), data.handle(), fed.data(), detail::count32(fed), step.id(), shown.data(),
                            detail::count32(shown), options.get(), out);
  }));
  History out;
  const int32_t width = weft_history_width(made.get());
  const double* number = weft_history_data(made.get());
  for (int32_t i = 0; i < width; ++i) out.names.emplace_back(weft_history_name(made.get(), i));
  for (int64_t epoch = 0; epoch < weft_history_count(made.get()); ++epoch) {
    std::vector<Metrics::Item> items;
    for (const std::string& name : out.names) items.emplace_back(name, *number++);
    out.epochs.emplace_back(std::move(items));
  }
  out.stopped = weft_history_stopped(made.get()) != 0;
  return out;
}
inline History Session::fit(const Dataset& data, const std::vector<Value>& feeds, const Value& step,
                            const std::vector<Value>& metrics) const {
  return fit(data, feeds, step, metrics, FitOptions());
}

inline Metrics Session::evaluate(const Dataset& data, const std::vector<Value>& feeds,
                                 const std::vector<Value>& metrics, const EvaluateOptions& wanted) const {
  detail::OptionsHandle options = detail::evaluate_options(wanted);
  std::vector<int64_t> fed = detail::ids(feeds), shown = detail::ids(metrics);
  std::vector<double> averages(metrics.size());
  detail::check(weft_session_evaluate(handle(), data.handle(), fed.data(), detail::count32(fed), shown.data(),
                                      detail::count32(shown), options.get(), averages.data()));
  std::vector<Metrics::Item> items;
  for (size_t i = 0; i < metrics.size(); ++i) items.emplace_back(metrics[i].name(), averages[i]);
  return Metrics(std::move(items));
}
inline Metrics Session::evaluate(const Dataset& data, const std::vector<Value>& feeds,
                                 const std::vector<Value>& metrics) const {
  return evaluate(data, feeds, metrics, EvaluateOptions());
}

inline std::vector<Tensor> Session::predict(const Dataset& data, const std::vector<Value>& feeds,
                                            const std::vector<Value>& fetches, const EvaluateOptions& wanted) const {
  detail::OptionsHandle options = detail::evaluate_options(wanted);
  std::vector<int64_t> fed = detail::ids(feeds), fetched = detail::ids(fetches);
  std::vector<weft_tensor*> made(fetches.size());
  detail::check(weft_session_predict(handle(), data.handle(), fed.data(), detail::count32(fed), fetched.data(),
                                     detail::count32(fetched), options.get(), made.data()));
  return std::vector<Tensor>(made.begin(), made.end());
}
inline std::vector<Tensor> Session::predict(const Dataset& data, const std::vector<Value>& feeds,
                                            const std::vector<Value>& fetches) const {
  return predict(data, feeds, fetches, EvaluateOptions());
}

}  // namespace weft
