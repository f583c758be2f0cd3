// Resize and its gradient; what it was in older opsets, of which Upsample is the name before opset 10.
#include "core/op/resize.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "core/graph/downgrade.h"
#include "core/ops/resize_common.h"

namespace weft {
namespace {

// An empty input is none: older models have all of them.
bool is_given(const InferContext& c, int i) {
  return c.has_input(i) && !(c.has_rank(i) && c.rank(i) == 1 && c.dims(i)[0].is(0));
}

bool has_length(const InferContext& c, int i) { return c.has_rank(i) && c.rank(i) == 1 && c.dims(i)[0].known(); }

Status check_length(const InferContext& c, int i, const char* name, size_t wanted) {
  if (!has_length(c, i) || c.dims(i)[0].is(static_cast<int64_t>(wanted))) return {};
  return invalid("input '", name, "' has ", c.dims(i)[0].text(), " numbers but must have ", wanted, " for the axes");
}

// These set what is known of `out`, which is the shape of X but for the axes that are resized.
Status infer_sizes(const InferContext& c, const Resizing& resizing, int at_x, const std::vector<int64_t>& axes,
                   Dims* out) {
  const Dims* sizes = c.ints(at_x + 3);
  if (sizes == nullptr) return {};
  std::vector<ResizedAxis> resized(axes.size());
  std::vector<int64_t> wanted(axes.size());
  bool known = true;
  for (size_t i = 0; i < axes.size(); ++i) {
    const Dim &in = c.dims(at_x)[static_cast<size_t>(axes[i])], &size = (*sizes)[i];
    if (size.known() && size.value() < 0) {
      return invalid("input 'sizes' has ", size.value(), " but sizes must not be negative");
    }
    known = known && in.known() && size.known();
    if (!known) continue;
    resized[i].in = in.value();
    wanted[i] = size.value();
  }
  if (known) WEFT_CHECK(resize_to_sizes(resizing, wanted.data(), resized));
  const bool exact = resizing.policy == Resizing::Policy::kStretch || axes.size() == 1;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (known || exact) (*out)[static_cast<size_t>(axes[i])] = known ? Dim(resized[i].out) : (*sizes)[i];
  }
  return {};
}

Status infer_scales(const InferContext& c, int at_x, const std::vector<int64_t>& axes, Dims* out) {
  const Tensor* scales = c.constant(at_x + 2);
  if (scales == nullptr) return {};
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = static_cast<size_t>(axes[i]);
    WEFT_TRY(std::optional<Dim> size, scaled_size(c.dims(at_x)[axis], scales->as<float>()[i]));
    if (size) (*out)[axis] = *size;
  }
  return {};
}

// The shape that Resize gives of input `at_x`, which has a rank; behind it come roi, scales and sizes.
Result<Dims> resized(InferContext& c, const Resizing& resizing, int at_x) {
  const int at_roi = at_x + 1, at_scales = at_x + 2, at_sizes = at_x + 3;
  WEFT_TRY(std::vector<int64_t> axes, axes_to_resize(c.attrs(), c.rank(at_x)));
  Dims out = c.dims(at_x);
  const bool by_scales = is_given(c, at_scales), to_sizes = is_given(c, at_sizes);
  if (by_scales) WEFT_CHECK(check_length(c, at_scales, "scales", axes.size()));
  if (to_sizes) WEFT_CHECK(check_length(c, at_sizes, "sizes", axes.size()));
  if (axes.empty()) return out;
  if (!by_scales && !to_sizes) return invalid("one of the inputs 'scales' and 'sizes' must be given");
  if (by_scales && to_sizes && has_length(c, at_scales) && has_length(c, at_sizes)) {
    return invalid("only one of the inputs 'scales' and 'sizes' may be given");
  }
  if (resizing.crops()) {
    if (!is_given(c, at_roi)) return invalid("\"tf_crop_and_resize\" needs the input 'roi'");
    WEFT_CHECK(check_length(c, at_roi, "roi", 2 * axes.size()));
  }
  for (int64_t axis : axes) out[static_cast<size_t>(axis)] = c.fresh();
  if (to_sizes && !by_scales) WEFT_CHECK(infer_sizes(c, resizing, at_x, axes, &out));
  if (by_scales && !to_sizes) WEFT_CHECK(infer_scales(c, at_x, axes, &out));
  return out;
}

