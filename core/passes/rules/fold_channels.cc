// Convolutions and matrix products with constant weights take up what follows them channel by channel: a BatchNormalization
// at inference, a constant factor, and a constant sum where there is a bias already.
#include <algorithm>

#include "core/passes/rewrite.h"

namespace weft {
namespace {

// A convolution or product, used by the node alone.
struct Product {
  const Node* node = nullptr;
  size_t weight_axis;  // of the channels, in the weight
  size_t axis;         // and in the result
  ValueId bias = kNoValue;
};

bool has_floats(const RuleContext& c, ValueId id) {
  return c.type(id).dtype == DType::kF32 || c.type(id).dtype == DType::kF64;
}

// Of a ConvTranspose in one group the filters are the second axis.
std::optional<Product> convolution(const Node& node) {
  const bool transposed = node.is("ConvTranspose");
  if (transposed && node.attrs.i("group") != 1) return std::nullopt;
  return Product{&node, transposed, 1};
}

std::optional<Product> matrix_product(const RuleContext& c, const Node& node) {
  const ValueType &right = c.type(node.inputs[1]), &out = c.type(node.output(0));
  if (!right.has_rank || right.dims.size() < 2 || !out.has_rank || out.dims.empty()) return std::nullopt;
  if (node.attrs.has("low") || node.attrs.has("high") || node.attrs.has("permB")) return std::nullopt;
  const bool turned = node.is("Gemm") && node.attrs.b("transB");
  return Product{&node, turned ? 0 : right.dims.size() - 1, out.dims.size() - 1};
}

std::optional<Product> product_before(const RuleContext& c, int input) {
  std::optional<Product> found;
  for (const char* op : {"Conv", "ConvTranspose"}) {
    if (const Node* node = c.input_from(input, op, true)) found = convolution(*node);
  }
  for (const char* op : {"MatMul", "weft.FusedMatMul", "Gemm"}) {
    if (const Node* node = c.input_from(input, op, true)) found = matrix_product(c, *node);
  }
  if (!found || !has_floats(c, found->node->output(0))) return std::nullopt;
  const std::vector<ValueId>& inputs = found->node->inputs;
  if (inputs.size() > 2) found->bias = inputs[2];
  if (found->bias != kNoValue && c.constant(found->bias) == nullptr) return std::nullopt;
  return found;
}

// By channel, or one number; what is not valid changes nothing.
struct Change {
  Expr factor, before, after;  // (y + before) * factor + after
};

// A number for each channel along an axis of `rank`.
Expr along(Expr x, size_t axis, size_t rank) {
  if (!x.valid() || x.rank() == 0) return x;
  std::vector<int64_t> shape(rank, 1);
  shape[axis] = -1;
  return reshape(x, constant_ints(x.scope(), shape));
}

void replace_by(RuleContext& c, const Product& product, const Change& change) {
  const Node& node = *product.node;
  Attrs attrs = node.attrs;
  Expr weight = c.mapped(node.inputs[1]), bias = c.mapped(product.bias);
  if (node.is("Gemm") && attrs.f("beta") != 1) {
    // Times 0 is without, whatever it holds.
    if (bias.valid()) bias = attrs.f("beta") == 0 ? Expr() : bias * attrs.f("beta");
    attrs.set("beta", 1.0);
  }
  if (change.factor.valid()) weight = weight * along(change.factor, product.weight_axis, weight.rank());
  if (change.before.valid()) bias = bias.valid() ? bias + change.before : change.before;
  if (change.factor.valid() && bias.valid()) bias = bias * change.factor;
  if (change.after.valid()) bias = bias.valid() ? bias + change.after : change.after;
  std::vector<Expr> inputs{c.mapped(node.inputs[0]), weight};
  if (bias.valid()) inputs.push_back(bias);
  const bool takes_bias = !node.is("MatMul") || !bias.valid();
  c.replace(make(c.scope(), takes_bias ? node.op->full_name() : "weft.FusedMatMul", inputs, std::move(attrs)));
}

// y normalized is (y - mean) * f + bias, with f = scale / sqrt(var + epsilon). Channels are the second axis.
Status fold_batch_norm(RuleContext& c) {
  const std::optional<Product> product = product_before(c, 0);
  if (!product || product->axis != 1 || c.attrs().b("training_mode")) return {};
  if (c.constant(product->node->inputs[1]) == nullptr) return {};
  const DType dtype = c.type(c.input(0)).dtype;
  for (int i = 1; i < 5; ++i) {
    const Tensor* tensor = c.constant(c.input(i));
    if (tensor == nullptr || tensor->dtype() != dtype) return {};
  }
  Expr scale = c.mapped_input(1), bias = c.mapped_input(2), mean = c.mapped_input(3), variance = c.mapped_input(4);
  Expr factor = scale / make(c.scope(), "Sqrt", {variance + c.attrs().f("epsilon")});
  replace_by(c, *product, {factor, -mean, bias});
  return {};
}

// A constant operand that is one number, or one for each channel of the product, as a vector; not valid if it is none.
Expr by_channel(const RuleContext& c, const Product& product, ValueId operand) {
  const Tensor* tensor = c.constant(operand);
  const ValueType &out = c.type(product.node->output(0)), &whole = c.type(c.node.output(0));
  if (tensor == nullptr || !out.has_rank || !whole.has_rank || out.dims != whole.dims) return {};
  const Shape& shape = tensor->shape();
  const size_t rank = out.dims.size(), lead = rank - std::min(rank, shape.size());
  if (shape.size() > rank) return {};
  if (tensor->count() == 1) return reshape(c.mapped(operand), constant_ints(c.mapped(operand).scope(), {}));
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != 1 && (i + lead != product.axis || !out.dims[product.axis].is(shape[i]))) return {};
  }
  return reshape(c.mapped(operand), constant_ints(c.mapped(operand).scope(), {-1}));
}

// Weights that something else reads too would be there twice.
Status fold_factor(RuleContext& c) {
  for (int side : {0, 1}) {
    const std::optional<Product> product = product_before(c, side);
    if (!product || c.constant(product->node->inputs[1]) == nullptr || c.uses(product->node->inputs[1]) != 1) continue;
    const Expr factor = by_channel(c, *product, c.input(1 - side));
    if (!factor.valid()) continue;
    replace_by(c, *product, {factor, {}, {}});
    return {};
  }
  return {};
}

// Without a bias there is nothing to compute ahead.
Status fold_sum(RuleContext& c) {
  for (int side : {0, 1}) {
    const std::optional<Product> product = product_before(c, side);
    if (!product || product->bias == kNoValue) continue;
    const Expr sum = by_channel(c, *product, c.input(1 - side));
    if (!sum.valid()) continue;
    replace_by(c, *product, {{}, {}, sum});
    return {};
  }
  return {};
}

}  // namespace

void add_rule_fold_channels(RuleRegistry& rules) {
  rules.add({.name = "fold_batch_norm", .op = "BatchNormalization", .apply = fold_batch_norm, .folds = true});
  rules.add({.name = "fold_factor", .op = "Mul", .apply = fold_factor, .folds = true});
  rules.add({.name = "fold_sum", .op = "Add", .apply = fold_sum, .folds = true});
}

}  // namespace weft
