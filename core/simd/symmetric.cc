// The loops of the eigenvalues of symmetric matrices over rows, for every instruction set.
#include "core/simd/symmetric.h"

#include "core/simd/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/symmetric.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace weft {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Of 32 registers or 16.
constexpr bool kManyRegisters = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON;

template <typename T>
T dot(const T* x, const T* y, int64_t n) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  auto s0 = hn::Zero(d), s1 = s0;
  for (int64_t i = 0; i < n; i += kSymmetricBlock) {
    for (int64_t j = i; j < i + kSymmetricBlock; j += kLanes) {
      s0 = hn::MulAdd(hn::Load(d, x + j), hn::Load(d, y + j), s0);
      const auto next = s1;
      s1 = s0;
      s0 = next;
    }
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1)));
}

template <typename T>
T largest(const T* x, int64_t n) {
  const hn::ScalableTag<T> d;
  auto most = hn::Zero(d);
  for (int64_t i = 0; i < n; i += HWY_LANES(T)) most = hn::Max(most, hn::Abs(hn::Load(d, x + i)));
  return hn::GetLane(hn::MaxOfLanes(d, most));
}

template <typename T>
void combine(T a, const T* x, T b, const T* y, T* out, int64_t n) {
  const hn::ScalableTag<T> d;
  for (int64_t i = 0; i < n; i += HWY_LANES(T)) {
    const auto part = hn::Mul(hn::Set(d, b), hn::Load(d, y + i));
    hn::Store(hn::MulAdd(hn::Set(d, a), hn::Load(d, x + i), part), d, out + i);
  }
}

template <typename T>
void subtract(T a, const T* x, T b, const T* y, T* out, int64_t n) {
  const hn::ScalableTag<T> d;
  for (int64_t i = 0; i < n; i += HWY_LANES(T)) {
    const auto part = hn::NegMulAdd(hn::Set(d, b), hn::Load(d, y + i), hn::Load(d, out + i));
    hn::Store(hn::NegMulAdd(hn::Set(d, a), hn::Load(d, x + i), part), d, out + i);
  }
}

// Every element is read and written once: of a row left of its diagonal block for both halves of the matrix.
template <typename T>
void product(T* a, int64_t stride, int64_t size, const T* u, const T* w, const T* v, T* y) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T), kRows = kManyRegisters ? 4 : 2;
  using Vector = hn::Vec<decltype(d)>;
  for (int64_t i = 0; i < size; i += kLanes) hn::Store(hn::Zero(d), d, y + i);
  for (int64_t top = 0; top < size; top += kSymmetricBlock) {
    HWY_ALIGN T sums[kSymmetricBlock];
    for (int64_t row = top; row < top + kSymmetricBlock; row += kRows) {
      T* const rows = a + row * stride;
      Vector of_u[kRows], of_w[kRows], of_v[kRows], sum[kRows];
      for (int64_t r = 0; r < kRows; ++r) {
        of_u[r] = hn::Set(d, u[row + r]);
        of_w[r] = hn::Set(d, w[row + r]);
        of_v[r] = hn::Set(d, v[row + r]);
        sum[r] = hn::Zero(d);
      }
      for (int64_t j = 0; j < top; j += kLanes) {
        const auto at_u = hn::Load(d, u + j), at_w = hn::Load(d, w + j), at_v = hn::Load(d, v + j);
        auto at_y = hn::Load(d, y + j);
        for (int64_t r = 0; r < kRows; ++r) {
          T* const place = rows + r * stride + j;
          const auto x = hn::NegMulAdd(of_w[r], at_u, hn::NegMulAdd(of_u[r], at_w, hn::Load(d, place)));
          hn::Store(x, d, place);
          sum[r] = hn::MulAdd(x, at_v, sum[r]);
          at_y = hn::MulAdd(x, of_v[r], at_y);
        }
        hn::Store(at_y, d, y + j);
      }
      for (int64_t j = top; j < top + kSymmetricBlock; j += kLanes) {
        const auto at_u = hn::Load(d, u + j), at_w = hn::Load(d, w + j);
        auto at_y = hn::Load(d, y + j);
        for (int64_t r = 0; r < kRows; ++r) {
          T* const place = rows + r * stride + j;
          const auto x = hn::NegMulAdd(of_w[r], at_u, hn::NegMulAdd(of_u[r], at_w, hn::Load(d, place)));
          hn::Store(x, d, place);
          at_y = hn::MulAdd(x, of_v[r], at_y);
        }
        hn::Store(at_y, d, y + j);
      }
      for (int64_t r = 0; r < kRows; ++r) sums[row - top + r] = hn::GetLane(hn::SumOfLanes(d, sum[r]));
    }
    for (int64_t j = 0; j < kSymmetricBlock; j += kLanes) {
      hn::Store(hn::Add(hn::Load(d, y + top + j), hn::Load(d, sums + j)), d, y + top + j);
    }
  }
}

