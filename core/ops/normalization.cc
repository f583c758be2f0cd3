// Normalization over the batch, over the last axes or others, and over neighbouring channels, made of other operators.
#include <algorithm>
#include <numeric>

#include "core/ops/downgrade_common.h"
#include "core/ops/normalization_common.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

// Ioffe and Szegedy, 2015. Statistics are computed in the dtype of the running ones, at least f32.
Status batch_norm(BodyContext& c) {
  Expr x = c.input(0), scale = c.input(1), bias = c.input(2), mean = c.input(3), variance = c.input(4);
  const bool one_axis = x.has_rank() && x.rank() == 1;  // ONNX: the batch, of one channel
  const bool ranked = x.has_rank();
  if (one_axis) x = unsqueeze(x, {1});
  if (!ranked) x = with_one_space(x);
  WEFT_CHECK(check_channels(c, x, c.input_count() - 1));
  bool training = c.attrs().b("training_mode");
  if (c.output_count() > 1 && !training) return invalid("only with training_mode = 1 there is more than one output");
  DType dtype = x.dtype(), wide = mean.dtype();
  Expr wide_x = cast(x, wide);
  int64_t rank = x.rank();
  if (training) {
    std::vector<int64_t> axes = {0};
    for (int64_t axis = 2; axis < rank; ++axis) axes.push_back(axis);
    Expr batch_mean = mean_over(wide_x, axes, false);
    Expr centred = wide_x - along_channels(batch_mean, rank);
    Expr batch_variance = mean_over(centred * centred, axes, false);
    double momentum = c.attrs().f("momentum");
    if (c.output_count() > 1) c.set_output(1, mean * momentum + batch_mean * (1 - momentum));
    if (c.output_count() > 2) c.set_output(2, variance * momentum + batch_variance * (1 - momentum));
    mean = batch_mean;
    variance = batch_variance;
  }
  Expr root = make(c.scope(), "Sqrt", {variance + c.attrs().f("epsilon")});
  Expr factor = cast(scale, wide) / root;
  Expr y = (wide_x - along_channels(mean, rank)) * along_channels(factor, rank);
  if (!training) {
    // One product and one sum, whose factors fold where the statistics are constants.
    y = wide_x * along_channels(factor, rank) + along_channels(cast(bias, wide) - mean * factor, rank);
  } else {
    y = y + along_channels(cast(bias, wide), rank);
  }
  y = cast(y, dtype);
  c.set_output(0, one_axis ? squeeze(y, {1}) : ranked ? y : reshape_like(y, c.input(0)));
  return {};
}

// The axes from attribute 'axis' on, from the end where the rank is not known, if that says it.
Result<Expr> last_axes(BodyContext& c, Expr x) {
  int64_t axis = c.attrs().i("axis"), end = 0;
  // Of no axes behind the last one all would be meant; with that one itself it is an error.
  if (!x.has_rank() && axis >= 0) return concat({constant_ints(c.scope(), {axis}), axes_from(x, axis + 1)}, 0);
  if (x.has_rank()) {
    if (x.rank() < 1) return invalid("the input needs at least one axis but is ", x.type().text());
    if (axis < -x.rank() || axis >= x.rank()) {
      return invalid("attribute 'axis' is ", axis, " but the input has ", x.rank(), " axes");
    }
    if (axis < 0) axis += x.rank();
    end = x.rank();
  }
  std::vector<int64_t> axes(static_cast<size_t>(end - axis));
  std::iota(axes.begin(), axes.end(), axis);
  return constant_ints(c.scope(), axes);
}

// Ba, Kiros and Hinton, 2016.
Status layer_norm(BodyContext& c) {
  Expr x = c.input(0), scale = c.input(1);
  WEFT_TRY(const Expr axes, last_axes(c, x));
  WEFT_TRY(DType kept, stash_type(c));
  DType dtype = x.dtype();
  Expr wide_x = cast(x, statistics_dtype(dtype, kept));
  Expr mean = mean_over(wide_x, axes, true);
  Expr centred = wide_x - mean;
  Expr variance = mean_over(centred * centred, axes, true);
  Expr inverse = inverse_root(variance, c.attrs().f("epsilon"));
  Expr y = cast(centred * inverse, dtype) * scale;
  if (c.has_input(2)) y = y + c.input(2);
  c.set_output(0, y);
  if (c.output_count() > 1) c.set_output(1, cast(mean, kept));
  if (c.output_count() > 2) c.set_output(2, cast(inverse, kept));
  return {};
}

