// tests/conformance/expected.txt: what each test of the suite gives.
#pragma once

#include <map>
#include <string>

#include "core/base/status.h"

namespace weft {

// By the test's name: "pass", or "fails: " and why.
using Outcomes = std::map<std::string, std::string>;

Result<Outcomes> read_outcomes(const std::string& path);
Status write_outcomes(const std::string& path, const Outcomes& outcomes);

}  // namespace weft
