// Rules that put several operators into one: what is left, and that the results stay close.
#include "core/passes/differentiate.h"
#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

Expr relu(Expr x) { return make(x.scope(), "Relu", {x}); }

TEST(Fuse, MatMulTakesBiasAndRelu) {
  FuseTest t;
  Expr a = t.in({5, 7}), b = t.in({7, 9}), bias = t.in({9});
  t.expect("weft.FusedMatMul", matmul(a, b) + bias);
  t.expect("weft.FusedMatMul", bias + matmul(a, b));
  t.expect("weft.FusedMatMul", relu(matmul(a, b) + bias));
  t.expect("weft.FusedMatMul", relu(matmul(a, b)));
  t.expect("Reshape weft.FusedMatMul", matmul(a, b) + t.in({1, 9}));
}

TEST(Fuse, BatchesOfMatMul) {
  FuseTest t;
  Expr a = t.in({2, 3, 4}), b = t.in({4, 5}), batched = t.in({2, 4, 5}), bias = t.in({5}), vector = t.in({4});
  t.expect("weft.FusedMatMul", relu(matmul(a, b) + bias));
  t.expect("weft.FusedMatMul", relu(matmul(a, batched) + bias));
  t.expect("weft.FusedMatMul", relu(matmul(vector, b) + bias));
}

TEST(Fuse, OtherSumsStay) {
  FuseTest t;
  Expr a = t.in({3, 4}), b = t.in({4, 3}), column = t.in({3, 1}), vector = t.in({4}), bias = t.in({3});
  t.expect("MatMul Add", matmul(a, b) + column);
  t.expect("MatMul Add", matmul(a, b) + t.in({1}));
  t.expect("MatMul Add", matmul(a, vector) + bias);
  Expr product = matmul(a, b);
  EXPECT_EQ(t.left((product + bias) * product), "MatMul Add Mul") << "the product is needed by itself";
  Expr whole = make(t.scope, "MatMul", {t.in({1, 3, 4}), b});
  t.expect("MatMul Add", whole + t.in({2, 1, 3}));
}

TEST(Fuse, MatMulReadsTheRowsOfTransposedOperands) {
  FuseTest t;
  // Queries, keys and values of attention: [batch, place, head, each].
  Expr q = transpose(t.in({2, 7, 3, 4}), {0, 2, 1, 3}), k = transpose(t.in({2, 5, 3, 4}), {0, 2, 3, 1});
  Expr v = transpose(t.in({2, 5, 3, 4}), {0, 2, 1, 3});
  t.expect("weft.FusedMatMul", matmul(q, t.in({2, 3, 4, 5})));
  t.expect("weft.FusedMatMul", matmul(t.in({2, 3, 7, 5}), v));
  t.expect("Transpose weft.FusedMatMul", matmul(q, k));
  t.expect("weft.FusedMatMul", matmul(transpose(t.in({7, 3, 5}), {1, 0, 2}), v));
  t.expect("weft.FusedMatMul", matmul(t.in({5}), v));
  t.expect("weft.FusedMatMul", relu(matmul(q, t.in({4, 6})) + t.in({6})));
  t.expect("weft.FusedMatMul", matmul(transpose(t.in({5, 1, 3, 70}), {2, 1, 0, 3}), t.in({70, 130})));
  EXPECT_EQ(t.left(matmul(q, t.in({4, 6})), {"fuse_transpose"}), "Transpose MatMul");
}

TEST(Fuse, TransposedOperandsGiveTheNumbersOfNumpy) {
  FuseTest t;
  Expr a = transpose(t.input<float>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}), {1, 0, 2});
  Expr y = matmul(a, t.input<float>({2, 2}, {1, -1, 2, 0}));
  EXPECT_EQ(t.left(y), "weft.FusedMatMul");
  Tensor out = t.run(y, {});
  EXPECT_EQ(std::vector<float>(out.as<float>(), out.as<float>() + 8),
            (std::vector<float>{5, -1, 17, -5, 11, -3, 23, -7}));
}

TEST(Fuse, MatMulTurnsMatricesAsItCopiesThem) {
  FuseTest t;
  Expr a = transpose(t.in({70, 9}), {1, 0}), b = transpose(t.in({130, 70}), {1, 0});
  t.expect("weft.FusedMatMul", matmul(a, t.in({70, 6})));
  t.expect("weft.FusedMatMul", matmul(t.in({9, 70}), b));
  t.expect("weft.FusedMatMul", matmul(t.in({2, 9, 70}), b));
  t.expect("weft.FusedMatMul", relu(matmul(a, b) + t.in({130})));
  Expr numbers = transpose(t.input<float>({2, 3}, {1, 2, 3, 4, 5, 6}), {1, 0});
  Tensor out = t.run(matmul(numbers, transpose(t.input<float>({2, 2}, {1, -1, 2, 0}), {1, 0})), {});
  EXPECT_EQ(std::vector<float>(out.as<float>(), out.as<float>() + 6), (std::vector<float>{-3, 2, -3, 4, -3, 6}));
}

TEST(Fuse, TheGradientByAWeightIsOneProduct) {
  FuseTest t;
  Expr x = t.in({3, 5, 4}), w = t.in({4, 6}), y = matmul(x, w) * t.in({3, 5, 6});
  Expr gradient(t.scope, (*differentiate(*t.graph, {reduce_sum(y, {0, 1, 2}, false).id()}, {w.id()}, {}))[0]);
  EXPECT_EQ(t.left(gradient).find("SumTo"), std::string::npos) << t.left(gradient);
  EXPECT_NE(t.left(gradient).find("weft.FusedMatMul"), std::string::npos) << t.left(gradient);
  t.expect_close(gradient);
}