template <typename T>
void reflect(T* rows, const T* v, int64_t stride, const T* factor, const T* between, int64_t first, int64_t last) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T), kRows = kSymmetricRows;
  using Vector = hn::Vec<decltype(d)>;
  for (int64_t i = first; i < last; i += 2) {
    const T *const one = v + i * stride, *const two = one + stride;
    const int64_t n = (i + kSymmetricBlock) / kSymmetricBlock * kSymmetricBlock;
    Vector to_one[kRows], to_two[kRows];
    for (int64_t r = 0; r < kRows; ++r) to_one[r] = to_two[r] = hn::Zero(d);
    for (int64_t j = 0; j < n; j += kLanes) {
      const auto x_one = hn::Load(d, one + j), x_two = hn::Load(d, two + j);
      for (int64_t r = 0; r < kRows; ++r) {
        const auto x = hn::Load(d, rows + r * stride + j);
        to_one[r] = hn::MulAdd(x, x_one, to_one[r]);
        to_two[r] = hn::MulAdd(x, x_two, to_two[r]);
      }
    }
    for (int64_t r = 0; r < kRows; ++r) {
      const T along = factor[i] * hn::GetLane(hn::SumOfLanes(d, to_one[r]));
      to_one[r] = hn::Set(d, along);
      const T across = hn::GetLane(hn::SumOfLanes(d, to_two[r])) - along * between[i];
      to_two[r] = hn::Set(d, factor[i + 1] * across);
    }
    for (int64_t j = 0; j < n; j += kLanes) {
      const auto x_one = hn::Load(d, one + j), x_two = hn::Load(d, two + j);
      for (int64_t r = 0; r < kRows; ++r) {
        T* const place = rows + r * stride + j;
        hn::Store(hn::NegMulAdd(to_two[r], x_two, hn::NegMulAdd(to_one[r], x_one, hn::Load(d, place))), d, place);
      }
    }
  }
}

// A rotation as three shears: a product and a sum less than its definition takes.
template <typename Vector>
HWY_INLINE void turn(Vector sine, Vector tangent, Vector& low, Vector& high) {
  low = hn::NegMulAdd(tangent, high, low);
  high = hn::MulAdd(sine, low, high);
  low = hn::NegMulAdd(tangent, high, low);
}

// Two sweeps in one pass, the second a row behind the first: a row is read and written once for both.
template <typename T, int64_t kVectors>
class TwoSweeps {
 public:
  HWY_INLINE TwoSweeps(T* const* rows, int64_t column, const RotationSweep<T>& a, const RotationSweep<T>& b)
      : rows_(rows), column_(column), a_(a), b_(b), first_(HWY_MIN(a.first, b.first)) {
    const int64_t last = HWY_MAX(a.last, b.last);
    const auto sine = hn::Set(d, a.sine[last - 1]), tangent = hn::Set(d, a.tangent[last - 1]);
    for (int64_t k = 0; k < kVectors; ++k) {
      ahead_[k] = hn::Load(d, rows[last - 1] + column + k * kLanes);
      behind_[k] = hn::Load(d, rows[last] + column + k * kLanes);
      turn(sine, tangent, ahead_[k], behind_[k]);
    }
    next_ = last - 2;
  }
  HWY_INLINE bool has_next() const { return next_ >= first_; }
  HWY_INLINE void next() {
    const int64_t i = next_--;
    const auto sine_a = hn::Set(d, a_.sine[i]), tangent_a = hn::Set(d, a_.tangent[i]);
    const auto sine_b = hn::Set(d, b_.sine[i + 1]), tangent_b = hn::Set(d, b_.tangent[i + 1]);
    const T* const from = rows_[i] + column_;
    T* const to = rows_[i + 2] + column_;
    for (int64_t k = 0; k < kVectors; ++k) {
      auto low = hn::Load(d, from + k * kLanes), middle = ahead_[k], high = behind_[k];
      turn(sine_a, tangent_a, low, middle);
      turn(sine_b, tangent_b, middle, high);
      hn::Store(high, d, to + k * kLanes);
      ahead_[k] = low;
      behind_[k] = middle;
    }
  }
  HWY_INLINE void end() {
    const auto sine = hn::Set(d, b_.sine[first_]), tangent = hn::Set(d, b_.tangent[first_]);
    for (int64_t k = 0; k < kVectors; ++k) {
      turn(sine, tangent, ahead_[k], behind_[k]);
      hn::Store(ahead_[k], d, rows_[first_] + column_ + k * kLanes);
      hn::Store(behind_[k], d, rows_[first_ + 1] + column_ + k * kLanes);
    }
  }

