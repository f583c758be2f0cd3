// Permutations between the order of ONNX, [N, C, D1, ...], and channels last, [N, D1, ..., C].
#pragma once

#include <cstdint>
#include <vector>

namespace weft {

inline std::vector<int64_t> to_channels_last(int64_t rank) {
  std::vector<int64_t> perm{0};
  for (int64_t i = 2; i < rank; ++i) perm.push_back(i);
  perm.push_back(1);
  return perm;
}

inline std::vector<int64_t> to_channels_first(int64_t rank) {
  std::vector<int64_t> perm{0, rank - 1};
  for (int64_t i = 1; i + 1 < rank; ++i) perm.push_back(i);
  return perm;
}

}  // namespace weft
