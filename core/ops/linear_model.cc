// LinearRegressor and LinearClassifier.
#include "core/ops/scores_common.h"

namespace weft {
namespace {

Status check_linear_rows(const InferContext& c, size_t coefficients, int64_t columns) {
  if (columns < 1 || coefficients % static_cast<size_t>(columns) != 0) {
    return invalid("attribute 'coefficients' has ", coefficients, " numbers, which are not as many for each of ",
                   columns);
  }
  if (!c.has_rank(0)) return {};
  if (c.rank(0) != 1 && c.rank(0) != 2)
    return invalid("X must be rows [N, F], or one row [F], but is ", c.input(0).text());
  const int64_t features = static_cast<int64_t>(coefficients) / columns;
  if (c.dims(0).back().known() && !c.dims(0).back().is(features)) {
    return invalid("X has rows of ", c.dims(0).back().text(), " numbers, but there are coefficients for ", features);
  }
  return {};
}

// rows * coefficients^T + intercepts: [N, columns].
Expr linear_scores(Expr rows, const Attrs& attrs, int64_t columns) {
  const std::vector<double> weights = floats_or_empty(attrs, "coefficients"),
                            intercepts = floats_or_empty(attrs, "intercepts");
  const Expr w = table(rows.scope(), rows.dtype(), {columns, static_cast<int64_t>(weights.size()) / columns}, weights);
  std::vector<Expr> inputs{rows, w};
  if (!intercepts.empty()) inputs.push_back(table(rows.scope(), rows.dtype(), {columns}, intercepts));
  return make(rows.scope(), "Gemm", inputs, {{"transB", 1}});
}

Status infer_linear_regressor(InferContext& c) {
  WEFT_CHECK(check_transform(c.attrs().s("post_transform")));
  const int64_t targets = c.attrs().i("targets");
  if (targets < 1) return invalid("attribute 'targets' must be 1 or more but is ", targets);
  WEFT_CHECK(check_linear_rows(c, floats_or_empty(c.attrs(), "coefficients").size(), targets));
  const size_t intercepts = floats_or_empty(c.attrs(), "intercepts").size();
  if (intercepts != 0 && static_cast<int64_t>(intercepts) != targets) {
    return invalid("attribute 'intercepts' has ", intercepts, " numbers for ", targets, " targets");
  }
  c.set_dims(0, {!c.has_rank(0) ? c.fresh() : c.rank(0) == 1 ? Dim(1) : c.dims(0)[0], Dim(targets)});
  return {};
}

Status linear_regressor(BodyContext& c) {
  WEFT_TRY(const Expr rows, rows_of(c.input(0)));
  const Expr scores = linear_scores(rows, c.attrs(), c.attrs().i("targets"));
  c.set_output(0, cast(transform_scores(scores, c.attrs().s("post_transform")), DType::kF32));
  return {};
}

// How many scores there are: one for each intercept, without them one for each class.
int64_t score_count(const Attrs& attrs, const ClassLabels& labels) {
  const size_t intercepts = floats_or_empty(attrs, "intercepts").size();
  return intercepts != 0 ? static_cast<int64_t>(intercepts) : labels.count();
}

Status infer_linear_classifier(InferContext& c) {
  WEFT_CHECK(check_transform(c.attrs().s("post_transform")));
  WEFT_TRY(const ClassLabels labels, ClassLabels::read(c.attrs(), "classlabels_ints", "classlabels_strings"));
  const int64_t scores = score_count(c.attrs(), labels);
  if (scores != labels.count() && !(scores == 1 && labels.count() == 2)) {
    return invalid("there are ", scores, " scores, one for each intercept, for ", labels.count(), " labels");
  }
  WEFT_CHECK(check_linear_rows(c, c.attrs().floats("coefficients").size(), scores));
  set_classifier_types(c, labels, Dim(labels.count()));
  return {};
}

Status linear_classifier(BodyContext& c) {
  ExprScope& s = c.scope();
  WEFT_TRY(const ClassLabels labels, ClassLabels::read(c.attrs(), "classlabels_ints", "classlabels_strings"));
  WEFT_TRY(const Expr rows, rows_of(c.input(0)));
  const std::string& transform = c.attrs().s("post_transform");
  const int64_t count = score_count(c.attrs(), labels);
  Expr scores = linear_scores(rows, c.attrs(), count);
  if (count == 1) {
    c.set_output(0, labels.of_two(squeeze(make(s, "Greater", {scores, scalar_like(scores, 0)}), {1})));
    if (labels.count() == 2) scores = concat({transform == "NONE" ? 1.0 - scores : -scores, scores}, 1);
  } else {
    c.set_output(0, labels.of(make(s, "ArgMax", {scores}, {{"axis", 1}, {"keepdims", 0}})));
  }
  if (c.output_count() > 1) c.set_output(1, cast(transform_scores(scores, transform), DType::kF32));
  return {};
}

}  // namespace

void define_op_linear_model(OpRegistry& ops) {
  ops.add(kMlDomain, "LinearRegressor")
      .group("classical")
      .doc("`X * coefficients^T + intercepts`, transformed.")
      .types("T", kRowTypes)
      .attr("post_transform", "NONE", kTransformDoc)
      .optional_attr("coefficients", AttrKind::kFloats, "[targets, F], row by row.")
      .optional_attr("intercepts", AttrKind::kFloats, "[targets]; 0 if not given.")
      .attr("targets", 1, "How many results a row has.")
      .input("X", "T", "[N, F], or [F] for one row.")
      .output("Y", "f32", "[N, targets].")
      .infer(infer_linear_regressor)
      .body_by_shapes(linear_regressor);
  ops.add(kMlDomain, "LinearClassifier")
      .group("classical")
      .doc(
          "The label of the first class with the highest score `X * coefficients^T + intercepts`, and the scores, "
          "transformed. With one score `s` the label is the second of two where it is above 0, and the scores are "
          "`[1 - s, s]`, or `[-s, s]` transformed; of one label it is that, or else 0 or \"\".")
      .types("T1", kRowTypes)
      .types("T2", set_of(DType::kString, DType::kI64))
      .required_attr("coefficients", AttrKind::kFloats, "[scores, F], row by row.")
      .optional_attr("intercepts", AttrKind::kFloats, "[scores]: 0, one for each class, if not given.")
      .flag("multi_class", false, "How the coefficients were found; not used.")
      .optional_attr("classlabels_strings", AttrKind::kStrings, "The labels; the output has these or")
      .optional_attr("classlabels_ints", AttrKind::kInts, "these.")
      .attr("post_transform", "NONE", kTransformDoc)
      .input("X", "T1", "[N, F], or [F] for one row.")
      .output("Y", "T2", "[N]: labels.")
      .output("Z", "f32", "[N, classes]: scores.")
      .infer(infer_linear_classifier)
      .body_by_shapes(linear_classifier);
}

}  // namespace weft