TEST(Fuse, OtherTransposesStay) {
  FuseTest t;
  Expr x = t.in({4, 3}), turned = transpose(t.in({2, 4, 3}), {0, 2, 1}), q = transpose(t.in({5, 3, 4}), {1, 0, 2});
  t.expect("Transpose MatMul", matmul(turned, t.in({4, 6})));
  EXPECT_EQ(t.left(reduce_sum(matmul(q, x), {2}, true) + q), "Transpose MatMul ReduceSum Add") << "it is needed";
  Expr whole = transpose(t.input<int64_t>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}), {1, 0, 2});
  EXPECT_EQ(t.left(matmul(whole, t.input<int64_t>({2, 2}, {1, -1, 2, 0}))), "Transpose MatMul");
}

TEST(Fuse, GemmTakesRelu) {
  FuseTest t;
  Expr a = t.in({4, 5}), b = t.in({6, 4}), c = t.in({5, 1});
  Attrs attrs{{"transA", 1}, {"transB", 1}, {"alpha", 0.5}};
  t.expect("weft.FusedGemm", relu(make(t.scope, "Gemm", {a, b, c}, attrs)));
  attrs.set("beta", 2.0);
  t.expect("Gemm Relu", relu(make(t.scope, "Gemm", {a, b, c}, attrs)));
}

TEST(Fuse, SumsTakeSquares) {
  FuseTest t;
  Expr x = t.in({6, 7, 5}), axes = constant_ints(t.scope, {0, 2});
  auto reduce = [&](const char* op, Expr y) { return make(t.scope, op, {y, axes}, {{"keepdims", 0}}); };
  t.expect("ReduceSumSquare", reduce("ReduceSum", x * x));
  t.expect("ReduceSumSquare Div", reduce("ReduceMean", x * x));
  t.expect("Mul ReduceSum", reduce("ReduceSum", x * t.in({6, 7, 5})));
  Expr squares = x * x;
  EXPECT_EQ(t.left(reduce("ReduceSum", squares) + reduce("ReduceMax", squares)), "Mul ReduceSum ReduceMax Add");
}

TEST(Fuse, ProductsTakeClip) {
  FuseTest t;
  Expr a = t.in({5, 7}), b = t.in({7, 9}), x = t.in({2, 3, 6, 5}), w = t.in({4, 3, 3, 3});
  auto clip = [&](Expr y, Expr low, Expr high) { return make(t.scope, "Clip", {y, low, high}); };
  Expr low = scalar(t.scope, DType::kF32, -0.25), high = scalar(t.scope, DType::kF32, 0.5), none;
  t.expect("weft.FusedMatMul", clip(matmul(a, b), low, high));
  t.expect("weft.FusedMatMul", clip(matmul(a, b), none, high));
  t.expect("weft.FusedGemm", clip(make(t.scope, "Gemm", {a, b}), low, none));
  t.expect("weft.FusedConv", clip(make(t.scope, "Conv", {x, w}), low, high));
  t.expect("weft.FusedMatMul", clip(matmul(a, b), high, low));  // the upper limit has the last word
  t.expect("weft.FusedMatMul Clip", clip(relu(matmul(a, b)), low, high));
  t.expect("MatMul Clip", clip(matmul(a, b), t.input<float>({}, {-0.25f}), high));
}

TEST(Fuse, ConvTakesBiasAndRelu) {
  FuseTest t;
  Expr x = t.in({3, 4, 6, 5}), w = t.in({8, 2, 3, 3}), bias = t.in({8, 1, 1});
  Attrs attrs{{"group", 2}, {"pads", std::vector<int64_t>{1, 0, 1, 2}}, {"strides", std::vector<int64_t>{1, 2}}};
  Expr y = make(t.scope, "Conv", {x, w}, attrs);
  t.expect("weft.FusedConv", relu(y));
  t.expect("Reshape Conv", y + bias);
  t.expect("Reshape weft.FusedConv", relu(unsqueeze(bias, {0}) + y));
  t.expect("Conv Add", y + t.in({3, 1, 1, 1}));
}

TEST(Fuse, ConvTakesBatchNorm) {
  FuseTest t;
  Expr x = t.in({2, 3, 5, 5}), w = t.fixed({4, 3, 3, 3}), b = t.fixed({4});
  std::vector<Expr> norm = {Expr(), t.fixed({4}), t.fixed({4}), t.fixed({4}), t.fixed({4}, 1.5f)};
  auto after = [&](Expr y, std::vector<Expr> inputs) {
    inputs[0] = y;
    return make(t.scope, "BatchNormalization", inputs, {{"epsilon", 1e-3}});
  };
  t.expect("Conv", after(make(t.scope, "Conv", {x, w}), norm));
  t.expect("weft.FusedConv", relu(after(make(t.scope, "Conv", {x, w, b}), norm)));
  std::vector<Expr> fed = norm;
  fed[3] = t.in({4});
  t.expect("Conv BatchNormalization", after(make(t.scope, "Conv", {x, w, b}), fed));
  t.expect("Conv BatchNormalization", after(make(t.scope, "Conv", {x, t.in({4, 3, 3, 3})}), norm));
}

}  // namespace
}  // namespace weft
