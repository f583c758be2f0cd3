// FlexAttention: attention whose scores and weights go through sub-graphs of the user's.
#include <cmath>

#include "core/graph/subgraph.h"
#include "core/ops/heads_common.h"

namespace weft {
namespace {

DType precision_of(const Attrs& attrs, DType dtype) {
  const DType otherwise = dtype == DType::kF64 ? DType::kF64 : DType::kF32;
  return static_cast<DType>(attrs.i_or("softmax_precision", static_cast<int64_t>(otherwise)));
}

Status check_flex_inputs(const InferContext& c) {
  static constexpr const char* kNames[] = {"Q", "K", "V"};
  for (int i = 0; i < 3; ++i) {
    if (!c.has_input(i)) return invalid("input '", kNames[i], "' must be given");
    if (c.has_rank(i) && c.rank(i) != 4) {
      return invalid("input '", kNames[i], "' must have the four axes [N, heads, L, features] but is ",
                     c.input(i).text());
    }
  }
  const int64_t precision = c.attrs().i_or("softmax_precision", static_cast<int64_t>(DType::kF32));
  if (precision < 1 || precision >= kDTypeCount || !contains(kFloatTypes, static_cast<DType>(precision))) {
    return invalid("attribute 'softmax_precision' is ", precision, " but must be f32, f64, f16 or bf16");
  }
  return {};
}

// Both sub-graphs take what has an element for each query and key: [N, heads, L, S].
Status flex_types(InferContext& c, RepeatedTypes* types) {
  WEFT_CHECK(check_flex_inputs(c));
  ValueType scores = ValueType::unranked(precision_of(c.attrs(), c.input(0).dtype));
  if (c.has_rank(0) && c.has_rank(1)) {
    scores = ValueType::tensor(scores.dtype, {c.dims(0)[0], c.dims(0)[1], c.dims(0)[2], c.dims(1)[2]});
  }
  types->inputs.push_back(std::move(scores));
  return {};
}

// Each takes one tensor like the scores and gives one.
Status check_modifiers(InferContext& c) {
  RepeatedTypes types;
  WEFT_CHECK(flex_types(c, &types));
  const ValueType& scores = types.inputs[0];
  for (const auto& [name, attr] : c.attrs()) {
    if (attr.kind() != AttrKind::kGraph) continue;
    const Graph& graph = *attr.graph();
    if (graph.inputs().size() != 1 || graph.outputs().size() != 1) {
      return invalid("'", name, "' has ", graph.inputs().size(), " inputs and ", graph.outputs().size(),
                     " outputs but must have one of each");
    }
    const ValueType &taken = graph.type(graph.inputs()[0]), &given = graph.type(graph.outputs()[0]);
    if (!taken.alike(scores)) return invalid("'", name, "' takes ", taken.text(), " but is given ", scores.text());
    const bool same_shape = !given.has_rank || !scores.has_rank || may_equal(given.dims, scores.dims);
    if (given.alike(scores) && same_shape) continue;
    return invalid("'", name, "' gives ", given.text(), " but must give what it takes, ", scores.text());
  }
  return {};
}

Status infer_flex_attention(InferContext& c) {
  WEFT_CHECK(check_flex_inputs(c));
  WEFT_CHECK(check_modifiers(c));
  if (!c.has_rank(0) || !c.has_rank(1) || !c.has_rank(2)) return {};
  const Dims &q = c.dims(0), &k = c.dims(1), &v = c.dims(2);
  if (!may_equal({q[0], q[3]}, {k[0], k[3]}) || !may_equal({k[0], k[1], k[2]}, {v[0], v[1], v[2]})) {
    return invalid("the inputs are Q ", c.input(0).text(), ", K ", c.input(1).text(), " and V ", c.input(2).text(),
                   " but Q and K must have as many features, K and V as many heads and places, all one N");
  }
  if (q[1].known() && k[1].known() && (k[1].is(0) ? !q[1].is(0) : q[1].value() % k[1].value() != 0)) {
    return invalid("Q has ", q[1].text(), " heads, which is no multiple of the ", k[1].text(), " of K and V");
  }
  c.set_dims(0, {q[0], q[1], q[2], v[3]});
  return {};
}

// The sub-graphs of a node, in the order of its attributes, in which what they capture follows the inputs.
class Modifiers {
 public:
  explicit Modifiers(BodyContext& c) : c_(c) {}

