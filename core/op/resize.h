// What the attributes and inputs of Resize say of each axis: its size, and how places of the output lie in the input.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/op/attr.h"

namespace weft {

// What opsets 11 and 12 could have for "coordinate_transformation_mode" besides what there is today: place y of the output
// lies at `(y + 0.5) / scale`.
inline constexpr std::string_view kHalfBehindName = "tf_half_pixel_for_nn";

struct Resizing {
  enum class Mode { kNearest, kLinear, kCubic } mode = Mode::kNearest;
  enum class Coordinates {
    kHalfPixel,
    kHalfPixelSymmetric,
    kPytorchHalfPixel,
    kAlignCorners,
    kAsymmetric,
    kCropAndResize,
    kHalfBehind,  // "tf_half_pixel_for_nn", of opsets 11 and 12 alone
  } coordinates = Coordinates::kHalfPixel;
  enum class Nearest { kRoundPreferFloor, kRoundPreferCeil, kFloor, kCeil } nearest = Nearest::kRoundPreferFloor;
  enum class Policy { kStretch, kNotLarger, kNotSmaller } policy = Policy::kStretch;
  bool antialias = false, exclude_outside = false;
  double cubic_coeff_a = -0.75, extrapolation_value = 0;

  bool crops() const { return coordinates == Coordinates::kCropAndResize; }
};

// The attributes, checked.
Result<Resizing> read_resizing(const Attrs& attrs);
// The axes of a tensor that the inputs speak of, in their order.
Result<std::vector<int64_t>> axes_to_resize(const Attrs& attrs, int64_t rank);

// One of these axes. The scale is by / over: two whole numbers where sizes are given, so that no place is rounded twice.
struct ResizedAxis {
  int64_t in = 0, out = 0;
  double by = 1, over = 1;
  double start = 0, end = 1;  // the region of the input that is resized, as parts of it

  double scale() const { return by / over; }
  // What `out` would be if sizes were not whole.
  double exact_out() const { return static_cast<double>(in) * by / over; }
  // An axis that keeps its size is left alone, however places are counted.
  bool is_identity() const { return in == out && by == over && start == 0 && end == 1; }
  // Where place `at` of the output lies in the input.
  double source(const Resizing& resizing, int64_t at) const;
};

// How many elements `scale` makes of `in`, rounded down: of symbols if the scale is whole or a power of two. Nothing while it
// is not known. Here and with a policy the product is one in f64, as in ONNX's own inference.
Result<std::optional<Dim>> scaled_size(const Dim& in, float scale);
// Sets the size and scale of axes that have their `in`.
Status resize_by_scales(const float* scales, std::span<ResizedAxis> axes);
Status resize_to_sizes(const Resizing& resizing, const int64_t* sizes, std::span<ResizedAxis> axes);

}  // namespace weft
