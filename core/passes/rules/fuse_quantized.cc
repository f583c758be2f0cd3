// What quantizers write, DequantizeLinear before an operator and QuantizeLinear behind it, becomes that operator on
// 8-bit integers: products and convolutions sum them exactly, and what moves or picks numbers moves or picks these.
#include <cmath>
#include <limits>
#include <utility>

#include "core/passes/rules/quantized_common.h"

namespace weft {
namespace {

// How far a bias's scale may be off the product of those of its operands: some roundings.
constexpr float kScaleError = 0x1p-21f;

void transpose_matrix(Quantized* x) {
  x->q = transpose(x->q, {1, 0});
  if (!x->code.one()) x->code.axis = 1 - x->code.axis;
}

// Operands of a Conv, MatMul or Gemm.
struct Product {
  Quantized a, b;
  int64_t summed;  // how many products one result is the sum of
};

// The farthest that a code goes from its zero points.
int64_t reach(const Quantization& code) {
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

// Whether each channel of an image or a line has a filter of its own, with kernels for that, which want the channels last.
bool one_filter_each(const RuleContext& c, const Node& conv, const Dims& w) {
  constexpr int64_t kLeast = 16, kMostTaps = 256;
  const int64_t group = conv.attrs.i("group");
  const bool fixed = !c.from.value(conv.inputs[1]).fed;
  const std::optional<int64_t> taps = summed_by_conv(w);
  return fixed && group >= kLeast && w[0].is(group) && (w.size() == 3 || w.size() == 4) && w[1].is(1) && taps &&
         *taps <= kMostTaps && c.kernels.has("weft.ChannelsLastQLinearConv");
}

// Filters of one group are the rows of a product: with fewer the kernels of f32 are faster.
bool enough_filters(const RuleContext& c, const Node& conv, const Dims& w) {
  constexpr int64_t kLeast = 4;
  const int64_t group = conv.attrs.i("group");
  return group == 1 || (w[0].known() && w[0].value() >= kLeast * group) || one_filter_each(c, conv, w);
}

std::optional<Product> read_product(RuleContext& c, const Node& node) {
  const ValueType &a = c.type(node.inputs[0]), &b = c.type(node.inputs[1]);
  if (!a.has_rank || !b.has_rank || a.dims.empty() || b.dims.empty()) return std::nullopt;
  const bool conv = node.is("Conv"), gemm = node.is("Gemm");
  std::optional<int64_t> summed;
  if (conv) {
    if (!enough_filters(c, node, b.dims)) return std::nullopt;
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
  const std::optional<Quantization> code = read_code(c, *node, DType::kI32);
  if (bias == nullptr || !code) return std::nullopt;
  const std::vector<float>&mine = code->scale, &weights = p.b.code.scale;
  if (mine.size() > 1 && weights.size() > 1 && mine.size() != weights.size()) return std::nullopt;
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

bool is_product(const Node& node) { return node.is("Conv") || node.is("MatMul") || node.is("Gemm"); }

// Whether a Gemm weighs neither its product nor what it adds.
bool weighs_nothing(const Node& gemm, bool adds) {
  return gemm.attrs.f("alpha") == 1 && (!adds || gemm.attrs.f("beta") == 1);
}

// Whether it is one number for each column of the product.
bool is_row(const Expr& bias, const Product& p) {
  return bias.has_rank() && bias.rank() == 1 && p.b.q.rank() > 1 && bias.dims()[0] == p.b.q.dims().back();
}

// The product, quantized in its own kernel, with a bias in units of its sums: QLinearConv, QLinearMatMul with or without.
Expr quantized_product(RuleContext& c, const Node& node, ValueId bias_id, const QuantizedResult& y) {
  const bool conv = node.is("Conv"), biased = bias_id != kNoValue;
  const char* op = conv ? "QLinearConv" : biased ? "weft.BiasedQLinearMatMul" : "QLinearMatMul";
  if (!c.kernels.has(op) || (node.is("Gemm") && !weighs_nothing(node, biased))) return {};
  const std::optional<Product> p = read_product(c, node);
  if (!p) return {};
  const std::optional<Bias> bias = read_bias(c, bias_id, *p);
  if (!bias || !fits(*p, bias->most) || (biased && !conv && !is_row(bias->value, *p))) return {};
  std::vector<Expr> inputs;
  for (const Quantized* x : {&p->a, &p->b}) {
    inputs.insert(inputs.end(), {x->q, scale_of(c, x->code), zero_of(c, x->code)});
  }
  inputs.insert(inputs.end(), {scale_of(c, y.code), zero_of(c, y.code)});
  if (biased) inputs.push_back(bias->value);
  return clipped(c, make(c.scope(), op, inputs, conv ? node.attrs : Attrs()), y);
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

// A product as sums of integers, what they count in, and the numbers that the node adds to it, if it does.
struct Sums {
  Expr q, unit, addend;
};

std::optional<Sums> integer_sums(RuleContext& c, const Node& node) {
  const bool conv = node.is("Conv"), gemm = node.is("Gemm");
  const char* op = conv ? "ConvInteger" : "MatMulInteger";
  if (!c.kernels.has(op)) return std::nullopt;
  const std::optional<Product> p = read_product(c, node);
  if (!p || !fits(*p, 0)) return std::nullopt;
  const int64_t behind = conv ? p->b.q.rank() - 2 : 0;
  const std::vector<Expr> inputs{p->a.q, p->b.q, zero_of(c, p->a.code), zero_of(c, p->b.code)};
  Sums sums;
  sums.q = make(c.scope(), op, inputs, conv ? node.attrs : Attrs());
  sums.unit = unit_of(c, *p, gemm ? node.attrs.f("alpha") : 1, behind);
  if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return sums;
  sums.addend = c.mapped(node.inputs[2]);
  if (conv && behind > 0) {
    std::vector<int64_t> axes;
    for (int64_t i = 1; i <= behind; ++i) axes.push_back(i);
    sums.addend = unsqueeze(sums.addend, axes);
  }
  const double beta = gemm ? node.attrs.f("beta") : 1;
  if (beta != 1) sums.addend = sums.addend * beta;
  return sums;
}

// A product to which numbers are added, its own or `more`, and which is quantized: of integers, and the rest in one pass.
Expr quantized_sums(RuleContext& c, const Node& node, ValueId more, const QuantizedResult& y) {
  const char* op = "weft.QuantizeSums";
  const bool adds = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
  if (!c.kernels.has(op) || adds == (more != kNoValue)) return {};
  const std::optional<Sums> sums = integer_sums(c, node);
  if (!sums) return {};
  return make(c.scope(), op, {sums->q, sums->unit, adds ? sums->addend : c.mapped(more)}, result_attrs(y));
}

// An Add of a product that nothing else uses.
Expr quantized_add(RuleContext& c, const Node& add, const QuantizedResult& y) {
  for (size_t i : {0, 1}) {
    const ValueId product = add.inputs[i], other = add.inputs[1 - i];
    const Node& node = c.from.producer(product);
    if (!is_product(node) || c.uses(product) != 1) continue;
    if (node.is("MatMul")) {
      if (const Expr made = quantized_product(c, node, other, y); made.valid()) return made;
    }
    if (const Expr made = quantized_sums(c, node, other, y); made.valid()) return made;
  }
  return {};
}

Expr quantized_by_product(RuleContext& c, ValueId id, const QuantizedResult& y) {
  const Node& node = c.from.producer(id);
  if (c.uses(id) != 1 || c.type(id).dtype != DType::kF32) return {};
  if (node.is("Add")) return quantized_add(c, node, y);
  if (!is_product(node)) return {};
  const Expr made = quantized_product(c, node, node.inputs.size() > 2 ? node.inputs[2] : kNoValue, y);
  return made.valid() ? made : quantized_sums(c, node, kNoValue, y);
}

Status quantize(RuleContext& c) { return quantize_by(c, quantized_by_product); }

// A product that is not quantized again: of integers, and then a number.
Status sum_integers(RuleContext& c) {
  if (c.type(c.node.output(0)).dtype != DType::kF32) return {};
  const std::optional<Sums> sums = integer_sums(c, c.node);
  if (!sums) return {};
  const Expr y = cast(sums->q, DType::kF32) * sums->unit;
  c.replace(sums->addend.valid() ? y + sums->addend : y);
  return {};
}

}  // namespace

void add_rule_fuse_quantized(RuleRegistry& rules) {
  const char *name = "fuse_quantized", *whole = "DequantizeLinear";
  rules.add({name, "QuantizeLinear", quantize, whole});
  for (const char* op : {"Conv", "MatMul", "Gemm"}) rules.add({name, op, sum_integers, whole});
}

}  // namespace weft
