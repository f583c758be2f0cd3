// Gradients of decompositions: of symmetric matrices against finite differences through M M^T + 0.5, which the case
// runner, moving one element at a time, cannot make; of losses that do not depend on how vectors are normalised against
// PyTorch; and where eigenvalues are equal.
#include <gtest/gtest.h>

#include <cmath>

#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

using OfMatrix = Expr (*)(Expr m);

struct Point {
  Shape shape;
  std::vector<double> values;
};
const Point kOne{{3, 3}, {1.1, -0.4, 0.3, 0.2, 2.1, -0.7, 0.5, 0.6, -1.3}};
const Point kTwo{{2, 3, 3},
                 {1.1, -0.4, 0.3, 0.2, 2.1, -0.7, 0.5, 0.6, -1.3, 0.7, 1.9, 0.2, -0.6, -1.4, 0.8, 1.2, -0.3, 2.2}};

std::vector<double> run(const std::shared_ptr<Graph>& graph, ValueId x, ValueId y, const Point& at) {
  auto session = *Session::make(graph, {});
  std::vector<Tensor> out;
  Tensor feed = *Tensor::from_bytes(DType::kF64, at.shape, at.values.data(), at.values.size() * sizeof(double));
  Status status = session->run({{x}, {y}, {}}, {feed}, {}, &out);
  EXPECT_TRUE(status.ok()) << status.text();
  if (!status.ok()) return std::vector<double>(at.values.size());
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

struct Gradients {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  ValueId x = kNoValue;

  explicit Gradients(const Point& at) {
    Dims dims(at.shape.size(), Dim::symbol("n"));
    if (dims.size() == 3) dims[0] = Dim::symbol("batch");
    if (at.shape[dims.size() - 2] != at.shape.back()) dims[dims.size() - 2] = Dim::symbol("m");
    x = *graph->add_input("x", ValueType::tensor(DType::kF64, std::move(dims)));
  }
  ValueId of(Expr y) {
    auto made = differentiate(*graph, {y.id()}, {x}, {});
    EXPECT_TRUE(made.ok()) << made.status().text();
    return made.ok() ? (*made)[0] : kNoValue;
  }
};

// First and second order.
void check(OfMatrix build, const Point& at) {
  Gradients g(at);
  Expr y = build(Expr(g.scope, g.x));
  ASSERT_TRUE(g.scope.status().ok()) << g.scope.status().text();
  for (int order = 1; order <= 2; ++order) {
    ValueId gradient = g.of(y);
    std::vector<double> exact = run(g.graph, g.x, gradient, at);
    for (size_t i = 0; i < at.values.size(); ++i) {
      const double step = 1e-5;
      Point above = at, below = at;
      above.values[i] += step;
      below.values[i] -= step;
      double numeric = (run(g.graph, g.x, y.id(), above)[0] - run(g.graph, g.x, y.id(), below)[0]) / (2 * step);
      EXPECT_NEAR(exact[i], numeric, 1e-6 * std::max(1.0, std::fabs(numeric))) << "order " << order << " element " << i;
    }
    y = weighted_sum(Expr(g.scope, gradient));
  }
}

void expect_gradient(OfMatrix build, const Point& at, const std::vector<double>& wanted) {
  Gradients g(at);
  Expr y = build(Expr(g.scope, g.x));
  ASSERT_TRUE(g.scope.status().ok()) << g.scope.status().text();
  std::vector<double> found = run(g.graph, g.x, g.of(y), at);
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(found[i], wanted[i], 1e-12) << "element " << i;
}

Expr positive(Expr m) { return matmul(m, swap_last_two(m)) + 0.5; }
std::vector<Expr> eigh(Expr m) { return make_all(m.scope(), "weft.Eigh", {m}, {}, 2); }
std::vector<Expr> eig(Expr m) { return make_all(m.scope(), "weft.Eig", {m}, {}, 4); }
Expr numbers(Expr like, const std::vector<double>& values) {
  return reshape_like(constant(like.scope(), Tensor::vector<double>(values)), like);
}
Expr sum(Expr x) { return make(x.scope(), "ReduceSum", {x}, {{"keepdims", int64_t{0}}}); }

TEST(LinalgGradient, Cholesky) {
  for (const Point& at : {kOne, kTwo}) {
    check([](Expr m) { return weighted_sum(make(m.scope(), "weft.Cholesky", {positive(m)})); }, at);
  }
}
TEST(LinalgGradient, EighValues) {
  for (const Point& at : {kOne, kTwo}) check([](Expr m) { return weighted_sum(eigh(positive(m))[0]); }, at);
}
TEST(LinalgGradient, EighVectors) {
  for (const Point& at : {kOne, kTwo}) check([](Expr m) { return weighted_sum(eigh(positive(m))[1]); }, at);
}
TEST(LinalgGradient, EighValuesAndVectors) {
  check(
      [](Expr m) {
        std::vector<Expr> made = eigh(positive(m));
        return weighted_sum(made[0]) + weighted_sum(made[1]);
      },
      kTwo);
}

// The derivatives are symmetric: what moves one half moves the other as well.
TEST(LinalgGradient, OfSymmetricMatricesIsSymmetric) {
  // L = [[2, 0], [1, 2]]; of A = [[a, b], [b, c]]: sqrt(a) + b / sqrt(a) + sqrt(c - b^2 / a)
  expect_gradient([](Expr m) { return make(m.scope(), "weft.Cholesky", {m}); }, {{2, 2}, {4, 2, 2, 5}},
                  {0.1875, 0.125, 0.125, 0.25});
  // The smaller value is 1, with the vector [1, -1] / sqrt(2).
  expect_gradient([](Expr m) { return make(m.scope(), "ReduceMin", {eigh(m)[0]}); }, {{2, 2}, {2, 1, 1, 2}},
                  {0.5, -0.5, -0.5, 0.5});
}

TEST(LinalgGradient, OfVectorsOfOneValueIsZero) {
  const Point threefold{{2, 2}, {3, 0, 0, 3}};
  expect_gradient([](Expr m) { return weighted_sum(eigh(m)[1]); }, threefold, {0, 0, 0, 0});
  expect_gradient([](Expr m) { return weighted_sum(eig(m)[2]) + weighted_sum(eig(m)[3]); }, threefold, {0, 0, 0, 0});
}

// A = 1 + 3 u u^T with u = [1, 2, 2] / 3 has the values 1, 1 and 4, the first two a rounding error apart and with any
// vectors of a plane. The projector P to that does not depend on which; with Q = u u^T, the gradient of sum(C * P) is
// -(Q C P + P C Q) / 3, symmetrised.
const Point kPlane{{3, 3}, {4.0 / 3, 2.0 / 3, 2.0 / 3, 2.0 / 3, 7.0 / 3, 4.0 / 3, 2.0 / 3, 4.0 / 3, 7.0 / 3}};
Expr weighted_projector(Expr v, Expr inverse) {
  Expr two = constant(v.scope(), Tensor::vector<double>({1, 1, 0}));
  return sum(matmul(v * two, inverse) * numbers(v, {1, 2, 0, 0, 0, -1, 0, 0, 0}));
}
TEST(LinalgGradient, OfThePlaneOfOneValueIsExact) {
  const std::vector<double> symmetric = {-52.0 / 243, -50.0 / 243, -41.0 / 243, -50.0 / 243, 8.0 / 243,
                                         26.0 / 243,  -41.0 / 243, 26.0 / 243,  44.0 / 243};
  expect_gradient(
      [](Expr m) {
        Expr v = eigh(m)[1];
        return weighted_projector(v, swap_last_two(v));
      },
      kPlane, symmetric);
  expect_gradient(
      [](Expr m) {
        Expr v = eig((m + swap_last_two(m)) * 0.5)[2];
        return weighted_projector(v, make(m.scope(), "weft.Inverse", {v}));
      },
      kPlane, symmetric);
}

// A number and a pair of complex ones. Magnitudes of a vector's elements do not depend on its phase.
const Point kTurning{{3, 3}, {1.1, -9.4, 0.3, 9.2, 2.1, -0.7, 0.5, 0.6, -1.3}};
Expr blind_to_phase(Expr m) {
  std::vector<Expr> made = eig(m);
  Expr magnitudes = made[2] * made[2] + made[3] * made[3];
  return sum(magnitudes * numbers(m, {1, 2, -1, 0.5, -3, 4, 2, 1, 5})) +
         sum(made[0] * constant(m.scope(), Tensor::vector<double>({1, -2, 3}))) +
         sum(made[1] * constant(m.scope(), Tensor::vector<double>({2, 1, 0.5})));
}
TEST(LinalgGradient, EigAsPyTorchHasIt) {
  expect_gradient(blind_to_phase, kTurning,
                  {0.4884723675553789, 0.24978086872489175, 0.02767078456545606, -0.25554309672211434, 0.51196546675744,
                   -0.006080889056349973, 0.06714645280278903, 0.03787130633805711, 0.9995621656871815});
  Gradients g(kTurning);
  Expr first(g.scope, g.of(blind_to_phase(Expr(g.scope, g.x))));
  std::vector<double> second =
      run(g.graph, g.x, g.of(sum(first * numbers(first, {1, 0, 2, -1, 1, 0, 0.5, 3, -2}))), kTurning);
  const std::vector<double> wanted = {0.00785017226951896,   0.007069502946883497, 0.10232672354276029,
                                      -0.021948720176554106, -0.01229886973130081, -0.0012755868947943677,
                                      0.02843448768305362,   0.27332175626729743,  0.004448697461781814};
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(second[i], wanted[i], 1e-12) << "element " << i;
}

// Matrices of more rows than columns, or more columns than rows, of which the graph does not know which; values from
// PyTorch.
const std::vector<double> kSix = {1.1, -0.4, 0.3, 0.2, 2.1, -0.7};
const Point kTall{{3, 2}, kSix}, kWide{{2, 3}, kSix};

void expect_two_orders(OfMatrix build, const Point& at, const std::vector<double>& first,
                       const std::vector<double>& second) {
  expect_gradient(build, at, first);
  Gradients g(at);
  Expr gradient(g.scope, g.of(build(Expr(g.scope, g.x))));
  std::vector<double> found = run(g.graph, g.x, g.of(weighted_sum(gradient)), at);
  for (size_t i = 0; i < second.size(); ++i) EXPECT_NEAR(found[i], second[i], 1e-11) << "second order, element " << i;
}

Expr weighted_values(Expr values) { return sum(values * constant(values.scope(), Tensor::vector<double>({2, -1}))); }
// A function of a matrix by its singular values, which no vector's sign changes.
Expr of_singular_values(Expr m) {
  std::vector<Expr> made = make_all(m.scope(), "weft.Svd", {m}, {}, 3);
  Expr scaled = made[0] * unsqueeze(make(m.scope(), "Exp", {-made[1]}), {-2});
  return weighted_sum(matmul(scaled, made[2])) + weighted_values(made[1]);
}
TEST(LinalgGradient, SvdAsPyTorchHasIt) {
  expect_two_orders(of_singular_values, kTall,
                    {1.3675240213409294, 1.013261422239811, 0.08598855308966974, 0.006713287562575516,
                     1.4665585090278679, -1.2014570169727379},
                    {4.06139289057709, 11.083597380537983, -0.9130480456516605, -1.6314178909439099, -2.411073752391263,
                     -6.574221499502456});
  expect_two_orders(of_singular_values, kWide,
                    {-1.1695536949087246, -0.3811448320087183, -0.13165044672828238, -0.34544314877530563,
                     1.931682044289832, -0.7292665323362395},
                    {0.17822899037049755, -0.5476436834772863, 0.693924317905742, -1.1380210620662754,
                     -0.12283907913700205, 0.2558602952711575});
}

Expr full_svd(Expr m, int output) { return make_all(m.scope(), "weft.Svd", {m}, {{"full", int64_t{1}}}, 3)[output]; }
TEST(LinalgGradient, FullSvdByItsValues) {
  auto build = [](Expr m) { return weighted_values(full_svd(m, 1)); };
  expect_gradient(build, kTall,
                  {0.9241432491248949, -0.16950824925346883, -0.14133711005619323, -0.9970303648714679,
                   1.6832842624845596, -0.5193597722667298});
  expect_gradient(build, kWide,
                  {-0.9566181728810758, -0.4799130084866928, 0.026573822818233603, -0.2596832563978603,
                   1.8260837002614287, -0.6721918874293876});
}

Expr both_of_qr(Expr m) {
  std::vector<Expr> made = make_all(m.scope(), "weft.Qr", {m}, {}, 2);
  return weighted_sum(made[0]) + weighted_sum(made[1]);
}
TEST(LinalgGradient, QrAsPyTorchHasIt) {
  expect_two_orders(both_of_qr, kTall,
                    {1.1990136268539133, 1.0985803304169337, -0.4183246764127505, -0.8310963072099615,
                     0.5695919249782024, 0.15808364123926008},
                    {2.4454921239179326, 7.199287106771523, -0.8717431457728081, -1.0106423415900405,
                     -1.7122157791349486, -4.308099388450947});
  expect_two_orders(both_of_qr, kWide,
                    {0.9100746379624586, 0.6485145066460704, -0.460177385009352, 0.5847594349559525,
                     -0.5464480757507764, 0.20464407969917536},
                    {0.9892452093464292, -0.563493647522142, 0.21102762372264872, -3.0628112339498985,
                     -0.6687438771175824, 0.4745318808742323});
}

Expr complete_qr(Expr m, int output) {
  return make_all(m.scope(), "weft.Qr", {m}, {{"complete", int64_t{1}}}, 2)[output];
}
TEST(LinalgGradient, CompleteQrByR) {
  auto build = [](Expr m) { return weighted_sum(complete_qr(m, 1)); };
  expect_gradient(build, kTall,
                  {0.4969415910633407, 0.3921372108941807, -0.12393279578630431, -0.9095899871569328,
                   0.8952879607790097, 0.5393386581245545});
  expect_gradient(build, kWide,
                  {0.7592247614193907, 0.6485145066460704, -0.460177385009352, 1.4144337559428264, -0.5464480757507764,
                   0.20464407969917536});
}

TEST(LinalgGradient, NoneFlowsFromVectorsThatTheMatrixDoesNotGive) {
  for (OfMatrix build :
       {OfMatrix{[](Expr m) { return full_svd(m, 0); }}, OfMatrix{[](Expr m) { return full_svd(m, 2); }},
        OfMatrix{[](Expr m) { return complete_qr(m, 0); }}}) {
    Gradients g(kTall);
    Expr y = build(Expr(g.scope, g.x));
    auto made = differentiate(*g.graph, {y.id()}, {g.x}, {});
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.status().code(), Code::kUnimplemented);
    EXPECT_NE(made.status().text().find("any orthonormal ones"), std::string::npos) << made.status().text();
  }
}

