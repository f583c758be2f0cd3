// Elementwise fusion.
#include "core/plan/fuse.h"

#include <algorithm>
#include <unordered_map>

namespace weft {

namespace {

constexpr int32_t kNone = -1;

class Finder {
 public:
  Finder(const std::vector<FusionStep>& steps, int most_operands)
      : steps_(steps), most_operands_(most_operands), set_of_(steps.size(), kNone) {}

  std::vector<FusionSet> run() {
    for (size_t s = 0; s < steps_.size(); ++s) place(static_cast<int32_t>(s));
    find_users();
    std::vector<FusionSet> found;
    for (Set& set : sets_) {
      if (set.steps.empty()) continue;
      const int32_t producer = set.operands <= most_operands_ ? take_producer(set.steps) : kNone;
      if (producer != kNone || set.steps.size() > 1) found.push_back({std::move(set.steps), producer});
    }
    return found;
  }

 private:
  struct Set {
    std::vector<int32_t> steps;
    int operands = 0;     // steps, and inputs counted as often as they are read
    bool closed = false;  // a step outside needs one of it, so nothing may join any more
  };

  // A step joins the sets that it needs, all of them if it can; those that it cannot join end with it.
  void place(int32_t step) {
    std::vector<int32_t> needed;
    for (int32_t source : steps_[step].needs) {
      if (source == kNone || set_of_[source] == kNone) continue;
      int32_t set = set_of_[source];
      if (std::find(needed.begin(), needed.end(), set) == needed.end()) needed.push_back(set);
    }
    int32_t joined = kNone;
    if (steps_[step].elementwise) {
      joined = static_cast<int32_t>(sets_.size());
      sets_.emplace_back();
      sets_[joined].operands = 1 + static_cast<int>(steps_[step].needs.size());
      sets_[joined].steps = {step};
      set_of_[step] = joined;
    }
    for (int32_t set : needed) {
      if (joined == kNone || !join(step, joined, set)) sets_[set].closed = true;
    }
  }

  // Puts all of `set`, which `step` needs, into `into`, which has it.
  bool join(int32_t step, int32_t into, int32_t set) {
    Set &a = sets_[into], &b = sets_[set];
    if (b.closed || steps_[step].shape != steps_[b.steps[0]].shape) return false;
    const std::vector<int32_t>& needs = steps_[step].needs;
    auto within = std::count_if(needs.begin(), needs.end(), [&](int32_t n) { return n != kNone && set_of_[n] == set; });
    const int operands = a.operands + b.operands - static_cast<int>(within);
    if (operands > most_operands_) return false;
    for (int32_t moved : b.steps) set_of_[moved] = into;
    std::vector<int32_t> merged;
    std::merge(a.steps.begin(), a.steps.end(), b.steps.begin(), b.steps.end(), std::back_inserter(merged));
    a.steps = std::move(merged);
    a.operands = operands;
    b = Set();
    return true;
  }

  void find_users() {
    users_.resize(steps_.size());
    for (size_t s = 0; s < steps_.size(); ++s) {
      for (int32_t needed : steps_[s].needs) {
        if (needed != kNone && steps_[needed].finishes) users_[needed].push_back(static_cast<int32_t>(s));
      }
    }
  }

  // The last step before the set that can wait for it.
  int32_t take_producer(const std::vector<int32_t>& set) {
    int32_t best = kNone;
    for (int32_t step : set) {
      for (int32_t needed : steps_[step].needs) {
        if (needed > best && steps_[needed].finishes && steps_[needed].shape == steps_[step].shape &&
            waits(needed, set)) {
          best = needed;
        }
      }
    }
    // One step hands on to one set.
    if (best != kNone) users_[best].clear();
    return best;
  }

  bool waits(int32_t producer, const std::vector<int32_t>& set) const {
    const std::vector<int32_t>& users = users_[producer];
    return !users.empty() && std::all_of(users.begin(), users.end(), [&](int32_t user) {
      return set_of_[user] == set_of_[set[0]] || user > set.back();
    });
  }

