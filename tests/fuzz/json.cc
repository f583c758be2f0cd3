// Any bytes as JSON: piece by piece, as a whole, and its strings written and read again.
#include "core/base/json.h"

#include "core/base/text.h"
#include "tests/fuzz/readers.h"

namespace weft {
namespace {

void check_string(const std::string& text) {
  must(is_utf8(text));
  const std::string written = json_string(text);
  JsonReader again(written);
  const Result<std::string> read = again.next_string("what was written");
  must(read.ok() && *read == text);
}

// Whether the whole of it is one value.
bool goes_to_the_end(std::string_view bytes) {
  JsonReader json(bytes);
  size_t open = 0;
  for (size_t before = 0;; before = json.position()) {
    const Result<JsonEvent> event = json.next();
    must_be_fair(event.status());
    must(json.position() <= bytes.size());
    if (!event.ok()) return false;
    if (*event == JsonEvent::kEnd) {
      must(open == 0);
      return true;
    }
    must(json.position() > before);
    if (*event == JsonEvent::kBeginObject || *event == JsonEvent::kBeginArray) {
      must(++open <= JsonReader::kMaxDepth);
    } else if (*event == JsonEvent::kEndObject || *event == JsonEvent::kEndArray) {
      must(open-- > 0);
    } else if (*event == JsonEvent::kKey || *event == JsonEvent::kString) {
      check_string(json.text());
    }
  }
}

}  // namespace

void fuzz(std::string_view bytes) {
  JsonReader whole(bytes);
  const bool passed = whole.skip_value().ok() && whole.expect(JsonEvent::kEnd, "the end").ok();
  must(passed == goes_to_the_end(bytes));
}

}  // namespace weft
