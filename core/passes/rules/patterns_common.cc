// What rules share that look for what several nodes compute together.
#include "core/passes/rules/patterns_common.h"

#include <algorithm>
#include <utility>

namespace weft {

std::optional<double> one_number(const RuleContext& c, ValueId id) {
  const Tensor* value = c.constant(id);
  return value != nullptr && value->count() == 1 ? c.constant_number(id) : std::nullopt;
}

Product product_of(const RuleContext& c, ValueId id) {
  // No pattern has more; a long chain is looked at from each of its nodes.
  constexpr int kMostNodes = 12;
  struct Factor {
    ValueId id;
    bool divides;
  };
  Product product;
  std::vector<Factor> left{{id, false}};
  for (int opened = 0; !left.empty();) {
    const Factor at = left.back();
    left.pop_back();
    if (std::optional<double> number = one_number(c, at.id)) {
      product.coefficient = at.divides ? product.coefficient / *number : product.coefficient * *number;
      continue;
    }
    const Node& node = c.from.producer(at.id);
    const bool opens = opened < kMostNodes && (at.id == id || c.uses(at.id) == 1);
    if (opens && (node.is("Mul") || node.is("Div"))) {
      left.push_back({node.inputs[1], node.is("Div") != at.divides});
      left.push_back({node.inputs[0], at.divides});
      ++opened;
      continue;
    }
    if (opens && node.is("Reciprocal")) {
      left.push_back({node.inputs[0], !at.divides});
      ++opened;
      continue;
    }
    std::vector<ValueId>& side = at.divides ? product.under : product.over;
    const std::optional<double> power = opens && node.is("Pow") ? one_number(c, node.inputs[1]) : std::nullopt;
    if (power == 2.0 || power == 3.0) {
      side.insert(side.end(), static_cast<size_t>(*power), node.inputs[0]);
    } else {
      side.push_back(at.id);
    }
  }
  return product;
}

ValueId beside_number(const RuleContext& c, const Node& node, double number) {
  for (size_t side : {0, 1}) {
    if (one_number(c, node.inputs[side]) == number) return node.inputs[1 - side];
  }
  return kNoValue;
}

bool used_here_alone(const RuleContext& c, std::initializer_list<ValueId> leaves) {
  constexpr size_t kMostNodes = 32;
  std::vector<const Node*> nodes{&c.node};
  std::vector<std::pair<ValueId, int32_t>> between;  // with how often these nodes use it
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes.size() > kMostNodes) return false;
    for (ValueId id : nodes[i]->inputs) {
      if (id == kNoValue || c.constant(id) != nullptr || std::find(leaves.begin(), leaves.end(), id) != leaves.end()) {
        continue;
      }
      auto found = std::find_if(between.begin(), between.end(), [id](const auto& item) { return item.first == id; });
      if (found != between.end()) {
        ++found->second;
        continue;
      }
      between.emplace_back(id, 1);
      nodes.push_back(&c.from.producer(id));
    }
  }
  return std::all_of(between.begin(), between.end(),
                     [&](const auto& item) { return c.uses(item.first) == item.second; });
}

bool gives_floats_like(const RuleContext& c, ValueId id) {
  const ValueType &in = c.type(id), &out = c.type(c.node.output(0));
  const bool floats = out.dtype == DType::kF32 || out.dtype == DType::kF64;
  return floats && in.concrete() && out.concrete() && in.dtype == out.dtype && in.dims == out.dims;
}

}  // namespace weft
