// Analytic against numeric gradients of a case, first and second order, in f64.
#include <algorithm>
#include <cmath>

#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"
#include "tests/case_runner/checks.h"

namespace weft {

namespace {

constexpr double kStep = 1e-5;
constexpr int64_t kMaxElements = 150;

Result<Tensor> to_f64(const Tensor& tensor) {
  WEFT_TRY(Tensor out, Tensor::make(DType::kF64, tensor.shape()));
  for (int64_t i = 0; i < tensor.count(); ++i) {
    out.as<double>()[i] = tensor.dtype() == DType::kF32 ? tensor.as<float>()[i] : tensor.as<double>()[i];
  }
  return out;
}

// Numbers without a pattern, from 0.5 up to 1.5; `salt` keeps one output's apart from another's.
Result<Tensor> pattern(const Shape& shape, int64_t salt) {
  WEFT_TRY(Tensor out, Tensor::make(DType::kF64, shape));
  for (int64_t i = 0; i < out.count(); ++i) {
    double phase = static_cast<double>(i + 1 + salt) * 0.6180339887498949;
    out.as<double>()[i] = phase - std::floor(phase) + 0.5;
  }
  return out;
}

Result<Tensor> zeros_like(const Tensor& like) {
  WEFT_TRY(Tensor out, Tensor::make(like.dtype(), like.shape()));
  std::fill_n(out.as<double>(), out.count(), 0.0);
  return out;
}

// What needs ranks before a run, as docs/gradients.md says; the tests of some of these give one of them.
constexpr std::string_view kNeedRanks[] = {
    "Attention",         "CausalConvWithState",   "DeformConv", "DequantizeLinear", "Einsum",
    "GridSample",        "RotaryEmbedding",       "weft.Cross", "weft.Kron",        "weft.Qr",
    "weft.SamplePoints", "weft.SamplePointsGrad", "weft.Svd"};

// Nodes of older opsets may need one to be brought forward.
bool needs_ranks(const Case& c) {
  return c.opset != 0 || std::find(std::begin(kNeedRanks), std::end(kNeedRanks), c.op) != std::end(kNeedRanks);
}

// sum(y * weights) as a scalar
Expr weighted_sum(Expr y, Expr weights) {
  return make(y.scope(), "ReduceSum", {y * weights}, {{"keepdims", int64_t{0}}});
}

// The loss is the sum of the outputs times cotangents, which are inputs too: a gradient is linear in them, so the
// second order's gradient to them, and what comes of exact zeros, are checked as well.
class GradientChecker {
 public:
  explicit GradientChecker(const Case& c) : c_(c) {}

  GradientReport run() {
    Status status = build();
    // What has no gradient in the form that the case shows.
    if (!c_.gradient && status.code() == Code::kUnimplemented) return std::move(report_);
    if (status.ok() && loss_ != kNoValue) status = check();
    if (!status.ok()) report_.problems.push_back(cat("gradient: ", status.text()));
    return std::move(report_);
  }

 private:
  // A floating tensor becomes an input in f64, any other a constant.
  Result<ValueId> add_tensor(const std::string& name, Tensor value) {
    bool floating = value.kind() == Kind::kTensor && (value.dtype() == DType::kF32 || value.dtype() == DType::kF64);
    if (!floating) return graph_->add_constant(value);
    too_large_ |= value.count() > kMaxElements;
    WEFT_TRY(value, to_f64(value));
    WEFT_TRY(ValueId id, graph_->add_input(name, type_of(value)));
    inputs_.push_back(id);
    values_.push_back(std::move(value));
    return id;
  }

  ValueType type_of(const Tensor& value) const {
    return with_shapes_ ? ValueType::tensor(DType::kF64, to_dims(value.shape())) : ValueType::unranked(DType::kF64);
  }

  // One that does not move, in the type of those that do.
  Result<ValueId> add_still(Tensor value) {
    if (value.dtype() == DType::kF32) {
      WEFT_TRY(value, to_f64(value));
    }
    return graph_->add_constant(std::move(value));
  }

