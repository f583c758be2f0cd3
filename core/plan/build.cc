// Makes a plan: puts shapes in, and sorts nodes into the flat part, tensor steps and the rest.
#include <algorithm>

#include "core/base/thread_pool.h"
#include "core/graph/walk.h"
#include "core/plan/fuse.h"
#include "core/plan/memory.h"
#include "core/plan/plan.h"

namespace weft {

namespace {

constexpr int32_t kNone = -1;

class Builder {
 public:
  Builder(Program program, std::vector<Side> input_sides, const KernelRegistry& kernels, const PlanOptions& options)
      : program_(std::move(program)),
        graph_(*program_.graph),
        input_sides_(std::move(input_sides)),
        kernels_(kernels),
        options_(options) {
    plan_->device = options.device;
  }

  Result<std::shared_ptr<const Plan>> build() {
    WEFT_CHECK(sort_nodes());
    WEFT_CHECK(check_progress());
    choose_flat_outputs();
    WEFT_CHECK(fuse(kernels_, Side::kHost));
    if (options_.device != nullptr) WEFT_CHECK(fuse(*options_.device_kernels, Side::kDevice));
    Placement placement(graph_, program_.inputs, input_sides_, options_.device != nullptr);
    placement.run(flat_, drafts_);
    // Steps of a device are put on its stream in one order.
    const bool side_by_side = options_.rewrite.branches && options_.device == nullptr;
    WEFT_CHECK(lay_out_memory(program_, input_sides_, flat_, placement, side_by_side, std::move(drafts_), plan_.get()));
    make_tensor_steps();
    WEFT_CHECK(make_branches());
    WEFT_CHECK(make_rest());
    return std::shared_ptr<const Plan>(std::move(plan_));
  }

 private:
  enum class Where { kUnknown, kInput, kConstant, kFlat, kTensor, kRest };

  // -- Which node goes where.
  Status sort_nodes() {
    where_.assign(graph_.value_count(), Where::kUnknown);
    for (ValueId id : program_.inputs) where_[id] = Where::kInput;
    for (NodeId id : ordered_nodes(graph_, nearest_first(graph_, program_.outputs), {}, false)) {
      const Node& node = graph_.node(id);
      if (node.is(kWeftDomain, "Input")) continue;
      if (node.is("Constant")) {
        where_[node.first_output] = Where::kConstant;
        continue;
      }
      Where place = Where::kRest;
      PreparedKernel kernel;
      Side side = Side::kHost;
      if (inputs_ready(node, false) && outputs_concrete(node) && !needs_tensors(node) && !waits_for_values(node)) {
        place = Where::kFlat;
        if (!node.op->is_view()) {
          if (on_device(node)) side = Side::kDevice;
          WEFT_CHECK(prepare(node, side, &kernel));
          if (kernel.run == nullptr) place = Where::kTensor;
        }
      } else if (needs_tensors(node) && inputs_ready(node, true) && shapes_known(node)) {
        place = Where::kTensor;
        if (!executed_by_executor(node)) {
          WEFT_CHECK(prepare(node, Side::kHost, &kernel));
          if (kernel.run_tensors == nullptr) {
            return internal_error("the kernel of ", node.op->full_name(), " must work on tensors")
                .at(node.name, node.op->full_name(), node.origin);
          }
        }
      }
      const bool on_cpu = (place == Where::kFlat && side == Side::kHost && !node.op->is_view()) ||
                          (place == Where::kTensor && !has_bodies(node));
      if (on_cpu && options_.device_only) {
        return unimplemented("device '", options_.device->name(),
                             "' has no kernel for it, and option 'device_only' keeps it from the CPU")
            .at(node.name, node.op->full_name(), node.origin);
      }
      for (int i = 0; i < node.output_count; ++i) where_[node.output(i)] = place;
      if (place == Where::kFlat) {
        add_draft(node, side, std::move(kernel));
      } else if (place == Where::kTensor) {
        tensor_nodes_.emplace_back(&node, std::move(kernel));
      } else {
        rest_nodes_.push_back(&node);
      }
    }
    return {};
  }

