// SVMRegressor and SVMClassifier: support vector machines, computed as f64.
#include <algorithm>
#include <numeric>

#include "core/ops/scores_common.h"

namespace weft {
namespace {

constexpr char kKernelTypeDoc[] =
    "How rows and support vectors are compared: \"LINEAR\" for `dot(x, s)`, \"POLY\" for `(gamma * dot(x, s) + "
    "coef0)^degree`, "
    "\"RBF\" for `exp(-gamma * sum((x - s)^2))`, \"SIGMOID\" for `tanh(gamma * dot(x, s) + coef0)`.";
constexpr char kKernelParamsDoc[] = "gamma, coef0 and degree; not used by \"LINEAR\".";

size_t size_of_floats(const Attrs& attrs, std::string_view name) {
  const AttrValue* value = attrs.find(name);
  return value != nullptr ? value->floats().size() : 0;
}

// X against vectors of one length; without support vectors the coefficients stand for them.
Status check_svm(const InferContext& c, int64_t vectors, std::string_view list) {
  const Attrs& attrs = c.attrs();
  WEFT_CHECK(check_transform(attrs.s("post_transform")));
  const std::string& kernel = attrs.s("kernel_type");
  if (kernel != "LINEAR" && kernel != "POLY" && kernel != "RBF" && kernel != "SIGMOID") {
    return invalid(R"(attribute 'kernel_type' must be "LINEAR", "POLY", "RBF" or "SIGMOID" but is ")", kernel, '"');
  }
  const size_t params = size_of_floats(attrs, "kernel_params"), numbers = size_of_floats(attrs, list);
  if (params != 3 && (params != 0 || kernel != "LINEAR")) {
    return invalid("attribute 'kernel_params' must have gamma, coef0 and degree, but has ", params, " numbers");
  }
  if (numbers == 0 || numbers % static_cast<size_t>(vectors) != 0) {
    return invalid("attribute '", list, "' has ", numbers, " numbers, which are not as many for each of ", vectors);
  }
  if (!c.has_rank(0)) return {};
  if (c.rank(0) != 1 && c.rank(0) != 2) {
    return invalid("X must be rows [N, F], or one row [F], but is ", c.input(0).text());
  }
  const int64_t features = static_cast<int64_t>(numbers) / vectors;
  if (c.dims(0).back().known() && !c.dims(0).back().is(features)) {
    return invalid("X has rows of ", c.dims(0).back().text(), " numbers, but the machine is for ", features);
  }
  return {};
}

Status check_count(std::string_view name, size_t count, size_t wanted, std::string_view of) {
  if (count == wanted) return {};
  return invalid("attribute '", name, "' has ", count, " numbers for ", wanted, " ", of);
}

Status check_rho(const Attrs& attrs) {
  if (size_of_floats(attrs, "rho") != 0) return {};
  return invalid("attribute 'rho' must have a number at least");
}

Result<Expr> svm_rows(BodyContext& c) { return rows_of(cast(c.input(0), DType::kF64)); }

// Of rows [N, F] and a table [count, F] of numbers: [N, count] products.
Expr products(Expr rows, const std::vector<double>& numbers, int64_t count, double scale = 1, double bias = 0) {
  ExprScope& s = rows.scope();
  const Expr vectors = table(s, DType::kF64, {count, static_cast<int64_t>(numbers.size()) / count}, numbers);
  return make(s, "Gemm", {rows, vectors, scalar(s, DType::kF64, bias)}, {{"transB", 1}, {"alpha", scale}});
}

// exp(-gamma * (|x|^2 - 2 x . s + |s|^2)), moved to where the vectors' mean is 0, so that less cancels out.
Expr radial_kernel(Expr rows, std::vector<double> numbers, int64_t count, double gamma) {
  ExprScope& s = rows.scope();
  const size_t features = numbers.size() / static_cast<size_t>(count);
  std::vector<double> mean(features, 0), squares;
  for (size_t i = 0; i < numbers.size(); ++i) mean[i % features] += numbers[i] / static_cast<double>(count);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] -= mean[i % features];
  for (size_t i = 0; i < numbers.size(); i += features) {
    const auto row = numbers.begin() + static_cast<std::ptrdiff_t>(i),
               end = row + static_cast<std::ptrdiff_t>(features);
    squares.push_back(-gamma * std::inner_product(row, end, row, 0.0));
  }
  rows = rows - table(s, DType::kF64, {static_cast<int64_t>(features)}, mean);
  const Expr sizes = reduce_sum(rows * rows, {1}, true) * -gamma;
  return make(s, "Exp", {products(rows, numbers, count, 2 * gamma) + sizes + table(s, DType::kF64, {count}, squares)});
}

// How near each row is to each support vector: [N, count].
Expr kernel_values(Expr rows, const Attrs& attrs, int64_t count) {
  ExprScope& s = rows.scope();
  const std::string& kernel = attrs.s("kernel_type");
  const std::vector<double> params = floats_or_empty(attrs, "kernel_params");
  const std::vector<double>& vectors = attrs.floats("support_vectors");
  if (kernel == "LINEAR") return products(rows, vectors, count);
  if (kernel == "RBF") return radial_kernel(rows, vectors, count, params[0]);
  const Expr inner = products(rows, vectors, count, params[0], params[1]);
  if (kernel == "SIGMOID") return make(s, "Tanh", {inner});
  return make(s, "Pow", {inner, scalar_like(inner, params[2])});
}

// -- SVMRegressor.

Status infer_svm_regressor(InferContext& c) {
  const Attrs& attrs = c.attrs();
  const int64_t supports = attrs.i("n_supports");
  if (supports < 0) return invalid("attribute 'n_supports' must not be negative but is ", supports);
  WEFT_CHECK(check_svm(c, std::max<int64_t>(supports, 1), supports > 0 ? "support_vectors" : "coefficients"));
  if (supports > 0) {
    const size_t coefficients = size_of_floats(attrs, "coefficients");
    WEFT_CHECK(check_count("coefficients", coefficients, static_cast<size_t>(supports), "support vectors"));
  }
  WEFT_CHECK(check_rho(attrs));
  c.set_dims(0, {!c.has_rank(0) ? c.fresh() : c.rank(0) == 1 ? Dim(1) : c.dims(0)[0], Dim(1)});
  return {};
}

Status svm_regressor(BodyContext& c) {
  const Attrs& attrs = c.attrs();
  WEFT_TRY(Expr rows, svm_rows(c));
  const int64_t supports = attrs.i("n_supports");
  if (supports > 0) rows = kernel_values(rows, attrs, supports);
  Expr y = products(rows, attrs.floats("coefficients"), 1, 1, attrs.floats("rho")[0]);
  if (attrs.b("one_class")) {
    y = where(make(c.scope(), "Greater", {y, scalar_like(y, 0)}), scalar_like(y, 1), scalar_like(y, -1));
  }
  c.set_output(0, cast(transform_scores(y, attrs.s("post_transform")), DType::kF32));
  return {};
}

// -- SVMClassifier.

// Without support vectors each class has a row of coefficients.
int64_t support_count(const Attrs& attrs) {
  int64_t count = 0;
  for (int64_t vectors : attrs.ints_or_empty("vectors_per_class")) count += vectors;
  return count;
}

size_t pair_count(int64_t classes) { return static_cast<size_t>(classes * (classes - 1) / 2); }

Status check_svm_classes(const Attrs& attrs, int64_t classes) {
  const std::vector<int64_t> vectors = attrs.ints_or_empty("vectors_per_class");
  constexpr int64_t kMost = int64_t{1} << 31;
  for (int64_t count : vectors) {
    if (count < 0 || count > kMost) return invalid("attribute 'vectors_per_class' has ", count, " as a count");
  }
  const int64_t supports = support_count(attrs);
  if (supports == 0) return {};
  if (classes < 2) return invalid("a machine with support vectors tells two classes apart, but there is 1 label");
  if (classes > 65535) return unimplemented("more than 65535 classes, as there are ", classes, " labels");
  WEFT_CHECK(check_count("vectors_per_class", vectors.size(), static_cast<size_t>(classes), "classes"));
  const size_t pairs = pair_count(classes), wanted = static_cast<size_t>(supports * (classes - 1));
  WEFT_CHECK(check_count("coefficients", size_of_floats(attrs, "coefficients"), wanted,
                         "pairs of a support vector and another class"));
  WEFT_CHECK(check_count("rho", size_of_floats(attrs, "rho"), pairs, "pairs of classes"));
  const size_t a = size_of_floats(attrs, "prob_a"), b = size_of_floats(attrs, "prob_b");
  if (a != 0) WEFT_CHECK(check_count("prob_a", a, pairs, "pairs of classes"));
  return check_count("prob_b", b, a, "numbers in 'prob_a'");
}

bool has_probabilities(const Attrs& attrs) { return size_of_floats(attrs, "prob_a") != 0; }

Status infer_svm_classifier(InferContext& c) {
  const Attrs& attrs = c.attrs();
  WEFT_TRY(const ClassLabels labels, ClassLabels::read(attrs, "classlabels_ints", "classlabels_strings"));
  const int64_t classes = labels.count();
  WEFT_CHECK(check_svm_classes(attrs, classes));
  const int64_t supports = support_count(attrs);
  WEFT_CHECK(supports > 0 ? check_svm(c, supports, "support_vectors") : check_svm(c, classes, "coefficients"));
  WEFT_CHECK(check_rho(attrs));
  const bool of_pairs = supports > 0 && !has_probabilities(attrs) && classes > 2;
  set_classifier_types(c, labels, Dim(of_pairs ? static_cast<int64_t>(pair_count(classes)) : classes));
  return {};
}

// Decisions [N, pairs] between classes i < j, above 0 for i: (0, 1), (0, 2), ..., (1, 2), ...
Expr pair_scores(Expr near, const Attrs& attrs, int64_t classes) {
  ExprScope& s = near.scope();
  const std::vector<int64_t>& vectors = attrs.ints("vectors_per_class");
  const std::vector<double>& coefficients = attrs.floats("coefficients");  // [classes - 1, vectors]
  const std::vector<Expr> own =
      make_all(s, "Split", {near, constant_ints(s, vectors)}, {{"axis", 1}}, static_cast<int>(classes));
  // What the support vectors of a class say about it and each other one, [N, classes - 1] for each class.
  std::vector<Expr> parts;
  const int64_t others = classes - 1, all = support_count(attrs);
  int64_t first = 0;
  for (int64_t i = 0; i < classes; ++i) {
    const int64_t count = vectors[static_cast<size_t>(i)];
    std::vector<double> weights;
    for (int64_t other = 0; other < others; ++other) {
      const auto row = coefficients.begin() + static_cast<std::ptrdiff_t>(other * all + first);
      weights.insert(weights.end(), row, row + static_cast<std::ptrdiff_t>(count));
    }
    parts.push_back(make(s, "Gemm", {own[static_cast<size_t>(i)], table(s, DType::kF64, {others, count}, weights)},
                         {{"transB", 1}}));
    first += count;
  }
  std::vector<int64_t> of_first, of_second;
  for (int64_t i = 0; i < classes; ++i) {
    for (int64_t j = i + 1; j < classes; ++j) {
      of_first.push_back(i * others + j - 1);
      of_second.push_back(j * others + i);
    }
  }
  const Expr said = concat(parts, 1);
  auto pick = [&](const std::vector<int64_t>& places) {
    return make(s, "Gather", {said, constant_ints(s, places)}, {{"axis", 1}});
  };
  const auto pairs = static_cast<int64_t>(of_first.size());
  return pick(of_first) + pick(of_second) + table(s, DType::kF64, {pairs}, attrs.floats("rho"));
}

// The first class that wins most of its pairs, i64 [N].
Expr winner_of_pairs(Expr scores, int64_t classes) {
  ExprScope& s = scores.scope();
  std::vector<int64_t> pair_of;  // [classes, classes - 1]
  std::vector<double> is_second;
  for (int64_t i = 0; i < classes; ++i) {
    for (int64_t j = 0; j < classes; ++j) {
      const int64_t low = std::min(i, j), high = std::max(i, j);
      if (i == j) continue;
      pair_of.push_back(low * (2 * classes - low - 1) / 2 + high - low - 1);
      is_second.push_back(i > j ? 1 : 0);
    }
  }
  const auto games = static_cast<int64_t>(pair_of.size());
  const Expr first_wins = make(s, "Greater", {scores, scalar_like(scores, 0)});
  const Expr picked = make(s, "Gather", {first_wins, constant_ints(s, pair_of)}, {{"axis", 1}});
  const Expr second = cast(table(s, DType::kF32, {games}, is_second), DType::kBool);
  const Expr wins = cast(make(s, "Xor", {picked, second}), DType::kF32);
  const Expr by_class = make(s, "Reshape", {wins, constant_ints(s, {0, classes, classes - 1})});
  return make(s, "ArgMax", {reduce_sum(by_class, {2}, false)}, {{"axis", 1}, {"keepdims", 0}});
}

// Likelihoods of all classes [N, classes] from those within pairs.
Expr class_probabilities(Expr scores, const Attrs& attrs, int64_t classes) {
  ExprScope& s = scores.scope();
  const auto pairs = static_cast<int64_t>(pair_count(classes));
  const Expr a = table(s, DType::kF64, {pairs}, attrs.floats("prob_a"));
  const Expr b = table(s, DType::kF64, {pairs}, attrs.floats("prob_b"));
  const Expr first = make(s, "Sigmoid", {-(scores * a + b)});
  const Expr bounded = make(s, "Clip", {first, scalar_like(first, 1e-7), scalar_like(first, 1 - 1e-7)});
  return make(s, "weft.PairwiseCoupling", {bounded}, {{"classes", classes}});
}

Status svm_classifier(BodyContext& c) {
  ExprScope& s = c.scope();
  const Attrs& attrs = c.attrs();
  WEFT_TRY(const ClassLabels labels, ClassLabels::read(attrs, "classlabels_ints", "classlabels_strings"));
  WEFT_TRY(const Expr rows, svm_rows(c));
  const int64_t classes = labels.count(), supports = support_count(attrs);
  Expr scores, winner;
  if (supports > 0) {
    scores = pair_scores(kernel_values(rows, attrs, supports), attrs, classes);
    winner = winner_of_pairs(scores, classes);
    if (has_probabilities(attrs)) {
      scores = class_probabilities(scores, attrs, classes);
    } else if (classes == 2) {
      scores = concat({-scores, scores}, 1);
    }
  } else {
    scores = products(rows, attrs.floats("coefficients"), classes, 1, attrs.floats("rho")[0]);
    winner = make(s, "ArgMax", {scores}, {{"axis", 1}, {"keepdims", 0}});
  }
  c.set_output(0, labels.of(winner));
  if (c.output_count() > 1) c.set_output(1, cast(transform_scores(scores, attrs.s("post_transform")), DType::kF32));
  return {};
}

}  // namespace