  // A sequence of its items, each an input of its own: a gradient belongs to an item.
  Result<ValueId> add_sequence(const CaseInput& input) {
    std::vector<ValueId> items;
    for (size_t i = 0; i < input.value.items().size(); ++i) {
      WEFT_TRY(ValueId id, add_tensor(cat(input.name, "_", i), input.value.items()[i]));
      items.push_back(id);
    }
    if (items.empty()) return graph_->add_constant(input.value);
    WEFT_TRY(NodeId node, graph_->add("", "SequenceConstruct", items, {}, {}));
    return graph_->node(node).output(0);
  }

  // The value itself, or the items of a sequence that has as many as the expected one.
  static std::vector<Expr> tensors_of(Expr value, const Tensor& expected) {
    if (value.type().kind == Kind::kTensor) return {value};
    std::vector<Expr> items;
    if (value.type().kind != Kind::kSequence || expected.kind() != Kind::kSequence) return items;
    for (size_t i = 0; i < expected.items().size(); ++i) {
      items.push_back(make(value.scope(), "SequenceAt", {value, constant_int(value.scope(), static_cast<int64_t>(i))}));
    }
    return items;
  }

  // The node on these inputs, and its outputs that flow.
  Status add_to(ExprScope& scope, const std::vector<ValueId>& arguments, std::vector<Expr>* ys) {
    auto [domain, name] = split_op_name(c_.op);
    NodeOptions options;
    options.output_count = static_cast<int>(c_.outputs.size());
    WEFT_TRY(NodeId node, graph_->add(domain, name, arguments, c_.attrs, options));
    for (int i = 0; i < graph_->node(node).output_count; ++i) {
      for (Expr y : tensors_of(Expr(scope, graph_->node(node).output(i)), c_.outputs[i].value)) {
        if (y.dtype() == DType::kF64) ys->push_back(y);
      }
    }
    return scope.status();
  }

  // Whether the schema leaves the dtype of an input open, so that it may be in f64. Older versions of an operator had other
  // inputs in between: the name tells which it is, if it is one of today's.
  static bool may_be_f64(const OpDef& op, const std::string& name, int input) {
    const Formal* formal = op.input_formal(input);
    for (const Formal& named : op.inputs()) {
      if (named.name == name) formal = &named;
    }
    if (formal == nullptr || formal->type == "any") return formal != nullptr;
    const TypeVar* types = op.find_type_var(formal->type);
    return types != nullptr && contains(types->set, DType::kF64);
  }

  // Leaves `ys` empty where there is nothing to check.
  Status add_node(ExprScope& scope, std::vector<Expr>* ys) {
    auto [domain, name] = split_op_name(c_.op);
    WEFT_TRY(const OpDef* op, builtin_ops().get(domain, name));
    const bool named = std::any_of(c_.inputs.begin(), c_.inputs.end(),
                                   [&](const CaseInput& input) { return input.name == c_.gradient_by; });
    if (!c_.gradient_by.empty() && !named) return invalid("'gradient by' names no input: ", c_.gradient_by);
    for (const CaseInput& input : c_.inputs) {
      ValueId id = kNoValue;
      if (!input.omitted && input.value.kind() == Kind::kSequence) {
        WEFT_TRY(id, add_sequence(input));
      } else if (!input.omitted && may_be_f64(*op, input.name, static_cast<int>(arguments_.size()))) {
        if (c_.gradient_by.empty() || c_.gradient_by == input.name) {
          WEFT_TRY(id, add_tensor(input.name, input.value));
        } else {
          WEFT_TRY(id, add_still(input.value));
        }
      } else if (!input.omitted) {
        WEFT_TRY(id, graph_->add_constant(input.value));
      }
      arguments_.push_back(id);
    }
    mixes_elements_ = op->group_name() == "linalg";
    bool has_none = !op->has_gradient() && op->body_fn() == nullptr && !op->no_gradient_reason().empty();
    if (too_large_ || has_none || inputs_.empty()) return {};
    return add_to(scope, arguments_, ys);
  }

