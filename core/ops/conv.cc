// Convolution and its two gradients, each a convolution of some kind and differentiable itself.
#include <algorithm>

#include "core/graph/expr.h"
#include "core/op/window.h"
#include "core/ops/limits_common.h"
#include "core/ops/window_common.h"

namespace weft {
namespace {

// The shape that Conv gives, of inputs `at_x` and `at_w`, which have ranks.
Result<Dims> convolved(const InferContext& c, int at_x, int at_w) {
  int64_t spatial = c.rank(at_x) - 2;
  if (spatial < 1) return invalid("X must be [N, C, D1, ...] but is ", c.input(at_x).text());
  if (c.rank(at_w) != spatial + 2) {
    return invalid("X and W must have equal ranks but are ", c.input(at_x).text(), " and ", c.input(at_w).text());
  }
  const Dims &x = c.dims(at_x), &w = c.dims(at_w);
  int64_t group = c.attrs().i("group");
  if (group < 1) return invalid("attribute 'group' is ", group, " but must be at least 1");
  Dim taken = w[1] * Dim(group);
  if (x[1].known() && taken.known() && !(x[1] == taken)) {
    return invalid("X ", c.input(at_x).text(), " has ", x[1].text(), " channels but W ", c.input(at_w).text(),
                   " takes ", taken.text(), group == 1 ? "" : cat(" in ", group, " groups"));
  }
  if (w[0].known() && w[0].value() % group != 0) {
    return invalid("W makes ", w[0].text(), " channels, which ", group, " groups do not divide");
  }
  WEFT_TRY(Window window, read_window(c.attrs(), spatial, Dims(w.begin() + 2, w.end())));
  Dims out{x[0], w[0]};
  for (int64_t i = 0; i < spatial; ++i) {
    WEFT_TRY(Dim size, window.output_size(i, x[i + 2], false));
    out.push_back(size);
  }
  return out;
}

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
  if (c.needs(2)) {
    if (!x.has_rank()) return unimplemented("the gradient of a bias needs the rank of X");
    std::vector<int64_t> axes{0};
    for (int64_t i = 2; i < x.rank(); ++i) axes.push_back(i);
    c.set_grad(2, reduce_sum(dy, axes, false));
  }
  return {};
}

// Of inputs dY and then, in either order, X and W, of which the last gives the shape.
template <int at_x, int at_w>
Status infer_conv_grad(InferContext& c) {
  if (c.has_rank(2)) c.set_dims(0, c.dims(2));
  if (!c.has_rank(at_x) || !c.has_rank(at_w)) return {};
  WEFT_TRY(Dims y, convolved(c, at_x, at_w));
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

OpDef& window_schema(OpDef& op) {
  return op
      .attr("auto_pad", "NOTSET",
            "NOTSET: `pads` holds; SAME_UPPER, SAME_LOWER: output size is input size / stride rounded up; VALID: none.")
      .optional_attr("dilations", AttrKind::kInts,
                     "Distance of the kernel's elements along each spatial axis; 1 if not given.")
      .attr("group", int64_t{1}, "Number of groups that channels are divided into.")
      .optional_attr("pads", AttrKind::kInts, "Zeros before each spatial axis, then after each; 0 if not given.")
      .optional_attr("strides", AttrKind::kInts, "Step along each spatial axis; 1 if not given.");
}

Status fused_conv_body(BodyContext& c) {
  std::vector<Expr> inputs = {c.input(0), c.input(1)};
  if (c.has_input(2)) inputs.push_back(c.input(2));
  c.set_output(0, limited(make(c.scope(), "Conv", inputs, without_limits(c.attrs())), c.attrs()));
  return {};
}

OpDef& conv_schema(OpDef& op) {
  return window_schema(op)
      .group("nn")
      .types("T", kFloatTypes)
      .optional_attr("kernel_shape", AttrKind::kInts, "Taken from W if not given.")
      .input("X", "T", "[N, C, D1, ...].")
      .input("W", "T", "[M, C / group, k1, ...].")
      .optional_input("B", "T", "Bias, [M].")
      .output("Y", "T", "[N, M, O1, ...].");
}

}  // namespace

Status infer_conv(InferContext& c) {
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  WEFT_TRY(Dims out, convolved(c, 0, 1));
  if (c.has_rank(2) && !may_equal(c.dims(2), {out[1]})) {
    return invalid("B must be [", out[1].text(), "] but is ", c.input(2).text());
  }
  c.set_dims(0, std::move(out));
  return {};
}

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
  window_schema(ops.add(kWeftDomain, "ConvGradInput"))
      .group("gradient")
      .doc("The gradient of Conv by X, given that of Y.")
      .types("T", kFloatTypes)
      .input("dY", "T", "[N, M, O1, ...].")
      .input("W", "T", "As in Conv.")
      .input("X", "T", "A tensor whose shape is taken.")
      .shape_only()
      .output("dX", "T", "The shape of X.")
      .infer(infer_conv_grad<2, 1>)
      .grad(grad_grad_input);
  window_schema(ops.add(kWeftDomain, "ConvGradWeight"))
      .group("gradient")
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
