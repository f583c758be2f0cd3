// Arithmetic and logic on two inputs with broadcasting.
#include "core/graph/expr.h"
#include "core/ops/elementwise_common.h"

namespace weft {
namespace {

using Dim2 = const std::vector<Dim>&;

std::optional<Dim> sub_ints(Dim2 v) {
  int64_t difference;
  if (v[0].known() && v[1].known() && __builtin_sub_overflow(v[0].value(), v[1].value(), &difference)) {
    return std::nullopt;
  }
  return v[0] - v[1];
}
// Rounds towards zero, which is down for what is never negative.
std::optional<Dim> div_ints(Dim2 v) {
  if (v[0].known() && v[1].known()) {
    if (v[1].value() == 0 || (v[0].value() == INT64_MIN && v[1].value() == -1)) return std::nullopt;
    return Dim(v[0].value() / v[1].value());
  }
  if (v[1].is(0)) return std::nullopt;
  Result<Dim> exact = v[0].exact_div(v[1]);
  if (exact.ok()) return *exact;
  if (v[0].never_negative() && v[1].known() && v[1].value() > 0) return v[0].floor_div(v[1]);
  return std::nullopt;
}

// Of numbers alone, with the sign of A as in C, or with that of B.
std::optional<Dim> remainder_ints(Dim2 v) {
  const bool known = v[0].known() && v[1].known() && v[1].value() != 0 && v[1].value() != -1;
  return known ? std::optional<Dim>(v[0].value() % v[1].value()) : std::nullopt;
}
std::optional<Dim> mod_ints(Dim2 v) {
  const std::optional<Dim> rest = remainder_ints(v);
  const bool other_sign = rest && rest->value() != 0 && (rest->value() < 0) != (v[1].value() < 0);
  return other_sign ? std::optional<Dim>(rest->value() + v[1].value()) : rest;
}

template <IntsFn fn>
Status infer_arithmetic(InferContext& c) {
  WEFT_CHECK(infer_broadcast(c));
  infer_ints(c, fn);
  return {};
}

Status infer_mod(InferContext& c) {
  if (is_float(c.dtype(0)) && !c.attrs().b("fmod")) {
    return invalid("Mod of ", dtype_name(c.dtype(0)), " needs the attribute fmod = 1");
  }
  WEFT_CHECK(infer_broadcast(c));
  infer_ints(c, c.attrs().b("fmod") ? remainder_ints : mod_ints);
  return {};
}

void set(GradContext& c, int i, Expr gradient) { c.set_grad(i, sum_to(gradient, c.input(i))); }

Status add_grad(GradContext& c) {
  if (c.needs(0)) set(c, 0, c.grad(0));
  if (c.needs(1)) set(c, 1, c.grad(0));
  return {};
}

Status sub_grad(GradContext& c) {
  if (c.needs(0)) set(c, 0, c.grad(0));
  if (c.needs(1)) set(c, 1, -c.grad(0));
  return {};
}

// Of Mul and GradMul; the guard is on whatever cotangent flows back.
Status mul_grad(GradContext& c) {
  if (c.needs(0)) set(c, 0, grad_mul(c.grad(0), c.input(1)));
  if (c.needs(1)) set(c, 1, grad_mul(c.grad(0), c.input(0)));
  return {};
}

// Of Div and GradDiv: d(a / b) = da / b - (a / b) / b * db
Status div_grad(GradContext& c) {
  Expr scaled = grad_div(c.grad(0), c.input(1));
  if (c.needs(0)) set(c, 0, scaled);
  if (c.needs(1)) set(c, 1, -grad_mul(scaled, c.output(0)));
  return {};
}

// The value of a constant scalar, or nothing.
std::optional<double> constant_scalar(Expr x) {
  const auto& value = x.scope().graph().value(x.id()).constant;
  if (value == nullptr || value->count() != 1) return std::nullopt;
  switch (value->dtype()) {
    case DType::kF32: return *value->as<float>();
    case DType::kF64: return *value->as<double>();
    case DType::kI32: return *value->as<int32_t>();
    case DType::kI64: return static_cast<double>(*value->as<int64_t>());
    default: return std::nullopt;
  }
}

// To the base: y * x^(y-1), and 0 for 0^0. To the exponent: x^y * log(x), and 0 where x is 0 and y
// is not negative.
Status pow_grad(GradContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.input(0), y = c.input(1), dz = c.grad(0);
  Expr exponent = cast(y, x.dtype());
  if (c.needs(0)) {
    // In a type that has room for what is below it, down to the third order and further.
    if (is_integer(y.dtype()) && y.dtype() != DType::kI32) y = cast(y, DType::kI64);
    std::optional<double> p = constant_scalar(y);
    Expr slope;
    if (p == 2.0) {
      slope = x + x;
    } else if (p && *p != 0) {
      slope = make(s, "Pow", {x, y - scalar_like(y, 1)}) * exponent;
    } else {
      Expr corner =
          make(s, "And", {make(s, "Equal", {x, scalar_like(x, 0)}), make(s, "Equal", {y, scalar_like(y, 0)})});
      slope = where(corner, scalar_like(x, 0), exponent * make(s, "Pow", {x, y - scalar_like(y, 1)}));
    }
    set(c, 0, grad_mul(dz, slope));
  }
  if (c.needs(1)) {
    Expr flat =
        make(s, "And", {make(s, "Equal", {x, scalar_like(x, 0)}), make(s, "GreaterOrEqual", {y, scalar_like(y, 0)})});
    Expr slope = where(flat, scalar_like(x, 0), c.output(0) * make(s, "Log", {x}));
    set(c, 1, cast(grad_mul(dz, slope), y.dtype()));
  }
  return {};
}

// fmod(a, b) = a - b * q with the whole quotient q, whose own slope is 0.
Status mod_grad(GradContext& c) {
  if (c.needs(0)) set(c, 0, c.grad(0));
  if (c.needs(1)) {
    Expr quotient = make(c.scope(), "Round", {(c.input(0) - c.output(0)) / c.input(1)});
    set(c, 1, -grad_mul(c.grad(0), quotient));
  }
  return {};
}

// What the kernels do, for those who know ONNX's operators alone.
template <Expr (*combine)(Expr, Expr)>
Status guarded_body(BodyContext& c) {
  Expr a = c.input(0);
  Expr nothing = make(c.scope(), "Equal", {a, scalar_like(a, 0)});
  c.set_output(0, where(nothing, a, combine(a, c.input(1))));
  return {};
}

OpDef& add_binary(OpRegistry& ops, std::string_view domain, std::string_view name, int since, DTypeSet types,
                  std::string_view doc) {
  return ops.add(domain, name)
      .group("math")
      .since(since)
      .doc(doc)
      .types("T", types)
      .input("A", "T", "First operand.")
      .input("B", "T", "Second operand; broadcasts with A as in NumPy.")
      .output("C", "T", "The broadcast shape of A and B.")
      .elementwise()
      .inplace(0, 0)
      .inplace(0, 1)
      .upgrade(7, upgrade_old_broadcast);
}

}  // namespace

void define_op_binary(OpRegistry& ops) {
  add_binary(ops, kOnnxDomain, "Add", 14, kNumberTypes, "`A + B`, elementwise. Integers wrap around.")
      .infer(infer_arithmetic<add_ints>)
      .grad(add_grad);
  add_binary(ops, kOnnxDomain, "Sub", 14, kNumberTypes, "`A - B`, elementwise. Integers wrap around.")
      .infer(infer_arithmetic<sub_ints>)
      .grad(sub_grad);
  add_binary(ops, kOnnxDomain, "Mul", 14, kNumberTypes, "`A * B`, elementwise. Integers wrap around.")
      .infer(infer_arithmetic<mul_ints>)
      .grad(mul_grad);
  add_binary(ops, kOnnxDomain, "Div", 14, kNumberTypes,
             "`A / B`, elementwise. Integers are divided towards zero; an integer divided by zero "
             "is an error, and the "
             "smallest integer by -1 wraps around.")
      .infer(infer_arithmetic<div_ints>)
      .grad(div_grad);
  add_binary(ops, kOnnxDomain, "Mod", 13, kNumberTypes,
             "The remainder of `A / B`, elementwise. It has the sign of B, or with `fmod` that of "
             "A as in C. "
             "An integer remainder by zero is an error.")
      .flag("fmod", false, "Whether to take the remainder of C's fmod; floating-point inputs need it.")
      .infer(infer_mod)
      .grad(mod_grad);
  add_binary(ops, kWeftDomain, "GradMul", 1, kNumberTypes,
             "`A * B`, but 0 wherever A is exactly 0, were B infinite or not a number. Gradients "
             "are made of it.")
      .group("gradient")
      .infer(infer_broadcast)
      .body(guarded_body < operator*>)
      .grad(mul_grad);
  add_binary(ops, kWeftDomain, "GradDiv", 1, kFloatTypes,
             "`A / B`, but 0 wherever A is exactly 0, were B zero or not a number. Gradients are "
             "made of it.")
      .group("gradient")
      .infer(infer_broadcast)
      .body(guarded_body < operator/>)
      .grad(div_grad);
  ops.add("Pow")
      .group("math")
      .since(15)
      .doc(
          "`X` to the power `Y`, elementwise, in the type of X. Whole powers of integers are exact "
          "and wrap around; a "
          "negative power of an integer is rounded towards zero, and of 0 an error; a broken power "
          "of an integer is "
          "computed in f64 and converted as Cast does. The gradient of 0^0 is 0 to both; that to the exponent of a "
          "negative base is NaN.")
      .types("T", set_of(DType::kI32, DType::kI64) | kFloatTypes)
      .types("T1", kNumberTypes)
      .input("X", "T", "The base.")
      .input("Y", "T1", "The exponent; broadcasts with X as in NumPy.")
      .output("Z", "T", "The broadcast shape of X and Y.")
      .elementwise()
      .inplace(0, 0)
      .infer(infer_broadcast)
      .grad(pow_grad)
      .upgrade(7, upgrade_old_broadcast);

  struct Logic {
    const char* name;
    const char* doc;
  };
  for (const Logic& row : {Logic{"And", "Whether both A and B are true, elementwise."},
                           Logic{"Or", "Whether A or B or both are true, elementwise."},
                           Logic{"Xor", "Whether just one of A and B is true, elementwise."}}) {
    add_binary(ops, kOnnxDomain, row.name, 7, set_of(DType::kBool), row.doc)
        .group("compare")
        .infer(infer_broadcast)
        .no_gradient("its output is not a number");
  }
}

}  // namespace weft
