// tests/conformance/expected.txt: what each test of the suite gives.
#pragma once

#include <map>
#include <string>

#include "core/base/status.h"

namespace weft {

// By the test's name: "pass", or "fails: " and what is wrong; in the list also, in parentheses behind that, why it is left so.
using Outcomes = std::map<std::string, std::string>;

// Whether a line of the list is about such an outcome, whatever reason it gives.
bool is_about(const std::string& listed, const std::string& outcome);

Result<Outcomes> read_outcomes(const std::string& path);
Status write_outcomes(const std::string& path, const Outcomes& outcomes);

}  // namespace weft