// What is checked without a rank.
Result<Resizing> checked(const InferContext& c, int at_x) {
  WEFT_TRY(Resizing resizing, read_resizing(c.attrs()));
  for (int i = at_x + 1; i < c.input_count(); ++i) WEFT_CHECK(c.check_vector(i));
  if (resizing.mode != Resizing::Mode::kNearest && !contains(kNumberTypes | kComplexTypes, c.dtype(at_x))) {
    return invalid("attribute 'mode' is \"", c.attrs().s("mode"), "\" but input 'X' is ", c.input(at_x).text(),
                   "; only numbers can be weighted");
  }
  return resizing;
}

bool has_old_places(const Attrs& attrs) { return attrs.s("coordinate_transformation_mode") == kHalfBehindName; }

Status infer_old_resize(InferContext& c) {
  WEFT_TRY(Resizing resizing, checked(c, 0));
  if (!c.has_rank(0)) return {};
  WEFT_TRY(Dims out, resized(c, resizing, 0));
  c.set_dims(0, std::move(out));
  return {};
}

Status infer_resize(InferContext& c) {
  if (!has_old_places(c.attrs())) return infer_old_resize(c);
  return invalid("attribute 'coordinate_transformation_mode' is \"", kHalfBehindName,
                 "\", which opsets 11 and 12 alone had");
}

Status infer_resize_grad(InferContext& c) {
  WEFT_TRY(Resizing resizing, checked(c, 1));
  if (!c.has_rank(1)) return {};
  WEFT_TRY(Dims y, resized(c, resizing, 1));
  c.set_dims(0, c.dims(1));
  return c.check_shape(0, y, "Resize's output");
}

std::vector<Expr> with_sizes(GradContext& c, std::vector<Expr> first, int from) {
  for (int i = from; i < from + 3; ++i) first.push_back(c.has_input(i) ? c.input(i) : Expr());
  return first;
}

// Both are linear in their first input, but for what lies outside of the region.
Attrs linear_attrs(Attrs attrs) {
  attrs.set("extrapolation_value", 0.0);
  return attrs;
}

// Sets the gradients by roi and scales, which begin at `from`, of the sum of dy times x resized.
Status set_grads_of_places(GradContext& c, Expr dy, Expr x, int from) {
  const ResizeInputs inputs{x, c.input(from), c.input(from + 1), c.input(from + 2)};
  if (c.needs(from)) {
    WEFT_TRY(const Expr by_roi, resize_by_roi(dy, inputs, c.attrs()));
    c.set_grad(from, by_roi);
  }
  if (c.needs(from + 1)) {
    WEFT_TRY(const Expr by_scales, resize_by_scales(dy, inputs, c.attrs()));
    c.set_grad(from + 1, by_scales);
  }
  return {};
}

Status grad_resize(GradContext& c) {
  if (c.needs(0)) {
    c.set_grad(0,
               make(c.scope(), "weft.ResizeGrad", with_sizes(c, {c.grad(0), c.input(0)}, 1), linear_attrs(c.attrs())));
  }
  return set_grads_of_places(c, c.grad(0), c.input(0), 1);
}

// With the gradient v by dX, the sum of v * dX is that of dY times v resized.
Status grad_resize_grad(GradContext& c) {
  if (c.needs(0)) {
    const char* op = has_old_places(c.attrs()) ? "weft.OldResize" : "Resize";
    c.set_grad(0, make(c.scope(), op, with_sizes(c, {c.grad(0)}, 2), linear_attrs(c.attrs())));
  }
  return set_grads_of_places(c, c.input(0), c.grad(0), 2);
}

