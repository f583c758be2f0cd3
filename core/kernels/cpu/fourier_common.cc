#include "core/kernels/cpu/fourier_common.h"

#include <algorithm>
#include <cmath>

namespace weft {
namespace {

// A larger prime factor takes a convolution: a stage of it costs its square.
constexpr int64_t kMostRadix = 13;

struct Complex {
  double re, im;
};

// exp(-2 pi i t / n), from an angle of at most an eighth of a turn.
Complex root(int64_t t, int64_t n) {
  t %= n;
  if (2 * t > n) {
    const Complex other = root(n - t, n);
    return {other.re, -other.im};
  }
  if (4 * t > n) {
    const Complex other = root(n - 2 * t, 2 * n);  // half a turn less it
    return {-other.re, other.im};
  }
  const double turn = 2 * M_PI / static_cast<double>(n);
  if (8 * t > n) {
    const double angle = turn * (static_cast<double>(n) / 4 - static_cast<double>(t));
    return {std::sin(angle), -std::cos(angle)};
  }
  const double angle = turn * static_cast<double>(t);
  return {std::cos(angle), -std::sin(angle)};
}

// Prime factors of n, pairs of 2 as 4, the largest first; empty if one is too large.
std::vector<int64_t> radices_of(int64_t n) {
  std::vector<int64_t> out;
  for (int64_t radix : {13, 11, 7, 5, 3, 4, 2}) {
    for (; n % radix == 0; n /= radix) out.push_back(radix);
  }
  if (n != 1) out.clear();
  return out;
}

// The least length from `least` on that has factors 2, 3 and 5 alone.
int64_t smooth_length(int64_t least) {
  int64_t best = 1;
  while (best < least) best *= 2;
  for (int64_t fives = 1; fives < best; fives *= 5) {
    for (int64_t odd = fives; odd < best; odd *= 3) {
      int64_t length = odd;
      while (length < least) length *= 2;
      best = std::min(best, length);
    }
  }
  return best;
}

template <typename T>
struct Pair {
  T re, im;
  Pair operator+(Pair o) const { return {re + o.re, im + o.im}; }
  Pair operator-(Pair o) const { return {re - o.re, im - o.im}; }
  Pair operator*(Pair o) const { return {re * o.re - im * o.im, re * o.im + im * o.re}; }
  Pair times(T x) const { return {re * x, im * x}; }
  Pair times_minus_i() const { return {im, -re}; }
};

// What a stage does at one place of `done`: sources and targets are `rest` elements side by side, `step` and `jump` apart.
template <typename T>
struct Lines {
  const T *x_re, *x_im;
  T *y_re, *y_im;
  int64_t rest, jump;  // sources are `rest` apart
  const T* w;          // factors of the sources from the second on

