/* What libweft_text.so gives libweft.so: regular expressions, by RE2.
 *
 * It exports one function, weft_text_open. All is flat C, so that neither library needs a symbol of the other. Functions do
 * not throw, and any number of threads may call them at once.
 */
#ifndef WEFT_PLUGINS_TEXT_H_
#define WEFT_PLUGINS_TEXT_H_

#include <stddef.h>
#include <stdint.h>

/** What weft_text_plugin calls `version`. */
#define WEFT_TEXT_VERSION 2

/** A compiled pattern. */
typedef struct weft_regex weft_regex;

/** The functions of the library. */
typedef struct weft_text_plugin {
  size_t struct_size; /**< Of the library's maker. */
  int32_t version;    /**< WEFT_TEXT_VERSION that it was compiled with. */
  /** Compiles a pattern, which is UTF-8. NULL if it is none of RE2's, or there is no memory: then `why`, which has room for
   * `why_size` bytes, holds the reason as text. */
  weft_regex* (*regex_new)(const char* pattern, size_t pattern_size, char* why, size_t why_size);
  /** Whether the whole of the text, which is UTF-8, matches: 1 or 0; -1 if there is no memory. */
  int32_t (*regex_full_match)(const weft_regex* regex, const char* text, size_t text_size);
  /** Finds the first match that begins at byte `from` or later as the pattern prefers; what is
   * before `from` counts for `^` and `\b`. 1 if there is one, from byte `out_begin` to before `out_end`; 0 if there is none;
   * -1 if there is no memory. */
  int32_t (*regex_find)(const weft_regex* regex, const char* text, size_t text_size, size_t from, size_t* out_begin,
                        size_t* out_end);
  /** Lets the pattern go. */
  void (*regex_free)(weft_regex* regex);
} weft_text_plugin;

#endif
