// Text from values without locale: cat(...) joins strings and numbers, parse_* reads numbers back.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace weft {

void append_text(std::string& out, double value);  // shortest form that reads back to the same bits
void append_text(std::string& out, float value);

inline void append_text(std::string& out, std::string_view value) { out.append(value); }
inline void append_text(std::string& out, const char* value) { out.append(value); }
inline void append_text(std::string& out, const std::string& value) { out.append(value); }
inline void append_text(std::string& out, char value) { out.push_back(value); }
inline void append_text(std::string& out, bool value) { out.append(value ? "true" : "false"); }

template <typename T>
requires std::is_integral_v<T>
void append_text(std::string& out, T value) {
  char digits[24];
  auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

template <typename... Parts>
std::string cat(const Parts&... parts) {
  std::string out;
  (append_text(out, parts), ...);
  return out;
}

// The items in order, separated by `separator`.
template <typename Items>
std::string join(const Items& items, std::string_view separator = ", ") {
  std::string out;
  bool first = true;
  for (const auto& item : items) {
    if (!first) out.append(separator);
    first = false;
    append_text(out, item);
  }
  return out;
}

// Each reads the whole of `text` or returns nothing, also when the number is too large for the
// type; a real number too small for it is zero.
std::optional<int64_t> parse_int(std::string_view text);
std::optional<double> parse_double(std::string_view text);
std::optional<float> parse_float(std::string_view text);

// "; did you mean 'x'?" of the name that is nearest to what was asked for, if one is near: a letter or two missing, added,
// changed or swapped. Letters are compared without case.
class Suggestion {
 public:
  explicit Suggestion(std::string_view wanted) : wanted_(wanted) {}
  void offer(std::string_view name);
  std::string text() const;

 private:
  std::string_view wanted_;
  std::string nearest_;
  size_t best_ = 3;  // less than that is near
};

std::string_view trim(std::string_view text);
// Well-formed UTF-8: no surrogates, nothing longer than need be, nothing above U+10FFFF.
bool is_utf8(std::string_view text);
// The text with every byte that is no part of UTF-8 as \xff.
std::string readable(std::string_view text);

}  // namespace weft
