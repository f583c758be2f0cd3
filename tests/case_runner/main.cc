// run_cases FILE...: runs case files and everything that follows from them; the last line counts.
#include <stdlib.h>

#include <cstdio>

#include "core/base/live.h"
#include "tests/case_runner/checks.h"

int main(int count, char** arguments) {
  using namespace weft;
  // As many as the checks ask for, where the machine has fewer; the pool reads it when it is first used.
  setenv("WEFT_THREADS", "4", 0);
  int passed = 0, failed = 0;
  for (int i = 1; i < count; ++i) {
    Result<std::vector<Case>> cases = read_case_file(arguments[i]);
    if (!cases.ok()) {
      std::printf("%s\n", cases.status().text().c_str());
      ++failed;
      continue;
    }
    for (const Case& c : *cases) {
      std::vector<std::string> problems = check_case(c);
      if (problems.empty() && c.gradient && c.fails_code.empty()) problems = check_gradient(c);
      for (const std::string& problem : problems) {
        std::printf("%s:%d: %s, case %s: %s\n", arguments[i], c.line, c.op.c_str(), c.name.c_str(), problem.c_str());
      }
      ++(problems.empty() ? passed : failed);
    }
  }
  if (live_objects() != 0) {
    std::printf("%lld objects are still alive\n", static_cast<long long>(live_objects()));
    ++failed;
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
