// What definitions of linear algebra share: expressions over matrices, which are the last two axes.
#pragma once

#include "core/graph/expr.h"

namespace weft::linalg {

// The size of an axis, a scalar i64.
Expr size_of(Expr x, int64_t axis);
// Whether row >= column, row == column and so on, for matrices like x: bool [rows, columns].
Expr compare_indices(Expr x, const char* op);
// A diagonal matrix of the last axis, with `rest` elsewhere.
Expr with_diagonal(Expr diagonal, Expr rest);
// What `keep` says of row and column ("upper" or "lower" triangle, `k` diagonals above the main one), zeros elsewhere.
Expr triangle(Expr x, bool upper, int64_t k);
// How far apart two numbers of the size 1 may be by rounding alone, in matrices like x.
Expr rounding(Expr x);
// The largest magnitude in the last axis or the one before it, which stays, as 1.
Expr largest(Expr x, int64_t axis);
// w_j - w_i at row i and column j.
Expr gaps(Expr values);

// The last two axes of input 0 as rows and columns, if its rank is known: two axes at least.
Status matrix_dims(const InferContext& c, Dim* rows, Dim* columns);
// The last two axes of input 0 are a square matrix.
Status check_square(const InferContext& c);
// Input 1 is a matrix beside each of input 0, with as many rows.
Status check_beside(const InferContext& c);

}  // namespace weft::linalg
