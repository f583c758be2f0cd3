// Attention: two products with a softmax between them become one operator, which does not store what is between them. It
// also takes up the transposes that part and join heads.
#include <limits>

#include "core/passes/rules/patterns_common.h"

namespace weft {
namespace {

constexpr char kOp[] = "weft.FusedAttention";
constexpr double kOut = -std::numeric_limits<double>::infinity();

// What stands between the softmax and the product before it.
struct Scores {
  ValueId at;  // where the pattern has been followed to
  double scale = 1;
  ValueId mask = kNoValue, allowed = kNoValue;
  bool allowed_is_not = false;  // the truth values say what is left out
  double left_out = kOut;
  bool mask_last = false;
  bool viewed = false;   // with other axes before the last two in between
  bool stacked = false;  // heads of queries that share keys lie below one another in the products
  bool empty_is_zero = false, nan_is_zero = false;
};

bool is_last_axis(const RuleContext& c, const Node& node, int64_t axis) {
  return axis == -1 || axis + 1 == static_cast<int64_t>(c.type(node.inputs[0]).dims.size());
}

// Whether `none` tells the rows of `x` that are minus infinity throughout.
bool tells_empty_rows(const RuleContext& c, ValueId none, ValueId x) {
  const Node* equal = c.producer_of(none, "Equal", false);
  if (equal == nullptr || c.constant_number(equal->inputs[1]) != kOut) return false;
  const Node* best = c.producer_of(equal->inputs[0], "ReduceMax", false);
  if (best == nullptr || best->inputs[0] != x || best->inputs.size() < 2 || !best->attrs.b("keepdims")) return false;
  const Tensor* axes = c.constant(best->inputs[1]);
  return axes != nullptr && axes->count() == 1 && is_last_axis(c, *best, axes->as<int64_t>()[0]);
}

const Node* softmax_of(const RuleContext& c, ValueId id) {
  const Node* softmax = c.producer_of(id, "Softmax", false);
  return softmax != nullptr && is_last_axis(c, *softmax, softmax->attrs.i("axis")) ? softmax : nullptr;
}

// Behind the softmax, which may have rows of nothing replaced by zeros.
bool skip_softmax(const RuleContext& c, ValueId weights, Scores* found) {
  if (const Node* softmax = softmax_of(c, weights)) {
    found->at = softmax->inputs[0];
    return true;
  }
  const Node* outer = c.producer_of(weights, "Where", false);
  if (outer == nullptr || c.constant_number(outer->inputs[1]) != 0.0) return false;
  const Node* softmax = softmax_of(c, outer->inputs[2]);
  // As PyTorch writes masks of truth values.
  const Node* nan = softmax == nullptr ? nullptr : c.producer_of(outer->inputs[0], "IsNaN", false);
  if (nan != nullptr && nan->inputs[0] == outer->inputs[2]) {
    found->at = softmax->inputs[0];
    found->nan_is_zero = true;
    return true;
  }
  const Node* inner = softmax == nullptr ? nullptr : c.producer_of(softmax->inputs[0], "Where", false);
  if (inner == nullptr || inner->inputs[0] != outer->inputs[0]) return false;
  if (c.constant_number(inner->inputs[1]) != 0.0) return false;
  if (!tells_empty_rows(c, inner->inputs[0], inner->inputs[2])) return false;
  found->at = inner->inputs[2];
  found->empty_is_zero = true;
  return true;
}

// Behind a mask of truth values, which puts minus infinity or some number, as the least that there is, in place of scores.
void skip_allowed(const RuleContext& c, Scores* found) {
  const Node* where = c.producer_of(found->at, "Where", false);
  for (size_t side : {1, 2}) {
    if (where == nullptr || c.type(where->inputs[side]).dims != c.type(found->at).dims) continue;
    const std::optional<double> number = c.constant_number(where->inputs[3 - side]);
    // Attributes hold what f32 does.
    if (!number || static_cast<double>(static_cast<float>(*number)) != *number) continue;
    found->allowed = where->inputs[0];
    found->allowed_is_not = side == 2;
    found->left_out = *number;
    found->at = where->inputs[side];
    return;
  }
}

// What a factor or divisor is put on, if the value is that: of scores, or of queries and keys each, as PyTorch has it.
ValueId skip_scale(const RuleContext& c, ValueId id, double* scale) {
  const Node& node = c.from.producer(id);
  if (!node.is("Mul") && !node.is("Div")) return id;
  for (size_t side : {0, 1}) {
    const std::optional<double> number = c.constant_number(node.inputs[1 - side]);
    if (!number || c.type(node.inputs[side]).dims != c.type(id).dims) continue;
    if (node.is("Div") && (side == 1 || *number == 0)) continue;
    *scale *= node.is("Div") ? 1 / *number : *number;
    return node.inputs[side];
  }
  return id;
}

// Whether a product does nothing else.
bool multiplies_alone(const Node& node) {
  return node.inputs.size() == 2 && !node.attrs.has("low") && !node.attrs.has("high");
}

// Behind reshapes that change nothing of the last two axes, as tf2onnx has them around the products of an einsum.
ValueId skip_views(const RuleContext& c, ValueId id, bool* viewed) {
  for (;;) {
    const Node& node = c.from.producer(id);
    if ((!node.is("Reshape") && !node.is("Squeeze") && !node.is("Unsqueeze")) || c.uses(id) != 1) return id;
    const Dims &in = c.type(node.inputs[0]).dims, &out = c.type(id).dims;
    if (in.size() < 2 || out.size() < 2 || !std::equal(in.end() - 2, in.end(), out.end() - 2)) return id;
    *viewed = true;
    id = node.inputs[0];
  }
}

// Whether scores or weights [N, heads, L, keys] have been put as [N, heads of keys, heads that share one * L, keys].
bool is_stacked(const RuleContext& c, ValueId apart, ValueId stacked) {
  const ValueType &a = c.type(apart), &s = c.type(stacked);
  if (!a.concrete() || !s.concrete() || a.dims.size() != 4 || s.dims.size() != 4) return false;
  const int64_t heads = a.dims[1].value(), kept = s.dims[1].value();
  return a.dims[0] == s.dims[0] && a.dims[3] == s.dims[3] && 0 < kept && kept < heads && heads % kept == 0 &&
         a.dims[2].value() * (heads / kept) == s.dims[2].value();
}

const Node* product_at(const RuleContext& c, ValueId id, Scores* found) {
  id = skip_views(c, id, &found->viewed);
  if (found->stacked) {
    const Node* apart = c.producer_of(id, "Reshape", true);
    if (apart == nullptr || !is_stacked(c, id, apart->inputs[0])) return nullptr;
    id = apart->inputs[0];
  }
  const Node& node = c.from.producer(id);
  return (node.is("MatMul") || node.is(kWeftDomain, "FusedMatMul")) && multiplies_alone(node) ? &node : nullptr;
}

// What comes to be an operand, in the new graph, transposed by itself if the product reads it so.
Expr operand(const RuleContext& c, const Node& product, size_t i, ValueId id) {
  const Expr x = c.mapped(id);
  const char* perm = i == 0 ? "permA" : "permB";
  return product.attrs.has(perm) ? transpose(x, product.attrs.ints(perm)) : x;
}

// Behind the mask, if there is one, and the scale.
const Node* find_products(const RuleContext& c, Scores* found) {
  const Scores start = *found;
  found->at = skip_scale(c, found->at, &found->scale);
  if (const Node* products = product_at(c, found->at, found)) return products;
  const Node* sum = c.producer_of(start.at, "Add", false);
  if (sum == nullptr) return nullptr;
  for (size_t side : {0, 1}) {
    *found = start;
    found->mask = sum->inputs[1 - side];
    found->at = sum->inputs[side];
    if (c.type(found->at).dims != c.type(start.at).dims) continue;
    if (found->allowed == kNoValue) {
      skip_allowed(c, found);
      found->mask_last = found->allowed != kNoValue;
    }
    found->at = skip_scale(c, found->at, &found->scale);
    if (const Node* products = product_at(c, found->at, found)) return products;
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

// A mask of scores [..., heads, L, keys] as it is where `shared` heads each lie below one another; not valid where that is no
// mask of rows.
Expr stacked_mask(Expr mask, int64_t heads, int64_t queries, int64_t shared) {
  if (!mask.valid() || !mask.type().concrete()) return {};
  Shape shape = to_shape(mask.dims());
  const size_t rank = shape.size();
  const int64_t rows = rank > 1 ? shape[rank - 2] : 1, own_heads = rank > 2 ? shape[rank - 3] : 1;
  if (own_heads == 1 && rows == 1) return mask;
  if (rows != queries) return {};
  if (own_heads == 1) {
    Shape times(rank, 1);
    times[rank - 2] = shared;
    return make(mask.scope(), "Tile", {mask, constant_ints(mask.scope(), times)});
  }
  if (own_heads != heads) return {};
  shape[rank - 3] = heads / shared;
  shape[rank - 2] = shared * queries;
  return reshape(mask, constant_ints(mask.scope(), shape));
}

Status fuse_attention(RuleContext& c) {
  Scores found{kNoValue};
  if (!multiplies_alone(c.node) || c.attrs().has("permA")) return {};
  ValueId weights = c.input(0);
  const Node* stack = c.producer_of(weights, "Reshape", true);
  if (stack != nullptr && is_stacked(c, stack->inputs[0], weights)) {
    found.stacked = true;
    weights = stack->inputs[0];
  }
  if (!skip_softmax(c, skip_views(c, weights, &found.viewed), &found)) return {};
  skip_allowed(c, &found);
  const Node* products = find_products(c, &found);
  if (products == nullptr) return {};
  // A mask has the axes that there are in between.
  if (found.viewed && (found.mask != kNoValue || found.allowed != kNoValue)) return {};
  // A gradient needs the values in between: where there is one, the pieces stay. The factors may be needed elsewhere.
  const auto alone = [&](ValueId queries, ValueId keys) {
    return used_here_alone(c, {queries, keys, c.input(1), found.mask, found.allowed});
  };
  double scale = found.scale;
  ValueId queries = skip_scale(c, products->inputs[0], &scale), keys = skip_scale(c, products->inputs[1], &scale);
  if (!alone(queries, keys)) {
    scale = found.scale;
    queries = products->inputs[0];
    keys = products->inputs[1];
    if (!alone(queries, keys)) return {};
  }
  const DType dtype = c.type(c.node.output(0)).dtype;
  if (dtype != DType::kF32 && dtype != DType::kF64) return {};
  const Expr q = operand(c, *products, 0, queries), v = operand(c, c.node, 1, c.input(1));
  Expr k = operand(c, *products, 1, keys);
  for (const Expr& x : {q, k, v}) {
    if (!x.valid() || !x.type().concrete()) return {};
  }
  if (!same_lead(q.dims(), k.dims()) || !same_lead(q.dims(), v.dims())) return {};
  // Keys as they were before they were turned, if that is all that was done to them.
  const Node* turn = c.producer_of(keys, "Transpose", false);
  const bool turns = turn != nullptr && !products->attrs.has("permB") &&
                     turn->attrs.ints_or_empty("perm") == last_two_swapped(k.dims().size());
  if (turns) k = c.mapped(turn->inputs[0]);
  Expr mask = c.mapped(found.mask), allowed = c.mapped(found.allowed);
  if (found.stacked) {
    const Dims& apart = c.type(weights).dims;
    const int64_t heads = apart[1].value(), shared = heads / c.type(c.input(0)).dims[1].value();
    for (Expr* one : {&mask, &allowed}) {
      if (!one->valid()) continue;
      *one = stacked_mask(*one, heads, apart[2].value(), shared);
      if (!one->valid()) return {};
    }
  }
  if (found.allowed_is_not) allowed = make(c.scope(), "Not", {allowed});
  Attrs attrs{{"scale", scale},
              {"keys_last", int64_t{!turns}},
              {"mask_last", int64_t{found.mask_last}},
              {"empty_is_zero", int64_t{found.empty_is_zero}},
              {"nan_is_zero", int64_t{found.nan_is_zero}}};
  if (found.left_out != kOut) attrs.set("left_out", found.left_out);
  const Expr y = c.make_with_kernel(kOp, {q, k, v, mask, allowed}, std::move(attrs));
  if (y.valid() && y.dims() == c.type(c.node.output(0)).dims) c.replace(y);
  return {};
}

// A factor that became a constant later, and the turn of the keys behind it.
Status take_factors(RuleContext& c) {
  double scale = c.attrs().f("scale");
  ValueId at[2];
  for (int i : {0, 1}) at[i] = c.uses(c.input(i)) == 1 ? skip_scale(c, c.input(i), &scale) : c.input(i);
  bool keys_last = c.attrs().b("keys_last");
  const Node* turn = keys_last ? c.producer_of(at[1], "Transpose", false) : nullptr;
  if (turn != nullptr && turn->attrs.ints_or_empty("perm") == last_two_swapped(c.type(at[1]).dims.size())) {
    at[1] = turn->inputs[0];
    keys_last = false;
  }
  if (at[0] == c.input(0) && at[1] == c.input(1)) return {};
  std::vector<Expr> inputs = c.mapped_inputs(c.node);
  for (int i : {0, 1}) inputs[static_cast<size_t>(i)] = c.mapped(at[i]);
  Attrs attrs = c.attrs();
  attrs.set("scale", scale);
  attrs.set("keys_last", int64_t{keys_last});
  const Expr y = c.make_with_kernel(kOp, inputs, std::move(attrs));
  if (y.valid()) c.replace(y);
  return {};
}

// What [N, heads, L, features] were before each head was repeated, as exporters have it where heads of queries share keys:
// [N, heads, 1, L, features], expanded and joined. Not valid if they are no such thing.
Expr before_repeated(RuleContext& c, ValueId id) {
  const Node* joined = c.producer_of(id, "Reshape", false);
  const Node* expanded = joined == nullptr ? nullptr : c.producer_of(joined->inputs[0], "Expand", false);
  if (expanded == nullptr) return {};
  const ValueType &all = c.type(id), &many = c.type(joined->inputs[0]), &one = c.type(expanded->inputs[0]);
  if (!all.concrete() || !many.concrete() || !one.concrete()) return {};
  if (all.dims.size() != 4 || many.dims.size() != 5 || one.dims.size() != 5) return {};
  const Dims &a = all.dims, &m = many.dims;
  const Dims repeated{m[0], m[1], Dim(1), m[3], m[4]};
  if (one.dims != repeated || a[0] != m[0] || a[2] != m[3] || a[3] != m[4]) return {};
  if (a[1].value() != m[1].value() * m[2].value() || m[2].is(1)) return {};
  const Shape shape{m[0].value(), m[1].value(), m[3].value(), m[4].value()};
  return reshape(c.mapped(expanded->inputs[0]), constant_ints(c.scope(), shape));
}

// The heads of queries that share keys become rows of one, in place of copies of the keys.
Status share_keys(RuleContext& c) {
  if (c.attrs().b("heads_inside") || c.attrs().b("keys_last") || c.type(c.input(0)).dims.size() != 4) return {};
  const Expr q = c.mapped_input(0), k = before_repeated(c, c.input(1)), v = before_repeated(c, c.input(2));
  if (!k.valid() || !v.valid() || k.dims()[1] != v.dims()[1] || !q.type().concrete()) return {};
  const Shape shape = to_shape(q.dims());
  const int64_t heads = shape[1], queries = shape[2], kept = k.dims()[1].value(), shared = heads / kept;
  std::vector<Expr> inputs{reshape(q, constant_ints(c.scope(), {shape[0], kept, shared * queries, shape[3]})), k, v};
  for (int i : {3, 4}) {
    Expr mask = c.mapped_input(i);
    if (mask.valid()) {
      mask = stacked_mask(mask, heads, queries, shared);
      if (!mask.valid()) return {};
    }
    inputs.push_back(mask);
  }
  const Expr y = c.make_with_kernel(kOp, inputs, c.attrs());
  if (y.valid()) c.replace(reshape(y, constant_ints(c.scope(), to_shape(c.type(c.node.output(0)).dims))));
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
  rules.add({"fuse_attention", kOp, take_factors});
  rules.add({"fuse_attention", kOp, share_keys});
  rules.add({"fuse_attention", "Transpose", fuse_heads});
}

}  // namespace weft
