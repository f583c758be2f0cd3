// Kernels of linear algebra, on Eigen.
#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/LU>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

template <typename T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename T>
using In = Eigen::Map<const Matrix<T>>;
template <typename T>
using Out = Eigen::Map<Matrix<T>>;

struct State {
  int64_t batch;
  int64_t n;
  int64_t k;  // columns of Solve's B
};

// What stands for an element that counts as largest although rounding made it a little smaller than another.
constexpr double kAlmost = 1 - 1e-6;

// Runs one(i) -> what was wrong, or null, for every matrix; the first error in order is reported.
template <typename One>
void each_matrix(const State& s, const RunArgs& args, const char* op, One one) {
  std::atomic<int64_t> failed{std::numeric_limits<int64_t>::max()};
  const char* reason = nullptr;
  double cost = 20.0 * static_cast<double>(s.n * s.n) * static_cast<double>(s.n);
  parallel_for(*args.parallel, s.batch, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (one(i) == nullptr) continue;
      int64_t before = failed.load();
      while (i < before && !failed.compare_exchange_weak(before, i)) {
      }
    }
  });
  if (failed.load() == std::numeric_limits<int64_t>::max()) return;
  reason = one(failed.load());
  *args.status =
      invalid(s.batch > 1 ? cat("matrix ", failed.load()) : std::string("the matrix"), " of ", op, " ", reason);
}

// With a NaN or an infinity in it: what comes out is NaN, and iterations that might not end are not begun.
template <typename T>
bool not_finite(const T* a, int64_t count) {
  return !std::all_of(a, a + count, [](T x) { return std::isfinite(x); });
}
template <typename T>
void fill_nan(T* out, int64_t count) {
  std::fill(out, out + count, std::numeric_limits<T>::quiet_NaN());
}

template <typename T>
bool has_zero_pivot(const Eigen::PartialPivLU<Matrix<T>>& lu) {
  return (lu.matrixLU().diagonal().array() == T{0}).any();
}

template <typename T>
void inverse(const State& s, const RunArgs& args) {
  each_matrix(s, args, "weft.Inverse", [&](int64_t i) -> const char* {
    const int64_t size = s.n * s.n;
    const T* a = args.input<T>(0) + i * size;
    T* y = args.output<T>(0) + i * size;
    if (not_finite(a, size)) {
      fill_nan(y, size);
      return nullptr;
    }
    Eigen::PartialPivLU<Matrix<T>> lu{In<T>(a, s.n, s.n)};
    if (has_zero_pivot(lu)) return "is singular";
    Out<T>(y, s.n, s.n) = lu.inverse();
    return nullptr;
  });
}

template <typename T>
void solve(const State& s, const RunArgs& args) {
  each_matrix(s, args, "weft.Solve", [&](int64_t i) -> const char* {
    const T* a = args.input<T>(0) + i * s.n * s.n;
    T* x = args.output<T>(0) + i * s.n * s.k;
    if (not_finite(a, s.n * s.n)) {
      fill_nan(x, s.n * s.k);
      return nullptr;
    }
    Eigen::PartialPivLU<Matrix<T>> lu{In<T>(a, s.n, s.n)};
    if (has_zero_pivot(lu)) return "is singular";
    Matrix<T> result = lu.solve(In<T>(args.input<T>(1) + i * s.n * s.k, s.n, s.k));
    Out<T>(x, s.n, s.k) = result;
    return nullptr;
  });
}

template <typename T>
void cholesky(const State& s, const RunArgs& args) {
  each_matrix(s, args, "weft.Cholesky", [&](int64_t i) -> const char* {
    const int64_t size = s.n * s.n;
    const T* a = args.input<T>(0) + i * size;
    T* l = args.output<T>(0) + i * size;
    if (not_finite(a, size)) {
      fill_nan(l, size);
      return nullptr;
    }
    Eigen::LLT<Matrix<T>> llt{In<T>(a, s.n, s.n)};
    if (llt.info() != Eigen::Success) return "is not positive definite";
    Matrix<T> lower = llt.matrixL();
    Out<T>(l, s.n, s.n) = lower;
    return nullptr;
  });
}

