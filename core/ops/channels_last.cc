// Convolutions and pools over images whose channels lie side by side, [N, D1, ..., C]: what the pass `channels_last` makes
// of those that ONNX has, [N, C, D1, ...].
#include "core/op/layout.h"
#include "core/ops/limits_common.h"

namespace weft {
namespace {

// The operator of ONNX between two transposes.
template <const char* const& op>
Status between_transposes(BodyContext& c) {
  Expr x = c.input(0);
  if (!x.has_rank()) return unimplemented(op, " with channels last needs the rank of X");
  std::vector<Expr> inputs{transpose(x, to_channels_first(x.rank()))};
  for (int i = 1; i < c.input_count(); ++i) inputs.push_back(c.input(i));
  c.set_output(0, transpose(make(c.scope(), op, inputs, c.attrs()), to_channels_last(x.rank())));
  return {};
}

constexpr const char* kConv = "weft.FusedConv";
constexpr const char* kMaxPool = "MaxPool";
constexpr const char* kAveragePool = "AveragePool";

OpDef& window_schema(OpDef& op) {
  return op.internal()
      .types("T", kFloatTypes)
      .attr("auto_pad", "NOTSET", "As in Conv.")
      .optional_attr("dilations", AttrKind::kInts, "As in Conv.")
      .optional_attr("pads", AttrKind::kInts, "As in Conv.")
      .optional_attr("strides", AttrKind::kInts, "As in Conv.")
      .input("X", "T", "[N, D1, ..., C].");
}
OpDef& conv_schema(OpDef& op) {
  return with_limits(window_schema(op))
      .attr("group", int64_t{1}, "As in Conv.")
      .optional_attr("kernel_shape", AttrKind::kInts, "As in Conv.")
      .input("W", "T", "[M, C / group, k1, ...], as in Conv.")
      .optional_input("B", "T", "Bias, [M].")
      .output("Y", "T", "[N, O1, ..., M].")
      .body(between_transposes<kConv>);
}
OpDef& pool_schema(OpDef& op) {
  return window_schema(op)
      .required_attr("kernel_shape", AttrKind::kInts, "As in MaxPool.")
      .flag("ceil_mode", false, "As in MaxPool.")
      .output("Y", "T", "[N, O1, ..., C].");
}

}  // namespace

void define_op_channels_last(OpRegistry& ops) {
  conv_schema(ops.add(kWeftDomain, "ChannelsLastConv"))
      .doc("Conv and limits of its results, with the channels of X and Y last.");
  conv_schema(ops.add(kWeftDomain, "WinogradConv")).doc("ChannelsLastConv by Winograd's transforms.");
  pool_schema(ops.add(kWeftDomain, "ChannelsLastMaxPool"))
      .doc("MaxPool, with the channels of X and Y last.")
      .body(between_transposes<kMaxPool>);
  pool_schema(ops.add(kWeftDomain, "ChannelsLastAveragePool"))
      .doc("AveragePool, with the channels of X and Y last.")
      .flag("count_include_pad", false, "As in AveragePool.")
      .body(between_transposes<kAveragePool>);
}

}  // namespace weft
