// Eigenvalues and eigenvectors of a symmetric matrix: Householder's reduction to a tridiagonal one from the last row on,
// and the implicit QL algorithm with Wilkinson's shift. Golub and Van Loan, "Matrix Computations", 8.3; Bowdler, Martin,
// Reinsch and Wilkinson, "The QR and QL algorithms for symmetric matrices", 1968. When a number beside the diagonal
// counts as 0, and that a block is worked on from its smaller end, is as in LAPACK's steqr.
#include "core/kernels/cpu/symmetric_common.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/kernels/cpu/linalg_common.h"
#include "core/kernels/cpu/vectors_common.h"

namespace weft::linalg {
namespace {

constexpr int64_t kSweeps = 16;          // that wait until the vectors are turned by all of them
constexpr int64_t kSweepsForValue = 30;  // in the mean; two are usual
constexpr int64_t kLine = 64;            // bytes

int64_t whole_blocks(int64_t n) { return (n + kSymmetricBlock - 1) / kSymmetricBlock * kSymmetricBlock; }

template <typename T>
struct Sweeps {
  T* turns;  // sines and tangents
  RotationSweep<T> sweeps[kSweeps];
  int64_t count = 0;
};

// What one matrix is worked on with.
template <typename T>
struct Work {
  const SymmetricTable<T>& table;
  const Parallel& parallel;
  int64_t n, padded, stride;
  T* matrix;       // then the vectors, one in each row
  T* reflections;  // v_i in row i
  T *u, *w, *y;
  T *factor, *between;        // of reflections
  double *diagonal, *beside;  // of the tridiagonal matrix; beside[i] is between rows i and i + 1
  T** rows;                   // of the vectors in the order of the diagonal
  int32_t* order;             // ascending
  // Sweeps are made while the vectors are turned by those made before: the columns before done_columns are, and
  // columns_beside more by the sweeps before done_sweeps.
  Sweeps<T> made, taken;
  int64_t done_columns = 0, done_sweeps = 0;

  Work(int64_t size, void* scratch, const Parallel& threads)
      : table(symmetric_table(T())),
        parallel(threads),
        n(size),
        padded(whole_blocks(size)),
        // Rows that follow each other do not compete for places of the cache.
        stride(padded + kLine / static_cast<int64_t>(sizeof(T))),
        begin_(static_cast<char*>(scratch)),
        end_(begin_) {
    take(&matrix, padded * stride);
    take(&reflections, padded * stride + stride);
    for (T** vector : {&u, &w, &y, &factor, &between}) take(vector, padded + kSymmetricBlock);
    for (Sweeps<T>* sweeps : {&made, &taken}) take(&sweeps->turns, 2 * kSweeps * padded);
    take(&diagonal, padded);
    take(&beside, padded);
    take(&rows, padded);
    take(&order, padded);
  }
  int64_t bytes() const { return end_ - begin_; }

 private:
  template <typename Element>
  void take(Element** place, int64_t count) {
    *place = reinterpret_cast<Element*>(end_);
    end_ += (count * static_cast<int64_t>(sizeof(Element)) + kLine - 1) / kLine * kLine;
  }

