// Winograd's convolution F(4x4, 3x3): tiles of 4 x 4 output pixels from 6 x 6 input pixels by products of 36 transformed
// ones, a quarter of the multiplications. Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015; with
// the points 0, +-sqrt(1/2), +-sqrt(2) and infinity, whose errors are a fifth of those of 0, +-1, +-2 and infinity.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"
#include "core/simd/limits.h"

namespace weft {

constexpr int64_t kWinogradOut = 4, kWinogradIn = 6;
constexpr int64_t kWinogradParts = kWinogradIn * kWinogradIn;

struct WinogradTable {
  int64_t channels;  // numbers of channels are multiples of it
  // Of `count` filters of 9 weights, by f64: the weights of filter i begin at weights + i * apart, and part p of it goes to
  // out[p * stride + i]. `turned` takes the weights of each in the other order.
  void (*filters)(const float* weights, int64_t apart, bool turned, int64_t count, float* out, int64_t stride);
  // Of the 36 pixels of a tile: part i goes to out + i * stride.
  void (*input)(const float* const* pixels, int64_t channels, float* out, int64_t stride);
  // The 16 output pixels of a tile, with a bias unless it is null. They may lie in one place, where none is wanted.
  void (*output)(const float* in, int64_t stride, int64_t channels, const float* bias, Limits<float> limits,
                 float* const* pixels);
};

const WinogradTable& winograd_table(Isa isa);

}  // namespace weft
