// Dropout: drops elements at random in training.
#include "core/graph/layer_registry.h"

namespace weft {
namespace {

Status make(LayerMake& c) {
  double rate = c.attrs().f("rate");
  if (!(rate >= 0 && rate < 1)) return invalid("'rate' must be from 0 up to but not including 1 but is ", rate);
  // How many training steps have drawn from this layer's stream.
  c.add_variable("counter", constant_int(c.scope(), 0), false);
  return {};
}

Status call(LayerCall& c) {
  if (!c.training() || c.attrs().f("rate") == 0) {
    c.add_output(weft::make(c.scope(), "Identity", {c.input(0)}));
    return {};
  }
  ExprScope& s = c.scope();
  Expr counter = c.variable("counter");
  Expr rate = scalar(s, DType::kF32, c.attrs().f("rate"));
  std::vector<Expr> made = make_all(s, "weft.Dropout", {c.input(0), rate, counter},
                                    {{"seed", c.attrs().i("seed")}, {"stream", c.layer().name()}}, 2);
  // Every use in a run moves the counter on by one. Two uses in one run draw alike: numbering them would make bits depend
  // on the order in which they were added.
  Expr moved = weft::make(s, "weft.RunningUpdate", {counter, constant_int(s, 1)}, {{"mode", "add"}});
  Expr assigned = weft::make(s, "weft.Assign", {counter, moved});
  WEFT_CHECK(s.status());
  WEFT_CHECK(s.graph().attach(s.graph().value(made[0].id()).node, assigned.id()));
  c.add_output(made[0]);
  return {};
}

}  // namespace

void define_layer_dropout(LayerRegistry& layers) {
  layers.add("Dropout")
      .doc(
          "In training, sets elements to 0 with the probability `rate` and scales the others by 1 / (1 - rate); the "
          "input itself otherwise. Every run drops others, but two uses of one layer in one run drop the same places: "
          "make a layer for each use. Its variable is `counter`, which counts the runs that drop and is not trained.")
      .attr("rate", 0.5, "Probability of being dropped.")
      .attr("seed", int64_t{0}, "Key of the random choice, together with the layer's name.")
      .input("Any shape.")
      .output("The shape of the input.")
      .make(make)
      .call(call);
}

}  // namespace weft
