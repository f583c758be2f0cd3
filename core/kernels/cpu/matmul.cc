// Kernels of MatMul and Gemm.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "core/base/divide_up.h"
#include "core/kernel/registry.h"
#include "core/kernels/cpu/cast_common.h"
#include "core/kernels/cpu/limits_common.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/packed_common.h"
#include "core/kernels/cpu/types_common.h"
#include "core/simd/gemm.h"

namespace weft {
namespace {

// A batch of products C = alpha * A B + beta * D with strides, so that transposes cost nothing to say.
struct Product {
  int64_t m, n, k;
  int64_t a_row, a_column, b_row, b_column;  // strides in elements
  int64_t batches = 1;
  std::vector<int64_t> a_offsets, b_offsets;  // of each batch
  double alpha = 1, beta = 0;
  int64_t d_row = 0, d_column = 0;
};

bool is_half(DType dtype) { return dtype == DType::kBF16 || dtype == DType::kF16; }

constexpr int64_t kRows = 32;
constexpr int64_t kLeastStored = 16384;  // elements of a matrix of f32 that the option "weight_dtype" is for

// A factor as T. Of integers a whole one, which wraps around as they do.
template <typename T>
T factor_of(double factor) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(convert<int64_t>(factor));
  else
    return static_cast<T>(factor);
}

// Every result is one chain of multiply-adds over k in ascending order.
template <typename T>
void run(const Product& p, const RunArgs& args) {
  const T* a = args.input<T>(0);
  const T* b = args.input<T>(1);
  const T* d = p.beta != 0 ? args.input<T>(2) : nullptr;
  T* c = args.output<T>(0);
  const T alpha = factor_of<T>(p.alpha), beta = factor_of<T>(p.beta);
  // What a broken factor gives integers is cut off once, at the end.
  [[maybe_unused]] const bool broken = std::trunc(p.alpha) != p.alpha || std::trunc(p.beta) != p.beta;
  int64_t rows = p.batches * p.m;
  double cost = 0.3 * static_cast<double>(p.n * std::max<int64_t>(p.k, 1)) + args.finish_cost_ns(p.n);
  parallel_for(*args.parallel, rows, kRows, cost, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t batch = row / p.m, i = row % p.m;
      const T* x = a + p.a_offsets[batch] + i * p.a_row;
      const T* y = b + p.b_offsets[batch];
      T* z = c + row * p.n;
      std::fill_n(z, p.n, T(0));
      if (p.b_column == 1) {
        for (int64_t k = 0; k < p.k; ++k) {
          T left = x[k * p.a_column];
          const T* right = y + k * p.b_row;
          for (int64_t j = 0; j < p.n; ++j) z[j] += left * right[j];
        }
      } else {
        for (int64_t j = 0; j < p.n; ++j) {
          T sum = 0;
          for (int64_t k = 0; k < p.k; ++k) sum += x[k * p.a_column] * y[k * p.b_row + j * p.b_column];
          z[j] = sum;
        }
      }
      if constexpr (std::is_integral_v<T>) {
        if (broken) {
          for (int64_t j = 0; j < p.n; ++j) {
            const double plus = d != nullptr ? p.beta * static_cast<double>(d[i * p.d_row + j * p.d_column]) : 0;
            z[j] = convert<T>(p.alpha * static_cast<double>(z[j]) + plus);
          }
          continue;
        }
      }
      if (p.alpha != 1) {
        for (int64_t j = 0; j < p.n; ++j) z[j] *= alpha;
      }
      if (d != nullptr) {
        for (int64_t j = 0; j < p.n; ++j) z[j] += beta * d[i * p.d_row + j * p.d_column];
      }
    }
    args.finished(begin * p.n, end * p.n);
  });
}

// The same of numbers of 16 bits, summed in f32 and rounded once.
template <typename T>
void run_half_sums(const Product& p, const RunArgs& args) {
  const T *a = args.input<T>(0), *b = args.input<T>(1), *d = p.beta != 0 ? args.input<T>(2) : nullptr;
  T* c = args.output<T>(0);
  const float alpha = static_cast<float>(p.alpha), beta = static_cast<float>(p.beta);
  const double cost = static_cast<double>(p.n * std::max<int64_t>(p.k, 1)) + args.finish_cost_ns(p.n);
  parallel_for(*args.parallel, p.batches * p.m, kRows, cost, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t batch = row / p.m, i = row % p.m;
      for (int64_t j = 0; j < p.n; ++j) {
        const T *x = a + p.a_offsets[batch] + i * p.a_row, *y = b + p.b_offsets[batch] + j * p.b_column;
        float sum = 0;
        for (int64_t k = 0; k < p.k; ++k)
          sum += static_cast<float>(x[k * p.a_column]) * static_cast<float>(y[k * p.b_row]);
        sum *= alpha;
        if (d != nullptr) sum += beta * static_cast<float>(d[i * p.d_row + j * p.d_column]);
        c[row * p.n + j] = sum;
      }
    }
    args.finished(begin * p.n, end * p.n);
  });
}

