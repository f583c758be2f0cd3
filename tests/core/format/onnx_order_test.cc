// Nodes of a file that stand in no order in which they could be computed.
#include "core/format/onnx_order.h"

#include "tests/core/expect_error.h"
#include "tests/core/format/onnx_common.h"

namespace weft {
namespace {

Status loaded(const std::vector<Message>& nodes, const std::vector<Message>& functions = {}) {
  return load(model_bytes({nodes, {}, {value_proto("x", kFloat, {2})}, {value_proto("y", kFloat, {2})}}, 26, functions))
      .status();
}
Message named(const std::string& name, const std::string& op, const Strings& inputs, const std::string& output) {
  return node_proto(op, inputs, {output}, {}, "", name);
}

TEST(OnnxOrder, ACycleIsNamedByItsNodes) {
  const Status status =
      loaded({named("first", "Add", {"x", "c"}, "a"), named("", "Neg", {"a"}, "b"), named("beside", "Neg", {"a"}, "d"),
              named("last", "Relu", {"b"}, "c"), named("", "Neg", {"c"}, "y")});
  expect_error(status, Code::kInvalidArgument,
               "it uses 'c', which comes of what it gives: 'first' -> 'b' -> 'last' -> 'first' is a cycle");
  EXPECT_NE(status.text().find("first"), std::string::npos);
  EXPECT_EQ(status.op(), "Add");
  expect_error(loaded({named("own", "Add", {"x", "y"}, "y")}), Code::kInvalidArgument,
               "it uses 'y', which comes of what it gives: 'own' -> 'own' is a cycle");
}

TEST(OnnxOrder, OfALongCycleTheEndsAreNamed) {
  std::vector<Message> nodes = {named("0", "Add", {"x", "v9"}, "v0")};
  for (int i = 1; i < 10; ++i) nodes.push_back(named(cat(i), "Neg", {cat("v", i - 1)}, cat("v", i)));
  expect_error(loaded(nodes), Code::kInvalidArgument,
               "'0' -> '1' -> '2' -> '3' -> ... -> '6' -> '7' -> '8' -> '9' -> '0' is a cycle");
}

TEST(OnnxOrder, ANodeThatStandsTooLateIsNamed) {
  expect_error(
      loaded({named("early", "Neg", {"later"}, "y"), named("late", "Exp", {"x"}, "later")}), Code::kInvalidArgument,
      "it uses 'later', which a later node of Exp makes, 'late'; the nodes of a file must stand in the order in "
      "which they are computed");
  expect_error(loaded({named("", "Neg", {"nowhere"}, "y"), named("late", "Exp", {"x"}, "later")}),
               Code::kInvalidArgument, "it uses 'nowhere', which nothing before it makes");
  expect_error(loaded({named("late", "Exp", {"x"}, "later")}), Code::kInvalidArgument, "nothing makes its output 'y'");
}

TEST(OnnxOrder, NodesOfFunctionsAndSubgraphsAreLookedAt) {
  // A function: its name 1, input 4, output 5, nodes 7, opset 9, domain 10.
  Message function = Message().text(1, "Round").text(4, "a").text(5, "b");
  function.part(7, named("", "Add", {"a", "c"}, "b")).part(7, named("", "Neg", {"b"}, "c"));
  function.part(9, Message().text(1, "").number(2, 26)).text(10, "own");
  expect_error(loaded({node_proto("Round", {"x"}, {"y"}, {}, "own")}, {function}), Code::kInvalidArgument,
               "in the function 'Round': it uses 'c', which comes of what it gives: 'b' -> 'c' -> 'b' is a cycle");
  // A branch that uses what a node behind its own makes.
  const auto branch = [](const Message& node) {
    return graph_proto({{node}, {}, {}, {value_proto("o", kFloat, {2})}});
  };
  const Message choice = node_proto("If", {"flag"}, {"y"},
                                    {graph_attribute("then_branch", branch(named("", "Neg", {"later"}, "o"))),
                                     graph_attribute("else_branch", branch(named("", "Neg", {"x"}, "o")))});
  GraphParts parts{{choice, named("late", "Exp", {"x"}, "later")},
                   {},
                   {value_proto("x", kFloat, {2}), value_proto("flag", 9, {})},
                   {value_proto("y", kFloat, {2})}};
  expect_error(load(model_bytes(parts)).status(), Code::kInvalidArgument,
               "it uses 'later', which a later node of Exp makes, 'late'");
}

}  // namespace
}  // namespace weft
