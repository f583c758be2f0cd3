// Images with channels last: which operators are left, and the same numbers as with channels first.
#include "tests/core/passes/channels_last_common.h"

namespace weft {
namespace {

TEST(ChannelsLast, ConvolutionsOfEveryKind) {
  struct Row {
    Shape x, w;
    Attrs attrs;
  };
  const Row rows[] = {
      // Windows of one pixel, with steps and pads.
      {{2, 5, 7, 6}, {19, 5, 1, 1}, {}},
      {{1, 20, 7, 7}, {33, 20, 1, 1}, {{"strides", Ints{2, 2}}}},
      {{1, 20, 3, 4}, {8, 20, 1, 1}, {{"pads", Ints{1, 0, 0, 2}}}},
      // More, on one image and several, of few channels and many.
      {{1, 32, 9, 11}, {40, 32, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}}},
      {{3, 17, 8, 8}, {13, 17, 3, 3}, {{"pads", Ints{1, 0, 1, 2}}, {"strides", Ints{1, 2}}}},
      {{2, 3, 23, 21}, {24, 3, 7, 7}, {{"pads", Ints{3, 3, 3, 3}}, {"strides", Ints{2, 2}}}},
      {{2, 1, 12, 12}, {8, 1, 5, 5}, {{"auto_pad", "SAME_UPPER"}}},
      {{2, 15, 9, 9}, {9, 15, 3, 2}, {{"dilations", Ints{2, 1}}, {"pads", Ints{2, 1, 2, 0}}}},
      {{1, 16, 10, 9}, {16, 16, 3, 3}, {{"dilations", Ints{2, 3}}, {"pads", Ints{2, 3, 2, 3}}}},
      {{1, 3, 5, 6}, {8, 3, 3, 3}, {{"dilations", Ints{1, 2}}, {"pads", Ints{3, 4, 5, 6}}}},
      {{2, 64, 6, 5}, {48, 32, 3, 3}, {{"group", 2}, {"auto_pad", "SAME_LOWER"}}},
      {{1, 18, 1, 1}, {64, 18, 1, 1}, {}},
      {{1, 18, 2, 2}, {64, 18, 2, 2}, {}},
      {{1, 16, 30, 30}, {16, 16, 3, 3}, {{"auto_pad", "VALID"}}},
      // One filter for each channel.
      {{2, 16, 9, 14}, {16, 1, 3, 3}, {{"group", 16}, {"pads", Ints{1, 1, 1, 1}}}},
      {{1, 37, 9, 15}, {37, 1, 3, 3}, {{"group", 37}, {"pads", Ints{0, 1, 1, 1}}, {"strides", Ints{2, 2}}}},
      {{1, 50, 6, 6}, {50, 1, 5, 5}, {{"group", 50}, {"pads", Ints{4, 4, 4, 4}}, {"dilations", Ints{2, 2}}}},
      {{2, 24, 3, 3}, {24, 1, 1, 1}, {{"group", 24}}},
      // Few pixels of one channel; pads that no copy could hold.
      {{1, 1, 4, 4}, {17, 1, 1, 1}, {}},
      {{1, 3, 9, 9}, {8, 3, 2, 2}, {{"pads", Ints(4, 2147483647)}, {"strides", Ints(2, 2147483647)}}},
      // One spatial axis.
      {{2, 20, 31}, {24, 20, 5}, {{"pads", Ints{2, 2}}, {"strides", Ints{2}}}},
      {{2, 20, 31}, {20, 1, 5}, {{"pads", Ints{2, 2}}, {"group", 20}}},
      {{2, 2, 31}, {9, 2, 5}, {{"dilations", Ints{3}}}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(shape_text(row.x) + " by " + shape_text(row.w));
    for (bool bias : {false, true}) {
      ChannelsLastTest t;
      Expr y = t.conv(t.in(row.x), row.w, row.attrs, bias);
      t.expect_alone("", y);
      t.expect_alone("", t.relu(y));
      t.expect_alone("Sub ", y - 3.0);  // done as each stretch is made
    }
  }
}

TEST(ChannelsLast, TransposedConvolutionsOfEveryKind) {
  struct Row {
    Shape x, w;
    Attrs attrs;
  };
  const Row rows[] = {
      // Windows that do not overlap, that do, that leave places out, and that move by 1.
      {{2, 16, 7, 5}, {16, 24, 2, 2}, {{"strides", Ints{2, 2}}}},
      {{1, 33, 9, 31}, {33, 40, 4, 4}, {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}}},
      {{1, 12, 6, 7}, {12, 9, 2, 1}, {{"strides", Ints{3, 4}}}},
      {{2, 17, 8, 6}, {17, 13, 3, 3}, {{"pads", Ints{1, 0, 2, 1}}}},
      {{3, 8, 5, 6}, {8, 70, 5, 3}, {{"strides", Ints{3, 2}}, {"pads", Ints{0, 1, 2, 0}}}},
      {{1, 20, 4, 4}, {20, 5, 1, 1}, {}},
      // Dilations, which may leave phases without a place of the window.
      {{1, 10, 5, 6}, {10, 16, 3, 3}, {{"dilations", Ints{2, 3}}}},
      {{2, 10, 5, 6}, {10, 16, 3, 2}, {{"dilations", Ints{2, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 2, 0, 1}}}},
      // Outputs of other sizes than windows reach.
      {{1, 9, 5, 4},
       {9, 8, 3, 3},
       {{"strides", Ints{2, 2}}, {"output_padding", Ints{1, 1}}, {"pads", Ints{1, 1, 1, 1}}}},
      {{1, 9, 5, 4}, {9, 8, 3, 3}, {{"strides", Ints{2, 3}}, {"auto_pad", "SAME_UPPER"}}},
      {{1, 9, 5, 4}, {9, 8, 3, 2}, {{"strides", Ints{2, 3}}, {"auto_pad", "SAME_LOWER"}}},
      {{1, 9, 5, 4}, {9, 8, 2, 2}, {{"strides", Ints{2, 2}}, {"output_shape", Ints{15, 7}}}},
      {{1, 9, 5, 4},
       {9, 8, 2, 2},
       {{"strides", Ints{2, 2}}, {"output_shape", Ints{14, 3}}, {"auto_pad", "SAME_UPPER"}}},
      // Groups; one spatial axis; many channels, whose pixels lie pages apart.
      {{2, 32, 6, 5}, {32, 24, 3, 3}, {{"group", 2}, {"strides", Ints{2, 1}}}},
      {{2, 20, 31}, {20, 24, 5}, {{"pads", Ints{2, 1}}, {"strides", Ints{2}}}},
      {{1, 1024, 3, 5}, {1024, 8, 2, 2}, {{"strides", Ints{2, 2}}}},
      {{1, 512, 4, 3}, {512, 40, 3, 3}, {{"strides", Ints{2, 2}}}},
      // More rows than one block has.
      {{1, 8, 40, 3}, {8, 6, 3, 3}, {{"strides", Ints{2, 2}}}},
      {{1, 8, 3, 90}, {8, 6, 3, 3}, {{"strides", Ints{1, 2}}}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(shape_text(row.x) + " by " + shape_text(row.w));
    for (bool biased : {false, true}) {
      for (bool constant_weight : {true, false}) {
        ChannelsLastTest t;
        const auto weight = [&](const Shape& shape) { return constant_weight ? t.fixed(shape) : t.in(shape); };
        std::vector<Expr> inputs{t.in(row.x), weight(row.w)};
        const int64_t group = row.attrs.i_or("group", 1);
        if (biased) inputs.push_back(weight({row.w[1] * group}));
        Expr y = make(t.scope, "ConvTranspose", inputs, row.attrs);
        t.expect("Transpose weft.ChannelsLastConvTranspose Transpose", y);
        t.expect("Transpose weft.ChannelsLastConvTranspose Transpose", t.relu(y));
        t.expect("Transpose weft.ChannelsLastConvTranspose Sub Transpose", y - 3.0);
      }
    }
  }
}

TEST(ChannelsLast, TransposedConvolutionsThatGainNothingStay) {
  ChannelsLastTest t;
  Expr x = t.in({1, 16, 5, 4});
  Attrs by2{{"strides", Ints{2, 2}}};
  t.expect("ConvTranspose", make(t.scope, "ConvTranspose", {x, t.fixed({16, 3, 2, 2})}, by2));
  by2.set("group", 16);
  t.expect("ConvTranspose", make(t.scope, "ConvTranspose", {x, t.fixed({16, 1, 4, 4})}, by2));
  const Attrs far{{"strides", Ints{65, 1}}};
  t.expect("ConvTranspose", make(t.scope, "ConvTranspose", {x, t.fixed({16, 8, 2, 2})}, far));
  t.expect("ConvTranspose", make(t.scope, "ConvTranspose", {t.in({1, 8, 3, 3, 3}), t.fixed({8, 8, 2, 2, 2})}));
}

TEST(ChannelsLast, TransposedConvolutionsTakeABiasLimitsAndABatchNormalization) {
  ChannelsLastTest t;
  Attrs by2{{"strides", Ints{2, 2}}};
  Expr y = make(t.scope, "ConvTranspose", {t.in({1, 8, 5, 4}), t.fixed({8, 16, 2, 2})}, by2);
  Expr clipped = make(t.scope, "Clip", {y + t.fixed({16, 1, 1}), scalar_like(y, -3), scalar_like(y, 6)});
  t.expect("Transpose weft.ChannelsLastConvTranspose Transpose", clipped);
  const auto halves = [&](float value) {
    return constant(t.scope, Tensor::vector<float>(std::vector<float>(16, value)));
  };
  Expr normal = make(t.scope, "BatchNormalization", {y, halves(2), t.fixed({16}), t.fixed({16}), halves(0.25f)},
                     {{"epsilon", 0.0}});
  t.expect("Transpose weft.ChannelsLastConvTranspose Transpose", t.relu(normal));
}

TEST(ChannelsLast, ADecoderTurnsNothingInBetween) {
  ChannelsLastTest t;
  Attrs same{{"auto_pad", "SAME_UPPER"}};
  Expr low = t.relu(t.conv(t.in({1, 4, 6, 6}), {16, 4, 3, 3}, same));
  Expr up = make(t.scope, "ConvTranspose", {low, t.fixed({16, 8, 2, 2}), t.fixed({8})}, {{"strides", Ints{2, 2}}});
  Expr skipped = t.relu(t.conv(t.in({1, 4, 12, 12}), {8, 4, 3, 3}, same));
  t.expect(
      "Transpose weft.ChannelsLastConv weft.ChannelsLastConvTranspose Transpose weft.ChannelsLastConv Concat "
      "weft.ChannelsLastConv Transpose",
      t.conv(concat({up, skipped}, 1), {8, 16, 3, 3}, same));
}

// As it is where a session that trains predicts, and behind a sum of two branches.
TEST(ChannelsLast, ABatchNormalizationThatNoWeightsTakeUp) {
  ChannelsLastTest t;
  const Attrs same{{"auto_pad", "SAME_UPPER"}};
  const auto positive = [&] { return make(t.scope, "Abs", {t.in({24})}) + 1.0; };
  const auto normalized = [&](Expr x) {
    return make(t.scope, "BatchNormalization", {x, t.in({24}), t.in({24}), t.in({24}), positive()},
                {{"epsilon", 0.25}});
  };
  Expr first = make(t.scope, "Conv", {t.in({2, 16, 9, 11}), t.in({24, 16, 3, 3})}, same);
  Expr second = make(t.scope, "Conv", {t.relu(normalized(first)), t.in({24, 24, 3, 3})}, same);
  Expr y = make(t.scope, "Conv", {t.relu(normalized(first + second)), t.in({8, 24, 1, 1})});
  const std::string names = t.left(y);
  EXPECT_EQ(names.find("BatchNormalization"), std::string::npos) << names;
  EXPECT_EQ(names.find("Transpose", names.find("Transpose") + 1), names.size() - std::strlen("Transpose")) << names;
  t.expect_close(y);
  // Nothing is turned for its sake.
  Expr alone = normalized(t.in({2, 24, 5, 4}));
  EXPECT_NE(t.left(alone).find("BatchNormalization"), std::string::npos) << t.left(alone);
}

// As in training.
TEST(ChannelsLast, WeightsThatChange) {
  struct Row {
    Shape x, w;
    Attrs attrs;
  };
  const Row rows[] = {
      {{2, 5, 7, 6}, {19, 5, 1, 1}, {}},
      {{3, 17, 8, 8}, {13, 17, 3, 3}, {{"pads", Ints{1, 0, 1, 2}}, {"strides", Ints{1, 2}}}},
      {{2, 1, 12, 12}, {6, 1, 5, 5}, {}},
      {{2, 64, 6, 5}, {48, 32, 3, 3}, {{"group", 2}, {"auto_pad", "SAME_LOWER"}}},
      {{2, 16, 9, 14}, {16, 1, 3, 3}, {{"group", 16}, {"pads", Ints{1, 1, 1, 1}}}},
      {{2, 20, 31}, {24, 20, 5}, {{"pads", Ints{2, 2}}, {"strides", Ints{2}}}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(shape_text(row.x) + " by " + shape_text(row.w));
    ChannelsLastTest t;
    Expr x = t.in(row.x), w = t.in(row.w);
    t.expect_alone("", make(t.scope, "Conv", {x, w}, row.attrs));
    t.expect_alone("", t.relu(make(t.scope, "Conv", {x, w, t.in({row.w[0]})}, row.attrs)));
  }
}

TEST(ChannelsLast, WinogradWhereItPays) {
  struct Row {
    Shape x, w;
    Ints pads;
  };
  const Row rows[] = {
      {{1, 32, 14, 14}, {32, 32, 3, 3}, {1, 1, 1, 1}},   {{3, 48, 14, 19}, {64, 48, 3, 3}, {0, 0, 0, 0}},
      {{2, 32, 31, 13}, {48, 32, 3, 3}, {1, 0, 2, 1}},   {{1, 64, 56, 57}, {32, 64, 3, 3}, {1, 1, 1, 1}},
      {{1, 32, 12, 12}, {2048, 32, 3, 3}, {1, 1, 1, 1}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(shape_text(row.x) + " by " + shape_text(row.w));
    for (bool bias : {false, true}) {
      ChannelsLastTest t;
      Expr y = t.conv(t.in(row.x), row.w, {{"pads", row.pads}}, bias);
      for (Expr z : {y, t.relu(y)}) {
        EXPECT_EQ(t.left(z), "Transpose weft.WinogradConv Transpose");
        t.expect_close(z);
      }
      Expr behind = make(t.scope, "Abs", {y - 0.5});
      EXPECT_EQ(t.left(behind), "Transpose weft.WinogradConv Sub Abs Transpose");
      t.expect_close(behind);
      EXPECT_EQ(t.left(y, {"winograd"}), "Transpose weft.ChannelsLastConv Transpose");
    }
  }
  ChannelsLastTest t;
  Attrs attrs{{"pads", Ints{1, 1, 1, 1}}};
  // Filters that change are transformed in each run.
  Expr many = make(t.scope, "Conv", {t.in({4, 32, 23, 24}), t.in({48, 32, 3, 3})}, attrs);
  EXPECT_EQ(t.left(many), "Transpose weft.WinogradConv Transpose");
  t.expect_close(many);
  t.expect_alone("", make(t.scope, "Conv", {t.in({4, 32, 22, 23}), t.in({48, 32, 3, 3})}, attrs));
  t.expect_alone("", t.conv(t.in({1, 32, 14, 8}), {32, 32, 3, 3}, attrs));
  t.expect_alone("", t.conv(t.in({1, 32, 14, 14}), {24, 32, 3, 3}, attrs));
  attrs.set("strides", Ints{2, 1});
  t.expect_alone("", t.conv(t.in({1, 32, 28, 14}), {32, 32, 3, 3}, attrs));
}

TEST(ChannelsLast, DoublePrecision) {
  for (int64_t group : {1, 16}) {
    ChannelsLastTest t;
    Expr x = t.input(to_dims({2, 16, 7, 9}), t.numbers<double>({2, 16, 7, 9}));
    Expr w = constant(t.scope, t.numbers<double>({16, 16 / group, 3, 3}));
    t.expect_alone("", make(t.scope, "Conv", {x, w}, {{"group", group}}));
  }
}

TEST(ChannelsLast, WhatGainsNothingStays) {
  ChannelsLastTest t;
  Expr x = t.in({2, 16, 8, 8});
  t.expect("Conv", t.conv(x, {4, 16, 3, 3}));
  t.expect("Conv", t.conv(x, {16, 4, 3, 3}, {{"group", 4}}));
  t.expect("Conv", t.conv(x, {32, 1, 3, 3}, {{"group", 16}}));
  t.expect("MaxPool", make(t.scope, "MaxPool", {x}, {{"kernel_shape", Ints{2, 2}}}));
  t.expect("Conv", t.conv(t.in({1, 4, 5, 5, 5}), {8, 4, 3, 3, 3}));
}

TEST(ChannelsLast, APoolSharesTheTransposeOfAConvolution) {
  ChannelsLastTest t;
  Expr x = t.in({1, 16, 8, 8});
  Expr pool = make(t.scope, "MaxPool", {x}, {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 1}}});
  t.expect("Transpose weft.ChannelsLastConv weft.ChannelsLastMaxPool Concat Transpose",
           concat({t.conv(x, {8, 16, 1, 1}), pool}, 1));
  t.expect("Transpose weft.ChannelsLastMaxPool weft.ChannelsLastConv weft.ChannelsLastConv Concat Transpose",
           concat({t.conv(pool, {8, 16, 1, 1}), t.conv(x, {8, 16, 1, 1})}, 1));
}

TEST(ChannelsLast, TransposesMeet) {
  ChannelsLastTest t;
  Attrs same{{"auto_pad", "SAME_UPPER"}};
  Expr x = t.in({2, 3, 12, 12});
  Expr a = t.relu(t.conv(x, {16, 3, 3, 3}, same));
  Expr b = t.conv(a, {16, 16, 3, 3}, same);
  Expr pooled = make(t.scope, "MaxPool", {t.relu(a + b)},
                     {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}});
  Expr c = t.conv(pooled, {16, 16, 1, 1});
  Expr joined = concat({c, pooled}, 1);
  Expr scaled = joined * t.fixed({32, 1, 1}) + t.in({32, 1, 1});
  Expr clipped = make(t.scope, "Clip", {scaled, scalar_like(x, 0), scalar_like(x, 40)});
  t.expect(
      "Transpose weft.ChannelsLastConv weft.ChannelsLastConv Add Relu weft.ChannelsLastMaxPool weft.ChannelsLastConv "
      "Concat Mul Reshape Add Clip ReduceSum Reshape",
      make(t.scope, "Flatten",
           {make(t.scope, "ReduceSum", {clipped, constant_ints(t.scope, {-1, 2})}, {{"keepdims", 1}})}));
}

TEST(ChannelsLast, WhatMovesElementsFollows) {
  ChannelsLastTest t;
  Expr x = t.conv(t.in({2, 3, 6, 5}), {8, 3, 3, 3});
  const auto behind = [&t](Expr y) { return t.conv(y, {8, y.dims()[1].value(), 1, 1}); };
  const char* pad = "Transpose weft.ChannelsLastConv Pad weft.ChannelsLastConv Transpose";
  t.expect(pad, behind(make(t.scope, "Pad", {x, constant_ints(t.scope, {0, 0, 1, 2, 0, 3, 0, 1}), scalar_like(x, 5)})));
  t.expect(pad, behind(make(t.scope, "Pad", {x, constant_ints(t.scope, {1, 2}), Expr(), constant_ints(t.scope, {-1})},
                            {{"mode", "edge"}})));
  std::vector<Expr> parts = make_all(t.scope, "Split", {x, constant_ints(t.scope, {3, 5})}, {{"axis", int64_t{1}}}, 2);
  t.expect("Transpose weft.ChannelsLastConv Split Concat weft.ChannelsLastConv Transpose",
           behind(concat({parts[1], parts[0]}, 1)));
}

TEST(ChannelsLast, PoolsOfEveryKind) {
  const Attrs rows[] = {
      {{"kernel_shape", Ints{2, 3}}},
      {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}},
      {{"kernel_shape", Ints{3, 2}}, {"strides", Ints{2, 3}}, {"ceil_mode", 1}},
      {{"kernel_shape", Ints{2, 2}}, {"dilations", Ints{3, 2}}},
      {{"kernel_shape", Ints{4, 4}}, {"strides", Ints{3, 3}}, {"auto_pad", "SAME_LOWER"}},
  };
  for (const Attrs& row : rows) {
    for (const char* op : {"MaxPool", "AveragePool"}) {
      for (int counted : {0, 1}) {
        ChannelsLastTest t;
        Attrs attrs = row;
        if (op[0] == 'A') attrs.set("count_include_pad", counted);
        Expr y = make(t.scope, op, {t.conv(t.in({2, 4, 11, 9}), {9, 4, 1, 1})}, attrs);
        t.expect((std::string("Transpose weft.ChannelsLastConv weft.ChannelsLast") + op + " Transpose").c_str(), y);
      }
    }
  }
}