  Status add_cotangents(const std::vector<Expr>& ys) {
    std::vector<ValueId> ids;
    for (Expr y : ys) ids.push_back(y.id());
    std::vector<Tensor> results;
    WEFT_TRY(auto session, Session::make(graph_, {}));
    WEFT_CHECK(session->run({inputs_, ids, {}}, values_, {}, &results));
    moved_in_first_ = inputs_.size();
    for (size_t i = 0; i < results.size(); ++i) {
      WEFT_TRY(Tensor value, pattern(results[i].shape(), static_cast<int64_t>(i)));
      WEFT_TRY(ValueId id, graph_->add_input(cat("cotangent_", i), type_of(value)));
      inputs_.push_back(id);
      values_.push_back(std::move(value));
    }
    return {};
  }

  // The sum of the outputs times their cotangents.
  Result<ValueId> loss_of(ExprScope& scope, const std::vector<Expr>& ys) {
    Expr total;
    for (size_t i = 0; i < ys.size(); ++i) {
      Expr part = weighted_sum(ys[i], Expr(scope, inputs_[moved_in_first_ + i]));
      total = total.valid() ? total + part : part;
    }
    WEFT_CHECK(scope.status());
    return total.id();
  }

  // The node once more, with one value for all inputs of a shape.
  Status build_shared(ExprScope& scope) {
    for (size_t i = 0; i < moved_in_first_ && shared_.size() < 2; ++i) {
      shared_.clear();
      for (size_t k = i; k < moved_in_first_; ++k) {
        // An item of a sequence is no argument.
        bool argument = std::find(arguments_.begin(), arguments_.end(), inputs_[k]) != arguments_.end();
        if (argument && values_[k].shape() == values_[i].shape()) shared_.push_back(k);
      }
    }
    if (shared_.size() < 2) return {};
    std::vector<ValueId> arguments = arguments_;
    for (ValueId& id : arguments) {
      for (size_t k : shared_) {
        if (id == inputs_[k]) id = inputs_[shared_[0]];
      }
    }
    std::vector<Expr> ys;
    WEFT_CHECK(add_to(scope, arguments, &ys));
    WEFT_TRY(ValueId loss, loss_of(scope, ys));
    WEFT_TRY(std::vector<ValueId> gradients, differentiate(*graph_, {loss}, {inputs_[shared_[0]]}, {}));
    shared_gradient_ = gradients[0];
    return {};
  }

  // Leaves `loss_` unset where there is nothing to check.
  Status build_first() {
    WEFT_TRY(graph_, Graph::make(builtin_ops(), c_.opset, split_op_name(c_.op).first));
    ExprScope scope(*graph_);
    std::vector<Expr> ys;
    WEFT_CHECK(add_node(scope, &ys));
    if (ys.empty()) return {};
    WEFT_CHECK(add_cotangents(ys));
    WEFT_TRY(loss_, loss_of(scope, ys));
    const std::vector<ValueId> xs(inputs_.begin(), inputs_.begin() + static_cast<int64_t>(moved_in_first_));
    WEFT_TRY(first_, differentiate(*graph_, {loss_}, xs, {}));
    return {};
  }

  Status build() {
    WEFT_CHECK(build_first());
    if (loss_ == kNoValue) return {};
    ExprScope scope(*graph_);
    WEFT_CHECK(build_shared(scope));
    Expr again;
    for (size_t i = 0; i < first_.size(); ++i) {
      if (first_[i] == kNoValue) continue;
      WEFT_TRY(Tensor weights, pattern(values_[i].shape(), static_cast<int64_t>(7 * i + 3)));
      Expr part = weighted_sum(Expr(scope, first_[i]), constant(scope, std::move(weights)));
      again = again.valid() ? again + part : part;
    }
    WEFT_CHECK(scope.status());
    if (!again.valid()) return {};
    second_loss_ = again.id();
    WEFT_TRY(second_, differentiate(*graph_, {second_loss_}, inputs_, {}));
    return {};
  }

