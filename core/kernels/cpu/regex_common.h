// Regular expressions, which the library libweft_text compiles and matches.
#pragma once

#include <memory>
#include <string>

#include "core/base/status.h"
#include "plugins/text.h"

namespace weft {

// What to expect of a short pattern and text.
constexpr double kNsPerMatch = 200;

// Any number of threads may use one at once.
class Regex {
 public:
  // An error where the library is missing, or `pattern` is none of RE2's.
  static Result<Regex> compile(const std::string& pattern);

  // 1 or 0; -1 if there is no memory.
  int32_t matches_whole(std::string_view text) const {
    return plugin_->regex_full_match(regex_.get(), text.data(), text.size());
  }
  // The same of the first match that begins at byte `from` or later, and where it is.
  int32_t find(std::string_view text, size_t from, size_t* begin, size_t* end) const {
    return plugin_->regex_find(regex_.get(), text.data(), text.size(), from, begin, end);
  }

 private:
  const weft_text_plugin* plugin_ = nullptr;
  std::shared_ptr<const weft_regex> regex_;
};

}  // namespace weft
