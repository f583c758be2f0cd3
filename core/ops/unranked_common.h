// What gradients do with tensors whose number of axes only a run knows.
#pragma once

#include "core/graph/expr.h"

namespace weft {

// The same value, known to be of that rank where its own is not known.
Expr with_rank(Expr x, int64_t rank);
// How many axes there are, and the product of the sizes behind `axis`, which may count from the end: i64 vectors of one.
Expr rank_of(Expr x);
Expr count_behind(Expr x, int64_t axis);
// The axes from `first`, which counts from the front, on: an i64 vector.
Expr axes_from(Expr x, int64_t first);
// A vector as a matrix of one row; what has more axes as it is.
Expr with_two_axes(Expr x);
// An image, which has as many axes as a tensor of places in it, whose last ones are coordinates for those behind the channels.
// Its rank stays unknown where that says nothing.
Expr with_rank_of_places(Expr image, Expr places);
// A vector so that it broadcasts along `axis` of a tensor of that shape, an i64 vector; axes behind those that there are count
// as the last.
Expr laid_along(Expr vector, Expr shape, int64_t axis);
// What is [N, C, D1, ...] as [N, C, D]; without channels there is one.
Expr with_one_space(Expr x);
// Of [N, C, D1, ...]: the sums [C].
Expr sum_of_channels(Expr x);

}  // namespace weft
