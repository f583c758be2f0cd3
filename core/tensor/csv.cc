// Tables of numbers as comma-separated text.
#include "core/tensor/csv.h"

#include <charconv>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/base/file.h"

namespace weft {

namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// Cuts text into fields.
class Scanner {
 public:
  Scanner(std::string_view text, char delimiter) : text_(text), delimiter_(delimiter) {}

  bool at_end() const { return at_ == text_.size(); }
  int64_t line() const { return line_; }  // of the field that was read last
  bool ended_line() const { return ended_line_; }
  size_t position() const { return at_; }
  bool only_line_ends_follow() const { return text_.find_first_not_of("\r\n", at_) == std::string_view::npos; }

  // The next field; for one in quotes with quotes inside the view is good until the next call.
  Result<std::string_view> next(int64_t column) {
    if (ended_line_) ++next_line_;
    line_ = next_line_;
    std::string_view field;
    if (!at_end() && text_[at_] == '"') {
      WEFT_TRY(field, quoted(column));
    } else {
      size_t begin = at_;
      while (!at_end() && text_[at_] != delimiter_ && text_[at_] != '\n' && text_[at_] != '"') ++at_;
      if (!at_end() && text_[at_] == '"') return error(column, "a quote stands in the middle of a field");
      field = text_.substr(begin, at_ - begin);
      if ((at_end() || text_[at_] == '\n') && !field.empty() && field.back() == '\r') field.remove_suffix(1);
      if (field.find('\r') != std::string_view::npos) {
        return error(column, "a carriage return stands in the middle of a line; lines end in \\n or \\r\\n");
      }
    }
    ended_line_ = at_end() || text_[at_] == '\n';
    if (!at_end()) ++at_;
    return field;
  }

  Status error(int64_t column, std::string_view problem) const {
    return invalid("line ", line_, ", column ", column, ": ", problem);
  }

 private:
  Result<std::string_view> quoted(int64_t column) {
    size_t begin = ++at_;
    bool plain = true;
    unquoted_.clear();
    for (;;) {
      size_t quote = text_.find('"', at_);
      if (quote == std::string_view::npos) return error(column, "a quoted field does not end");
      for (size_t i = at_; i < quote; ++i) next_line_ += text_[i] == '\n';
      if (quote + 1 < text_.size() && text_[quote + 1] == '"') {
        plain = false;
        unquoted_.append(text_, at_, quote + 1 - at_);
        at_ = quote + 2;
        continue;
      }
      unquoted_.append(text_, at_, quote - at_);
      at_ = quote + 1;
      std::string_view field = plain ? text_.substr(begin, quote - begin) : std::string_view(unquoted_);
      if (text_.substr(at_, 2) == "\r\n" || text_.substr(at_) == "\r") ++at_;
      if (!at_end() && text_[at_] != delimiter_ && text_[at_] != '\n') {
        return error(column, "something follows the closing quote");
      }
      return field;
    }
  }

  std::string_view text_;
  char delimiter_;
  size_t at_ = 0;
  int64_t line_ = 1;
  int64_t next_line_ = 1;
  bool ended_line_ = false;
  std::string unquoted_;
};

template <typename T>
std::optional<T> parse_field(std::string_view field) {
  field = trim(field);
  if constexpr (std::is_same_v<T, float>) return parse_float(field);
  if constexpr (std::is_same_v<T, double>) return parse_double(field);
  if constexpr (std::is_same_v<T, int64_t>) return parse_int(field);
}

// Also one that no type can hold.
bool is_number(std::string_view field) {
  field = trim(field);
  if (field.size() >= 2 && field[0] == '+' && field[1] != '-') field.remove_prefix(1);
  double value;
  auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  return error != std::errc::invalid_argument && end == field.data() + field.size();
}

template <typename T>
Status not_a_number(const Scanner& scanner, int64_t column, std::string_view field) {
  field = trim(field);
  if (field.empty()) return scanner.error(column, "a number is missing");
  std::string shown(field.substr(0, 40));
  if (field.size() > 40) shown += "...";
  if (!is_number(field)) return scanner.error(column, cat("'", shown, "' is not a number"));
  if (std::is_same_v<T, int64_t>) {
    return scanner.error(column, cat("'", shown, "' is not a whole number of 64 bits"));
  }
  return scanner.error(column, cat("'", shown, "' is too large for ", dtype_name(dtype_of<T>())));
}

template <typename T>
Result<CsvTable> parse_as(std::string_view text, const CsvOptions& options) {
  CsvTable out;
  Scanner scanner(text, options.delimiter);
  std::vector<T> values;
  int64_t width = 0, rows = 0;
  bool first = true;
  while (!scanner.at_end() && !scanner.only_line_ends_follow()) {
    // What the first line is shows only when all of it has been read.
    std::vector<std::string> names;
    Status problem;
    bool words = false;
    int64_t column = 0;
    do {
      ++column;
      WEFT_TRY(std::string_view field, scanner.next(column));
      if (!first && column > width) continue;
      std::optional<T> value;
      if (!first || options.header != CsvOptions::Header::kYes) value = parse_field<T>(field);
      if (first && options.header != CsvOptions::Header::kNo) {
        names.emplace_back(trim(field));
        words = words || (!names.back().empty() && !is_number(field));
      }
      if (value) {
        values.push_back(*value);
      } else if (problem.ok()) {
        problem = not_a_number<T>(scanner, column, field);
      }
    } while (!scanner.ended_line());
    if (!first && column != width) {
      return invalid("line ", scanner.line(), " has ", column, " fields; the lines before it have ", width);
    }
    if (first) width = column;
    bool header =
        first && (options.header == CsvOptions::Header::kYes || (options.header == CsvOptions::Header::kAuto && words));
    first = false;
    if (header) {
      values.clear();
      out.columns = std::move(names);
      continue;
    }
    WEFT_CHECK(problem);
    ++rows;
  }
  WEFT_TRY(out.values, Tensor::from_bytes(dtype_of<T>(), {rows, width}, values.data(),
                                          static_cast<int64_t>(values.size() * sizeof(T))));
  return out;
}

}  // namespace

Result<CsvTable> parse_csv(std::string_view text, const CsvOptions& options) {
  constexpr std::string_view kNotDelimiters("\"\r\n\0", 4);
  char c = options.delimiter;
  bool in_numbers =
      (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '+';
  if (kNotDelimiters.find(c) != std::string_view::npos || in_numbers) {
    return invalid("the delimiter cannot be a quote, a line end, a zero byte or a character of numbers");
  }
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) text.remove_prefix(kByteOrderMark.size());
  switch (options.dtype) {
    case DType::kF32: return parse_as<float>(text, options);
    case DType::kF64: return parse_as<double>(text, options);
    case DType::kI64: return parse_as<int64_t>(text, options);
    default: return invalid("a CSV file is read as f32, f64 or i64, not as ", dtype_name(options.dtype));
  }
}

Result<CsvTable> read_csv(const std::string& path, const CsvOptions& options) {
  WEFT_TRY(auto bytes, read_file(path));
  Result<CsvTable> table = parse_csv(bytes->text(), options);
  if (!table.ok()) return table.status().within(cat("cannot load '", path, "': "));
  return table;
}

}  // namespace weft
