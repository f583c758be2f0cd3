// The optimizers' updates of a parameter and its state: SGD, momentum, Adam and AdamW.
#include "core/graph/expr.h"

namespace weft {
namespace {

// The gradient of rows is [...indices, ...rest of the parameter].
Status check_rows(const InferContext& c, int indices) {
  if (!c.has_rank(0) || !c.has_rank(1) || !c.has_rank(indices)) return {};
  Dims wanted = c.dims(indices);
  if (c.rank(0) == 0) return invalid("a parameter without dimensions has no rows");
  wanted.insert(wanted.end(), c.dims(0).begin() + 1, c.dims(0).end());
  bool same = wanted.size() == c.dims(1).size();
  for (size_t d = 0; same && d < wanted.size(); ++d) {
    same = wanted[d] == c.dims(1)[d] || !wanted[d].known() || !c.dims(1)[d].known();
  }
  if (same) return {};
  return invalid("input 'gradient' is ", c.input(1).text(), " but must be ", dims_text(wanted), " for the indices ",
                 c.input(indices).text(), " of the parameter ", c.input(0).text());
}

// The gradient and the states have the parameter's shape; what follows them are scalars, then the indices.
template <int states>
Status infer_update(InferContext& c) {
  const int indices = static_cast<int>(c.op().inputs().size()) - 1;
  if (c.has_input(indices)) WEFT_CHECK(check_rows(c, indices));
  for (int i = c.has_input(indices) ? 2 : 1; i < indices; ++i) {
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
  OpDef& op =
      ops.add(kWeftDomain, name)
          .group("optimizer")
          .doc(doc)
          .types("T", kFloatTypes)
          .types("I", kIndexTypes)
          .input("parameter", "T", "Any shape.")
          .input("gradient", "T", "The shape of the parameter; with `indices`, of these rows: [...indices, ...].")
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
      .no_gradient(
          "a run ends with it, as its results are what the variables become; a step to be differentiated through "
          "is written as its formula");
}

// What all of them take last.
OpDef& take_rows(OpDef& op) {
  return op
      .optional_input(
          "indices", "I",
          "The rows, along the first axis of the parameter, that the gradient is of; the gradients of equal "
          "indices add up, in order, and that of other rows is 0. Negative ones count from the end.")
      .flag("lazy", false, "Whether, with `indices`, other rows and their state stay as they are, without decay.");
}

OpDef& add_adam(OpRegistry& ops, std::string_view name, std::string_view doc) {
  OpDef& op =
      add_update<2>(ops, name, doc,
                    {{"first_moment", "Running mean of the gradient"}, {"second_moment", "Running mean of its square"}})
          .input("step", "i64", "Number of this step, a scalar: 1 in the first.");
  return take_rows(op)
      .attr("beta1", 0.9, "Weight of the old first moment.")
      .attr("beta2", 0.999, "Weight of the old second moment.")
      .attr("epsilon", 1e-8, "Added to the root of the corrected second moment.");
}

}  // namespace

void define_op_optimizer(OpRegistry& ops) {
  take_rows(add_update<0>(ops, "Sgd",
                          "Stochastic gradient descent: `parameter - learning_rate * (gradient + "
                          "weight_decay * parameter)`.",
                          {}))
      .attr("weight_decay", 0.0, "Factor of the parameter that is added to the gradient.");
  take_rows(add_update<1>(ops, "Momentum",
                          "Gradient descent with momentum (Sutskever et al., 2013), in the form `g = gradient + "
                          "weight_decay * "
                          "parameter; v = momentum * velocity + g; parameter - learning_rate * v`, or with `nesterov` "
                          "`parameter - learning_rate * (g + momentum * v)`. The velocity does not contain the "
                          "learning rate.",
                          {{"velocity", "Running sum of gradients"}}))
      .attr("momentum", 0.9, "Weight of the old velocity.")
      .flag("nesterov", false, "Whether the step is Nesterov's.")
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
