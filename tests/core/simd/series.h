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

// From -4 to 4: their sums are exact.
template <typename T>
std::vector<T> whole_numbers(int64_t count, uint32_t seed) {
  std::vector<T> out;
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    out.push_back(static_cast<T>(static_cast<int32_t>(seed >> 16) % 9 - 4));
  }
  return out;
}

}  // namespace weft
