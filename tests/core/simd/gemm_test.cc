// Matrix products on vectors, against sums in a wider type.
#include "core/simd/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

namespace weft {
namespace {

// Values in [-1, 1).
double noise(uint64_t& state) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<double>(state >> 40) / (1 << 23) - 1;
}

// The nearest bf16 of a number, ties to even.
float as_bf16(float x) {
  return std::bit_cast<float>((std::bit_cast<uint32_t>(x) + 0x7fff + (std::bit_cast<uint32_t>(x) >> 16 & 1)) &
                              0xffff0000);
}

struct Shape {
  int64_t m, n, k;
};

template <typename T>
class Fixture {
 public:
  Fixture(Shape shape, bool a_transposed, bool b_transposed, int64_t offset) : shape_(shape), offset_(offset) {
    auto [m, n, k] = shape;
    uint64_t state = 1;
    for (auto* v : {&a_, &b_, &init_}) {
      v->resize((v == &a_ ? m * k : v == &b_ ? k * n : m * n) + offset);
      for (T& x : *v) x = static_cast<T>(noise(state));
    }
    gemm_.m = m;
    gemm_.n = n;
    gemm_.k = k;
    gemm_.a = a_.data() + offset;
    gemm_.b = b_.data() + offset;
    gemm_.a_row = a_transposed ? 1 : k;
    gemm_.a_column = a_transposed ? m : 1;
    gemm_.b_row = b_transposed ? 1 : n;
    gemm_.b_column = b_transposed ? k : 1;
    gemm_.c_row = n;
  }
  Gemm<T>& gemm() { return gemm_; }
  const T* init() const { return init_.data() + offset_; }

  std::vector<T> run(int threads, bool prepack) const {
    Gemm<T> gemm = gemm_;
    Parallel parallel;
    parallel.max_threads = threads;
    std::vector<T> packed(prepack ? packed_b_size(gemm) + 1 : 0);
    if (prepack) {
      pack_b(gemm, packed.data() + 1, parallel);
      gemm.packed_b = packed.data() + 1;
      if (packs_whole_b(gemm)) gemm.b = nullptr;
    }
    // Neighbours of the result stay as they were.
    std::vector<T> c(gemm.m * gemm.n + offset_ + 8, std::numeric_limits<T>::quiet_NaN());
    std::vector<T> scratch(gemm_scratch(gemm), std::numeric_limits<T>::quiet_NaN());
    gemm.c = c.data() + offset_;
    RunScope scope(parallel);
    run_gemm(gemm, scratch.data(), parallel);
    for (int64_t i = 0; i < offset_; ++i) EXPECT_TRUE(std::isnan(c[i]));
    for (size_t i = c.size() - 8; i < c.size(); ++i) EXPECT_TRUE(std::isnan(c[i]));
    return {c.begin() + offset_, c.end() - 8};
  }

  // The same with elements of b rounded to bf16.
  Fixture rounded() const {
    Fixture other = *this;
    for (T& x : other.b_) x = as_bf16(x);
    other.gemm_.a = other.a_.data() + offset_;
    other.gemm_.b = other.b_.data() + offset_;
    return other;
  }

  // What every step()-th element of what run gives must be near to, whatever the instruction set.
  std::vector<double> right() const {
    const Gemm<T>& g = gemm_;
    std::vector<double> out;
    for (int64_t at = 0; at < g.m * g.n; at += step()) {
      const int64_t i = at / g.n, j = at % g.n;
      Wide sum = 0;
      const T *a = g.a + i * g.a_row, *b = g.b + j * g.b_column;
      for (int64_t k = 0; k < g.k; ++k, a += g.a_column, b += g.b_row) sum += static_cast<Wide>(*a) * *b;
      sum *= g.alpha;
      if (g.init != nullptr) sum += g.init[i * g.init_row + j * g.init_column];
      out.push_back(static_cast<double>(std::clamp<Wide>(sum, g.limits.low, g.limits.high)));
    }
    return out;
  }

  void expect_near(const std::vector<T>& c, const std::vector<double>& right) const {
    const Gemm<T>& g = gemm_;
    const double bound = std::numeric_limits<T>::epsilon() * static_cast<double>(g.k + 4);
    ASSERT_EQ(c.size(), static_cast<size_t>(g.m * g.n));
    for (size_t i = 0; i < right.size(); ++i) {
      ASSERT_NEAR(c[i * static_cast<size_t>(step())], right[i], bound)
          << g.m << "x" << g.n << "x" << g.k << " at " << i * static_cast<size_t>(step()) << " with "
          << isa_name(g.isa);
    }
  }

