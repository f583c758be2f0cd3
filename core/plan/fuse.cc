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

  std::vector<std::vector<int32_t>> run() {
    for (size_t s = 0; s < steps_.size(); ++s) place(static_cast<int32_t>(s));
    std::vector<std::vector<int32_t>> found;
    for (Set& set : sets_) {
      if (set.steps.size() > 1) found.push_back(std::move(set.steps));
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

  const std::vector<FusionStep>& steps_;
  const int most_operands_;
  std::vector<int32_t> set_of_;
  std::vector<Set> sets_;
};

// One step made of the drafts `set`. `leaves` says which values are needed outside.
class Fusing {
 public:
  Fusing(const Graph& graph, std::vector<Draft>& drafts, const std::vector<int32_t>& set)
      : graph_(graph), drafts_(drafts), set_(set) {}

  Draft run(const KernelRegistry& kernels, const std::vector<bool>& leaves) {
    number_operands();
    for (size_t m = 0; m < set_.size(); ++m) add_member(static_cast<int32_t>(m), leaves);
    group_.shape = shape_of(fused_.outputs[0]);
    fused_.fused = true;
    fused_.kernel = kernels.fuse(std::move(group_));
    return std::move(fused_);
  }

 private:
  Shape shape_of(ValueId id) const { return to_shape(graph_.type(id).dims); }

  // Inputs in the order in which they are read, then what the members make.
  void number_operands() {
    operand_of_[kNoValue] = kNone;
    for (int32_t s : set_) made_.push_back(drafts_[s].outputs[0]);
    for (size_t m = 0; m < set_.size(); ++m) {
      for (ValueId id : drafts_[set_[m]].inputs) {
        if (id == kNoValue || std::find(made_.begin(), made_.end(), id) != made_.end()) continue;
        auto [at, is_new] = operand_of_.emplace(id, static_cast<int32_t>(fused_.inputs.size()));
        if (is_new) {
          fused_.inputs.push_back(id);
          group_.inputs.push_back({graph_.type(id).dtype, shape_of(id)});
          read_last_.push_back(0);
        }
        read_last_[at->second] = static_cast<int32_t>(m);
      }
    }
    for (size_t m = 0; m < made_.size(); ++m) operand_of_[made_[m]] = static_cast<int32_t>(fused_.inputs.size() + m);
  }

  void add_member(int32_t m, const std::vector<bool>& leaves) {
    Draft& draft = drafts_[set_[m]];
    FusedGroup::Member member{std::move(draft.kernel), {}, graph_.type(made_[m]).dtype};
    for (ValueId id : draft.inputs) member.inputs.push_back(operand_of_[id]);
    group_.members.push_back(std::move(member));
    fused_.op += cat(m == 0 ? "" : "+", draft.op);
    fused_.node = draft.node;
    if (!leaves[made_[m]]) return;
    const ValueType& type = graph_.type(made_[m]);
    for (size_t i = 0; i < fused_.inputs.size(); ++i) {
      // One that nobody reads any more and that lies like the output.
      const ValueType& in = graph_.type(fused_.inputs[i]);
      bool alike = dtype_size(in.dtype) == dtype_size(type.dtype) && in.dims == type.dims;
      if (alike && read_last_[i] <= m) {
        fused_.inplace.emplace_back(static_cast<int>(fused_.outputs.size()), static_cast<int>(i));
      }
    }
    fused_.outputs.push_back(made_[m]);
    group_.outputs.push_back(operand_of_[made_[m]]);
  }

  const Graph& graph_;
  std::vector<Draft>& drafts_;
  const std::vector<int32_t>& set_;
  std::vector<ValueId> made_;  // by member
  std::unordered_map<ValueId, int32_t> operand_of_;
  std::vector<int32_t> read_last_;  // by input: the last member that reads it
  FusedGroup group_;
  Draft fused_;
};

}  // namespace

std::vector<std::vector<int32_t>> find_fusions(const std::vector<FusionStep>& steps, int most_operands) {
  return Finder(steps, most_operands).run();
}

void fuse_drafts(const Graph& graph, const KernelRegistry& kernels, const std::vector<ValueId>& handed_on,
                 std::vector<Draft>& drafts) {
  std::vector<int32_t> maker(graph.value_count(), kNone);  // the draft that makes a value
  std::vector<FusionStep> steps(drafts.size());
  for (size_t s = 0; s < drafts.size(); ++s) {
    const Draft& draft = drafts[s];
    FusionStep& step = steps[s];
    step.elementwise = draft.kernel.run_span != nullptr && draft.outputs.size() == 1;
    if (step.elementwise) step.shape = to_shape(graph.type(draft.outputs[0]).dims);
    for (ValueId id : draft.inputs) step.needs.push_back(id == kNoValue ? kNone : maker[id]);
    for (ValueId id : draft.outputs) maker[id] = static_cast<int32_t>(s);
  }
  const std::vector<std::vector<int32_t>> sets = find_fusions(steps, kMostFusedOperands);
  if (sets.empty()) return;
  std::vector<int32_t> set_of(drafts.size(), kNone);
  for (size_t i = 0; i < sets.size(); ++i) {
    for (int32_t s : sets[i]) set_of[s] = static_cast<int32_t>(i);
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
    } else if (sets[set_of[s]].back() == static_cast<int32_t>(s)) {
      kept.push_back(Fusing(graph, drafts, sets[set_of[s]]).run(kernels, leaves));
    }
  }
  drafts = std::move(kept);
}

}  // namespace weft
