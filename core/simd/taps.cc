// Products of rows that pointers find: tiles of sums that stay in registers, for every instruction set.
#include "core/simd/taps.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/taps.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/simd/lanes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

constexpr int kRows = WEFT_TILE_ROWS;
// With one vector of b there is room for more, where the chains of sums would else wait for each other.
constexpr int kNarrowRows = kRows < 8 ? 2 * kRows : kRows;
// A row of output pixels is often 7 or a multiple of it wide.
constexpr int kLaneRows = kRows;
constexpr int64_t kLaneBytes = 256;

template <typename T, typename V>
HWY_INLINE V limited(const Limits<T>& limits, V x) {
  const hn::ScalableTag<T> d;
  return between(hn::Set(d, limits.low), hn::Set(d, limits.high), x);
}

template <typename T, int R, int V>
HWY_NOINLINE void tap_tile(const TapTile<T>& p, T* c, int64_t c_row) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  decltype(hn::Zero(d)) sum[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[r][v] = p.init != nullptr ? hn::LoadU(d, p.init + v * kLanes) : hn::Zero(d);
  }
  const T *b = p.b, *ahead = p.ahead;
  const T* const* a = p.a;
  for (int64_t tap = 0; tap < p.taps; ++tap, a += R) {
    const T* row[R];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) row[r] = a[r];
    for (int64_t k = 0; k < p.k; ++k, b += 2 * kLanes) {
      if (ahead != nullptr) {
        fetch(ahead, 2 * kLanes * sizeof(T));
        ahead += 2 * kLanes;
      }
      decltype(hn::Zero(d)) right[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) right[v] = hn::LoadU(d, b + v * kLanes);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const auto left = hn::Set(d, row[r][k]);
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) sum[r][v] = hn::MulAdd(left, right[v], sum[r][v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) hn::StoreU(limited<T>(p.limits, sum[r][v]), d, c + r * c_row + v * kLanes);
  }
}

// A tile at the right edge goes through memory of full width. Where its rows are neighbours, what is stored behind one of
// them the next one overwrites.
template <typename T, int R, int V>
void rows_of(const TapTile<T>& p) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T), kWidth = V * kLanes;
  if (p.columns == kWidth) {
    tap_tile<T, R, V>(p, p.c, p.c_row);
    return;
  }
  HWY_ALIGN T whole[R * kWidth];
  tap_tile<T, R, V>(p, whole, kWidth);
  int64_t r = 0;
  if (p.c_row == p.columns) {
    for (; r * p.c_row + kWidth <= R * p.c_row; ++r) {
      for (int v = 0; v < V; ++v) {
        hn::StoreU(hn::Load(d, whole + r * kWidth + v * kLanes), d, p.c + r * p.c_row + v * kLanes);
      }
    }
  }
  for (; r < R; ++r) {
    for (int64_t j = 0; j < p.columns; ++j) p.c[r * p.c_row + j] = whole[r * kWidth + j];
  }
}

// V vectors of channels of R pixels.
template <typename T, int R, int V>
HWY_INLINE void lanes_at(const LaneTile<T>& p, int64_t at) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  decltype(hn::Zero(d)) sum[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sum[r][v] = p.init != nullptr ? hn::LoadU(d, p.init + at + v * kLanes) : hn::Zero(d);
  }
  const T* b = p.b + at;
  const int64_t taps = p.taps, b_row = p.b_row, c_row = p.c_row;
  for (int64_t tap = 0; tap < taps; ++tap, b += b_row) {
    decltype(hn::Zero(d)) right[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) right[v] = hn::LoadU(d, b + v * kLanes);
    const T* a = p.a[tap].a + at;
    const int64_t a_row = p.a[tap].a_row;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r, a += a_row) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sum[r][v] = hn::MulAdd(hn::LoadU(d, a + v * kLanes), right[v], sum[r][v]);
    }
  }
  T* c = p.c + at;
  const auto low = hn::Set(d, p.limits.low), high = hn::Set(d, p.limits.high);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r, c += c_row) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) hn::StoreU(between(low, high, sum[r][v]), d, c + v * kLanes);
  }
}

