// Convolutions and pools over images whose channels lie side by side, [N, D1, ..., C], and their gradients: what the pass
// `channels_last` makes of those over [N, C, D1, ...].
#include "core/op/layout.h"
#include "core/ops/conv_common.h"
#include "core/ops/limits_common.h"
#include "core/ops/pool_common.h"

namespace weft {
namespace {

Dims permuted(const Dims& dims, const std::vector<int64_t>& perm) {
  Dims out;
  for (int64_t axis : perm) out.push_back(dims[axis]);
  return out;
}

// Images as ONNX has them.
Result<Expr> channels_first(BodyContext& c, int input) {
  Expr x = c.input(input);
  if (!x.has_rank()) return unimplemented("input ", input, " needs a rank to have its channels moved");
  return transpose(x, to_channels_first(x.rank()));
}

// The operator over images as ONNX has them: inputs 0 and, if there is one, `image` are images, and so is the output unless
// it is a weight.
template <const char* const& op, int image = 0, bool weight = false>
Status between_transposes(BodyContext& c) {
  std::vector<Expr> inputs;
  for (int i = 0; i < c.input_count(); ++i) {
    inputs.push_back(c.input(i));
    if (i != 0 && i != image) continue;
    WEFT_TRY(inputs.back(), channels_first(c, i));
  }
  Expr y = make(c.scope(), op, inputs, c.attrs());
  c.set_output(0, weight ? y : transpose(y, to_channels_last(inputs[0].rank())));
  return {};
}

// What the rule for images as ONNX has them says of input 0 and output 0. The body would tell the same, and take far longer.
template <Status (*rule)(InferContext&)>
Status infer_between_transposes(InferContext& c) {
  if (!c.has_rank(0)) return {};
  if (c.rank(0) < 3) return invalid("X must be [N, D1, ..., C] but is ", c.input(0).text());
  ValueType x = c.input(0);
  x.dims = permuted(x.dims, to_channels_first(c.rank(0)));
  InferContext plain = c;
  plain.set_input(0, x);
  WEFT_CHECK(rule(plain));
  const ValueType& y = plain.output(0);
  if (y.has_rank) c.set_dims(0, permuted(y.dims, to_channels_last(c.rank(0))));
  return {};
}

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

constexpr const char* kConv = "weft.FusedConv";
constexpr const char* kMaxPool = "MaxPool";
constexpr const char* kAveragePool = "AveragePool";
constexpr const char* kConvGradInput = "weft.ConvGradInput";
constexpr const char* kConvGradWeight = "weft.ConvGradWeight";
constexpr const char* kAveragePoolGrad = "weft.AveragePoolGrad";

OpDef& window_schema(OpDef& op) {
  return op.internal()
      .types("T", kFloatTypes)
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
OpDef& pool_schema(OpDef& op) {
  return window_schema(op)
      .required_attr("kernel_shape", AttrKind::kInts, "As in MaxPool.")
      .flag("ceil_mode", false, "As in MaxPool.");
}
OpDef& average_schema(OpDef& op) { return pool_schema(op).flag("count_include_pad", false, "As in AveragePool."); }

}  // namespace

void define_op_channels_last(OpRegistry& ops) {
  conv_schema(ops.add(kWeftDomain, "ChannelsLastConv"))
      .doc("Conv and limits of its results, with the channels of X and Y last.");
  conv_schema(ops.add(kWeftDomain, "WinogradConv")).doc("ChannelsLastConv by Winograd's transforms.");
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
  pool_schema(ops.add(kWeftDomain, "ChannelsLastMaxPool"))
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
}

}  // namespace weft
