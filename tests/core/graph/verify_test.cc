// The verifier finds each kind of damage that a pass could do.
#include <gtest/gtest.h>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"

namespace weft {

struct GraphDamage {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  Expr x{scope, *graph->add_input("x", ValueType::tensor(DType::kF32, {Dim::symbol("n"), 3}))};
  Expr y = make(scope, "Softmax", {x});
  Expr z = y + x;

  Node& node(Expr of) { return graph->nodes_[graph->values_[of.id()].node]; }
  Value& value(Expr of) { return graph->values_[of.id()]; }
  void expect(const char* text) {
    Status status = graph->verify();
    EXPECT_EQ(status.code(), Code::kInternal) << status.text();
    EXPECT_NE(status.text().find(text), std::string::npos) << status.text();
  }
};

TEST(Verify, AGraphAsBuiltIsFine) {
  GraphDamage d;
  Status status = d.graph->verify();
  EXPECT_TRUE(status.ok()) << status.text();
}

TEST(Verify, ANodeBeforeWhatItNeeds) {
  GraphDamage d;
  d.node(d.y).inputs[0] = d.z.id();
  d.expect("comes later");
}

TEST(Verify, AnInputThatIsNoValue) {
  GraphDamage d;
  d.node(d.y).inputs[0] = 99;
  d.expect("no value of the graph");
}

TEST(Verify, AnOutputOfAnotherNode) {
  GraphDamage d;
  d.value(d.y).node = d.value(d.z).node;
  d.expect("is not its own");
}

TEST(Verify, AShapeThatInferenceDeniesAndADType) {
  GraphDamage shape, dtype;
  shape.value(shape.z).type = ValueType::tensor(DType::kF32, {Dim::symbol("n"), 4});
  shape.expect("but inference says");
  dtype.value(dtype.z).type = ValueType::tensor(DType::kF64, {Dim::symbol("n"), 3});
  dtype.expect("but inference says");
}

TEST(Verify, LessKnownIsNoDamage) {
  GraphDamage d;
  d.value(d.z).type.has_rank = false;
  d.value(d.z).type.dims.clear();
  EXPECT_TRUE(d.graph->verify().ok());
}

}  // namespace weft
