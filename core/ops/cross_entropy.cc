// Losses of class labels: NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

// Scores [N, C, d1, ...] and labels [N, d1, ...].
Status check_labels(const InferContext& c) {
  if (!c.has_rank(0)) return {};
  if (c.rank(0) < 2) return invalid("the scores need a batch and a class axis but are ", c.input(0).text());
  Dims wanted = c.dims(0);
  wanted.erase(wanted.begin() + 1);
  if (!c.has_rank(1) || may_equal(c.dims(1), wanted)) return {};
  return invalid("the labels must have the shape of the scores without their class axis, but are ", c.input(1).text(),
                 " for scores of ", c.input(0).text());
}

// And weights [C]; the loss is a scalar or shaped as the labels.
Status infer_loss(InferContext& c) {
  const std::string& reduction = c.attrs().s("reduction");
  if (reduction != "none" && reduction != "sum" && reduction != "mean") {
    return invalid("attribute 'reduction' must be \"none\", \"sum\" or \"mean\" but is \"", reduction, "\"");
  }
  WEFT_CHECK(check_labels(c));
  if (c.has_rank(2)) {
    bool fits = c.rank(2) == 1;
    if (fits && c.has_rank(0)) {
      fits = c.dims(2)[0] == c.dims(0)[1] || !c.dims(2)[0].known() || !c.dims(0)[1].known();
    }
    if (!fits) return invalid("there must be one weight a class, but the weights are ", c.input(2).text());
  }
  if (reduction != "none") {
    c.set_dims(0, {});
  } else if (c.has_rank(1)) {
    c.set_dims(0, c.dims(1));
  } else if (c.has_rank(0)) {
    Dims dims = c.dims(0);
    dims.erase(dims.begin() + 1);
    c.set_dims(0, std::move(dims));
  }
  if (c.output_count() > 1 && c.has_rank(0)) c.set_dims(1, c.dims(0));
  return {};
}

// And a slope for each label.
Status infer_slope(InferContext& c) {
  WEFT_CHECK(check_labels(c));
  if (c.has_rank(1)) WEFT_CHECK(c.check_shape(2, c.dims(1), "the labels"));
  return infer_same_as_first(c);
}

// What the rules share: everything in the shape of the labels unless said otherwise.
struct Labels {
  Expr safe;    // the labels, 0 for the ignored ones
  Expr valid;   // which count; none if all do
  Expr weight;  // of each, 0 for the ignored ones; none if all are 1
  Expr hit;     // [N, C, d1, ...]: where the class is the label
};

// Where along the class axis of the scores the labels are.
Expr hits(Expr scores, Expr labels) {
  ExprScope& s = scores.scope();
  const bool known = scores.has_rank() && scores.dims()[1].known();
  Expr count = known ? constant_int(s, scores.dims()[1].value())
                     : make(s, "Gather", {shape_of(scores), constant_int(s, 1)}, {{"axis", 0}});
  Expr classes = make(s, "Range", {constant_int(s, 0), count, constant_int(s, 1)});
  classes = laid_along(classes, shape_of(scores), 1);
  return make(s, "Equal", {unsqueeze(cast(labels, DType::kI64), {1}), classes});
}

Labels read_labels(GradContext& c) {
  ExprScope& s = c.scope();
  Expr scores = c.input(0), labels = c.input(1);
  Labels out;
  out.safe = labels;
  if (c.attrs().has("ignore_index")) {
    Expr ignored = make(s, "Equal", {labels, scalar_like(labels, static_cast<double>(c.attrs().i("ignore_index")))});
    out.valid = make(s, "Not", {ignored});
    out.safe = where(ignored, scalar_like(labels, 0), labels);
  }
  if (c.has_input(2)) {
    out.weight = make(s, "Gather", {c.input(2), out.safe}, {{"axis", 0}});
    if (out.valid.valid()) out.weight = where(out.valid, out.weight, scalar_like(scores, 0));
  } else if (out.valid.valid()) {
    out.weight = cast(out.valid, scores.dtype());
  }
  out.hit = hits(scores, out.safe);
  return out;
}

Expr total_weight(const Labels& labels, DType dtype) {
  ExprScope& s = labels.weight.scope();
  return make(s, "weft.SumTo", {cast(labels.weight, dtype), scalar(s, dtype, 0)});
}

// The loss's slope to minus the label's log-probability.
Expr label_slope(GradContext& c, const Labels& labels) {
  ExprScope& s = c.scope();
  Expr dy = c.grad(0);
  if (c.attrs().s("reduction") == "mean") {
    const DType wide = counting_dtype(dy.dtype());
    Expr total;
    if (labels.weight.valid()) {
      total = total_weight(labels, wide);
    } else if (c.input(1).type().concrete()) {
      double count = 1;
      for (const Dim& dim : c.input(1).dims()) count *= static_cast<double>(dim.value());
      total = scalar(s, wide, count);
    } else {
      total = cast(make(s, "Size", {c.input(1)}), wide);
    }
    dy = cast(cast(dy, wide) / total, dy.dtype());
  }
  Expr slope = labels.weight.valid() ? dy * labels.weight : expand_like(dy, c.input(1));
  // With all labels ignored the total is 0 and the quotient no number.
  return labels.valid.valid() ? where(labels.valid, slope, scalar_like(slope, 0)) : slope;
}

