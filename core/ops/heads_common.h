// What operators over heads of features share.
#pragma once

#include "core/graph/expr.h"

namespace weft {

// Dimensions [start, end), i64[end - start].
Expr dims_of(Expr x, int64_t start, int64_t end);
// Halves as f32, in which they are computed with.
Expr wide(Expr x);

// The input of that number and name, with as many heads as the attribute says: [N, heads, L, features] as it is, and
// [N, L, heads * features] as [N, L, heads, features].
Result<Expr> by_heads(BodyContext& c, int input, const char* name, const char* attr);

}  // namespace weft
