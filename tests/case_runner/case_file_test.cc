// Case files: what does not say what it seems to is an error that names the line.
#include "tests/case_runner/case_file.h"

#include "core/base/text.h"
#include "tests/core/expect_error.h"

namespace weft {
namespace {

Status read(std::string_view statement) {
  return read_cases(cat("op Add\ncase one\n", statement, "\n"), "a.case").status();
}

TEST(CaseFile, NumbersThatATypeDoesNotHoldAreErrors) {
  for (const char* held : {"in x u8[2] = 0 255", "in x i8[2] = -128 127", "in x i32[2] = 1e3 -2147483648",
                           "in x u32[1] = 4294967295", "in x u64[1] = 18446744073709551615", "in x bool[2] = true 0"}) {
    const Status status = read(held);
    EXPECT_TRUE(status.ok()) << status.text();
  }
  expect_error(read("in x u8[1] = 300"), Code::kInvalidArgument, "a.case:3: '300' is no u8");
  expect_error(read("in x u16[1] = -1"), Code::kInvalidArgument, "'-1' is no u16");
  expect_error(read("in x u64[1] = -1"), Code::kInvalidArgument, "'-1' is no u64");
  expect_error(read("in x i8[1] = nan"), Code::kInvalidArgument, "'nan' is no i8");
  expect_error(read("in x i32[1] = 1.5"), Code::kInvalidArgument, "a.case:3: '1.5' is no i32");
}

TEST(CaseFile, AListWithNothingBeforeACommaIsAnError) {
  expect_error(read("attr axes = [,1]"), Code::kInvalidArgument, "a.case:3: '' is not a number");
}

}  // namespace
}  // namespace weft
