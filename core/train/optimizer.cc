// Optimizers as graph.
#include "core/train/optimizer.h"

#include <algorithm>

namespace weft {

namespace {

struct Method {
  const char* name;
  std::vector<std::string> states;
  bool counts_steps;
};
const Method* find_method(std::string_view name) {
  static const Method kinds[] = {
      {"Sgd", {}, false},
      {"Momentum", {"velocity"}, false},
      {"Adam", {"first_moment", "second_moment"}, true},
      {"AdamW", {"first_moment", "second_moment"}, true},
  };
  for (const Method& kind : kinds) {
    if (name == kind.name) return &kind;
  }
  return nullptr;
}

constexpr const char* kStepName = "optimizer/step";

// The gradients, scaled down together if their norm is too large.
std::vector<Expr> clip(ExprScope& scope, std::vector<Expr> gradients, double limit) {
  Expr total;
  for (Expr gradient : gradients) {
    Expr part = cast(make(scope, "ReduceSumSquare", {gradient}, {{"keepdims", int64_t{0}}}), gradients[0].dtype());
    total = total.valid() ? total + part : part;
  }
  Expr norm = make(scope, "Sqrt", {total});
  Expr factor = make(scope, "Min", {limit / (norm + 1e-6), scalar_like(norm, 1)});
  for (Expr& gradient : gradients) gradient = gradient * cast(factor, gradient.dtype());
  return gradients;
}

}  // namespace

const char* optimizer_kinds() { return "Sgd, Momentum, Adam, AdamW"; }

Result<ValueId> step_variable(Graph& graph) {
  if (const VariableInfo* known = graph.find_variable(kStepName)) return known->value;
  WEFT_TRY(ValueId zero, graph.add_constant(Tensor::scalar<int64_t>(0)));
  return graph.add_variable_full(kStepName, zero, false);
}

Result<ValueId> add_train_step(Graph& graph, const OptimizerOptions& options, ValueId loss,
                               const std::vector<ValueId>& variables, ValueId learning_rate, std::string_view origin,
                               DifferentiateFn differentiate) {
  const Method* kind = find_method(options.kind);
  if (kind == nullptr) return not_found("there is no optimizer '", options.kind, "'; there are ", optimizer_kinds());
  const ValueType loss_type = graph.type(loss);
  if (!loss_type.has_rank || !loss_type.dims.empty() || !is_float(loss_type.dtype)) {
    return invalid("the loss must be a floating-point scalar but is ", loss_type.text());
  }
  std::vector<VariableInfo> chosen;
  for (const VariableInfo& variable : graph.variables()) {
    bool listed = std::find(variables.begin(), variables.end(), variable.value) != variables.end();
    if (variables.empty() ? variable.trainable : listed) chosen.push_back(variable);
  }
  if (!variables.empty() && chosen.size() != variables.size()) {
    return invalid("a value to train is not a variable of this graph, or is listed twice");
  }
  // Not in the order in which they were made: the norm that gradients are clipped by is a sum over them.
  std::sort(chosen.begin(), chosen.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  std::vector<ValueId> xs;
  for (const VariableInfo& variable : chosen) xs.push_back(variable.value);
  WEFT_TRY(std::vector<ValueId> found, differentiate(graph, {loss}, xs, {}, origin));
  ExprScope scope(graph, std::string(origin));
  std::vector<VariableInfo> trained;
  std::vector<Expr> gradients;
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (found[i] != kNoValue) {
      trained.push_back(chosen[i]);
      gradients.emplace_back(scope, found[i]);
    } else if (!variables.empty()) {
      return invalid("the loss does not depend on the variable '", chosen[i].name, "'");
    }
  }
  if (trained.empty()) return invalid("the loss depends on no trainable variable");
  if (options.clip_norm < 0) return invalid("clip_norm is ", options.clip_norm, " but must not be negative");
  if (options.clip_norm > 0) gradients = clip(scope, std::move(gradients), options.clip_norm);

  WEFT_TRY(ValueId step_id, step_variable(graph));
  Expr step(scope, step_id);
  Expr next_step = step + 1;
  Expr counted = make(scope, "weft.Assign", {step, next_step});
  WEFT_CHECK(scope.status());
  for (size_t i = 0; i < trained.size(); ++i) {
    Expr parameter(scope, trained[i].value);
    Expr rate = learning_rate == kNoValue ? scalar_like(parameter, options.learning_rate)
                                          : cast(Expr(scope, learning_rate), parameter.dtype());
    std::vector<Expr> inputs{parameter, gradients[i]}, states;
    for (const std::string& state : kind->states) {
      Expr zeros = make(scope, "Expand", {scalar_like(parameter, 0), constant_ints(scope, to_shape(parameter.dims()))});
      WEFT_CHECK(scope.status());
      WEFT_TRY(ValueId id,
               graph.add_variable_full(cat("optimizer/", trained[i].name, "/", state), zeros.id(), false, origin));
      states.emplace_back(scope, id);
      inputs.push_back(states.back());
    }
    inputs.push_back(rate);
    if (kind->counts_steps) inputs.push_back(next_step);
    std::vector<Expr> updated =
        make_all(scope, cat("weft.", kind->name), inputs, options.attrs, 1 + static_cast<int>(states.size()));
    WEFT_CHECK(scope.status());
    for (size_t k = 0; k < updated.size(); ++k) {
      Expr assigned = make(scope, "weft.Assign", {k == 0 ? parameter : states[k - 1], updated[k]});
      WEFT_CHECK(scope.status());
      WEFT_CHECK(graph.attach(graph.value(counted.id()).node, assigned.id()));
    }
  }
  return counted.id();
}

}  // namespace weft
