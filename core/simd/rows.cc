// Rows of Softmax and of normalizations, for every instruction set.
#include "core/simd/rows.h"

#include <iterator>

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/rows.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/simd/lanes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

// (exp(r) - 1) / r in powers of r where |r| <= log(2) / 2, of f32 with the least relative error of 1 + r times that (9.2e-8,
// by Remez), of f64 a Chebyshev fit; log(2), in two parts where the first alone is off by more than 2e-9 of it or its product
// is rounded; and a number that rounds what is added to it to whole numbers, which then stand in its lowest bits. Below
// `kLeast` exp is 0.
template <typename T>
struct Exp;
template <>
struct Exp<float> {
  static constexpr float kLog2e = 1.44269504f;
#if HWY_NATIVE_FMA
  static constexpr float kHigh = 0.693147182f, kLow = 0;
#else  // no error in what is taken off, though the product is rounded
  static constexpr float kHigh = 0.693359375f, kLow = -2.12194440e-4f;
#endif
  static constexpr float kLeast = -104, kRound = 12582912;
  static constexpr int kMantissa = 23;
  static constexpr float kPowers[] = {0.008290299f, 0.04189802f, 0.16667637f, 0.49999148f, 0.9999997f};
};
template <>
struct Exp<double> {
  static constexpr double kLog2e = 1.4426950408889634, kHigh = 0.693147180369123816490, kLow = 1.90821492927058770e-10;
  static constexpr double kLeast = -746, kRound = 6755399441055744;
  static constexpr int kMantissa = 52;
  static constexpr double kPowers[] = {2.09181314184218e-09,
                                       2.5105209030726063e-08,
                                       2.7557263296038744e-07,
                                       2.7557255419156705e-06,
                                       2.4801587336426553e-05,
                                       0.00019841269874805898,
                                       0.001388888888887908,
                                       0.00833333333332614,
                                       0.04166666666666668,
                                       0.1666666666666667,
                                       0.5,
                                       1};
};

// 2^64 exp(x) for x <= 0, which is a normal number unless it is 0: what comes of it is rounded once, however small. Of f32
// within 2.2 units in the last place down to x = -10, and 5 further down, as what is left of log(2) would be one product more.
template <class D, class V>
HWY_INLINE V large_exp(D d, V x) {
  using T = hn::TFromD<D>;
  using E = Exp<T>;
  const hn::RebindToSigned<D> whole;
  const V within = hn::Max(x, hn::Set(d, E::kLeast));
  // within = n log(2) + r; n + 64 stands in the lowest bits of `shifted`.
  const V round = hn::Set(d, E::kRound + 64), shifted = hn::MulAdd(within, hn::Set(d, E::kLog2e), round);
  const V n = hn::Sub(shifted, round);
  V r = hn::NegMulAdd(n, hn::Set(d, E::kHigh), within);
  if constexpr (E::kLow != 0) r = hn::NegMulAdd(n, hn::Set(d, E::kLow), r);
  // As few products as there can be: multipliers are what this waits for, and other vectors fill the time of the chain.
  constexpr size_t kTerms = std::size(E::kPowers);
  V y = hn::Set(d, E::kPowers[0]);
#pragma GCC unroll 12
  for (size_t i = 1; i < kTerms; ++i) y = hn::MulAdd(y, r, hn::Set(d, E::kPowers[i]));
  y = hn::MulAdd(y, r, hn::Set(d, T(1)));
  const auto exponent = hn::ShiftLeft<E::kMantissa>(hn::BitCast(whole, shifted));
  return hn::BitCast(d, hn::Add(hn::BitCast(whole, y), exponent));
}

// y = fn(d, x, more...) for whole vectors and the rest.
template <typename T, typename Fn, typename... More>
HWY_INLINE void each(T* y, int64_t n, Fn fn, const T* x, const More*... more) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    hn::StoreU(fn(d, hn::LoadU(d, x + i), hn::LoadU(d, more + i)...), d, y + i);
  }
  if (i == n) return;
  Tail<T> tail(x + i, n - i, T(0));
  hn::Store(fn(d, hn::Load(d, tail.lanes), load_tail(more + i, n - i)...), d, tail.lanes);
  tail.store(y + i, n - i);
}

template <typename T>
T max(const T* x, int64_t n) {
  return extreme_of<T, true>(x, n);
}

// y = factor * 2^64 exp(x - top), and the sum of these.
template <typename T, bool stores, bool scales>
HWY_INLINE T exp_sum_of(const T* x, T top, T factor, T* y, int64_t n) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  const auto shift = hn::Set(d, top), by = hn::Set(d, factor);
  const auto exp = [=](auto v) {
    const auto e = large_exp(d, hn::Sub(v, shift));
    return scales ? hn::Mul(e, by) : e;
  };
  auto sum = hn::Zero(d), more = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const auto a = exp(hn::LoadU(d, x + i)), b = exp(hn::LoadU(d, x + i + kLanes));
    sum = hn::Add(sum, a);
    more = hn::Add(more, b);
    if (!stores) continue;
    hn::StoreU(a, d, y + i);
    hn::StoreU(b, d, y + i + kLanes);
  }
  for (; i < n; i += kLanes) {
    const int64_t left = n - i < kLanes ? n - i : kLanes;
    Tail<T> tail(x + i, left, top);
    const auto e = exp(hn::Load(d, tail.lanes));
    sum = hn::Add(sum, hn::IfThenElseZero(hn::FirstN(d, left), e));
    hn::Store(e, d, tail.lanes);
    if (stores) tail.store(y + i, left);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(sum, more)));
}

