// Sums and products of quantized values: which become one operator, and what these give.
#include "tests/core/passes/quantized_common.h"

namespace weft {
namespace {

struct SumTest : QuantizedTest {
  // (1, -4, 0, 63.5, -64, 6, 2) and (1, -1, 0, 32.5, -31.25, 0, 8).
  Expr a() { return dequantized<uint8_t>(input<uint8_t>({7}, Bytes{130, 120, 128, 255, 0, 140, 132}), 0.5f, 128); }
  Expr b() { return dequantized<int8_t>(input<int8_t>({7}, Chars{1, -7, -3, 127, -128, -3, 29}), 0.25f, -3); }
};

// 2, -5, 0, 96, -95.25, 6 and 10 in steps of 4: halves go to the even number, what is out of range to the nearest in it.
TEST(FuseQuantizedSums, RoundsAndSaturates) {
  SumTest t;
  Expr y = t.quantized<uint8_t>(t.a() + t.b(), 4.0f, 10);
  EXPECT_EQ(t.left(y), "weft.QLinearAdd");
  t.expect_numbers<uint8_t>(y, {10, 9, 10, 34, 0, 12, 12});
  y = t.quantized<int8_t>(t.b() + t.a(), 4.0f, -128);
  EXPECT_EQ(t.left(y), "weft.QLinearAdd");
  t.expect_numbers<int8_t>(y, {-128, -128, -128, -104, -128, -126, -126});
  y = t.quantized<int8_t>(t.a() + t.b(), 0.5f, 0);
  t.expect_numbers<int8_t>(y, {4, -10, 0, 127, -128, 12, 20});
}

// 1, 4, 0, 2063.75, 2000, 0 and 16 in steps of 8.
TEST(FuseQuantizedSums, Products) {
  SumTest t;
  Expr y = t.quantized<uint8_t>(t.a() * t.b(), 8.0f, 3);
  EXPECT_EQ(t.left(y), "weft.QLinearMul");
  t.expect_numbers<uint8_t>(y, {3, 3, 3, 255, 253, 3, 5});
}

TEST(FuseQuantizedSums, TakeLimits) {
  SumTest t;
  Expr y = t.quantized<uint8_t>(t.relu(t.a() + t.b()), 4.0f, 10);
  EXPECT_EQ(t.left(y), "weft.QLinearAdd");
  t.expect_numbers<uint8_t>(y, {10, 10, 10, 34, 10, 12, 12});
  y = make(t.scope, "Clip", {t.a() + t.b(), t.number(-3.0f), t.number(5.0f)});
  y = t.quantized<int8_t>(y, 0.5f, 0);
  EXPECT_EQ(t.left(y), "weft.QLinearAdd");
  t.expect_numbers<int8_t>(y, {4, -6, 0, 10, -6, 10, 10});
  // One after the other: at most 5, and then at least 8.
  y = make(t.scope, "Max", {make(t.scope, "Min", {t.a() + t.b(), t.number(5.0f)}), t.number(8.0f)});
  y = t.quantized<int8_t>(y, 0.5f, 0);
  EXPECT_EQ(t.left(y), "weft.QLinearAdd");
  t.expect_numbers<int8_t>(y, {16, 16, 16, 16, 16, 16, 16});
  // Limits the wrong way round: the upper one is the last.
  y = make(t.scope, "Clip", {t.a() + t.b(), t.number(5.0f), t.number(-3.0f)});
  t.expect_numbers<int8_t>(t.quantized<int8_t>(y, 0.5f, 0), {-6, -6, -6, -6, -6, -6, -6});
}

// (1, -4, 0, 63.5, -64, 6, 2) plus (0.5, 0.5, -0.25, ...), in steps of 0.5: 3, -7, -0.5, ...
TEST(FuseQuantizedSums, OneOperandMayBeNumbers) {
  SumTest t;
  Expr f = t.input<float>({7}, {0.5f, 0.5f, -0.25f, 100, -100, 0.25f, 0.75f});
  for (Expr sum : {t.a() + f, f + t.a()}) {
    Expr y = t.quantized<int8_t>(sum, 0.5f, 0);
    EXPECT_EQ(t.left(y), "weft.QLinearAdd");
    t.expect_numbers<int8_t>(y, {3, -7, 0, 127, -128, 12, 6});
  }
  EXPECT_EQ(t.left(t.quantized<int8_t>(f + f, 0.5f, 0)).find("QLinear"), std::string::npos);
}

TEST(FuseQuantizedSums, KeepTheBitsOfThePieces) {
  struct Shapes {
    Shape a, b;
  };
  const Shapes shapes[] = {{{1}, {1}},
                           {{}, {5}},
                           {{100}, {}},
                           {{2, 3, 5, 7}, {2, 3, 5, 7}},
                           {{2, 3, 5, 7}, {7}},
                           {{2, 3, 5, 7}, {3, 1, 1}},
                           {{3, 1, 1}, {2, 3, 5, 7}},
                           {{33, 1}, {1, 65}},
                           {{2, 40, 9}, {40, 1}},
                           {{3, 1, 2100}, {3, 4, 1}}};
  for (const Shapes& row : shapes) {
    SCOPED_TRACE(shape_text(row.a) + " and " + shape_text(row.b));
    for (int kind = 0; kind < 16; ++kind) {
      QuantizedTest t;
      t.seed = static_cast<uint32_t>(kind + 1);
      const bool a_signed = kind & 1, b_signed = kind & 2, y_signed = kind & 4;
      const Expr a = t.some_numbers(row.a, a_signed, 0.0217f, a_signed ? -17 : 131);
      const Expr b = t.some_numbers(row.b, b_signed, 0.0391f, b_signed ? 5 : 0);
      const Expr y = t.quantized_as(kind & 8 ? a * b : a + b, y_signed, 0.0473f, y_signed ? -128 : 100);
      EXPECT_EQ(t.left(y), kind & 8 ? "weft.QLinearMul" : "weft.QLinearAdd");
      t.expect_same_bits(y);
      t.expect_same_bits(cast(y, DType::kF32) * 0.5);  // as a part of a group
    }
  }
}

// Values of a residual branch: bytes throughout.
TEST(FuseQuantizedSums, BehindConvolutions) {
  QuantizedTest t;
  Expr x = t.quantized<uint8_t>(t.two_channels(), 0.5f, 10);
  Expr sum = t.dequantized<uint8_t>(x, 0.5f, 10) + t.dequantized<uint8_t>(x, 0.5f, 10);
  Expr y = t.quantized<uint8_t>(t.relu(sum), 1.0f, 0);
  EXPECT_EQ(t.left(y), "QLinearConv weft.QLinearAdd");
  // Twice (1, -2.5, 0.5, 5, -1, 2, 0, -3).
  t.expect_numbers<uint8_t>(y, {2, 0, 1, 10, 0, 4, 0, 0});
}

TEST(FuseQuantizedSums, OthersStay) {
  SumTest t;
  const auto stays = [&t](Expr y) { EXPECT_EQ(t.left(y).find("QLinear"), std::string::npos) << t.left(y); };
  Expr sum = t.a() + t.b();
  stays(sum);
  stays(t.dequantized<uint8_t>(t.quantized<uint8_t>(sum, 4.0f, 10), 4.0f, 10) + sum);  // the numbers are wanted, too
  stays(t.quantized<uint8_t>(t.a() - t.b(), 4.0f, 10));
  stays(make(t.scope, "QuantizeLinear", {t.a() + t.b(), t.input<float>({}, {4.0f}), t.number(uint8_t{10})}));
  Expr halves = make(t.scope, "DequantizeLinear", {t.some_bytes({7}, false), cast(t.number(0.5f), DType::kF16)});
  stays(make(t.scope, "QuantizeLinear", {halves + halves, cast(t.number(0.5f), DType::kF16), t.number(uint8_t{0})}));
  Expr y = t.quantized<uint8_t>(t.a() + t.b(), 4.0f, 10);
  EXPECT_EQ(t.left(y, {"fuse_quantized_sums"}).find("QLinear"), std::string::npos);
}

}  // namespace
}  // namespace weft