// On vectors.
template <typename T>
struct VectorProduct {
  Gemm<T> gemm;  // without addresses
  std::vector<int64_t> a_offsets, b_offsets;
  int64_t scratch;                    // elements for each batch
  std::shared_ptr<const Buffer> b{};  // packed, where it is constant
  bool init;
};

template <typename T>
void run_batch(const VectorProduct<T>& p, const RunArgs& args, int64_t i) {
  Gemm<T> gemm = p.gemm;
  gemm.a = args.input<T>(0) + p.a_offsets[i];
  if (args.in[1] != nullptr) gemm.b = args.input<T>(1) + p.b_offsets[i];
  if (p.init) gemm.init = args.input<T>(2);
  gemm.finish = args.finish;
  gemm.finish_at = i * gemm.m * gemm.n;
  gemm.c = args.output<T>(0) + gemm.finish_at;
  run_gemm(gemm, static_cast<T*>(args.scratch) + i * p.scratch, *args.parallel);
}

template <typename T>
void run_vectors(const VectorProduct<T>& p, const RunArgs& args) {
  const int64_t batches = static_cast<int64_t>(p.a_offsets.size());
  if (batches == 1) return run_batch(p, args, 0);
  const double cost = gemm_cost_ns(p.gemm) + args.finish_cost_ns(p.gemm.m * p.gemm.n);
  parallel_for(*args.parallel, batches, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) run_batch(p, args, i);
  });
}

// Makes one product of those of one matrix by rows that lie in order. Says whether there is one matrix B: with no products at all
// there may be none to pack.
bool join_batches(Product* p) {
  bool one_b = p->batches > 0 &&
               std::all_of(p->b_offsets.begin(), p->b_offsets.end(), [](int64_t offset) { return offset == 0; });
  bool a_in_order = p->a_column == 1 && p->a_row == p->k;
  for (int64_t i = 0; i < p->batches; ++i) a_in_order = a_in_order && p->a_offsets[i] == i * p->m * p->k;
  if (p->batches > 1 && one_b && a_in_order) {
    p->m *= p->batches;
    p->a_offsets = p->b_offsets = {0};
  }
  return one_b;
}

template <typename T>
Status use_vectors(const KernelContext& c, PreparedKernel* prepared, Product p) {
  const bool one_b = join_batches(&p);
  Gemm<T> gemm;
  gemm.m = p.m;
  gemm.n = p.n;
  gemm.k = p.k;
  gemm.a_row = p.a_row;
  gemm.a_column = p.a_column;
  gemm.b_row = p.b_row;
  gemm.b_column = p.b_column;
  gemm.c_row = p.n;
  gemm.init_row = p.d_row;
  gemm.init_column = p.d_column;
  gemm.alpha = static_cast<T>(p.alpha);
  gemm.limits = limits_of<T>(c);
  VectorProduct<T> state{gemm, std::move(p.a_offsets), std::move(p.b_offsets), 0, {}, p.beta != 0};
  if (const Tensor* b = c.constant(1); b != nullptr && one_b) {
    if constexpr (std::is_same_v<T, float>) {
      const bool as_bf16 = c.weight_dtype() == DType::kBF16 && gemm.k * gemm.n >= kLeastStored;
      WEFT_TRY(state.b, as_bf16 ? use_packed_bf16(*b, &state.gemm, c.form_cache())
                                : use_packed_b(*b, &state.gemm, c.form_cache()));
    } else {
      WEFT_TRY(state.b, use_packed_b(*b, &state.gemm, c.form_cache()));
    }
    if (state.b != nullptr) prepared->unused_inputs = {1};
  }
  state.scratch = gemm_scratch(state.gemm);
  prepared->scratch_bytes = state.scratch * static_cast<int64_t>(state.a_offsets.size() * sizeof(T));
  prepared->cost_ns = gemm_cost_ns(gemm) * static_cast<double>(state.a_offsets.size());
  prepared->finishes = finishes_well(gemm);
  prepared->use<&run_vectors<T>>(std::move(state));
  return {};
}

