// ConvTranspose and its two gradients: what Conv and its gradients are with input and output in each other's place.
#include "core/graph/downgrade.h"
#include "core/op/window.h"
#include "core/ops/channels_last_common.h"
#include "core/ops/limits_common.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

// The shape that ConvTranspose gives, of inputs `at_x` and `at_w`, which have ranks.
Result<Dims> transposed(const InferContext& c, int at_x, int at_w) {
  int64_t spatial = c.rank(at_x) - 2;
  if (spatial < 1) return invalid("X must be [N, C, D1, ...] but is ", c.input(at_x).text());
  if (c.rank(at_w) != spatial + 2) {
    return invalid("X and W must have equal ranks but are ", c.input(at_x).text(), " and ", c.input(at_w).text());
  }
  const Dims &x = c.dims(at_x), &w = c.dims(at_w);
  int64_t group = c.attrs().i("group");
  if (group < 1) return invalid("attribute 'group' is ", group, " but must be at least 1");
  if (x[1].known() && w[0].known() && !(x[1] == w[0])) {
    return invalid("X ", c.input(at_x).text(), " has ", x[1].text(), " channels but W ", c.input(at_w).text(),
                   " takes ", w[0].text());
  }
  const Dim& channels = w[0].known() ? w[0] : x[1];
  if (channels.known() && channels.value() % group != 0) {
    return invalid("X has ", channels.text(), " channels, which ", group, " groups do not divide");
  }
  WEFT_TRY(TransposedWindow window, TransposedWindow::read(c.attrs(), spatial, Dims(w.begin() + 2, w.end())));
  Dims out{x[0], w[1] * Dim(group)};
  for (int64_t i = 0; i < spatial; ++i) {
    WEFT_TRY(Dim size, window.output_size(i, x[i + 2]));
    out.push_back(std::move(size));
  }
  return out;
}

Status infer_conv_transpose(InferContext& c) {
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  WEFT_TRY(Dims out, transposed(c, 0, 1));
  if (c.has_rank(2) && !may_equal(c.dims(2), {out[1]})) {
    return invalid("B must be [", out[1].text(), "] but is ", c.input(2).text());
  }
  c.set_dims(0, std::move(out));
  return {};
}

// Of inputs dY and then, in either order, X and W, of which the last gives the shape.
template <int at_x, int at_w>
Status infer_gradient(InferContext& c) {
  if (c.has_rank(2)) c.set_dims(0, c.dims(2));
  if (!c.has_rank(at_x) || !c.has_rank(at_w)) return {};
  WEFT_TRY(Dims y, transposed(c, at_x, at_w));
  return c.check_shape(0, y, "ConvTranspose's output");
}

Attrs window_attrs(const Attrs& attrs) {
  Attrs out;
  for (const char* name : {"auto_pad", "dilations", "group", "output_padding", "output_shape", "pads", "strides"}) {
    if (const AttrValue* value = attrs.find(name)) out.set(name, *value);
  }
  return out;
}

// y = ConvTranspose(x, w) + b, dx = GradInput(dy, w) and dw = GradWeight(dy, x) are all linear in either.
Status grad_conv_transpose(GradContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.input(0), w = c.input(1), dy = c.grad(0);
  Attrs attrs = window_attrs(c.attrs());
  if (c.needs(0)) c.set_grad(0, make(s, "weft.ConvTransposeGradInput", {dy, w, x}, attrs));
  if (c.needs(1)) c.set_grad(1, make(s, "weft.ConvTransposeGradWeight", {dy, x, w}, attrs));
  if (c.needs(2)) c.set_grad(2, sum_of_channels(dy));
  return {};
}

Status grad_grad_input(GradContext& c) {
  ExprScope& s = c.scope();
  Expr dy = c.input(0), w = c.input(1), g = c.grad(0);
  Attrs attrs = window_attrs(c.attrs());
  if (c.needs(0)) c.set_grad(0, make(s, "ConvTranspose", {g, w}, attrs));
  if (c.needs(1)) c.set_grad(1, make(s, "weft.ConvTransposeGradWeight", {dy, g, w}, attrs));
  return {};
}

Status grad_grad_weight(GradContext& c) {
  ExprScope& s = c.scope();
  Expr dy = c.input(0), x = c.input(1), g = c.grad(0);
  Attrs attrs = window_attrs(c.attrs());
  if (c.needs(0)) c.set_grad(0, make(s, "ConvTranspose", {x, g}, attrs));
  if (c.needs(1)) c.set_grad(1, make(s, "weft.ConvTransposeGradInput", {dy, g, x}, attrs));
  return {};
}

