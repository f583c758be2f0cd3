// Memory of a plan's flat part.
#include "core/plan/memory.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/base/cancel.h"
#include "core/plan/branches.h"

namespace weft {

namespace {

constexpr int32_t kNone = -1;
constexpr int32_t kForever = std::numeric_limits<int32_t>::max();
// A group must not make the arena grow by more than both.
constexpr int64_t kMostGrowthBytes = 4 << 20;
constexpr int64_t kMostGrowthShare = 4;  // a fourth

// The state is the plan: for the names of its steps.
void wait_for_stream(const void* state, const RunArgs& args) {
  *args.status = static_cast<const Plan*>(state)->wait(*args.stream);
}

class Layout {
 public:
  Layout(const Program& program, const std::vector<Side>& input_sides, const FlatOutputs& flat,
         const Placement& placement, bool side_by_side, std::vector<Draft> drafts, Plan* plan)
      : program_(program),
        graph_(*program.graph),
        input_sides_(input_sides),
        flat_(flat),
        placement_(placement),
        side_by_side_(side_by_side),
        drafts_(std::move(drafts)),
        plan_(plan) {}

  Status run() {
    WEFT_CHECK(alias_views());
    make_outputs();
    WEFT_CHECK(arrange({}));
    if (side_by_side_) WEFT_CHECK(group_branches());
    lay_out_frame();
    return {};
  }

 private:
  // What shares one stretch of memory.
  struct Storage {
    enum class Kind { kArena, kInput, kConstant, kOutput } kind = Kind::kArena;
    Side side = Side::kHost;
    int32_t index = kNone;  // of the input, constant or flat output
    int64_t bytes = 0;
    int32_t begin = kForever, end = kNone;
    int32_t from = 0;  // see Lifetime
  };

  // Views share their input's storage and take no step.
  Status alias_views() {
    storage_of_.assign(2 * static_cast<size_t>(graph_.value_count()), kNone);
    for (size_t i = 0; i < program_.inputs.size(); ++i) {
      const ValueId id = program_.inputs[i];
      if (!is_plain(graph_.type(id))) continue;
      storage_of(id, input_sides_[i]) = new_storage(Storage::Kind::kInput, input_sides_[i], static_cast<int32_t>(i), 0);
    }
    std::vector<Draft> kept;
    for (Draft& draft : drafts_) {
      for (ValueId id : draft.inputs) {
        if (id == kNoValue || graph_.value(id).constant == nullptr) continue;
        WEFT_CHECK(hold_constant(id, draft.reads));
        if (draft.is_view() && plan_->device != nullptr) WEFT_CHECK(hold_constant(id, Side::kDevice));
      }
      if (draft.is_view()) {
        for (Side side : {Side::kHost, Side::kDevice}) {
          storage_of(draft.outputs[0], side) = storage_of(draft.inputs[0], side);
        }
        continue;
      }
      for (ValueId id : draft.outputs) {
        storage_of(id, draft.writes) =
            new_storage(Storage::Kind::kArena, draft.writes, kNone, bytes_of(graph_.type(id)));
      }
      kept.push_back(std::move(draft));
    }
    drafts_ = std::move(kept);
    return {};
  }

  // On the side where it is read: both for a view, which either may read. All plans share what lies on the device.
  Status hold_constant(ValueId id, Side side) {
    int32_t& storage = storage_of(id, side);
    if (storage != kNone) return {};
    WEFT_TRY(Tensor constant, graph_.value(id).constant->shared_on(side == Side::kDevice ? plan_->device : nullptr));
    storage = new_storage(Storage::Kind::kConstant, side, static_cast<int32_t>(plan_->constants.size()), 0);
    plan_->constants.push_back(std::move(constant));
    return {};
  }

