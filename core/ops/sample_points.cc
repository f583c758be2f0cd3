// Values between the pixels of images: SamplePoints and its gradient, of which GridSample and DeformConv are made.
#include "core/graph/expr.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

// What is said without ranks of input `x` and input `places`.
Status check_sampling(const InferContext& c, int x, int places) {
  const std::string &mode = c.attrs().s("mode"), &padding = c.attrs().s("padding_mode");
  if (mode != "nearest" && mode != "linear" && mode != "cubic") {
    return invalid("attribute 'mode' is \"", mode, "\" but must be \"nearest\", \"linear\" or \"cubic\"");
  }
  if (padding != "zeros" && padding != "border" && padding != "reflection") {
    return invalid("attribute 'padding_mode' is \"", padding, "\" but must be \"zeros\", \"border\" or \"reflection\"");
  }
  const DType part = part_dtype(c.dtype(x));
  if (c.dtype(places) == part) return {};
  return invalid("places must be ", dtype_name(part), " for X ", c.input(x).text(), " but are ",
                 c.input(places).text());
}

// The shape of what is sampled of input `x` at input `places`, which have ranks.
Result<Dims> sampled(const InferContext& c, int x, int places) {
  const int64_t axes = c.rank(x) - 2;
  if (axes < 1) return invalid("X must be [N, C, D1, ...] but is ", c.input(x).text());
  if (axes > 5) return unimplemented("images of ", axes, " axes are not sampled; at most 5 are");
  if (c.rank(places) < 2) return invalid("places must be [N, ..., ", axes, "] but are ", c.input(places).text());
  const Dims &image = c.dims(x), &at = c.dims(places);
  if (at.back().known() && !at.back().is(axes)) {
    return invalid("places ", c.input(places).text(), " have ", at.back().text(), " coordinates, but X ",
                   c.input(x).text(), " has ", axes, " axes for them");
  }
  if (!may_equal({image[0]}, {at[0]})) {
    return invalid("X ", c.input(x).text(), " has ", image[0].text(), " images but places ", c.input(places).text(),
                   " are for ", at[0].text());
  }
  const std::vector<int64_t> orders = c.attrs().ints_or_empty("orders");
  if (!orders.empty() && static_cast<int64_t>(orders.size()) != axes) {
    return invalid("attribute 'orders' has ", orders.size(), " entries for ", axes, " axes");
  }
  for (int64_t order : orders) {
    if (order < 0) return invalid("attribute 'orders' has ", order, " but must not be negative");
  }
  Dims out{image[0], image[1]};
  out.insert(out.end(), at.begin() + 1, at.end() - 1);
  return out;
}

Status infer_sample(InferContext& c) {
  WEFT_CHECK(check_sampling(c, 0, 1));
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  WEFT_TRY(Dims out, sampled(c, 0, 1));
  c.set_dims(0, std::move(out));
  return {};
}

Status infer_sample_grad(InferContext& c) {
  WEFT_CHECK(check_sampling(c, 1, 2));
  if (!c.has_rank(1)) return {};
  c.set_dims(0, c.dims(1));
  if (!c.has_rank(2)) return {};
  WEFT_TRY(Dims out, sampled(c, 1, 2));
  return c.check_shape(0, out, "the samples");
}

// By each coordinate: the sum over channels of `weights` times the slope of the samples of `image` along its axis.
Result<Expr> grad_of_places(GradContext& c, Expr image, Expr places, Expr weights) {
  image = with_rank_of_places(image, places);
  if (!image.has_rank()) return unimplemented("the gradient by places needs the rank of X or of them");
  if (is_complex(image.dtype())) return unimplemented("places in images of complex numbers have no gradient");
  const int64_t axes = image.rank() - 2;
  std::vector<Expr> slopes;
  for (int64_t i = 0; i < axes; ++i) {
    const int64_t axis = c.attrs().b("last_axis_first") ? axes - 1 - i : i;
    Attrs attrs = c.attrs();
    std::vector<int64_t> orders = attrs.ints_or_empty("orders");
    orders.resize(static_cast<size_t>(axes), 0);
    ++orders[static_cast<size_t>(axis)];
    attrs.set("orders", orders);
    Expr slope = make(c.scope(), "weft.SamplePoints", {image, places}, std::move(attrs));
    slopes.push_back(unsqueeze(reduce_sum(grad_mul(weights, slope), {1}, false), {-1}));
  }
  return concat(slopes, -1);
}

Status grad_sample(GradContext& c) {
  Expr x = c.input(0), places = c.input(1);
  if (c.needs(0)) c.set_grad(0, make(c.scope(), "weft.SamplePointsGrad", {c.grad(0), x, places}, c.attrs()));
  if (!c.needs(1) || c.attrs().s("mode") == "nearest") return {};
  WEFT_TRY(Expr slopes, grad_of_places(c, x, places, c.grad(0)));
  c.set_grad(1, slopes);
  return {};
}

Status grad_sample_grad(GradContext& c) {
  Expr places = c.input(2);
  if (c.needs(0)) c.set_grad(0, make(c.scope(), "weft.SamplePoints", {c.grad(0), places}, c.attrs()));
  if (!c.needs(2) || c.attrs().s("mode") == "nearest") return {};
  WEFT_TRY(Expr slopes, grad_of_places(c, c.grad(0), places, c.input(0)));
  c.set_grad(2, slopes);
  return {};
}

OpDef& sample_schema(OpDef& op) {
  return op.types("T", kFloatTypes | kComplexTypes)
      .types("T1", kFloatTypes)
      .attr("mode", "linear",
            "\"nearest\": the pixel that is nearest, halves to the even one; \"linear\"; \"cubic\": of four pixels "
            "along each axis, with the parameter -0.75.")
      .attr("padding_mode", "zeros",
            "What pixels beyond the ends are: \"zeros\", those of the \"border\", or a \"reflection\".")
      .flag("align_corners", false, "Whether the reflection is about the middles of the pixels at the ends.")
      .flag("last_axis_first", false, "Whether the first coordinate is that of the last axis, and so on.")
      .optional_attr("orders", AttrKind::kInts,
                     "For each axis of the image, which derivative along it is taken; 0 if not given.");
}

}  // namespace

void define_op_sample_points(OpRegistry& ops) {
  sample_schema(ops.add(kWeftDomain, "SamplePoints"))
      .group("image")
      .doc(
          "The values of images at places between pixels: of each image sums of pixels around the place, weighted "
          "along each axis. On a pixel the slope is that to the pixel behind it.")
      .input("X", "T", "[N, C, D1, ...], with up to five axes behind C.")
      .input("places", "T1",
             "[N, ..., axes]: a coordinate in pixels for each axis, 0 being the middle of the first. Of the type of X, "
             "or of the parts of its complex numbers.")
      .output("Y", "T", "[N, C, ...].")
      .infer(infer_sample)
      .grad(grad_sample);
  sample_schema(ops.add(kWeftDomain, "SamplePointsGrad"))
      .group("gradient")
      .doc("The gradient of SamplePoints by X, given that of Y.")
      .input("dY", "T", "[N, C, ...].")
      .input("X", "T", "A tensor whose shape is taken.")
      .shape_only()
      .input("places", "T1", "As in SamplePoints.")
      .output("dX", "T", "The shape of X.")
      .infer(infer_sample_grad)
      .grad(grad_sample_grad);
}

}  // namespace weft
