// Images sampled between their pixels.
#include "core/simd/sample.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/sample.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/simd/lanes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

// Elsewhere Highway writes the indices to memory, where they come from.
constexpr bool kGathers = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2;

// x[index[0]], x[index[1]] and so on.
template <class D>
HWY_INLINE hn::Vec<D> load_each(D d, const hn::TFromD<D>* x, const int32_t* index) {
  using T = hn::TFromD<D>;
  if constexpr (kGathers) {
    const hn::Rebind<int32_t, D> whole;
    const auto at = hn::LoadU(whole, index);
    if constexpr (sizeof(T) == 4) {
      return hn::GatherIndex(d, x, at);
    } else {
      return hn::GatherIndex(d, x, hn::PromoteTo(hn::RebindToSigned<D>(), at));
    }
  } else {
    constexpr int64_t kLanes = HWY_LANES(T);
    HWY_ALIGN T lanes[kLanes];
    for (int64_t i = 0; i < kLanes; ++i) lanes[i] = x[index[i]];
    return hn::Load(d, lanes);
  }
}

// x[index[0]], x[index[0] + 1], x[index[1]] and so on: one load for two elements, of half as many indices as a
// vector has elements. That is half of the loads of a gather.
template <class D>
HWY_INLINE hn::Vec<D> load_pairs(D d, const hn::TFromD<D>* x, const int32_t* index) {
  constexpr int64_t kPairs = static_cast<int64_t>(hn::MaxLanes(D())) / 2;
  if constexpr (kPairs > 1) {
    const hn::Half<D> half;
    return hn::Combine(d, load_pairs(half, x, index + kPairs / 2), load_pairs(half, x, index));
  } else if constexpr (HWY_ARCH_X86 && sizeof(hn::TFromD<D>) == 4) {
    // As f32, two elements would be put beside zeros.
    const hn::Repartition<uint64_t, D> word;
    return hn::BitCast(d, hn::LoadU(word, reinterpret_cast<const uint64_t*>(x + *index)));
  } else {
    return hn::LoadU(d, x + *index);
  }
}

// sum + weight * x where the weight is of a pixel, else the sum: that is never -0, so that adding 0 leaves it as it is.
template <class V>
HWY_INLINE V add_counted(V sum, V weight, V x) {
  const hn::DFromV<V> d;
  const hn::RebindToSigned<decltype(d)> bits;
  const auto none = hn::BitCast(bits, hn::Set(d, hn::TFromD<decltype(d)>(-0.0)));
  const auto outside = hn::RebindMask(d, hn::Eq(hn::BitCast(bits, weight), none));
  return hn::Add(sum, hn::IfThenZeroElse(outside, hn::Mul(weight, x)));
}

// y[i] = sum_at(i) of whole vectors, of which the last one may be cut off.
template <typename T, typename Sum>
HWY_INLINE void for_points(const SampledPoints<T>& p, T* y, Sum sum_at) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  for (int64_t i = 0; i < p.n; i += kLanes) {
    const auto sum = sum_at(i);
    if (i + kLanes <= p.n) {
      hn::StoreU(sum, d, y + i);
      continue;
    }
    HWY_ALIGN T lanes[kLanes];
    hn::Store(sum, d, lanes);
    for (int64_t j = 0; i + j < p.n; ++j) y[i + j] = lanes[j];
  }
}

template <typename T>
void pairs(const SampledPoints<T>& p, const T* x, T* y) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  for_points(p, y, [=](int64_t i) {
    auto sum = hn::Zero(d);
    const int32_t* index = p.index + i;
    const T* weight = p.weight + i;
    for (int64_t k = 0; k < p.rows; ++k, index += p.room, weight += 2 * p.room) {
      const auto low = load_pairs(d, x, index), high = load_pairs(d, x, index + kLanes / 2);
      sum = add_counted(sum, hn::LoadU(d, weight), hn::ConcatEven(d, high, low));
      sum = add_counted(sum, hn::LoadU(d, weight + p.room), hn::ConcatOdd(d, high, low));
    }
    return sum;
  });
}

template <typename T>
void taps(const SampledPoints<T>& p, const T* x, T* y) {
  const hn::ScalableTag<T> d;
  for_points(p, y, [=](int64_t i) {
    auto sum = hn::Zero(d);
    const int32_t* index = p.index + i;
    const T* weight = p.weight + i;
    for (int64_t k = 0; k < p.rows; ++k, index += p.room, weight += p.room) {
      sum = add_counted(sum, hn::LoadU(d, weight), load_each(d, x, index));
    }
    return sum;
  });
}

