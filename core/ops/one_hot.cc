// OneHot and NonZero: truth as positions and back.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_one_hot(InferContext& c) {
  if (!c.has_rank(0)) return {};
  if (c.has_rank(2) && (c.rank(2) != 1 || (c.dims(2)[0].known() && !c.dims(2)[0].is(2)))) {
    return invalid("'values' must have two elements, off and on, but is ", c.input(2).text());
  }
  int64_t rank = c.rank(0) + 1;
  WEFT_TRY(int64_t axis, InferContext::axis(c.attrs().i("axis"), rank));
  Dims dims = c.dims(0);
  const Dims* depth = c.ints(1);
  Dim size = depth != nullptr && depth->size() == 1 ? (*depth)[0] : c.fresh();
  if (size.known() && size.value() < 0) return invalid("the depth is ", size.value(), " but must not be negative");
  dims.insert(dims.begin() + axis, size);
  c.set_dims(0, std::move(dims));
  return {};
}

Status one_hot(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr indices = c.input(0);
  if (!indices.has_rank()) return unimplemented("OneHot needs the rank of its indices");
  WEFT_TRY(int64_t axis, InferContext::axis(c.attrs().i("axis"), indices.rank() + 1));
  Expr depth = reshape(cast(c.input(1), DType::kI64), constant_ints(s, {}));
  // Only whole numbers are a place; a fraction is cut off as ONNX's cast does, NaN is none.
  Expr places = cast(indices, DType::kI64);
  Expr wrapped = where(make(s, "Less", {places, constant_int(s, 0)}), places + depth, places);
  Expr range = make(s, "Range", {constant_int(s, 0), depth, constant_int(s, 1)});
  std::vector<int64_t> after;
  for (int64_t i = axis + 1; i < indices.rank() + 1; ++i) after.push_back(i - axis);
  if (!after.empty()) range = unsqueeze(range, after);
  Expr hit = make(s, "Equal", {unsqueeze(wrapped, {axis}), range});
  Expr off = make(s, "Gather", {c.input(2), constant_int(s, 0)}),
       on = make(s, "Gather", {c.input(2), constant_int(s, 1)});
  c.set_output(0, where(hit, on, off));
  return {};
}

Status infer_non_zero(InferContext& c) {
  if (!c.has_rank(0)) {
    c.set_dims(0, c.fresh_dims(2));
    return {};
  }
  c.set_dims(0, {Dim(c.rank(0)), c.fresh()});
  return {};
}

}  // namespace

void define_op_one_hot(OpRegistry& ops) {
  ops.add("OneHot")
      .group("indexing")
      .since(11)
      .doc(
          "`values[1]` where the index along the new axis is the one that `indices` names, `values[0]` elsewhere. "
          "Negative "
          "indices count from the end; those outside name nothing.")
      .types("T1", kNumberTypes)
      .types("T2", kNumberTypes)
      .types("T3", kAllTypes)
      .attr("axis", int64_t{-1}, "Where the new axis comes; negative counts from the end.")
      .input("indices", "T1", "Any shape.")
      .input("depth", "T2", "The size of the new axis.")
      .shapes_outputs()
      .input("values", "T3", "[2]: off and on.")
      .output("output", "T3", "The shape of indices with the new axis.")
      .infer(infer_one_hot)
      .body(one_hot);
  ops.add("NonZero")
      .group("indexing")
      .since(13)
      .doc("The indices of all elements that are not 0, in row-major order; NaN is not 0.")
      .types("T", kNumberTypes | set_of(DType::kBool))
      .input("X", "T", "Any shape; a scalar counts as one element of no axis.")
      .output("Y", "i64", "[rank, count]: one column for each.")
      .infer(infer_non_zero)
      .sizes_outputs()
      .no_gradient("an index does not change gradually");
}

}  // namespace weft
