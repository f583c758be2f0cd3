// RoiAlign: regions sampled between pixels.
#include "core/graph/downgrade.h"

namespace weft {
namespace {

// The shape that RoiAlign gives of inputs X, rois and batch_indices, which begin at `x`.
Result<Dims> aligned(InferContext& c, int x) {
  const std::string& coordinates = c.attrs().s("coordinate_transformation_mode");
  if (coordinates != "half_pixel" && coordinates != "output_half_pixel") {
    return invalid("attribute 'coordinate_transformation_mode' is \"", coordinates,
                   "\" but must be \"half_pixel\" or \"output_half_pixel\"");
  }
  for (const char* name : {"output_height", "output_width"}) {
    if (c.attrs().i(name) < 1)
      return invalid("attribute '", name, "' is ", c.attrs().i(name), " but must be at least 1");
  }
  const int64_t ratio = c.attrs().i("sampling_ratio");
  if (ratio < 0 || ratio > 65536) {
    return invalid("attribute 'sampling_ratio' is ", ratio, " but must be from 0 to 65536");
  }
  if (c.has_rank(x) && c.rank(x) != 4) return invalid("X must be [N, C, H, W] but is ", c.input(x).text());
  WEFT_CHECK(c.check_vector(x + 2));
  Dim regions = c.has_rank(x + 2) ? c.dims(x + 2)[0] : c.fresh();
  WEFT_CHECK(c.check_shape(x + 1, {regions, Dim(4)}, "four numbers for each of batch_indices"));
  if (!regions.known() && c.has_rank(x + 1)) regions = c.dims(x + 1)[0];
  return Dims{regions, c.has_rank(x) ? c.dims(x)[1] : c.fresh(), Dim(c.attrs().i("output_height")),
              Dim(c.attrs().i("output_width"))};
}

Status infer_aligned(InferContext& c) {
  WEFT_TRY(Dims out, aligned(c, 0));
  for (int i = 0; i < c.output_count(); ++i) c.set_dims(i, out);
  return {};
}

Status infer_roi_align(InferContext& c) {
  const std::string& mode = c.attrs().s("mode");
  if (mode != "avg" && mode != "max") {
    return invalid("attribute 'mode' is \"", mode, "\" but must be \"avg\" or \"max\"");
  }
  return infer_aligned(c);
}

Status infer_mean_grad(InferContext& c) {
  WEFT_TRY(Dims out, aligned(c, 1));
  if (c.has_rank(1)) c.set_dims(0, c.dims(1));
  return c.check_shape(0, out, "the means");
}

Status roi_align(BodyContext& c) {
  ExprScope& s = c.scope();
  Attrs attrs = c.attrs();
  attrs.erase("mode");
  const std::vector<Expr> inputs = {c.input(0), c.input(1), c.input(2)};
  if (c.attrs().s("mode") == "avg") {
    c.set_output(0, make(s, "weft.RoiAlignMean", inputs, std::move(attrs)));
    return {};
  }
  std::vector<Expr> best = make_all(s, "weft.RoiAlignMaxima", inputs, std::move(attrs), 2);
  c.set_output(0, make(s, "weft.GatherAt", {c.input(0), best[0]}) * best[1]);
  return {};
}

Status grad_mean(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.RoiAlignMeanGrad", {c.grad(0), c.input(0), c.input(1), c.input(2)}, c.attrs()));
  return {};
}

Status grad_mean_grad(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.RoiAlignMean", {c.grad(0), c.input(2), c.input(3)}, c.attrs()));
  return {};
}

// Before opset 16 there was one kind of coordinates.
Status keep_old_coordinates(UpgradeContext& c) {
  c.attrs.set("coordinate_transformation_mode", "output_half_pixel");
  return {};
}

Status old_coordinates(DowngradeContext& c) {
  const std::string& mode = c.attrs.s("coordinate_transformation_mode");
  if (mode != "output_half_pixel") {
    return unimplemented("its attribute 'coordinate_transformation_mode' is \"", mode, "\"");
  }
  c.attrs.erase("coordinate_transformation_mode");
  return {};
}

OpDef& align_attrs(OpDef& op) {
  return op.types("T1", kFloatTypes)
      .attr("coordinate_transformation_mode", "half_pixel",
            "\"half_pixel\": pixel 0 reaches from 0 to 1; \"output_half_pixel\": from -0.5 to 0.5, and regions are at "
            "least one pixel wide and high.")
      .attr("output_height", int64_t{1}, "Rows of parts.")
      .attr("output_width", int64_t{1}, "Columns of parts.")
      .attr("sampling_ratio", int64_t{0}, "Samples of a part along each axis; 0: as many as it has pixels, rounded up.")
      .attr("spatial_scale", 1.0, "Pixels of X for one unit of the regions.");
}

OpDef& align_inputs(OpDef& op) {
  return op.input("rois", "T1", "[regions, 4]: x1, y1, x2, y2.")
      .input("batch_indices", "i64", "[regions]: their images.");
}

}  // namespace

void define_op_roi_align(OpRegistry& ops) {
  align_inputs(align_attrs(ops.add("RoiAlign"))
                   .group("nn/pool")
                   .since(22)
                   .doc("Each region in parts, each of which is the mean of samples between pixels, by linear weights; "
                        "or, as the standard has it, the greatest product of a pixel around a sample and its weight. "
                        "Samples more than a pixel outside of the image are 0. Of equal maxima the first gets the "
                        "gradient; none flows to the regions. An image that is not there is OUT_OF_RANGE.")
                   .attr("mode", "avg", "\"avg\" or \"max\".")
                   .input("X", "T1", "[N, C, H, W]."))
      .output("Y", "T1", "[regions, C, height, width].")
      .infer(infer_roi_align)
      .body_by_shapes(roi_align)
      .upgrade(16, keep_old_coordinates)
      .downgrade(16, old_coordinates);
  align_inputs(align_attrs(ops.add(kWeftDomain, "RoiAlignMean"))
                   .group("gradient/pool")
                   .doc("RoiAlign of means.")
                   .input("X", "T1", "[N, C, H, W]."))
      .output("Y", "T1", "[regions, C, height, width].")
      .infer(infer_aligned)
      .grad(grad_mean);
  align_inputs(align_attrs(ops.add(kWeftDomain, "RoiAlignMeanGrad"))
                   .group("gradient/pool")
                   .doc("The gradient of RoiAlignMean by X, given that of Y.")
                   .input("dY", "T1", "[regions, C, height, width].")
                   .input("X", "T1", "A tensor whose shape is taken.")
                   .shape_only())
      .output("dX", "T1", "The shape of X.")
      .infer(infer_mean_grad)
      .grad(grad_mean_grad);
  align_inputs(align_attrs(ops.add(kWeftDomain, "RoiAlignMaxima"))
                   .group("gradient/pool")
                   .doc("Of RoiAlign's maxima, which pixel each is of, and its weight.")
                   .input("X", "T1", "[N, C, H, W]."))
      .output("places", "i64", "[regions, C, height, width]: in X as a flat tensor; -1 for samples outside.")
      .output("weights", "T1", "[regions, C, height, width].")
      .infer(infer_aligned)
      .no_gradient("an index does not change gradually, and none flows to regions");
}

}  // namespace weft
