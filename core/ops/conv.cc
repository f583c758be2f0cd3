// Convolution and its two gradients, each a convolution of some kind and differentiable itself.
#include "core/graph/expr.h"
#include "core/ops/conv_common.h"
#include "core/ops/limits_common.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

Attrs window_attrs(const Attrs& attrs) {
  Attrs out;
  for (const char* name : {"auto_pad", "dilations", "group", "pads", "strides"}) {
    if (const AttrValue* value = attrs.find(name)) out.set(name, *value);
  }
  return out;
}

Status grad_conv(GradContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.input(0), w = c.input(1), dy = c.grad(0);
  Attrs attrs = window_attrs(c.attrs());
  if (c.needs(0)) c.set_grad(0, make(s, "weft.ConvGradInput", {dy, w, x}, attrs));
  if (c.needs(1)) c.set_grad(1, make(s, "weft.ConvGradWeight", {dy, x, w}, attrs));
  if (c.needs(2)) c.set_grad(2, sum_of_channels(dy));
  return {};
}

// Of inputs dY and then, in either order, X and W, of which the last gives the shape.
template <int at_x, int at_w>
Status infer_conv_grad(InferContext& c) {
  if (c.has_rank(2)) c.set_dims(0, c.dims(2));
  if (!c.has_rank(at_x) || !c.has_rank(at_w)) return {};
  WEFT_TRY(Dims y, conv_dims(c, at_x, at_w));
  return c.check_shape(0, y, "Conv's output");
}

// dx = ConvGradInput(dy, w): linear in both.
Status grad_grad_input(GradContext& c) {
  ExprScope& s = c.scope();
  Expr dy = c.input(0), w = c.input(1), g = c.grad(0);
  Attrs attrs = window_attrs(c.attrs());
  if (c.needs(0)) c.set_grad(0, make(s, "Conv", {g, w}, attrs));
  if (c.needs(1)) c.set_grad(1, make(s, "weft.ConvGradWeight", {dy, g, w}, attrs));
  return {};
}

// dw = ConvGradWeight(dy, x): linear in both.
Status grad_grad_weight(GradContext& c) {
  ExprScope& s = c.scope();
  Expr dy = c.input(0), x = c.input(1), g = c.grad(0);
  Attrs attrs = window_attrs(c.attrs());
  if (c.needs(0)) c.set_grad(0, make(s, "Conv", {x, g}, attrs));
  if (c.needs(1)) c.set_grad(1, make(s, "weft.ConvGradInput", {dy, g, x}, attrs));
  return {};
}

Status fused_conv_body(BodyContext& c) {
  std::vector<Expr> inputs = {c.input(0), c.input(1)};
  if (c.has_input(2)) inputs.push_back(c.input(2));
  c.set_output(0, limited(make(c.scope(), "Conv", inputs, without_limits(c.attrs())), c.attrs()));
  return {};
}

OpDef& conv_schema(OpDef& op) {
  return conv_window_schema(op)
      .group("nn/conv")
      .types("T", kFloatTypes)
      .optional_attr("kernel_shape", AttrKind::kInts, "Taken from W if not given.")
      .input("X", "T", "[N, C, D1, ...].")
      .input("W", "T", "[M, C / group, k1, ...].")
      .optional_input("B", "T", "Bias, [M].")
      .output("Y", "T", "[N, M, O1, ...].");
}

}  // namespace

void define_op_conv(OpRegistry& ops) {
  conv_schema(ops.add("Conv"))
      .since(22)
      .doc("Convolution (cross-correlation, as everywhere in machine learning) over 1 to 3 spatial axes.")
      .infer(infer_conv)
      .grad(grad_conv);
  with_limits(conv_schema(ops.add(kWeftDomain, "FusedConv")))
      .doc("Conv and limits of its results in one pass.")
      .infer(infer_conv)
      .body(fused_conv_body)
      .internal();
  conv_window_schema(ops.add(kWeftDomain, "ConvGradInput"))
      .group("gradient/conv")
      .doc("The gradient of Conv by X, given that of Y.")
      .types("T", kFloatTypes)
      .input("dY", "T", "[N, M, O1, ...].")
      .input("W", "T", "As in Conv.")
      .input("X", "T", "A tensor whose shape is taken.")
      .shape_only()
      .output("dX", "T", "The shape of X.")
      .infer(infer_conv_grad<2, 1>)
      .grad(grad_grad_input);
  conv_window_schema(ops.add(kWeftDomain, "ConvGradWeight"))
      .group("gradient/conv")
      .doc("The gradient of Conv by W, given that of Y.")
      .types("T", kFloatTypes)
      .input("dY", "T", "[N, M, O1, ...].")
      .input("X", "T", "As in Conv.")
      .input("W", "T", "A tensor whose shape is taken.")
      .shape_only()
      .output("dW", "T", "The shape of W.")
      .infer(infer_conv_grad<1, 2>)
      .grad(grad_grad_weight);
}

}  // namespace weft