 private:
  static constexpr hn::ScalableTag<T> d{};
  static constexpr int64_t kLanes = HWY_LANES(T);

  T* const* const rows_;
  const int64_t column_;
  const RotationSweep<T> a_, b_;
  const int64_t first_;
  int64_t next_;
  hn::Vec<hn::ScalableTag<T>> ahead_[kVectors],
      behind_[kVectors];  // a row each that waits for its sweep's next rotation
};

template <typename T, int64_t kVectors>
HWY_INLINE void rotate_twice(T* const* rows, int64_t column, const RotationSweep<T>& a, const RotationSweep<T>& b) {
  TwoSweeps<T, kVectors> both(rows, column, a, b);
  while (both.has_next()) both.next();
  both.end();
}

template <typename T, int64_t kVectors>
HWY_INLINE void rotate_once(T* const* rows, int64_t column, const RotationSweep<T>& a) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = HWY_LANES(T);
  hn::Vec<decltype(d)> ahead[kVectors];
  for (int64_t k = 0; k < kVectors; ++k) ahead[k] = hn::Load(d, rows[a.last] + column + k * kLanes);
  for (int64_t i = a.last - 1; i >= a.first; --i) {
    const auto sine = hn::Set(d, a.sine[i]), tangent = hn::Set(d, a.tangent[i]);
    for (int64_t k = 0; k < kVectors; ++k) {
      auto low = hn::Load(d, rows[i] + column + k * kLanes);
      turn(sine, tangent, low, ahead[k]);
      hn::Store(ahead[k], d, rows[i + 1] + column + k * kLanes);
      ahead[k] = low;
    }
  }
  for (int64_t k = 0; k < kVectors; ++k) hn::Store(ahead[k], d, rows[a.first] + column + k * kLanes);
}

// Whether it is less work to let both sweeps turn by nothing where only the other has rotations.
template <typename T>
bool overlap(const RotationSweep<T>& a, const RotationSweep<T>& b) {
  const int64_t both = HWY_MAX(a.last, b.last) - HWY_MIN(a.first, b.first);
  return 5 * both <= 3 * ((a.last - a.first) + (b.last - b.first));
}

template <typename T, int64_t kVectors>
void rotate_columns(T* const* rows, int64_t column, const RotationSweep<T>* sweeps, int64_t count) {
  int64_t i = 0;
  while (i < count) {
    if (i + 1 < count && overlap(sweeps[i], sweeps[i + 1])) {
      rotate_twice<T, kVectors>(rows, column, sweeps[i], sweeps[i + 1]);
      i += 2;
    } else {
      rotate_once<T, kVectors>(rows, column, sweeps[i]);
      i += 1;
    }
  }
}

template <typename T>
void rotate(T* const* rows, int64_t begin, int64_t end, const RotationSweep<T>* sweeps, int64_t count) {
  constexpr int64_t kLanes = HWY_LANES(T), kWide = kManyRegisters ? 4 : 2;
  int64_t i = begin;
  for (; i + kWide * kLanes <= end; i += kWide * kLanes) rotate_columns<T, kWide>(rows, i, sweeps, count);
  for (; i < end; i += kLanes) rotate_columns<T, 1>(rows, i, sweeps, count);
}

