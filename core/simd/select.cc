// Where a row has an element beyond a limit: a vector at a time.
#include "core/simd/select.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/select.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

template <bool above, typename T>
int64_t beyond(const T* x, int64_t n, T limit) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  const auto limits = hn::Set(d, limit);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const auto values = hn::LoadU(d, x + i);
    const auto found = hn::Not(above ? hn::Le(values, limits) : hn::Ge(values, limits));
    const intptr_t first = hn::FindFirstTrue(d, found);
    if (first >= 0) return i + first;
  }
  for (; i < n; ++i) {
    if (!(above ? x[i] <= limit : x[i] >= limit)) break;
  }
  return i;
}

}  // namespace

extern constexpr SelectTable<float> kSelectF32 = {beyond<true, float>, beyond<false, float>};
extern constexpr SelectTable<double> kSelectF64 = {beyond<true, double>, beyond<false, double>};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const SelectTable<float>& select_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kSelectF32); }
const SelectTable<double>& select_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kSelectF64); }

}  // namespace weft
#endif
