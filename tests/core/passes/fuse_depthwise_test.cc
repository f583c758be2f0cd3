// A filter for each channel between products of pixels: what is fused, and the bits of the pieces.
#include "tests/core/passes/channels_last_common.h"

namespace weft {
namespace {

constexpr char kConv[] = "weft.ChannelsLastConv";

struct BlockCase {
  const char* what;
  Shape x;                  // [N, H, W, C]
  int64_t expand, project;  // channels; 0: none
  Ints kernel;
  Attrs attrs;  // of the filters, but for the group
};
constexpr int64_t kNone = 0;
const Attrs kSame{{"pads", Ints{1, 1, 1, 1}}};

const BlockCase kCases[] = {
    {"one tile", {1, 4, 5, 3}, 16, 7, {3, 3}, kSame},
    {"many strips", {2, 31, 29, 5}, 20, 33, {3, 3}, kSame},
    {"steps", {1, 40, 57, 8}, 37, 9, {3, 3}, {{"pads", Ints{0, 1, 1, 0}}, {"strides", Ints{2, 2}}}},
    {"steps beyond the window", {1, 33, 31, 4}, 16, 4, {2, 1}, {{"strides", Ints{3, 5}}}},
    {"wide windows", {1, 19, 17, 4}, 70, 16, {5, 7}, {{"pads", Ints{2, 3, 2, 3}}}},
    {"dilations", {1, 23, 21, 4}, 16, 16, {3, 3}, {{"pads", Ints{4, 4, 4, 4}}, {"dilations", Ints{4, 3}}}},
    {"more padding than image", {1, 3, 2, 4}, 16, 5, {3, 3}, {{"pads", Ints{4, 2, 5, 3}}}},
    {"wide images", {1, 9, 200, 6}, 24, 12, {3, 3}, {{"auto_pad", "SAME_UPPER"}, {"strides", Ints{1, 2}}}},
    {"nothing before", {2, 30, 30, 24}, kNone, 10, {3, 3}, kSame},
    {"nothing behind", {2, 30, 30, 10}, 24, kNone, {3, 3}, kSame},
    {"filters alone", {2, 30, 30, 24}, kNone, kNone, {3, 3}, kSame},
    {"pixels pages apart", {1, 6, 5, 1024}, 1024, 8, {3, 3}, kSame},
    {"more channels than are summed at once", {1, 5, 4, 1100}, 1100, 40, {3, 3}, kSame},
    {"one axis", {2, 61, 5}, 20, 9, {5}, {{"pads", Ints{2, 2}}}},
};

template <typename T>
struct BlockTest : FuseTest {
  Tensor tensor(const Shape& shape) {
    const std::vector<float> values = numbers(shape);
    return *Tensor::vector<T>(std::vector<T>(values.begin(), values.end())).reshaped(shape);
  }
  Expr weight(const Shape& shape) { return constant(scope, tensor(shape)); }
  Expr matrix(int64_t to, int64_t from, size_t axes) {
    Shape shape(axes + 2, 1);
    shape[0] = to;
    shape[1] = from;
    return to > 0 ? weight(shape) : Expr();
  }
  Tensor run_alone(Expr y, int threads) {
    SessionOptions options;
    options.disabled_passes = {"*"};
    options.threads = threads;
    std::vector<Tensor> out;
    const Status status = (*Session::make(graph, options))->run({feeds, {y.id()}, {}}, values, {}, &out);
    EXPECT_TRUE(status.ok()) << status.text();
    return status.ok() ? out[0] : Tensor();
  }

