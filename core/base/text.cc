// Text from values without locale.
#include "core/base/text.h"

#include <algorithm>
#include <vector>

namespace weft {

void append_text(std::string& out, double value) {
  char digits[64];
  auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

void append_text(std::string& out, float value) {
  char digits[48];
  auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

namespace {
// from_chars takes a minus but no plus.
std::string_view without_plus(std::string_view text) {
  bool plus = text.size() >= 2 && text[0] == '+' && text[1] != '-';
  return plus ? text.substr(1) : text;
}
}  // namespace

namespace {

// How many letters of a must be taken out, put in, changed or swapped with their neighbours to make b.
size_t distance(std::string_view a, std::string_view b) {
  auto same = [](char x, char y) {
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  };
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before.swap(last);
    last.swap(row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1)});
      if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace

void Suggestion::offer(std::string_view name) {
  constexpr size_t kLongest = 64;
  if (name.size() > kLongest || wanted_.size() > kLongest) return;
  // So many letters at least must be put in or taken out; graphs have names by the thousand.
  if (std::max(name.size(), wanted_.size()) - std::min(name.size(), wanted_.size()) > best_) return;
  // A name of two letters is near to every other.
  if (name.size() < 3 || wanted_.size() < 3) return;
  size_t d = distance(wanted_, name);
  if (d > best_ || (d == best_ && (nearest_.empty() || name >= nearest_))) return;
  best_ = d;
  nearest_ = name;
}

std::string Suggestion::text() const {
  return nearest_.empty() ? std::string() : cat("; did you mean '", nearest_, "'?");
}

std::optional<int64_t> parse_int(std::string_view text) {
  text = without_plus(text);
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

namespace {

// For a number that from_chars finds outside the range of its type: whether it is too small, not
// too large.
bool is_below_one(std::string_view text) {
  size_t exponent_at = text.find_first_of("eE");
  std::string_view digits = text.substr(0, exponent_at);
  int64_t exponent = 0;
  if (exponent_at != std::string_view::npos) {
    std::string_view rest = text.substr(exponent_at + 1);
    std::optional<int64_t> value = parse_int(rest);
    if (!value) return rest.front() == '-';  // beyond all that the digits could make up for
    exponent = *value;
  }
  size_t first = digits.find_first_of("123456789");
  size_t point = std::min(digits.find('.'), digits.size());
  if (first == std::string_view::npos) return true;
  int64_t power = static_cast<int64_t>(point) - static_cast<int64_t>(first) - (first < point ? 1 : 0);
  return exponent < -power;
}

template <typename T>
std::optional<T> parse_real(std::string_view text) {
  text = without_plus(text);
  T value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range && is_below_one(text)) {
    return text.front() == '-' ? -T{0} : T{0};
  }
  if (error != std::errc()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<double> parse_double(std::string_view text) { return parse_real<double>(text); }
std::optional<float> parse_float(std::string_view text) { return parse_real<float>(text); }

namespace {

// Bytes of the character that begins there; 0 if none does.
size_t character_at(std::string_view text, size_t i) {
  auto at = [text](size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u; };
  unsigned lead = at(i);
  if (lead < 0x80) return 1;
  size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  unsigned least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  unsigned most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (at(i + 1) < least || at(i + 1) > most) return 0;
  for (size_t k = 2; k <= more; ++k) {
    if (at(i + k) < 0x80 || at(i + k) > 0xbf) return 0;
  }
  return more + 1;
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    size_t bytes = character_at(text, i);
    if (bytes == 0) return false;
    i += bytes;
  }
  return true;
}

std::string readable(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < text.size();) {
    size_t bytes = character_at(text, i);
    if (bytes > 0) {
      out.append(text, i, bytes);
    } else {
      unsigned char byte = static_cast<unsigned char>(text[i]);
      out += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
      bytes = 1;
    }
    i += bytes;
  }
  return out;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

}  // namespace weft
