// The innermost part of products of 8-bit numbers: tiles of sums that stay in registers, for every instruction set. Nothing
// saturates: numbers are widened to 16 bits and multiplied in pairs, or multiplied four at a time into 32 bits.
#include "core/simd/gemm_integer_tiles.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/gemm_integer_tiles.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/simd/lanes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

using Words = hn::ScalableTag<int32_t>;
using WordsV = hn::Vec<Words>;
constexpr int64_t kLanes = HWY_LANES(int32_t);
constexpr int64_t kPanel = 2 * kLanes;

template <typename T>
HWY_INLINE T load_as(const uint8_t* from) {
  T value;
  __builtin_memcpy(&value, from, sizeof(T));
  return value;
}
template <typename T>
HWY_INLINE void store_as(T value, uint8_t* to) {
  __builtin_memcpy(to, &value, sizeof(T));
}

// Numbers of a are of 16 bits, those of b become so: two products fit into 32 bits.
struct Pairs {
  static constexpr int64_t kGroup = 2;
  using Group = uint16_t;
  // Sums, two vectors of columns and what else is alive fill the registers; on NEON each sum is in two parts.
  static constexpr int kRows = HWY_TARGET == HWY_AVX3 ? 12 : HWY_TARGET == HWY_AVX2 ? 5 : 4;
  static constexpr bool kWidens = true;
  static constexpr bool kSigned[2] = {true, true};

  static HWY_INLINE auto left(const uint8_t* a) {
    const hn::ScalableTag<int16_t> d;
    return hn::BitCast(d, hn::Set(Words(), load_as<int32_t>(a)));
  }
  static HWY_INLINE auto right(const uint8_t* b) {
    const hn::ScalableTag<int16_t> d;
    const hn::Rebind<int8_t, decltype(d)> bytes;
    return hn::PromoteTo(d, hn::LoadU(bytes, reinterpret_cast<const int8_t*>(b)));
  }
  template <bool a_signed, class V>
  static HWY_INLINE WordsV add(V left, V right, WordsV sum, WordsV& other) {
    return hn::ReorderWidenMulAccumulate(Words(), left, right, sum, other);
  }
  static HWY_INLINE WordsV total(WordsV sum, WordsV other) { return hn::RearrangeToOddPlusEven(sum, other); }
};

#if HWY_TARGET == HWY_AVX3
// With VNNI: numbers without a sign by numbers with one, of which either may be those of a.
struct Quads {
  static constexpr int64_t kGroup = 4;
  using Group = uint32_t;
  static constexpr int kRows = 14;
  static constexpr bool kWidens = false;
  static constexpr bool kSigned[2] = {true, false};

