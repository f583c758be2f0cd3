// Running graphs: sessions and prepared calls.
#pragma once

#include <cerrno>
#include <fstream>

#include "weft/graph.hpp"

namespace weft {

class Dataset;
class History;
class Metrics;
struct EvaluateOptions;
struct FitOptions;

/// A flag that stops runs from any thread. Copies are the same flag.
class Cancel {
 public:
  /// One that is not set.
  Cancel() : handle_(detail::made<weft_cancel>(weft_cancel_new)) {}
  /// True cancels every run that uses it, which then throws CANCELLED, and every later one until it is set to false.
  /// Any thread.
  void set(bool cancelled = true) const { weft_cancel_set(handle_.get(), cancelled); }
  /// Whether it is set. Any thread.
  bool get() const { return weft_cancel_get(handle_.get()) != 0; }
  /// The handle for the C functions; it stays this object's.
  weft_cancel* handle() const { return handle_.get(); }

 private:
  detail::SharedHandle<weft_cancel, weft_cancel_free> handle_;
};

/// Collects what runs did when. Copies are the same trace; any number of threads may run with it.
class Trace {
 public:
  /// An empty one.
  Trace() : handle_(detail::made<weft_trace>(weft_trace_new)) {}
  /// What was collected so far, for chrome://tracing and Perfetto.
  std::string json() const {
    return detail::take(
        detail::made<weft_bytes>([&](weft_bytes** out) { return weft_trace_json(handle_.get(), out); }));
  }
  /// Writes json() to a file; std::system_error if it cannot be written.
  void save(const std::string& path) const {
    const std::string text = json();
    std::ofstream file(path, std::ios::binary);
    file << text;
    file.close();
    if (!file) throw std::system_error(errno, std::generic_category(), path);
  }
  /// The handle for the C functions; it stays this object's.
  weft_trace* handle() const { return handle_.get(); }

 private:
  detail::SharedHandle<weft_trace, weft_trace_free> handle_;
};

/// What a run may be given besides values.
struct RunOptions {
  /// Seconds after which it throws DEADLINE_EXCEEDED; 0 or less has passed already, nothing is no limit.
  std::optional<double> timeout_s = {};
  /// What cancels it from another thread.
  std::optional<Cancel> cancel = {};
  /// What collects when it did what.
  std::optional<Trace> trace = {};
  /// Called on the thread that runs, about every 20 ms; what it throws ends the run and is thrown there.
  std::function<void()> poll = {};

  /// For this header: whether nothing is set.
  bool plain() const { return !timeout_s && !cancel && !trace && poll == nullptr; }
  /// For this header: sets the options of the C functions.
  void fill(detail::OptionsHandle& options) const {
    if (timeout_s && !(*timeout_s > 0)) {
      throw Error(WEFT_DEADLINE_EXCEEDED, "the timeout of " + std::to_string(*timeout_s) + " s has already passed");
    }
    if (timeout_s) options.set("timeout_s", *timeout_s);
    if (cancel) detail::check(weft_options_set_cancel(options.get(), cancel->handle()));
    if (trace) detail::check(weft_options_set_trace(options.get(), trace->handle()));
    if (poll == nullptr) return;
    auto call = [](void* user) -> weft_status* {
      try {
        (*static_cast<std::function<void()>*>(user))();
        return nullptr;
      } catch (...) {
        return detail::current_exception_status();
      }
    };
    detail::check(weft_options_set_poll(options.get(), call, new std::function<void()>(poll),
                                        detail::drop<std::function<void()>>));
  }
};

namespace detail {
// Calls with the options as the C functions take them.
template <typename Call>
void with_options(const RunOptions& wanted, Call call) {
  if (wanted.plain()) return check(call(nullptr));
  OptionsHandle options("run");
  wanted.fill(options);
  check(call(options.get()));
}
}  // namespace detail

/// How a session is made.
struct SessionOptions {
  int64_t threads = 0;                      ///< the most that a run uses; 0: all
  int64_t max_plans = 64;                   ///< shapes of inputs kept ready for each set of fed and fetched values
  int64_t spin_after_run_us = 0;            ///< 0 to 50: how long threads stay awake for the next run
  bool reference_kernels = false;           ///< plain kernels only
  std::vector<std::string> disable_pass{};  ///< optimizations that are left out; {"*"}: all
  std::string weight_dtype = "f32";  ///< "bf16": large constant matrices of f32 are kept so, and read in half the time
  const Session* share = nullptr;    ///< whose variables this one uses too; null: it has its own
  std::string device{};              ///< that runs what it has kernels for, one of devices(); empty: the CPU
  bool device_only = false;          ///< what the device has no kernel for is UNIMPLEMENTED, not run on the CPU
  bool device_outputs = false;       ///< what is fetched stays on the device: Tensor::to("cpu") copies it
  /// A folder, made if there is none, that keeps large constant weights as kernels read them: the next session or process
  /// maps them from there, and needs neither to read nor to pack the originals. Processes may share it, and it may be
  /// emptied at any time; whoever writes to it decides what runs compute. Empty: none.
  std::string weight_cache{};
};

/// What values are set to for a run.
using Feeds = std::vector<std::pair<Value, Tensor>>;

/// A run made ready: bind its inputs and outputs once, run it often, without allocations; an output that is not bound is
/// in every run a tensor that nobody else holds. For one thread at a time; a second one gets FAILED_PRECONDITION. Session::prepare makes it;
/// runs of it end with its session.
class Prepared {
 public:
  /// Takes a handle of the C functions over.
  explicit Prepared(weft_prepared* handle) : handle_(handle) {}
  /// Every run reads the tensor's memory for input i of `feeds`, where new values may be written between runs. It may lie
  /// on the session's device, where what is written must be done when the run begins; INVALID_ARGUMENT on another one.
  void bind_input(int32_t i, const Tensor& tensor) {
    if (tensor.empty()) {
      throw Error(WEFT_FAILED_PRECONDITION,
                  "the tensor for input " + std::to_string(i) + " is empty: nothing made it, or it was moved from");
    }
    detail::check(weft_prepared_bind_input(handle_.get(), i, tensor.handle()));
  }
  /// Every run writes output i of `fetches` there; an empty tensor unbinds. It may lie on the session's device,
  /// where what else reads or writes its memory must be done when the run begins; INVALID_ARGUMENT on another one.
  void bind_output(int32_t i, const Tensor& tensor) {
    detail::check(weft_prepared_bind_output(handle_.get(), i, tensor.empty() ? nullptr : tensor.handle()));
  }
  /// Runs. FAILED_PRECONDITION if an input is not bound, or it or its session is closed.
  void run(const RunOptions& options = {}) {
    detail::with_options(options, [&](const weft_options* given) { return weft_prepared_run(handle_.get(), given); });
  }
  /// Output i of the last run that succeeded.
  Tensor output(int32_t i) const {
    return Tensor(
        detail::made<weft_tensor>([&](weft_tensor** out) { return weft_prepared_output(handle_.get(), i, out); }));
  }
  /// Lets go of what it holds; later calls throw FAILED_PRECONDITION. May be called again.
  void close() { detail::check(weft_prepared_close(handle_.get())); }

