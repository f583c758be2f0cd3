// Sliding windows of convolutions and pools: kernel, strides, dilations and pads of each spatial axis.
#pragma once

#include <vector>

#include "core/op/attr.h"

namespace weft {

struct Window {
  Dims kernel;
  std::vector<int64_t> strides, dilations, begin_pads, end_pads;
  enum class AutoPad { kNotSet, kSameUpper, kSameLower, kValid } auto_pad = AutoPad::kNotSet;

  // The output's size along a spatial axis of the input. `ceil` rounds up, but no window starts in the padding after.
  Result<Dim> output_size(int64_t axis, const Dim& input, bool ceil) const;
  // With numbers for all sizes, what SAME puts before the axis.
  int64_t begin_pad(int64_t axis, int64_t input, int64_t output) const;
  // The same behind the axis.
  int64_t end_pad(int64_t axis, int64_t input, int64_t output) const;

 private:
  bool pads_to_same() const { return auto_pad == AutoPad::kSameUpper || auto_pad == AutoPad::kSameLower; }
  int64_t same_pads(int64_t axis, int64_t input, int64_t output) const;
};

// The attributes strides, dilations, pads and auto_pad, checked, for `spatial` axes.
Result<Window> read_window(const Attrs& attrs, int64_t spatial, Dims kernel);

}  // namespace weft
