// Numbers to text and back.
#include "core/base/text.h"

#include <gtest/gtest.h>
#include <locale.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace weft {
namespace {

TEST(Text, JoinsStringsAndNumbers) {
  EXPECT_EQ(cat(), "");
  EXPECT_EQ(cat("a", std::string("b"), std::string_view("c"), 'd', 1, -2L, true, false),
            "abcd1-2truefalse");
  EXPECT_EQ(cat(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(cat(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(join(std::vector<int>{1, 2, 3}), "1, 2, 3");
  EXPECT_EQ(join(std::vector<int>{}), "");
  EXPECT_EQ(join(std::vector<std::string>{"x", "y"}, "*"), "x*y");
}

TEST(Text, WritesTheShortestFormThatReadsBack) {
  EXPECT_EQ(cat(0.1), "0.1");
  EXPECT_EQ(cat(0.1f), "0.1");
  EXPECT_EQ(cat(1e300), "1e+300");
  EXPECT_EQ(cat(-0.0), "-0");
  EXPECT_EQ(cat(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(cat(std::nan("")), "nan");
  for (double value : {5e-324, 1.7976931348623157e308, 1.0 / 3, -123456.789}) {
    EXPECT_EQ(parse_double(cat(value)), value);
  }
}

TEST(Text, ParsesWholeNumbersWhole) {
  EXPECT_EQ(parse_int("42"), 42);
  EXPECT_EQ(parse_int("-42"), -42);
  EXPECT_EQ(parse_int("+42"), 42);
  EXPECT_EQ(parse_int("9223372036854775807"), std::numeric_limits<int64_t>::max());
  for (const char* bad : {"", "+", "-", "+-4", "++4", " 4", "4 ", "4x", "0x4", "4.0", "9223372036854775808"}) {
    EXPECT_EQ(parse_int(bad), std::nullopt) << bad;
  }
}

TEST(Text, ParsesRealNumbersWhole) {
  EXPECT_EQ(parse_double("1.5"), 1.5);
  EXPECT_EQ(parse_double("+1.5e3"), 1500);
  EXPECT_EQ(parse_double("-inf"), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(*parse_double("nan")));
  for (const char* bad : {"", "+", "+-1", "1,5", "1.5 ", "e5", "0x1p3", "1e999"}) {
    EXPECT_EQ(parse_double(bad), std::nullopt) << bad;
  }
}

TEST(Text, IgnoresTheLocale) {
  const char* before = setlocale(LC_ALL, nullptr);
  std::string saved = before;
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"}) setlocale(LC_ALL, name);
  EXPECT_EQ(cat(1.5), "1.5");
  EXPECT_EQ(parse_double("1.5"), 1.5);
  setlocale(LC_ALL, saved.c_str());
}

TEST(Text, Trims) {
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim(" \t\r\n"), "");
  EXPECT_EQ(trim(" a b \n"), "a b");
}

}  // namespace
}  // namespace weft
