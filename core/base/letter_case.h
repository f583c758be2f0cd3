// Upper and lower case of letters, by Unicode's tables: the process's locale has no say.
#pragma once

#include <string>
#include <string_view>

namespace weft {

enum class LetterCase { kUpper, kLower };

// `text`, which must be UTF-8, with each letter as the one letter that is its other case (Unicode's simple mapping). So a
// letter stays that has none or only several together: the German sharp s in upper case. `turkic` is for Turkish and
// Azerbaijani, where i keeps its dot in upper case and I has none in lower case.
std::string with_case(std::string_view text, LetterCase to, bool turkic);

}  // namespace weft
