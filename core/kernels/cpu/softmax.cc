// Kernels of Softmax and LogSoftmax.
#include <algorithm>
#include <cmath>

#include "core/kernel/registry.h"

namespace weft {
namespace {

// [outer, n, inner], normalised along n.
struct Rows {
  int64_t outer = 1, n = 1, inner = 1;
};

template <typename T, bool log>
void run(const Rows& rows, const RunArgs& args) {
  const T* in = args.input<T>(0);
  T* out = args.output<T>(0);
  int64_t n = rows.n, inner = rows.inner;
  int64_t block = std::max<int64_t>(1, 4096 / std::max<int64_t>(n, 1));
  parallel_for(*args.parallel, rows.outer * inner, block, 6.0 * static_cast<double>(n),
               [&](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; ++r) {
                   const T* x = in + r / inner * n * inner + r % inner;
                   T* y = out + (x - in);
                   T top = n > 0 ? x[0] : T(0);
                   for (int64_t i = 1; i < n; ++i) top = std::max(top, x[i * inner]);
                   T sum = 0;
                   if (log) {
                     for (int64_t i = 0; i < n; ++i) sum += std::exp(x[i * inner] - top);
                     T shift = std::log(sum);
                     for (int64_t i = 0; i < n; ++i) y[i * inner] = x[i * inner] - top - shift;
                   } else {
                     for (int64_t i = 0; i < n; ++i) {
                       T e = std::exp(x[i * inner] - top);
                       y[i * inner] = e;
                       sum += e;
                     }
                     for (int64_t i = 0; i < n; ++i) y[i * inner] /= sum;
                   }
                 }
               });
}

template <bool log>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  int64_t rank = c.rank(0), axis = c.attrs().i("axis");
  if (axis < 0) axis += rank;
  Rows rows;
  for (int64_t i = 0; i < rank; ++i) (i < axis ? rows.outer : i == axis ? rows.n : rows.inner) *= c.shape(0)[i];
  prepared->cost_ns = 6.0 * static_cast<double>(c.count(0));
  if (c.dtype(0) == DType::kF32)
    prepared->use<&run<float, log>>(rows);
  else
    prepared->use<&run<double, log>>(rows);
  return {};
}

bool accepts(const KernelContext& c) { return c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64; }

}  // namespace

void add_cpu_softmax(KernelRegistry& kernels) {
  kernels.add("Softmax", {"plain", accepts, prepare<false>});
  kernels.add("LogSoftmax", {"plain", accepts, prepare<true>});
}

}  // namespace weft
