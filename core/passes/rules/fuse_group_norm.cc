// What PyTorch's exporters write for GroupNormalization becomes this operator: InstanceNormalization of [N, groups, ...] between
// two reshapes, behind which each channel is scaled and shifted.
#include <algorithm>

#include "core/passes/rules/patterns_common.h"

namespace weft {
namespace {

struct GroupNorm {
  ValueId x;
  int64_t groups;
  double epsilon;
  const Tensor *scale, *bias;  // of the groups
};

// What a Reshape gives that ends the three nodes. Neighbouring channels are neighbours in memory, so a reshape that keeps the
// images makes groups of them wherever their number divides that of the channels.
std::optional<GroupNorm> group_norm_of(const RuleContext& c, const Node& reshape) {
  const Node* norm = c.producer_of(reshape.inputs[0], "InstanceNormalization", true);
  const Node* split = norm == nullptr ? nullptr : c.producer_of(norm->inputs[0], "Reshape", true);
  if (split == nullptr) return std::nullopt;
  const GroupNorm found{split->inputs[0], 0, norm->attrs.f("epsilon"), c.constant(norm->inputs[1]),
                        c.constant(norm->inputs[2])};
  const ValueType &x = c.type(found.x), &grouped = c.type(norm->inputs[0]), &y = c.type(reshape.output(0));
  if (found.scale == nullptr || found.bias == nullptr || !x.concrete() || !grouped.concrete() || !y.concrete()) {
    return std::nullopt;
  }
  const bool fits = x.dims == y.dims && x.dims.size() >= 2 && grouped.dims.size() >= 3 && x.dims[0] == grouped.dims[0];
  if (!fits) return std::nullopt;
  const int64_t channels = x.dims[1].value(), groups = grouped.dims[1].value();
  if (groups < 1 || channels < 1 || channels % groups != 0) return std::nullopt;
  return GroupNorm{found.x, groups, found.epsilon, found.scale, found.bias};
}

// Each of the numbers of groups, for all channels of its group.
Expr for_channels(RuleContext& c, const Tensor& of_groups, int64_t times) {
  const auto repeated = [&]<typename T>(T) {
    std::vector<T> values;
    for (int64_t i = 0; i < of_groups.count(); ++i) {
      values.insert(values.end(), static_cast<size_t>(times), of_groups.as<T>()[i]);
    }
    return constant(c.scope(), Tensor::vector<T>(values));
  };
  return of_groups.dtype() == DType::kF32 ? repeated(0.0f) : repeated(0.0);
}

// In place of the node; with a scale and bias of channels, where these are given.
void replace_by(RuleContext& c, const GroupNorm& norm, Expr scale, Expr bias) {
  if (!gives_floats_like(c, norm.x)) return;
  const int64_t times = c.type(norm.x).dims[1].value() / norm.groups;
  if (!scale.valid()) scale = for_channels(c, *norm.scale, times);
  if (!bias.valid()) bias = for_channels(c, *norm.bias, times);
  const Expr y = c.make_with_kernel("GroupNormalization", {c.mapped(norm.x), scale, bias},
                                    {{"num_groups", norm.groups}, {"epsilon", norm.epsilon}});
  if (y.valid()) c.replace(y);
}

Status fuse_group_norm(RuleContext& c) {
  const std::optional<GroupNorm> norm = group_norm_of(c, c.node);
  if (norm) replace_by(c, *norm, {}, {});
  return {};
}

bool all_are(const Tensor& tensor, double number) {
  const auto all = [&]<typename T>(T value) {
    return std::all_of(tensor.as<T>(), tensor.as<T>() + tensor.count(), [value](T x) { return x == value; });
  };
  if (tensor.dtype() == DType::kF32) return all(static_cast<float>(number));
  return tensor.dtype() == DType::kF64 && all(number);
}

// [C, 1, ...] or [1, C, 1, ...] beside x, as [C]; not valid if the value is no such one.
Expr of_channels(RuleContext& c, ValueId id, const ValueType& x) {
  const ValueType& type = c.type(id);
  const size_t rank = x.dims.size();
  if (!type.concrete() || type.dims.size() + 1 < rank || type.dims.size() > rank) return {};
  for (size_t i = 0; i < type.dims.size(); ++i) {
    const size_t axis = i + rank - type.dims.size();
    if (axis == 1 ? !(type.dims[i] == x.dims[1]) : !type.dims[i].is(1)) return {};
  }
  return reshape(c.mapped(id), constant_ints(c.scope(), {-1}));
}

// A product that scales what is normalized and was neither scaled nor shifted before.
struct Scaled {
  GroupNorm norm;
  ValueId scale;
};

std::optional<Scaled> scaled_of(const RuleContext& c, const Node& product) {
  for (size_t side : {0, 1}) {
    const Node* reshape = c.producer_of(product.inputs[side], "Reshape", true);
    if (reshape == nullptr) continue;
    const std::optional<GroupNorm> norm = group_norm_of(c, *reshape);
    if (norm && all_are(*norm->scale, 1) && all_are(*norm->bias, 0)) return Scaled{*norm, product.inputs[1 - side]};
  }
  return std::nullopt;
}

Status take_scale(RuleContext& c) {
  const std::optional<Scaled> found = scaled_of(c, c.node);
  if (!found) return {};
  const Expr scale = of_channels(c, found->scale, c.type(found->norm.x));
  if (scale.valid()) replace_by(c, found->norm, scale, {});
  return {};
}

Status take_scale_and_bias(RuleContext& c) {
  for (int side : {0, 1}) {
    const Node* product = c.input_from(side, "Mul", true);
    const std::optional<Scaled> found = product == nullptr ? std::nullopt : scaled_of(c, *product);
    if (!found) continue;
    const ValueType& x = c.type(found->norm.x);
    const Expr scale = of_channels(c, found->scale, x), bias = of_channels(c, c.input(1 - side), x);
    if (scale.valid() && bias.valid()) replace_by(c, found->norm, scale, bias);
    return {};
  }
  return {};
}

}  // namespace

void add_rule_fuse_group_norm(RuleRegistry& rules) {
  rules.add({"fuse_group_norm", "Reshape", fuse_group_norm});
  rules.add({"fuse_group_norm", "Mul", take_scale});
  rules.add({"fuse_group_norm", "Add", take_scale_and_bias});
}

}  // namespace weft
