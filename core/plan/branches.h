// Branches: stretches of a flat part whose steps fall into chains that need nothing of each other, such as the towers of a
// net. Where the steps are too short for their own loops to be divided, or do not divide, threads walk the chains side by
// side. No step does anything else than it would alone, so no bit changes.
#pragma once

#include <cstdint>
#include <vector>

#include "core/plan/plan.h"

namespace weft {

struct BranchStep {
  double cost_ns;              // on one thread
  int64_t most_threads;        // that find something to do in it; 0: as many as its cost is worth
  std::vector<int32_t> needs;  // the steps before that make its inputs
};

// Steps [begin, end), which can be put in the order in which `branches` has them.
struct FoundBranches {
  int32_t begin, end;
  // In the order of their first steps; those that are short are put together.
  std::vector<std::vector<int32_t>> branches;
  std::vector<double> branch_ns;  // what each costs
  double cost_ns;                 // all of them, on one thread
  int most_threads;               // that it pays for to walk them side by side
};

// In ascending order, none inside another. What is found depends on the costs alone, and holds for every number of threads.
std::vector<FoundBranches> find_branches(const std::vector<BranchStep>& steps);

// As the plan has them, whose steps are in that order.
BranchGroup group_of(const FoundBranches& found);

}  // namespace weft
