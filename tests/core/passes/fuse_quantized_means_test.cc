// Means of quantized values: which become one operator, and what these give.
#include <cmath>

#include "tests/core/passes/quantized_common.h"

namespace weft {
namespace {

using Numbers = std::vector<int64_t>;

// -0.25, the mean of (-4, -3.5, ..., 3.5), and 5/16, that of ten halves and six zeros, in steps of 1/8: -2 and 2.5.
TEST(FuseQuantizedMeans, WholePlanes) {
  QuantizedTest t;
  Bytes x;
  for (int i = 0; i < 16; ++i) x.push_back(static_cast<uint8_t>(i));
  for (int i = 0; i < 16; ++i) x.push_back(i < 10 ? 9 : 8);
  Expr numbers = t.dequantized<uint8_t>(t.input<uint8_t>({1, 2, 4, 4}, x), 0.5f, 8);
  Expr y = t.quantized<uint8_t>(make(t.scope, "GlobalAveragePool", {numbers}), 0.125f, 100);
  EXPECT_EQ(t.left(y), "weft.QLinearReduceMean");
  t.expect_numbers<uint8_t>(y, {98, 102});
  y = t.quantized<int8_t>(t.relu(make(t.scope, "GlobalAveragePool", {numbers})), 0.125f, -3);
  EXPECT_EQ(t.left(y), "weft.QLinearReduceMean");
  t.expect_numbers<int8_t>(y, {-3, -1});
  Expr mean = make(t.scope, "ReduceMean", {numbers, constant_ints(t.scope, {-1, 2})}, {{"keepdims", int64_t{0}}});
  y = t.quantized<uint8_t>(mean, 0.125f, 100);
  EXPECT_EQ(t.left(y), "weft.QLinearReduceMean");
  EXPECT_EQ(t.run(y, {}).shape(), (Shape{1, 2}));
  t.expect_numbers<uint8_t>(y, {98, 102});
}

TEST(FuseQuantizedMeans, KeepTheBitsOfThePieces) {
  struct Row {
    Shape x;
    Numbers axes;
  };
  const Row rows[] = {{{2, 3, 7, 7}, {2, 3}}, {{2, 7, 9, 40}, {1, 2}}, {{3, 300, 5}, {1}},  {{1, 5, 5, 1100}, {1, 2}},
                      {{2, 70000}, {1}},      {{2, 5, 3, 6}, {0, 2}},  {{900, 33}, {0}},    {{4, 90}, {0, 1}},
                      {{3, 2}, {1}},          {{2, 3, 4}, {0, 1, 2}},  {{1, 49, 520}, {1}}, {{70, 1, 300}, {0, 1}}};
  for (const Row& row : rows) {
    SCOPED_TRACE(shape_text(row.x));
    double count = 1;
    for (int64_t axis : row.axes) count *= static_cast<double>(row.x[static_cast<size_t>(axis)]);
    // Means of so many are spread over so many steps.
    const float step = static_cast<float>(0.04 / std::sqrt(count));
    for (int kind = 0; kind < 4; ++kind) {
      QuantizedTest t;
      const bool x_signed = kind & 1, y_signed = kind & 2;
      const Expr x = t.some_numbers(row.x, x_signed, 0.0217f, x_signed ? 0 : 128);
      const Expr mean = make(t.scope, "ReduceMean", {x, constant_ints(t.scope, row.axes)});
      const Expr y = t.quantized_as(mean, y_signed, step, y_signed ? 0 : 128);
      EXPECT_EQ(t.left(y) == "weft.QLinearReduceMean", row.x != (Shape{3, 2}))
          << t.left(y);  // of which there is too little
      t.expect_same_bits(y);
    }
  }
}

// 1 to 9, seen two by two: halves go to the even number.
TEST(FuseQuantizedMeans, Windows) {
  QuantizedTest t;
  Expr x = t.dequantized<uint8_t>(t.input<uint8_t>({1, 1, 3, 3}, Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9}), 1.0f, 0);
  Attrs attrs{{"kernel_shape", Numbers{2, 2}}, {"pads", Numbers{1, 1, 1, 1}}};
  Expr y = t.quantized<uint8_t>(make(t.scope, "AveragePool", {x}, attrs), 1.0f, 0);
  EXPECT_EQ(t.left(y), "weft.QLinearAveragePool");
  t.expect_numbers<uint8_t>(y, {1, 2, 2, 3, 2, 3, 4, 4, 6, 6, 7, 8, 7, 8, 8, 9});
  attrs.set("count_include_pad", int64_t{1});
  y = t.quantized<uint8_t>(make(t.scope, "AveragePool", {x}, attrs), 1.0f, 0);
  t.expect_numbers<uint8_t>(y, {0, 1, 1, 1, 1, 3, 4, 2, 3, 6, 7, 4, 2, 4, 4, 2});
}

TEST(FuseQuantizedMeans, WindowsKeepTheBitsOfThePieces) {
  const Attrs windows[] = {
      {{"kernel_shape", Numbers{3, 3}}, {"strides", Numbers{2, 2}}, {"pads", Numbers{1, 1, 1, 1}}},
      {{"kernel_shape", Numbers{2, 3}}, {"ceil_mode", int64_t{1}}, {"strides", Numbers{2, 1}}},
      {{"kernel_shape", Numbers{2, 2}}, {"dilations", Numbers{2, 3}}, {"count_include_pad", int64_t{1}}},
      {{"kernel_shape", Numbers{5, 5}}, {"auto_pad", "SAME_LOWER"}}};
  for (const Attrs& attrs : windows) {
    for (int kind = 0; kind < 8; ++kind) {
      QuantizedTest t;
      const bool x_signed = kind & 1, y_signed = kind & 2, last = kind & 4;
      Expr x =
          t.some_numbers(last ? Shape{2, 9, 11, 270} : Shape{2, 5, 9, 11}, x_signed, 0.0217f, x_signed ? -17 : 131);
      if (last) x = transpose(x, {0, 3, 1, 2});
      Expr y = t.quantized_as(make(t.scope, "AveragePool", {x}, attrs), y_signed, 0.0073f, y_signed ? 3 : 100);
      if (last) y = transpose(y, {0, 2, 3, 1});
      EXPECT_EQ(t.left(y), last ? "weft.ChannelsLastQLinearAveragePool" : "weft.QLinearAveragePool");
      t.expect_same_bits(y);
    }
  }
}

TEST(FuseQuantizedMeans, OthersStay) {
  QuantizedTest t;
  const auto stays = [&t](Expr y) { EXPECT_EQ(t.left(y).find("QLinear"), std::string::npos) << t.left(y); };
  Expr x = t.some_numbers({1, 2, 4, 4}, false, 0.5f, 8);
  stays(make(t.scope, "GlobalAveragePool", {x}));
  stays(t.quantized<uint8_t>(make(t.scope, "GlobalAveragePool", {t.relu(x)}), 0.125f, 100));
  stays(t.quantized<uint8_t>(make(t.scope, "ReduceMean", {x}), 0.125f, 100));  // over all axes, which no number says
  stays(t.quantized<uint8_t>(make(t.scope, "ReduceSum", {x, constant_ints(t.scope, {1})}), 0.125f, 100));
  Expr y = t.quantized<uint8_t>(make(t.scope, "GlobalAveragePool", {x}), 0.125f, 100);
  EXPECT_EQ(t.left(y, {"fuse_quantized_means"}).find("QLinear"), std::string::npos);
}

}  // namespace
}  // namespace weft
