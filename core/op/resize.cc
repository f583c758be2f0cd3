// What the attributes and inputs of Resize say of each axis.
#include "core/op/resize.h"

#include <cmath>

namespace weft {

namespace {

template <typename E>
struct Name {
  const char* text;
  E value;
};

constexpr Name<Resizing::Mode> kModes[] = {
    {"nearest", Resizing::Mode::kNearest}, {"linear", Resizing::Mode::kLinear}, {"cubic", Resizing::Mode::kCubic}};
constexpr Name<Resizing::Coordinates> kCoordinates[] = {
    {"half_pixel", Resizing::Coordinates::kHalfPixel},
    {"half_pixel_symmetric", Resizing::Coordinates::kHalfPixelSymmetric},
    {"pytorch_half_pixel", Resizing::Coordinates::kPytorchHalfPixel},
    {"align_corners", Resizing::Coordinates::kAlignCorners},
    {"asymmetric", Resizing::Coordinates::kAsymmetric},
    {"tf_crop_and_resize", Resizing::Coordinates::kCropAndResize}};
constexpr Name<Resizing::Nearest> kNearest[] = {{"round_prefer_floor", Resizing::Nearest::kRoundPreferFloor},
                                                {"round_prefer_ceil", Resizing::Nearest::kRoundPreferCeil},
                                                {"floor", Resizing::Nearest::kFloor},
                                                {"ceil", Resizing::Nearest::kCeil}};
constexpr Name<Resizing::Policy> kPolicies[] = {{"stretch", Resizing::Policy::kStretch},
                                                {"not_larger", Resizing::Policy::kNotLarger},
                                                {"not_smaller", Resizing::Policy::kNotSmaller}};

template <typename E, size_t n>
Status read_name(const Attrs& attrs, const char* attr, const Name<E> (&names)[n], E* out) {
  const std::string& given = attrs.s(attr);
  std::string list;
  for (const Name<E>& name : names) {
    if (given == name.text) {
      *out = name.value;
      return {};
    }
    list += cat(list.empty() ? "" : ", ", name.text);
  }
  return invalid("attribute '", attr, "' is \"", given, "\" but must be one of ", list);
}

// Larger scales make nothing that memory could hold.
constexpr float kLargestScale = 2147483648.0f;

Status check_scale(float scale) {
  if (!(scale > 0)) return invalid("a scale is ", scale, " but must be a positive number");
  if (scale > kLargestScale) return invalid("a scale is ", scale, " but must be at most ", kLargestScale);
  return {};
}

Result<int64_t> scaled(int64_t in, float scale) {
  WEFT_CHECK(check_scale(scale));
  const double size = std::floor(static_cast<double>(in) * static_cast<double>(scale));
  if (size < static_cast<double>(kMostElements)) return static_cast<int64_t>(size);
  return invalid("a scale of ", scale, " makes ", in, " too large");
}

}  // namespace

Result<Resizing> read_resizing(const Attrs& attrs) {
  Resizing out;
  WEFT_CHECK(read_name(attrs, "mode", kModes, &out.mode));
  if (attrs.s("coordinate_transformation_mode") == kHalfBehindName) {
    out.coordinates = Resizing::Coordinates::kHalfBehind;
  } else {
    WEFT_CHECK(read_name(attrs, "coordinate_transformation_mode", kCoordinates, &out.coordinates));
  }
  WEFT_CHECK(read_name(attrs, "nearest_mode", kNearest, &out.nearest));
  WEFT_CHECK(read_name(attrs, "keep_aspect_ratio_policy", kPolicies, &out.policy));
  out.antialias = attrs.b("antialias");
  out.exclude_outside = attrs.b("exclude_outside");
  out.cubic_coeff_a = attrs.f("cubic_coeff_a");
  out.extrapolation_value = attrs.f("extrapolation_value");
  if (out.antialias && out.mode == Resizing::Mode::kNearest) {
    return invalid("attribute 'antialias' is for the modes linear and cubic, but 'mode' is \"nearest\"");
  }
  return out;
}

Result<std::vector<int64_t>> axes_to_resize(const Attrs& attrs, int64_t rank) {
  std::vector<int64_t> axes = attrs.ints_or_empty("axes");
  if (axes.empty()) {
    for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
    return axes;
  }
  std::vector<bool> seen(static_cast<size_t>(rank), false);
  for (int64_t& axis : axes) {
    if (rank == 0 || axis < -rank || axis >= rank) {
      return invalid("attribute 'axes' has ", axis, ", which is outside rank ", rank);
    }
    if (axis < 0) axis += rank;
    if (seen[static_cast<size_t>(axis)]) return invalid("attribute 'axes' has axis ", axis, " twice");
    seen[static_cast<size_t>(axis)] = true;
  }
  return axes;
}

double ResizedAxis::source(const Resizing& resizing, int64_t at) const {
  const double place = static_cast<double>(at), last = static_cast<double>(in - 1);
  const double half_pixel = (place + 0.5) * over / by - 0.5;  // by whole numbers, rounded once
  switch (resizing.coordinates) {
    case Resizing::Coordinates::kHalfPixel: return half_pixel;
    case Resizing::Coordinates::kHalfPixelSymmetric:
      // The middle of the input stays in the middle of the output.
      return static_cast<double>(in) / 2 * (1 - static_cast<double>(out) / exact_out()) + (place + 0.5) * over / by -
             0.5;
    case Resizing::Coordinates::kPytorchHalfPixel: return out > 1 ? half_pixel : 0;
    case Resizing::Coordinates::kAlignCorners: return at == 0 ? 0 : place * last / (exact_out() - 1);
    case Resizing::Coordinates::kAsymmetric: return place * over / by;
    case Resizing::Coordinates::kHalfBehind: return (place + 0.5) * over / by;
    case Resizing::Coordinates::kCropAndResize:
      if (out == 1) return 0.5 * (start + end) * last;
      return place * (end - start) * last / static_cast<double>(out - 1) + start * last;
  }
  return 0;
}

Result<std::optional<Dim>> scaled_size(const Dim& in, float scale) {
  if (in.known()) {
    WEFT_TRY(int64_t size, scaled(in.value(), scale));
    return std::optional(Dim(size));
  }
  WEFT_CHECK(check_scale(scale));
  if (scale >= 1 && std::trunc(scale) == scale) return std::optional(in * Dim(static_cast<int64_t>(scale)));
  int exponent;
  if (std::frexp(scale, &exponent) != 0.5f) return std::optional<Dim>();
  return std::optional(exponent > -61 ? in.floor_div(Dim(int64_t{1} << (1 - exponent))) : Dim(0));
}

Status resize_by_scales(const float* scales, std::span<ResizedAxis> axes) {
  for (ResizedAxis& axis : axes) {
    const float scale = *scales++;
    WEFT_TRY(axis.out, scaled(axis.in, scale));
    axis.by = scale;
    axis.over = 1;
  }
  return {};
}

Status resize_to_sizes(const Resizing& resizing, const int64_t* sizes, std::span<ResizedAxis> axes) {
  const bool stretch = resizing.policy == Resizing::Policy::kStretch;
  const ResizedAxis* chosen = nullptr;  // whose scale is that of all
  for (size_t i = 0; i < axes.size(); ++i) {
    ResizedAxis& axis = axes[i];
    if (sizes[i] < 0) return invalid("input 'sizes' has ", sizes[i], " but sizes must not be negative");
    if (axis.in == 0 && sizes[i] > 0) return invalid("an axis without elements cannot be resized to ", sizes[i]);
    axis.out = sizes[i];
    if (axis.in == 0) continue;
    axis.by = static_cast<double>(sizes[i]);
    axis.over = static_cast<double>(axis.in);
    const bool smaller = chosen == nullptr || axis.scale() < chosen->scale();
    const bool larger = chosen == nullptr || axis.scale() > chosen->scale();
    if (resizing.policy == Resizing::Policy::kNotLarger ? smaller : larger) chosen = &axis;
  }
  if (stretch || chosen == nullptr) return {};
  const ResizedAxis fit = *chosen;
  for (ResizedAxis& axis : axes) {
    if (axis.in == 0) continue;
    const double size = std::floor(fit.scale() * static_cast<double>(axis.in) + 0.5);
    if (size >= static_cast<double>(kMostElements)) {
      return invalid("the scale of all axes makes ", axis.in, " too large");
    }
    axis.out = static_cast<int64_t>(size);
    axis.by = fit.by;
    axis.over = fit.over;
  }
  return {};
}

}  // namespace weft
