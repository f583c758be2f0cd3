// Numbers to compute with in tests of vector kernels.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace weft {

// size * sin(salt + 1.7 i).
template <typename T>
std::vector<T> series(int64_t n, double salt, double size = 3) {
  std::vector<T> values(n);
  for (int64_t i = 0; i < n; ++i) values[i] = static_cast<T>(size * std::sin(salt + 1.7 * static_cast<double>(i)));
  return values;
}

}  // namespace weft
