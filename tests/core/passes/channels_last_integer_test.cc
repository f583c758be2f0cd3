// Convolutions and pools of 8-bit numbers with channels last: the same bits as with channels first.
#include "tests/core/passes/channels_last_common.h"

namespace weft {
namespace {

struct IntegerTest : ChannelsLastTest {
  // Any numbers of the type.
  Tensor bytes(const Shape& shape, bool is_signed) {
    int64_t count = 1;
    for (int64_t dim : shape) count *= dim;
    std::vector<uint8_t> out;
    for (int64_t i = 0; i < count; ++i) {
      seed = seed * 1664525u + 1013904223u;
      out.push_back(static_cast<uint8_t>(seed >> 20));
    }
    return *Tensor::from_bytes(is_signed ? DType::kI8 : DType::kU8, shape, out.data(), count);
  }
  Expr image(const Shape& shape, bool is_signed) { return input(to_dims(shape), bytes(shape, is_signed)); }
  Expr fixed_bytes(const Shape& shape, bool is_signed) { return constant(scope, bytes(shape, is_signed)); }
  Expr floats(const Shape& shape, float scale) {
    Tensor values = numbers<float>(shape);
    for (int64_t i = 0; i < values.count(); ++i) values.as<float>()[i] = scale * (values.as<float>()[i] + 5);
    return constant(scope, std::move(values));
  }
  std::string kinds(Expr y) {
    std::string names = left(y);
    for (size_t at; (at = names.find("Reshape")) != std::string::npos;) names.replace(at, 7, "Transpose");
    return names;
  }
};

struct Row {
  Shape x, w;
  Attrs attrs;
};
const Row kRows[] = {
    {{2, 5, 7, 6}, {19, 5, 1, 1}, {}},
    {{1, 20, 7, 7}, {33, 20, 1, 1}, {}},
    {{1, 20, 7, 7}, {33, 20, 1, 1}, {{"strides", Ints{2, 2}}}},
    {{1, 20, 3, 4}, {8, 20, 1, 1}, {{"pads", Ints{1, 0, 0, 2}}}},
    {{1, 32, 19, 21}, {40, 32, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}}},
    {{3, 17, 8, 8}, {13, 17, 3, 3}, {{"pads", Ints{1, 0, 1, 2}}, {"strides", Ints{1, 2}}}},
    {{2, 3, 23, 21}, {24, 3, 7, 7}, {{"pads", Ints{3, 3, 3, 3}}, {"strides", Ints{2, 2}}}},
    {{2, 1, 12, 12}, {8, 1, 5, 5}, {{"auto_pad", "SAME_UPPER"}}},
    {{2, 15, 9, 9}, {9, 15, 3, 2}, {{"dilations", Ints{2, 1}}, {"pads", Ints{2, 1, 2, 0}}}},
    {{1, 16, 10, 9}, {16, 16, 3, 3}, {{"dilations", Ints{2, 3}}, {"pads", Ints{2, 3, 2, 3}}}},
    {{1, 3, 5, 6}, {8, 3, 3, 3}, {{"dilations", Ints{1, 2}}, {"pads", Ints{3, 4, 5, 6}}}},
    {{1, 3, 9, 9}, {8, 3, 2, 2}, {{"pads", Ints(4, 2147483647)}, {"strides", Ints(2, 2147483647)}}},
    {{1, 18, 1, 1}, {64, 18, 1, 1}, {}},
    {{2, 20, 31}, {24, 20, 5}, {{"pads", Ints{2, 2}}, {"strides", Ints{2}}}},
    {{2, 2, 31}, {9, 2, 5}, {{"dilations", Ints{3}}}},
};

// One filter for each channel.
const Row kFilters[] = {
    {{1, 144, 14, 13}, {144, 1, 3, 3}, {{"group", int64_t{144}}, {"pads", Ints{1, 1, 1, 1}}}},
    {{2, 16, 9, 10}, {16, 1, 3, 3}, {{"group", int64_t{16}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 0, 0, 1}}}},
    {{1, 37, 8, 30}, {37, 1, 5, 3}, {{"group", int64_t{37}}, {"auto_pad", "SAME_UPPER"}}},
    {{1, 19, 11, 12}, {19, 1, 3, 3}, {{"group", int64_t{19}}, {"dilations", Ints{2, 3}}, {"pads", Ints{2, 3, 4, 5}}}},
    {{1, 600, 5, 6}, {600, 1, 3, 3}, {{"group", int64_t{600}}, {"pads", Ints{3, 3, 3, 3}}}},
    {{1, 21, 1, 2}, {21, 1, 1, 1}, {{"group", int64_t{21}}}},
    {{2, 24, 31}, {24, 1, 5}, {{"group", int64_t{24}}, {"pads", Ints{2, 1}}, {"strides", Ints{2}}}},
    {{1, 18, 4, 4}, {18, 1, 7, 7}, {{"group", int64_t{18}}, {"pads", Ints{3, 3, 3, 3}}}},
};
std::vector<Row> all_rows() {
  std::vector<Row> rows(std::begin(kRows), std::end(kRows));
  rows.insert(rows.end(), std::begin(kFilters), std::end(kFilters));
  return rows;
}

