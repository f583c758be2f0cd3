// The optimizers' updates of a parameter and its state: SGD, momentum, Adam and AdamW.
#include "core/graph/expr.h"

namespace weft {
namespace {

// The gradient and the states have the parameter's shape; what follows them are scalars.
template <int states>
Status infer_update(InferContext& c) {
  for (int i = 1; i < c.input_count(); ++i) {
    if (i >= states + 2) {
      WEFT_CHECK(c.check_scalar(i));
    } else if (c.has_rank(0)) {
      WEFT_CHECK(c.check_shape(i, c.dims(0), "the parameter"));
    }
  }
  for (int i = 0; i < c.output_count(); ++i) {
    if (c.has_rank(0)) c.set_dims(i, c.dims(0));
  }
  return {};
}

template <int states>
OpDef& add_update(OpRegistry& ops, std::string_view name, std::string_view doc,
                  const std::initializer_list<std::pair<const char*, const char*>>& state) {
  OpDef& op = ops.add(kWeftDomain, name)
                  .group("optimizer")
                  .doc(doc)
                  .types("T", kFloatTypes)
                  .input("parameter", "T", "Any shape.")
                  .input("gradient", "T", "The shape of the parameter.")
                  .output("new_parameter", "T", "The shape of the parameter.")
                  .inplace(0, 0);
  int i = 0;
  for (const auto& [state_name, state_doc] : state) {
    op.input(state_name, "T", cat(state_doc, ", in the shape of the parameter; starts as zeros."));
    op.output(cat("new_", state_name), "T", "The shape of the parameter.");
    op.inplace(1 + i, 2 + i);
    ++i;
  }
  return op.input("learning_rate", "T", "A scalar.")
      .infer(infer_update<states>)
      .no_gradient("a step of an optimizer is not differentiated through");
}

OpDef& add_adam(OpRegistry& ops, std::string_view name, std::string_view doc) {
  return add_update<2>(
             ops, name, doc,
             {{"first_moment", "Running mean of the gradient"}, {"second_moment", "Running mean of its square"}})
      .input("step", "i64", "Number of this step, a scalar: 1 in the first.")
      .attr("beta1", 0.9, "Weight of the old first moment.")
      .attr("beta2", 0.999, "Weight of the old second moment.")
      .attr("epsilon", 1e-8, "Added to the root of the corrected second moment.");
}

}  // namespace

void define_op_optimizer(OpRegistry& ops) {
  add_update<0>(ops, "Sgd",
                "Stochastic gradient descent: `parameter - learning_rate * (gradient + "
                "weight_decay * parameter)`.",
                {})
      .attr("weight_decay", 0.0, "Factor of the parameter that is added to the gradient.");
  add_update<1>(ops, "Momentum",
                "Gradient descent with momentum (Sutskever et al., 2013), in the form `g = gradient + "
                "weight_decay * "
                "parameter; v = momentum * velocity + g; parameter - learning_rate * v`, or with `nesterov` "
                "`parameter - learning_rate * (g + momentum * v)`. The velocity does not contain the "
                "learning rate.",
                {{"velocity", "Running sum of gradients"}})
      .attr("momentum", 0.9, "Weight of the old velocity.")
      .attr("nesterov", 0, "1 for Nesterov's form.")
      .attr("weight_decay", 0.0, "Factor of the parameter that is added to the gradient.");
  add_adam(ops, "Adam",
           "Adam (Kingma and Ba, arXiv:1412.6980): `m = beta1 * m + (1 - beta1) * g; v = beta2 * v "
           "+ (1 - beta2) * g^2; "
           "parameter - learning_rate / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + "
           "epsilon)` with `g = "
           "gradient + weight_decay * parameter`.")
      .attr("weight_decay", 0.0, "Factor of the parameter that is added to the gradient.");
  add_adam(ops, "AdamW",
           "Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101): the "
           "parameter is first "
           "multiplied by `1 - learning_rate * weight_decay` and then changed as Adam does without "
           "decay.")
      .attr("weight_decay", 0.01, "Share of the parameter that is taken away, times the learning rate.");
}

}  // namespace weft
