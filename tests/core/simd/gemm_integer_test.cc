// Products of 8-bit numbers on every instruction set, against sums in 64 bits.
#include "core/simd/gemm_integer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/simd/gemm_integer_tiles.h"

namespace weft {
namespace {

constexpr Parallel kOneThread{.max_threads = 1};

struct Numbers {
  uint64_t state = 1;
  // Often the extremes: sums of products of those are what saturates where anything does.
  uint8_t next() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const uint8_t extremes[] = {0, 127, 128, 255};
    return state >> 62 == 0 ? extremes[state >> 60 & 3] : static_cast<uint8_t>(state >> 40);
  }
  std::vector<uint8_t> some(int64_t n) {
    std::vector<uint8_t> out(static_cast<size_t>(n));
    for (uint8_t& x : out) x = next();
    return out;
  }
};

int64_t value(uint8_t x, bool is_signed) { return is_signed ? static_cast<int8_t>(x) : x; }

// A product and what it reads.
struct Case {
  int64_t m, n, k;
  bool a_signed, b_signed, a_turned, b_turned;
  int64_t a_zeros, b_zeros;  // how many: none, one, or one for each row or column
  bool biased;
  std::vector<uint8_t> a{}, b{}, a_zero{}, b_zero{};
  std::vector<int32_t> bias{};
  GemmInteger gemm{};

  void fill(Numbers& numbers) {
    a = numbers.some(m * k);
    b = numbers.some(k * n);
    a_zero = numbers.some(a_zeros);
    b_zero = numbers.some(b_zeros);
    for (int64_t i = 0; i < m; ++i) bias.push_back(static_cast<int32_t>(numbers.next() * 10000000u));
    gemm.m = m;
    gemm.n = gemm.c_row = n;
    gemm.k = k;
    gemm.a = a.data();
    gemm.a_signed = a_signed;
    gemm.a_row = a_turned ? 1 : k;
    gemm.a_column = a_turned ? m : 1;
    gemm.b = b.data();
    gemm.b_signed = b_signed;
    gemm.b_row = b_turned ? 1 : n;
    gemm.b_column = b_turned ? k : 1;
    if (a_zeros > 0) gemm.a_zero = a_zero.data();
    if (b_zeros > 0) gemm.b_zero = b_zero.data();
    gemm.a_zero_step = a_zeros > 1 ? 1 : 0;
    gemm.b_zero_step = b_zeros > 1 ? 1 : 0;
    if (biased) gemm.bias = bias.data();
  }
  int32_t wanted(int64_t i, int64_t j) const {
    int64_t sum = biased ? bias[static_cast<size_t>(i)] : 0;
    const int64_t za = a_zeros > 0 ? value(gemm.a_zero[i * gemm.a_zero_step], a_signed) : 0;
    const int64_t zb = b_zeros > 0 ? value(gemm.b_zero[j * gemm.b_zero_step], b_signed) : 0;
    for (int64_t p = 0; p < k; ++p) {
      sum += (value(gemm.a[i * gemm.a_row + p * gemm.a_column], a_signed) - za) *
             (value(gemm.b[p * gemm.b_row + j * gemm.b_column], b_signed) - zb);
    }
    return static_cast<int32_t>(static_cast<uint32_t>(sum));
  }
};

void expect_exact(const Case& made, bool packed, int threads) {
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    GemmInteger g = made.gemm;
    g.isa = isa;
    const Parallel parallel{.max_threads = threads};
    std::vector<uint8_t> panels(static_cast<size_t>(packed_integer_b_size(g)), 0xa5);
    if (packed) {
      pack_integer_b(g, panels.data(), parallel);
      g.packed_b = panels.data();
      g.b = nullptr;
    }
    std::vector<uint8_t> scratch(static_cast<size_t>(gemm_integer_scratch(g)), 0x5a);
    // Neighbours of the result stay as they were.
    std::vector<int32_t> c(static_cast<size_t>(g.m * g.n + 2), 77);
    g.c = c.data() + 1;
    RunScope scope(parallel);
    run_gemm_integer(g, scratch.data(), parallel);
    ASSERT_EQ(c.front(), 77);
    ASSERT_EQ(c.back(), 77);
    for (int64_t i = 0; i < g.m; ++i) {
      for (int64_t j = 0; j < g.n; ++j) {
        ASSERT_EQ(g.c[i * g.n + j], made.wanted(i, j))
            << isa_name(isa) << " " << g.m << " x " << g.n << " x " << g.k << (g.a_signed ? " i8" : " u8")
            << (g.b_signed ? " i8 at " : " u8 at ") << i << ", " << j;
      }
    }
  }
}

