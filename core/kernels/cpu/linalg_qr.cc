// Kernels of triangular matrices: Qr and TriangularSolve.
#include <Eigen/QR>

#include "core/kernels/cpu/linalg_common.h"

namespace weft {
namespace {

using namespace linalg;

template <typename T>
using QrColumns = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;

template <typename T>
void qr(const RectangleState& s, const RunArgs& args) {
  const int64_t m = s.m, n = s.n, k = s.k, width = s.option ? m : k;
  each_matrix(s.each, args, "weft.Qr", [&](int64_t i, void*) -> const char* {
    const T* a = args.input<T>(0) + i * m * n;
    Out<T> q(args.output<T>(0) + i * m * width, m, width);
    Out<T> r(args.output<T>(1) + i * width * n, width, n);
    if (k == 0) {
      q.setIdentity();
      r.setZero();
      return nullptr;
    }
    if (not_finite(a, m * n)) {
      fill_nan(q.data(), q.size());
      fill_nan(r.data(), r.size());
      return nullptr;
    }
    const T scale = power_of_largest(a, m * n);
    const Eigen::HouseholderQR<QrColumns<T>> solver(QrColumns<T>(In<T>(a, m, n) / scale));
    QrColumns<T> vectors = QrColumns<T>::Identity(m, width);
    vectors.applyOnTheLeft(solver.householderQ());
    q = vectors;
    r.setZero();
    for (int64_t j = 0; j < k; ++j) {
      const bool turned = solver.matrixQR()(j, j) < 0;
      if (turned) q.col(j) = -q.col(j);
      for (int64_t l = j; l < n; ++l) r(j, l) = (turned ? -solver.matrixQR()(j, l) : solver.matrixQR()(j, l)) * scale;
    }
    return nullptr;
  });
}

Status prepare_qr(const KernelContext& c, PreparedKernel* prepared) {
  return prepare_rectangles<&qr<float>, &qr<double>>(c, prepared, c.attrs().b("complete"));
}

struct TriangularState {
  State each;
  bool lower, transposed, unit;
};

template <typename T, int kMode>
void triangular_solve_as(const In<T>& a, bool transposed, QrColumns<T>* x) {
  if (transposed)
    a.template triangularView<kMode>().transpose().solveInPlace(*x);
  else
    a.template triangularView<kMode>().solveInPlace(*x);
}

template <typename T>
void triangular_solve(const TriangularState& t, const RunArgs& args) {
  const State& s = t.each;
  each_matrix(s, args, "weft.TriangularSolve", [&](int64_t i, void*) -> const char* {
    const T* values = args.input<T>(0) + i * s.n * s.n;
    const In<T> a(values, s.n, s.n);
    Out<T> out(args.output<T>(0) + i * s.n * s.k, s.n, s.k);
    // Of each row what is read: from the diagonal, or from behind it, to its end or beginning.
    const int64_t skip = t.unit ? 1 : 0;
    bool finite = true;
    for (int64_t row = 0; row < s.n; ++row) {
      const int64_t begin = t.lower ? 0 : row + skip, end = t.lower ? row + 1 - skip : s.n;
      if (!t.unit && a(row, row) == T(0)) return "is singular";
      if (begin < end) finite = finite && !not_finite(values + row * s.n + begin, end - begin);
    }
    if (!finite) {
      fill_nan(out.data(), out.size());
      return nullptr;
    }
    QrColumns<T> x = In<T>(args.input<T>(1) + i * s.n * s.k, s.n, s.k);
    if (t.lower)
      t.unit ? triangular_solve_as<T, Eigen::UnitLower>(a, t.transposed, &x)
             : triangular_solve_as<T, Eigen::Lower>(a, t.transposed, &x);
    else
      t.unit ? triangular_solve_as<T, Eigen::UnitUpper>(a, t.transposed, &x)
             : triangular_solve_as<T, Eigen::Upper>(a, t.transposed, &x);
    out = x;
    return nullptr;
  });
}

Status prepare_triangular_solve(const KernelContext& c, PreparedKernel* prepared) {
  const Shape& shape = c.shape(0);
  if (shape.back() != shape[shape.size() - 2]) {
    return invalid("the last two axes must make a square matrix but the input is ", shape_text(shape));
  }
  const TriangularState t{state_of(c), c.attrs().b("lower"), c.attrs().b("transposed"), c.attrs().b("unit_diagonal")};
  prepared->cost_ns = 2.0 * static_cast<double>(t.each.batch * t.each.n * t.each.n) * static_cast<double>(t.each.k);
  prepared->most_threads = t.each.lanes;
  if (c.dtype(0) == DType::kF32)
    prepared->use<&triangular_solve<float>>(t);
  else
    prepared->use<&triangular_solve<double>>(t);
  return {};
}

}  // namespace

void add_cpu_linalg_qr(KernelRegistry& kernels) {
  kernels.add("weft.Qr", {"eigen", accepts, prepare_qr});
  kernels.add("weft.TriangularSolve", {"eigen", accepts, prepare_triangular_solve});
}

}  // namespace weft
