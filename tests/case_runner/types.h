// What is derived from the cases of an operator for every type that its schema allows.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/case_runner/case_file.h"

namespace weft {

// Runs cases with each of their type variables as every type that the schema allows: the results must be those of a wide
// type, rounded once. What has no kernel must stand in a list, with a reason.
class TypesChecker {
 public:
  std::vector<std::string> check(const Case& c);
  // After all cases of a file: what the list says and is not so.
  std::vector<std::string> finish(const std::string& op);

 private:
  using Pair = std::pair<std::string, DType>;  // a type variable and what it was
  std::set<Pair> refused_;
};

}  // namespace weft
