// How far a result is from the right one.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace weft {

// In units in the last place of `right`. Infinities and NaN are right or infinitely wrong.
template <typename T>
double ulps(T found, long double right) {
  using Limits = std::numeric_limits<T>;
  const T rounded = static_cast<T>(right);
  if (std::isinf(rounded) || std::isnan(rounded)) {
    return found == rounded || (std::isnan(found) && std::isnan(rounded)) ? 0 : std::numeric_limits<double>::infinity();
  }
  int exponent;
  std::frexp(std::max(std::fabs(rounded), Limits::min()), &exponent);
  const long double ulp = std::ldexp(1.0L, exponent - Limits::digits);
  const double error = static_cast<double>(std::fabs(found - right) / ulp);
  return error == error ? error : std::numeric_limits<double>::infinity();
}

}  // namespace weft
