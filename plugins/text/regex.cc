// libweft_text: regular expressions by RE2.
#include <re2/re2.h>

#include <cstdio>
#include <new>

#include "plugins/text.h"

struct weft_regex {
  RE2 re2;
};

namespace {

void say(char* why, size_t size, const char* text) { std::snprintf(why, size, "%s", text); }

weft_regex* regex_new(const char* pattern, size_t pattern_size, char* why, size_t why_size) {
  try {
    RE2::Options options;
    options.set_encoding(RE2::Options::EncodingUTF8);
    options.set_log_errors(false);
    auto* regex = new weft_regex{RE2(re2::StringPiece(pattern, pattern_size), options)};
    if (regex->re2.ok()) return regex;
    say(why, why_size, regex->re2.error().c_str());
    delete regex;
  } catch (const std::bad_alloc&) {
    say(why, why_size, "there is no memory to compile it");
  }
  return nullptr;
}

int32_t regex_full_match(const weft_regex* regex, const char* text, size_t text_size) {
  try {
    return RE2::FullMatch(re2::StringPiece(text, text_size), regex->re2) ? 1 : 0;
  } catch (const std::bad_alloc&) {
    return -1;
  }
}

int32_t regex_find(const weft_regex* regex, const char* text, size_t text_size, size_t from, size_t* out_begin,
                   size_t* out_end) {
  try {
    re2::StringPiece match;
    const re2::StringPiece whole(text, text_size);
    if (!regex->re2.Match(whole, from, text_size, RE2::UNANCHORED, &match, 1)) return 0;
    *out_begin = static_cast<size_t>(match.data() - text);
    *out_end = *out_begin + match.size();
    return 1;
  } catch (const std::bad_alloc&) {
    return -1;
  }
}

void regex_free(weft_regex* regex) { delete regex; }

const weft_text_plugin kPlugin = {sizeof(weft_text_plugin), WEFT_TEXT_VERSION, regex_new,
                                  regex_full_match,         regex_find,        regex_free};

}  // namespace

extern "C" __attribute__((visibility("default"))) const weft_text_plugin* weft_text_open(void) { return &kPlugin; }
