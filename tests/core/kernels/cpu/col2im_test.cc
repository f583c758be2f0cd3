// Images from blocks: what is too large for a case file.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

// Each of 256 blocks has an element on the one pixel there is. All true, they are true, though a byte that counts them is 0.
TEST(Col2Im, TruthValuesAreNotCounted) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  const ValueId x = *graph->add_input("x", ValueType::tensor(DType::kBool, {Dim(1), Dim(256), Dim(256)}));
  const Expr y = make(scope, "Col2Im", {Expr(scope, x), constant_ints(scope, {1}), constant_ints(scope, {256})},
                      {{"pads", std::vector<int64_t>{255, 255}}});
  ASSERT_TRUE(scope.status().ok()) << scope.status().text();
  Tensor blocks = *Tensor::make(DType::kBool, {1, 256, 256});
  std::fill_n(blocks.as<bool>(), blocks.count(), true);
  Signature signature;
  signature.feeds = {x};
  signature.fetches = {y.id()};
  std::vector<Tensor> out;
  Status status = (*Session::make(graph, {}))->run(signature, {blocks}, {}, &out);
  ASSERT_TRUE(status.ok()) << status.text();
  ASSERT_EQ(out[0].shape(), (Shape{1, 1, 1}));
  EXPECT_TRUE(*out[0].as<bool>());
}

}  // namespace
}  // namespace weft
