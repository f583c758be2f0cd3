// Kernels of systems of equations: Inverse, Solve, Cholesky.
#include <Eigen/Cholesky>
#include <Eigen/LU>

#include "core/kernels/cpu/linalg_common.h"

namespace weft {
namespace {

using namespace linalg;

template <typename T>
bool has_zero_pivot(const Eigen::PartialPivLU<Matrix<T>>& lu) {
  return (lu.matrixLU().diagonal().array() == T{0}).any();
}

template <typename T>
void inverse(const State& s, const RunArgs& args) {
  each_matrix(s, args, "weft.Inverse", [&](int64_t i, void*) -> const char* {
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
  each_matrix(s, args, "weft.Solve", [&](int64_t i, void*) -> const char* {
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
  each_matrix(s, args, "weft.Cholesky", [&](int64_t i, void*) -> const char* {
    const int64_t size = s.n * s.n;
    const T* a = args.input<T>(0) + i * size;
    T* l = args.output<T>(0) + i * size;
    if (lower_not_finite(a, s.n)) {
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

}  // namespace

void add_cpu_linalg_solve(KernelRegistry& kernels) {
  kernels.add("weft.Inverse", {"eigen", accepts, prepare<&inverse<float>, &inverse<double>>});
  kernels.add("weft.Solve", {"eigen", accepts, prepare<&solve<float>, &solve<double>>});
  kernels.add("weft.Cholesky", {"eigen", accepts, prepare<&cholesky<float>, &cholesky<double>>});
}

}  // namespace weft
