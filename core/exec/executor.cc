// Executables: plans by signature, and runs through flat parts, tensor steps and rests.
#include "core/exec/executor.h"

#include <algorithm>

#include "core/exec/entry.h"
#include "core/exec/host_functions.h"
#include "core/exec/loop.h"
#include "core/tensor/form_cache.h"
#include "core/tensor/truth.h"

namespace weft {

namespace {

// Whether it has keys and values of those types.
bool is_map_of(const Tensor& value, const ValueType& type) {
  return value.kind() == Kind::kMap && value.items()[0].dtype() == type.keys && value.items()[1].dtype() == type.dtype;
}

}  // namespace

Status check_type(const Tensor& value, const ValueType& type, std::string_view what, std::string_view name) {
  bool same = value.kind() == type.kind && (value.kind() != Kind::kTensor || value.dtype() == type.dtype);
  if (same && value.kind() == Kind::kTensor && type.has_rank) {
    same = value.shape().size() == type.dims.size();
    for (size_t i = 0; same && i < type.dims.size(); ++i) {
      if (type.dims[i].known()) same = type.dims[i].value() == value.shape()[i];
    }
  }
  if (same && type.kind == Kind::kOptional && !value.items().empty()) {
    return check_type(value.items()[0], type.held(), cat("what is held by ", what), name);
  }
  if (same && type.kind == Kind::kMap) same = is_map_of(value, type);
  if (same && value.kind() == Kind::kSequence) {
    for (const Tensor& item : value.items()) {
      if (type.holds == Kind::kMap ? is_map_of(item, type)
                                   : item.kind() == Kind::kTensor && item.dtype() == type.dtype) {
        continue;
      }
      return invalid(what, " '", name, "' has an item that is ", item.summary(), " but must be ", type.text());
    }
  }
  if (same) return {};
  return invalid(what, " '", name, "' is ", value.empty() ? "an empty tensor" : value.summary(), " but must be ",
                 type.text());
}

namespace {

bool matches(const InputKey& key, const Tensor& input, bool by_value) {
  if (key.kind != input.kind() || key.dtype != input.dtype() || key.shape != input.shape()) return false;
  if (key.on_device != (input.memory() != nullptr)) return false;
  return !by_value || key.value.empty() || key.value.same_bits(input);
}

// Values of larger tensors are not compared; what depends on them is found after a step of its own.
bool keyed(const Tensor& input) { return input.count() <= kMaxKnownInts; }

// The values of these decide shapes, which the processor finds out.
Status move_values(const std::vector<bool>& by_value, std::vector<Tensor>* inputs) {
  for (size_t i = 0; i < inputs->size(); ++i) {
    if (by_value[i] && (*inputs)[i].memory() != nullptr) {
      WEFT_TRY((*inputs)[i], (*inputs)[i].moved_to(nullptr));
    }
  }
  return {};
}

// Into the tensor that the caller gave, unless the value lies there already; or in place of none, or of what has no memory
// of its own to write to. `memory` is where one is wanted that the caller has not given.
Status hand_over(const Tensor& value, const std::shared_ptr<Memory>& memory, Tensor* out) {
  if (out->empty() && value.memory() != memory.get()) {
    WEFT_TRY(*out, value.moved_to(memory));
    return {};
  }
  if (out->empty() || (out->kind() != Kind::kTensor && out->kind() == value.kind()) ||
      (out->data() != nullptr && out->data() == value.data() && out->memory() == value.memory())) {
    *out = value;
    return {};
  }
  if (out->kind() != value.kind() || out->dtype() != value.dtype() || out->shape() != value.shape()) {
    return invalid("an output is ", value.summary(), " but was bound to ", out->summary());
  }
  if (value.dtype() == DType::kString) {
    out->mutable_strings() = value.strings();
  } else if (out->memory() != nullptr && out->memory() == value.memory()) {
    return value.memory()->copy(out->mutable_data(), value.data(), value.bytes());
  } else if (out->memory() != nullptr) {
    WEFT_TRY(Tensor host, value.moved_to(nullptr));
    return out->memory()->copy_in(out->mutable_data(), host.data(), host.bytes());
  } else if (value.memory() != nullptr) {
    return value.memory()->copy_out(out->mutable_data(), value.data(), value.bytes());
  } else if (value.bytes() > 0) {
    std::copy_n(value.as<char>(), value.bytes(), out->as<char>());
  }
  return {};
}

}  // namespace

Executable::Executable(Program program, const KernelRegistry& kernels, PlanOptions options, int max_plans)
    : program_(std::move(program)),
      value_inputs_(value_inputs(program_)),
      kernels_(kernels),
      options_(std::move(options)),
      max_plans_(std::max(max_plans, 1)) {}

Result<std::shared_ptr<Executable::Entry>> Executable::entry_for(const std::vector<Tensor>& inputs,
                                                                 const std::vector<bool>& stays) {
  std::lock_guard lock(mutex_);
  for (auto at = entries_.begin(); at != entries_.end(); ++at) {
    const std::vector<InputKey>& key = (*at)->key;
    bool same = (*at)->stays == stays;
    for (size_t i = 0; same && i < inputs.size(); ++i) same = matches(key[i], inputs[i], value_inputs_[i]);
    if (!same) continue;
    if (at != entries_.begin()) entries_.splice(entries_.begin(), entries_, at);
    return entries_.front();
  }
  std::vector<InputKey> keys;
  for (size_t i = 0; i < inputs.size(); ++i) {
    InputKey key;
    key.kind = inputs[i].kind();
    key.dtype = inputs[i].dtype();
    key.shape = inputs[i].shape();
    key.on_device = inputs[i].memory() != nullptr;
    if (value_inputs_[i] && keyed(inputs[i])) {
      WEFT_TRY(key.value, inputs[i].copy());
    }
    keys.push_back(std::move(key));
  }
  return add_entry(std::move(keys), stays);
}

std::vector<bool> Executable::which_stay(const std::vector<Tensor>& outputs) const {
  std::vector<bool> stays = options_.device_outputs;
  if (options_.device == nullptr) return stays;
  stays.resize(program_.outputs.size(), false);
  for (size_t k = 0; k < outputs.size() && k < stays.size(); ++k) {
    if (outputs[k].buffer() != nullptr) stays[k] = outputs[k].memory() == options_.device.get();
  }
  return stays;
}

Status Executable::plan_ahead(std::vector<InputKey> inputs) {
  if (std::find(value_inputs_.begin(), value_inputs_.end(), true) != value_inputs_.end()) return {};
  std::lock_guard lock(mutex_);
  if (!entries_.empty()) return {};
  return add_entry(std::move(inputs), which_stay({})).status();
}

// With the mutex held.
Result<std::shared_ptr<Executable::Entry>> Executable::add_entry(std::vector<InputKey> keys,
                                                                 const std::vector<bool>& stays) {
  auto entry = std::make_shared<Entry>();
  entry->key = std::move(keys);
  entry->stays = stays;
  PlanOptions for_plan = options_;
  for_plan.device_outputs = stays;
  WEFT_TRY(entry->plan, make_plan(program_, entry->key, kernels_, for_plan));
  if (options_.form_cache != nullptr) options_.form_cache->remember();
  const Plan& plan = *entry->plan;
  if (plan.rest != nullptr) {
    PlanOptions options = options_;
    options.device_outputs.clear();
    for (int32_t k : plan.rest_results) {
      options.device_outputs.push_back(static_cast<size_t>(k) < stays.size() && stays[static_cast<size_t>(k)]);
    }
    entry->rest = std::make_shared<Executable>(*plan.rest, kernels_, std::move(options), static_cast<int>(max_plans_));
  }
  for (const TensorStep& step : plan.tensor_steps) {
    entry->branches.emplace_back();
    for (const Program& branch : step.branches) {
      PlanOptions options = options_;
      options.device_outputs.clear();
      entry->branches.back().push_back(
          std::make_shared<Executable>(branch, kernels_, std::move(options), static_cast<int>(max_plans_)));
    }
  }
  entries_.push_front(entry);
  if (entries_.size() > max_plans_) entries_.pop_back();
  return entry;
}

Result<std::shared_ptr<const Plan>> Executable::plan_for(const std::vector<Tensor>& inputs,
                                                         const std::vector<Tensor>& outputs) {
  std::vector<Tensor> keyed_by = inputs;
  WEFT_CHECK(move_values(value_inputs_, &keyed_by));
  WEFT_TRY(std::shared_ptr<Entry> entry, entry_for(keyed_by, which_stay(outputs)));
  return entry->plan;
}

void Executable::trim() {
  std::lock_guard lock(mutex_);
  entries_.clear();
}

int64_t Executable::plan_count() {
  std::lock_guard lock(mutex_);
  return static_cast<int64_t>(entries_.size());
}

std::vector<PlanSummary> Executable::summaries() {
  std::vector<PlanSummary> found;
  std::vector<std::shared_ptr<Entry>> entries = kept();
  for (const std::shared_ptr<Entry>& entry : entries) {
    PlanSummary summary;
    for (const InputKey& key : entry->key) summary.inputs.push_back(cat(dtype_name(key.dtype), shape_text(key.shape)));
    std::vector<std::shared_ptr<Entry>> open{entry};
    while (!open.empty()) {
      const std::shared_ptr<Entry> next = std::move(open.back());
      open.pop_back();
      next->count_into(&summary);
      std::vector<std::shared_ptr<Executable>> parts;
      if (next->rest != nullptr) parts.push_back(next->rest);
      for (const auto& branches : next->branches) parts.insert(parts.end(), branches.begin(), branches.end());
      for (const std::shared_ptr<Executable>& part : parts) {
        for (std::shared_ptr<Entry>& inner : part->kept()) open.push_back(std::move(inner));
      }
    }
    found.push_back(std::move(summary));
  }
  return found;
}

std::vector<std::shared_ptr<Executable::Entry>> Executable::kept() {
  std::lock_guard lock(mutex_);
  return {entries_.begin(), entries_.end()};
}

Status Executable::run_tensor_step(Entry& entry, size_t index, const ExecOptions& options,
                                   std::vector<Tensor>& values) {
  const TensorStep& step = entry.plan->tensor_steps[index];
  std::vector<Tensor> in, out(step.outputs.size());
  for (int32_t id : step.inputs) in.push_back(id < 0 ? Tensor() : values[id]);
  const bool branch = step.op->name() == "If" && step.op->domain().empty(), control = !step.branches.empty();
  const size_t taken_here = !control ? in.size() : branch ? 1 : 0;  // what sub-graphs take may stay where it is
  for (size_t i = 0; i < taken_here; ++i) {
    WEFT_TRY(in[i], in[i].moved_to(nullptr));
  }
  if (branch) {
    if (in[0].count() != 1) return invalid("the condition must have one element but is ", in[0].summary());
    const bool taken = says_true(in[0]);
    std::string_view wanted = taken ? "then_branch" : "else_branch";
    size_t b = std::find(step.branch_names.begin(), step.branch_names.end(), wanted) - step.branch_names.begin();
    std::vector<Tensor> arguments;
    for (int32_t id : step.branch_inputs[b]) arguments.push_back(values[id]);
    WEFT_CHECK(entry.branches[index][b]->run(arguments, options, &out));
    out.resize(step.outputs.size());  // the node may want fewer than the branch gives
  } else if (control) {
    std::vector<Tensor> captured;
    for (int32_t id : step.branch_inputs[0]) captured.push_back(values[id]);
    in.resize(step.schema_inputs);
    LoopRun loop(step, *entry.branches[index][0], std::move(captured), options);
    WEFT_CHECK(loop.run(std::move(in), &out));
  } else if (step.kernel.run_tensors != nullptr) {
    TensorArgs args{in, out, &options.parallel};
    WEFT_CHECK(step.kernel.run_tensors(step.kernel.state.get(), args));
  } else {
    const std::string& name = step.attrs.s("name");
    std::shared_ptr<const HostFunction> function = find_host_function(name);
    if (function == nullptr) {
      return failed_precondition("the host function '", name, "' is not registered in this process");
    }
    // Not to be written: they are constants, variables, what the caller fed and what other nodes read.
    for (Tensor& input : in) input = input.read_only();
    WEFT_CHECK(function->call(function->user, in, &out));
    if (out.size() != step.outputs.size()) {
      return invalid("host function '", name, "' gave ", out.size(), " outputs but must give ", step.outputs.size());
    }
    for (size_t i = 0; i < out.size(); ++i) {
      WEFT_CHECK(check_type(out[i], step.output_types[i], "output of host function", name));
      WEFT_TRY(out[i], out[i].moved_to(nullptr));  // it may lie on a device that is not the session's
    }
  }
  for (size_t i = 0; i < out.size(); ++i) values[step.outputs[i]] = std::move(out[i]);
  return {};
}

Status Executable::run(std::vector<Tensor> inputs, const ExecOptions& options, std::vector<Tensor>* outputs) {
  // The rest of a plan is an executable of its own: run one after another, not one inside the other.
  Executable* current = this;
  std::shared_ptr<Executable> owner;  // of `current`, once it is a rest
  std::shared_ptr<Entry> entry;
  std::vector<Tensor> arguments = std::move(inputs);
  std::vector<int32_t> wanted;  // the caller's output that output k of `current` is
  for (size_t k = 0; k < program_.outputs.size(); ++k) wanted.push_back(static_cast<int32_t>(k));
  outputs->resize(program_.outputs.size());
  const std::shared_ptr<Device>& device = options_.device;
  const std::vector<bool> stays = which_stay(*outputs);
  for (;;) {
    if (device != nullptr) WEFT_CHECK(move_values(current->value_inputs_, &arguments));
    // What is left of a plan has outputs of its own, and was told where they go.
    WEFT_TRY(std::shared_ptr<Entry> next,
             current->entry_for(arguments, current == this ? stays : current->which_stay({})));
    entry = std::move(next);
    const Plan& plan = *entry->plan;
    std::vector<Tensor> values(plan.value_count);
    std::move(arguments.begin(), arguments.end(), values.begin());
    // Flat outputs that are program outputs go straight to where the caller wants them.
    std::vector<int32_t> target(plan.outputs.size(), -1);
    for (size_t k = 0; k < plan.results.size(); ++k) {
      int32_t slot = plan.results[k] - static_cast<int32_t>(plan.inputs.size());
      if (slot >= 0 && slot < static_cast<int32_t>(plan.outputs.size())) target[slot] = wanted[k];
    }
    WEFT_TRY(std::unique_ptr<Frame> frame, entry->acquire());
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      if (!plan.inputs[i].args.empty()) frame->bind_input(static_cast<int>(i), values[i].data());
    }
    for (size_t slot = 0; slot < plan.outputs.size(); ++slot) {
      Tensor& value = values[plan.inputs.size() + slot];
      const Binding& binding = plan.outputs[slot];
      Tensor* given = target[slot] >= 0 ? &(*outputs)[target[slot]] : nullptr;
      if (given != nullptr && !given->empty()) {
        if (given->dtype() != binding.dtype || given->shape() != binding.shape) {
          return invalid("an output is ", dtype_name(binding.dtype), shape_text(binding.shape), " but was bound to ",
                         given->summary());
        }
        value = *given;
      } else {
        Result<Tensor> made = Tensor::make_in(binding.on_device ? device : nullptr, binding.dtype, binding.shape);
        if (!made.ok()) return plan.at_step(binding.step, made.status());
        value = std::move(*made);
      }
      frame->bind_output(static_cast<int>(slot), value.mutable_data());
    }
    Status status = frame->run(options);
    entry->release(std::move(frame));
    WEFT_CHECK(status);
    for (const auto& [index, constant] : plan.constant_values) values[index] = constant;
    for (size_t t = 0; t < plan.tensor_steps.size(); ++t) {
      if (options.stop != nullptr) WEFT_CHECK(options.stop->check());
      const StepInfo& info = plan.tensor_steps[t].info;
      int64_t begin = options.trace != nullptr ? monotonic_ns() : 0;
      WEFT_CHECK(current->run_tensor_step(*entry, t, options, values).at(info.node, info.op, info.origin));
      if (options.trace != nullptr) options.trace->add(info, begin, monotonic_ns());
    }
    // A loop that was stopped halfway left its results unfinished.
    if (options.stop != nullptr) WEFT_CHECK(options.stop->check());
    for (size_t k = 0; k < plan.results.size(); ++k) {
      if (plan.results[k] < 0) continue;
      const auto out = static_cast<size_t>(wanted[k]);
      const bool stay = out < stays.size() && stays[out];
      WEFT_CHECK(hand_over(values[plan.results[k]], stay ? device : nullptr, &(*outputs)[out]));
    }
    if (entry->rest == nullptr) return {};
    std::vector<Tensor> next_arguments;
    for (int32_t id : plan.rest_inputs) next_arguments.push_back(values[id]);
    std::vector<int32_t> next_wanted;
    for (int32_t k : plan.rest_results) next_wanted.push_back(wanted[k]);
    arguments = std::move(next_arguments);
    wanted = std::move(next_wanted);
    owner = entry->rest;
    current = owner.get();
  }
}

}  // namespace weft
