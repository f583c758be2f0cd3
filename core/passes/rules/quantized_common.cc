// What rules share that look for what quantizers write.
#include "core/passes/rules/quantized_common.h"

#include <cmath>
#include <utility>

namespace weft {
namespace {

// How far a pattern is followed, through operators that move numbers or limit them.
constexpr size_t kMostDepth = 8;
// Between these, products and quotients of scales are normal numbers of f32.
constexpr float kLeastScale = 0x1p-40f, kMostScale = 0x1p40f;

bool is_byte(DType dtype) { return dtype == DType::kI8 || dtype == DType::kU8; }

std::optional<std::vector<int32_t>> read_zeros(const Tensor& tensor) {
  std::vector<int32_t> zeros;
  for (int64_t i = 0; i < tensor.count(); ++i) {
    switch (tensor.dtype()) {
      case DType::kI8: zeros.push_back(tensor.as<int8_t>()[i]); break;
      case DType::kU8: zeros.push_back(tensor.as<uint8_t>()[i]); break;
      case DType::kI32: zeros.push_back(tensor.as<int32_t>()[i]); break;
      default: return std::nullopt;
    }
  }
  return zeros;
}

bool usable(const Quantization& code) {
  return is_byte(code.dtype) && std::all_of(code.scale.begin(), code.scale.end(),
                                            [](float scale) { return scale >= kLeastScale && scale <= kMostScale; });
}

// Of a DequantizeLinear from bytes to f32.
std::optional<Quantization> code_of_bytes(const RuleContext& c, const Node& node) {
  if (c.type(node.output(0)).dtype != DType::kF32) return std::nullopt;
  std::optional<Quantization> code = read_code(c, node, c.type(node.inputs[0]).dtype);
  return code && usable(*code) ? code : std::nullopt;
}

// As QuantizeLinear makes it of a number.
int32_t quantize_number(float x, const Quantization& code) {
  const float low = static_cast<float>(code.least() - code.zero[0]),
              high = static_cast<float>(code.most() - code.zero[0]);
  return static_cast<int32_t>(std::nearbyint(std::clamp(x / code.scale[0], low, high))) + code.zero[0];
}

bool pads_with_a_number(const Node& node) { return node.is("Pad") && node.attrs.s("mode") == "constant"; }

// The number; nothing if it is no constant, or NaN.
std::optional<float> padding_of(const RuleContext& c, const Node& pad) {
  if (pad.inputs.size() < 3 || pad.inputs[2] == kNoValue) return 0.0f;
  const Tensor* value = constant_of(c, pad.inputs[2]);
  if (value == nullptr || value->dtype() != DType::kF32 || value->count() != 1) return std::nullopt;
  const float number = *value->as<float>();
  return std::isnan(number) ? std::nullopt : std::optional<float>(number);
}

// Operators that move the numbers of their first input, or pick some, and do nothing else but put a constant beside them.
bool moves(const RuleContext& c, const Node& node) {
  constexpr const char* kOps[] = {"Transpose",    "Reshape",        "Flatten",  "Squeeze", "Unsqueeze",
                                  "Identity",     "Slice",          "Gather",   "Expand",  "DepthToSpace",
                                  "SpaceToDepth", "GatherElements", "GatherND", "Tile",    "Split"};
  if (node.is("Pad")) return !pads_with_a_number(node) || padding_of(c, node).has_value();
  // Regions may reach beyond the image.
  if (node.is("Resize")) {
    return node.attrs.s("mode") == "nearest" && node.attrs.s("coordinate_transformation_mode") != "tf_crop_and_resize";
  }
  return std::any_of(std::begin(kOps), std::end(kOps), [&node](const char* op) { return node.is(op); });
}

// Whether the number that is put beside those of the code is one of them, of which none is -0.
bool keeps_code(const RuleContext& c, const Node& move, const Quantization& code) {
  if (!code.one()) return move.is("Transpose") || move.is("Identity");
  if (!pads_with_a_number(move)) return true;
  const float number = *padding_of(c, move);
  if (number == 0 && std::signbit(number)) return false;
  return static_cast<float>(quantize_number(number, code) - code.zero[0]) * code.scale[0] == number;
}

// The value again, of another first input: of integers of this code, if the operator puts some beside them.
Expr same_of(RuleContext& c, ValueId id, Expr x, const Quantization& code) {
  const Node& node = c.from.producer(id);
  std::vector<Expr> inputs = c.mapped_inputs(node);
  inputs[0] = x;
  if (pads_with_a_number(node)) {
    if (inputs.size() < 3) inputs.resize(3);
    inputs[2] = scalar(c.scope(), code.dtype, quantize_number(*padding_of(c, node), code));
  } else if (node.is("Pad") && inputs.size() > 2) {
    inputs[2] = {};  // other modes do not read it, but it would be of another type
  }
  const size_t output = static_cast<size_t>(id - node.first_output);
  return make_all(c.scope(), node.op->full_name(), inputs, node.attrs, node.output_count)[output];
}

// Leaves a code alone that has one pair for all.
void turn_axis(const Node& transpose, int64_t rank, Quantization* code) {
  if (code->one()) return;
  const std::vector<int64_t> perm = transpose.attrs.ints_or_empty("perm");
  code->axis = perm.empty() ? rank - 1 - code->axis : std::find(perm.begin(), perm.end(), code->axis) - perm.begin();
}

template <typename T>
Tensor zeros_as(const Quantization& code) {
  const std::vector<T> zeros(code.zero.begin(), code.zero.end());
  return code.one() ? Tensor::scalar(zeros[0]) : Tensor::vector(zeros);
}

// Of a constant of one number, which is no NaN and does not make `beside` of a higher rank.
std::optional<float> read_limit(const RuleContext& c, ValueId id, ValueId beside) {
  const Tensor* value = constant_of(c, id);
  if (value == nullptr || value->dtype() != DType::kF32 || value->count() != 1) return std::nullopt;
  const ValueType& type = c.type(beside);
  if (value->rank() > 0 && (!type.has_rank || value->rank() > static_cast<int64_t>(type.dims.size())))
    return std::nullopt;
  const float limit = *value->as<float>();
  return std::isnan(limit) ? std::nullopt : std::optional<float>(limit);
}

// What a Relu, Clip, Max or Min with constants makes of one value.
struct ValueLimits {
  ValueId of;
  std::optional<float> low, high;
};
std::optional<ValueLimits> read_limits(const RuleContext& c, const Node& node) {
  const std::vector<ValueId>& inputs = node.inputs;
  if (node.is("Relu")) return ValueLimits{inputs[0], 0.0f, std::nullopt};
  if (node.is("Clip")) {
    ValueLimits limits{inputs[0], std::nullopt, std::nullopt};
    for (size_t i = 1; i < inputs.size(); ++i) {
      if (inputs[i] == kNoValue) continue;
      std::optional<float>& limit = i == 1 ? limits.low : limits.high;
      limit = read_limit(c, inputs[i], inputs[0]);
      if (!limit) return std::nullopt;
    }
    return limits;
  }
  if ((!node.is("Max") && !node.is("Min")) || inputs.size() != 2) return std::nullopt;
  for (size_t i : {0, 1}) {
    const std::optional<float> limit = read_limit(c, inputs[i], inputs[1 - i]);
    if (!limit) continue;
    return node.is("Max") ? ValueLimits{inputs[1 - i], limit, std::nullopt}
                          : ValueLimits{inputs[1 - i], std::nullopt, limit};
  }
  return std::nullopt;
}

// Limits on the numbers before those that the result has: to quantize keeps the order.
QuantizedResult within(QuantizedResult y, const ValueLimits& limits) {
  const int32_t most = limits.high ? quantize_number(*limits.high, y.code) : y.code.most();
  const int32_t least = std::min(most, limits.low ? quantize_number(*limits.low, y.code) : y.code.least());
  const auto inside = [&y](int32_t q) { return std::clamp(q, y.least, y.most); };
  const int32_t low = inside(least), high = inside(most);
  y.least = low;
  y.most = high;
  return y;
}

Expr quantized(RuleContext& c, ValueId id, const QuantizedResult& y, QuantizedFn make_one, size_t depth);

// Whether another output of the node is wanted as well, as of Split.
bool has_siblings(const RuleContext& c, ValueId id) {
  const Node& node = c.from.producer(id);
  for (int i = 0; i < node.output_count; ++i) {
    if (node.output(i) != id && c.uses(node.output(i)) > 0) return true;
  }
  return false;
}

// Of an operator that gives some of the integers that it is given.
Expr quantized_whole(RuleContext& c, ValueId id, const Quantization& code, QuantizedFn make_one, size_t depth) {
  const Node& node = c.from.producer(id);
  const QuantizedResult all(code);
  if (has_siblings(c, id)) {
    // What is before them would be computed for each: only bytes that are there are shared.
    std::optional<MovedBytes> bytes = find_bytes(c, id);
    return bytes && bytes->code == code ? move_bytes(c, std::move(*bytes)).q : Expr();
  }
  if (moves(c, node) || (node.is("MaxPool") && node.output_count == 1)) {
    const Expr x = quantized(c, node.inputs[0], all, make_one, depth + 1);
    return x.valid() ? same_of(c, id, x, code) : x;
  }
  if (!node.is("Concat")) return {};
  std::vector<Expr> parts;
  for (ValueId part : node.inputs) {
    parts.push_back(quantized(c, part, all, make_one, depth + 1));
    if (!parts.back().valid()) return {};
  }
  return make(c.scope(), "Concat", parts, node.attrs);
}

Expr quantized(RuleContext& c, ValueId id, const QuantizedResult& y, QuantizedFn make_one, size_t depth) {
  const Node& node = c.from.producer(id);
  if (node.is("DequantizeLinear")) {
    const std::optional<Quantization> code = code_of_bytes(c, node);
    if (code && *code == y.code) return clipped(c, c.mapped(node.inputs[0]), y);
  }
  if (const Expr made = make_one(c, id, y); made.valid()) return made;
  if (depth == kMostDepth || c.uses(id) != 1 || c.type(id).dtype != DType::kF32) return {};
  if (const std::optional<ValueLimits> limits = read_limits(c, node)) {
    return quantized(c, limits->of, within(y, *limits), make_one, depth + 1);
  }
  const Expr all = quantized_whole(c, id, y.code, make_one, depth);
  return all.valid() ? clipped(c, all, y) : all;
}

}  // namespace

const Tensor* constant_of(const RuleContext& c, ValueId id) {
  const Expr value = c.mapped(id);
  return value.valid() ? value.scope().graph().value(value.id()).constant.get() : nullptr;
}

std::optional<Quantization> read_code(const RuleContext& c, const Node& node, DType dtype) {
  if (node.attrs.i("block_size") != 0) return std::nullopt;
  const Tensor* scale = constant_of(c, node.inputs[1]);
  if (scale == nullptr || scale->dtype() != DType::kF32 || scale->rank() > 1 || scale->count() == 0)
    return std::nullopt;
  Quantization code{dtype, -1, std::vector<float>(scale->as<float>(), scale->as<float>() + scale->count()), {}};
  code.zero.assign(code.scale.size(), 0);
  if (node.inputs.size() > 2 && node.inputs[2] != kNoValue) {
    const Tensor* zero = constant_of(c, node.inputs[2]);
    if (zero == nullptr || zero->count() != scale->count()) return std::nullopt;
    std::optional<std::vector<int32_t>> zeros = read_zeros(*zero);
    if (!zeros) return std::nullopt;
    code.zero = std::move(*zeros);
  }
  if (code.scale.size() > 1) {
    const ValueType& type = c.type(node.inputs[0]);
    if (!type.has_rank) return std::nullopt;
    const int64_t rank = static_cast<int64_t>(type.dims.size()), axis = node.attrs.i("axis");
    code.axis = rank == 1 ? 0 : axis < 0 ? axis + rank : axis;
  }
  return code;
}

std::optional<MovedBytes> find_bytes(const RuleContext& c, ValueId id) {
  std::vector<ValueId> moved;
  const Node* node = &c.from.producer(id);
  while (moves(c, *node) && moved.size() < kMostDepth) {
    moved.push_back(id);
    id = node->inputs[0];
    node = &c.from.producer(id);
  }
  if (!node->is("DequantizeLinear")) return std::nullopt;
  std::optional<Quantization> code = code_of_bytes(c, *node);
  if (!code) return std::nullopt;
  for (ValueId move : moved) {
    if (!keeps_code(c, c.from.producer(move), *code)) return std::nullopt;
  }
  return MovedBytes{node, std::move(moved), std::move(*code)};
}

Quantized move_bytes(RuleContext& c, MovedBytes bytes) {
  Quantized found{c.mapped(bytes.dequantize->inputs[0]), std::move(bytes.code)};
  for (; !bytes.moved.empty(); bytes.moved.pop_back()) {
    const ValueId id = bytes.moved.back();
    const Node& move = c.from.producer(id);
    if (move.is("Transpose")) turn_axis(move, found.q.rank(), &found.code);
    found.q = same_of(c, id, found.q, found.code);
  }
  return found;
}

std::optional<Quantized> before_dequantizing(RuleContext& c, ValueId id) {
  std::optional<MovedBytes> bytes = find_bytes(c, id);
  if (!bytes) return std::nullopt;
  return move_bytes(c, std::move(*bytes));
}

Expr scale_of(RuleContext& c, const Quantization& code) {
  return constant(c.scope(), code.one() ? Tensor::scalar(code.scale[0]) : Tensor::vector(code.scale));
}

Expr zero_of(RuleContext& c, const Quantization& code) {
  return constant(c.scope(), code.dtype == DType::kI8 ? zeros_as<int8_t>(code) : zeros_as<uint8_t>(code));
}

Expr clipped(RuleContext& c, Expr q, const QuantizedResult& y) {
  const auto number = [&](int32_t value) { return scalar(c.scope(), y.code.dtype, value); };
  const Expr low = y.least > y.code.least() ? number(y.least) : Expr();
  const Expr high = y.most < y.code.most() ? number(y.most) : Expr();
  return low.valid() || high.valid() ? make(c.scope(), "Clip", {q, low, high}) : q;
}

Attrs result_attrs(const QuantizedResult& y) {
  Attrs attrs{
      {"output_dtype", static_cast<int64_t>(y.code.dtype)}, {"least", int64_t{y.least}}, {"most", int64_t{y.most}}};
  set_code_attrs(&attrs, "y", y.code);
  return attrs;
}

void set_code_attrs(Attrs* attrs, const char* name, const Quantization& code) {
  attrs->set(cat(name, "_scale"), double{code.scale[0]});
  attrs->set(cat(name, "_zero_point"), int64_t{code.zero[0]});
}

Status quantize_by(RuleContext& c, QuantizedFn make_one) {
  const int64_t precision = c.attrs().i_or("precision", 0);
  if (precision != 0 && precision != static_cast<int64_t>(DType::kF32)) return {};
  std::optional<Quantization> y = read_code(c, c.node, c.type(c.node.output(0)).dtype);
  if (!y || !y->one() || !usable(*y)) return {};
  const Expr q = quantized(c, c.input(0), QuantizedResult(std::move(*y)), make_one, 0);
  if (q.valid()) c.replace(q);
  return {};
}

}  // namespace weft