// Before opset 11 the text gave the odd one of what is taken off to the other end, and its readers mostly to this one: so
// the pads are said.
Status odd_pads_said(DowngradeContext& c) {
  const std::string& auto_pad = c.attrs.s("auto_pad");
  if (!auto_pad.starts_with("SAME_") && c.attrs.ints_or_empty("output_shape").empty()) return {};
  const bool behind = auto_pad == "SAME_UPPER";
  WEFT_TRY(const int64_t rank, c.known_rank(0));
  WEFT_CHECK(c.known_rank(1).status());
  const Dims &x = c.inputs[0].dims(), &w = c.inputs[1].dims(), &y = c.output(0).dims;
  const int64_t spatial = rank - 2;
  WEFT_TRY(const TransposedWindow window, TransposedWindow::read(c.attrs, spatial, Dims(w.begin() + 2, w.end())));
  std::vector<int64_t> pads(static_cast<size_t>(2 * spatial));
  bool all_even = true, none_negative = true;
  for (int64_t i = 0; i < spatial; ++i) {
    const Dim total = window.unpadded_size(i, x[static_cast<size_t>(i + 2)]) - y[static_cast<size_t>(i + 2)];
    if (!total.known()) {
      return unimplemented("how much is taken off the ends of spatial axis ", i, " is not known, ", total.text(),
                           ": older opsets part an odd number otherwise");
    }
    const int64_t less = total.value() / 2, more = total.value() - less;
    pads[static_cast<size_t>(i)] = behind ? less : more;
    pads[static_cast<size_t>(i + spatial)] = behind ? more : less;
    all_even = all_even && less == more;
    none_negative = none_negative && total.value() >= 0;
  }
  if (all_even) return {};
  if (!none_negative) return unimplemented("its output is larger than windows reach, which pads cannot say");
  c.attrs.erase("output_shape");
  c.attrs.set("auto_pad", "NOTSET");
  c.attrs.set("pads", std::move(pads));
  return {};
}

Status conv_transpose_last(BodyContext& c) {
  WEFT_TRY(Expr x, channels_first(c, 0));
  std::vector<Expr> inputs{x};
  for (int i = 1; i < c.input_count(); ++i) inputs.push_back(c.input(i));
  Expr y = limited(make(c.scope(), "ConvTranspose", inputs, without_limits(c.attrs())), c.attrs());
  c.set_output(0, transpose(y, to_channels_last(x.rank())));
  return {};
}

OpDef& window_schema(OpDef& op) {
  return op
      .attr("auto_pad", "NOTSET",
            "NOTSET: `pads` holds; SAME_UPPER, SAME_LOWER: output size is input size * stride, and where more or less "
            "is taken off one end it is the upper or the lower one; VALID: no pads.")
      .optional_attr("dilations", AttrKind::kInts,
                     "Distance of the kernel's elements along each spatial axis; 1 if not given.")
      .attr("group", int64_t{1}, "Number of groups that channels are divided into.")
      .optional_attr("output_padding", AttrKind::kInts,
                     "Elements added behind each spatial axis of the output; 0 if not given.")
      .optional_attr("output_shape", AttrKind::kInts,
                     "Spatial sizes of the output, in place of `pads`: half of what is too much is taken off each end, "
                     "of an odd number one more behind with SAME_UPPER and before otherwise.")
      .optional_attr("pads", AttrKind::kInts,
                     "Elements taken off before each spatial axis of the output, then behind each; 0 if not given.")
      .optional_attr("strides", AttrKind::kInts, "Step along each spatial axis of the output; 1 if not given.");
}

}  // namespace

void define_op_conv_transpose(OpRegistry& ops) {
  window_schema(ops.add("ConvTranspose"))
      .group("nn/conv")
      .since(22)
      .doc(
          "Transposed convolution over 1 to 3 spatial axes: each element of X adds the kernel, times itself, to a "
          "window of Y. Output sizes are `stride * (size - 1) + output_padding + dilation * (kernel - 1) + 1`, less "
          "the pads.")
      .types("T", kFloatTypes)
      .optional_attr("kernel_shape", AttrKind::kInts, "Taken from W if not given.")
      .input("X", "T", "[N, C, D1, ...].")
      .input("W", "T", "[C, M / group, k1, ...].")
      .optional_input("B", "T", "Bias, [M].")
      .output("Y", "T", "[N, M, O1, ...].")
      .infer(infer_conv_transpose)
      .grad(grad_conv_transpose)
      .downgrade(11, odd_pads_said);
  with_limits(window_schema(ops.add(kWeftDomain, "ChannelsLastConvTranspose")))
      .internal()
      .doc("ConvTranspose and limits of its results, with the channels of X and Y last.")
      .types("T", kFloatTypes)
      .optional_attr("kernel_shape", AttrKind::kInts, "As in ConvTranspose.")
      .input("X", "T", "[N, D1, ..., C].")
      .input("W", "T", "As in ConvTranspose.")
      .optional_input("B", "T", "Bias, [M].")
      .output("Y", "T", "[N, O1, ..., M].")
      .infer(infer_between_transposes<infer_conv_transpose>)
      .body(conv_transpose_last);
  window_schema(ops.add(kWeftDomain, "ConvTransposeGradInput"))
      .group("gradient/conv")
      .doc("The gradient of ConvTranspose by X, given that of Y.")
      .types("T", kFloatTypes)
      .input("dY", "T", "[N, M, O1, ...].")
      .input("W", "T", "As in ConvTranspose.")
      .input("X", "T", "A tensor whose shape is taken.")
      .shape_only()
      .output("dX", "T", "The shape of X.")
      .infer(infer_gradient<2, 1>)
      .grad(grad_grad_input);
  window_schema(ops.add(kWeftDomain, "ConvTransposeGradWeight"))
      .group("gradient/conv")
      .doc("The gradient of ConvTranspose by W, given that of Y.")
      .types("T", kFloatTypes)
      .input("dY", "T", "[N, M, O1, ...].")
      .input("X", "T", "As in ConvTranspose.")
      .input("W", "T", "A tensor whose shape is taken.")
      .shape_only()
      .output("dW", "T", "The shape of W.")
      .infer(infer_gradient<1, 2>)
      .grad(grad_grad_weight);
}

}  // namespace weft
