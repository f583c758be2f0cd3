// What gradients do with tensors whose number of axes only a run knows.
#pragma once

#include "core/graph/expr.h"

namespace weft {

// The same value, known to be of that rank where its own is not known.
Expr with_rank(Expr x, int64_t rank);
// How many axes, and how many numbers there are in their product from axis `first` on: i64 vectors of one.
Expr rank_of(Expr x);
Expr count_from(Expr x, int64_t first);
// The axes from `first`, which counts from the front, on: an i64 vector.
Expr axes_from(Expr x, int64_t first);
// A vector as a matrix of one row; what has more axes as it is.
Expr with_two_axes(Expr x);
// A vector so that it broadcasts along `axis` of a tensor of that shape, an i64 vector; axes behind those that there are count
// as the last.
Expr laid_along(Expr vector, Expr shape, int64_t axis);
// What is [N, C, D1, ...] as [N, C, D]; without channels there is one.
Expr with_one_space(Expr x);
// Of [N, C, D1, ...]: the sums [C].
Expr sum_of_channels(Expr x);

}  // namespace weft