// Before opset 11 nothing said where places of the output lie in the input. Those who wrote and read such files had them at
// `y / scale`, and took the place before it for the nearest one.
void set_places_before_11(Attrs* attrs) {
  attrs->set("coordinate_transformation_mode", "asymmetric");
  attrs->set("nearest_mode", "floor");
}

// Scales that are at most, or at least, 1 by "Min" or "Max".
Expr limited(Expr scales, const Tensor* known, const char* op) {
  ExprScope& s = scales.scope();
  if (known == nullptr) return make(s, op, {scales, scalar_like(scales, 1)});
  std::vector<float> values(known->as<float>(), known->as<float>() + known->count());
  const bool at_most = std::string_view(op) == "Min";
  for (float& value : values) value = at_most ? std::min(value, 1.0f) : std::max(value, 1.0f);
  return constant(s, Tensor::vector<float>(values));
}

// In ONNX's own tests of opset 10, and in ONNX Runtime, the nearest place of an axis that shrinks is the one behind: axes
// that shrink and axes that grow are two steps, of which files mostly need one.
Status resize_of_opset_10(UpgradeContext& c) {
  if (c.inputs.size() != 2) return invalid("Resize of opset 10 has two inputs, 'X' and 'scales'");
  const ValueId scales = c.inputs[1];
  c.inputs.insert(c.inputs.begin() + 1, kNoValue);
  set_places_before_11(&c.attrs);
  const AttrValue* mode = c.attrs.find("mode");
  if (scales == kNoValue || c.type(2).dtype != DType::kF32 || (mode != nullptr && mode->s() != "nearest")) return {};
  const Tensor* known = c.graph().value(scales).constant.get();
  if (known != nullptr && known->rank() != 1) return {};  // the operator says so
  bool shrinks = known == nullptr, grows = known == nullptr;
  for (int64_t i = 0; known != nullptr && i < known->count(); ++i) {
    shrinks = shrinks || known->as<float>()[i] < 1;
    grows = grows || known->as<float>()[i] > 1;
  }
  if (!shrinks) return {};
  Attrs smaller = c.attrs;
  smaller.set("nearest_mode", "ceil");
  if (!grows) {
    c.attrs = std::move(smaller);
    return {};
  }
  ExprScope s(c.graph());
  const Expr given(s, scales);
  c.inputs[0] =
      make(s, "Resize", {Expr(s, c.inputs[0]), Expr(), limited(given, known, "Min")}, std::move(smaller)).id();
  c.inputs[2] = limited(given, known, "Max").id();
  return s.status();
}

// What opsets 11 and 12 could say of places is said today where it is the nearest place that is taken and halves go down, or
// all do: half an element before are those of "half_pixel", rounded up.
Status places_of_opset_11(UpgradeContext& c) {
  const AttrValue* places = c.attrs.find("coordinate_transformation_mode");
  if (places == nullptr || places->s() != kHalfBehindName) return {};
  const AttrValue *mode = c.attrs.find("mode"), *nearest = c.attrs.find("nearest_mode");
  const std::string rounding = nearest == nullptr ? "round_prefer_floor" : nearest->s();
  const bool down = rounding == "floor", halves_down = rounding == "round_prefer_floor";
  if ((mode == nullptr || mode->s() == "nearest") && (down || halves_down)) {
    c.attrs.set("coordinate_transformation_mode", "half_pixel");
    c.attrs.set("nearest_mode", down ? "round_prefer_ceil" : "ceil");
  } else {
    c.op = "weft.OldResize";
  }
  return {};
}

// Upsample was the name of Resize before opset 10.
Status upsample_body(BodyContext& c) {
  Attrs attrs = {{"mode", c.attrs().s("mode")}};
  set_places_before_11(&attrs);
  c.set_output(0, make(c.scope(), "Resize", {c.input(0), Expr(), c.input(1)}, std::move(attrs)));
  return {};
}

Status check_upscale(double scale) {
  return scale >= 1 ? Status() : invalid("a scale is ", scale, " but must be at least 1");
}