  Pair<T> in(int64_t q, int64_t k) const {
    const Pair<T> x{x_re[q * rest + k], x_im[q * rest + k]};
    return q == 0 ? x : x * Pair<T>{w[2 * q - 2], w[2 * q - 1]};
  }
  void out(int64_t r, int64_t k, Pair<T> y) const {
    y_re[r * jump + k] = y.re;
    y_im[r * jump + k] = y.im;
  }
};

template <typename T>
void stage_2(const Lines<T>& l) {
  for (int64_t k = 0; k < l.rest; ++k) {
    const Pair<T> a = l.in(0, k), b = l.in(1, k);
    l.out(0, k, a + b);
    l.out(1, k, a - b);
  }
}

template <typename T>
void stage_3(const Lines<T>& l) {
  constexpr T kSine = static_cast<T>(0.86602540378443864676);
  for (int64_t k = 0; k < l.rest; ++k) {
    const Pair<T> a = l.in(0, k), b = l.in(1, k), c = l.in(2, k);
    const Pair<T> sum = b + c, middle = a - sum.times(T(0.5)), side = (b - c).times(kSine).times_minus_i();
    l.out(0, k, a + sum);
    l.out(1, k, middle + side);
    l.out(2, k, middle - side);
  }
}

template <typename T>
void stage_4(const Lines<T>& l) {
  for (int64_t k = 0; k < l.rest; ++k) {
    const Pair<T> a = l.in(0, k), b = l.in(1, k), c = l.in(2, k), d = l.in(3, k);
    const Pair<T> even = a + c, odd = b + d, across = a - c, side = (b - d).times_minus_i();
    l.out(0, k, even + odd);
    l.out(1, k, across + side);
    l.out(2, k, even - odd);
    l.out(3, k, across - side);
  }
}

// Any radix, by sums and differences of pairs of sources, with its roots.
template <typename T>
void stage_any(const Lines<T>& l, int64_t radix, const T* roots) {
  const int64_t half = radix / 2;
  for (int64_t k = 0; k < l.rest; ++k) {
    const Pair<T> first = l.in(0, k);
    Pair<T> sums[kMostRadix / 2], differences[kMostRadix / 2], total = first;
    for (int64_t q = 0; q < half; ++q) {
      const Pair<T> a = l.in(q + 1, k), b = l.in(radix - 1 - q, k);
      sums[q] = a + b;
      differences[q] = a - b;
      total = total + sums[q];
    }
    l.out(0, k, total);
    for (int64_t r = 1; r <= half; ++r) {
      Pair<T> middle = first, side{0, 0};
      for (int64_t q = 0, at = r; q < half; ++q, at = (at + r) % radix) {
        middle = middle + sums[q].times(roots[2 * at]);
        side = side + differences[q].times(-roots[2 * at + 1]);
      }
      side = side.times_minus_i();
      l.out(r, k, middle + side);
      l.out(radix - r, k, middle - side);
    }
  }
}

}  // namespace

template <typename T>
Result<FourierPlan<T>> FourierPlan<T>::make(int64_t n) {
  FourierPlan plan;
  plan.n_ = n;
  std::vector<int64_t> radices = radices_of(n);
  WEFT_CHECK(radices.empty() && n > 1 ? plan.plan_convolution() : plan.plan_stages(std::move(radices)));
  return plan;
}

template <typename T>
Status FourierPlan<T>::plan_stages(std::vector<int64_t> radices) {
  int64_t count = 0;
  for (int64_t done = 1; int64_t radix : radices) {
    count += 2 * (done * (radix - 1) + radix);
    done *= radix;
  }
  WEFT_TRY(factors_, Tensor::make(dtype_of<T>(), {count}));
  T* factors = factors_.template as<T>();
  int64_t at = 0;
  auto put = [&](Complex value) {
    factors[at++] = static_cast<T>(value.re);
    factors[at++] = static_cast<T>(value.im);
  };
  for (int64_t done = 1; int64_t radix : radices) {
    Stage stage{radix, done, n_ / (done * radix), at, 0};
    for (int64_t j = 0; j < done; ++j) {
      for (int64_t q = 1; q < radix; ++q) put(root(j * q, done * radix));
    }
    stage.roots = at;
    for (int64_t r = 0; r < radix; ++r) put(root(r, radix));
    stages_.push_back(stage);
    done *= radix;
  }
  scratch_ = 2 * n_;
  return {};
}

template <typename T>
Status FourierPlan<T>::plan_convolution() {
  const int64_t length = smooth_length(2 * n_ - 1);
  WEFT_TRY(FourierPlan inner, FourierPlan::make(length));
  WEFT_TRY(chirp_, Tensor::make(dtype_of<T>(), {2 * n_}));
  WEFT_TRY(kernel_, Tensor::make(dtype_of<T>(), {2 * length}));
  WEFT_TRY(Tensor work, Tensor::make(dtype_of<T>(), {2 * length + inner.scratch()}));
  T *chirp = chirp_.template as<T>(), *kernel = kernel_.template as<T>(), *x = work.template as<T>();
  std::fill_n(x, 2 * length, T(0));
  int64_t square = 0;  // j^2 modulo 2 n
  for (int64_t j = 0; j < n_; ++j) {
    const Complex value = root(square, 2 * n_);
    chirp[j] = static_cast<T>(value.re);
    chirp[n_ + j] = static_cast<T>(value.im);
    for (int64_t place : {j, (length - j) % length}) {
      // Divided here, where it costs nothing.
      x[place] = static_cast<T>(value.re / static_cast<double>(length));
      x[length + place] = static_cast<T>(-value.im / static_cast<double>(length));
    }
    square = (square + 2 * j + 1) % (2 * n_);
  }
  inner.run(x, x + length, kernel, kernel + length, x + 2 * length);
  scratch_ = 4 * length + inner.scratch();
  inner_ = std::make_shared<const FourierPlan>(std::move(inner));
  return {};
}

template <typename T>
void FourierPlan<T>::run(T* x_re, T* x_im, T* y_re, T* y_im, T* scratch) const {
  if (inner_ != nullptr)
    run_convolution(x_re, x_im, y_re, y_im, scratch);
  else
    run_stages(x_re, x_im, y_re, y_im, scratch);
}

// After some stages, place j * (n / done) + k holds element j of the transform of the elements k, k + n / done, ...
template <typename T>
void FourierPlan<T>::run_stages(T* x_re, T* x_im, T* y_re, T* y_im, T* scratch) const {
  const T* factors = factors_.template as<T>();
  T *from_re = x_re, *from_im = x_im;
  for (size_t i = 0; i < stages_.size(); ++i) {
    const Stage& s = stages_[i];
    // To and fro between x and scratch, and into y at the end.
    const bool last = i + 1 == stages_.size(), in_x = from_re == x_re;
    T *to_re = last ? y_re : in_x ? scratch : x_re, *to_im = last ? y_im : in_x ? scratch + n_ : x_im;
    for (int64_t j = 0; j < s.done; ++j) {
      const int64_t source = j * s.radix * s.rest, target = j * s.rest;
      const Lines<T> lines{from_re + source,
                           from_im + source,
                           to_re + target,
                           to_im + target,
                           s.rest,
                           s.done * s.rest,
                           factors + s.twiddles + 2 * j * (s.radix - 1)};
      switch (s.radix) {
        case 2: stage_2(lines); break;
        case 3: stage_3(lines); break;
        case 4: stage_4(lines); break;
        default: stage_any(lines, s.radix, factors + s.roots); break;
      }
    }
    from_re = to_re;
    from_im = to_im;
  }
  if (!stages_.empty()) return;
  std::copy_n(x_re, n_, y_re);
  std::copy_n(x_im, n_, y_im);
}

template <typename T>
void FourierPlan<T>::run_convolution(T* x_re, T* x_im, T* y_re, T* y_im, T* scratch) const {
  const int64_t length = inner_->size();
  T *a_re = scratch, *a_im = a_re + length, *b_re = a_im + length, *b_im = b_re + length, *more = b_im + length;
  const T *c_re = chirp_.template as<T>(), *c_im = c_re + n_;
  const T *k_re = kernel_.template as<T>(), *k_im = k_re + length;
  for (int64_t j = 0; j < n_; ++j) {
    const Pair<T> a = Pair<T>{x_re[j], x_im[j]} * Pair<T>{c_re[j], c_im[j]};
    a_re[j] = a.re;
    a_im[j] = a.im;
  }
  std::fill(a_re + n_, a_re + length, T(0));
  std::fill(a_im + n_, a_im + length, T(0));
  inner_->run(a_re, a_im, b_re, b_im, more);
  for (int64_t j = 0; j < length; ++j) {
    const Pair<T> b = Pair<T>{b_re[j], b_im[j]} * Pair<T>{k_re[j], k_im[j]};
    b_re[j] = b.re;
    b_im[j] = b.im;
  }
  inner_->run(b_im, b_re, a_im, a_re, more);
  for (int64_t j = 0; j < n_; ++j) {
    const Pair<T> y = Pair<T>{a_re[j], a_im[j]} * Pair<T>{c_re[j], c_im[j]};
    y_re[j] = y.re;
    y_im[j] = y.im;
  }
}

template <typename T>
double FourierPlan<T>::cost_ns() const {
  if (inner_ != nullptr) return 2 * inner_->cost_ns() + 10 * static_cast<double>(n_);
  double cost = 1;
  for (const Stage& stage : stages_) cost += 0.5 * static_cast<double>(n_ * stage.radix);
  return cost;
}

template class FourierPlan<float>;
template class FourierPlan<double>;

}  // namespace weft