TEST(ChannelsLastInteger, SumsOfIntegers) {
  for (const Row& row : all_rows()) {
    SCOPED_TRACE(shape_text(row.x) + " by " + shape_text(row.w));
    for (int kind = 0; kind < 16; ++kind) {
      IntegerTest t;
      const bool x_signed = kind & 1, w_signed = kind & 2;
      std::vector<Expr> inputs{t.image(row.x, x_signed), t.fixed_bytes(row.w, w_signed), {}, {}};
      if (kind & 4) inputs[2] = t.fixed_bytes({}, x_signed);
      if (kind & 8) inputs[3] = t.fixed_bytes(kind & 4 ? Shape{row.w[0]} : Shape{}, w_signed);
      Expr y = make(t.scope, "ConvInteger", inputs, row.attrs);
      EXPECT_EQ(t.kinds(y), "Transpose weft.ChannelsLastConvInteger Transpose");
      t.expect_same_bits(y);
      t.expect_same_bits(cast(y, DType::kF32) * 0.5);
    }
  }
}

TEST(ChannelsLastInteger, Quantized) {
  for (const Row& row : all_rows()) {
    SCOPED_TRACE(shape_text(row.x) + " by " + shape_text(row.w));
    for (int kind = 0; kind < 32; ++kind) {
      IntegerTest t;
      const bool x_signed = kind & 1, w_signed = kind & 2, y_signed = kind & 4, many = kind & 8, biased = kind & 16;
      const Shape of_w = many ? Shape{row.w[0]} : Shape{};
      std::vector<Expr> inputs{t.image(row.x, x_signed),
                               constant(t.scope, Tensor::scalar(0.01f)),
                               t.fixed_bytes({}, x_signed),
                               t.fixed_bytes(row.w, w_signed),
                               t.floats(of_w, 0.001f),
                               t.fixed_bytes(many && biased ? of_w : Shape{}, w_signed),
                               constant(t.scope, Tensor::scalar(0.7f)),
                               t.fixed_bytes({}, y_signed)};
      if (biased)
        inputs.push_back(constant(t.scope, t.numbers<int32_t>({row.w[0]})) *
                         constant(t.scope, Tensor::scalar<int32_t>(1000)));
      Expr y = make(t.scope, "QLinearConv", inputs, row.attrs);
      EXPECT_EQ(t.kinds(y), "Transpose weft.ChannelsLastQLinearConv Transpose");
      t.expect_same_bits(y);
      t.expect_same_bits(cast(y, DType::kF32) * 0.5);  // done as each stretch is made
    }
  }
}

TEST(ChannelsLastInteger, OthersStay) {
  IntegerTest t;
  Expr x = t.image({1, 16, 6, 6}, false);
  EXPECT_EQ(t.left(make(t.scope, "ConvInteger", {x, t.fixed_bytes({16, 8, 3, 3}, true)}, {{"group", int64_t{2}}})),
            "ConvInteger");
  EXPECT_EQ(t.left(make(t.scope, "ConvInteger", {x, t.image({16, 16, 3, 3}, true)})), "ConvInteger");
  EXPECT_EQ(t.left(make(t.scope, "ConvInteger", {x, t.fixed_bytes({4, 16, 3, 3}, true)})), "ConvInteger");
  Expr few = t.image({1, 8, 6, 6}, false);
  EXPECT_EQ(t.left(make(t.scope, "ConvInteger", {few, t.fixed_bytes({8, 1, 3, 3}, true)}, {{"group", int64_t{8}}})),
            "ConvInteger");
  EXPECT_EQ(t.left(make(t.scope, "ConvInteger", {x, t.fixed_bytes({32, 1, 3, 3}, true)}, {{"group", int64_t{16}}})),
            "ConvInteger");
  EXPECT_EQ(t.left(make(t.scope, "ConvInteger",
                        {x, t.fixed_bytes({16, 1, 3, 3}, true), Expr(), t.input(Dims{}, t.bytes({}, true))},
                        {{"group", int64_t{16}}})),
            "ConvInteger");
  Expr deep = t.image({1, 16, 3, 4, 4}, false);
  EXPECT_EQ(t.left(make(t.scope, "ConvInteger", {deep, t.fixed_bytes({16, 16, 2, 2, 2}, true)})), "ConvInteger");
}

TEST(ChannelsLastInteger, PoolsFollow) {
  for (bool is_signed : {false, true}) {
    for (int64_t channels : {16, 37}) {
      IntegerTest t;
      Expr x = t.image({2, 8, 9, 11}, false);
      Expr codes = t.fixed_bytes({}, is_signed), one = constant(t.scope, Tensor::scalar(0.05f));
      Expr conv = make(t.scope, "QLinearConv",
                       {x, one, t.fixed_bytes({}, false), t.fixed_bytes({channels, 8, 3, 3}, true), one,
                        t.fixed_bytes({}, true), constant(t.scope, Tensor::scalar(0.9f)), codes});
      for (const Attrs& attrs :
           {Attrs{{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}},
            Attrs{{"kernel_shape", Ints{2, 3}}, {"ceil_mode", int64_t{1}}, {"strides", Ints{2, 1}}},
            Attrs{{"kernel_shape", Ints{2, 2}}, {"dilations", Ints{2, 3}}}}) {
        Expr y = make(t.scope, "MaxPool", {conv}, attrs);
        EXPECT_EQ(t.left(y), "Transpose weft.ChannelsLastQLinearConv weft.ChannelsLastMaxPool Transpose");
        t.expect_same_bits(y);
      }
    }
  }
}

}  // namespace
}  // namespace weft
