// A plan: what one program does for one signature of input shapes, ready to be walked.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/device/device.h"
#include "core/kernel/registry.h"
#include "core/passes/program.h"
#include "core/passes/rewrite.h"

namespace weft {

// One kernel call. `in`, `out` and `scratch` are places among the frame's addresses.
struct Step {
  RunFn run;
  const void* state;
  int32_t in;
  int32_t out;
  int32_t scratch;
  // Whether a run that can be stopped looks at that before this step: not between steps that take no time.
  bool watched = true;
};

// The cold side of a step: for errors and traces.
struct StepInfo {
  std::string node;
  std::string op;
  std::string origin;
  const char* kernel;
  bool on_cpu = false;  // of a plan with a device: the processor's work, which is no copy
};

// Where a program input or output is among the frame's addresses.
struct Binding {
  DType dtype = DType::kNone;
  Shape shape;
  bool on_device = false;     // whose memory it lies in
  std::vector<int32_t> args;  // all places of the frame that hold its address
  int32_t step = -1;          // that gives an output
};

// The step that takes most of an arena, which an error names when there is no room for it.
struct Largest {
  int32_t step = -1;
  int64_t bytes = 0;
};

// Steps that make up branches, which need nothing of each other: threads may walk them side by side.
struct BranchGroup {
  int32_t begin, end;  // of its steps
  // Those of each branch, begin and end; what costs most comes first.
  std::vector<std::pair<int32_t, int32_t>> branches;
  double cost_ns;    // a guess of all of them on one thread
  int most_threads;  // that it pays for: with more of them the loops of the kernels do as well
};

// A node that works on tensors rather than addresses: it sizes its own outputs, has inputs that are no plain memory,
// calls the host, or is control flow.
struct TensorStep {
  const OpDef* op = nullptr;
  Attrs attrs;
  StepInfo info;
  PreparedKernel kernel;        // run_tensors; empty for control flow and host calls, which the executor knows
  std::vector<int32_t> inputs;  // values of the plan, -1 for an omitted one
  int32_t schema_inputs = 0;    // so many of them are the operator's own
  std::vector<int32_t> outputs;
  std::vector<ValueType> output_types;
  // Control flow: the sub-graphs in the order of their attributes, and which of `inputs` each of them takes.
  std::vector<std::string> branch_names;
  std::vector<Program> branches;
  std::vector<std::vector<int32_t>> branch_inputs;
};

// The flat part runs first: steps over one arena. What is left (`rest`) can be planned only once the flat part and the
// tensor steps have given values that its shapes depend on.
struct Plan {
  // -- The flat part. Never changes once made; many frames may walk it at once.
  std::vector<Step> steps;
  std::vector<StepInfo> infos;
  std::vector<PreparedKernel> kernels;  // own the states
  std::vector<BranchGroup> groups;      // in the order of their steps
  std::vector<Tensor> constants;        // own what `fixed` points to
  // Per address of a frame: a constant, or null and an offset in the arena, or null and -1 for a bound one.
  std::vector<const void*> fixed;
  std::vector<int64_t> offsets;
  int64_t arena_bytes = 0;
  Largest largest;
  // With a device, steps of both sides are in one list: those of the device put their work on a stream. Copies between the
  // sides, and waits for the stream, are steps too; whoever walks the list waits at its end.
  std::shared_ptr<Device> device;
  std::vector<int32_t> in_device_arena;  // the addresses whose offset is one in the device's arena
  int64_t device_arena_bytes = 0;
  Largest largest_on_device;
  // Steps in a row, begin and end, that put work of the device on the stream and nothing else: what can be recorded.
  std::vector<std::pair<int32_t, int32_t>> stretches;
  std::vector<Binding> inputs;   // by program input; no `args` if the flat part does not read it
  std::vector<Binding> outputs;  // by flat output

  // -- Values as tensors: program inputs, then flat outputs, then constants, then outputs of tensor steps.
  int32_t value_count = 0;
  std::vector<std::pair<int32_t, Tensor>> constant_values;
  std::vector<TensorStep> tensor_steps;
  std::vector<int32_t> results;  // the value that is program output k; -1: the rest has it

  // -- What is left: a program whose inputs are values of this plan.
  std::unique_ptr<Program> rest;
  std::vector<int32_t> rest_inputs;
  std::vector<int32_t> rest_results;  // the program output that output k of the rest is

  // Flat output k is program output k, for all k: one frame does it all.
  bool simple() const { return tensor_steps.empty() && rest == nullptr && all_flat; }
  bool all_flat = false;

  // For all that was put on the stream; an error names the node that it came from.
  Status wait(Stream& stream) const;
  // An error of a step says which node that is.
  Status at_step(int32_t step, const Status& status) const;
};

struct PlanOptions {
  RewriteOptions rewrite;
  bool reference_kernels = false;
  int threads = 0;                   // most that work while it is made; 0: what the machine gives
  DType weight_dtype = DType::kF32;  // as kernels are told
  // A device, with its kernels, that runs what it has kernels for; the rest runs on the CPU.
  std::shared_ptr<Device> device;
  const KernelRegistry* device_kernels = nullptr;
  bool device_only = false;               // UNIMPLEMENTED for a node that the device has no kernel for
  std::shared_ptr<FormCache> form_cache;  // of packed constants; null for none
  std::vector<bool> device_outputs;       // by output of the program: whether it stays there; none if empty
};

// Shape and dtype of each program input; the value too for those in `value_inputs`.
struct InputKey {
  Kind kind = Kind::kTensor;
  DType dtype = DType::kNone;
  Shape shape;
  Tensor value;  // empty unless shapes depend on it
  bool on_device = false;
};

// Inputs of the program whose values decide shapes: a plan holds for their values too.
std::vector<bool> value_inputs(const Program& program);

Result<std::shared_ptr<const Plan>> make_plan(const Program& program, const std::vector<InputKey>& inputs,
                                              const KernelRegistry& kernels, const PlanOptions& options);

// Gives values with lifetimes a place in one block. Values of zero bytes take none; none has more than kMostBytes.
struct Lifetime {
  int64_t bytes;
  int32_t begin;  // first and last step that need it
  int32_t end;
  int32_t from = 0;  // if `end` is in a group: the first step of that group that needs it
};
// Of a step: where its group and its branch begin and the group ends; all are the step itself if it is in no group.
struct Beside {
  int32_t group, branch, last;
};
struct Packing {
  std::vector<int64_t> offsets;
  int64_t total_bytes = 0;
};
// `beside` is by step; empty if none are walked side by side.
Result<Packing> pack_lifetimes(const std::vector<Lifetime>& lifetimes, const std::vector<Beside>& beside = {});

}  // namespace weft
