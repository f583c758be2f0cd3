// Numbers of 16 bits as f32 and back, by integer operations: not every processor has instructions for them.
#include "core/simd/halves.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/halves.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/simd/lanes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t kLanes = HWY_LANES(float);

// The 16 bits of each word become f32, and back. `Words` is a vector of 32-bit words.
struct Bf16 {
  template <class Words>
  static HWY_INLINE auto widen(Words bits) {
    const hn::RebindToFloat<hn::DFromV<Words>> d;
    return hn::BitCast(d, hn::ShiftLeft<16>(bits));
  }
  template <class Floats>
  static HWY_INLINE auto narrow(Floats x) {
    return hn::ShiftRight<16>(nearest_bf16(x));
  }
};

struct F16 {
  template <class Words>
  static HWY_INLINE auto widen(Words bits) {
    const hn::DFromV<Words> words;
    const hn::RebindToFloat<decltype(words)> d;
    const hn::RebindToSigned<decltype(words)> integers;
    const auto size = hn::And(bits, hn::Set(words, 0x7fff));
    const auto bias = hn::Set(words, 112u << 23);
    // The exponent of what is not finite is moved twice. Subnormal numbers are whole multiples of 2^-24.
    const auto normal = hn::Add(hn::ShiftLeft<13>(size), bias);
    const auto wide = hn::IfThenElse(hn::Gt(size, hn::Set(words, 0x7bff)), hn::Add(normal, bias), normal);
    const auto small = hn::Mul(hn::ConvertTo(d, hn::BitCast(integers, size)), hn::Set(d, 0x1p-24f));
    const auto found = hn::IfThenElse(hn::Lt(size, hn::Set(words, 0x400)), hn::BitCast(words, small), wide);
    return hn::BitCast(d, hn::Or(found, hn::ShiftLeft<16>(hn::And(bits, hn::Set(words, 0x8000)))));
  }
  template <class Floats>
  static HWY_INLINE auto narrow(Floats x) {
    const hn::DFromV<Floats> d;
    const hn::RebindToUnsigned<decltype(d)> words;
    const auto bits = hn::BitCast(words, x), size = hn::And(bits, hn::Set(words, 0x7fffffff));
    const auto last = hn::And(hn::ShiftRight<13>(size), hn::Set(words, 1));
    const auto normal =
        hn::ShiftRight<13>(hn::Add(hn::Sub(size, hn::Set(words, 112u << 23)), hn::Add(last, hn::Set(words, 0xfff))));
    // Adding 0.5 rounds a small number to a multiple of 2^-24.
    const auto lined = hn::Add(hn::BitCast(d, size), hn::Set(d, 0.5f));
    const auto small = hn::Sub(hn::BitCast(words, lined), hn::Set(words, 0x3f000000));
    auto found = hn::IfThenElse(hn::Lt(size, hn::Set(words, 0x38800000)), small, normal);
    found = hn::IfThenElse(hn::Gt(size, hn::Set(words, 0x477fefff)), hn::Set(words, 0x7c00), found);
    const auto nan = hn::Or(hn::Set(words, 0x7e00), hn::And(hn::ShiftRight<13>(size), hn::Set(words, 0x3ff)));
    found = hn::IfThenElse(hn::Gt(size, hn::Set(words, 0x7f800000)), nan, found);
    return hn::Or(found, hn::ShiftRight<16>(hn::AndNot(hn::Set(words, 0x7fffffff), bits)));
  }
};

template <class Type>
HWY_INLINE void widen_vector(const uint16_t* from, float* to) {
  const hn::ScalableTag<uint32_t> words;
  const hn::ScalableTag<float> d;
  const hn::Rebind<uint16_t, decltype(words)> halves;
  hn::StoreU(Type::widen(hn::PromoteTo(words, hn::LoadU(halves, from))), d, to);
}

template <class Type>
HWY_INLINE void narrow_vector(const float* from, uint16_t* to) {
  const hn::ScalableTag<float> d;
  const hn::ScalableTag<int32_t> integers;
  const hn::Rebind<uint16_t, decltype(integers)> halves;
  const auto bits = hn::BitCast(integers, Type::narrow(hn::LoadU(d, from)));
  hn::StoreU(hn::DemoteTo(halves, bits), halves, to);
}

template <class Type>
void widen(const uint16_t* from, int64_t n, float* to) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) widen_vector<Type>(from + i, to + i);
  if (i == n) return;
  uint16_t in[kLanes] = {};
  float out[kLanes];
  for (int64_t j = i; j < n; ++j) in[j - i] = from[j];
  widen_vector<Type>(in, out);
  for (int64_t j = i; j < n; ++j) to[j] = out[j - i];
}

template <class Type>
void narrow(const float* from, int64_t n, uint16_t* to) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) narrow_vector<Type>(from + i, to + i);
  if (i == n) return;
  const Tail<float> in(from + i, n - i, 0.0f);
  uint16_t out[kLanes];
  narrow_vector<Type>(in.lanes, out);
  for (int64_t j = i; j < n; ++j) to[j] = out[j - i];
}

}  // namespace

extern constexpr HalvesTable kHalvesBf16 = {widen<Bf16>, narrow<Bf16>};
extern constexpr HalvesTable kHalvesF16 = {widen<F16>, narrow<F16>};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const HalvesTable& halves_bf16([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kHalvesBf16); }
const HalvesTable& halves_f16([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kHalvesF16); }

}  // namespace weft
#endif