 private:
  detail::Handle<weft_prepared, weft_prepared_free> handle_;
};

/// Runs parts of a graph over a store of variables. Any number of threads may run one session at once; runs that assign
/// variables come one after another. A run that fails or is cancelled changes no variable. The destructor waits for
/// running calls.
class Session {
 public:
  /// Makes a session; the graph may grow later.
  explicit Session(const Graph& graph, const SessionOptions& wanted = {}) {
    detail::OptionsHandle options("session");
    options.set("threads", wanted.threads);
    options.set("max_plans", wanted.max_plans);
    options.set("spin_after_run_us", wanted.spin_after_run_us);
    options.set("reference_kernels", wanted.reference_kernels);
    for (const std::string& pass : wanted.disable_pass) options.add("disable_pass", pass);
    options.set("weight_dtype", wanted.weight_dtype);
    if (!wanted.device.empty()) options.set("device", wanted.device);
    options.set("device_only", wanted.device_only);
    options.set("device_outputs", wanted.device_outputs);
    if (!wanted.weight_cache.empty()) options.set("weight_cache", wanted.weight_cache);
    weft_session* share = wanted.share != nullptr ? wanted.share->handle() : nullptr;
    handle_ = Owned(detail::made<weft_session>(
        [&](weft_session** out) { return weft_session_new(graph.handle(), options.get(), share, out); }));
  }

  /// Computes `fetches` from `feeds`: a new tensor for each. What is fed may lie on the session's device, where it is used
  /// without a copy; on another one it is INVALID_ARGUMENT. `targets` are computed for their effect (assignments)
  /// alone. INVALID_ARGUMENT, with names, for an input that is missing or has another type or shape.
  std::vector<Tensor> run(const Feeds& feeds, const std::vector<Value>& fetches, const std::vector<Value>& targets = {},
                          const RunOptions& options = {}) const {
    std::vector<int64_t> fed, fetched = detail::ids(fetches), effects = detail::ids(targets);
    std::vector<const weft_tensor*> tensors;
    for (const auto& [value, tensor] : feeds) {
      if (tensor.empty()) {
        throw Error(WEFT_FAILED_PRECONDITION,
                    "the tensor that is fed to '" + value.name() + "' is empty: nothing made it, or it was moved from");
      }
      fed.push_back(value.id());
      tensors.push_back(tensor.handle());
    }
    std::vector<weft_tensor*> out(fetches.size());
    detail::with_options(options, [&](const weft_options* given) {
      return weft_session_run(handle(), fed.data(), tensors.data(), detail::count32(fed), fetched.data(),
                              detail::count32(fetched), effects.data(), detail::count32(effects), given, out.data());
    });
    return std::vector<Tensor>(out.begin(), out.end());
  }
  /// Makes such a run ready to be called often. Where the sizes of all that is fed are known it is also planned: the first
  /// run then takes no longer than the others, unless something is bound that lies on a device.
  Prepared prepare(const std::vector<Value>& feeds, const std::vector<Value>& fetches,
                   const std::vector<Value>& targets = {}) const {
    std::vector<int64_t> fed = detail::ids(feeds), fetched = detail::ids(fetches), effects = detail::ids(targets);
    return Prepared(detail::made<weft_prepared>([&](weft_prepared** out) {
      return weft_session_prepare(handle(), fed.data(), detail::count32(fed), fetched.data(), detail::count32(fetched),
                                  effects.data(), detail::count32(effects), out);
    }));
  }
  /// Gives every variable that has no value yet its initial one; runs do this by themselves.
  void initialise() const { detail::check(weft_session_initialise(handle())); }

