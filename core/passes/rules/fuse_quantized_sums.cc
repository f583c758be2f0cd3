// Sums and products of two values, one of them quantized at least, that are quantized again: bytes are read and bytes are
// written, with the bits of the numbers in between.
#include <utility>

#include "core/passes/rules/quantized_common.h"

namespace weft {
namespace {

// An operand as bytes, or else as the numbers that it is.
struct Operand {
  Expr x;
  std::optional<Quantization> code;
};

// Null where the operator is another, or has no kernel.
const char* quantizing_operator(const RuleContext& c, const Node& node) {
  const char* op = node.is("Add") ? "weft.QLinearAdd" : node.is("Mul") ? "weft.QLinearMul" : nullptr;
  return op != nullptr && c.kernels.has(op) ? op : nullptr;
}

// Bytes that have one scale and zero point.
std::optional<MovedBytes> find_operand(const RuleContext& c, ValueId id) {
  std::optional<MovedBytes> bytes = find_bytes(c, id);
  return bytes && bytes->code.one() ? std::move(bytes) : std::nullopt;
}

Operand read_operand(RuleContext& c, ValueId id, std::optional<MovedBytes> bytes) {
  if (!bytes) return {c.mapped(id), std::nullopt};
  Quantized x = move_bytes(c, std::move(*bytes));
  return {x.q, std::move(x.code)};
}

Expr quantized_pair(RuleContext& c, ValueId id, const QuantizedResult& y) {
  const Node& node = c.from.producer(id);
  const char* op = quantizing_operator(c, node);
  if (op == nullptr || c.uses(id) != 1 || c.type(id).dtype != DType::kF32) return {};
  std::optional<MovedBytes> left = find_operand(c, node.inputs[0]), right = find_operand(c, node.inputs[1]);
  if (!left && !right) return {};
  // Both operators are the same the other way round.
  ValueId first = node.inputs[0], second = node.inputs[1];
  if (!left) {
    std::swap(left, right);
    std::swap(first, second);
  }
  const Operand a = read_operand(c, first, std::move(left)), b = read_operand(c, second, std::move(right));
  Attrs attrs = result_attrs(y);
  set_code_attrs(&attrs, "a", *a.code);
  if (b.code) set_code_attrs(&attrs, "b", *b.code);
  return make(c.scope(), op, {a.x, b.x}, std::move(attrs));
}

Status quantize(RuleContext& c) { return quantize_by(c, quantized_pair); }

}  // namespace

void add_rule_fuse_quantized_sums(RuleRegistry& rules) {
  rules.add({"fuse_quantized_sums", "QuantizeLinear", quantize, "DequantizeLinear"});
}

}  // namespace weft
