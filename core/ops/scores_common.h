// What operators of the domain ai.onnx.ml share: rows of numbers, transforms of scores, labels of classes.
#pragma once

#include <string>
#include <string_view>

#include "core/graph/expr.h"

namespace weft {

inline constexpr DTypeSet kRowTypes = set_of(DType::kF32, DType::kF64, DType::kI64, DType::kI32);
inline constexpr char kTransformDoc[] =
    "What becomes of each row of scores: \"NONE\", \"SOFTMAX\", \"LOGISTIC\" (`1 / (1 + exp(-x))` of each), "
    "\"SOFTMAX_ZERO\" "
    "(SOFTMAX, but 0 stays 0; 0.5 where all are 0) or \"PROBIT\" (about the inverse of the normal distribution's "
    "function; "
    "NaN outside of 0 to 1).";

// [N, F] of f64 if X is, else of f32; [F] counts as one row. An error for another rank; X must have one.
Result<Expr> rows_of(Expr x);
Status check_transform(const std::string& transform);
// Of scores [N, C].
Expr transform_scores(Expr scores, const std::string& transform);
Expr clip_below(Expr x, double least);

// The labels of a classifier, of which one kind is given.
class ClassLabels {
 public:
  static Result<ClassLabels> read(const Attrs& attrs, std::string_view ints, std::string_view strings);
  int64_t count() const { return labels_.count(); }
  DType dtype() const { return labels_.dtype(); }
  // For numbers i64 [N] of classes.
  Expr of(Expr numbers) const;
  // Where bool [N] is true the last label, else the first; of one label, 0 or "".
  Expr of_two(Expr is_last) const;

 private:
  Tensor labels_;
};

// For classifiers: dtypes of labels and scores, and shapes [N] and [N, columns].
void set_classifier_types(InferContext& c, const ClassLabels& labels, const Dim& columns);

// A list attribute, empty if it is not given.
std::vector<double> floats_or_empty(const Attrs& attrs, std::string_view name);
// As a constant of that shape and dtype.
Expr table(ExprScope& scope, DType dtype, Shape shape, const std::vector<double>& values);

}  // namespace weft
