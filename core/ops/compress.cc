// Compress: the slices that a list of truth values keeps.
#include "core/ops/downgrade_common.h"

namespace weft {
namespace {

Status infer_compress(InferContext& c) {
  WEFT_CHECK(c.check_vector(1));
  if (!c.attrs().has("axis")) {
    c.set_dims(0, {c.fresh()});
    return {};
  }
  if (!c.has_rank(0)) return {};
  WEFT_TRY(int64_t axis, InferContext::axis(c.attrs().i("axis"), c.rank(0)));
  Dims out = c.dims(0);
  out[static_cast<size_t>(axis)] = c.fresh();
  c.set_dims(0, std::move(out));
  return {};
}

Status compress(BodyContext& c) {
  ExprScope& s = c.scope();
  const bool flat = !c.attrs().has("axis");
  Expr kept = squeeze(make(s, "NonZero", {c.input(1)}), {0});
  Expr x = flat ? make(s, "Reshape", {c.input(0), constant_ints(s, {-1})}) : c.input(0);
  c.set_output(0, make(s, "Gather", {x, kept}, {{"axis", flat ? int64_t{0} : c.attrs().i("axis")}}));
  return {};
}

}  // namespace

void define_op_compress(OpRegistry& ops) {
  ops.add("Compress")
      .group("indexing")
      .since(11)
      .doc(
          "The slices along `axis` where `condition` is true. What lies beyond the end of the condition is left out; a "
          "true one beyond the end of the axis is OUT_OF_RANGE.")
      .types("T", kTensorTypes)
      .optional_attr("axis", AttrKind::kInt,
                     "The axis of the slices; negative counts from the end. Without it the input counts as a list of "
                     "its elements, row by row.")
      .input("input", "T", "At least one dimension, if there is an axis.")
      .input("condition", "bool", "[n]: which slices to keep.")
      .output("output", "T", "The shape of the input with another size along the axis; [count] without an axis.")
      .infer(infer_compress)
      .downgrade(11, axes_from_front)
      .body(compress);
}

}  // namespace weft
