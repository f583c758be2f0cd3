// Products that are made of elementwise ones: Kron and Cross.
#include <algorithm>

#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_kron(InferContext& c) {
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  Dims a = c.dims(0), b = c.dims(1);
  const size_t rank = std::max(a.size(), b.size());
  if (2 * rank > static_cast<size_t>(kMostAxes)) {
    return unimplemented("weft.Kron takes at most ", kMostAxes / 2, " axes but was given ", rank);
  }
  a.insert(a.begin(), rank - a.size(), Dim(1));
  b.insert(b.begin(), rank - b.size(), Dim(1));
  for (size_t i = 0; i < rank; ++i) a[i] = a[i] * b[i];
  c.set_dims(0, std::move(a));
  return {};
}

// a[i0, 1, i1, 1, ...] * b[1, j0, 1, j1, ...], with each pair of axes made one.
Status build_kron(BodyContext& c) {
  Expr a = c.input(0), b = c.input(1);
  if (!a.has_rank() || !b.has_rank()) return unimplemented("weft.Kron needs the ranks of its inputs");
  const int64_t rank = std::max(a.rank(), b.rank());
  auto with_ones = [rank](Expr x) {
    std::vector<int64_t> axes;
    for (int64_t i = x.rank(); i < rank; ++i) axes.push_back(i - x.rank());
    return axes.empty() ? x : unsqueeze(x, axes);
  };
  a = with_ones(a);
  b = with_ones(b);
  if (rank == 0) {
    c.set_output(0, a * b);
    return {};
  }
  std::vector<int64_t> odd, even;
  for (int64_t i = 0; i < rank; ++i) {
    odd.push_back(2 * i + 1);
    even.push_back(2 * i);
  }
  c.set_output(0, reshape(unsqueeze(a, odd) * unsqueeze(b, even), shape_of(a) * shape_of(b)));
  return {};
}

// The axis of the vectors, from the end.
Result<int64_t> vectors_axis(const Attrs& attrs, int64_t rank_a, int64_t rank_b) {
  const int64_t axis = attrs.i("axis"), rank = std::max(rank_a, rank_b), least = std::min(rank_a, rank_b);
  const int64_t from_end = axis < 0 ? axis : axis - rank;
  if (from_end >= -least && from_end < 0) return from_end;
  return invalid("attribute 'axis' is ", axis, ", which is no axis of both inputs, of ", rank_a, " and ", rank_b,
                 " axes");
}

Status infer_cross(InferContext& c) {
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  WEFT_TRY(const int64_t axis, vectors_axis(c.attrs(), c.rank(0), c.rank(1)));
  for (int i = 0; i < 2; ++i) {
    const Dim& size = c.dims(i)[static_cast<size_t>(c.rank(i) + axis)];
    if (size.known() && !size.is(3)) {
      return invalid("axis ", c.attrs().i("axis"), " must have 3 elements but input '", c.op().inputs()[i].name,
                     "' is ", c.input(i).text());
    }
  }
  WEFT_CHECK(infer_broadcast(c));
  Dims dims = c.output(0).dims;
  dims[dims.size() + axis] = Dim(3);
  c.set_dims(0, std::move(dims));
  return {};
}

Status build_cross(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr a = c.input(0), b = c.input(1);
  if (!a.has_rank() || !b.has_rank()) return unimplemented("weft.Cross needs the ranks of its inputs");
  WEFT_TRY(const int64_t axis, vectors_axis(c.attrs(), a.rank(), b.rank()));
  auto turned = [&](Expr x, const std::vector<int64_t>& order) {
    return make(s, "Gather", {x, constant_ints(s, order)}, {{"axis", axis}});
  };
  c.set_output(0, turned(a, {1, 2, 0}) * turned(b, {2, 0, 1}) - turned(a, {2, 0, 1}) * turned(b, {1, 2, 0}));
  return {};
}

}  // namespace

void define_op_kron(OpRegistry& ops) {
  ops.add(kWeftDomain, "Kron")
      .group("linalg")
      .doc(
          "The Kronecker product: a block of the shape of B for each element of A, `Y[i * p + k, j * q + l] = A[i, j] "
          "* "
          "B[k, l]` for a B of [p, q], and so on for any number of axes. The one of fewer axes has ones before them.")
      .types("T", kNumberTypes)
      .input("A", "T", "Any shape.")
      .input("B", "T", "Any shape.")
      .output("Y", "T", "The products of the sizes of each axis.")
      .infer(infer_kron)
      .body_by_shapes(build_kron);
  ops.add(kWeftDomain, "Cross")
      .group("linalg")
      .doc(
          "The cross product of vectors of 3 numbers, `[a1 b2 - a2 b1, a2 b0 - a0 b2, a0 b1 - a1 b0]`. The other axes "
          "broadcast.")
      .types("T", kNumberTypes)
      .attr("axis", int64_t{-1}, "The axis of the vectors, of the output; negative counts from the end.")
      .input("A", "T", "3 numbers along the axis.")
      .input("B", "T", "3 numbers along the axis.")
      .output("Y", "T", "The shape that A and B broadcast to.")
      .infer(infer_cross)
      .body_by_shapes(build_cross);
}

}  // namespace weft
