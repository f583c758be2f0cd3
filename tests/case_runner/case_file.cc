// The text format of tests/ops/*.case.
#include "tests/case_runner/case_file.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "core/base/file.h"

namespace weft {

namespace {

// Reads words, quoted strings and bracketed parts off a line.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool at_end() {
    skip_blank();
    return rest_.empty() || rest_.front() == '#';
  }
  // Up to a blank; quotes and brackets hold blanks.
  Result<std::string> word() {
    skip_blank();
    size_t i = 0;
    int depth = 0;
    bool quoted = false;
    for (; i < rest_.size(); ++i) {
      char c = rest_[i];
      if (c == '"') quoted = !quoted;
      if (quoted && c == '\\') ++i;
      if (quoted) continue;
      if (c == '[' || c == '{') ++depth;
      if (c == ']' || c == '}') --depth;
      if (depth == 0 && (c == ' ' || c == '\t')) break;
    }
    if (quoted || depth != 0 || i > rest_.size()) return invalid("a quote or bracket is not closed");
    std::string out(rest_.substr(0, i));
    rest_.remove_prefix(i);
    if (out.empty()) return invalid("something is missing at the end of the line");
    return out;
  }
  Status expect(std::string_view text) {
    WEFT_TRY(std::string found, word());
    return found == text ? Status() : invalid("expected '", text, "' but found '", found, "'");
  }
  std::string rest() {
    std::string out(trim(rest_));
    rest_ = {};
    return out;
  }

 private:
  void skip_blank() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
  }
  std::string_view rest_;
};

// Of a string in quotes, what it stands for: \" a quote, \\ a backslash, \n a line's end, \x02 the byte of that number.
Result<std::string> unquote(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return invalid(text, " is not a string in quotes");
  std::string out;
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    char c = text[i];
    if (c == '\\') {
      c = text[++i];
      if (i + 1 == text.size() || (c != '"' && c != '\\' && c != 'n' && c != 'x')) {
        return invalid(text, " has an unknown escape");
      }
      if (c == 'n') c = '\n';
      if (c == 'x') {
        unsigned byte = 0;
        const char *digits = text.data() + i + 1, *end = digits + std::min<size_t>(2, text.size() - i - 2);
        if (std::from_chars(digits, end, byte, 16).ptr != digits + 2) return invalid(text, " has an unknown escape");
        c = static_cast<char>(byte);
        i += 2;
      }
    }
    out.push_back(c);
  }
  return out;
}

Result<double> number(std::string_view text) {
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  if (text == "true") return 1.0;
  if (text == "false") return 0.0;
  std::optional<double> value = parse_double(text);
  if (!value) return invalid("'", text, "' is not a number");
  return *value;
}

// A number that T holds as it is.
template <typename T>
Status put(Tensor& tensor, int64_t i, double value, const std::string& text) {
  const auto least = static_cast<double>(std::numeric_limits<T>::min());
  const auto most = static_cast<double>(std::numeric_limits<T>::max());
  if (!(value >= least && value <= most && value == std::trunc(value))) {
    return invalid("'", text, "' is no ", dtype_name(tensor.dtype()));
  }
  tensor.as<T>()[i] = static_cast<T>(value);
  return {};
}

