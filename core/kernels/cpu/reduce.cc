// Kernels of the Reduce family, all with sums in a fixed order.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/cast_common.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/reduce_common.h"

namespace weft {
namespace {

enum class Op { kSum, kMean, kMax, kMin, kProd, kSumSquare, kL1, kL2, kLogSum, kLogSumExp };

// [outer, reduced, inner] after joining dimensions; where the reduced axes do not join, they are brought together
// into scratch first.
struct Plan {
  int64_t outer = 1, reduced = 1, inner = 1;
  bool gathered = false;
  StridedCopy gather;
};

// What a root or logarithm is taken in; that of integers is cut off.
template <typename T>
using Root = std::conditional_t<std::is_integral_v<T>, double, T>;

// Sums of at most this many elements go straight through; longer ones are halved, so rounding grows with the logarithm.
constexpr int64_t kStraight = 128;

template <typename T, typename Load>
T pairwise_sum(int64_t begin, int64_t end, const Load& load) {
  int64_t n = end - begin;
  if (n <= kStraight) {
    // Eight partial sums, then a tree over them: the same on every machine.
    T part[8] = {};
    int64_t i = begin;
    for (; i + 8 <= end; i += 8) {
      for (int k = 0; k < 8; ++k) part[k] += load(i + k);
    }
    for (int k = 0; i < end; ++i, ++k) part[k] += load(i);
    return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  }
  int64_t middle = begin + (n / 2 + 7) / 8 * 8;
  return pairwise_sum<T>(begin, middle, load) + pairwise_sum<T>(middle, end, load);
}

template <typename T>
bool better(Op op, T a, T b) {
  return op == Op::kMax ? a > b : a < b;
}

template <typename T, typename Load>
T reduce_one(Op op, int64_t n, const Load& load) {
  auto square = [&](int64_t i) {
    const T x = load(i);
    return static_cast<T>(x * x);
  };
  switch (op) {
    case Op::kSum: return pairwise_sum<T>(0, n, load);
    case Op::kMean: {
      T sum = pairwise_sum<T>(0, n, load);
      if constexpr (std::is_integral_v<T>)
        return n == 0 ? T(0) : static_cast<T>(sum / static_cast<T>(n));
      else
        return sum / static_cast<T>(n);
    }
    case Op::kSumSquare: return pairwise_sum<T>(0, n, square);
    case Op::kL1:
      return pairwise_sum<T>(0, n, [&](int64_t i) {
        const T x = load(i);
        return x < T(0) ? static_cast<T>(T(0) - x) : x;
      });
    case Op::kL2: return convert<T>(std::sqrt(static_cast<Root<T>>(pairwise_sum<T>(0, n, square))));
    case Op::kLogSum: return convert<T>(std::log(static_cast<Root<T>>(pairwise_sum<T>(0, n, load))));
    case Op::kProd: {
      T product = 1;
      for (int64_t i = 0; i < n; ++i) product = static_cast<T>(product * load(i));
      return product;
    }
    case Op::kMax:
    case Op::kMin: {
      if (n == 0) {
        if constexpr (std::is_floating_point_v<T>) {
          return op == Op::kMax ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::infinity();
        } else {
          return op == Op::kMax ? std::numeric_limits<T>::lowest() : std::numeric_limits<T>::max();
        }
      }
      T best = load(0);
      for (int64_t i = 1; i < n; ++i) {
        T x = load(i);
        if (better(op, x, best) || x != x) best = x;
        if (best != best) return best;
      }
      return best;
    }
    case Op::kLogSumExp: {
      T top = reduce_one<T>(Op::kMax, n, load);
      if (n == 0 || !std::isfinite(static_cast<double>(top))) return top;
      const Root<T> highest = static_cast<Root<T>>(top);
      Root<T> sum =
          pairwise_sum<Root<T>>(0, n, [&](int64_t i) { return std::exp(static_cast<Root<T>>(load(i)) - highest); });
      return convert<T>(highest + std::log(sum));
    }
  }
  return T(0);
}

template <typename T, Op op>
void run(const Plan& plan, const RunArgs& args) {
  const T* x = args.input<T>(0);
  T* y = args.output<T>(0);
  if (plan.gathered) {
    plan.gather.run(*args.parallel, x, args.scratch);
    x = static_cast<const T*>(args.scratch);
  }
  int64_t results = plan.outer * plan.inner, n = plan.reduced, inner = plan.inner;
  int64_t block = std::max<int64_t>(1, 8192 / std::max<int64_t>(n, 1));
  parallel_for(*args.parallel, results, block, 1.0 * static_cast<double>(n), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const T* from = x + r / inner * n * inner + r % inner;
      y[r] = inner == 1 ? reduce_one<T>(op, n, [from](int64_t i) { return from[i]; })
                        : reduce_one<T>(op, n, [from, inner](int64_t i) { return from[i * inner]; });
    }
  });
}

