// Means and squares of what is normalized together, and the normalizing.
#include "core/simd/moments.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/moments.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/simd/lanes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

template <typename T>
void of_row(const T* x, int64_t n, T* mean, T* squares) {
  const T middle = sum_of(x, n, [](auto, auto v) { return v; }) / static_cast<T>(n);
  *squares = sum_of(x, n, [middle](auto d, auto v) {
    const auto away = hn::Sub(v, hn::Set(d, middle));
    return hn::Mul(away, away);
  });
  *mean = middle;
}

// An element, or the square of its distance from `middle`.
template <bool squared, class V>
HWY_INLINE V taken(V v, V middle) {
  if constexpr (!squared) return v;
  const V away = hn::Sub(v, middle);
  return hn::Mul(away, away);
}

// Sums of these over rows that lie `distance` apart, in four parts that do not wait for each other.
template <bool squared, class D>
HWY_INLINE hn::Vec<D> column_sums(D d, const hn::TFromD<D>* x, int64_t rows, int64_t distance, hn::Vec<D> middle) {
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4, x += 4 * distance) {
    s0 = hn::Add(s0, taken<squared>(hn::LoadU(d, x), middle));
    s1 = hn::Add(s1, taken<squared>(hn::LoadU(d, x + distance), middle));
    s2 = hn::Add(s2, taken<squared>(hn::LoadU(d, x + 2 * distance), middle));
    s3 = hn::Add(s3, taken<squared>(hn::LoadU(d, x + 3 * distance), middle));
  }
  for (; r < rows; ++r, x += distance) s0 = hn::Add(s0, taken<squared>(hn::LoadU(d, x), middle));
  return hn::Add(hn::Add(s0, s1), hn::Add(s2, s3));
}

template <typename T>
void of_columns(const T* x, int64_t rows, int64_t columns, T* mean, T* squares) {
  over_vectors<T>(columns, [=](auto d, int64_t c) {
    const auto sum = column_sums<false>(d, x + c, rows, columns, hn::Zero(d));
    const auto middle = hn::Div(sum, hn::Set(d, static_cast<T>(rows)));
    hn::StoreU(middle, d, mean + c);
    hn::StoreU(column_sums<true>(d, x + c, rows, columns, middle), d, squares + c);
  });
}

template <class V>
HWY_INLINE V scaled(V x, V mean, V factor, V shift) {
  return hn::MulAdd(hn::Sub(x, mean), factor, shift);
}

template <typename T>
void scale_row(const T* x, T mean, T factor, T shift, T* y, int64_t n) {
  over_vectors<T>(n, [=](auto d, int64_t i) {
    hn::StoreU(scaled(hn::LoadU(d, x + i), hn::Set(d, mean), hn::Set(d, factor), hn::Set(d, shift)), d, y + i);
  });
}

template <typename T>
void scale_columns(const T* x, int64_t rows, int64_t columns, const T* mean, const T* factor, const T* shift, T* y) {
  for (int64_t r = 0; r < rows; ++r, x += columns, y += columns) {
    over_vectors<T>(columns, [=](auto d, int64_t c) {
      const auto to =
          scaled(hn::LoadU(d, x + c), hn::LoadU(d, mean + c), hn::LoadU(d, factor + c), hn::LoadU(d, shift + c));
      hn::StoreU(to, d, y + c);
    });
  }
}

template <typename T>
void slopes_of_row(const T* x, const T* dy, T mean, T inverse, int64_t n, T* sum, T* along) {
  *sum = sum_of(dy, n, [](auto, auto g) { return g; });
  const auto product = [=](auto d, auto g, auto v) {
    return guarded(g, hn::Mul(hn::Sub(v, hn::Set(d, mean)), hn::Set(d, inverse)));
  };
  *along = sum_of(dy, n, product, x);
}

template <typename T>
void grad_of_row(const T* x, const T* dy, T mean, T factor, T bend, T shift, T* dx, int64_t n) {
  over_vectors<T>(n, [=](auto d, int64_t i) {
    const auto slope = guarded(hn::LoadU(d, dy + i), hn::Set(d, factor));
    const auto bent = guarded(hn::Set(d, bend), hn::Sub(hn::LoadU(d, x + i), hn::Set(d, mean)));
    hn::StoreU(hn::Sub(hn::Sub(slope, bent), hn::Set(d, shift)), d, dx + i);
  });
}

template <typename T>
constexpr MomentsTable<T> kTable = {of_row<T>,        of_columns<T>,    scale_row<T>,
                                    scale_columns<T>, slopes_of_row<T>, grad_of_row<T>};

}  // namespace

extern constexpr MomentsTable<float> kMomentsF32 = kTable<float>;
extern constexpr MomentsTable<double> kMomentsF64 = kTable<double>;

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const MomentsTable<float>& moments_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kMomentsF32); }
const MomentsTable<double>& moments_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kMomentsF64); }

}  // namespace weft
#endif
