// Makes a plan: puts shapes in, sorts nodes into the flat part, tensor steps and the rest, and gives values places.
#include <algorithm>
#include <cstring>
#include <limits>

#include "core/plan/plan.h"

namespace weft {

namespace {

constexpr int32_t kNone = -1;
constexpr int32_t kForever = std::numeric_limits<int32_t>::max();

bool plain(const ValueType& type) { return type.kind == Kind::kTensor && type.dtype != DType::kString; }

struct CopyState {
  int64_t bytes;
};
void copy_bytes(const CopyState& state, const RunArgs& args) {
  if (state.bytes > 0) std::memcpy(args.out[0], args.in[0], state.bytes);
}

class Builder {
 public:
  Builder(Program program, const KernelRegistry& kernels, const PlanOptions& options)
      : program_(std::move(program)), graph_(*program_.graph), kernels_(kernels), options_(options) {}

  Result<std::shared_ptr<const Plan>> build() {
    WEFT_CHECK(sort_nodes());
    WEFT_CHECK(check_progress());
    choose_flat_outputs();
    alias_views();
    reuse_dying_inputs();
    WEFT_CHECK(place_outputs());
    lay_out_frame();
    make_tensor_steps();
    WEFT_CHECK(make_branches());
    WEFT_CHECK(make_rest());
    return std::shared_ptr<const Plan>(std::move(plan_));
  }

 private:
  enum class Where { kUnknown, kInput, kConstant, kFlat, kTensor, kRest };

  // A step of the flat part before it has addresses. A copy has no node.
  struct Draft {
    const Node* node = nullptr;
    std::vector<ValueId> inputs;
    std::vector<ValueId> outputs;
    PreparedKernel kernel;
    ValueId copied = kNoValue;
    int32_t copy_to = kNone;  // a flat output
  };

  // What shares one stretch of memory.
  struct Storage {
    enum class Kind { kArena, kInput, kConstant, kOutput } kind = Kind::kArena;
    int32_t index = kNone;  // of the input, constant or flat output
    int64_t bytes = 0;
    int32_t begin = kForever, end = kNone;
  };

  // -- Which node goes where.
  Status sort_nodes() {
    where_.assign(graph_.value_count(), Where::kUnknown);
    for (ValueId id : program_.inputs) where_[id] = Where::kInput;
    for (NodeId id : ordered_nodes(graph_, program_.outputs, {}, false)) {
      const Node& node = graph_.node(id);
      if (node.is(kWeftDomain, "Input")) continue;
      if (node.is("Constant")) {
        where_[node.first_output] = Where::kConstant;
        continue;
      }
      Where place = Where::kRest;
      PreparedKernel kernel;
      if (inputs_ready(node, false) && outputs_concrete(node) && !needs_tensors(node)) {
        place = Where::kFlat;
        if (!node.op->is_view()) {
          WEFT_CHECK(
              kernels_.prepare(node.op->full_name(), kernel_context(graph_, node), options_.reference_kernels, &kernel)
                  .at(node.name, node.op->full_name(), node.origin));
          if (kernel.run == nullptr) place = Where::kTensor;
        }
      } else if (needs_tensors(node) && inputs_ready(node, true) && shapes_known(node)) {
        place = Where::kTensor;
        if (!executed_by_executor(node)) {
          WEFT_CHECK(
              kernels_.prepare(node.op->full_name(), kernel_context(graph_, node), options_.reference_kernels, &kernel)
                  .at(node.name, node.op->full_name(), node.origin));
          if (kernel.run_tensors == nullptr) {
            return internal_error("the kernel of ", node.op->full_name(), " must work on tensors")
                .at(node.name, node.op->full_name(), node.origin);
          }
        }
      }
      for (int i = 0; i < node.output_count; ++i) where_[node.output(i)] = place;
      if (place == Where::kFlat) {
        add_draft(node, std::move(kernel));
      } else if (place == Where::kTensor) {
        tensor_nodes_.emplace_back(&node, std::move(kernel));
      } else {
        rest_nodes_.push_back(&node);
      }
    }
    return {};
  }

