// Spatial transformers: AffineGrid and GridSample.
#include "core/graph/downgrade.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

// How many spatial axes a grid of AffineGrid has, if that is known.
Result<std::optional<int64_t>> grid_axes(const InferContext& c) {
  std::optional<int64_t> axes;
  WEFT_CHECK(c.check_vector(1));
  if (c.has_rank(0)) {
    const Dims& theta = c.dims(0);
    for (int64_t n : {2, 3}) {
      if (theta.size() == 3 && may_equal({theta[1], theta[2]}, {Dim(n), Dim(n + 1)}) &&
          (theta[1].known() || theta[2].known())) {
        axes = n;
      }
    }
    if (!axes && (theta.size() != 3 || theta[1].known() || theta[2].known())) {
      return invalid("'theta' must be [N, 2, 3] or [N, 3, 4] but is ", c.input(0).text());
    }
  }
  if (c.has_rank(1) && c.dims(1)[0].known()) {
    const int64_t own = c.dims(1)[0].value() - 2;
    if (own != 2 && own != 3) return invalid("'size' must have 4 or 5 numbers but is ", c.input(1).text());
    if (axes && *axes != own) {
      return invalid("'theta' ", c.input(0).text(), " is for ", *axes, " axes but 'size' has ", own + 2, " numbers");
    }
    axes = own;
  }
  return axes;
}

Status infer_affine_grid(InferContext& c) {
  WEFT_TRY(std::optional<int64_t> axes, grid_axes(c));
  if (!axes) return {};
  const Dims* size = c.ints(1);
  Dims out{c.has_rank(0) ? c.dims(0)[0] : size != nullptr ? (*size)[0] : c.fresh()};
  for (int64_t d = 0; d < *axes; ++d) {
    Dim along = size != nullptr ? (*size)[static_cast<size_t>(d + 2)] : c.fresh();
    if (along.known() && along.value() < 0) return invalid("'size' has ", along.value(), " but must not be negative");
    out.push_back(std::move(along));
  }
  if (size != nullptr && !may_equal({(*size)[0]}, {out[0]})) {
    return invalid("'size' is for ", (*size)[0].text(), " images but 'theta' is ", c.input(0).text());
  }
  if (size != nullptr && !out[0].known()) out[0] = (*size)[0];
  out.push_back(Dim(*axes));
  c.set_dims(0, std::move(out));
  return {};
}

// Each place, with a 1 behind its coordinates, times each matrix.
Status affine_grid(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr theta = c.input(0), size = c.input(1);
  int64_t axes = 0;
  if (theta.has_rank() && theta.dims()[1].known()) axes = theta.dims()[1].value();
  if (size.has_rank() && size.dims()[0].known()) axes = size.dims()[0].value() - 2;
  if (axes < 2) return unimplemented("AffineGrid needs the length of 'size'");
  auto sizes = [&](int64_t begin, int64_t end) {
    return make(s, "Slice", {size, constant_ints(s, {begin}), constant_ints(s, {end})});
  };
  Expr space = sizes(2, axes + 2);
  std::vector<Expr> parts;
  for (int64_t d = axes - 1; d >= 0; --d) {
    Expr length = make(s, "Gather", {size, constant_int(s, d + 2)}), one = constant_int(s, 1);
    Expr twice = make(s, "Range", {constant_int(s, 0), length, one}) * constant_int(s, 2);
    // From -1 to 1 between the outermost pixels, or their outer edges; a single pixel is in the middle.
    Expr above, below;
    if (c.attrs().b("align_corners")) {
      above = twice - (length - one);
      below = make(s, "Max", {length - one, one});
    } else {
      above = twice + (one - length);
      below = length;
    }
    Expr along = cast(above, theta.dtype()) / cast(below, theta.dtype());
    std::vector<int64_t> inner;
    for (int64_t i = d + 1; i < axes; ++i) inner.push_back(i - d);
    if (!inner.empty()) along = unsqueeze(along, inner);
    parts.push_back(unsqueeze(make(s, "Expand", {along, space}), {-1}));
  }
  parts.push_back(unsqueeze(make(s, "Expand", {scalar_like(theta, 1), space}), {-1}));
  Expr points = make(s, "ReduceProd", {space}, {{"keepdims", int64_t{1}}});
  Expr places = reshape(concat(parts, -1), concat({points, constant_ints(s, {axes + 1})}, 0));
  Expr grid = matmul(places, swap_last_two(theta));
  Expr images = make(s, "Shape", {theta}, {{"start", int64_t{0}}, {"end", int64_t{1}}});
  c.set_output(0, reshape(grid, concat({images, space, constant_ints(s, {axes})}, 0)));
  return {};
}

