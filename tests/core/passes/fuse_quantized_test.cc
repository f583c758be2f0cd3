// Patterns of QuantizeLinear and DequantizeLinear: which become operators on integers, and what these give.
#include "core/passes/differentiate.h"
#include "tests/core/passes/quantized_common.h"

namespace weft {
namespace {

// Sums by hand: (1.25, -2.5, 0.5, 5) and (-0.75, 1.75, -0.25, -3.25), halved steps to the even number.
TEST(FuseQuantized, ConvOfBytes) {
  QuantizedTest t;
  Expr y = t.quantized<uint8_t>(t.two_channels(), 0.5f, 10);
  EXPECT_EQ(t.left(y), "QLinearConv");
  t.expect_numbers<uint8_t>(y, {12, 5, 11, 20, 8, 14, 10, 4});
}

TEST(FuseQuantized, ConvTakesLimits) {
  struct Case {
    int low, high;  // 9: there is none
    int zero;
    const char* left;
    Chars wanted;
  };
  const Case cases[] = {
      {0, 9, -128, "QLinearConv", {-126, -128, -127, -118, -128, -124, -128, -128}},
      {0, 9, 0, "QLinearConv Clip", {2, 0, 1, 10, 0, 4, 0, 0}},
      {0, 4, -128, "QLinearConv Clip", {-126, -128, -127, -120, -128, -124, -128, -128}},
      {9, 1, 0, "QLinearConv Clip", {2, -5, 1, 2, -2, 2, 0, -6}},
      {-70, 70, 0, "QLinearConv", {2, -5, 1, 10, -2, 4, 0, -6}},
      {9, 9, 0, "QLinearConv", {2, -5, 1, 10, -2, 4, 0, -6}},
  };
  for (const Case& item : cases) {
    SCOPED_TRACE(cat(item.low, " ", item.high, " ", item.zero));
    QuantizedTest t;
    const auto limit = [&t](int value) { return value == 9 ? Expr() : t.number(static_cast<float>(value)); };
    Expr y = make(t.scope, "Clip", {t.two_channels(), limit(item.low), limit(item.high)});
    y = t.quantized(y, 0.5f, static_cast<int8_t>(item.zero));
    EXPECT_EQ(t.left(y), item.left);
    t.expect_numbers<int8_t>(y, item.wanted);
    Expr pair = t.two_channels();
    if (item.low != 9) pair = make(t.scope, "Max", {pair, limit(item.low)});
    if (item.high != 9) pair = make(t.scope, "Min", {reshape(limit(item.high), constant_ints(t.scope, {1, 1})), pair});
    y = t.quantized(pair, 0.5f, static_cast<int8_t>(item.zero));
    EXPECT_EQ(t.left(y).substr(0, 11), "QLinearConv");
    t.expect_numbers<int8_t>(y, item.wanted);
    if (item.low != 0 || item.high != 9) continue;
    y = t.quantized(t.relu(t.two_channels()), 0.5f, static_cast<int8_t>(item.zero));
    EXPECT_EQ(t.left(y), item.left);
    t.expect_numbers<int8_t>(y, item.wanted);
  }
}

TEST(FuseQuantized, ConvThatStaysANumber) {
  QuantizedTest t;
  Expr y = t.two_channels();
  EXPECT_EQ(t.left(y), "ConvInteger Cast Mul Add");
  t.expect_numbers<float>(y, {1.25f, -2.5f, 0.5f, 5, -0.75f, 1.75f, -0.25f, -3.25f});
  EXPECT_EQ(t.left(t.quantized<uint8_t>(y, 0.5f, 10) + t.quantized<uint8_t>(y, 0.25f, 10)).find("QLinear"),
            std::string::npos);
}

TEST(FuseQuantized, BiasInOtherUnits) {
  QuantizedTest t;
  Expr w = t.dequantized<int8_t>(t.fixed<int8_t>({2, 1, 1, 1}, {3, -4}), 0.25f, int8_t{0});
  const auto with = [&](Expr bias) {
    return t.quantized<uint8_t>(make(t.scope, "Conv", {t.image(), w, bias}), 0.5f, 10);
  };
  Expr b = t.fixed<int32_t>({2}, {4, -4});
  EXPECT_EQ(t.left(with(t.dequantized<int32_t>(b, 0.125f, 0))), "QLinearConv");
  EXPECT_EQ(t.left(with(make(t.scope, "DequantizeLinear", {b, t.number(std::nextafter(0.125f, 1.0f))}))),
            "QLinearConv");
  for (Expr bias : {t.dequantized<int32_t>(b, 0.25f, 0), t.dequantized<int32_t>(b, 0.125f, 1),
                    t.dequantized<int32_t>(b, {0.125f, 0.25f}, {0, 0}, 0), t.fixed<float>({2}, {1, -1})}) {
    EXPECT_EQ(t.left(with(bias)), "ConvInteger weft.QuantizeSums");
  }
  t.expect_numbers<uint8_t>(with(t.fixed<float>({2}, {1, -1})), {14, 6, 12, 21, 6, 16, 8, 0});
}

// (1, -4, 2; 0, 3, -2) times (0.5, -1; 0.25, 2; -1.5, 3), whose columns have the zero points 2 and -1.
TEST(FuseQuantized, MatMulByColumns) {
  QuantizedTest t;
  Expr w = t.dequantized<int8_t>(t.fixed<int8_t>({3, 2}, {4, -2, 3, 1, -4, 2}), {0.25f, 1.0f}, {2, -1}, 1);
  Expr y = matmul(t.matrix(), w), q = t.quantized<int8_t>(y, 0.25f, -3);
  EXPECT_EQ(t.left(y), "MatMulInteger Cast Mul");
  t.expect_numbers<float>(y, {-3.5f, -3, 3.75f, 0});
  EXPECT_EQ(t.left(q), "QLinearMatMul");
  t.expect_numbers<int8_t>(q, {-17, -15, 12, -3});
}

// The same plus (0.5, 10), by columns of 1/8 and 1/2 where these are whole numbers: (-3, 7; 4.25, 10).
TEST(FuseQuantized, MatMulAndWhatIsAdded) {
  QuantizedTest t;
  Expr w = t.dequantized<int8_t>(t.fixed<int8_t>({3, 2}, {4, -2, 3, 1, -4, 2}), {0.25f, 1.0f}, {2, -1}, 1);
  Expr whole = t.dequantized<int32_t>(t.fixed<int32_t>({2}, {4, 20}), {0.125f, 0.5f}, {0, 0}, 0);
  Expr numbers = t.fixed<float>({2}, {0.5f, 10}), fed = t.input<float>({2, 2}, {0.5f, 10, 0.5f, 10});
  const auto expect = [&t](Expr y, const char* left, const Chars& wanted) {
    y = t.quantized<int8_t>(y, 0.25f, -3);
    EXPECT_EQ(t.left(y), left);
    t.expect_numbers<int8_t>(y, wanted);
  };
  const Chars wanted{-15, 25, 14, 37};
  expect(matmul(t.matrix(), w) + whole, "weft.BiasedQLinearMatMul", wanted);
  expect(whole + matmul(t.matrix(), w), "weft.BiasedQLinearMatMul", wanted);
  expect(matmul(t.matrix(), w) + numbers, "MatMulInteger weft.QuantizeSums", wanted);
  expect(fed + matmul(t.matrix(), w), "MatMulInteger weft.QuantizeSums", wanted);
  expect(t.relu(matmul(t.matrix(), w) + whole), "weft.BiasedQLinearMatMul Clip", {-3, 25, 14, 37});
  expect(t.relu(matmul(t.matrix(), w) + numbers), "MatMulInteger weft.QuantizeSums", {-3, 25, 14, 37});
  // One number for all columns is none for each, and wider than the product.
  expect(matmul(t.matrix(), w) + t.dequantized<int32_t>(t.fixed<int32_t>({}, {4}), 0.125f, 0),
         "MatMulInteger weft.QuantizeSums", {-15, -13, 14, -1});
}

TEST(FuseQuantized, GemmIsQuantized) {
  QuantizedTest t;
  const Attrs turned{{"transB", int64_t{1}}};
  Expr w = t.dequantized<int8_t>(t.fixed<int8_t>({2, 3}, {4, 3, -4, -2, 1, 2}), {0.25f, 1.0f}, {2, -1}, 0);
  Expr y = t.quantized<int8_t>(make(t.scope, "Gemm", {t.matrix(), w}, turned), 0.25f, -3);
  EXPECT_EQ(t.left(y), "QLinearMatMul");
  t.expect_numbers<int8_t>(y, {-17, -15, 12, -3});
  Expr whole = t.dequantized<int32_t>(t.fixed<int32_t>({2}, {4, 20}), {0.125f, 0.5f}, {0, 0}, 0);
  y = t.quantized<int8_t>(make(t.scope, "Gemm", {t.matrix(), w, whole}, turned), 0.25f, -3);
  EXPECT_EQ(t.left(y), "weft.BiasedQLinearMatMul");
  t.expect_numbers<int8_t>(y, {-15, 25, 14, 37});
  // One for each row: (0.5, 10) in units that are not those of the sums.
  Expr rows = t.dequantized<int32_t>(t.fixed<int32_t>({2, 1}, {4, 20}), {0.125f, 0.5f}, {0, 0}, 0);
  y = t.quantized<int8_t>(make(t.scope, "Gemm", {t.matrix(), w, rows}, turned), 0.25f, -3);
  EXPECT_EQ(t.left(y), "MatMulInteger weft.QuantizeSums");
  t.expect_numbers<int8_t>(y, {-15, -13, 52, 37});
  // Twice the product, and half of (2, -4).
  const Attrs weighed{{"transB", int64_t{1}}, {"alpha", 2.0}, {"beta", 0.5}};
  y = t.quantized<int8_t>(make(t.scope, "Gemm", {t.matrix(), w, t.fixed<float>({2}, {2, -4})}, weighed), 0.5f, 0);
  EXPECT_EQ(t.left(y), "MatMulInteger weft.QuantizeSums");
  t.expect_numbers<int8_t>(y, {-12, -16, 17, -4});
}

// (0.75, -3, 0, 4.5) and (0.25, 1, -0.5, 10), in steps of 1/2 from 10 on.
TEST(FuseQuantized, ConvAndAResidual) {
  QuantizedTest t;
  Expr w = t.dequantized<int8_t>(t.fixed<int8_t>({1, 1, 1, 1}, {3}), 0.25f, int8_t{0});
  Expr residual = t.input<float>({1, 1, 2, 2}, {0.25f, 1, -0.5f, 10});
  for (Expr sum :
       {make(t.scope, "Conv", {t.image(), w}) + residual, residual + make(t.scope, "Conv", {t.image(), w})}) {
    Expr y = t.quantized<uint8_t>(sum, 0.5f, 10);
    EXPECT_EQ(t.left(y), "ConvInteger weft.QuantizeSums");
    t.expect_numbers<uint8_t>(y, {12, 6, 9, 39});
  }
  // A bias and a residual are two things to add.
  Expr both = make(t.scope, "Conv", {t.image(), w, t.fixed<float>({1}, {1})}) + residual;
  EXPECT_EQ(t.left(t.quantized<uint8_t>(both, 0.5f, 10)).find("QuantizeSums"), std::string::npos);
  t.expect_numbers<uint8_t>(t.quantized<uint8_t>(both, 0.5f, 10), {14, 8, 11, 41});
}

TEST(FuseQuantized, ScaledSumsHaveTheBitsOfThePieces) {
  struct Shapes {
    Shape x, scale, addend;
  };
  const Shapes shapes[] = {{{3, 5}, {5}, {5}},         {{2, 7, 9, 5}, {7, 1, 1}, {7, 1, 1}},
                           {{40, 33}, {}, {33}},       {{2, 300, 70}, {70}, {}},
                           {{4, 3, 2}, {}, {4, 3, 2}}, {{4, 1}, {3}, {2, 1, 1}},
                           {{1, 16, 9}, {16, 1}, {9}}, {{17}, {1}, {1}}};
  for (const Shapes& row : shapes) {
    SCOPED_TRACE(shape_text(row.x));
    for (bool is_signed : {false, true}) {
      QuantizedTest t;
      const Expr x = cast(t.some_bytes(row.x, true), DType::kI32) * cast(t.some_bytes(row.x, false), DType::kI32);
      const Expr scale = cast(t.some_bytes(row.scale, false), DType::kF32) * 0.0000131,
                 addend = cast(t.some_bytes(row.addend, true), DType::kF32) * 0.0117;
      const Attrs attrs{{"output_dtype", static_cast<int64_t>(is_signed ? DType::kI8 : DType::kU8)},
                        {"y_scale", double{0.0731f}},
                        {"y_zero_point", is_signed ? int64_t{-9} : int64_t{100}},
                        {"least", is_signed ? int64_t{-128} : int64_t{0}},
                        {"most", is_signed ? int64_t{127} : int64_t{255}}};
      const Expr whole = make(t.scope, "weft.QuantizeSums", {x, scale, addend}, attrs);
      const Expr pieces =
          t.quantized_as(cast(x, DType::kF32) * scale + addend, is_signed, 0.0731f, is_signed ? -9 : 100);
      for (const std::vector<std::string>& disabled : {std::vector<std::string>{}, {"fuse_elementwise"}, {"*"}}) {
        EXPECT_TRUE(t.run(whole, disabled).same_bits(t.run(pieces, {"*"})));
      }
    }
  }
}

// With scales of columns, and of rows as well.
TEST(FuseQuantized, ABiasIsAddedToTheSums) {
  for (bool by_row : {false, true}) {
    for (bool y_signed : {false, true}) {
      QuantizedTest t;
      const Shape row_shape = by_row ? Shape{5} : Shape{};
      const auto scales = [&t](const Shape& shape) {
        return cast(t.some_bytes(shape, false), DType::kF32) * 0.0013 + 0.001;
      };
      const Expr a = t.some_bytes({5, 37}, false), b = t.some_bytes({37, 300}, true), bias = t.some_bytes({300}, true);
      const Expr a_scale = scales(row_shape), b_scale = scales({300}), y_scale = t.number(7.0f);
      const Expr a_zero = t.some_bytes(row_shape, false), b_zero = t.some_bytes({300}, true);
      const Expr y_zero = y_signed ? t.number(int8_t{-3}) : t.number(uint8_t{130});
      const Expr more = cast(bias, DType::kI32) * t.number(int32_t{100});
      const Expr whole =
          make(t.scope, "weft.BiasedQLinearMatMul", {a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero, more});
      const Expr column = by_row ? unsqueeze(a_scale, {1}) : a_scale;
      const Expr sums = make(t.scope, "MatMulInteger", {a, b, a_zero, b_zero}) + more;
      const Expr steps = cast(sums, DType::kF32) * (column * b_scale / y_scale);
      const Expr pieces = cast(make(t.scope, "Round", {steps}) + cast(y_zero, DType::kF32), y_zero.dtype());
      for (const std::vector<std::string>& disabled : {std::vector<std::string>{}, {"*"}}) {
        EXPECT_TRUE(t.run(whole, disabled).same_bits(t.run(pieces, {"*"})));
      }
    }
  }
}

TEST(FuseQuantized, ScalesAlongAnotherAxisStay) {
  QuantizedTest t;
  Expr w = t.dequantized<int8_t>(t.fixed<int8_t>({3, 2}, {4, -2, 3, 1, -4, 2}), {0.25f, 1.0f, 2.0f}, {0, 0, 0}, 0);
  EXPECT_EQ(t.left(matmul(t.matrix(), w)).find("Integer"), std::string::npos);
  EXPECT_EQ(t.left(t.quantized<int8_t>(matmul(t.matrix(), w), 0.25f, 0)).find("QLinear"), std::string::npos);
  Expr filters = t.dequantized<int8_t>(t.fixed<int8_t>({2, 2, 1, 1}, {4, -2, 3, 1}), {0.25f, 1.0f}, {0, 0}, 1);
  Expr image = t.dequantized<uint8_t>(t.input<uint8_t>({1, 2, 1, 1}, Bytes{1, 2}), 0.5f, 0);
  Expr y = make(t.scope, "Conv", {image, filters});
  EXPECT_EQ(t.left(t.quantized<uint8_t>(y, 0.25f, 0)).find("QLinear"), std::string::npos);
  t.expect_numbers<float>(y, {-1.5f, 1.375f});
}

TEST(FuseQuantized, WeightsThatAreTurned) {
  QuantizedTest t;
  Expr w = t.fixed<int8_t>({2, 3}, {4, 3, -4, -2, 1, 2});
  Expr by_row = t.dequantized<int8_t>(w, {0.25f, 1.0f}, {2, -1}, 0);
  EXPECT_EQ(t.left(matmul(t.matrix(), transpose(by_row, {1, 0}))), "MatMulInteger Cast Mul");
  t.expect_numbers<float>(matmul(t.matrix(), transpose(by_row, {1, 0})), {-3.5f, -3, 3.75f, 0});
  Expr gemm = make(t.scope, "Gemm", {t.matrix(), by_row, t.fixed<float>({2}, {2, -4})},
                   {{"transB", int64_t{1}}, {"alpha", 2.0}, {"beta", 0.5}});
  EXPECT_EQ(t.left(gemm), "MatMulInteger Cast Mul Add");
  t.expect_numbers<float>(gemm, {-6, -8, 8.5f, -2});
  Expr turned = t.dequantized<int8_t>(t.input<int8_t>({3, 2}, Chars{3, 1, -7, 7, 5, -3}), 0.5f, 1);
  Expr both = make(t.scope, "Gemm", {turned, by_row}, {{"transA", int64_t{1}}, {"transB", int64_t{1}}});
  EXPECT_EQ(t.left(both), "Transpose MatMulInteger Cast Mul");
  t.expect_numbers<float>(both, {-3.5f, -3, 3.75f, 0});
}

TEST(FuseQuantized, BothOperandsMayChange) {
  QuantizedTest t;
  Expr a = t.matrix(), b = transpose(t.matrix(), {1, 0});
  Expr y = t.quantized<uint8_t>(matmul(a, b), 0.5f, 100);
  EXPECT_EQ(t.left(y), "Transpose QLinearMatMul");
  t.expect_numbers<uint8_t>(y, {142, 68, 68, 126});
}

TEST(FuseQuantized, WhatMovesNumbersMovesIntegers) {
  QuantizedTest t;
  const auto x = [&t] { return t.matrix(); };
  const auto quantize = [&t](Expr y) { return t.quantized<int8_t>(y, 0.5f, 1); };
  EXPECT_EQ(t.left(quantize(x())), "");
  EXPECT_EQ(t.left(quantize(transpose(x(), {1, 0}))), "Transpose");
  t.expect_numbers<int8_t>(quantize(transpose(x(), {1, 0})), {3, 1, -7, 7, 5, -3});
  EXPECT_EQ(t.left(quantize(reshape(x(), constant_ints(t.scope, {3, 2})))), "Reshape");
  EXPECT_EQ(t.left(quantize(concat({x(), x()}, 0))), "Concat");
  t.expect_numbers<int8_t>(quantize(concat({x(), x()}, 0)), {3, -7, 5, 1, 7, -3, 3, -7, 5, 1, 7, -3});
  EXPECT_EQ(t.left(quantize(t.relu(x()))), "Clip");
  t.expect_numbers<int8_t>(quantize(t.relu(x())), {3, 1, 5, 1, 7, 1});
  Expr places = constant_ints(t.scope, {2, 0});
  EXPECT_EQ(t.left(quantize(make(t.scope, "Gather", {x(), places}, {{"axis", int64_t{1}}}))), "Gather");
  // Its padding is below all numbers.
  Expr pool = make(t.scope, "MaxPool", {reshape(x(), constant_ints(t.scope, {1, 2, 3}))},
                   {{"kernel_shape", std::vector<int64_t>{2}}, {"pads", std::vector<int64_t>{1, 0}}});
  EXPECT_EQ(t.left(quantize(pool)), "Reshape MaxPool");
  t.expect_numbers<int8_t>(quantize(pool), {3, 3, 5, 1, 7, 7});
}

// (1, -4, 2; 0, 3, -2), which 3, -7, 5, 1, 7 and -3 stand for, with more beside them.
TEST(FuseQuantized, WhatRepeatsOrPadsDoesSoWithIntegers) {
  QuantizedTest t;
  const auto ints = [&t](const std::vector<int64_t>& values) { return constant_ints(t.scope, values); };
  const auto expect = [&t](const char* left, Expr y, const Chars& wanted) {
    y = t.quantized<int8_t>(y, 0.5f, 1);
    EXPECT_EQ(t.left(y), left);
    t.expect_numbers<int8_t>(y, wanted);
  };
  const auto padded = [&](Expr value, const char* mode) {
    return make(t.scope, "Pad", {t.matrix(), ints({0, 1, 0, 0}), value}, {{"mode", mode}});
  };
  expect("Pad", padded(Expr(), "constant"), {1, 3, -7, 5, 1, 1, 7, -3});
  // 2.5 steps become 2.
  expect("Pad", padded(t.number(1.25f), "constant"), {3, 3, -7, 5, 3, 1, 7, -3});
  expect("Pad", padded(t.number(-1000.0f), "constant"), {-128, 3, -7, 5, -128, 1, 7, -3});
  expect("Pad", padded(Expr(), "reflect"), {-7, 3, -7, 5, 7, 1, 7, -3});
  expect("Pad", padded(t.number(0.0f), "reflect"), {-7, 3, -7, 5, 7, 1, 7, -3});  // which is not read
  expect("Pad Clip", t.relu(padded(t.number(-1.0f), "constant")), {1, 3, 1, 5, 1, 1, 7, 1});
  expect("Tile", make(t.scope, "Tile", {t.matrix(), ints({1, 2})}), {3, -7, 5, 3, -7, 5, 1, 7, -3, 1, 7, -3});
  expect("Split", make_all(t.scope, "Split", {t.matrix()}, {{"axis", int64_t{1}}, {"num_outputs", int64_t{3}}}, 3)[1],
         {-7, 7});
  expect("Resize", make(t.scope, "Resize", {t.matrix(), Expr(), Expr(), ints({2, 6})}),
         {3, 3, -7, -7, 5, 5, 1, 1, 7, 7, -3, -3});
}

// What stands before a Split is computed once, whatever becomes of its parts; bytes that are there are split as bytes.
TEST(FuseQuantized, PartsOfOneValue) {
  QuantizedTest t;
  const auto split = [&t](Expr x, int count) {
    return make_all(t.scope, "Split", {x}, {{"axis", int64_t{1}}, {"num_outputs", int64_t{count}}}, count);
  };
  std::vector<Expr> parts = split(t.two_channels(), 2);
  Expr y = concat({t.quantized<uint8_t>(parts[0], 0.5f, 10), t.quantized<uint8_t>(parts[1], 0.25f, 10)}, 1);
  const std::string left = t.left(y);
  EXPECT_EQ(left.find("QLinear"), std::string::npos) << left;
  EXPECT_NE(left.find("ConvInteger"), std::string::npos) << left;
  EXPECT_EQ(left.find("ConvInteger"), left.rfind("ConvInteger")) << left;
  t.expect_numbers<uint8_t>(y, {12, 5, 11, 20, 7, 17, 9, 0});
  parts = split(t.matrix(), 3);
  y = concat({t.quantized<int8_t>(parts[2], 0.5f, 1), t.quantized<int8_t>(parts[0], 0.5f, 1)}, 1);
  EXPECT_EQ(t.left(y), "Split Concat");
  t.expect_numbers<int8_t>(y, {5, 3, -3, 1});
}

TEST(FuseQuantized, OperandsThatArePadded) {
  QuantizedTest t;
  Expr w = t.dequantized<int8_t>(t.fixed<int8_t>({4, 1}, {1, 2, 3, 4}), 0.25f, int8_t{0});
  const auto product = [&](float padding) {
    return matmul(make(t.scope, "Pad", {t.matrix(), constant_ints(t.scope, {0, 1, 0, 0}), t.number(padding)}), w);
  };
  // 1.5 is a number of the code: (1.5, 1, -4, 2; 1.5, 0, 3, -2).
  EXPECT_EQ(t.left(product(1.5f)), "Pad MatMulInteger Cast Mul");
  t.expect_numbers<float>(product(1.5f), {-0.125f, 0.625f});
  t.expect_numbers<float>(product(0), {-0.5f, 0.25f});
  for (float none : {1.25f, 1000.0f, -0.0f}) {
    EXPECT_EQ(t.left(product(none)).find("Integer"), std::string::npos) << none;
  }
  // What lies beside an image that is cropped is no part of it.
  Expr crop =
      make(t.scope, "Resize", {t.matrix(), t.fixed<float>({4}, {0, 0, 1, 2}), Expr(), constant_ints(t.scope, {2, 6})},
           {{"coordinate_transformation_mode", "tf_crop_and_resize"}, {"extrapolation_value", 7.0}});
  EXPECT_EQ(t.left(t.quantized<int8_t>(crop, 0.5f, 1)).substr(0, 4), "Cast");
}

TEST(FuseQuantized, OtherScalesBetweenAreOfAnotherRule) {
  QuantizedTest t;
  Expr x = t.matrix(), other = t.dequantized<int8_t>(t.input<int8_t>({2, 3}, Chars{1, 2, 3, 4, 5, 6}), 0.5f, 0);
  for (Expr y :
       {t.quantized<int8_t>(transpose(x, {1, 0}), 0.25f, 1), t.quantized<int8_t>(transpose(x, {1, 0}), 0.5f, 0),
        t.quantized<uint8_t>(transpose(x, {1, 0}), 0.5f, 1), t.quantized<int8_t>(concat({x, other}, 0), 0.5f, 1)}) {
    const std::string left = t.left(y, {"fuse_quantized_functions"});
    EXPECT_NE(left.find("Round"), std::string::npos) << left;
    t.expect_same_bits(y);
  }
}

TEST(FuseQuantized, SeveralUsers) {
  QuantizedTest t;
  Expr conv = t.two_channels(), active = t.relu(conv), q = t.quantized<uint8_t>(active, 0.5f, 10);
  // Someone wants the number before it is quantized: it is computed once.
  Expr y = t.dequantized<uint8_t>(q, 0.5f, 10) + conv;
  const std::string left = t.left(y);
  EXPECT_EQ(left.find("QLinearConv"), std::string::npos) << left;
  EXPECT_NE(left.find("ConvInteger"), std::string::npos) << left;
  t.expect_numbers<float>(y, {2.25f, -2.5f, 1, 10, -0.75f, 3.75f, -0.25f, -3.25f});
  // The quantized numbers and those that they stand for may be wanted as often as one likes.
  Expr x = t.image(), w = t.dequantized<int8_t>(t.fixed<int8_t>({1, 1, 1, 1}, {3}), 0.25f, int8_t{0});
  Expr z = t.quantized<uint8_t>(make(t.scope, "Conv", {x, w}), 0.5f, 10);
  Expr sum = t.dequantized<uint8_t>(z, 0.5f, 10) + x * t.dequantized<uint8_t>(z, 0.5f, 10);
  EXPECT_EQ(t.left(sum).rfind("QLinearConv", 0), 0u) << t.left(sum);
  t.expect_numbers<float>(sum, {2, 9, 0, 31.5f});
}

TEST(FuseQuantized, WhatIsNoConstantStays) {
  QuantizedTest t;
  Expr scale = t.input<float>({}, {0.25f}), w = t.fixed<int8_t>({3, 2}, {4, -2, 3, 1, -4, 2});
  Expr by_fed = make(t.scope, "DequantizeLinear", {w, scale}),
       by_fixed = make(t.scope, "DequantizeLinear", {w, t.number(0.25f)});
  EXPECT_EQ(t.left(matmul(t.matrix(), by_fed)).find("Integer"), std::string::npos);
  EXPECT_NE(t.left(matmul(t.matrix(), by_fixed)).find("Integer"), std::string::npos);
  Expr q = make(t.scope, "QuantizeLinear", {matmul(t.matrix(), by_fixed), scale, t.number(int8_t{0})});
  EXPECT_EQ(t.left(q).find("QLinear"), std::string::npos);
  t.expect_numbers<int8_t>(q, {-16, -2, 17, -1});
}

TEST(FuseQuantized, WhatDoesNotFitStays) {
  QuantizedTest t;
  // 40,000 products of 255 by 255 are more than 32 bits hold; 30,000 are not.
  for (int64_t k : {40000, 30000}) {
    const Bytes most(static_cast<size_t>(k), 255);
    Expr a = t.dequantized<uint8_t>(t.input<uint8_t>({1, k}, most), 1.0f, 0);
    Expr b = t.dequantized<uint8_t>(t.fixed<uint8_t>({k, 1}, most), 1.0f, 0);
    Expr y = matmul(a, b);
    EXPECT_EQ(t.left(y).find("Integer") != std::string::npos, k == 30000);
    const Tensor out = t.run(y, {});
    EXPECT_NEAR(out.as<float>()[0], 65025.0f * static_cast<float>(k), 65025.0f);
  }
  Expr tiny = t.dequantized<int8_t>(t.fixed<int8_t>({3, 1}, {4, -2, 3}), 1e-20f, int8_t{0});
  EXPECT_EQ(t.left(matmul(t.matrix(), tiny)).find("Integer"), std::string::npos);
  Expr turned = t.dequantized<int8_t>(t.fixed<int8_t>({3, 1}, {4, -2, 3}), -1.0f, int8_t{0});
  EXPECT_EQ(t.left(matmul(t.matrix(), turned)).find("Integer"), std::string::npos);
  Expr halves =
      make(t.scope, "DequantizeLinear", {t.fixed<int8_t>({3, 1}, {4, -2, 3}), cast(t.number(0.5f), DType::kF16)});
  EXPECT_EQ(t.left(matmul(cast(t.matrix(), DType::kF16), halves)).find("Integer"), std::string::npos);
  Expr blocks =
      make(t.scope, "DequantizeLinear", {t.fixed<int8_t>({4, 1}, {4, -2, 3, 1}), t.fixed<float>({2, 1}, {1, 2})},
           {{"axis", int64_t{0}}, {"block_size", int64_t{2}}});
  Expr four = t.dequantized<int8_t>(t.input<int8_t>({1, 4}, Chars{3, -7, 5, 1}), 0.5f, 1);
  EXPECT_EQ(t.left(matmul(four, blocks)).find("Integer"), std::string::npos);
  t.expect_numbers<float>(matmul(four, blocks), {24});
}

TEST(FuseQuantized, WeightsThatAreQuantizedInTheGraph) {
  QuantizedTest t;
  Expr w = t.fixed<float>({3, 2}, {0.5f, -1, 0.25f, 2, -1.5f, 3});
  Expr scales = t.fixed<float>({2}, {0.25f, 1}), zeros = t.fixed<int8_t>({2}, {0, 0});
  const Attrs by_column{{"axis", int64_t{1}}};
  Expr codes = make(t.scope, "QuantizeLinear", {w, scales, zeros}, by_column);
  Expr y = matmul(t.matrix(), make(t.scope, "DequantizeLinear", {codes, scales, zeros}, by_column));
  EXPECT_EQ(t.left(y), "MatMulInteger Cast Mul");
  t.expect_numbers<float>(y, {-3.5f, -3, 3.75f, 0});
}

// (0, 10, 30) in each of 16 channels, by the filters (1, c, -1): -10, 10 c - 30 and 10 + 30 c, in steps of 2 from 5 on. What
// lies beside the image counts as 0.
TEST(FuseQuantized, OneFilterForEachChannel) {
  QuantizedTest t;
  Bytes x, first;
  Chars w;
  std::vector<float> numbers;
  for (int c = 0; c < 16; ++c) {
    x.insert(x.end(), {10, 20, 40});
    w.insert(w.end(), {1, static_cast<int8_t>(c), -1});
    first.insert(first.end(), {0, static_cast<uint8_t>(c < 2 ? 0 : 5 * c - 10), static_cast<uint8_t>(15 * c + 10)});
    numbers.insert(numbers.end(), {-10, 10.0f * static_cast<float>(c) - 30, 10 + 30.0f * static_cast<float>(c)});
  }
  const Attrs attrs{{"group", int64_t{16}}, {"pads", std::vector<int64_t>{0, 1, 0, 1}}};
  Expr image = t.dequantized<uint8_t>(t.input<uint8_t>({1, 16, 1, 3}, x), 1.0f, 10);
  Expr filters = t.dequantized<int8_t>(t.fixed<int8_t>({16, 1, 1, 3}, w), 1.0f, int8_t{0});
  Expr y = make(t.scope, "Conv", {image, filters}, attrs);
  EXPECT_NE(t.left(y).find("weft.ChannelsLastConvInteger"), std::string::npos) << t.left(y);
  t.expect_numbers<float>(y, numbers);
  y = t.quantized<uint8_t>(y, 2.0f, 5);
  EXPECT_NE(t.left(y).find("weft.ChannelsLastQLinearConv"), std::string::npos) << t.left(y);
  t.expect_numbers<uint8_t>(y, first);
  // Filters that are fed, and two of them for a channel, stay in f32.
  Expr fed = t.dequantized<int8_t>(t.input<int8_t>({16, 1, 1, 3}, w), 1.0f, 0);
  EXPECT_EQ(t.left(t.quantized<uint8_t>(make(t.scope, "Conv", {image, fed}, attrs), 2.0f, 5)).find("QLinear"),
            std::string::npos);
  Expr twice = t.dequantized<int8_t>(t.fixed<int8_t>({32, 1, 1, 3}, Chars(96, 1)), 1.0f, int8_t{0});
  EXPECT_EQ(t.left(t.quantized<uint8_t>(make(t.scope, "Conv", {image, twice}, attrs), 2.0f, 5)).find("QLinear"),
            std::string::npos);
  // So do windows that the taps do not take.
  const Attrs padded{{"group", int64_t{16}}, {"pads", std::vector<int64_t>{0, 128, 0, 128}}};
  Expr wide = t.dequantized<int8_t>(t.fixed<int8_t>({16, 1, 1, 257}, Chars(16 * 257, 1)), 1.0f, int8_t{0});
  EXPECT_EQ(t.left(t.quantized<uint8_t>(make(t.scope, "Conv", {image, wide}, padded), 2.0f, 5)).find("QLinear"),
            std::string::npos);
}

TEST(FuseQuantized, CanBeSwitchedOff) {
  QuantizedTest t;
  Expr y = t.quantized<uint8_t>(t.two_channels(), 0.5f, 10);
  const std::string left = t.left(y, {"fuse_quantized"});
  EXPECT_EQ(left.find("QLinear"), std::string::npos) << left;
  EXPECT_NE(left.find("Conv"), std::string::npos) << left;
}

// By what is trained behind a quantized net; the numbers that its gradient needs stay.
TEST(FuseQuantized, GradientsAreTheSame) {
  QuantizedTest t;
  Expr w = t.input<float>({2, 2}, {1, 2, 3, 4});
  Expr fixed = t.dequantized<int8_t>(t.fixed<int8_t>({3, 2}, {4, -2, 3, 1, -4, 2}), 0.25f, int8_t{0});
  Expr h = t.relu(matmul(t.matrix(), fixed)), loss = reduce_sum(matmul(h, w) * matmul(h, w), {0, 1}, false);
  std::vector<ValueId> grads = *differentiate(*t.graph, {loss.id()}, {w.id()}, {});
  Expr gradient(t.scope, grads[0]);
  EXPECT_NE(t.left(gradient).find("MatMulInteger"), std::string::npos);
  t.expect_same_bits(gradient);
}

}  // namespace
}  // namespace weft
