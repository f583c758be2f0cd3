// RoiAlign: regions sampled between pixels.
#include "core/graph/downgrade.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

Status check_alignment(const InferContext& c, int x) {
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
  return {};
}

// The shape that RoiAlign gives of inputs X, rois and batch_indices, which begin at `x`.
Result<Dims> aligned(InferContext& c, int x) {
  WEFT_CHECK(check_alignment(c, x));
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

Status infer_factors(InferContext& c) {
  WEFT_TRY(Dims out, aligned(c, 0));
  for (int i = 0; i < 2; ++i) c.set_dims(i, out);
  out.emplace_back(4);
  c.set_dims(2, std::move(out));
  return {};
}

Status infer_weights(InferContext& c) {
  WEFT_CHECK(check_alignment(c, 0));
  const Dim regions = c.has_rank(1) && c.rank(1) > 0 ? c.dims(1)[0] : c.fresh();
  WEFT_CHECK(c.check_shape(1, {regions, Dim(4)}, "four numbers for each region"));
  const std::pair<const char*, int> sides[] = {{"output_height", 2}, {"output_width", 3}};
  for (int i = 0; i < 2; ++i) {
    const auto& [parts, axis] = sides[i];
    const Dim size = c.has_rank(0) ? c.dims(0)[static_cast<size_t>(axis)] : c.fresh();
    c.set_dims(i, {regions, Dim(c.attrs().i(parts)), size});
    c.set_dims(i + 2, {regions, Dim(c.attrs().i(parts)), size, Dim(2)});
  }
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

// The gradient by rois, given those by the weights of rows and columns, which [regions, parts, size] slopes follow.
Expr through_weights(Expr by_down, Expr by_across, const std::vector<Expr>& weights) {
  const auto numbers = [](Expr gradient, Expr slopes) {  // begin and end of each region
    return unsqueeze(reduce_sum(unsqueeze(gradient, {3}) * slopes, {1, 2}, false), {2});
  };
  const Expr pairs = concat({numbers(by_across, weights[3]), numbers(by_down, weights[2])}, 2);
  return reshape(pairs, constant_ints(pairs.scope(), {-1, 4}));
}

Status grad_weights(GradContext& c) {
  const std::vector<Expr> weights = make_all(c.scope(), "weft.RoiAlignWeights", {c.input(0), c.input(1)}, c.attrs(), 4);
  c.set_grad(1, through_weights(c.grad(0), c.grad(1), weights));
  return {};
}

// The gradient of RoiAlignMean by rois: a mean is the product of the weights of rows, the image and the weights of columns.
Expr mean_by_rois(Expr dy, Expr x, Expr rois, Expr images, const Attrs& attrs) {
  ExprScope& s = dy.scope();
  const std::vector<Expr> weights = make_all(s, "weft.RoiAlignWeights", {x, rois}, attrs, 4);
  const Expr own = with_rank(make(s, "Gather", {x, images}, {{"axis", 0}}), 4);
  const Expr down = unsqueeze(weights[0], {1}), across = unsqueeze(weights[1], {1});
  const Expr in_columns = matmul(own, swap_last_two(across)), in_rows = matmul(down, own);
  return through_weights(reduce_sum(matmul(dy, swap_last_two(in_columns)), {1}, false),
                         reduce_sum(matmul(swap_last_two(dy), in_rows), {1}, false), weights);
}

Status grad_mean(GradContext& c) {
  const Expr dy = c.grad(0), x = c.input(0), rois = c.input(1), images = c.input(2);
  if (c.needs(0)) c.set_grad(0, make(c.scope(), "weft.RoiAlignMeanGrad", {dy, x, rois, images}, c.attrs()));
  if (c.needs(1)) c.set_grad(1, mean_by_rois(dy, x, rois, images, c.attrs()));
  return {};
}

// With the gradient v by dX, the sum of v * dX is that of dY times the means of v.
Status grad_mean_grad(GradContext& c) {
  const Expr dy = c.input(0), v = c.grad(0), rois = c.input(2), images = c.input(3);
  if (c.needs(0)) c.set_grad(0, make(c.scope(), "weft.RoiAlignMean", {v, rois, images}, c.attrs()));
  if (c.needs(2)) c.set_grad(2, mean_by_rois(dy, v, rois, images, c.attrs()));
  return {};
}

std::vector<Expr> factors_of(GradContext& c) {
  return make_all(c.scope(), "weft.RoiAlignFactors", {c.input(0), c.input(1), c.input(2)}, c.attrs(), 3);
}

// The gradient by rois, given those by both factors.
Expr through_factors(Expr by_down, Expr by_across, Expr slopes) {
  const Expr down = unsqueeze(by_down, {4}), across = unsqueeze(by_across, {4});
  return reduce_sum(concat({across, down, across, down}, 4) * slopes, {1, 2, 3}, false);
}

Status grad_maxima(GradContext& c) {
  if (!c.needs(1)) return {};
  const std::vector<Expr> factors = factors_of(c);
  c.set_grad(1, through_factors(c.grad(1) * factors[1], c.grad(1) * factors[0], factors[2]));
  return {};
}

Status grad_factors(GradContext& c) {
  if (c.needs(1)) c.set_grad(1, through_factors(c.grad(0), c.grad(1), factors_of(c)[2]));
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
                        "gradient. That by the regions keeps how many samples there are and which of them lie outside; "
                        "at a pixel it is to the right. An image that is not there is OUT_OF_RANGE.")
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
      .grad(grad_maxima);
  align_inputs(align_attrs(ops.add(kWeftDomain, "RoiAlignFactors"))
                   .group("gradient/pool")
                   .doc("The weights of RoiAlignMaxima as products, and how these change with the regions.")
                   .input("X", "T1", "[N, C, H, W]."))
      .output("down", "T1", "[regions, C, height, width]: what the row of the pixel gives to its weight.")
      .output("across", "T1", "[regions, C, height, width]: what its column gives.")
      .output("slopes", "T1",
              "[regions, C, height, width, 4]: of `across` by x1, of `down` by y1, of `across` by x2, of `down` by y2.")
      .infer(infer_factors)
      .grad(grad_factors);
  align_attrs(ops.add(kWeftDomain, "RoiAlignWeights"))
      .group("gradient/pool")
      .doc("What pixels count in the means of RoiAlignMean, where each weight is one of a row times one of a column.")
      .input("X", "T1", "[N, C, H, W], whose shape is taken.")
      .shape_only()
      .input("rois", "T1", "[regions, 4]: x1, y1, x2, y2.")
      .output("down", "T1", "[regions, height, H].")
      .output("across", "T1", "[regions, width, W].")
      .output("down_slopes", "T1", "[regions, height, H, 2]: of `down` by y1 and y2.")
      .output("across_slopes", "T1", "[regions, width, W, 2]: of `across` by x1 and x2.")
      .infer(infer_weights)
      .grad(grad_weights);
}

}  // namespace weft
