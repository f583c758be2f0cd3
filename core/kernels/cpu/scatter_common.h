// How an update is joined with what it meets: ScatterND and ScatterElements.
#pragma once

#include <cmath>
#include <string>

#include "core/kernels/cpu/types_common.h"

namespace weft {

enum class Join { kReplace, kAdd, kMul, kMax, kMin };

// Of an attribute 'reduction' that was checked.
inline Join read_join(const std::string& reduction) {
  if (reduction == "add") return Join::kAdd;
  if (reduction == "mul") return Join::kMul;
  if (reduction == "max") return Join::kMax;
  return reduction == "min" ? Join::kMin : Join::kReplace;
}

// Truth values are joined as 0 and 1. A NaN stays.
template <typename T>
T joined(Join join, T a, T b) {
  using W = Wide<T>;
  switch (join) {
    case Join::kReplace: return b;
    case Join::kAdd:
      if constexpr (std::is_integral_v<T>) return wrap_add(a, b);
      return static_cast<T>(static_cast<W>(a) + static_cast<W>(b));
    case Join::kMul:
      if constexpr (std::is_integral_v<T>) return wrap_mul(a, b);
      return static_cast<T>(static_cast<W>(a) * static_cast<W>(b));
    case Join::kMax:
    case Join::kMin: break;
  }
  if constexpr (!std::is_integral_v<T>) {
    if (std::isnan(static_cast<W>(a)) || std::isnan(static_cast<W>(b))) return std::isnan(static_cast<W>(a)) ? a : b;
  }
  bool larger = static_cast<W>(a) > static_cast<W>(b);
  return larger == (join == Join::kMax) ? a : b;
}

}  // namespace weft
