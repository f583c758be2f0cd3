// Products of matrices, by cuBLASLt: f32 and f64 in their own precision, halves with sums in f32.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <numeric>

#include "plugins/cuda/device.h"
#include "plugins/cuda/fused.h"
#include "plugins/cuda/kernels.h"

namespace weft::cuda {

namespace {

// An operand of a batch of products: rows and columns with steps in elements, one of them 1.
struct Operand {
  int64_t row, column;
};

// C = alpha * A B + beta * D, batch by batch. The batches of `outer` are calls of their own, those inside one of them have
// regular steps.
struct Product {
  int64_t m = 0, n = 0, k = 0;
  Operand a{}, b{};
  int64_t batches = 1, a_step = 0, b_step = 0;
  std::vector<std::array<int64_t, 2>> outer{{0, 0}};  // where A and B begin
  double alpha = 1, beta = 0;
  int32_t dtype = 0;
};

constexpr size_t kMostCalls = 16;
constexpr int64_t kWorkspace = int64_t{32} << 20, kSmallWorkspace = int64_t{1} << 20;
constexpr int kMostDevices = 64;

// -- What a node asks for.

// Shape and steps of an operand as the product reads it.
struct View {
  Shape shape;
  std::vector<int64_t> steps;
};

View view_of(const Shape& shape) {
  View view{shape, std::vector<int64_t>(shape.size())};
  int64_t step = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    view.steps[d] = step;
    step *= shape[d];
  }
  return view;
}

View turned(const View& view, const std::vector<int64_t>& perm) {
  View out;
  for (int64_t axis : perm) {
    out.shape.push_back(view.shape[static_cast<size_t>(axis)]);
    out.steps.push_back(view.steps[static_cast<size_t>(axis)]);
  }
  return out;
}

// Puts the batches of both operands in order. False if they take too many calls.
bool plan_batches(const View& a, const View& b, Product* p) {
  struct Axis {
    int64_t size, a, b;
  };
  std::vector<Axis> axes;  // innermost first, neighbours with regular steps put together
  const size_t rank = std::max(a.shape.size(), b.shape.size());
  for (size_t back = 3; back <= rank; ++back) {
    const bool in_a = back <= a.shape.size(), in_b = back <= b.shape.size();
    const int64_t size_a = in_a ? a.shape[a.shape.size() - back] : 1,
                  size_b = in_b ? b.shape[b.shape.size() - back] : 1;
    Axis axis{size_a == 1 ? size_b : size_a, 0, 0};
    if (axis.size == 1) continue;
    if (size_a != 1) axis.a = a.steps[a.shape.size() - back];
    if (size_b != 1) axis.b = b.steps[b.shape.size() - back];
    if (!axes.empty() && axis.a == axes.back().a * axes.back().size && axis.b == axes.back().b * axes.back().size)
      axes.back().size *= axis.size;
    else
      axes.push_back(axis);
  }
  if (axes.empty()) return true;
  // Rows of one matrix after another, by one matrix: a product of more rows.
  const Axis inner = axes.front();
  if (inner.b == 0 && p->a.column == 1 && inner.a == p->m * p->a.row) {
    p->m *= inner.size;
  } else {
    p->batches = inner.size;
    p->a_step = inner.a;
    p->b_step = inner.b;
  }
  for (size_t x = 1; x < axes.size(); ++x) {
    if (p->outer.size() * static_cast<size_t>(std::max<int64_t>(axes[x].size, 1)) > kMostCalls) return false;
    std::vector<std::array<int64_t, 2>> next;
    for (int64_t i = 0; i < axes[x].size; ++i) {
      for (const auto& at : p->outer) next.push_back({at[0] + i * axes[x].a, at[1] + i * axes[x].b});
    }
    p->outer = std::move(next);
  }
  return true;
}

// A leading dimension as cuBLASLt wants it: one step is 1, the other at least as large as the matrix is wide.
bool readable(const Operand& x, int64_t rows, int64_t columns) {
  const bool by_rows = x.column == 1 && (rows == 1 || x.row >= columns);
  const bool by_columns = x.row == 1 && (columns == 1 || x.column >= rows);
  return by_rows || by_columns;
}

bool plan_matmul(const Node& node, Product* p) {
  View a = view_of(node.input(0).shape), b = view_of(node.input(1).shape);
  if (node.has_attr("permA")) a = turned(a, node.ints("permA"));
  if (node.has_attr("permB")) b = turned(b, node.ints("permB"));
  if (a.shape.size() == 1) a = {{1, a.shape[0]}, {a.shape[0], 1}};
  if (b.shape.size() == 1) b = {{b.shape[0], 1}, {1, 1}};
  if (a.shape.empty() || b.shape.empty()) return false;
  const size_t ra = a.shape.size(), rb = b.shape.size();
  p->m = a.shape[ra - 2];
  p->k = a.shape[ra - 1];
  p->n = b.shape[rb - 1];
  p->a = {a.steps[ra - 2], a.steps[ra - 1]};
  p->b = {b.steps[rb - 2], b.steps[rb - 1]};
  p->dtype = node.input(0).dtype;
  const int64_t m = p->m;
  return plan_batches(a, b, p) && readable(p->a, m, p->k) && readable(p->b, p->k, p->n);
}

bool plan_gemm(const Node& node, Product* p) {
  const Shape &a = node.input(0).shape, &b = node.input(1).shape;
  const bool turn_a = node.i("transA") != 0, turn_b = node.i("transB") != 0;
  p->m = turn_a ? a[1] : a[0];
  p->k = turn_a ? a[0] : a[1];
  p->n = turn_b ? b[0] : b[1];
  p->a = turn_a ? Operand{1, a[1]} : Operand{a[1], 1};
  p->b = turn_b ? Operand{1, b[1]} : Operand{b[1], 1};
  p->alpha = node.f("alpha");
  p->beta = node.has(2) ? node.f("beta") : 0;
  p->dtype = node.input(0).dtype;
  return true;
}

bool takes(int32_t dtype) { return dtype == WEFT_F32 || dtype == WEFT_F64 || dtype == WEFT_F16 || dtype == WEFT_BF16; }

// A sum over nothing is the CPU's, and so is what cuBLASLt cannot count.
bool fits(const Product& p) { return p.k > 0 && std::max({p.m, p.n, p.k, p.batches}) <= INT32_MAX; }
bool accepts_matmul(const Node& node) {
  Product p;
  return takes(node.input(0).dtype) && plan_matmul(node, &p) && fits(p);
}
bool accepts_gemm(const Node& node) {
  Product p;
  return takes(node.input(0).dtype) && plan_gemm(node, &p) && fits(p);
}

// -- cuBLASLt's objects.

struct Description {
  cublasLtMatmulDesc_t of = nullptr;
  ~Description() { (void)cublasLtMatmulDescDestroy(of); }
  template <typename T>
  void set(cublasLtMatmulDescAttributes_t what, const T& value) {
    check(cublasLtMatmulDescSetAttribute(of, what, &value, sizeof value), "a product cannot be described");
  }
};
struct Layout {
  cublasLtMatrixLayout_t of = nullptr;
  ~Layout() { (void)cublasLtMatrixLayoutDestroy(of); }
};

cudaDataType_t data_type(int32_t dtype) {
  switch (dtype) {
    case WEFT_F64: return CUDA_R_64F;
    case WEFT_F16: return CUDA_R_16F;
    case WEFT_BF16: return CUDA_R_16BF;
    default: return CUDA_R_32F;
  }
}

void make_layout(int32_t dtype, int64_t rows, int64_t columns, int64_t leading, int64_t batches, int64_t step,
                 Layout* to) {
  check(cublasLtMatrixLayoutCreate(&to->of, data_type(dtype), static_cast<uint64_t>(rows),
                                   static_cast<uint64_t>(columns), leading),
        "a matrix cannot be described");
  if (batches == 1) return;
  const auto count = static_cast<int32_t>(batches);
  check(cublasLtMatrixLayoutSetAttribute(to->of, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
        "a matrix cannot be described");
  check(cublasLtMatrixLayoutSetAttribute(to->of, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &step, sizeof step),
        "a matrix cannot be described");
}

// cuBLASLt has matrices by columns, so what it computes is the transposed product: B' A'.
class Kernel {
 public:
  Kernel(Product p, bool bias, bool adds) : p_(std::move(p)), bias_(bias), adds_(adds) {
    const bool is_f64 = p_.dtype == WEFT_F64;
    // Not TF32: a product of f32 has the precision of f32.
    check(cublasLtMatmulDescCreate(&description_.of, is_f64 ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F,
                                   is_f64 ? CUDA_R_64F : CUDA_R_32F),
          "a product cannot be described");
    const bool a_by_rows = p_.a.column == 1 && (p_.m == 1 || p_.a.row >= p_.k);
    const bool b_by_rows = p_.b.column == 1 && (p_.k == 1 || p_.b.row >= p_.n);
    description_.set(CUBLASLT_MATMUL_DESC_TRANSA, b_by_rows ? CUBLAS_OP_N : CUBLAS_OP_T);
    description_.set(CUBLASLT_MATMUL_DESC_TRANSB, a_by_rows ? CUBLAS_OP_N : CUBLAS_OP_T);
    if (bias_) description_.set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    if (b_by_rows)
      make_layout(p_.dtype, p_.n, p_.k, std::max(p_.b.row, p_.n), p_.batches, p_.b_step, &b_);
    else
      make_layout(p_.dtype, p_.k, p_.n, std::max(p_.b.column, p_.k), p_.batches, p_.b_step, &b_);
    if (a_by_rows)
      make_layout(p_.dtype, p_.k, p_.m, std::max(p_.a.row, p_.k), p_.batches, p_.a_step, &a_);
    else
      make_layout(p_.dtype, p_.m, p_.k, std::max(p_.a.column, p_.m), p_.batches, p_.a_step, &a_);
    make_layout(p_.dtype, p_.n, p_.m, p_.n, p_.batches, p_.m * p_.n, &c_);
    for (auto& choice : choices_) choice.store(nullptr);
  }
  ~Kernel() {
    for (auto& choice : choices_) delete choice.load();
  }

  int64_t workspace() const {
    const double work = static_cast<double>(p_.m) * static_cast<double>(p_.n) * static_cast<double>(p_.k) *
                        static_cast<double>(p_.batches);
    return work < 1e7 ? kSmallWorkspace : kWorkspace;
  }

  // `bias` is added to each row, `d` (with beta) to the whole; each may be null. `d` may be `c`.
  void run(const Launch& launch, const void* a, const void* b, const void* bias, const void* d, void* c) const {
    const int64_t element = element_bytes(p_.dtype);
    for (size_t call = 0; call < p_.outer.size(); ++call) {
      const auto at = [&](const void* base, int64_t elements) {
        return static_cast<const char*>(base) + elements * element;
      };
      char* to = static_cast<char*>(c) + static_cast<int64_t>(call) * p_.batches * p_.m * p_.n * element;
      run_one(launch, at(a, p_.outer[call][0]), at(b, p_.outer[call][1]), bias, d != nullptr ? d : to, to);
    }
  }

 private:
  void run_one(const Launch& launch, const void* a, const void* b, const void* bias, const void* d, void* c) const {
    Device& device = launch.stream.device();
    const uintptr_t bits = reinterpret_cast<uintptr_t>(a) | reinterpret_cast<uintptr_t>(b) |
                           reinterpret_cast<uintptr_t>(bias) | reinterpret_cast<uintptr_t>(d) |
                           reinterpret_cast<uintptr_t>(c);
    const auto steps =
        static_cast<uintptr_t>((p_.a_step | p_.b_step | (p_.batches > 1 ? p_.m * p_.n : 0)) * element_bytes(p_.dtype));
    const bool aligned = (bits | steps) % 16 == 0;
    const cublasLtMatmulAlgo_t& algorithm = choice(device, aligned);
    cublasLtMatmulDesc_t description = description_.of;
    // The address of the bias is part of the description, which other threads use too.
    std::aligned_storage_t<sizeof(cublasLtMatmulDescOpaque_t), alignof(cublasLtMatmulDescOpaque_t)> own;
    if (bias_) {
      std::memcpy(&own, description, sizeof own);
      description = reinterpret_cast<cublasLtMatmulDesc_t>(&own);
      check(cublasLtMatmulDescSetAttribute(description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias),
            "a product cannot be described");
    }
    const float alpha_f32 = static_cast<float>(p_.alpha), beta_f32 = adds_ ? static_cast<float>(p_.beta) : 0;
    const double alpha_f64 = p_.alpha, beta_f64 = adds_ ? p_.beta : 0;
    const bool is_f64 = p_.dtype == WEFT_F64;
    check(cublasLtMatmul(device.blas(), description, is_f64 ? static_cast<const void*>(&alpha_f64) : &alpha_f32, b,
                         b_.of, a, a_.of, is_f64 ? static_cast<const void*>(&beta_f64) : &beta_f32, d, c_.of, c, c_.of,
                         &algorithm, launch.scratch, static_cast<size_t>(workspace()), launch.stream.get()),
          "a product cannot be started");
  }

  // How it is computed on a GPU, chosen when it is first run there.
  const cublasLtMatmulAlgo_t& choice(Device& device, bool aligned) const {
    auto& slot = choices_[static_cast<size_t>(2 * (device.index() % kMostDevices) + (aligned ? 1 : 0))];
    if (const cublasLtMatmulAlgo_t* known = slot.load(std::memory_order_acquire)) return *known;
    cublasLtMatmulPreference_t preference = nullptr;
    check(cublasLtMatmulPreferenceCreate(&preference), "a product cannot be planned");
    const auto most = static_cast<size_t>(workspace());
    const auto alignment = static_cast<uint32_t>(aligned ? 16 : element_bytes(p_.dtype));
    // Sums of halves that are made in parts are added up in f32.
    const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t what, const auto& value) {
      (void)cublasLtMatmulPreferenceSetAttribute(preference, what, &value, sizeof value);
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, most);
    for (auto what : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      set(what, alignment);
    }
    if (p_.dtype == WEFT_F16 || p_.dtype == WEFT_BF16) set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, schemes);
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(device.blas(), description_.of, b_.of, a_.of, c_.of,
                                                                 c_.of, preference, 1, &found, &count);
    (void)cublasLtMatmulPreferenceDestroy(preference);
    check(status, "a product cannot be planned");
    if (count == 0) throw Error(WEFT_UNIMPLEMENTED, "cuBLASLt has no way to compute this product");
    auto made = std::make_unique<cublasLtMatmulAlgo_t>(found.algo);
    const cublasLtMatmulAlgo_t* expected = nullptr;
    if (slot.compare_exchange_strong(expected, made.get())) return *made.release();
    return *expected;
  }