  bool on_device(const Node& node) const {
    return options_.device != nullptr &&
           options_.device_kernels->accepts(node.op->full_name(), kernel_context(graph_, node));
  }

  // A kernel may need the values of an input though they decide no shape, as where a gradient is put into zeros. If this
  // plan computes them, the next one has them.
  bool waits_for_values(const Node& node) const {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      const Formal* formal = node.op->input_formal(static_cast<int>(i));
      if (id == kNoValue || where_[id] != Where::kFlat || formal == nullptr || !formal->shapes_outputs) continue;
      return !kernels_.accepts(node.op->full_name(), kernel_context(graph_, node));
    }
    return false;
  }

  Status prepare(const Node& node, Side side, PreparedKernel* kernel) const {
    const KernelRegistry& kernels = side == Side::kDevice ? *options_.device_kernels : kernels_;
    KernelContext context = kernel_context(graph_, node);
    context.set_form_cache(options_.form_cache.get());
    context.set_weight_dtype(options_.weight_dtype);
    return kernels.prepare(node.op->full_name(), context, options_.reference_kernels, kernel)
        .at(node.name, node.op->full_name(), node.origin);
  }

  Status fuse(const KernelRegistry& kernels, Side side) {
    if (!options_.rewrite.fuse_elementwise || options_.reference_kernels || !kernels.can_fuse()) return {};
    return fuse_drafts(graph_, kernels, side, flat_.ids, drafts_);
  }

  static bool executed_by_executor(const Node& node) {
    return node.is("If") || node.is("Loop") || node.is("Scan") || node.is(kWeftDomain, "HostCall");
  }

  // What it does is in sub-graphs, which are planned by themselves.
  static bool has_bodies(const Node& node) { return node.is("If") || node.is("Loop") || node.is("Scan"); }

  bool needs_tensors(const Node& node) const {
    if (node.op->sizes_own_outputs() || executed_by_executor(node)) return true;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      ValueId id = node.inputs[i];
      if (id != kNoValue && !is_plain(graph_.type(id)) && !looks_at_shape_alone(node, static_cast<int>(i))) return true;
    }
    for (int i = 0; i < node.output_count; ++i) {
      if (!is_plain(graph_.type(node.output(i)))) return true;
    }
    return false;
  }

  static bool looks_at_shape_alone(const Node& node, int input) {
    const Formal* formal = node.op->input_formal(input);
    return formal != nullptr && formal->shape_only;
  }

