// The optimizers of ONNX's preview of training: Adagrad, Adam and Momentum, each for several tensors at once.
#include "core/graph/expr.h"

namespace weft {
namespace {

// The inputs are the learning rate, the number of updates before, then lists of as many tensors: those that are optimized,
// their gradients, and their states, of which there are `groups - 2`. The outputs are the first and the last of these lists.
template <int groups>
Status infer_optimizer(InferContext& c) {
  WEFT_CHECK(c.check_scalar(0));
  WEFT_CHECK(c.check_scalar(1));
  const int given = c.input_count() - 2;
  if (given < groups || given % groups != 0) {
    return invalid("input 'inputs' has ", given, " tensors but must have a multiple of ", groups,
                   ": those that are optimized, their gradients and their states");
  }
  const int tensors = given / groups;
  for (int i = 0; i < given; ++i) {
    const ValueType &tensor = c.input(2 + i), &first = c.input(2 + i % tensors);
    const bool same_shape = !tensor.has_rank || !first.has_rank || may_equal(tensor.dims, first.dims);
    if (tensor.dtype == first.dtype && same_shape) continue;
    return invalid("'inputs' ", i, " is ", tensor.text(), " but the tensor that it belongs to is ", first.text());
  }
  if (c.output_count() > (groups - 1) * tensors) {
    return invalid("it has ", c.output_count(), " outputs but there are ", (groups - 1) * tensors,
                   ": the tensors that are optimized and their states");
  }
  for (int i = 0; i < c.output_count(); ++i) {
    const int first = 2 + i % tensors;
    c.output(i).dtype = c.input(first).dtype;
    if (c.has_rank(first)) c.set_dims(i, c.dims(first));
  }
  return {};
}

Status infer_momentum(InferContext& c) {
  const std::string& mode = c.attrs().s("mode");
  if (mode == "standard" || mode == "nesterov") return infer_optimizer<3>(c);
  return invalid("'mode' is \"", mode, "\" but must be \"standard\" or \"nesterov\"");
}

class Optimized {
 public:
  Optimized(BodyContext& c, int groups)
      : tensors((c.input_count() - 2) / groups), rate(c.input(0)), updates(c.input(1)), c_(c) {}

  // Of the i-th tensor: itself, its gradient, its states.
  Expr at(int list, int i) const { return c_.input(2 + list * tensors + i); }
  void set(int list, int i, Expr value) const {
    const int output = list * tensors + i;
    if (output < c_.output_count()) c_.set_output(output, value);
  }
  // G + norm_coefficient * X.
  Expr regularized(int i) const {
    const double decay = c_.attrs().f("norm_coefficient");
    return decay == 0 ? at(1, i) : at(1, i) + at(0, i) * decay;
  }

  const int tensors;
  const Expr rate, updates;

