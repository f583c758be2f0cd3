#include "core/ops/linalg_common.h"

#include <limits>

namespace weft::linalg {

Expr size_of(Expr x, int64_t axis) { return make(x.scope(), "Gather", {shape_of(x), constant_int(x.scope(), axis)}); }

Expr compare_indices(Expr x, const char* op) {
  ExprScope& s = x.scope();
  auto indices = [&](int64_t axis) {
    return make(s, "Range", {constant_int(s, 0), size_of(x, axis), constant_int(s, 1)});
  };
  return make(s, op, {unsqueeze(indices(-2), {1}), unsqueeze(indices(-1), {0})});
}

Expr with_diagonal(Expr diagonal, Expr rest) {
  return where(compare_indices(rest, "Equal"), unsqueeze(diagonal, {-1}), rest);
}

Expr triangle(Expr x, bool upper, int64_t k) {
  return make(x.scope(), "Trilu", {x, constant_int(x.scope(), k)}, {{"upper", int64_t{upper}}});
}

Expr rounding(Expr x) {
  double epsilon =
      x.dtype() == DType::kF64 ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
  return cast(size_of(x, -1), x.dtype()) * epsilon;
}

Expr largest(Expr x, int64_t axis) {
  Expr size = make(x.scope(), "Abs", {x});
  return make(x.scope(), "ReduceMax", {size, constant_ints(x.scope(), {axis})}, {{"keepdims", int64_t{1}}});
}

Expr gaps(Expr values) { return unsqueeze(values, {-2}) - unsqueeze(values, {-1}); }

Status matrix_dims(const InferContext& c, Dim* rows, Dim* columns) {
  const Dims& dims = c.dims(0);
  if (dims.size() < 2) {
    return invalid("the input must have two axes at least, the last ones of which are a matrix, but is ",
                   c.input(0).text());
  }
  *rows = dims[dims.size() - 2];
  *columns = dims.back();
  return {};
}

Status check_square(const InferContext& c) {
  if (!c.has_rank(0)) return {};
  const Dims& dims = c.dims(0);
  bool square = dims.size() >= 2;
  if (square) {
    const Dim &rows = dims[dims.size() - 2], &columns = dims[dims.size() - 1];
    square = rows == columns || !rows.known() || !columns.known();
  }
  return square ? Status()
                : invalid("the last two axes must make a square matrix but the input is ", c.input(0).text());
}

Status check_beside(const InferContext& c) {
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  const Dims &a = c.dims(0), &b = c.dims(1);
  bool fits = a.size() == b.size();
  for (size_t i = 0; fits && i + 1 < a.size(); ++i) fits = a[i] == b[i] || !a[i].known() || !b[i].known();
  if (fits) return {};
  return invalid("B must have the leading axes and the rows of A, ", c.input(0).text(), ", but is ", c.input(1).text());
}

}  // namespace weft::linalg
