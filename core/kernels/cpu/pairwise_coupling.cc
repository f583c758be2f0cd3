// Kernel of weft.PairwiseCoupling.
#include <algorithm>
#include <cmath>

#include "core/kernel/registry.h"

namespace weft {
namespace {

struct CouplingState {
  int64_t rows, classes, pairs;
};

// The matrix Q of the sum of squares p' Q p, read from the likelihoods within pairs.
struct PairMatrix {
  const double* pairs;
  int64_t classes;

  // How likely i is beside j.
  double beside(int64_t i, int64_t j) const {
    const int64_t low = std::min(i, j), high = std::max(i, j);
    const double first = pairs[low * (2 * classes - low - 1) / 2 + high - low - 1];
    return i < j ? first : 1 - first;
  }
  double off_diagonal(int64_t i, int64_t j) const { return -beside(j, i) * beside(i, j); }
  double diagonal(int64_t i) const {
    double sum = 0;
    for (int64_t j = 0; j < classes; ++j) {
      if (j != i) sum += beside(j, i) * beside(j, i);
    }
    return sum;
  }
};

// Until all Q p are about p' Q p; `diagonal` and `qp` are scratch.
void couple_row(const PairMatrix& q, double* p, double* diagonal, double* qp) {
  const int64_t k = q.classes, most_rounds = std::max<int64_t>(100, k);
  const double enough = 0.005 / static_cast<double>(k);
  for (int64_t i = 0; i < k; ++i) {
    p[i] = 1 / static_cast<double>(k);
    diagonal[i] = q.diagonal(i);
  }
  for (int64_t round = 0; round < most_rounds; ++round) {
    double pqp = 0, error = 0;
    for (int64_t i = 0; i < k; ++i) {
      qp[i] = diagonal[i] * p[i];
      for (int64_t j = 0; j < k; ++j) {
        if (j != i) qp[i] += q.off_diagonal(i, j) * p[j];
      }
      pqp += p[i] * qp[i];
    }
    for (int64_t i = 0; i < k; ++i) error = std::max(error, std::abs(qp[i] - pqp));
    if (error < enough) return;
    for (int64_t i = 0; i < k; ++i) {
      const double step = (pqp - qp[i]) / diagonal[i], size = 1 + step;
      pqp = (pqp + step * (step * diagonal[i] + 2 * qp[i])) / size / size;
      p[i] += step;
      for (int64_t j = 0; j < k; ++j) {
        qp[j] = (qp[j] + step * (j == i ? diagonal[i] : q.off_diagonal(i, j))) / size;
        p[j] /= size;
      }
    }
  }
}

double coupling_ns(int64_t classes) { return 20.0 * static_cast<double>(classes * classes); }

void run_pairwise_coupling(const CouplingState& s, const RunArgs& args) {
  const double* x = args.input<double>(0);
  double *y = args.output<double>(0), *scratch = static_cast<double*>(args.scratch);
  parallel_for(*args.parallel, s.rows, 1, coupling_ns(s.classes), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      double* own = scratch + 2 * n * s.classes;
      couple_row({x + n * s.pairs, s.classes}, y + n * s.classes, own, own + s.classes);
    }
  });
}

Status prepare_pairwise_coupling(const KernelContext& c, PreparedKernel* prepared) {
  const CouplingState s{c.shape(0)[0], c.output_shape(0)[1], c.shape(0)[1]};
  prepared->scratch_bytes = 2 * s.rows * s.classes * int64_t{sizeof(double)};
  prepared->cost_ns = coupling_ns(s.classes) * static_cast<double>(s.rows);
  prepared->use<&run_pairwise_coupling>(s);
  return {};
}

}  // namespace

void add_cpu_pairwise_coupling(KernelRegistry& kernels) {
  kernels.add("weft.PairwiseCoupling", {"plain", nullptr, prepare_pairwise_coupling});
}

}  // namespace weft
