// JSON, read strictly one piece after the other without recursion, and strings written for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/status.h"

namespace weft {

enum class JsonEvent {
  kBeginObject,
  kEndObject,
  kBeginArray,
  kEndArray,
  kKey,     // text() is the decoded name
  kString,  // text() is the decoded string
  kNumber,  // text() is the number as it stands there
  kTrue,
  kFalse,
  kNull,
  kEnd,  // the one value has ended and only blanks follow
};
const char* json_event_name(JsonEvent event);  // "a string"

// Goes through one JSON value (RFC 8259): UTF-8 without a byte order mark, no comments, no trailing
// commas. What has been read was well-formed; an error names the byte. Two equal keys in an object
// are the reader's caller's affair.
class JsonReader {
 public:
  static constexpr size_t kMaxDepth = 64;

  // `text` has to outlive the reader.
  explicit JsonReader(std::string_view text) : input_(text) {}

  Result<JsonEvent> next();
  const std::string& text() const { return text_; }
  size_t position() const { return at_; }

  // The next piece, which has to be of that kind; `what` says in an error what was read.
  Status expect(JsonEvent wanted, std::string_view what);
  // A whole number that fits; `what` as above.
  Result<int64_t> next_int(std::string_view what);
  Result<std::string> next_string(std::string_view what);
  // Passes over the value that follows a key, however deep.
  Status skip_value();

 private:
  enum class Wanted { kValue, kValueOrEnd, kKey, kKeyOrEnd, kCommaOrEnd, kNothing };

  Status error(std::string_view problem) const;
  void skip_blanks();
  Result<JsonEvent> open(char bracket);
  Result<JsonEvent> close(char bracket);
  Result<JsonEvent> value_done(JsonEvent event);
  Result<JsonEvent> read_value();
  Status read_string();
  Status read_escape();
  Result<uint32_t> read_hex();
  Status read_number();
  bool skip_digits();
  bool skip_word(std::string_view word);

  std::string_view input_;
  size_t at_ = 0;
  std::string text_;
  std::string open_;  // '{' and '[' of what is open
  Wanted wanted_ = Wanted::kValue;
};

// `text` (UTF-8) in quotes, with what JSON does not allow there escaped.
void append_json_string(std::string& out, std::string_view text);
std::string json_string(std::string_view text);

}  // namespace weft
