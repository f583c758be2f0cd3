// What rules share that look for what quantizers write: DequantizeLinear before an operator, QuantizeLinear behind it.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/passes/rewrite.h"

namespace weft {

// Integers q that stand for (q - zero) * scale: with one such pair, or one for each place along an axis.
struct Quantization {
  DType dtype = DType::kNone;
  int64_t axis = -1;  // -1: one pair for all
  std::vector<float> scale;
  std::vector<int32_t> zero;

  int32_t least() const { return dtype == DType::kI8 ? -128 : 0; }
  int32_t most() const { return least() + 255; }
  bool one() const { return axis < 0; }
  bool operator==(const Quantization& other) const = default;
};

// Numbers as integers of the new graph.
struct Quantized {
  Expr q;
  Quantization code;
};

// What a value is to be as integers: in a code with one pair, between two of its integers.
struct QuantizedResult {
  Quantization code;
  int32_t least, most;

  explicit QuantizedResult(Quantization of) : code(std::move(of)), least(code.least()), most(code.most()) {}
};

// A constant, also one that was folded in this walk; null for what is none.
const Tensor* constant_of(const RuleContext& c, ValueId id);

// Of a QuantizeLinear or DequantizeLinear with constants, whose integers are of this dtype.
std::optional<Quantization> read_code(const RuleContext& c, const Node& node, DType dtype);

// Bytes that a value is made of, by a DequantizeLinear to f32 and operators that move numbers.
struct MovedBytes {
  const Node* dequantize;
  std::vector<ValueId> moved;  // from the last to the first
  Quantization code;
};
std::optional<MovedBytes> find_bytes(const RuleContext& c, ValueId id);
// The bytes, moved as the numbers were.
Quantized move_bytes(RuleContext& c, MovedBytes bytes);
// What a value was before it was dequantized, moved as it was moved since.
std::optional<Quantized> before_dequantizing(RuleContext& c, ValueId id);

Expr scale_of(RuleContext& c, const Quantization& code);
Expr zero_of(RuleContext& c, const Quantization& code);

// Integers of the result's code brought into its range: the same ones where that is all of the type's.
Expr clipped(RuleContext& c, Expr q, const QuantizedResult& y);
// The attributes of an operator that makes the result: its dtype, scale, zero point and range.
Attrs result_attrs(const QuantizedResult& y);
// Adds those that say what its input `name` stands for.
void set_code_attrs(Attrs* attrs, const char* name, const Quantization& code);

// The value as the integers that a rule knows how to make; not valid where it knows none.
using QuantizedFn = Expr (*)(RuleContext& c, ValueId id, const QuantizedResult& y);

// The rule on a QuantizeLinear: its input without the numbers that it is made of. What `make` knows may be moved, limited,
// joined or pooled behind it, and what was dequantized just so needs no knowledge.
Status quantize_by(RuleContext& c, QuantizedFn make);

}  // namespace weft
