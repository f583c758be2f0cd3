// Datasets whose batches a function gives: names, ends, errors, who may call whom, what is refused.
#include "core/learn/function_dataset.h"

#include <thread>

#include "tests/core/learn/learn_common.h"

namespace weft {
namespace {

TEST(FunctionBatches, TakesTheNamedTensorsInTheOrderOfTheNames) {
  int calls = 0;
  auto batches = pass_of(function_batches({"x", "y"}, [&](NamedTensors* out) {
    if (++calls <= 2) {
      out->emplace_back("y", numbers({-1.0 * calls}));
      out->emplace_back("other", *Tensor::from_strings({1}, {"not asked for"}));
      out->emplace_back("x", numbers({1, 1}, {1.0 * calls}));
    }
    return Status();
  }));
  EXPECT_EQ(batches->count(), -1);
  for (double number : {1.0, 2.0}) {
    std::vector<Tensor> batch = *batches->next();
    ASSERT_EQ(batch.size(), 2u);
    EXPECT_EQ(batch[0].shape(), (Shape{1, 1}));
    EXPECT_EQ(doubles_of(batch[0]), Values{number});
    EXPECT_EQ(doubles_of(batch[1]), Values{-number});
  }
  EXPECT_TRUE(batches->next()->empty());
  EXPECT_TRUE(batches->next()->empty());
  EXPECT_EQ(calls, 3) << "the end is asked for once";
}

TEST(FunctionBatches, SaysWhatABatchLacks) {
  NamedTensors gives;
  auto batches = pass_of(function_batches({"x", "y"}, [&](NamedTensors* out) {
    *out = gives;
    return Status();
  }));
  auto refused = [&](NamedTensors given) {
    gives = std::move(given);
    Status status = batches->next().status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    return status.message();
  };
  EXPECT_EQ(refused({{"x", numbers({1})}, {"z", numbers({1})}}), "batch 0 has no tensor 'y'; it has x, z");
  const std::string rows = "; its first dimension counts the rows of the batch, of which there must be one at least";
  Tensor y = numbers({1});
  EXPECT_EQ(refused({{"x", Tensor::scalar<double>(1)}, {"y", y}}), "'x' of batch 0 is f64[]" + rows);
  EXPECT_EQ(refused({{"x", *Tensor::make(DType::kF64, {0, 3})}, {"y", y}}), "'x' of batch 0 is f64[0, 3]" + rows);
  EXPECT_EQ(refused({{"x", Tensor::sequence({})}, {"y", y}}), "'x' of batch 0 is sequence of 0" + rows);
  gives = {{"x", numbers({1})}, {"y", y}};
  EXPECT_TRUE(batches->next().ok());
  EXPECT_EQ(refused({{"x", numbers({1})}}), "batch 1 has no tensor 'y'; it has x");
}

TEST(FunctionBatches, HandsOnWhatTheFunctionSays) {
  auto batches = pass_of(function_batches({"x"}, [](NamedTensors*) { return Status(Code::kDataLoss, "line 7"); }));
  Status status = batches->next().status();
  EXPECT_EQ(status.code(), Code::kDataLoss);
  EXPECT_EQ(status.message(), "line 7");
}

TEST(FunctionBatches, NeedsNamesThatDiffer) {
  auto nothing = [](NamedTensors*) { return Status(); };
  expect_error(function_batches({}, nothing).status(), Code::kInvalidArgument,
               "a batch needs the name of at least one tensor");
  expect_error(function_batches({"x", "y", "x"}, nothing).status(), Code::kInvalidArgument,
               "two tensors of a batch have the name 'x'");
}

TEST(FunctionBatches, APassIsForOneCallAtATime) {
  Batches* self = nullptr;
  Status inside, beside;
  auto batches = pass_of(function_batches({"x"}, [&](NamedTensors* out) {
    inside = self->next().status();
    std::thread other([&] { beside = self->next().status(); });
    other.join();
    out->emplace_back("x", numbers({1}));
    return Status();
  }));
  self = batches.get();
  EXPECT_TRUE(batches->next().ok());
  for (const Status& status : {inside, beside}) {
    expect_error(status, Code::kFailedPrecondition, "a batch of this pass is being taken already");
  }
  EXPECT_TRUE(batches->next().ok());
}

// -- Datasets.

TEST(FunctionDataset, OpensPassesOfItsOwn) {
  std::vector<int64_t> epochs;
  auto dataset = *FunctionDataset::make(1, [&](int64_t epoch) -> Result<std::shared_ptr<Batches>> {
    epochs.push_back(epoch);
    auto next = [epoch, given = false](NamedTensors* out) mutable {
      if (!given) out->emplace_back("x", numbers({1.0 * static_cast<double>(epoch)}));
      given = true;
      return Status();
    };
    return std::shared_ptr<Batches>(pass_of(function_batches({"x"}, next)));
  });
  EXPECT_EQ(dataset->row_count(), -1);
  EXPECT_FALSE(dataset->has_rows());
  EXPECT_EQ(dataset->width(), 1);
  auto a = pass_of(dataset->open({}, 3)), b = pass_of(dataset->open({}, 0));
  EXPECT_EQ(a->count(), -1);
  EXPECT_EQ(doubles_of((*b->next())[0]), Values{0});
  EXPECT_EQ(doubles_of((*a->next())[0]), Values{3});
  EXPECT_TRUE(a->next()->empty());
  EXPECT_EQ(epochs, (std::vector<int64_t>{3, 0}));
}

TEST(FunctionDataset, IsKeptByItsPasses) {
  auto kept = std::make_shared<int>(0);
  std::weak_ptr<int> alive = kept;
  auto dataset = *FunctionDataset::make(1, [kept](int64_t) -> Result<std::shared_ptr<Batches>> {
    return std::shared_ptr<Batches>(pass_of(function_batches({"x"}, [](NamedTensors*) { return Status(); })));
  });
  kept = nullptr;
  auto pass = pass_of(dataset->open({}, 0));
  dataset = nullptr;
  EXPECT_FALSE(alive.expired());
  EXPECT_TRUE(pass->next()->empty());
  pass = nullptr;
  EXPECT_TRUE(alive.expired());
}

TEST(FunctionDataset, HasNoRowsToChooseFromAndDecidesItsBatchesItself) {
  auto dataset = given_batches({numbers({1})});
  expect_error(dataset->column(0).status(), Code::kFailedPrecondition, "it has no tensors of all rows");
  expect_error(dataset->rows(0, 1).status(), Code::kFailedPrecondition, "it has no rows to choose from");
  BatchOptions shuffle, size, drop;
  shuffle.shuffle = true;
  size.batch_size = 2;
  drop.drop_last = true;
  for (const auto& [name, options] : {std::pair{"shuffle", shuffle}, {"batch_size", size}, {"drop_last", drop}}) {
    std::string wanted = cat("option '", name, "' is for datasets of rows");
    expect_error(dataset->check(options), Code::kInvalidArgument, wanted);
    expect_error(dataset->open(options, 0).status(), Code::kInvalidArgument, wanted);
  }
  expect_error(dataset->open({}, -2).status(), Code::kInvalidArgument, "must not be negative but is -2");
}

TEST(FunctionDataset, IsHeldToItsWidth) {
  auto two = [](int64_t) -> Result<std::shared_ptr<Batches>> {
    auto next = [](NamedTensors* out) {
      *out = {{"x", numbers({1})}, {"y", numbers({2})}};
      return Status();
    };
    return std::shared_ptr<Batches>(pass_of(function_batches({"x", "y"}, next)));
  };
  auto dataset = *FunctionDataset::make(1, two);
  expect_error((*dataset->open({}, 0))->next().status(), Code::kInvalidArgument,
               "began a pass with 2 tensors in a batch, but the dataset has 1");
  expect_error(FunctionDataset::make(0, two).status(), Code::kInvalidArgument, "the width is 0");
}

TEST(FunctionDataset, HandsOnWhatItsFunctionSays) {
  auto none = *FunctionDataset::make(1, [](int64_t) { return Result<std::shared_ptr<Batches>>(nullptr); });
  expect_error(none->open({}, 0).status(), Code::kInvalidArgument, "gave no pass");
  auto fails = *FunctionDataset::make(
      1, [](int64_t) { return Result<std::shared_ptr<Batches>>(Status(Code::kUnavailable, "no network")); });
  expect_error(fails->open({}, 0).status(), Code::kUnavailable, "no network");
}

TEST(FunctionDataset, CallsEachOtherOnlySoDeep) {
  std::shared_ptr<const Dataset> self;
  int calls = 0;
  auto open = [&](int64_t epoch) -> Result<std::shared_ptr<Batches>> {
    ++calls;
    WEFT_TRY(std::unique_ptr<Batches> pass, self->open({}, epoch));
    return std::shared_ptr<Batches>(std::move(pass));
  };
  self = *FunctionDataset::make(1, open);
  for (int i = 0; i < 2; ++i) {  // the second time as the first: nothing is left of it
    calls = 0;
    expect_error(self->open({}, 0).status(), Code::kFailedPrecondition, "call each other more than 32 deep");
    EXPECT_EQ(calls, 32);
  }
  self = nullptr;
}

}  // namespace
}  // namespace weft
