// Activations that need more than a row of `unary.cc`, many of them made of other operators.
#include <cmath>

#include "core/graph/downgrade.h"

namespace weft {
namespace {

Expr above(Expr x, double threshold) { return make(x.scope(), "Greater", {x, scalar_like(x, threshold)}); }
Expr below(Expr x, double threshold) { return make(x.scope(), "Less", {x, scalar_like(x, threshold)}); }

// Barron, 2017, arXiv:1704.07483. For a negative alpha too, the branch below 0 is the formula's.
Status celu(BodyContext& c) {
  Expr x = c.input(0);
  const double alpha = c.attrs().f("alpha");
  if (alpha == 0 || !std::isfinite(alpha)) {
    return invalid("attribute 'alpha' is ", alpha, " but must be finite and not 0");
  }
  if (alpha == 1) {
    c.set_output(0, make(c.scope(), "Elu", {x}));
    return {};
  }
  Expr scaled = x / alpha;
  Expr low = alpha > 0 ? make(c.scope(), "Elu", {scaled}) : make(c.scope(), "Exp", {scaled}) - 1.0;
  c.set_output(0, where(above(x, 0), x, low * alpha));
  return {};
}

// Halves have too few digits for the slope below 0, the distance of y from its plateau: their bodies are run in f32.
bool is_half(Expr x) { return x.dtype() == DType::kF16 || x.dtype() == DType::kBF16; }

// For x <= 0 the slope is e^(x / alpha), which is y / alpha + 1.
Status celu_grad(GradContext& c) {
  if (is_half(c.input(0))) {
    c.use_body();
    return {};
  }
  Expr low = c.output(0) / c.attrs().f("alpha") + 1.0;
  c.set_grad(0, where(above(c.input(0), 0), c.grad(0), grad_mul(c.grad(0), low)));
  return {};
}

// Klambauer et al., 2017, arXiv:1706.02515.
Status selu(BodyContext& c) {
  Expr inner = make(c.scope(), "Elu", {c.input(0)}, {{"alpha", c.attrs().f("alpha")}});
  c.set_output(0, inner * c.attrs().f("gamma"));
  return {};
}

// For x <= 0 the slope is gamma alpha e^x, which is y + gamma alpha.
Status selu_grad(GradContext& c) {
  if (is_half(c.input(0))) {
    c.use_body();
    return {};
  }
  const double gamma = c.attrs().f("gamma");
  Expr low = c.output(0) + gamma * c.attrs().f("alpha");
  c.set_grad(0, where(above(c.input(0), 0), c.grad(0) * gamma, grad_mul(c.grad(0), low)));
  return {};
}

// The first version had defaults of five digits.
Status short_defaults(UpgradeContext& c) {
  c.attrs.erase("consumed_inputs");
  if (!c.attrs.has("alpha")) c.attrs.set("alpha", 1.6732);
  if (!c.attrs.has("gamma")) c.attrs.set("gamma", 1.0507);
  return {};
}

Expr softsign_divisor(Expr x) { return 1.0 + make(x.scope(), "Abs", {x}); }
Status softsign(BodyContext& c) {
  c.set_output(0, c.input(0) / softsign_divisor(c.input(0)));
  return {};
}
// Not that of the body, whose two parts nearly cancel far out.
Status softsign_grad(GradContext& c) {
  Expr divisor = softsign_divisor(c.input(0));
  c.set_grad(0, grad_div(grad_div(c.grad(0), divisor), divisor));
  return {};
}

Status thresholded_relu(BodyContext& c) {
  Expr x = c.input(0);
  c.set_output(0, where(above(x, c.attrs().f("alpha")), x, scalar_like(x, 0)));
  return {};
}

Status shrink_grad(GradContext& c) {
  Expr x = c.input(0), dy = c.grad(0);
  const double lambd = c.attrs().f("lambd");
  Expr outside = make(c.scope(), "Or", {below(x, -lambd), above(x, lambd)});
  c.set_grad(0, where(outside, dy, scalar_like(dy, 0)));
  return {};
}

// tanh(softplus(x)) by which x is multiplied has the slope (1 - tanh^2) sigmoid(x).
Status mish_grad(GradContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.input(0), dy = c.grad(0);
  Expr factor = make(s, "Tanh", {make(s, "Softplus", {x})});
  Expr bend = (1.0 - factor * factor) * make(s, "Sigmoid", {x});
  // Far out `bend` is 0, and x infinite.
  c.set_grad(0, grad_mul(dy, factor + grad_mul(bend, x)));
  return {};
}

// Before opset 18.
Status mish_in_parts(DowngradeContext& c) {
  ExprScope& s = c.scope();
  c.replace({c.inputs[0] * make(s, "Tanh", {make(s, "Softplus", {c.inputs[0]})})});
  return s.status();
}

// The slope is stretched to X, never X to the slope.
Status infer_prelu(InferContext& c) {
  WEFT_CHECK(infer_same_as_first(c));
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  const Dims &x = c.dims(0), &slope = c.dims(1);
  bool fits = slope.size() <= x.size();
  for (size_t i = 0; fits && i < slope.size(); ++i) {
    const Dim &have = slope[slope.size() - 1 - i], &want = x[x.size() - 1 - i];
    fits = have.is(1) || have == want || !have.known() || !want.known();
  }
  if (fits) return {};
  return invalid("input 'slope' is ", c.input(1).text(), ", which does not broadcast to X, ", c.input(0).text());
}

Status prelu_grad(GradContext& c) {
  Expr x = c.input(0), dy = c.grad(0), rising = above(x, 0);
  if (c.needs(0)) c.set_grad(0, where(rising, dy, grad_mul(dy, c.input(1))));
  if (c.needs(1)) c.set_grad(1, sum_to(where(rising, scalar_like(x, 0), grad_mul(dy, x)), c.input(1)));
  return {};
}

// Before opset 7 a vector of slopes was that of the channels of [N, C, D1, ...].
Status slopes_of_channels(UpgradeContext& c) {
  c.attrs.erase("consumed_inputs");
  if (c.inputs.size() != 2) return {};
  const ValueType &x = c.type(0), &slope = c.type(1);
  if (!x.has_rank || !slope.has_rank) {
    return unimplemented("PRelu of an opset below 7 needs inputs of known rank, but they are ", x.text(), " and ",
                         slope.text());
  }
  if (slope.dims.size() != 1 || slope.dims[0].is(1) || x.dims.size() < 3) return {};
  std::vector<int64_t> axes;
  for (size_t i = 1; i + 1 < x.dims.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  ExprScope scope(c.graph());
  c.inputs[1] = unsqueeze(Expr(scope, c.inputs[1]), axes).id();
  return scope.status();
}

OpDef& add_activation(OpRegistry& ops, const char* name, int since, DTypeSet types, const char* doc,
                      const char* input = "X", const char* output = "Y") {
  return ops.add(name)
      .group("activation")
      .since(since)
      .doc(doc)
      .types("T", types)
      .input(input, "T", "Any shape.")
      .output(output, "T", "The shape of the input.")
      .elementwise()
      .inplace(0, 0);
}

}  // namespace

void define_op_activation(OpRegistry& ops) {
  add_activation(ops, "Celu", 12, kFloatTypes,
                 "`max(0, x) + min(0, alpha * (e^(x / alpha) - 1))`, elementwise: Elu whose slope is continuous. The "
                 "gradient at 0 is 1.")
      .attr("alpha", 1.0, "Less this is the plateau below 0; not 0.")
      .grad(celu_grad)
      .body(celu);
  add_activation(ops, "Selu", 22, kFloatTypes,
                 "`gamma * x` where positive, `gamma * alpha * (e^x - 1)` elsewhere. The gradient at 0 is `gamma * "
                 "alpha`.")
      .attr("alpha", 1.67326319217681884765625, "Height of the plateau below 0, in units of gamma.")
      .attr("gamma", 1.05070102214813232421875, "Slope above 0.")
      .upgrade(6, short_defaults)
      .grad(selu_grad)
      .body(selu);
  add_activation(ops, "Softsign", 22, kFloatTypes, "`x / (1 + |x|)`, elementwise; NaN of an infinity.", "input",
                 "output")
      .body(softsign)
      .grad(softsign_grad);
  add_activation(ops, "ThresholdedRelu", 22, kFloatTypes,
                 "`x` where it is greater than `alpha`, else 0. The gradient at `alpha` is 0.")
      .attr("alpha", 1.0, "The threshold.")
      .body(thresholded_relu);
  add_activation(ops, "Mish", 22, kFloatTypes, "`x * tanh(log(1 + e^x))`, elementwise (Misra, 2019, arXiv:1908.08681).")
      .infer(infer_same_as_first)
      .grad(mish_grad)
      .downgrade(18, mish_in_parts);
  add_activation(ops, "Shrink", 9, kNumberTypes & ~set_of(DType::kBF16),
                 "`x + bias` where x is less than `-lambd`, `x - bias` where it is greater than `lambd`, else 0. "
                 "Integers are computed exactly, then converted as Cast does. The gradient at both thresholds is 0.",
                 "input", "output")
      .attr("bias", 0.0, "How much nearer to 0 the rest comes.")
      .attr("lambd", 0.5, "The threshold.")
      .infer(infer_same_as_first)
      .grad(shrink_grad);
  add_activation(ops, "PRelu", 16, kFloatTypes | set_of(DType::kU32, DType::kU64, DType::kI32, DType::kI64),
                 "`x` where not negative, `slope * x` elsewhere. Integers wrap around. The gradient to X at 0 is the "
                 "slope.")
      .input("slope", "T", "Broadcasts to X as in NumPy.")
      .infer(infer_prelu)
      .grad(prelu_grad)
      .upgrade(7, slopes_of_channels);
}

}  // namespace weft