// The gradient to Y; those to Mean and InvStdDev are left to the body.
Status layer_norm_gradient(GradContext& c) {
  if (c.has_grad(1) || c.has_grad(2)) {
    c.use_body();
    return {};
  }
  if (c.needs(0) || c.needs(1)) {
    Attrs attrs;
    for (const char* name : {"axis", "stash_type"}) attrs.set(name, c.attrs().i(name));
    attrs.set("epsilon", c.attrs().f("epsilon"));
    std::vector<Expr> parts = make_all(c.scope(), "weft.LayerNormalizationGrad", {c.input(0), c.input(1), c.grad(0)},
                                       attrs, c.needs(1) ? 2 : 1);
    c.set_grad(0, parts[0]);
    if (c.needs(1)) c.set_grad(1, parts[1]);
  }
  if (c.needs(2)) c.set_grad(2, sum_to(c.grad(0), c.input(2)));
  return {};
}

Status layer_norm_grad(BodyContext& c) {
  Expr x = c.input(0), scale = c.input(1), dy = c.input(2);
  WEFT_TRY(const Expr axes, last_axes(c, x));
  WEFT_TRY(DType kept, stash_type(c));
  DType dtype = x.dtype(), wide = statistics_dtype(dtype, kept);
  Expr wide_x = cast(x, wide);
  Expr centred = wide_x - mean_over(wide_x, axes, true);
  Expr inverse = inverse_root(mean_over(centred * centred, axes, true), c.attrs().f("epsilon"));
  Expr normal = centred * inverse;
  Expr slope = cast(grad_mul(dy, scale), wide);
  Expr along = grad_mul(mean_over(grad_mul(slope, normal), axes, true), normal);
  c.set_output(0, cast(grad_mul(slope - mean_over(slope, axes, true) - along, inverse), dtype));
  if (c.output_count() > 1) c.set_output(1, sum_to(grad_mul(dy, cast(normal, dtype)), scale));
  return {};
}

// Zhang and Sennrich, 2019, arXiv:1910.07467.
Status rms_norm(BodyContext& c) {
  Expr x = c.input(0), scale = c.input(1);
  WEFT_TRY(const Expr axes, last_axes(c, x));
  WEFT_TRY(DType stash, stash_type(c));
  Expr wide_x = cast(x, statistics_dtype(x.dtype(), stash));
  Expr inverse = inverse_root(mean_over(wide_x * wide_x, axes, true), c.attrs().f("epsilon"));
  c.set_output(0, cast(wide_x * inverse, scale.dtype()) * scale);
  return {};
}

// What is added to the deviation is ONNX's choice.
Status mean_variance_norm(BodyContext& c) {
  Expr x = c.input(0);
  const std::vector<int64_t>& axes = c.attrs().ints("axes");
  Expr wide = cast(x, statistics_dtype(x.dtype(), DType::kF32));
  Expr centred = wide - mean_over(wide, axes, true);
  Expr deviation = make(c.scope(), "Sqrt", {mean_over(centred * centred, axes, true)});
  c.set_output(0, cast(centred / (deviation + 1e-9), x.dtype()));
  return {};
}

// A line of zeros stays one, and has no gradient.
Status lp_norm(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.input(0);
  const int64_t p = c.attrs().i("p");
  if (p != 1 && p != 2) return invalid("attribute 'p' is ", p, " but must be 1 or 2");
  Expr axis = constant_ints(s, {c.attrs().i("axis")});
  Expr norm = make(s, p == 1 ? "ReduceL1" : "ReduceL2", {x, axis}, {{"keepdims", int64_t{1}}});
  Expr nothing = make(s, "Equal", {norm, scalar_like(norm, 0)});
  c.set_output(0, where(nothing, scalar_like(x, 0), x / where(nothing, scalar_like(norm, 1), norm)));
  return {};
}