  // What the sub-graph makes of `x`; `x` if there is none.
  Result<Expr> apply(std::string_view wanted, Expr x) {
    int capture = 3;
    for (const auto& [name, attr] : c_.attrs()) {
      if (attr.kind() != AttrKind::kGraph) continue;
      const Graph& graph = *attr.graph();
      const std::vector<Graph::Capture> captures = graph.needed_captures();
      if (name == wanted) return made(graph, captures, capture, x);
      capture += static_cast<int>(captures.size());
    }
    return x;
  }

 private:
  Result<Expr> made(const Graph& graph, const std::vector<Graph::Capture>& captures, int first, Expr x) {
    WEFT_CHECK(c_.scope().status());
    std::vector<ValueId> map(static_cast<size_t>(graph.value_count()), kNoValue);
    map[graph.inputs()[0]] = x.id();
    for (size_t i = 0; i < captures.size(); ++i) {
      map[captures[i].inner] = c_.input(first + static_cast<int>(i)).id();
    }
    WEFT_CHECK(copy_nodes(graph, graph.outputs(), c_.scope().graph(), &map));
    return Expr(c_.scope(), map[graph.outputs()[0]]);
  }

  BodyContext& c_;
};

Status flex_attention_body(BodyContext& c) {
  const Expr q = c.input(0), k = c.input(1), v = c.input(2);
  ExprScope& scope = c.scope();
  const DType precision = precision_of(c.attrs(), q.dtype());
  // Half of the scale on either side of the product, so that halves do not overflow.
  Expr root;
  if (c.attrs().has("scale")) {
    root = scalar(scope, DType::kF32, std::sqrt(c.attrs().f("scale")));
  } else {
    const Expr features = cast(squeeze(dims_of(q, 3, 4), {0}), DType::kF32);
    root = make(scope, "Sqrt", {make(scope, "Reciprocal", {make(scope, "Sqrt", {features})})});
  }
  root = cast(root, q.dtype());
  // Heads of queries that share one of keys are further queries of it; counted, as -1 is nothing beside no images.
  const Expr rows = dims_of(q, 1, 2) / dims_of(k, 1, 2) * dims_of(q, 2, 3);
  const Expr by_key = reshape(q, concat({dims_of(q, 0, 1), dims_of(k, 1, 2), rows, dims_of(q, 3, 4)}, 0));
  const Expr shape = concat({dims_of(q, 0, 3), dims_of(k, 2, 3)}, 0);
  Expr scores = cast(reshape(matmul(by_key * root, swap_last_two(k * root)), shape), precision);
  Modifiers modifiers(c);
  WEFT_TRY(scores, modifiers.apply("score_mod", scores));
  Expr weights = make(scope, "Softmax", {scores}, {{"axis", int64_t{-1}}});
  WEFT_TRY(weights, modifiers.apply("prob_mod", weights));
  const Expr grouped = concat({dims_of(q, 0, 1), dims_of(k, 1, 2), rows, dims_of(k, 2, 3)}, 0);
  const Expr sums = matmul(reshape(weights, grouped), cast(v, precision));
  const Expr out = reshape(sums, concat({dims_of(q, 0, 3), dims_of(v, 3, 4)}, 0));
  c.set_output(0, cast(out, q.dtype()));
  return {};
}

}  // namespace

void define_op_flex_attention(OpRegistry& ops) {
  ops.add(kPreviewDomain, "FlexAttention")
      .group("nn/attention")
      .doc(
          "Attention whose pieces sub-graphs change: `P = softmax(score_mod(scale * Q K^T))`, `Y = prob_mod(P) V`, for "
          "each head. Each of the sub-graphs takes and gives one tensor [N, heads, L, S] of the type of "
          "`softmax_precision`, and uses values of the graphs around it; without one, nothing is changed. A mask is a "
          "`score_mod` that gives -inf where a query does not look. Where K and V have fewer heads than Q, each is "
          "shared by as many neighbours. Differentiable by the inputs and by captured values.")
      .types("T1", kFloatTypes)
      .optional_attr("prob_mod", AttrKind::kGraph, "What becomes of the weights.")
      .optional_attr("scale", AttrKind::kFloat, "Factor of the scores; `1 / sqrt(features)` if not given.")
      .optional_attr("score_mod", AttrKind::kGraph, "What becomes of the scores.")
      .optional_dtype_attr("softmax_precision",
                           "What scores and weights are computed in; f64 for f64, else f32, if not given.")
      .input("Q", "T1", "[N, heads, L, features].")
      .input("K", "T1", "[N, heads of keys, S, features].")
      .input("V", "T1", "[N, heads of keys, S, features of values].")
      .output("Y", "T1", "[N, heads, L, features of values].")
      .repeats(flex_types)
      .infer(infer_flex_attention)
      .body(flex_attention_body);
}

}  // namespace weft