TEST(LinalgGradient, VectorsOfEqualOrVanishingSingularValuesAreStill) {
  auto vectors = [](Expr m) {
    std::vector<Expr> made = make_all(m.scope(), "weft.Svd", {m}, {}, 3);
    return weighted_sum(made[0]) + weighted_sum(made[2]);
  };
  expect_gradient(vectors, {{2, 2}, {2, 0, 0, 2}}, {0, 0, 0, 0});
  expect_gradient(vectors, {{3, 2}, {0, 0, 0, 0, 0, 0}}, {0, 0, 0, 0, 0, 0});
}

TEST(LinalgGradient, PinvOfDependentColumnsAsPyTorchHasIt) {
  expect_gradient([](Expr m) { return weighted_sum(make(m.scope(), "weft.Pinv", {m})); },
                  {{3, 2}, {1, 2, 2, 4, -1, -2}},
                  {0.016221382755674314, -0.009637483490638839, 0.04039599918163325, -0.0033684996407083497,
                   -0.02174676581448484, -0.001413282626982251});
}

// However large it is, the gradient keeps its digits.
TEST(LinalgGradient, MatrixExpOfLargeGradients) {
  const std::vector<double> wanted = {2.3295640541242433, 2.5403511616098227, -1.6955783080316646, -8.869857215698687};
  const Point at{{2, 2}, {1.1, -0.4, 0.2, 2.1}};
  for (double factor : {1.0, 1e12}) {
    Gradients g(at);
    Expr y = weighted_sum(make(g.scope, "weft.MatrixExp", {Expr(g.scope, g.x)})) * factor;
    std::vector<double> found = run(g.graph, g.x, g.of(y), at);
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(found[i] / factor, wanted[i], 1e-12) << "element " << i;
  }
}

}  // namespace
}  // namespace weft
