// The loops of the eigenvalues of symmetric matrices over rows, for every instruction set.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// Rows begin at multiples of 64 bytes and are as long as a multiple of kSymmetricBlock; what is behind their elements is 0.
constexpr int64_t kSymmetricBlock = 16;
constexpr int64_t kSymmetricRows = 4;      // that `reflect` takes
constexpr int64_t kSymmetricColumns = 64;  // that `rotate` had best be given

// Plane rotations of the rows i and i + 1 of a matrix, for i from last - 1 down to `first`: with the sine s and the
// cosine c >= 0 of i, they become c * row(i) - s * row(i + 1) and s * row(i) + c * row(i + 1). tangent[i] is
// s / (1 + c), that of half the angle. At other places both are 0.
template <typename T>
struct RotationSweep {
  const T *sine, *tangent;
  int64_t first, last;
};

// One step of the implicit QL algorithm, which makes such a sweep: of the rows from `first` to `last` of the tridiagonal
// matrix with the numbers `diagonal` and, between the rows i and i + 1, beside[i].
template <typename T>
struct QlStep {
  double *diagonal, *beside;
  double shift;
  T *sine, *tangent;
  int64_t first, last;
};

// Orders of additions depend on sizes and the instruction set alone.
template <typename T>
struct SymmetricTable {
  // Of rows of n elements, n a multiple of kSymmetricBlock.
  T (*dot)(const T* x, const T* y, int64_t n);
  T (*largest)(const T* x, int64_t n);                                    // magnitude
  void (*combine)(T a, const T* x, T b, const T* y, T* out, int64_t n);   // out = a x + b y
  void (*subtract)(T a, const T* x, T b, const T* y, T* out, int64_t n);  // out -= a x + b y
  // a -= u w^T + w u^T and y = a v for the symmetric matrix of that size, of which the blocks below the diagonal and those
  // on it are kept.
  void (*product)(T* a, int64_t stride, int64_t size, const T* u, const T* w, const T* v, T* y);
  // kSymmetricRows rows times the reflections I - factor[i] v_i v_i^T from `first` to `last`, both even, in pairs; v_i has
  // i elements and between[i] is v_i . v_(i+1) for even i.
  void (*reflect)(T* rows, const T* v, int64_t stride, const T* factor, const T* between, int64_t first, int64_t last);
  // The columns from `begin` to `end`, multiples of kSymmetricBlock, of the rows turned by all sweeps.
  void (*rotate)(T* const* rows, int64_t begin, int64_t end, const RotationSweep<T>* sweeps, int64_t count);
  // Makes a sweep, which waits for one quotient and root after the other. Unless `pair` is null, the columns from `begin`
  // to begin + columns_beside are turned meanwhile, by the two sweeps that it points to.
  void (*make_sweep)(const QlStep<T>& step, T* const* rows, int64_t begin, const RotationSweep<T>* pair);
  int64_t columns_beside;
};

const SymmetricTable<float>& symmetric_f32(Isa isa);
const SymmetricTable<double>& symmetric_f64(Isa isa);

}  // namespace weft
