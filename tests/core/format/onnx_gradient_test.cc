// Gradient of ai.onnx.preview.training, which names values around it. Expected numbers are worked out by hand.
#include "tests/core/expect_error.h"
#include "tests/core/format/onnx_common.h"

namespace weft {
namespace {

Message strings_attribute(const std::string& name, const Strings& values) {
  return Message().text(1, name).texts(9, values).number(20, 8);
}

Message gradient(const Strings& inputs, const Strings& outputs, const Strings& xs, const Strings& zs,
                 const std::string& y) {
  std::vector<Message> attributes = {strings_attribute("xs", xs), string_attribute("y", y)};
  if (!zs.empty()) attributes.push_back(strings_attribute("zs", zs));
  return node_proto("Gradient", inputs, outputs, attributes, "ai.onnx.preview.training");
}

// h = a * a, y = h * b, of a = {2, 3} and b = {5, 7}, and then these nodes.
Result<std::vector<std::vector<float>>> run_with(std::vector<Message> nodes, const Strings& outputs) {
  std::vector<Message> all = {node_proto("Mul", {"a", "a"}, {"h"}), node_proto("Mul", {"h", "b"}, {"y"})};
  for (Message& node : nodes) all.push_back(std::move(node));
  std::vector<Message> values;
  for (const std::string& output : outputs) values.push_back(value_proto(output, kFloat, {2}));
  Message model = Message().number(1, 8);
  model.part(8, Message().text(1, "").number(2, 26));
  model.part(8, Message().text(1, "ai.onnx.preview.training").number(2, 1));
  model.part(7, graph_proto({all, {}, {value_proto("a", kFloat, {2}), value_proto("b", kFloat, {2})}, values}));
  WEFT_TRY(auto graph, load(model.str()));
  WEFT_TRY(std::vector<Tensor> out, run_graph(graph, {Tensor::vector<float>({2, 3}), Tensor::vector<float>({5, 7})}));
  std::vector<std::vector<float>> floats;
  for (const Tensor& tensor : out) floats.push_back(floats_of(tensor));
  return floats;
}

using Lists = std::vector<std::vector<float>>;

void expect_out(const std::vector<Message>& nodes, const Strings& outputs, const Lists& want) {
  const auto out = run_with(nodes, outputs);
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_EQ(*out, want);
}

TEST(OnnxGradient, IsByTheValuesThatItNames) {
  expect_out({gradient({"a", "b"}, {"da", "db"}, {"a", "b"}, {}, "y")}, {"y", "da", "db"},
             {{20, 63}, {20, 42}, {4, 9}});
  expect_out({gradient({"a", "b"}, {"da"}, {"a"}, {"b"}, "y")}, {"da"}, {{20, 42}});
  expect_out({gradient({"h", "b"}, {"", "db"}, {"h", "b"}, {}, "y")}, {"db"}, {{4, 9}});
}

TEST(OnnxGradient, OfAGradientIsOfSecondOrder) {
  expect_out({gradient({"a", "b"}, {"da"}, {"a"}, {"b"}, "y"), gradient({"a"}, {"daa"}, {"a"}, {}, "da")},
             {"da", "daa"}, {{20, 42}, {10, 14}});
}

TEST(OnnxGradient, IsWhereItsInputsAre) {
  // With b in the place of a: h = b * b.
  expect_out({gradient({"b"}, {"da"}, {"a"}, {}, "h")}, {"h", "da"}, {{4, 9}, {10, 14}});
  // What h was made of plays no part where it is given itself.
  expect_out({gradient({"a", "b"}, {"dh"}, {"h"}, {"b"}, "y")}, {"dh"}, {{5, 7}});
}

TEST(OnnxGradient, IsZeroWhereNothingDepends) {
  expect_out({gradient({"a", "b"}, {"da", "db"}, {"a", "b"}, {}, "h")}, {"da", "db"}, {{4, 6}, {0, 0}});
}

TEST(OnnxGradient, SaysWhatItLacks) {
  const auto refused = [](const Message& node, Code code, const char* part) {
    expect_error(run_with({node}, {"y"}).status(), code, part);
  };
  refused(gradient({"a"}, {"da"}, {"a", "b"}, {}, "y"), Code::kInvalidArgument,
          "must have one for each of the 2 values");
  refused(gradient({"a"}, {"da"}, {"a"}, {}, "later"), Code::kInvalidArgument,
          "'later', which nothing before it makes");
  refused(gradient({"a"}, {"da"}, {}, {"a"}, "y"), Code::kInvalidArgument, "needs the attributes 'xs' and 'y'");
  refused(gradient({"a"}, {"da", "db"}, {"a"}, {}, "y"), Code::kInvalidArgument, "2 outputs for 1 values");
}

}  // namespace
}  // namespace weft
