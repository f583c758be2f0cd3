// The limits of results that operators made by fusion have as attributes.
#pragma once

#include <string>
#include <string_view>

#include "core/base/text.h"
#include "core/kernel/kernel.h"
#include "core/simd/limits.h"

namespace weft {

// The attributes `low` and `high`, with what stands before their names.
template <typename T>
Limits<T> limits_of(const KernelContext& c, std::string_view before = "") {
  const std::string low = cat(before, "low"), high = cat(before, "high");
  Limits<T> limits;
  if (c.attrs().has(low)) limits.low = static_cast<T>(c.attrs().f(low));
  if (c.attrs().has(high)) limits.high = static_cast<T>(c.attrs().f(high));
  return limits;
}

}  // namespace weft
