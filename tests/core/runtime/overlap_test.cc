// Prepared calls whose outputs are bound to memory of inputs or of one another.
#include "tests/core/runtime/model_common.h"

namespace weft {
namespace {

TEST(Overlap, AnOutputNeedsMemoryOfItsOwn) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  Expr x(scope, *graph->add_input("x", ValueType::tensor(DType::kF32, {2, 2})));
  Expr turned = transpose(x, {1, 0}), negated = make(scope, "Neg", {x});
  auto session = *Session::make(graph, {});
  auto call = *session->prepare({{x.id()}, {turned.id(), negated.id()}, {}});
  std::shared_ptr<Buffer> memory = *Buffer::allocate(8 * sizeof(float));
  auto at = [&](int64_t first) { return *Tensor::over(DType::kF32, {2, 2}, memory, first * 4); };
  Tensor a = at(0), b = at(4);
  std::fill_n(static_cast<float*>(memory->data()), 8, 1.0f);
  ASSERT_TRUE(call->bind_input(0, a).ok());
  for (int64_t first : {0, 1, 3}) {
    ASSERT_TRUE(call->bind_output(0, at(first)).ok());
    Status status = call->run({});
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_NE(status.text().find("output 0 is bound to memory of input 0 ('x')"), std::string::npos) << status.text();
  }
  // What lies beside it is its own, and two tensors can be swapped one after the other.
  ASSERT_TRUE(call->bind_output(0, b).ok());
  ASSERT_TRUE(call->run({}).ok());
  ASSERT_TRUE(call->bind_input(0, b).ok());
  EXPECT_FALSE(call->run({}).ok());
  ASSERT_TRUE(call->bind_output(0, a).ok());
  ASSERT_TRUE(call->run({}).ok());
  ASSERT_TRUE(call->bind_output(1, at(2)).ok());
  EXPECT_EQ(call->run({}).code(), Code::kInvalidArgument);
  ASSERT_TRUE(call->bind_input(0, *Tensor::make(DType::kF32, {2, 2})).ok());
  Status status = call->run({});
  EXPECT_NE(status.text().find("outputs 0 and 1 are bound to the same memory"), std::string::npos) << status.text();
  ASSERT_TRUE(call->bind_output(1, b).ok());
  EXPECT_TRUE(call->run({}).ok());
}

TEST(Overlap, StringsAreMemoryToo) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  Expr x(scope, *graph->add_input("x", ValueType::tensor(DType::kString, {2})));
  Expr c(scope, *graph->add_input("c", ValueType::tensor(DType::kBool, {2})));
  Expr chosen = where(c, x, constant(scope, *Tensor::from_strings({1}, {"none"})));
  auto session = *Session::make(graph, {});
  auto call = *session->prepare({{x.id(), c.id()}, {chosen.id(), chosen.id()}, {}});
  Tensor in = *Tensor::from_strings({2}, {"a", "bc"}), out = *Tensor::make(DType::kString, {2});
  ASSERT_TRUE(call->bind_input(0, in).ok());
  ASSERT_TRUE(call->bind_input(1, *Tensor::from_bytes(DType::kBool, {2}, "\0\1", 2)).ok());
  ASSERT_TRUE(call->bind_output(0, in).ok());
  expect_error(call->run({}), Code::kInvalidArgument, "output 0 is bound to memory of input 0 ('x')");
  ASSERT_TRUE(call->bind_output(0, out).ok());
  ASSERT_TRUE(call->bind_output(1, out).ok());
  expect_error(call->run({}), Code::kInvalidArgument, "outputs 0 and 1 are bound to the same memory");
  ASSERT_TRUE(call->bind_output(1, Tensor()).ok());
  ASSERT_TRUE(call->run({}).ok());
  EXPECT_EQ(out.strings(), (std::vector<std::string>{"none", "bc"}));
  EXPECT_EQ(in.strings(), (std::vector<std::string>{"a", "bc"}));
}

}  // namespace
}  // namespace weft
