// The kernel of eigenvalues and eigenvectors of symmetric matrices.
#include "core/kernels/cpu/linalg_common.h"
#include "core/kernels/cpu/symmetric_common.h"

namespace weft {
namespace {

using namespace linalg;

template <typename T>
void eigh(const State& s, const RunArgs& args) {
  each_matrix(s, args, "weft.Eigh", [&](int64_t i, void* scratch) -> const char* {
    const int64_t n = s.n, size = n * n;
    const T* a = args.input<T>(0) + i * size;
    T* values = args.output<T>(0) + i * n;
    T* vectors = args.output<T>(1) + i * size;
    if (lower_not_finite(a, n)) {
      fill_nan(values, n);
      fill_nan(vectors, size);
      return nullptr;
    }
    return symmetric_eigen(a, n, values, vectors, scratch, *args.parallel) ? nullptr : "did not converge";
  });
}

}  // namespace

void add_cpu_linalg_eigh(KernelRegistry& kernels) {
  kernels.add("weft.Eigh",
              {"vectors", accepts,
               prepare<&eigh<float>, &eigh<double>, &symmetric_scratch<float>, &symmetric_scratch<double>>});
}

}  // namespace weft