  /// A copy of a variable's value, not on a device; NOT_FOUND if there is no variable of that name.
  Tensor get(const std::string& variable) const {
    return Tensor(detail::made<weft_tensor>(
        [&](weft_tensor** out) { return weft_session_get(handle(), detail::text(variable), out); }));
  }
  /// The same by the variable itself.
  Tensor get(const Value& variable) const { return get(variable.name()); }
  /// Sets a variable to a copy of the elements; INVALID_ARGUMENT for another type or shape.
  void set(const std::string& variable, const Tensor& tensor) const {
    detail::check(weft_session_set(handle(), detail::text(variable), tensor.handle()));
  }
  /// The same by the variable itself.
  void set(const Value& variable, const Tensor& tensor) const { set(variable.name(), tensor); }

  /// Trains: every batch of `data` is one run of `step`, which Optimizer::minimize makes, and of `metrics`,
  /// floating-point scalars. Tensor i of the dataset is fed to feeds[i]; an empty value leaves it out. After an error
  /// the variables are as the last finished step left them.
  History fit(const Dataset& data, const std::vector<Value>& feeds, const Value& step,
              const std::vector<Value>& metrics, const FitOptions& options) const;
  /// The same with the defaults of FitOptions.
  History fit(const Dataset& data, const std::vector<Value>& feeds, const Value& step,
              const std::vector<Value>& metrics) const;
  /// The average of each metric over the rows, by its name.
  Metrics evaluate(const Dataset& data, const std::vector<Value>& feeds, const std::vector<Value>& metrics,
                   const EvaluateOptions& options) const;
  /// The same with the defaults of EvaluateOptions.
  Metrics evaluate(const Dataset& data, const std::vector<Value>& feeds, const std::vector<Value>& metrics) const;
  /// Computes `fetches` for every row: the batches of each, one after another along the first dimension.
  std::vector<Tensor> predict(const Dataset& data, const std::vector<Value>& feeds, const std::vector<Value>& fetches,
                              const EvaluateOptions& options) const;
  /// The same with the defaults of EvaluateOptions.
  std::vector<Tensor> predict(const Dataset& data, const std::vector<Value>& feeds,
                              const std::vector<Value>& fetches) const;

  /// Writes a checkpoint: every variable, optimizer state, step and random counter. A failure leaves the old file.
  void save(const std::string& path) const { detail::check(weft_session_save(handle(), detail::text(path))); }
  /// Sets every variable from a checkpoint, all or nothing; INVALID_ARGUMENT, with names and shapes, if one is missing,
  /// unknown or different. `partial` sets those that are in both.
  void load(const std::string& path, bool partial = false) const {
    detail::OptionsHandle options("load");
    options.set("partial", partial);
    detail::check(weft_session_load(handle(), detail::text(path), options.get()));
  }
  /// Waits for running calls (cancel them first to end them early); later ones throw FAILED_PRECONDITION. Any thread,
  /// any number of times.
  void close() const { detail::check(weft_session_close(handle())); }
  /// What the session keeps and has done, as JSON; its keys are those of weft_session_inspect.
  std::string describe() const {
    return detail::take(
        detail::made<weft_bytes>([&](weft_bytes** out) { return weft_session_inspect(handle(), out); }));
  }
  /// Lets go of memory that is kept for speed: plans, arenas and what kernels packed of constants, as far as no run and no
  /// prepared call uses it. What is needed again is made again.
  void trim() const { detail::check(weft_session_trim(handle())); }
  /// The handle for the C functions; it stays this object's.
  weft_session* handle() const { return handle_.get(); }

 private:
  using Owned = detail::Handle<weft_session, weft_session_free>;
  Owned handle_;
};

inline void Graph::save(const std::string& path, const std::vector<Value>& outputs, const Session* session,
                        const SaveOptions& wanted) const {
  detail::OptionsHandle options("save");
  options.set("training", wanted.training);
  if (!wanted.weights.empty()) options.set("weights", wanted.weights);
  options.set("opset", int64_t{wanted.opset});
  std::vector<int64_t> out = detail::ids(outputs);
  detail::check(weft_graph_save(handle(), out.data(), detail::count32(out),
                                session != nullptr ? session->handle() : nullptr, detail::text(path), options.get()));
}

}  // namespace weft