HWY_INLINE double absolute(double x) { return x < 0 ? -x : x; }
HWY_INLINE double root_of(double x) {
  const hn::CappedTag<double, 1> one;
  return hn::GetLane(hn::Sqrt(hn::Set(one, x)));
}

// Takes (g, f) to (length, 0). The cosine is not negative, for which the length has the sign of g.
struct Rotation {
  double cosine, sine, length;
};
template <typename T>
HWY_INLINE Rotation rotation_of(double g, double f) {
  const double square = f * f + g * g;
  if (HWY_UNLIKELY(square < 1e-280)) {
    const double largest = HWY_MAX(absolute(f), absolute(g));
    if (largest == 0) return {1, 0, 0};
    const double small_f = f / largest, small_g = g / largest;
    const double size = root_of(small_f * small_f + small_g * small_g), root = g < 0 ? -size : size;
    return {small_g / root, small_f / root, root * largest};
  }
  const hn::CappedTag<double, 1> one;
  const double root = hn::GetLane(hn::CopySign(hn::Sqrt(hn::Set(one, square)), hn::Set(one, g)));
  if constexpr (sizeof(T) == sizeof(double)) return {g / root, f / root, root};
  // A quotient beside the root takes less time than two behind it, and errs by an epsilon of double more.
  const double scale = 1 / square * root;
  return {g * scale, f * scale, root};
}

template <typename T>
class Ql {
 public:
  HWY_INLINE explicit Ql(const QlStep<T>& step)
      : s_(step), next_(step.last - 1), g_(step.diagonal[step.last] - step.shift) {}
  HWY_INLINE bool has_next() const { return next_ >= s_.first; }
  HWY_INLINE void next() {
    const int64_t i = next_--;
    const double f = sine_ * s_.beside[i], b = cosine_ * s_.beside[i];
    const Rotation turn = rotation_of<T>(g_, f);
    s_.beside[i + 1] = turn.length;
    sine_ = turn.sine;
    cosine_ = turn.cosine;
    const double old = s_.diagonal[i + 1] - moved_;
    const double change = (s_.diagonal[i] - old) * sine_ + 2 * cosine_ * b;
    moved_ = sine_ * change;
    s_.diagonal[i + 1] = old + moved_;
    g_ = cosine_ * change - b;
    s_.sine[i] = static_cast<T>(sine_);
    s_.tangent[i] = static_cast<T>(sine_ / (1 + cosine_));
  }
  HWY_INLINE void end() {
    s_.diagonal[s_.first] -= moved_;
    s_.beside[s_.first] = g_;
    s_.beside[s_.last] = 0;
  }

 private:
  const QlStep<T> s_;
  int64_t next_;
  double g_, sine_ = 1, cosine_ = 1, moved_ = 0;
};

constexpr int64_t kVectorsBeside = kManyRegisters ? 8 : 2;

template <typename T>
void make_sweep(const QlStep<T>& step, T* const* rows, int64_t begin, const RotationSweep<T>* pair) {
  Ql<T> ql(step);
  if (pair == nullptr) {
    while (ql.has_next()) ql.next();
    ql.end();
    return;
  }
  TwoSweeps<T, kVectorsBeside> both(rows, begin, pair[0], pair[1]);
  while (ql.has_next() && both.has_next()) {
    ql.next();
    both.next();
  }
  while (ql.has_next()) ql.next();
  ql.end();
  while (both.has_next()) both.next();
  both.end();
}

}  // namespace

extern constexpr SymmetricTable<float> kSymmetricF32 = {
    dot<float>,      largest<float>,    combine<float>,
    subtract<float>, product<float>,    reflect<float>,
    rotate<float>,   make_sweep<float>, kVectorsBeside* HWY_LANES(float)};
extern constexpr SymmetricTable<double> kSymmetricF64 = {
    dot<double>,      largest<double>,    combine<double>,
    subtract<double>, product<double>,    reflect<double>,
    rotate<double>,   make_sweep<double>, kVectorsBeside* HWY_LANES(double)};

}  // namespace HWY_NAMESPACE
}  // namespace weft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

const SymmetricTable<float>& symmetric_f32([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kSymmetricF32); }
const SymmetricTable<double>& symmetric_f64([[maybe_unused]] Isa isa) { return WEFT_TABLE_OF(isa, kSymmetricF64); }

}  // namespace weft
#endif
