// Kernels of Softmax, its gradient along rows, and LogSoftmax.
#include <algorithm>
#include <cmath>

#include "core/kernel/registry.h"
#include "core/simd/rows.h"

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

const RowsTable<float>& table(float) { return rows_f32(current_isa()); }
const RowsTable<double>& table(double) { return rows_f64(current_isa()); }

// Rows of neighbours, on vectors.
template <typename T, bool log>
void run_vectors(const Rows& rows, const RunArgs& args) {
  const T* in = args.input<T>(0);
  T* out = args.output<T>(0);
  const auto row = log ? table(T()).log_softmax : table(T()).softmax;
  const int64_t n = rows.n;
  if (n == 0) return;
  parallel_for(*args.parallel, rows.outer, std::max<int64_t>(1, 4096 / n), static_cast<double>(n),
               [&](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; ++r) row(in + r * n, out + r * n, n);
               });
}

template <typename T>
void run_grad(const Rows& rows, const RunArgs& args) {
  const T *y = args.input<T>(0), *dy = args.input<T>(1);
  T* dx = args.output<T>(0);
  const auto row = table(T()).softmax_grad;
  const int64_t n = rows.n;
  if (n == 0) return;
  parallel_for(*args.parallel, rows.outer, std::max<int64_t>(1, 8192 / n), 0.5 * static_cast<double>(n),
               [&](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; ++r) row(y + r * n, dy + r * n, dx + r * n, n);
               });
}

Rows read_rows(const KernelContext& c) {
  int64_t rank = c.rank(0), axis = c.attrs().i("axis");
  if (axis < 0) axis += rank;
  Rows rows;
  for (int64_t i = 0; i < rank; ++i) (i < axis ? rows.outer : i == axis ? rows.n : rows.inner) *= c.shape(0)[i];
  return rows;
}

template <bool log>
Status prepare_vectors(const KernelContext& c, PreparedKernel* prepared) {
  prepared->cost_ns = static_cast<double>(c.count(0));
  if (c.dtype(0) == DType::kF32)
    prepared->use<&run_vectors<float, log>>(read_rows(c));
  else
    prepared->use<&run_vectors<double, log>>(read_rows(c));
  return {};
}

template <bool log>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  Rows rows = read_rows(c);
  prepared->cost_ns = 6.0 * static_cast<double>(c.count(0));
  if (c.dtype(0) == DType::kF32)
    prepared->use<&run<float, log>>(rows);
  else
    prepared->use<&run<double, log>>(rows);
  return {};
}

Status prepare_grad(const KernelContext& c, PreparedKernel* prepared) {
  prepared->cost_ns = 0.5 * static_cast<double>(c.count(0));
  if (c.dtype(0) == DType::kF32)
    prepared->use<&run_grad<float>>(read_rows(c));
  else
    prepared->use<&run_grad<double>>(read_rows(c));
  return {};
}

bool accepts(const KernelContext& c) { return c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64; }

bool accepts_vectors(const KernelContext& c) { return accepts(c) && read_rows(c).inner == 1; }

bool accepts_grad(const KernelContext& c) { return accepts_vectors(c) && c.shape(0) == c.shape(1); }

}  // namespace

void add_cpu_softmax(KernelRegistry& kernels) {
  kernels.add("Softmax", {"vectors", accepts_vectors, prepare_vectors<false>});
  kernels.add("Softmax", {"plain", accepts, prepare<false>});
  kernels.add("weft.SoftmaxGrad", {"vectors", accepts_grad, prepare_grad});
  kernels.add("LogSoftmax", {"vectors", accepts_vectors, prepare_vectors<true>});
  kernels.add("LogSoftmax", {"plain", accepts, prepare<true>});
}

}  // namespace weft