TEST(ChannelsLast, NormalizationsGoWhereTheInputComesFrom) {
  ChannelsLastTest t;
  Attrs same{{"auto_pad", "SAME_UPPER"}};
  Expr x = t.conv(t.in({2, 4, 9, 7}), {16, 4, 3, 3}, same), scale = t.fixed({16}), bias = t.fixed({16});
  const std::string op = "weft.ChannelsLastGroupNormalization ";
  Expr groups = make(t.scope, "GroupNormalization", {x, scale, bias}, {{"num_groups", 4}});
  EXPECT_EQ(t.left(t.relu(groups)), "Transpose weft.ChannelsLastConv " + op + "Relu Transpose");
  t.expect_close(t.relu(groups));
  Expr planes = make(t.scope, "InstanceNormalization", {x, scale, bias});
  EXPECT_EQ(t.left(t.conv(planes, {8, 16, 1, 1})),
            "Transpose weft.ChannelsLastConv " + op + "weft.ChannelsLastConv Transpose");
  t.expect_close(planes);
  // Beside a convolution of the same image, but not alone.
  Expr image = t.in({2, 16, 5, 6}), alone = make(t.scope, "InstanceNormalization", {image, scale, bias});
  EXPECT_EQ(t.left(alone), "InstanceNormalization");
  EXPECT_EQ(t.left(alone + t.conv(image, {16, 16, 1, 1})), "Transpose " + op + "weft.ChannelsLastConv Add Transpose");
}

