// StringConcat, StringSplit and StringNormalizer.
#include <algorithm>

#include "core/base/text.h"
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_string_split(InferContext& c) {
  if (!c.has_rank(0)) return {};
  c.set_dims(1, c.dims(0));
  Dims pieces = c.dims(0);
  pieces.push_back(c.fresh());
  c.set_dims(0, std::move(pieces));
  return {};
}

// "en_US", "tr", "de-AT.UTF-8", "C": a language, and then what does not matter here.
bool names_language(std::string_view locale) {
  const size_t letters = std::min(locale.find_first_of("_-.@"), locale.size());
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return letters > 0 && std::all_of(locale.begin(), locale.begin() + static_cast<std::ptrdiff_t>(letters), is_letter);
}

Status infer_string_normalizer(InferContext& c) {
  const std::string& action = c.attrs().s("case_change_action");
  if (action != "LOWER" && action != "UPPER" && action != "NONE") {
    return invalid("case_change_action '", action, "' must be LOWER, UPPER or NONE");
  }
  const AttrValue* locale = c.attrs().find("locale");
  if (locale != nullptr && !locale->s().empty() && !names_language(locale->s())) {
    return invalid("locale '", locale->s(), "' names no language; 'en_US' and 'tr' would");
  }
  const AttrValue* stopwords = c.attrs().find("stopwords");
  const bool stops = stopwords != nullptr && !stopwords->strings().empty();
  if (stops) {
    for (const std::string& word : stopwords->strings()) {
      if (!is_utf8(word)) return invalid("the stop word '", readable(word), "' is not UTF-8");
    }
  }
  if (!c.has_rank(0)) return {};
  const Dims& dims = c.dims(0);
  if ((dims.size() != 1 && dims.size() != 2) || (dims.size() == 2 && dims[0].known() && !dims[0].is(1))) {
    return invalid("X must be [C] or [1, C] but is ", c.input(0).text());
  }
  Dims out = dims;
  if (dims.size() == 2) out[0] = 1;
  Dim& count = out.back();
  if (count.is(0))
    count = 1;
  else if (!count.known() || stops)
    count = c.fresh();
  c.set_dims(0, std::move(out));
  return {};
}

constexpr const char* kStringsNoGradient = "strings do not change gradually";

}  // namespace

void define_op_strings(OpRegistry& ops) {
  ops.add("StringConcat")
      .group("text")
      .since(20)
      .doc("Each string of X with that of Y behind it; shapes broadcast.")
      .types("T", set_of(DType::kString))
      .input("X", "T", "Any shape.")
      .input("Y", "T", "A shape that broadcasts with that of X.")
      .output("Z", "T", "The broadcast shape.")
      .infer(infer_broadcast)
      .no_gradient(kStringsNoGradient);
  ops.add("StringSplit")
      .group("text")
      .since(20)
      .doc(
          "The parts of each string, between delimiters. Every place where the delimiter stands parts two strings, "
          "which may "
          "be empty; the empty string is one part. Without a delimiter, or with an empty one, parts are what stands "
          "between white space (Unicode's, and the separators U+001C to U+001F): no part is empty, and the last one "
          "has no white space at its end even if `maxsplit` left some within.")
      .types("T1", set_of(DType::kString))
      .attr("delimiter", "", "What parts the strings; empty for white space.")
      .optional_attr("maxsplit", AttrKind::kInt,
                     "At most so many splits, from the left: the last part is what is left then. Without it, or if it "
                     "is negative, as many as there are.")
      .input("X", "T1", "Any shape.")
      .output("Y", "T1", "The shape of X and [most]: the parts, then empty strings up to the most that one string has.")
      .output("Z", "i64", "The shape of X: the number of parts of each.")
      .infer(infer_string_split)
      .sizes_outputs()
      .no_gradient(kStringsNoGradient);
  ops.add("StringNormalizer")
      .group("text")
      .since(10)
      .doc(
          "The strings that are no stop words, then in lower or upper case. Each letter becomes the one letter that "
          "Unicode 14 has for it (its simple mapping), in every script; what has no single one stays, such as the "
          "German sharp s in upper case. The case of letters needs UTF-8; anything else is an error. If nothing is "
          "left, one empty string is.")
      .attr("case_change_action", "NONE", "LOWER, UPPER or NONE.")
      .flag("is_case_sensitive", false,
            "Whether stop words must be the same letter by letter; else both are compared in upper case if "
            "`case_change_action` is UPPER, in lower case otherwise.")
      .optional_attr(
          "locale", AttrKind::kString,
          "A language, and a country and encoding that do not matter, such as \"en_US\". In Turkish and Azerbaijani "
          "(tr, az) i and I are letters with and without a dot; all others are alike. The process's own locale has no "
          "say.")
      .optional_attr("stopwords", AttrKind::kStrings, "What is left out; a whole string each.")
      .input("X", "string", "[C] or [1, C].")
      .output("Y", "string", "[count] or [1, count]; at least one.")
      .infer(infer_string_normalizer)
      .sizes_outputs()
      .no_gradient(kStringsNoGradient);
}

}  // namespace weft