 private:
  // Not always long double: some processors have no such type, and compute with it in software.
  using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;

  // All elements; under emulation, of large products some of every row and column.
  int64_t step() const {
#ifdef __x86_64__
    return 1;
#else
    return gemm_.m * gemm_.n * gemm_.k < (1 << 20) ? 1 : gemm_.n % 7 != 0 ? 7 : 11;
#endif
  }

  Shape shape_;
  int64_t offset_;
  std::vector<T> a_, b_, init_;
  Gemm<T> gemm_;
};

template <typename T>
bool equal_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

template <typename T>
class GemmTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(GemmTest, Types);

TYPED_TEST(GemmTest, ShapesWithAllTails) {
  std::vector<Shape> shapes = {{1, 1, 1},      {5, 3, 0},      {0, 4, 4},   {4, 0, 4},   {32, 64, 64}, {129, 131, 33},
                               {65, 97, 1029}, {1, 300, 1029}, {2, 300, 9}, {1, 128, 3}, {2, 130, 4}};
  for (int64_t m = 1; m <= 30; ++m) shapes.push_back({m, 37, 5});
  for (int64_t n = 1; n <= 70; ++n) shapes.push_back({9, n, 7});
  for (Shape shape : shapes) {
    for (int way = 0; way < 4; ++way) {
      Fixture<TypeParam> f(shape, way & 1, way & 2, way);
      const std::vector<double> right = f.right();
      for (Isa isa : kAllIsas) {
        if (!isa_supported(isa)) continue;
        f.gemm().isa = isa;
        std::vector<TypeParam> c = f.run(1, false);
        f.expect_near(c, right);
        if (testing::Test::HasFatalFailure()) return;
        EXPECT_TRUE(equal_bits(c, f.run(1, true))) << "packed before";
        f.gemm().packs_all_of_b = true;
        EXPECT_TRUE(equal_bits(c, f.run(2, true))) << "all packed before";
        f.gemm().packs_all_of_b = false;
      }
    }
  }
}

TYPED_TEST(GemmTest, InitAlphaAndLimits) {
  for (Shape shape : {Shape{7, 45, 19}, Shape{70, 33, 1100}, Shape{1, 300, 1100}, Shape{2, 300, 19}}) {
    for (int way = 0; way < 8; ++way) {
      Fixture<TypeParam> f(shape, false, false, 3);
      f.gemm().packs_all_of_b = true;
      f.gemm().init = f.init();
      f.gemm().init_row = way & 1 ? shape.n : 0;
      f.gemm().init_column = way & 2 ? 1 : 0;
      if (way & 4) f.gemm().limits = {TypeParam(-0.5), TypeParam(0.75)};
      f.gemm().alpha = way & 4 ? TypeParam(1) : TypeParam(0.75);
      const std::vector<double> right = f.right();
      for (Isa isa : kAllIsas) {
        if (!isa_supported(isa)) continue;
        f.gemm().isa = isa;
        f.expect_near(f.run(1, false), right);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TYPED_TEST(GemmTest, ThreadsAndAlignmentDoNotChangeBits) {
  Fixture<TypeParam> aligned({257, 195, 1030}, false, false, 0), odd({257, 195, 1030}, false, false, 1);
  const std::vector<double> right = odd.right();
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    aligned.gemm().isa = odd.gemm().isa = isa;
    std::vector<TypeParam> one = aligned.run(1, false), shifted = odd.run(1, false);
    odd.expect_near(shifted, right);
    EXPECT_TRUE(equal_bits(one, aligned.run(2, false)));
    EXPECT_TRUE(equal_bits(one, aligned.run(4, false)));
    EXPECT_TRUE(equal_bits(one, aligned.run(4, true)));
    EXPECT_TRUE(equal_bits(shifted, odd.run(4, false)));
  }
}

// One row alone gets the bits that it gets among many.
TYPED_TEST(GemmTest, BitsDoNotDependOnTheTile) {
  Fixture<TypeParam> many({100, 300, 50}, false, false, 0);
  std::vector<TypeParam> all = many.run(1, false);
  for (int64_t row : {0, 13, 99}) {
    Fixture<TypeParam> one({100, 300, 50}, false, false, 0);
    one.gemm().a += row * 50;
    one.gemm().m = 1;
    std::vector<TypeParam> c = one.run(1, false);
    EXPECT_TRUE(equal_bits(c, {all.begin() + row * 300, all.begin() + row * 300 + 300})) << row;
    one.gemm().packs_all_of_b = true;
    EXPECT_TRUE(equal_bits(c, one.run(1, false))) << row;
  }
}

TYPED_TEST(GemmTest, ReluKeepsNaN) {
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    TypeParam a = std::numeric_limits<TypeParam>::quiet_NaN(), b = 1, c = 0;
    Gemm<TypeParam> g;
    g.isa = isa;
    g.m = g.n = g.k = g.a_row = g.b_row = g.c_row = 1;
    g.a = &a;
    g.b = &b;
    g.c = &c;
    g.limits = {0, 6};
    std::vector<TypeParam> scratch(gemm_scratch(g));
    run_gemm(g, scratch.data(), Parallel{});
    EXPECT_TRUE(std::isnan(c));
  }
}

// -- Matrices stored as bf16.

// A product by the identity gives what is stored.
float stored_as_bf16(Isa isa, float x) {
  const float one = 1;
  float c = 0;
  Gemm<float> g;
  g.isa = isa;
  g.m = g.n = g.k = g.a_row = g.b_row = g.c_row = 1;
  g.packs_all_of_b = true;
  g.a = &one;
  g.b = &x;
  g.c = &c;
  std::vector<uint32_t> packed(packed_bf16_size(g));
  pack_bf16(g, packed.data(), Parallel{});
  g.packed_bf16 = packed.data();
  run_gemm<float>(g, nullptr, Parallel{});
  return c;
}

TEST(GemmBf16, ElementsAreRoundedToTheNearestTiesToEven) {
  struct Case {
    uint32_t from, to;
  };
  const Case cases[] = {
      {0x3f800000, 0x3f800000},  // 1
      {0x3f807fff, 0x3f800000},  // below the middle
      {0x3f808000, 0x3f800000},  // a tie, even as it is
      {0x3f808001, 0x3f810000},  // above the middle
      {0x3f818000, 0x3f820000},  // a tie, even above
      {0xbf818000, 0xbf820000},  // and below 0
      {0x3fffffff, 0x40000000},  // to the next exponent
      {0x00008001, 0x00010000},  // a subnormal number
      {0x7f7fffff, 0x7f800000},  // too great: infinite
      {0xff800000, 0xff800000},  // infinite
  };
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    for (const Case& c : cases)
      EXPECT_EQ(std::bit_cast<uint32_t>(stored_as_bf16(isa, std::bit_cast<float>(c.from))), c.to) << isa_name(isa);
    // Whose upper half would be infinite.
    for (uint32_t bits : {0x7f800001u, 0xffffffffu, 0x7fc00000u, 0x7fffffffu}) {
      EXPECT_TRUE(std::isnan(stored_as_bf16(isa, std::bit_cast<float>(bits)))) << isa_name(isa);
    }
  }
}

// The bits of a product in f32 with elements that were rounded before, whatever the tiles.
TEST(GemmBf16, IsTheProductOfRoundedElements) {
  std::vector<Shape> shapes = {{0, 4, 4},      {4, 0, 4},      {5, 3, 0},      {1, 1, 1},    {1, 300, 1029},
                               {2, 300, 1029}, {1, 128, 3},    {2, 130, 4},    {3, 131, 99}, {14, 70, 33},
                               {15, 70, 1030}, {60, 97, 1029}, {129, 131, 300}};
  for (int64_t m = 1; m <= 16; ++m) shapes.push_back({m, 37, 5});
  for (int64_t n = 1; n <= 70; ++n) shapes.push_back({n % 3 + 1, n, 7});
  for (Shape shape : shapes) {
    for (int way = 0; way < 4; ++way) {
      Fixture<float> f(shape, way & 1, way & 2, way);
      Gemm<float>& g = f.gemm();
      g.packs_all_of_b = true;
      g.init = f.init();
      g.init_row = shape.n;
      g.init_column = 1;
      if (way == 1) g.alpha = 0.75f;
      if (way == 2) g.limits = {-0.5f, 0.75f};
      for (Isa isa : kAllIsas) {
        if (!isa_supported(isa)) continue;
        g.isa = isa;
        std::vector<uint32_t> packed(packed_bf16_size(g) + 1);
        pack_bf16(g, packed.data() + 1, Parallel{});
        g.packed_bf16 = packed.data() + 1;
        const std::vector<float> c = f.run(1, false), shared = f.run(4, false);
        g.packed_bf16 = nullptr;
        EXPECT_TRUE(equal_bits(c, f.rounded().run(1, true)))
            << isa_name(isa) << " " << shape.m << "x" << shape.n << "x" << shape.k << " way " << way;
        EXPECT_TRUE(equal_bits(c, shared)) << isa_name(isa);
      }
    }
  }
}

}  // namespace
}  // namespace weft