  const std::vector<FusionStep>& steps_;
  const int most_operands_;
  std::vector<int32_t> set_of_;
  std::vector<Set> sets_;
  std::vector<std::vector<int32_t>> users_;  // of each step that may be a producer
};

// One step made of the drafts of a set. `leaves` says which values are needed outside.
class Fusing {
 public:
  Fusing(const Graph& graph, std::vector<Draft>& drafts, const FusionSet& set)
      : graph_(graph), drafts_(drafts), set_(set.steps) {
    if (set.producer != kNone) producer_ = &drafts[set.producer];
  }

  Result<Draft> run(const KernelRegistry& kernels, Side side, const std::vector<bool>& leaves) {
    number_operands();
    if (producer_ != nullptr) fused_.op = producer_->op;
    for (size_t m = 0; m < set_.size(); ++m) add_member(static_cast<int32_t>(m), leaves);
    group_.shape = shape_of(made_[0]);
    if (producer_ != nullptr) {
      add_producer(leaves);
    } else {
      find_places();
    }
    fused_.fused = true;
    fused_.reads = fused_.writes = side;
    WEFT_TRY(fused_.kernel, kernels.fuse(std::move(group_)));
    return std::move(fused_);
  }

 private:
  Shape shape_of(ValueId id) const { return to_shape(graph_.type(id).dims); }

  // Inputs in the order in which they are read, behind what the producer makes; then what the members make.
  void number_operands() {
    operand_of_[kNoValue] = kNone;
    if (producer_ != nullptr) add_input(producer_->outputs[0]);
    for (int32_t s : set_) made_.push_back(drafts_[s].outputs[0]);
    for (size_t m = 0; m < set_.size(); ++m) {
      for (ValueId id : drafts_[set_[m]].inputs) {
        if (id == kNoValue || std::find(made_.begin(), made_.end(), id) != made_.end()) continue;
        read_last_[add_input(id)] = static_cast<int32_t>(m);
      }
    }
    for (size_t m = 0; m < made_.size(); ++m) operand_of_[made_[m]] = static_cast<int32_t>(fused_.inputs.size() + m);
  }

  int32_t add_input(ValueId id) {
    auto [at, is_new] = operand_of_.emplace(id, static_cast<int32_t>(fused_.inputs.size()));
    if (is_new) {
      fused_.inputs.push_back(id);
      group_.inputs.push_back({graph_.type(id).dtype, shape_of(id)});
      read_last_.push_back(0);
    }
    return at->second;
  }

  void add_member(int32_t m, const std::vector<bool>& leaves) {
    Draft& draft = drafts_[set_[m]];
    FusedGroup::Member member{std::move(draft.kernel), {}, graph_.type(made_[m]).dtype};
    for (ValueId id : draft.inputs) member.inputs.push_back(operand_of_[id]);
    group_.members.push_back(std::move(member));
    fused_.op += cat(fused_.op.empty() ? "" : "+", draft.op);
    fused_.node = draft.node;
    if (!leaves[made_[m]]) return;
    made_by_.push_back(m);
    fused_.outputs.push_back(made_[m]);
    group_.outputs.push_back(operand_of_[made_[m]]);
  }

  // Whether the output may have the place of the input: nobody reads that any more, and it lies like the output.
  bool fits(size_t output, size_t input) const {
    const ValueType &out = graph_.type(fused_.outputs[output]), &in = graph_.type(fused_.inputs[input]);
    return dtype_size(in.dtype) == dtype_size(out.dtype) && in.dims == out.dims &&
           read_last_[input] <= made_by_[output];
  }

  void find_places() {
    for (size_t o = 0; o < fused_.outputs.size(); ++o) {
      for (size_t i = 0; i < fused_.inputs.size(); ++i) {
        if (fits(o, i)) fused_.inplace.emplace_back(static_cast<int>(o), static_cast<int>(i));
      }
    }
  }

