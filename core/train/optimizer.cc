// Optimizers as graph.
#include "core/train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/graph/walk.h"

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

// A gradient; of a variable that is only looked up, by Gather along its first axis, also as rows with their indices: the
// whole is then not made unless something else needs it.
struct Gradient {
  Expr whole;
  Expr rows, indices;  // [n, ...] and [n]
};

Gradient find_rows(ExprScope& scope, Expr whole, Expr parameter) {
  Gradient gradient{whole, {}, {}};
  if (!parameter.has_rank() || (parameter.dtype() != DType::kF32 && parameter.dtype() != DType::kF64)) return gradient;
  std::vector<Expr> rows, indices;
  std::vector<int64_t> row{-1};
  for (size_t i = 1; i < parameter.dims().size(); ++i) row.push_back(parameter.dims()[i].value());
  // A sum of ScatterRows, one for each lookup.
  std::vector<ValueId> left{whole.id()};
  while (!left.empty()) {
    const Node& node = scope.graph().producer(left.back());
    left.pop_back();
    if (node.is("Add")) {
      left.insert(left.end(), {node.inputs[1], node.inputs[0]});
      continue;
    }
    if (!node.is(kWeftDomain, "ScatterRows") || node.inputs[2] != parameter.id() || node.attrs.i("axis") != 0) {
      return gradient;
    }
    // `node` moves when nodes are added.
    ValueId from = node.inputs[0], at = node.inputs[1];
    rows.push_back(reshape(Expr(scope, from), constant_ints(scope, row)));
    indices.push_back(reshape(cast(Expr(scope, at), DType::kI64), constant_ints(scope, {-1})));
  }
  gradient.rows = rows.size() == 1 ? rows[0] : concat(rows, 0);
  gradient.indices = indices.size() == 1 ? indices[0] : concat(indices, 0);
  return gradient;
}

// The gradients, scaled down together if their norm is too large; in f32 at least, as squares of halves soon overflow.
void clip(ExprScope& scope, std::vector<Gradient>& gradients, double limit) {
  auto wide = [](Expr x) { return x.dtype() == DType::kF64 ? DType::kF64 : DType::kF32; };
  DType widest = DType::kF32;
  for (const Gradient& gradient : gradients) {
    if (gradient.whole.dtype() == DType::kF64) widest = DType::kF64;
  }
  Expr total;
  for (const Gradient& gradient : gradients) {
    Expr whole = cast(gradient.whole, wide(gradient.whole));
    Expr part = cast(make(scope, "ReduceSumSquare", {whole}, {{"keepdims", int64_t{0}}}), widest);
    total = total.valid() ? total + part : part;
  }
  Expr norm = make(scope, "Sqrt", {total});
  Expr factor = make(scope, "Min", {limit / (norm + 1e-6), scalar_like(norm, 1)});
  for (Gradient& gradient : gradients) {
    Expr& scaled = gradient.rows.valid() ? gradient.rows : gradient.whole;
    scaled = cast(cast(scaled, wide(scaled)) * cast(factor, wide(scaled)), scaled.dtype());
  }
}

bool is_assigned(const Graph& graph, ValueId variable) {
  for (NodeId id = 0; id < graph.node_count(); ++id) {
    const Node& node = graph.node(id);
    if (node.is(kWeftDomain, "Assign") && node.inputs[0] == variable) return true;
  }
  return false;
}

// Settings outside of what makes sense of the formula.
Status check_numbers(const OptimizerOptions& options) {
  auto check = [](std::string_view name, double value, double below) -> Status {
    if (value >= 0 && value < below) return {};
    if (std::isinf(below)) return invalid(name, " is ", value, " but must be a number that is not negative");
    return invalid(name, " is ", value, " but must be at least 0 and less than ", below);
  };
  constexpr double kAny = std::numeric_limits<double>::infinity();
  WEFT_CHECK(check("learning_rate", options.learning_rate, kAny));
  WEFT_CHECK(check("clip_norm", options.clip_norm, kAny));
  for (const char* name : {"momentum", "beta1", "beta2"}) {
    if (options.attrs.has(name)) WEFT_CHECK(check(name, options.attrs.f(name), 1));
  }
  for (const char* name : {"epsilon", "weight_decay"}) {
    if (options.attrs.has(name)) WEFT_CHECK(check(name, options.attrs.f(name), kAny));
  }
  return {};
}