  bool inputs_ready(const Node& node, bool after_tensor_steps) const {
    return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
      if (id == kNoValue) return true;
      switch (where_[id]) {
        case Where::kInput:
        case Where::kConstant:
        case Where::kFlat: return true;
        case Where::kTensor: return after_tensor_steps;
        case Where::kUnknown:
        case Where::kRest: return false;
      }
      return false;
    });
  }

  bool outputs_concrete(const Node& node) const {
    for (int i = 0; i < node.output_count; ++i) {
      if (!graph_.type(node.output(i)).concrete()) return false;
    }
    return true;
  }

  // A kernel of tensors (of strings, say) that does not size its own outputs is prepared for their shapes. One of
  // sequences takes them as they come.
  bool shapes_known(const Node& node) const {
    if (node.op->sizes_own_outputs() || executed_by_executor(node)) return true;
    std::vector<ValueId> values = node.inputs;
    for (int i = 0; i < node.output_count; ++i) values.push_back(node.output(i));
    bool known = true;
    for (ValueId id : values) {
      if (id == kNoValue) continue;
      if (graph_.type(id).kind != Kind::kTensor) return true;
      known = known && graph_.type(id).concrete();
    }
    return known;
  }

  void add_draft(const Node& node, Side side, PreparedKernel kernel) {
    Draft draft;
    draft.reads = draft.writes = side;
    draft.node = &node;
    draft.op = node.op->full_name();
    draft.inplace = node.op->inplace_pairs();
    draft.inputs = node.inputs;
    // A constant that the kernel has in a form of its own is not kept for it.
    for (int unused : kernel.unused_inputs) draft.inputs[unused] = kNoValue;
    // Strings whose shape alone is taken have no address.
    for (ValueId& id : draft.inputs) {
      if (id != kNoValue && !is_plain(graph_.type(id))) id = kNoValue;
    }
    for (int i = 0; i < node.output_count; ++i) draft.outputs.push_back(node.output(i));
    draft.kernel = std::move(kernel);
    drafts_.push_back(std::move(draft));
  }

  // Each plan must leave less to the next one.
  Status check_progress() const {
    if (rest_nodes_.empty() || !drafts_.empty() || !tensor_nodes_.empty()) return {};
    const Node& node = *rest_nodes_.front();
    return unimplemented("the shape of the outputs cannot be found from its inputs")
        .at(node.name, node.op->full_name(), node.origin);
  }

  // -- What the flat part hands on. Program outputs first, in order, so that a plan without more is `simple`.
  void choose_flat_outputs() {
    flat_.slot_of.assign(graph_.value_count(), kNone);
    plan_->results.assign(program_.outputs.size(), kNone);
    for (size_t k = 0; k < program_.outputs.size(); ++k) {
      ValueId id = program_.outputs[k];
      bool flat = where_[id] == Where::kFlat;
      bool copied = is_plain(graph_.type(id)) && (where_[id] == Where::kInput || where_[id] == Where::kConstant);
      if (!flat && !copied) continue;
      const bool stays = k < options_.device_outputs.size() && options_.device_outputs[k];
      int32_t slot = add_flat_output(id, stays ? Side::kDevice : Side::kHost);
      plan_->results[k] = slot;  // turned into a value's index below
      if (flat && flat_.slot_of[id] == kNone) {
        flat_.slot_of[id] = slot;
      } else {
        Draft draft;  // of a value that is there already, or made as another output
        draft.copied = id;
        draft.inputs = {id};
        draft.copy_to = slot;
        drafts_.push_back(std::move(draft));
      }
    }
    plan_->all_flat = flat_.ids.size() == program_.outputs.size();
    // What goes on from here stays on the side where it was made.
    std::vector<Side> made_on(graph_.value_count(), Side::kHost);
    for (size_t i = 0; i < program_.inputs.size(); ++i) made_on[program_.inputs[i]] = input_sides_[i];
    for (const Draft& draft : drafts_) {
      for (ValueId id : draft.outputs) made_on[id] = draft.is_view() ? made_on[draft.inputs[0]] : draft.writes;
    }
    auto hand_on = [&](const Node& node) {
      for (ValueId id : node.inputs) {
        if (id == kNoValue || where_[id] != Where::kFlat || flat_.slot_of[id] != kNone) continue;
        flat_.slot_of[id] = add_flat_output(id, made_on[id]);
      }
    };
    for (const auto& [node, kernel] : tensor_nodes_) hand_on(*node);
    for (const Node* node : rest_nodes_) hand_on(*node);
  }

  int32_t add_flat_output(ValueId id, Side side) {
    flat_.ids.push_back(id);
    flat_.sides.push_back(side);
    return static_cast<int32_t>(flat_.ids.size()) - 1;
  }

  // -- Tensors.
  // Inputs come first, then the flat part's outputs.
  void number_values() {
    value_index_.assign(graph_.value_count(), kNone);
    for (size_t i = 0; i < program_.inputs.size(); ++i) value_index_[program_.inputs[i]] = static_cast<int32_t>(i);
    for (size_t k = 0; k < flat_.ids.size(); ++k) {
      ValueId flat = flat_.ids[k];
      if (where_[flat] == Where::kFlat && flat_.slot_of[flat] == static_cast<int32_t>(k)) {
        value_index_[flat] = static_cast<int32_t>(program_.inputs.size() + k);
      }
    }
    plan_->value_count = static_cast<int32_t>(program_.inputs.size() + flat_.ids.size());
  }

  int32_t value_index(ValueId id) {
    if (id == kNoValue) return kNone;
    int32_t& index = value_index_[id];
    if (index == kNone) {
      index = plan_->value_count++;
      if (where_[id] == Where::kConstant) plan_->constant_values.emplace_back(index, *graph_.value(id).constant);
    }
    return index;
  }

  void make_tensor_steps() {
    number_values();
    for (auto& [node, kernel] : tensor_nodes_) {
      TensorStep step;
      step.op = node->op;
      step.attrs = node->attrs;
      const bool on_cpu = plan_->device != nullptr && !has_bodies(*node);
      step.info = {node->name, node->op->full_name(), node->origin, kernel.name, on_cpu};
      step.kernel = std::move(kernel);
      for (ValueId id : node->inputs) step.inputs.push_back(value_index(id));
      step.schema_inputs = node->schema_inputs;
      for (int i = 0; i < node->output_count; ++i) {
        step.outputs.push_back(value_index(node->output(i)));
        step.output_types.push_back(graph_.type(node->output(i)));
      }
      plan_->tensor_steps.push_back(std::move(step));
    }
    for (size_t k = 0; k < program_.outputs.size(); ++k) {
      ValueId id = program_.outputs[k];
      if (plan_->results[k] != kNone) {
        plan_->results[k] += static_cast<int32_t>(program_.inputs.size());
      } else if (where_[id] != Where::kRest) {
        plan_->results[k] = value_index(id);
      }
    }
  }

  Status make_branches() {
    for (size_t t = 0; t < tensor_nodes_.size(); ++t) {
      const Node& node = *tensor_nodes_[t].first;
      TensorStep& step = plan_->tensor_steps[t];
      size_t next = node.schema_inputs;
      for (const auto& [name, attr] : node.attrs) {
        if (attr.kind() != AttrKind::kGraph) continue;
        // What is known is part of the branch: its kernels prepare for it, and its values may decide shapes.
        std::vector<const Tensor*> known;
        std::vector<int32_t> inputs;
        for (size_t i = attr.graph()->captures().size(); i-- > 0; ++next) {
          known.push_back(graph_.value(node.inputs[next]).constant.get());
          if (known.back() == nullptr) inputs.push_back(step.inputs[next]);
        }
        WEFT_TRY(Program branch, subgraph_program(*attr.graph(), known));
        step.branch_names.push_back(name);
        step.branches.push_back(std::move(branch));
        step.branch_inputs.push_back(std::move(inputs));
      }
    }
    return {};
  }

  Status make_rest() {
    if (rest_nodes_.empty()) return {};
    plan_->rest = std::make_unique<Program>();
    Program& rest = *plan_->rest;
    WEFT_TRY(rest.graph, Graph::make(graph_.ops()));
    std::vector<ValueId> map(graph_.value_count(), kNoValue);
    for (const Node* node : rest_nodes_) {
      std::vector<ValueId> inputs;
      for (ValueId id : node->inputs) {
        if (id != kNoValue && map[id] == kNoValue) {
          if (where_[id] == Where::kConstant) {
            WEFT_TRY(map[id], rest.graph->add_constant(*graph_.value(id).constant));
          } else {
            ValueType type = graph_.type(id);
            type.ints = nullptr;
            WEFT_TRY(map[id],
                     rest.graph->add_input(graph_.value(id).name, std::move(type), graph_.producer(id).origin));
            rest.inputs.push_back(map[id]);
            plan_->rest_inputs.push_back(value_index(id));
          }
        }
        inputs.push_back(id == kNoValue ? kNoValue : map[id]);
      }
      WEFT_TRY(NodeId copy,
               rest.graph->add_node(*node->op, std::move(inputs), node->attrs, NodeOptions::copy_of(graph_, *node)));
      for (int i = 0; i < node->output_count; ++i) map[node->output(i)] = rest.graph->node(copy).output(i);
    }
    for (size_t k = 0; k < program_.outputs.size(); ++k) {
      if (where_[program_.outputs[k]] != Where::kRest) continue;
      rest.outputs.push_back(map[program_.outputs[k]]);
      plan_->rest_results.push_back(static_cast<int32_t>(k));
    }
    return {};
  }

  const Program program_;
  const Graph& graph_;
  const std::vector<Side> input_sides_;
  const KernelRegistry& kernels_;
  const PlanOptions& options_;
  std::shared_ptr<Plan> plan_ = std::make_shared<Plan>();
  std::vector<Where> where_;
  std::vector<Draft> drafts_;
  std::vector<std::pair<const Node*, PreparedKernel>> tensor_nodes_;
  std::vector<const Node*> rest_nodes_;
  FlatOutputs flat_;
  std::vector<int32_t> value_index_;
};

}  // namespace

