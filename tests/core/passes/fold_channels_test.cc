// What follows a convolution or product by channel goes into its constant weights: what is left, and the numbers.
#include <limits>

#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

Expr conv(std::vector<Expr> inputs) { return make(inputs[0].scope(), "Conv", inputs); }
Expr relu(Expr x) { return make(x.scope(), "Relu", {x}); }
// Scale, bias, mean and variance of as many channels.
Expr normalized(FuseTest& t, Expr y, int64_t channels) {
  return make(t.scope, "BatchNormalization",
              {y, t.fixed({channels}), t.fixed({channels}), t.fixed({channels}), t.fixed({channels}, 1.5f)},
              {{"epsilon", 1e-3}});
}
std::vector<float> numbers_of(const Tensor& y) { return {y.as<float>(), y.as<float>() + y.count()}; }
Expr vector(FuseTest& t, const std::vector<float>& values) { return constant(t.scope, Tensor::vector<float>(values)); }
Expr matrix(FuseTest& t, const Shape& shape, const std::vector<float>& values) {
  return constant(t.scope, *Tensor::vector<float>(values).reshaped(shape));
}

TEST(FoldChannels, ConvTakesAFactor) {
  FuseTest t;
  Expr x = t.in({2, 3, 5, 5}), w = t.fixed({4, 3, 3, 3}), b = t.fixed({4}), f = t.fixed({4, 1, 1});
  t.expect("Conv", conv({x, w}) * f);
  t.expect("Conv", f * conv({x, t.fixed({4, 3, 3, 3}), b}));
  t.expect("Conv", conv({x, t.fixed({4, 3, 3, 3}), b}) * t.fixed({1, 4, 1, 1}));
  t.expect("Conv", conv({x, t.fixed({4, 3, 3, 3}), b}) * 0.5);
  t.expect("Conv", conv({x, t.fixed({4, 3, 3, 3}), b}) * f + t.fixed({4, 1, 1}));
  t.expect("Conv", (conv({x, t.fixed({4, 3, 3, 3})}) * f * f + t.fixed({4, 1, 1})) * f + t.fixed({4, 1, 1}));
  t.expect("weft.FusedConv", relu(conv({x, t.fixed({4, 3, 3, 3})}) * f + t.fixed({4, 1, 1})));
  const Attrs by2{{"strides", std::vector<int64_t>{2, 2}}};
  Expr turned = make(t.scope, "ConvTranspose", {x, t.fixed({3, 4, 2, 2}), t.fixed({4})}, by2);
  t.expect("ConvTranspose", turned * t.fixed({4, 1, 1}));
}

TEST(FoldChannels, ProductsTakeAFactor) {
  FuseTest t;
  Expr x = t.in({5, 7}), f = t.fixed({9});
  t.expect("MatMul", matmul(x, t.fixed({7, 9})) * f);
  t.expect("MatMul", t.fixed({1, 9}) * matmul(x, t.fixed({7, 9})));
  t.expect("MatMul", matmul(t.in({2, 5, 7}), t.fixed({2, 7, 9})) * f);
  t.expect("weft.FusedMatMul", matmul(x, t.fixed({7, 9})) * f + t.fixed({9}));
  t.expect("weft.FusedMatMul", (matmul(x, t.fixed({7, 9})) + t.fixed({1, 9})) * f + t.fixed({9}));
  t.expect("weft.FusedMatMul", relu((matmul(x, t.fixed({7, 9})) + t.fixed({9})) * f));
  const Attrs attrs{{"transB", 1}, {"alpha", 0.5}, {"beta", 2.0}};
  auto gemm = [&](std::vector<Expr> inputs) { return make(t.scope, "Gemm", inputs, attrs); };
  t.expect("Gemm", gemm({x, t.fixed({9, 7})}) * f);
  t.expect("Gemm", gemm({x, t.fixed({9, 7}), t.fixed({9})}) * f);
  t.expect("Gemm", gemm({x, t.fixed({9, 7}), t.fixed({5, 1})}) * f + t.fixed({9}));
}

