// What operators of the domain ai.onnx.ml share.
#include "core/ops/scores_common.h"

#include <algorithm>
#include <cmath>

#include "core/ops/unranked_common.h"

namespace weft {

namespace {

// The inverse of the normal distribution's function, by Winitzki's approximation of that of erf, as others have it.
Expr probit(Expr p) {
  constexpr double kPi = 3.14159265358979323846, kA = 0.147;
  const Expr x = p * 2.0 - 1.0;
  const Expr log = make(p.scope(), "Log", {(1.0 - x) * (1.0 + x)});
  const Expr half = log * 0.5 + 2.0 / (kPi * kA);
  const Expr root = make(p.scope(), "Sqrt", {make(p.scope(), "Sqrt", {half * half - log / kA}) - half});
  return make(p.scope(), "Sign", {x}) * root * std::sqrt(2.0);
}

Expr softmax_zero(Expr scores) {
  ExprScope& s = scores.scope();
  const Expr zero = scalar_like(scores, 0), axis = constant_ints(s, {1});
  const Expr nonzero = make(s, "Greater", {make(s, "Abs", {scores}), scalar_like(scores, 1e-7)});
  const Expr most = make(s, "ReduceMax", {scores, axis});
  const Expr parts = where(nonzero, make(s, "Exp", {scores - most}), zero);
  const Expr sum = reduce_sum(parts, {1}, true);
  const Expr none = make(s, "Equal", {sum, zero});
  return where(none, scalar_like(scores, 0.5), parts / where(none, scalar_like(scores, 1), sum));
}

}  // namespace

Result<Expr> rows_of(Expr x) {
  if (x.has_rank() && x.rank() != 1 && x.rank() != 2) {
    return invalid("X must be rows [N, F], or one row [F], but is ", x.type().text());
  }
  const Expr numbers = x.dtype() == DType::kF64 ? x : cast(x, DType::kF32);
  return with_rank(with_two_axes(numbers), 2);
}

Status check_transform(const std::string& transform) {
  for (const char* known : {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"}) {
    if (transform == known) return {};
  }
  return invalid(
      "attribute 'post_transform' must be \"NONE\", \"SOFTMAX\", \"LOGISTIC\", \"SOFTMAX_ZERO\" or \"PROBIT\" but is "
      "\"",
      transform, "\"");
}

Expr transform_scores(Expr scores, const std::string& transform) {
  ExprScope& s = scores.scope();
  if (transform == "SOFTMAX") return make(s, "Softmax", {scores}, {{"axis", 1}});
  if (transform == "LOGISTIC") return make(s, "Sigmoid", {scores});
  if (transform == "SOFTMAX_ZERO") return softmax_zero(scores);
  if (transform == "PROBIT") return probit(scores);
  return scores;
}

Expr clip_below(Expr x, double least) { return make(x.scope(), "Max", {x, scalar_like(x, least)}); }

Result<ClassLabels> ClassLabels::read(const Attrs& attrs, std::string_view ints, std::string_view strings) {
  const AttrValue *numbers = attrs.find(ints), *texts = attrs.find(strings);
  if (numbers != nullptr && numbers->ints().empty()) numbers = nullptr;
  if (texts != nullptr && texts->strings().empty()) texts = nullptr;
  if ((numbers == nullptr) == (texts == nullptr)) {
    return invalid("one of the attributes '", ints, "' and '", strings, "' must have labels, but ",
                   numbers == nullptr ? "none" : "each", " has");
  }
  ClassLabels out;
  if (numbers != nullptr) {
    out.labels_ = Tensor::vector<int64_t>(numbers->ints());
  } else {
    const std::vector<std::string>& labels = texts->strings();
    WEFT_TRY(out.labels_, Tensor::from_strings({static_cast<int64_t>(labels.size())}, labels));
  }
  return out;
}

Expr ClassLabels::of(Expr numbers) const {
  return make(numbers.scope(), "Gather", {constant(numbers.scope(), labels_), numbers});
}

Expr ClassLabels::of_two(Expr is_last) const {
  ExprScope& s = is_last.scope();
  Expr labels = constant(s, labels_);
  if (count() == 1) {
    Expr other = constant_ints(s, {0});
    if (dtype() == DType::kString) {
      Result<Tensor> empty = Tensor::from_strings({1}, {""});
      if (!empty.ok()) {
        s.fail(empty.status());
        return labels;
      }
      other = constant(s, *empty);
    }
    labels = concat({other, labels}, 0);
  }
  return make(s, "Gather", {labels, cast(is_last, DType::kI64)});
}

void set_classifier_types(InferContext& c, const ClassLabels& labels, const Dim& columns) {
  const Dim rows = !c.has_rank(0) ? c.fresh() : c.rank(0) == 1 ? Dim(1) : c.dims(0)[0];
  c.set_dtype(0, labels.dtype());
  c.set_dims(0, {rows});
  if (c.output_count() > 1) c.set_dims(1, {rows, columns});
}

std::vector<double> floats_or_empty(const Attrs& attrs, std::string_view name) {
  const AttrValue* value = attrs.find(name);
  return value != nullptr ? value->floats() : std::vector<double>();
}

Expr table(ExprScope& scope, DType dtype, Shape shape, const std::vector<double>& values) {
  Result<Tensor> tensor = dtype == DType::kF64
                              ? Tensor::vector<double>(values).reshaped(std::move(shape))
                              : Tensor::vector<float>({values.begin(), values.end()}).reshaped(std::move(shape));
  if (!tensor.ok()) {
    scope.fail(tensor.status());
    return Expr(scope, kNoValue);
  }
  return constant(scope, std::move(*tensor));
}

}  // namespace weft