  static HWY_INLINE WordsV left(const uint8_t* a) { return hn::Set(Words(), load_as<int32_t>(a)); }
  static HWY_INLINE WordsV right(const uint8_t* b) { return hn::LoadU(Words(), reinterpret_cast<const int32_t*>(b)); }
  // As an instruction: that of the compiler asks for functions of a target that Highway 1.0 has not.
  template <bool a_signed>
  static HWY_INLINE WordsV add(WordsV left, WordsV right, WordsV sum, WordsV&) {
    if constexpr (a_signed)
      __asm__("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(right.raw), "v"(left.raw));
    else
      __asm__("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(left.raw), "v"(right.raw));
    return sum;
  }
  static HWY_INLINE WordsV total(WordsV sum, WordsV) { return sum; }
};
#endif

// Bytes that a vector of columns takes for one group.
template <class Step>
constexpr int64_t kBytes = kLanes* Step::kGroup;

// A vector of sums with what a row adds to them.
HWY_INLINE WordsV with_terms(const IntegerRow& row, const int32_t* terms, const int32_t* zeros, WordsV sum) {
  const Words d;
  const auto taken =
      hn::Add(hn::Mul(hn::Set(d, row.zero), hn::LoadU(d, terms)), hn::Mul(hn::Set(d, row.sum), hn::LoadU(d, zeros)));
  return hn::Add(sum, hn::Sub(hn::Set(d, row.add), taken));
}

// R rows and P panels, of which V vectors each.
template <class Step, bool a_signed, int R, int V, int P>
HWY_INLINE void tile(const IntegerPanel& p, const uint8_t* a, const IntegerRow* rows, int64_t distance, int32_t* c,
                     int64_t c_row) {
  const Words d;
  WordsV sum[R][P * V], other[R][P * V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < P * V; ++v) sum[r][v] = other[r][v] = hn::Zero(d);
  }
  const uint8_t *b = p.b, *ahead = p.ahead;
  for (int64_t k = 0; k < p.groups; ++k, a += 4, b += 2 * kBytes<Step>) {
    if (P == 1 && ahead != nullptr) {
      fetch(ahead, 2 * kBytes<Step>);
      ahead += 2 * kBytes<Step>;
    }
#pragma GCC unroll 4
    for (int panel = 0; panel < P; ++panel) {
      decltype(Step::right(b)) right[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) right[v] = Step::right(b + panel * distance + v * kBytes<Step>);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const auto left = Step::left(a + r * p.a_row);
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) {
          const int at = panel * V + v;
          sum[r][at] = Step::template add<a_signed>(left, right[v], sum[r][at], other[r][at]);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < P * V; ++v) {
      auto total = Step::total(sum[r][v], other[r][v]);
      if (rows != nullptr) total = with_terms(rows[r], p.column_terms + v * kLanes, p.column_zeros + v * kLanes, total);
      hn::StoreU(total, d, c + r * c_row + v * kLanes);
    }
  }
}

// A tile at the right edge goes through memory of full width.
template <class Step, bool a_signed, int R, int V>
void rows_of(const IntegerPanel& p, const uint8_t* a, const IntegerRow* rows, int32_t* c) {
  constexpr int64_t kWidth = V * kLanes;
  HWY_ALIGN int32_t whole[R * kWidth];
  const bool edge = p.columns < kWidth;
  tile<Step, a_signed, R, V, 1>(p, a, rows, 0, edge ? whole : c, edge ? kWidth : p.c_row);
  if (!edge) return;
  for (int r = 0; r < R; ++r) {
    for (int64_t j = 0; j < p.columns; ++j) c[r * p.c_row + j] = whole[r * kWidth + j];
  }
}

using RowsFn = void (*)(const IntegerPanel& p, const uint8_t* a, const IntegerRow* rows, int32_t* c);

// Functions for 1, 2, ... rows.
template <class Step, bool a_signed, int V, int R>
constexpr RowsFn height() {
  if constexpr (R <= Step::kRows) return rows_of<Step, a_signed, R, V>;
  return nullptr;
}
template <class Step, bool a_signed, int V>
struct Heights {
  static constexpr RowsFn kRows[] = {
      height<Step, a_signed, V, 1>(),  height<Step, a_signed, V, 2>(),  height<Step, a_signed, V, 3>(),
      height<Step, a_signed, V, 4>(),  height<Step, a_signed, V, 5>(),  height<Step, a_signed, V, 6>(),
      height<Step, a_signed, V, 7>(),  height<Step, a_signed, V, 8>(),  height<Step, a_signed, V, 9>(),
      height<Step, a_signed, V, 10>(), height<Step, a_signed, V, 11>(), height<Step, a_signed, V, 12>(),
      height<Step, a_signed, V, 13>(), height<Step, a_signed, V, 14>()};
};

// Tile heights as equal as can be.
template <class Step, bool a_signed>
void run_panel(const IntegerPanel& p) {
  const RowsFn* heights = p.columns <= kLanes ? Heights<Step, a_signed, 1>::kRows : Heights<Step, a_signed, 2>::kRows;
  const int64_t tiles = (p.rows + Step::kRows - 1) / Step::kRows;
  IntegerPanel of_tile = p;
  for (int64_t i = 0, row = 0; i < tiles; ++i) {
    const int64_t next = (i + 1) * p.rows / tiles;
    of_tile.ahead = i > 0 && i + 1 == tiles ? p.ahead : nullptr;
    heights[next - row - 1](of_tile, p.a + row * p.a_row, p.row_terms != nullptr ? p.row_terms + row : nullptr,
                            p.c + row * p.c_row);
    row = next;
  }
}

template <class Step, bool a_signed>
void run_low(const IntegerPanel& p, int64_t distance) {
  if (p.rows == 2)
    tile<Step, a_signed, 2, 2, 2>(p, p.a, p.row_terms, distance, p.c, p.c_row);
  else if (p.columns == 2 * kPanel)
    tile<Step, a_signed, 1, 2, 2>(p, p.a, p.row_terms, distance, p.c, p.c_row);
  else
    tile<Step, a_signed, 1, 2, 4>(p, p.a, p.row_terms, distance, p.c, p.c_row);
}

template <class Step, bool b_signed>
void sum_panel(const uint8_t* b, int64_t groups, int32_t* sums) {
  const Words d;
  // As many ones as a group has, with the other sign.
  const uint8_t ones[4] = {1, Step::kWidens ? uint8_t{0} : uint8_t{1}, 1, Step::kWidens ? uint8_t{0} : uint8_t{1}};
  const auto left = Step::left(ones);
  auto sum0 = hn::Zero(d), sum1 = sum0, other0 = sum0, other1 = sum0;
  for (int64_t k = 0; k < groups; ++k, b += 2 * kBytes<Step>) {
    sum0 = Step::template add<!b_signed>(left, Step::right(b), sum0, other0);
    sum1 = Step::template add<!b_signed>(left, Step::right(b + kBytes<Step>), sum1, other1);
  }
  hn::StoreU(Step::total(sum0, other0), d, sums);
  hn::StoreU(Step::total(sum1, other1), d, sums + kLanes);
}

template <class Step>
void pack_rows(const uint8_t* from, int64_t distance, int64_t groups, uint8_t flip, uint8_t* to) {
  constexpr int64_t kAtOnce = kPanel < 16 ? kPanel : 16, kGroup = Step::kGroup;
  const hn::CappedTag<uint8_t, kAtOnce> d;
  const hn::Repartition<uint16_t, decltype(d)> pairs;
  const auto flips = hn::Set(d, flip);
  for (int64_t k = 0; k < groups; ++k, from += kGroup * distance) {
    for (int64_t j = 0; j < kPanel; j += kAtOnce, to += kAtOnce * kGroup) {
      const auto row = [&](int64_t i) { return hn::Xor(hn::LoadU(d, from + i * distance + j), flips); };
      const auto a = row(0), b = row(1);
      const auto low = hn::InterleaveLower(d, a, b), high = hn::InterleaveUpper(d, a, b);
      if constexpr (kGroup == 2) {
        hn::StoreU(low, d, to);
        hn::StoreU(high, d, to + kAtOnce);
      } else {
        const auto c = row(2), e = row(3);
        const auto low2 = hn::BitCast(pairs, hn::InterleaveLower(d, c, e));
        const auto high2 = hn::BitCast(pairs, hn::InterleaveUpper(d, c, e));
        const auto low1 = hn::BitCast(pairs, low), high1 = hn::BitCast(pairs, high);
        hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, low1, low2)), d, to);
        hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low1, low2)), d, to + kAtOnce);
        hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high1, high2)), d, to + 2 * kAtOnce);
        hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high1, high2)), d, to + 3 * kAtOnce);
      }
    }
  }
}

