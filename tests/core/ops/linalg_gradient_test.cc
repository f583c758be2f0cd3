// Gradients of decompositions of symmetric matrices, and of eigenvalues: against finite differences through M M^T + 2,
// which the case runner, moving one element at a time, cannot make.
#include <gtest/gtest.h>

#include <cmath>

#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

using Build = Expr (*)(Expr m);

std::vector<double> run(const std::shared_ptr<Graph>& graph, ValueId x, ValueId y, const std::vector<double>& values) {
  auto session = *Session::make(graph, {});
  std::vector<Tensor> out;
  Tensor feed = *Tensor::from_bytes(DType::kF64, {3, 3}, values.data(), 72);
  Status status = session->run({{x}, {y}, {}}, {feed}, {}, &out);
  EXPECT_TRUE(status.ok()) << status.text();
  return std::vector<double>(out[0].as<double>(), out[0].as<double>() + out[0].count());
}

Expr weighted_sum(Expr x) {
  // Different weights, so that no direction goes unseen.
  Expr weights =
      make(x.scope(), "Cos",
           {cast(make(x.scope(), "Range",
                      {constant_int(x.scope(), 0), make(x.scope(), "Size", {x}), constant_int(x.scope(), 1)}),
                 DType::kF64)});
  Expr flat = reshape(x, constant_ints(x.scope(), {-1}));
  return reduce_sum(flat * weights, {0}, false);
}

void check(Build build, bool second_order) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  ValueId x = *graph->add_input("x", ValueType::tensor(DType::kF64, {3, 3}));
  Expr y = build(Expr(scope, x));
  ASSERT_TRUE(scope.status().ok()) << scope.status().text();
  const std::vector<double> at = {1.1, -0.4, 0.3, 0.2, 2.1, -0.7, 0.5, 0.6, -1.3};
  for (int order = 1; order <= (second_order ? 2 : 1); ++order) {
    auto gradient = differentiate(*graph, {y.id()}, {x}, {});
    ASSERT_TRUE(gradient.ok()) << gradient.status().text();
    std::vector<double> exact = run(graph, x, (*gradient)[0], at);
    for (size_t i = 0; i < at.size(); ++i) {
      const double step = 1e-5;
      std::vector<double> above = at, below = at;
      above[i] += step;
      below[i] -= step;
      double numeric = (run(graph, x, y.id(), above)[0] - run(graph, x, y.id(), below)[0]) / (2 * step);
      EXPECT_NEAR(exact[i], numeric, 1e-6 * std::max(1.0, std::fabs(numeric))) << "order " << order << " element " << i;
    }
    y = weighted_sum(Expr(scope, (*gradient)[0]));
  }
}

Expr positive(Expr m) { return matmul(m, swap_last_two(m)) + 0.5; }

TEST(LinalgGradient, Cholesky) {
  check([](Expr m) { return weighted_sum(make(m.scope(), "weft.Cholesky", {positive(m)})); }, true);
}
TEST(LinalgGradient, EighValues) {
  check([](Expr m) { return weighted_sum(make_all(m.scope(), "weft.Eigh", {positive(m)}, {}, 2)[0]); }, true);
}
TEST(LinalgGradient, EighVectors) {
  check([](Expr m) { return weighted_sum(make_all(m.scope(), "weft.Eigh", {positive(m)}, {}, 2)[1]); }, true);
}
TEST(LinalgGradient, EigValues) {
  check([](Expr m) { return weighted_sum(make_all(m.scope(), "weft.Eig", {m}, {}, 4)[0]); }, false);
  // A rotation beside a number: two of the values are complex.
  check(
      [](Expr m) {
        Tensor turn =
            *Tensor::from_bytes(DType::kF64, {3, 3}, std::vector<double>{0, -9, 0, 9, 0, 0, 0, 0, 0}.data(), 72);
        std::vector<Expr> made = make_all(m.scope(), "weft.Eig", {m + constant(m.scope(), turn)}, {}, 4);
        return weighted_sum(made[0]) + weighted_sum(made[1]);
      },
      false);
}
TEST(LinalgGradient, EigVectorsSayWhyThereIsNone) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  ValueId x = *graph->add_input("x", ValueType::tensor(DType::kF64, {3, 3}));
  Expr vectors = make_all(scope, "weft.Eig", {Expr(scope, x)}, {}, 4)[2];
  auto gradient = differentiate(*graph, {vectors.id()}, {x}, {});
  EXPECT_EQ(gradient.status().code(), Code::kUnimplemented);
}

}  // namespace
}  // namespace weft