// Of log-probabilities [N, C, d1, ...]; a label's weight moves the mean's divisor too.
Expr weight_grad(GradContext& c, const Labels& labels, Expr log_prob) {
  Expr zero = scalar_like(log_prob, 0), dy = c.grad(0);
  Expr losses = -reduce_sum(where(labels.hit, log_prob, zero), {1}, false);
  if (c.attrs().s("reduction") == "mean") {
    const DType wide = counting_dtype(losses.dtype());
    losses = cast(cast(losses - c.output(0), wide) / total_weight(labels, wide), losses.dtype());
  }
  Expr slope = grad_mul(expand_like(dy, c.input(1)), losses);
  if (labels.valid.valid()) slope = where(labels.valid, slope, zero);
  return sum_of_channels(where(labels.hit, unsqueeze(slope, {1}), zero));
}

Status nll_grad(GradContext& c) {
  Labels labels = read_labels(c);
  Expr zero = scalar_like(c.input(0), 0);
  if (c.needs(0)) c.set_grad(0, where(labels.hit, unsqueeze(-label_slope(c, labels), {1}), zero));
  if (c.needs(2)) c.set_grad(2, weight_grad(c, labels, c.input(0)));
  return {};
}

Status cross_entropy_grad(GradContext& c) {
  ExprScope& s = c.scope();
  Expr scores = c.input(0);
  Labels labels = read_labels(c);
  Expr dx;
  if (c.needs(0) && c.has_grad(0)) {
    dx = make(s, "weft.SoftmaxCrossEntropyGrad", {scores, labels.safe, label_slope(c, labels)});
  }
  if (c.needs(0) && c.has_grad(1)) {
    Expr softmax = make(s, "Softmax", {scores}, {{"axis", 1}});
    Expr through = c.grad(1) - grad_mul(reduce_sum(c.grad(1), {1}, true), softmax);
    dx = dx.valid() ? dx + through : through;
  }
  if (c.needs(0)) c.set_grad(0, dx);
  if (c.needs(2) && c.has_grad(0)) {
    c.set_grad(2, weight_grad(c, labels, make(s, "LogSoftmax", {scores}, {{"axis", 1}})));
  }
  return {};
}

// y = (p - hit) * slope with p = softmax(scores): dp = dy * slope, through the softmax; dslope sums
// dy * (p - hit).
Status slope_grad(GradContext& c) {
  ExprScope& s = c.scope();
  Expr dy = c.grad(0), softmax = make(s, "Softmax", {c.input(0)}, {{"axis", 1}});
  if (c.needs(0)) {
    Expr dp = grad_mul(dy, unsqueeze(c.input(2), {1}));
    c.set_grad(0, grad_mul(dp - reduce_sum(grad_mul(dp, softmax), {1}, true), softmax));
  }
  if (c.needs(2)) {
    Expr hit = cast(hits(c.input(0), c.input(1)), dy.dtype());
    c.set_grad(2, reduce_sum(grad_mul(dy, softmax - hit), {1}, false));
  }
  return {};
}

OpDef& add_loss(OpRegistry& ops, std::string_view name, int since, std::string_view doc) {
  return ops.add(name)
      .group("loss")
      .since(since)
      .doc(cat(doc,
               " With the reduction \"mean\" the sum is divided by the sum of the weights of all "
               "labels that are not "
               "ignored, each 1 without `weight`: 0 / 0 if all are ignored, and the gradient is "
               "then 0."))
      .types("T", kFloatTypes)
      .types("Tind", kIndexTypes)
      .attr("reduction", "mean", "\"none\", \"sum\" or \"mean\".")
      .optional_attr("ignore_index", AttrKind::kInt, "Labels of this value count nothing; it may be outside [0, C).")
      .infer(infer_loss);
}

}  // namespace

void define_op_cross_entropy(OpRegistry& ops) {
  add_loss(ops, "NegativeLogLikelihoodLoss", 22, "Minus the input at each label, times the label's weight.")
      .input("input", "T", "Log-probabilities [N, C, d1, ...].")
      .input("target", "Tind", "Labels [N, d1, ...], each in [0, C).")
      .optional_input("weight", "T", "A weight for each class, [C].")
      .output("loss", "T", "A scalar, or with the reduction \"none\" shaped as the target.")
      .grad(nll_grad);
  add_loss(ops, "SoftmaxCrossEntropyLoss", 13,
           "Minus the logarithm of the softmax of the scores over the class axis at each label, "
           "times the label's "
           "weight.")
      .input("scores", "T", "Unscaled log-probabilities [N, C, d1, ...].")
      .input("labels", "Tind", "Labels [N, d1, ...], each in [0, C).")
      .optional_input("weights", "T", "A weight for each class, [C].")
      .output("output", "T", "A scalar, or with the reduction \"none\" shaped as the labels.")
      .optional_output("log_prob", "T", "The logarithm of the softmax, in the shape of the scores.")
      .grad(cross_entropy_grad);
  ops.add(kWeftDomain, "SoftmaxCrossEntropyGrad")
      .group("gradient")
      .doc(
          "The softmax of the scores over the class axis, less 1 at the labels, times a slope for "
          "each label; 0 where "
          "the slope is exactly 0. It is the gradient of SoftmaxCrossEntropyLoss.")
      .types("T", kFloatTypes)
      .types("Tind", kIndexTypes)
      .input("scores", "T", "Unscaled log-probabilities [N, C, d1, ...].")
      .input("labels", "Tind", "Labels [N, d1, ...], each in [0, C).")
      .input("slope", "T", "Factor for each label, in the shape of the labels.")
      .output("gradient", "T", "The shape of the scores.")
      .inplace(0, 0)
      .infer(infer_slope)
      .grad(slope_grad);
}

}  // namespace weft
