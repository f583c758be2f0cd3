// What quantizers write, DequantizeLinear before an operator and QuantizeLinear behind it, becomes that operator on
// 8-bit integers: products and convolutions sum them exactly, and what moves or picks numbers moves or picks these.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/passes/rewrite.h"

namespace weft {
namespace {

// How far a pattern is followed, through operators that move numbers or limit them.
constexpr int kMostDepth = 8;
// Between these, products and quotients of scales are normal numbers of f32.
constexpr float kLeastScale = 0x1p-40f, kMostScale = 0x1p40f;
// How far a bias's scale may be off the product of those of its operands: some roundings.
constexpr float kScaleError = 0x1p-21f;

// Integers q that stand for (q - zero) * scale: with one such pair, or one for each place along an axis.
struct Code {
  DType dtype = DType::kNone;
  int64_t axis = -1;  // -1: one pair for all
  std::vector<float> scale;
  std::vector<int32_t> zero;

  int32_t least() const { return dtype == DType::kI8 ? -128 : 0; }
  int32_t most() const { return least() + 255; }
  bool one() const { return axis < 0; }
  bool operator==(const Code& other) const = default;
};

bool is_byte(DType dtype) { return dtype == DType::kI8 || dtype == DType::kU8; }

// Also what was folded in this walk.
const Tensor* constant_of(const RuleContext& c, ValueId id) {
  const Expr value = c.mapped(id);
  return value.valid() ? value.scope().graph().value(value.id()).constant.get() : nullptr;
}

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

// Of a QuantizeLinear or DequantizeLinear with constants, whose integers are of this dtype.
std::optional<Code> read_code(const RuleContext& c, const Node& node, DType dtype) {
  if (node.attrs.i("block_size") != 0) return std::nullopt;
  const Tensor* scale = constant_of(c, node.inputs[1]);
  if (scale == nullptr || scale->dtype() != DType::kF32 || scale->rank() > 1 || scale->count() == 0)
    return std::nullopt;
  Code code{dtype, -1, std::vector<float>(scale->as<float>(), scale->as<float>() + scale->count()), {}};
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

bool usable(const Code& code) {
  return is_byte(code.dtype) && std::all_of(code.scale.begin(), code.scale.end(),
                                            [](float scale) { return scale >= kLeastScale && scale <= kMostScale; });
}

// Of a DequantizeLinear from bytes to f32.
std::optional<Code> code_of_bytes(const RuleContext& c, const Node& node) {
  if (c.type(node.output(0)).dtype != DType::kF32) return std::nullopt;
  std::optional<Code> code = read_code(c, node, c.type(node.inputs[0]).dtype);
  return code && usable(*code) ? code : std::nullopt;
}

// Operators that move the numbers of their first input, or pick some, and do nothing else.
bool moves(const Node& node) {
  constexpr const char* kOps[] = {"Transpose", "Reshape", "Flatten", "Squeeze",      "Unsqueeze",   "Identity",
                                  "Slice",     "Gather",  "Expand",  "DepthToSpace", "SpaceToDepth"};
  return std::any_of(std::begin(kOps), std::end(kOps), [&node](const char* op) { return node.is(op); });
}

// The node once more, of another first input.
Expr same_of(RuleContext& c, const Node& node, Expr x) {
  std::vector<Expr> inputs = c.mapped_inputs(node);
  inputs[0] = x;
  return make(c.scope(), node.op->full_name(), inputs, node.attrs);
}

// Numbers as integers of the new graph.
struct Quantized {
  Expr q;
  Code code;
};

// Leaves a code alone that has one pair for all.
void turn_axis(const Node& transpose, int64_t rank, Code* code) {
  if (code->one()) return;
  const std::vector<int64_t> perm = transpose.attrs.ints_or_empty("perm");
  code->axis = perm.empty() ? rank - 1 - code->axis : std::find(perm.begin(), perm.end(), code->axis) - perm.begin();
}

// What a value was before it was dequantized, moved as it was moved since.
std::optional<Quantized> before_dequantizing(RuleContext& c, ValueId id) {
  std::vector<const Node*> moved;
  const Node* node = &c.from.producer(id);
  while (moves(*node) && moved.size() < kMostDepth) {
    moved.push_back(node);
    node = &c.from.producer(node->inputs[0]);
  }
  if (!node->is("DequantizeLinear")) return std::nullopt;
  std::optional<Code> code = code_of_bytes(c, *node);
  if (!code) return std::nullopt;
  Quantized found{c.mapped(node->inputs[0]), std::move(*code)};
  for (; !moved.empty(); moved.pop_back()) {
    const Node& move = *moved.back();
    if (!found.code.one() && !move.is("Transpose") && !move.is("Identity")) return std::nullopt;
    if (move.is("Transpose")) turn_axis(move, found.q.rank(), &found.code);
    found.q = same_of(c, move, found.q);
  }
  return found;
}

void transpose_matrix(Quantized* x) {
  x->q = transpose(x->q, {1, 0});
  if (!x->code.one()) x->code.axis = 1 - x->code.axis;
}

Expr scale_of(RuleContext& c, const Code& code) {
  return constant(c.scope(), code.one() ? Tensor::scalar(code.scale[0]) : Tensor::vector(code.scale));
}
template <typename T>
Tensor zeros_as(const Code& code) {
  const std::vector<T> zeros(code.zero.begin(), code.zero.end());
  return code.one() ? Tensor::scalar(zeros[0]) : Tensor::vector(zeros);
}
Expr zero_of(RuleContext& c, const Code& code) {
  return constant(c.scope(), code.dtype == DType::kI8 ? zeros_as<int8_t>(code) : zeros_as<uint8_t>(code));
}

// Operands of a Conv, MatMul or Gemm.
struct Product {
  Quantized a, b;
  int64_t summed;  // how many products one result is the sum of
};

// The farthest that a code goes from its zero points.
int64_t reach(const Code& code) {
  int64_t reach = 0;
  for (int32_t zero : code.zero) reach = std::max<int64_t>({reach, code.most() - zero, zero - code.least()});
  return reach;
}

// Whether sums, with a bias of at most so much, fit into 32 bits.
bool fits(const Product& p, int64_t bias) {
  const int64_t most = std::numeric_limits<int32_t>::max() - bias, of_one = reach(p.a.code) * reach(p.b.code);
  return most >= 0 && p.summed <= most / of_one;
}

std::optional<int64_t> summed_by_conv(const Dims& w) {
  int64_t count = 1;
  for (size_t i = 1; i < w.size(); ++i) {
    // Past this no sum fits.
    if (!w[i].known() || w[i].value() > std::numeric_limits<int32_t>::max() / std::max<int64_t>(count, 1))
      return std::nullopt;
    count *= w[i].value();
  }
  return count;
}

// Filters of one group are the rows of a product: with fewer the kernels of f32 are faster.
bool enough_filters(const Node& conv, const Dims& w) {
  constexpr int64_t kLeast = 4;
  const int64_t group = conv.attrs.i("group");
  return group == 1 || (w[0].known() && w[0].value() >= kLeast * group);
}

std::optional<Product> read_product(RuleContext& c, const Node& node) {
  const ValueType &a = c.type(node.inputs[0]), &b = c.type(node.inputs[1]);
  if (!a.has_rank || !b.has_rank || a.dims.empty() || b.dims.empty()) return std::nullopt;
  const bool conv = node.is("Conv"), gemm = node.is("Gemm");
  std::optional<int64_t> summed;
  if (conv) {
    if (!enough_filters(node, b.dims)) return std::nullopt;
    summed = summed_by_conv(b.dims);
  } else {
    const Dim& dim = gemm && node.attrs.b("transA") ? a.dims[0] : a.dims.back();
    if (dim.known()) summed = dim.value();
  }
  if (!summed) return std::nullopt;
  std::optional<Quantized> left = before_dequantizing(c, node.inputs[0]), right;
  if (left && left->code.one()) right = before_dequantizing(c, node.inputs[1]);
  if (!right) return std::nullopt;
  if (gemm && node.attrs.b("transA")) transpose_matrix(&*left);
  if (gemm && node.attrs.b("transB")) transpose_matrix(&*right);
  const int64_t rank = static_cast<int64_t>(b.dims.size());
  const bool by_result = rank > 1 && right->code.axis == (conv ? 0 : rank - 1);
  if (!right->code.one() && !by_result) return std::nullopt;
  return Product{std::move(*left), std::move(*right), *summed};
}

// A bias of integers in units of what they are multiplied with.
struct Bias {
  Expr value;
  int64_t most = 0;  // without its sign
};

std::optional<Bias> read_bias(const RuleContext& c, ValueId id, const Product& p) {
  if (id == kNoValue) return Bias{};
  const Node* node = c.producer_of(id, "DequantizeLinear", false);
  if (node == nullptr || c.type(node->inputs[0]).dtype != DType::kI32) return std::nullopt;
  const Tensor* bias = constant_of(c, node->inputs[0]);
  const std::optional<Code> code = read_code(c, *node, DType::kI32);
  if (bias == nullptr || !code) return std::nullopt;
  const std::vector<float>&mine = code->scale, &weights = p.b.code.scale;
  const size_t count = std::max(mine.size(), weights.size());
  for (size_t i = 0; i < count; ++i) {
    const float wanted = p.a.code.scale[0] * weights[weights.size() > 1 ? i : 0], have = mine[mine.size() > 1 ? i : 0];
    if (!(std::abs(have - wanted) <= kScaleError * wanted)) return std::nullopt;
  }
  if (std::any_of(code->zero.begin(), code->zero.end(), [](int32_t zero) { return zero != 0; })) return std::nullopt;
  Bias found{c.mapped(node->inputs[0])};
  for (int64_t i = 0; i < bias->count(); ++i) {
    found.most = std::max(found.most, std::abs(int64_t{bias->as<int32_t>()[i]}));
  }
  return found;
}

// QLinearConv or QLinearMatMul for a Conv or MatMul.
Expr quantized_product(RuleContext& c, const Node& node, const Code& y) {
  const char* op = node.is("Conv") ? "QLinearConv" : "QLinearMatMul";
  if (!c.kernels.has(op)) return {};
  const std::optional<Product> p = read_product(c, node);
  if (!p) return {};
  const std::optional<Bias> bias = read_bias(c, node.inputs.size() > 2 ? node.inputs[2] : kNoValue, *p);
  if (!bias || !fits(*p, bias->most)) return {};
  std::vector<Expr> inputs;
  for (const Quantized* x : {&p->a, &p->b}) {
    inputs.insert(inputs.end(), {x->q, scale_of(c, x->code), zero_of(c, x->code)});
  }
  inputs.insert(inputs.end(), {scale_of(c, y), zero_of(c, y)});
  if (bias->value.valid()) inputs.push_back(bias->value);
  return make(c.scope(), op, inputs, node.attrs);
}

// As QuantizeLinear makes it of a number.
int32_t quantize_number(float x, const Code& code) {
  const float low = static_cast<float>(code.least() - code.zero[0]),
              high = static_cast<float>(code.most() - code.zero[0]);
  return static_cast<int32_t>(std::nearbyint(std::clamp(x / code.scale[0], low, high))) + code.zero[0];
}

Expr number_of(RuleContext& c, DType dtype, int32_t value) {
  return constant(c.scope(), dtype == DType::kI8 ? Tensor::scalar(static_cast<int8_t>(value))
                                                 : Tensor::scalar(static_cast<uint8_t>(value)));
}

// What a Relu, Clip, Max or Min makes of one value.
struct Limits {
  ValueId of;
  std::optional<float> low, high;
};

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

std::optional<Limits> read_limits(const RuleContext& c, const Node& node) {
  const std::vector<ValueId>& inputs = node.inputs;
  if (node.is("Relu")) return Limits{inputs[0], 0.0f, std::nullopt};
  if (node.is("Clip")) {
    Limits limits{inputs[0], std::nullopt, std::nullopt};
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
    return node.is("Max") ? Limits{inputs[1 - i], limit, std::nullopt} : Limits{inputs[1 - i], std::nullopt, limit};
  }
  return std::nullopt;
}

// Integers within the limits that the numbers had: to quantize keeps the order. Those of the code need not be said.
Expr limited(RuleContext& c, Expr x, const Limits& limits, const Code& y) {
  const int32_t least = limits.low ? quantize_number(*limits.low, y) : y.least();
  const int32_t most = limits.high ? quantize_number(*limits.high, y) : y.most();
  const Expr low = least > y.least() ? number_of(c, y.dtype, least) : Expr();
  const Expr high = most < y.most() ? number_of(c, y.dtype, most) : Expr();
  return low.valid() || high.valid() ? make(c.scope(), "Clip", {x, low, high}) : x;
}

// The value quantized as `y` says, without the numbers that it is made of; not valid where there is no such way.
Expr quantized(RuleContext& c, ValueId id, const Code& y, int depth) {
  const Node& node = c.from.producer(id);
  if (node.is("DequantizeLinear")) {
    const std::optional<Code> code = code_of_bytes(c, node);
    return code && *code == y ? c.mapped(node.inputs[0]) : Expr();
  }
  if (depth == kMostDepth || c.uses(id) != 1 || c.type(id).dtype != DType::kF32) return {};
  if (node.is("Conv") || node.is("MatMul")) return quantized_product(c, node, y);
  if (moves(node) || (node.is("MaxPool") && node.output_count == 1)) {
    const Expr x = quantized(c, node.inputs[0], y, depth + 1);
    return x.valid() ? same_of(c, node, x) : x;
  }
  if (const std::optional<Limits> limits = read_limits(c, node)) {
    const Expr x = quantized(c, limits->of, y, depth + 1);
    return x.valid() ? limited(c, x, *limits, y) : x;
  }
  if (!node.is("Concat")) return {};
  std::vector<Expr> parts;
  for (ValueId part : node.inputs) {
    parts.push_back(quantized(c, part, y, depth + 1));
    if (!parts.back().valid()) return {};
  }
  return make(c.scope(), "Concat", parts, node.attrs);
}

Status quantize(RuleContext& c) {
  const int64_t precision = c.attrs().i_or("precision", 0);
  if (precision != 0 && precision != static_cast<int64_t>(DType::kF32)) return {};
  const std::optional<Code> y = read_code(c, c.node, c.type(c.node.output(0)).dtype);
  if (!y || !y->one() || !usable(*y)) return {};
  const Expr q = quantized(c, c.input(0), *y, 0);
  if (q.valid()) c.replace(q);
  return {};
}

// What the sums of integers count in: a scale of each filter, or of each column.
Expr unit_of(RuleContext& c, const Product& p, double by, int64_t behind) {
  std::vector<float> unit;
  for (float scale : p.b.code.scale) unit.push_back(static_cast<float>(by) * (p.a.code.scale[0] * scale));
  if (p.b.code.one()) return constant(c.scope(), Tensor::scalar(unit[0]));
  Shape shape(static_cast<size_t>(behind) + 1, 1);
  shape[0] = static_cast<int64_t>(unit.size());
  return reshape(constant(c.scope(), Tensor::vector(unit)), constant_ints(c.scope(), shape));
}

// A product that is not quantized again: of integers, and then a number.
Status sum_integers(RuleContext& c) {
  const bool conv = c.node.is("Conv"), gemm = c.node.is("Gemm");
  const char* op = conv ? "ConvInteger" : "MatMulInteger";
  if (!c.kernels.has(op) || c.type(c.node.output(0)).dtype != DType::kF32) return {};
  const std::optional<Product> p = read_product(c, c.node);
  if (!p || !fits(*p, 0)) return {};
  const int64_t behind = conv ? p->b.q.rank() - 2 : 0;
  const std::vector<Expr> inputs{p->a.q, p->b.q, zero_of(c, p->a.code), zero_of(c, p->b.code)};
  const Expr sums = make(c.scope(), op, inputs, conv ? c.attrs() : Attrs());
  Expr y = cast(sums, DType::kF32) * unit_of(c, *p, gemm ? c.attrs().f("alpha") : 1, behind);
  if (Expr bias = c.mapped_input(2); bias.valid()) {
    if (conv && behind > 0) {
      std::vector<int64_t> axes;
      for (int64_t i = 1; i <= behind; ++i) axes.push_back(i);
      bias = unsqueeze(bias, axes);
    }
    const double beta = gemm ? c.attrs().f("beta") : 1;
    y = y + (beta == 1 ? bias : bias * beta);
  }
  c.replace(y);
  return {};
}

}  // namespace

void add_rule_fuse_quantized(RuleRegistry& rules) {
  const char *name = "fuse_quantized", *whole = "DequantizeLinear";
  rules.add({name, "QuantizeLinear", quantize, whole});
  for (const char* op : {"Conv", "MatMul", "Gemm"}) rules.add({name, op, sum_integers, whole});
}

}  // namespace weft
