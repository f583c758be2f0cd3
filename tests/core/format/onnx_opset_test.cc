// Graphs saved for older opsets: the forms that nodes get, what stands for those that there were not, what is refused.
#include <cmath>
#include <map>

#include "tests/core/format/saved_net.h"

namespace weft {
namespace {

using namespace onnx;

TEST(OnnxOpset, IsOneOfThoseThatThereAre) {
  Net net({Dim(2)});
  net.add("Relu", {net.x});
  for (int64_t opset : {-1, 1, 6, 28}) {
    const Status status = net.save(opset).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.text();
    EXPECT_NE(status.message().find("option 'opset'"), std::string::npos) << status.text();
  }
  EXPECT_EQ(net.save(13, true).status().code(), Code::kInvalidArgument);
  // onnx.helper.VERSION_TABLE; from opset 21 on 10 is enough.
  const int64_t versions[][2] = {{7, 3},  {9, 4},  {10, 5}, {11, 6},  {12, 7},
                                 {15, 8}, {18, 8}, {19, 9}, {21, 10}, {26, 10}};
  for (const auto& [opset, ir] : versions) {
    const FileSaid file = net.said_of(opset, Tensor::vector<float>({-1, 2}), {0, 2});
    EXPECT_EQ(file.ir, ir) << opset;
    EXPECT_EQ(file.opsets, (std::map<std::string, int64_t>{{"", opset}}));
  }
  EXPECT_EQ(said(*net.save(0)).opsets[""], 26);
}

TEST(OnnxOpset, InputsThatWereAttributesBecomeThese) {
  const Tensor x = matrix({1, 2, 3, 4, 5, 6}, {2, 3});
  Net sum({Dim(2), Dim(3)});
  sum.add("ReduceSum", {sum.x, sum.numbers({-1})}, {{"keepdims", 0}});
  for (int opset : {7, 11, 12, 13, 18}) {
    const FileSaid file = sum.said_of(opset, x, {6, 15});
    ASSERT_EQ(file.nodes.size(), 1u);
    EXPECT_EQ(file.first().inputs, opset < 13 ? 1u : 2u);
    EXPECT_EQ(file.initializers, opset < 13 ? 0u : 1u);
    // Before opset 11 axes do not count from the end.
    if (opset < 13) {
      EXPECT_EQ(file.first().ints.at("axes"), std::vector<int64_t>{opset < 11 ? 1 : -1});
    }
  }
  Net largest({Dim(2), Dim(3)});
  largest.add("ReduceMax", {largest.x}, {{"keepdims", 0}});
  EXPECT_EQ(largest.said_of(17, x, {6}).first().ints.count("noop_with_empty_axes"), 0u);
  Net slice({Dim(2), Dim(3)});
  slice.add("Slice", {slice.x, slice.numbers({1}), slice.numbers({9}), slice.numbers({-1})});
  EXPECT_EQ(slice.said_of(9, x, {2, 3, 5, 6}).first().ints.at("axes"), std::vector<int64_t>{1});
  EXPECT_EQ(slice.said_of(10, x, {2, 3, 5, 6}).first().inputs, 4u);
  Net steps({Dim(2), Dim(3)});
  steps.add("Slice", {steps.x, steps.numbers({0}), steps.numbers({3}), steps.numbers({1}), steps.numbers({2})});
  steps.said_of(10, x, {1, 3, 4, 6});
  steps.expect_refused(9, "Slice needs opset 10, but opset 9 was asked for: one of its steps is 2, not 1");
  Net largest_two({Dim(2), Dim(3)});
  largest_two.add("TopK", {largest_two.x, largest_two.numbers({2})});
  EXPECT_EQ(largest_two.said_of(9, x, {3, 2, 6, 5}).first().ints.at("k"), std::vector<int64_t>{2});
}

TEST(OnnxOpset, InputsThatWereAttributesMustBeKnown) {
  Net net({Dim(2), Dim(3)});
  ValueId axes = *net.graph->add_input("axes", ValueType::tensor(DType::kI64, {Dim(1)}));
  net.add("ReduceSum", {net.x, axes});
  net.expect_refused(
      12, "ReduceSum needs opset 13, but opset 12 was asked for: its input 'axes' would have to be a constant");
  EXPECT_TRUE(net.save(13).ok());
  // What shapes tell is known too.
  Net shape({Dim(3), Dim(2)});
  ValueId of = shape.graph->node(*shape.graph->add("", "Shape", {shape.x}, {{"start", 1}})).output(0);
  shape.add("Squeeze", {shape.graph->node(*shape.graph->add("", "Unsqueeze", {shape.x, of})).output(0), of});
  const FileSaid squeezed = shape.said_of(12, matrix({1, 2, 3, 4, 5, 6}, {3, 2}), {1, 2, 3, 4, 5, 6});
  ASSERT_FALSE(squeezed.nodes.empty());
  EXPECT_EQ(squeezed.nodes.back().inputs, 1u);
  EXPECT_EQ(squeezed.find("Shape"), nullptr);
}

TEST(OnnxOpset, BoundsAndPadsAreAttributesOfTheirTypes) {
  Net clip({Dim(3)});
  clip.add("Clip", {clip.x, *clip.graph->add_constant(Tensor::scalar<float>(-1)), kNoValue});
  for (int opset : {7, 10, 11, 12, 13}) clip.said_of(opset, Tensor::vector<float>({-3, 0, 5}), {-1, 0, 5});
  EXPECT_EQ(clip.said_of(10, Tensor::vector<float>({-3, 0, INFINITY}), {-1, 0, INFINITY}).first().ints.size(), 2u);
  Net pad({Dim(1), Dim(2)});
  pad.add("Pad", {pad.x, pad.numbers({1, 2}), *pad.graph->add_constant(Tensor::scalar<float>(7)), pad.numbers({-1})});
  const Tensor x = matrix({1, 2}, {1, 2});
  EXPECT_EQ(pad.said_of(18, x, {7, 1, 2, 7, 7}).first().inputs, 4u);
  EXPECT_EQ(pad.said_of(17, x, {7, 1, 2, 7, 7}).first().inputs, 3u);
  EXPECT_EQ(pad.said_of(10, x, {7, 1, 2, 7, 7}).first().ints.at("pads"), (std::vector<int64_t>{0, 1, 0, 2}));
  Net wrap({Dim(3)});
  wrap.add("Pad", {wrap.x, wrap.numbers({1, 0})}, {{"mode", "wrap"}});
  wrap.said_of(19, Tensor::vector<float>({1, 2, 3}), {3, 1, 2, 3});
  wrap.expect_refused(18, "Pad needs opset 19, but opset 18 was asked for: its attribute 'mode' is \"wrap\"");
}

TEST(OnnxOpset, PartsAreEqualOrHaveSizes) {
  for (int64_t whole : {4, 5}) {
    Net net({Dim(whole)});
    net.add("Split", {net.x}, {{"num_outputs", 2}}, 2);
    std::vector<float> numbers{1, 2, 3, 4, 5};
    numbers.resize(static_cast<size_t>(whole));
    const std::vector<float> first(numbers.begin(), numbers.begin() + (whole + 1) / 2);
    for (int opset : {7, 13, 17, 18}) {
      const FileSaid file = net.said_of(opset, Tensor::vector<float>(numbers), first);
      EXPECT_EQ(file.first().inputs, whole == 5 && opset >= 13 && opset < 18 ? 2u : 1u);
      EXPECT_EQ(file.first().ints.count("num_outputs"), opset < 18 ? 0u : 1u);
    }
  }
  // From opset 18 on one of the two had to be given: a node that has neither says how many outputs it has.
  Net bare({Dim(5)});
  bare.add("Split", {bare.x}, {}, 2);
  const Tensor five = Tensor::vector<float>({1, 2, 3, 4, 5});
  EXPECT_EQ(bare.said_of(13, five, {1, 2, 3}).first().inputs, 2u);
  EXPECT_EQ(bare.said_of(7, five, {1, 2, 3}).first().ints.at("split"), (std::vector<int64_t>{3, 2}));
  for (int opset : {18, 0}) {
    EXPECT_EQ(bare.said_of(opset, five, {1, 2, 3}).first().ints.at("num_outputs"), std::vector<int64_t>{2});
  }
  for (bool counted : {true, false}) {
    Net open({Dim::symbol("n")});
    open.add("Split", {open.x}, counted ? Attrs{{"num_outputs", 2}} : Attrs{}, 2);
    open.expect_refused(17, "Split needs opset 18");
  }
}

TEST(OnnxOpset, OperatorsThatThereWereNotAreWrittenAsOthers) {
  Net gelu({Dim(3)});
  gelu.add("Gelu", {gelu.x});
  // x times the normal distribution's Phi(x), whose Phi(1) is 0.8413447.
  const std::vector<float> wanted{-0.1586553f, 0, 0.8413447f};
  for (int opset : {9, 13, 17, 19, 20}) {
    const FileSaid file = gelu.said_of(opset, Tensor::vector<float>({-1, 0, 1}), wanted);
    EXPECT_EQ(file.find("Gelu") == nullptr, opset < 20) << opset;
    EXPECT_EQ(file.opsets, (std::map<std::string, int64_t>{{"", opset}}));
  }
  gelu.expect_refused(8, "Erf needs opset 9, but opset 8 was asked for: there was no such operator");
  Net norm({Dim(1), Dim(2)});
  ValueId scale = *norm.graph->add_constant(Tensor::vector<float>({1, 2}));
  norm.add("LayerNormalization", {norm.x, scale}, {{"epsilon", 0.0}});
  for (int opset : {7, 13, 16, 17}) {
    const FileSaid file = norm.said_of(opset, matrix({1, 3}, {1, 2}), {-1, 2});
    EXPECT_EQ(file.find("LayerNormalization") == nullptr, opset < 17) << opset;
  }
  // x times the logistic function of 0.
  Net swish({Dim(1)});
  swish.add("Swish", {swish.x}, {{"alpha", 0.0}});
  EXPECT_NE(swish.said_of(13, Tensor::vector<float>({3}), {1.5}).find("Sigmoid"), nullptr);
  // Something that ONNX had no words for.
  Net unique({Dim(2)});
  unique.add("Unique", {unique.x});
  unique.expect_refused(10, "Unique needs opset 11, but opset 10 was asked for: there was no such operator");
}

TEST(OnnxOpset, AnAxisOfSoftmaxThatIsNotTheLastIsMadeIt) {
  Net net({Dim(2), Dim(2)});
  net.add("Softmax", {net.x}, {{"axis", 0}});
  const Tensor x = matrix({0, 0, 0, std::log(3.0f)}, {2, 2});
  for (int opset : {7, 12}) EXPECT_EQ(net.said_of(opset, x, {0.5, 0.25, 0.5, 0.75}).nodes.size(), 3u);
  EXPECT_EQ(net.said_of(13, x, {0.5, 0.25, 0.5, 0.75}).nodes.size(), 1u);
  Net last({Dim(2), Dim(2)});
  last.add("Softmax", {last.x}, {{"axis", -1}});
  EXPECT_EQ(last.said_of(10, x, {0.5, 0.5, 0.25, 0.75}).first().ints.at("axis"), std::vector<int64_t>{1});
  // Behind the axis there is nothing to be taken with it.
  Net images({Dim(1), Dim(2), Dim(1), Dim(1)});
  images.add("Softmax", {images.x}, {{"axis", 1}});
  EXPECT_EQ(images.said_of(11, matrix({0, std::log(3.0f)}, {1, 2, 1, 1}), {0.25, 0.75}).nodes.size(), 1u);
}

TEST(OnnxOpset, WhatANodeDoesNotUseIsLeftOut) {
  Net net({Dim(2)});
  net.add("Cast", {net.x}, {{"to", static_cast<int64_t>(DType::kF32)}});
  const NodeSaid old = net.said_of(13, Tensor::vector<float>({1, 2}), {1, 2}).first();
  EXPECT_EQ(old.ints.size(), 1u);
  EXPECT_EQ(said(*net.save(25)).first().ints.size(), 3u);
  Net halves({Dim(2)}, DType::kBF16);
  halves.add("Add", {halves.x, halves.x});
  EXPECT_TRUE(halves.save(13).ok());
  halves.expect_refused(12, "Add needs opset 13, but opset 12 was asked for: its input 0 could not be bf16[2]");
  Net last({Dim(2)});
  last.add("ArgMax", {last.x}, {{"select_last_index", 1}});
  EXPECT_TRUE(last.save(12).ok());
  last.expect_refused(11, "its attribute 'select_last_index' came later");
}

TEST(OnnxOpset, ZerosOfAShapeMustBeTheInputs) {
  Net kept({Dim::symbol("n"), Dim(6)});
  ValueId n = kept.graph->node(*kept.graph->add("", "Shape", {kept.x}, {{"end", 1}})).output(0);
  NodeId shape = *kept.graph->add("", "Concat", {n, kept.numbers({2, 3})}, {{"axis", 0}});
  kept.add("Reshape", {kept.x, kept.graph->node(shape).output(0)}, {{"allowzero", 1}});
  kept.said_of(13, matrix({1, 2, 3, 4, 5, 6}, {1, 6}), {1, 2, 3, 4, 5, 6});
  Net moved({Dim::symbol("n"), Dim(6)});
  n = moved.graph->node(*moved.graph->add("", "Shape", {moved.x}, {{"end", 1}})).output(0);
  shape = *moved.graph->add("", "Concat", {moved.numbers({6}), n}, {{"axis", 0}});
  moved.add("Reshape", {moved.x, moved.graph->node(shape).output(0)}, {{"allowzero", 1}});
  moved.said_of(14, matrix({1, 2, 3, 4, 5, 6}, {1, 6}), {1, 2, 3, 4, 5, 6});
  moved.expect_refused(13, "Reshape needs opset 14");
}

// Until IR 4 what has a value is an input too; a branch has no inputs, so that its constants are those of the model.
TEST(OnnxOpset, InitializersOfTheFirstFormatAreInputs) {
  Net net({Dim(2)});
  ValueId flag = *net.graph->add_constant(Tensor::scalar<bool>(true));
  Attrs attrs;
  for (float term : {1.0f, 2.0f}) {
    std::shared_ptr<Graph> branch = *Graph::make_subgraph(net.graph);
    ValueId x = *branch->capture(*net.graph, net.x);
    ValueId constant = *branch->add_constant(Tensor::scalar<float>(term));
    ASSERT_TRUE(branch->set_outputs({branch->node(*branch->add("", "Add", {x, constant})).output(0)}).ok());
    attrs.set(term == 1 ? "then_branch" : "else_branch", GraphRef(std::move(branch)));
  }
  net.add("If", {flag}, std::move(attrs));
  const FileSaid old = net.said_of(8, Tensor::vector<float>({1, 2}), {2, 3});
  EXPECT_EQ(old.ir, 3);
  EXPECT_EQ(old.initializers, 3u);
  EXPECT_EQ(old.inputs, 4u);
  const FileSaid newer = net.said_of(9, Tensor::vector<float>({1, 2}), {2, 3});
  EXPECT_EQ(newer.ir, 4);
  EXPECT_EQ(newer.initializers, 1u);
  EXPECT_EQ(newer.inputs, 1u);
}

// Before opset 14 five outputs belonged to it, or Y alone.
TEST(OnnxOpset, NormalizationThatTrainsIsWrittenAsOthers) {
  const Tensor x = matrix({1, 3}, {2, 1});
  for (bool trains : {true, false}) {
    Net net({Dim(2), Dim(1)});
    ValueId one = *net.graph->add_constant(Tensor::vector<float>({1})),
            none = *net.graph->add_constant(Tensor::vector<float>({0}));
    net.add("BatchNormalization", {net.x, one, none, none, one}, {{"training_mode", int64_t{trains}}, {"epsilon", 0.0}},
            trains ? 3 : 1);
    // The mean of 1 and 3 is 2, their variance 1.
    const std::vector<float> wanted = trains ? std::vector<float>{-1, 1} : std::vector<float>{1, 3};
    for (int opset : {7, 9, 13, 14, 15}) {
      const FileSaid file = net.said_of(opset, x, wanted);
      EXPECT_EQ(file.find("BatchNormalization") == nullptr, trains && opset < 14) << opset;
    }
  }
}

// Before opset 12 readers gave different masks.
TEST(OnnxOpset, AMaskOfNothingDroppedIsWrittenAsOthers) {
  const Tensor x = Tensor::vector<float>({1, 2});
  Net masked({Dim(2)});
  masked.add("Dropout", {masked.x}, {}, 2);
  for (int opset : {8, 10, 11, 12, 22}) {
    const FileSaid file = masked.said_of(opset, x, {1, 2});
    EXPECT_EQ(file.find("Dropout") == nullptr, opset < 12) << opset;
    EXPECT_EQ(file.find("Expand") != nullptr, opset < 12) << opset;
  }
  Net alone({Dim(2)});
  alone.add("Dropout", {alone.x});
  EXPECT_NE(alone.said_of(7, x, {1, 2}).find("Dropout"), nullptr);
}

// In opset 10 it was the one behind.
TEST(OnnxOpset, TheNearestBeforeOfAnAxisThatShrinksIsNotSaidInOpset10) {
  for (float scale : {2.0f, 0.5f}) {
    for (const char* mode : {"nearest", "linear"}) {
      Net net({Dim(2)});
      ValueId scales = *net.graph->add_constant(Tensor::vector<float>({scale}));
      // A list without numbers is as good as none.
      net.add("Resize", {net.x, kNoValue, scales, net.numbers({})},
              {{"mode", mode}, {"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "floor"}});
      const bool nearest = std::string_view(mode) == "nearest";
      const std::vector<float> wanted = scale < 1 ? std::vector<float>{1}
                                        : nearest ? std::vector<float>{1, 1, 3, 3}
                                                  : std::vector<float>{1, 2, 3, 3};
      const Tensor x = Tensor::vector<float>({1, 3});
      EXPECT_EQ(net.said_of(11, x, wanted).first().inputs, 3u);
      if (nearest && scale < 1) {
        net.expect_refused(10, "Resize needs opset 11, but opset 10 was asked for: it may shrink an axis");
      } else {
        EXPECT_EQ(net.said_of(10, x, wanted).first().inputs, 2u);
      }
    }
  }
  Net open({Dim(2)});
  ValueId scales = *open.graph->add_input("scales", ValueType::tensor(DType::kF32, {Dim(1)}));
  open.add("Resize", {open.x, kNoValue, scales},
           {{"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "floor"}});
  open.expect_refused(10, "it may shrink an axis");
}

// What gave the numbers would need a later opset itself.
TEST(OnnxOpset, WhatNothingReadsAnyMoreIsLeftOut) {
  Net net({Dim(4)});
  NodeId ends = *net.graph->add("", "ConstantOfShape", {net.numbers({1})}, {{"value", Tensor::vector<int64_t>({2})}});
  net.add("Slice", {net.x, net.numbers({1}), net.graph->node(ends).output(0)});
  for (int opset : {7, 8, 9, 10}) {
    const FileSaid file = net.said_of(opset, Tensor::vector<float>({1, 2, 3, 4}), {2});
    EXPECT_EQ(file.nodes.size(), opset < 10 ? 1u : 2u) << opset;
    EXPECT_EQ(file.initializers == 0, opset < 10) << opset;
    EXPECT_EQ(file.inputs, 1u) << opset;
  }
  // Of what stands for a node likewise: the bounds of a Slice of the shape.
  Net shape({Dim(2), Dim(3)});
  NodeId sizes = *shape.graph->add("", "Shape", {shape.x}, {{"start", 1}});
  shape.add("Cast", {shape.graph->node(sizes).output(0)}, {{"to", static_cast<int64_t>(DType::kF32)}});
  const FileSaid file = shape.said_of(8, matrix({1, 2, 3, 4, 5, 6}, {2, 3}), {3});
  EXPECT_EQ(file.initializers, 0u);
  EXPECT_EQ(file.inputs, 1u);
}

TEST(OnnxOpset, AxesAndIndicesCountFromTheFront) {
  const Tensor x = matrix({1, 2, 3, 4, 5, 6}, {2, 3});
  Net top({Dim(2), Dim(3)});
  top.add("TopK", {top.x, top.numbers({1})}, {{"axis", -2}}, 2);
  Net norm({Dim(1), Dim(2)});
  norm.add("MeanVarianceNormalization", {norm.x}, {{"axes", std::vector<int64_t>{-1}}});
  Net scan({Dim(2), Dim(3)});
  std::shared_ptr<Graph> body = *Graph::make_subgraph(scan.graph);
  ValueId item = *body->add_input("item", ValueType::tensor(DType::kF32, {Dim(2)}));
  ASSERT_TRUE(body->set_outputs({body->node(*body->add("", "Neg", {item})).output(0)}).ok());
  const std::vector<int64_t> last{-1};
  Attrs attrs{{"num_scan_inputs", 1}, {"scan_input_axes", last}, {"scan_output_axes", last}};
  attrs.set("body", GraphRef(std::move(body)));
  scan.add("Scan", {scan.x}, std::move(attrs));
  for (int opset : {9, 10, 11}) {
    const bool old = opset < 11;
    EXPECT_EQ(top.said_of(opset, x, {4, 5, 6}).first().ints.at("axis"), std::vector<int64_t>{old ? 0 : -2});
    // The mean of 1 and 3 is 2, their deviation 1.
    EXPECT_EQ(norm.said_of(opset, matrix({1, 3}, {1, 2}), {-1, 1}).first().ints.at("axes"),
              std::vector<int64_t>{old ? 1 : -1});
    const NodeSaid scanned = scan.said_of(opset, x, {-1, -2, -3, -4, -5, -6}).first();
    EXPECT_EQ(scanned.ints.at("scan_input_axes"), std::vector<int64_t>{old ? 1 : -1});
    EXPECT_EQ(scanned.ints.at("scan_output_axes"), std::vector<int64_t>{old ? 1 : -1});
  }
  Net scatter({Dim(3)});
  ValueId nine = *scatter.graph->add_constant(Tensor::vector<float>({9}));
  scatter.add("ScatterElements", {scatter.x, scatter.numbers({-1}), nine});
  for (int opset : {9, 10, 11}) {
    const FileSaid file = scatter.said_of(opset, Tensor::vector<float>({1, 2, 3}), {1, 2, 9});
    EXPECT_EQ(file.first().op, opset < 11 ? "Scatter" : "ScatterElements");
    std::shared_ptr<Graph> again = *load(*scatter.save(opset));
    for (NodeId id = 0; id < again->node_count(); ++id) {
      if (!again->node(id).is("ScatterElements")) continue;
      const std::shared_ptr<const Tensor>& indices = again->value(again->node(id).inputs[1]).constant;
      ASSERT_NE(indices, nullptr);
      EXPECT_EQ(*indices->to_ints(), std::vector<int64_t>{opset < 11 ? 2 : -1});
    }
  }
  Net open({Dim::symbol("n")});
  open.add("ScatterElements", {open.x, open.numbers({-1}), *open.graph->add_constant(Tensor::vector<float>({9}))});
  open.expect_refused(10, "one of its indices is negative, and the size of axis 0 is n");
}

TEST(OnnxOpset, QuantizedVectorsHaveOneAxis) {
  Net net({Dim(3)});
  ValueId scale = *net.graph->add_constant(Tensor::vector<float>({1, 2, 4}));
  NodeId quantized = *net.graph->add("", "QuantizeLinear", {net.x, scale}, {{"precision", 0}});
  net.add("DequantizeLinear", {net.graph->node(quantized).output(0), scale});
  for (int opset : {13, 18, 19, 22}) {
    const FileSaid file = net.said_of(opset, Tensor::vector<float>({2, 6, 12}), {2, 6, 12});
    ASSERT_EQ(file.nodes.size(), 2u) << opset;
    for (const NodeSaid& node : file.nodes) {
      EXPECT_EQ(node.ints.at("axis"), std::vector<int64_t>{opset < 19 ? 0 : 1}) << opset;
      EXPECT_EQ(node.ints.count("precision"), 0u) << opset;  // 0 is no precision
    }
  }
}

// Before opset 11 an odd element was taken off the other end.
TEST(OnnxOpset, OddPadsOfTransposedConvolutionAreSaid) {
  struct Row {
    Attrs attrs;
    std::vector<float> wanted;
    std::vector<int64_t> pads;  // empty where nothing changes
  };
  const std::vector<int64_t> two{2}, three{3}, four{4};
  // Without pads 1 10 102 20 200.
  const Row rows[] = {
      {{{"strides", two}, {"output_shape", four}}, {10, 102, 20, 200}, {1, 0}},
      {{{"strides", two}, {"output_shape", three}}, {10, 102, 20}, {}},
      {{{"strides", two}, {"auto_pad", "SAME_UPPER"}}, {1, 10, 102, 20}, {0, 1}},
      {{{"strides", two}, {"auto_pad", "SAME_LOWER"}}, {10, 102, 20, 200}, {1, 0}},
  };
  for (const Row& row : rows) {
    for (bool known : {true, false}) {
      Net net({Dim(1), Dim(1), known ? Dim(2) : Dim::symbol("n")});
      net.add("ConvTranspose", {net.x, *net.graph->add_constant(matrix({1, 10, 100}, {1, 1, 3}))}, row.attrs);
      if (!known && row.attrs.has("output_shape")) {
        net.expect_refused(10, "how much is taken off the ends of spatial axis 0 is not known");
        continue;
      }
      const Tensor x = matrix({1, 2}, {1, 1, 2});
      for (int opset : {7, 10, 11}) {
        const NodeSaid node = net.said_of(opset, x, row.wanted).first();
        const bool said = opset < 11 && !row.pads.empty();
        EXPECT_EQ(node.ints.count("output_shape"), !said && row.attrs.has("output_shape") ? 1u : 0u);
        if (said) {
          EXPECT_EQ(node.ints.at("pads"), row.pads);
        }
      }
    }
  }
}

// Of two equal keys, for which the values are 2 and 4.
TEST(OnnxOpset, MasksOfAttentionWereLongAndStoodAlone) {
  for (bool is_long : {true, false}) {
    for (bool causal : {true, false}) {
      Net net({Dim(1), Dim(1), Dim(1), Dim(1)});
      ValueId k = *net.graph->add_constant(matrix({0, 0}, {1, 1, 2, 1})),
              v = *net.graph->add_constant(matrix({2, 4}, {1, 1, 2, 1})),
              mask = *net.graph->add_constant(is_long ? matrix({0, 0}, {1, 2}) : matrix({0}, {1, 1}));
      net.add("Attention", {net.x, k, v, mask}, {{"is_causal", int64_t{causal}}});
      const bool alike = is_long && !causal;
      for (int opset : {23, 24}) {
        const FileSaid file = net.said_of(opset, matrix({1}, {1, 1, 1, 1}), {alike ? 3.0f : 2.0f});
        EXPECT_EQ(file.find("Attention") != nullptr, alike || opset == 24) << opset;
      }
    }
  }
}

TEST(OnnxOpset, OperandsThatDifferAreAddedOneByOne) {
  Net net({Dim(2), Dim(2)});
  net.add("Mean", {net.x, *net.graph->add_constant(Tensor::vector<float>({3, 4}))});
  for (int opset : {7, 8}) {
    const FileSaid file = net.said_of(opset, matrix({1, 2, 3, 4}, {2, 2}), {2, 3, 3, 4});
    EXPECT_EQ(file.find("Mean") == nullptr, opset < 8);
  }
  Net one({Dim(2)});
  ValueId any = *one.graph->add_input("any", ValueType::unranked(DType::kF32));
  one.add("Max", {any});
  EXPECT_TRUE(one.save(7).ok());
}

TEST(OnnxOpset, OperatorsOfOursStay) {
  Net net({Dim(1), Dim(1)});
  NodeId root = *net.graph->add("weft", "Cholesky", {net.x});
  net.add("Relu", {net.graph->node(root).output(0)});
  const FileSaid file = net.said_of(13, matrix({4}, {1, 1}), {2});
  EXPECT_EQ(file.opsets, (std::map<std::string, int64_t>{{"", 13}, {"weft", 1}}));
}

}  // namespace
}  // namespace weft
