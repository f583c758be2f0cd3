// JSON, read strictly one piece after the other without recursion, and strings written for it.
#include "core/base/json.h"

#include "core/base/text.h"

namespace weft {

const char* json_event_name(JsonEvent event) {
  switch (event) {
    case JsonEvent::kBeginObject: return "an object";
    case JsonEvent::kEndObject: return "the end of an object";
    case JsonEvent::kBeginArray: return "an array";
    case JsonEvent::kEndArray: return "the end of an array";
    case JsonEvent::kKey: return "a key";
    case JsonEvent::kString: return "a string";
    case JsonEvent::kNumber: return "a number";
    case JsonEvent::kTrue: return "true";
    case JsonEvent::kFalse: return "false";
    case JsonEvent::kNull: return "null";
    case JsonEvent::kEnd: return "the end";
  }
  return "nothing";
}

Status JsonReader::error(std::string_view problem) const {
  return invalid("not valid JSON at byte ", at_, ": ", problem);
}

void JsonReader::skip_blanks() {
  while (at_ < input_.size() &&
         (input_[at_] == ' ' || input_[at_] == '\t' || input_[at_] == '\n' || input_[at_] == '\r')) {
    ++at_;
  }
}

Result<JsonEvent> JsonReader::next() {
  skip_blanks();
  if (wanted_ == Wanted::kNothing) {
    if (at_ < input_.size()) return error("something follows the value");
    return JsonEvent::kEnd;
  }
  if (at_ == input_.size()) return error("it ends too early");
  if (wanted_ == Wanted::kCommaOrEnd) {
    bool object = open_.back() == '{';
    char c = input_[at_];
    if (c == (object ? '}' : ']')) return close(c);
    if (c != ',') return error(object ? "',' or '}' is missing" : "',' or ']' is missing");
    ++at_;
    wanted_ = object ? Wanted::kKey : Wanted::kValue;
    skip_blanks();
    if (at_ == input_.size()) return error("it ends too early");
  }
  if (wanted_ == Wanted::kKey || wanted_ == Wanted::kKeyOrEnd) {
    if (wanted_ == Wanted::kKeyOrEnd && input_[at_] == '}') return close('}');
    if (input_[at_] != '"') return error("a key in quotes is missing");
    WEFT_CHECK(read_string());
    skip_blanks();
    if (at_ == input_.size() || input_[at_] != ':') return error("':' is missing after the key");
    ++at_;
    wanted_ = Wanted::kValue;
    return JsonEvent::kKey;
  }
  if (wanted_ == Wanted::kValueOrEnd && input_[at_] == ']') return close(']');
  return read_value();
}

Result<JsonEvent> JsonReader::open(char bracket) {
  if (open_.size() == kMaxDepth) return error("it is nested too deeply");
  ++at_;
  open_.push_back(bracket);
  wanted_ = bracket == '{' ? Wanted::kKeyOrEnd : Wanted::kValueOrEnd;
  return bracket == '{' ? JsonEvent::kBeginObject : JsonEvent::kBeginArray;
}

Result<JsonEvent> JsonReader::close(char bracket) {
  ++at_;
  open_.pop_back();
  return value_done(bracket == '}' ? JsonEvent::kEndObject : JsonEvent::kEndArray);
}

Result<JsonEvent> JsonReader::value_done(JsonEvent event) {
  wanted_ = open_.empty() ? Wanted::kNothing : Wanted::kCommaOrEnd;
  return event;
}

Result<JsonEvent> JsonReader::read_value() {
  char c = input_[at_];
  if (c == '{' || c == '[') return open(c);
  if (c == '"') {
    WEFT_CHECK(read_string());
    return value_done(JsonEvent::kString);
  }
  if (c == '-' || (c >= '0' && c <= '9')) {
    WEFT_CHECK(read_number());
    return value_done(JsonEvent::kNumber);
  }
  if (skip_word("true")) return value_done(JsonEvent::kTrue);
  if (skip_word("false")) return value_done(JsonEvent::kFalse);
  if (skip_word("null")) return value_done(JsonEvent::kNull);
  return error("a value is missing");
}

bool JsonReader::skip_word(std::string_view word) {
  if (input_.substr(at_, word.size()) != word) return false;
  at_ += word.size();
  return true;
}

Status JsonReader::read_string() {
  text_.clear();
  size_t begin = ++at_;
  for (;;) {
    size_t plain = at_;
    while (at_ < input_.size() && input_[at_] != '"' && input_[at_] != '\\' &&
           static_cast<unsigned char>(input_[at_]) >= 0x20) {
      ++at_;
    }
    text_.append(input_, plain, at_ - plain);
    if (at_ == input_.size()) return error("a string does not end");
    if (input_[at_] == '"') break;
    if (input_[at_] != '\\') return error("a control character stands in a string");
    ++at_;
    WEFT_CHECK(read_escape());
  }
  std::string_view raw = input_.substr(begin, at_ - begin);
  ++at_;
  if (!is_utf8(raw)) return error("a string is not UTF-8");
  return {};
}

Status JsonReader::read_escape() {
  if (at_ == input_.size()) return error("a string does not end");
  char c = input_[at_++];
  switch (c) {
    case '"':
    case '\\':
    case '/': text_ += c; return {};
    case 'b': text_ += '\b'; return {};
    case 'f': text_ += '\f'; return {};
    case 'n': text_ += '\n'; return {};
    case 'r': text_ += '\r'; return {};
    case 't': text_ += '\t'; return {};
    case 'u': break;
    default: return error("an unknown escape stands in a string");
  }
  WEFT_TRY(uint32_t code, read_hex());
  if (code >= 0xdc00 && code < 0xe000) return error("half of a surrogate pair is missing");
  if (code >= 0xd800 && code < 0xdc00) {
    if (!skip_word("\\u")) return error("half of a surrogate pair is missing");
    WEFT_TRY(uint32_t low, read_hex());
    if (low < 0xdc00 || low >= 0xe000) return error("half of a surrogate pair is missing");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  if (code < 0x80) {
    text_ += static_cast<char>(code);
  } else if (code < 0x800) {
    text_ += static_cast<char>(0xc0 | code >> 6);
    text_ += static_cast<char>(0x80 | (code & 63));
  } else if (code < 0x10000) {
    text_ += static_cast<char>(0xe0 | code >> 12);
    text_ += static_cast<char>(0x80 | (code >> 6 & 63));
    text_ += static_cast<char>(0x80 | (code & 63));
  } else {
    text_ += static_cast<char>(0xf0 | code >> 18);
    text_ += static_cast<char>(0x80 | (code >> 12 & 63));
    text_ += static_cast<char>(0x80 | (code >> 6 & 63));
    text_ += static_cast<char>(0x80 | (code & 63));
  }
  return {};
}

Result<uint32_t> JsonReader::read_hex() {
  uint32_t code = 0;
  std::string_view digits = input_.substr(at_, 4);
  auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
  if (digits.size() < 4 || problem != std::errc() || end != digits.data() + 4) {
    return error("\\u needs four hexadecimal digits");
  }
  at_ += 4;
  return code;
}

bool JsonReader::skip_digits() {
  size_t begin = at_;
  while (at_ < input_.size() && input_[at_] >= '0' && input_[at_] <= '9') ++at_;
  return at_ > begin;
}

Status JsonReader::read_number() {
  size_t begin = at_;
  skip_word("-");
  if (!skip_word("0") && !skip_digits()) return error("a number has no digits");
  if (skip_word(".") && !skip_digits()) return error("a number has no digits after the point");
  if (skip_word("e") || skip_word("E")) {
    if (!skip_word("-")) skip_word("+");
    if (!skip_digits()) return error("a number has no digits in its exponent");
  }
  text_ = input_.substr(begin, at_ - begin);
  return {};
}

Status JsonReader::expect(JsonEvent wanted, std::string_view what) {
  WEFT_TRY(JsonEvent event, next());
  if (event == wanted) return {};
  return invalid(what, " should be ", json_event_name(wanted), " but is ", json_event_name(event));
}

Result<int64_t> JsonReader::next_int(std::string_view what) {
  WEFT_CHECK(expect(JsonEvent::kNumber, what));
  std::optional<int64_t> value = parse_int(text_);
  if (!value) return invalid(what, " is ", text_, ", which is not a whole number of 64 bits");
  return *value;
}

Result<std::string> JsonReader::next_string(std::string_view what) {
  WEFT_CHECK(expect(JsonEvent::kString, what));
  return text_;
}

Status JsonReader::skip_value() {
  size_t depth = open_.size();
  do {
    WEFT_CHECK(next().status());
  } while (open_.size() > depth);
  return {};
}

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  constexpr std::string_view kPlain = "\"\\\b\f\n\r\t", kShort = "\"\\bfnrt";
  out += '"';
  for (char c : text) {
    if (size_t at = kPlain.find(c); at != std::string_view::npos) {
      out += '\\';
      out += kShort[at];
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace weft
