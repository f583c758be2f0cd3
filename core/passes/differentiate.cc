// Reverse-mode differentiation.
#include "core/passes/differentiate.h"

#include <algorithm>

#include "core/graph/walk.h"
#include "core/passes/differentiate_if.h"
#include "core/passes/differentiate_loop.h"
#include "core/passes/widen.h"

namespace weft {

bool carries_gradient(const ValueType& type) {
  return type.keys == DType::kNone && (is_float(type.dtype) || is_complex(type.dtype));  // maps carry none
}

bool carries_gradient(const Graph& graph, ValueId id) {
  return carries_gradient(graph.type(id)) || graph.is_quantized(id);
}

namespace {

class Differentiator {
 public:
  Differentiator(Graph& graph, std::string_view origin)
      : graph_(graph), scope_(graph, std::string(origin)), value_count_(graph.value_count()) {}

  Result<std::vector<ValueId>> run(const std::vector<ValueId>& ys, const std::vector<ValueId>& xs,
                                   const std::vector<ValueId>& grad_ys) {
    for (ValueId id : xs) {
      if (!graph_.has_value(id)) return invalid("a value to differentiate by is not of this graph");
    }
    parts_.resize(value_count_);
    WEFT_CHECK(seed(ys, grad_ys));
    std::vector<NodeId> order = ordered_nodes(graph_, ys, {}, false);
    mark_needed(order, xs);
    for (size_t i = order.size(); i-- > 0;) {
      WEFT_CHECK(backward(order[i]));
    }
    std::vector<ValueId> out;
    for (ValueId id : xs) out.push_back(in_own_type(total(id), graph_.type(id)).id());
    WEFT_CHECK(scope_.status());
    return out;
  }

 private:
  // Of what was quantized to integers there is none: they have no type for it.
  static Expr in_own_type(Expr gradient, const ValueType& type) {
    return carries_gradient(type) ? cast(gradient, type.dtype) : Expr();
  }

  Status seed(const std::vector<ValueId>& ys, const std::vector<ValueId>& grad_ys) {
    if (!grad_ys.empty() && grad_ys.size() != ys.size()) {
      return invalid("there are ", ys.size(), " values to differentiate but ", grad_ys.size(), " weights");
    }
    for (size_t i = 0; i < ys.size(); ++i) {
      if (!graph_.has_value(ys[i])) return invalid("a value to differentiate is not of this graph");
      const Value& y = graph_.value(ys[i]);
      if (!carries_gradient(y.type)) {
        const Node& node = graph_.producer(ys[i]);
        return invalid("'", y.name, "' is ", y.type.text(), "; only floating-point values can be differentiated")
            .at(node.name, node.op->full_name(), node.origin);
      }
      Expr weight;
      if (i < grad_ys.size() && grad_ys[i] != kNoValue) {
        if (!graph_.has_value(grad_ys[i])) return invalid("a weight is not a value of this graph");
        weight = Expr(scope_, grad_ys[i]);
        const ValueType& type = weight.type();
        if (type.dtype != y.type.dtype || (type.has_rank && y.type.has_rank && !may_equal(type.dims, y.type.dims))) {
          return invalid("the weight of '", y.name, "' is ", type.text(), " but must be like it, ", y.type.text());
        }
      } else if (y.type.kind != Kind::kTensor) {
        return invalid("'", y.name, "' is ", y.type.text(), "; only tensors have a gradient without a weight");
      } else {
        weight = fill_like(Expr(scope_, ys[i]), 1);
      }
      parts_[ys[i]].push_back(weight);
    }
    return scope_.status();
  }

  // A value needs a gradient if one of `xs` is among what it is made of.
  void mark_needed(const std::vector<NodeId>& order, const std::vector<ValueId>& xs) {
    needed_.assign(value_count_, false);
    for (ValueId id : xs) {
      if (id < value_count_) needed_[id] = true;
    }
    for (NodeId id : order) {
      const Node& node = graph_.node(id);
      bool any = std::any_of(node.inputs.begin(), node.inputs.end(),
                             [&](ValueId input) { return input != kNoValue && needed_[input]; });
      if (!any) continue;
      for (int i = 0; i < node.output_count; ++i) {
        if (carries_gradient(graph_, node.output(i))) needed_[node.output(i)] = true;
      }
    }
  }

  // The sum of what has arrived, or none. Summed once: later contributions cannot come in a walk from the ys.
  Expr total(ValueId id) {
    std::vector<Expr>& parts = parts_[id];
    if (parts.empty()) return {};
    Expr sum = parts[0];
    for (size_t i = 1; i < parts.size(); ++i) {
      Expr part = parts[i];
      if (sum.dtype() != part.dtype()) {  // what was quantized is read as both types
        const DType both = sum.dtype() == DType::kF64 || part.dtype() == DType::kF64 ? DType::kF64 : DType::kF32;
        sum = cast(sum, both);
        part = cast(part, both);
      }
      sum = sum_of_gradients(sum, part);
    }
    parts = {sum};
    return sum;
  }