std::vector<bool> reduced_axes(const KernelContext& c) {
  int64_t rank = c.rank(0);
  std::vector<bool> reduced(rank, false);
  std::vector<int64_t> axes;
  const Tensor* given = c.constant(1);
  if (given != nullptr) axes = *given->to_ints();
  bool all = axes.empty() && !c.attrs().b("noop_with_empty_axes");
  for (int64_t axis : axes) reduced[axis < 0 ? axis + rank : axis] = true;
  if (all) reduced.assign(rank, true);
  return reduced;
}

Plan make_plan(const KernelContext& c) {
  const Shape& in = c.shape(0);
  int64_t rank = static_cast<int64_t>(in.size());
  std::vector<bool> reduced = reduced_axes(c);
  Plan plan;
  // One run of reduced axes needs no gathering.
  int64_t first = rank, last = -1;
  for (int64_t i = 0; i < rank; ++i) {
    if (!reduced[i] || in[i] == 1) continue;
    first = std::min(first, i);
    last = i;
  }
  bool together = true;
  for (int64_t i = first; i <= last; ++i) together = together && (reduced[i] || in[i] == 1);
  if (together) {
    for (int64_t i = 0; i < rank; ++i) (i < first ? plan.outer : i <= last ? plan.reduced : plan.inner) *= in[i];
    return plan;
  }
  std::vector<int64_t> own = row_major(in), strides;
  Shape order;
  for (bool which : {false, true}) {
    for (int64_t i = 0; i < rank; ++i) {
      if (reduced[i] != which) continue;
      order.push_back(in[i]);
      strides.push_back(own[i]);
      (which ? plan.reduced : plan.outer) *= in[i];
    }
  }
  plan.gathered = true;
  plan.gather = StridedCopy::make(order, strides, row_major(order), dtype_size(c.dtype(0)));
  return plan;
}

template <typename T, Op op>
void use(const KernelContext& c, PreparedKernel* prepared) {
  Plan plan = make_plan(c);
  if (plan.gathered) prepared->scratch_bytes = dtype_bytes(c.dtype(0), c.count(0));
  prepared->cost_ns = static_cast<double>(c.count(0));
  prepared->use<&run<T, op>>(std::move(plan));
}

// Narrower integers are computed as these. The extremes of nothing are those of the type itself.
template <Op op>
using Reduced = std::conditional_t<op == Op::kMax || op == Op::kMin,
                                   Types<float, double, int32_t, int64_t, uint64_t, int8_t, uint8_t, uint32_t>,
                                   Types<float, double, int32_t, int64_t, uint64_t>>;

template <Op op>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  with_type(Reduced<op>{}, c.dtype(0), [&]<typename T>() { use<T, op>(c, prepared); });
  return {};
}

bool axes_known(const KernelContext& c) { return !c.has_input(1) || c.constant(1) != nullptr; }
template <Op op>
bool accepts(const KernelContext& c) {
  return axes_known(c) && in_list(Reduced<op>{}, c.dtype(0));
}

// On vectors.
struct VectorPlan {
  ReduceStages stages;
  int64_t n, results;
};

template <typename T>
const Reduction<T>& reduction_of(Op op) {
  const ReduceTable<T>& table = reduce_table(T());
  switch (op) {
    case Op::kMax: return table.max;
    case Op::kMin: return table.min;
    case Op::kSumSquare:
    case Op::kL2: return table.squares;
    case Op::kL1: return table.sizes;
    default: return table.sum;
  }
}

