// What can be checked without knowing a rank is checked: gradients rely on it.
#include <gtest/gtest.h>

#include "core/graph/expr.h"
#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"
#include "tests/core/expect_error.h"

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

TEST(UnknownRank, IsSaidByEnsureRank) {
  Unranked t;
  Expr x = t.input("x", DType::kF64);
  Expr y = make(t.scope, "weft.EnsureRank", {x}, {{"rank", int64_t{2}}});
  ASSERT_TRUE(t.scope.status().ok()) << t.scope.status().text();
  ASSERT_TRUE(y.has_rank());
  ASSERT_EQ(y.rank(), 2);
  EXPECT_FALSE(y.dims()[0] == y.dims()[1]);
  const std::vector<ValueId> d = *differentiate(*t.graph, {(y * y).id()}, {x.id()}, {});
  auto session = *Session::make(t.graph, {});
  const auto run = [&](const Tensor& given, std::vector<Tensor>* out) {
    return session->run({{x.id()}, {y.id(), d[0]}, {}}, {given}, {}, out);
  };
  std::vector<Tensor> out;
  const Tensor row = *Tensor::vector<double>({3, 4}).reshaped({1, 2});
  const Status status = run(row, &out);
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_EQ(out[0].summary(), "f64[1, 2]");
  EXPECT_EQ(out[0].as<double>()[1], 4);
  EXPECT_EQ(out[1].summary(), "f64[1, 2]");
  EXPECT_EQ(out[1].as<double>()[1], 8);
  expect_error(run(Tensor::vector<double>({3, 4}), &out), Code::kInvalidArgument,
               "the input must be of rank 2 but is f64[2]");
}

TEST(UnknownRank, OfItemsIsSaidByEnsureRank) {
  Unranked t;
  Expr a(t.scope, *t.graph->add_input("a", ValueType::tensor(DType::kF64, {Dim(2)})));
  Expr b(t.scope, *t.graph->add_input("b", ValueType::tensor(DType::kF64, {Dim(1), Dim(2)})));
  Expr x = t.input("x", DType::kF64);
  const auto of_rank = [&](Expr value, int64_t rank) {
    return make(t.scope, "weft.EnsureRank", {value}, {{"rank", rank}});
  };
  Expr alike = of_rank(make(t.scope, "SequenceConstruct", {a, x}), 1);
  Expr mixed = of_rank(make(t.scope, "SequenceConstruct", {a, b}), 1);
  Expr second = make(t.scope, "SequenceAt", {alike, constant_int(t.scope, 1)});
  ASSERT_TRUE(t.scope.status().ok()) << t.scope.status().text();
  EXPECT_EQ(alike.type().kind, Kind::kSequence);
  EXPECT_EQ(second.rank(), 1);
  auto session = *Session::make(t.graph, {});
  std::vector<Tensor> out;
  const Tensor items = Tensor::vector<double>({3, 4}), row = *items.reshaped({1, 2});
  const Status status = session->run({{a.id(), x.id()}, {second.id()}, {}}, {items, items}, {}, &out);
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_EQ(out[0].as<double>()[1], 4);
  expect_error(session->run({{a.id(), b.id()}, {mixed.id()}, {}}, {items, row}, {}, &out), Code::kInvalidArgument,
               "the items must be of rank 1 but item 1 is f64[1, 2]");
}

TEST(UnknownRank, EnsureRankRefusesWhatHasNone) {
  const auto fails = [](const char* op, int64_t rank, const char* text) {
    Unranked t;
    Expr x(t.scope, *t.graph->add_input("x", ValueType::tensor(DType::kF64, {Dim(2)})));
    Expr given = op[0] == '\0' ? x : make(t.scope, op, {x});
    make(t.scope, "weft.EnsureRank", {given}, {{"rank", rank}});
    expect_error(t.scope.status(), Code::kInvalidArgument, text);
  };
  fails("", -1, "'rank' is -1 but must be from 0 to 64");
  fails("", 65, "'rank' is 65 but must be from 0 to 64");
  fails("", 2, "the input must be of rank 2 but is f64[2]");
  fails("SequenceConstruct", 0, "the input must be of rank 0 but is sequence(f64[2])");
  fails("Optional", 1, "only tensors and sequences of tensors have a rank");
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
