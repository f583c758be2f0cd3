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

// sum(y * weights) as a scalar
Expr weighted_sum(Expr y, int64_t salt) {
  ExprScope& scope = y.scope();
  Expr flat = reshape(y, constant_ints(scope, {-1}));
  Expr index = make(scope, "Range",
                    {scalar(scope, DType::kI64, 0), squeeze(shape_of(flat), {0}), scalar(scope, DType::kI64, 1)});
  Expr phase = (cast(index, DType::kF64) + static_cast<double>(1 + salt)) * 0.6180339887498949;
  Expr weights = phase - make(scope, "Floor", {phase}) + 0.5;
  return make(scope, "ReduceSum", {flat * weights}, {{"keepdims", int64_t{0}}});
}

class GradientChecker {
 public:
  explicit GradientChecker(const Case& c) : c_(c) {}

  std::vector<std::string> run() {
    Status status = build();
    if (!status.ok()) {
      problems_.push_back(cat("gradient: ", status.text()));
      return std::move(problems_);
    }
    if (loss_ == kNoValue) return {};
    status = check_order(loss_, 1);
    if (status.ok() && !second_.empty()) status = check_order(second_loss_, 2);
    if (!status.ok()) problems_.push_back(cat("gradient: ", status.text()));
    return std::move(problems_);
  }

 private:
  // A floating tensor becomes an input in f64, any other a constant.
  Result<ValueId> add_tensor(const std::string& name, Tensor value) {
    bool floating = value.kind() == Kind::kTensor && (value.dtype() == DType::kF32 || value.dtype() == DType::kF64);
    if (!floating) return graph_->add_constant(value);
    too_large_ |= value.count() > kMaxElements;
    WEFT_TRY(value, to_f64(value));
    WEFT_TRY(ValueId id, graph_->add_input(name, ValueType::tensor(DType::kF64, to_dims(value.shape()))));
    inputs_.push_back(id);
    values_.push_back(std::move(value));
    return id;
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

  // Leaves `loss_` unset where there is nothing to check.
  Status build() {
    WEFT_TRY(graph_, Graph::make(builtin_ops(), c_.opset));
    ExprScope scope(*graph_);
    std::vector<ValueId> arguments;
    for (const CaseInput& input : c_.inputs) {
      if (input.omitted) {
        arguments.push_back(kNoValue);
        continue;
      }
      if (input.value.kind() == Kind::kSequence) {
        WEFT_TRY(ValueId id, add_sequence(input));
        arguments.push_back(id);
        continue;
      }
      WEFT_TRY(ValueId id, add_tensor(input.name, input.value));
      arguments.push_back(id);
    }
    if (too_large_) return {};
    auto [domain, name] = split_op_name(c_.op);
    WEFT_TRY(const OpDef* op, builtin_ops().get(domain, name));
    if (op->grad_fn() == nullptr && op->body_fn() == nullptr && !op->no_gradient_reason().empty()) return {};
    if (inputs_.empty()) return {};
    NodeOptions options;
    options.output_count = static_cast<int>(c_.outputs.size());
    WEFT_TRY(NodeId node, graph_->add(domain, name, arguments, c_.attrs, options));
    Expr total;
    for (int i = 0; i < graph_->node(node).output_count; ++i) {
      for (Expr y : tensors_of(Expr(scope, graph_->node(node).output(i)), c_.outputs[i].value)) {
        if (y.dtype() != DType::kF64) continue;
        Expr part = weighted_sum(y, i);
        total = total.valid() ? total + part : part;
      }
    }
    WEFT_CHECK(scope.status());
    if (!total.valid()) return {};
    loss_ = total.id();
    WEFT_TRY(first_, differentiate(*graph_, {loss_}, inputs_, {}));
    Expr again;
    for (size_t i = 0; i < first_.size(); ++i) {
      if (first_[i] == kNoValue) continue;
      Expr part = weighted_sum(Expr(scope, first_[i]), static_cast<int64_t>(7 * i + 3));
      again = again.valid() ? again + part : part;
    }
    WEFT_CHECK(scope.status());
    if (!again.valid()) return {};
    second_loss_ = again.id();
    WEFT_TRY(second_, differentiate(*graph_, {second_loss_}, inputs_, {}));
    return {};
  }

  Result<double> evaluate(Session& session, ValueId loss, const std::vector<Tensor>& values) {
    std::vector<Tensor> outputs;
    WEFT_CHECK(session.run({inputs_, {loss}, {}}, values, {}, &outputs));
    return *outputs[0].as<double>();
  }

  Status check_order(ValueId loss, int order) {
    const std::vector<ValueId>& gradients = order == 1 ? first_ : second_;
    WEFT_TRY(auto session, Session::make(graph_, {}));
    for (size_t k = 0; k < inputs_.size(); ++k) {
      Tensor analytic;
      if (gradients[k] != kNoValue) {
        std::vector<Tensor> outputs;
        WEFT_CHECK(session->run({inputs_, {gradients[k]}, {}}, values_, {}, &outputs));
        analytic = outputs[0];
        if (analytic.shape() != values_[k].shape()) {
          problems_.push_back(cat("gradient ", order, ": that of input ", k, " is ", analytic.summary(),
                                  " but the input is ", values_[k].summary()));
          continue;
        }
      }
      for (int64_t i = 0; i < values_[k].count(); ++i) {
        std::vector<Tensor> moved = values_;
        WEFT_TRY(moved[k], values_[k].copy());
        double x = values_[k].as<double>()[i];
        double step = kStep * std::max(1.0, std::fabs(x));
        moved[k].as<double>()[i] = x + step;
        WEFT_TRY(double above, evaluate(*session, loss, moved));
        moved[k].as<double>()[i] = x - step;
        WEFT_TRY(double below, evaluate(*session, loss, moved));
        double numeric = (above - below) / (2 * step);
        double exact = analytic.empty() ? 0 : analytic.as<double>()[i];
        double scale = std::max({1.0, std::fabs(numeric), std::fabs(above) * 1e-3});
        if (!(std::fabs(numeric - exact) <= 2e-5 * scale) && std::isfinite(numeric)) {
          problems_.push_back(cat("gradient of order ", order, ": input ", k, " element ", i, " has ", exact,
                                  " but finite differences say ", numeric));
          break;
        }
      }
    }
    return {};
  }

  const Case& c_;
  std::shared_ptr<Graph> graph_;
  std::vector<ValueId> inputs_;
  std::vector<Tensor> values_;
  bool too_large_ = false;
  ValueId loss_ = kNoValue, second_loss_ = kNoValue;
  std::vector<ValueId> first_, second_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> check_gradient(const Case& c) { return GradientChecker(c).run(); }

}  // namespace weft