  const Product p_;
  const bool bias_, adds_;
  Description description_;
  Layout a_, b_, c_;
  mutable std::array<std::atomic<const cublasLtMatmulAlgo_t*>, 2 * kMostDevices> choices_;
};

// -- What comes before and after a product where cuBLASLt has no word for it.

// What smaller and larger results become, in place.
Prepared prepare_limits(const Node& node, const Product& p) {
  const bool low = node.has_attr("low"), high = node.has_attr("high");
  if (!low && !high) return {};
  Expression text = "$0";
  if (low && !high && node.f("low") == 0) {
    text = "relu($0)";
  } else {
    if (low) text = "at_least(" + text + ", " + literal(node.f("low"), p.dtype) + ")";
    if (high) text = "at_most(" + text + ", " + literal(node.f("high"), p.dtype) + ")";
  }
  const Shape shape{node.output(0).count()};
  return prepare_group({shape, {{p.dtype, shape}}, {{text, {0}, p.dtype}}, {1}});
}

Prepared make(const Node& node, Product p) {
  Prepared prepared;
  if (node.output(0).count() == 0) {
    prepared.run = [](const Launch&) {};
    return prepared;
  }
  // One number for each column is added as a bias; other shapes are spread out where the result will lie.
  const bool given = node.has(2) && (p.beta != 0 || !node.has_attr("beta"));
  const bool weighted = p.beta != 0 && p.beta != 1;
  const Value* addend = given ? &node.input(2) : nullptr;
  const bool bias = given && !weighted && addend->count() == p.n && addend->rank() >= 1 && addend->shape.back() == p.n;
  const bool whole = given && !bias && addend->count() == p.m * p.n;
  Prepared spread;
  if (given && !bias && !whole) {
    const Shape shape{p.m, p.n};
    spread = prepare_group({shape, {{p.dtype, addend->shape}}, {{"$0", {0}, p.dtype}}, {1}});
  }
  Prepared limits = prepare_limits(node, p);
  auto kernel = std::make_shared<const Kernel>(std::move(p), bias, given && !bias);
  prepared.scratch_bytes = kernel->workspace();
  prepared.run = [kernel, bias, whole, spread = std::move(spread.run),
                  limits = std::move(limits.run)](const Launch& l) {
    if (spread) {
      const void* in[] = {l.in[2]};
      spread({in, l.out, nullptr, l.stream, l.step});
    }
    kernel->run(l, l.in[0], l.in[1], bias ? l.in[2] : nullptr, whole ? l.in[2] : nullptr, l.out[0]);
    if (limits) {
      const void* in[] = {l.out[0]};
      limits({in, l.out, nullptr, l.stream, l.step});
    }
  };
  return prepared;
}

Prepared prepare_matmul(const Node& node) {
  Product p;
  (void)plan_matmul(node, &p);
  p.beta = node.has(2) ? 1 : 0;
  return make(node, std::move(p));
}
Prepared prepare_gemm(const Node& node) {
  Product p;
  (void)plan_gemm(node, &p);
  return make(node, std::move(p));
}

}  // namespace

void define_matmul(Definitions& all) {
  all.push_back({"MatMul", "cublas", accepts_matmul, prepare_matmul});
  all.push_back({"weft.FusedMatMul", "cublas", accepts_matmul, prepare_matmul});
  all.push_back({"Gemm", "cublas", accepts_gemm, prepare_gemm});
  all.push_back({"weft.FusedGemm", "cublas", accepts_gemm, prepare_gemm});
}

}  // namespace weft::cuda