 private:
  BodyContext& c_;
};

Expr root_of(Expr x) { return make(x.scope(), "Sqrt", {x}); }

Status adagrad(BodyContext& c) {
  const Optimized o(c, 3);
  for (int i = 0; i < o.tensors; ++i) {
    const Expr x = o.at(0, i), g = o.regularized(i);
    const Expr rate = cast(o.rate, x.dtype()) / (1 + cast(o.updates, x.dtype()) * c.attrs().f("decay_factor"));
    const Expr squares = o.at(2, i) + g * g;
    o.set(0, i, x - rate * g / (root_of(squares) + c.attrs().f("epsilon")));
    o.set(1, i, squares);
  }
  return {};
}

Status momentum(BodyContext& c) {
  const bool nesterov = c.attrs().s("mode") == "nesterov";
  const Optimized o(c, 3);
  const double alpha = c.attrs().f("alpha");
  for (int i = 0; i < o.tensors; ++i) {
    const Expr x = o.at(0, i), g = o.regularized(i);
    // In the first update the gradient counts whole.
    const Expr first = make(c.scope(), "LessOrEqual", {o.updates, constant_int(c.scope(), 0)});
    const Expr beta = where(first, scalar_like(x, 1), scalar_like(x, c.attrs().f("beta")));
    const Expr v = o.at(2, i) * alpha + beta * g;
    o.set(0, i, x - cast(o.rate, x.dtype()) * (nesterov ? g + v * alpha : v));
    o.set(1, i, v);
  }
  return {};
}

Status adam(BodyContext& c) {
  const Optimized o(c, 4);
  const double alpha = c.attrs().f("alpha"), beta = c.attrs().f("beta");
  for (int i = 0; i < o.tensors; ++i) {
    const Expr x = o.at(0, i), g = o.regularized(i);
    const Expr v = o.at(2, i) * alpha + g * (1 - alpha);
    const Expr h = o.at(3, i) * beta + g * g * (1 - beta);
    // The powers come close to 1 at first, so their distance from it is computed in f64.
    const Expr updates = cast(o.updates, DType::kF64);
    const auto away = [&](double base) { return 1 - make(c.scope(), "Pow", {scalar_like(updates, base), updates}); };
    const Expr rate = cast(o.rate, DType::kF64);
    const Expr any = make(c.scope(), "Greater", {o.updates, constant_int(c.scope(), 0)});
    const Expr adjusted = where(any, rate * root_of(away(beta)) / away(alpha), rate);
    const Expr next = x - cast(adjusted, x.dtype()) * v / (root_of(h) + c.attrs().f("epsilon"));
    const double decay = c.attrs().f("norm_coefficient_post");
    o.set(0, i, decay == 0 ? next : next * (1 - decay));
    o.set(1, i, v);
    o.set(2, i, h);
  }
  return {};
}

OpDef& add_optimizer(OpRegistry& ops, std::string_view name, std::string_view doc, std::string_view states) {
  return ops.add(kTrainingDomain, name)
      .group("optimizer")
      .doc(doc)
      .types("T1", set_of(DType::kF32, DType::kF64))
      .types("T2", set_of(DType::kI64))
      .types("T3", set_of(DType::kF32, DType::kF64))
      .input("R", "T1", "The learning rate, a scalar.")
      .input("T", "T2", "How many updates there have been, a scalar.")
      .variadic_input("inputs", "T3",
                      cat("The tensors X that are optimized, then the gradient of each, then of each ", states,
                          "; the shapes and types of the tensors."))
      .mixed_inputs()
      .variadic_output("outputs", "T3", cat("The new tensors, then the new ", states, "."))
      .mixed_outputs();
}

}  // namespace

void define_op_training(OpRegistry& ops) {
  add_optimizer(
      ops, "Adagrad",
      "A step of Adagrad (Duchi et al., 2011): `g = G + norm_coefficient * X; H' = H + g * g; X' = X - R / (1 + "
      "T * decay_factor) * g / (sqrt(H') + epsilon)`.",
      "sums of squared gradients H")
      .attr("norm_coefficient", 0.0, "Factor of X that is added to its gradient.")
      .attr("decay_factor", 0.0, "How the learning rate falls with T.")
      .attr("epsilon", 1e-6, "Added to the root.")
      .infer(infer_optimizer<3>)
      .body_by_shapes(adagrad);
  add_optimizer(
      ops, "Momentum",
      "A step of gradient descent with momentum: `g = G + norm_coefficient * X; V' = alpha * V + b * g`, where b "
      "is `beta`, but 1 where T is 0; `X' = X - R * V'`, or if `mode` is \"nesterov\" `X - R * (g + alpha * "
      "V')`.",
      "momenta V")
      .required_attr("alpha", AttrKind::kFloat, "Weight of the old momentum.")
      .required_attr("beta", AttrKind::kFloat, "Weight of the gradient after the first update.")
      .required_attr("mode", AttrKind::kString, "\"standard\" or \"nesterov\".")
      .required_attr("norm_coefficient", AttrKind::kFloat, "Factor of X that is added to its gradient.")
      .infer(infer_momentum)
      .body_by_shapes(momentum);
  add_optimizer(ops, "Adam",
                "A step of Adam (Kingma and Ba, arXiv:1412.6980): `g = G + norm_coefficient * X; V' = alpha * V + (1 - "
                "alpha) * g; H' = beta * H + (1 - beta) * g * g; X' = (1 - norm_coefficient_post) * (X - R' * V' / "
                "(sqrt(H') + epsilon))`, where R' is `R * sqrt(1 - beta^T) / (1 - alpha^T)`, or R if T is 0.",
                "means of gradients V, then of squared gradients H")
      .attr("alpha", 0.9, "Weight of the old mean of gradients.")
      .attr("beta", 0.999, "Weight of the old mean of their squares.")
      .attr("epsilon", 1e-6, "Added to the root.")
      .attr("norm_coefficient", 0.0, "Factor of X that is added to its gradient.")
      .attr("norm_coefficient_post", 0.0, "The part of the new X that is taken away.")
      .infer(infer_optimizer<4>)
      .body_by_shapes(adam);
}

}  // namespace weft
