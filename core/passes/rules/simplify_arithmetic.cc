// Arithmetic that changes no bit: x + 0, x - 0, x * 1, x / 1, x ^ 1, operators that undo themselves, sums of ones.
#include <cmath>

#include "core/passes/rewrite.h"

namespace weft {
namespace {

// Whether every element is the number, the sign of zero included.
template <typename T>
bool every(const Tensor& tensor, double number) {
  const T* values = tensor.as<T>();
  for (int64_t i = 0; i < tensor.count(); ++i) {
    double value = static_cast<double>(values[i]);
    if (value != number || std::signbit(value) != std::signbit(number)) return false;
  }
  return tensor.count() > 0;
}

bool is_number(const Tensor* tensor, double number) {
  constexpr int64_t kMaxLooked = 4096;
  if (tensor == nullptr || tensor->count() > kMaxLooked) return false;
  switch (tensor->dtype()) {
    case DType::kF32: return every<float>(*tensor, number);
    case DType::kF64: return every<double>(*tensor, number);
    case DType::kI32: return every<int32_t>(*tensor, number);
    case DType::kI64: return every<int64_t>(*tensor, number);
    default: return false;
  }
}

// Puts input `kept` in place of the node unless the other one broadcasts it.
void keep(RuleContext& c, int kept) {
  const ValueType &in = c.type(c.input(kept)), &out = c.type(c.node.output(0));
  if (in.has_rank && out.has_rank && in.dims == out.dims && in.dtype == out.dtype) c.replace(c.mapped_input(kept));
}

bool is_float(RuleContext& c) { return (kFloatTypes & set_of(c.type(c.node.output(0)).dtype)) != 0; }

// Of floats, only -0 leaves -0 as it is; integers have one zero.
Status add_zero(RuleContext& c) {
  double zero = is_float(c) ? -0.0 : 0.0;
  for (int side : {0, 1}) {
    if (is_number(c.constant(c.input(side)), zero)) {
      keep(c, 1 - side);
      return {};
    }
  }
  return {};
}

Status subtract_zero(RuleContext& c) {
  if (is_number(c.constant(c.input(1)), 0.0)) keep(c, 0);
  return {};
}

Status multiply_by_one(RuleContext& c) {
  for (int side : {0, 1}) {
    if (is_number(c.constant(c.input(side)), 1.0)) {
      keep(c, 1 - side);
      return {};
    }
  }
  return {};
}

// Division and power.
Status right_one(RuleContext& c) {
  if (is_number(c.constant(c.input(1)), 1.0)) keep(c, 0);
  return {};
}

// Neg of Neg, Not of Not.
Status undo(RuleContext& c) {
  if (const Node* inner = c.input_from(0, c.node.op->full_name(), false)) c.replace(c.mapped(inner->inputs[0]));
  return {};
}

// Relu of Relu, Abs of Abs and the like.
Status repeat(RuleContext& c) {
  if (c.input_from(0, c.node.op->full_name(), false) != nullptr) c.replace(c.mapped_input(0));
  return {};
}

// How many ones there are, which gradients of means ask for.
Status count_ones(RuleContext& c) {
  constexpr int64_t kExact = int64_t{1} << 24;  // in f32
  const ValueType &in = c.type(c.input(0)), &out = c.type(c.node.output(0));
  const Node* expand = c.input_from(0, "Expand", false);
  if (expand == nullptr || !in.concrete() || !out.concrete()) return {};
  if (out.dtype != DType::kF32 && out.dtype != DType::kF64) return {};
  if (!is_number(c.constant(expand->inputs[0]), 1.0)) return {};
  const Shape shape = to_shape(out.dims);
  const Result<int64_t> all = element_count(to_shape(in.dims)), sums = element_count(shape);
  if (!all.ok() || !sums.ok() || *sums == 0 || *all / *sums > kExact) return {};
  const Expr count = scalar(c.scope(), out.dtype, static_cast<double>(*all / *sums));
  c.replace(make(c.scope(), "Expand", {count, constant_ints(c.scope(), shape)}));
  return {};
}

}  // namespace

void add_rule_simplify_arithmetic(RuleRegistry& rules) {
  rules.add({"add_zero", "Add", add_zero});
  rules.add({"subtract_zero", "Sub", subtract_zero});
  rules.add({"multiply_by_one", "Mul", multiply_by_one});
  rules.add({"divide_by_one", "Div", right_one});
  rules.add({"power_of_one", "Pow", right_one});
  rules.add({"count_ones", "ReduceSum", count_ones});
  for (const char* op : {"Neg", "Not"}) rules.add({"undo_twice", op, undo});
  for (const char* op : {"Abs", "Relu", "Floor", "Ceil", "Round", "Sign"}) rules.add({"repeat_once", op, repeat});
}

}  // namespace weft
