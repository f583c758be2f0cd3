// What kernels that walk along one axis share: the lines of a tensor, and which of two elements comes first.
#pragma once

#include <cmath>
#include <type_traits>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {

// A tensor as [outer, size, inner] around an axis.
struct Lines {
  int64_t outer = 1, size = 0, inner = 1;
};

inline Lines lines_of(const Shape& shape, int64_t axis) {
  Lines lines;
  if (axis < 0) axis += static_cast<int64_t>(shape.size());
  for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i) {
    if (i < axis) lines.outer *= shape[static_cast<size_t>(i)];
    if (i > axis) lines.inner *= shape[static_cast<size_t>(i)];
  }
  lines.size = shape[static_cast<size_t>(axis)];
  return lines;
}

// a comes before b: is larger (or smaller), with NaN at the front.
template <typename T>
bool before(T a, T b, bool largest) {
  if constexpr (!std::is_integral_v<T>) {
    if (std::isnan(b)) return false;
    if (std::isnan(a)) return true;
  }
  return largest ? a > b : a < b;
}

inline bool has_elements(const KernelContext& c) { return in_list(NumberElements{}, c.dtype(0)); }

}  // namespace weft
