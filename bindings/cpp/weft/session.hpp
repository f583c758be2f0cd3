// Running graphs: sessions, prepared calls, host functions.
#pragma once

#include "weft/graph.hpp"

namespace weft {

// Stops runs from any thread.
class Cancel {
 public:
  Cancel() : handle_(make()) {}
  // Cancels every run that uses it, and every later one until `clear`.
  void set() { weft_cancel_set(handle_->get(), 1); }
  void clear() { weft_cancel_set(handle_->get(), 0); }
  bool is_set() const { return weft_cancel_get(handle_->get()) != 0; }
  weft_cancel* handle() const { return handle_->get(); }

 private:
  using Owned = detail::Handle<weft_cancel, weft_cancel_free>;
  static std::shared_ptr<Owned> make() {
    weft_cancel* out = nullptr;
    detail::check(weft_cancel_new(&out));
    return std::make_shared<Owned>(out);
  }
  std::shared_ptr<Owned> handle_;
};

// Collects what runs did when.
class Trace {
 public:
  Trace() : handle_(make()) {}
  // For chrome://tracing and Perfetto.
  std::string json() const {
    weft_bytes* out = nullptr;
    detail::check(weft_trace_json(handle_->get(), &out));
    return detail::take(out);
  }
  weft_trace* handle() const { return handle_->get(); }

 private:
  using Owned = detail::Handle<weft_trace, weft_trace_free>;
  static std::shared_ptr<Owned> make() {
    weft_trace* out = nullptr;
    detail::check(weft_trace_new(&out));
    return std::make_shared<Owned>(out);
  }
  std::shared_ptr<Owned> handle_;
};

struct RunOptions {
  double timeout_s = 0;  // 0: none
  const Cancel* cancel = nullptr;
  const Trace* trace = nullptr;
  // Called on the caller's own thread about every 20 ms; what it throws ends the run and is thrown there as it is.
  std::function<void()> poll;

  bool plain() const { return timeout_s == 0 && cancel == nullptr && trace == nullptr && !poll; }
  void fill(detail::OptionsHandle& options) const {
    if (timeout_s != 0) options.set("timeout_s", timeout_s);
    if (cancel != nullptr) detail::check(weft_options_set_cancel(options.get(), cancel->handle()));
    if (trace != nullptr) detail::check(weft_options_set_trace(options.get(), trace->handle()));
    if (!poll) return;
    auto call = [](void* user) -> weft_status* {
      try {
        (*static_cast<std::function<void()>*>(user))();
        return nullptr;
      } catch (...) {
        return detail::current_exception_status();
      }
    };
    auto drop = [](void* user) { delete static_cast<std::function<void()>*>(user); };
    detail::check(weft_options_set_poll(options.get(), call, new std::function<void()>(poll), drop));
  }
};

struct SessionOptions {
  int64_t threads = 0;  // the most of a run; 0: all
  int64_t max_plans = 64;
  int64_t spin_after_run_us = 0;
  bool reference_kernels = false;
  std::vector<std::string> disable_pass;
  const Session* share = nullptr;  // whose variables this one uses too
};

using Feeds = std::vector<std::pair<Value, Tensor>>;

// A run made ready: bind its inputs once, run it often. For one thread at a time.
class Prepared {
 public:
  explicit Prepared(weft_prepared* handle) : handle_(handle) {}
  // Every run reads the tensor's memory, where new values may be written between runs.
  void bind_input(int32_t i, const Tensor& tensor) {
    detail::check(weft_prepared_bind_input(handle_.get(), i, tensor.handle()));
  }
  // Every run writes there; an empty tensor unbinds.
  void bind_output(int32_t i, const Tensor& tensor) {
    detail::check(weft_prepared_bind_output(handle_.get(), i, tensor.empty() ? nullptr : tensor.handle()));
  }
  void run() { detail::check(weft_prepared_run(handle_.get(), nullptr)); }
  void run(const RunOptions& wanted) {
    detail::OptionsHandle options("run");
    wanted.fill(options);
    detail::check(weft_prepared_run(handle_.get(), options.get()));
  }
  Tensor output(int32_t i) const {
    weft_tensor* out = nullptr;
    detail::check(weft_prepared_output(handle_.get(), i, &out));
    return Tensor(out);
  }
  void close() { detail::check(weft_prepared_close(handle_.get())); }

 private:
  detail::Handle<weft_prepared, weft_prepared_free> handle_;
};

// Runs parts of a graph over variables of its own. Any number of threads may run one session.
class Session {
 public:
  explicit Session(const Graph& graph, const SessionOptions& wanted = {}) {
    detail::OptionsHandle options("session");
    options.set("threads", wanted.threads);
    options.set("max_plans", wanted.max_plans);
    options.set("spin_after_run_us", wanted.spin_after_run_us);
    options.set("reference_kernels", int64_t{wanted.reference_kernels});
    for (const std::string& pass : wanted.disable_pass) options.add("disable_pass", pass);
    weft_session* out = nullptr;
    weft_session* share = wanted.share != nullptr ? wanted.share->handle() : nullptr;
    detail::check(weft_session_new(graph.handle(), options.get(), share, &out));
    handle_ = detail::Handle<weft_session, weft_session_free>(out);
  }