// Krizhevsky, Sutskever and Hinton, 2012. Windows of channels are sums along the first spatial axis of [N, 1, C, D1, ...],
// padded to as many as there are channels: of none too, and one more behind than before if `size` is even.
Status local_response_norm(BodyContext& c) {
  Expr x = c.input(0);
  const int64_t size = c.attrs().i("size");
  if (size < 1) return invalid("attribute 'size' is ", size, " but must be at least 1");
  const bool ranked = x.has_rank();
  if (!ranked) x = with_one_space(x);
  if (x.rank() < 2) return invalid("the input must be [N, C, D1, ...] but is ", x.type().text());
  std::vector<int64_t> kernel(static_cast<size_t>(x.rank() - 1), 1);
  kernel[0] = size;
  Expr wide = cast(x, statistics_dtype(x.dtype(), DType::kF32));
  Expr sum = make(c.scope(), "weft.SumPool", {unsqueeze(wide * wide, {1})},
                  {{"kernel_shape", kernel}, {"auto_pad", "SAME_UPPER"}});
  Expr base = squeeze(sum, {1}) * (c.attrs().f("alpha") / static_cast<double>(size)) + c.attrs().f("bias");
  const Expr y = cast(wide / make(c.scope(), "Pow", {base, scalar_like(base, c.attrs().f("beta"))}), x.dtype());
  c.set_output(0, ranked ? y : reshape_like(y, c.input(0)));
  return {};
}

// BatchNormalization before opset 7: it trains unless a flag says no.
Status is_test_to_training(UpgradeContext& c) {
  const AttrValue* is_test = c.attrs.find("is_test");
  const bool training = is_test == nullptr || is_test->kind() != AttrKind::kInt || is_test->i() == 0;
  c.attrs.erase("is_test");
  if (training) c.attrs.set("training_mode", int64_t{1});
  return {};
}

constexpr const char* kOldBatchNorm = "weft.OldBatchNormalization";

// Before opset 9 `spatial` 0 said that each element of an image has numbers of its own; of rows that is the same.
Status elements_or_channels(UpgradeContext& c) {
  const AttrValue* spatial = c.attrs.find("spatial");
  const bool of_elements = spatial != nullptr && spatial->kind() == AttrKind::kInt && spatial->i() == 0;
  c.attrs.erase("spatial");
  if (!of_elements || (c.type(0).has_rank && c.type(0).dims.size() == 2)) return {};
  c.attrs.set("spatial", int64_t{0});
  c.op = kOldBatchNorm;
  return {};
}

// Before opset 14 who wanted more than Y was training, and could have what the gradient needs besides.
Status outputs_to_training(UpgradeContext& c) {
  if (c.output_count > 1) c.attrs.set("training_mode", int64_t{1});
  if (c.output_count > 3) c.op = kOldBatchNorm;
  return {};
}

// Where elements have numbers of their own they are channels of an image without places, as ONNX's text of opset 9 says.
Status old_batch_norm(BodyContext& c) {
  ExprScope& s = c.scope();
  const Expr given = c.input(0);
  const bool spatial = c.attrs().b("spatial");
  const Expr x = spatial ? given : make(s, "Flatten", {given}, {{"axis", int64_t{1}}});
  std::vector<Expr> inputs = {x};
  for (int i = 1; i < 5; ++i) {
    inputs.push_back(spatial ? c.input(i) : reshape(c.input(i), constant_ints(s, {-1})));
  }
  Attrs attrs;
  for (const char* name : {"epsilon", "momentum"}) attrs.set(name, c.attrs().f(name));
  attrs.set("training_mode", c.attrs().i("training_mode"));
  const std::vector<Expr> made =
      make_all(s, "BatchNormalization", inputs, std::move(attrs), std::min(c.output_count(), 3));
  WEFT_CHECK(s.status());
  c.set_output(0, spatial ? made[0] : reshape_like(made[0], given));
  const auto like_input = [&](Expr numbers, int input) {
    return spatial ? numbers : reshape_like(numbers, c.input(input));
  };
  for (int i = 1; i < static_cast<int>(made.size()); ++i) c.set_output(i, like_input(made[i], 2 + i));
  if (c.output_count() < 4) return {};
  const Expr of_batch = x.has_rank() ? x : with_one_space(x);
  std::vector<int64_t> axes = {0};
  for (int64_t axis = 2; axis < of_batch.rank(); ++axis) axes.push_back(axis);
  const Expr mean = mean_over(of_batch, axes, true), centred = of_batch - mean;
  c.set_output(3, reshape_like(mean, c.input(3)));
  if (c.output_count() > 4) c.set_output(4, reshape_like(mean_over(centred * centred, axes, true), c.input(4)));
  return {};
}

