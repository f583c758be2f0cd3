// What is derived from the cases of an operator for every type that its schema allows.
#pragma once

#include <string>
#include <vector>

#include "tests/case_runner/case_file.h"

namespace weft {

// Runs a case with each of its type variables as every type that the schema allows: the results must be those of a wide
// type, rounded once. What the shape rule refuses is left out; that there is no kernel is an error.
std::vector<std::string> check_all_types(const Case& c);

}  // namespace weft