  Status check() {
    WEFT_TRY(session_, Session::make(graph_, {}));
    SessionOptions plain;
    plain.disabled_passes = {"*"};
    WEFT_TRY(plain_, Session::make(graph_, plain));
    if (c_.gradient) {
      WEFT_CHECK(check_order(loss_, 1));
      if (!second_.empty()) WEFT_CHECK(check_order(second_loss_, 2));
      report_.orders = second_.empty() ? 1 : 2;
    } else if (mixes_elements_) {
      return {};
    }
    WEFT_CHECK(check_shared());
    WEFT_CHECK(check_without_shapes());
    return check_zero_cotangents();
  }

  // Those of the first order in a graph whose inputs have no shapes are the same.
  Status check_without_shapes() {
    if (needs_ranks(c_)) return {};
    GradientChecker other(c_);
    other.with_shapes_ = false;
    WEFT_CHECK(other.build_first());
    WEFT_TRY(other.plain_, Session::make(other.graph_, {}));
    WEFT_TRY(const std::vector<Tensor> found, other.evaluate_plainly(other.first_));
    for (size_t k = 0; k < first_.size(); ++k) {
      if (first_[k] == kNoValue || other.first_[k] == kNoValue) {
        if (first_[k] != other.first_[k])
          report_.problems.push_back(cat("gradient: input ", k, " has one with or without shapes alone"));
        continue;
      }
      WEFT_TRY(const Tensor wanted, evaluate(first_[k], values_));
      const Difference difference = compare(found[k], wanted, 1e-9, 1e-9);
      if (!difference.same)
        report_.problems.push_back(cat("gradient without shapes, input ", k, ": ", difference.text));
    }
    return {};
  }

  Result<Tensor> evaluate(ValueId id, const std::vector<Tensor>& values) {
    std::vector<Tensor> outputs;
    WEFT_CHECK(session_->run({inputs_, {id}, {}}, values, {}, &outputs));
    return std::move(outputs[0]);
  }

  // Those that there are as the graph is written, without passes: all in one run, as it computes much of them only once.
  Result<std::vector<Tensor>> evaluate_plainly(const std::vector<ValueId>& gradients) {
    std::vector<ValueId> fetched;
    for (ValueId id : gradients) {
      if (id != kNoValue) fetched.push_back(id);
    }
    std::vector<Tensor> outputs;
    WEFT_CHECK(plain_->run({inputs_, fetched, {}}, values_, {}, &outputs));
    std::vector<Tensor> plain(gradients.size());
    auto next = outputs.begin();
    for (size_t k = 0; k < gradients.size(); ++k) {
      if (gradients[k] != kNoValue) plain[k] = std::move(*next++);
    }
    return plain;
  }

  Status check_order(ValueId loss, int order) {
    const std::vector<ValueId>& gradients = order == 1 ? first_ : second_;
    WEFT_TRY(const std::vector<Tensor> plain, evaluate_plainly(gradients));
    for (size_t k = 0; k < gradients.size(); ++k) {
      Tensor analytic;
      if (gradients[k] != kNoValue) {
        WEFT_TRY(analytic, evaluate(gradients[k], values_));
        if (analytic.shape() != values_[k].shape()) {
          report_.problems.push_back(cat("gradient ", order, ": that of input ", k, " is ", analytic.summary(),
                                         " but the input is ", values_[k].summary()));
          continue;
        }
        const Difference difference = compare(analytic, plain[k], 1e-9, 1e-9);
        if (!difference.same) {
          report_.problems.push_back(
              cat("gradient of order ", order, " with passes and without, input ", k, ": ", difference.text));
        }
      }
      for (int64_t i = 0; i < values_[k].count(); ++i) {
        std::vector<Tensor> moved = values_;
        WEFT_TRY(moved[k], values_[k].copy());
        double x = values_[k].as<double>()[i];
        double step = kStep * std::max(1.0, std::fabs(x));
        moved[k].as<double>()[i] = x + step;
        WEFT_TRY(Tensor up, evaluate(loss, moved));
        moved[k].as<double>()[i] = x - step;
        WEFT_TRY(Tensor down, evaluate(loss, moved));
        double above = *up.as<double>(), below = *down.as<double>();
        double numeric = (above - below) / (2 * step);
        double exact = analytic.empty() ? 0 : analytic.as<double>()[i];
        double scale = std::max({1.0, std::fabs(numeric), std::fabs(above) * 1e-3});
        if (!(std::fabs(numeric - exact) <= 2e-5 * scale) && std::isfinite(numeric)) {
          report_.problems.push_back(cat("gradient of order ", order, ": input ", k, " element ", i, " has ", exact,
                                         " but finite differences say ", numeric));
          break;
        }
      }
    }
    return {};
  }