  // A value that is handed on but lies in an input or constant, on the other side, or with another one handed on, needs a
  // copy.
  void make_outputs() {
    std::vector<bool> claimed(storages_.size(), false);
    for (size_t k = 0; k < flat_.ids.size(); ++k) {
      const int32_t slot = static_cast<int32_t>(k);
      const ValueId id = flat_.ids[k];
      if (flat_.slot_of[id] != slot) continue;  // copied already
      const int32_t index = storage_of(id, flat_.sides[k]);
      if (index != kNone && storages_[index].kind == Storage::Kind::kArena && !claimed[index]) {
        claimed[index] = true;
        storages_[index].kind = Storage::Kind::kOutput;
        storages_[index].index = slot;
      } else {
        drafts_.push_back(placement_.copy_to_output(id, slot, flat_.sides[k]));
      }
    }
  }

  // Gives the steps their order, with the branches of each group side by side, and all that they need its place.
  Status arrange(const std::vector<FoundBranches>& groups) {
    order_.resize(drafts_.size());
    std::iota(order_.begin(), order_.end(), 0);
    beside_.clear();
    if (!groups.empty()) {
      for (int32_t s : order_) beside_.push_back({s, s, s});
    }
    for (const FoundBranches& group : groups) {
      int32_t at = group.begin;
      for (const std::vector<int32_t>& branch : group.branches) {
        const int32_t begin = at;
        for (int32_t step : branch) {
          beside_[at] = {group.begin, begin, group.end - 1};
          order_[at++] = step;
        }
      }
    }
    for (Storage& storage : storages_) {
      storage.begin = kForever;
      storage.end = kNone;
      storage.from = 0;
    }
    find_lifetimes();
    reuse_dying_inputs();
    return place_outputs();
  }

  Status group_branches() {
    std::vector<FoundBranches> groups = find_branches(branch_steps());
    if (groups.empty()) return {};
    const int64_t alone = plan_->arena_bytes;
    const int64_t most = alone + std::max(kMostGrowthBytes, alone / kMostGrowthShare);
    WEFT_CHECK(arrange(groups));
    while (plan_->arena_bytes > most) {
      groups.erase(std::max_element(groups.begin(), groups.end(), [&](const FoundBranches& a, const FoundBranches& b) {
        return bytes_made_in(a) < bytes_made_in(b);
      }));
      WEFT_CHECK(arrange(groups));
    }
    for (const FoundBranches& group : groups) plan_->groups.push_back(group_of(group));
    return {};
  }

  std::vector<BranchStep> branch_steps() {
    std::vector<int32_t> maker(storages_.size(), kNone);
    std::vector<BranchStep> steps;
    for (size_t s = 0; s < drafts_.size(); ++s) {
      const Draft& draft = drafts_[s];
      BranchStep step{draft.kernel.cost_ns, draft.kernel.most_threads, {}};
      for (size_t i = 0; i < draft.inputs.size(); ++i) {
        if (!draft.reads_input(i)) continue;
        const int32_t made_by = maker[storage_of(draft.inputs[i], draft.reads)];
        if (made_by != kNone) step.needs.push_back(made_by);
      }
      for (ValueId id : draft.outputs) maker[storage_of(id, draft.writes)] = static_cast<int32_t>(s);
      steps.push_back(std::move(step));
    }
    return steps;
  }

  int64_t bytes_made_in(const FoundBranches& group) {
    int64_t bytes = 0;
    for (int32_t s = group.begin; s < group.end; ++s) {
      bytes += drafts_[s].kernel.scratch_bytes;
      for (ValueId id : drafts_[s].outputs) bytes += storages_[storage_of(id, drafts_[s].writes)].bytes;
    }
    return bytes;
  }

  const Draft& draft_at(size_t step) const { return drafts_[order_[step]]; }
  // Where the group of a step begins; each step that is in none is one of its own.
  int32_t group_at(int32_t step) const { return beside_.empty() ? step : beside_[step].group; }