TEST(ChannelsLast, ResizeGoesWhereTheInputComesFrom) {
  ChannelsLastTest t;
  Expr none, x = t.conv(t.in({2, 4, 5, 7}), {9, 4, 1, 1});
  const std::string wanted = "Transpose weft.ChannelsLastConv Resize weft.ChannelsLastConv Transpose";
  const auto behind = [&](Expr y) { return t.conv(y, {8, 9, 1, 1}); };
  Expr scales = constant(t.scope, Tensor::vector<float>({1, 1, 2, 2})), sizes = constant_ints(t.scope, {11, 3});
  t.expect(wanted.c_str(), behind(make(t.scope, "Resize", {x, none, scales})));
  t.expect(wanted.c_str(), behind(make(t.scope, "Resize", {x, none, none, sizes}, {{"axes", Ints{3, -2}}})));
  for (const char* places : {"half_pixel", "align_corners", "asymmetric"}) {
    Attrs linear{{"mode", "linear"}, {"coordinate_transformation_mode", places}};
    Expr y = behind(make(t.scope, "Resize", {x, none, scales}, linear));
    EXPECT_EQ(t.left(y), wanted) << places;
    t.expect_close(y);
  }
  // Of channels too, and by what only a run tells.
  Expr more = make(t.scope, "Resize", {x, none, constant(t.scope, Tensor::vector<float>({1, 2, 2, 1}))});
  t.expect("Transpose weft.ChannelsLastConv Transpose Resize", more);
  Expr fed = t.input<float>({4}, {1, 1, 3, 2});
  EXPECT_EQ(t.left(make(t.scope, "Resize", {x, none, fed})), "Transpose weft.ChannelsLastConv Transpose Resize");
}

