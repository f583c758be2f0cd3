// What normalizations are made of.
#pragma once

#include "core/graph/expr.h"

namespace weft {

// A vector [C] in the place of the channels of an [N, C, D1, ...] of `rank` axes.
Expr along_channels(Expr vector, int64_t rank);

Expr mean_over(Expr x, const std::vector<int64_t>& axes, bool keep_dims);
Expr mean_over(Expr x, Expr axes, bool keep_dims);

// 1 / sqrt(variance + epsilon).
Expr inverse_root(Expr variance, double epsilon);

// That x has a batch and channels, and that each of the inputs from 1 to `last` has one number for each channel.
Status check_channels(BodyContext& c, Expr x, int last);

// The attribute 'stash_type', checked.
Result<DType> stash_type(BodyContext& c);

// What statistics are computed in: f64 never in less, and nothing in less than f32.
DType statistics_dtype(DType dtype, DType stash);

}  // namespace weft
