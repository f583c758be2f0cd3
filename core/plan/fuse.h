// Elementwise fusion: steps that feed one another become one step, whose kernel takes a tile of memory through all of
// them. A product or convolution before them may join: what it makes goes through them while it is in the cache. The
// members' own kernels do the work, so no bit changes.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kernel/registry.h"
#include "core/plan/draft.h"

namespace weft {

struct FusionStep {
  bool elementwise = false;    // has one output, and a kernel that works on spans
  Shape shape;                 // of that output
  std::vector<int32_t> needs;  // the steps before that make its inputs; -1 for what no step makes
  bool finishes = false;       // not elementwise; has one output, and a kernel that hands it on in stretches
};

struct FusionSet {
  std::vector<int32_t> steps;  // elementwise ones of one shape, in ascending order
  int32_t producer = -1;       // of what some of them need, in that shape; -1 for none
};

// Sets of two or more steps, the producer counted in; a step is in at most one. A set can run where its last step stands:
// no step outside it that needs one of its steps stands before that. No set has more than `most_operands` inputs and
// elementwise steps together.
std::vector<FusionSet> find_fusions(const std::vector<FusionStep>& steps, int most_operands);

// Puts one step in place of each such set of steps on one side, whose kernels `kernels` are. `handed_on` are values that must
// be there afterwards, whoever needs them.
Status fuse_drafts(const Graph& graph, const KernelRegistry& kernels, Side side, const std::vector<ValueId>& handed_on,
                   std::vector<Draft>& drafts);

}  // namespace weft