template <typename T>
T fill(T* y, T value, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = value;
  return value;
}

template <typename T>
T exp_sum(const T* x, T top, T* y, int64_t n) {
  constexpr T kFactor = T(0x1p-64);
  const T zero_or_nan = top - top;
  if (y == nullptr) return zero_or_nan == 0 ? exp_sum_of<T, false, true>(x, top, kFactor, y, n) : zero_or_nan;
  return zero_or_nan == 0 ? exp_sum_of<T, true, true>(x, top, kFactor, y, n) : fill(y, zero_or_nan, n);
}

template <typename T>
void softmax(const T* x, T* y, int64_t n) {
  const T top = max(x, n), zero_or_nan = top - top;
  if (zero_or_nan != 0) {
    fill(y, zero_or_nan, n);
    return;
  }
  const T factor = 1 / exp_sum_of<T, true, false>(x, top, T(1), y, n);
  const auto scaled = [factor](auto d, auto v) { return hn::Mul(v, hn::Set(d, factor)); };
  each(y, n, scaled, static_cast<const T*>(y));
}

template <typename T>
void log_softmax(const T* x, T* y, int64_t n) {
  const T top = max(x, n), sum = exp_sum<T>(x, top, nullptr, n);
  const T log = sizeof(T) == 4 ? static_cast<T>(__builtin_logf(static_cast<float>(sum)))
                               : static_cast<T>(__builtin_log(static_cast<double>(sum)));
  const auto shifted = [=](auto d, auto v) { return hn::Sub(hn::Sub(v, hn::Set(d, top)), hn::Set(d, log)); };
  each(y, n, shifted, x);
}

template <typename T>
void softmax_grad(const T* y, const T* dy, T* dx, int64_t n) {
  const auto shared = [](auto, auto share, auto slope) { return guarded(slope, share); };
  const T sum = sum_of(y, n, shared, dy);
  const auto away = [sum](auto d, auto share, auto slope) { return guarded(hn::Sub(slope, hn::Set(d, sum)), share); };
  each(dx, n, away, y, dy);
}

template <typename T>
T inverse_root(T x) {
  return 1 / (sizeof(T) == 4 ? static_cast<T>(__builtin_sqrtf(static_cast<float>(x)))
                             : static_cast<T>(__builtin_sqrt(static_cast<double>(x))));
}

template <typename T>
struct Moments {
  T mean, inverse;
};

template <typename T>
HWY_INLINE Moments<T> moments_of(const T* x, T epsilon, int64_t n) {
  const T count = static_cast<T>(n), mean = sum_of(x, n, [](auto, auto v) { return v; }) / count;
  const T squares = sum_of(x, n, [mean](auto d, auto v) {
    const auto away = hn::Sub(v, hn::Set(d, mean));
    return hn::Mul(away, away);
  });
  return {mean, inverse_root(squares / count + epsilon)};
}

template <typename T>
void layer_norm(const T* x, const T* scale, const T* bias, T epsilon, T* y, int64_t n, T* mean, T* inverse) {
  const Moments<T> m = moments_of(x, epsilon, n);
  const auto scaled = [m](auto d, auto v, auto by) {
    return hn::Mul(hn::Mul(hn::Sub(v, hn::Set(d, m.mean)), hn::Set(d, m.inverse)), by);
  };
  const auto shifted = [scaled](auto d, auto v, auto by, auto plus) { return hn::Add(scaled(d, v, by), plus); };
  if (bias == nullptr)
    each(y, n, scaled, x, scale);
  else
    each(y, n, shifted, x, scale, bias);
  *mean = m.mean;
  *inverse = m.inverse;
}

template <typename T>
void layer_norm_grad(const T* x, const T* scale, const T* dy, T epsilon, T* dx, T* dscale, int64_t n) {
  const Moments<T> m = moments_of(x, epsilon, n);
  const auto normal = [m](auto d, auto v) { return hn::Mul(hn::Sub(v, hn::Set(d, m.mean)), hn::Set(d, m.inverse)); };
  // The slope of the normalized elements, its mean, and the mean of its product with them.
  const auto slope = [](auto, auto g, auto by) { return guarded(g, by); };
  const auto along = [=](auto d, auto g, auto by, auto v) { return guarded(slope(d, g, by), normal(d, v)); };
  const T count = static_cast<T>(n), mean = sum_of(dy, n, slope, scale) / count;
  const T mean_along = sum_of(dy, n, along, scale, x) / count;
  const auto add = [normal](auto d, auto sum, auto g, auto v) { return hn::Add(sum, guarded(g, normal(d, v))); };
  if (dscale != nullptr) each(dscale, n, add, static_cast<const T*>(dscale), dy, x);
  const auto back = [=](auto d, auto g, auto by, auto v) {
    const auto away = hn::Sub(slope(d, g, by), hn::Set(d, mean));
    return guarded(hn::Sub(away, guarded(hn::Set(d, mean_along), normal(d, v))), hn::Set(d, m.inverse));
  };
  each(dx, n, back, dy, scale, x);
}