// A schedule over a counter that nothing counts would stand still without a word.
Status check_schedule(const Graph& graph, const OptimizerOptions& options, ValueId learning_rate) {
  const std::string own = cat(options.name, "/step");
  for (NodeId id : ordered_nodes(graph, {learning_rate}, {}, false)) {
    const Node& node = graph.node(id);
    if (!node.is(kWeftDomain, "Variable") || is_assigned(graph, node.first_output)) continue;
    const std::string& name = node.attrs.s("name");
    const bool counter = name.size() > 5 && name.compare(name.size() - 5, 5, "/step") == 0;
    if (!counter || name == own) continue;
    return invalid("the learning rate follows '", name, "', which no optimizer counts so far; this one counts '", own,
                   "'");
  }
  return {};
}

// Weights of f16 and bf16 that a file holds are constants, whatever was to be trainable.
Status nothing_to_train(const Graph& graph, ValueId loss) {
  for (NodeId id : ordered_nodes(graph, {loss}, {}, false)) {
    const Node& node = graph.node(id);
    if (!node.is("Constant")) continue;
    const Value& weight = graph.value(node.first_output);
    const bool is_half = weight.type.dtype == DType::kF16 || weight.type.dtype == DType::kBF16;
    if (!is_half || weight.type.dims.empty()) continue;
    return invalid("the loss depends on no trainable variable, but on the constant '", weight.name, "', which is ",
                   weight.type.text(), ": weights of that type are not trained; export the model in f32");
  }
  const std::vector<VariableInfo> variables = graph.variables();
  const auto trainable =
      std::find_if(variables.begin(), variables.end(), [](const VariableInfo& v) { return v.trainable; });
  if (trainable == variables.end()) {
    return invalid(
        "the loss depends on no trainable variable, and the graph has none; weights of a model from a file are "
        "constants but for those that its load option 'trainable' names");
  }
  return invalid(
      "the loss depends on no trainable variable, at least through nothing that has a gradient; one that the "
      "graph has is '",
      trainable->name, "'");
}

}  // namespace

const char* optimizer_kinds() { return "Sgd, Momentum, Adam, AdamW"; }

Result<ValueId> step_variable(Graph& graph, std::string_view name) {
  const std::string full_name = cat(name, "/step");
  if (const VariableInfo* known = graph.find_variable(full_name)) {
    const ValueType& type = graph.type(known->value);
    if (type.dtype == DType::kI64 && type.has_rank && type.dims.empty()) return known->value;
    return invalid("variable '", full_name, "' is ", type.text(), " but must be i64[] to count an optimizer's steps");
  }
  WEFT_TRY(ValueId zero, graph.add_constant(Tensor::scalar<int64_t>(0)));
  return graph.add_variable_full(full_name, zero, false);
}

