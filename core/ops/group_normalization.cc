// Normalization over groups of neighbouring channels, or over each channel, of every image.
#include <numeric>

#include "core/graph/downgrade.h"
#include "core/ops/heads_common.h"
#include "core/ops/normalization_common.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

// Groups of neighbouring channels: [N, C, D1, ...] as [N, groups, C / groups, D1, ...]. With 0 groups each channel is one.
Expr in_groups(Expr x, int64_t groups) {
  ExprScope& s = x.scope();
  if (groups == 0) return unsqueeze(x, {2});
  Expr each = dims_of(x, 1, 2) / constant_ints(s, {groups});
  return reshape(x, concat({dims_of(x, 0, 1), constant_ints(s, {groups}), each, dims_of(x, 2, x.rank())}, 0));
}

std::vector<int64_t> axes_of_groups(Expr x) {
  std::vector<int64_t> axes(static_cast<size_t>(x.rank() - 1));
  std::iota(axes.begin(), axes.end(), int64_t{2});
  return axes;
}

Status check_groups(int64_t groups, int64_t least, const Dim& channels) {
  const bool divides = groups < 1 || !channels.known() || channels.value() % groups == 0;
  if (groups >= least && divides) return {};
  return invalid("attribute 'num_groups' is ", groups, " but must divide the ", channels.text(),
                 " channels of the input");
}

// Wu and He, 2018, arXiv:1803.08494.
Status group_norm(BodyContext& c) {
  Expr x = c.input(0), scale = c.input(1), bias = c.input(2);
  const bool ranked = x.has_rank();
  if (!ranked) x = with_one_space(x);
  WEFT_CHECK(check_channels(c, x, 2));
  WEFT_TRY(DType stash, stash_type(c));
  const int64_t groups = c.attrs().i("num_groups");
  WEFT_CHECK(check_groups(groups, 1, x.dims()[1]));
  DType dtype = x.dtype();
  Expr grouped = in_groups(cast(x, statistics_dtype(dtype, stash)), groups);
  const std::vector<int64_t> axes = axes_of_groups(x);
  Expr centred = grouped - mean_over(grouped, axes, true);
  Expr inverse = inverse_root(mean_over(centred * centred, axes, true), c.attrs().f("epsilon"));
  Expr normal = cast(reshape_like(centred * inverse, x), dtype);
  const Expr y = normal * along_channels(scale, x.rank()) + along_channels(bias, x.rank());
  c.set_output(0, ranked ? y : reshape_like(y, c.input(0)));
  return {};
}

// Ulyanov, Vedaldi and Lempitsky, 2016, arXiv:1607.08022: LayerNormalization of each plane.
Status instance_norm(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.input(0);
  const bool ranked = x.has_rank();
  if (!ranked) x = with_one_space(x);
  WEFT_CHECK(check_channels(c, x, 2));
  if (x.rank() < 3) return invalid("the input must be [N, C, D1, ...] but is ", x.type().text());
  Expr ones = make(s, "Expand", {scalar_like(x, 1), make(s, "Shape", {x}, {{"start", int64_t{2}}})});
  Expr normal = make(s, "LayerNormalization", {x, ones}, {{"axis", int64_t{2}}, {"epsilon", c.attrs().f("epsilon")}});
  const Expr y = normal * along_channels(c.input(1), x.rank()) + along_channels(c.input(2), x.rank());
  c.set_output(0, ranked ? y : reshape_like(y, c.input(0)));
  return {};
}

// The gradients are sums over channels, which one operator makes of what it has in its hands for the other.
Status gradient_in_groups(GradContext& c, int64_t groups, int64_t stash) {
  const int count = c.needs(2) ? 3 : c.needs(1) ? 2 : 1;
  Attrs attrs{{"num_groups", groups}, {"epsilon", c.attrs().f("epsilon")}, {"stash_type", stash}};
  const std::vector<Expr> parts =
      make_all(c.scope(), "weft.GroupNormalizationGrad", {c.input(0), c.input(1), c.grad(0)}, attrs, count);
  for (int i = 0; i < count; ++i) c.set_grad(i, parts[static_cast<size_t>(i)]);
  return {};
}
Status group_norm_gradient(GradContext& c) {
  return gradient_in_groups(c, c.attrs().i("num_groups"), c.attrs().i("stash_type"));
}
Status instance_norm_gradient(GradContext& c) { return gradient_in_groups(c, 0, static_cast<int64_t>(DType::kF32)); }

Status infer_group_norm_grad(InferContext& c) {
  if (c.has_rank(0)) {
    if (c.rank(0) < 2) return invalid("X needs a batch and a channel axis but is ", c.input(0).text());
    WEFT_CHECK(check_groups(c.attrs().i("num_groups"), 0, c.dims(0)[1]));
    WEFT_CHECK(c.check_shape(2, c.dims(0), "X"));
    c.set_dims(0, c.dims(0));
  }
  for (int i = 1; i < c.output_count() && c.has_rank(1); ++i) c.set_dims(i, c.dims(1));
  return {};
}