void define_op_svm(OpRegistry& ops) {
  ops.add(kMlDomain, "SVMRegressor")
      .group("classical")
      .doc(
          "What a support vector machine makes of rows: the sum of its coefficients times the kernel of the row `x` "
          "and "
          "each support vector `s`, and rho. Without support vectors `x . coefficients + rho`, whatever the kernel.")
      .types("T", kRowTypes)
      .attr("kernel_type", "LINEAR", kKernelTypeDoc)
      .optional_attr("kernel_params", AttrKind::kFloats, kKernelParamsDoc)
      .optional_attr("support_vectors", AttrKind::kFloats, "[n_supports, F], row by row.")
      .attr("n_supports", 0, "How many support vectors there are.")
      .optional_attr("coefficients", AttrKind::kFloats, "[n_supports], or [F] without support vectors.")
      .optional_attr("rho", AttrKind::kFloats, "What is added, of which the first counts.")
      .flag("one_class", false, "Whether the result is 1 where that is above 0, which is of the class, and else -1.")
      .attr("post_transform", "NONE", kTransformDoc)
      .input("X", "T", "[N, F], or [F] for one row.")
      .output("Y", "f32", "[N, 1].")
      .infer(infer_svm_regressor)
      .body_by_shapes(svm_regressor);
  ops.add(kMlDomain, "SVMClassifier")
      .group("classical")
      .doc(
          "The class that a support vector machine finds for each row, and scores, transformed. For each two classes "
          "`i < j` there is a decision: the sum, over the support vectors of both, of coefficients times the kernel of "
          "the row `x` and the support vector `s`, and a number of rho. Above 0 it is for i, else for j; the label is "
          "that of the first class that most are for. The scores are the decisions, `[-d, d]` of the only one d if "
          "there "
          "are two classes. With prob_a and prob_b they are the likelihoods of the classes: i is preferred to j with "
          "`1 / (1 + exp(a * d + b))`, and these are coupled as in libsvm, whose search ends near the likelihoods that "
          "the gradient is of. Without support vectors scores are `x . coefficients + rho` for each class, whatever "
          "the kernel, and the label is "
          "that of the first highest one.")
      .types("T1", kRowTypes)
      .types("T2", set_of(DType::kString, DType::kI64))
      .attr("kernel_type", "LINEAR", kKernelTypeDoc)
      .optional_attr("kernel_params", AttrKind::kFloats, kKernelParamsDoc)
      .optional_attr("support_vectors", AttrKind::kFloats, "[vectors, F], row by row, class by class.")
      .optional_attr("vectors_per_class", AttrKind::kInts, "[classes]: how many support vectors each class has.")
      .optional_attr("coefficients", AttrKind::kFloats,
                     "[classes - 1, vectors]: of each support vector, for each of the other classes in their order; "
                     "[classes, F] without support vectors.")
      .optional_attr(
          "rho", AttrKind::kFloats,
          "For each pair of classes, (0, 1), (0, 2), ..., (1, 2), ...: what is added; without support vectors "
          "the first counts for all.")
      .optional_attr("prob_a", AttrKind::kFloats, "For each pair of classes: the slope of its likelihood.")
      .optional_attr("prob_b", AttrKind::kFloats, "For each pair of classes: the offset of its likelihood.")
      .optional_attr("classlabels_strings", AttrKind::kStrings, "The labels; the output has these or")
      .optional_attr("classlabels_ints", AttrKind::kInts, "these.")
      .attr("post_transform", "NONE", kTransformDoc)
      .input("X", "T1", "[N, F], or [F] for one row.")
      .output("Y", "T2", "[N]: labels.")
      .output("Z", "f32", "[N, classes]; [N, pairs] for decisions between more than two classes.")
      .infer(infer_svm_classifier)
      .body_by_shapes(svm_classifier);
}

}  // namespace weft