Result<ValueId> add_train_step(Graph& graph, const OptimizerOptions& options, ValueId loss,
                               const std::vector<ValueId>& variables, ValueId learning_rate, std::string_view origin,
                               DifferentiateFn differentiate) {
  const Method* kind = find_method(options.kind);
  if (kind == nullptr) return not_found("there is no optimizer '", options.kind, "'; there are ", optimizer_kinds());
  const ValueType loss_type = graph.type(loss);
  if (!loss_type.has_rank || !loss_type.dims.empty() || !is_float(loss_type.dtype)) {
    bool one = loss_type.has_rank && is_float(loss_type.dtype) &&
               std::all_of(loss_type.dims.begin(), loss_type.dims.end(), [](const Dim& dim) { return dim.is(1); });
    return invalid("the loss must be a floating-point scalar but is ", loss_type.text(),
                   one ? "; reduce it with keepdims 0" : "; reduce it, as ReduceMean does with keepdims 0");
  }
  WEFT_CHECK(check_numbers(options));
  if (options.name.empty()) return invalid("an optimizer needs a name");
  if (const VariableInfo* step = graph.find_variable(cat(options.name, "/step"));
      step != nullptr && is_assigned(graph, step->value)) {
    return invalid("this graph has an optimizer named '", options.name,
                   "' already, whose steps it counts; give this one a name of its own");
  }
  if (learning_rate != kNoValue) WEFT_CHECK(check_schedule(graph, options, learning_rate));
  std::vector<VariableInfo> chosen;
  for (const VariableInfo& variable : graph.variables()) {
    bool listed = std::find(variables.begin(), variables.end(), variable.value) != variables.end();
    if (variables.empty() ? variable.trainable : listed) chosen.push_back(variable);
  }
  if (!variables.empty() && chosen.size() != variables.size()) {
    for (size_t i = 0; i < variables.size(); ++i) {
      const bool known =
          std::any_of(chosen.begin(), chosen.end(), [&](const auto& v) { return v.value == variables[i]; });
      if (!known) {
        return invalid("value ", i, " to train is '", graph.value(variables[i]).name,
                       "', which is no variable of this graph");
      }
    }
    return invalid("a variable is listed twice among those to train");
  }
  // Not in the order in which they were made: the norm that gradients are clipped by is a sum over them.
  std::sort(chosen.begin(), chosen.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  std::vector<ValueId> xs;
  for (const VariableInfo& variable : chosen) xs.push_back(variable.value);
  WEFT_TRY(std::vector<ValueId> found, differentiate(graph, {loss}, xs, {}, origin));
  ExprScope scope(graph, std::string(origin));
  std::vector<VariableInfo> trained;
  std::vector<Gradient> gradients;
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (found[i] != kNoValue) {
      trained.push_back(chosen[i]);
      gradients.push_back(find_rows(scope, Expr(scope, found[i]), Expr(scope, chosen[i].value)));
    } else if (!variables.empty()) {
      return invalid("the loss does not depend on the variable '", chosen[i].name, "'");
    }
  }
  if (trained.empty()) return nothing_to_train(graph, loss);
  if (options.clip_norm > 0) clip(scope, gradients, options.clip_norm);

  WEFT_TRY(ValueId step_id, step_variable(graph, options.name));
  Expr step(scope, step_id);
  Expr next_step = step + 1;
  Expr counted = make(scope, "weft.Assign", {step, next_step});
  WEFT_CHECK(scope.status());
  for (size_t i = 0; i < trained.size(); ++i) {
    Expr parameter(scope, trained[i].value);
    Expr rate = learning_rate == kNoValue ? scalar_like(parameter, options.learning_rate)
                                          : cast(Expr(scope, learning_rate), parameter.dtype());
    const Gradient& gradient = gradients[i];
    std::vector<Expr> inputs{parameter, gradient.rows.valid() ? gradient.rows : gradient.whole}, states;
    for (const std::string& state : kind->states) {
      Expr zeros = make(scope, "Expand", {scalar_like(parameter, 0), constant_ints(scope, to_shape(parameter.dims()))});
      WEFT_CHECK(scope.status());
      WEFT_TRY(ValueId id,
               graph.add_variable_full(cat(options.name, "/", trained[i].name, "/", state), zeros.id(), false, origin));
      states.emplace_back(scope, id);
      inputs.push_back(states.back());
    }
    inputs.push_back(rate);
    if (kind->counts_steps) inputs.push_back(next_step);
    if (gradient.indices.valid()) inputs.push_back(gradient.indices);
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