template <class Step>
void pack_columns(const uint8_t* from, int64_t distance, int64_t width, int64_t groups, uint8_t flip, uint8_t* to) {
  using Group = typename Step::Group;
  constexpr int64_t kSize = sizeof(Group), kLine = 64 / kSize;
  const Group flips = static_cast<Group>(flip * Group(0x01010101u));
  // What lies side by side in a cache line is read together.
  for (int64_t begin = 0; begin < groups; begin += kLine) {
    const int64_t end = begin + kLine < groups ? begin + kLine : groups;
    for (int64_t j = 0; j < width; ++j) {
      for (int64_t k = begin; k < end; ++k) {
        const Group group = load_as<Group>(from + j * distance + k * kSize);
        store_as(static_cast<Group>(group ^ flips), to + (k * kPanel + j) * kSize);
      }
    }
  }
}

template <typename T, typename Wide>
void copy_numbers(const uint8_t* from, int64_t step, int64_t n, int64_t padded, uint8_t* to) {
  if (step == 1) {
    for (int64_t i = 0; i < n; ++i) store_as(static_cast<Wide>(static_cast<T>(from[i])), to + i * sizeof(Wide));
  } else {
    for (int64_t i = 0; i < n; ++i) store_as(static_cast<Wide>(static_cast<T>(from[i * step])), to + i * sizeof(Wide));
  }
  for (int64_t i = n; i < padded; ++i) store_as(Wide(0), to + i * sizeof(Wide));
}

