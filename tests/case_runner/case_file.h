// The text format of tests/ops/*.case: what an operator does with given inputs, or how it fails.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/op/attr.h"

namespace weft {

struct CaseInput {
  std::string name;
  bool omitted = false;
  Tensor value;
};

struct CaseOutput {
  std::string name;
  bool compared = true;
  Tensor value;
};

struct Case {
  std::string op;  // full name
  std::string name;
  int line = 0;
  int opset = 0;
  Attrs attrs;
  std::vector<CaseInput> inputs;
  std::vector<CaseOutput> outputs;
  std::optional<double> tolerance;
  bool gradient = true;
  std::string gradient_by;  // the one input whose gradient is checked; "" for all
  std::string fails_code;   // "" for a case that must succeed
  std::string fails_text;
};

// Errors name file and line.
Result<std::vector<Case>> read_case_file(const std::string& path);
// The same of what stands in a file; `path` is for errors alone.
Result<std::vector<Case>> read_cases(std::string_view text, const std::string& path);

}  // namespace weft
