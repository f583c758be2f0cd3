// Convolutions, pools and normalizations over images whose channels lie side by side, [N, D1, ..., C], and gradients: what the
// pass `channels_last` makes of those over [N, C, D1, ...].
#include "core/ops/channels_last_common.h"
#include "core/ops/conv_common.h"
#include "core/ops/limits_common.h"
#include "core/ops/pool_common.h"

namespace weft {
namespace {

// A gradient has the shape of what it is by.
template <int input>
Status infer_like(InferContext& c) {
  if (c.has_rank(input)) c.set_dims(0, c.dims(input));
  return {};
}

Status max_pool_grad(BodyContext& c) {
  WEFT_TRY(Expr dy, channels_first(c, 0));
  WEFT_TRY(Expr x, channels_first(c, 1));
  Expr places = make_all(c.scope(), "MaxPool", {x}, c.attrs(), 2)[1];
  c.set_output(0, transpose(make(c.scope(), "weft.ScatterAt", {dy, places, x}), to_channels_last(x.rank())));
  return {};
}

// GroupNormalization, or, with no groups named, InstanceNormalization.
Status group_norm(BodyContext& c) {
  WEFT_TRY(Expr x, channels_first(c, 0));
  const bool planes = c.attrs().i("num_groups") == 0;
  Attrs attrs{{"epsilon", c.attrs().f("epsilon")}};
  for (const char* name : {"num_groups", "stash_type"}) {
    if (!planes) attrs.set(name, c.attrs().i(name));
  }
  const char* op = planes ? "InstanceNormalization" : "GroupNormalization";
  Expr y = make(c.scope(), op, {x, c.input(1), c.input(2)}, attrs);
  c.set_output(0, transpose(y, to_channels_last(x.rank())));
  return {};
}

// The filters of a DepthwiseBlock see the channels that the product before them makes.
Status infer_depthwise_block(InferContext& c) {
  for (int i : {0, 1, 3, 5}) {
    const bool left_out = (i == 1 || i == 5) && !c.has_input(i);
    if (left_out) continue;
    if (!c.has_rank(i)) return {};
    if (c.rank(i) < 3)
      return invalid(c.op().inputs()[static_cast<size_t>(i)].name, " has too few axes: ", c.input(i).text());
  }
  ValueType x = c.input(0);
  x.dims = permuted(x.dims, to_channels_first(c.rank(0)));
  if (c.has_input(1)) x.dims[1] = c.dims(1)[0];
  InferContext plain = c;
  plain.set_input(0, x);
  WEFT_TRY(Dims y, conv_dims(plain, 0, 3));
  if (c.has_input(5)) y[1] = c.dims(5)[0];
  c.set_dims(0, permuted(y, to_channels_last(c.rank(0))));
  return {};
}

Status depthwise_block(BodyContext& c) {
  const auto limits = [&](const char* low, const char* high) {
    Attrs attrs;
    if (c.attrs().has(low)) attrs.set("low", c.attrs().f(low));
    if (c.attrs().has(high)) attrs.set("high", c.attrs().f(high));
    return attrs;
  };
  const auto conv = [&](Expr x, int weight, const Attrs& attrs) {
    if (!c.has_input(weight)) return x;
    const Expr bias = c.has_input(weight + 1) ? c.input(weight + 1) : Expr();
    return make(c.scope(), "weft.ChannelsLastConv", {x, c.input(weight), bias}, attrs);
  };
  Attrs filters = c.attrs();
  for (const char* name : {"expand_low", "expand_high", "project_low", "project_high"}) filters.erase(name);
  const Expr wide = conv(c.input(0), 1, limits("expand_low", "expand_high"));
  c.set_output(0, conv(conv(wide, 3, filters), 5, limits("project_low", "project_high")));
  return {};
}

constexpr const char* kConv = "weft.FusedConv";
constexpr const char* kMaxPool = "MaxPool";
constexpr const char* kAveragePool = "AveragePool";
constexpr const char* kConvGradInput = "weft.ConvGradInput";
constexpr const char* kConvGradWeight = "weft.ConvGradWeight";
constexpr const char* kAveragePoolGrad = "weft.AveragePoolGrad";

OpDef& window_schema(OpDef& op, DTypeSet types = kFloatTypes) {
  return op.internal()
      .types("T", types)
      .attr("auto_pad", "NOTSET", "As in Conv.")
      .optional_attr("dilations", AttrKind::kInts, "As in Conv.")
      .optional_attr("pads", AttrKind::kInts, "As in Conv.")
      .optional_attr("strides", AttrKind::kInts, "As in Conv.");
}
OpDef& conv_schema(OpDef& op) {
  return with_limits(window_schema(op))
      .attr("group", int64_t{1}, "As in Conv.")
      .optional_attr("kernel_shape", AttrKind::kInts, "As in Conv.")
      .input("X", "T", "[N, D1, ..., C].")
      .input("W", "T", "[M, C / group, k1, ...], as in Conv.")
      .optional_input("B", "T", "Bias, [M].")
      .output("Y", "T", "[N, O1, ..., M].")
      .infer(infer_between_transposes<infer_conv>)
      .body(between_transposes<kConv>);
}
OpDef& conv_grad_schema(OpDef& op) {
  return window_schema(op).attr("group", int64_t{1}, "As in Conv.").input("dY", "T", "[N, O1, ..., M].");
}
OpDef& conv_grad_input_schema(OpDef& op) {
  return conv_grad_schema(op)
      .input("W", "T", "As in Conv.")
      .input("X", "T", "A tensor whose shape is taken.")
      .shape_only()
      .output("dX", "T", "The shape of X.")
      .infer(infer_like<2>)
      .body(between_transposes<kConvGradInput, 2>);
}
OpDef& pool_schema(OpDef& op, DTypeSet types = kFloatTypes) {
  return window_schema(op, types)
      .required_attr("kernel_shape", AttrKind::kInts, "As in MaxPool.")
      .flag("ceil_mode", false, "As in MaxPool.");
}
OpDef& average_schema(OpDef& op) { return pool_schema(op).flag("count_include_pad", false, "As in AveragePool."); }

}  // namespace

void define_op_channels_last(OpRegistry& ops) {
  conv_schema(ops.add(kWeftDomain, "ChannelsLastConv"))
      .doc("Conv and limits of its results, with the channels of X and Y last.");
  conv_schema(ops.add(kWeftDomain, "WinogradConv")).doc("ChannelsLastConv by Winograd's transforms.");
  with_limits(window_schema(ops.add(kWeftDomain, "DepthwiseBlock")))
      .doc(
          "ChannelsLastConv with a filter for each channel, between two of windows of one pixel, either of which may "
          "be left out.")
      .attr("group", int64_t{1}, "Of the filters: as many as channels.")
      .optional_attr("kernel_shape", AttrKind::kInts, "As in Conv.")
      .optional_attr("expand_low", AttrKind::kFloat, "What smaller results of the first become.")
      .optional_attr("expand_high", AttrKind::kFloat, "What larger results of the first become.")
      .optional_attr("project_low", AttrKind::kFloat, "What smaller results of the last become.")
      .optional_attr("project_high", AttrKind::kFloat, "What larger results of the last become.")
      .input("X", "T", "[N, D1, ..., C].")
      .optional_input("expand", "T", "[E, C, 1, ...]: the first.")
      .optional_input("expand_bias", "T", "[E].")
      .input("W", "T", "[E, 1, k1, ...]: the filters; of X where there is no first, and E is C.")
      .optional_input("bias", "T", "[E].")
      .optional_input("project", "T", "[M, E, 1, ...]: the last.")
      .optional_input("project_bias", "T", "[M].")
      .output("Y", "T", "[N, O1, ..., M], or E where there is no last.")
      .infer(infer_depthwise_block)
      .body(depthwise_block);
  conv_grad_input_schema(ops.add(kWeftDomain, "ChannelsLastConvGradInput"))
      .doc("The gradient of ChannelsLastConv by X, given that of Y.");
  conv_grad_input_schema(ops.add(kWeftDomain, "WinogradConvGradInput"))
      .doc("ChannelsLastConvGradInput by Winograd's transforms.");
  conv_grad_schema(ops.add(kWeftDomain, "ChannelsLastConvGradWeight"))
      .doc("The gradient of ChannelsLastConv by W, given that of Y.")
      .input("X", "T", "[N, D1, ..., C].")
      .input("W", "T", "A tensor whose shape is taken.")
      .shape_only()
      .output("dW", "T", "The shape of W.")
      .infer(infer_like<2>)
      .body(between_transposes<kConvGradWeight, 1, true>);
  pool_schema(ops.add(kWeftDomain, "ChannelsLastMaxPool"), kFloatTypes | set_of(DType::kI8, DType::kU8))
      .doc("MaxPool, with the channels of X and Y last.")
      .input("X", "T", "[N, D1, ..., C].")
      .output("Y", "T", "[N, O1, ..., C].")
      .infer(infer_between_transposes<infer_pool>)
      .body(between_transposes<kMaxPool>);
  average_schema(ops.add(kWeftDomain, "ChannelsLastAveragePool"))
      .doc("AveragePool, with the channels of X and Y last.")
      .input("X", "T", "[N, D1, ..., C].")
      .output("Y", "T", "[N, O1, ..., C].")
      .infer(infer_between_transposes<infer_pool>)
      .body(between_transposes<kAveragePool>);
  pool_schema(ops.add(kWeftDomain, "ChannelsLastMaxPoolGrad"))
      .doc("The gradient of ChannelsLastMaxPool, given that of Y. Of equal elements the first counts.")
      .input("dY", "T", "[N, O1, ..., C].")
      .input("X", "T", "[N, D1, ..., C].")
      .input("Y", "T", "ChannelsLastMaxPool of X.")
      .output("dX", "T", "The shape of X.")
      .infer(infer_like<1>)
      .body(max_pool_grad);
  average_schema(ops.add(kWeftDomain, "ChannelsLastAveragePoolGrad"))
      .doc("The gradient of ChannelsLastAveragePool, given that of Y.")
      .input("dY", "T", "[N, O1, ..., C].")
      .input("X", "T", "A tensor whose shape is taken.")
      .shape_only()
      .output("dX", "T", "The shape of X.")
      .infer(infer_like<1>)
      .body(between_transposes<kAveragePoolGrad, 1>);
  ops.add(kWeftDomain, "ChannelsLastGroupNormalization")
      .internal()
      .doc("GroupNormalization, or InstanceNormalization, with the channels of X and Y last.")
      .types("T", kFloatTypes)
      .attr("epsilon", 1e-5, "Added to the variance.")
      .attr("num_groups", int64_t{0}, "How many groups the channels are divided into; 0: each channel is one.")
      .dtype_attr("stash_type", DType::kF32, "As in GroupNormalization.")
      .input("X", "T", "[N, D1, ..., C].")
      .input("scale", "T", "[C].")
      .input("bias", "T", "[C].")
      .output("Y", "T", "The shape of X.")
      .inplace(0, 0)
      .infer(infer_same_as_first)
      .body(group_norm);
}

}  // namespace weft
