// Kernels of Softmax, its gradient along rows, and LogSoftmax.
#include <algorithm>
#include <cmath>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/vectors_common.h"

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

// Rows of neighbours, on vectors.
template <typename T, bool log>
void run_vectors(const Rows& rows, const RunArgs& args) {
  const T* in = args.input<T>(0);
  T* out = args.output<T>(0);
  const auto row = log ? rows_table(T()).log_softmax : rows_table(T()).softmax;
  const int64_t n = rows.n;
  if (n == 0) return;
  parallel_for(*args.parallel, rows.outer, std::max<int64_t>(1, 4096 / n), static_cast<double>(n),
               [&](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; ++r) row(in + r * n, out + r * n, n);
               });
}

// Columns of [n, inner], so many side by side. With fewer, what calls take is more than vectors save.
constexpr int64_t kColumns = 128, kLeastColumns = 8;
static_assert(kColumns <= kMostColumns);

template <typename T, bool log>
void run_columns(const Rows& rows, const RunArgs& args) {
  const int64_t n = rows.n, inner = rows.inner, tiles = (inner + kColumns - 1) / kColumns;
  if (n == 0) return;
  parallel_for(*args.parallel, rows.outer * tiles, 1, 2.0 * static_cast<double>(n * std::min(inner, kColumns)),
               [&](int64_t begin, int64_t end) {
                 const auto& [add, sub, mul, div] = arithmetic_table(T());
                 const auto exp = math_table(T()).exp;
                 for (int64_t tile = begin; tile < end; ++tile) {
                   const int64_t column = tile % tiles * kColumns, width = std::min(kColumns, inner - column);
                   const T* x = args.input<T>(0) + tile / tiles * n * inner + column;
                   T* y = args.output<T>(0) + (x - args.input<T>(0));
                   T top[kColumns], sum[kColumns], e[kColumns];
                   reduce_table(T()).max.columns(x, n, width, inner, top);
                   std::fill_n(sum, width, T(0));
                   for (int64_t i = 0; i < n; ++i) {
                     T* to = y + i * inner;
                     sub.both(x + i * inner, top, to, width);
                     exp(to, log ? e : to, width);
                     add.both(sum, log ? e : to, sum, width);
                   }
                   if (log) math_table(T()).log(sum, sum, width);
                   for (int64_t i = 0; i < n; ++i) {
                     (log ? sub : div).both(y + i * inner, sum, y + i * inner, width);
                   }
                 }
               });
}

template <typename T>
void run_grad(const Rows& rows, const RunArgs& args) {
  const T *y = args.input<T>(0), *dy = args.input<T>(1);
  T* dx = args.output<T>(0);
  const auto row = rows_table(T()).softmax_grad;
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
Status prepare_columns(const KernelContext& c, PreparedKernel* prepared) {
  prepared->cost_ns = 2.0 * static_cast<double>(c.count(0));
  if (c.dtype(0) == DType::kF32)
    prepared->use<&run_columns<float, log>>(read_rows(c));
  else
    prepared->use<&run_columns<double, log>>(read_rows(c));
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

bool accepts_columns(const KernelContext& c) { return accepts(c) && read_rows(c).inner >= kLeastColumns; }

bool accepts_grad(const KernelContext& c) { return accepts_vectors(c) && c.shape(0) == c.shape(1); }

}  // namespace

void add_cpu_softmax(KernelRegistry& kernels) {
  kernels.add("Softmax", {"vectors", accepts_vectors, prepare_vectors<false>});
  kernels.add("Softmax", {"columns", accepts_columns, prepare_columns<false>});
  kernels.add("Softmax", {"plain", accepts, prepare<false>});
  kernels.add("weft.SoftmaxGrad", {"vectors", accepts_grad, prepare_grad});
  kernels.add("LogSoftmax", {"vectors", accepts_vectors, prepare_vectors<true>});
  kernels.add("LogSoftmax", {"columns", accepts_columns, prepare_columns<true>});
  kernels.add("LogSoftmax", {"plain", accepts, prepare<true>});
}

}  // namespace weft