// The pixel before each place along an axis, brought to what is between -2 and `size`, where both pixels are outside;
// and what it and the next one count. A place that is NaN is at pixel 0, and its weights are NaN.
template <class D>
struct Around {
  hn::Vec<D> cell, first, second;
};

template <class D>
HWY_INLINE Around<D> around(D d, hn::Vec<D> place, int32_t size, int32_t order) {
  using T = hn::TFromD<D>;
  const auto below = hn::IfThenZeroElse(hn::IsNaN(place), hn::Floor(place));
  const auto cell = hn::Min(hn::Max(below, hn::Set(d, T(-2))), hn::Set(d, static_cast<T>(size)));
  if (order == 0) {
    const auto part = hn::Sub(place, below);
    return {cell, hn::Sub(hn::Set(d, T(1)), part), part};
  }
  const T slope = order == 1 ? T(1) : T(0);
  return {cell, hn::Set(d, -slope), hn::Set(d, slope)};
}

// Of what fits, as whole numbers.
template <class D>
HWY_INLINE auto whole_of(D, hn::Vec<D> x) {
  const hn::Rebind<int32_t, D> whole;
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    return hn::ConvertTo(whole, x);
  } else {
    return hn::DemoteTo(whole, x);
  }
}

template <typename T>
void find_pairs(const SampledPlane& p, const T* places, const SampledPoints<T>& to) {
  const hn::ScalableTag<T> d;
  const hn::Rebind<int32_t, decltype(d)> whole;
  constexpr int64_t kLanes = HWY_LANES(T);
  const auto zero = hn::Zero(d), none = hn::Set(d, T(-0.0)), before = hn::Set(d, T(-1));
  const auto last_row = hn::Set(d, static_cast<T>(p.height - 1)), last = hn::Set(d, static_cast<T>(p.width - 1));
  const auto last_pair = hn::Set(d, static_cast<T>(p.width - 2));
  for (int64_t i = 0; i < to.n; i += kLanes) {
    auto a = zero, b = zero;
    if (i + kLanes <= to.n) {
      hn::LoadInterleaved2(d, places + 2 * i, a, b);
    } else {
      HWY_ALIGN T rest[2 * kLanes] = {};
      for (int64_t j = 0; j < 2 * (to.n - i); ++j) rest[j] = places[2 * i + j];
      hn::LoadInterleaved2(d, rest, a, b);
    }
    const auto y = around(d, p.x_first ? b : a, p.height, p.order_y);
    const auto x = around(d, p.x_first ? a : b, p.width, p.order_x);
    // At the ends of a row, where one of the two pixels is outside, the pair has the other one in its place.
    const auto left = hn::IfThenElse(hn::Lt(x.cell, zero), x.second, x.first);
    const auto right = hn::IfThenElse(hn::Gt(x.cell, last_pair), x.first, x.second);
    const auto left_counts = hn::And(hn::Ge(x.cell, before), hn::Le(x.cell, last_pair));
    const auto right_counts = hn::And(hn::Ge(x.cell, zero), hn::Le(x.cell, last));
    const auto column = whole_of(d, hn::Min(hn::Max(x.cell, zero), last_pair));
    for (int64_t r = 0; r < 2; ++r) {
      const auto row = hn::Add(y.cell, hn::Set(d, static_cast<T>(r)));
      const auto by = r == 0 ? y.first : y.second;
      const auto counts = hn::And(hn::Ge(row, zero), hn::Le(row, last_row));
      const auto inside = whole_of(d, hn::Min(hn::Max(row, zero), last_row));
      hn::StoreU(hn::Add(hn::Mul(inside, hn::Set(whole, p.width)), column), whole, to.index + r * to.room + i);
      // With 0 added, a product of -0 is not taken for none.
      T* weight = to.weight + 2 * r * to.room + i;
      const auto of_left = hn::Add(hn::Mul(left, by), zero), of_right = hn::Add(hn::Mul(right, by), zero);
      hn::StoreU(hn::IfThenElse(hn::And(counts, left_counts), of_left, none), d, weight);
      hn::StoreU(hn::IfThenElse(hn::And(counts, right_counts), of_right, none), d, weight + to.room);
    }
  }
}

}  // namespace

extern constexpr SampleTable<float> kSampleF32 = {find_pairs<float>, pairs<float>, taps<float>};
extern constexpr SampleTable<double> kSampleF64 = {find_pairs<double>, pairs<double>, taps<double>};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const SampleTable<float>& sample_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kSampleF32); }
const SampleTable<double>& sample_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kSampleF64); }

}  // namespace weft
#endif
