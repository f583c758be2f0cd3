// Reads and writes the list: a line a test, sorted.
#include "tests/conformance/expected.h"

#include <algorithm>

#include "core/base/file.h"

namespace weft {

namespace {
constexpr const char* kHead =
    "# What each test of ONNX's backend suite gives. Written by `tools/conformance --write`, which keeps what stands "
    "in\n"
    "# parentheses: why a test is left out. Nothing else is to be edited.\n";
}

bool is_about(const std::string& listed, const std::string& outcome) {
  if (listed.compare(0, outcome.size(), outcome) != 0) return false;
  return listed.size() == outcome.size() || listed.compare(outcome.size(), 2, " (") == 0;
}

Result<Outcomes> read_outcomes(const std::string& path) {
  Outcomes out;
  WEFT_TRY(auto file, read_file(path));
  std::string_view rest = file->text();
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.empty() || line[0] == '#') continue;
    size_t space = line.find(' ');
    std::string_view outcome = space == std::string_view::npos ? "" : line.substr(space + 1);
    if (outcome != "pass" && outcome.substr(0, 7) != "fails: ") {
      return data_loss("'", path, "' has a line '", line, "'; a line is a test, then pass or fails: and why");
    }
    out.emplace(line.substr(0, space), outcome);
  }
  return out;
}

Status write_outcomes(const std::string& path, const Outcomes& outcomes) {
  std::string text = kHead;
  for (const auto& [name, outcome] : outcomes) text += cat(name, " ", outcome, "\n");
  return write_file(path, text);
}

}  // namespace weft
