// Rows of images that become larger or smaller.
#include "core/simd/resample.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/resample.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/simd/lanes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

template <typename T>
HWY_INLINE void weigh_two(const T* first, const T* second, T by, T plus, T* y, int64_t n) {
  if (plus == 0) {
    over_vectors<T>(n,
                    [=](auto d, int64_t i) { hn::StoreU(hn::Mul(hn::LoadU(d, first + i), hn::Set(d, by)), d, y + i); });
    return;
  }
  over_vectors<T>(n, [=](auto d, int64_t i) {
    const auto a = hn::Mul(hn::LoadU(d, first + i), hn::Set(d, by));
    const auto b = hn::Mul(hn::LoadU(d, second + i), hn::Set(d, plus));
    hn::StoreU(hn::Add(a, b), d, y + i);
  });
}

template <typename T>
void down(const T* first, const T* second, const T* weights, T* y, int64_t n) {
  weigh_two(first, second, weights[0], weights[1], y, n);
}

template <typename T>
void across(const T* x, const int32_t* index, const T* weight, int64_t out, int64_t inner, T* y) {
  if (inner == 1) {
    for (int64_t o = 0; o < out; ++o) {
      const T plus = weight[out + o], one = x[index[o]] * weight[o], both = one + x[index[out + o]] * plus;
      y[o] = plus == 0 ? one : both;
    }
    return;
  }
  for (int64_t o = 0; o < out; ++o) {
    weigh_two(x + index[o] * inner, x + index[out + o] * inner, weight[o], weight[out + o], y + o * inner, inner);
  }
}

template <typename T>
void pairs(const T* x, const T* weights, T* y, int64_t n) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  const T w0 = weights[0], w1 = weights[1], w2 = weights[2], w3 = weights[3];
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const auto before = hn::LoadU(d, x + i - 1), at = hn::LoadU(d, x + i), behind = hn::LoadU(d, x + i + 1);
    const auto even = hn::Add(hn::Mul(before, hn::Set(d, w0)), hn::Mul(at, hn::Set(d, w1)));
    const auto odd = hn::Add(hn::Mul(at, hn::Set(d, w2)), hn::Mul(behind, hn::Set(d, w3)));
    hn::StoreInterleaved2(even, odd, d, y + 2 * i);
  }
  for (; i < n; ++i) {
    y[2 * i] = x[i - 1] * w0 + x[i] * w1;
    y[2 * i + 1] = x[i] * w2 + x[i + 1] * w3;
  }
}

template <typename T>
void twice(const T* x, T* y, int64_t n) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const auto v = hn::LoadU(d, x + i);
    hn::StoreInterleaved2(v, v, d, y + 2 * i);
  }
  for (; i < n; ++i) y[2 * i] = y[2 * i + 1] = x[i];
}

}  // namespace

extern constexpr ResampleTable<float> kResampleF32 = {down<float>, across<float>, pairs<float>};
extern constexpr ResampleTable<double> kResampleF64 = {down<double>, across<double>, pairs<double>};
extern constexpr TwiceTable kTwice = {twice<uint8_t>, twice<uint16_t>, twice<uint32_t>, twice<uint64_t>};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const ResampleTable<float>& resample_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kResampleF32); }
const ResampleTable<double>& resample_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kResampleF64); }
const TwiceTable& twice_table([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kTwice); }

}  // namespace weft
#endif
