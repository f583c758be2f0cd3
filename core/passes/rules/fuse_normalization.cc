// What exporters write for LayerNormalization and RMSNormalization over the last axes becomes these operators.
#include <algorithm>

#include "core/passes/rules/patterns_common.h"

namespace weft {
namespace {

// Over so many of the last axes; of nothing if a value is no such mean.
struct OverLast {
  ValueId of = kNoValue;
  int64_t axes = 0;

  bool found() const { return of != kNoValue; }
  friend bool operator==(const OverLast&, const OverLast&) = default;
};

OverLast mean_of(const RuleContext& c, ValueId id) {
  const Node* mean = c.producer_of(id, "ReduceMean", false);
  if (mean == nullptr || mean->inputs.size() < 2 || !mean->attrs.b("keepdims")) return {};
  const Tensor* given = c.constant(mean->inputs[1]);
  const ValueType& type = c.type(mean->inputs[0]);
  if (given == nullptr || given->count() == 0 || !type.has_rank) return {};
  const int64_t rank = static_cast<int64_t>(type.dims.size());
  std::vector<int64_t> axes(given->as<int64_t>(), given->as<int64_t>() + given->count());
  for (int64_t& axis : axes) axis += axis < 0 ? rank : 0;
  std::sort(axes.begin(), axes.end());
  for (int64_t i = 0; i < given->count(); ++i) {
    if (axes[static_cast<size_t>(i)] != rank - given->count() + i) return {};
  }
  return {mean->inputs[0], given->count()};
}

// x of x - mean(x).
OverLast centred(const RuleContext& c, ValueId id) {
  const Node* difference = c.producer_of(id, "Sub", false);
  if (difference == nullptr) return {};
  const OverLast mean = mean_of(c, difference->inputs[1]);
  return mean.of == difference->inputs[0] ? mean : OverLast();
}

// x of sqrt(mean(x^2) + epsilon).
struct Root {
  OverLast square;
  double epsilon = 0;
};

Root root_of(const RuleContext& c, ValueId id) {
  const Node* root = c.producer_of(id, "Sqrt", true);
  if (root == nullptr) root = c.producer_of(id, "Pow", true);
  if (root == nullptr || (root->is("Pow") && one_number(c, root->inputs[1]) != 0.5)) return {};
  const Node* sum = c.producer_of(root->inputs[0], "Add", true);
  if (sum == nullptr) return {};
  for (size_t side : {0, 1}) {
    const std::optional<double> epsilon = one_number(c, sum->inputs[side]);
    const OverLast mean = mean_of(c, sum->inputs[1 - side]);
    if (!epsilon || !mean.found()) continue;
    const Product square = product_of(c, mean.of);
    if (square.coefficient != 1 || !square.under.empty() || square.over.size() != 2) continue;
    if (square.over[0] == square.over[1]) return {{square.over[0], mean.axes}, *epsilon};
  }
  return {};
}

struct Normalization {
  const char* op;
  OverLast x;
  double epsilon;
  ValueId scale = kNoValue, bias = kNoValue;
};

// Puts it in place of the node, if there is a kernel for it: else it would come apart again.
void replace_by(RuleContext& c, const Normalization& norm) {
  // Attributes hold what f32 does.
  if (static_cast<double>(static_cast<float>(norm.epsilon)) != norm.epsilon) return;
  if (!gives_floats_like(c, norm.x.of) || !used_here_alone(c, {norm.x.of, norm.scale, norm.bias})) return;
  const ValueType& type = c.type(norm.x.of);
  Expr scale = c.mapped(norm.scale);
  if (!scale.valid()) {
    const Shape shape = to_shape(Dims(type.dims.end() - norm.x.axes, type.dims.end()));
    scale = make(c.scope(), "Expand", {scalar(c.scope(), type.dtype, 1), constant_ints(c.scope(), shape)});
  }
  std::vector<Expr> inputs{c.mapped(norm.x.of), scale};
  if (norm.bias != kNoValue) inputs.push_back(c.mapped(norm.bias));
  const Expr y = c.make_with_kernel(norm.op, inputs, {{"axis", -norm.x.axes}, {"epsilon", norm.epsilon}});
  if (y.valid()) c.replace(y);
}

// A factor, and perhaps a scale, over a root.
struct Scaled {
  Root root;
  std::vector<ValueId> over;
};

Scaled scaled_of(const RuleContext& c, ValueId id, size_t most_over) {
  const Product product = product_of(c, id);
  if (product.coefficient != 1 || product.under.size() != 1 || product.over.size() > most_over) return {};
  return {root_of(c, product.under[0]), product.over};
}

// (x - mean) / root, perhaps scaled.
Status fuse_layer_norm(RuleContext& c) {
  const Scaled scaled = scaled_of(c, c.node.output(0), 2);
  if (!scaled.root.square.found()) return {};
  const OverLast x = centred(c, scaled.root.square.of);
  if (!x.found() || x.axes != scaled.root.square.axes) return {};
  for (size_t i = 0; i < scaled.over.size() && !c.replaced(); ++i) {
    if (!(centred(c, scaled.over[i]) == x)) continue;
    const ValueId scale = scaled.over.size() == 2 ? scaled.over[1 - i] : kNoValue;
    replace_by(c, {"LayerNormalization", x, scaled.root.epsilon, scale});
  }
  return {};
}

// The mean of which this is the negative; any other value itself.
ValueId not_negated(const RuleContext& c, ValueId id) {
  const Node* negative = c.producer_of(id, "Neg", true);
  return negative != nullptr ? negative->inputs[0] : id;
}

// x * s + (bias - mean * s) with s = scale / root, which TensorFlow makes of it; Keras has bias + -mean * s in the brackets, with
// the operands either way.
void fuse_product_and_shift(RuleContext& c, const Node& product, const Node& shift, size_t bias) {
  const bool adds = shift.is("Add");
  const Node* back = c.producer_of(shift.inputs[1 - bias], "Mul", true);
  for (size_t i = 0; back != nullptr && i < 2; ++i) {
    const ValueId mean = adds ? not_negated(c, back->inputs[i]) : back->inputs[i];
    if (adds && mean == back->inputs[i]) continue;
    const OverLast x = mean_of(c, mean);
    const ValueId factor = back->inputs[1 - i];
    const bool same = (product.inputs[0] == x.of && product.inputs[1] == factor) ||
                      (product.inputs[1] == x.of && product.inputs[0] == factor);
    if (!x.found() || !same) continue;
    const Scaled scaled = scaled_of(c, factor, 1);
    const OverLast& square = scaled.root.square;
    if (!square.found() || square.axes != x.axes || !(centred(c, square.of) == x)) continue;
    const ValueId scale = scaled.over.empty() ? kNoValue : scaled.over[0];
    replace_by(c, {"LayerNormalization", x, scaled.root.epsilon, scale, shift.inputs[bias]});
    return;
  }
}

Status fuse_shifted_layer_norm(RuleContext& c) {
  for (int side : {0, 1}) {
    const Node* product = c.input_from(side, "Mul", true);
    const Node *difference = c.input_from(1 - side, "Sub", true), *sum = c.input_from(1 - side, "Add", true);
    if (product == nullptr) continue;
    if (difference != nullptr && !c.replaced()) fuse_product_and_shift(c, *product, *difference, 0);
    for (size_t bias : {0, 1}) {
      if (sum != nullptr && !c.replaced()) fuse_product_and_shift(c, *product, *sum, bias);
    }
  }
  return {};
}

// Whether the normalization's scale changes nothing.
bool scale_is_one(const RuleContext& c, const Node& norm) {
  const Tensor* scale = c.constant(norm.inputs[1]);
  if (scale == nullptr) return false;
  const auto all_one = [scale]<typename T>(T) {
    return std::all_of(scale->as<T>(), scale->as<T>() + scale->count(), [](T value) { return value == T(1); });
  };
  return scale->dtype() == DType::kF32 ? all_one(0.0f) : scale->dtype() == DType::kF64 && all_one(0.0);
}

// Gives the normalization before the node one more input, the node's other operand; whether it could.
bool take_operand(RuleContext& c, const Node& norm, std::vector<Expr> inputs, int side) {
  if (norm.output_count > 1 || !gives_floats_like(c, norm.inputs[0])) return false;
  inputs.push_back(c.mapped_input(1 - side));
  const Expr y = c.make_with_kernel(norm.op->full_name(), inputs, norm.attrs);
  if (y.valid()) c.replace(y);
  return c.replaced();
}

Status take_bias(RuleContext& c) {
  for (int side : {0, 1}) {
    const Node* norm = c.input_from(side, "LayerNormalization", true);
    if (norm == nullptr || norm->inputs.size() > 2) continue;
    if (take_operand(c, *norm, c.mapped_inputs(*norm), side)) return {};
  }
  return {};
}

// In place of ones.
Status take_scale(RuleContext& c, const char* op) {
  for (int side : {0, 1}) {
    const Node* norm = c.input_from(side, op, true);
    if (norm == nullptr || norm->inputs.size() > 2 || !scale_is_one(c, *norm)) continue;
    if (take_operand(c, *norm, {c.mapped(norm->inputs[0])}, side)) return {};
  }
  return {};
}
Status take_layer_norm_scale(RuleContext& c) { return take_scale(c, "LayerNormalization"); }
Status take_rms_norm_scale(RuleContext& c) { return take_scale(c, "RMSNormalization"); }

// x / root, perhaps scaled.
Status fuse_rms_norm(RuleContext& c) {
  const Scaled scaled = scaled_of(c, c.node.output(0), 2);
  for (size_t i = 0; scaled.root.square.found() && i < scaled.over.size() && !c.replaced(); ++i) {
    if (scaled.over[i] != scaled.root.square.of) continue;
    const ValueId scale = scaled.over.size() == 2 ? scaled.over[1 - i] : kNoValue;
    replace_by(c, {"RMSNormalization", scaled.root.square, scaled.root.epsilon, scale});
  }
  return {};
}

}  // namespace

void add_rule_fuse_normalization(RuleRegistry& rules) {
  for (const char* op : {"Mul", "Div"}) rules.add({"fuse_layer_norm", op, fuse_layer_norm});
  rules.add({"fuse_layer_norm", "Mul", take_layer_norm_scale});
  rules.add({"fuse_layer_norm", "Add", fuse_shifted_layer_norm});
  rules.add({"fuse_layer_norm", "Add", take_bias});
  for (const char* op : {"Mul", "Div"}) rules.add({"fuse_rms_norm", op, fuse_rms_norm});
  rules.add({"fuse_rms_norm", "Mul", take_rms_norm_scale});
}

}  // namespace weft
