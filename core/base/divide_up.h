// Whole numbers of parts.
#pragma once

#include <cstdint>

namespace weft {

// How many parts of size `b` hold `a` >= 0.
constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace weft
