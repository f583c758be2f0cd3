// Branches.
#include "core/plan/branches.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace weft {

namespace {

// What the pool takes for worth it (core/base/thread_pool): a loop is divided from so much time on, and each thread gets so
// much of it.
constexpr double kDividedFromNs = 20'000, kLeastPerThreadNs = 10'000;
// What meeting at the end of a loop takes, if nobody has to be woken.
constexpr double kMeetNs = 2000;
// Less is not worth the trouble, and guesses are no better than this.
constexpr double kLeastGroupNs = 40'000, kLeastGain = 1.25;
constexpr int kMostThreads = 64;
// Short branches are put together until a thread's turn takes a while.
constexpr double kLeastBranchNs = 2000;
constexpr int kMostTurns = 64;
// How far a stretch may reach, and how many steps may be looked at before the search ends with what it has: planning takes
// no time that grows with the square of the steps.
constexpr int32_t kMostSteps = 4096;
constexpr int64_t kLooksPerStep = 32, kLeastLooks = 100'000;

double alone_ns(const BranchStep& step, int threads) {
  if (step.cost_ns < kDividedFromNs) return step.cost_ns;
  double dividing = std::min<double>(threads, step.cost_ns / kLeastPerThreadNs);
  if (step.most_threads > 0) dividing = std::min<double>(dividing, static_cast<double>(step.most_threads));
  return dividing < 2 ? step.cost_ns : step.cost_ns / dividing + kMeetNs;
}

// If the most costly branch takes `longest`.
double beside_ns(double longest, double all, int threads) { return std::max(longest, all / threads) + kMeetNs; }

class Finder {
 public:
  explicit Finder(const std::vector<BranchStep>& steps)
      : steps_(steps),
        count_(static_cast<int32_t>(steps.size())),
        looks_left_(kLeastLooks + kLooksPerStep * count_),
        root_(steps.size()),
        cost_(steps.size()) {}

  std::vector<FoundBranches> run() {
    double all = 0;
    for (const BranchStep& step : steps_) all += step.cost_ns;
    if (all < kLeastGroupNs) return {};
    for (int32_t begin : beginnings()) {
      if (looks_left_ <= 0) break;
      look_from(begin);
    }
    std::vector<FoundBranches> found;
    for (const Stretch& stretch : best_apart()) {
      FoundBranches branches = split(stretch);
      if (branches.most_threads > 1) found.push_back(std::move(branches));
    }
    return found;
  }

 private:
  struct Stretch {
    int32_t begin, end;
    double gain_ns;  // with two threads
  };

  // The steps right behind what a later one needs last: there it could begin beside what stands before it.
  std::vector<int32_t> beginnings() {
    last_that_begins_.assign(steps_.size(), -1);
    for (int32_t s = 0; s < count_; ++s) {
      int32_t after = 0;
      for (int32_t need : steps_[s].needs) after = std::max(after, need + 1);
      if (after < s) last_that_begins_[after] = s;
    }
    std::vector<int32_t> found;
    for (int32_t s = 0; s < count_; ++s) {
      if (last_that_begins_[s] >= 0) found.push_back(s);
      // What could begin earlier could begin here too.
      if (s > 0 && last_that_begins_[s - 1] > s)
        last_that_begins_[s] = std::max(last_that_begins_[s], last_that_begins_[s - 1]);
    }
    return found;
  }

  // Of all stretches that begin there, the one that gains most.
  void look_from(int32_t begin) {
    const int32_t last = last_that_begins_[begin], limit = std::min(count_, begin + kMostSteps);
    Stretch best{begin, begin, 0};
    double all = 0, alone = 0, longest = 0;
    int32_t branches = 0;
    for (int32_t s = begin; s < limit && (s <= last || branches > 1) && looks_left_-- > 0; ++s) {
      branches += add(begin, s);
      all += steps_[s].cost_ns;
      alone += alone_ns(steps_[s], 2);
      longest = std::max(longest, cost_[find(s)]);
      const double beside = beside_ns(longest, all, 2);
      if (all < kLeastGroupNs || alone < kLeastGain * beside) continue;
      if (alone - beside > best.gain_ns) best = {begin, s + 1, alone - beside};
    }
    if (best.gain_ns > 0) stretches_.push_back(best);
  }

