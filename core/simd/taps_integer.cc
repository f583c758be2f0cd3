// Sums over taps of 8-bit numbers: tiles of sums that stay in registers until they are quantized, for every instruction set.
#include "core/simd/taps_integer.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/taps_integer.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/simd/lanes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

using Words = hn::ScalableTag<int32_t>;
using WordsV = hn::Vec<Words>;
constexpr int64_t kLanes = HWY_LANES(int32_t);
constexpr int kMostRows = 8;
// x86 multiplies numbers of 16 bits in pairs, and adds the two products: of which the second must be 0.
constexpr bool kPairs = HWY_TARGET != HWY_NEON;
// With 16 registers a full tile has one vector of sums for each row.
constexpr int kVectorsOfFullTile = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON ? 2 : 1;

template <typename A>
HWY_INLINE WordsV load_numbers(const uint8_t* from) {
  const hn::Rebind<A, Words> bytes;
  return hn::PromoteTo(Words(), hn::LoadU(bytes, reinterpret_cast<const A*>(from)));
}

// The upper half of a number with a sign is not 0, so that of its weight must be.
template <typename A>
HWY_INLINE WordsV load_weights(const int32_t* from) {
  const WordsV weights = hn::LoadU(Words(), from);
  return kPairs && A(-1) < A(0) ? hn::And(weights, hn::Set(Words(), 0xffff)) : weights;
}

HWY_INLINE WordsV add_product(WordsV number, WordsV weight, WordsV sum) {
  if constexpr (kPairs) {
    const hn::ScalableTag<int16_t> halves;
    WordsV other = hn::Zero(Words());
    return hn::ReorderWidenMulAccumulate(Words(), hn::BitCast(halves, number), hn::BitCast(halves, weight), sum, other);
  }
  return hn::Add(sum, hn::Mul(number, weight));
}

template <typename C>
HWY_INLINE void store(const ByteLaneTile& p, int64_t at, WordsV sum, C* to) {
  if constexpr (sizeof(C) == 1) {
    const hn::ScalableTag<float> floats;
    quantize_vector(sum, hn::LoadU(floats, p.scales + at), p.zero, to);
  } else {
    hn::StoreU(sum, Words(), to);
  }
}

// V vectors of channels of R pixels.
template <typename A, typename C, int R, int V>
HWY_INLINE void lanes_at(const ByteLaneTile& p, int64_t at) {
  WordsV sum[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sum[r][v] = hn::LoadU(Words(), p.init + at + v * kLanes);
  }
  const int32_t* b = p.b + at;
  const int64_t taps = p.taps, b_row = p.b_row;
  for (int64_t tap = 0; tap < taps; ++tap, b += b_row) {
    WordsV weight[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) weight[v] = load_weights<A>(b + v * kLanes);
    const uint8_t* a = p.a[tap].a + at;
    const int64_t a_row = p.a[tap].a_row;
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r, a += a_row) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sum[r][v] = add_product(load_numbers<A>(a + v * kLanes), weight[v], sum[r][v]);
    }
  }
  C* c = static_cast<C*>(p.c) + at;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r, c += p.c_row) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(p, at + v * kLanes, sum[r][v], c + v * kLanes);
  }
}

// The last vector overlaps the one before; both give its lanes the same bits.
template <typename A, typename C, int R>
void lanes_of(const ByteLaneTile& p) {
  constexpr int kVectors = R == 1 ? 4 : R == kMostRows ? kVectorsOfFullTile : 2;
  int64_t at = 0;
  for (; at + kVectors * kLanes <= p.columns; at += kVectors * kLanes) lanes_at<A, C, R, kVectors>(p, at);
  for (; at + kLanes <= p.columns; at += kLanes) lanes_at<A, C, R, 1>(p, at);
  if (at < p.columns) lanes_at<A, C, R, 1>(p, p.columns - kLanes);
}

template <typename A, typename C>
void rows_of(const ByteLaneTile& p) {
  if (p.rows == kMostRows)
    lanes_of<A, C, kMostRows>(p);
  else if (p.rows == 4)
    lanes_of<A, C, 4>(p);
  else if (p.rows == 2)
    lanes_of<A, C, 2>(p);
  else
    lanes_of<A, C, 1>(p);
}

template <typename A>
void run_of(const ByteLaneTile& p) {
  if (p.scales == nullptr)
    rows_of<A, int32_t>(p);
  else if (p.c_signed)
    rows_of<A, int8_t>(p);
  else
    rows_of<A, uint8_t>(p);
}

void run_lanes(const ByteLaneTile& p) {
  if (p.a_signed)
    run_of<int8_t>(p);
  else
    run_of<uint8_t>(p);
}

}  // namespace

extern constexpr ByteTapTable kByteTaps = {kMostRows, kLanes, run_lanes};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const ByteTapTable& byte_tap_table([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kByteTaps); }

}  // namespace weft
#endif