  char *begin_, *end_;
};

// Copies the lower triangle and what of the blocks on the diagonal is above it. Returns the power of two that everything
// was multiplied with, so that neither squares nor their sums overflow or vanish: mostly 1.
template <typename T>
T load(Work<T>& k, const T* a) {
  const int64_t n = k.n;
  std::fill(k.matrix, k.matrix + k.padded * k.stride, T{0});
  T largest = 0;
  for (int64_t i = 0; i < n; ++i) {
    T* row = k.matrix + i * k.stride;
    std::copy(a + i * n, a + i * n + i + 1, row);
    largest = std::max(largest, k.table.largest(row, whole_blocks(i + 1)));
    for (int64_t j = i / kSymmetricBlock * kSymmetricBlock; j < i; ++j) k.matrix[j * k.stride + i] = row[j];
  }
  if (largest == 0) return 1;
  constexpr int kMost = std::numeric_limits<T>::max_exponent / 3;
  const int exponent = std::ilogb(largest), wanted = std::clamp(exponent, -kMost, kMost);
  if (exponent == wanted) return 1;
  const T scale = std::ldexp(T{1}, wanted - exponent);
  for (int64_t i = 0; i < n; ++i) {
    T* row = k.matrix + i * k.stride;
    k.table.combine(scale, row, T{0}, row, row, whole_blocks(i + 1));
  }
  return scale;
}

// The vector v of the reflection I - factor v v^T that takes the first i elements of x to (0, ..., 0, *last), where x is
// the same and 0 behind them. Returns the factor, which is 0 where they are such already.
template <typename T>
T make_reflection(const SymmetricTable<T>& table, T* x, int64_t i, T* last, T* v) {
  const int64_t n = whole_blocks(i);
  const T end = std::exchange(x[i - 1], T{0});
  const T rest = table.largest(x, n), largest = std::max(rest, std::fabs(end));
  *last = end;
  if (rest < std::numeric_limits<T>::min()) {
    std::fill(v, v + n, T{0});
    return 0;
  }
  const T scale = std::ldexp(T{1}, -std::ilogb(largest)), scaled_end = end * scale;
  table.combine(scale, x, T{0}, x, v, n);
  const T root = std::sqrt(table.dot(v, v, n) + scaled_end * scaled_end);
  const T target = scaled_end > 0 ? -root : root;
  *last = target / scale;
  v[i - 1] = scaled_end - target;
  return 1 / (root * (root + std::fabs(scaled_end)));
}

// A = Q T Q^T with Q = H_(n-1) ... H_2. What a reflection does to the matrix, A - v w^T - w v^T, is done together with the
// next product A v.
template <typename T>
void make_tridiagonal(Work<T>& k) {
  const SymmetricTable<T>& table = k.table;
  std::fill(k.u, k.u + k.padded, T{0});
  std::fill(k.w, k.w + k.padded, T{0});
  std::fill(k.factor, k.factor + k.padded + kSymmetricBlock, T{0});
  const T* u = k.u;
  for (int64_t i = k.n - 1; i >= 0; --i) {
    T* row = k.matrix + i * k.stride;
    T* v = k.reflections + i * k.stride;
    const int64_t size = whole_blocks(i);
    table.subtract(u[i], k.w, k.w[i], u, row, whole_blocks(i + 1));
    k.diagonal[i] = static_cast<double>(row[i]);
    std::fill(row + i, row + whole_blocks(i + 1), T{0});
    std::fill(v, v + k.stride, T{0});
    if (i < 2) {
      if (i == 1) k.beside[0] = static_cast<double>(row[0]);
      continue;
    }
    T last;
    const T factor = make_reflection(table, row, i, &last, v);
    k.beside[i - 1] = static_cast<double>(last);
    k.factor[i] = factor;
    table.product(k.matrix, k.stride, i, u, k.w, v, k.y);
    std::fill(k.y + i, k.y + size, T{0});
    const T along = factor * factor * table.dot(v, k.y, size) / 2;
    table.combine(factor, k.y, -along, v, k.w, size);
    u = v;
  }
}

// The rows of Q^T take the place of the matrix.
template <typename T>
void multiply_reflections(Work<T>& k) {
  const int64_t n = k.n, last = (n + 1) / 2 * 2;
  for (int64_t i = n; i < last; ++i) std::fill(k.reflections + i * k.stride, k.reflections + (i + 1) * k.stride, T{0});
  for (int64_t i = 2; i < last; i += 2) {
    const T* v = k.reflections + i * k.stride;
    k.between[i] = k.table.dot(v, v + k.stride, whole_blocks(i));
  }
  const double cost = 0.1 * static_cast<double>(kSymmetricRows * n) * static_cast<double>(n);
  parallel_for(k.parallel, k.padded, kSymmetricRows, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += kSymmetricRows) {
      T* rows = k.matrix + i * k.stride;
      std::fill(rows, rows + kSymmetricRows * k.stride, T{0});
      for (int64_t r = 0; r < kSymmetricRows; ++r) rows[r * k.stride + i + r] = i + r < n ? T{1} : T{0};
      k.table.reflect(rows, k.reflections, k.stride, k.factor, k.between, std::max<int64_t>(i, 2), last);
    }
  });
}

// Turns the vectors by what is left of the taken sweeps.
template <typename T>
void finish_taken(Work<T>& k) {
  const int64_t width = k.table.columns_beside, from = k.done_columns;
  if (k.taken.count > 0 && from < k.padded) {
    const double cost = 0.15 * static_cast<double>(width * k.taken.count * k.n);
    parallel_for(k.parallel, (k.padded - from + width - 1) / width, 1, cost, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t column = from + i * width, done = i == 0 ? k.done_sweeps : 0;
        k.table.rotate(k.rows, column, std::min(column + width, k.padded), k.taken.sweeps + done, k.taken.count - done);
      }
    });
  }
  k.taken.count = k.done_sweeps = k.done_columns = 0;
}

// Sweeps are taken in pairs for as long as more are made; see make_sweep.
template <typename T>
void turn_by_made(Work<T>& k) {
  finish_taken(k);
  std::swap(k.made, k.taken);
}

// Whether the number between the rows i and i + 1 counts as 0.
template <typename T>
bool negligible(const Work<T>& k, int64_t i) {
  constexpr double kEpsilon = static_cast<double>(std::numeric_limits<T>::epsilon() / 2);
  const double beside = std::fabs(k.beside[i]);
  return beside * beside <= kEpsilon * kEpsilon * std::fabs(k.diagonal[i]) * std::fabs(k.diagonal[i + 1]) +
                                std::numeric_limits<double>::min();
}

