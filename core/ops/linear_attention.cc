// LinearAttention: a state of keys and values in place of a softmax over them, step by step; a Scan.
#include <optional>

#include "core/graph/subgraph.h"
#include "core/ops/heads_common.h"

namespace weft {
namespace {

struct LinearRule {
  bool gated = false, delta = false;
  int64_t query_heads = 0, heads = 0;  // of queries; of keys, values and the state
};

constexpr int kQuery = 0, kKey = 1, kValue = 2, kPast = 3, kDecay = 4, kBeta = 5;

LinearRule linear_rule(const Attrs& attrs) {
  const std::string& name = attrs.s("update_rule");
  LinearRule rule;
  rule.gated = name == "gated" || name == "gated_delta";
  rule.delta = name == "delta" || name == "gated_delta";
  rule.query_heads = attrs.i("q_num_heads");
  rule.heads = attrs.i("kv_num_heads");
  return rule;
}

// -- What the shape rule says of attributes and shapes.

Status check_given(const InferContext& c, int i, const char* name, bool wanted) {
  if (c.has_input(i) == wanted) return {};
  return invalid("the update rule \"", c.attrs().s("update_rule"), "\"", wanted ? " needs" : " has no", " input '",
                 name, "'");
}

Status check_rule(const InferContext& c, const LinearRule& rule) {
  const std::string& name = c.attrs().s("update_rule");
  if (name != "linear" && name != "gated" && name != "delta" && name != "gated_delta") {
    return invalid("'update_rule' is \"", name, "\" but must be \"linear\", \"gated\", \"delta\" or \"gated_delta\"");
  }
  if (rule.heads < 1 || rule.query_heads < 1 || rule.query_heads % rule.heads != 0) {
    return invalid("'q_num_heads' is ", rule.query_heads, " but must be a positive multiple of 'kv_num_heads', ",
                   rule.heads);
  }
  WEFT_CHECK(check_given(c, kDecay, "decay", rule.gated));
  return check_given(c, kBeta, "beta", rule.delta);
}

bool differ_if_known(const Dim& a, const Dim& b) { return a.known() && b.known() && !(a == b); }

// Of [N, T, heads * features], with the N and T of the queries: the features of a head, nothing where they are not known.
Result<std::optional<Dim>> features_of(const InferContext& c, int i, const char* name, int64_t heads) {
  if (!c.has_rank(i)) return std::optional<Dim>();
  const Dims& dims = c.dims(i);
  if (dims.size() != 3) {
    return invalid("input '", name, "' must have the three axes [N, T, heads * features] but is ", c.input(i).text());
  }
  for (int axis = 0; axis < 2 && c.has_rank(kQuery); ++axis) {
    if (!differ_if_known(dims[axis], c.dims(kQuery)[axis])) continue;
    return invalid("input '", name, "' is ", c.input(i).text(), " but input 'query' is ", c.input(kQuery).text(),
                   ": they must have the same N and T");
  }
  if (dims[2].known() && dims[2].value() % heads != 0) {
    return invalid("input '", name, "' is ", c.input(i).text(), ", whose last axis ", heads, " heads do not divide");
  }
  return std::optional<Dim>(dims[2].floor_div(heads));
}

Status check_features(const char* name, const std::optional<Dim>& have, const std::optional<Dim>& keys) {
  if (!have || !keys || !differ_if_known(*have, *keys)) return {};
  return invalid("input '", name, "' has ", have->text(), " features a head but the keys have ", keys->text());
}

Status infer_linear_attention(InferContext& c) {
  const LinearRule rule = linear_rule(c.attrs());
  WEFT_CHECK(check_rule(c, rule));
  WEFT_TRY(const std::optional<Dim> query, features_of(c, kQuery, "query", rule.query_heads));
  WEFT_TRY(const std::optional<Dim> key, features_of(c, kKey, "key", rule.heads));
  WEFT_TRY(const std::optional<Dim> value, features_of(c, kValue, "value", rule.heads));
  WEFT_CHECK(check_features("query", query, key));
  if (rule.gated) {
    WEFT_TRY(const std::optional<Dim> decay, features_of(c, kDecay, "decay", rule.heads));
    if (decay && !decay->is(1)) WEFT_CHECK(check_features("decay", decay, key));
  }
  if (rule.delta && c.has_rank(kBeta)) {
    WEFT_CHECK(features_of(c, kBeta, "beta", 1).status());
    const Dim& heads = c.dims(kBeta)[2];
    if (heads.known() && !heads.is(1) && !heads.is(rule.heads)) {
      return invalid("input 'beta' must be [N, T, 1] or [N, T, ", rule.heads, "] but is ", c.input(kBeta).text());
    }
  }
  if (c.output_count() > 1) c.set_dtype(1, c.dtype(c.has_input(kPast) ? kPast : kQuery));
  if (!query) return {};
  Dims state = {c.dims(kQuery)[0], Dim(rule.heads), key ? *key : *query, value ? *value : c.fresh()};
  if (c.has_rank(kPast) && !may_equal(c.dims(kPast), state)) {
    return invalid("input 'past_state' must be ", dims_text(state), " but is ", c.input(kPast).text());
  }
  // Rather its name for a size than a quotient.
  for (size_t i = 2; i < state.size() && c.has_rank(kPast); ++i) {
    if (!state[i].known()) state[i] = c.dims(kPast)[i];
  }
  c.set_dims(0, {c.dims(kQuery)[0], c.dims(kQuery)[1], Dim(rule.query_heads) * state[3]});
  if (c.output_count() > 1) c.set_dims(1, state);
  return {};
}

// -- The body.

// [N, T, parts, features] of [N, T, parts * features].
Expr in_parts(BodyContext& c, int input, int64_t parts) {
  const Expr x = c.input(input), count = constant_ints(c.scope(), {parts});
  return reshape(wide(x), concat({dims_of(x, 0, 2), count, dims_of(x, 2, 3) / count}, 0));
}

struct LinearParts {
  Expr query, key, value;  // [N, T, heads, features]; queries [N, T, heads, queries that share it, features]
  Expr decay, beta;        // [N, T, heads, 1 or features of keys], [N, T, 1 or heads, 1]
  Expr state;              // [N, heads, features of keys, features of values]
};

LinearParts linear_parts(BodyContext& c, const LinearRule& rule) {
  ExprScope& scope = c.scope();
  LinearParts p;
  p.query = in_parts(c, kQuery, rule.query_heads);
  p.key = in_parts(c, kKey, rule.heads);
  p.value = in_parts(c, kValue, rule.heads);
  const Expr features = dims_of(p.query, 3, 4);
  const Expr sharing = constant_ints(scope, {rule.heads, rule.query_heads / rule.heads});
  p.query = reshape(p.query, concat({dims_of(p.query, 0, 2), sharing, features}, 0));
  if (c.attrs().f("scale") != 0) {
    p.query = p.query * c.attrs().f("scale");
  } else {
    const Expr root = make(scope, "Sqrt", {cast(squeeze(features, {0}), DType::kF64)});
    p.query = p.query * cast(make(scope, "Reciprocal", {root}), p.query.dtype());
  }
  if (rule.gated) p.decay = in_parts(c, kDecay, rule.heads);
  if (rule.delta) p.beta = unsqueeze(wide(c.input(kBeta)), {3});
  if (c.has_input(kPast)) {
    p.state = cast(c.input(kPast), p.query.dtype());
  } else {
    const Expr shape = concat({dims_of(p.key, 0, 1), dims_of(p.key, 2, 4), dims_of(p.value, 3, 4)}, 0);
    p.state = make(scope, "Expand", {scalar_like(p.query, 0), shape});
  }
  return p;
}

// One step, of [N, heads, ...]: what is read, and the state after it.
Status linear_step(ExprScope& scope, const LinearRule& rule, Graph& body) {
  std::vector<Expr> in;
  for (ValueId id : body.inputs()) in.emplace_back(scope, id);
  Expr state = in[0];
  const Expr query = in[1], key = in[2];
  Expr value = unsqueeze(in[3], {2});  // [N, heads, 1, features]
  size_t next = 4;
  if (rule.gated) state = state * unsqueeze(make(scope, "Exp", {in[next++]}), {3});
  if (rule.delta) value = unsqueeze(in[next], {3}) * (value - matmul(unsqueeze(key, {2}), state));
  state = state + unsqueeze(key, {3}) * value;
  const Expr read = matmul(query, state);  // [N, heads, queries that share it, features]
  WEFT_CHECK(scope.status());
  return body.set_outputs({state.id(), read.id()});
}

Status linear_attention(BodyContext& c) {
  const LinearRule rule = linear_rule(c.attrs());
  const LinearParts p = linear_parts(c, rule);
  ExprScope& scope = c.scope();
  std::vector<Expr> in = {p.state, p.query, p.key, p.value};
  if (rule.gated) in.push_back(p.decay);
  if (rule.delta) in.push_back(p.beta);
  WEFT_CHECK(scope.status());
  std::vector<ValueId> ids;
  for (const Expr& value : in) ids.push_back(value.id());
  const std::vector<int64_t> axes(in.size() - 1, 1);
  Attrs attrs = {{"num_scan_inputs", static_cast<int64_t>(axes.size())},
                 {"scan_input_axes", axes},
                 {"scan_output_axes", std::vector<int64_t>{1}}};
  WEFT_TRY(const OpDef* scan, scope.graph().ops().get(kOnnxDomain, "Scan"));
  WEFT_TRY(std::shared_ptr<Graph> body, make_body(scope.graph().shared_from_this(), *scan, ids, attrs));
  ExprScope inner(*body, scope.origin());
  WEFT_CHECK(linear_step(inner, rule, *body));
  attrs.set("body", GraphRef(std::move(body)));
  const std::vector<Expr> out = make_all(scope, "Scan", in, std::move(attrs), 2, c.node_name());
  const Expr width = constant_ints(scope, {rule.query_heads}) * dims_of(p.value, 3, 4);
  c.set_output(0, cast(reshape(out[1], concat({dims_of(p.key, 0, 2), width}, 0)), c.input(kQuery).dtype()));
  if (c.output_count() > 1) c.set_output(1, cast(out[0], c.input(c.has_input(kPast) ? kPast : kQuery).dtype()));
  return {};
}

}  // namespace

void define_op_linear_attention(OpRegistry& ops) {
  ops.add("LinearAttention")
      .group("nn/attention")
      .since(27)
      .doc(
          "Attention without a softmax: in every head a state S, [features of keys, features of values], takes in one "
          "key and value after the other, and each query reads it, `scale * q S`. By `update_rule`, S becomes "
          "\"linear\" "
          "`S + k v`, \"gated\" `exp(g) S + k v`, \"delta\" `S + beta k (v - k S)`, and \"gated_delta\" `S' + beta k "
          "(v "
          "- k S')` with `S' = exp(g) S`. Where there are fewer keys' heads than queries', each is shared by as many "
          "neighbours. Halves are computed with in f32.")
      .types("T", kFloatTypes)
      .types("S", kFloatTypes)
      .attr("chunk_size", int64_t{64}, "Changes no result; it is looked at by nothing.")
      .required_attr("kv_num_heads", AttrKind::kInt, "Heads of keys and values.")
      .required_attr("q_num_heads", AttrKind::kInt, "Heads of queries, a multiple of `kv_num_heads`.")
      .attr("scale", 0.0, "What is read is multiplied by it; 0: by `1 / sqrt(features of keys)`.")
      .attr("update_rule", "gated_delta", "\"linear\", \"gated\", \"delta\" or \"gated_delta\".")
      .input("query", "T", "[N, T, heads * features].")
      .input("key", "T", "[N, T, heads * features].")
      .input("value", "T", "[N, T, heads * features], with features of their own.")
      .optional_input("past_state", "S", "[N, heads, features of keys, features of values]; zeros if not given.")
      .optional_input(
          "decay", "T",
          "g, the logarithm of what is kept: [N, T, heads], or [N, T, heads * features] for each feature of "
          "the keys. Of gated rules alone.")
      .optional_input("beta", "T", "How much is corrected: [N, T, heads] or [N, T, 1]. Of delta rules alone.")
      .output("output", "T", "[N, T, query heads * features of values].")
      .output("present_state", "S", "The state behind the last step, in the type of past_state, or of query.")
      .infer(infer_linear_attention)
      .body_by_shapes(linear_attention);
}

}  // namespace weft
