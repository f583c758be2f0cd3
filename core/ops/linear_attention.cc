// LinearAttention: a state of keys and values in place of a softmax over them, step by step; a Scan.
#include "core/graph/subgraph.h"
#include "core/ops/heads_common.h"

namespace weft {
namespace {

struct LinearRule {
  bool gated = false, delta = false;
  int64_t query_heads = 0, heads = 0;  // of queries; of keys, values and the state
};

Status check_given(const BodyContext& c, int i, const char* name, bool wanted) {
  if (c.has_input(i) == wanted) return {};
  return invalid("the update rule \"", c.attrs().s("update_rule"), "\"", wanted ? " needs" : " has no", " input '",
                 name, "'");
}

Result<LinearRule> linear_rule(const BodyContext& c) {
  const std::string& name = c.attrs().s("update_rule");
  if (name != "linear" && name != "gated" && name != "delta" && name != "gated_delta") {
    return invalid("'update_rule' is \"", name, "\" but must be \"linear\", \"gated\", \"delta\" or \"gated_delta\"");
  }
  LinearRule rule;
  rule.gated = name == "gated" || name == "gated_delta";
  rule.delta = name == "delta" || name == "gated_delta";
  rule.query_heads = c.attrs().i("q_num_heads");
  rule.heads = c.attrs().i("kv_num_heads");
  if (rule.heads < 1 || rule.query_heads < 1 || rule.query_heads % rule.heads != 0) {
    return invalid("'q_num_heads' is ", rule.query_heads, " but must be a positive multiple of 'kv_num_heads', ",
                   rule.heads);
  }
  WEFT_CHECK(check_given(c, 4, "decay", rule.gated));
  WEFT_CHECK(check_given(c, 5, "beta", rule.delta));
  return rule;
}

// [N, T, parts, features] of [N, T, parts * features].
Result<Expr> in_parts(BodyContext& c, int input, const char* name, int64_t parts) {
  const Expr x = c.input(input);
  if (!x.has_rank() || x.rank() != 3) {
    return invalid("input '", name, "' must have the three axes [N, T, heads * features] but is ", x.type().text());
  }
  const Dim& all = x.dims()[2];
  if (all.known() && all.value() % parts != 0) {
    return invalid("input '", name, "' is ", x.type().text(), ", whose last axis ", parts, " heads do not divide");
  }
  const Expr count = constant_ints(c.scope(), {parts});
  return reshape(wide(x), concat({dims_of(x, 0, 2), count, dims_of(x, 2, 3) / count}, 0));
}

struct LinearParts {
  Expr query, key, value;  // [N, T, heads, features]; queries [N, T, heads, queries that share it, features]
  Expr decay, beta;        // [N, T, heads, 1 or features of keys], [N, T, 1 or heads, 1]
  Expr state;              // [N, heads, features of keys, features of values]
};

Status check_features(Expr x, const char* name, Expr key) {
  const Dim &have = x.dims().back(), &want = key.dims()[3];
  if (!have.known() || !want.known() || have == want) return {};
  return invalid("input '", name, "' has ", have.text(), " features a head but the keys have ", want.text());
}

Result<LinearParts> linear_parts(BodyContext& c, const LinearRule& rule) {
  LinearParts p;
  WEFT_TRY(p.query, in_parts(c, 0, "query", rule.query_heads));
  WEFT_TRY(p.key, in_parts(c, 1, "key", rule.heads));
  WEFT_TRY(p.value, in_parts(c, 2, "value", rule.heads));
  WEFT_CHECK(c.scope().status());
  WEFT_CHECK(check_features(p.query, "query", p.key));
  ExprScope& scope = c.scope();
  const Expr features = dims_of(p.query, 3, 4);
  const Expr sharing = constant_ints(scope, {rule.heads, rule.query_heads / rule.heads});
  p.query = reshape(p.query, concat({dims_of(p.query, 0, 2), sharing, features}, 0));
  if (c.attrs().f("scale") != 0) {
    p.query = p.query * c.attrs().f("scale");
  } else {
    const Expr root = make(scope, "Sqrt", {cast(squeeze(features, {0}), DType::kF64)});
    p.query = p.query * cast(make(scope, "Reciprocal", {root}), p.query.dtype());
  }
  if (rule.gated) {
    WEFT_TRY(p.decay, in_parts(c, 4, "decay", rule.heads));
    WEFT_CHECK(scope.status());
    if (!p.decay.dims().back().is(1)) WEFT_CHECK(check_features(p.decay, "decay", p.key));
  }
  if (rule.delta) {
    const Expr beta = c.input(5);
    const Dim heads = beta.has_rank() && beta.rank() == 3 ? beta.dims()[2] : Dim(0);
    if (heads.known() && !heads.is(1) && !heads.is(rule.heads)) {
      return invalid("input 'beta' must be [N, T, 1] or [N, T, ", rule.heads, "] but is ", beta.type().text());
    }
    p.beta = unsqueeze(wide(beta), {3});
  }
  const Expr shape = concat({dims_of(p.key, 0, 1), dims_of(p.key, 2, 4), dims_of(p.value, 3, 4)}, 0);
  if (!c.has_input(3)) {
    p.state = make(scope, "Expand", {scalar_like(p.query, 0), shape});
    return p;
  }
  p.state = wide(c.input(3));
  const Dims wanted = {p.key.dims()[0], Dim(rule.heads), p.key.dims()[3], p.value.dims()[3]};
  if (!p.state.has_rank() || !may_equal(p.state.dims(), wanted)) {
    return invalid("input 'past_state' must be ", dims_text(wanted), " but is ", c.input(3).type().text());
  }
  p.state = cast(p.state, p.query.dtype());
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
  WEFT_TRY(const LinearRule rule, linear_rule(c));
  WEFT_TRY(const LinearParts p, linear_parts(c, rule));
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
  c.set_output(0, cast(reshape(out[1], concat({dims_of(p.key, 0, 2), width}, 0)), c.input(0).dtype()));
  if (c.output_count() > 1) c.set_output(1, cast(out[0], c.input(c.has_input(3) ? 3 : 0).dtype()));
  return {};
}

}  // namespace

void define_op_linear_attention(OpRegistry& ops) {
  ops.add("LinearAttention")
      .group("nn")
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
      .body(linear_attention);
}

}  // namespace weft