// The last vector overlaps the one before; both give its lanes the same bits.
template <typename T, int R>
void lanes_of(const LaneTile<T>& p) {
  // Of few pixels the sums of more channels wait for each other side by side.
  constexpr int kVectors = R == 1 ? 4 : 2;
  constexpr int64_t kLanes = HWY_LANES(T);
  int64_t at = 0;
  for (; at + kVectors * kLanes <= p.columns; at += kVectors * kLanes) lanes_at<T, R, kVectors>(p, at);
  for (; at + kLanes <= p.columns; at += kLanes) lanes_at<T, R, 1>(p, at);
  if (at < p.columns) lanes_at<T, R, 1>(p, p.columns - kLanes);
}

template <typename T>
using TapFn = void (*)(const TapTile<T>&);
template <typename T>
using LaneFn = void (*)(const LaneTile<T>&);

// Functions for 1, 2, ... rows.
template <typename T, int V, int R>
constexpr TapFn<T> tap_fn() {
  if constexpr (R <= (V == 1 ? kNarrowRows : kRows)) return rows_of<T, R, V>;
  return nullptr;
}
template <typename T, int R>
constexpr LaneFn<T> lane_fn() {
  if constexpr (R <= kLaneRows) return lanes_of<T, R>;
  return nullptr;
}
#define WEFT_TAP_FNS(T, V)                                                                                            \
  {                                                                                                                   \
    tap_fn<T, V, 1>(), tap_fn<T, V, 2>(), tap_fn<T, V, 3>(), tap_fn<T, V, 4>(), tap_fn<T, V, 5>(), tap_fn<T, V, 6>(), \
        tap_fn<T, V, 7>(), tap_fn<T, V, 8>(), tap_fn<T, V, 9>(), tap_fn<T, V, 10>(), tap_fn<T, V, 11>(),              \
        tap_fn<T, V, 12>(), tap_fn<T, V, 13>(), tap_fn<T, V, 14>()                                                    \
  }

template <typename T>
void run(const TapTile<T>& p) {
  static constexpr TapFn<T> kNarrow[] = WEFT_TAP_FNS(T, 1);
  static constexpr TapFn<T> kWide[] = WEFT_TAP_FNS(T, 2);
  (p.columns <= static_cast<int64_t>(HWY_LANES(T)) ? kNarrow : kWide)[p.rows - 1](p);
}
#undef WEFT_TAP_FNS

template <typename T>
void run_lanes(const LaneTile<T>& p) {
  static constexpr LaneFn<T> kHeights[] = {lane_fn<T, 1>(),  lane_fn<T, 2>(),  lane_fn<T, 3>(),  lane_fn<T, 4>(),
                                           lane_fn<T, 5>(),  lane_fn<T, 6>(),  lane_fn<T, 7>(),  lane_fn<T, 8>(),
                                           lane_fn<T, 9>(),  lane_fn<T, 10>(), lane_fn<T, 11>(), lane_fn<T, 12>(),
                                           lane_fn<T, 13>(), lane_fn<T, 14>()};
  kHeights[p.rows - 1](p);
}

}  // namespace

extern constexpr TapTable<float> kTapsF32 = {kRows,     kNarrowRows,      2 * HWY_LANES(float),       run<float>,
                                             kLaneRows, HWY_LANES(float), kLaneBytes / sizeof(float), run_lanes<float>};
extern constexpr TapTable<double> kTapsF64 = {
    kRows,     kNarrowRows,       2 * HWY_LANES(double),       run<double>,
    kLaneRows, HWY_LANES(double), kLaneBytes / sizeof(double), run_lanes<double>};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const TapTable<float>& tap_table_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kTapsF32); }
const TapTable<double>& tap_table_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kTapsF64); }

}  // namespace weft
#endif