Status scales_input(UpgradeContext& c, const std::vector<double>& scales) {
  for (double scale : scales) WEFT_CHECK(check_upscale(scale));
  const std::vector<float> values(scales.begin(), scales.end());
  WEFT_TRY(ValueId id, c.graph().add_constant(Tensor::vector<float>(values)));
  c.inputs.push_back(id);
  return {};
}

// Images had a scale for each direction.
Status scales_of_images(UpgradeContext& c) {
  const AttrValue *height = c.attrs.find("height_scale"), *width = c.attrs.find("width_scale");
  if (height == nullptr || width == nullptr || c.inputs.size() != 1) {
    return invalid("Upsample before opset 7 has one input and needs 'height_scale' and 'width_scale'");
  }
  WEFT_CHECK(scales_input(c, {1, 1, height->f(), width->f()}));
  c.attrs.erase("height_scale");
  c.attrs.erase("width_scale");
  const AttrValue* mode = c.attrs.find("mode");
  if (mode != nullptr && mode->s() == "bilinear") c.attrs.set("mode", "linear");
  return {};
}

Status scales_of_attribute(UpgradeContext& c) {
  if (c.inputs.size() > 1 && c.attrs.find("scales") == nullptr) return {};  // made so by the step before
  const AttrValue* scales = c.attrs.find("scales");
  if (scales == nullptr || c.inputs.size() != 1) {
    return invalid("Upsample before opset 9 has one input and needs 'scales'");
  }
  WEFT_CHECK(scales_input(c, scales->floats()));
  c.attrs.erase("scales");
  return {};
}

Status as_resize(UpgradeContext& c) {
  if (c.inputs.size() != 2) return invalid("Upsample has two inputs, 'X' and 'scales'");
  for (const auto& [name, value] : c.attrs) {
    if (name != "mode") return invalid("Upsample has no attribute '", name, "'");
  }
  const Tensor* scales = c.inputs[1] == kNoValue ? nullptr : c.graph().value(c.inputs[1]).constant.get();
  if (scales != nullptr && scales->dtype() == DType::kF32) {
    for (int64_t i = 0; i < scales->count(); ++i) WEFT_CHECK(check_upscale(scales->as<float>()[i]));
  }
  c.inputs.insert(c.inputs.begin() + 1, kNoValue);
  set_places_before_11(&c.attrs);
  c.op = "Resize";
  return {};
}

// What is not given was an empty tensor before opset 13; a file of a later one may not have it beside what is.
Status leave_out_empty_inputs(UpgradeContext& c) {
  for (size_t i = 1; i < c.inputs.size(); ++i) {
    if (c.inputs[i] == kNoValue) continue;
    const ValueType& type = c.type(static_cast<int>(i));
    if (type.has_rank && type.dims.size() == 1 && type.dims[0].is(0)) c.inputs[i] = kNoValue;
  }
  return {};
}

bool is_empty_list(const DowngradeContext& c, int i) {
  return c.has_input(i) && c.inputs[i].has_rank() && c.inputs[i].rank() == 1 && c.inputs[i].dims()[0].is(0);
}

Status without_symmetry(DowngradeContext& c) {
  const std::string& mode = c.attrs.s("coordinate_transformation_mode");
  if (mode != "half_pixel_symmetric") return {};
  return unimplemented("its attribute 'coordinate_transformation_mode' is \"", mode, "\"");
}