  // The producer reads its inputs until the last output is written, so no output takes the place of an input.
  void add_producer(const std::vector<bool>& leaves) {
    const ValueId first = producer_->outputs[0];
    size_t place = leaves[first] ? fused_.outputs.size() : 0;
    while (place < fused_.outputs.size() && !fits(place, 0)) ++place;
    if (place == fused_.outputs.size()) fused_.outputs.push_back(first);
    fused_.inputs.erase(fused_.inputs.begin());
    fused_.inputs.insert(fused_.inputs.begin(), producer_->inputs.begin(), producer_->inputs.end());
    group_.producer = {std::move(producer_->kernel), static_cast<int32_t>(producer_->inputs.size()),
                       static_cast<int32_t>(place)};
  }

  const Graph& graph_;
  std::vector<Draft>& drafts_;
  const std::vector<int32_t>& set_;
  Draft* producer_ = nullptr;
  std::vector<ValueId> made_;  // by member
  std::unordered_map<ValueId, int32_t> operand_of_;
  std::vector<int32_t> read_last_;  // by input: the last member that reads it
  std::vector<int32_t> made_by_;    // by output: its member
  FusedGroup group_;
  Draft fused_;
};

}  // namespace

std::vector<FusionSet> find_fusions(const std::vector<FusionStep>& steps, int most_operands) {
  return Finder(steps, most_operands).run();
}

Status fuse_drafts(const Graph& graph, const KernelRegistry& kernels, Side side, const std::vector<ValueId>& handed_on,
                   std::vector<Draft>& drafts) {
  std::vector<int32_t> maker(graph.value_count(), kNone);  // the draft that makes a value
  std::vector<FusionStep> steps(drafts.size());
  for (size_t s = 0; s < drafts.size(); ++s) {
    const Draft& draft = drafts[s];
    FusionStep& step = steps[s];
    if (draft.outputs.size() == 1 && draft.writes == side) {
      step.elementwise = draft.kernel.elementwise();
      step.finishes = draft.kernel.finishes;
      if (step.elementwise || step.finishes) step.shape = to_shape(graph.type(draft.outputs[0]).dims);
    }
    for (ValueId id : draft.inputs) step.needs.push_back(id == kNoValue ? kNone : maker[id]);
    for (ValueId id : draft.outputs) maker[id] = static_cast<int32_t>(s);
  }
  const std::vector<FusionSet> sets = find_fusions(steps, kMostFusedOperands);
  if (sets.empty()) return {};
  std::vector<int32_t> set_of(drafts.size(), kNone);
  for (size_t i = 0; i < sets.size(); ++i) {
    for (int32_t s : sets[i].steps) set_of[s] = static_cast<int32_t>(i);
    if (sets[i].producer != kNone) set_of[sets[i].producer] = static_cast<int32_t>(i);
  }
  std::vector<bool> leaves(graph.value_count(), false);
  for (size_t s = 0; s < drafts.size(); ++s) {
    for (ValueId id : drafts[s].inputs) {
      if (id != kNoValue && maker[id] != kNone && (set_of[s] == kNone || set_of[maker[id]] != set_of[s])) {
        leaves[id] = true;
      }
    }
  }
  for (ValueId id : handed_on) leaves[id] = true;
  std::vector<Draft> kept;
  for (size_t s = 0; s < drafts.size(); ++s) {
    if (set_of[s] == kNone) {
      kept.push_back(std::move(drafts[s]));
    } else if (sets[set_of[s]].steps.back() == static_cast<int32_t>(s)) {
      WEFT_TRY(Draft fused, Fusing(graph, drafts, sets[set_of[s]]).run(kernels, side, leaves));
      kept.push_back(std::move(fused));
    }
  }
  drafts = std::move(kept);
  return {};
}

}  // namespace weft
