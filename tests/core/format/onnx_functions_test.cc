// Functions of a model's own: what their nodes compute stands in place of a node of their name.
#include "core/base/cancel.h"
#include "tests/core/expect_error.h"
#include "tests/core/format/onnx_common.h"

namespace weft {
namespace {

// The attribute of a node in a function that stands for one of the function's.
Message reference(const std::string& name, const std::string& to, int64_t type) {
  return Message().text(1, name).text(21, to).number(20, type);
}

struct FunctionParts {
  std::string name;
  Strings inputs, outputs;
  std::vector<Message> nodes;
  Strings attributes{};
  std::vector<Message> defaults{};
  int64_t opset = 26;
  std::string overload{};
};
Message function_proto(const FunctionParts& parts) {
  Message out = Message().text(1, parts.name).texts(4, parts.inputs).texts(5, parts.outputs).texts(6, parts.attributes);
  for (const Message& node : parts.nodes) out.part(7, node);
  for (const Message& value : parts.defaults) out.part(11, value);
  out.part(9, Message().text(1, "").number(2, parts.opset)).part(9, Message().text(1, "own").number(2, 1));
  return out.text(10, "own").text(13, parts.overload);
}
Message call(const std::string& name, const Strings& inputs, const Strings& outputs,
             const std::vector<Message>& attributes = {}, const std::string& overload = "") {
  return node_proto(name, inputs, outputs, attributes, "own").text(8, overload);
}

// y of x, which is f32[2] of -1 and 3.
Result<std::vector<Tensor>> y_of(const std::vector<Message>& nodes, const std::vector<FunctionParts>& functions,
                                 const Strings& outputs = {"y"}) {
  std::vector<Message> protos, values;
  for (const FunctionParts& function : functions) protos.push_back(function_proto(function));
  for (const std::string& output : outputs) values.push_back(value_proto(output, kFloat, {2}));
  WEFT_TRY(auto graph, load(model_bytes({nodes, {}, {value_proto("x", kFloat, {2})}, values}, 26, protos)));
  for (size_t i = 0; i < outputs.size(); ++i) EXPECT_EQ(graph->value(graph->outputs()[i]).name, outputs[i]);
  return run_graph(graph, {Tensor::vector<float>({-1, 3})});
}
void expect_y(const std::vector<Message>& nodes, const std::vector<FunctionParts>& functions,
              const std::vector<float>& y) {
  auto outputs = y_of(nodes, functions);
  ASSERT_TRUE(outputs.ok()) << outputs.status().text();
  EXPECT_EQ(floats_of(outputs->at(0)), y);
}
void expect_refused(const std::vector<Message>& nodes, const std::vector<FunctionParts>& functions, Code code,
                    const std::string& message) {
  expect_error(y_of(nodes, functions).status(), code, message);
}

const FunctionParts kTwice{"Twice", {"a"}, {"b"}, {node_proto("Add", {"a", "a"}, {"b"})}};
// LeakyRelu's alpha is the function's `slope`, 2 if it is not given.
const FunctionParts kBent{"Bent", {"a"},
                          {"b"},  {node_proto("LeakyRelu", {"a"}, {"b"}, {reference("alpha", "slope", 1)})},
                          {},     {float_attribute("slope", 2)}};

TEST(OnnxFunctions, StandForTheirNodes) {
  expect_y({call("Twice", {"x"}, {"h"}), call("Twice", {"h"}, {"y"})}, {kTwice}, {-4, 12});
}

TEST(OnnxFunctions, AttributesAreThoseOfTheCall) {
  expect_y({call("Bent", {"x"}, {"y"})}, {kBent}, {-2, 3});
  expect_y({call("Bent", {"x"}, {"y"}, {float_attribute("slope", 0.5f)})}, {kBent}, {-0.5f, 3});
  // One that is not given and has no default is none: LeakyRelu's own default.
  FunctionParts plain = kBent;
  plain.attributes = {"slope"};
  plain.defaults = {};
  expect_y({call("Bent", {"x"}, {"y"})}, {plain}, {-0.01f, 3});
  expect_refused({call("Bent", {"x"}, {"y"}, {float_attribute("alpha", 0.5f)})}, {kBent}, Code::kInvalidArgument,
                 "the function 'Bent' has no attribute 'alpha'");
  expect_refused({node_proto("LeakyRelu", {"x"}, {"y"}, {reference("alpha", "slope", 1)})}, {}, Code::kDataLoss,
                 "attribute 'alpha' stands for one of a function, but the node is in none");
}

TEST(OnnxFunctions, CallEachOther) {
  FunctionParts outer{"Outer",
                      {"a"},
                      {"h"},
                      {call("Bent", {"a"}, {"b"}, {reference("slope", "s", 1)}), call("Twice", {"b"}, {"h"})},
                      {"s"}};
  expect_y({call("Outer", {"x"}, {"y"}, {float_attribute("s", 3)})}, {outer, kTwice, kBent}, {-6, 6});
  expect_y({call("Outer", {"x"}, {"y"})}, {outer, kTwice, kBent}, {-4, 6});
}

TEST(OnnxFunctions, OverloadsAreFunctionsOfTheirOwn) {
  FunctionParts thrice = kTwice;
  thrice.overload = "three";
  thrice.nodes = {node_proto("Sum", {"a", "a", "a"}, {"b"})};
  expect_y({call("Twice", {"x"}, {"y"}, {}, "three")}, {kTwice, thrice}, {-3, 9});
  expect_y({call("Twice", {"x"}, {"y"})}, {kTwice, thrice}, {-2, 6});
  expect_refused({call("Twice", {"x"}, {"y"}, {}, "four")}, {kTwice, thrice}, Code::kUnimplemented,
                 "the operator own.Twice is not known");
  expect_refused({call("Twice", {"x"}, {"y"})}, {kTwice, kTwice}, Code::kDataLoss,
                 "it has two functions 'Twice' of the domain 'own'");
}

TEST(OnnxFunctions, SpeakTheirOwnOpset) {
  FunctionParts old{"Old",
                    {"a"},
                    {"b"},
                    {node_proto("Unsqueeze", {"a"}, {"h"}, {ints_attribute("axes", {0})}),
                     node_proto("Squeeze", {"h"}, {"b"}, {ints_attribute("axes", {0})})}};
  old.opset = 11;
  expect_y({call("Old", {"x"}, {"h"}), node_proto("Neg", {"h"}, {"y"})}, {old}, {1, -3});
  old.opset = 26;
  expect_refused({call("Old", {"x"}, {"y"})}, {old}, Code::kInvalidArgument, "there is no attribute 'axes'");
  old.opset = 99;
  expect_refused({call("Old", {"x"}, {"y"})}, {old}, Code::kUnimplemented, "the function 'Old': it is of opset 99");
}

TEST(OnnxFunctions, OutputsThatAreInputsHaveNamesOfTheirOwn) {
  FunctionParts pass{"Pass", {"a"}, {"a", "b", "b"}, {node_proto("Neg", {"a"}, {"b"})}};
  auto outputs = y_of({call("Pass", {"x"}, {"p", "q", "r"})}, {pass}, {"p", "q", "r"});
  ASSERT_TRUE(outputs.ok()) << outputs.status().text();
  EXPECT_EQ(floats_of(outputs->at(0)), (std::vector<float>{-1, 3}));
  EXPECT_EQ(floats_of(outputs->at(1)), (std::vector<float>{1, -3}));
  EXPECT_EQ(floats_of(outputs->at(2)), (std::vector<float>{1, -3}));
}

Message branch(const std::vector<Message>& nodes, const std::string& output) {
  return graph_proto({nodes, {}, {}, {value_proto(output, kFloat, {2})}});
}
const Message kAnyNegative = node_proto("ReduceMin", {"x"}, {"least"}, {int_attribute("keepdims", 0)});
const Message kCondition = node_proto("Less", {"least", "least"}, {"never"});

TEST(OnnxFunctions, InputsMayBeLeftOut) {
  FunctionParts clip{"Limit", {"a", "low", "high"}, {"b"}, {node_proto("Clip", {"a", "low", "high"}, {"b"})}};
  Message one = node_proto("ReduceMax", {"x"}, {"most"}, {int_attribute("keepdims", 0)});
  Message none = node_proto("Neg", {"most"}, {"least"});
  expect_y({call("Limit", {"x"}, {"y"})}, {clip}, {-1, 3});
  expect_y({one, none, node_proto("Neg", {"x"}, {"z"}), call("Limit", {"z", "", "most"}, {"y"})}, {clip}, {1, -3});
  expect_y({one, none, node_proto("Add", {"x", "x"}, {"z"}), call("Limit", {"z", "least", "most"}, {"y"})}, {clip},
           {-2, 3});
  // Also where a branch of the function uses one.
  FunctionParts inside{
      "Inside",
      {"c", "a", "low"},
      {"b"},
      {node_proto("If", {"c"}, {"b"},
                  {graph_attribute("then_branch", branch({node_proto("Neg", {"a"}, {"t"})}, "t")),
                   graph_attribute("else_branch", branch({node_proto("Clip", {"a", "low"}, {"e"})}, "e"))})}};
  expect_y({kAnyNegative, kCondition, call("Inside", {"never", "x"}, {"y"})}, {inside}, {-1, 3});
  expect_y({one, kAnyNegative, kCondition, call("Inside", {"never", "x", "most"}, {"y"})}, {inside}, {3, 3});
  FunctionParts nothing{"Nothing", {"a", "n"}, {"n"}, {}};
  expect_refused({call("Nothing", {"x"}, {"y"})}, {nothing}, Code::kInvalidArgument,
                 "the output 'y' is an input of the function that is not given");
  FunctionParts attached{
      "Attached", {"n"}, {"b"}, {node_proto("Attach", {"n", "n"}, {}, {}, "weft"), node_proto("Neg", {"n"}, {"b"})}};
  expect_refused({call("Attached", {""}, {"y"})}, {attached}, Code::kDataLoss, "its first input is not given");
  expect_refused({call("Limit", {"x", "x", "x", "x"}, {"y"})}, {clip}, Code::kInvalidArgument,
                 "has 3 inputs and 1 outputs, but the node has 4 and 1");
  expect_refused({call("Limit", {""}, {"y"})}, {clip}, Code::kInvalidArgument, "in the function 'Limit': ");
}

TEST(OnnxFunctions, AreCalledInBranchesAndHaveSome) {
  // The branches of the function see its values, not those of the model.
  FunctionParts pick{"Pick",
                     {"c", "a"},
                     {"b"},
                     {node_proto("Neg", {"a"}, {"x"}),
                      node_proto("If", {"c"}, {"b"},
                                 {graph_attribute("then_branch", branch({node_proto("Identity", {"a"}, {"t"})}, "t")),
                                  graph_attribute("else_branch", branch({call("Twice", {"x"}, {"e"})}, "e"))})}};
  expect_y({kAnyNegative, kCondition, call("Pick", {"never", "x"}, {"y"})}, {pick, kTwice}, {2, -6});
  Message inside = node_proto("If", {"never"}, {"y"},
                              {graph_attribute("then_branch", branch({node_proto("Neg", {"x"}, {"t"})}, "t")),
                               graph_attribute("else_branch", branch({call("Pick", {"never", "x"}, {"e"})}, "e"))});
  expect_y({kAnyNegative, kCondition, inside}, {pick, kTwice}, {2, -6});
  FunctionParts nosy{"Nosy", {"a"}, {"b"}, {node_proto("Add", {"a", "x"}, {"b"})}};
  expect_refused({call("Nosy", {"x"}, {"y"})}, {nosy}, Code::kInvalidArgument,
                 "in the function 'Nosy': it uses 'x', which nothing before it makes");
}

TEST(OnnxFunctions, GraphsThatTheyAreGivenAreInTheWordsOfTheCall) {
  FunctionParts either{
      "Either",
      {"c"},
      {"b"},
      {node_proto("If", {"c"}, {"b"}, {reference("then_branch", "first", 5), reference("else_branch", "second", 5)})},
      {"first", "second"}};
  Message given = call("Either", {"never"}, {"y"},
                       {graph_attribute("first", branch({node_proto("Neg", {"x"}, {"t"})}, "t")),
                        graph_attribute("second", branch({call("Twice", {"x"}, {"e"})}, "e"))});
  expect_y({kAnyNegative, kCondition, given}, {either, kTwice}, {-2, 6});
}

TEST(OnnxFunctions, NoFileMakesThemEndless) {
  FunctionParts self{"Self", {"a"}, {"b"}, {call("Self", {"a"}, {"b"})}};
  expect_refused({call("Self", {"x"}, {"y"})}, {self}, Code::kDataLoss, "the function 'Self' calls itself");
  std::vector<FunctionParts> chain, tree;
  for (int i = 0; i < 70; ++i) {
    const std::string name = "F" + std::to_string(i), next = "F" + std::to_string(i + 1);
    chain.push_back({name, {"a"}, {"b"}, {call(next, {"a"}, {"b"})}});
    tree.push_back({name, {"a"}, {"b"}, {call(next, {"a"}, {"h"}), call(next, {"h"}, {"b"})}});
  }
  expect_refused({call("F0", {"x"}, {"y"})}, chain, Code::kUnimplemented, "call each other more than 64 deep");
  tree.resize(40);
  tree.push_back({"F40", {"a"}, {"a"}, {}});
  // Before any of the 2^40 calls.
  const int64_t begin = monotonic_ns();
  expect_refused({call("F0", {"x"}, {"y"})}, tree, Code::kUnimplemented, "its functions come to more than");
  EXPECT_LT(monotonic_ns() - begin, 5'000'000'000);
  tree.push_back({"F30", {"a"}, {"a"}, {}});
  tree.erase(tree.begin() + 30, tree.begin() + 40);
  tree[0] = {"F0", {"a"}, {"b"}, {call("F29", {"a"}, {"b"})}};
  expect_y({call("F0", {"x"}, {"y"})}, tree, {-1, 3});
}

Message tensor_attribute(const Message& tensor) { return Message().text(1, "value").part(5, tensor).number(20, 4); }

TEST(OnnxFunctions, GraphsThatTheyAreGivenCountEachTime) {
  std::vector<FunctionParts> tree{
      {"Pass", {"a"}, {"a"}, {}},
      {"G0",
       {"c", "a"},
       {"b"},
       {node_proto("If", {"c"}, {"b"}, {reference("then_branch", "g", 5), reference("else_branch", "g", 5)})},
       {"g"}}};
  for (int i = 1; i < 10; ++i) {
    const std::string name = "G" + std::to_string(i), next = "G" + std::to_string(i - 1);
    const std::vector<Message> given{reference("g", "g", 5)};
    tree.push_back(
        {name, {"c", "a"}, {"b"}, {call(next, {"c", "a"}, {"h"}, given), call(next, {"c", "h"}, {"b"}, given)}, {"g"}});
  }
  std::vector<Message> passes;
  for (int i = 0; i < 1500; ++i) passes.push_back(call("Pass", {"x"}, {"t" + std::to_string(i)}));
  const Message always =
      node_proto("Constant", {}, {"always"}, {tensor_attribute(Message().number(2, 9).text(9, "\1"))});
  const std::vector<Message> given{graph_attribute("g", branch(passes, "t1499"))};
  expect_y({always, call("G2", {"always", "x"}, {"y"}, given)}, tree, {-1, 3});
  expect_refused({always, call("G9", {"always", "x"}, {"y"}, given)}, tree, Code::kUnimplemented,
                 "its functions come to more than");
}

TEST(OnnxFunctions, CallsShareTensors) {
  const FunctionParts more{"More",
                           {"a"},
                           {"b"},
                           {node_proto("Constant", {}, {"k"}, {tensor_attribute(tensor_proto("", {2}, 1))}),
                            node_proto("Add", {"a", "k"}, {"b"})}};
  const std::vector<Message> calls{call("More", {"x"}, {"g"}), call("More", {"g"}, {"h"}), call("More", {"h"}, {"y"})};
  expect_y(calls, {more}, {2, 6});
  auto graph = load(model_bytes({calls, {}, {value_proto("x", kFloat, {2})}, {value_proto("y", kFloat, {2})}}, 26,
                                {function_proto(more)}));
  ASSERT_TRUE(graph.ok()) << graph.status().text();
  std::vector<const Buffer*> buffers;
  for (ValueId id = 0; id < (*graph)->value_count(); ++id) {
    if ((*graph)->value(id).constant != nullptr) buffers.push_back((*graph)->value(id).constant->buffer().get());
  }
  EXPECT_EQ(buffers, std::vector<const Buffer*>(3, buffers.at(0)));
}

}  // namespace
}  // namespace weft
