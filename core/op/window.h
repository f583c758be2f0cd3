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
  bool pads_to_same() const { return auto_pad == AutoPad::kSameUpper || auto_pad == AutoPad::kSameLower; }

 private:
  int64_t same_pads(int64_t axis, int64_t input, int64_t output) const;
};

// The attributes strides, dilations, pads and auto_pad, checked, for `spatial` axes.
Result<Window> read_window(const Attrs& attrs, int64_t spatial, Dims kernel);

// That of ConvTranspose: it slides over the output, and has a place for each element of the input.
class TransposedWindow {
 public:
  static Result<TransposedWindow> read(const Attrs& attrs, int64_t spatial, Dims kernel);

  const Window& window() const { return window_; }
  // The output's size along a spatial axis of the input.
  Result<Dim> output_size(int64_t axis, const Dim& input) const;
  // What it would be if nothing were taken off its ends.
  Dim unpadded_size(int64_t axis, const Dim& input) const;
  // With numbers for all sizes, how far before the output the first window begins; behind its start where negative.
  int64_t begin_pad(int64_t axis, int64_t input, int64_t output) const;

 private:
  bool pads_to_fit() const { return window_.pads_to_same() || !output_shape_.empty(); }

  Window window_;
  std::vector<int64_t> output_padding_, output_shape_;  // no shape: it follows from that of the input
};

}  // namespace weft