Status store(Tensor& tensor, int64_t i, const std::string& text) {
  if (tensor.dtype() == DType::kString) {
    WEFT_TRY(tensor.mutable_strings()[i], unquote(text));
    return {};
  }
  if (tensor.dtype() == DType::kF32) {
    // The nearest f32 of the decimal, not of the nearest f64.
    float value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) {
      tensor.as<float>()[i] = value;
      return {};
    }
  }
  if (tensor.dtype() == DType::kI64 || tensor.dtype() == DType::kU64) {
    if (auto whole = parse_int(text); whole && (*whole >= 0 || tensor.dtype() == DType::kI64)) {
      tensor.as<int64_t>()[i] = *whole;
      return {};
    }
    uint64_t large = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), large);
    if (tensor.dtype() == DType::kU64 && error == std::errc() && end == text.data() + text.size()) {
      tensor.as<uint64_t>()[i] = large;
      return {};
    }
    return invalid("'", text, "' is no ", dtype_name(tensor.dtype()));
  }
  WEFT_TRY(double value, number(text));
  switch (tensor.dtype()) {
    case DType::kF32: tensor.as<float>()[i] = static_cast<float>(value); break;
    case DType::kF64: tensor.as<double>()[i] = value; break;
    case DType::kF16: tensor.as<uint16_t>()[i] = float_to_f16(static_cast<float>(value)); break;
    case DType::kBF16: tensor.as<uint16_t>()[i] = float_to_bf16(static_cast<float>(value)); break;
    case DType::kI8: return put<int8_t>(tensor, i, value, text);
    case DType::kI16: return put<int16_t>(tensor, i, value, text);
    case DType::kI32: return put<int32_t>(tensor, i, value, text);
    case DType::kU8: return put<uint8_t>(tensor, i, value, text);
    case DType::kU16: return put<uint16_t>(tensor, i, value, text);
    case DType::kU32: return put<uint32_t>(tensor, i, value, text);
    case DType::kBool: tensor.as<bool>()[i] = value != 0; break;
    default: return invalid("case files have no literals of dtype ", dtype_name(tensor.dtype()));
  }
  return {};
}

// "f32[2,3]" and the values that follow.
Result<Tensor> read_tensor(std::string_view type, Scanner& values) {
  size_t bracket = type.find('[');
  std::string_view name = type.substr(0, bracket);
  WEFT_TRY(DType dtype, parse_dtype(name));
  Shape shape;
  if (bracket != std::string_view::npos) {
    WEFT_TRY(Dims dims, parse_dims(type.substr(bracket), "case"));
    if (!all_known(dims)) return invalid("the shape in '", type, "' must be of numbers");
    shape = to_shape(dims);
  }
  WEFT_TRY(Tensor tensor, Tensor::make(dtype, shape));
  for (int64_t i = 0; i < tensor.count(); ++i) {
    if (values.at_end()) return invalid(type, " needs ", tensor.count(), " values but has ", i);
    WEFT_TRY(std::string text, values.word());
    WEFT_CHECK(store(tensor, i, text));
  }
  if (!values.at_end()) return invalid(type, " has more than ", tensor.count(), " values");
  return tensor;
}

// "f32[2]{1 2}"
Result<Tensor> read_braced_tensor(std::string_view text) {
  size_t brace = text.find('{');
  if (brace == std::string_view::npos || text.back() != '}')
    return invalid("'", text, "' is not a tensor like f32[2]{1 2}");
  Scanner values(text.substr(brace + 1, text.size() - brace - 2));
  return read_tensor(text.substr(0, brace), values);
}

Result<Tensor> read_value(Scanner& line) {
  WEFT_TRY(std::string type, line.word());
  WEFT_CHECK(line.expect("="));
  if (type != "seq") return read_tensor(type, line);
  std::vector<Tensor> items;
  while (!line.at_end()) {
    WEFT_TRY(std::string text, line.word());
    WEFT_TRY(Tensor item, read_braced_tensor(text));
    items.push_back(std::move(item));
  }
  return Tensor::sequence(std::move(items));
}

bool looks_whole(std::string_view text) { return parse_int(text).has_value(); }

Result<AttrValue> read_attr(const std::string& text) {
  if (text.front() == '"') {
    WEFT_TRY(std::string value, unquote(text));
    return AttrValue(std::move(value));
  }
  if (text.back() == '}') {
    WEFT_TRY(Tensor value, read_braced_tensor(text));
    return AttrValue(std::move(value));
  }
  if (text.front() != '[') {
    if (auto whole = parse_int(text)) return AttrValue(*whole);
    WEFT_TRY(double value, number(text));
    return AttrValue(value);
  }
  std::vector<std::string> items;
  std::string_view inner = std::string_view(text).substr(1, text.size() - 2);
  while (!trim(inner).empty()) {
    size_t comma = inner.find(',');
    items.emplace_back(trim(inner.substr(0, comma)));
    inner = comma == std::string_view::npos ? std::string_view() : inner.substr(comma + 1);
  }
  if (!items.empty() && items[0].starts_with('"')) {
    for (std::string& item : items) {
      WEFT_TRY(item, unquote(item));
    }
    return AttrValue(std::move(items));
  }
  bool whole = true;
  for (const std::string& item : items) whole = whole && looks_whole(item);
  if (whole) {
    std::vector<int64_t> values;
    for (const std::string& item : items) values.push_back(*parse_int(item));
    return AttrValue(std::move(values));
  }
  std::vector<double> values;
  for (const std::string& item : items) {
    WEFT_TRY(double value, number(item));
    values.push_back(value);
  }
  return AttrValue(std::move(values));
}

