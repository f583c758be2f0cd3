// What can be checked without knowing a rank is checked: gradients rely on it.
#include <gtest/gtest.h>

#include "core/graph/expr.h"
#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

struct Unranked {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  Expr input(const char* name, DType dtype) { return Expr(scope, *graph->add_input(name, ValueType::unranked(dtype))); }
};

TEST(UnknownRank, TransposeTakesPermutationsAlone) {
  for (const std::vector<int64_t>& perm : {std::vector<int64_t>{0, 1'000'000}, {-1, 0}, {1, 1}}) {
    Unranked t;
    make(t.scope, "Transpose", {t.input("x", DType::kF32)}, {{"perm", perm}});
    EXPECT_NE(t.scope.status().text().find("is not a permutation"), std::string::npos) << t.scope.status().text();
  }
  Unranked t;
  Expr y = make(t.scope, "Transpose", {t.input("x", DType::kF32)}, {{"perm", std::vector<int64_t>{1, 0}}});
  EXPECT_TRUE(t.scope.status().ok());
  EXPECT_EQ(y.rank(), 2);
}

TEST(UnknownRank, GatherNDHasFewBatchDimensions) {
  Unranked t;
  make(t.scope, "GatherND", {t.input("x", DType::kF32), t.input("i", DType::kI64)},
       {{"batch_dims", int64_t{2147483647}}});
  EXPECT_NE(t.scope.status().text().find("'batch_dims' is 2147483647 but must be 0 to 63"), std::string::npos)
      << t.scope.status().text();
}

// Whether the size of a window is a scalar or a list of one, only the run may tell.
TEST(UnknownRank, AWindowTakesAScalarAndAListOfOne) {
  Unranked t;
  Expr size = t.input("size", DType::kI64);
  Expr y = make(t.scope, "HannWindow", {size}, {{"output_datatype", static_cast<int64_t>(DType::kF64)}});
  ASSERT_TRUE(t.scope.status().ok()) << t.scope.status().text();
  auto session = *Session::make(t.graph, {});
  for (const Tensor& given : {Tensor::scalar<int64_t>(4), Tensor::vector<int64_t>({4})}) {
    std::vector<Tensor> out;
    Status status = session->run({{size.id()}, {y.id()}, {}}, {given}, {}, &out);
    ASSERT_TRUE(status.ok()) << status.text();
    ASSERT_EQ(out[0].count(), 4);
    EXPECT_NEAR(out[0].as<double>()[2], 1, 1e-15);
  }
}

// A matrix product over a batch of none, whose gradient is zero; dy is a constant of no elements.
TEST(EmptyBatch, TheGradientOfAProductIsZero) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  Expr a(scope, *graph->add_input("a", ValueType::tensor(DType::kF32, {Dim(100)})));
  Expr b(scope, *graph->add_input("b", ValueType::tensor(DType::kF32, {Dim(0), Dim(100), Dim(1000)})));
  std::vector<ValueId> d = *differentiate(*graph, {matmul(a, b).id()}, {a.id(), b.id()}, {});
  auto session = *Session::make(graph, {});
  Tensor x = *Tensor::make(DType::kF32, {100}), y = *Tensor::make(DType::kF32, {0, 100, 1000});
  std::fill_n(x.as<float>(), 100, 1.0f);
  std::vector<Tensor> out;
  Status status = session->run({{a.id(), b.id()}, d, {}}, {x, y}, {}, &out);
  ASSERT_TRUE(status.ok()) << status.text();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(out[0].as<float>()[i], 0.0f);
  EXPECT_EQ(out[1].count(), 0);
}

}  // namespace
}  // namespace weft
