// The gradient of If: another If, whose branches are the gradients of the branches.
#include "core/passes/differentiate_if.h"

#include <algorithm>

#include "core/graph/subgraph.h"
#include "core/passes/differentiate.h"

namespace weft {

namespace {

// Copies `branch` into `into` (a sub-graph of `parent`), its captures from `outer`; says where each value went.
Result<std::vector<ValueId>> copy_branch(const Graph& branch, const std::vector<ValueId>& outer, const Graph& parent,
                                         Graph& into) {
  std::vector<ValueId> map(branch.value_count(), kNoValue);
  for (size_t i = 0; i < branch.captures().size(); ++i) {
    WEFT_TRY(map[branch.captures()[i].inner], into.capture(parent, outer[i]));
  }
  WEFT_CHECK(copy_nodes(branch, branch.outputs(), into, &map));
  return map;
}

}  // namespace

Status differentiate_if(GradContext& context) {
  Graph& graph = context.scope().graph();
  const Node& node = context.node();
  // What flows back: the captured values that need a gradient, each once.
  std::vector<ValueId> wanted;
  for (size_t i = node.schema_inputs; i < node.inputs.size(); ++i) {
    if (!context.needs(static_cast<int>(i))) continue;
    if (std::find(wanted.begin(), wanted.end(), node.inputs[i]) == wanted.end()) wanted.push_back(node.inputs[i]);
  }
  std::vector<ValueId> grads;
  for (int i = 0; i < node.output_count; ++i) {
    if (context.has_grad(i)) grads.push_back(context.grad(i).id());
  }
  Attrs attrs;
  size_t next_capture = node.schema_inputs;
  // The attributes come in the order in which Graph::add listed their captures.
  for (const auto& [name, attr] : node.attrs) {
    const Graph& branch = *attr.graph();
    std::vector<ValueId> outer(node.inputs.begin() + next_capture,
                               node.inputs.begin() + next_capture + branch.captures().size());
    next_capture += branch.captures().size();
    WEFT_TRY(std::shared_ptr<Graph> backward, Graph::make_subgraph(graph.shared_from_this()));
    WEFT_TRY(std::vector<ValueId> map, copy_branch(branch, outer, graph, *backward));
    std::vector<ValueId> ys, weights, xs, outputs;
    size_t next_grad = 0;
    for (int i = 0; i < node.output_count; ++i) {
      if (!context.has_grad(i)) continue;
      WEFT_TRY(ValueId weight, backward->capture(graph, grads[next_grad++]));
      ys.push_back(map[branch.outputs()[i]]);
      weights.push_back(weight);
    }
    for (ValueId id : wanted) {
      WEFT_TRY(ValueId inner, backward->capture(graph, id));
      xs.push_back(inner);
    }
    WEFT_TRY(outputs, differentiate(*backward, ys, xs, weights, node.origin));
    ExprScope scope(*backward, node.origin);
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i] == kNoValue) outputs[i] = fill_like(Expr(scope, xs[i]), 0).id();
    }
    WEFT_CHECK(scope.status());
    WEFT_CHECK(backward->set_outputs(std::move(outputs)));
    attrs.set(name, GraphRef(std::move(backward)));
  }
  std::vector<Expr> made =
      make_all(context.scope(), "If", {context.input(0)}, std::move(attrs), static_cast<int>(wanted.size()));
  WEFT_CHECK(context.scope().status());
  for (size_t k = 0; k < wanted.size(); ++k) {
    auto at = std::find(node.inputs.begin() + node.schema_inputs, node.inputs.end(), wanted[k]);
    context.set_grad(static_cast<int>(at - node.inputs.begin()), made[k]);
  }
  return {};
}

}  // namespace weft
