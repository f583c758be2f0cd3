// Rotary embeddings: a product with cosines and one with sines of the features with their halves exchanged, as exporters
// write it and as RotaryEmbedding is made of, become one operator with the same bits.
#include "core/passes/rules/patterns_common.h"

namespace weft {
namespace {

constexpr char kOp[] = "weft.RotateHalves";

struct Half {
  ValueId of = kNoValue;
  bool second = false;
};

bool is_last_axis(int64_t axis, const Dims& dims) {
  return axis == -1 || axis + 1 == static_cast<int64_t>(dims.size());
}

// The only number of a constant.
std::optional<int64_t> integer(const RuleContext& c, const Node& node, size_t i) {
  const Tensor* tensor = i < node.inputs.size() && node.inputs[i] != kNoValue ? c.constant(node.inputs[i]) : nullptr;
  if (tensor == nullptr || tensor->count() != 1) return std::nullopt;
  if (tensor->dtype() == DType::kI32) return tensor->as<int32_t>()[0];
  return tensor->dtype() == DType::kI64 ? std::optional<int64_t>(tensor->as<int64_t>()[0]) : std::nullopt;
}

// Which half of the features of another value this one is.
std::optional<Half> half_of(const RuleContext& c, ValueId id) {
  const Node* node = c.producer_of(id, "Split", false);
  if (node == nullptr) node = c.producer_of(id, "Slice", false);
  if (node == nullptr) return std::nullopt;
  const ValueType &in = c.type(node->inputs[0]), &out = c.type(id);
  if (!in.concrete() || !out.concrete() || in.dims.empty()) return std::nullopt;
  const int64_t all = in.dims.back().value(), half = out.dims.back().value();
  if (all != 2 * half) return std::nullopt;
  if (node->is("Split")) {
    if (!is_last_axis(node->attrs.i("axis"), in.dims)) return std::nullopt;
    return Half{node->inputs[0], id != node->output(0)};
  }
  const std::optional<int64_t> start = integer(c, *node, 1), axis = integer(c, *node, 3);
  const bool steps = node->inputs.size() > 4 && node->inputs[4] != kNoValue;
  if (!start || !axis || !is_last_axis(*axis, in.dims) || (steps && integer(c, *node, 4) != 1)) return std::nullopt;
  if (*start != 0 && *start != half && *start != -half) return std::nullopt;
  return Half{node->inputs[0], *start != 0};
}

bool is_half(const RuleContext& c, ValueId id, ValueId of, bool second) {
  const std::optional<Half> half = half_of(c, id);
  return half && half->of == of && half->second == second;
}

Status replace(RuleContext& c, ValueId x, ValueId cos, ValueId sin, bool pairs) {
  if (!gives_floats_like(c, x) || !used_here_alone(c, {x, cos, sin})) return {};
  const Expr y =
      c.make_with_kernel(kOp, {c.mapped(x), c.mapped(cos), c.mapped(sin)}, {{"angles_of_pairs", int64_t{pairs}}});
  if (y.valid()) c.replace(y);
  return {};
}

// Whether the value is [-b, a] of the halves a and b of x.
bool is_turned(const RuleContext& c, ValueId id, ValueId x) {
  const Node* joined = c.producer_of(id, "Concat", true);
  if (joined == nullptr || joined->inputs.size() != 2) return false;
  if (!is_last_axis(joined->attrs.i("axis"), c.type(id).dims)) return false;
  const Node* minus = c.producer_of(joined->inputs[0], "Neg", true);
  return minus != nullptr && is_half(c, minus->inputs[0], x, true) && is_half(c, joined->inputs[1], x, false);
}

// x * cos + [-b, a] * sin.
Status fuse_sum(RuleContext& c) {
  for (int side : {0, 1}) {
    const Node *straight = c.input_from(side, "Mul", true), *turned = c.input_from(1 - side, "Mul", true);
    if (straight == nullptr || turned == nullptr) continue;
    for (size_t k : {0, 1, 2, 3}) {
      const ValueId x = straight->inputs[k % 2], cos = straight->inputs[1 - k % 2];
      if (is_turned(c, turned->inputs[k / 2], x)) return replace(c, x, cos, turned->inputs[1 - k / 2], false);
    }
  }
  return {};
}

// The angles by which a half of the features is multiplied.
struct Angles {
  Half half;
  ValueId angles = kNoValue;
};

std::optional<Angles> angles_of(const RuleContext& c, ValueId id) {
  const Node* product = c.producer_of(id, "Mul", true);
  for (size_t side : {0, 1}) {
    if (product == nullptr) break;
    if (const auto half = half_of(c, product->inputs[side])) return Angles{*half, product->inputs[1 - side]};
  }
  return std::nullopt;
}

// [a * cos - b * sin, a * sin + b * cos].
Status fuse_join(RuleContext& c) {
  if (c.node.inputs.size() != 2 || !is_last_axis(c.attrs().i("axis"), c.type(c.node.output(0)).dims)) return {};
  const Node *first = c.input_from(0, "Sub", true), *second = c.input_from(1, "Add", true);
  if (first == nullptr || second == nullptr) return {};
  const auto cos = angles_of(c, first->inputs[0]), sin = angles_of(c, first->inputs[1]);
  auto of_a = angles_of(c, second->inputs[0]), of_b = angles_of(c, second->inputs[1]);
  if (!cos || !sin || !of_a || !of_b) return {};
  if (of_a->half.second) std::swap(of_a, of_b);
  const ValueId x = cos->half.of;
  const auto fits = [x](const Angles& found, bool second_half, ValueId angles) {
    return found.half.of == x && found.half.second == second_half && found.angles == angles;
  };
  if (!fits(*cos, false, cos->angles) || !fits(*sin, true, sin->angles) || !fits(*of_a, false, sin->angles) ||
      !fits(*of_b, true, cos->angles)) {
    return {};
  }
  return replace(c, x, cos->angles, sin->angles, true);
}

}  // namespace

void add_rule_fuse_rotary(RuleRegistry& rules) {
  rules.add({"fuse_rotary", "Add", fuse_sum});
  rules.add({"fuse_rotary", "Concat", fuse_join});
}

}  // namespace weft
