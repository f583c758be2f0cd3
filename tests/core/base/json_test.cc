// The JSON reader: what it accepts, what it refuses, and how deep.
#include "core/base/json.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

// All pieces as one line, or the error.
std::string pieces(std::string_view text) {
  JsonReader reader(text);
  std::string out;
  for (;;) {
    auto event = reader.next();
    if (!event.ok()) return event.status().message();
    switch (*event) {
      case JsonEvent::kBeginObject: out += "{ "; break;
      case JsonEvent::kEndObject: out += "} "; break;
      case JsonEvent::kBeginArray: out += "[ "; break;
      case JsonEvent::kEndArray: out += "] "; break;
      case JsonEvent::kKey: out += cat("k:", reader.text(), " "); break;
      case JsonEvent::kString: out += cat("s:", reader.text(), " "); break;
      case JsonEvent::kNumber: out += cat("n:", reader.text(), " "); break;
      case JsonEvent::kTrue: out += "t "; break;
      case JsonEvent::kFalse: out += "f "; break;
      case JsonEvent::kNull: out += "0 "; break;
      case JsonEvent::kEnd: return out;
    }
  }
}

TEST(Json, ReadsValues) {
  EXPECT_EQ(pieces("{}"), "{ } ");
  EXPECT_EQ(pieces(" [ ] \n"), "[ ] ");
  EXPECT_EQ(pieces(R"({"a":1,"b":[true,false,null,"x"],"c":{"d":{}}})"),
            "{ k:a n:1 k:b [ t f 0 s:x ] k:c { k:d { } } } ");
  EXPECT_EQ(pieces("\"x\""), "s:x ");
  EXPECT_EQ(pieces("[[],[[]]]"), "[ [ ] [ [ ] ] ] ");
  for (const char* number : {"0", "-0", "10", "1.5", "0.5e10", "1E+3", "1e-3", "-12.25"}) {
    EXPECT_EQ(pieces(number), cat("n:", number, " "));
  }
}

TEST(Json, DecodesStrings) {
  EXPECT_EQ(pieces(R"("\"\\\/\b\f\n\r\t")"), "s:\"\\/\b\f\n\r\t ");
  EXPECT_EQ(pieces(R"("\u0041\u00e9\u20AC\ud83d\ude00")"), "s:A\u00e9\u20ac\U0001f600 ");
  EXPECT_EQ(pieces("\"\u00e9\U0001f600\x7f\""), "s:\u00e9\U0001f600\x7f ");
  EXPECT_EQ(pieces(R"("a\u0000b")"), std::string("s:a\0b ", 6));
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* bad : {"",
                          " ",
                          "{",
                          "[",
                          "[1",
                          "[1,",
                          "[1,]",
                          "[,1]",
                          "{,}",
                          "{\"a\"}",
                          "{\"a\":}",
                          "{\"a\":1,}",
                          "{1:2}",
                          "{a:1}",
                          "{'a':1}",
                          "[1 2]",
                          "{\"a\":1 \"b\":2}",
                          "[1}",
                          "{\"a\":1]",
                          "1 2",
                          "[] []",
                          "}",
                          "]",
                          ",",
                          ":",
                          "tru",
                          "nul",
                          "True",
                          "01",
                          "-",
                          "+1",
                          ".5",
                          "1.",
                          "1.e3",
                          "1e",
                          "1e+",
                          "0x1",
                          "1f",
                          "NaN",
                          "Infinity",
                          "\"",
                          "\"a",
                          "\"\\",
                          "\"\\\"",
                          "\"\\x\"",
                          "\"\\u12\"",
                          "\"\\u12g4\"",
                          "\"\\u-123\"",
                          "\"\\ud800\"",
                          "\"\\ud800x\"",
                          "\"\\ud800\\u0041\"",
                          "\"\\udc00\"",
                          "\"\n\"",
                          "\"\x01\"",
                          "\"\xff\"",
                          "\"\xc3\"",
                          "\"\xed\xa0\x80\"",
                          "\xef\xbb\xbf{}",
                          "/**/1",
                          "[1]//",
                          "\v1"}) {
    EXPECT_EQ(pieces(bad).substr(0, 23), "not valid JSON at byte ") << bad << " gave " << pieces(bad);
  }
  EXPECT_EQ(pieces(std::string_view("1\0", 2)).substr(0, 23), "not valid JSON at byte ");
  EXPECT_EQ(pieces("[1, ?]"), "not valid JSON at byte 4: a value is missing");
}

TEST(Json, LimitsDepth) {
  std::string fits = std::string(64, '[') + std::string(64, ']');
  EXPECT_EQ(pieces(fits).size(), 256u);
  EXPECT_EQ(pieces(std::string(65, '[')), "not valid JSON at byte 64: it is nested too deeply");
  EXPECT_EQ(pieces(std::string(10'000'000, '[')), "not valid JSON at byte 64: it is nested too deeply");
}

TEST(Json, ExpectsKindsAndSkips) {
  JsonReader reader(R"({"a":[1,{"b":[2]}],"c":7,"d":"x","e":1.5})");
  EXPECT_TRUE(reader.expect(JsonEvent::kBeginObject, "it").ok());
  EXPECT_TRUE(reader.expect(JsonEvent::kKey, "it").ok());
  EXPECT_TRUE(reader.skip_value().ok());
  EXPECT_TRUE(reader.expect(JsonEvent::kKey, "it").ok());
  EXPECT_EQ(reader.text(), "c");
  EXPECT_EQ(*reader.next_int("c"), 7);
  EXPECT_TRUE(reader.expect(JsonEvent::kKey, "it").ok());
  EXPECT_EQ(reader.next_int("the size").status().message(), "the size should be a number but is a string");
  EXPECT_TRUE(reader.expect(JsonEvent::kKey, "it").ok());
  EXPECT_EQ(reader.next_int("the size").status().message(), "the size is 1.5, which is not a whole number of 64 bits");
  JsonReader cut(R"({"a":[1,)");
  EXPECT_TRUE(cut.expect(JsonEvent::kBeginObject, "it").ok());
  EXPECT_TRUE(cut.expect(JsonEvent::kKey, "it").ok());
  EXPECT_FALSE(cut.skip_value().ok());
}

TEST(Json, WritesStrings) {
  std::string out;
  append_json_string(out, std::string_view("a\"\\\n\x1f\0\u00e9/", 9));
  EXPECT_EQ(out, "\"a\\\"\\\\\\n\\u001f\\u0000\u00e9/\"");
  EXPECT_EQ(pieces(out), std::string("s:a\"\\\n\x1f\0\u00e9/ ", 12));
}

}  // namespace
}  // namespace weft