template <typename T>
void rms_norm(const T* x, const T* scale, T epsilon, T* y, int64_t n) {
  const auto square = [](auto, auto v) { return hn::Mul(v, v); };
  const T factor = inverse_root(sum_of(x, n, square) / static_cast<T>(n) + epsilon);
  const auto scaled = [factor](auto d, auto v, auto by) { return hn::Mul(hn::Mul(v, hn::Set(d, factor)), by); };
  each(y, n, scaled, x, scale);
}

// Blocks of 16 bytes that lie `distance` apart.
template <class D>
HWY_INLINE hn::Vec<D> load_blocks(D d, const hn::TFromD<D>* x, int64_t distance) {
  constexpr int64_t kBlocks = static_cast<int64_t>(hn::MaxLanes(D()) * sizeof(hn::TFromD<D>)) / 16;
  if constexpr (kBlocks == 1) {
    return hn::LoadU(d, x);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, load_blocks(half, x + kBlocks / 2 * distance, distance), load_blocks(half, x, distance));
  }
}

// Of as many rows as a vector has elements the first 16 bytes, turned: element j of every row in to[j].
template <class D>
HWY_INLINE void load_columns(D d, const float* x, int64_t distance, hn::Vec<D> (&to)[4]) {
  const auto a = load_blocks(d, x, 4 * distance), b = load_blocks(d, x + distance, 4 * distance);
  const auto e = load_blocks(d, x + 2 * distance, 4 * distance), f = load_blocks(d, x + 3 * distance, 4 * distance);
  const auto ae = hn::InterleaveLower(d, a, e), bf = hn::InterleaveLower(d, b, f);
  const auto ae2 = hn::InterleaveUpper(d, a, e), bf2 = hn::InterleaveUpper(d, b, f);
  to[0] = hn::InterleaveLower(d, ae, bf);
  to[1] = hn::InterleaveUpper(d, ae, bf);
  to[2] = hn::InterleaveLower(d, ae2, bf2);
  to[3] = hn::InterleaveUpper(d, ae2, bf2);
}
template <class D>
HWY_INLINE void load_columns(D d, const double* x, int64_t distance, hn::Vec<D> (&to)[2]) {
  const auto a = load_blocks(d, x, 2 * distance), b = load_blocks(d, x + distance, 2 * distance);
  to[0] = hn::InterleaveLower(d, a, b);
  to[1] = hn::InterleaveUpper(d, a, b);
}

template <typename T>
void dots(const T* a, const T* x, int64_t distance, int64_t count, T factor, T* y, int64_t n) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T), kColumns = 16 / sizeof(T);
  // The last vector may take rows again.
  for (int64_t done = 0; done < count; done += kLanes) {
    const int64_t row = done + kLanes <= count ? done : count - kLanes;
    const T* from = x + row * distance;
    auto sum = hn::Zero(d);
    int64_t k = 0;
    for (; k + kColumns <= n; k += kColumns) {
      hn::Vec<decltype(d)> columns[kColumns];
      load_columns(d, from + k, distance, columns);
#pragma GCC unroll 4
      for (int64_t j = 0; j < kColumns; ++j) sum = hn::MulAdd(hn::Set(d, factor * a[k + j]), columns[j], sum);
    }
    for (; k < n; ++k) {
      HWY_ALIGN T column[kLanes];
      for (int64_t r = 0; r < kLanes; ++r) column[r] = from[r * distance + k];
      sum = hn::MulAdd(hn::Set(d, factor * a[k]), hn::Load(d, column), sum);
    }
    hn::StoreU(sum, d, y + row);
  }
}

}  // namespace

extern constexpr RowsTable<float> kRowsF32 = {
    max<float>,        exp_sum<float>,         softmax<float>,  log_softmax<float>, softmax_grad<float>,
    layer_norm<float>, layer_norm_grad<float>, rms_norm<float>, dots<float>};
extern constexpr RowsTable<double> kRowsF64 = {
    max<double>,        exp_sum<double>,         softmax<double>,  log_softmax<double>, softmax_grad<double>,
    layer_norm<double>, layer_norm_grad<double>, rms_norm<double>, dots<double>};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const RowsTable<float>& rows_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kRowsF32); }
const RowsTable<double>& rows_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kRowsF64); }

}  // namespace weft
#endif
