// Cancel token, deadline and poll.
#include "core/base/cancel.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(CancelToken, IsReusable) {
  CancelToken token;
  EXPECT_FALSE(token.cancelled());
  token.cancel();
  token.cancel();
  EXPECT_TRUE(token.cancelled());
  token.reset();
  EXPECT_FALSE(token.cancelled());
}

TEST(StopCondition, TrivialNeverStops) {
  StopCondition stop;
  EXPECT_TRUE(stop.trivial());
  EXPECT_TRUE(stop.check().ok());
  EXPECT_FALSE(stop.stopped());
}

TEST(StopCondition, TokenStopsIt) {
  CancelToken token;
  StopCondition stop;
  stop.set_token(&token);
  EXPECT_FALSE(stop.trivial());
  EXPECT_TRUE(stop.check().ok());
  token.cancel();
  EXPECT_TRUE(stop.stopped());  // at once, without a check
  EXPECT_EQ(stop.check().code(), Code::kCancelled);
  // The run that saw it stays stopped though the token is used again.
  token.reset();
  EXPECT_TRUE(stop.stopped());
  EXPECT_EQ(stop.check().code(), Code::kCancelled);
}

TEST(StopCondition, WhatSkippedWorkForATokenSaysSoAfterItsReset) {
  CancelToken token;
  StopCondition stop;
  stop.set_token(&token);
  token.cancel();
  EXPECT_TRUE(stop.stopped());
  token.reset();
  EXPECT_EQ(stop.check().code(), Code::kCancelled);
}

TEST(StopCondition, DeadlineStopsIt) {
  StopCondition past, future;
  past.set_deadline_ns(monotonic_ns() - 1);
  future.set_deadline_ns(monotonic_ns() + int64_t{3600} * 1'000'000'000);
  EXPECT_FALSE(past.stopped());  // the clock is read by check alone
  EXPECT_EQ(past.check().code(), Code::kDeadlineExceeded);
  EXPECT_TRUE(past.stopped());
  EXPECT_TRUE(future.check().ok());
}

TEST(StopCondition, PollIsCalledSeldomAndItsErrorStays) {
  int calls = 0;
  StopCondition quiet;
  quiet.set_poll([](void* user) { return ++*static_cast<int*>(user), Status(); }, &calls);
  int64_t begin = monotonic_ns();
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(quiet.check().ok());
  EXPECT_LE(calls, 1 + (monotonic_ns() - begin) / 20'000'000);
  EXPECT_GE(calls, 1);

  calls = 0;
  StopCondition stop;
  stop.set_poll([](void* user) { return make_error(Code::kAborted, "call ", ++*static_cast<int*>(user)); }, &calls);
  EXPECT_EQ(stop.check().message(), "call 1");
  EXPECT_EQ(stop.check().message(), "call 1");
  EXPECT_TRUE(stop.stopped());
}

}  // namespace
}  // namespace weft
