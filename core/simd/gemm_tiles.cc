// The innermost part of matrix products: tiles of sums that stay in registers, for every instruction set.
#include "core/simd/gemm_tiles.h"

#include <type_traits>

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/gemm_tiles.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/simd/lanes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

constexpr int kRows = WEFT_TILE_ROWS;

// One row of a panel, V vectors of it.
template <int V, class D>
HWY_INLINE void load_row(D d, const hn::TFromD<D>* b, hn::Vec<D> (&to)[V]) {
#pragma GCC unroll 2
  for (int v = 0; v < V; ++v) to[v] = hn::LoadU(d, b + v * static_cast<int64_t>(HWY_LANES(hn::TFromD<D>)));
}
template <int V, class D>
HWY_INLINE void load_row(D d, const uint32_t* b, hn::Vec<D> (&to)[V]) {
  const hn::RebindToUnsigned<D> words;
  const auto both = hn::LoadU(words, b);
  to[0] = hn::BitCast(d, hn::ShiftLeft<16>(both));
  if constexpr (V == 2) to[1] = hn::BitCast(d, hn::And(both, hn::Set(words, 0xffff0000u)));
}

// One tile of R rows and V vectors. Every sum is one chain over k in ascending order, whatever tile it stands in.
template <typename T, int R, int V, typename B>
void tile(const GemmPanel<T, B>& p, const T* a, const T* init, T* c, int64_t c_row) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T), kRowBytes = kLanes * sizeof(B) * (std::is_same_v<B, T> ? 2 : 1);
  decltype(hn::Zero(d)) sum[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      if (init == nullptr)
        sum[r][v] = hn::Zero(d);
      else if (p.init_column == 0)
        sum[r][v] = hn::Set(d, init[r * p.init_row]);
      else
        sum[r][v] = hn::LoadU(d, init + r * p.init_row + v * kLanes);
    }
  }
  const B *b = p.b, *ahead = p.ahead;
  for (int64_t k = 0; k < p.k; ++k, b += p.b_row) {
    if (ahead != nullptr) {
      fetch(ahead, kRowBytes);
      ahead += p.b_row;
    }
    decltype(hn::Zero(d)) right[V];
    load_row(d, b, right);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const auto left = hn::Set(d, a[r * p.a_row + k]);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[r][v] = hn::MulAdd(left, right[v], sum[r][v]);
    }
  }
  const auto low = hn::Set(d, p.limits.low), high = hn::Set(d, p.limits.high);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      hn::StoreU(between(low, high, sum[r][v]), d, c + r * c_row + v * kLanes);
    }
  }
}

// One vector and a half: with vectors of 64 bytes a half takes half of the time on processors that compute them in two halves,
// and no longer on others.
template <typename T>
constexpr bool kHasHalf = HWY_LANES(T) * sizeof(T) == 64;

template <typename T, int R, typename B>
void tile_and_half(const GemmPanel<T, B>& p, const T* a, const T* init, T* c) {
  const hn::ScalableTag<T> d;
  const hn::Half<decltype(d)> half;
  constexpr int64_t kLanes = HWY_LANES(T);
  decltype(hn::Zero(d)) sum[R];
  decltype(hn::Zero(half)) rest[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    if (init == nullptr) {
      sum[r] = hn::Zero(d);
      rest[r] = hn::Zero(half);
    } else if (p.init_column == 0) {
      sum[r] = hn::Set(d, init[r * p.init_row]);
      rest[r] = hn::LowerHalf(half, sum[r]);
    } else {
      sum[r] = hn::LoadU(d, init + r * p.init_row);
      rest[r] = hn::LoadU(half, init + r * p.init_row + kLanes);
    }
  }
  const B* b = p.b;
  for (int64_t k = 0; k < p.k; ++k, b += p.b_row) {
    decltype(hn::Zero(d)) right[2];
    load_row(d, b, right);
    const auto last = hn::LowerHalf(half, right[1]);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const auto left = hn::Set(d, a[r * p.a_row + k]);
      sum[r] = hn::MulAdd(left, right[0], sum[r]);
      rest[r] = hn::MulAdd(hn::LowerHalf(half, left), last, rest[r]);
    }
  }
  const auto low = hn::Set(d, p.limits.low), high = hn::Set(d, p.limits.high);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    hn::StoreU(between(low, high, sum[r]), d, c + r * p.c_row);
    hn::StoreU(between(hn::LowerHalf(half, low), hn::LowerHalf(half, high), rest[r]), half, c + r * p.c_row + kLanes);
  }
}

