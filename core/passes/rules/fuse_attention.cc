// Attention: two products with a softmax between them become one operator, which does not store what is between them. It
// also takes up the transposes that part and join heads.
#include <cmath>
#include <limits>

#include "core/passes/rewrite.h"

namespace weft {
namespace {

constexpr char kOp[] = "weft.FusedAttention";

// Where a pattern has been followed to. Values on the way must have no other use: what the gradient needs is kept.
struct Scores {
  ValueId at;
  int32_t uses = 1;  // that the pattern itself has of `at`
  double scale = 1;
  ValueId mask = kNoValue, allowed = kNoValue;
  bool empty_is_zero = false;
};

bool is_number(const RuleContext& c, ValueId id, double number) {
  const std::optional<double> found = c.constant_number(id);
  return found && *found == number;
}

// The producer of what has been found, if it is `op` and nothing beyond the pattern uses it.
const Node* producer(const RuleContext& c, const Scores& found, std::string_view op) {
  return c.uses(found.at) == found.uses ? c.producer_of(found.at, op, false) : nullptr;
}

void go_on(Scores* found, ValueId at) {
  found->at = at;
  found->uses = 1;
}

bool is_last_axis(const RuleContext& c, const Node& node, int64_t axis) {
  return axis == -1 || axis + 1 == static_cast<int64_t>(c.type(node.inputs[0]).dims.size());
}

// Whether `none` tells the rows of `x` that are minus infinity throughout.
bool tells_empty_rows(const RuleContext& c, ValueId none, ValueId x) {
  const Node* equal = c.producer_of(none, "Equal", false);
  if (equal == nullptr || c.uses(none) != 2) return false;
  if (!is_number(c, equal->inputs[1], -std::numeric_limits<double>::infinity())) return false;
  const Node* best = c.producer_of(equal->inputs[0], "ReduceMax", true);
  if (best == nullptr || best->inputs[0] != x || best->inputs.size() < 2 || !best->attrs.b("keepdims")) return false;
  const Tensor* axes = c.constant(best->inputs[1]);
  return axes != nullptr && axes->count() == 1 && is_last_axis(c, *best, axes->as<int64_t>()[0]);
}

const Node* softmax_of(const RuleContext& c, ValueId id) {
  const Node* softmax = c.producer_of(id, "Softmax", true);
  return softmax != nullptr && is_last_axis(c, *softmax, softmax->attrs.i("axis")) ? softmax : nullptr;
}

// Behind the softmax, which may have rows of nothing replaced by zeros.
bool skip_softmax(const RuleContext& c, ValueId weights, Scores* found) {
  if (const Node* softmax = softmax_of(c, weights)) {
    go_on(found, softmax->inputs[0]);
    return true;
  }
  const Node* outer = c.producer_of(weights, "Where", true);
  if (outer == nullptr || !is_number(c, outer->inputs[1], 0)) return false;
  const Node* softmax = softmax_of(c, outer->inputs[2]);
  const Node* inner = softmax == nullptr ? nullptr : c.producer_of(softmax->inputs[0], "Where", true);
  if (inner == nullptr || inner->inputs[0] != outer->inputs[0] || !is_number(c, inner->inputs[1], 0)) return false;
  if (!tells_empty_rows(c, inner->inputs[0], inner->inputs[2])) return false;
  found->at = inner->inputs[2];
  found->uses = 2;  // also that of the maximum
  found->empty_is_zero = true;
  return true;
}

// Behind a mask of truth values.
void skip_allowed(const RuleContext& c, Scores* found) {
  const Node* where = producer(c, *found, "Where");
  if (where == nullptr || !is_number(c, where->inputs[2], -std::numeric_limits<double>::infinity())) return;
  if (c.type(where->inputs[1]).dims != c.type(found->at).dims) return;
  found->allowed = where->inputs[0];
  go_on(found, where->inputs[1]);
}

// Behind a factor or divisor.
void skip_scale(const RuleContext& c, Scores* found) {
  if (const Node* product = producer(c, *found, "Mul")) {
    for (size_t side : {0, 1}) {
      const std::optional<double> factor = c.constant_number(product->inputs[1 - side]);
      if (!factor || c.type(product->inputs[side]).dims != c.type(found->at).dims) continue;
      found->scale = *factor;
      return go_on(found, product->inputs[side]);
    }
  }
  const Node* quotient = producer(c, *found, "Div");
  if (quotient == nullptr || c.type(quotient->inputs[0]).dims != c.type(found->at).dims) return;
  const std::optional<double> divisor = c.constant_number(quotient->inputs[1]);
  if (!divisor || *divisor == 0) return;
  found->scale = 1 / *divisor;
  go_on(found, quotient->inputs[0]);
}

// Whether a product does nothing else.
bool multiplies_alone(const Node& node) {
  return node.inputs.size() == 2 && !node.attrs.has("low") && !node.attrs.has("high");
}

const Node* product(const RuleContext& c, const Scores& found) {
  if (const Node* plain = producer(c, found, "MatMul")) return plain;
  const Node* fused = producer(c, found, "weft.FusedMatMul");
  return fused != nullptr && multiplies_alone(*fused) ? fused : nullptr;
}

// An operand in the new graph, transposed by itself if the product reads it so.
Expr operand(const RuleContext& c, const Node& product, size_t i) {
  const Expr x = c.mapped(product.inputs[i]);
  const char* perm = i == 0 ? "permA" : "permB";
  return product.attrs.has(perm) ? transpose(x, product.attrs.ints(perm)) : x;
}

// Behind the mask, if there is one, and the scale.
const Node* find_products(const RuleContext& c, Scores* found) {
  const Scores start = *found;
  const Dims& dims = c.type(start.at).dims;
  skip_scale(c, found);
  if (const Node* products = product(c, *found)) return products;
  const Node* sum = producer(c, start, "Add");
  if (sum == nullptr) return nullptr;
  for (size_t side : {0, 1}) {
    *found = start;
    found->mask = sum->inputs[1 - side];
    go_on(found, sum->inputs[side]);
    if (c.type(found->at).dims != dims) continue;
    skip_scale(c, found);
    if (const Node* products = product(c, *found)) return products;
  }
  return nullptr;
}

// Whether two tensors have the same axes before the last two.
bool same_lead(const Dims& a, const Dims& b) {
  return a.size() == b.size() && a.size() >= 2 && std::equal(a.begin(), a.end() - 2, b.begin());
}

std::vector<int64_t> last_two_swapped(size_t rank) {
  std::vector<int64_t> perm;
  for (size_t i = 0; i < rank; ++i) perm.push_back(static_cast<int64_t>(i));
  std::swap(perm[rank - 1], perm[rank - 2]);
  return perm;
}

Status fuse_attention(RuleContext& c) {
  Scores found{kNoValue};
  if (!multiplies_alone(c.node) || c.attrs().has("permA") || !skip_softmax(c, c.input(0), &found)) return {};
  skip_allowed(c, &found);
  const Node* products = find_products(c, &found);
  if (products == nullptr) return {};
  const DType dtype = c.type(c.node.output(0)).dtype;
  if (dtype != DType::kF32 && dtype != DType::kF64) return {};
  const Expr q = operand(c, *products, 0), v = operand(c, c.node, 1);
  Expr k = operand(c, *products, 1);
  for (const Expr& x : {q, k, v}) {
    if (!x.valid() || !x.type().concrete()) return {};
  }
  if (!same_lead(q.dims(), k.dims()) || !same_lead(q.dims(), v.dims())) return {};
  // Keys as they were before they were turned, if that is all that was done to them.
  const Node* turn = c.producer_of(products->inputs[1], "Transpose", false);
  const bool turns = turn != nullptr && !products->attrs.has("permB") &&
                     turn->attrs.ints_or_empty("perm") == last_two_swapped(k.dims().size());
  if (turns) k = c.mapped(turn->inputs[0]);
  const Expr y = c.make_with_kernel(
      kOp, {q, k, v, c.mapped(found.mask), c.mapped(found.allowed)},
      {{"scale", found.scale}, {"keys_last", int64_t{!turns}}, {"empty_is_zero", int64_t{found.empty_is_zero}}});
  if (y.valid()) c.replace(y);
  return {};
}

// What [N, L, heads, features] is transposed to for the products.
const std::vector<int64_t> kHeadsFirst{0, 2, 1, 3}, kHeadsFirstTurned{0, 2, 3, 1};

// Before such a transpose; nothing if there is none.
Expr before(const RuleContext& c, ValueId id, const std::vector<int64_t>& perm) {
  const Node* node = c.producer_of(id, "Transpose", false);
  return node != nullptr && node->attrs.ints_or_empty("perm") == perm ? c.mapped(node->inputs[0]) : Expr();
}

Status fuse_heads(RuleContext& c) {
  const Node* attention = c.input_from(0, kOp, true);
  if (attention == nullptr || attention->attrs.b("heads_inside") || c.attrs().ints_or_empty("perm") != kHeadsFirst) {
    return {};
  }
  const bool keys_last = attention->attrs.b("keys_last");
  std::vector<Expr> inputs = c.mapped_inputs(*attention);
  inputs[0] = before(c, attention->inputs[0], kHeadsFirst);
  inputs[1] = before(c, attention->inputs[1], keys_last ? kHeadsFirstTurned : kHeadsFirst);
  inputs[2] = before(c, attention->inputs[2], kHeadsFirst);
  for (int i = 0; i < 3; ++i) {
    if (!inputs[static_cast<size_t>(i)].valid()) return {};
  }
  Attrs attrs = attention->attrs;
  attrs.set("keys_last", int64_t{0});
  attrs.set("heads_inside", int64_t{1});
  const Expr y = c.make_with_kernel(kOp, inputs, std::move(attrs));
  if (y.valid()) c.replace(y);
  return {};
}

}  // namespace

void add_rule_fuse_attention(RuleRegistry& rules) {
  for (const char* op : {"MatMul", "weft.FusedMatMul"}) rules.add({"fuse_attention", op, fuse_attention});
  rules.add({"fuse_attention", "Transpose", fuse_heads});
}

}  // namespace weft
