// Windows of pools over pixels whose channels lie side by side, for every instruction set.
#include "core/simd/pool.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/pool.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/simd/lanes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

// Calls body(offset) for the pixels of a window, row by row.
template <typename T, typename Body>
HWY_INLINE void for_pixels(const PoolWindows<T>& p, Body body) {
  for (int64_t row = 0; row < p.rows; ++row) {
    for (int64_t column = 0; column < p.columns; ++column) body(row * p.row_step + column * p.column_step);
  }
}

template <class D, typename T>
HWY_INLINE void max_of_vector(const PoolWindows<T>& p, D d, const T* x, T* y) {
  auto best = hn::LoadU(d, x);
  for_pixels(p, [&](int64_t at) {
    const auto v = hn::LoadU(d, x + at);
    // A NaN wins and stays.
    best = hn::IfThenElse(hn::Or(hn::Gt(v, best), hn::IsNaN(v)), v, best);
  });
  hn::StoreU(best, d, y);
}

template <typename T>
void max(const PoolWindows<T>& p, T* y) {
  const hn::ScalableTag<T> whole;
  constexpr int64_t kLanes = HWY_LANES(T);
  const T* x = p.x;
  for (int64_t i = 0; i < p.windows; ++i, x += p.step, y += p.y_step) {
    int64_t c = 0;
    for (; c + kLanes <= p.channels; c += kLanes) max_of_vector(p, whole, x + c, y + c);
    if (c == p.channels) continue;
    if (p.reaches) {
      max_of_vector(p, whole, x + c, y + c);
    } else {
      over_rest<T, kLanes / 2>(c, p.channels, [&](auto d, int64_t at) { max_of_vector(p, d, x + at, y + at); });
    }
  }
}

// Gives what comes from behind: each element to one pixel at most.
template <class D, typename T>
HWY_INLINE void give(const PoolWindows<T>& p, D d, const T* x, const T* y, const T* dy, T* dx) {
  const auto top = hn::LoadU(d, y);
  const auto no_number = hn::IsNaN(top);
  auto left = hn::LoadU(d, dy);
  for_pixels(p, [&](int64_t at) {
    const auto v = hn::LoadU(d, x + at);
    const auto is_top = hn::Or(hn::Eq(v, top), hn::And(hn::IsNaN(v), no_number));
    hn::StoreU(hn::Add(hn::LoadU(d, dx + at), hn::IfThenElseZero(is_top, left)), d, dx + at);
    left = hn::IfThenZeroElse(is_top, left);
  });
}

template <typename T>
void max_grad(const PoolWindows<T>& p, const T* y, const T* dy, T* dx) {
  const hn::ScalableTag<T> whole;
  constexpr int64_t kLanes = HWY_LANES(T);
  const T* x = p.x;
  for (int64_t i = 0; i < p.windows; ++i, x += p.step, dx += p.step, y += p.y_step, dy += p.y_step) {
    int64_t c = 0;
    for (; c + kLanes <= p.channels; c += kLanes) give(p, whole, x + c, y + c, dy + c, dx + c);
    // No vector reaches beyond the channels: it would read what the pixel before has just written in parts, and wait for it.
    over_rest<T, kLanes / 2>(c, p.channels, [&](auto d, int64_t at) { give(p, d, x + at, y + at, dy + at, dx + at); });
  }
}

}  // namespace

extern constexpr PoolTable<float> kPoolF32 = {HWY_LANES(float), max<float>, max_grad<float>};
extern constexpr PoolTable<double> kPoolF64 = {HWY_LANES(double), max<double>, max_grad<double>};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const PoolTable<float>& pool_table_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kPoolF32); }
const PoolTable<double>& pool_table_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kPoolF64); }

}  // namespace weft
#endif
