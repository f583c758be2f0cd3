// Broadcasting for elementwise kernels.
#include "core/kernels/cpu/broadcast_common.h"

namespace weft {

Broadcast plan_broadcast(const Shape& out, const std::vector<Shape>& operands) {
  Broadcast plan;
  plan.count = 1;
  for (int64_t dim : out) plan.count *= dim;
  plan.steps.resize(operands.size());
  // What each operand moves along each axis of the output.
  std::vector<std::vector<int64_t>> steps(operands.size(), std::vector<int64_t>(out.size(), 0));
  for (size_t k = 0; k < operands.size(); ++k) {
    int64_t step = 1;
    size_t missing = out.size() - operands[k].size();
    for (size_t d = operands[k].size(); d-- > 0;) {
      if (operands[k][d] != 1) steps[k][d + missing] = step;
      step *= operands[k][d];
    }
  }
  for (size_t d = 0; d < out.size() && plan.count != 0; ++d) {
    if (out[d] == 1) continue;
    bool merges = !plan.dims.empty();
    for (size_t k = 0; k < operands.size(); ++k) {
      merges = merges && plan.steps[k].back() == steps[k][d] * out[d];
    }
    if (!merges) {
      plan.dims.push_back(out[d]);
      for (size_t k = 0; k < operands.size(); ++k) plan.steps[k].push_back(steps[k][d]);
      continue;
    }
    plan.dims.back() *= out[d];
    for (size_t k = 0; k < operands.size(); ++k) plan.steps[k].back() = steps[k][d];
  }
  if (plan.dims.empty()) {
    plan.dims.push_back(plan.count);
    for (size_t k = 0; k < operands.size(); ++k) plan.steps[k].push_back(1);
  }
  return plan;
}

Broadcast plan_broadcast(const KernelContext& context) {
  std::vector<Shape> operands;
  for (int i = 0; i < context.input_count(); ++i) operands.push_back(context.shape(i));
  return plan_broadcast(context.output_shape(0), operands);
}

}  // namespace weft