  // The operator beside its three parts.
  void expect_parts(const BlockCase& row, bool biased) {
    const size_t axes = row.kernel.size();
    const int64_t channels = row.expand > 0 ? row.expand : row.x.back();
    Shape filter{channels, 1};
    filter.insert(filter.end(), row.kernel.begin(), row.kernel.end());
    const auto bias = [&](int64_t count) { return biased && count > 0 ? weight({count}) : Expr(); };

    const Expr x = input(to_dims(row.x), tensor(row.x));
    const Expr expand = matrix(row.expand, row.x.back(), axes), expand_bias = bias(row.expand);
    const Expr filters = weight(filter), filters_bias = bias(channels);
    const Expr project = matrix(row.project, channels, axes), project_bias = bias(row.project);
    Attrs attrs = row.attrs;
    attrs.set("group", channels);
    attrs.set("high", 0.75);
    Expr parts = x;
    if (expand.valid()) parts = make(scope, kConv, {parts, expand, expand_bias}, {{"low", 0.0}, {"high", 1.5}});
    parts = make(scope, kConv, {parts, filters, filters_bias}, attrs);
    if (project.valid()) parts = make(scope, kConv, {parts, project, project_bias}, {{"low", -0.5}});
    attrs.set("expand_low", 0.0);
    attrs.set("expand_high", 1.5);
    attrs.set("project_low", -0.5);
    const Expr block = make(scope, "weft.DepthwiseBlock",
                            {x, expand, expand_bias, filters, filters_bias, project, project_bias}, attrs);
    ASSERT_TRUE(scope.status().ok()) << scope.status().text();
    EXPECT_EQ(block.dims(), parts.dims());
    for (int threads : {1, 2, 0}) {
      const Tensor whole = run_alone(block, threads), pieces = run_alone(parts, threads);
      ASSERT_EQ(whole.shape(), pieces.shape());
      EXPECT_EQ(std::memcmp(whole.data(), pieces.data(), static_cast<size_t>(whole.bytes())), 0);
    }
  }
};

TEST(DepthwiseBlock, HasTheBitsOfItsParts) {
  for (const BlockCase& row : kCases) {
    for (bool biased : {false, true}) {
      SCOPED_TRACE(cat(row.what, biased ? ", biased" : ""));
      BlockTest<float>().expect_parts(row, biased);
      BlockTest<double>().expect_parts(row, biased);
    }
  }
}

struct FuseDepthwiseTest : FuseTest {
  Expr conv(Expr x, const Shape& w, Attrs attrs = {}) {
    return make(scope, "Conv", {x, fixed(w), fixed({w[0]})}, attrs);
  }
  Expr clip(Expr x) { return make(scope, "Clip", {x, scalar_like(x, 0), scalar_like(x, 1)}); }
  Expr filters(Expr x, int64_t step = 1) {
    const int64_t channels = x.dims()[1].value();
    return conv(x, {channels, 1, 3, 3},
                {{"group", channels}, {"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{step, step}}});
  }
  void expect(const std::string& wanted, Expr y) {
    EXPECT_EQ(left(y), wanted);
    const Tensor with = run(y, {}), without = run(y, {"fuse_depthwise"});
    ASSERT_EQ(with.shape(), without.shape());
    EXPECT_EQ(std::memcmp(with.data(), without.data(), static_cast<size_t>(with.bytes())), 0);
    expect_close(y);
  }
};

TEST(FuseDepthwise, ProductsOnBothSidesOrOne) {
  FuseDepthwiseTest t;
  const Expr x = t.in({1, 8, 60, 60});
  const Expr wide = t.clip(t.conv(x, {48, 8, 1, 1}));
  t.expect("Transpose weft.DepthwiseBlock Transpose", t.conv(t.clip(t.filters(wide)), {12, 48, 1, 1}));
  t.expect("Transpose weft.DepthwiseBlock Transpose", t.clip(t.filters(t.clip(t.conv(x, {48, 8, 1, 1})), 2)));
  t.expect("Transpose weft.DepthwiseBlock Transpose", t.conv(t.clip(t.filters(t.in({1, 48, 60, 60}))), {12, 48, 1, 1}));
  // A residual is added to rows as they are made.
  Expr y = t.conv(x, {8, 8, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}});
  y = y + t.conv(t.clip(t.filters(t.clip(t.conv(y, {48, 8, 1, 1})))), {8, 48, 1, 1});
  t.expect("Transpose weft.ChannelsLastConv weft.DepthwiseBlock Add Transpose", y);
}

TEST(FuseDepthwise, WhatGainsNothingStays) {
  FuseDepthwiseTest t;
  const auto block = [&](Expr x, int64_t wide, int64_t narrow) {
    return t.conv(t.filters(t.conv(x, {wide, x.dims()[1].value(), 1, 1})), {narrow, wide, 1, 1});
  };
  const std::string pieces = "Transpose weft.ChannelsLastConv weft.ChannelsLastConv weft.ChannelsLastConv Transpose";
  t.expect(pieces, block(t.in({1, 8, 30, 30}), 48, 8));       // stays in a cache
  t.expect(pieces, block(t.in({1, 257, 24, 24}), 256, 257));  // weights that are large
  // Without the product before: rows shorter than a tile, weights that are too large together.
  const std::string rest = "Transpose weft.ChannelsLastConv weft.DepthwiseBlock Transpose";
  t.expect(rest, block(t.in({40, 8, 10, 13}), 48, 8));
  t.expect(rest, block(t.in({1, 256, 24, 24}), 256, 256));
  // One row, and two of which both are seen.
  const std::string fewer = "Transpose weft.ChannelsLastConv weft.ChannelsLastConv Transpose";
  t.expect(fewer, t.conv(t.filters(t.in({1, 64, 1, 3000})), {64, 64, 1, 1}));
  t.expect(fewer, t.conv(t.filters(t.in({1, 64, 2, 1500})), {64, 64, 1, 1}));
  // Somebody else needs what is in between; it moves by more than a pixel; the weights change.
  const Expr x = t.in({1, 8, 60, 60}), wide = t.conv(x, {48, 8, 1, 1});
  const Expr sum = make(t.scope, "ReduceSum", {wide});
  EXPECT_EQ(t.left(t.filters(wide) + sum).find("DepthwiseBlock"), std::string::npos);
  t.expect(fewer, t.filters(t.conv(t.in({1, 8, 120, 120}), {48, 8, 1, 1}, {{"strides", Ints{2, 2}}})));
  const Expr given = make(t.scope, "Conv", {x, t.in({48, 8, 1, 1})});
  EXPECT_EQ(t.left(t.filters(given)).find("DepthwiseBlock"), std::string::npos);
  // An image that no machine has.
  const int64_t side = int64_t{1} << 31;
  t.feeds.push_back(*t.graph->add_input("vast", ValueType::tensor(DType::kF32, to_dims({1, 48, side, side}))));
  EXPECT_EQ(t.left(t.conv(t.filters(Expr(t.scope, t.feeds.back())), {12, 48, 1, 1})).find("DepthwiseBlock"),
            std::string::npos);
}

}  // namespace
}  // namespace weft
