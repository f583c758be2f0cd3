// run_cases FILE...: runs case files and everything that follows from them; the last line counts.
#include <stdlib.h>

#include <algorithm>
#include <cstdio>

#include "core/base/live.h"
#include "core/runtime/builtin.h"
#include "tests/case_runner/checks.h"
#include "tests/case_runner/types.h"
#include "tests/device/test_device.h"

namespace weft {
namespace {

struct Totals {
  int passed = 0, failed = 0;
};

void report(const std::vector<std::string>& problems, const std::string& where, Totals* totals) {
  for (const std::string& problem : problems) std::printf("%s: %s\n", where.c_str(), problem.c_str());
  ++(problems.empty() ? totals->passed : totals->failed);
}

// Whether some case should have shown that the gradient is right.
bool has_gradient(const std::string& op_name) {
  auto [domain, name] = split_op_name(op_name);
  Result<const OpDef*> op = builtin_ops().get(domain, name);
  return op.ok() && (*op)->has_gradient();
}

void run_file(const char* path, Totals* totals) {
  Result<std::vector<Case>> cases = read_case_file(path);
  if (!cases.ok()) {
    report({cases.status().text()}, path, totals);
    return;
  }
  int orders = 0;
  bool reason = false;  // a case says why there is none to compare
  for (const Case& c : *cases) {
    std::vector<std::string> problems = check_case(c);
    if (problems.empty() && c.fails_code.empty()) {
      GradientReport gradient = check_gradient(c);
      problems = std::move(gradient.problems);
      orders = std::max(orders, gradient.orders);
      reason = reason || !c.gradient;
      const std::vector<std::string> typed = check_all_types(c);
      problems.insert(problems.end(), typed.begin(), typed.end());
    }
    report(problems, cat(path, ":", c.line, ": ", c.op, ", case ", c.name), totals);
  }
  if (cases->empty() || orders == 2 || (orders == 0 && reason) || !has_gradient(cases->front().op)) return;
  report({"no case compares the gradient and its own gradient with finite differences"}, path, totals);
}

}  // namespace
}  // namespace weft

int main(int count, char** arguments) {
  using namespace weft;
  // As many as the checks ask for, where the machine has fewer; the pool reads it when it is first used.
  setenv("WEFT_THREADS", "4", 0);
  add_test_devices();
  Totals totals;
  for (int i = 1; i < count; ++i) run_file(arguments[i], &totals);
  if (live_objects() != 0) {
    std::printf("%lld objects are still alive\n", static_cast<long long>(live_objects()));
    ++totals.failed;
  }
  std::printf("%d passed, %d failed\n", totals.passed, totals.failed);
  return totals.failed == 0 ? 0 : 1;
}
