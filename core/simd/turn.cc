// Transposes of matrices: squares of 16 bytes by as many lines are turned in registers.
#include "core/simd/turn.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/turn.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Elements of 16 bytes, which is the side of a square; a tile is as many squares as a vector has room for.
template <typename T>
constexpr int kSide = 16 / sizeof(T);

// 16 bytes of one line of each square.
template <class D, typename T>
HWY_INLINE hn::Vec<D> load_squares(D d, const T* from, int64_t distance) {
  if constexpr (hn::MaxLanes(d) == kSide<T>) {
    return hn::LoadU(d, from);
  } else {
    const hn::Half<D> half;
    constexpr int kLines = int{hn::MaxLanes(half)};
    return hn::Combine(d, load_squares(half, from + kLines * distance, distance), load_squares(half, from, distance));
  }
}

// Each round brings what belongs together twice as near: after the last one a vector is a column.
template <class D, typename T>
HWY_INLINE void turn_tile(D d, const T* from, int64_t distance, T* to, int64_t to_row) {
  constexpr int kLines = kSide<T>;
  hn::Vec<D> line[kLines], next[kLines];
#pragma GCC unroll 16
  for (int i = 0; i < kLines; ++i) line[i] = load_squares(d, from + i * distance, distance);
#pragma GCC unroll 4
  for (int round = 1; round < kLines; round *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < kLines / 2; ++i) {
      next[2 * i] = hn::InterleaveLower(d, line[i], line[i + kLines / 2]);
      next[2 * i + 1] = hn::InterleaveUpper(d, line[i], line[i + kLines / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLines; ++i) line[i] = next[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < kLines; ++i) hn::StoreU(line[i], d, to + i * to_row);
}

// Lines [begin, lines) as far as whole tiles go, and where they end. What lies side by side in a cache line is read together.
template <class D, typename T>
HWY_INLINE int64_t turn_tiles(D d, const T* from, int64_t distance, int64_t begin, int64_t lines, int64_t length, T* to,
                              int64_t to_row) {
  constexpr int64_t kLines = hn::MaxLanes(d), kLine = 64 / sizeof(T);
  const int64_t end = begin + (lines - begin) / kLines * kLines, whole = length / kSide<T> * kSide<T>;
  for (int64_t left = 0; left < whole; left += kLine) {
    const int64_t right = left + kLine < whole ? left + kLine : whole;
    for (int64_t j = begin; j < end; j += kLines) {
      for (int64_t i = left; i < right; i += kSide<T>)
        turn_tile(d, from + j * distance + i, distance, to + i * to_row + j, to_row);
    }
  }
  return end;
}

// Lines of N elements, one behind the other, as the colors of pixels are: as many as whole vectors give.
template <int N, typename T>
int64_t part(const T* from, int64_t lines, T* to, int64_t to_row) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = hn::MaxLanes(d);
  hn::Vec<decltype(d)> v[4];
  int64_t j = 0;
  for (; j + kLanes <= lines; j += kLanes) {
    if constexpr (N == 2) hn::LoadInterleaved2(d, from + N * j, v[0], v[1]);
    if constexpr (N == 3) hn::LoadInterleaved3(d, from + N * j, v[0], v[1], v[2]);
    if constexpr (N == 4) hn::LoadInterleaved4(d, from + N * j, v[0], v[1], v[2], v[3]);
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) hn::StoreU(v[i], d, to + i * to_row + j);
  }
  return j;
}

// And back: N lines that become the elements of such short ones.
template <int N, typename T>
int64_t join(const T* from, int64_t distance, int64_t length, T* to) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = hn::MaxLanes(d);
  hn::Vec<decltype(d)> v[4];
  int64_t i = 0;
  for (; i + kLanes <= length; i += kLanes) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) v[j] = hn::LoadU(d, from + j * distance + i);
    if constexpr (N == 2) hn::StoreInterleaved2(v[0], v[1], d, to + N * i);
    if constexpr (N == 3) hn::StoreInterleaved3(v[0], v[1], v[2], d, to + N * i);
    if constexpr (N == 4) hn::StoreInterleaved4(v[0], v[1], v[2], v[3], d, to + N * i);
  }
  return i;
}

template <typename T>
void turn_elements(const T* from, int64_t distance, int64_t lines, int64_t length, T* to, int64_t to_row) {
  for (int64_t i = 0; i < length; ++i) {
    for (int64_t j = 0; j < lines; ++j) to[i * to_row + j] = from[j * distance + i];
  }
}

template <typename T>
void turn(const T* from, int64_t distance, int64_t lines, int64_t length, T* to, int64_t to_row) {
  if (distance == length && length >= 2 && length <= 4) {
    const int64_t done = length == 2   ? part<2>(from, lines, to, to_row)
                         : length == 3 ? part<3>(from, lines, to, to_row)
                                       : part<4>(from, lines, to, to_row);
    return turn_elements(from + done * distance, distance, lines - done, length, to + done, to_row);
  }
  if (to_row == lines && lines >= 2 && lines <= 4) {
    const int64_t done = lines == 2   ? join<2>(from, distance, length, to)
                         : lines == 3 ? join<3>(from, distance, length, to)
                                      : join<4>(from, distance, length, to);
    return turn_elements(from + done, distance, lines, length - done, to + done * to_row, to_row);
  }
  const hn::ScalableTag<T> d;
  int64_t turned = turn_tiles(d, from, distance, 0, lines, length, to, to_row);
  if constexpr (hn::MaxLanes(d) > kSide<T>)
    turned = turn_tiles(hn::Full128<T>(), from, distance, turned, lines, length, to, to_row);
  const int64_t whole = length / kSide<T> * kSide<T>;
  turn_elements(from + turned * distance, distance, lines - turned, whole, to + turned, to_row);
  turn_elements(from + whole, distance, lines, length - whole, to + whole * to_row, to_row);
}

}  // namespace

extern constexpr TurnTable kTurn = {turn<uint8_t>, turn<uint16_t>, turn<uint32_t>, turn<uint64_t>};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const TurnTable& turn_table([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kTurn); }

}  // namespace weft
#endif