template <typename T, Op op>
void run_vectors(const VectorPlan& plan, const RunArgs& args) {
  T* y = args.output<T>(0);
  const Reduction<T>& first = reduction_of<T>(op);
  const bool extreme = op == Op::kMax || op == Op::kMin;
  plan.stages.run(*args.parallel, first, extreme ? first : reduce_table(T()).sum, args.input<T>(0),
                  static_cast<T*>(args.scratch), y);
  if (op != Op::kMean && op != Op::kL2 && op != Op::kLogSum) return;
  parallel_for(*args.parallel, plan.results, 16384, op == Op::kLogSum ? 5.0 : 1.0, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      y[i] = op == Op::kMean ? y[i] / static_cast<T>(plan.n) : op == Op::kL2 ? std::sqrt(y[i]) : std::log(y[i]);
    }
  });
}

bool accepts_vectors(const KernelContext& c) {
  const bool fits = axes_known(c) && in_list(FloatElements{}, c.dtype(0)) && c.count(0) > 0;
  return fits && ReduceStages::make(c.shape(0), reduced_axes(c)).worthwhile();
}

template <Op op>
Status prepare_vectors(const KernelContext& c, PreparedKernel* prepared) {
  const int64_t results = c.output_count_of(0);
  VectorPlan plan{ReduceStages::make(c.shape(0), reduced_axes(c)), c.count(0) / results, results};
  prepared->scratch_bytes = dtype_bytes(c.dtype(0), plan.stages.scratch_count());
  prepared->cost_ns = plan.stages.cost_ns();
  if (c.dtype(0) == DType::kF32)
    prepared->use<&run_vectors<float, op>>(std::move(plan));
  else
    prepared->use<&run_vectors<double, op>>(std::move(plan));
  return {};
}

}  // namespace

void add_cpu_reduce(KernelRegistry& kernels) {
  kernels.add("ReduceSum", {"vectors", accepts_vectors, prepare_vectors<Op::kSum>});
  kernels.add("ReduceSum", {"pairwise", accepts<Op::kSum>, prepare<Op::kSum>});
  kernels.add("ReduceMean", {"vectors", accepts_vectors, prepare_vectors<Op::kMean>});
  kernels.add("ReduceMean", {"pairwise", accepts<Op::kMean>, prepare<Op::kMean>});
  kernels.add("ReduceMax", {"vectors", accepts_vectors, prepare_vectors<Op::kMax>});
  kernels.add("ReduceMax", {"plain", accepts<Op::kMax>, prepare<Op::kMax>});
  kernels.add("ReduceMin", {"vectors", accepts_vectors, prepare_vectors<Op::kMin>});
  kernels.add("ReduceMin", {"plain", accepts<Op::kMin>, prepare<Op::kMin>});
  kernels.add("ReduceProd", {"plain", accepts<Op::kProd>, prepare<Op::kProd>});
  kernels.add("ReduceSumSquare", {"vectors", accepts_vectors, prepare_vectors<Op::kSumSquare>});
  kernels.add("ReduceSumSquare", {"pairwise", accepts<Op::kSumSquare>, prepare<Op::kSumSquare>});
  kernels.add("ReduceL1", {"vectors", accepts_vectors, prepare_vectors<Op::kL1>});
  kernels.add("ReduceL1", {"pairwise", accepts<Op::kL1>, prepare<Op::kL1>});
  kernels.add("ReduceL2", {"vectors", accepts_vectors, prepare_vectors<Op::kL2>});
  kernels.add("ReduceL2", {"pairwise", accepts<Op::kL2>, prepare<Op::kL2>});
  kernels.add("ReduceLogSum", {"vectors", accepts_vectors, prepare_vectors<Op::kLogSum>});
  kernels.add("ReduceLogSum", {"pairwise", accepts<Op::kLogSum>, prepare<Op::kLogSum>});
  kernels.add("ReduceLogSumExp", {"pairwise", accepts<Op::kLogSumExp>, prepare<Op::kLogSumExp>});
}

}  // namespace weft