Status infer_grid_sample(InferContext& c) {
  const std::string &mode = c.attrs().s("mode"), &padding = c.attrs().s("padding_mode");
  if (mode != "nearest" && mode != "linear" && mode != "cubic") {
    return invalid("attribute 'mode' is \"", mode, "\" but must be \"nearest\", \"linear\" or \"cubic\"");
  }
  if (padding != "zeros" && padding != "border" && padding != "reflection") {
    return invalid("attribute 'padding_mode' is \"", padding, "\" but must be \"zeros\", \"border\" or \"reflection\"");
  }
  if (mode != "nearest" && c.dtype(0) == DType::kString) {
    return invalid("attribute 'mode' is \"", mode, "\" but input 'X' is ", c.input(0).text(),
                   "; strings have no weights, only \"nearest\"");
  }
  if (c.has_rank(0) && c.rank(0) < 3) return invalid("X must be [N, C, D1, ...] but is ", c.input(0).text());
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  const Dims &x = c.dims(0), &grid = c.dims(1);
  if (grid.size() != x.size() || !may_equal({x[0], Dim(c.rank(0) - 2)}, {grid[0], grid.back()})) {
    return invalid("'grid' must be [", x[0].text(), ", O1, ..., ", c.rank(0) - 2, "], with as many axes as X ",
                   c.input(0).text(), ", but is ", c.input(1).text());
  }
  Dims out{x[0], x[1]};
  out.insert(out.end(), grid.begin() + 1, grid.end() - 1);
  c.set_dims(0, std::move(out));
  return {};
}

// The nearest of elements that are only moved: the numbers of an image's pixels, from 1 on, are sampled in their place, and
// 0 is what lies beyond the ends, a zero or an empty string.
Result<Expr> nearest_elements(ExprScope& s, Expr x, Expr places, Attrs attrs) {
  WEFT_CHECK(s.status());
  if (!x.type().concrete() || !places.type().concrete()) {
    return unimplemented("GridSample needs the shapes of X and grid");
  }
  const Shape image = to_shape(x.dims());
  Shape out = to_shape(places.dims());
  const int64_t axes = out.back(), pixels = *element_count({image.begin() + 2, image.end()});
  out.pop_back();
  const int64_t points = *element_count({out.begin() + 1, out.end()});
  Expr numbers = make(s, "Range", {constant_int(s, 1), constant_int(s, pixels + 1), constant_int(s, 1)});
  Shape one_image = image;
  one_image[0] = one_image[1] = 1;
  numbers = reshape(cast(numbers, DType::kF64), constant_ints(s, one_image));
  Expr at = reshape(cast(places, DType::kF64), constant_ints(s, {1, image[0] * points, axes}));
  at = cast(make(s, "weft.SamplePoints", {numbers, at}, std::move(attrs)), DType::kI64);
  at = make(s, "Max", {at, constant_int(s, 0)});  // a place that is not a number is nowhere
  at = make(s, "Expand",
            {reshape(at, constant_ints(s, {image[0], 1, points})), constant_ints(s, {image[0], image[1], points})});
  x = reshape(x, constant_ints(s, {image[0], image[1], pixels}));
  x = make(s, "Pad", {x, constant_ints(s, {0, 0, 1, 0, 0, 0})});
  out.insert(out.begin() + 1, image[1]);
  Expr y = make(s, "GatherElements", {x, at}, {{"axis", int64_t{2}}});
  return reshape(y, constant_ints(s, out));
}