// A tile at the right edge goes through memory of full width.
template <typename T, int R, int V, typename B>
void edge_tile(const GemmPanel<T, B>& p, const T* a, const T* init, T* c) {
  constexpr int64_t kWidth = V * HWY_LANES(T);
  HWY_ALIGN T whole[R * kWidth];
  if (init == nullptr || p.init_column == 0) {
    tile<T, R, V>(p, a, init, whole, kWidth);
  } else {
    for (int r = 0; r < R; ++r) {
      for (int64_t j = 0; j < kWidth; ++j) whole[r * kWidth + j] = j < p.columns ? init[r * p.init_row + j] : T(0);
    }
    GemmPanel<T, B> inner = p;
    inner.init_row = kWidth;
    tile<T, R, V>(inner, a, whole, whole, kWidth);
  }
  for (int r = 0; r < R; ++r) {
    for (int64_t j = 0; j < p.columns; ++j) c[r * p.c_row + j] = whole[r * kWidth + j];
  }
}

template <typename T, int R, int V, typename B>
void rows_of(const GemmPanel<T, B>& p, const T* a, const T* init, T* c) {
  if (p.columns == V * static_cast<int64_t>(HWY_LANES(T))) return tile<T, R, V>(p, a, init, c, p.c_row);
  if constexpr (kHasHalf<T> && V == 2) {
    if (2 * p.columns == 3 * static_cast<int64_t>(HWY_LANES(T))) return tile_and_half<T, R>(p, a, init, c);
  }
  edge_tile<T, R, V>(p, a, init, c);
}

template <typename T, typename B>
using RowsFn = void (*)(const GemmPanel<T, B>& p, const T* a, const T* init, T* c);

// Tile heights as equal as can be: 49 rows are 13, 12, 12 and 12, not 14, 14, 14 and 7.
template <typename T, typename B>
void run(const GemmPanel<T, B>& p, const RowsFn<T, B>* heights) {
  const int64_t tiles = (p.rows + kRows - 1) / kRows;
  GemmPanel<T, B> of_tile = p;
  int64_t row = 0;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t next = (i + 1) * p.rows / tiles;
    const T* init = p.init != nullptr ? p.init + row * p.init_row : nullptr;
    of_tile.ahead = i > 0 && i + 1 == tiles ? p.ahead : nullptr;
    heights[next - row - 1](of_tile, p.a + row * p.a_row, init, p.c + row * p.c_row);
    row = next;
  }
}

// Functions for 1, 2, ... rows.
template <typename T, typename B, int V, int R>
constexpr RowsFn<T, B> height() {
  if constexpr (R <= kRows) return rows_of<T, R, V, B>;
  return nullptr;
}
#define WEFT_HEIGHTS(T, B, V)                                                                                          \
  {                                                                                                                    \
    height<T, B, V, 1>(), height<T, B, V, 2>(), height<T, B, V, 3>(), height<T, B, V, 4>(), height<T, B, V, 5>(),      \
        height<T, B, V, 6>(), height<T, B, V, 7>(), height<T, B, V, 8>(), height<T, B, V, 9>(), height<T, B, V, 10>(), \
        height<T, B, V, 11>(), height<T, B, V, 12>(), height<T, B, V, 13>(), height<T, B, V, 14>()                     \
  }

template <typename T, typename B>
void run_panel(const GemmPanel<T, B>& p) {
  static constexpr RowsFn<T, B> kNarrow[] = WEFT_HEIGHTS(T, B, 1);
  static constexpr RowsFn<T, B> kWide[] = WEFT_HEIGHTS(T, B, 2);
  run<T, B>(p, p.columns <= static_cast<int64_t>(HWY_LANES(T)) ? kNarrow : kWide);
}
#undef WEFT_HEIGHTS

