// Walks plans: frames, runs with cancel and deadline, traces.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/cancel.h"
#include "core/plan/plan.h"

namespace weft {

// Collects what ran when, over any number of runs one after another; written as Chrome trace JSON. What ran on the calling
// thread has the tid 1, what ran on worker n of the pool 1 + n.
class Trace {
 public:
  void add(const StepInfo& info, int64_t begin_ns, int64_t end_ns);
  std::string json() const;

 private:
  struct Item {
    std::string name, op, kernel;
    int64_t begin_ns, end_ns;
    int thread;
    bool on_cpu;
  };
  mutable std::mutex mutex_;
  std::vector<Item> items_;
};

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
  // Steps from `at` on that is not `end`, one after another. Returns the one that failed, or `end`.
  template <bool kWatched>
  int32_t walk(const ExecOptions& options, int32_t at, int32_t end, Status* status) const;
  // All steps, groups of branches side by side where that pays. Once the run is to stop, what is left is skipped without a
  // word: whoever looks at the stop condition next is told why.
  template <bool kWatched>
  Status walk_all(const ExecOptions& options);
  template <bool kWatched>
  Status walk_beside(const ExecOptions& options, const BranchGroup& group);
  // Of a device: what can be recorded is put on the stream as it was recorded, once the frame has run with its addresses
  // before.
  template <bool kWatched>
  Status walk_on_device(const ExecOptions& options);
  struct Recorded;
  Recorded* recorded_for_bound();
  template <bool kWatched>
  Status replay(const ExecOptions& options, size_t stretch, Recorded* recorded);
  // Nothing that was bound may be let go while the device still works on it.
  Status finish(Status status);
  Status failed(int32_t step, const Status& status) const;

  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<Buffer> arena_, device_arena_;
  std::vector<void*> addresses_;
  std::unique_ptr<Stream> stream_;  // of the plan's device
  // Of the addresses on the device that were bound in some runs.
  struct Recorded {
    std::vector<void*> bound;
    int runs = 0;
    std::vector<std::unique_ptr<Recording>> parts;  // by stretch of the plan
  };
  std::vector<Recorded> recorded_;  // the last used first
  std::vector<void*> bound_;        // now
  std::vector<int32_t> bound_at_;   // among the addresses
  bool records_ = false;
  struct Ended {
    Status status;
    int32_t step = 0;  // that failed
  };
  std::vector<Ended> ended_;  // by branch of the group that is walked
};

// An error that names `what` 'name' unless the tensor is of that kind, dtype and, where numbers are known, shape.
Status check_type(const Tensor& value, const ValueType& type, std::string_view what, std::string_view name);

// What an executable keeps for one signature of inputs.
struct PlanSummary {
  std::vector<std::string> inputs;         // "f32[2, 3]"
  std::map<std::string, int64_t> kernels;  // how many steps each has, as "MatMul: vectors"
  std::map<std::string, int64_t> on_cpu;   // those of them that a device leaves to the processor
  int64_t constant_bytes = 0;              // that kernels read as they are; what they packed is not among them
  int64_t arena_bytes = 0;                 // of each run at a time
  int64_t device_arena_bytes = 0;
  int64_t idle_arenas = 0;    // kept for the next runs
  int64_t branch_groups = 0;  // stretches whose branches run side by side
};

// A program with the plans made for it, one for each signature of input shapes, the least used thrown away first.
// Safe for concurrent runs.
class Executable {
 public:
  Executable(Program program, const KernelRegistry& kernels, PlanOptions options, int max_plans);

  const Program& program() const { return program_; }

  // `outputs` has an entry an output: a tensor of the right type to write into, in the process's memory or the device's, or
  // an empty one to be filled with a new tensor, where the options say.
  Status run(std::vector<Tensor> inputs, const ExecOptions& options, std::vector<Tensor>* outputs);

  // For a run with such inputs and outputs; those that are left out are empty ones.
  Result<std::shared_ptr<const Plan>> plan_for(const std::vector<Tensor>& inputs,
                                               const std::vector<Tensor>& outputs = {});
  // Makes the plan for such inputs before they are there, unless there are plans already or values decide shapes.
  Status plan_ahead(std::vector<InputKey> inputs);
  void trim();  // forgets all plans
  int64_t plan_count();
  // Of all plans, the last used first. What can be planned only while a run goes on counts with the plan that it belongs to.
  std::vector<PlanSummary> summaries();

 private:
  friend class LoopRun;
  struct Entry;
  // `stays` says of each output whether it stays on the device; empty where nothing does, as without a device.
  Result<std::shared_ptr<Entry>> entry_for(const std::vector<Tensor>& inputs, const std::vector<bool>& stays);
  Result<std::shared_ptr<Entry>> add_entry(std::vector<InputKey> keys, const std::vector<bool>& stays);
  std::vector<std::shared_ptr<Entry>> kept();
  std::vector<bool> which_stay(const std::vector<Tensor>& outputs) const;
  Status run_tensor_step(Entry& entry, size_t index, const ExecOptions& options, std::vector<Tensor>& values);

  const Program program_;
  const std::vector<bool> value_inputs_;
  const KernelRegistry& kernels_;
  const PlanOptions options_;
  const size_t max_plans_;
  std::mutex mutex_;
  std::list<std::shared_ptr<Entry>> entries_;  // most recently used first
};

}  // namespace weft