  // Puts the step into the branches that it needs, which become one. Returns how many branches there are more.
  int32_t add(int32_t begin, int32_t step) {
    root_[step] = step;
    cost_[step] = steps_[step].cost_ns;
    int32_t more = 1;
    for (int32_t need : steps_[step].needs) {
      if (need < begin) continue;
      const int32_t other = find(need);
      if (other == root_[step]) continue;
      // The earlier root stays: of a branch it is the first step.
      const int32_t first = std::min(other, root_[step]), second = std::max(other, root_[step]);
      root_[second] = first;
      root_[step] = first;
      cost_[first] += cost_[second];
      --more;
    }
    return more;
  }

  int32_t find(int32_t step) {
    while (root_[step] != step) step = root_[step] = root_[root_[step]];
    return step;
  }

  // What gains most comes first; what overlaps it is left out.
  std::vector<Stretch> best_apart() {
    std::stable_sort(stretches_.begin(), stretches_.end(),
                     [](const Stretch& a, const Stretch& b) { return a.gain_ns > b.gain_ns; });
    std::vector<Stretch> chosen;  // by begin
    for (const Stretch& stretch : stretches_) {
      auto at = std::find_if(chosen.begin(), chosen.end(), [&](const Stretch& c) { return c.end > stretch.begin; });
      if (at == chosen.end() || at->begin >= stretch.end) chosen.insert(at, stretch);
    }
    return chosen;
  }

  FoundBranches split(const Stretch& stretch) {
    FoundBranches found{stretch.begin, stretch.end, {}, {}, 0, 0};
    std::vector<std::vector<int32_t>> by_root(static_cast<size_t>(stretch.end - stretch.begin));
    for (int32_t s = stretch.begin; s < stretch.end; ++s) {
      add(stretch.begin, s);
      found.cost_ns += steps_[s].cost_ns;
    }
    for (int32_t s = stretch.begin; s < stretch.end; ++s) by_root[find(s) - stretch.begin].push_back(s);
    const double short_ns = std::max(kLeastBranchNs, found.cost_ns / kMostTurns);
    bool may_join = false;  // the last branch is short
    for (std::vector<int32_t>& branch : by_root) {
      if (branch.empty()) continue;
      const double cost = cost_[branch[0]];
      if (may_join && cost < short_ns) {
        std::vector<int32_t>& last = found.branches.back();
        last.insert(last.end(), branch.begin(), branch.end());
        found.branch_ns.back() += cost;
      } else {
        found.branches.push_back(std::move(branch));
        found.branch_ns.push_back(cost);
      }
      may_join = found.branch_ns.back() < short_ns;
    }
    const double longest = *std::max_element(found.branch_ns.begin(), found.branch_ns.end());
    for (int threads = 2; threads <= kMostThreads; ++threads) {
      double alone = 0;
      for (int32_t s = stretch.begin; s < stretch.end; ++s) alone += alone_ns(steps_[s], threads);
      if (alone < kLeastGain * beside_ns(longest, found.cost_ns, threads)) return found;
      found.most_threads = threads;
    }
    found.most_threads = std::numeric_limits<int>::max();
    return found;
  }

  const std::vector<BranchStep>& steps_;
  const int32_t count_;
  int64_t looks_left_;
  std::vector<int32_t> last_that_begins_;  // by beginning: the last step that could begin there and stands later
  // Of the stretch that is looked at: the branch of a step by its first one, and by that what it costs.
  std::vector<int32_t> root_;
  std::vector<double> cost_;
  std::vector<Stretch> stretches_;
};

}  // namespace

std::vector<FoundBranches> find_branches(const std::vector<BranchStep>& steps) { return Finder(steps).run(); }

BranchGroup group_of(const FoundBranches& found) {
  std::vector<size_t> by_cost(found.branches.size());
  std::iota(by_cost.begin(), by_cost.end(), size_t{0});
  std::stable_sort(by_cost.begin(), by_cost.end(),
                   [&](size_t a, size_t b) { return found.branch_ns[a] > found.branch_ns[b]; });
  std::vector<int32_t> begins{found.begin};
  for (const std::vector<int32_t>& branch : found.branches) {
    begins.push_back(begins.back() + static_cast<int32_t>(branch.size()));
  }
  BranchGroup group{found.begin, found.end, {}, found.cost_ns, found.most_threads};
  for (size_t b : by_cost) group.branches.emplace_back(begins[b], begins[b + 1]);
  return group;
}

}  // namespace weft
