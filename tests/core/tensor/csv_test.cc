// CSV: what counts as a table of numbers, and where the errors point.
#include "core/tensor/csv.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>

#include "core/base/file.h"

namespace weft {
namespace {

using Header = CsvOptions::Header;
using Names = std::vector<std::string>;

CsvOptions with(Header header, DType dtype = DType::kF64, char delimiter = ',') { return {dtype, delimiter, header}; }

// "[2, 2] 1 2 3 4", or the error.
std::string numbers(std::string_view text, CsvOptions options = with(Header::kAuto)) {
  auto table = parse_csv(text, options);
  if (!table.ok()) return table.status().message();
  std::string out = shape_text(table->values.shape());
  for (int64_t i = 0; i < table->values.count(); ++i) {
    out += ' ';
    switch (options.dtype) {
      case DType::kF32: out += cat(table->values.as<float>()[i]); break;
      case DType::kF64: out += cat(table->values.as<double>()[i]); break;
      default: out += cat(table->values.as<int64_t>()[i]);
    }
  }
  return out;
}

TEST(Csv, ReadsNumbers) {
  EXPECT_EQ(numbers("1,2\n3,4\n"), "[2, 2] 1 2 3 4");
  EXPECT_EQ(numbers("1,2\n3,4"), "[2, 2] 1 2 3 4");
  EXPECT_EQ(numbers("1,2\r\n3,4\r\n"), "[2, 2] 1 2 3 4");
  EXPECT_EQ(numbers("1,2\r\n3,4\r"), "[2, 2] 1 2 3 4");
  EXPECT_EQ(numbers("1\n2\n3\n"), "[3, 1] 1 2 3");
  EXPECT_EQ(numbers(" 1 ,\t+2.5 \n-3e2,.5\n"), "[2, 2] 1 2.5 -300 0.5");
  EXPECT_EQ(numbers("\xef\xbb\xbf"
                    "1,2\n"),
            "[1, 2] 1 2");
  EXPECT_EQ(numbers("1,2\n\n\r\n\n"), "[1, 2] 1 2");
  EXPECT_EQ(numbers(""), "[0, 0]");
  EXPECT_EQ(numbers("\n\n"), "[0, 0]");
  EXPECT_EQ(numbers("inf,-inf,nan,1e-999\n"), "[1, 4] inf -inf nan 0");
}

TEST(Csv, OtherDelimiters) {
  EXPECT_EQ(numbers("1;2\n3;4\n", with(Header::kAuto, DType::kF64, ';')), "[2, 2] 1 2 3 4");
  EXPECT_EQ(numbers("1\t2\n3\t4\n", with(Header::kAuto, DType::kF64, '\t')), "[2, 2] 1 2 3 4");
  EXPECT_EQ(numbers("1 2\n3 4\n", with(Header::kAuto, DType::kF64, ' ')), "[2, 2] 1 2 3 4");
  for (char bad : {'"', '\n', '\r', '\0', '.', '-', '+', '5', 'e'}) {
    EXPECT_EQ(numbers("1", with(Header::kAuto, DType::kF64, bad)).substr(0, 13), "the delimiter");
  }
}

TEST(Csv, Types) {
  EXPECT_EQ(numbers("16777217,0.1\n", with(Header::kAuto, DType::kF32)), "[1, 2] 16777216 0.1");
  EXPECT_EQ(numbers("9223372036854775807,-1\n", with(Header::kAuto, DType::kI64)), "[1, 2] 9223372036854775807 -1");
  EXPECT_EQ(numbers("1.5\n", with(Header::kAuto, DType::kI64)),
            "line 1, column 1: '1.5' is not a whole number of 64 bits");
  EXPECT_EQ(numbers("9223372036854775808\n", with(Header::kNo, DType::kI64)),
            "line 1, column 1: '9223372036854775808' is not a whole number of 64 bits");
  EXPECT_EQ(numbers("1e39\n", with(Header::kAuto, DType::kF32)), "line 1, column 1: '1e39' is too large for f32");
  EXPECT_EQ(numbers("1e999\n", with(Header::kAuto)), "line 1, column 1: '1e999' is too large for f64");
  EXPECT_EQ(numbers("1\n", with(Header::kAuto, DType::kI32)), "a CSV file is read as f32, f64 or i64, not as i32");
}

TEST(Csv, LoneCarriageReturnsEndNoLines) {
  EXPECT_EQ(numbers("a,b\r1,2\r3,4\r"),
            "line 1, column 2: a carriage return stands in the middle of a line; lines end in \\n or \\r\\n");
}

TEST(Csv, HeaderLines) {
  auto names = [](std::string_view text, Header header) { return parse_csv(text, with(header))->columns; };
  EXPECT_EQ(names("a,b\n1,2\n", Header::kAuto), (Names{"a", "b"}));
  EXPECT_EQ(numbers("a,b\n1,2\n"), "[1, 2] 1 2");
  EXPECT_EQ(names("1,2\n3,4\n", Header::kAuto), Names());
  EXPECT_EQ(names("1,2\n3,4\n", Header::kYes), (Names{"1", "2"}));
  EXPECT_EQ(numbers("1,2\n3,4\n", with(Header::kYes)), "[1, 2] 3 4");
  EXPECT_EQ(numbers("a,b\n1,2\n", with(Header::kNo)), "line 1, column 1: 'a' is not a number");
  EXPECT_EQ(names("x,1\n1,2\n", Header::kAuto), (Names{"x", "1"}));
  EXPECT_EQ(names(",x\n1,2\n", Header::kAuto), (Names{"", "x"}));
  EXPECT_EQ(numbers("a,b\n"), "[0, 2]");
  EXPECT_EQ(names("\"a \"\"b\"\", c\", d \n1,2\n", Header::kAuto), (Names{"a \"b\", c", "d"}));
  // A first line with a number missing is a line with a number missing.
  EXPECT_EQ(numbers("1,,3\n"), "line 1, column 2: a number is missing");
}

TEST(Csv, QuotedFields) {
  EXPECT_EQ(numbers("\"1\",\"2\"\n3,\"4\"\n"), "[2, 2] 1 2 3 4");
  EXPECT_EQ(numbers("\"1\",\"2\"\r\n3,\"4\"\r\n"), "[2, 2] 1 2 3 4");
  EXPECT_EQ(numbers("3,\"4\""), "[1, 2] 3 4");
  EXPECT_EQ(numbers("\"two\nlines\",b\n1,x\n"), "line 3, column 2: 'x' is not a number");
  EXPECT_EQ(numbers("1,\"2\n"), "line 1, column 2: a quoted field does not end");
  EXPECT_EQ(numbers("1,\"2\"3\n"), "line 1, column 2: something follows the closing quote");
  EXPECT_EQ(numbers("1,2\n3,4\"5\"\n"), "line 2, column 2: a quote stands in the middle of a field");
}

TEST(Csv, ErrorsSayWhere) {
  EXPECT_EQ(numbers("1,2\n3,x4\n"), "line 2, column 2: 'x4' is not a number");
  EXPECT_EQ(numbers("1,2\n3,\n"), "line 2, column 2: a number is missing");
  EXPECT_EQ(numbers("1,2\n3\n"), "line 2 has 1 fields; the lines before it have 2");
  EXPECT_EQ(numbers("1,2\n3,4,5\n"), "line 2 has 3 fields; the lines before it have 2");
  EXPECT_EQ(numbers("1,2\n\n3,4\n"), "line 2 has 1 fields; the lines before it have 2");
  EXPECT_EQ(numbers("1\n\n3\n"), "line 2, column 1: a number is missing");
  EXPECT_EQ(numbers("1,2\n0x10,1\n"), "line 2, column 1: '0x10' is not a number");
  EXPECT_EQ(numbers("1,2\n1 2,1\n"), "line 2, column 1: '1 2' is not a number");
  EXPECT_EQ(numbers("1\n" + std::string(50, 'y')),
            "line 2, column 1: '" + std::string(40, 'y') + "...' is not a number");
  EXPECT_EQ(numbers("# comment\n1\n", with(Header::kNo)), "line 1, column 1: '# comment' is not a number");
}

TEST(Csv, SurvivesDamage) {
  const std::string text = "a,\"b\"\n1.5,-2e3\r\n\"3\",4\n";
  for (size_t i = 0; i < text.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(damaged[i] ^ 1 << bit);
      for (Header header : {Header::kAuto, Header::kNo, Header::kYes}) {
        for (DType dtype : {DType::kF32, DType::kF64, DType::kI64}) numbers(damaged, with(header, dtype));
      }
    }
    numbers(text.substr(0, i));
  }
}

TEST(Csv, ReadsFiles) {
  std::string path = (std::filesystem::temp_directory_path() / cat("weft-csv-", getpid())).string();
  ASSERT_TRUE(write_file(path, "x,y\n1,2\n").ok());
  auto table = read_csv(path, {});
  EXPECT_EQ(table->columns, (Names{"x", "y"}));
  EXPECT_EQ(table->values.dtype(), DType::kF32);
  ASSERT_TRUE(write_file(path, "x,y\n1\n").ok());
  EXPECT_EQ(read_csv(path, {}).status().message(),
            "cannot load '" + path + "': line 2 has 1 fields; the lines before it have 2");
  std::filesystem::remove(path);
  EXPECT_EQ(read_csv(path, {}).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace weft
