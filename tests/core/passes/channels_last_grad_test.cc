// Gradients of images with channels last: which operators are left, and the same numbers as with channels first.
#include "core/passes/differentiate.h"
#include "tests/core/passes/channels_last_common.h"

namespace weft {
namespace {

struct GradTest : ChannelsLastTest {
  // The gradient of the sum of y times small whole numbers.
  Expr grad(Expr y, Expr x) {
    Expr dy = in(to_shape(y.dims()));
    Result<std::vector<ValueId>> found = differentiate(*graph, {y.id()}, {x.id()}, {dy.id()});
    EXPECT_TRUE(found.ok()) << found.status().text();
    return found.ok() ? Expr(scope, (*found)[0]) : Expr();
  }
  // How many nodes of the operator are left.
  int64_t count(Expr y, const std::string& op) {
    const std::string names = " " + left(y) + " ", name = " " + op + " ";
    int64_t found = 0;
    for (size_t at = 0; (at = names.find(name, at)) != std::string::npos; ++at) ++found;
    return found;
  }
  Expr pool(const char* op, Expr x, Attrs attrs = {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}) {
    return make(scope, op, {x}, std::move(attrs));
  }
};

TEST(ChannelsLastGrad, OfConvolutions) {
  struct Row {
    Shape x, w;
    Attrs attrs;
  };
  const Row rows[] = {
      {{2, 5, 7, 6}, {19, 5, 1, 1}, {}},
      {{1, 20, 3, 4}, {8, 20, 1, 1}, {{"pads", Ints{1, 0, 0, 2}}}},
      {{3, 17, 8, 8}, {13, 17, 3, 2}, {{"pads", Ints{1, 0, 1, 2}}, {"strides", Ints{1, 2}}}},
      {{2, 1, 12, 12}, {6, 1, 5, 5}, {{"auto_pad", "SAME_UPPER"}}},
      {{2, 9, 9, 10}, {9, 9, 3, 2}, {{"dilations", Ints{2, 3}}, {"pads", Ints{2, 1, 2, 0}}, {"strides", Ints{3, 2}}}},
      {{2, 3, 7, 7}, {8, 3, 2, 2}, {{"pads", Ints{3, 3, 3, 3}}, {"strides", Ints{4, 4}}}},
      {{3, 80, 5, 5}, {40, 80, 3, 3}, {{"auto_pad", "SAME_LOWER"}}},
      {{2, 20, 31}, {24, 20, 5}, {{"pads", Ints{2, 2}}, {"strides", Ints{2}}}},
      {{2, 2, 31}, {9, 2, 5}, {{"dilations", Ints{3}}}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(shape_text(row.x) + " by " + shape_text(row.w));
    GradTest t;
    Expr x = t.in(row.x), w = t.in(row.w), y = make(t.scope, "Conv", {x, w}, row.attrs);
    Expr dx = t.grad(y, x), dw = t.grad(y, w);
    EXPECT_EQ(t.count(dx, "weft.ChannelsLastConvGradInput"), 1);
    EXPECT_EQ(t.count(dw, "weft.ChannelsLastConvGradWeight"), 1);
    t.expect_same_bits(dx);
    t.expect_same_bits(dw);
  }
}

TEST(ChannelsLastGrad, WinogradWhereItPays) {
  for (const Ints& pads : {Ints{1, 1, 1, 1}, Ints{0, 0, 0, 0}, Ints{2, 0, 1, 3}}) {
    GradTest t;
    Expr x = t.in({8, 48, 14, 19}), w = t.in({32, 48, 3, 3}), y = make(t.scope, "Conv", {x, w}, {{"pads", pads}});
    Expr dx = t.grad(y, x);
    EXPECT_EQ(t.count(dx, "weft.WinogradConvGradInput"), 1);
    t.expect_close(dx);
    EXPECT_NE(t.left(dx, {"winograd"}).find("weft.ChannelsLastConvGradInput"), std::string::npos);
  }
}

TEST(ChannelsLastGrad, WhatGainsNothingStays) {
  GradTest t;
  Expr x = t.in({2, 16, 8, 8}), few = t.in({4, 16, 3, 3}), grouped = t.in({16, 8, 3, 3}), y;
  y = make(t.scope, "Conv", {x, few});
  EXPECT_EQ(t.count(t.grad(y, x), "weft.ConvGradInput"), 1);
  EXPECT_EQ(t.count(t.grad(y, few), "weft.ConvGradWeight"), 1);
  y = make(t.scope, "Conv", {x, grouped}, {{"group", 2}});
  EXPECT_EQ(t.count(t.grad(y, x), "weft.ConvGradInput"), 1);
  EXPECT_EQ(t.count(t.grad(y, grouped), "weft.ConvGradWeight"), 1);
  t.expect_same_bits(t.grad(y, grouped));
}

// Numbers are few, so windows have equal maxima.
TEST(ChannelsLastGrad, OfPoolsOfEveryKind) {
  const Attrs rows[] = {
      {{"kernel_shape", Ints{2, 3}}},
      {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}},
      {{"kernel_shape", Ints{3, 2}}, {"strides", Ints{2, 3}}, {"ceil_mode", 1}},
      {{"kernel_shape", Ints{2, 2}}, {"dilations", Ints{3, 2}}},
      {{"kernel_shape", Ints{4, 4}}, {"strides", Ints{3, 3}}, {"auto_pad", "SAME_LOWER"}},
      {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{7, 7}}, {"pads", Ints{0, 0, 1, 1}}},
  };
  for (const Attrs& row : rows) {
    for (int64_t channels : {9, 70}) {
      for (int counted : {-1, 0, 1}) {  // -1: the maximum
        GradTest t;
        Attrs attrs = row;
        if (counted >= 0) attrs.set("count_include_pad", counted);
        Expr x = t.in({2, 1, 11, 9});
        Expr y = make(t.scope, "Conv", {x, t.in({channels, 1, 1, 1})});
        Expr z = t.pool(counted < 0 ? "MaxPool" : "AveragePool", y, attrs);
        Expr dy = t.grad(z, y);
        EXPECT_EQ(t.count(dy, counted < 0 ? "weft.ChannelsLastMaxPoolGrad" : "weft.ChannelsLastAveragePoolGrad"), 1);
        t.expect_same_bits(dy);
      }
    }
  }
}

TEST(ChannelsLastGrad, NotANumberTakesTheGradient) {
  GradTest t;
  std::vector<float> numbers(2 * 4 * 4, 1.0f);
  numbers[5] = numbers[6] = std::numeric_limits<float>::quiet_NaN();
  Expr x = t.input<float>({1, 2, 4, 4}, numbers);
  std::vector<float> w(8 * 2, 0.0f);
  for (size_t m = 0; m < 8; ++m) w[2 * m] = 1;
  Expr y = make(t.scope, "Conv", {x, t.input<float>({8, 2, 1, 1}, w)});
  t.expect_same_bits(t.grad(t.pool("MaxPool", y), y));
}

// No transposes but those of the images, of what flows in, and of what the flattened values are.
TEST(ChannelsLastGrad, TransposesMeet) {
  GradTest t;
  const Attrs same{{"auto_pad", "SAME_UPPER"}};
  Expr x = t.in({2, 3, 12, 12}), first = t.in({16, 3, 3, 3}), bias = t.in({16});
  Expr a = t.pool("MaxPool", t.relu(make(t.scope, "Conv", {x, first, bias}, same)));
  Expr b = t.relu(make(t.scope, "Conv", {a, t.in({16, 16, 3, 3})}, same) + a);
  Expr c = t.pool("AveragePool", b) * t.in({16, 1, 1});
  Expr y = make(t.scope, "Flatten", {c});
  Expr dw = t.grad(y, first), db = t.grad(y, bias);
  EXPECT_EQ(t.count(dw, "Transpose"), 2) << t.left(dw);
  EXPECT_EQ(t.count(db, "Transpose"), 2) << t.left(db);
  t.expect_same_bits(dw);
  t.expect_same_bits(db);
}

TEST(ChannelsLastGrad, OfBatchNormalizationAndMeans) {
  GradTest t;
  Expr x = t.in({2, 8, 6, 6}), w = t.in({8, 8, 3, 3}), scale = t.in({8}), bias = t.in({8});
  Expr zeros = t.fixed({8});
  auto normal = [&](Expr y) {
    return make_all(t.scope, "BatchNormalization", {y, scale, bias, zeros, zeros}, {{"training_mode", 1}}, 1)[0];
  };
  const Attrs same{{"auto_pad", "SAME_UPPER"}};
  Expr y = t.relu(normal(make(t.scope, "Conv", {x, w}, same)));
  y = t.relu(normal(make(t.scope, "Conv", {y, w}, same)) + y);
  y = make(t.scope, "Flatten", {make(t.scope, "GlobalAveragePool", {y})});
  for (Expr of : {w, scale, bias}) {
    Expr g = t.grad(y, of);
    EXPECT_EQ(t.count(g, "Transpose"), 1) << t.left(g);
    t.expect_close(g);
  }
}

// Sums over images too, with and without their axes.
TEST(ChannelsLastGrad, Sums) {
  for (int keep : {0, 1}) {
    for (const Ints& axes : {Ints{0, 2, 3}, Ints{-1, -2}, Ints{1, 2, 3}, Ints{3, 1, 0, 2}}) {
      GradTest t;
      Expr y = make(t.scope, "Conv", {t.in({2, 3, 5, 6}), t.in({9, 3, 1, 1})});
      Expr sum = make(t.scope, "ReduceSum", {y, constant_ints(t.scope, axes)}, {{"keepdims", keep}});
      EXPECT_EQ(t.count(sum, "Transpose"), 1) << t.left(sum);
      t.expect_same_bits(sum);
    }
  }
  for (const Shape& like :
       {Shape{9, 1, 1}, Shape{1, 9, 1, 1}, Shape{2, 9, 1, 1}, Shape{2, 1, 1, 1}, Shape{1}, Shape{}}) {
    GradTest t;
    Expr y = make(t.scope, "Conv", {t.in({2, 3, 5, 6}), t.in({9, 3, 1, 1})});
    Expr sum = sum_to(y, t.in(like));
    EXPECT_EQ(t.count(sum, "Transpose"), 1) << t.left(sum);
    t.expect_same_bits(sum);
  }
}

}  // namespace
}  // namespace weft
