// Any bytes as a case file.
#include "tests/case_runner/case_file.h"
#include "tests/fuzz/target.h"

namespace weft {

void fuzz(std::string_view bytes) {
  const Result<std::vector<Case>> cases = read_cases(bytes, "fuzz.case");
  must(cases.ok() ? !cases->empty() : !cases.status().text().empty());
}

}  // namespace weft