  // Computes `fetches`; `targets` are computed for their effect alone.
  std::vector<Tensor> run(const std::vector<Value>& fetches, const Feeds& feeds = {},
                          const std::vector<Value>& targets = {}, const RunOptions& wanted = {}) const {
    std::vector<int64_t> fed, fetched = Graph::ids(fetches), effects = Graph::ids(targets);
    std::vector<const weft_tensor*> tensors;
    for (const auto& [value, tensor] : feeds) {
      fed.push_back(value.id());
      tensors.push_back(tensor.handle());
    }
    std::vector<weft_tensor*> out(fetches.size());
    auto call = [&](const weft_options* options) {
      detail::check(weft_session_run(handle(), fed.data(), tensors.data(), static_cast<int32_t>(fed.size()),
                                     fetched.data(), static_cast<int32_t>(fetched.size()), effects.data(),
                                     static_cast<int32_t>(effects.size()), options, out.data()));
    };
    if (wanted.plain()) {
      call(nullptr);
    } else {
      detail::OptionsHandle options("run");
      wanted.fill(options);
      call(options.get());
    }
    std::vector<Tensor> results;
    for (weft_tensor* tensor : out) results.emplace_back(tensor);
    return results;
  }
  Prepared prepare(const std::vector<Value>& feeds, const std::vector<Value>& fetches,
                   const std::vector<Value>& targets = {}) const {
    std::vector<int64_t> fed = Graph::ids(feeds), fetched = Graph::ids(fetches), effects = Graph::ids(targets);
    weft_prepared* out = nullptr;
    detail::check(weft_session_prepare(handle(), fed.data(), static_cast<int32_t>(fed.size()), fetched.data(),
                                       static_cast<int32_t>(fetched.size()), effects.data(),
                                       static_cast<int32_t>(effects.size()), &out));
    return Prepared(out);
  }

  // Gives every variable that has no value yet its initial one; runs do this by themselves.
  void initialise() { detail::check(weft_session_initialise(handle())); }
  // A copy of a variable's value.
  Tensor get(const std::string& variable) const {
    weft_tensor* out = nullptr;
    detail::check(weft_session_get(handle(), variable.c_str(), &out));
    return Tensor(out);
  }
  void set(const std::string& variable, const Tensor& value) {
    detail::check(weft_session_set(handle(), variable.c_str(), value.handle()));
  }
  // Checkpoints: every variable, optimizer state among them.
  void save(const std::string& path) const { detail::check(weft_session_save(handle(), path.c_str())); }
  void load(const std::string& path, bool partial = false) {
    detail::OptionsHandle options("load");
    options.set("partial", int64_t{partial});
    detail::check(weft_session_load(handle(), path.c_str(), options.get()));
  }
  // Waits for running calls; later ones fail. May be called again.
  void close() { detail::check(weft_session_close(handle())); }
  void trim() { detail::check(weft_session_trim(handle())); }
  weft_session* handle() const { return handle_.get(); }

 private:
  detail::Handle<weft_session, weft_session_free> handle_;
};

inline void Graph::save(const std::string& path, const std::vector<Value>& outputs, const Session* session,
                        bool training, const std::string& weights) const {
  detail::OptionsHandle options("save");
  options.set("training", int64_t{training});
  if (!weights.empty()) options.set("weights", weights);
  std::vector<int64_t> out = ids(outputs);
  detail::check(weft_graph_save(handle(), out.data(), static_cast<int32_t>(out.size()),
                                session != nullptr ? session->handle() : nullptr, path.c_str(), options.get()));
}

// A function that weft.HostCall nodes run, on the thread that called run. An exception in it ends the run and is thrown
// there as it is.
using HostFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

// Makes a function known under a name, for the process.
inline void register_host_function(const std::string& name, HostFunction function) {
  auto call = [](void* user, const weft_tensor* const* inputs, int32_t input_count, weft_tensor** out_tensors,
                 int32_t output_count) -> weft_status* {
    try {
      std::vector<Tensor> in;
      for (int32_t i = 0; i < input_count; ++i) {
        weft_tensor* held = nullptr;  // a handle of its own, over the same memory
        detail::check(
            weft_tensor_kind(inputs[i]) == WEFT_TENSOR
                ? weft_tensor_reshape(inputs[i], weft_tensor_dims(inputs[i]), weft_tensor_rank(inputs[i]), &held)
                : weft_tensor_copy(inputs[i], &held));
        in.emplace_back(held);
      }
      std::vector<Tensor> out = (*static_cast<HostFunction*>(user))(in);
      if (static_cast<int32_t>(out.size()) != output_count) {
        throw Error(WEFT_INVALID_ARGUMENT, "the host function gave " + std::to_string(out.size()) + " tensors; " +
                                               std::to_string(output_count) + " are expected");
      }
      std::vector<weft_tensor*> made;
      for (int32_t i = 0; i < output_count; ++i) {
        detail::check(weft_tensor_copy(out[static_cast<size_t>(i)].handle(), &out_tensors[i]));
      }
      return nullptr;
    } catch (...) {
      return detail::current_exception_status();
    }
  };
  auto drop = [](void* user) { delete static_cast<HostFunction*>(user); };
  detail::check(weft_host_function_set(name.c_str(), call, new HostFunction(std::move(function)), drop));
}

}  // namespace weft
