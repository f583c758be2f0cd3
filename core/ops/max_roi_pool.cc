// MaxRoiPool: the maxima of parts of regions.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_max_roi(InferContext& c) {
  const std::vector<int64_t>& pooled = c.attrs().ints("pooled_shape");
  if (pooled.size() != 2 || pooled[0] < 1 || pooled[1] < 1) {
    return invalid("attribute 'pooled_shape' is ", shape_text(pooled),
                   " but must be a height and a width of at least 1");
  }
  if (c.has_rank(0) && c.rank(0) != 4) return invalid("X must be [N, C, H, W] but is ", c.input(0).text());
  if (c.has_rank(1) && !may_equal(c.dims(1), {c.rank(1) > 0 ? c.dims(1)[0] : Dim(0), Dim(5)})) {
    return invalid("'rois' must be [regions, 5] but is ", c.input(1).text());
  }
  c.set_dims(0, {c.has_rank(1) ? c.dims(1)[0] : c.fresh(), c.has_rank(0) ? c.dims(0)[1] : c.fresh(), Dim(pooled[0]),
                 Dim(pooled[1])});
  return {};
}

Status max_roi_pool(BodyContext& c) {
  Expr places = make(c.scope(), "weft.MaxRoiPlaces", {c.input(0), c.input(1)}, c.attrs());
  c.set_output(0, make(c.scope(), "weft.GatherAt", {c.input(0), places}));
  return {};
}

OpDef& roi_schema(OpDef& op) {
  return op.types("T", kFloatTypes)
      .required_attr("pooled_shape", AttrKind::kInts, "Height and width of the output.")
      .attr("spatial_scale", 1.0, "Pixels of X for one unit of the regions.")
      .input("X", "T", "[N, C, H, W].")
      .input("rois", "T", "[regions, 5]: the image, then x1, y1, x2, y2, both ends within the region.");
}

}  // namespace

void define_op_max_roi_pool(OpRegistry& ops) {
  roi_schema(ops.add("MaxRoiPool"))
      .group("nn/pool")
      .since(22)
      .doc(
          "Of each region the maxima of as many parts as the output has elements; 0 where a part lies outside of the "
          "image. Ends are rounded to pixels, halves away from 0. Of equal maxima the first gets the gradient; none "
          "flows to the regions. An image that is not there is OUT_OF_RANGE.")
      .output("Y", "T", "[regions, C, height, width].")
      .infer(infer_max_roi)
      .body_by_shapes(max_roi_pool);
  roi_schema(ops.add(kWeftDomain, "MaxRoiPlaces"))
      .group("gradient/pool")
      .doc("Where the maxima of MaxRoiPool lie in X as a flat tensor; -1 for parts outside of the image.")
      .output("places", "i64", "[regions, C, height, width].")
      .infer(infer_max_roi)
      .no_gradient("an index does not change gradually");
}

}  // namespace weft