// Before opset 14 who trained had five outputs, of which two were never described.
Status without_training(DowngradeContext& c) {
  if (c.attrs.b("training_mode")) return unimplemented("it trains");
  c.attrs.erase("training_mode");
  return {};
}

}  // namespace

void define_op_normalization(OpRegistry& ops) {
  ops.add("BatchNormalization")
      .group("nn/normalization")
      .since(15)
      .doc(
          "Normalizes every channel: `(X - mean) / sqrt(var + epsilon) * scale + B`, with the given mean and variance "
          "or, in training, those of the batch (the variance divides by the number of elements). The running variance "
          "is of that kind too, and `momentum` weighs the old values; PyTorch keeps the unbiased one and weighs the "
          "new.")
      .types("T", kFloatTypes)
      .types("T1", kFloatTypes)
      .types("T2", kFloatTypes)
      .attr("epsilon", 1e-5, "Added to the variance.")
      .attr("momentum", 0.9, "Weight of the old running mean and variance.")
      .flag("training_mode", false, "Whether to use the batch's mean and variance, and give the running ones.")
      .input("X", "T", "[N, C, D1, ...].")
      .input("scale", "T1", "[C].")
      .input("B", "T1", "[C].")
      .input("input_mean", "T2", "[C], the running mean.")
      .input("input_var", "T2", "[C], the running variance.")
      .output("Y", "T", "The shape of X.")
      .optional_output("running_mean", "T2", "In training: `input_mean * momentum + mean * (1 - momentum)`.")
      .optional_output("running_var", "T2", "In training: the same of the variance.")
      .inplace(0, 0)
      .upgrade(7, is_test_to_training)
      .upgrade(9, elements_or_channels)
      .upgrade(14, outputs_to_training)
      .downgrade(14, without_training)
      .outputs_together("training_mode")
      .body(batch_norm);
  ops.add(kWeftDomain, "OldBatchNormalization")
      .group("nn/normalization")
      .doc(
          "BatchNormalization as it was before opset 14, where today's cannot say it: each element of an image could "
          "have numbers of its own, before opset 9, and who trained could have the mean and the variance of the batch.")
      .types("T", kFloatTypes)
      .attr("epsilon", 1e-5, "Added to the variance.")
      .attr("momentum", 0.9, "Weight of the old running mean and variance.")
      .flag("training_mode", false, "Whether to use the batch's mean and variance, and give the running ones.")
      .flag("spatial", true, "Whether the numbers are those of channels; else of elements, [C, D1, ...].")
      .input("X", "T", "[N, C, D1, ...].")
      .input("scale", "T", "[C], or [C, D1, ...].")
      .input("B", "T", "The shape of scale.")
      .input("mean", "T", "The shape of scale: the running mean.")
      .input("var", "T", "The shape of scale: the running variance.")
      .output("Y", "T", "The shape of X.")
      .optional_output("running_mean", "T", "In training: `mean * momentum + batch mean * (1 - momentum)`.")
      .optional_output("running_var", "T", "In training: the same of the variance.")
      .optional_output("saved_mean", "T", "In training: the mean of the batch.")
      .optional_output("saved_var", "T", "In training: its variance, which divides by the number of elements.")
      .body(old_batch_norm)
      .unlisted();
  ops.add("LayerNormalization")
      .group("nn/normalization")
      .since(17)
      .doc(
          "Normalizes over the axes from `axis` on: `(X - mean) / sqrt(var + epsilon) * Scale + B`, where the variance "
          "divides by the number of elements.")
      .types("T", kFloatTypes)
      .types("U", kFloatTypes)
      .attr("axis", int64_t{-1}, "First of the axes that are normalized over.")
      .attr("epsilon", 1e-5, "Added to the variance.")
      .dtype_attr("stash_type", DType::kF32,
                  "Dtype of Mean and InvStdDev, and the least precision of their computation.")
      .input("X", "T", "[d0, ..., d(axis), ...].")
      .input("Scale", "T", "Broadcast to X.")
      .optional_input("B", "T", "Broadcast to X.")
      .output("Y", "T", "The shape of X.")
      .optional_output("Mean", "U", "The shape of X with 1 for the axes from `axis` on.")
      .optional_output("InvStdDev", "U", "`1 / sqrt(var + epsilon)`, in the shape of Mean.")
      .inplace(0, 0)
      .grad(layer_norm_gradient)
      .body(layer_norm);
  ops.add(kWeftDomain, "LayerNormalizationGrad")
      .group("gradient")
      .doc("The gradients of LayerNormalization to X and Scale; a product with 0 from behind is 0.")
      .types("T", kFloatTypes)
      .attr("axis", int64_t{-1}, "First of the axes that are normalized over.")
      .attr("epsilon", 1e-5, "Added to the variance.")
      .dtype_attr("stash_type", DType::kF32, "The least precision of the computation of mean and variance.")
      .input("X", "T", "[d0, ..., d(axis), ...].")
      .input("Scale", "T", "Broadcast to X.")
      .input("dY", "T", "The gradient to Y, of the shape of X.")
      .output("dX", "T", "The shape of X.")
      .optional_output("dScale", "T", "The shape of Scale.")
      .inplace(0, 0)
      .inplace(0, 2)
      .body(layer_norm_grad);
  ops.add("RMSNormalization")
      .group("nn/normalization")
      .since(23)
      .doc(
          "Divides by the root of the mean square over the axes from `axis` on: `X / sqrt(mean(X^2) + epsilon) * "
          "scale`.")
      .types("T", kFloatTypes)
      .types("V", kFloatTypes)
      .attr("axis", int64_t{-1}, "First of the axes that are normalized over.")
      .attr("epsilon", 1e-5, "Added to the mean square.")
      .dtype_attr("stash_type", DType::kF32, "The least precision of the computation of the mean square.")
      .input("X", "T", "[d0, ..., d(axis), ...].")
      .input("scale", "V", "Broadcast to X.")
      .output("Y", "V", "The shape of X.")
      .inplace(0, 0)
      .body(rms_norm);
  ops.add("MeanVarianceNormalization")
      .group("nn/normalization")
      .since(13)
      .doc("`(X - mean) / (deviation + 1e-9)` with the mean and standard deviation over `axes`, at least in f32.")
      .types("T", kFloatTypes)
      .attr("axes", std::vector<int64_t>{0, 2, 3},
            "What is normalized over; by default all but the channels of [N, C, H, W].")
      .input("X", "T", "Any tensor that has the axes.")
      .output("Y", "T", "The shape of X.")
      .inplace(0, 0)
      .downgrade(11, axes_from_front)
      .body(mean_variance_norm);
  ops.add("LpNormalization")
      .group("nn/normalization")
      .since(22)
      .doc(
          "Divides by the norm along an axis: the sum of magnitudes or the root of the sum of squares. Where that is "
          "0, the output and the gradient are 0.")
      .types("T", kFloatTypes)
      .attr("axis", int64_t{-1}, "The axis; negative counts from the end.")
      .attr("p", int64_t{2}, "Which norm: 1 or 2.")
      .input("input", "T", "At least one dimension.")
      .output("output", "T", "The shape of the input.")
      .inplace(0, 0)
      .body(lp_norm);
  ops.add("LRN")
      .group("nn/normalization")
      .since(13)
      .doc(
          "`X / (bias + alpha / size * squares)^beta`, where `squares` is the sum of the squares of `size` "
          "neighbouring "
          "channels: (size - 1) / 2 before each, rounded down, and size / 2 behind; at least in f32.")
      .types("T", kFloatTypes)
      .attr("alpha", 1e-4, "Weight of the mean square.")
      .attr("beta", 0.75, "Power of the divisor.")
      .attr("bias", 1.0, "Added to the weighted mean square.")
      .required_attr("size", AttrKind::kInt, "Number of channels that are added.")
      .input("X", "T", "[N, C, D1, ...].")
      .output("Y", "T", "The shape of X.")
      .inplace(0, 0)
      .body(local_response_norm);
}

}  // namespace weft
