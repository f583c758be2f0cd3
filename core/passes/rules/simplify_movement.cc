// Movement of data that leads back or takes a detour: Identity, Cast to the same dtype, reshapes and transposes in a row.
#include <algorithm>

#include "core/passes/rewrite.h"

namespace weft {
namespace {

Status skip(RuleContext& c) {
  c.replace(c.mapped_input(0));
  return {};
}

// What says a rank that is known by itself.
Status skip_known_rank(RuleContext& c) {
  if (c.type(c.input(0)).has_rank) c.replace(c.mapped_input(0));
  return {};
}

Status same_cast(RuleContext& c) {
  const ValueType &in = c.type(c.input(0)), &out = c.type(c.node.output(0));
  if (in.kind == Kind::kTensor && in.dtype == out.dtype) c.replace(c.mapped_input(0));
  return {};
}

bool keeps_order(const Node& node) {
  return node.is("Reshape") || node.is("Flatten") || node.is("Squeeze") || node.is("Unsqueeze");
}

// Whether the shape asked for means the same for any input with as many elements: no dimension is copied.
bool free_of_input(const Tensor* shape, bool allow_zero) {
  if (shape == nullptr) return false;
  for (int64_t i = 0; i < shape->count(); ++i) {
    if (shape->as<int64_t>()[i] == 0 && !allow_zero) return false;
  }
  return true;
}

// A 0 in Reshape means another thing.
bool has_zero(const Dims& dims) {
  return std::any_of(dims.begin(), dims.end(), [](const Dim& dim) { return dim.is(0); });
}

// Whether both have as many elements, whatever the symbols are: else a node in between is where that is checked.
bool as_many(const ValueType& a, const ValueType& b) {
  if (!a.has_rank || !b.has_rank) return false;
  const auto elements = [](const ValueType& type) {
    Dim product(1);
    for (const Dim& dim : type.dims) product = product * dim;
    return product;
  };
  return elements(a) == elements(b);
}

// Reshapes in a row: back to a shape that was there before, or from the first of them.
Status compose_reshapes(RuleContext& c) {
  const ValueType& out = c.type(c.node.output(0));
  ValueId start = c.input(0);
  for (;;) {
    const ValueType& type = c.type(start);
    if (type.has_rank && out.has_rank && type.dims == out.dims) {
      c.replace(c.mapped(start));
      return {};
    }
    const Node& producer = c.from.producer(start);
    if (!keeps_order(producer) || !as_many(c.type(producer.inputs[0]), type)) break;
    start = producer.inputs[0];
  }
  if (start != c.input(0) && c.node.is("Reshape") && free_of_input(c.constant(c.input(1)), c.attrs().b("allowzero"))) {
    c.replace(make(c.scope(), "Reshape", {c.mapped(start), c.mapped_input(1)}, c.attrs()));
  } else if (start != c.input(0) && out.concrete() && !has_zero(out.dims)) {
    c.replace(reshape(c.mapped(start), constant_ints(c.scope(), to_shape(out.dims))));
  }
  return {};
}

std::vector<int64_t> permutation(const Node& node, int64_t rank) {
  std::vector<int64_t> perm = node.attrs.ints_or_empty("perm");
  if (!node.attrs.has("perm")) {
    for (int64_t i = rank; i-- > 0;) perm.push_back(i);
  }
  return perm;
}

// Whether a transpose leaves the elements where they are: it moves axes of size 1 alone.
bool keeps_elements(const Dims& dims, const std::vector<int64_t>& perm) {
  if (has_zero(dims)) return false;
  int64_t last = -1;
  for (int64_t axis : perm) {
    if (dims[static_cast<size_t>(axis)].is(1)) continue;
    if (axis < last) return false;
    last = axis;
  }
  return true;
}

// The last two axes change places while those before them are one, and then are as they were: as dynamo turns keys.
Status transpose_unmerged(RuleContext& c) {
  const Node* turn = c.input_from(0, "Transpose", true);
  if (turn == nullptr || turn->attrs.ints_or_empty("perm") != std::vector<int64_t>{0, 2, 1}) return {};
  const Node* merge = c.producer_of(turn->inputs[0], "Reshape", true);
  if (merge == nullptr) return {};
  const ValueType &in = c.type(merge->inputs[0]), &merged = c.type(turn->inputs[0]), &out = c.type(c.node.output(0));
  const size_t rank = in.dims.size();
  if (!in.has_rank || !merged.has_rank || !out.has_rank || rank < 3) return {};
  Dims turned = in.dims;
  std::swap(turned[rank - 2], turned[rank - 1]);
  if (out.dims != turned || merged.dims[1] != in.dims[rank - 2] || merged.dims[2] != in.dims[rank - 1]) return {};
  c.replace(swap_last_two(c.mapped(merge->inputs[0])));
  return {};
}

Status compose_transposes(RuleContext& c) {
  const ValueType& type = c.type(c.input(0));
  if (!type.has_rank) return {};
  int64_t rank = static_cast<int64_t>(type.dims.size());
  std::vector<int64_t> perm = permutation(c.node, rank);
  ValueId start = c.input(0);
  if (const Node* inner = c.input_from(0, "Transpose", false)) {
    std::vector<int64_t> first = permutation(*inner, rank);
    for (int64_t& axis : perm) axis = first[static_cast<size_t>(axis)];
    start = inner->inputs[0];
  } else if (type.concrete() && keeps_elements(type.dims, perm)) {
    const Shape shape = to_shape(c.type(c.node.output(0)).dims);
    c.replace(reshape(c.mapped_input(0), constant_ints(c.scope(), shape)));
    return {};
  }
  bool moves = false;
  for (int64_t i = 0; i < rank; ++i) moves = moves || perm[static_cast<size_t>(i)] != i;
  if (!moves) {
    c.replace(c.mapped(start));
  } else if (start != c.input(0)) {
    c.replace(transpose(c.mapped(start), perm));
  }
  return {};
}

}  // namespace

void add_rule_simplify_movement(RuleRegistry& rules) {
  rules.add({"skip_identity", "Identity", skip});
  rules.add({"skip_identity", "weft.StopGradient", skip});
  rules.add({"skip_known_rank", "weft.EnsureRank", skip_known_rank});
  rules.add({"skip_same_cast", "Cast", same_cast});
  for (const char* op : {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}) {
    rules.add({"compose_reshapes", op, compose_reshapes});
  }
  rules.add({"compose_transposes", "Transpose", compose_transposes});
  rules.add({"compose_transposes", "Reshape", transpose_unmerged});
}

}  // namespace weft
