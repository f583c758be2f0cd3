// Normalization over the batch or over the last axes, made of other operators: BatchNormalization, LayerNormalization.
#include <numeric>

#include "core/graph/expr.h"

namespace weft {
namespace {

// A vector [C] in the place of the channels of an [N, C, D1, ...] of `rank` axes.
Expr along_channels(Expr vector, int64_t rank) {
  if (rank < 3) return vector;
  std::vector<int64_t> axes(static_cast<size_t>(rank - 2));
  std::iota(axes.begin(), axes.end(), int64_t{1});
  return unsqueeze(vector, axes);
}

Expr mean_over(Expr x, const std::vector<int64_t>& axes, bool keep_dims) {
  Attrs attrs{{"keepdims", int64_t{keep_dims}}};
  return make(x.scope(), "ReduceMean", {x, constant_ints(x.scope(), axes)}, attrs);
}

Status check_channels(BodyContext& c, Expr x) {
  if (!x.has_rank() || x.rank() < 2) {
    return invalid("the input needs a batch and a channel axis but is ", x.type().text());
  }
  Dim channels = x.dims()[1];
  for (int i = 1; i < 5; ++i) {
    const ValueType& type = c.input(i).type();
    if (!type.has_rank) continue;
    if (type.dims.size() == 1 && !channels.known()) channels = type.dims[0];
    bool fits = type.dims.size() == 1 && (type.dims[0] == channels || !type.dims[0].known() || !channels.known());
    if (!fits) {
      return invalid("input ", i, " must have one number for each channel, ", channels.text(), " of them, but is ",
                     type.text());
    }
  }
  return {};
}

// Ioffe and Szegedy, 2015. Statistics are computed in the dtype of the running ones, at least f32.
Status batch_norm(BodyContext& c) {
  Expr x = c.input(0), scale = c.input(1), bias = c.input(2), mean = c.input(3), variance = c.input(4);
  WEFT_CHECK(check_channels(c, x));
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
  c.set_output(0, cast(y, dtype));
  return {};
}

// Ba, Kiros and Hinton, 2016.
Status layer_norm(BodyContext& c) {
  Expr x = c.input(0), scale = c.input(1);
  if (!x.has_rank() || x.rank() < 1) return invalid("the input needs at least one axis but is ", x.type().text());
  int64_t axis = c.attrs().i("axis");
  if (axis < -x.rank() || axis >= x.rank()) {
    return invalid("attribute 'axis' is ", axis, " but the input has ", x.rank(), " axes");
  }
  if (axis < 0) axis += x.rank();
  int64_t stash = c.attrs().i("stash_type");
  if (stash != static_cast<int64_t>(DType::kF32) && stash != static_cast<int64_t>(DType::kF64) &&
      stash != static_cast<int64_t>(DType::kF16) && stash != static_cast<int64_t>(DType::kBF16)) {
    const bool named = 0 < stash && stash < kDTypeCount;
    return invalid("attribute 'stash_type' is ", named ? dtype_name(static_cast<DType>(stash)) : cat(stash).c_str(),
                   " but must be f32, f64, f16 or bf16");
  }
  DType dtype = x.dtype(), kept = static_cast<DType>(stash);
  // f64 is never computed in less.
  DType wide = dtype == DType::kF64 || kept == DType::kF64 ? DType::kF64 : DType::kF32;
  std::vector<int64_t> axes(static_cast<size_t>(x.rank() - axis));
  std::iota(axes.begin(), axes.end(), axis);
  Expr wide_x = cast(x, wide);
  Expr mean = mean_over(wide_x, axes, true);
  Expr centred = wide_x - mean;
  Expr variance = mean_over(centred * centred, axes, true);
  Expr inverse = make(c.scope(), "Reciprocal", {make(c.scope(), "Sqrt", {variance + c.attrs().f("epsilon")})});
  Expr y = cast(centred * inverse, dtype) * scale;
  if (c.has_input(2)) y = y + c.input(2);
  c.set_output(0, y);
  if (c.output_count() > 1) c.set_output(1, cast(mean, kept));
  if (c.output_count() > 2) c.set_output(2, cast(inverse, kept));
  return {};
}

}  // namespace

void define_op_normalization(OpRegistry& ops) {
  ops.add("BatchNormalization")
      .group("nn")
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
      .body(batch_norm);
  ops.add("LayerNormalization")
      .group("nn")
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
      .body(layer_norm);
}

}  // namespace weft
