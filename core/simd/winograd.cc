// The transforms of Winograd's convolution, for every instruction set.
#include "core/simd/winograd.h"

#include <algorithm>

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/winograd.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/simd/lanes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

constexpr hn::ScalableTag<float> kTag;
constexpr int64_t kLanes = HWY_LANES(float);
using V = decltype(hn::Zero(kTag));

// The points +-a and +-b: a^2 = 1/2, b^2 = 2.
constexpr float kA = 0.70710678f, kB = 1.41421356f;

// B^T x for six numbers.
HWY_INLINE void transform_in(const V x[6], V y[6]) {
  const V half = hn::Set(kTag, 0.5f), two = hn::Set(kTag, 2.0f), both = hn::Set(kTag, 2.5f);
  const V a = hn::Set(kTag, kA), b = hn::Set(kTag, kB);
  const V odd_a = hn::NegMulAdd(two, x[1], x[3]), even_a = hn::NegMulAdd(two, x[2], x[4]);
  const V odd_b = hn::NegMulAdd(half, x[1], x[3]), even_b = hn::NegMulAdd(half, x[2], x[4]);
  y[0] = hn::NegMulAdd(both, x[2], hn::Add(x[0], x[4]));
  y[1] = hn::MulAdd(a, odd_a, even_a);
  y[2] = hn::NegMulAdd(a, odd_a, even_a);
  y[3] = hn::MulAdd(b, odd_b, even_b);
  y[4] = hn::NegMulAdd(b, odd_b, even_b);
  y[5] = hn::NegMulAdd(both, x[3], hn::Add(x[1], x[5]));
}

// A^T x.
HWY_INLINE void transform_out(const V x[6], V y[4]) {
  const V half = hn::Set(kTag, 0.5f), two = hn::Set(kTag, 2.0f), a = hn::Set(kTag, kA), b = hn::Set(kTag, kB);
  const V a3 = hn::Set(kTag, 0.5f * kA), b3 = hn::Set(kTag, 2.0f * kB);
  const V sum_a = hn::Add(x[1], x[2]), sum_b = hn::Add(x[3], x[4]);
  const V difference_a = hn::Sub(x[1], x[2]), difference_b = hn::Sub(x[3], x[4]);
  y[0] = hn::Add(x[0], hn::Add(sum_a, sum_b));
  y[1] = hn::MulAdd(a, difference_a, hn::Mul(b, difference_b));
  y[2] = hn::MulAdd(half, sum_a, hn::Mul(two, sum_b));
  y[3] = hn::MulAdd(a3, difference_a, hn::MulAdd(b3, difference_b, x[5]));
}

// G of the filters' transform G w G^T: row p is (1, p, p^2) over the product of the distances of p from the other points.
struct FilterTransform {
  double g[kWinogradIn][3] = {{1, 0, 0}, {}, {}, {}, {}, {0, 0, 1}};

  constexpr FilterTransform() {
    constexpr double kPoints[4] = {0.70710678118654752, -0.70710678118654752, 1.4142135623730950, -1.4142135623730950};
    for (int i = 0; i < 4; ++i) {
      const double p = kPoints[i], square = p * p, scale = 1 / (2 * square * (i < 2 ? square - 2 : square - 0.5));
      g[i + 1][0] = scale;
      g[i + 1][1] = scale * p;
      g[i + 1][2] = scale * square;
    }
  }
};
constexpr FilterTransform kFilter;

// The sum of g[j] x[j], rounded after each step on every instruction set alike.
HWY_INLINE hn::VFromD<hn::ScalableTag<double>> weighed(const double g[3],
                                                       const hn::VFromD<hn::ScalableTag<double>> x[3]) {
  constexpr hn::ScalableTag<double> tag;
  const auto first = hn::Add(hn::Mul(hn::Set(tag, g[0]), x[0]), hn::Mul(hn::Set(tag, g[1]), x[1]));
  return hn::Add(first, hn::Mul(hn::Set(tag, g[2]), x[2]));
}

void filters(const float* weights, int64_t apart, bool turned, int64_t count, float* out, int64_t stride) {
  constexpr hn::ScalableTag<double> tag;
  constexpr hn::Rebind<float, decltype(tag)> narrow;
  using W = hn::VFromD<decltype(tag)>;
  constexpr int64_t kFilters = HWY_LANES(double);
  for (int64_t first = 0; first < count; first += kFilters) {
    const int64_t some = std::min(count - first, kFilters);
    HWY_ALIGN float side_by_side[9 * kFilters] = {};
    for (int64_t i = 0; i < some; ++i) {
      const float* own = weights + (first + i) * apart;
      for (int t = 0; t < 9; ++t) side_by_side[t * kFilters + i] = own[turned ? 8 - t : t];
    }
    W w[9];
    for (int t = 0; t < 9; ++t) w[t] = hn::PromoteTo(tag, hn::Load(narrow, side_by_side + t * kFilters));
    for (int i = 0; i < kWinogradIn; ++i) {
      W row[3];
      for (int j = 0; j < 3; ++j) {
        const W column[3] = {w[j], w[3 + j], w[6 + j]};
        row[j] = weighed(kFilter.g[i], column);
      }
      for (int j = 0; j < kWinogradIn; ++j) {
        float* to = out + (i * kWinogradIn + j) * stride + first;
        const auto part = hn::DemoteTo(narrow, weighed(kFilter.g[j], row));
        if (some == kFilters) {
          hn::StoreU(part, narrow, to);
        } else {
          HWY_ALIGN float rest[kFilters];
          hn::Store(part, narrow, rest);
          std::copy_n(rest, some, to);
        }
      }
    }
  }
}

void input(const float* const* pixels, int64_t channels, float* out, int64_t stride) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    V rows[6][6];
    for (int j = 0; j < 6; ++j) {
      V x[6], y[6];
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) x[i] = hn::LoadU(kTag, pixels[i * 6 + j] + c);
      transform_in(x, y);
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) rows[i][j] = y[i];
    }
    for (int i = 0; i < 6; ++i) {
      V y[6];
      transform_in(rows[i], y);
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j) hn::StoreU(y[j], kTag, out + (i * 6 + j) * stride + c);
    }
  }
}

void output(const float* in, int64_t stride, int64_t channels, const float* bias, Limits<float> limits,
            float* const* pixels) {
  const V low = hn::Set(kTag, limits.low), high = hn::Set(kTag, limits.high);
  for (int64_t c = 0; c < channels; c += kLanes) {
    V rows[4][6];
    for (int j = 0; j < 6; ++j) {
      V x[6], y[4];
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) x[i] = hn::LoadU(kTag, in + (i * 6 + j) * stride + c);
      transform_out(x, y);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) rows[i][j] = y[i];
    }
    const V shift = bias != nullptr ? hn::LoadU(kTag, bias + c) : hn::Zero(kTag);
    for (int i = 0; i < 4; ++i) {
      V y[4];
      transform_out(rows[i], y);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) hn::StoreU(between(low, high, hn::Add(y[j], shift)), kTag, pixels[i * 4 + j] + c);
    }
  }
}

}  // namespace

extern constexpr WinogradTable kWinograd = {kLanes, filters, input, output};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const WinogradTable& winograd_table([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kWinograd); }

}  // namespace weft
#endif
