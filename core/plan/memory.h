// Memory of a plan's flat part: which values share a place, where it is, and what address each step finds.
#pragma once

#include <memory>
#include <vector>

#include "core/plan/draft.h"
#include "core/plan/place.h"
#include "core/plan/plan.h"

namespace weft {

// Fills the flat part of `plan` with the drafts, whose inputs and outputs lie on the sides `inputs` and `outputs` say. With
// `side_by_side`, branches that are worth it become groups, unless they take much more memory so.
Status lay_out_memory(const Program& program, const std::vector<Side>& inputs, const FlatOutputs& outputs,
                      const Placement& placement, bool side_by_side, std::vector<Draft> drafts, Plan* plan);

}  // namespace weft
