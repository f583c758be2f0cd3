// FlexAttention: what a case file cannot write, its sub-graphs. Expected numbers are worked out by hand.
#include <limits>

#include "core/graph/subgraph.h"
#include "tests/core/expect_error.h"
#include "tests/core/runtime/subgraph_common.h"

namespace weft {
namespace {

struct FlexModel : TestModel {
  // Queries and keys are 0, so that all scores are 0 and all weights equal, until somebody changes them.
  Expr q = input("q", DType::kF64, {Dim(1), Dim(2), Dim(1), Dim(1)}),
       k = input("k", DType::kF64, {Dim(1), Dim(1), Dim::symbol("s"), Dim(1)}),
       v = input("v", DType::kF64, {Dim(1), Dim(1), Dim::symbol("s"), Dim(1)});
  Expr w = variable("w", 3);
  Attrs attrs;

  std::vector<ValueId> ids() { return {q.id(), k.id(), v.id()}; }
  Result<std::shared_ptr<Graph>> body() {
    return make_body(graph, **graph->ops().get(kPreviewDomain, "FlexAttention"), ids(), attrs);
  }
  Expr attention() { return make(scope, "ai.onnx.preview.FlexAttention", {q, k, v}, attrs); }
  Values run(Expr fetch) {
    const auto four = [](const std::vector<double>& values, Shape shape) {
      Tensor out = *Tensor::make(DType::kF64, shape);
      std::copy(values.begin(), values.end(), out.as<double>());
      return out;
    };
    return values({q, k, v}, {four({0, 0}, {1, 2, 1, 1}), four({0, 0, 0}, {1, 1, 3, 1}), four({1, 2, 6}, {1, 1, 3, 1})},
                  fetch);
  }
};

// What a sub-graph makes of its one input.
struct Modifier : Body {
  Expr x;
  explicit Modifier(FlexModel& m) : Body(m.graph) {
    graph = *m.body();
    scope = std::make_unique<ExprScope>(*graph);
    x = Expr(*scope, graph->inputs()[0]);
  }
};

TEST(FlexAttention, IsAttentionWithoutSubgraphs) {
  FlexModel m;
  EXPECT_EQ(m.run(m.attention()), (Values{3, 3}));
}

TEST(FlexAttention, ChangesScoresAndWeightsByWhatItsSubgraphsBuild) {
  FlexModel m;
  Modifier weights(m);
  EXPECT_EQ(weights.x.type().text(), "f64[1, 2, 1, s]");
  weights.returns({weights.x * weights.use(m.w)});
  m.attrs.set("prob_mod", GraphRef(weights.graph));
  EXPECT_EQ(m.run(m.attention()), (Values{9, 9}));  // w = 3 times the mean

  // The third key is masked for the second head alone: 0 plus a mask.
  Modifier scores(m);
  Tensor mask = *Tensor::make(DType::kF64, {2, 1, 3});
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<double> added = {0, 0, 0, 0, 0, -inf};
  std::copy(added.begin(), added.end(), mask.as<double>());
  scores.returns({scores.x + constant(*scores.scope, std::move(mask))});
  m.attrs.set("score_mod", GraphRef(scores.graph));
  EXPECT_EQ(m.run(m.attention()), (Values{9, 4.5}));
}

TEST(FlexAttention, HasGradientsByInputsAndCapturedValues) {
  FlexModel m;
  Modifier weights(m);
  weights.returns({weights.x * weights.use(m.w)});
  m.attrs.set("prob_mod", GraphRef(weights.graph));
  const std::vector<Expr> g = m.gradients(m.attention(), {m.v, m.w});
  EXPECT_EQ(m.run(g[0]), (Values{2, 2, 2}));  // two heads, a third of w each
  EXPECT_EQ(m.run(g[1]), Values{6});          // two means of 3
}

TEST(FlexAttention, SaysWhatIsWrongWithSubgraphs) {
  FlexModel m;
  Modifier two(m);
  two.returns({two.x, two.x});
  m.attrs.set("score_mod", GraphRef(two.graph));
  make_all(m.scope, "ai.onnx.preview.FlexAttention", {m.q, m.k, m.v}, m.attrs, 1);
  expect_error(m.scope.status(), Code::kInvalidArgument,
               "'score_mod' has 1 inputs and 2 outputs but must have one of each");

  FlexModel other;
  Modifier narrow(other);
  narrow.returns({cast(narrow.x, DType::kF32)});
  other.attrs.set("prob_mod", GraphRef(narrow.graph));
  other.attention();
  expect_error(other.scope.status(), Code::kInvalidArgument,
               "'prob_mod' gives f32[1, 2, 1, s] but must give what it takes");
}

}  // namespace
}  // namespace weft
