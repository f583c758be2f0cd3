// What operators share that are written for older opsets.
#pragma once

#include "core/graph/downgrade.h"

namespace weft {

// Before opset 11 axes did not count from the end: attributes "axis" and "axes" of operators that mean by them those of
// their first input.
Status axes_from_front(DowngradeContext& c);
// The same where they mean those of a value of that rank.
Status axes_from_front_of(DowngradeContext& c, int64_t rank);

// Before opset 11 nothing said what a negative index is: where input 1 is a constant of indices along attribute "axis" of
// input 0, those that are negative are counted from the front. Those that a run gives are left to who reads the file.
Status known_indices_from_front(DowngradeContext& c);

// Windows had no dilations: they are left out where all are 1.
Status without_dilations(DowngradeContext& c);

// Scatters joined elements with those that were there in fewer ways, or in none.
Status without_extremes(DowngradeContext& c);

// Where there was no operator for it: what `join` ("Add" or "Mul") makes of all elements of input 0 up to each, along the
// axis that input 1 is, by a Scan that goes on from `first`. Attributes "exclusive" and "reverse" are those of CumSum.
Status running_as_scan(DowngradeContext& c, const char* join, double first);

}  // namespace weft