std::vector<bool> value_inputs(const Program& program) {
  const Graph& graph = *program.graph;
  std::vector<bool> decides(graph.value_count(), false);
  for (NodeId id = graph.node_count(); id-- > 0;) {
    const Node& node = graph.node(id);
    // A view, which rewriting may take out, has the values of what it is of.
    if (node.op->is_view() && node.inputs[0] != kNoValue && decides[node.first_output]) decides[node.inputs[0]] = true;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Formal* formal = node.op->input_formal(static_cast<int>(i));
      if (node.inputs[i] != kNoValue && formal != nullptr && formal->shapes_outputs) decides[node.inputs[i]] = true;
    }
  }
  std::vector<bool> out;
  for (ValueId id : program.inputs) out.push_back(decides[id] && is_plain(graph.type(id)));
  return out;
}

namespace {

// Dimensions of equal names must be equal: an operator might broadcast a 1 without a word.
Status check_named_dims(const Program& program, const std::vector<InputKey>& inputs) {
  struct Seen {
    Dim dim;
    int64_t size;
    ValueId input;
  };
  std::vector<Seen> seen;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ValueType& type = program.graph->type(program.inputs[i]);
    if (inputs[i].kind != Kind::kTensor || !type.has_rank || type.dims.size() != inputs[i].shape.size()) continue;
    for (size_t d = 0; d < type.dims.size(); ++d) {
      const Dim& dim = type.dims[d];
      if (dim.known()) continue;
      int64_t size = inputs[i].shape[d];
      auto same = std::find_if(seen.begin(), seen.end(), [&](const Seen& other) { return other.dim == dim; });
      if (same == seen.end()) {
        seen.push_back({dim, size, program.inputs[i]});
      } else if (same->size != size) {
        return invalid("'", dim.text(), "' is ", size, " in '", program.graph->value(program.inputs[i]).name, "' ",
                       type.text(), " but ", same->size, " in '", program.graph->value(same->input).name, "' ",
                       program.graph->type(same->input).text());
      }
    }
  }
  return {};
}

}  // namespace