// Before opset 18 the inputs spoke of all axes, in order.
Status sizes_of_all_axes(DowngradeContext& c) {
  if (!c.attrs.has("axes")) return {};
  WEFT_TRY(const int64_t rank, c.known_rank(0));
  WEFT_TRY(const std::vector<int64_t> axes, axes_to_resize(c.attrs, rank));
  c.attrs.erase("axes");
  std::vector<int64_t> all(static_cast<size_t>(rank));
  std::iota(all.begin(), all.end(), int64_t{0});
  if (axes == all) return {};
  if (c.attrs.s("coordinate_transformation_mode") == "tf_crop_and_resize") {
    return unimplemented("its attribute 'axes' is given, and its input 'roi' speaks of them");
  }
  c.drop_input(1);
  for (int i : {2, 3}) {
    if (is_empty_list(c, i)) c.drop_input(i);
  }
  // The other axes keep their sizes.
  ExprScope& s = c.scope();
  if (c.has_input(2)) {
    const Tensor* given = c.constant(2);
    if (given == nullptr || given->count() != static_cast<int64_t>(axes.size())) {
      return unimplemented("its attribute 'axes' is given, so its input 'scales' would have to be a constant");
    }
    std::vector<float> scales(all.size(), 1);
    for (size_t i = 0; i < axes.size(); ++i) scales[static_cast<size_t>(axes[i])] = given->as<float>()[i];
    c.inputs[2] = constant(s, Tensor::vector<float>(scales));
  }
  if (c.has_input(3)) {
    std::vector<Expr> parts;
    for (int64_t axis : all) {
      const auto at = std::find(axes.begin(), axes.end(), axis);
      parts.push_back(make(s, "Gather",
                           {at == axes.end() ? shape_of(c.inputs[0]) : c.inputs[3],
                            constant_ints(s, {at == axes.end() ? axis : int64_t{at - axes.begin()}})}));
    }
    c.inputs[3] = concat(parts, 0);
    if (const std::optional<std::vector<int64_t>> sizes = c.numbers(3)) c.inputs[3] = constant_ints(s, *sizes);
  }
  return s.status();
}

// Before opset 13 what was not given was an empty tensor; but for the last one, which may be left out.
Status empty_inputs(DowngradeContext& c) {
  if (is_empty_list(c, 3)) c.drop_input(3);
  if (c.inputs.size() < 3) c.inputs.resize(3);
  for (int i : {1, 2}) {
    if (!c.has_input(i)) c.inputs[i] = constant(c.scope(), Tensor::vector<float>({}));
  }
  return c.scope().status();
}

// More than these are not exact in f32.
constexpr int64_t kMostTimes = int64_t{1} << 24;

// The scales of all axes: those that are given, or whole ones that make the sizes. Nothing where they are not known.
std::optional<std::vector<float>> known_scales(const DowngradeContext& c) {
  if (!c.has_input(3)) {
    const Tensor* given = c.constant(2);
    if (given == nullptr) return std::nullopt;
    return std::vector<float>(given->as<float>(), given->as<float>() + given->count());
  }
  const Expr x = c.inputs[0];
  const std::shared_ptr<const Dims>& sizes = c.inputs[3].type().ints;
  const bool stretches = c.attrs.s("keep_aspect_ratio_policy") == "stretch";
  if (!stretches || !x.has_rank() || sizes == nullptr || sizes->size() != x.dims().size()) return std::nullopt;
  std::vector<float> scales;
  for (size_t i = 0; i < sizes->size(); ++i) {
    const Result<Dim> times = (*sizes)[i].exact_div(x.dims()[i]);
    if (!times.ok() || !times->known() || times->value() < 1 || times->value() > kMostTimes) return std::nullopt;
    scales.push_back(static_cast<float>(times->value()));
  }
  return scales;
}

