// The kernel of eigenvalues and eigenvectors of any square matrix.
#include <Eigen/Eigenvalues>
#include <complex>
#include <numeric>
#include <vector>

#include "core/kernels/cpu/linalg_common.h"
#include "core/kernels/cpu/symmetric_common.h"

namespace weft {
namespace {

using namespace linalg;

// Number by number, in blocks that stay in the cache.
template <typename T>
bool is_symmetric(const T* a, int64_t n) {
  constexpr int64_t kBlock = 16;
  for (int64_t top = 0; top < n; top += kBlock) {
    for (int64_t left = 0; left <= top; left += kBlock) {
      bool same = true;
      for (int64_t i = top; i < std::min(top + kBlock, n); ++i) {
        for (int64_t j = left; j < std::min(left + kBlock, i); ++j) same &= a[i * n + j] == a[j * n + i];
      }
      if (!same) return false;
    }
  }
  return true;
}

template <typename T>
const char* eig_of_any(const T* a, int64_t n, T* const out[4]) {
  using Columns = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;  // in which Eigen is twice as fast as in rows
  Eigen::EigenSolver<Columns> solver{Columns(In<T>(a, n, n))};
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
      out[3][r * n + j] = r == first || values[from].imag() == 0 ? T{0} : element.imag();
    }
  }
  return nullptr;
}

template <typename T>
void eig(const State& s, const RunArgs& args) {
  each_matrix(s, args, "weft.Eig", [&](int64_t i, void* scratch) -> const char* {
    const int64_t n = s.n, size = n * n;
    const T* a = args.input<T>(0) + i * size;
    T* out[4];
    for (int o = 0; o < 4; ++o) out[o] = args.output<T>(o) + i * (o < 2 ? n : size);
    if (not_finite(a, size)) {
      for (int o = 0; o < 4; ++o) fill_nan(out[o], o < 2 ? n : size);
      return nullptr;
    }
    if (!is_symmetric(a, n)) return eig_of_any(a, n, out);
    std::fill(out[1], out[1] + n, T{0});
    std::fill(out[3], out[3] + size, T{0});
    return symmetric_eigen(a, n, out[0], out[2], scratch, *args.parallel) ? nullptr : "did not converge";
  });
}

}  // namespace

void add_cpu_linalg_eig(KernelRegistry& kernels) {
  kernels.add("weft.Eig", {"eigen", accepts,
                           prepare<&eig<float>, &eig<double>, &symmetric_scratch<float>, &symmetric_scratch<double>>});
}

}  // namespace weft