TEST(FoldChannels, ProductsTakeBatchNormalization) {
  FuseTest t;
  Expr x = t.in({5, 7});
  t.expect("weft.FusedMatMul", normalized(t, matmul(x, t.fixed({7, 9})), 9));
  t.expect("weft.FusedMatMul", relu(normalized(t, matmul(x, t.fixed({7, 9})) + t.fixed({9}), 9)));
  t.expect("Gemm", normalized(t, make(t.scope, "Gemm", {x, t.fixed({7, 9})}, {{"alpha", 0.5}}), 9));
  Expr whole = make(t.scope, "Gemm", {x, t.fixed({9, 7}), t.fixed({5, 9})}, {{"transB", 1}, {"beta", -2.0}});
  t.expect("weft.FusedGemm", relu(normalized(t, whole, 9)));
  // Its channels are the second axis.
  Expr rows = normalized(t, matmul(t.in({2, 9, 7}), t.fixed({7, 9})), 9);
  EXPECT_NE(t.left(rows).find("BatchNormalization"), std::string::npos) << t.left(rows);
}

TEST(FoldChannels, GivesTheNumbersOfTheFormula) {
  FuseTest t;
  Expr x = t.input<float>({1, 2}, {1, 2});
  // (1 2) times (1 3; 2 4), plus twice (1 -1), times (10 100).
  Expr y = make(t.scope, "Gemm", {x, matrix(t, {2, 2}, {1, 3, 2, 4}), vector(t, {1, -1})}, {{"beta", 2.0}});
  y = y * vector(t, {10, 100});
  EXPECT_EQ(t.left(y), "Gemm");
  EXPECT_EQ(numbers_of(t.run(y, {})), (std::vector<float>{70, 900}));
  // (5 - 1) / sqrt(3 + 1) * 2 + 3 and (11 - 3) / sqrt(0 + 1) * 4 - 1.
  y = make(t.scope, "BatchNormalization",
           {matmul(x, matrix(t, {2, 2}, {1, 3, 2, 4})), vector(t, {2, 4}), vector(t, {3, -1}), vector(t, {1, 3}),
            vector(t, {3, 0})},
           {{"epsilon", 1.0}});
  EXPECT_EQ(t.left(y), "weft.FusedMatMul");
  EXPECT_EQ(numbers_of(t.run(y, {})), (std::vector<float>{7, 31}));
  // One pixel of one channel, two filters of 1 x 1: (2 * 3 + 1) * 10 - 5 and (2 * -4 + 2) * 0.5 + 6.
  Expr pixel = t.input<float>({1, 1, 1, 1}, {2});
  y = conv({pixel, matrix(t, {2, 1, 1, 1}, {3, -4}), vector(t, {1, 2})});
  y = y * matrix(t, {2, 1, 1}, {10, 0.5f}) + matrix(t, {2, 1, 1}, {-5, 6});
  EXPECT_EQ(t.left(y), "Conv");
  EXPECT_EQ(numbers_of(t.run(y, {})), (std::vector<float>{65, 3}));
}

// A factor of a matrix that is not there is none of what comes in its place, and 0 times what is no number counts for nothing.
TEST(FoldChannels, BetaIsOfTheMatrixAlone) {
  FuseTest t;
  Expr x = t.input<float>({1, 2}, {1, 2});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto gemm = [&](std::vector<Expr> inputs, double beta) {
    return make(t.scope, "Gemm", inputs, {{"beta", beta}});
  };
  for (double beta : {0.0, 0.5, 2.0}) {
    Expr y = make(t.scope, "BatchNormalization",
                  {gemm({x, matrix(t, {2, 2}, {1, 1, 1, 1})}, beta), vector(t, {1, 1}), vector(t, {10, 20}),
                   vector(t, {0, 0}), vector(t, {1, 1})},
                  {{"epsilon", 0.0}});
    EXPECT_EQ(t.left(y), "Gemm");
    EXPECT_EQ(numbers_of(t.run(y, {})), (std::vector<float>{13, 23})) << beta;
  }
  Expr y = gemm({x, matrix(t, {2, 2}, {1, 1, 1, 1}), vector(t, {nan, nan})}, 0);
  EXPECT_EQ(numbers_of(t.run(y * vector(t, {2, 3}), {})), (std::vector<float>{6, 9}));
  EXPECT_EQ(numbers_of(t.run(y + vector(t, {2, 3}), {})), (std::vector<float>{5, 6}));
}