  void find_lifetimes() {
    for (size_t s = 0; s < drafts_.size(); ++s) {
      const Draft& draft = draft_at(s);
      for (size_t i = 0; i < draft.inputs.size(); ++i) {
        if (draft.reads_input(i)) touch(draft.inputs[i], draft.reads, s);
      }
      for (ValueId id : draft.outputs) touch(id, draft.writes, s);
    }
    // What the device is given to read must lie there until somebody has waited for that.
    size_t waited = drafts_.size();
    for (size_t s = drafts_.size(); s-- > 0;) {
      const Draft& draft = draft_at(s);
      if (draft.waits) waited = s;
      if (draft.reads == Side::kHost && draft.writes == Side::kDevice) touch(draft.inputs[0], Side::kHost, waited);
    }
    for (Storage& storage : storages_) {
      if (storage.kind == Storage::Kind::kOutput) storage.end = kForever;
    }
  }

  int32_t& storage_of(ValueId id, Side side) {
    return storage_of_[2 * static_cast<size_t>(id) + static_cast<size_t>(side)];
  }

  int32_t new_storage(Storage::Kind kind, Side side, int32_t index, int64_t bytes) {
    Storage storage;
    storage.kind = kind;
    storage.side = side;
    storage.index = index;
    storage.bytes = bytes;
    storages_.push_back(storage);
    return static_cast<int32_t>(storages_.size()) - 1;
  }

  void touch(ValueId id, Side side, size_t step) {
    Storage& storage = storages_[storage_of(id, side)];
    int32_t at = static_cast<int32_t>(step);
    storage.begin = std::min(storage.begin, at);
    // In ascending order, so that a step in another group is the first one there.
    if (storage.end == kNone || group_at(storage.end) != group_at(at)) storage.from = at;
    storage.end = std::max(storage.end, at);
  }

  // An output takes over the place of an input that dies in the same step, where the operator allows it.
  void reuse_dying_inputs() {
    merged_.resize(storages_.size());
    for (size_t i = 0; i < merged_.size(); ++i) merged_[i] = static_cast<int32_t>(i);
    for (size_t s = 0; s < drafts_.size(); ++s) {
      const Draft& draft = draft_at(s);
      for (auto [out, in] : draft.inplace) {
        if (out >= static_cast<int>(draft.outputs.size()) || in >= static_cast<int>(draft.inputs.size())) continue;
        if (draft.inputs[in] == kNoValue) continue;
        const int32_t from = root(draft.inputs[in], draft.reads), to = root(draft.outputs[out], draft.writes);
        if (from == kNone) continue;
        Storage& dying = storages_[from];
        Storage& born = storages_[to];
        if (from == to || dying.kind != Storage::Kind::kArena || dying.end != static_cast<int32_t>(s)) continue;
        if (dying.bytes != born.bytes || born.bytes == 0 || born.begin != static_cast<int32_t>(s)) continue;
        if (shared_elsewhere(draft, out, in, from)) continue;
        // Another branch may read it at the same time.
        if (!beside_.empty() && dying.from < beside_[s].branch) continue;
        born.begin = dying.begin;
        merged_[from] = to;
      }
    }
  }

  // Another input or output of the step lies in the same place, and the operator does not say that it may.
  bool shared_elsewhere(const Draft& draft, int out, int in, int32_t storage) {
    for (size_t i = 0; i < draft.inputs.size(); ++i) {
      int other = static_cast<int>(i);
      if (other == in || draft.inputs[i] == kNoValue || root(draft.inputs[i], draft.reads) != storage) continue;
      const auto& pairs = draft.inplace;
      if (std::find(pairs.begin(), pairs.end(), std::pair(out, other)) == pairs.end()) return true;
    }
    for (size_t i = 0; i < draft.outputs.size(); ++i) {
      if (static_cast<int>(i) != out && root(draft.outputs[i], draft.writes) == storage) return true;
    }
    return false;
  }

  // None of a value that is not on that side, as only its shape is looked at there.
  int32_t root(ValueId id, Side side) {
    int32_t storage = storage_of(id, side);
    if (storage == kNone) return kNone;
    while (merged_[storage] != storage) {
      merged_[storage] = merged_[merged_[storage]];  // halves the path, so that long chains stay cheap
      storage = merged_[storage];
    }
    return storage;
  }