  static bool executed_by_executor(const Node& node) { return node.is("If") || node.is(kWeftDomain, "HostCall"); }

  bool needs_tensors(const Node& node) const {
    if (node.op->sizes_own_outputs() || executed_by_executor(node)) return true;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      ValueId id = node.inputs[i];
      if (id != kNoValue && !plain(graph_.type(id)) && !shape_only(node, static_cast<int>(i))) return true;
    }
    for (int i = 0; i < node.output_count; ++i) {
      if (!plain(graph_.type(node.output(i)))) return true;
    }
    return false;
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

  void add_draft(const Node& node, PreparedKernel kernel) {
    Draft draft;
    draft.node = &node;
    draft.inputs = node.inputs;
    // A constant that the kernel has in a form of its own is not kept for it.
    for (int unused : kernel.unused_inputs) draft.inputs[unused] = kNoValue;
    // Strings whose shape alone is taken have no address.
    for (ValueId& id : draft.inputs) {
      if (id != kNoValue && !plain(graph_.type(id))) id = kNoValue;
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
    output_of_.assign(graph_.value_count(), kNone);
    plan_->results.assign(program_.outputs.size(), kNone);
    for (size_t k = 0; k < program_.outputs.size(); ++k) {
      ValueId id = program_.outputs[k];
      bool flat = where_[id] == Where::kFlat;
      bool copied = plain(graph_.type(id)) && (where_[id] == Where::kInput || where_[id] == Where::kConstant);
      if (!flat && !copied) continue;
      int32_t slot = static_cast<int32_t>(flat_outputs_.size());
      flat_outputs_.push_back(id);
      plan_->results[k] = slot;  // turned into a value's index below
      if (flat && output_of_[id] == kNone) {
        output_of_[id] = slot;
      } else {
        add_copy(id, slot);
      }
    }
    plan_->all_flat = flat_outputs_.size() == program_.outputs.size();
    auto hand_on = [&](const Node& node) {
      for (ValueId id : node.inputs) {
        if (id == kNoValue || where_[id] != Where::kFlat || output_of_[id] != kNone) continue;
        output_of_[id] = static_cast<int32_t>(flat_outputs_.size());
        flat_outputs_.push_back(id);
      }
    };
    for (const auto& [node, kernel] : tensor_nodes_) hand_on(*node);
    for (const Node* node : rest_nodes_) hand_on(*node);
  }

  void add_copy(ValueId id, int32_t slot) {
    Draft draft;
    draft.inputs = {id};
    draft.copied = id;
    draft.copy_to = slot;
    draft.kernel.use<&copy_bytes>(CopyState{bytes_of(id)});
    draft.kernel.name = "copy";
    drafts_.push_back(std::move(draft));
  }

  int64_t bytes_of(ValueId id) const {
    const ValueType& type = graph_.type(id);
    int64_t count = 1;
    for (const Dim& dim : type.dims) count *= dim.value();
    return dtype_bytes(type.dtype, count);
  }

  // -- Memory. Views share their input's storage and take no step.
  void alias_views() {
    storage_of_.assign(graph_.value_count(), kNone);
    for (size_t i = 0; i < program_.inputs.size(); ++i) {
      if (!plain(graph_.type(program_.inputs[i]))) continue;
      storage_of_[program_.inputs[i]] = new_storage(Storage::Kind::kInput, static_cast<int32_t>(i), 0);
    }
    std::vector<Draft> kept;
    for (Draft& draft : drafts_) {
      for (ValueId id : draft.inputs) {
        if (id != kNoValue && where_[id] == Where::kConstant && storage_of_[id] == kNone) {
          storage_of_[id] = new_storage(Storage::Kind::kConstant, static_cast<int32_t>(plan_->constants.size()), 0);
          plan_->constants.push_back(*graph_.value(id).constant);
        }
      }
      if (draft.node != nullptr && draft.node->op->is_view()) {
        storage_of_[draft.outputs[0]] = storage_of_[draft.inputs[0]];
        continue;
      }
      for (ValueId id : draft.outputs) storage_of_[id] = new_storage(Storage::Kind::kArena, kNone, bytes_of(id));
      kept.push_back(std::move(draft));
    }
    drafts_ = std::move(kept);
    // A value that is handed on but lies in an input or constant, or with another one handed on, needs a copy.
    std::vector<bool> claimed(storages_.size(), false);
    for (size_t slot = 0; slot < flat_outputs_.size(); ++slot) {
      ValueId id = flat_outputs_[slot];
      if (output_of_[id] != static_cast<int32_t>(slot)) continue;  // copied already
      Storage& storage = storages_[storage_of_[id]];
      if (storage.kind == Storage::Kind::kArena && !claimed[storage_of_[id]]) {
        claimed[storage_of_[id]] = true;
        storage.kind = Storage::Kind::kOutput;
        storage.index = static_cast<int32_t>(slot);
      } else {
        add_copy(id, static_cast<int32_t>(slot));
      }
    }
    for (size_t s = 0; s < drafts_.size(); ++s) {
      const Draft& draft = drafts_[s];
      for (size_t i = 0; i < draft.inputs.size(); ++i) {
        if (draft.inputs[i] != kNoValue && reads(draft, static_cast<int>(i))) touch(draft.inputs[i], s);
      }
      for (ValueId id : draft.outputs) touch(id, s);
    }
    for (Storage& storage : storages_) {
      if (storage.kind == Storage::Kind::kOutput) storage.end = kForever;
    }
  }

  static bool reads(const Draft& draft, int input) { return draft.node == nullptr || !shape_only(*draft.node, input); }
  static bool shape_only(const Node& node, int input) {
    const Formal* formal = node.op->input_formal(input);
    return formal != nullptr && formal->shape_only;
  }

  int32_t new_storage(Storage::Kind kind, int32_t index, int64_t bytes) {
    Storage storage;
    storage.kind = kind;
    storage.index = index;
    storage.bytes = bytes;
    storages_.push_back(storage);
    return static_cast<int32_t>(storages_.size()) - 1;
  }

  void touch(ValueId id, size_t step) {
    Storage& storage = storages_[storage_of_[id]];
    int32_t at = static_cast<int32_t>(step);
    storage.begin = std::min(storage.begin, at);
    if (storage.end != kForever) storage.end = std::max(storage.end, at);
  }

  // An output takes over the place of an input that dies in the same step, where the operator allows it.
  void reuse_dying_inputs() {
    merged_.resize(storages_.size());
    for (size_t i = 0; i < merged_.size(); ++i) merged_[i] = static_cast<int32_t>(i);
    for (size_t s = 0; s < drafts_.size(); ++s) {
      const Draft& draft = drafts_[s];
      if (draft.node == nullptr) continue;
      for (auto [out, in] : draft.node->op->inplace_pairs()) {
        if (out >= static_cast<int>(draft.outputs.size()) || in >= static_cast<int>(draft.inputs.size())) continue;
        if (draft.inputs[in] == kNoValue) continue;
        int32_t from = root(draft.inputs[in]), to = root(draft.outputs[out]);
        Storage& dying = storages_[from];
        Storage& born = storages_[to];
        if (from == to || dying.kind != Storage::Kind::kArena || dying.end != static_cast<int32_t>(s)) continue;
        if (dying.bytes != born.bytes || born.bytes == 0 || born.begin != static_cast<int32_t>(s)) continue;
        if (shared_elsewhere(draft, out, in, from)) continue;
        born.begin = dying.begin;
        merged_[from] = to;
      }
    }
  }

  // Another input or output of the step lies in the same place, and the operator does not say that it may.
  bool shared_elsewhere(const Draft& draft, int out, int in, int32_t storage) {
    for (size_t i = 0; i < draft.inputs.size(); ++i) {
      int other = static_cast<int>(i);
      if (other == in || draft.inputs[i] == kNoValue || root(draft.inputs[i]) != storage) continue;
      const auto& pairs = draft.node->op->inplace_pairs();
      if (std::find(pairs.begin(), pairs.end(), std::pair(out, other)) == pairs.end()) return true;
    }
    for (size_t i = 0; i < draft.outputs.size(); ++i) {
      if (static_cast<int>(i) != out && root(draft.outputs[i]) == storage) return true;
    }
    return false;
  }

  int32_t root(ValueId id) {
    int32_t storage = storage_of_[id];
    while (merged_[storage] != storage) {
      merged_[storage] = merged_[merged_[storage]];  // halves the path, so that long chains stay cheap
      storage = merged_[storage];
    }
    return storage;
  }

  Status place_outputs() {
    std::vector<Lifetime> lifetimes;
    arena_index_.assign(storages_.size(), kNone);
    for (size_t i = 0; i < storages_.size(); ++i) {
      if (storages_[i].kind != Storage::Kind::kArena || merged_[i] != static_cast<int32_t>(i)) continue;
      if (storages_[i].begin == kForever) continue;
      arena_index_[i] = static_cast<int32_t>(lifetimes.size());
      lifetimes.push_back({storages_[i].bytes, storages_[i].begin, storages_[i].end});
    }
    first_scratch_ = lifetimes.size();
    for (size_t s = 0; s < drafts_.size(); ++s) {
      int32_t at = static_cast<int32_t>(s);
      lifetimes.push_back({drafts_[s].kernel.scratch_bytes, at, at});
    }
    WEFT_TRY(packing_, pack_lifetimes(lifetimes));
    plan_->arena_bytes = packing_.total_bytes;
    return {};
  }

  void lay_out_frame() {
    plan_->inputs.resize(program_.inputs.size());
    plan_->outputs.resize(flat_outputs_.size());
    auto describe = [&](Binding& binding, ValueId id) {
      const ValueType& type = graph_.type(id);
      binding.dtype = type.dtype;
      if (type.concrete()) binding.shape = to_shape(type.dims);
    };
    for (size_t i = 0; i < program_.inputs.size(); ++i) describe(plan_->inputs[i], program_.inputs[i]);
    for (size_t i = 0; i < flat_outputs_.size(); ++i) describe(plan_->outputs[i], flat_outputs_[i]);
    for (size_t s = 0; s < drafts_.size(); ++s) {
      Draft& draft = drafts_[s];
      Step step;
      step.run = draft.kernel.run;
      step.state = draft.kernel.state.get();
      step.in = address_count();
      for (ValueId id : draft.inputs) add_address(id);
      step.out = address_count();
      for (ValueId id : draft.outputs) add_address(id);
      if (draft.copy_to != kNone) add_bound(plan_->outputs[draft.copy_to]);
      step.scratch = address_count();
      add_offset(packing_.offsets[first_scratch_ + s]);
      plan_->steps.push_back(step);
      const Node& named = draft.node != nullptr ? *draft.node : graph_.producer(draft.copied);
      plan_->infos.push_back(
          {named.name, draft.node != nullptr ? draft.node->op->full_name() : "copy", named.origin, draft.kernel.name});
      plan_->kernels.push_back(std::move(draft.kernel));
    }
  }

  int32_t address_count() const { return static_cast<int32_t>(plan_->fixed.size()); }
  void add_fixed(const void* address) {
    plan_->fixed.push_back(address);
    plan_->offsets.push_back(-1);
  }
  void add_offset(int64_t offset) {
    plan_->fixed.push_back(nullptr);
    plan_->offsets.push_back(offset);
  }
  void add_bound(Binding& binding) {
    binding.args.push_back(address_count());
    add_fixed(nullptr);
  }
  void add_address(ValueId id) {
    if (id == kNoValue) return add_fixed(nullptr);
    int32_t index = root(id);
    const Storage& storage = storages_[index];
    switch (storage.kind) {
      case Storage::Kind::kArena:
        if (arena_index_[index] == kNone) return add_fixed(nullptr);  // only its shape is looked at
        return add_offset(packing_.offsets[arena_index_[index]]);
      case Storage::Kind::kInput: return add_bound(plan_->inputs[storage.index]);
      case Storage::Kind::kConstant: return add_fixed(plan_->constants[storage.index].data());
      case Storage::Kind::kOutput: return add_bound(plan_->outputs[storage.index]);
    }
  }

  // -- Tensors.
  // Program inputs and flat outputs come first, whether or not anybody asks for their index.
  void index_first_values() {
    value_index_.assign(graph_.value_count(), kNone);
    for (size_t i = 0; i < program_.inputs.size(); ++i) value_index_[program_.inputs[i]] = static_cast<int32_t>(i);
    for (size_t k = 0; k < flat_outputs_.size(); ++k) {
      ValueId flat = flat_outputs_[k];
      if (where_[flat] == Where::kFlat && output_of_[flat] == static_cast<int32_t>(k)) {
        value_index_[flat] = static_cast<int32_t>(program_.inputs.size() + k);
      }
    }
    plan_->value_count = static_cast<int32_t>(program_.inputs.size() + flat_outputs_.size());
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
    index_first_values();
    for (auto& [node, kernel] : tensor_nodes_) {
      TensorStep step;
      step.op = node->op;
      step.attrs = node->attrs;
      step.info = {node->name, node->op->full_name(), node->origin, kernel.name};
      step.kernel = std::move(kernel);
      for (ValueId id : node->inputs) step.inputs.push_back(value_index(id));
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
        WEFT_TRY(Program branch, subgraph_program(*attr.graph()));
        std::vector<int32_t> inputs;
        for (size_t i = 0; i < attr.graph()->captures().size(); ++i) inputs.push_back(step.inputs[next++]);
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
      NodeOptions options;
      options.name = node->name;
      options.origin = node->origin;
      options.output_count = node->output_count;
      options.schema_inputs = node->schema_inputs;
      WEFT_TRY(NodeId copy, rest.graph->add_node(*node->op, std::move(inputs), node->attrs, std::move(options)));
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
  const KernelRegistry& kernels_;
  const PlanOptions& options_;
  std::unique_ptr<Plan> plan_ = std::make_unique<Plan>();
  std::vector<Where> where_;
  std::vector<Draft> drafts_;
  std::vector<std::pair<const Node*, PreparedKernel>> tensor_nodes_;
  std::vector<const Node*> rest_nodes_;
  std::vector<ValueId> flat_outputs_;
  std::vector<int32_t> output_of_;  // the flat output that a value is written to directly
  std::vector<int32_t> storage_of_;
  std::vector<Storage> storages_;
  std::vector<int32_t> merged_;
  std::vector<int32_t> arena_index_;
  size_t first_scratch_ = 0;
  Packing packing_;
  std::vector<int32_t> value_index_;
};

}  // namespace

std::vector<bool> value_inputs(const Program& program) {
  const Graph& graph = *program.graph;
  std::vector<bool> decides(graph.value_count(), false);
  for (NodeId id = 0; id < graph.node_count(); ++id) {
    const Node& node = graph.node(id);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Formal* formal = node.op->input_formal(static_cast<int>(i));
      if (node.inputs[i] != kNoValue && formal != nullptr && formal->shapes_outputs) decides[node.inputs[i]] = true;
    }
  }
  std::vector<bool> out;
  for (ValueId id : program.inputs) out.push_back(decides[id] && plain(graph.type(id)));
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

Result<std::shared_ptr<const Plan>> make_plan(const Program& program, const std::vector<InputKey>& inputs,
                                              const KernelRegistry& kernels, const PlanOptions& options) {
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
  WEFT_TRY(Program specialised, optimize(program, kernels, options.rewrite, known));
  return Builder(std::move(specialised), kernels, options).build();
}

}  // namespace weft
