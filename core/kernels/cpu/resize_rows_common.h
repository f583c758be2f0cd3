// Resize along one axis, or along two that are neighbours, row by row: no tensor is made in between, and what is read and written
// lies side by side.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kernel/kernel.h"
#include "core/kernels/cpu/resize_common.h"

namespace weft {

// Where each place of an axis that is resized comes from: [2][out] places and weights, of which the second is 0 where one is
// enough. Of the nearest places, [out].
struct ResizeLine {
  int64_t in = 1, out = 1;
  std::vector<int32_t> index{};  // empty: the axis stays as it is
  std::vector<double> weight{};

  bool resized() const { return !index.empty(); }
};

// To the nearest, or linearly between two places at most.
ResizeLine nearest_line(const Resizing& resizing, const ResizedAxis& axis);
// Weights are of f32 or f64.
ResizeLine linear_line(const Resizing& resizing, const ResizedAxis& axis, DType dtype);

// A tensor as [outer, height, width, inner].
struct RowResize {
  int64_t outer = 1, inner = 1;
  ResizeLine height, width;
  bool width_first = false;  // of two axes, in the order in which whole tensors are resized: the bits are the same

  int64_t rows() const { return outer * height.out; }
  int64_t in_row() const { return width.in * inner; }
  int64_t out_row() const { return width.out * inner; }
};

// Input 0 to output 0, of elements of so many bytes.
void use_nearest_rows(RowResize resize, int64_t element_size, PreparedKernel* prepared);
// The same of f32 or f64.
void use_linear_rows(RowResize resize, DType dtype, PreparedKernel* prepared);

}  // namespace weft
