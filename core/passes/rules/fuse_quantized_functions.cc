// Functions of one quantized value, quantized again: there are 256 numbers that it may be, so a table has all results. It is
// made by the operators themselves, which makes it exact.
#include <algorithm>
#include <utility>

#include "core/passes/rules/quantized_common.h"

namespace weft {
namespace {

constexpr const char* kOp = "weft.LookUpBytes";
constexpr int kMostNodes = 24;  // of a function

// Whether a value is made of one quantized value and of numbers, element by element.
class Function {
 public:
  Function(const RuleContext& c, ValueId id) : c_(c) { found_ = reads(id) && of_ != kNoValue && keeps_rank(); }

  bool found() const { return found_; }
  ValueId of() const { return of_; }  // the value before it, which was dequantized

 private:
  bool reads(ValueId id) {
    if (id == of_) return true;
    if (const Tensor* number = constant_of(c_, id)) {
      most_rank_ = std::max(most_rank_, number->rank());
      return number->count() == 1;
    }
    if (const auto bytes = find_bytes(c_, id)) {
      // Another operand would be the second.
      if (of_ != kNoValue || !bytes->code.one()) return false;
      of_ = id;
      return true;
    }
    const Node& node = c_.from.producer(id);
    if (++nodes_ > kMostNodes) return false;
    if (!node.op->is_elementwise() || !node.op->is_pure() || node.output_count != 1) return false;
    return std::all_of(node.inputs.begin(), node.inputs.end(),
                       [this](ValueId input) { return input == kNoValue || reads(input); });
  }

  // Whether no number of many axes gives the result more than the value has.
  bool keeps_rank() const {
    const ValueType& type = c_.type(of_);
    return most_rank_ == 0 || (type.has_rank && most_rank_ <= static_cast<int64_t>(type.dims.size()));
  }

  const RuleContext& c_;
  ValueId of_ = kNoValue;
  int64_t most_rank_ = 0;
  int nodes_ = 0;
  bool found_;
};

// All bytes, from the least number that they stand for on.
Tensor all_bytes(DType dtype) {
  std::vector<int8_t> chars;
  std::vector<uint8_t> bytes;
  for (int i = 0; i < 256; ++i) {
    chars.push_back(static_cast<int8_t>(i - 128));
    bytes.push_back(static_cast<uint8_t>(i));
  }
  return dtype == DType::kI8 ? Tensor::vector(chars) : Tensor::vector(bytes);
}

// A copy of the function in a graph of its own, over all bytes.
class Copy {
 public:
  Copy(const RuleContext& c, ExprScope& scope, ValueId of, Expr numbers) : c_(c), scope_(scope) {
    made_.emplace_back(of, numbers);
  }

  Expr value(ValueId id) {
    if (id == kNoValue) return {};
    for (const auto& [from, to] : made_) {
      if (from == id) return to;
    }
    if (const Tensor* number = constant_of(c_, id)) {
      // In its place stands one of the rank of the table at most.
      const Tensor scalar = number->rank() > 1 ? *number->reshaped({1}) : *number;
      made_.emplace_back(id, constant(scope_, scalar));
      return made_.back().second;
    }
    const Node& node = c_.from.producer(id);
    std::vector<Expr> inputs;
    for (ValueId input : node.inputs) inputs.push_back(value(input));
    made_.emplace_back(id, make(scope_, node.op->full_name(), inputs, node.attrs));
    return made_.back().second;
  }

 private:
  const RuleContext& c_;
  ExprScope& scope_;
  std::vector<std::pair<ValueId, Expr>> made_;
};

Expr coded(ExprScope& scope, const char* op, Expr x, const Quantization& code) {
  return make(scope, op, {x, scalar(scope, DType::kF32, code.scale[0]), scalar(scope, code.dtype, code.zero[0])});
}

// What the function makes of each byte; nothing where it cannot be computed ahead.
Result<std::optional<Tensor>> table_of(const RuleContext& c, ValueId id, const Function& function,
                                       const Quantization& from, const QuantizedResult& y) {
  Program program;
  WEFT_TRY(program.graph, Graph::make(c.from.ops()));
  ExprScope scope(*program.graph);
  const Expr numbers = coded(scope, "DequantizeLinear", constant(scope, all_bytes(from.dtype)), from);
  const Expr result = coded(scope, "QuantizeLinear", Copy(c, scope, function.of(), numbers).value(id), y.code);
  WEFT_CHECK(scope.status());
  program.outputs = {result.id()};
  WEFT_TRY(program, optimize(std::move(program), c.folding_kernels, RewriteOptions()));
  const std::shared_ptr<const Tensor>& table = program.graph->value(program.outputs[0]).constant;
  if (table == nullptr || table->shape() != Shape{256}) return std::optional<Tensor>();
  return std::optional<Tensor>(*table);
}

Expr looked_up(RuleContext& c, ValueId id, const QuantizedResult& y) {
  if (!c.kernels.has(kOp) || c.type(id).dtype != DType::kF32) return {};
  const Function function(c, id);
  if (!function.found()) return {};
  std::optional<MovedBytes> bytes = find_bytes(c, function.of());
  if (constant_of(c, bytes->dequantize->inputs[0]) != nullptr) return {};  // which folding computes
  Result<std::optional<Tensor>> table = table_of(c, id, function, bytes->code, y);
  // An error is of the copy alone: Clip, say, whose limit is what was a scalar here and is a vector there.
  if (!table.ok() || !*table) return {};
  const Quantized x = move_bytes(c, std::move(*bytes));
  return clipped(c, make(c.scope(), kOp, {x.q}, {{"table", std::move(**table)}}), y);
}

Status quantize(RuleContext& c) { return quantize_by(c, looked_up); }

}  // namespace

void add_rule_fuse_quantized_functions(RuleRegistry& rules) {
  rules.add({"fuse_quantized_functions", "QuantizeLinear", quantize, "DequantizeLinear"});
}

}  // namespace weft
