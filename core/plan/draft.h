// A step of a plan's flat part before it has addresses.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/graph/graph.h"
#include "core/kernel/kernel.h"

namespace weft {

struct Draft {
  const Node* node = nullptr;  // none of a copy, the last one of fused steps
  bool fused = false;
  std::string op;  // what it is called in errors and traces
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<std::pair<int, int>> inplace;  // an output and an input that may have one place
  PreparedKernel kernel;
  ValueId copied = kNoValue;
  int32_t copy_to = -1;  // a flat output

  bool is_view() const { return node != nullptr && !fused && node->op->is_view(); }
};

}  // namespace weft
