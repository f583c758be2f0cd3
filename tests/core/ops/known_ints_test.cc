// Small integers that are known with the shapes, through elementwise operators.
#include <gtest/gtest.h>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"

namespace weft {
namespace {

class KnownInts : public testing::Test {
 protected:
  KnownInts() : graph_(*Graph::make(builtin_ops())), scope_(*graph_) {
    ValueType type = ValueType::tensor(DType::kF32, {Dim::symbol("batch"), Dim(6)});
    shape_ = shape_of(Expr(scope_, *graph_->add_input("x", std::move(type))));
  }
  Expr ints(const std::vector<int64_t>& values) { return constant_ints(scope_, values); }
  Expr op(const char* name, std::initializer_list<Expr> inputs) { return make(scope_, name, inputs); }
  std::string known(Expr x) {
    EXPECT_TRUE(scope_.status().ok()) << scope_.status().text();
    return x.type().ints == nullptr ? "unknown" : dims_text(*x.type().ints);
  }

  std::shared_ptr<Graph> graph_;
  ExprScope scope_;
  Expr shape_;
};

TEST_F(KnownInts, Arithmetic) {
  EXPECT_EQ(known(shape_ + ints({1, 2})), "[batch + 1, 8]");
  EXPECT_EQ(known(shape_ - constant_int(scope_, 1)), "[batch - 1, 5]");
  EXPECT_EQ(known(shape_ * ints({4, -1})), "[4*batch, -6]");
  EXPECT_EQ(known(shape_ * ints({4, 4}) / ints({2, 5})), "[2*batch, 4]");
  EXPECT_EQ(known(ints({-7, 7}) / ints({2, -2})), "[-3, -3]");
  EXPECT_EQ(known(op("Min", {shape_, ints({3, 3})})), "[min(3, batch), 3]");
  EXPECT_EQ(known(op("Max", {shape_, shape_})), "[batch, 6]");
  EXPECT_EQ(known(op("Mod", {ints({7, -7, 7, -7, 6}), ints({3, 3, -3, -3, 3})})), "[1, 2, -2, -1, 0]");
  EXPECT_EQ(known(make(scope_, "Mod", {ints({7, -7, 7, -7}), ints({3, 3, -3, -3})}, {{"fmod", int64_t{1}}})),
            "[1, -1, 1, -1]");
}

TEST_F(KnownInts, OfWholeShapes) {
  EXPECT_EQ(known(op("ReduceProd", {shape_})), "[6*batch]");
  EXPECT_EQ(known(op("ReduceSum", {shape_, ints({-1})})), "[batch + 6]");
  EXPECT_EQ(known(make(scope_, "ReduceProd", {shape_}, {{"keepdims", int64_t{0}}})), "[6*batch]");
  EXPECT_EQ(known(op("ReduceProd", {ints({})})), "[1]");
  EXPECT_EQ(known(op("ReduceSum", {ints({INT64_MAX, 1})})), "unknown");
  EXPECT_EQ(known(op("ReduceProd", {ints({INT64_MAX, 2})})), "unknown");
  EXPECT_EQ(known(make(scope_, "ReduceSum", {shape_, ints({})}, {{"noop_with_empty_axes", int64_t{1}}})), "unknown");
}

TEST_F(KnownInts, RangesOfSymbols) {
  auto batch = [&] { return op("Gather", {shape_, constant_int(scope_, 0)}); };
  auto size = [&](Expr limit, int64_t step) {
    Expr y = op("Range", {batch(), limit, constant_int(scope_, step)});
    EXPECT_TRUE(scope_.status().ok()) << scope_.status().text();
    return dims_text(y.type().dims);
  };
  EXPECT_EQ(size(batch() + constant_int(scope_, 3), 1), "[3]");
  EXPECT_EQ(size(batch() - constant_int(scope_, 3), 1), "[0]");
  EXPECT_EQ(size(batch() - constant_int(scope_, 3), -2), "[2]");
}

TEST_F(KnownInts, WhatCannotBeKnown) {
  EXPECT_EQ(known(shape_ / ints({0, 1})), "unknown");
  EXPECT_EQ(known(op("Mod", {ints({4}), ints({0})})), "unknown");
  EXPECT_EQ(known(op("Mod", {shape_, ints({2, 2})})), "unknown");
  EXPECT_EQ(known((shape_ - ints({9, 9})) / ints({2, 2})),
            "unknown");  // rounds up where batch is below 9
  EXPECT_EQ(known(ints({INT64_MAX}) + ints({1})), "unknown");
  EXPECT_EQ(known(ints({INT64_MIN}) / ints({-1})), "unknown");
  Expr large = cast(ints({int64_t{1} << 31}), DType::kI32);
  EXPECT_EQ(known(large), "unknown");
  EXPECT_EQ(known(cast(shape_, DType::kF32)), "unknown");
}

TEST_F(KnownInts, TheShapeAsExportersExpandIt) {
  Expr wanted = ints({-1, 3});
  Expr free = op("Equal", {wanted, ints({-1})});
  EXPECT_EQ(known(where(free, shape_, wanted)), "[batch, 3]");
  EXPECT_EQ(known(op("Equal", {shape_, ints({-1, 6})})), "[0, 1]");
  EXPECT_EQ(known(op("Equal", {shape_, ints({5, 6})})), "unknown");
  EXPECT_EQ(known(op("Equal", {shape_, shape_})), "[1, 1]");
  EXPECT_EQ(known(op("Less", {ints({1, 5}), ints({2, 5})})), "[1, 0]");
}

TEST_F(KnownInts, CastBetweenIntegers) {
  Expr narrow = cast(shape_, DType::kI32);
  EXPECT_EQ(known(narrow), "[batch, 6]");
  EXPECT_EQ(known(cast(narrow + narrow, DType::kI64)), "[2*batch, 12]");
}

}  // namespace
}  // namespace weft