  Status place_outputs() {
    place_of_.assign(storages_.size(), kNone);
    for (Side side : {Side::kHost, Side::kDevice}) WEFT_CHECK(pack(side));
    return {};
  }

  Status pack(Side side) {
    Arena& arena = arenas_[static_cast<size_t>(side)];
    std::vector<Lifetime> lifetimes;
    for (size_t i = 0; i < storages_.size(); ++i) {
      const Storage& storage = storages_[i];
      if (storage.side != side || storage.kind != Storage::Kind::kArena) continue;
      if (merged_[i] != static_cast<int32_t>(i) || storage.begin == kForever) continue;
      place_of_[i] = static_cast<int32_t>(lifetimes.size());
      lifetimes.push_back({storage.bytes, storage.begin, storage.end, storage.from});
    }
    arena.first_scratch = lifetimes.size();
    for (size_t s = 0; s < drafts_.size(); ++s) {
      int32_t at = static_cast<int32_t>(s);
      const Draft& draft = draft_at(s);
      lifetimes.push_back({draft.writes == side ? draft.kernel.scratch_bytes : 0, at, at, at});
    }
    WEFT_TRY(arena.packing, pack_lifetimes(lifetimes, beside_));
    (side == Side::kHost ? plan_->arena_bytes : plan_->device_arena_bytes) = arena.packing.total_bytes;
    return {};
  }

  void lay_out_frame() {
    plan_->inputs.resize(program_.inputs.size());
    plan_->outputs.resize(flat_.ids.size());
    auto describe = [&](Binding& binding, ValueId id, Side side) {
      binding.on_device = side == Side::kDevice;
      const ValueType& type = graph_.type(id);
      binding.dtype = type.dtype;
      if (type.concrete()) binding.shape = to_shape(type.dims);
    };
    for (size_t i = 0; i < program_.inputs.size(); ++i) {
      describe(plan_->inputs[i], program_.inputs[i], input_sides_[i]);
    }
    for (size_t i = 0; i < flat_.ids.size(); ++i) describe(plan_->outputs[i], flat_.ids[i], flat_.sides[i]);
    double unwatched_ns = kWatchEveryNs;
    for (size_t s = 0; s < drafts_.size(); ++s) {
      Draft& draft = drafts_[order_[s]];
      Step step;
      step.watched = unwatched_ns >= kWatchEveryNs;
      if (step.watched) unwatched_ns = 0;
      // A kernel that does not say what it costs may take long.
      unwatched_ns += draft.kernel.cost_ns > 0 ? draft.kernel.cost_ns : kWatchEveryNs;
      step.run = draft.waits ? &wait_for_stream : draft.kernel.run;
      step.state = draft.waits ? plan_ : draft.kernel.state.get();
      step.in = address_count();
      for (ValueId id : draft.inputs) add_address(id, draft.reads);
      step.out = address_count();
      for (ValueId id : draft.outputs) add_address(id, draft.writes);
      for (ValueId id : draft.outputs) note_output(id, draft.writes, static_cast<int32_t>(s));
      if (draft.copy_to != kNone) {
        add_bound(plan_->outputs[draft.copy_to]);
        plan_->outputs[draft.copy_to].step = static_cast<int32_t>(s);
      }
      note_room(draft, static_cast<int32_t>(s));
      if (!draft.waits && draft.reads == Side::kDevice && draft.writes == Side::kDevice)
        add_to_stretch(static_cast<int32_t>(s));
      step.scratch = address_count();
      const Arena& arena = arenas_[static_cast<size_t>(draft.writes)];
      add_offset(draft.writes, arena.packing.offsets[arena.first_scratch + s]);
      plan_->steps.push_back(step);
      const bool on_cpu =
          plan_->device != nullptr && !draft.waits && draft.copied == kNoValue && draft.writes == Side::kHost;
      StepInfo info{"", draft.op, "", draft.waits ? "wait" : draft.kernel.name, on_cpu};
      if (!draft.waits) {
        const Node& named = draft.node != nullptr ? *draft.node : graph_.producer(draft.copied);
        info.node = named.name;
        info.origin = named.origin;
      }
      plan_->infos.push_back(std::move(info));
      plan_->kernels.push_back(std::move(draft.kernel));
    }
  }

