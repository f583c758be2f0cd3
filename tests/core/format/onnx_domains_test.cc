// Domains that a model names beside ONNX's own, and their versions.
#include "tests/core/expect_error.h"
#include "tests/core/format/onnx_common.h"

namespace weft {
namespace {

// Version 3 of the domain renamed the attribute `by` of Shift.
Status by_is_amount(UpgradeContext& c) {
  if (const AttrValue* by = c.attrs.find("by")) {
    c.attrs.set("amount", *by);
    c.attrs.erase("by");
  }
  return {};
}

const OpRegistry& registry() {
  static const OpRegistry* out = [] {
    auto* ops = new OpRegistry;
    ops->add(kWeftDomain, "Input").output("output", "f32", "");
    auto shift = [](OpDef& op) {
      op.types("T", set_of(DType::kF32)).input("X", "T", "").output("Y", "T", "").infer(infer_same_as_first);
    };
    shift(ops->add(kMlDomain, "Shift").attr("amount", 1.0, "").since(3).upgrade(3, by_is_amount));
    shift(ops->add("Identity"));
    shift(ops->add(kOnnxDomain, "Shift").attr("amount", 1.0, "").since(5).upgrade(5, by_is_amount));
    return ops;
  }();
  return *out;
}

using Imports = std::vector<std::pair<std::string, int64_t>>;

Bytes model_of(const std::vector<Message>& nodes, const Imports& imports) {
  Message out = Message().number(1, 8);
  for (const auto& [domain, version] : imports) out.part(8, Message().text(1, domain).number(2, version));
  return out.part(7, graph_proto({nodes, {}, {value_proto("x", kFloat, {2})}, {value_proto("y", kFloat, {2})}})).str();
}

Result<std::shared_ptr<Graph>> load_model(const std::vector<Message>& nodes, const Imports& imports) {
  return load_onnx_bytes(registry(), model_of(nodes, imports), "", {});
}

Message shift(const std::string& attribute, const std::string& domain = "ai.onnx.ml") {
  return node_proto("Shift", {"x"}, {"y"}, {float_attribute(attribute, 0.1f)}, domain);
}

double amount_of(const Result<std::shared_ptr<Graph>>& graph) {
  EXPECT_TRUE(graph.ok()) << graph.status().text();
  return graph.ok() ? (*graph)->producer((*graph)->outputs()[0]).attrs.f("amount") : 0;
}

TEST(OnnxDomains, NodesAreOfTheVersionOfTheirDomain) {
  EXPECT_EQ(amount_of(load_model({shift("amount")}, {{"", 1}, {"ai.onnx.ml", 3}})), double{0.1f});
  EXPECT_EQ(amount_of(load_model({shift("by")}, {{"", 26}, {"ai.onnx.ml", 2}})), double{0.1f});
  expect_error(load_model({shift("by")}, {{"", 1}, {"ai.onnx.ml", 3}}).status(), Code::kInvalidArgument, "'by'");
  // An operator of ONNX's own domain has that domain's version, whatever its name.
  EXPECT_EQ(amount_of(load_model({shift("amount", "")}, {{"", 5}, {"ai.onnx.ml", 1}})), double{0.1f});
  EXPECT_EQ(amount_of(load_model({shift("by", "ai.onnx")}, {{"ai.onnx", 4}, {"ai.onnx.ml", 5}})), double{0.1f});
}

TEST(OnnxDomains, AreNamedByWhoUsesThem) {
  EXPECT_EQ(amount_of(load_model({shift("by")}, {{"ai.onnx.ml", 1}})), double{0.1f});
  expect_error(load_model({shift("by")}, {{"", 26}}).status(), Code::kDataLoss,
               "a node of the domain 'ai.onnx.ml' but does not say of which version");
  expect_error(load_model({shift("by", "")}, {{"ai.onnx.ml", 1}}).status(), Code::kDataLoss,
               "a node of the domain '' but does not say of which version");
  // Models from before versions name none, and mean the first.
  EXPECT_EQ(amount_of(load_model({shift("by", "")}, {})), double{0.1f});
  EXPECT_EQ(amount_of(load_model({shift("by")}, {})), double{0.1f});
}

TEST(OnnxDomains, MayStandUnused) {
  const Imports imports = {{"", 26}, {"ai.onnx.ml", 99}, {"com.example", 7}, {"com.example", 7}};
  EXPECT_EQ(amount_of(load_model({shift("amount", "")}, imports)), double{0.1f});
  for (int64_t version : {int64_t{6}, int64_t{-1}, int64_t{1} << 40}) {
    expect_error(load_model({shift("amount")}, {{"", 26}, {"ai.onnx.ml", version}}).status(), Code::kUnimplemented,
                 "a version of the domain ai.onnx.ml that cannot be read; versions 1 to 5 can be");
  }
}

TEST(OnnxDomains, HaveOneVersion) {
  EXPECT_EQ(amount_of(load_model({shift("by")}, {{"ai.onnx.ml", 2}, {"", 26}, {"ai.onnx.ml", 2}})), double{0.1f});
  expect_error(load_model({shift("by")}, {{"ai.onnx.ml", 2}, {"ai.onnx.ml", 3}}).status(), Code::kDataLoss,
               "it names the domain 'ai.onnx.ml' twice, as version 2 and 3");
  expect_error(load_model({shift("by", "")}, {{"", 2}, {"ai.onnx", 3}}).status(), Code::kDataLoss,
               "it names the domain '' twice, as version 2 and 3");
}

TEST(OnnxDomains, AreNamedInFilesThatUseThem) {
  auto saved = [](const std::vector<Message>& nodes) {
    auto graph = load_model(nodes, {{"", 26}, {"ai.onnx.ml", 5}});
    EXPECT_TRUE(graph.ok()) << graph.status().text();
    auto bytes = save_onnx_bytes(**graph, (*graph)->outputs(), {}, {});
    EXPECT_TRUE(bytes.ok()) << bytes.status().text();
    return *bytes;
  };
  const Bytes with = saved({shift("amount")}), without = saved({shift("amount", "")});
  EXPECT_NE(with.find("ai.onnx.ml"), Bytes::npos);
  EXPECT_EQ(without.find("ai.onnx.ml"), Bytes::npos);
  EXPECT_EQ(amount_of(load_onnx_bytes(registry(), with, "", {})), double{0.1f});
  EXPECT_EQ(amount_of(load_onnx_bytes(registry(), without, "", {})), double{0.1f});
}

// As skl2onnx writes GaussianProcessClassifier; expected values from numpy.linalg.solve.
TEST(OnnxDomains, SolveOfSkl2onnxIsThatOfScipy) {
  const Tensor a = *Tensor::vector<float>({2, 0, 1, 4}).reshaped({2, 2}),
               y = *Tensor::vector<float>({2, 6}).reshaped({2, 1});
  const auto solved = [&](bool transposed) {
    const Message node =
        node_proto("Solve", {"x", "w"}, {"y"}, {int_attribute("lower", 0), int_attribute("transposed", transposed)},
                   "com.microsoft");
    const Message model = Message().number(1, 8).part(8, Message().text(1, "").number(2, 18));
    const GraphParts parts{{node},
                           {},
                           {value_proto("x", kFloat, {2, 2}), value_proto("w", kFloat, {2, -1})},
                           {value_proto("y", kFloat, {2, -1})}};
    const Bytes bytes =
        Message(model).part(8, Message().text(1, "com.microsoft").number(2, 1)).part(7, graph_proto(parts)).str();
    auto graph = load_onnx_bytes(builtin_ops(), bytes, "", {});
    EXPECT_TRUE(graph.ok()) << graph.status().text();
    auto out = run_graph(*graph, {a, y});
    EXPECT_TRUE(out.ok()) << out.status().text();
    return floats_of((*out)[0]);
  };
  EXPECT_EQ(solved(false), (std::vector<float>{1, 1.25f}));  // [2 0; 1 4] X = [2; 6]
  EXPECT_EQ(solved(true), (std::vector<float>{0.25f, 1.5f}));
}

TEST(OnnxDomains, OfGraphsHaveAVersionThatIsThere) {
  EXPECT_TRUE(Graph::make(registry(), 5, kMlDomain).ok());
  expect_error(Graph::make(registry(), 6, kMlDomain).status(), Code::kInvalidArgument,
               "opset 6 of ai.onnx.ml is not supported; it must be 1 to 5");
  auto graph = Graph::make(registry(), 2, kMlDomain);
  auto x = (*graph)->add_input("x", ValueType::tensor(DType::kF32, {Dim(2)}));
  Attrs attrs;
  attrs.set("by", 3.0);
  auto node = (*graph)->add(kMlDomain, "Shift", {*x}, attrs);
  ASSERT_TRUE(node.ok()) << node.status().text();
  EXPECT_EQ((*graph)->node(*node).attrs.f("amount"), 3);
}

}  // namespace
}  // namespace weft