TEST(ChannelsLast, TheReferenceHasChannelsFirst) {
  ChannelsLastTest t;
  Expr y = t.conv(t.in({1, 4, 5, 5}), {8, 4, 3, 3});
  SessionOptions options;
  options.reference_kernels = true;
  Trace trace;
  RunOptions run;
  run.trace = &trace;
  std::vector<Tensor> out;
  ASSERT_TRUE((*Session::make(t.graph, options))->run({t.feeds, {y.id()}, {}}, t.values, run, &out).ok());
  EXPECT_NE(trace.json().find("\"kernel\":\"columns\""), std::string::npos) << trace.json();
}

TEST(ChannelsLast, PoolsOfBytesGoWhereTheInputComesFrom) {
  ChannelsLastTest t;
  Tensor x = *Tensor::make(DType::kI8, {2, 4, 4, 8});
  for (int64_t i = 0; i < x.count(); ++i) x.as<int8_t>()[i] = static_cast<int8_t>(i * 37 % 101);
  t.expect("weft.ChannelsLastMaxPool Transpose",
           make(t.scope, "MaxPool", {transpose(t.input(to_dims(x.shape()), x), {0, 3, 1, 2})},
                {{"kernel_shape", Ints{2, 2}}}));
}

// Zeros of the padding count as in other kernels: times infinity they are no numbers.
TEST(ChannelsLast, InfiniteWeightsMeetThePadding) {
  ChannelsLastTest t;
  std::vector<float> w(16 * 9, 1.0f);
  w[0] = std::numeric_limits<float>::infinity();
  Expr y =
      make(t.scope, "Conv", {t.in({1, 16, 4, 4}), constant(t.scope, *Tensor::vector<float>(w).reshaped({16, 1, 3, 3}))},
           {{"group", 16}, {"pads", Ints{1, 1, 1, 1}}});
  Tensor with = t.run(y, {}), without = t.run(y, {"*"});
  for (int64_t i = 0; i < with.count(); ++i) {
    EXPECT_EQ(std::isnan(with.as<float>()[i]), std::isnan(without.as<float>()[i])) << i;
  }
}

TEST(ChannelsLast, NotANumberWinsInPools) {
  ChannelsLastTest t;
  std::vector<float> w(8 * 2, 0.0f);
  for (size_t m = 0; m < 8; ++m) w[2 * m] = 1;
  std::vector<float> x(2 * 4 * 4, 1.0f);
  x[5] = std::numeric_limits<float>::quiet_NaN();
  Expr y = make(t.scope, "Conv",
                {t.input<float>({1, 2, 4, 4}, x), constant(t.scope, *Tensor::vector<float>(w).reshaped({8, 2, 1, 1}))});
  t.expect("Transpose weft.ChannelsLastConv weft.ChannelsLastMaxPool Transpose",
           make(t.scope, "MaxPool", {y}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}));
}

}  // namespace
}  // namespace weft