// Scales alone, and one way of counting places: see resize_of_opset_10.
Status resize_to_opset_10(DowngradeContext& c) {
  const std::string& mode = c.attrs.s("mode");
  const std::string& coordinates = c.attrs.s("coordinate_transformation_mode");
  const std::string& rounding = c.attrs.s("nearest_mode");
  if (mode == "cubic") return unimplemented("its attribute 'mode' is \"cubic\"");
  const std::optional<std::vector<float>> scales = known_scales(c);
  if (!scales && c.has_input(3)) {
    return unimplemented("it has the input 'sizes', which are not known to be multiples of those of its input");
  }
  const auto all = [&scales](auto holds) { return scales && std::all_of(scales->begin(), scales->end(), holds); };
  const bool nearest = mode == "nearest", floor = rounding == "floor";
  // Of elements that become a whole number of equal parts each, all are nearest to it, wherever their middles are rounded.
  const bool parts = nearest && (coordinates == "half_pixel" || coordinates == "pytorch_half_pixel") && !floor &&
                     rounding != "ceil" && all([](float scale) { return scale >= 1 && scale == std::trunc(scale); });
  if (!parts && (coordinates != "asymmetric" || (nearest && !floor && rounding != "ceil"))) {
    return unimplemented("its attributes 'coordinate_transformation_mode' and 'nearest_mode' are \"", coordinates,
                         "\" and \"", rounding,
                         "\", but would have to be \"asymmetric\" and \"floor\", or \"ceil\" where it shrinks");
  }
  const bool fits = floor ? all([](float scale) { return scale >= 1; }) : all([](float scale) { return scale <= 1; });
  if (nearest && !parts && !fits) {
    return unimplemented("it may ", floor ? "shrink" : "enlarge", " an axis, where the nearest place was the one ",
                         floor ? "behind" : "before");
  }
  // None of these says anything then.
  for (const char* name : {"coordinate_transformation_mode", "nearest_mode", "cubic_coeff_a", "extrapolation_value"}) {
    c.attrs.erase(name);
  }
  c.inputs = {c.inputs[0], c.has_input(3) ? constant(c.scope(), Tensor::vector<float>(*scales)) : c.inputs[2]};
  return c.scope().status();
}

// Before opset 10 there was Upsample alone, for larger sizes.
Status resize_to_upsample(DowngradeContext& c) {
  const Tensor* scales = c.constant(1);
  const bool grows = scales != nullptr && std::all_of(scales->as<float>(), scales->as<float>() + scales->count(),
                                                      [](float scale) { return scale >= 1; });
  if (!grows) return unimplemented("it may shrink an axis, which Upsample cannot");
  c.op = "Upsample";
  return {};
}

Status scales_to_attr(DowngradeContext& c) {
  const Tensor* scales = c.constant(1);  // known, as it is an Upsample
  c.attrs.set("scales", std::vector<double>(scales->as<float>(), scales->as<float>() + scales->count()));
  c.drop_input(1);
  return {};
}

OpDef& resize_schema(OpDef& op) {
  return op
      .flag("antialias", false,
            "For linear and cubic: whether weights reach over all elements that fall together where an axis shrinks.")
      .optional_attr("axes", AttrKind::kInts, "The axes that the other inputs speak of; all if not given.")
      .attr("coordinate_transformation_mode", "half_pixel",
            "Where place y of n' places lies among n, with scale s. half_pixel: `(y + 0.5) / s - 0.5`; "
            "half_pixel_symmetric: the same, moved so that the middles meet; pytorch_half_pixel: as half_pixel, but 0 "
            "if n' is 1; align_corners: `y * (n - 1) / (n * s - 1)`; asymmetric: `y / s`; tf_crop_and_resize: from "
            "`start * (n - 1)` to `end * (n - 1)` in equal steps, their middle if n' is 1.")
      .attr("cubic_coeff_a", -0.75, "The parameter of the cubic weights; -0.5 is usual too.")
      .flag("exclude_outside", false,
            "Whether weights of places beyond the ends are left out and the others made to add up to 1; else the "
            "element at the end stands there.")
      .attr("extrapolation_value", 0.0, "With tf_crop_and_resize the element for places beyond the ends.")
      .attr("keep_aspect_ratio_policy", "stretch",
            "What `sizes` are. stretch: the sizes of the output; not_larger, not_smaller: what none of them exceeds or "
            "falls below, while all axes have one scale.")
      .attr("mode", "nearest", "\"nearest\", \"linear\" or \"cubic\".")
      .attr("nearest_mode", "round_prefer_floor",
            "Which place is the nearest: \"round_prefer_floor\" and \"round_prefer_ceil\" say where halves go, "
            "\"floor\" and \"ceil\" where all go.");
}

