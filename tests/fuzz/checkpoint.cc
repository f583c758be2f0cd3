// Any bytes as a checkpoint of a model that trains: every variable is set or none is, and whatever the numbers are, it trains
// on and is saved.
#include "core/runtime/checkpoint.h"

#include "core/graph/expr.h"
#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/train/optimizer.h"
#include "tests/fuzz/readers.h"

namespace weft {
namespace {

constexpr int64_t kTimeout = 1'000'000'000;

// A weight with the state of Adam, the counter of a layer that drops at random, a truth value and a variable of nothing.
struct Model {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  std::vector<std::string> names;
  ValueId step = kNoValue;

  Model() {
    ExprScope scope(*graph);
    const auto add = [&](const char* name, Tensor initial, bool trainable) {
      return Expr(scope, *graph->add_variable(name, constant(scope, std::move(initial)).id(), trainable));
    };
    const Expr weight = add("w", *Tensor::vector<float>({1, 2, 3, 4, 5, 6}).reshaped({2, 3}), true);
    (void)add("flag", Tensor::scalar<bool>(true), false);
    (void)add("none", *Tensor::make(DType::kF32, {0, 4}), false);
    const std::shared_ptr<Layer> drop = *Layer::make(graph, builtin_layers(), "Dropout", {}, "drop", "");
    const Expr dropped(scope, (*drop->call({weight.id()}, true, ""))[0]);
    const Expr loss = reduce_sum(dropped * dropped, {0, 1}, false);
    must(scope.status().ok());
    OptimizerOptions options;
    options.kind = "Adam";
    step = *add_train_step(*graph, options, loss.id(), {}, kNoValue, "", differentiate);
    for (const VariableInfo& variable : graph->variables()) names.push_back(variable.name);
  }
};

bool same(const NamedTensors& a, const NamedTensors& b) {
  bool equal = a.size() == b.size();
  for (size_t i = 0; equal && i < a.size(); ++i) equal = a[i].first == b[i].first && a[i].second.same_bits(b[i].second);
  return equal;
}

void load(const Model& model, const std::string& path, bool partial) {
  const std::shared_ptr<Session> session = *Session::make(model.graph, {});
  const NamedTensors before = *values_at_once(*session, model.names);
  const Status status = load_checkpoint(*session, path, partial);
  must_be_fair(status);
  if (!status.ok()) {
    must(same(before, *values_at_once(*session, model.names)));
    return;
  }
  const std::string copy = scratch() / "written.safetensors";
  for (int i = 0; i < 2; ++i) {
    const NamedTensors now = *values_at_once(*session, model.names);
    must(save_checkpoint(*session, copy).ok());
    must(load_checkpoint(*session, copy, false).ok());
    must(same(now, *values_at_once(*session, model.names)));
    RunOptions limits;
    limits.timeout_ns = kTimeout;
    std::vector<Tensor> out;
    must_be_fair(session->run({{}, {}, {model.step}}, {}, limits, &out));
  }
}

}  // namespace

void fuzz(std::string_view bytes) {
  static const Model model;
  const std::string path = put("read.safetensors", bytes);
  load(model, path, false);
  load(model, path, true);
}

}  // namespace weft
