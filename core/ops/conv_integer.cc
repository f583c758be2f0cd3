// Convolutions of 8-bit numbers: ConvInteger and QLinearConv.
#include "core/graph/expr.h"
#include "core/ops/channels_last_common.h"
#include "core/ops/conv_common.h"

namespace weft {
namespace {

constexpr DTypeSet kConvBytes = set_of(DType::kI8, DType::kU8);

// That it is one number, or one for each channel that the weight makes.
Status check_channels(const InferContext& c, int at, int at_w, bool may_be_one) {
  if (!c.has_rank(at) || !c.has_rank(at_w) || c.rank(at_w) == 0) return {};
  const Dims& dims = c.dims(at);
  const Dim& channels = c.dims(at_w)[0];
  const bool one = may_be_one && (dims.empty() || (dims.size() == 1 && dims[0].is(1)));
  if (one || may_equal(dims, {channels})) return {};
  return invalid("input '", c.op().inputs()[static_cast<size_t>(at)].name, "' is ", c.input(at).text(), " but must be ",
                 may_be_one ? "one number or " : "", dims_text({channels}), ": one for each channel that ",
                 c.op().inputs()[static_cast<size_t>(at_w)].name, " ", c.input(at_w).text(), " makes");
}

Status set_convolved(InferContext& c, int at_x, int at_w) {
  if (!c.has_rank(at_x) || !c.has_rank(at_w)) return {};
  WEFT_TRY(Dims out, conv_dims(c, at_x, at_w));
  c.set_dims(0, std::move(out));
  return {};
}

Status infer_conv_integer(InferContext& c) {
  WEFT_CHECK(c.check_number(2));
  WEFT_CHECK(check_channels(c, 3, 1, true));
  return set_convolved(c, 0, 1);
}

Status infer_qlinear_conv(InferContext& c) {
  for (int i : {1, 2, 6, 7}) WEFT_CHECK(c.check_number(i));
  WEFT_CHECK(check_channels(c, 4, 3, true));
  WEFT_CHECK(check_channels(c, 5, 3, true));
  WEFT_CHECK(check_channels(c, 8, 3, false));
  return set_convolved(c, 0, 3);
}

constexpr const char* kConvInteger = "ConvInteger";
constexpr const char* kQLinearConv = "QLinearConv";

constexpr const char* kImage = "[N, C, D1, ...].";
constexpr const char* kImageLast = "[N, D1, ..., C].";

OpDef& conv_integer_schema(OpDef& op, const char* x, const char* y) {
  return conv_window_schema(op)
      .types("T1", kConvBytes)
      .types("T2", kConvBytes)
      .optional_attr("kernel_shape", AttrKind::kInts, "Taken from w if not given.")
      .input("x", "T1", x)
      .input("w", "T2", "[M, C / group, k1, ...].")
      .optional_input("x_zero_point", "T1", "One number; 0 if not given.")
      .optional_input("w_zero_point", "T2", "One number, or one for each channel that w makes, [M]; 0 if not given.")
      .output("y", "i32", y)
      .no_gradient("its inputs are whole numbers");
}

OpDef& qlinear_conv_schema(OpDef& op, const char* x, const char* y) {
  return conv_window_schema(op)
      .types("T1", kConvBytes)
      .types("T2", kConvBytes)
      .types("T3", kConvBytes)
      .types("T4", set_of(DType::kI32))
      .optional_attr("kernel_shape", AttrKind::kInts, "Taken from w if not given.")
      .input("x", "T1", x)
      .input("x_scale", "f32", "One number.")
      .input("x_zero_point", "T1", "One number.")
      .input("w", "T2", "[M, C / group, k1, ...].")
      .input("w_scale", "f32", "One number, or one for each channel that w makes, [M].")
      .input("w_zero_point", "T2", "One number, or [M].")
      .input("y_scale", "f32", "One number.")
      .input("y_zero_point", "T3", "One number.")
      .optional_input("B", "T4", "Bias, [M], in units of `x_scale * w_scale`.")
      .output("y", "T3", y)
      .no_gradient("its output is rounded, and changes in steps");
}

}  // namespace

void define_op_conv_integer(OpRegistry& ops) {
  conv_integer_schema(ops.add("ConvInteger"), kImage, "[N, M, O1, ...].")
      .group("nn/conv")
      .since(10)
      .doc(
          "Conv of `x - x_zero_point` and `w - w_zero_point`, exact in 32 bits; sums that do not fit wrap around. "
          "Padding "
          "counts as the zero point.")
      .infer(infer_conv_integer);
  conv_integer_schema(ops.add(kWeftDomain, "ChannelsLastConvInteger"), kImageLast, "[N, O1, ..., M].")
      .internal()
      .doc("ConvInteger, with the channels of x and y last.")
      .infer(infer_between_transposes<infer_conv_integer>)
      .body(between_transposes<kConvInteger>);
  qlinear_conv_schema(ops.add("QLinearConv"), kImage, "[N, M, O1, ...].")
      .group("nn/conv")
      .since(10)
      .doc(
          "Conv of quantized tensors, quantized: `round((p + B) * (x_scale * w_scale / y_scale)) + y_zero_point`, "
          "where p is "
          "what ConvInteger gives of x, w and their zero points, halves are rounded to the even number, and what is "
          "out of "
          "range becomes the nearest in range.")
      .infer(infer_qlinear_conv);
  qlinear_conv_schema(ops.add(kWeftDomain, "ChannelsLastQLinearConv"), kImageLast, "[N, O1, ..., M].")
      .internal()
      .doc("QLinearConv, with the channels of x and y last.")
      .infer(infer_between_transposes<infer_qlinear_conv>)
      .body(between_transposes<kQLinearConv>);
}

}  // namespace weft
