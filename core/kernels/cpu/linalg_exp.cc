// The kernel of the exponential of matrices: Higham, "The scaling and squaring method for the matrix exponential
// revisited", 2005, with the approximant of degree 13 alone, in double precision.
#include <Eigen/LU>

#include "core/kernels/cpu/linalg_common.h"

namespace weft {
namespace {

using namespace linalg;

using ExpMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;

constexpr double kApproximant[] = {64764752532480000,
                                   32382376266240000,
                                   7771770303897600,
                                   1187353796428800,
                                   129060195264000,
                                   10559470521600,
                                   670442572800,
                                   33522128640,
                                   1323241920,
                                   40840800,
                                   960960,
                                   16380,
                                   182,
                                   1};
constexpr double kGoodUpTo = 5.371920351148152;  // the largest 1-norm at which it is exact in double precision

// How often `a` is halved so that the approximant is good.
int64_t halvings(const ExpMatrix& a) {
  const double most = a.cwiseAbs().maxCoeff();
  if (most == 0) return 0;
  const int64_t exponent = std::ilogb(most);
  // The norm of a matrix of elements below 2, so that it does not overflow.
  const double norm = (a * std::ldexp(1.0, static_cast<int>(-exponent / 2)) *
                       std::ldexp(1.0, static_cast<int>(-exponent + exponent / 2)))
                          .cwiseAbs()
                          .colwise()
                          .sum()
                          .maxCoeff();
  return std::max<int64_t>(0, exponent + static_cast<int64_t>(std::ceil(std::log2(norm / kGoodUpTo))));
}

void exponential_in_place(ExpMatrix* matrix) {
  const int64_t n = matrix->rows(), halved = halvings(*matrix);
  const double* b = kApproximant;
  // In two steps, as 2^-halved may be no normal number.
  const int first = static_cast<int>(halved / 2), second = static_cast<int>(halved) - first;
  const ExpMatrix a = *matrix * std::ldexp(1.0, -first) * std::ldexp(1.0, -second);
  const ExpMatrix one = ExpMatrix::Identity(n, n), a2 = a * a, a4 = a2 * a2, a6 = a4 * a2;
  const ExpMatrix odd_high = b[13] * a6 + b[11] * a4 + b[9] * a2, even_high = b[12] * a6 + b[10] * a4 + b[8] * a2;
  const ExpMatrix odd_sum = a6 * odd_high + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * one;
  const ExpMatrix odd = a * odd_sum;
  const ExpMatrix even = a6 * even_high + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * one;
  *matrix = (even - odd).partialPivLu().solve(even + odd);
  for (int64_t i = 0; i < halved && matrix->allFinite(); ++i) {
    const ExpMatrix square = *matrix * *matrix;
    *matrix = square;
  }
}

template <typename T>
void matrix_exp(const State& s, const RunArgs& args) {
  each_matrix(s, args, "weft.MatrixExp", [&](int64_t i, void*) -> const char* {
    const int64_t size = s.n * s.n;
    const T* a = args.input<T>(0) + i * size;
    T* y = args.output<T>(0) + i * size;
    if (not_finite(a, size)) {
      fill_nan(y, size);
      return nullptr;
    }
    ExpMatrix matrix = In<T>(a, s.n, s.n).template cast<double>();
    exponential_in_place(&matrix);
    Out<T>(y, s.n, s.n) = matrix.template cast<T>();
    return nullptr;
  });
}

}  // namespace

void add_cpu_linalg_exp(KernelRegistry& kernels) {
  kernels.add("weft.MatrixExp", {"eigen", accepts, prepare<&matrix_exp<float>, &matrix_exp<double>>});
}

}  // namespace weft
