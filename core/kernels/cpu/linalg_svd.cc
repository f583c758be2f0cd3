// The kernel of singular values, in double precision alone: Eigen's templates take a minute to compile for each type.
#include <Eigen/SVD>

#include "core/kernels/cpu/linalg_common.h"

namespace weft {
namespace {

using namespace linalg;

using SvdColumns = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;

// What turns a column so that its first largest element is positive.
double svd_sign(const SvdColumns::ConstColXpr& column) {
  const double largest = column.cwiseAbs().maxCoeff() * kAlmost;
  Eigen::Index first = 0;
  while (std::abs(column[first]) < largest) ++first;
  return column[first] < 0 ? -1 : 1;
}

template <typename T>
void svd(const RectangleState& s, const RunArgs& args) {
  const int64_t m = s.m, n = s.n, k = s.k;
  const int64_t left = s.option ? m : k, right = s.option ? n : k;
  each_matrix(s.each, args, "weft.Svd", [&](int64_t i, void*) -> const char* {
    const T* a = args.input<T>(0) + i * m * n;
    Out<T> u(args.output<T>(0) + i * m * left, m, left);
    T* values = args.output<T>(1) + i * k;
    Out<T> vt(args.output<T>(2) + i * right * n, right, n);
    if (k == 0) {
      u.setIdentity();
      vt.setIdentity();
      return nullptr;
    }
    if (not_finite(a, m * n)) {
      fill_nan(u.data(), u.size());
      fill_nan(values, k);
      fill_nan(vt.data(), vt.size());
      return nullptr;
    }
    const unsigned options =
        s.option ? Eigen::ComputeFullU | Eigen::ComputeFullV : Eigen::ComputeThinU | Eigen::ComputeThinV;
    const Eigen::BDCSVD<SvdColumns> solver(In<T>(a, m, n).template cast<double>(), options);
    if (solver.info() != Eigen::Success) return "did not converge";
    const SvdColumns &vectors = solver.matrixU(), &others = solver.matrixV();
    for (int64_t j = 0; j < k; ++j) values[j] = static_cast<T>(solver.singularValues()[j]);
    auto turned = [](const SvdColumns& from, int64_t j, double sign) {
      return (from.col(j) * sign).template cast<T>().eval();
    };
    for (int64_t j = 0; j < left; ++j) {
      const double sign = svd_sign(vectors.col(j));
      u.col(j) = turned(vectors, j, sign);
      if (j < k) vt.row(j) = turned(others, j, sign).transpose();
    }
    for (int64_t j = k; j < right; ++j) vt.row(j) = turned(others, j, svd_sign(others.col(j))).transpose();
    return nullptr;
  });
}

Status prepare_svd(const KernelContext& c, PreparedKernel* prepared) {
  return prepare_rectangles<&svd<float>, &svd<double>>(c, prepared, c.attrs().b("full"));
}

}  // namespace

void add_cpu_linalg_svd(KernelRegistry& kernels) { kernels.add("weft.Svd", {"eigen", accepts, prepare_svd}); }

}  // namespace weft
