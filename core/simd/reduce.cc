// Sums and extremes of rows and of columns, for every instruction set.
#include "core/simd/reduce.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/reduce.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/simd/lanes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

// What becomes of an element, and of two results.
struct Sum {
  template <class D, class V>
  static V of(D, V x) {
    return x;
  }
  template <class D, class V>
  static V join(D, V a, V b) {
    return hn::Add(a, b);
  }
  template <typename T>
  static T row(const T* x, int64_t n) {
    return sum_of(x, n, [](auto, auto v) { return v; });
  }
};

struct Squares : Sum {
  template <class D, class V>
  static V of(D, V x) {
    return hn::Mul(x, x);
  }
  template <typename T>
  static T row(const T* x, int64_t n) {
    return sum_of(x, n, [](auto, auto v) { return hn::Mul(v, v); });
  }
};

struct Sizes : Sum {
  template <class D, class V>
  static V of(D, V x) {
    return hn::Abs(x);
  }
  template <typename T>
  static T row(const T* x, int64_t n) {
    return sum_of(x, n, [](auto, auto v) { return hn::Abs(v); });
  }
};

template <bool largest>
struct Extreme {
  template <class D, class V>
  static V of(D, V x) {
    return x;
  }
  template <class D, class V>
  static V join(D, V a, V b) {
    return hn::IfThenElse(hn::Or(largest ? hn::Gt(b, a) : hn::Lt(b, a), hn::IsNaN(b)), b, a);
  }
  template <typename T>
  static T row(const T* x, int64_t n) {
    return extreme_of<T, largest>(x, n);
  }
};

// Calls fn(tag, i) for whole vectors, then for single elements.
template <typename T, typename Fn>
HWY_INLINE void each(int64_t n, Fn fn) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> one;
  constexpr int64_t kLanes = HWY_LANES(T);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) fn(d, i);
  for (; i < n; ++i) fn(one, i);
}

// The same for few rows, four at a time.
template <typename Op, typename T>
HWY_INLINE void few_rows(const T* x, int64_t rows, int64_t columns, int64_t stride, T* y) {
  each<T>(columns, [=](auto d, int64_t i) { hn::StoreU(Op::of(d, hn::LoadU(d, x + i)), d, y + i); });
  int64_t r = 1;
  for (; r + 4 <= rows; r += 4) {
    const T *x0 = x + r * stride, *x1 = x0 + stride, *x2 = x1 + stride, *x3 = x2 + stride;
    each<T>(columns, [=](auto d, int64_t i) {
      const auto a = Op::join(d, Op::of(d, hn::LoadU(d, x0 + i)), Op::of(d, hn::LoadU(d, x1 + i)));
      const auto b = Op::join(d, Op::of(d, hn::LoadU(d, x2 + i)), Op::of(d, hn::LoadU(d, x3 + i)));
      hn::StoreU(Op::join(d, hn::LoadU(d, y + i), Op::join(d, a, b)), d, y + i);
    });
  }
  for (; r < rows; ++r) {
    const T* from = x + r * stride;
    each<T>(columns, [=](auto d, int64_t i) {
      hn::StoreU(Op::join(d, hn::LoadU(d, y + i), Op::of(d, hn::LoadU(d, from + i))), d, y + i);
    });
  }
}

template <typename Op, typename T>
HWY_INLINE void join_into(const T* x, int64_t n, T* y) {
  each<T>(n, [=](auto d, int64_t i) { hn::StoreU(Op::join(d, hn::LoadU(d, y + i), hn::LoadU(d, x + i)), d, y + i); });
}

// In groups of rows, whose results are joined, so that rounding errors stay small in long columns.
template <typename Op, typename T>
HWY_INLINE void wide_columns(const T* x, int64_t rows, int64_t columns, int64_t stride, T* y) {
  constexpr int64_t kGroup = 65;
  HWY_ALIGN T group[kMostColumns];
  few_rows<Op>(x, rows < kGroup ? rows : kGroup, columns, stride, y);
  for (int64_t r = kGroup; r < rows; r += kGroup) {
    few_rows<Op>(x + r * stride, rows - r < kGroup ? rows - r : kGroup, columns, stride, group);
    join_into<Op>(group, columns, y);
  }
}

template <typename Op, typename T>
void columns(const T* x, int64_t rows, int64_t count, int64_t stride, T* y) {
  constexpr int64_t kNarrow = 32, kWide = 256;
  const int64_t beside = kWide / count;
  if (count > kNarrow || stride != count || rows < 2 * beside) return wide_columns<Op>(x, rows, count, stride, y);
  // Several rows side by side make one that is worth a loop.
  HWY_ALIGN T wide[kWide];
  const int64_t width = beside * count, whole = rows / beside, left = rows % beside;
  wide_columns<Op>(x, whole, width, width, wide);
  for (int64_t i = 0; i < count; ++i) y[i] = wide[i];
  for (int64_t at = count; at < width; at += count) join_into<Op>(wide + at, count, y);
  if (left == 0) return;
  few_rows<Op>(x + whole * width, left, count, stride, wide);
  join_into<Op>(wide, count, y);
}

template <typename Op, typename T>
constexpr Reduction<T> kReduction = {Op::template row<T>, columns<Op, T>};

}  // namespace

extern constexpr ReduceTable<float> kReduceF32 = {kReduction<Sum, float>, kReduction<Squares, float>,
                                                  kReduction<Sizes, float>, kReduction<Extreme<true>, float>,
                                                  kReduction<Extreme<false>, float>};
extern constexpr ReduceTable<double> kReduceF64 = {kReduction<Sum, double>, kReduction<Squares, double>,
                                                   kReduction<Sizes, double>, kReduction<Extreme<true>, double>,
                                                   kReduction<Extreme<false>, double>};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const ReduceTable<float>& reduce_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kReduceF32); }
const ReduceTable<double>& reduce_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kReduceF64); }

}  // namespace weft
#endif
