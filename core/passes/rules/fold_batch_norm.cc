// A convolution with constant weights takes up the BatchNormalization that follows it at inference.
#include "core/passes/rewrite.h"

namespace weft {
namespace {

// conv(x, W) + B normalized is conv(x, W * f) + (B - mean) * f + bias, with f = scale / sqrt(var + epsilon). Of a ConvTranspose
// in one group the filters are the second axis.
Status fold_batch_norm(RuleContext& c) {
  const Node* conv = c.input_from(0, "Conv", true);
  const bool transposed = conv == nullptr;
  if (transposed) conv = c.input_from(0, "ConvTranspose", true);
  if (conv == nullptr || c.attrs().b("training_mode") || (transposed && conv->attrs.i("group") != 1)) return {};
  const Tensor* weight = c.constant(conv->inputs[1]);
  DType dtype = c.type(c.input(0)).dtype;
  if (weight == nullptr || (dtype != DType::kF32 && dtype != DType::kF64)) return {};
  for (int i = 1; i < 5; ++i) {
    const Tensor* tensor = c.constant(c.input(i));
    if (tensor == nullptr || tensor->dtype() != dtype) return {};
  }
  ValueId old_bias = conv->inputs.size() > 2 ? conv->inputs[2] : kNoValue;
  if (old_bias != kNoValue && c.constant(old_bias) == nullptr) return {};
  Expr scale = c.mapped_input(1), bias = c.mapped_input(2), mean = c.mapped_input(3), variance = c.mapped_input(4);
  Expr factor = scale / make(c.scope(), "Sqrt", {variance + c.attrs().f("epsilon")});
  std::vector<int64_t> by_filter(weight->shape().size(), 1);
  by_filter[transposed] = weight->shape()[transposed];
  Expr new_weight = c.mapped(conv->inputs[1]) * reshape(factor, constant_ints(c.scope(), by_filter));
  Expr shift = old_bias == kNoValue ? -mean : c.mapped(old_bias) - mean;
  c.replace(make(c.scope(), conv->op->full_name(), {c.mapped(conv->inputs[0]), new_weight, shift * factor + bias},
                 conv->attrs));
  return {};
}

}  // namespace

void add_rule_fold_batch_norm(RuleRegistry& rules) {
  rules.add({"fold_batch_norm", "BatchNormalization", fold_batch_norm});
}

}  // namespace weft
