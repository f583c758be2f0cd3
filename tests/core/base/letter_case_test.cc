// Upper and lower case of letters.
#include "core/base/letter_case.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

std::string upper(std::string_view text, bool turkic = false) { return with_case(text, LetterCase::kUpper, turkic); }
std::string lower(std::string_view text, bool turkic = false) { return with_case(text, LetterCase::kLower, turkic); }

TEST(LetterCase, ChangesEveryScriptThatHasCase) {
  EXPECT_EQ(upper("az, AZ [`{@"), "AZ, AZ [`{@");
  EXPECT_EQ(lower("az, AZ [`{@"), "az, az [`{@");
  EXPECT_EQ(upper("àÿđωжաꙋ"), "ÀŸĐΩЖԱꙊ");
  EXPECT_EQ(lower("ÀŸĐΩЖԱꙊ"), "àÿđωжաꙋ");
  EXPECT_EQ(upper("𐐨𞤢"), "𐐀𞤀");  // beyond the first 65536
  EXPECT_EQ(lower("ᏸႠ"), "ᏸⴀ");
}

TEST(LetterCase, KeepsWhatHasNoSingleLetter) {
  EXPECT_EQ(upper("ßŉﬁ的1 "), "ßŉﬁ的1 ");
  EXPECT_EQ(lower("ẞ"), "ß");
  EXPECT_EQ(upper("ς"), "Σ");
  EXPECT_EQ(lower("Σ"), "σ");
  EXPECT_EQ(upper("ǅ"), "Ǆ");
  EXPECT_EQ(lower("ǅ"), "ǆ");
}

TEST(LetterCase, DotsAreTurkishAffairs) {
  EXPECT_EQ(upper("iı"), "II");
  EXPECT_EQ(lower("Iİ"), "ii");
  EXPECT_EQ(upper("iı", true), "İI");
  EXPECT_EQ(lower("Iİ", true), "ıi");
}

}  // namespace
}  // namespace weft