OpDef& with_sizes(OpDef& op) {
  return op
      .optional_input("roi", "T2",
                      "For tf_crop_and_resize: the start for each axis, then the end for each, as parts of the axis.")
      .optional_input("scales", "f32",
                      "Sizes of the output as multiples, rounded down, of those of X; for each axis. Or `sizes`.")
      .shapes_outputs()
      .optional_input("sizes", "i64", "Sizes of the output, for each axis. Or `scales`.")
      .shapes_outputs();
}

}  // namespace

void define_op_resize(OpRegistry& ops) {
  with_sizes(
      resize_schema(ops.add("Resize"))
          .group("shape")
          .since(19)
          .doc("The tensor with other sizes, of any axes: each element is the nearest one of X, or a sum of weighted "
               "neighbours along all axes. Integers are rounded to the nearest, halves to the even one. The "
               "gradients by `roi` and `scales` move places among the elements, and keep the sizes; of linear weights "
               "at an element they are to its right, to the nearest element 0. `antialias` has none.")
          .types("T1", kTensorTypes)
          .types("T2", set_of(DType::kF16, DType::kF32, DType::kF64))
          .input("X", "T1", "Any shape; numbers, unless `mode` is \"nearest\"."))
      .output("Y", "T1", "The sizes of X, with others along the axes.")
      .infer(infer_resize)
      .grad(grad_resize)
      .upgrade(11, resize_of_opset_10)
      .upgrade(13, leave_out_empty_inputs)
      .upgrade(13, places_of_opset_11)
      .downgrade(19, without_symmetry)
      .downgrade(18, sizes_of_all_axes)
      .downgrade(13, empty_inputs)
      .downgrade(11, resize_to_opset_10)
      .downgrade(10, resize_to_upsample)
      .downgrade(9, scales_to_attr);
  with_sizes(resize_schema(ops.add(kWeftDomain, "OldResize"))
                 .group("shape")
                 .doc("Resize with \"tf_half_pixel_for_nn\", as opsets 11 and 12 had it, where today's cannot say it: "
                      "place y of the output lies at `(y + 0.5) / s`.")
                 .types("T1", kTensorTypes)
                 .types("T2", set_of(DType::kF16, DType::kF32, DType::kF64))
                 .input("X", "T1", "Any shape; numbers, unless `mode` is \"nearest\"."))
      .output("Y", "T1", "The sizes of X, with others along the axes.")
      .infer(infer_old_resize)
      .grad(grad_resize)
      .unlisted();
  with_sizes(resize_schema(ops.add(kWeftDomain, "ResizeGrad"))
                 .group("gradient")
                 .doc("The gradient of Resize by X, given that of Y.")
                 .types("T1", kFloatTypes | kComplexTypes)
                 .types("T2", set_of(DType::kF16, DType::kF32, DType::kF64))
                 .input("dY", "T1", "The shape that Resize gives.")
                 .input("X", "T1", "A tensor whose shape is taken.")
                 .shape_only())
      .output("dX", "T1", "The shape of X.")
      .infer(infer_resize_grad)
      .grad(grad_resize_grad);
  ops.add("Upsample")
      .group("shape")
      .since(9)
      .doc(
          "The name of Resize before opset 10, for larger sizes: place y of the output lies at `y / scale`, and the "
          "nearest place is the one before.")
      .types("T", kTensorTypes)
      .attr("mode", "nearest", "\"nearest\" or \"linear\".")
      .input("X", "T", "Any shape; numbers, unless `mode` is \"nearest\".")
      .input("scales", "f32", "Sizes of the output as multiples, rounded down, of those of X; for each axis.")
      .shapes_outputs()
      .output("Y", "T", "The sizes of X, times the scales.")
      .body(upsample_body)
      .upgrade(7, scales_of_images)
      .upgrade(9, scales_of_attribute)
      .upgrade(kNewestOpset + 1, as_resize);  // at every opset: today's files cannot have it
}

}  // namespace weft
