// Prediction: batches joined to one tensor, of every dtype and width, and what cannot be joined.
#include "core/learn/fit.h"
#include "tests/core/learn/learn_common.h"

namespace weft {
namespace {

struct Predicted : TestModel {
  Expr x = input("x", DType::kF64, {Dim::symbol("n"), 2});
  LoopOptions options;

  void start() {
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    session = *Session::make(graph, {});
    options.feeds = {x.id()};
  }
  Result<std::vector<Tensor>> predict(const std::shared_ptr<const Dataset>& dataset, const std::vector<Expr>& ys) {
    if (session == nullptr) start();
    std::vector<ValueId> fetches;
    for (Expr y : ys) fetches.push_back(y.id());
    return weft::predict(*session, dataset, fetches, options);
  }
};
const Tensor kFive = numbers({5, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});

TEST(Predict, SeveralBatchesGiveWhatOneDoes) {
  Predicted m;
  Expr sums = reduce_sum(m.x, {1}, false);
  Expr large = make(m.scope, "Greater", {sums, scalar_like(sums, 10)});
  Expr whole = cast(m.x, DType::kI32);
  Expr wide = unsqueeze(m.x * 0.5, {1});
  auto dataset = rows_of({kFive});
  for (int64_t size : {1, 2, 3, 5, 100}) {
    m.options.batch_size = size;
    Result<std::vector<Tensor>> out = m.predict(dataset, {sums, large, whole, wide, sums});
    ASSERT_TRUE(out.ok()) << out.status().text();
    EXPECT_EQ((*out)[0].shape(), Shape{5});
    EXPECT_EQ(doubles_of((*out)[0]), (Values{3, 7, 11, 15, 19}));
    EXPECT_EQ((*out)[1].dtype(), DType::kBool);
    EXPECT_EQ(std::vector<bool>((*out)[1].as<bool>(), (*out)[1].as<bool>() + 5),
              (std::vector<bool>{false, false, true, true, true}));
    EXPECT_EQ((*out)[2].shape(), (Shape{5, 2}));
    EXPECT_EQ((*out)[2].as<int32_t>()[9], 10);
    EXPECT_EQ((*out)[3].shape(), (Shape{5, 1, 2}));
    EXPECT_EQ(doubles_of((*out)[3]), (Values{0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5}));
    EXPECT_TRUE((*out)[4].same_bits((*out)[0]));
  }
}

TEST(Predict, JoinsTheBatchesOfAFunctionToo) {
  Predicted m;
  auto dataset =
      given_batches({numbers({1, 2}, {1, 2}), numbers({3, 2}, {3, 4, 5, 6, 7, 8}), numbers({1, 2}, {9, 10})});
  std::vector<Tensor> out = *m.predict(dataset, {m.x + 1.0, reduce_sum(m.x, {1}, false)});
  EXPECT_EQ(out[0].shape(), (Shape{5, 2}));
  EXPECT_EQ(doubles_of(out[0]), (Values{2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(doubles_of(out[1]), (Values{3, 7, 11, 15, 19}));
  expect_error(m.predict(given_batches({}), {m.x + 1.0}).status(), Code::kInvalidArgument,
               "the dataset has no batch, so what its rows give is not known");
}

TEST(Predict, NoRowsGiveAnOutputOfNoRows) {
  Predicted m;
  std::vector<Tensor> out = *m.predict(rows_of({*Tensor::make(DType::kF64, {0, 2})}), {m.x * 2.0});
  EXPECT_EQ(out[0].dtype(), DType::kF64);
  EXPECT_EQ(out[0].shape(), (Shape{0, 2}));
}

TEST(Predict, RowsOfNothingAreRows) {
  Predicted m;
  Expr none = make(m.scope, "Slice",
                   {m.x, constant_ints(m.scope, {0}), constant_ints(m.scope, {0}), constant_ints(m.scope, {1})});
  m.options.batch_size = 2;
  EXPECT_EQ((*m.predict(rows_of({kFive}), {none}))[0].shape(), (Shape{5, 0}));
}

TEST(Predict, WhatIsPredictedHasARowForEach) {
  Predicted m;
  m.options.batch_size = 2;
  Expr total = make(m.scope, "ReduceSum", {m.x}, {{"keepdims", int64_t{0}}}, "total");
  Expr turned = make(m.scope, "Concat", {m.x, m.x}, {{"axis", int64_t{0}}}, "twice");
  Expr text = make(m.scope, "Cast", {m.x}, {{"to", int64_t{8}}}, "text");
  Expr list = make(m.scope, "SequenceConstruct", {m.x}, {}, "list");
  auto dataset = rows_of({kFive});
  const char* wanted = "what is predicted must be a tensor, not of strings, with one row for each";
  for (const auto& [y, found] :
       std::vector<std::pair<Expr, const char*>>{{total, "'total' is f64[] for a batch of 2 rows"},
                                                 {turned, "'twice' is f64[4, 2] for a batch of 2 rows"},
                                                 {text, "'text' is string[2, 2] for a batch of 2 rows"},
                                                 {list, "'list' is sequence of 1 for a batch of 2 rows"}}) {
    Status status = m.predict(dataset, {m.x * 1.0, y}).status();
    expect_error(status, Code::kInvalidArgument, found);
    expect_error(status, Code::kInvalidArgument, wanted);
  }
}

TEST(Predict, RowsOfDifferentKindsAreNotJoined) {
  Predicted m;
  m.options.batch_size = 2;
  // As many columns as the batch has elements above 3.
  Expr above = make(m.scope, "NonZero", {make(m.scope, "Greater", {m.x, scalar_like(m.x, 3)})}, {}, "above");
  expect_error(m.predict(rows_of({kFive}), {above}).status(), Code::kInvalidArgument,
               "'above' is i64[2, 4] for one batch and was i64[2, 1] for the first; rows of different kinds cannot be "
               "joined");
}

TEST(Predict, CanBeStopped) {
  Predicted m;
  CancelToken token;
  token.cancel();
  m.options.run.cancel = &token;
  EXPECT_EQ(m.predict(rows_of({kFive}), {m.x * 1.0}).status().code(), Code::kCancelled);
  m.options.run = {};
  m.options.run.timeout_ns = 1;
  EXPECT_EQ(m.predict(rows_of({kFive}), {m.x * 1.0}).status().code(), Code::kDeadlineExceeded);
}

}  // namespace
}  // namespace weft