template <typename T>
void eigh(const State& s, const RunArgs& args) {
  each_matrix(s, args, "weft.Eigh", [&](int64_t i) -> const char* {
    const int64_t n = s.n, size = n * n;
    const T* a = args.input<T>(0) + i * size;
    T* values = args.output<T>(0) + i * n;
    T* vectors = args.output<T>(1) + i * size;
    if (not_finite(a, size)) {
      fill_nan(values, n);
      fill_nan(vectors, size);
      return nullptr;
    }
    Eigen::SelfAdjointEigenSolver<Matrix<T>> solver{In<T>(a, n, n)};
    if (solver.info() != Eigen::Success) return "did not converge";
    for (int64_t j = 0; j < n; ++j) {
      values[j] = solver.eigenvalues()[j];
      auto column = solver.eigenvectors().col(j);
      const T largest = column.cwiseAbs().maxCoeff() * static_cast<T>(kAlmost);
      int64_t first = 0;
      while (std::abs(column[first]) < largest) ++first;
      const T sign = column[first] < 0 ? T{-1} : T{1};
      for (int64_t r = 0; r < n; ++r) vectors[r * n + j] = column[r] * sign;
    }
    return nullptr;
  });
}

template <typename T>
void eig(const State& s, const RunArgs& args) {
  each_matrix(s, args, "weft.Eig", [&](int64_t i) -> const char* {
    const int64_t n = s.n, size = n * n;
    const T* a = args.input<T>(0) + i * size;
    T* out[4];
    for (int o = 0; o < 4; ++o) out[o] = args.output<T>(o) + i * (o < 2 ? n : size);
    if (not_finite(a, size)) {
      for (int o = 0; o < 4; ++o) fill_nan(out[o], o < 2 ? n : size);
      return nullptr;
    }
    Eigen::EigenSolver<Matrix<T>> solver{In<T>(a, n, n)};
    if (solver.info() != Eigen::Success) return "did not converge";
    const auto values = solver.eigenvalues();
    const auto vectors = solver.eigenvectors();
    std::vector<int64_t> order(static_cast<size_t>(n));
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(), [&](int64_t x, int64_t y) {
      if (values[x].real() != values[y].real()) return values[x].real() < values[y].real();
      return values[x].imag() < values[y].imag();
    });
    for (int64_t j = 0; j < n; ++j) {
      const int64_t from = order[static_cast<size_t>(j)];
      out[0][j] = values[from].real();
      out[1][j] = values[from].imag();
      auto column = vectors.col(from);
      const T largest = column.cwiseAbs().maxCoeff() * static_cast<T>(kAlmost);
      int64_t first = 0;
      while (std::abs(column[first]) < largest) ++first;
      const std::complex<T> turn = std::conj(column[first]) / std::abs(column[first]) / column.norm();
      for (int64_t r = 0; r < n; ++r) {
        const std::complex<T> element = column[r] * turn;
        out[2][r * n + j] = element.real();
        out[3][r * n + j] = r == first ? T{0} : element.imag();
      }
    }
    return nullptr;
  });
}

State state_of(const KernelContext& c) {
  const Shape& shape = c.shape(0);
  State s{1, shape.back(), 0};
  for (size_t i = 0; i + 2 < shape.size(); ++i) s.batch *= shape[i];
  if (c.input_count() == 2) s.k = c.shape(1).back();
  if (s.n == 0) s.batch = 0;
  return s;
}

bool accepts(const KernelContext& c) { return c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64; }

template <auto F32, auto F64>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  const Shape& shape = c.shape(0);
  if (shape.back() != shape[shape.size() - 2]) {
    return invalid("the last two axes must make a square matrix but the input is ", shape_text(shape));
  }
  State s = state_of(c);
  prepared->cost_ns = 20.0 * static_cast<double>(s.batch * s.n * s.n) * static_cast<double>(s.n);
  if (c.dtype(0) == DType::kF32)
    prepared->use<F32>(s);
  else
    prepared->use<F64>(s);
  return {};
}

}  // namespace

void add_cpu_linalg(KernelRegistry& kernels) {
  kernels.add("weft.Inverse", {"eigen", accepts, prepare<&inverse<float>, &inverse<double>>});
  kernels.add("weft.Solve", {"eigen", accepts, prepare<&solve<float>, &solve<double>>});
  kernels.add("weft.Cholesky", {"eigen", accepts, prepare<&cholesky<float>, &cholesky<double>>});
  kernels.add("weft.Eigh", {"eigen", accepts, prepare<&eigh<float>, &eigh<double>>});
  kernels.add("weft.Eig", {"eigen", accepts, prepare<&eig<float>, &eig<double>>});
}

}  // namespace weft
