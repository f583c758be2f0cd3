// Building graphs in C++: expressions over values.
#include "core/graph/expr.h"

#include <algorithm>
#include <complex>
#include <cstring>

namespace weft {

namespace {
// What an error kept from being made: it still knows its scope, so that rules can go on building nothing.
Expr nothing(ExprScope& scope) { return Expr(scope, kNoValue); }

Result<std::vector<Expr>> outputs_of(const BodyFunction& body, BodyContext& context) {
  WEFT_CHECK(body(context));
  WEFT_CHECK(context.scope().status());
  return context.outputs();
}
}  // namespace

std::vector<Expr> make_all(ExprScope& scope, std::string_view op, const std::vector<Expr>& inputs, Attrs attrs,
                           int output_count, std::string_view name) {
  std::vector<Expr> none(output_count, nothing(scope));
  if (!scope.status().ok()) return none;
  std::vector<ValueId> ids;
  for (const Expr& input : inputs) ids.push_back(input.id());
  NodeOptions options;
  options.origin = scope.origin();
  options.output_count = output_count;
  options.name = name;
  auto [domain, op_name] = split_op_name(op);
  Result<const OpDef*> def = scope.graph().ops().get(domain, op_name);
  if (!def.ok()) {
    scope.fail(def.status());
    return none;
  }
  Result<NodeId> node = scope.graph().add_node(**def, std::move(ids), std::move(attrs), std::move(options));
  if (!node.ok()) {
    scope.fail(node.status());
    return none;
  }
  std::vector<Expr> out;
  for (int i = 0; i < output_count; ++i) out.emplace_back(scope, scope.graph().node(*node).output(i));
  return out;
}

Expr make(ExprScope& scope, std::string_view op, const std::vector<Expr>& inputs, Attrs attrs, std::string_view name) {
  if (!scope.status().ok()) return nothing(scope);
  std::vector<ValueId> ids;
  for (const Expr& input : inputs) ids.push_back(input.id());
  NodeOptions options;
  options.origin = scope.origin();
  options.name = name;
  auto [domain, op_name] = split_op_name(op);
  Result<const OpDef*> def = scope.graph().ops().get(domain, op_name);
  if (!def.ok()) {
    scope.fail(def.status());
    return nothing(scope);
  }
  Result<NodeId> node = scope.graph().add_node(**def, std::move(ids), std::move(attrs), std::move(options));
  if (!node.ok()) {
    scope.fail(node.status());
    return nothing(scope);
  }
  return Expr(scope, scope.graph().node(*node).first_output);
}

Expr make(ExprScope& scope, std::string_view op, std::initializer_list<Expr> inputs, Attrs attrs,
          std::string_view name) {
  return make(scope, op, std::vector<Expr>(inputs), std::move(attrs), name);
}

Expr constant(ExprScope& scope, Tensor value) {
  if (!scope.status().ok()) return nothing(scope);
  Result<ValueId> id = scope.graph().add_constant(std::move(value), {}, scope.origin());
  if (!id.ok()) {
    scope.fail(id.status());
    return nothing(scope);
  }
  return Expr(scope, *id);
}

Expr constant_ints(ExprScope& scope, const std::vector<int64_t>& values) {
  return constant(scope, Tensor::vector<int64_t>(values));
}

Expr constant_int(ExprScope& scope, int64_t value) { return constant(scope, Tensor::scalar<int64_t>(value)); }

Expr scalar(ExprScope& scope, DType dtype, double value) {
  if (!scope.status().ok()) return nothing(scope);
  Result<Tensor> tensor = Tensor::make(dtype, {});
  if (!tensor.ok()) {
    scope.fail(tensor.status());
    return nothing(scope);
  }
  switch (dtype) {
    case DType::kF32: *tensor->as<float>() = static_cast<float>(value); break;
    case DType::kF64: *tensor->as<double>() = value; break;
    case DType::kF16: *tensor->as<uint16_t>() = float_to_f16(static_cast<float>(value)); break;
    case DType::kBF16: *tensor->as<uint16_t>() = float_to_bf16(static_cast<float>(value)); break;
    case DType::kI8: *tensor->as<int8_t>() = static_cast<int8_t>(value); break;
    case DType::kI16: *tensor->as<int16_t>() = static_cast<int16_t>(value); break;
    case DType::kI32: *tensor->as<int32_t>() = static_cast<int32_t>(value); break;
    case DType::kI64: *tensor->as<int64_t>() = static_cast<int64_t>(value); break;
    case DType::kU8: *tensor->as<uint8_t>() = static_cast<uint8_t>(value); break;
    case DType::kU16: *tensor->as<uint16_t>() = static_cast<uint16_t>(value); break;
    case DType::kU32: *tensor->as<uint32_t>() = static_cast<uint32_t>(value); break;
    case DType::kU64: *tensor->as<uint64_t>() = static_cast<uint64_t>(value); break;
    case DType::kBool: *tensor->as<bool>() = value != 0; break;
    case DType::kC64: *tensor->as<std::complex<float>>() = static_cast<float>(value); break;
    case DType::kC128: *tensor->as<std::complex<double>>() = value; break;
    default: scope.fail(unimplemented("a scalar constant of dtype ", dtype_name(dtype))); return nothing(scope);
  }
  return constant(scope, std::move(*tensor));
}

Expr scalar_like(Expr like, double value) {
  if (!like.valid()) return like;
  return scalar(like.scope(), like.dtype(), value);
}

Expr fill_like(Expr like, double value) {
  if (!like.valid()) return like;
  ExprScope& scope = like.scope();
  if (like.type().kind == Kind::kSequence && value == 0) return make(scope, "weft.SequenceZeros", {like});
  if (like.type().kind == Kind::kOptional && value == 0) {
    const char* dtype = dtype_name(like.dtype());
    const bool sequence = like.type().holds == Kind::kSequence;
    return make(scope, "Optional", std::vector<Expr>(), {{"type", sequence ? cat("seq(", dtype, ")") : dtype}});
  }
  return make(scope, "Expand", {scalar_like(like, value), shape_of(like)});
}

namespace {
Expr binary(const char* op, Expr a, Expr b) {
  if (!a.valid()) return a;
  return b.valid() ? make(a.scope(), op, {a, b}) : b;
}
}  // namespace

Expr operator+(Expr a, Expr b) { return binary("Add", a, b); }
Expr operator-(Expr a, Expr b) { return binary("Sub", a, b); }
Expr operator*(Expr a, Expr b) { return binary("Mul", a, b); }
Expr operator/(Expr a, Expr b) { return binary("Div", a, b); }
Expr operator-(Expr a) { return a.valid() ? make(a.scope(), "Neg", {a}) : a; }
Expr operator+(Expr a, double b) { return a + scalar_like(a, b); }
Expr operator-(Expr a, double b) { return a - scalar_like(a, b); }
Expr operator*(Expr a, double b) { return a * scalar_like(a, b); }
Expr operator/(Expr a, double b) { return a / scalar_like(a, b); }
Expr operator+(double a, Expr b) { return scalar_like(b, a) + b; }
Expr operator-(double a, Expr b) { return scalar_like(b, a) - b; }
Expr operator*(double a, Expr b) { return scalar_like(b, a) * b; }
Expr operator/(double a, Expr b) { return scalar_like(b, a) / b; }

Expr where(Expr condition, Expr x, Expr y) {
  return condition.valid() ? make(condition.scope(), "Where", {condition, x, y}) : condition;
}

Expr cast(Expr x, DType to) {
  if (!x.valid() || x.dtype() == to) return x;
  return make(x.scope(), "Cast", {x}, {{"to", static_cast<int64_t>(to)}});
}

Expr shape_of(Expr x) { return x.valid() ? make(x.scope(), "Shape", {x}) : x; }

Expr reshape(Expr x, Expr shape) {
  return x.valid() ? make(x.scope(), "Reshape", {x, shape}, {{"allowzero", int64_t{1}}}) : x;
}

namespace {
bool same_dims(Expr a, Expr b) { return a.has_rank() && b.has_rank() && a.dims() == b.dims(); }
}  // namespace

Expr reshape_like(Expr x, Expr like) { return same_dims(x, like) ? x : reshape(x, shape_of(like)); }

Expr expand_like(Expr x, Expr like) {
  if (!x.valid() || same_dims(x, like)) return x;
  return make(x.scope(), "Expand", {x, shape_of(like)});
}

Expr transpose(Expr x, const std::vector<int64_t>& perm) {
  return x.valid() ? make(x.scope(), "Transpose", {x}, {{"perm", perm}}) : x;
}

namespace {

// Of a rank that only a run knows: as one list of matrices.
Expr swap_in_list(Expr x) {
  ExprScope& s = x.scope();
  Expr front = make(s, "Shape", {x}, {{"end", int64_t{-2}}}), matrix = make(s, "Shape", {x}, {{"start", int64_t{-2}}});
  Expr count = make(s, "ReduceProd", {front}, {{"keepdims", int64_t{1}}});
  Expr turned = transpose(reshape(x, concat({count, matrix}, 0)), {0, 2, 1});
  return reshape(turned, concat({front, make(s, "Gather", {matrix, constant_ints(s, {1, 0})})}, 0));
}

}  // namespace

Expr swap_last_two(Expr x) {
  if (!x.valid()) return x;
  if (!x.has_rank()) return swap_in_list(x);
  if (x.rank() < 2) {
    x.scope().fail(invalid("a matrix has two axes at least, but there is ", x.type().text()));
    return nothing(x.scope());
  }
  std::vector<int64_t> perm;
  for (int64_t i = 0; i < x.rank(); ++i) perm.push_back(i);
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return transpose(x, perm);
}

Expr reduce_sum(Expr x, const std::vector<int64_t>& axes, bool keep_dims) {
  if (!x.valid() || axes.empty()) return x;
  return make(x.scope(), "ReduceSum", {x, constant_ints(x.scope(), axes)}, {{"keepdims", int64_t{keep_dims}}});
}

Expr unsqueeze(Expr x, const std::vector<int64_t>& axes) {
  return x.valid() ? make(x.scope(), "Unsqueeze", {x, constant_ints(x.scope(), axes)}) : x;
}

Expr squeeze(Expr x, const std::vector<int64_t>& axes) {
  return x.valid() ? make(x.scope(), "Squeeze", {x, constant_ints(x.scope(), axes)}) : x;
}

Expr concat(const std::vector<Expr>& parts, int64_t axis) {
  if (parts.empty()) return {};
  if (!parts[0].valid()) return parts[0];
  return make(parts[0].scope(), "Concat", parts, {{"axis", axis}});
}

Expr matmul(Expr a, Expr b) { return a.valid() ? make(a.scope(), "MatMul", {a, b}) : a; }

Expr ensure_rank(Expr x, const ValueType& like) {
  if (!x.valid() || x.has_rank() || !like.has_rank) return x;
  return make(x.scope(), "weft.EnsureRank", {x}, {{"rank", static_cast<int64_t>(like.dims.size())}});
}

Expr sum_to(Expr gradient, Expr like) {
  if (!gradient.valid() || same_dims(gradient, like)) return gradient;
  return make(gradient.scope(), "weft.SumTo", {gradient, like});
}

Expr grad_mul(Expr dy, Expr slope) { return binary("weft.GradMul", dy, slope); }
Expr grad_div(Expr dy, Expr x) { return binary("weft.GradDiv", dy, x); }

Result<std::vector<Expr>> expand_body(ExprScope& scope, const OpDef& op, const Attrs& attrs, std::vector<Expr> inputs,
                                      int output_count, std::string_view node_name) {
  BodyContext context(scope, op, attrs, std::move(inputs), output_count, node_name);
  return outputs_of(op.body_fn(), context);
}

Result<std::vector<Expr>> expand_gradient_body(ExprScope& scope, const OpDef& op, const Attrs& attrs,
                                               std::vector<Expr> inputs, int output_count, std::string_view node_name) {
  BodyContext context(scope, op, attrs, std::move(inputs), output_count, node_name);
  return outputs_of(op.gradient_body_fn(), context);
}

}  // namespace weft