  bool flows_back(const Node& node, int input) const {
    const ValueId id = node.inputs[input];
    if (carries_gradient(graph_.type(id))) return true;
    const Formal* formal = node.op->input_formal(input);
    return formal != nullptr && formal->quantized && graph_.is_quantized(id);
  }

  Status backward(NodeId id) {
    const Node node = graph_.node(id);  // a copy: the list of nodes grows
    std::vector<Expr> grads;
    bool any_grad = false;
    for (int i = 0; i < node.output_count; ++i) {
      // Whoever asked for the gradients up to there goes on.
      const bool beyond = !stops_.empty() && stops_[node.output(i)];
      grads.push_back(needed_[node.output(i)] && !beyond ? total(node.output(i)) : Expr());
      any_grad = any_grad || grads.back().valid();
    }
    std::vector<bool> needed;
    bool any_needed = false;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const bool need = node.inputs[i] != kNoValue && needed_[node.inputs[i]] && flows_back(node, static_cast<int>(i));
      needed.push_back(need);
      any_needed = any_needed || need;
    }
    if (!any_grad || !any_needed) return {};
    scope_.set_origin(node.origin);
    std::vector<Expr> inputs, outputs;
    for (ValueId input : node.inputs) inputs.push_back(input == kNoValue ? Expr() : Expr(scope_, input));
    for (int i = 0; i < node.output_count; ++i) outputs.emplace_back(scope_, node.output(i));
    if (node.op->grad_fn() == nullptr && node.op->has_gradient()) {
      return through_body(node, std::move(inputs), grads, needed);
    }
    GradContext context(scope_, node, inputs, std::move(outputs), grads, needed);
    if (node.op->grad_fn() != nullptr) {
      WEFT_CHECK(node.op->grad_fn()(context).at(node.name, node.op->full_name(), node.origin));
      if (context.uses_body()) return through_body(node, std::move(inputs), grads, needed);
    } else if (node.is("If")) {
      WEFT_CHECK(differentiate_if(context).at(node.name, node.op->full_name(), node.origin));
    } else if (node.is("Loop") || node.is("Scan")) {
      WEFT_CHECK(differentiate_loop(context).at(node.name, node.op->full_name(), node.origin));
    } else if (!node.op->no_gradient_reason().empty()) {
      return {};  // by design nothing flows: the reason is in the operator's page
    } else {
      return unimplemented("operator ", node.op->full_name(), " has no gradient")
          .at(node.name, node.op->full_name(), node.origin);
    }
    WEFT_CHECK(scope_.status().at(node.name, node.op->full_name(), node.origin));
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      Expr gradient = context.input_grads()[i];
      if (gradient.valid()) parts_[node.inputs[i]].push_back(gradient);
    }
    return {};
  }

  // The body is built beside the node on the same inputs; common sub-expressions fall together later.
  Status through_body(const Node& node, std::vector<Expr> inputs, const std::vector<Expr>& grads,
                      const std::vector<bool>& needed) {
    const bool is_gradient = !node.op->gradient_of_name().empty();
    // Of halves as rewriting computes it, without rounding in between.
    const std::optional<Widening> wide = is_gradient ? std::nullopt : widen_halves(graph_, node);
    for (size_t i = 0; wide && i < inputs.size(); ++i) {
      if (wide->inputs[i] != DType::kNone) inputs[i] = cast(inputs[i], wide->inputs[i]);
    }
    Result<std::vector<Expr>> made =
        is_gradient ? expand_gradient(node, inputs)
                    : expand_gradient_body(scope_, *node.op, node.attrs, inputs, node.output_count, node.name);
    if (!made.ok()) return made.status().at(node.name, node.op->full_name(), node.origin);
    std::vector<Expr> outputs = std::move(*made);
    for (int i = 0; wide && i < node.output_count; ++i) {
      outputs[i] = cast(outputs[i], graph_.type(node.output(i)).dtype);
    }
    std::vector<ValueId> ys, weights, xs;
    for (int i = 0; i < node.output_count; ++i) {
      if (!grads[i].valid() || !outputs[i].valid()) continue;
      const ValueType& type = outputs[i].type();
      ys.push_back(outputs[i].id());
      weights.push_back((carries_gradient(type) ? cast(grads[i], type.dtype) : grads[i]).id());
    }
    for (size_t i = 0; i < needed.size(); ++i) {
      // A value that is several inputs gets the gradient of all of them at once.
      if (!needed[i] || std::find(xs.begin(), xs.end(), node.inputs[i]) != xs.end()) continue;
      xs.push_back(node.inputs[i]);
    }
    // Bodies are made of operators nearer to the ground each time, so this nests a few levels at most.
    WEFT_TRY(std::vector<ValueId> gradients, differentiate_until(ys, xs, weights));
    for (size_t i = 0; i < xs.size(); ++i) {
      if (gradients[i] != kNoValue) parts_[xs[i]].push_back(Expr(scope_, gradients[i]));
    }
    return {};
  }

