// The kernel of eigenvalues and eigenvectors of symmetric matrices.
#include <Eigen/Eigenvalues>

#include "core/kernels/cpu/linalg_common.h"

namespace weft {
namespace {

using namespace linalg;

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

}  // namespace

void add_cpu_linalg_eigh(KernelRegistry& kernels) {
  kernels.add("weft.Eigh", {"eigen", accepts, prepare<&eigh<float>, &eigh<double>>});
}

}  // namespace weft
