// What the kernels of linear algebra share: batches of square matrices, which are decomposed one by one.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/matrices_common.h"
#include "core/kernels/cpu/types_common.h"

#ifndef EIGEN_NO_CPUID
#error "Eigen would cut sums by the caches of the machine, so that results had other bits on others"
#endif

namespace weft::linalg {

template <typename T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename T>
using In = Eigen::Map<const Matrix<T>>;
template <typename T>
using Out = Eigen::Map<Matrix<T>>;

constexpr int64_t kMostLanes = 16;
constexpr int64_t kMostScratch = 64 << 20;  // of all lanes, unless one takes more

// With a NaN or an infinity in it: what comes out is NaN, and iterations that might not end are not begun.
template <typename T>
bool not_finite(const T* a, int64_t count) {
  // An infinity less itself is NaN. Sums side by side, which the compiler makes vectors of.
  T sums[16] = {};
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (int64_t k = 0; k < 16; ++k) sums[k] += a[i + k] - a[i + k];
  }
  for (int64_t k = 0; i < count; ++i, ++k) sums[k] += a[i] - a[i];
  return std::any_of(sums, sums + 16, [](T x) { return x != T{0}; });
}
// The same of what is on and below the diagonal.
template <typename T>
bool lower_not_finite(const T* a, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    if (not_finite(a + i * n, i + 1)) return true;
  }
  return false;
}
template <typename T>
void fill_nan(T* out, int64_t count) {
  std::fill(out, out + count, std::numeric_limits<T>::quiet_NaN());
}

// What stands for an element that counts as largest although rounding made it a little smaller than another.
constexpr double kAlmost = 1 - 1e-6;

inline State state_of(const KernelContext& c) {
  const Shape& shape = c.shape(0);
  State s{1, shape.back(), 0, 1, 0};
  for (size_t i = 0; i + 2 < shape.size(); ++i) s.batch *= shape[i];
  if (c.input_count() == 2) s.k = c.shape(1).back();
  if (s.n == 0) s.batch = 0;
  s.lanes = std::max<int64_t>(s.batch, 1);
  return s;
}

inline bool accepts(const KernelContext& c) { return c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64; }

// The last two say what scratch memory a matrix of n rows takes, for kernels that want any.
template <auto F32, auto F64, auto scratch_f32 = nullptr, auto scratch_f64 = nullptr>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  const Shape& shape = c.shape(0);
  if (shape.back() != shape[shape.size() - 2]) {
    return invalid("the last two axes must make a square matrix but the input is ", shape_text(shape));
  }
  State s = state_of(c);
  if constexpr (!std::is_null_pointer_v<decltype(scratch_f32)>) {
    s.scratch_bytes = c.dtype(0) == DType::kF32 ? scratch_f32(s.n) : scratch_f64(s.n);
    s.lanes = std::min({s.lanes, kMostLanes, std::max<int64_t>(1, kMostScratch / (s.scratch_bytes + 1))});
    prepared->scratch_bytes = s.lanes * s.scratch_bytes;
  }
  prepared->cost_ns = 20.0 * static_cast<double>(s.batch * s.n * s.n) * static_cast<double>(s.n);
  prepared->most_threads = s.lanes;
  if (c.dtype(0) == DType::kF32)
    prepared->use<F32>(s);
  else
    prepared->use<F64>(s);
  return {};
}

// Batches of matrices of any shape: m rows, n columns. `option` is the kernel's own.
struct RectangleState {
  State each;
  int64_t m, n, k;  // k: the lesser of the two
  bool option;
};

template <auto F32, auto F64>
Status prepare_rectangles(const KernelContext& c, PreparedKernel* prepared, bool option) {
  const Shape& shape = c.shape(0);
  if (shape.size() < 2) return invalid("the input must have two axes at least but is ", shape_text(shape));
  RectangleState s{{}, shape[shape.size() - 2], shape.back(), 0, option};
  s.k = std::min(s.m, s.n);
  s.each.n = std::max(s.m, s.n);
  s.each.batch = 1;
  for (size_t i = 0; i + 2 < shape.size(); ++i) s.each.batch *= shape[i];
  s.each.lanes = std::max<int64_t>(s.each.batch, 1);
  prepared->cost_ns = 20.0 * static_cast<double>(s.each.batch * s.m * s.n) * static_cast<double>(s.k);
  prepared->most_threads = s.each.lanes;
  if (c.dtype(0) == DType::kF32)
    prepared->use<F32>(s);
  else
    prepared->use<F64>(s);
  return {};
}

// The power of two next to the largest magnitude, by which a matrix is divided without a rounding error, so that no square of
// its elements overflows or vanishes; 1 for zeros.
template <typename T>
T power_of_largest(const T* a, int64_t count) {
  T most = 0;
  for (int64_t i = 0; i < count; ++i) most = std::max(most, std::abs(a[i]));
  return most > 0 ? std::ldexp(T(1), std::ilogb(most)) : T(1);
}

}  // namespace weft::linalg
