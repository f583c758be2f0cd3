// Walks plans: frames, runs with cancel and deadline, traces.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/cancel.h"
#include "core/plan/plan.h"

namespace weft {

// Collects what ran when; written as Chrome trace JSON. One run at a time.
class Trace {
 public:
  struct Event {
    const StepInfo* info;
    int64_t begin_ns, end_ns;
  };
  void add(std::string name, std::string detail, int64_t begin_ns, int64_t end_ns);
  std::string json() const;

 private:
  struct Item {
    std::string name, detail;
    int64_t begin_ns, end_ns;
  };
  std::vector<Item> items_;
};

// What runs one HostCall: looks the function up by its registered name.
using HostCallFn = Status (*)(void* user, const std::string& name, const std::vector<Tensor>& in, std::vector<Tensor>& out);

struct ExecOptions {
  Parallel parallel;
  StopCondition* stop = nullptr;
  Trace* trace = nullptr;
};

// The addresses and the arena of one walk of a plan's flat part.
class Frame {
 public:
  static Result<std::unique_ptr<Frame>> make(std::shared_ptr<const Plan> plan);
  const Plan& plan() const { return *plan_; }
  const std::shared_ptr<const Plan>& shared_plan() const { return plan_; }
  void bind_input(int i, const void* data);
  void bind_output(int i, void* data);
  // Allocates nothing, looks nothing up and takes no lock.
  Status run(const ExecOptions& options);

 private:
  explicit Frame(std::shared_ptr<const Plan> plan) : plan_(std::move(plan)) {}
  Status run_watched(const ExecOptions& options);

  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<Buffer> arena_;
  std::vector<void*> addresses_;
};

// A program with the plans made for it, one for each signature of input shapes, the least used thrown away first.
// Safe for concurrent runs.
class Executable {
 public:
  Executable(Program program, const KernelRegistry& kernels, PlanOptions options, int max_plans);

  const Program& program() const { return program_; }

  // `outputs` has an entry an output: a tensor of the right type to write into, or an empty one to be filled with a new
  // tensor.
  Status run(const std::vector<Tensor>& inputs, const ExecOptions& options, std::vector<Tensor>* outputs);

  Result<std::shared_ptr<const Plan>> plan_for(const std::vector<Tensor>& inputs);
  // A frame for the plan, an idle one if there is one; `release` gives it back.
  Result<std::unique_ptr<Frame>> acquire(const std::shared_ptr<const Plan>& plan);
  void release(std::unique_ptr<Frame> frame);
  void trim();

 private:
  struct Entry {
    std::vector<InputKey> key;
    std::shared_ptr<const Plan> plan;
    std::vector<std::unique_ptr<Frame>> idle;
    std::shared_ptr<Executable> rest;                   // of the plan's rest, with plans of its own
    std::vector<std::vector<std::shared_ptr<Executable>>> branches;  // of each tensor step
  };
  Result<Entry*> entry_for(const std::vector<Tensor>& inputs);

  const Program program_;
  const std::vector<bool> value_inputs_;
  const KernelRegistry& kernels_;
  const PlanOptions options_;
  const size_t max_plans_;
  std::mutex mutex_;
  std::list<std::shared_ptr<Entry>> entries_;  // most recently used first
};

}  // namespace weft