// One step of the implicit QL algorithm on the rows from `first` to `last`.
template <typename T>
void make_sweep(Work<T>& k, int64_t first, int64_t last) {
  if (k.made.count == kSweeps) turn_by_made(k);
  T *sines = k.made.turns + k.made.count * 2 * k.padded, *tangents = sines + k.padded;
  std::fill(sines, tangents + k.padded, T{0});
  k.made.sweeps[k.made.count++] = {sines, tangents, first, last};
  // Of the two values of the first two rows, that which is closer to the first.
  const double *d = k.diagonal, *e = k.beside;
  const double half = (d[first + 1] - d[first]) / (2 * e[first]);
  const double shift = d[first] - e[first] / (half + std::copysign(std::hypot(half, 1), half));
  const QlStep<T> step = {k.diagonal, k.beside, shift, sines, tangents, first, last};
  const bool beside = k.done_columns + k.table.columns_beside <= k.padded && k.done_sweeps + 1 < k.taken.count;
  k.table.make_sweep(step, k.rows, k.done_columns, beside ? k.taken.sweeps + k.done_sweeps : nullptr);
  if (!beside) return;
  k.done_sweeps += 2;
  if (k.done_sweeps == k.taken.count) {
    k.done_sweeps = 0;
    k.done_columns += k.table.columns_beside;
  }
}

// A block that is larger at its end than at its beginning is turned round, as small numbers would be lost beside large ones.
// No sweep that waits has touched it.
template <typename T>
void turn_round(Work<T>& k, int64_t first, int64_t last) {
  std::reverse(k.diagonal + first, k.diagonal + last + 1);
  std::reverse(k.beside + first, k.beside + last);
  std::reverse(k.rows + first, k.rows + last + 1);
}

template <typename T>
bool make_diagonal(Work<T>& k) {
  const int64_t n = k.n;
  for (int64_t i = 0; i < n; ++i) k.rows[i] = k.matrix + i * k.stride;
  k.beside[n - 1] = 0;
  const auto end_of_block = [&](int64_t i) {
    while (i + 1 < n && !negligible(k, i)) ++i;
    k.beside[i] = 0;
    return i;
  };
  int64_t sweeps = 0, first = 0;
  while (first < n) {
    const int64_t last = end_of_block(first);
    if (std::fabs(k.diagonal[last]) < std::fabs(k.diagonal[first])) turn_round(k, first, last);
    while (first <= last) {
      const int64_t end = end_of_block(first);
      if (end == first) {
        ++first;
        continue;
      }
      if (++sweeps > kSweepsForValue * n) return false;
      make_sweep(k, first, end);
    }
  }
  turn_by_made(k);
  finish_taken(k);
  return true;
}

template <typename T>
void store(Work<T>& k, T scale, T* values, T* vectors) {
  const int64_t n = k.n;
  for (int64_t i = 0; i < n; ++i) k.order[i] = static_cast<int32_t>(i);
  const double* d = k.diagonal;
  std::sort(k.order, k.order + n, [d](int32_t a, int32_t b) { return d[a] != d[b] ? d[a] < d[b] : a < b; });
  for (int64_t i = 0; i < n; ++i) {
    T* row = k.rows[k.order[i]];
    values[i] = static_cast<T>(d[k.order[i]]) / scale;
    const T largest = k.table.largest(row, k.padded) * static_cast<T>(kAlmost);
    int64_t first = 0;
    while (std::fabs(row[first]) < largest) ++first;
    const T length = std::sqrt(k.table.dot(row, row, k.padded));
    k.table.combine((row[first] < 0 ? T{-1} : T{1}) / length, row, T{0}, row, row, k.padded);
  }
  // Some columns at a time, so that lines of the cache are filled whole.
  for (int64_t column = 0; column < n; column += kSymmetricBlock) {
    const int64_t count = std::min(kSymmetricBlock, n - column);
    const T* from[kSymmetricBlock];
    for (int64_t c = 0; c < count; ++c) from[c] = k.rows[k.order[column + c]];
    for (int64_t r = 0; r < n; ++r) {
      for (int64_t c = 0; c < count; ++c) vectors[r * n + column + c] = from[c][r];
    }
  }
}

}  // namespace

template <typename T>
int64_t symmetric_scratch(int64_t n) {
  return Work<T>(n, nullptr, Parallel()).bytes();
}

template <typename T>
bool symmetric_eigen(const T* a, int64_t n, T* values, T* vectors, void* scratch, const Parallel& parallel) {
  Work<T> work(n, scratch, parallel);
  const T scale = load(work, a);
  make_tridiagonal(work);
  multiply_reflections(work);
  if (!make_diagonal(work)) return false;
  store(work, scale, values, vectors);
  return true;
}

template int64_t symmetric_scratch<float>(int64_t n);
template int64_t symmetric_scratch<double>(int64_t n);
template bool symmetric_eigen(const float* a, int64_t n, float* values, float* vectors, void* scratch,
                              const Parallel& parallel);
template bool symmetric_eigen(const double* a, int64_t n, double* values, double* vectors, void* scratch,
                              const Parallel& parallel);

}  // namespace weft::linalg
