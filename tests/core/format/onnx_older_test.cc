// What is written in older opsets for operators that there were not yet, or in another form.
#include "tests/core/format/saved_net.h"

namespace weft {
namespace {

TEST(OnnxOlder, ATriangleIsKeptByAMask) {
  const Tensor x = matrix({1, 2, 3, 4}, {2, 2});
  Net upper({Dim(2), Dim(2)});
  upper.add("Trilu", {upper.x});
  Net lower({Dim(2), Dim(2)});
  lower.add("Trilu", {lower.x, lower.numbers({-1})}, {{"upper", 0}});
  Net open({Dim::symbol("rows"), Dim::symbol("columns")});
  open.add("Trilu", {open.x, open.numbers({1})});
  for (int opset : {9, 10, 11, 13}) {
    EXPECT_EQ(upper.said_of(opset, x, {1, 2, 0, 4}).first().op, "Where");
    lower.said_of(opset, x, {0, 0, 3, 0});
    const FileSaid file = open.said_of(opset, x, {0, 2, 0, 0});
    EXPECT_EQ(file.find("Range") != nullptr, opset >= 11) << opset;
    EXPECT_EQ(file.find("NonZero") != nullptr, opset < 11) << opset;
  }
  EXPECT_EQ(upper.said_of(14, x, {1, 2, 0, 4}).first().op, "Trilu");
  upper.expect_refused(8, "Where needs opset 9, but opset 8 was asked for: there was no such operator");
}

TEST(OnnxOlder, RunningSumsAndProductsAreScans) {
  Net sums({Dim(3)});
  ValueId last = *sums.graph->add_constant(Tensor::scalar<int64_t>(-1));
  sums.add("CumSum", {sums.x, last});
  Net back({Dim(2), Dim::symbol("n")});
  ValueId first = *back.graph->add_constant(Tensor::scalar<int64_t>(0));
  back.add("CumSum", {back.x, first}, {{"exclusive", 1}, {"reverse", 1}});
  Net products({Dim(3)});
  last = *products.graph->add_constant(Tensor::scalar<int64_t>(0));
  products.add("CumProd", {products.x, last});
  const Tensor x = Tensor::vector<float>({2, 3, 4});
  for (int opset : {9, 10, 11}) {
    EXPECT_EQ(sums.said_of(opset, x, {2, 5, 9}).find("Scan") != nullptr, opset < 11) << opset;
    back.said_of(opset, matrix({1, 2, 3, 4}, {2, 2}), {3, 4, 0, 0});
  }
  for (int opset : {9, 25, 26}) {
    EXPECT_EQ(products.said_of(opset, x, {2, 6, 24}).find("Scan") != nullptr, opset < 26) << opset;
  }
  sums.expect_refused(8, "Scan needs opset 9");
}

TEST(OnnxOlder, PlacesOfSeveralCoordinatesAreOnesOfRows) {
  const Tensor x = matrix({1, 2, 3, 4}, {2, 2});
  const auto places = [](Net& net, const std::vector<int64_t>& values) {
    return *net.graph->add_constant(
        *Tensor::vector<int64_t>(values).reshaped({static_cast<int64_t>(values.size()) / 2, 2}));
  };
  Net scatter({Dim(2), Dim(2)});
  scatter.add("ScatterND",
              {scatter.x, places(scatter, {-1, 0}), *scatter.graph->add_constant(Tensor::vector<float>({9}))});
  Net rows({Dim(2), Dim(2)});
  rows.add("ScatterND", {rows.x, *rows.graph->add_constant(*Tensor::vector<int64_t>({1}).reshaped({1, 1})),
                         *rows.graph->add_constant(matrix({8, 9}, {1, 2}))});
  Net gather({Dim(2), Dim(2)});
  gather.add("GatherND", {gather.x, places(gather, {1, 0, 0, -1})});
  for (int opset : {9, 10, 11}) {
    EXPECT_EQ(scatter.said_of(opset, x, {1, 2, 9, 4}).find("Scatter") != nullptr, opset < 11) << opset;
    rows.said_of(opset, x, {1, 2, 8, 9});
    EXPECT_EQ(gather.said_of(opset, x, {3, 2}).find("Gather") != nullptr, opset < 11) << opset;
  }
  gather.expect_refused(8, "needs opset 9");
  Net front({Dim(2), Dim(2)});
  front.add("GatherND", {front.x, places(front, {1, 0})});
  front.said_of(7, x, {3});
  Net joined({Dim(2), Dim(2)});
  joined.add("ScatterND", {joined.x, places(joined, {1, 0}), *joined.graph->add_constant(Tensor::vector<float>({9}))},
             {{"reduction", "add"}});
  joined.expect_refused(10, "its attribute 'reduction' is \"add\"");
}

TEST(OnnxOlder, WhatBroadcastsIsLaidSideBySide) {
  const Tensor x = matrix({1, 2}, {2, 1});
  Net net({Dim(2), Dim(1)});
  net.add("Expand", {net.x, net.numbers({2, 1, 2})});
  for (int opset : {7, 8}) {
    EXPECT_EQ(net.said_of(opset, x, {1, 1, 2, 2, 1, 1, 2, 2}).find("Tile") != nullptr, opset < 8) << opset;
  }
  Net same({Dim(2), Dim(1)});
  same.add("Expand", {same.x, same.numbers({1})});
  EXPECT_EQ(same.said_of(7, x, {1, 2}).first().op, "Identity");
  Net open({Dim::symbol("n"), Dim(1)});
  open.add("Expand", {open.x, open.numbers({2, 2})});
  open.expect_refused(7, "whether axis 0 of its input, of n, becomes 2 is not known");
}

// Of two channels of four places each.
TEST(OnnxOlder, ChannelsLayByPlaceFirst) {
  Net net({Dim(1), Dim(8), Dim(1), Dim(1)});
  net.add("DepthToSpace", {net.x}, {{"blocksize", 2}, {"mode", "CRD"}});
  const std::vector<float> numbers{0, 1, 2, 3, 4, 5, 6, 7};
  for (int opset : {7, 10, 11}) {
    const FileSaid file = net.said_of(opset, matrix(numbers, {1, 8, 1, 1}), numbers);
    EXPECT_EQ(file.find("Transpose") != nullptr, opset < 11) << opset;
  }
}

TEST(OnnxOlder, SizesThatAreMultiplesAreScales) {
  const Tensor x = Tensor::vector<float>({1, 3});
  Net net({Dim(2)});
  net.add("Resize", {net.x, kNoValue, kNoValue, net.numbers({4})});
  for (int opset : {7, 8, 9, 10, 11}) {
    const NodeSaid node = net.said_of(opset, x, {1, 1, 3, 3}).first();
    EXPECT_EQ(node.op, opset < 10 ? "Upsample" : "Resize");
    EXPECT_EQ(node.inputs, opset < 9 ? 1u : opset < 11 ? 2u : 4u);
  }
  Net broken({Dim(2)});
  broken.add("Resize", {broken.x, kNoValue, kNoValue, broken.numbers({3})});
  broken.expect_refused(10, "it has the input 'sizes', which are not known to be multiples");
  Net smaller({Dim(2)});
  ValueId half = *smaller.graph->add_constant(Tensor::vector<float>({0.5}));
  smaller.add("Resize", {smaller.x, kNoValue, half},
              {{"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "ceil"}});
  EXPECT_EQ(smaller.said_of(10, x, {1}).first().op, "Resize");
  smaller.expect_refused(9, "it may shrink an axis, which Upsample cannot");
}

// onnx.checker wants all three, and one of a normalization that does not train.
TEST(OnnxOlder, NormalizationThatTrainsHasAllOutputsInAFile) {
  for (int outputs : {1, 2, 3}) {
    Net net({Dim(2), Dim(1)});
    ValueId one = *net.graph->add_constant(Tensor::vector<float>({1})),
            none = *net.graph->add_constant(Tensor::vector<float>({0}));
    net.add("BatchNormalization", {net.x, one, none, none, one}, {{"training_mode", 1}, {"epsilon", 0.0}}, outputs);
    for (int opset : {0, 14}) {
      const FileSaid file = net.said_of(opset, matrix({1, 3}, {2, 1}), {-1, 1});
      EXPECT_EQ(file.first().outputs, 3u) << opset;
    }
  }
}

}  // namespace
}  // namespace weft