// -- Numbers of 16 bits: some rows at a time are widened, multiplied in f32 and rounded once.

constexpr int64_t kHalfElements = 1 << 20;  // of rows of A and C in f32, where they have so many rows
constexpr int64_t kLeastHalfRows = 64;
constexpr int64_t kHalfLanes = 16;  // batches at once

struct HalfProduct {
  Gemm<float> gemm;  // of `rows` rows, without addresses
  Half half;
  int64_t m, rows;
  int64_t a_row, a_column;  // of what A is stored as
  std::vector<int64_t> a_offsets, b_offsets;
  int64_t lanes, lane_size;           // elements of scratch
  std::shared_ptr<const Buffer> b{};  // packed, where it is constant
  bool init;
  int64_t d_row, d_column;

  int64_t a_size() const { return gemm.a_column == 1 ? rows * gemm.a_row : gemm.k * rows; }
};

// Rows [row, row + count) of A and of what is added.
void widen_rows(const HalfProduct& p, const RunArgs& args, const uint16_t* a, int64_t row, int64_t count, float* to_a,
                float* to_c) {
  const auto widen = halves_of(p.half, p.gemm.isa).widen;
  const int64_t k = p.gemm.k, n = p.gemm.n;
  a += row * p.a_row;
  if (p.gemm.a_column != 1) {
    // As it lies: the product turns it as it packs it.
    parallel_for(*args.parallel, k, kRows, 0.3 * static_cast<double>(count), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) widen(a + i * p.a_column, count, to_a + i * p.rows);
    });
  }
  const double cost = 0.3 * static_cast<double>(k + (p.init ? n : 0));
  parallel_for(*args.parallel, count, 8, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* x = to_a + i * p.gemm.a_row;
      if (p.a_column == 1)
        widen(a + i * p.a_row, k, x);
      else if (p.gemm.a_column == 1)
        for (int64_t j = 0; j < k; ++j) widen(a + i * p.a_row + j * p.a_column, 1, x + j);
      if (!p.init) continue;
      const uint16_t* d = args.input<uint16_t>(2) + (row + i) * p.d_row;
      widen(d, p.d_column == 0 ? 1 : n, to_c + i * n);
      if (p.d_column == 0) std::fill_n(to_c + i * n, n, to_c[i * n]);
    }
  });
}

void run_half_batch(const HalfProduct& p, const RunArgs& args, int64_t batch, float* scratch) {
  const Parallel& parallel = *args.parallel;
  const auto narrow = halves_of(p.half, p.gemm.isa).narrow;
  const int64_t n = p.gemm.n;
  float *a = scratch, *c = a + p.a_size(), *rest = c + p.rows * n;
  Gemm<float> gemm = p.gemm;
  if (p.b == nullptr) {
    pack_halves(gemm, args.input<uint16_t>(1) + p.b_offsets[batch], p.half, rest, parallel);
    gemm.packed_b = rest;
    rest += packed_b_size(gemm);
  }
  gemm.a = a;
  gemm.c = c;
  if (p.init) gemm.init = c;
  for (int64_t row = 0; row < p.m; row += p.rows) {
    if (parallel.stop != nullptr && parallel.stop->stopped()) return;
    gemm.m = std::min(p.rows, p.m - row);
    widen_rows(p, args, args.input<uint16_t>(0) + p.a_offsets[batch], row, gemm.m, a, c);
    run_gemm(gemm, rest, parallel);
    const int64_t at = (batch * p.m + row) * n;
    const double cost = (0.5 + args.finish_cost_ns(1)) * static_cast<double>(n);
    parallel_for(parallel, gemm.m, kRows, cost, [&](int64_t begin, int64_t end) {
      narrow(c + begin * n, (end - begin) * n, args.output<uint16_t>(0) + at + begin * n);
      args.finished(at + begin * n, at + end * n);
    });
  }
}

void run_halves(const HalfProduct& p, const RunArgs& args) {
  const int64_t batches = static_cast<int64_t>(p.a_offsets.size());
  if (p.m == 0 || p.gemm.n == 0) return;
  const double cost =
      gemm_cost_ns(p.gemm) * static_cast<double>(batches) / static_cast<double>(std::max<int64_t>(p.lanes, 1));
  parallel_for(*args.parallel, p.lanes, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t lane = begin; lane < end; ++lane) {
      float* scratch = static_cast<float*>(args.scratch) + lane * p.lane_size;
      for (int64_t i = lane * batches / p.lanes; i < (lane + 1) * batches / p.lanes; ++i)
        run_half_batch(p, args, i, scratch);
    }
  });
}

