// Windows of pools over pixels whose channels lie side by side, for every instruction set.
#include "core/simd/pool.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/pool.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Calls body(offset) for the pixels of a window, row by row.
template <typename T, typename Body>
HWY_INLINE void for_pixels(const PoolWindows<T>& p, Body body) {
  for (int64_t row = 0; row < p.rows; ++row) {
    for (int64_t column = 0; column < p.columns; ++column) body(row * p.row_step + column * p.column_step);
  }
}

template <typename T>
HWY_INLINE void max_of_vector(const PoolWindows<T>& p, const T* x, T* y) {
  const hn::ScalableTag<T> d;
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
  constexpr int64_t kLanes = HWY_LANES(T);
  const T* x = p.x;
  for (int64_t i = 0; i < p.windows; ++i, x += p.step, y += p.y_step) {
    int64_t c = 0;
    for (; c + kLanes <= p.channels; c += kLanes) max_of_vector(p, x + c, y + c);
    if (c == p.channels) continue;
    if (p.reaches) {
      max_of_vector(p, x + c, y + c);
      continue;
    }
    for (; c < p.channels; ++c) {
      T best = x[c];
      for_pixels(p, [&](int64_t at) {
        const T v = x[at + c];
        best = v > best || v != v ? v : best;
      });
      y[c] = best;
    }
  }
}

// Gives `left`, of which each element goes to one pixel at most.
template <typename T, class V>
HWY_INLINE void give(const PoolWindows<T>& p, const T* x, const T* y, V left, T* dx) {
  const hn::ScalableTag<T> d;
  const auto top = hn::LoadU(d, y);
  const auto no_number = hn::IsNaN(top);
  for_pixels(p, [&](int64_t at) {
    const auto v = hn::LoadU(d, x + at);
    const auto is_top = hn::Or(hn::Eq(v, top), hn::And(hn::IsNaN(v), no_number));
    hn::StoreU(hn::Add(hn::LoadU(d, dx + at), hn::IfThenElseZero(is_top, left)), d, dx + at);
    left = hn::IfThenZeroElse(is_top, left);
  });
}

template <typename T>
void max_grad(const PoolWindows<T>& p, const T* y, const T* dy, T* dx) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  const T* x = p.x;
  for (int64_t i = 0; i < p.windows; ++i, x += p.step, dx += p.step, y += p.y_step, dy += p.y_step) {
    int64_t c = 0;
    for (; c + kLanes <= p.channels; c += kLanes) give(p, x + c, y + c, hn::LoadU(d, dy + c), dx + c);
    if (c == p.channels) continue;
    if (p.reaches) {
      const auto own = hn::FirstN(d, static_cast<size_t>(p.channels - c));
      give(p, x + c, y + c, hn::IfThenElseZero(own, hn::LoadU(d, dy + c)), dx + c);
      continue;
    }
    for (; c < p.channels; ++c) {
      T left = dy[c];
      for_pixels(p, [&](int64_t at) {
        const T v = x[at + c];
        if (!(v == y[c] || (v != v && y[c] != y[c]))) return;
        dx[at + c] += left;
        left = 0;
      });
    }
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
