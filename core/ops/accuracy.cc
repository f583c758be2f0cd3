// Accuracy: how often the highest score is that of the label.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer(InferContext& c) {
  if (c.has_rank(0) && c.rank(0) < 2) {
    return invalid("the scores need a batch and a class axis but are ", c.input(0).text());
  }
  if (c.has_rank(0) && c.has_rank(1)) {
    Dims wanted = c.dims(0);
    wanted.erase(wanted.begin() + 1);
    bool fits = wanted.size() == c.dims(1).size();
    for (size_t i = 0; fits && i < wanted.size(); ++i) {
      const Dim& found = c.dims(1)[i];
      fits = found == wanted[i] || !found.known() || !wanted[i].known();
    }
    if (!fits) {
      return invalid("the labels must have the shape of the scores without their class axis, but are ",
                     c.input(1).text(), " for scores of ", c.input(0).text());
    }
  }
  c.set_dims(0, {});
  return {};
}

Status body(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr labels = c.input(1);
  Expr best = make(s, "ArgMax", {c.input(0)}, {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}});
  Expr right = cast(make(s, "Equal", {best, cast(labels, DType::kI64)}), DType::kF32);
  auto total = [&](const char* op, Expr x) { return make(s, op, {x}, {{"keepdims", int64_t{0}}}); };
  if (!c.attrs().has("ignore_index")) {
    c.set_output(0, total("ReduceMean", right));
    return {};
  }
  Expr ignored = make(s, "Equal", {labels, scalar_like(labels, static_cast<double>(c.attrs().i("ignore_index")))});
  Expr counts = cast(make(s, "Not", {ignored}), DType::kF32);
  c.set_output(0, total("ReduceSum", right * counts) / total("ReduceSum", counts));
  return {};
}

}  // namespace

void define_op_accuracy(OpRegistry& ops) {
  ops.add(kWeftDomain, "Accuracy")
      .group("loss")
      .doc(
          "The fraction, from 0 to 1, of the labels that have the highest score; of equal scores the first counts. NaN "
          "where no label counts.")
      .types("T", kFloatTypes)
      .types("Tind", set_of(DType::kI32, DType::kI64))
      .optional_attr("ignore_index", AttrKind::kInt, "A label that does not count.")
      .input("scores", "T", "[N, C, d1, ...].")
      .input("labels", "Tind", "[N, d1, ...]: classes from 0 to C - 1.")
      .output("output", "f32", "Scalar.")
      .infer(infer)
      .body(body);
}

}  // namespace weft