Status Plan::wait(Stream& stream) const {
  int32_t step = -1;
  const Status status = stream.wait(&step);
  return at_step(step, status);
}

Status Plan::at_step(int32_t step, const Status& status) const {
  if (status.ok() || step < 0 || step >= static_cast<int32_t>(infos.size())) return status;
  return status.at(infos[step].node, infos[step].op, infos[step].origin);
}

Result<std::shared_ptr<const Plan>> make_plan(const Program& program, const std::vector<InputKey>& inputs,
                                              const KernelRegistry& kernels, const PlanOptions& options) {
  const ThreadLimit limit(options.threads);
  WEFT_CHECK(check_named_dims(program, inputs));
  std::vector<KnownInput> known(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    ValueType type;
    type.kind = inputs[i].kind;
    type.dtype = inputs[i].dtype;
    if (inputs[i].kind == Kind::kTensor) {
      type.has_rank = true;
      type.dims = to_dims(inputs[i].shape);
    } else {
      type = program.graph->type(program.inputs[i]);
    }
    known[i].type = std::move(type);
    if (!inputs[i].value.empty()) known[i].value = &inputs[i].value;
  }
  const KernelRegistry& wanted = options.device != nullptr ? *options.device_kernels : kernels;
  WEFT_TRY(Program specialised, optimize(program, wanted, options.rewrite, known));
  std::vector<Side> sides;
  for (const InputKey& input : inputs) sides.push_back(input.on_device ? Side::kDevice : Side::kHost);
  return Builder(std::move(specialised), std::move(sides), kernels, options).build();
}

}  // namespace weft
