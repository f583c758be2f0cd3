// A plan: what one program does for one signature of input shapes, ready to be walked.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/kernel/registry.h"
#include "core/passes/program.h"
#include "core/passes/rewrite.h"

namespace weft {

// One kernel call. Its addresses stand in the frame, `args_begin` on: inputs, then outputs.
struct Step {
  RunFn run;
  const void* state;
  int32_t args_begin;
  int32_t input_count;
};

// The cold side of a step: for errors and traces.
struct StepInfo {
  std::string node;
  std::string op;
  std::string origin;
  const char* kernel;
};

// Where a program input or output is among the frame's addresses.
struct Binding {
  DType dtype = DType::kNone;
  Shape shape;
  std::vector<int32_t> args;  // all places of the frame that hold its address
};

// A node that works on tensors rather than addresses: it sizes its own outputs, has inputs that are no plain memory,
// calls the host, or is control flow.
struct TensorStep {
  PreparedKernel kernel;  // run_tensors, unless `branches` or `host` says otherwise
  StepInfo info;
  std::vector<int32_t> inputs;  // indices of `Plan::values`, -1 for an omitted one
  std::vector<int32_t> outputs;
  std::vector<Program> branches;            // of If: then, else; each takes the inputs from `branch_inputs` on
  std::vector<std::vector<int32_t>> branch_inputs;
  const OpDef* op = nullptr;
  Attrs attrs;
};

// The flat part runs first: steps over one arena. What is left (`rest`) can be planned only once the flat part and the
// tensor steps have given values that its shapes depend on.
struct Plan {
  // -- The flat part. Never changes once made; may be walked by many frames at once.
  std::vector<Step> steps;
  std::vector<StepInfo> infos;
  std::vector<PreparedKernel> kernels;       // own the states
  std::vector<Tensor> constants;             // own what `address_template` points to
  std::vector<int64_t> arena_offsets;        // per address: offset in the arena, or -1
  std::vector<const void*> fixed_addresses;  // per address: constant, or null
  int64_t arena_bytes = 0;
  int64_t scratch_offset = 0;                // in the arena; shared by all steps
  std::vector<Binding> inputs;               // by program input; empty `args` if the flat part does not read it
  std::vector<Binding> outputs;              // what the flat part hands on, as tensors

  // -- Tensor values: program inputs, then flat outputs, then outputs of tensor steps.
  int32_t value_count = 0;
  std::vector<TensorStep> tensor_steps;
  // Program output k is value `results[k]`, or comes from the rest (-1).
  std::vector<int32_t> results;
  bool simple() const { return tensor_steps.empty() && rest == nullptr; }

  // -- The rest: a program whose inputs are values of this plan.
  std::unique_ptr<Program> rest;
  std::vector<int32_t> rest_inputs;   // per input of the rest, a value
  std::vector<int32_t> rest_results;  // per output of the rest, the program output it is

  std::vector<std::string> fallbacks;  // operators that ran on a reference kernel though a faster one exists
};

struct PlanOptions {
  RewriteOptions rewrite;
  bool reference_kernels = false;
};

// Shape and dtype of each program input; the value too for those in `value_inputs`.
struct InputKey {
  Kind kind = Kind::kTensor;
  DType dtype = DType::kNone;
  Shape shape;
  Tensor value;  // empty unless shapes depend on it
};

// Inputs of the program whose values decide shapes: a plan holds for their values too.
std::vector<bool> value_inputs(const Program& program);

Result<std::shared_ptr<const Plan>> make_plan(const Program& program, const std::vector<InputKey>& inputs,
                                              const KernelRegistry& kernels, const PlanOptions& options);

// Gives values with lifetimes a place in one block. Values of zero bytes take none.
struct Lifetime {
  int64_t bytes;
  int32_t begin;  // first and last step that need it
  int32_t end;
};
struct Packing {
  std::vector<int64_t> offsets;
  int64_t total_bytes = 0;
};
Packing pack_lifetimes(const std::vector<Lifetime>& lifetimes);

}  // namespace weft
