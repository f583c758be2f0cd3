// A part that is taken from a sequence of parts, which is how PyTorch's exporter writes split and chunk, is one of Split.
#include <cmath>

#include "core/passes/rewrite.h"

namespace weft {
namespace {

// What a sequence of more is stays as it is: every node that takes an item would have a Split by so many.
constexpr int64_t kMostParts = 64;

// How long the parts are; nothing if that is not known.
std::vector<int64_t> lengths(const RuleContext& c, const Node& node, int64_t whole) {
  const ValueId given = node.inputs.size() > 1 ? node.inputs[1] : kNoValue;
  const Tensor* split = c.constant(given);
  if (given == kNoValue || split == nullptr) return {};
  const Result<std::vector<int64_t>> numbers = split->to_ints();
  if (!numbers.ok() || split->shape().size() > 1) return {};
  if (split->shape().size() == 1) return *numbers;
  const int64_t each = (*numbers)[0];
  if (each <= 0 || whole / each >= kMostParts) return {};
  std::vector<int64_t> out(static_cast<size_t>(whole / each), each);
  if (whole % each != 0) out.push_back(whole % each);
  return out;
}

Status split_sequence(RuleContext& c) {
  const Node* split = c.input_from(0, "SplitToSequence", false);
  const std::optional<double> place = c.constant_number(c.input(1));
  if (split == nullptr || !place) return {};
  const ValueType& type = c.type(split->inputs[0]);
  const int64_t rank = static_cast<int64_t>(type.dims.size()), axis = split->attrs.i("axis");
  if (!type.has_rank || axis < -rank || axis >= rank) return {};
  const Dim& whole = type.dims[static_cast<size_t>(axis < 0 ? axis + rank : axis)];
  if (!whole.known()) return {};
  const std::vector<int64_t> parts = lengths(c, *split, whole.value());
  const int64_t count = static_cast<int64_t>(parts.size());
  // An error stays where it is.
  if (count == 0 || count > kMostParts || std::abs(*place) > kMostParts) return {};
  int64_t at = static_cast<int64_t>(*place), sum = 0;
  if (at < 0) at += count;
  for (int64_t part : parts) {
    if (part < 0 || part > whole.value() - sum) return {};
    sum += part;
  }
  if (at < 0 || at >= count || sum != whole.value()) return {};
  const std::vector<Expr> made =
      make_all(c.scope(), "Split", {c.mapped(split->inputs[0]), constant_ints(c.scope(), parts)}, {{"axis", axis}},
               static_cast<int>(count));
  c.replace(made[static_cast<size_t>(at)]);
  return {};
}

}  // namespace

void add_rule_split_sequence(RuleRegistry& rules) { rules.add({"split_sequence", "SequenceAt", split_sequence}); }

}  // namespace weft