Status group_norm_grad(BodyContext& c) {
  Expr x = c.input(0), scale = c.input(1), dy = c.input(2);
  if (!x.has_rank()) {
    x = with_one_space(x);
    dy = with_one_space(dy);
    scale = with_rank(scale, 1);
  }
  WEFT_CHECK(check_channels(c, x, 1));
  WEFT_TRY(DType stash, stash_type(c));
  const int64_t groups = c.attrs().i("num_groups"), rank = x.rank();
  const DType dtype = x.dtype(), wide = statistics_dtype(dtype, stash);
  const std::vector<int64_t> axes = axes_of_groups(x);
  Expr grouped = in_groups(cast(x, wide), groups);
  Expr centred = grouped - mean_over(grouped, axes, true);
  Expr inverse = inverse_root(mean_over(centred * centred, axes, true), c.attrs().f("epsilon"));
  Expr normal = centred * inverse;
  Expr slope = in_groups(cast(grad_mul(dy, along_channels(scale, rank)), wide), groups);
  Expr along = grad_mul(mean_over(grad_mul(slope, normal), axes, true), normal);
  Expr dx = grad_mul(slope - mean_over(slope, axes, true) - along, inverse);
  c.set_output(0, cast(reshape_like(dx, c.input(0)), dtype));
  std::vector<int64_t> others{0};
  for (int64_t axis = 2; axis < rank; ++axis) others.push_back(axis);
  if (c.output_count() > 1) {
    c.set_output(1, reduce_sum(grad_mul(dy, cast(reshape_like(normal, x), dtype)), others, false));
  }
  if (c.output_count() > 2) c.set_output(2, reduce_sum(dy, others, false));
  return {};
}

// Before opset 21 there was one scale and bias for each group.
Status for_each_channel(UpgradeContext& c) {
  const AttrValue* groups = c.attrs.find("num_groups");
  if (c.inputs.size() != 3 || groups == nullptr || groups->kind() != AttrKind::kInt || groups->i() < 1) return {};
  ExprScope s(c.graph());
  Expr x(s, c.inputs[0]);
  Expr shape = dims_of(x, 1, 2);
  Expr count = constant_ints(s, {groups->i()});
  for (int i : {1, 2}) {
    Expr each = make(s, "Expand", {unsqueeze(Expr(s, c.inputs[i]), {1}), concat({count, shape / count}, 0)});
    c.inputs[i] = reshape(each, constant_ints(s, {-1})).id();
  }
  return s.status();
}

Status forget_consumed(UpgradeContext& c) {
  c.attrs.erase("consumed_inputs");
  return {};
}

Status scales_of_groups(DowngradeContext&) {
  return unimplemented("its scale and bias were those of groups, not of channels");
}

}  // namespace

void define_op_group_normalization(OpRegistry& ops) {
  ops.add("GroupNormalization")
      .group("nn/normalization")
      .since(21)
      .doc(
          "Normalizes every group of neighbouring channels of every image: `(X - mean) / sqrt(var + epsilon) * scale + "
          "bias`, where the variance divides by the number of elements.")
      .types("T", kFloatTypes)
      .attr("epsilon", 1e-5, "Added to the variance.")
      .required_attr("num_groups", AttrKind::kInt, "How many groups the channels are divided into; it divides C.")
      .dtype_attr("stash_type", DType::kF32, "The least precision of the computation of mean and variance.")
      .input("X", "T", "[N, C, D1, ...].")
      .input("scale", "T", "[C].")
      .input("bias", "T", "[C].")
      .output("Y", "T", "The shape of X.")
      .inplace(0, 0)
      .upgrade(21, for_each_channel)
      .downgrade(21, scales_of_groups)
      .grad(group_norm_gradient)
      .body_by_shapes(group_norm);
  ops.add("InstanceNormalization")
      .group("nn/normalization")
      .since(22)
      .doc(
          "Normalizes every channel of every image: `scale * (input - mean) / sqrt(var + epsilon) + B`, where the "
          "variance divides by the number of elements.")
      .types("T", kFloatTypes)
      .attr("epsilon", 1e-5, "Added to the variance.")
      .input("input", "T", "[N, C, D1, ...].")
      .input("scale", "T", "[C].")
      .input("B", "T", "[C].")
      .output("output", "T", "The shape of the input.")
      .inplace(0, 0)
      .upgrade(6, forget_consumed)
      .grad(instance_norm_gradient)
      .body_by_shapes(instance_norm);
  ops.add(kWeftDomain, "GroupNormalizationGrad")
      .group("gradient")
      .doc(
          "The gradients of GroupNormalization and InstanceNormalization to X, scale and bias; a product with 0 from "
          "behind is 0.")
      .types("T", kFloatTypes)
      .attr("epsilon", 1e-5, "Added to the variance.")
      .attr("num_groups", int64_t{0}, "How many groups the channels are divided into; 0: each channel is one.")
      .dtype_attr("stash_type", DType::kF32, "The least precision of the computation of mean and variance.")
      .input("X", "T", "[N, C, D1, ...].")
      .input("scale", "T", "[C].")
      .input("dY", "T", "The gradient to Y, of the shape of X.")
      .output("dX", "T", "The shape of X.")
      .optional_output("dScale", "T", "[C].")
      .optional_output("dBias", "T", "[C].")
      .inplace(0, 0)
      .inplace(0, 2)
      .infer(infer_group_norm_grad)
      .body_by_shapes(group_norm_grad);
}

}  // namespace weft