  // The gradient of a value that is several inputs is the sum of theirs.
  Status check_shared() {
    if (shared_gradient_ == kNoValue) return {};
    std::vector<Tensor> values = values_;
    for (size_t k : shared_) values[k] = values_[shared_[0]];
    WEFT_TRY(Tensor wanted, zeros_like(values_[shared_[0]]));
    for (size_t k : shared_) {
      if (first_[k] == kNoValue) continue;
      Result<Tensor> part = evaluate(first_[k], values);
      if (!part.ok()) return {};  // the operator does not take such values
      for (int64_t i = 0; i < wanted.count(); ++i) wanted.as<double>()[i] += part->as<double>()[i];
    }
    WEFT_TRY(Tensor found, evaluate(shared_gradient_, values));
    Difference difference = compare(found, wanted, 1e-9, 1e-9);
    if (!difference.same) report_.problems.push_back(cat("gradient of a value for several inputs: ", difference.text));
    return {};
  }

  // Nothing comes of nothing, whatever the slopes; and the second order's gradient to a cotangent is what it was.
  Status check_zero_cotangents() {
    std::vector<Tensor> values = values_;
    for (size_t k = moved_in_first_; k < values.size(); ++k) {
      WEFT_TRY(values[k], zeros_like(values[k]));
    }
    for (size_t k = 0; k < first_.size(); ++k) {
      if (first_[k] == kNoValue) continue;
      WEFT_TRY(Tensor gradient, evaluate(first_[k], values));
      for (int64_t i = 0; i < gradient.count(); ++i) {
        if (gradient.as<double>()[i] == 0) continue;
        report_.problems.push_back(cat("gradient of cotangents of 0: input ", k, " element ", i, " has ",
                                       gradient.as<double>()[i], " instead of 0"));
        break;
      }
    }
    for (size_t k = moved_in_first_; c_.gradient && k < second_.size(); ++k) {
      if (second_[k] == kNoValue) continue;
      WEFT_TRY(Tensor wanted, evaluate(second_[k], values_));
      WEFT_TRY(Tensor found, evaluate(second_[k], values));
      Difference difference = compare(found, wanted, 1e-9, 1e-9);
      if (difference.same) continue;
      report_.problems.push_back(cat("gradient of order 2 to cotangents of 0: ", difference.text));
    }
    return {};
  }

  const Case& c_;
  std::shared_ptr<Graph> graph_;
  std::shared_ptr<Session> session_, plain_;
  std::vector<ValueId> inputs_;  // the case's, then the cotangents
  std::vector<Tensor> values_;
  size_t moved_in_first_ = 0;  // inputs that the first order is by
  bool with_shapes_ = true;    // whether inputs have them before the run
  bool too_large_ = false;
  bool mixes_elements_ = false;  // a number that is none spreads over a whole matrix, as in a product of matrices
  ValueId loss_ = kNoValue, second_loss_ = kNoValue;
  std::vector<ValueId> first_, second_;
  std::vector<ValueId> arguments_;      // of the node
  std::vector<size_t> shared_;          // inputs that are one value in the second node
  ValueId shared_gradient_ = kNoValue;  // of that value
  GradientReport report_;
};

}  // namespace

GradientReport check_gradient(const Case& c) { return GradientChecker(c).run(); }

}  // namespace weft
