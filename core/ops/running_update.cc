// RunningUpdate: the new value of a running average or counter.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer(InferContext& c) {
  const std::string& mode = c.attrs().s("mode");
  if (mode != "average" && mode != "add") return invalid("attribute 'mode' must be \"average\" or \"add\"");
  c.output(0) = c.input(0);
  return c.has_rank(0) ? c.check_shape(1, c.dims(0), "the old value") : Status();
}

Status body(BodyContext& c) {
  Expr old = c.input(0), value = c.input(1);
  if (c.attrs().s("mode") == "add") {
    c.set_output(0, old + value);
    return {};
  }
  double momentum = c.attrs().f("momentum");
  c.set_output(0, old * momentum + value * (1 - momentum));
  return {};
}

}  // namespace

void define_op_running_update(OpRegistry& ops) {
  ops.add(kWeftDomain, "RunningUpdate")
      .group("graph")
      .doc(
          "`momentum * old + (1 - momentum) * value`, or `old + value`: the new value of a running average or counter. "
          "Assigned to the variable `old`, several in one run are chained: each starts from what the one before left.")
      .types("T", kNumberTypes)
      .attr("mode", "average", "\"average\" or \"add\".")
      .attr("momentum", 0.9, "Weight of the old value.")
      .input("old", "T", "A variable's value.")
      .input("value", "T", "The value of this step, of the same shape.")
      .output("new", "T", "The shape of old.")
      .infer(infer)
      .body(body);
}

}  // namespace weft