  void note_output(ValueId id, Side side, int32_t step) {
    if (id == kNoValue) return;
    const int32_t index = root(id, side);
    if (index != kNone && storages_[index].kind == Storage::Kind::kOutput) {
      plan_->outputs[storages_[index].index].step = step;
    }
  }

  void note_room(const Draft& draft, int32_t step) {
    int64_t bytes = draft.kernel.scratch_bytes;
    for (ValueId id : draft.outputs) {
      const int32_t index = id == kNoValue ? kNone : root(id, draft.writes);
      if (index != kNone && storages_[index].kind == Storage::Kind::kArena) bytes += storages_[index].bytes;
    }
    Largest& largest = draft.writes == Side::kHost ? plan_->largest : plan_->largest_on_device;
    if (bytes > largest.bytes) largest = {step, bytes};
  }

  void add_to_stretch(int32_t step) {
    auto& stretches = plan_->stretches;
    if (stretches.empty() || stretches.back().second != step)
      stretches.emplace_back(step, step + 1);
    else
      ++stretches.back().second;
  }

  int32_t address_count() const { return static_cast<int32_t>(plan_->fixed.size()); }
  void add_fixed(const void* address) {
    plan_->fixed.push_back(address);
    plan_->offsets.push_back(-1);
  }
  void add_offset(Side side, int64_t offset) {
    if (side == Side::kDevice) plan_->in_device_arena.push_back(address_count());
    plan_->fixed.push_back(nullptr);
    plan_->offsets.push_back(offset);
  }
  void add_bound(Binding& binding) {
    binding.args.push_back(address_count());
    add_fixed(nullptr);
  }
  void add_address(ValueId id, Side side) {
    if (id == kNoValue) return add_fixed(nullptr);
    const int32_t index = root(id, side);
    if (index == kNone) return add_fixed(nullptr);
    const Storage& storage = storages_[index];
    switch (storage.kind) {
      case Storage::Kind::kArena:
        if (place_of_[index] == kNone) return add_fixed(nullptr);  // only its shape is looked at
        return add_offset(side, arenas_[static_cast<size_t>(side)].packing.offsets[place_of_[index]]);
      case Storage::Kind::kInput: return add_bound(plan_->inputs[storage.index]);
      case Storage::Kind::kConstant: return add_fixed(plan_->constants[storage.index].data());
      case Storage::Kind::kOutput: return add_bound(plan_->outputs[storage.index]);
    }
  }

  struct Arena {
    Packing packing;
    size_t first_scratch = 0;  // the place of step s's is behind it
  };

  const Program& program_;
  const Graph& graph_;
  const std::vector<Side>& input_sides_;
  const FlatOutputs& flat_;
  const Placement& placement_;
  const bool side_by_side_;
  std::vector<Draft> drafts_;
  std::vector<int32_t> order_;  // which draft each step is
  std::vector<Beside> beside_;  // by step; empty if there are no groups
  Plan* const plan_;
  std::vector<int32_t> storage_of_;  // by value and side
  std::vector<Storage> storages_;
  std::vector<int32_t> merged_;
  std::vector<int32_t> place_of_;  // by storage: which of its arena's lifetimes
  Arena arenas_[2];
};

}  // namespace

Status lay_out_memory(const Program& program, const std::vector<Side>& inputs, const FlatOutputs& outputs,
                      const Placement& placement, bool side_by_side, std::vector<Draft> drafts, Plan* plan) {
  return Layout(program, inputs, outputs, placement, side_by_side, std::move(drafts), plan).run();
}

}  // namespace weft
