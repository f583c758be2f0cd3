// Kernels of determinants: Det, weft.SlogDet and weft.Cofactors.
#include <Eigen/LU>

#include "core/kernels/cpu/linalg_common.h"

namespace weft {
namespace {

using namespace linalg;

template <typename T>
void det(const State& s, const RunArgs& args) {
  each_matrix(s, args, "Det", [&](int64_t i, void*) -> const char* {
    const T* a = args.input<T>(0) + i * s.n * s.n;
    T* y = args.output<T>(0) + i;
    if (not_finite(a, s.n * s.n))
      *y = std::numeric_limits<T>::quiet_NaN();
    else
      *y = Eigen::PartialPivLU<Matrix<T>>(In<T>(a, s.n, s.n)).determinant();
    return nullptr;
  });
}

// Of matrices of no rows: the product of no numbers.
template <typename T>
void det_of_nothing(const int64_t& count, const RunArgs& args) {
  std::fill_n(args.output<T>(0), count, T(1));
}

Status prepare_det(const KernelContext& c, PreparedKernel* prepared) {
  if (c.shape(0).back() != 0) return prepare<&det<float>, &det<double>>(c, prepared);
  const int64_t count = c.output_count_of(0);
  if (c.dtype(0) == DType::kF32)
    prepared->use<&det_of_nothing<float>>(count);
  else
    prepared->use<&det_of_nothing<double>>(count);
  return {};
}

template <typename T>
void slogdet(const State& s, const RunArgs& args) {
  each_matrix(s, args, "weft.SlogDet", [&](int64_t i, void*) -> const char* {
    const T* a = args.input<T>(0) + i * s.n * s.n;
    T* sign = args.output<T>(0) + i;
    T* logarithm = args.output<T>(1) + i;
    if (not_finite(a, s.n * s.n)) {
      *sign = *logarithm = std::numeric_limits<T>::quiet_NaN();
      return nullptr;
    }
    const Eigen::PartialPivLU<Matrix<T>> lu{In<T>(a, s.n, s.n)};
    T turns = static_cast<T>(lu.permutationP().determinant());
    double sum = 0;
    for (int64_t d = 0; d < s.n; ++d) {
      const T pivot = lu.matrixLU()(d, d);
      turns = pivot == 0 ? T(0) : pivot < 0 ? -turns : turns;
      sum += std::log(std::abs(static_cast<double>(pivot)));
    }
    *sign = turns;
    *logarithm = static_cast<T>(turns == 0 ? -std::numeric_limits<double>::infinity() : sum);
    return nullptr;
  });
}

template <typename T>
void slogdet_of_nothing(const int64_t& count, const RunArgs& args) {
  std::fill_n(args.output<T>(0), count, T(1));
  std::fill_n(args.output<T>(1), count, T(0));
}

Status prepare_slogdet(const KernelContext& c, PreparedKernel* prepared) {
  if (c.shape(0).back() != 0) return prepare<&slogdet<float>, &slogdet<double>>(c, prepared);
  const int64_t count = c.output_count_of(0);
  if (c.dtype(0) == DType::kF32)
    prepared->use<&slogdet_of_nothing<float>>(count);
  else
    prepared->use<&slogdet_of_nothing<double>>(count);
  return {};
}

// With P A Q = L U of full pivoting the adjugate is, up to the signs of P and Q, Q adj(U) L^-1 P. With U in the blocks
// [V v; 0 e], adj(U) is det(V) [e V^-1, -V^-1 v; 0, 1]: the last pivot, alone 0 where one rank is missing, divides nothing.
// Where more are missing all cofactors are 0.
template <typename T>
void cofactors_of(const T* a, T* y, int64_t n) {
  const Eigen::FullPivLU<Matrix<T>> lu{In<T>(a, n, n)};
  const Matrix<T>& m = lu.matrixLU();
  const int64_t k = n - 1;
  const T last = m(k, k);
  T leading = static_cast<T>(lu.permutationP().determinant() * lu.permutationQ().determinant());
  for (int64_t i = 0; i < k; ++i) leading *= m(i, i);
  Matrix<T> adjugate = Matrix<T>::Zero(n, n);
  if (leading != T(0)) {
    const auto upper = m.topLeftCorner(k, k).template triangularView<Eigen::Upper>();
    adjugate.topLeftCorner(k, k) = upper.solve(Matrix<T>::Identity(k, k)) * (last * leading);
    adjugate.topRightCorner(k, 1) = upper.solve(m.topRightCorner(k, 1)) * -leading;
    adjugate(k, k) = leading;
    m.template triangularView<Eigen::UnitLower>().template solveInPlace<Eigen::OnTheRight>(adjugate);
  }
  const Matrix<T> turned = lu.permutationQ() * adjugate * lu.permutationP();
  Out<T>(y, n, n) = turned.transpose();
}

template <typename T>
void cofactors(const State& s, const RunArgs& args) {
  each_matrix(s, args, "weft.Cofactors", [&](int64_t i, void*) -> const char* {
    const int64_t size = s.n * s.n;
    const T* a = args.input<T>(0) + i * size;
    T* y = args.output<T>(0) + i * size;
    if (not_finite(a, size))
      fill_nan(y, size);
    else
      cofactors_of(a, y, s.n);
    return nullptr;
  });
}

}  // namespace

void add_cpu_linalg_det(KernelRegistry& kernels) {
  kernels.add("Det", {"eigen", accepts, prepare_det});
  kernels.add("weft.SlogDet", {"eigen", accepts, prepare_slogdet});
  kernels.add("weft.Cofactors", {"eigen", accepts, prepare<&cofactors<float>, &cofactors<double>>});
}

}  // namespace weft