Status use_halves(const KernelContext& c, PreparedKernel* prepared, Product p) {
  const bool one_b = join_batches(&p);
  HalfProduct state{};
  state.half = c.dtype(0) == DType::kBF16 ? Half::kBf16 : Half::kF16;
  state.m = p.m;
  state.rows = std::min(p.m, std::max(kLeastHalfRows, kHalfElements / (p.k + p.n + 1)));
  state.a_row = p.a_row;
  state.a_column = p.a_column;
  state.init = p.beta != 0;
  state.d_row = p.d_row;
  state.d_column = p.d_column;
  Gemm<float>& gemm = state.gemm;
  gemm.m = state.rows;
  gemm.n = gemm.c_row = gemm.init_row = p.n;
  gemm.init_column = 1;
  gemm.k = p.k;
  const bool turned = p.a_row == 1 && p.a_column != 1;
  // Rows a page apart share one set of the first-level cache.
  gemm.a_row = turned ? 1 : p.k % 1024 == 0 ? p.k + 16 : p.k;
  gemm.a_column = turned ? state.rows : 1;
  gemm.b_row = p.b_row;
  gemm.b_column = p.b_column;
  gemm.packs_all_of_b = true;
  gemm.alpha = static_cast<float>(p.alpha);
  gemm.limits = limits_of<float>(c);
  if (const Tensor* b = c.constant(1); b != nullptr && one_b) {
    WEFT_TRY(state.b, state.half == Half::kBf16 ? use_packed_bf16(*b, &gemm, c.form_cache())
                                                : use_widened_b(*b, &gemm, c.form_cache()));
    if (state.b != nullptr) prepared->unused_inputs = {1};
  }
  state.a_offsets = std::move(p.a_offsets);
  state.b_offsets = std::move(p.b_offsets);
  const int64_t batches = static_cast<int64_t>(state.a_offsets.size());
  state.lanes = std::min(batches, kHalfLanes);
  state.lane_size =
      state.a_size() + state.rows * p.n + packed_scratch(gemm) + (state.b == nullptr ? packed_b_size(gemm) : 0);
  state.lane_size = divide_up(state.lane_size, 16) * 16;
  prepared->scratch_bytes = state.lanes * state.lane_size * static_cast<int64_t>(sizeof(float));
  Gemm<float> whole = gemm;
  whole.m = p.m;
  prepared->cost_ns = gemm_cost_ns(whole) * static_cast<double>(batches);
  const int64_t stretch = std::min(kRows, p.m) * p.n;
  prepared->finishes = stretch >= kLeastStretch || stretch == batches * p.m * p.n;
  prepared->use<&run_halves>(std::move(state));
  return {};
}

Status use_vectors(const KernelContext& c, PreparedKernel* prepared, Product product) {
  if (is_half(c.dtype(0))) return use_halves(c, prepared, std::move(product));
  if (c.dtype(0) == DType::kF32) return use_vectors<float>(c, prepared, std::move(product));
  return use_vectors<double>(c, prepared, std::move(product));
}

Status use(const KernelContext& c, PreparedKernel* prepared, Product product) {
  prepared->cost_ns = 0.3 * static_cast<double>(product.batches * product.m * product.n * product.k);
  const int64_t stretch = std::min(kRows, product.batches * product.m) * product.n;
  prepared->finishes = stretch >= kLeastStretch || stretch == product.batches * product.m * product.n;
  switch (c.dtype(0)) {
    case DType::kF32: prepared->use<&run<float>>(std::move(product)); break;
    case DType::kF64: prepared->use<&run<double>>(std::move(product)); break;
    case DType::kBF16: prepared->use<&run_half_sums<BF16>>(std::move(product)); break;
    case DType::kF16: prepared->use<&run_half_sums<F16>>(std::move(product)); break;
    case DType::kI32: prepared->use<&run<int32_t>>(std::move(product)); break;
    case DType::kI64: prepared->use<&run<int64_t>>(std::move(product)); break;
    default: prepared->use<&run<uint64_t>>(std::move(product)); break;
  }
  return {};
}

// An operand as the product reads it, at least a matrix.
struct Operand {
  Shape shape;
  std::vector<int64_t> strides;
};

Operand read_operand(const KernelContext& c, int i, const char* perm) {
  Operand operand{c.shape(i), {}};
  Shape& shape = operand.shape;
  if (shape.size() == 1) shape.insert(i == 0 ? shape.begin() : shape.end(), 1);
  operand.strides = row_major(shape);
  if (!c.attrs().has(perm)) return operand;
  const Operand stored = operand;
  const std::vector<int64_t>& axes = c.attrs().ints(perm);
  for (size_t d = 0; d < axes.size(); ++d) {
    shape[d] = stored.shape[static_cast<size_t>(axes[d])];
    operand.strides[d] = stored.strides[static_cast<size_t>(axes[d])];
  }
  return operand;
}

