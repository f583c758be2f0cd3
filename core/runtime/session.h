// A session: runs parts of one graph over one store of variables.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/live.h"
#include "core/exec/executor.h"
#include "core/graph/graph.h"
#include "core/runtime/devices.h"
#include "core/runtime/store.h"

namespace weft {

struct SessionOptions {
  int threads = 0;                           // most threads of one run; 0: what the machine gives
  std::vector<std::string> disabled_passes;  // by name; "*" for all
  bool reference_kernels = false;            // the plain implementation of each operator
  int max_plans = 64;                        // prepared shape signatures kept a (feeds, fetches) pair
  int64_t spin_after_run_ns = 0;
  std::string weight_dtype = "f32";  // what constant matrices of f32 are packed as for products: or "bf16"
  std::string weight_cache;          // a folder where packed weights outlive the process; "" for none
  std::string device;                // that runs what it has kernels for; "" and "cpu" for none
  bool device_only = false;          // what it has no kernel for is an error, not the processor's
  bool device_outputs = false;       // what is fetched stays on the device, unless bound to a tensor elsewhere
};

struct RunOptions {
  const CancelToken* cancel = nullptr;
  int64_t timeout_ns = 0;  // from the start of the run; 0: none
  StopCondition::Poll poll = nullptr;
  void* poll_user = nullptr;
  Trace* trace = nullptr;

  // Of a run that begins now, at the latest the end of time; 0: none.
  int64_t deadline_ns() const;
};

// What a run computes: values of the session's graph.
struct Signature {
  std::vector<ValueId> feeds;
  std::vector<ValueId> fetches;
  std::vector<ValueId> targets;
  bool host_outputs = false;  // what is fetched comes into the process's memory, whatever the session's options say

  bool operator==(const Signature&) const = default;
};

class Session;
struct RunControl;

// A call made ready: inputs and outputs are bound by index. Used by one thread at a time; a second one gets an error.
class Prepared {
 public:
  ~Prepared();
  int input_count() const;
  int output_count() const;
  const std::vector<std::string>& assigned_variables() const;  // what a run changes
  // The tensor's memory is read by every run from now on; its owner may write new values there between runs.
  Status bind_input(int i, Tensor value);
  // Every run writes its result here. An output that is not bound gets a tensor each run that nobody else holds.
  Status bind_output(int i, Tensor value);
  Status run(const RunOptions& options);
  // Of the last run that succeeded.
  Result<Tensor> output(int i) const;
  // After it, calls are FAILED_PRECONDITION. Waits for a running call of another thread, unless that still waits for
  // another run that assigns: it fails too.
  Status close();

 private:
  friend class Session;
  struct State;
  explicit Prepared(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  Live live_;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  static Result<std::shared_ptr<Session>> make(std::shared_ptr<Graph> graph, SessionOptions options,
                                               std::shared_ptr<Store> store = nullptr);
  ~Session();

  const std::shared_ptr<Graph>& graph() const { return graph_; }
  const std::shared_ptr<Store>& store() const { return store_; }
  const SessionOptions& options() const { return options_; }
  const std::shared_ptr<FormCache>& form_cache() const { return form_cache_; }  // null for none

  // Outputs are new tensors that nobody writes to again. Any number of threads may run at once. What is fed lies in the
  // process's memory or on the session's device, where it is used as it is.
  Status run(const Signature& signature, std::vector<Tensor> feeds, const RunOptions& options,
             std::vector<Tensor>* outputs);
  Result<std::shared_ptr<Prepared>> prepare(const Signature& signature);

  // Values of variables by name; a variable of the graph that has no value yet is initialised first.
  Result<Tensor> get_variable(std::string_view name);
  Status set_variable(std::string_view name, Tensor value);
  // Several in one moment. They must be variables of the graph and fit.
  Status set_variables(std::vector<std::pair<std::string, Tensor>> values);
  // Gives every variable of the graph that has no value yet its initial one.
  Status initialise();

  // Idempotent. Waits for running calls to end; from inside such a call (a host function, a body) it is an error.
  Status close();
  bool closed() const;
  // Lets go of memory kept for speed: plans and their arenas. Of nothing inside a body that is built for the graph.
  void trim();
  // What it keeps and has done, as JSON; the keys are those of weft_session_inspect. FAILED_PRECONDITION from
  // inside one of its runs.
  Result<std::string> describe();

 private:
  friend class Prepared;
  friend class SessionUse;
  struct Compiled;

  Session(std::shared_ptr<Graph> graph, SessionOptions options, std::shared_ptr<Store> store, DeviceEntry device,
          std::shared_ptr<FormCache> form_cache);
  // An error inside a body of an operator that this thread builds while it compiles, cuts or extends the graph: a call would
  // wait for the one that it is part of.
  Status outside_bodies() const;
  PlanOptions plan_options() const;  // without the device and weight_dtype
  Result<std::shared_ptr<Compiled>> compile(const Signature& signature);
  Status find_missing(const std::vector<std::string>& names, std::vector<std::string>* missing,
                      std::vector<ValueId>* initial) const;
  Status initialise_needed(const std::vector<std::string>& names, StopCondition* stop);
  Status run_compiled(Compiled& compiled, std::vector<Tensor> inputs, RunControl& control,
                      std::vector<Tensor>* outputs);

  const std::shared_ptr<Graph> graph_;
  const SessionOptions options_;
  const std::shared_ptr<Store> store_;
  const DeviceEntry device_;  // nulls for the CPU
  const std::shared_ptr<FormCache> form_cache_;
  const std::shared_ptr<Memory> memory_;  // of the variables that its runs read and write; the device's
  std::mutex mutex_;                      // of compiled_
  std::vector<std::pair<Signature, std::shared_ptr<Compiled>>> compiled_;
  std::atomic<bool> closed_{false};
  std::atomic<int32_t> running_{0};
  std::atomic<int64_t> runs_{0};  // begun
  Live live_;
};

}  // namespace weft
