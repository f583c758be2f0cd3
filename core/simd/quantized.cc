// Bytes that stand for numbers.
#include "core/simd/quantized.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/quantized.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/simd/lanes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

using Words = hn::ScalableTag<int32_t>;
using Floats = hn::ScalableTag<float>;
using WordsV = hn::Vec<Words>;
using FloatsV = hn::Vec<Floats>;
constexpr int64_t kLanes = HWY_LANES(float);

// Reads a vector of numbers: bytes by their code, or f32.
template <typename T>
struct Reader {
  FloatsV scale;
  WordsV zero;

  HWY_INLINE explicit Reader(const ByteCode& code)
      : scale(hn::Set(Floats(), code.scale)), zero(hn::Set(Words(), code.zero)) {}
  HWY_INLINE FloatsV at(const T* x) const {
    const hn::Rebind<T, Words> bytes;
    const WordsV whole = hn::Sub(hn::PromoteTo(Words(), hn::LoadU(bytes, x)), zero);
    return hn::Mul(hn::ConvertTo(Floats(), whole), scale);
  }
};
template <>
struct Reader<float> {
  HWY_INLINE explicit Reader(const ByteCode&) {}
  HWY_INLINE FloatsV at(const float* x) const { return hn::LoadU(Floats(), x); }
};

// Writes a vector of numbers as bytes.
template <typename T>
struct Writer {
  FloatsV scale, low, high;
  int32_t zero;

  HWY_INLINE explicit Writer(const ByteResult& y)
      : scale(hn::Set(Floats(), y.code.scale)),
        low(hn::Set(Floats(), static_cast<float>(y.least - y.code.zero))),
        high(hn::Set(Floats(), static_cast<float>(y.most - y.code.zero))),
        zero(y.code.zero) {}
  HWY_INLINE void write(FloatsV x, T* to) const {
    const FloatsV steps = hn::Div(x, scale);
    const FloatsV within = hn::Min(high, hn::IfThenElse(hn::Gt(steps, low), steps, low));
    store_bytes(within, zero, to);
  }
  // The first `n` of a vector.
  HWY_INLINE void write_some(FloatsV x, int64_t n, T* to) const {
    T whole[kLanes];
    write(x, whole);
    for (int64_t i = 0; i < n; ++i) to[i] = whole[i];
  }
};

template <typename T, bool adds>
void read_all(const T* from, int64_t n, const ByteCode& code, float* to) {
  const Reader<T> reader(code);
  const Floats d;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const FloatsV x = reader.at(from + i);
    hn::StoreU(adds ? hn::Add(hn::LoadU(d, to + i), x) : x, d, to + i);
  }
  for (; i < n; ++i) {
    const float x = static_cast<float>(from[i] - code.zero) * code.scale;
    to[i] = adds ? to[i] + x : x;
  }
}
template <bool adds>
void read_bytes(const uint8_t* from, int64_t n, const ByteCode& code, float* to) {
  if (code.is_signed)
    read_all<int8_t, adds>(reinterpret_cast<const int8_t*>(from), n, code, to);
  else
    read_all<uint8_t, adds>(from, n, code, to);
}

template <typename T>
void quantize_as(const float* from, int64_t n, float divisor, const ByteResult& y, T* to) {
  const Writer<T> writer(y);
  const Floats d;
  const FloatsV by = hn::Set(d, divisor);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) writer.write(hn::Div(hn::LoadU(d, from + i), by), to + i);
  if (i < n) writer.write_some(hn::Div(load_tail(from + i, n - i), by), n - i, to + i);
}
void quantize(const float* from, int64_t n, float divisor, const ByteResult& y, uint8_t* to) {
  if (y.code.is_signed)
    quantize_as(from, n, divisor, y, reinterpret_cast<int8_t*>(to));
  else
    quantize_as(from, n, divisor, y, to);
}

template <bool multiplies, typename A, typename B, typename T>
void pair_as(const BytePair& p, const A* a, const B* b, int64_t n, T* to) {
  const Reader<A> left(p.a);
  const Reader<B> right(p.b);
  const Writer<T> writer(p.y);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const FloatsV x = left.at(a + i), z = right.at(b + i);
    writer.write(multiplies ? hn::Mul(x, z) : hn::Add(x, z), to + i);
  }
  if (i == n) return;
  const Tail<A> last_a(a + i, n - i, A(0));
  const Tail<B> last_b(b + i, n - i, B(0));
  const FloatsV x = left.at(last_a.lanes), z = right.at(last_b.lanes);
  writer.write_some(multiplies ? hn::Mul(x, z) : hn::Add(x, z), n - i, to + i);
}
template <bool multiplies, typename A, typename B>
void pair_to(const BytePair& p, const A* a, const B* b, int64_t n, uint8_t* to) {
  if (p.y.code.is_signed)
    pair_as<multiplies>(p, a, b, n, reinterpret_cast<int8_t*>(to));
  else
    pair_as<multiplies>(p, a, b, n, to);
}
template <bool multiplies, typename A>
void pair_with(const BytePair& p, const A* a, const void* b, int64_t n, uint8_t* to) {
  if (p.b_is_float)
    pair_to<multiplies>(p, a, static_cast<const float*>(b), n, to);
  else if (p.b.is_signed)
    pair_to<multiplies>(p, a, static_cast<const int8_t*>(b), n, to);
  else
    pair_to<multiplies>(p, a, static_cast<const uint8_t*>(b), n, to);
}
template <bool multiplies>
void pair(const BytePair& p, const void* a, const void* b, int64_t n, uint8_t* to) {
  if (p.a.is_signed)
    pair_with<multiplies>(p, static_cast<const int8_t*>(a), b, n, to);
  else
    pair_with<multiplies>(p, static_cast<const uint8_t*>(a), b, n, to);
}

template <typename T>
void quantize_sums_as(const ScaledSums& s, int64_t n, const ByteResult& y, T* to) {
  const Writer<T> writer(y);
  const Floats d;
  const Words words;
  const FloatsV scale = hn::Set(d, s.scales[0]), addend = hn::Set(d, s.addends[0]);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const FloatsV x = hn::ConvertTo(d, hn::LoadU(words, s.from + i));
    const FloatsV scaled = hn::Mul(x, s.scale_step == 0 ? scale : hn::LoadU(d, s.scales + i));
    writer.write(hn::Add(scaled, s.addend_step == 0 ? addend : hn::LoadU(d, s.addends + i)), to + i);
  }
  if (i == n) return;
  const int64_t left = n - i;
  const FloatsV x = hn::ConvertTo(d, load_tail(s.from + i, left));
  const FloatsV scaled = hn::Mul(x, s.scale_step == 0 ? scale : load_tail(s.scales + i, left));
  writer.write_some(hn::Add(scaled, s.addend_step == 0 ? addend : load_tail(s.addends + i, left)), left, to + i);
}
void quantize_sums(const ScaledSums& s, int64_t n, const ByteResult& y, uint8_t* to) {
  if (n == 0) return;
  if (y.code.is_signed)
    quantize_sums_as(s, n, y, reinterpret_cast<int8_t*>(to));
  else
    quantize_sums_as(s, n, y, to);
}

}  // namespace

extern constexpr QuantizedTable kQuantized = {read_bytes<false>, read_bytes<true>, quantize,
                                              pair<false>,       pair<true>,       quantize_sums};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const QuantizedTable& quantized_table([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kQuantized); }

}  // namespace weft
#endif
