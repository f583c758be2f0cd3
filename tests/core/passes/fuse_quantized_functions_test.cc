// Functions of one quantized value: which become tables, and what these give.
#include "tests/core/passes/quantized_common.h"

namespace weft {
namespace {

constexpr const char* kTable = "weft.LookUpBytes";

Bytes all_of_bytes() {
  Bytes all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<uint8_t>(i));
  return all;
}

// 1 / (1 + e^-x) at -6.4, -1, 0, 1 and 6.35, in steps of 1/256: 0.42, 68.85, 128, 187.15 and 255.55.
TEST(FuseQuantizedFunctions, Sigmoid) {
  QuantizedTest t;
  Expr x = t.dequantized<uint8_t>(t.input<uint8_t>({5}, Bytes{0, 108, 128, 148, 255}), 0.05f, 128);
  Expr y = t.quantized<uint8_t>(make(t.scope, "Sigmoid", {x}), 1.0f / 256, 0);
  EXPECT_EQ(t.left(y), kTable);
  t.expect_numbers<uint8_t>(y, {0, 69, 128, 187, 255});
}

// x max(0, min(1, x / 6 + 1/2)) at -3, -1.5, 1, 3 and 5, in steps of 1/8: 0, -3, 5.33, 24 and 40.
TEST(FuseQuantizedFunctions, HardSwishInOneAndInPieces) {
  QuantizedTest t;
  Expr x = t.dequantized<int8_t>(t.input<int8_t>({5}, Chars{-24, -12, 8, 24, 40}), 0.125f, 0);
  Expr pieces = make(t.scope, "Clip", {x / 6.0 + 0.5, t.number(0.0f), t.number(1.0f)}) * x;
  for (Expr y : {make(t.scope, "HardSwish", {x}), pieces}) {
    y = t.quantized<int8_t>(y, 0.125f, -1);
    EXPECT_EQ(t.left(y), kTable);
    t.expect_numbers<int8_t>(y, {-1, -4, 4, 23, 39});
  }
}

// x Phi(x) at -8, -2, -1, 0, 1, 2 and 7.9375 in steps of 1/16: 0, -0.73, -2.54, 0, 13.46, 31.27 and 127.
TEST(FuseQuantizedFunctions, Gelu) {
  QuantizedTest t;
  Expr x = t.dequantized<int8_t>(t.input<int8_t>({7}, Chars{-128, -32, -16, 0, 16, 32, 127}), 0.0625f, 0);
  Expr y = t.quantized<int8_t>(make(t.scope, "Gelu", {x}), 0.0625f, 0);
  EXPECT_EQ(t.left(y), kTable);
  t.expect_numbers<int8_t>(y, {0, -1, -3, 0, 13, 31, 127});
}

// (1, -4, 2, 0, 3, -2), turned, in other steps and from other zero points.
TEST(FuseQuantizedFunctions, OtherCodes) {
  QuantizedTest t;
  Expr turned = transpose(t.matrix(), {1, 0});
  Expr y = t.quantized<int8_t>(turned, 0.25f, 1);
  EXPECT_EQ(t.left(y), "Transpose weft.LookUpBytes");
  t.expect_numbers<int8_t>(y, {5, 1, -15, 13, 9, -7});
  // 0.5, -2, 1, 0, 1.5 and -1.
  t.expect_numbers<uint8_t>(t.quantized<uint8_t>(turned, 2.0f, 1), {1, 1, 0, 3, 2, 0});
  Expr other = t.dequantized<uint8_t>(t.input<uint8_t>({2, 3}, Bytes{1, 2, 3, 4, 5, 6}), 1.0f, 2);
  y = t.quantized<int8_t>(concat({t.matrix(), other}, 0), 0.5f, 1);
  EXPECT_EQ(t.left(y), "weft.LookUpBytes Concat");
  t.expect_numbers<int8_t>(y, {3, -7, 5, 1, 7, -3, -1, 1, 3, 5, 7, 9});
}

TEST(FuseQuantizedFunctions, AllBytesHaveTheBitsOfThePieces) {
  for (int kind = 0; kind < 4; ++kind) {
    const bool x_signed = kind & 1, y_signed = kind & 2;
    for (const char* op : {"Tanh", "Exp", "Elu", "Selu", "Softplus", "Mish", "Swish", "Erf", "LeakyRelu", "Sqrt",
                           "Reciprocal", "Neg", "Relu", "Floor"}) {
      SCOPED_TRACE(cat(op, " ", kind));
      QuantizedTest t;
      Expr x = t.input(to_dims({256}),
                       *Tensor::from_bytes(x_signed ? DType::kI8 : DType::kU8, {256}, all_of_bytes().data(), 256));
      x = x_signed ? t.dequantized<int8_t>(x, 0.037f, -20) : t.dequantized<uint8_t>(x, 0.037f, 117);
      const Expr y = t.quantized_as(make(t.scope, op, {x}), y_signed, 0.0413f, y_signed ? -5 : 80);
      EXPECT_EQ(t.left(y), kTable);
      t.expect_same_bits(y);
      t.expect_same_bits(cast(y, DType::kF32) * 0.5);  // as a part of a group
    }
  }
}

TEST(FuseQuantizedFunctions, NumbersOfOtherRanksAndTypes) {
  QuantizedTest t;
  Expr x = t.some_numbers({3, 5}, true, 0.03f, 4);
  Expr row = t.fixed<float>({1, 1}, {0.5f});
  EXPECT_EQ(t.left(t.quantized<int8_t>(x * row, 0.03f, 0)), kTable);
  t.expect_same_bits(t.quantized<int8_t>(x * row, 0.03f, 0));
  // What makes a matrix three-dimensional is no table.
  Expr box = t.fixed<float>({1, 1, 1}, {0.5f});
  EXPECT_EQ(t.left(t.quantized<int8_t>(x * box, 0.03f, 0)).find(kTable), std::string::npos);
  t.expect_same_bits(t.quantized<int8_t>(x * box, 0.03f, 0));
  Expr chosen = where(make(t.scope, "Greater", {x, t.number(0.0f)}), x * 0.5, x * 0.25);
  EXPECT_EQ(t.left(t.quantized<int8_t>(chosen, 0.03f, 0)), kTable);
  t.expect_same_bits(t.quantized<int8_t>(chosen, 0.03f, 0));
  Expr halves = cast(cast(x, DType::kF16) * 1.7, DType::kF32);
  EXPECT_EQ(t.left(t.quantized<int8_t>(halves, 0.03f, 0)), kTable);
  t.expect_same_bits(t.quantized<int8_t>(halves, 0.03f, 0));
}

TEST(FuseQuantizedFunctions, WithoutFoldingTheyAreTheSame) {
  QuantizedTest t;
  Expr y = t.quantized<uint8_t>(make(t.scope, "Sigmoid", {t.some_numbers({40}, false, 0.05f, 128)}), 1.0f / 256, 0);
  EXPECT_EQ(t.left(y, {"fold_constants"}), kTable);
  const Tensor folded = t.run(y, {}), plain = t.run(y, {"fold_constants"});
  EXPECT_TRUE(folded.same_bits(plain));
}

TEST(FuseQuantizedFunctions, OthersStay) {
  QuantizedTest t;
  const auto stays = [&t](Expr y) { EXPECT_EQ(t.left(y).find(kTable), std::string::npos) << t.left(y); };
  Expr x = t.some_numbers({2, 3}, true, 0.03f, 4), other = t.some_numbers({2, 3}, true, 0.03f, 4);
  stays(t.quantized<int8_t>(make(t.scope, "Sigmoid", {x}) - other, 0.03f, 0));
  stays(t.quantized<int8_t>(make(t.scope, "PRelu", {x, t.fixed<float>({3}, {1, 2, 3})}), 0.03f, 0));
  stays(t.quantized<int8_t>(make(t.scope, "Softmax", {x}), 0.03f, 0));
  stays(t.quantized<int8_t>(make(t.scope, "Sigmoid", {t.input<float>({2}, {1, 2})}), 0.03f, 0));
  Expr by_column = t.dequantized<int8_t>(t.some_bytes({2, 3}, true), {1, 2, 3}, {0, 0, 0}, 1);
  stays(t.quantized<int8_t>(make(t.scope, "Sigmoid", {by_column}), 0.03f, 0));
  // Constants are computed ahead.
  Expr fixed = t.dequantized<int8_t>(t.fixed<int8_t>({2}, {1, 2}), 0.5f, int8_t{0});
  EXPECT_EQ(t.left(t.quantized<int8_t>(fixed, 0.25f, 0)), "");
  Expr y = t.quantized<int8_t>(make(t.scope, "Sigmoid", {x}), 0.03f, 0);
  EXPECT_EQ(t.left(y, {"fuse_quantized_functions"}).find(kTable), std::string::npos);
  // A limit must be a scalar, so no 256 of them: at least 1, in steps of 1/2 from 10 on.
  Expr limit = t.dequantized<uint8_t>(t.input<uint8_t>({}, Bytes{130}), 0.5f, 128);
  y = t.quantized<uint8_t>(make(t.scope, "Clip", {t.number(0.25f), limit}), 0.5f, 10);
  stays(y);
  t.expect_numbers<uint8_t>(y, {12});
}

}  // namespace
}  // namespace weft