// R rows and P panels of two vectors.
template <typename T, int R, int P, typename B>
void low_tile(const GemmPanel<T, B>& p, int64_t distance) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  decltype(hn::Zero(d)) sum[R][2 * P];
#pragma GCC unroll 2
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < 2 * P; ++v) {
      if (p.init == nullptr)
        sum[r][v] = hn::Zero(d);
      else if (p.init_column == 0)
        sum[r][v] = hn::Set(d, p.init[r * p.init_row]);
      else
        sum[r][v] = hn::LoadU(d, p.init + r * p.init_row + v * kLanes);
    }
  }
  const B* b = p.b;
  for (int64_t k = 0; k < p.k; ++k, b += p.b_row) {
    decltype(hn::Zero(d)) left[R];
#pragma GCC unroll 2
    for (int r = 0; r < R; ++r) left[r] = hn::Set(d, p.a[r * p.a_row + k]);
#pragma GCC unroll 4
    for (int panel = 0; panel < P; ++panel) {
      decltype(hn::Zero(d)) right[2];
      load_row(d, b + panel * distance, right);
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
#pragma GCC unroll 2
        for (int r = 0; r < R; ++r) sum[r][2 * panel + v] = hn::MulAdd(left[r], right[v], sum[r][2 * panel + v]);
      }
    }
  }
  const auto low = hn::Set(d, p.limits.low), high = hn::Set(d, p.limits.high);
#pragma GCC unroll 2
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < 2 * P; ++v) hn::StoreU(between(low, high, sum[r][v]), d, p.c + r * p.c_row + v * kLanes);
  }
}

template <typename T, typename B>
void run_low(const GemmPanel<T, B>& p, int64_t distance) {
  if (p.rows == 2)
    low_tile<T, 2, 2>(p, distance);
  else if (p.columns == 4 * HWY_LANES(T))
    low_tile<T, 1, 2>(p, distance);
  else
    low_tile<T, 1, 4>(p, distance);
}

void round_panel(const float* from, int64_t rows, uint32_t* to) {
  const hn::ScalableTag<float> d;
  const hn::ScalableTag<uint32_t> words;
  constexpr int64_t kLanes = HWY_LANES(float);
  for (int64_t i = 0; i < rows; ++i, from += 2 * kLanes, to += kLanes) {
    const auto low = nearest_bf16(hn::LoadU(d, from)), high = nearest_bf16(hn::LoadU(d, from + kLanes));
    hn::StoreU(hn::Or(hn::ShiftRight<16>(low), hn::And(high, hn::Set(words, 0xffff0000u))), words, to);
  }
}

template <typename T>
void copy_panel(const T* from, int64_t distance, int64_t rows, T* to) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T), kAhead = 16;
  for (int64_t i = 0; i < rows; ++i, from += distance, to += 2 * kLanes) {
    // Rows are apart, so nothing else fetches those to come.
    if (i + kAhead < rows) __builtin_prefetch(from + kAhead * distance);
    const auto left = hn::LoadU(d, from), right = hn::LoadU(d, from + kLanes);
    hn::StoreU(left, d, to);
    hn::StoreU(right, d, to + kLanes);
  }
}

}  // namespace

extern constexpr GemmTiles<float> kGemmF32 = {kRows, 2 * HWY_LANES(float), run_panel<float, float>,
                                              run_low<float, float>, copy_panel<float>};
extern constexpr GemmTiles<double> kGemmF64 = {kRows, 2 * HWY_LANES(double), run_panel<double, double>,
                                               run_low<double, double>, copy_panel<double>};
extern constexpr GemmBf16Tiles kGemmBf16 = {run_panel<float, uint32_t>, run_low<float, uint32_t>, round_panel};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const GemmTiles<float>& gemm_tiles_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kGemmF32); }
const GemmBf16Tiles& gemm_tiles_bf16([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kGemmBf16); }
const GemmTiles<double>& gemm_tiles_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kGemmF64); }

}  // namespace weft
#endif
