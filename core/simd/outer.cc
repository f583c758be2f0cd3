// Sums of outer products over pixels: tiles of sums that stay in registers, for every instruction set.
#include "core/simd/outer.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/outer.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int kRows = WEFT_TILE_ROWS;

template <typename T, int R>
HWY_NOINLINE void wide_tile(const OuterTile<T>& p) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  decltype(hn::Zero(d)) sum[R][2];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) sum[r][v] = hn::LoadU(d, p.c + (2 * r + v) * kLanes);
  }
  const int64_t step = p.a_step, places = p.places;
  for (int64_t image = 0; image < p.images; ++image) {
    for (int64_t line = 0; line < p.lines; ++line) {
      const T *a = p.a + image * p.a_image + line * p.a_line, *b = p.b + image * p.b_image + line * p.b_line;
      for (int64_t place = 0; place < places; ++place, a += step, b += 2 * kLanes) {
        const auto first = hn::LoadU(d, b), second = hn::LoadU(d, b + kLanes);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
          const auto left = hn::Set(d, a[r]);
          sum[r][0] = hn::MulAdd(left, first, sum[r][0]);
          sum[r][1] = hn::MulAdd(left, second, sum[r][1]);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) hn::StoreU(sum[r][v], d, p.c + (2 * r + v) * kLanes);
  }
}

// One vector of columns: places take turns between two sums, as the few of one place would wait for each other.
template <typename T, int R>
HWY_NOINLINE void narrow_tile(const OuterTile<T>& p) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  decltype(hn::Zero(d)) sum[R][2];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    sum[r][0] = hn::LoadU(d, p.c + r * kLanes);
    sum[r][1] = hn::Zero(d);
  }
  const int64_t step = p.a_step, pairs = p.places / 2;
  const bool odd = p.places % 2 != 0;
  for (int64_t image = 0; image < p.images; ++image) {
    for (int64_t line = 0; line < p.lines; ++line) {
      const T *a = p.a + image * p.a_image + line * p.a_line, *b = p.b + image * p.b_image + line * p.b_line;
      for (int64_t pair = 0; pair < pairs; ++pair, a += 2 * step, b += 2 * kLanes) {
        const T* next = a + step;
        const auto first = hn::LoadU(d, b), second = hn::LoadU(d, b + kLanes);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
          sum[r][0] = hn::MulAdd(hn::Set(d, a[r]), first, sum[r][0]);
          sum[r][1] = hn::MulAdd(hn::Set(d, next[r]), second, sum[r][1]);
        }
      }
      if (!odd) continue;
      const auto last = hn::LoadU(d, b);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) sum[r][0] = hn::MulAdd(hn::Set(d, a[r]), last, sum[r][0]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) hn::StoreU(hn::Add(sum[r][0], sum[r][1]), d, p.c + r * kLanes);
}

template <typename T>
using OuterFn = void (*)(const OuterTile<T>&);

// Functions for 1, 2, ... rows.
template <typename T, bool wide, int R>
constexpr OuterFn<T> outer_fn() {
  if constexpr (R > kRows)
    return nullptr;
  else if constexpr (wide)
    return wide_tile<T, R>;
  else
    return narrow_tile<T, R>;
}
#define WEFT_OUTER_FNS(T, wide)                                                                            \
  {                                                                                                        \
    outer_fn<T, wide, 1>(), outer_fn<T, wide, 2>(), outer_fn<T, wide, 3>(), outer_fn<T, wide, 4>(),        \
        outer_fn<T, wide, 5>(), outer_fn<T, wide, 6>(), outer_fn<T, wide, 7>(), outer_fn<T, wide, 8>(),    \
        outer_fn<T, wide, 9>(), outer_fn<T, wide, 10>(), outer_fn<T, wide, 11>(), outer_fn<T, wide, 12>(), \
        outer_fn<T, wide, 13>(), outer_fn<T, wide, 14>()                                                   \
  }

template <typename T>
void run(const OuterTile<T>& p) {
  static constexpr OuterFn<T> kNarrow[] = WEFT_OUTER_FNS(T, false);
  static constexpr OuterFn<T> kWide[] = WEFT_OUTER_FNS(T, true);
  (p.columns <= static_cast<int64_t>(HWY_LANES(T)) ? kNarrow : kWide)[p.rows - 1](p);
}
#undef WEFT_OUTER_FNS

}  // namespace

extern constexpr OuterTable<float> kOuterF32 = {kRows, HWY_LANES(float), run<float>};
extern constexpr OuterTable<double> kOuterF64 = {kRows, HWY_LANES(double), run<double>};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const OuterTable<float>& outer_table_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kOuterF32); }
const OuterTable<double>& outer_table_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kOuterF64); }

}  // namespace weft
#endif
