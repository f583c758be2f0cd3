// Optimizers as graph: gradients, clipping, updates and assignments, added behind one target.
#pragma once

#include <string>
#include <vector>

#include "core/graph/expr.h"

namespace weft {

constexpr const char* kOptimizerName = "optimizer";

struct OptimizerOptions {
  std::string kind;             // "Sgd", "Momentum", "Adam", "AdamW"
  double learning_rate = 1e-3;  // unless a value is given
  Attrs attrs;                  // of the update's operator
  double clip_norm = 0;         // 0: gradients are not clipped
  std::string name = kOptimizerName;
};

const char* optimizer_kinds();

// Given `differentiate`, which this layer does not see.
using DifferentiateFn = Result<std::vector<ValueId>> (*)(Graph& graph, const std::vector<ValueId>& ys,
                                                         const std::vector<ValueId>& xs,
                                                         const std::vector<ValueId>& grad_ys, std::string_view origin);

// One step that lowers `loss`, a scalar: a value whose run assigns all `variables` (all trainable ones that the loss
// depends on, if empty) and counts the variable "<name>/step". State is kept in variables "<name>/<variable>/...", so
// checkpoints hold it. `learning_rate` may be a value of the graph (a schedule over "<name>/step"), or kNoValue.
// Clipping scales all gradients by clip_norm / (norm + 1e-6) if their common norm is above clip_norm.
Result<ValueId> add_train_step(Graph& graph, const OptimizerOptions& options, ValueId loss,
                               const std::vector<ValueId>& variables, ValueId learning_rate, std::string_view origin,
                               DifferentiateFn differentiate);

// The variable "<name>/step": how many steps that optimizer made. Made at first use.
Result<ValueId> step_variable(Graph& graph, std::string_view name);

}  // namespace weft