// More than there are walks; what the last one makes of constants is computed ahead as well.
TEST(FoldChannels, LongChains) {
  FuseTest t;
  for (int length : {9, 10, 11, 12, 13}) {
    Expr y = matmul(t.in({5, 7}), t.fixed({7, 9}));
    for (int i = 0; i < length; ++i) y = i % 2 == 0 ? y * t.fixed({9}) : y + t.fixed({9});
    const std::string left = t.left(y);
    EXPECT_EQ(left.rfind("weft.FusedMatMul", 0), 0U) << left;
  }
}

// Where constants are not folded, weights would be multiplied in every run.
TEST(FoldChannels, OnlyWhereConstantsAreFolded) {
  FuseTest t;
  EXPECT_EQ(t.left(matmul(t.in({5, 7}), t.fixed({7, 9})) * t.fixed({9}), {"fold_constants"}), "MatMul Mul");
}

TEST(FoldChannels, OtherFactorsStay) {
  FuseTest t;
  Expr x = t.in({2, 3, 5, 5}), w = t.fixed({4, 3, 3, 3}), y = conv({x, w});
  t.expect("Conv Mul", y * t.in({4, 1, 1}));
  t.expect("Conv Mul", y * t.fixed({3}));
  t.expect("Conv Mul", y * t.fixed({2, 1, 1, 1}));
  t.expect("Conv Mul", y * t.fixed({2, 4, 1, 1}));
  t.expect("Conv Mul", conv({x, t.in({4, 3, 3, 3})}) * t.fixed({4, 1, 1}));
  t.expect("Conv Mul", conv({x, t.fixed({4, 3, 3, 3}), t.in({4})}) * t.fixed({4, 1, 1}));
  t.expect("Conv Mul",
           conv({t.in({1, 3, 5, 5}), t.fixed({1, 3, 3, 3})}) * t.fixed({4, 1, 1}));  // broadcasts the result
  EXPECT_EQ(t.left(y * t.fixed({4, 1, 1}) + y), "Conv Mul Add") << "the convolution is needed by itself";
  Expr both = conv({x, w}) * t.fixed({4, 1, 1}) + conv({t.in({2, 3, 5, 5}), w});
  EXPECT_EQ(t.left(both), "Conv Mul Conv Add") << "weights of two convolutions";
  t.expect("weft.FusedConv Mul", relu(conv({x, t.fixed({4, 3, 3, 3})})) * t.fixed({4, 1, 1}));
  Expr a = t.in({5, 7});
  t.expect("MatMul Mul", matmul(a, t.fixed({7, 9})) * t.fixed({5, 1}));
  t.expect("MatMul Mul", matmul(t.fixed({4, 5}), a) * t.fixed({7}));
  EXPECT_EQ(t.left(matmul(a, t.fixed({7, 9})) * t.fixed({9}), {"fold_factor"}), "MatMul Mul");
}

// As PyTorch's exporter writes a convolution without a bias if it may not rewrite anything: with zeros that are a constant only
// after some walks. Layouts have to wait for that.
TEST(FoldChannels, ABiasThatBecomesAConstant) {
  FuseTest t;
  Expr x = t.in({2, 3, 8, 8}), w = t.fixed({16, 3, 3, 3});
  Expr shape = make(t.scope, "Shape", {w}, {{"start", 0}, {"end", 1}});
  Expr zero = make(t.scope, "CastLike", {scalar(t.scope, DType::kF64, 0), x});
  Expr y = relu(normalized(t, conv({x, w, make(t.scope, "Expand", {zero, shape})}), 16));
  t.expect("Transpose weft.ChannelsLastConv Transpose", y);
}

}  // namespace
}  // namespace weft
