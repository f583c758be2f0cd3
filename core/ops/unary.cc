// Elementwise operators of one input that keep its shape.
#include <cmath>

#include "core/graph/downgrade.h"

namespace weft {
namespace {

// dx as an expression of x, y and dy; null where the gradient is zero everywhere (and so none flows).
using Rule = Expr (*)(GradContext& c, Expr x, Expr y, Expr dy);

template <Rule rule>
Status grad(GradContext& c) {
  c.set_grad(0, rule(c, c.input(0), c.output(0), c.grad(0)));
  return {};
}

Expr step(Expr x) { return make(x.scope(), "Greater", {x, scalar_like(x, 0)}); }
Expr zeros(GradContext&, Expr x, Expr, Expr) { return fill_like(x, 0); }
Expr neg(GradContext&, Expr, Expr, Expr dy) { return -dy; }
Expr abs(GradContext& c, Expr x, Expr, Expr dy) { return grad_mul(dy, make(c.scope(), "Sign", {x})); }
Expr reciprocal(GradContext&, Expr, Expr y, Expr dy) { return -grad_mul(grad_mul(dy, y), y); }
Expr sqrt(GradContext&, Expr, Expr y, Expr dy) { return grad_div(dy, y + y); }
Expr exp(GradContext&, Expr, Expr y, Expr dy) { return grad_mul(dy, y); }
Expr log(GradContext&, Expr x, Expr, Expr dy) { return grad_div(dy, x); }
Expr sin(GradContext& c, Expr x, Expr, Expr dy) { return grad_mul(dy, make(c.scope(), "Cos", {x})); }
Expr cos(GradContext& c, Expr x, Expr, Expr dy) { return -grad_mul(dy, make(c.scope(), "Sin", {x})); }
Expr tan(GradContext&, Expr, Expr y, Expr dy) { return grad_mul(dy, 1.0 + y * y); }
Expr root(Expr x) { return make(x.scope(), "Sqrt", {x}); }
Expr asin(GradContext&, Expr x, Expr, Expr dy) { return grad_div(dy, root((1.0 - x) * (1.0 + x))); }
Expr acos(GradContext& c, Expr x, Expr y, Expr dy) { return -asin(c, x, y, dy); }
Expr atan(GradContext&, Expr x, Expr, Expr dy) { return grad_div(dy, 1.0 + x * x); }
Expr sinh(GradContext& c, Expr x, Expr, Expr dy) { return grad_mul(dy, make(c.scope(), "Cosh", {x})); }
Expr cosh(GradContext& c, Expr x, Expr, Expr dy) { return grad_mul(dy, make(c.scope(), "Sinh", {x})); }
Expr asinh(GradContext&, Expr x, Expr, Expr dy) { return grad_div(dy, root(1.0 + x * x)); }
Expr acosh(GradContext&, Expr x, Expr, Expr dy) { return grad_div(dy, root(x - 1.0) * root(x + 1.0)); }
Expr atanh(GradContext&, Expr x, Expr, Expr dy) { return grad_div(dy, (1.0 - x) * (1.0 + x)); }
Expr tanh(GradContext&, Expr, Expr y, Expr dy) { return grad_mul(dy, 1.0 - y * y); }
// 2 / sqrt(pi) * exp(-x^2)
Expr erf(GradContext& c, Expr x, Expr, Expr dy) {
  return grad_mul(dy, make(c.scope(), "Exp", {-(x * x)}) * 1.1283791670955126);
}
Expr sigmoid(GradContext&, Expr, Expr y, Expr dy) { return grad_mul(dy, y * (1.0 - y)); }
Expr softplus(GradContext& c, Expr x, Expr, Expr dy) { return grad_mul(dy, make(c.scope(), "Sigmoid", {x})); }
Expr relu(GradContext&, Expr, Expr y, Expr dy) { return where(step(y), dy, scalar_like(dy, 0)); }
Expr leaky_relu(GradContext& c, Expr x, Expr, Expr dy) { return where(step(x), dy, dy * c.attrs().f("alpha")); }
// For x <= 0: alpha * exp(x), which is y + alpha.
Expr elu(GradContext& c, Expr x, Expr y, Expr dy) { return where(step(x), dy, grad_mul(dy, y + c.attrs().f("alpha"))); }
Expr hard_sigmoid(GradContext& c, Expr, Expr y, Expr dy) {
  Expr rising = make(c.scope(), "And", {step(y), make(c.scope(), "Less", {y, scalar_like(y, 1)})});
  return where(rising, dy * c.attrs().f("alpha"), scalar_like(dy, 0));
}
Expr gelu(GradContext& c, Expr x, Expr, Expr dy) {
  return grad_mul(dy, make(c.scope(), "weft.GeluSlope", {x}, {{"approximate", c.attrs().s("approximate")}}));
}
// Exact form: Phi(x) + x * phi(x); tanh form after Hendrycks and Gimpel, arXiv:1606.08415. Both bells are exactly 0
// far out, where x times them must not make a NaN.
Status gelu_slope(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.input(0);
  if (c.attrs().s("approximate") == "tanh") {
    Expr t = make(s, "Tanh", {(x + x * x * x * 0.044715) * 0.7978845608028654});
    Expr inner = (1.0 + x * x * (3 * 0.044715)) * 0.7978845608028654;
    c.set_output(0, (1.0 + t) * 0.5 + grad_mul(grad_mul(1.0 - t * t, x), inner) * 0.5);
  } else {
    Expr cdf = (1.0 + make(s, "Erf", {x * 0.7071067811865476})) * 0.5;
    Expr pdf = make(s, "Exp", {x * x * -0.5}) * 0.3989422804014327;
    c.set_output(0, cdf + grad_mul(pdf, x));
  }
  return {};
}

// Before opset 20.
Status gelu_in_parts(DowngradeContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.inputs[0];
  Expr twice = c.attrs.s("approximate") == "tanh" ? make(s, "Tanh", {(x + x * x * x * 0.044715) * 0.7978845608028654})
                                                  : make(s, "Erf", {x * 0.7071067811865476});
  c.replace({x * 0.5 * (1.0 + twice)});
  return s.status();
}

Status infer_gelu(InferContext& c) {
  const std::string& form = c.attrs().s("approximate");
  if (form != "none" && form != "tanh") {
    return invalid("attribute 'approximate' must be \"none\" or \"tanh\" but is \"", form, "\"");
  }
  return infer_same_as_first(c);
}

// Ramachandran, Zoph and Le, 2017, arXiv:1710.05941.
Status swish(BodyContext& c) {
  Expr x = c.input(0);
  const double alpha = c.attrs().f("alpha");
  c.set_output(0, x * make(c.scope(), "Sigmoid", {alpha == 1 ? x : x * alpha}));
  return {};
}

Status swish_gradient(GradContext& c) {
  Expr slope = make(c.scope(), "weft.SwishSlope", {c.input(0)}, {{"alpha", c.attrs().f("alpha")}});
  c.set_grad(0, grad_mul(c.grad(0), slope));
  return {};
}
// s + alpha x s (1 - s). Far out the product is exactly 0, where x times it must not make a NaN.
Status swish_slope(BodyContext& c) {
  const double alpha = c.attrs().f("alpha");
  Expr x = c.input(0), scaled = alpha == 1 ? x : x * alpha, s = make(c.scope(), "Sigmoid", {scaled});
  c.set_output(0, s + grad_mul(s * (1.0 - s), scaled));
  return {};
}

// Howard et al., 2019, arXiv:1905.02244. Attributes have no more than f32 holds, which a sixth as `alpha` would be cut to.
Status hard_swish(BodyContext& c) {
  Expr x = c.input(0);
  c.set_output(0, x * make(c.scope(), "HardSigmoid", {x * (1.0 / 6)}, {{"alpha", 1.0}, {"beta", 0.5}}));
  return {};
}

// Of 16 and 8 bits by way of f32, which holds them all.
Status is_inf(BodyContext& c) {
  ExprScope& s = c.scope();
  const DType dtype = c.input(0).dtype();
  Expr x = dtype == DType::kF32 || dtype == DType::kF64 ? c.input(0) : cast(c.input(0), DType::kF32);
  const bool negative = c.attrs().b("detect_negative"), positive = c.attrs().b("detect_positive");
  if (!negative && !positive) {
    c.set_output(0, make(s, "Expand", {scalar(s, DType::kBool, 0), shape_of(x)}));
    return {};
  }
  Expr size = negative && positive ? make(s, "Abs", {x}) : x;
  c.set_output(0, make(s, "Equal", {size, scalar_like(x, positive ? INFINITY : -INFINITY)}));
  return {};
}

struct Row {
  const char* name;
  int since;
  DTypeSet types;
  GradFn grad;
  const char* group;
  const char* doc;
  bool spelt_out = false;  // ONNX calls X and Y "input" and "output"
};

const Row kRows[] = {
    {"Neg", 13, kSignedTypes, grad<neg>, "math", "`-x`, elementwise. Integers wrap around."},
    {"Abs", 13, kNumberTypes, grad<abs>, "math", "`|x|`, elementwise. The gradient at 0 is 0."},
    {"Sign", 13, kNumberTypes, grad<zeros>, "math", "-1, 0 or 1 as `x` is negative, zero or positive; NaN stays NaN.",
     true},
    {"Floor", 13, kFloatTypes, grad<zeros>, "math", "The greatest whole number not above `x`."},
    {"Ceil", 13, kFloatTypes, grad<zeros>, "math", "The smallest whole number not below `x`."},
    {"Round", 22, kFloatTypes, grad<zeros>, "math", "`x` to the nearest whole number, halves to the even one."},
    {"Reciprocal", 13, kFloatTypes, grad<reciprocal>, "math", "`1 / x`, elementwise."},
    {"Sqrt", 13, kFloatTypes, grad<sqrt>, "math", "The square root of `x`; NaN for negative numbers."},
    {"Exp", 13, kFloatTypes, grad<exp>, "math", "`e^x`, elementwise.", true},
    {"Log", 13, kFloatTypes, grad<log>, "math", "The natural logarithm of `x`.", true},
    {"Sin", 22, kFloatTypes, grad<sin>, "math", "The sine of `x` in radians.", true},
    {"Cos", 22, kFloatTypes, grad<cos>, "math", "The cosine of `x` in radians.", true},
    {"Tan", 22, kFloatTypes, grad<tan>, "math", "The tangent of `x` in radians.", true},
    {"Asin", 22, kFloatTypes, grad<asin>, "math",
     "The angle in radians from -pi/2 to pi/2 whose sine is `x`; NaN outside [-1, 1].", true},
    {"Acos", 22, kFloatTypes, grad<acos>, "math",
     "The angle in radians from 0 to pi whose cosine is `x`; NaN outside [-1, 1].", true},
    {"Atan", 22, kFloatTypes, grad<atan>, "math", "The angle in radians from -pi/2 to pi/2 whose tangent is `x`.",
     true},
    {"Sinh", 22, kFloatTypes, grad<sinh>, "math", "The hyperbolic sine of `x`: `(e^x - e^-x) / 2`.", true},
    {"Cosh", 22, kFloatTypes, grad<cosh>, "math", "The hyperbolic cosine of `x`: `(e^x + e^-x) / 2`.", true},
    {"Asinh", 22, kFloatTypes, grad<asinh>, "math", "The number whose hyperbolic sine is `x`.", true},
    {"Acosh", 22, kFloatTypes, grad<acosh>, "math",
     "The number of at least 0 whose hyperbolic cosine is `x`; NaN below 1.", true},
    {"Atanh", 22, kFloatTypes, grad<atanh>, "math", "The number whose hyperbolic tangent is `x`; NaN outside [-1, 1].",
     true},
    {"Tanh", 13, kFloatTypes, grad<tanh>, "activation", "The hyperbolic tangent of `x`.", true},
    {"Erf", 13, kFloatTypes, grad<erf>, "math", "The error function of `x`.", true},
    {"Sigmoid", 13, kFloatTypes, grad<sigmoid>, "activation", "`1 / (1 + e^-x)`, elementwise."},
    {"Softplus", 22, kFloatTypes, grad<softplus>, "activation", "`log(1 + e^x)`, elementwise."},
    {"Relu", 14, kSignedTypes, grad<relu>, "activation", "`max(x, 0)`, elementwise. The gradient at 0 is 0."},
};

}  // namespace

void define_op_unary(OpRegistry& ops) {
  for (const Row& row : kRows) {
    ops.add(row.name)
        .group(row.group)
        .since(row.since)
        .doc(row.doc)
        .types("T", row.types)
        .input(row.spelt_out ? "input" : "X", "T", "Any shape.")
        .output(row.spelt_out ? "output" : "Y", "T", "The shape of the input.")
        .elementwise()
        .inplace(0, 0)
        .infer(infer_same_as_first)
        .grad(row.grad);
  }
  ops.add("LeakyRelu")
      .group("activation")
      .since(16)
      .doc("`x` where positive, `alpha * x` elsewhere. The gradient at 0 is `alpha`.")
      .types("T", kFloatTypes)
      .attr("alpha", 0.01, "Slope below 0.")
      .input("X", "T", "Any shape.")
      .output("Y", "T", "The shape of X.")
      .elementwise()
      .inplace(0, 0)
      .infer(infer_same_as_first)
      .grad(grad<leaky_relu>);
  ops.add("Elu")
      .group("activation")
      .since(22)
      .doc("`x` where positive, `alpha * (e^x - 1)` elsewhere. The gradient at 0 is `alpha`.")
      .types("T", kFloatTypes)
      .attr("alpha", 1.0, "Height of the plateau below 0.")
      .input("X", "T", "Any shape.")
      .output("Y", "T", "The shape of X.")
      .elementwise()
      .inplace(0, 0)
      .infer(infer_same_as_first)
      .grad(grad<elu>);
  ops.add("HardSigmoid")
      .group("activation")
      .since(22)
      .doc("`max(0, min(1, alpha * x + beta))`, elementwise. The gradient at both bends is 0.")
      .types("T", kFloatTypes)
      .attr("alpha", 0.2, "Slope between the bends.")
      .attr("beta", 0.5, "Value at 0.")
      .input("X", "T", "Any shape.")
      .output("Y", "T", "The shape of X.")
      .elementwise()
      .inplace(0, 0)
      .infer(infer_same_as_first)
      .grad(grad<hard_sigmoid>);
  ops.add("Gelu")
      .group("activation")
      .since(20)
      .doc("`x * Phi(x)` with the normal distribution's Phi, exact through erf or approximated through tanh.")
      .types("T", kFloatTypes)
      .attr("approximate", "none", "\"none\" for the exact form, \"tanh\" for the approximation.")
      .input("X", "T", "Any shape.")
      .output("Y", "T", "The shape of X.")
      .elementwise()
      .inplace(0, 0)
      .infer(infer_gelu)
      .grad(grad<gelu>)
      .downgrade(20, gelu_in_parts);
  ops.add(kWeftDomain, "GeluSlope")
      .group("gradient")
      .doc("The derivative of Gelu at each element of `X`. The gradient of Gelu is made of it.")
      .types("T", kFloatTypes)
      .attr("approximate", "none", "The form of Gelu.")
      .input("X", "T", "Any shape.")
      .output("Y", "T", "The shape of X.")
      .elementwise()
      .inplace(0, 0)
      .infer(infer_gelu)
      .body(gelu_slope);
  ops.add("Swish")
      .group("activation")
      .since(24)
      .doc("`x * sigmoid(alpha * x)`, elementwise; with `alpha` = 1 also called SiLU.")
      .types("T", kFloatTypes)
      .attr("alpha", 1.0, "Steepness: 0 gives `x / 2`, much of it Relu.")
      .input("X", "T", "Any shape.")
      .output("Y", "T", "The shape of X.")
      .elementwise()
      .inplace(0, 0)
      .grad(swish_gradient)
      .body(swish);
  ops.add(kWeftDomain, "SwishSlope")
      .group("gradient")
      .doc("The derivative of Swish at each element of `X`. The gradient of Swish is made of it.")
      .types("T", kFloatTypes)
      .attr("alpha", 1.0, "That of Swish.")
      .input("X", "T", "Any shape.")
      .output("Y", "T", "The shape of X.")
      .elementwise()
      .inplace(0, 0)
      .infer(infer_same_as_first)
      .body(swish_slope);
  ops.add("HardSwish")
      .group("activation")
      .since(22)
      .doc(
          "`x * max(0, min(1, x / 6 + 0.5))`, elementwise: Swish of straight lines. The gradient at -3 is 0, at 3 it "
          "is 1.")
      .types("T", kFloatTypes)
      .input("X", "T", "Any shape.")
      .output("Y", "T", "The shape of X.")
      .elementwise()
      .inplace(0, 0)
      .body(hard_swish);
  ops.add("IsNaN")
      .group("compare")
      .since(20)
      .doc("Whether `x` is not a number, elementwise.")
      .types("T", kFloatTypes | kFloat8Types)
      .input("X", "T", "Any shape.")
      .output("Y", "bool", "The shape of X.")
      .elementwise()
      .infer(infer_same_as_first)
      .no_gradient("its output is not a number");
  ops.add("IsInf")
      .group("compare")
      .since(20)
      .doc("Whether `x` is infinite, elementwise.")
      .types("T1", kFloatTypes | kFloat8Types)
      .flag("detect_negative", true, "Whether negative infinity counts.")
      .flag("detect_positive", true, "Whether positive infinity counts.")
      .input("X", "T1", "Any shape.")
      .output("Y", "bool", "The shape of X.")
      .elementwise()
      .body(is_inf)
      .no_gradient("its output is not a number");
  ops.add("Not")
      .group("compare")
      .doc("The opposite of each truth value.")
      .input("X", "bool", "Any shape.")
      .output("Y", "bool", "The shape of X.")
      .elementwise()
      .inplace(0, 0)
      .infer(infer_same_as_first)
      .no_gradient("its output is not a number");
}

}  // namespace weft