Status read_statement(Scanner& line, const std::string& keyword, Case& c) {
  if (keyword == "opset") {
    WEFT_TRY(std::string text, line.word());
    c.opset = static_cast<int>(parse_int(text).value_or(0));
  } else if (keyword == "attr") {
    WEFT_TRY(std::string name, line.word());
    WEFT_CHECK(line.expect("="));
    WEFT_TRY(std::string text, line.word());
    WEFT_TRY(AttrValue value, read_attr(text));
    c.attrs.set(name, std::move(value));
  } else if (keyword == "in") {
    CaseInput input;
    WEFT_TRY(input.name, line.word());
    Scanner ahead = line;
    WEFT_TRY(std::string next, ahead.word());
    if (next == "none") {
      input.omitted = true;
    } else {
      WEFT_TRY(input.value, read_value(line));
    }
    c.inputs.push_back(std::move(input));
  } else if (keyword == "out") {
    CaseOutput output;
    WEFT_TRY(output.name, line.word());
    Scanner ahead = line;
    WEFT_TRY(std::string next, ahead.word());
    if (next == "-") {
      output.compared = false;
    } else {
      WEFT_TRY(output.value, read_value(line));
    }
    c.outputs.push_back(std::move(output));
  } else if (keyword == "tolerance") {
    WEFT_TRY(std::string text, line.word());
    WEFT_TRY(double value, number(text));
    c.tolerance = value;
  } else if (keyword == "gradient") {
    Result<std::string> which = line.word();
    WEFT_CHECK(which.status());
    c.gradient = *which == "by";
    if (c.gradient) {
      WEFT_TRY(c.gradient_by, line.word());
    } else if (*which != "off") {
      return invalid("expected 'off' or 'by' but found '", *which, "'");
    }
  } else if (keyword == "fails") {
    WEFT_TRY(c.fails_code, line.word());
    WEFT_TRY(std::string text, line.word());
    WEFT_TRY(c.fails_text, unquote(text));
  } else {
    return invalid("unknown statement '", keyword, "'");
  }
  return {};
}

}  // namespace

Result<std::vector<Case>> read_case_file(const std::string& path) {
  WEFT_TRY(auto file, read_file(path));
  return read_cases(file->text(), path);
}

Result<std::vector<Case>> read_cases(std::string_view text, const std::string& path) {
  std::vector<Case> cases;
  std::string op;
  int number = 0;
  while (!text.empty()) {
    size_t end = text.find('\n');
    Scanner line(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    ++number;
    if (line.at_end()) continue;
    std::string where = cat(path, ":", number, ": ");
    Result<std::string> keyword = line.word();
    if (!keyword.ok()) return keyword.status().within(where);
    if (*keyword == "op") {
      Result<std::string> name = line.word();
      if (!name.ok()) return name.status().within(where);
      op = *name;
    } else if (*keyword == "case") {
      Result<std::string> name = line.word();
      if (!name.ok()) return name.status().within(where);
      if (op.empty()) return invalid(where, "the line 'op NAME' must come first");
      Case c;
      c.op = op;
      c.name = *name;
      c.line = number;
      cases.push_back(std::move(c));
    } else {
      if (cases.empty()) return invalid(where, "a line 'case NAME' must come first");
      Status status = read_statement(line, *keyword, cases.back());
      if (!status.ok()) return status.within(where);
    }
  }
  if (cases.empty()) return invalid(path, ": there is no case in it");
  return cases;
}

}  // namespace weft