TEST(GemmInteger, IsExactForAllSizes) {
  Numbers numbers;
  const int64_t sizes[][3] = {{1, 1, 1},   {1, 128, 64}, {1, 259, 31}, {2, 70, 9},    {2, 256, 16}, {3, 5, 7},
                              {14, 32, 8}, {15, 33, 13}, {61, 17, 64}, {29, 64, 130}, {5, 300, 4},  {100, 40, 257},
                              {4, 4, 0},   {0, 3, 5},    {3, 0, 5},    {130, 9, 3},   {7, 96, 4096}};
  int64_t turn = 0;
  for (const auto& [m, n, k] : sizes) {
    for (int signs = 0; signs < 4; ++signs) {
      for (int turned = 0; turned < 4; ++turned) {
        ++turn;
        Case made{m,
                  n,
                  k,
                  (signs & 1) != 0,
                  (signs & 2) != 0,
                  (turned & 1) != 0,
                  (turned & 2) != 0,
                  turn % 3 == 0   ? 0
                  : turn % 3 == 1 ? 1
                                  : m,
                  turn / 3 % 3 == 0   ? 0
                  : turn / 3 % 3 == 1 ? 1
                                      : n,
                  turn % 5 == 0};
        made.fill(numbers);
        expect_exact(made, turn % 2 == 0, turn % 4 == 0 ? 3 : 1);
      }
    }
  }
}

TEST(GemmInteger, NothingSaturates) {
  for (int signs = 0; signs < 4; ++signs) {
    for (uint8_t left : {uint8_t{127}, uint8_t{128}, uint8_t{255}}) {
      for (uint8_t right : {uint8_t{127}, uint8_t{128}, uint8_t{255}}) {
        Case made{16, 40, 200, (signs & 1) != 0, (signs & 2) != 0, false, false, 0, 0, false};
        Numbers numbers;
        made.fill(numbers);
        std::fill(made.a.begin(), made.a.end(), left);
        std::fill(made.b.begin(), made.b.end(), right);
        expect_exact(made, false, 1);
      }
    }
  }
}

TEST(GemmInteger, SumsWrapAround) {
  Case made{1, 3, 40000, false, false, false, false, 0, 0, false};
  Numbers numbers;
  made.fill(numbers);
  std::fill(made.a.begin(), made.a.end(), uint8_t{255});
  std::fill(made.b.begin(), made.b.end(), uint8_t{255});
  expect_exact(made, false, 1);
  EXPECT_EQ(made.wanted(0, 0), static_cast<int32_t>(2601000000u));
}

TEST(GemmInteger, PlainlyIsTheSame) {
  Numbers numbers;
  Case made{5, 7, 19, true, false, false, true, 5, 7, true};
  made.fill(numbers);
  std::vector<int32_t> c(35);
  made.gemm.c = c.data();
  run_gemm_integer_plainly(made.gemm, kOneThread);
  for (int64_t i = 0; i < 5; ++i) {
    for (int64_t j = 0; j < 7; ++j) EXPECT_EQ(c[static_cast<size_t>(i * 7 + j)], made.wanted(i, j));
  }
}

// Each element is handed on once, final.
TEST(GemmInteger, Finishes) {
  Numbers numbers;
  Case made{70, 600, 33, false, true, false, false, 1, 600, false};
  made.fill(numbers);
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    GemmInteger g = made.gemm;
    g.isa = isa;
    std::vector<int32_t> c(70 * 600), seen(70 * 600 + 5, 0);
    struct State {
      const int32_t* c;
      int32_t* seen;
    } state{c.data(), seen.data()};
    const Finish finish{[](const void* self, int64_t begin, int64_t end) {
                          const State& s = *static_cast<const State*>(self);
                          for (int64_t i = begin; i < end; ++i) s.seen[i] += s.c[i - 5];
                        },
                        &state, 1};
    g.finish = &finish;
    g.finish_at = 5;
    g.c = c.data();
    std::vector<uint8_t> scratch(static_cast<size_t>(gemm_integer_scratch(g)));
    run_gemm_integer(g, scratch.data(), kOneThread);
    for (size_t i = 0; i < c.size(); ++i) ASSERT_EQ(seen[i + 5], c[i]) << isa_name(isa) << " " << i;
  }
}

TEST(GemmInteger, QuantizesToTheNearestWithinLimits) {
  const std::vector<int32_t> from = {
      0, 1, 2, 3, 5, -1, -3, -5, 509, 510, 511, 512, -256, -257, -258, 2147483647, -2147483647 - 1, 6, 7, 9};
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    for (bool is_signed : {false, true}) {
      for (int32_t zero : {0, 3, is_signed ? -128 : 255, 127}) {
        for (int64_t n = 1; n <= static_cast<int64_t>(from.size()); ++n) {
          std::vector<float> scales(from.size(), 0.5f);
          scales[3] = NAN;
          scales[5] = INFINITY;
          for (int64_t step : {0, 1}) {
            std::vector<uint8_t> to(from.size() + 1, 0xa5);
            integer_tiles(isa).quantize(from.data(), n, nullptr, scales.data(), step, zero, is_signed, to.data());
            const int64_t least = is_signed ? -128 : 0;
            for (size_t i = 0; i < to.size(); ++i) {
              if (static_cast<int64_t>(i) >= n) {
                ASSERT_EQ(to[i], 0xa5);
                continue;
              }
              const double x = step == 0 ? 0.5 * from[i] : from[i] * static_cast<double>(scales[i]);
              const double wanted = std::isnan(x) ? static_cast<double>(least)
                                                  : std::clamp(std::nearbyint(x) + zero, static_cast<double>(least),
                                                               static_cast<double>(least + 255));
              ASSERT_EQ(value(to[i], is_signed), static_cast<int64_t>(wanted))
                  << isa_name(isa) << " " << from[i] << " with zero point " << zero;
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace weft
