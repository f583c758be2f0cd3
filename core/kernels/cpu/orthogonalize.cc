// Kernel of weft.Orthogonalize: Householder's QR decomposition in double precision.
#include <algorithm>
#include <cmath>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

// Columns are worked on one by one, so the bits depend neither on the threads nor on the panels.
struct State {
  int64_t rows, columns;  // rows >= columns
  bool transposed;
};

constexpr int64_t kPanel = 16;  // reflections that stay in the cache while the columns behind pass
constexpr int64_t kLanes = 8;

double dot(const double* a, const double* b, int64_t n) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] += a[i + l] * b[i + l];
  }
  for (int64_t l = 0; i < n; ++i, ++l) lanes[l] += a[i] * b[i];
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

// x - v * factor * (v . x)
void reflect(const double* v, double factor, double* x, int64_t n) {
  if (factor == 0) return;
  const double scale = factor * dot(v, x, n);
  for (int64_t i = 0; i < n; ++i) x[i] -= scale * v[i];
}

// Turns the column into the vector of the reflection that takes it to (r, 0, ..., 0). Returns its
// factor.
double make_reflection(double* x, int64_t n, double* r) {
  // Scaled, so that squares neither overflow nor vanish.
  double largest = 0;
  for (int64_t i = 0; i < n; ++i) largest = std::fabs(x[i]) > largest || x[i] != x[i] ? std::fabs(x[i]) : largest;
  *r = 0;
  if (largest == 0) return 0;
  for (int64_t i = 0; i < n; ++i) x[i] /= largest;
  const double norm = std::sqrt(dot(x, x, n));
  const double target = x[0] > 0 ? -norm : norm;
  x[0] -= target;
  *r = target * largest;
  return -1 / (target * x[0]);
}

template <typename T>
void run(const State& s, const RunArgs& args) {
  const int64_t m = s.rows, n = s.columns;
  const T* x = args.input<T>(0);
  T* y = args.output<T>(0);
  double* a = static_cast<double*>(args.scratch);  // column after column
  double* q = a + m * n;
  double* factor = q + m * n;
  double* sign = factor + n;
  auto place = [&](int64_t row, int64_t column) { return s.transposed ? column * m + row : row * n + column; };
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t i = 0; i < m; ++i) a[j * m + i] = static_cast<double>(x[place(i, j)]);
  }
  for (int64_t first = 0; first < n; first += kPanel) {
    const int64_t end = std::min(n, first + kPanel);
    for (int64_t k = first; k < end; ++k) {
      double r;
      factor[k] = make_reflection(a + k * m + k, m - k, &r);
      sign[k] = r < 0 ? -1 : 1;
      for (int64_t j = k + 1; j < end; ++j) reflect(a + k * m + k, factor[k], a + j * m + k, m - k);
    }
    parallel_for(*args.parallel, n - end, 1, static_cast<double>(2 * kPanel * m), [&](int64_t begin, int64_t stop) {
      for (int64_t j = end + begin; j < end + stop; ++j) {
        for (int64_t k = first; k < end; ++k) reflect(a + k * m + k, factor[k], a + j * m + k, m - k);
      }
    });
  }
  // The product of all reflections, column after column; those behind a column do not touch it.
  parallel_for(*args.parallel, n, 4, static_cast<double>(n * m), [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      double* column = q + j * m;
      std::fill(column, column + m, 0.0);
      column[j] = 1;
    }
    for (int64_t k = end - 1; k >= 0; --k) {
      for (int64_t j = std::max(begin, k); j < end; ++j) reflect(a + k * m + k, factor[k], q + j * m + k, m - k);
    }
    for (int64_t j = begin; j < end; ++j) {
      for (int64_t i = 0; i < m; ++i) y[place(i, j)] = static_cast<T>(q[j * m + i] * sign[j]);
    }
  });
}

bool takes_matrix(const KernelContext& c) { return in_list(FloatElements{}, c.dtype(0)); }

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  const Shape& shape = c.shape(0);
  State state{std::max(shape[0], shape[1]), std::min(shape[0], shape[1]), shape[0] < shape[1]};
  prepared->scratch_bytes = (2 * state.rows * state.columns + 2 * state.columns) * 8;
  prepared->cost_ns = 2.0 * static_cast<double>(state.rows * state.columns) * static_cast<double>(state.columns);
  with_type(FloatElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&run<T>>(state); });
  return {};
}

}  // namespace

void add_cpu_orthogonalize(KernelRegistry& kernels) {
  kernels.add("weft.Orthogonalize", {"plain", takes_matrix, prepare});
}

}  // namespace weft