Status grid_sample(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr grid = c.input(1), x = with_rank_of_places(c.input(0), grid);
  if (!x.has_rank()) return unimplemented("GridSample needs the rank of X or of grid");
  const DType dtype = x.dtype();
  std::vector<int64_t> last_first;
  for (int64_t axis = x.rank() - 1; axis >= 2; --axis) last_first.push_back(axis);
  Expr size = cast(make(s, "Gather", {shape_of(x), constant_ints(s, last_first)}), grid.dtype());
  Expr places = c.attrs().b("align_corners") ? (grid + 1.0) * 0.5 * (size - 1.0) : ((grid + 1.0) * size - 1.0) * 0.5;
  Attrs attrs = c.attrs();
  attrs.set("last_axis_first", int64_t{1});
  const bool summed = contains(kFloatTypes | kComplexTypes, dtype);
  if (!summed && attrs.s("mode") == "nearest") {
    WEFT_TRY(Expr y, nearest_elements(s, x, places, std::move(attrs)));
    c.set_output(0, y);
    return {};
  }
  if (!summed) x = cast(x, DType::kF64);
  places = cast(places, part_dtype(x.dtype()));
  c.set_output(0, cast(make(s, "weft.SamplePoints", {x, places}, std::move(attrs)), dtype));
  return {};
}

// The modes had the names of those for two axes.
Status rename_modes(UpgradeContext& c) {
  const AttrValue* mode = c.attrs.find("mode");
  if (mode == nullptr || mode->kind() != AttrKind::kString) return {};
  const std::string name = mode->s();
  if (name == "bilinear") c.attrs.set("mode", "linear");
  if (name == "bicubic") c.attrs.set("mode", "cubic");
  return {};
}

Status modes_of_two_axes(DowngradeContext& c) {
  WEFT_TRY(const int64_t rank, c.known_rank(0));
  if (rank != 4) return unimplemented("it samples ", c.inputs[0].type().text(), ", which is not [N, C, H, W]");
  const std::string& mode = c.attrs.s("mode");
  if (mode == "linear" || mode == "cubic") c.attrs.set("mode", cat("bi", mode));
  return {};
}

}  // namespace

void define_op_grid_sample(OpRegistry& ops) {
  ops.add("AffineGrid")
      .group("image")
      .since(20)
      .doc(
          "The places that affine maps take the pixels of an image to, for GridSample: `theta @ [x, y, 1]`, with "
          "coordinates from -1 to 1, that of the last axis first.")
      .types("T1", kFloatTypes)
      .flag("align_corners", false, "Whether -1 and 1 are the middles of the outermost pixels, else their outer edges.")
      .input("theta", "T1", "[N, 2, 3], or [N, 3, 4] for volumes.")
      .input("size", "i64", "[N, C, H, W] or [N, C, D, H, W]: the shape of the output of GridSample.")
      .shapes_outputs()
      .output("grid", "T1", "[N, H, W, 2] or [N, D, H, W, 3].")
      .infer(infer_affine_grid)
      .body_by_shapes(affine_grid);
  ops.add("GridSample")
      .group("image")
      .since(22)
      .doc(
          "The values of images at the places of a grid, between pixels too. Places run from -1 to 1 along each axis, "
          "the coordinate of the last axis first. On a pixel the slope is that to the pixel behind it. Integers are "
          "weighted in f64, and the fraction is cut off; the nearest is as it is, of strings too.")
      .types("T1", kTensorTypes)
      .types("T2", kFloatTypes)
      .flag("align_corners", false, "Whether -1 and 1 are the middles of the outermost pixels, else their outer edges.")
      .attr("mode", "linear",
            "\"nearest\": the nearest pixel, halves to the even one; \"linear\"; \"cubic\": of four pixels along each "
            "axis, with the parameter -0.75.")
      .attr("padding_mode", "zeros",
            "What lies beyond the ends: \"zeros\" (empty strings, where X has strings), the pixels of the \"border\", "
            "or a \"reflection\".")
      .input("X", "T1", "[N, C, D1, ...], with up to five axes behind C; no strings, unless `mode` is \"nearest\".")
      .input("grid", "T2", "[N, O1, ..., axes], with as many axes as X.")
      .output("Y", "T1", "[N, C, O1, ...].")
      .infer(infer_grid_sample)
      .body_by_shapes(grid_sample)
      .upgrade(20, rename_modes)
      .downgrade(20, modes_of_two_axes);
}

}  // namespace weft
