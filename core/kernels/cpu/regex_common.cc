// Regular expressions by libweft_text.
#include "core/kernels/cpu/regex_common.h"

#include "core/base/library.h"
#include "core/base/text.h"

namespace weft {

namespace {

Result<const weft_text_plugin*> text_plugin() {
  static Companion library("libweft_text.so", "weft_text_open", WEFT_TEXT_VERSION, sizeof(weft_text_plugin));
  WEFT_TRY(const void* table, library.table());
  return static_cast<const weft_text_plugin*>(table);
}

}  // namespace

Result<Regex> Regex::compile(const std::string& pattern) {
  Regex out;
  WEFT_TRY(out.plugin_, text_plugin());
  char why[200] = "";
  weft_regex* regex = out.plugin_->regex_new(pattern.data(), pattern.size(), why, sizeof why);
  if (regex == nullptr) return invalid("the pattern '", readable(pattern), "' is none of RE2's: ", readable(why));
  out.regex_ = {regex, out.plugin_->regex_free};
  return out;
}

}  // namespace weft
