// Scores to probabilities: Softmax and LogSoftmax; and to a choice: Hardmax.
#include <algorithm>
#include <numeric>

#include "core/ops/downgrade_common.h"

namespace weft {
namespace {

Status infer(InferContext& c) {
  if (!c.has_rank(0)) return {};
  WEFT_CHECK(InferContext::axis(c.attrs().i("axis"), c.rank(0)).status());
  return infer_same_as_first(c);
}

Status infer_grad(InferContext& c) {
  if (c.has_rank(0) && c.has_rank(1)) {
    bool fits = c.rank(0) == c.rank(1);
    for (size_t i = 0; fits && i < c.dims(0).size(); ++i) {
      const Dim &y = c.dims(0)[i], &dy = c.dims(1)[i];
      fits = !y.known() || !dy.known() || y == dy;
    }
    if (!fits)
      return invalid("'dY' of shape ", dims_text(c.dims(1)), " must have the shape of Y, ", dims_text(c.dims(0)));
  }
  return infer(c);
}

template <typename Context>
Expr sum_over(Context& c, Expr x) {
  return make(c.scope(), "ReduceSum", {x, constant_ints(c.scope(), {c.attrs().i("axis")})}, {{"keepdims", int64_t{1}}});
}

Status grad_softmax(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.SoftmaxGrad", {c.output(0), c.grad(0)}, {{"axis", c.attrs().i("axis")}}));
  return {};
}

// dx = y * (dy - sum(y * dy))
Status softmax_grad(BodyContext& c) {
  Expr y = c.input(0), dy = c.input(1);
  c.set_output(0, grad_mul(dy - sum_over(c, grad_mul(dy, y)), y));
  return {};
}

// dx = dy - softmax(x) * sum(dy)
Status grad_log_softmax(GradContext& c) {
  Expr dy = c.grad(0);
  c.set_grad(0, dy - grad_mul(sum_over(c, dy), make(c.scope(), "Exp", {c.output(0)})));
  return {};
}

// One where the first of the largest elements is, else zero.
Status hardmax(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.input(0);
  const int64_t axis = c.attrs().i("axis");
  if (!x.has_rank()) return unimplemented("Hardmax needs the rank of its input");
  WEFT_TRY(int64_t at, InferContext::axis(axis, x.rank()));
  if (x.dims()[static_cast<size_t>(at)].is(0)) {  // nothing is the largest of nothing
    c.set_output(0, make(s, "Identity", {x}));
    return {};
  }
  Expr place = make(s, "ArgMax", {x}, {{"axis", axis}, {"keepdims", int64_t{0}}});
  Expr size = make(s, "Gather", {shape_of(x), constant_int(s, axis)});
  Expr values = concat({unsqueeze(scalar_like(x, 0), {0}), unsqueeze(scalar_like(x, 1), {0})}, 0);
  c.set_output(0, make(s, "OneHot", {place, size, values}, {{"axis", axis}}));
  return {};
}
Status flat(GradContext& c) {
  c.set_grad(0, fill_like(c.input(0), 0));
  return {};
}

// Before opset 13 the axes from `axis` (1 if not given) on were one; that is today's meaning where `axis` is the last. Else
// they are made one, and the node becomes the Reshape that takes it back.
Status axes_as_one(UpgradeContext& c) {
  const int64_t axis = c.attrs.has("axis") ? c.attrs.i("axis") : 1;
  if (c.inputs.size() != 1 || c.inputs[0] == kNoValue) return {};  // refused where inputs are checked
  const ValueType& type = c.type(0);
  if (axis == -1 || (type.has_rank && axis == static_cast<int64_t>(type.dims.size()) - 1)) {
    c.attrs.set("axis", int64_t{-1});
    return {};
  }
  if (type.has_rank) WEFT_CHECK(InferContext::axis(axis, static_cast<int64_t>(type.dims.size())).status());
  ExprScope s(c.graph());
  Expr x(s, c.inputs[0]);
  Expr flat = make(s, "Flatten", {x}, {{"axis", axis}});
  c.inputs = {make(s, c.op, {flat}).id(), make(s, "Shape", {x}).id()};
  c.op = "Reshape";
  c.attrs = Attrs{{"allowzero", int64_t{1}}};
  return s.status();
}

// And back: where the axes behind the one that is meant are of one element, it is the same; else that axis is made the last.
Status axis_to_axes(DowngradeContext& c) {
  const int64_t given = c.attrs.i("axis");
  if (given == -1) return {};
  WEFT_TRY(const int64_t rank, c.known_rank(0));
  WEFT_TRY(const int64_t axis, InferContext::axis(given, rank));
  c.attrs.set("axis", axis);
  const Expr x = c.inputs[0];
  bool alone = true;
  for (int64_t d = axis + 1; d < rank; ++d) alone = alone && x.dims()[d].is(1);
  if (alone) return {};
  std::vector<int64_t> perm(static_cast<size_t>(rank));
  std::iota(perm.begin(), perm.end(), int64_t{0});
  std::swap(perm[axis], perm[rank - 1]);
  c.replace({transpose(make(c.scope(), c.op, {transpose(x, perm)}, {{"axis", int64_t{-1}}}), perm)});
  return c.scope().status();
}

}  // namespace

void define_op_softmax(OpRegistry& ops) {
  struct Row {
    const char* name;
    GradFn grad;
    const char* doc;
  };
  const Row rows[] = {
      {"Softmax", grad_softmax, "Exponentials of `input` scaled to add up to one along `axis`."},
      {"LogSoftmax", grad_log_softmax, "The logarithm of Softmax, without overflow."},
  };
  for (const Row& row : rows) {
    ops.add(row.name)
        .group("activation")
        .since(13)
        .doc(row.doc)
        .types("T", kFloatTypes)
        .attr("axis", int64_t{-1}, "The axis that adds up to one; negative counts from the end.")
        .input("input", "T", "Scores.")
        .output("output", "T", "The shape of input.")
        .inplace(0, 0)
        .infer(infer)
        .grad(row.grad)
        .upgrade(13, axes_as_one)
        .downgrade(13, axis_to_axes)
        .downgrade(11, axes_from_front);
  }
  ops.add("Hardmax")
      .group("activation")
      .since(13)
      .doc(
          "One at the first of the largest elements along `axis`, zero at the others; NaN counts as largest. The "
          "gradient is zero.")
      .types("T", kFloatTypes)
      .attr("axis", int64_t{-1}, "The axis along which one is chosen; negative counts from the end.")
      .input("input", "T", "Scores, at least one dimension.")
      .output("output", "T", "The shape of input.")
      .upgrade(13, axes_as_one)
      .downgrade(13, axis_to_axes)
      .downgrade(11, axes_from_front)
      .infer(infer)
      .body_by_shapes(hardmax)
      .grad(flat);
  ops.add(kWeftDomain, "SoftmaxGrad")
      .group("gradient")
      .doc(
          "The gradient of Softmax, `Y * (dY - sum(Y * dY))` with the sum along `axis`; a product with 0 from behind "
          "is 0.")
      .types("T", kFloatTypes)
      .attr("axis", int64_t{-1}, "The axis of Softmax; negative counts from the end.")
      .input("Y", "T", "What Softmax gave.")
      .input("dY", "T", "The gradient to it, of the shape of Y.")
      .output("dX", "T", "The shape of Y.")
      .inplace(0, 0)
      .inplace(0, 1)
      .infer(infer_grad)
      .body(softmax_grad);
}

}  // namespace weft
