// The limits of results that operators made by fusion have as attributes.
#pragma once

#include "core/kernel/kernel.h"
#include "core/simd/limits.h"

namespace weft {

template <typename T>
Limits<T> limits_of(const KernelContext& c) {
  Limits<T> limits;
  if (c.attrs().has("low")) limits.low = static_cast<T>(c.attrs().f("low"));
  if (c.attrs().has("high")) limits.high = static_cast<T>(c.attrs().f("high"));
  return limits;
}

}  // namespace weft