// With the bias of FusedMatMul, if there is one.
Product matmul(const KernelContext& c) {
  const Operand a = read_operand(c, 0, "permA"), b = read_operand(c, 1, "permB");
  const size_t a_lead = a.shape.size() - 2, b_lead = b.shape.size() - 2, rank = std::max(a_lead, b_lead);
  Product p;
  p.m = a.shape[a_lead];
  p.k = a.shape[a_lead + 1];
  p.n = b.shape[b_lead + 1];
  p.a_row = a.strides[a_lead];
  p.a_column = a.strides[a_lead + 1];
  p.b_row = b.strides[b_lead];
  p.b_column = b.strides[b_lead + 1];
  if (c.has_input(2)) {
    p.beta = 1;
    p.d_column = 1;
  }
  Shape batch(rank, 1);
  std::vector<int64_t> a_stride(rank, 0), b_stride(rank, 0);
  auto strides = [&batch, rank](const Operand& operand, size_t lead, std::vector<int64_t>& out) {
    for (size_t i = 0; i < lead; ++i) {
      if (operand.shape[i] == 1) continue;
      out[i + rank - lead] = operand.strides[i];
      batch[i + rank - lead] = operand.shape[i];
    }
  };
  strides(a, a_lead, a_stride);
  strides(b, b_lead, b_stride);
  for (int64_t dim : batch) p.batches *= dim;
  for (int64_t i = 0; i < p.batches; ++i) {
    int64_t rest = i, at_a = 0, at_b = 0;
    for (size_t d = rank; d-- > 0;) {
      int64_t index = rest % batch[d];
      rest /= batch[d];
      at_a += index * a_stride[d];
      at_b += index * b_stride[d];
    }
    p.a_offsets.push_back(at_a);
    p.b_offsets.push_back(at_b);
  }
  return p;
}

Product gemm(const KernelContext& c) {
  bool ta = c.attrs().b("transA"), tb = c.attrs().b("transB");
  const Shape &a = c.shape(0), &b = c.shape(1);
  Product p;
  p.m = a[ta ? 1 : 0];
  p.k = a[ta ? 0 : 1];
  p.n = b[tb ? 0 : 1];
  p.a_row = ta ? 1 : a[1];
  p.a_column = ta ? a[1] : 1;
  p.b_row = tb ? 1 : b[1];
  p.b_column = tb ? b[1] : 1;
  p.a_offsets = {0};
  p.b_offsets = {0};
  p.alpha = c.attrs().f("alpha");
  if (c.has_input(2)) {
    p.beta = c.attrs().f("beta");
    Shape d = c.shape(2);
    while (d.size() < 2) d.insert(d.begin(), 1);
    p.d_row = d[0] == 1 ? 0 : d[1];
    p.d_column = d[1] == 1 ? 0 : 1;
  }
  return p;
}

template <Product (*read)(const KernelContext&)>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  return use(c, prepared, read(c));
}
template <Product (*read)(const KernelContext&)>
Status prepare_vectors(const KernelContext& c, PreparedKernel* prepared) {
  return use_vectors(c, prepared, read(c));
}

bool accepts_vectors(const KernelContext& c) {
  if (!contains(kFloatTypes, c.dtype(0))) return false;
  return !c.has_input(2) || !c.attrs().has("beta") || c.attrs().f("beta") == 0 || c.attrs().f("beta") == 1;
}

bool accepts(const KernelContext& c) {
  return contains(kFloatTypes | set_of(DType::kI32, DType::kI64, DType::kU64), c.dtype(0));
}

}  // namespace

void add_cpu_matmul(KernelRegistry& kernels) {
  kernels.add("MatMul", {"vectors", accepts_vectors, prepare_vectors<matmul>});
  kernels.add("MatMul", {"plain", accepts, prepare<matmul>});
  kernels.add("Gemm", {"vectors", accepts_vectors, prepare_vectors<gemm>});
  kernels.add("Gemm", {"plain", accepts, prepare<gemm>});
  kernels.add("weft.FusedMatMul", {"vectors", accepts_vectors, prepare_vectors<matmul>});
  kernels.add("weft.FusedGemm", {"vectors", accepts_vectors, prepare_vectors<gemm>});
}

}  // namespace weft