template <class Step>
void pack_a(const uint8_t* from, int64_t step, int64_t n, bool is_signed, uint8_t* to) {
  const int64_t padded = (n + Step::kGroup - 1) / Step::kGroup * Step::kGroup;
  if constexpr (!Step::kWidens)
    copy_numbers<uint8_t, uint8_t>(from, step, n, padded, to);
  else if (is_signed)
    copy_numbers<int8_t, int16_t>(from, step, n, padded, to);
  else
    copy_numbers<uint8_t, int16_t>(from, step, n, padded, to);
}

template <typename T>
int32_t sum_numbers(const uint8_t* from, int64_t step, int64_t n) {
  uint32_t sum = 0;
  if (step == 1) {
    for (int64_t i = 0; i < n; ++i) sum += static_cast<uint32_t>(static_cast<T>(from[i]));
  } else {
    for (int64_t i = 0; i < n; ++i) sum += static_cast<uint32_t>(static_cast<T>(from[i * step]));
  }
  return static_cast<int32_t>(sum);
}
int32_t sum_row(const uint8_t* from, int64_t step, int64_t n, bool is_signed) {
  return is_signed ? sum_numbers<int8_t>(from, step, n) : sum_numbers<uint8_t>(from, step, n);
}

template <typename T>
void quantize_as(const int32_t* from, int64_t n, const int32_t* bias, const float* scales, int64_t step, int32_t zero,
                 T* to) {
  const Words d;
  const hn::ScalableTag<float> floats;
  const auto one = hn::Set(floats, scales[0]);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    auto sums = hn::LoadU(d, from + i);
    if (bias != nullptr) sums = hn::Add(sums, hn::LoadU(d, bias + i));
    quantize_vector(sums, step == 0 ? one : hn::LoadU(floats, scales + i), zero, to + i);
  }
  if (i == n) return;
  auto rest = load_tail(from + i, n - i);
  if (bias != nullptr) rest = hn::Add(rest, load_tail(bias + i, n - i));
  T out[kLanes];
  quantize_vector(rest, step == 0 ? one : load_tail(scales + i, n - i), zero, out);
  for (int64_t j = i; j < n; ++j) to[j] = out[j - i];
}
void quantize(const int32_t* from, int64_t n, const int32_t* bias, const float* scales, int64_t step, int32_t zero,
              bool is_signed, uint8_t* to) {
  if (is_signed)
    quantize_as(from, n, bias, scales, step, zero, reinterpret_cast<int8_t*>(to));
  else
    quantize_as(from, n, bias, scales, step, zero, to);
}

template <class Step>
constexpr IntegerTiles table() {
  return {Step::kRows,
          kPanel,
          Step::kGroup,
          Step::kWidens,
          {Step::kSigned[0], Step::kSigned[1]},
          {run_panel<Step, false>, run_panel<Step, true>},
          {run_low<Step, false>, run_low<Step, true>},
          {sum_panel<Step, false>, sum_panel<Step, true>},
          pack_rows<Step>,
          pack_columns<Step>,
          pack_a<Step>,
          sum_row,
          quantize};
}

}  // namespace

extern constexpr IntegerTiles kGemmInteger = table<Pairs>();
#if HWY_TARGET == HWY_AVX3
extern constexpr IntegerTiles kGemmIntegerVnni = table<Quads>();
#endif

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const IntegerTiles& integer_tiles([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512Vnni) return N_AVX3::kGemmIntegerVnni;
#endif
  return WEFT_TABLE_OF(isa, kGemmInteger);
}

}  // namespace weft
#endif
