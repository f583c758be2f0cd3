// Status and Result.
#include "core/base/status.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Status, SuccessIsEmpty) {
  Status ok;
  EXPECT_TRUE(ok.ok());
  EXPECT_EQ(ok.code(), Code::kOk);
  EXPECT_EQ(ok.message(), "");
  EXPECT_EQ(ok.text(), "OK");
  EXPECT_TRUE(Status(Code::kOk, "ignored").ok());
  EXPECT_TRUE(ok.at("n", "o", "f").ok());
  EXPECT_TRUE(ok.within("x").ok());
  EXPECT_EQ(sizeof(Status), 2 * sizeof(void*));
}

TEST(Status, CodesHaveTheCanonicalNumbersAndNames) {
  const char* names[] = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS"};
  for (int i = 0; i < 16; ++i) EXPECT_STREQ(code_name(static_cast<Code>(i)), names[i]);
  EXPECT_STREQ(code_name(static_cast<Code>(99)), "UNKNOWN");
}

TEST(Status, SaysWhereOnce) {
  Status bare = invalid("rank ", 3);
  EXPECT_EQ(bare.text(), "INVALID_ARGUMENT: rank 3");
  Status there = bare.at("dense_1", "MatMul", "train.py:12");
  EXPECT_EQ(there.text(), "INVALID_ARGUMENT: rank 3 [MatMul 'dense_1'] (built at train.py:12)");
  // What is known from deeper inside stays.
  EXPECT_EQ(there.at("outer", "If", "other.py:1").op(), "MatMul");
  EXPECT_EQ(bare.text(), "INVALID_ARGUMENT: rank 3");
  EXPECT_EQ(bare.at("", "MatMul", "").text(), "INVALID_ARGUMENT: rank 3 [MatMul]");
  EXPECT_EQ(bare.at("MatMul", "MatMul", "").text(), "INVALID_ARGUMENT: rank 3 [MatMul]");
  EXPECT_EQ(bare.at("a", "", "").text(), "INVALID_ARGUMENT: rank 3 ['a']");
  EXPECT_EQ(there.within("while loading: ").message(), "while loading: rank 3");
  EXPECT_EQ(there.within("x").node(), "dense_1");
}

TEST(Status, EachMakerHasItsCode) {
  EXPECT_EQ(not_found("x").code(), Code::kNotFound);
  EXPECT_EQ(failed_precondition("x").code(), Code::kFailedPrecondition);
  EXPECT_EQ(out_of_range("x").code(), Code::kOutOfRange);
  EXPECT_EQ(unimplemented("x").code(), Code::kUnimplemented);
  EXPECT_EQ(internal_error("x").code(), Code::kInternal);
  EXPECT_EQ(data_loss("x").code(), Code::kDataLoss);
  EXPECT_EQ(make_error(Code::kAborted, "a", 1).text(), "ABORTED: a1");
}

TEST(Status, PayloadIsDroppedWithTheLastCopy) {
  int drops = 0, tag = 0;
  {
    Status kept;
    {
      Status status = invalid("x").with_payload(
          std::make_shared<const Payload>(&tag, &drops, [](void* data) { ++*static_cast<int*>(data); }));
      kept = status.at("n", "o", "f").within("p");
    }
    EXPECT_EQ(drops, 0);
    ASSERT_NE(kept.payload(), nullptr);
    EXPECT_EQ(kept.payload()->tag, &tag);
  }
  EXPECT_EQ(drops, 1);
}

Result<int> half(int value) {
  if (value % 2 != 0) return invalid(value, " is odd");
  return value / 2;
}
Result<int> quarter(int value) {
  WEFT_TRY(int once, half(value));
  WEFT_TRY(once, half(once));
  return once;
}
Status check_even(int value) {
  WEFT_CHECK(half(value).status());
  return {};
}

TEST(Result, HoldsAValueOrAnError) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_TRUE(quarter(8).status().ok());
  EXPECT_EQ(quarter(6).status().message(), "3 is odd");
  EXPECT_FALSE(quarter(5).ok());
  EXPECT_TRUE(check_even(2).ok());
  EXPECT_EQ(check_even(3).message(), "3 is odd");
}

}  // namespace
}  // namespace weft