  // The outputs of an operator that is the gradient of another one, as the gradient of that one's body.
  Result<std::vector<Expr>> expand_gradient(const Node& node, const std::vector<Expr>& inputs) {
    WEFT_TRY(const OpDef* of, graph_.ops().get(kOnnxDomain, node.op->gradient_of_name()));
    const size_t count = of->inputs().size(), outputs = of->outputs().size();
    // One value may be several inputs, each of which has a gradient of its own.
    std::vector<Expr> own(count);
    for (size_t i = 0; i < std::min(count, inputs.size()); ++i) {
      if (inputs[i].valid()) own[i] = make(scope_, "Identity", {inputs[i]});
    }
    Result<std::vector<Expr>> made = expand_body(scope_, *of, node.attrs, own, static_cast<int>(outputs), node.name);
    if (!made.ok()) return Status(made.status()).at(node.name, node.op->full_name(), node.origin);
    std::vector<ValueId> ys, weights, xs;
    for (size_t i = 0; i < outputs && count + i < inputs.size(); ++i) {
      if (!inputs[count + i].valid()) continue;
      ys.push_back((*made)[i].id());
      weights.push_back(inputs[count + i].id());
    }
    std::vector<Expr> out;
    std::vector<size_t> places;
    for (int i = 0; i < node.output_count; ++i) {
      const std::string_view name = std::string_view(node.op->outputs()[i].name).substr(1);
      size_t k = 0;
      while (k < count && of->inputs()[k].name != name) ++k;
      out.emplace_back();
      if (k == count || !own[k].valid()) continue;
      places.push_back(static_cast<size_t>(i));
      xs.push_back(own[k].id());
    }
    WEFT_TRY(std::vector<ValueId> gradients, differentiate_until(ys, xs, weights));
    for (size_t i = 0; i < xs.size(); ++i) {
      if (gradients[i] != kNoValue) out[places[i]] = Expr(scope_, gradients[i]);
    }
    return out;
  }

  // Gradients of `ys` by `xs`, not going past `xs`.
  Result<std::vector<ValueId>> differentiate_until(const std::vector<ValueId>& ys, const std::vector<ValueId>& xs,
                                                   const std::vector<ValueId>& weights) {
    WEFT_CHECK(scope_.status());
    Differentiator inner(graph_, scope_.origin());
    inner.parts_.resize(inner.value_count_);
    for (size_t i = 0; i < ys.size(); ++i) inner.parts_[ys[i]].push_back(Expr(inner.scope_, weights[i]));
    std::vector<bool> stops(graph_.value_count(), false);
    for (ValueId id : xs) stops[id] = true;
    std::vector<NodeId> order = ordered_nodes(graph_, ys, stops, false);
    inner.stops_ = std::move(stops);
    inner.mark_needed(order, xs);
    for (size_t i = order.size(); i-- > 0;) WEFT_CHECK(inner.backward(order[i]));
    std::vector<ValueId> out;
    for (ValueId id : xs) out.push_back(inner.total(id).id());
    WEFT_CHECK(inner.scope_.status());
    return out;
  }

  Graph& graph_;
  ExprScope scope_;
  const ValueId value_count_;  // of the graph as it was; gradients are made of newer values
  std::vector<std::vector<Expr>> parts_;
  std::vector<bool> needed_;
  std::vector<bool> stops_;  // values past which the walk does not go; it may come to other outputs of their nodes
};

}  // namespace

Expr sum_of_gradients(Expr a, Expr b) {
  if (!a.valid()) return a;
  switch (a.type().kind) {
    case Kind::kSequence: return make(a.scope(), "weft.SequenceAdd", {a, b});
    case Kind::kOptional: return make(a.scope(), "weft.OptionalAdd", {a, b});
    default: return a + b;
  }
}

Result<std::vector<ValueId>> differentiate(Graph& graph, const std::vector<ValueId>& ys, const std::vector<ValueId>& xs,
                                           const std::vector<ValueId>& grad_ys, std::string_view origin) {
  return Differentiator(graph, origin).run(ys, xs, grad_ys);
}

}  // namespace weft
