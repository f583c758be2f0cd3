// BatchNorm, GroupNorm, LayerNorm and RMSNorm.
#include "core/graph/layer_registry.h"
#include "core/layers/parts_common.h"

namespace weft {
namespace {

Expr filled(LayerMake& c, DType dtype, int64_t size, double value) {
  return make(c.scope(), "Expand", {scalar(c.scope(), dtype, value), constant_ints(c.scope(), {size})});
}

Status make_batch_norm(LayerMake& c) {
  int64_t channels = c.attrs().i("channels");
  if (channels < 1) return invalid("'channels' is ", channels, " but must be at least 1");
  double momentum = c.attrs().f("momentum");
  if (!(momentum >= 0 && momentum <= 1)) return invalid("'momentum' is ", momentum, " but must be from 0 to 1");
  WEFT_TRY(DType dtype, layer_dtype(c.attrs()));
  c.add_variable("scale", filled(c, dtype, channels, 1), true);
  c.add_variable("bias", filled(c, dtype, channels, 0), true);
  c.add_variable("mean", filled(c, dtype, channels, 0), false);
  c.add_variable("variance", filled(c, dtype, channels, 1), false);
  return {};
}

Status call_batch_norm(LayerCall& c) {
  ExprScope& s = c.scope();
  std::vector<Expr> inputs = {c.input(0), c.variable("scale"), c.variable("bias"), c.variable("mean"),
                              c.variable("variance")};
  Attrs attrs{{"epsilon", c.attrs().f("epsilon")}};
  if (!c.training()) {
    c.add_output(weft::make(s, "BatchNormalization", inputs, attrs));
    return {};
  }
  // With a momentum of 0 the running outputs are the batch's own statistics.
  attrs.set("training_mode", int64_t{1});
  attrs.set("momentum", 0.0);
  std::vector<Expr> made = make_all(s, "BatchNormalization", inputs, attrs, 3);
  WEFT_CHECK(s.status());
  const char* const running[] = {"mean", "variance"};
  for (int i = 0; i < 2; ++i) {
    Expr old = c.variable(running[i]);
    Expr moved = weft::make(s, "weft.RunningUpdate", {old, weft::make(s, "weft.StopGradient", {made[i + 1]})},
                            {{"momentum", c.attrs().f("momentum")}});
    Expr assigned = weft::make(s, "weft.Assign", {old, moved});
    WEFT_CHECK(s.status());
    WEFT_CHECK(s.graph().attach(s.graph().value(made[0].id()).node, assigned.id()));
  }
  c.add_output(made[0]);
  return {};
}

template <bool has_bias>
Status make_over_units(LayerMake& c) {
  int64_t units = c.attrs().i("units");
  if (units < 1) return invalid("'units' is ", units, " but must be at least 1");
  WEFT_TRY(DType dtype, layer_dtype(c.attrs()));
  c.add_variable("scale", filled(c, dtype, units, 1), true);
  if (has_bias) c.add_variable("bias", filled(c, dtype, units, 0), true);
  return {};
}

Status call_layer_norm(LayerCall& c) {
  c.add_output(weft::make(c.scope(), "LayerNormalization", {c.input(0), c.variable("scale"), c.variable("bias")},
                          {{"epsilon", c.attrs().f("epsilon")}}));
  return {};
}

Status call_rms_norm(LayerCall& c) {
  c.add_output(weft::make(c.scope(), "RMSNormalization", {c.input(0), c.variable("scale")},
                          {{"epsilon", c.attrs().f("epsilon")}}));
  return {};
}

Status make_group_norm(LayerMake& c) {
  const int64_t channels = c.attrs().i("channels"), groups = c.attrs().i("groups");
  if (channels < 1) return invalid("'channels' is ", channels, " but must be at least 1");
  if (groups < 1 || channels % groups != 0) {
    return invalid("'groups' is ", groups, " but must divide 'channels', ", channels);
  }
  WEFT_TRY(DType dtype, layer_dtype(c.attrs()));
  c.add_variable("scale", filled(c, dtype, channels, 1), true);
  c.add_variable("bias", filled(c, dtype, channels, 0), true);
  return {};
}

Status call_group_norm(LayerCall& c) {
  c.add_output(weft::make(c.scope(), "GroupNormalization", {c.input(0), c.variable("scale"), c.variable("bias")},
                          {{"epsilon", c.attrs().f("epsilon")}, {"num_groups", c.attrs().i("groups")}}));
  return {};
}

constexpr const char* kDTypeDoc = "Dtype of the variables: f32 or f64.";

}  // namespace

void define_layer_norm(LayerRegistry& layers) {
  layers.add("BatchNorm")
      .doc(
          "Batch normalization (Ioffe and Szegedy, 2015). In training, normalizes by the batch's mean and variance and "
          "moves the running ones in every run that computes the output; otherwise uses the running ones. As ONNX has "
          "it: the running variance divides by the number of elements and "
          "`momentum` weighs the old value, where PyTorch divides by one less and weighs the new one. Its variables "
          "are `scale` and `bias`, and `mean` and `variance`, the running ones, which are not trained: [channels] "
          "each.")
      .required_attr("channels", AttrKind::kInt, "Size of axis 1 of the input.")
      .attr("momentum", 0.9, "Weight of the old running mean and variance.")
      .attr("epsilon", 1e-5, "Added to the variance.")
      .dtype_attr("dtype", DType::kF32, kDTypeDoc)
      .input("[batch, channels, ...].")
      .output("The shape of the input.")
      .make(make_batch_norm)
      .call(call_batch_norm);
  layers.add("LayerNorm")
      .doc(
          "Layer normalization over the last axis (Ba, Kiros and Hinton, 2016). Its variables are `scale` and `bias`: "
          "[units] each.")
      .required_attr("units", AttrKind::kInt, "Size of the last axis of the input.")
      .attr("epsilon", 1e-5, "Added to the variance.")
      .dtype_attr("dtype", DType::kF32, kDTypeDoc)
      .input("[..., units].")
      .output("The shape of the input.")
      .make(make_over_units<true>)
      .call(call_layer_norm);
  layers.add("RMSNorm")
      .doc(
          "Normalization by the root of the mean square over the last axis (Zhang and Sennrich, 2019). Its variable is "
          "`scale` [units].")
      .required_attr("units", AttrKind::kInt, "Size of the last axis of the input.")
      .attr("epsilon", 1e-5, "Added to the mean square.")
      .dtype_attr("dtype", DType::kF32, kDTypeDoc)
      .input("[..., units].")
      .output("The shape of the input.")
      .make(make_over_units<false>)
      .call(call_rms_norm);
  layers.add("GroupNorm")
      .doc(
          "Group normalization (Wu and He, 2018): of each image, the channels of a group together. Its variables are "
          "`scale` and `bias`: [channels] each.")
      .required_attr("channels", AttrKind::kInt, "Size of axis 1 of the input.")
      .required_attr("groups", AttrKind::kInt,
                     "Number of groups, which divides `channels`; as many as channels is instance normalization.")
      .attr("epsilon", 1e-5, "Added to the variance.")
      .dtype_attr("dtype", DType::kF32, kDTypeDoc)
      .input("[batch, channels, ...].")
      .output("The shape of the input.")
      .make(make_group_norm)
      .call(call_group_norm);
}

}  // namespace weft
