// Nodes of element types that no version of ONNX has their operator with: what files have in their place.
#include <cmath>

#include "core/format/onnx_history.h"
#include "tests/core/expect_error.h"
#include "tests/core/format/saved_net.h"

namespace weft {
namespace {

using namespace onnx;
using SaidOpsets = std::map<std::string, int64_t>;

constexpr int64_t kF32Number = static_cast<int64_t>(DType::kF32);

// The types that the newest schema has an operator's first input with, and the output with it: onnx.defs of onnx 1.22.
TEST(OnnxTypes, AreThoseOfTheNewestSchema) {
  const OpHistory history;
  const Attrs none;
  const auto knows = [&](const char* op, DType dtype) {
    const ValueType type = ValueType::tensor(dtype, {Dim(2)});
    const NodeForm form{op, *builtin_ops().find("", op), {&type}, {&type}, none};
    const std::string why = history.misfit(form, 27);
    EXPECT_EQ(why, why.empty() ? "" : cat("its input 0 could not be ", type.text())) << op;
    return why.empty();
  };
  EXPECT_TRUE(knows("Celu", DType::kF32));
  for (DType dtype : {DType::kF64, DType::kF16, DType::kBF16}) EXPECT_FALSE(knows("Celu", dtype)) << dtype_name(dtype);
  for (DType dtype : {DType::kF16, DType::kString, DType::kBool, DType::kC64}) EXPECT_TRUE(knows("Unique", dtype));
  EXPECT_FALSE(knows("Unique", DType::kBF16));
  EXPECT_TRUE(knows("Concat", DType::kBF16));
  for (DType dtype : {DType::kF8E5M2, DType::kI4, DType::kU2}) EXPECT_FALSE(knows("Concat", dtype));
  for (DType dtype : {DType::kF8E5M2, DType::kI4, DType::kU2}) EXPECT_TRUE(knows("Identity", dtype));
  // It has been as it is since opset 7.
  EXPECT_TRUE(knows("Not", DType::kBool));
  EXPECT_FALSE(knows("Not", DType::kU8));
  // One letter is one type.
  const ValueType f32 = ValueType::tensor(DType::kF32, {}), f16 = ValueType::tensor(DType::kF16, {});
  EXPECT_EQ(history.misfit({"Add", *builtin_ops().find("", "Add"), {&f32, &f16}, {&f32}, none}, 26),
            "its input 1 could not be f16[]");
}

TEST(OnnxTypes, AreWiderBetweenCasts) {
  Net unique({Dim(4)});
  unique.add("Cast", {unique.made("Unique", {unique.cast(unique.x, DType::kBF16)})}, {{"to", kF32Number}});
  const Tensor x = Tensor::vector<float>({2, 1, 1, 3});
  for (int opset : {0, 26, 13}) {
    const FileSaid file = unique.said_of(opset, x, {1, 2, 3});
    EXPECT_EQ(file.ops(), (std::vector<std::string>{"Cast", "Cast", "Unique", "Cast", "Cast"})) << opset;
    EXPECT_EQ(file.opsets, (SaidOpsets{{"", opset == 0 ? 26 : opset}}));
    // To bf16, to f32, back, and to f32.
    const int64_t types[] = {16, 1, 0, 16, 1};
    for (size_t i = 0; i < file.nodes.size() && i < 5; ++i) {
      if (i != 2) {
        EXPECT_EQ(file.nodes[i].ints.at("to"), std::vector<int64_t>{types[i]}) << i;
      }
    }
  }
  // Of f32 and f16 it is itself.
  for (DType dtype : {DType::kF32, DType::kF16}) {
    Net itself({Dim(4)}, dtype);
    itself.add("Unique", {itself.x});
    Result<std::string> bytes = itself.save(0);
    ASSERT_TRUE(bytes.ok()) << bytes.status().text();
    EXPECT_EQ(said(*bytes).ops(), std::vector<std::string>{"Unique"});
  }
}

// 2 (e^-0.5 - 1) is -0.7869387; the f16 that is nearest to it -1612 / 2048.
TEST(OnnxTypes, AreRoundedOnceAsTheKernelsDo) {
  Net celu({Dim(2)});
  celu.add("Cast", {celu.made("Celu", {celu.cast(celu.x, DType::kF16)}, {{"alpha", 2.0}})}, {{"to", kF32Number}});
  for (int opset : {0, 12}) {
    const FileSaid file = celu.said_of(opset, Tensor::vector<float>({-1, 2}), {-0.787109375f, 2}, 0);
    EXPECT_EQ(file.ops(), (std::vector<std::string>{"Cast", "Cast", "Celu", "Cast", "Cast"})) << opset;
  }
}

TEST(OnnxTypes, OfFewBitsAreTheSameAfterwards) {
  Net packed({Dim(2)});
  const ValueId four = packed.cast(packed.x, DType::kI4);
  packed.add("Cast", {packed.made("Concat", {four, four}, {{"axis", 0}})}, {{"to", kF32Number}});
  const FileSaid file = packed.said_of(0, Tensor::vector<float>({-8, 7}), {-8, 7, -8, 7}, 0);
  EXPECT_EQ(file.ops(), (std::vector<std::string>{"Cast", "Cast", "Cast", "Concat", "Cast", "Cast"}));
  // Where the file's Cast would saturate, an infinity would become the largest number, 57344.
  Net small({Dim(3)});
  const ValueId eight = small.made("Cast", {small.x}, {{"to", static_cast<int64_t>(DType::kF8E5M2)}, {"saturate", 0}});
  small.add("Cast", {small.made("Concat", {eight}, {{"axis", 0}})}, {{"to", kF32Number}});
  small.said_of(0, Tensor::vector<float>({-INFINITY, 1.5, INFINITY}), {-INFINITY, 1.5, INFINITY}, 0);
}

TEST(OnnxTypes, WithoutWiderOnesAreThoseOfTheOperatorsThatItIsMadeOf) {
  // e^-1 - 1.
  Net celu({Dim(2)});
  celu.add("Cast", {celu.made("Celu", {celu.cast(celu.x, DType::kF64)})}, {{"to", kF32Number}});
  for (int opset : {0, 26, 12}) {
    const FileSaid file = celu.said_of(opset, Tensor::vector<float>({-1, 2}), {-0.63212056f, 2});
    EXPECT_EQ(file.find("Celu"), nullptr) << opset;
    EXPECT_NE(file.find("Elu"), nullptr) << opset;
    EXPECT_EQ(file.opsets, (SaidOpsets{{"", opset == 0 ? 26 : opset}}));
  }
  Net quantized({Dim(2)});
  const ValueId scale = *quantized.graph->add_constant(Tensor::scalar<double>(0.5));
  const ValueId y = quantized.made("QuantizeLinear", {quantized.cast(quantized.x, DType::kF64), scale});
  quantized.add("Cast", {y}, {{"to", kF32Number}});
  const FileSaid file = quantized.said_of(0, Tensor::vector<float>({1.2f, 3}), {2, 6}, 0);
  EXPECT_EQ(file.find("QuantizeLinear"), nullptr);
  EXPECT_EQ(file.opsets, (SaidOpsets{{"", 26}}));
}

TEST(OnnxTypes, OfAConstantOfAShapeAreExpanded) {
  Net net({Dim(2)});
  const Tensor text = *Tensor::from_strings({1}, {"1.5"});
  net.add("Cast", {net.made("ConstantOfShape", {net.made("Shape", {net.x})}, {{"value", text}})}, {{"to", kF32Number}});
  for (int opset : {0, 13}) {
    const FileSaid file = net.said_of(opset, Tensor::vector<float>({1, 2}), {1.5, 1.5}, 0);
    EXPECT_EQ(file.ops(), (std::vector<std::string>{"Shape", "Expand", "Cast"})) << opset;
  }
}

// Sequences of bf16 have no like; the operators are ours then.
TEST(OnnxTypes, ThatCannotBeSaidOtherwiseAreInADomainOfOurs) {
  Net net({Dim(2)});
  const ValueId items = net.made("SequenceConstruct", {net.cast(net.x, DType::kBF16)});
  const ValueId first = *net.graph->add_constant(Tensor::scalar<int64_t>(0));
  net.add("Cast", {net.made("SequenceAt", {items, first})}, {{"to", kF32Number}});
  const FileSaid file = net.said_of(0, Tensor::vector<float>({1, 2}), {1, 2}, 0);
  EXPECT_EQ(file.ops(), (std::vector<std::string>{"Cast", "SequenceConstruct", "SequenceAt", "Cast"}));
  for (const NodeSaid& node : file.nodes) EXPECT_EQ(node.domain, node.op == "Cast" ? "" : "weft") << node.op;
  EXPECT_EQ(file.opsets, (SaidOpsets{{"", 26}, {"weft", 1}}));
  expect_error(net.save(26).status(), Code::kUnimplemented,
               "no opset has such a node of SequenceConstruct: its input 0 could not be bf16[2]");
  Result<std::string> described = inspect_onnx_bytes(builtin_ops(), *net.save(0), "");
  ASSERT_TRUE(described.ok()) << described.status().text();
  EXPECT_NE(described->find("weft.SequenceConstruct"), std::string::npos) << *described;
  EXPECT_EQ(described->find("is not known"), std::string::npos) << *described;
}

// What is kept for training is what it was, to the node.
TEST(OnnxTypes, OfAGraphThatIsKeptForWeftStay) {
  Net net({Dim(2)}, DType::kF16);
  net.add("Celu", {net.x}, {{"alpha", 0.1}});
  Result<std::string> bytes = net.save(0, true);
  ASSERT_TRUE(bytes.ok()) << bytes.status().text();
  const FileSaid file = said(*bytes);
  ASSERT_EQ(file.nodes.size(), 1u);
  EXPECT_EQ(file.first().op, "Celu");
  EXPECT_EQ(file.first().domain, "weft");
  Result<std::shared_ptr<Graph>> again = load(*bytes);
  ASSERT_TRUE(again.ok()) << again.status().text();
  const Node& node = (*again)->producer((*again)->outputs()[0]);
  EXPECT_TRUE(node.is("Celu"));
  EXPECT_EQ(node.attrs.f("alpha"), double{0.1f});
}

}  // namespace
}  // namespace weft
