// Datasets of rows: batches, order, parts of them, what is refused.
#include "core/learn/row_dataset.h"

#include <numeric>

#include "tests/core/learn/learn_common.h"

namespace weft {
namespace {

Tensor ints(const std::vector<int32_t>& values) { return Tensor::vector<int32_t>(values); }
std::vector<int32_t> ints_of(const Tensor& tensor) {
  return std::vector<int32_t>(tensor.as<int32_t>(), tensor.as<int32_t>() + tensor.count());
}
std::shared_ptr<const Dataset> counted(int32_t rows) {
  std::vector<int32_t> values(static_cast<size_t>(rows));
  std::iota(values.begin(), values.end(), 0);
  return rows_of({ints(values)});
}

// The batches of the first column, those of one pass.
std::vector<std::vector<int32_t>> pass(const Dataset& dataset, const BatchOptions& options, int64_t epoch = 0) {
  std::vector<std::vector<int32_t>> out;
  Result<std::unique_ptr<Batches>> batches = dataset.open(options, epoch);
  EXPECT_TRUE(batches.ok()) << batches.status().text();
  for (;;) {
    Result<std::vector<Tensor>> batch = (*batches)->next();
    EXPECT_TRUE(batch.ok()) << batch.status().text();
    if (batch->empty()) {
      EXPECT_EQ((*batches)->count(), static_cast<int64_t>(out.size()));
      EXPECT_TRUE((*batches)->next()->empty()) << "the end of a pass stays its end";
      return out;
    }
    out.push_back(ints_of((*batch)[0]));
  }
}
using Batched = std::vector<std::vector<int32_t>>;

BatchOptions batches_of(int64_t size) {
  BatchOptions options;
  options.batch_size = size;
  return options;
}

TEST(RowDataset, GivesRowsInOrderAndAShortBatchLast) {
  auto dataset = rows_of({numbers({5, 2}, {0, 1, 10, 11, 20, 21, 30, 31, 40, 41}), ints({0, 1, 2, 3, 4})});
  EXPECT_EQ(dataset->row_count(), 5);
  EXPECT_EQ(dataset->width(), 2);
  auto batches = pass_of(dataset->open(batches_of(2), 0));
  EXPECT_EQ(batches->count(), 3);
  std::vector<Tensor> batch = *batches->next();
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(batch[0].shape(), (Shape{2, 2}));
  EXPECT_EQ(doubles_of(batch[0]), (Values{0, 1, 10, 11}));
  EXPECT_EQ(ints_of(batch[1]), (std::vector<int32_t>{0, 1}));
  batch = *batches->next();
  EXPECT_EQ(doubles_of(batch[0]), (Values{20, 21, 30, 31}));
  batch = *batches->next();
  EXPECT_EQ(batch[0].shape(), (Shape{1, 2}));
  EXPECT_EQ(doubles_of(batch[0]), (Values{40, 41}));
  EXPECT_EQ(ints_of(batch[1]), (std::vector<int32_t>{4}));
  EXPECT_TRUE(batches->next()->empty());
}

TEST(RowDataset, BatchesOfAllSizes) {
  auto dataset = counted(5);
  EXPECT_EQ(pass(*dataset, batches_of(1)), (Batched{{0}, {1}, {2}, {3}, {4}}));
  EXPECT_EQ(pass(*dataset, batches_of(5)), (Batched{{0, 1, 2, 3, 4}}));
  EXPECT_EQ(pass(*dataset, batches_of(INT64_MAX)), (Batched{{0, 1, 2, 3, 4}}));
  Batched by_default = pass(*counted(33), {});
  ASSERT_EQ(by_default.size(), 2u);
  EXPECT_EQ(by_default[0].size(), 32u);
  EXPECT_EQ(by_default[1], (std::vector<int32_t>{32}));
}

TEST(RowDataset, CanLeaveTheShortBatchOut) {
  BatchOptions options = batches_of(2);
  options.drop_last = true;
  EXPECT_EQ(pass(*counted(5), options), (Batched{{0, 1}, {2, 3}}));
  EXPECT_EQ(pass(*counted(4), options), (Batched{{0, 1}, {2, 3}}));
  EXPECT_EQ(pass(*counted(1), options), Batched{});
}

// The orders are those of an independent implementation of Philox 4x32-10 with the shuffle of Fisher and Yates.
TEST(RowDataset, ShufflesAsSeedAndEpochSay) {
  auto dataset = counted(7);
  BatchOptions options = batches_of(3);
  options.shuffle = true;
  options.seed = 5;
  EXPECT_EQ(pass(*dataset, options, 0), (Batched{{2, 4, 6}, {1, 5, 3}, {0}}));
  EXPECT_EQ(pass(*dataset, options, 1), (Batched{{1, 0, 4}, {3, 6, 5}, {2}}));
  EXPECT_EQ(pass(*dataset, options, 0), (Batched{{2, 4, 6}, {1, 5, 3}, {0}})) << "whatever passes came before";
  options.seed = -1;
  EXPECT_EQ(pass(*dataset, options, 0), (Batched{{5, 4, 6}, {0, 2, 1}, {3}}));
  options.drop_last = true;
  EXPECT_EQ(pass(*dataset, options, 0), (Batched{{5, 4, 6}, {0, 2, 1}})) << "other rows are left out in each epoch";
  options.shuffle = false;
  EXPECT_EQ(pass(*dataset, options, 1), (Batched{{0, 1, 2}, {3, 4, 5}}));
}

TEST(RowDataset, KeepsRowsOfAllColumnsTogether) {
  auto dataset = rows_of({ints({0, 1, 2, 3, 4, 5, 6}), numbers({7, 1}, {0, 10, 20, 30, 40, 50, 60})});
  BatchOptions options = batches_of(7);
  options.shuffle = true;
  options.seed = 5;
  std::vector<Tensor> batch = *(*dataset->open(options, 0))->next();
  EXPECT_EQ(ints_of(batch[0]), (std::vector<int32_t>{2, 4, 6, 1, 5, 3, 0}));
  EXPECT_EQ(doubles_of(batch[1]), (Values{20, 40, 60, 10, 50, 30, 0}));
}

// An order of them would take more than any memory has.
TEST(RowDataset, RowsOfNothingMayBeMany) {
  constexpr int64_t kRows = int64_t{1} << 61;
  auto dataset = rows_of({*Tensor::make(DType::kF32, {kRows, 0})});
  auto batches = pass_of(dataset->open(batches_of(kRows - 1), 0));
  EXPECT_EQ(batches->count(), 2);
  EXPECT_EQ((*batches->next())[0].shape(), (Shape{kRows - 1, 0}));
  EXPECT_EQ((*batches->next())[0].shape(), (Shape{1, 0}));
  EXPECT_TRUE(batches->next()->empty());
  BatchOptions shuffled = batches_of(kRows);
  shuffled.shuffle = true;
  batches = pass_of(dataset->open(shuffled, 0));
  EXPECT_EQ((*batches->next())[0].shape(), (Shape{kRows, 0}));
  EXPECT_TRUE(batches->next()->empty());
}

TEST(RowDataset, PassesDoNotDisturbEachOther) {
  auto dataset = counted(4);
  auto a = pass_of(dataset->open(batches_of(2), 0)), b = pass_of(dataset->open(batches_of(3), 7));
  dataset = nullptr;  // they keep it
  EXPECT_EQ(ints_of((*a->next())[0]), (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(ints_of((*b->next())[0]), (std::vector<int32_t>{0, 1, 2}));
  EXPECT_EQ(ints_of((*a->next())[0]), (std::vector<int32_t>{2, 3}));
  EXPECT_EQ(ints_of((*b->next())[0]), (std::vector<int32_t>{3}));
  EXPECT_TRUE(a->next()->empty());
}

TEST(RowDataset, BatchesAreCopies) {
  auto dataset = counted(2);
  std::vector<Tensor> batch = *(*dataset->open(batches_of(2), 0))->next();
  batch[0].as<int32_t>()[0] = 99;
  EXPECT_EQ(ints_of(*dataset->column(0)), (std::vector<int32_t>{0, 1}));
}

TEST(RowDataset, PartsShareTheMemoryOfTheWhole) {
  auto whole = rows_of({numbers({5, 2}, {0, 1, 10, 11, 20, 21, 30, 31, 40, 41})});
  auto part = *whole->rows(1, 3);
  auto inner = *part->rows(1, 2);
  EXPECT_EQ(part->row_count(), 3);
  EXPECT_EQ((*inner->column(0)).data(), (*whole->column(0)).as<double>() + 4);
  EXPECT_EQ(doubles_of(*inner->column(0)), (Values{20, 21, 30, 31}));
  BatchOptions options = batches_of(4);
  options.shuffle = true;
  options.seed = 3;
  EXPECT_EQ(pass(*counted(9)->rows(4, 4).value(), options, 1), (Batched{{6, 5, 4, 7}})) << "2, 1, 0, 3 of the part";
  EXPECT_EQ((*whole->rows(5, 0))->row_count(), 0);
  EXPECT_EQ((*whole->rows(0, 5))->row_count(), 5);
}

TEST(RowDataset, PartsLieWithinTheWhole) {
  auto whole = counted(5);
  for (auto [first, count] : {std::pair<int64_t, int64_t>{-1, 2}, {0, -1}, {4, 2}, {6, 0}, {0, 6}, {1, INT64_MAX}}) {
    Status status = whole->rows(first, count).status();
    expect_error(status, Code::kInvalidArgument, cat("rows ", first, " to ", first, " + ", count));
    expect_error(status, Code::kInvalidArgument, "are not all within the dataset's 5");
  }
}

TEST(RowDataset, MayHaveNoRowsOrRowsOfNothing) {
  EXPECT_EQ(pass(*counted(0), batches_of(2)), Batched{});
  auto thin = rows_of({*Tensor::make(DType::kF32, {3, 0})});
  auto batches = pass_of(thin->open(batches_of(2), 0));
  EXPECT_EQ((*batches->next())[0].shape(), (Shape{2, 0}));
  EXPECT_EQ((*batches->next())[0].shape(), (Shape{1, 0}));
  EXPECT_TRUE(batches->next()->empty());
}

TEST(RowDataset, RefusesWhatHasNoRows) {
  auto refused = [](std::vector<Tensor> columns) {
    Status status = RowDataset::make(std::move(columns)).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    return status.message();
  };
  EXPECT_EQ(refused({}), "a dataset needs at least one tensor");
  EXPECT_EQ(refused({numbers({1}), Tensor::scalar<float>(1)}),
            "tensor 1 of a dataset is a scalar; its first dimension counts rows");
  EXPECT_EQ(refused({numbers({1, 2}), numbers({1, 2}), numbers({1})}),
            "tensors 0 and 2 of a dataset have 2 and 1 rows but must have the same number");
  EXPECT_EQ(refused({*Tensor::from_strings({1}, {"a"})}),
            "tensor 0 of a dataset is string[1], whose rows cannot be taken apart");
  EXPECT_EQ(refused({*Tensor::make(DType::kI4, {2, 2})}),
            "tensor 0 of a dataset is i4[2, 2], whose rows cannot be taken apart");
  EXPECT_EQ(refused({Tensor::sequence({numbers({1})})}),
            "tensor 0 of a dataset is sequence of 1, whose rows cannot be taken apart");
}

TEST(RowDataset, RefusesOptionsThatMakeNoBatch) {
  auto dataset = counted(3);
  for (int64_t size : {int64_t{0}, int64_t{-4}}) {
    std::string wanted = cat("option 'batch_size' is ", size, " but must be at least 1");
    expect_error(dataset->check(batches_of(size)), Code::kInvalidArgument, wanted);
    expect_error(dataset->open(batches_of(size), 0).status(), Code::kInvalidArgument, wanted);
  }
  expect_error(dataset->open({}, -1).status(), Code::kInvalidArgument,
               "the number of a pass must not be negative but is -1");
}

}  // namespace
}  // namespace weft
