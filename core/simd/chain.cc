// Chains of elementwise operations.
#include "core/simd/chain.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/chain.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Vectors that go through a step together: enough to hide what the choice of the operation costs.
constexpr int kVectors = 8;

// V vectors of up to L elements each, from element `i` on.
template <typename T, int V, int64_t L>
HWY_INLINE void through(const T* x, const ChainStep<T>* steps, int64_t count, T* y, int64_t i, bool past_cache) {
  const hn::CappedTag<T, L> d;
  using Vec = decltype(hn::Zero(d));
  Vec a[V];
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) a[v] = hn::LoadU(d, x + i + v * L);
  const auto alone = [&](auto fn) HWY_ATTR {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) a[v] = fn(a[v]);
  };
  for (int64_t s = 0; s < count; ++s) {
    const ChainStep<T>& step = steps[s];
    const auto with_b = [&](auto fn) HWY_ATTR {
      if (step.number) {
        const Vec b = hn::Set(d, *step.b);
        alone([&](Vec one) HWY_ATTR { return fn(one, b); });
      } else {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) a[v] = fn(a[v], hn::LoadU(d, step.b + i + v * L));
      }
    };
    switch (step.op) {
      case ChainOp::kAdd: with_b([](Vec l, Vec r) HWY_ATTR { return hn::Add(l, r); }); break;
      case ChainOp::kSub: with_b([](Vec l, Vec r) HWY_ATTR { return hn::Sub(l, r); }); break;
      case ChainOp::kMul: with_b([](Vec l, Vec r) HWY_ATTR { return hn::Mul(l, r); }); break;
      case ChainOp::kDiv: with_b([](Vec l, Vec r) HWY_ATTR { return hn::Div(l, r); }); break;
      case ChainOp::kSubFrom: with_b([](Vec l, Vec r) HWY_ATTR { return hn::Sub(r, l); }); break;
      case ChainOp::kDivInto: with_b([](Vec l, Vec r) HWY_ATTR { return hn::Div(r, l); }); break;
      case ChainOp::kRelu:
        alone([&](Vec one) HWY_ATTR { return hn::IfThenZeroElse(hn::Lt(one, hn::Zero(d)), one); });
        break;
      case ChainOp::kNeg: alone([](Vec one) HWY_ATTR { return hn::Neg(one); }); break;
      case ChainOp::kAbs: alone([](Vec one) HWY_ATTR { return hn::Abs(one); }); break;
      case ChainOp::kSqrt: alone([](Vec one) HWY_ATTR { return hn::Sqrt(one); }); break;
      case ChainOp::kNone: break;
    }
  }
  if (past_cache) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) hn::Stream(a[v], d, y + i + v * L);
  } else {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) hn::StoreU(a[v], d, y + i + v * L);
  }
}

// What fills no vector of 2 L elements.
template <typename T, int64_t L>
void run_rest(const T* x, const ChainStep<T>* steps, int64_t count, T* y, int64_t i, int64_t n) {
  if (i + L <= n) {
    through<T, 1, L>(x, steps, count, y, i, false);
    i += L;
  }
  if constexpr (L > 1) {
    if (i < n) run_rest<T, L / 2>(x, steps, count, y, i, n);
  }
}

template <typename T>
void run(const T* x, const ChainStep<T>* steps, int64_t count, T* y, int64_t n, bool past_cache) {
  constexpr int64_t kLanes = HWY_LANES(T);
  // Stores past the cache take whole vectors that lie as vectors do.
  past_cache = past_cache && reinterpret_cast<uintptr_t>(y) % (kLanes * sizeof(T)) == 0;
  int64_t i = 0;
  for (; i + kVectors * kLanes <= n; i += kVectors * kLanes) {
    through<T, kVectors, kLanes>(x, steps, count, y, i, past_cache);
  }
  for (; i + kLanes <= n; i += kLanes) through<T, 1, kLanes>(x, steps, count, y, i, false);
  run_rest<T, kLanes / 2>(x, steps, count, y, i, n);
  if (past_cache) hwy::FlushStream();
}

}  // namespace

extern constexpr ChainTable<float> kChainF32 = {run<float>};
extern constexpr ChainTable<double> kChainF64 = {run<double>};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const ChainTable<float>& chain_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kChainF32); }
const ChainTable<double>& chain_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kChainF64); }

}  // namespace weft
#endif
