// Numbers to text and back.
#include "core/base/text.h"

#include <gtest/gtest.h>
#include <locale.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

namespace weft {
namespace {

TEST(Text, JoinsStringsAndNumbers) {
  EXPECT_EQ(cat(), "");
  EXPECT_EQ(cat("a", std::string("b"), std::string_view("c"), 'd', 1, -2L, true, false), "abcd1-2truefalse");
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

TEST(Text, NumbersTooSmallAreZeroAndTooLargeAreRefused) {
  for (const char* small : {"1e-999", "4.9e-999", "0.1e-400", "1e-99999999999999999999"}) {
    EXPECT_EQ(parse_double(small), 0.0) << small;
    EXPECT_EQ(parse_float(small), 0.0f) << small;
  }
  EXPECT_TRUE(std::signbit(*parse_double("-1e-999")));
  EXPECT_EQ(parse_float("1e-60"), 0.0f);
  EXPECT_EQ(parse_float("1.5"), 1.5f);
  EXPECT_EQ(parse_float("16777217"), 16777216.0f);
  EXPECT_EQ(parse_double("0." + std::string(400, '0') + "1"), 0.0);
  EXPECT_EQ(parse_double("1" + std::string(400, '0') + "e-5"), std::nullopt);
  EXPECT_EQ(parse_double("1" + std::string(400, '0')), std::nullopt);
  EXPECT_EQ(parse_double("1" + std::string(400, '0') + "e-800"), 0.0);
  for (const char* large : {"1e999", "-1e999", "0.1e400", "1e99999999999999999999"}) {
    EXPECT_EQ(parse_double(large), std::nullopt) << large;
    EXPECT_EQ(parse_float(large), std::nullopt) << large;
  }
  EXPECT_EQ(parse_float("1e60"), std::nullopt);
}

TEST(Text, KnowsUtf8) {
  for (const char* good : {"", "abc", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  EXPECT_TRUE(is_utf8(std::string_view("a\0b", 3)));
  for (const char* bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2z", "\xe0\x9f\x80", "\xed\xa0\x80", "\xe1\x80",
        "\xe1\x80z", "\xf0\x8f\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xf1\x80\x80"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

// Makes a locale in which numbers have a comma (few machines have one) and takes it for as long as it lives.
class CommaLocale {
 public:
  CommaLocale() : before_(setlocale(LC_ALL, nullptr)), folder_(testing::TempDir() + "weft_locale_XXXXXX") {
    if (mkdtemp(folder_.data()) == nullptr) return;
    std::string command = "localedef -i de_DE -f UTF-8 '" + folder_ + "/de_DE.UTF-8' >/dev/null 2>&1";
    if (std::system(command.c_str()) != 0) return;
    setenv("LOCPATH", folder_.c_str(), 1);
    active_ = setlocale(LC_ALL, "de_DE.UTF-8") != nullptr;
  }
  ~CommaLocale() {
    setlocale(LC_ALL, before_.c_str());
    unsetenv("LOCPATH");
    std::filesystem::remove_all(folder_);
  }
  bool active() const { return active_; }

 private:
  std::string before_, folder_;
  bool active_ = false;
};

TEST(Text, IgnoresTheLocale) {
  CommaLocale locale;
  ASSERT_TRUE(locale.active()) << "localedef cannot make de_DE.UTF-8; on Debian the package locales has what it needs";
  char printed[8];
  snprintf(printed, sizeof printed, "%.1f", 1.5);
  ASSERT_STREQ(printed, "1,5");
  EXPECT_EQ(cat(1.5), "1.5");
  EXPECT_EQ(cat(1234567), "1234567");
  EXPECT_EQ(parse_double("1.5"), 1.5);
  EXPECT_EQ(parse_float("1.5"), 1.5f);
  EXPECT_EQ(parse_double("1,5"), std::nullopt);
}

TEST(Text, Trims) {
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim(" \t\r\n"), "");
  EXPECT_EQ(trim(" a b \n"), "a b");
}

TEST(Text, WhatIsNoUtf8IsMadeReadable) {
  EXPECT_EQ(readable("gr\xc3\xbc\xc3"), "gr\xc3\xbc\\xc3");
  EXPECT_EQ(readable("\xff"
                     "a\xed\xa0\x80"),
            "\\xffa\\xed\\xa0\\x80");
}

}  // namespace
}  // namespace weft
