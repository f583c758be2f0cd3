// Initial values as graph, so that every language starts from the same bits.
#pragma once

#include <string_view>

#include "core/graph/expr.h"

namespace weft {

struct Initial {
  // "zeros", "ones", "constant(v)", "uniform(half width)", "normal(deviation)", "truncated_normal(deviation)",
  // "glorot_uniform", "glorot_normal", "he_uniform", "he_normal" or "orthogonal".
  std::string_view kind;
  int64_t seed = 0;
  std::string_view stream;  // keeps variables apart: the variable's name
  int64_t fan_in = 1, fan_out = 1;
};

// All kinds, as a sentence for documentation and errors.
extern const char* const kInitialDoc;

// A value of the shape; fails in the scope if the kind is none of these. Glorot and Bengio, 2010: width sqrt(6 / (fan_in + fan_out)), deviation sqrt(2 / (fan_in +
// fan_out)); He et al., 2015: sqrt(6 / fan_in), sqrt(2 / fan_in).
Expr initial_value(ExprScope& scope, const Initial& initial, DType dtype, const Shape& shape);

}  // namespace weft
