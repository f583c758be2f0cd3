// The Reduce family and weft.SumTo.
#include <cmath>
#include <limits>

#include "plugins/cuda/kernels.h"
#include "plugins/cuda/rows.cuh"

namespace weft::cuda {

namespace {

template <typename W>
__device__ W root_of(W x) {
  if constexpr (std::is_same_v<W, double>)
    return sqrt(x);
  else
    return sqrtf(x);
}

template <typename T>
constexpr bool kIsFloat = std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, __half> ||
                          std::is_same_v<T, __nv_bfloat16>;

// The operations: what an element becomes, what it begins with, how two are joined in any order, and what comes out.
// `kPacks`: whether elements are worth loading by packs.

enum class Then { kNothing, kMean, kRoot, kLog };
enum class Of { kElements, kSquares, kSizes };

template <typename T, bool plain>
struct Sum {
  using Element = T;
  using Result = T;
  using Held = Wide<T>;
  static constexpr bool kPacks = kIsFloat<T>;
  Of of;
  Then then;

  __device__ Held none() const { return 0; }
  __device__ Held take(T element) const {
    const Held x = widen(element);
    if constexpr (plain) return x;
    if constexpr (kIsFloat<T>) {
      if (of == Of::kSizes) return x < 0 ? -x : x;
    }
    return x * x;
  }
  __device__ Held join(Held a, Held b) const { return a + b; }
  __device__ T result(Held sum, int64_t n) const {
    if constexpr (kIsFloat<T>) {
      if (then == Then::kMean) sum /= static_cast<Held>(n);
      if (then == Then::kRoot) sum = root_of(sum);
      if (then == Then::kLog) sum = log_of(sum);
    }
    return narrow<T>(sum);
  }
};

template <typename T>
struct Product {
  using Element = T;
  using Result = T;
  using Held = Wide<T>;
  static constexpr bool kPacks = false;

  __device__ Held none() const { return 1; }
  __device__ Held take(T element) const { return widen(element); }
  __device__ Held join(Held a, Held b) const { return a * b; }
  __device__ T result(Held product, int64_t) const { return narrow<T>(product); }
};

// NaN if there is one.
template <typename T>
struct Extreme {
  using Element = T;
  using Result = T;
  using Held = std::conditional_t<sizeof(T) == 1, int32_t, Wide<T>>;
  static constexpr bool kPacks = kIsFloat<T>;
  bool largest;
  Held nothing;  // the extreme of no elements

  __device__ Held none() const { return nothing; }
  __device__ Held take(T element) const {
    if constexpr (sizeof(T) == 1)
      return element;
    else
      return widen(element);
  }
  __device__ Held join(Held a, Held b) const { return (largest ? b > a : b < a) || b != b ? b : a; }
  __device__ T result(Held extreme, int64_t) const {
    if constexpr (sizeof(T) == 1)
      return static_cast<T>(extreme);
    else
      return narrow<T>(extreme);
  }
};

// The maximum so far, NaN if there is one, and the sum of exp(x - maximum).
template <typename W>
struct Scores {
  W top, sum;
};

template <typename T>
struct LogSumExp {
  using Element = T;
  using Result = T;
  using Held = Scores<Wide<T>>;
  static constexpr bool kPacks = false;

  __device__ Held none() const { return {-INFINITY, 0}; }
  __device__ Held take(T element) const { return {widen(element), 1}; }
  __device__ Held join(Held a, Held b) const {
    if (a.top == Wide<T>(-INFINITY)) return b;
    if (b.top == Wide<T>(-INFINITY)) return a;
    const bool second = b.top > a.top || b.top != b.top;
    const Held &high = second ? b : a, &low = second ? a : b;
    return {high.top, high.sum + low.sum * exp_of<Wide<T>>(low.top - high.top)};
  }
  __device__ T result(Held all, int64_t) const {
    const bool finite = all.top - all.top == 0;
    return narrow<T>(finite ? all.top + log_of(all.sum) : all.top);
  }
};

// Over what parts of the elements gave, of which there were `n`.
template <typename Op>
struct Parts {
  using Element = typename Op::Held;
  using Result = typename Op::Result;
  using Held = typename Op::Held;
  Op op;
  int64_t n;

  __device__ Held none() const { return op.none(); }
  __device__ Held take(const Held& part) const { return part; }
  __device__ Held join(Held a, Held b) const { return op.join(a, b); }
  __device__ Result result(Held all, int64_t) const { return op.result(all, n); }
};

template <typename Held>
__device__ Held from_lane(Held own, int offset) {
  if constexpr (std::is_arithmetic_v<Held>)
    return __shfl_xor_sync(~0u, own, offset);
  else
    return {__shfl_xor_sync(~0u, own.top, offset), __shfl_xor_sync(~0u, own.sum, offset)};
}

// Where the elements are that a number counts: axes with neighbours of one kind joined.
struct Walk {
  static constexpr int kMost = 6;
  int axes = 0;
  bool small = true;  // 32 bits hold every number
  int64_t size[kMost] = {}, stride[kMost] = {};

  void add(int64_t of_size, int64_t of_stride) {
    size[axes] = of_size;
    stride[axes] = of_stride;
    ++axes;
  }
  __device__ int64_t at(int64_t i) const {
    int64_t offset = 0;
    for (int a = axes - 1; a > 0; --a) {
      const int64_t next = small ? static_cast<uint32_t>(i) / static_cast<uint32_t>(size[a]) : i / size[a];
      offset += (i - next * size[a]) * stride[a];
      i = next;
    }
    return offset + i * stride[0];
  }
};

// `outputs` results, each of `n` elements.
struct Plan {
  Walk kept, reduced;
  int64_t outputs = 1, n = 1;
  bool rows = false;  // the elements of a result are neighbours, else the results are
  bool fits = true;
};

constexpr int kWarp = 32, kAhead = 4;  // loads in flight
constexpr int64_t kBlocks = 1056;      // that fill a GPU; not asked for, so that sums are the same on all

// Where results go: to their place, or to [slices, outputs] if there is more than one slice of the elements.
template <typename Op>
struct Target {
  typename Op::Result* results;
  typename Op::Held* parts;
  int64_t outputs, n;

  __device__ void put(const Op& op, int64_t output, const typename Op::Held& held) const {
    if (gridDim.y == 1)
      results[output] = op.result(held, n);
    else
      parts[blockIdx.y * outputs + output] = held;
  }
};

// The packs first, first + step, ... before end.
template <int V, typename Op>
__device__ void take_all(const Op& op, const typename Op::Element* x, const Walk& walk, int64_t first, int64_t end,
                         int64_t step, typename Op::Held (&held)[V]) {
  using T = typename Op::Element;
  int64_t i = first;
  if (walk.axes == 1) {
    const int64_t stride = walk.stride[0];
    for (; i + (kAhead - 1) * step < end; i += kAhead * step) {
      Pack<T, V> packs[kAhead];
#pragma unroll
      for (int a = 0; a < kAhead; ++a) packs[a] = load_pack<T, V>(x + (i + a * step) * stride);
#pragma unroll
      for (int a = 0; a < kAhead; ++a) {
#pragma unroll
        for (int e = 0; e < V; ++e) held[e] = op.join(held[e], op.take(packs[a].v[e]));
      }
    }
  }
  for (; i < end; i += step) {
    const Pack<T, V> pack = load_pack<T, V>(x + walk.at(i));
#pragma unroll
    for (int e = 0; e < V; ++e) held[e] = op.join(held[e], op.take(pack.v[e]));
  }
}

// Elements [first, end) of `n` in this block's slice.
struct Slice {
  int64_t first, end;
  __device__ explicit Slice(int64_t n) {
    const int64_t each = (n + gridDim.y - 1) / gridDim.y;
    first = blockIdx.y * each;
    end = first + each < n ? first + each : n;
  }
};

// A result by `lanes` threads: a power of two up to a warp, or the whole block. `reduced` counts packs.
template <typename Op, int V>
__global__ void __launch_bounds__(kThreads)
    reduce_rows(const typename Op::Element* x, const Target<Op> target, const __grid_constant__ Walk kept,
                const __grid_constant__ Walk reduced, int64_t packs, int lanes, const Op op) {
  using Held = typename Op::Held;
  __shared__ Held shared[kThreads / kWarp];
  const Slice slice(packs);
  const int lane = static_cast<int>(threadIdx.x) % lanes, within = lanes < kWarp ? lanes : kWarp;
  const int64_t together = blockDim.x / static_cast<unsigned>(lanes);
  for (int64_t base = blockIdx.x * together; base < target.outputs; base += gridDim.x * together) {
    const int64_t output = base + threadIdx.x / static_cast<unsigned>(lanes);
    Held held[V];
#pragma unroll
    for (int e = 0; e < V; ++e) held[e] = op.none();
    if (output < target.outputs) {
      take_all<V>(op, x + kept.at(output), reduced, slice.first + lane, slice.end, lanes, held);
    }
#pragma unroll
    for (int half = V / 2; half > 0; half /= 2) {
#pragma unroll
      for (int e = 0; e < half; ++e) held[e] = op.join(held[e], held[e + half]);
    }
    Held all = held[0];
    for (int offset = within / 2; offset > 0; offset /= 2) all = op.join(all, from_lane(all, offset));
    if (lanes > kWarp) {
      if (lane % kWarp == 0) shared[lane / kWarp] = all;
      __syncthreads();
      if (lane == 0) {
        for (int warp = 1; warp < lanes / kWarp; ++warp) all = op.join(all, shared[warp]);
      }
      __syncthreads();  // before the next result
    }
    if (lane == 0 && output < target.outputs) target.put(op, output, all);
  }
}

// blockDim.x packs of neighbouring results, each by blockDim.y threads, a power of two.
template <typename Op, int V>
__global__ void __launch_bounds__(kThreads)
    reduce_columns(const typename Op::Element* x, const Target<Op> target, const __grid_constant__ Walk kept,
                   const __grid_constant__ Walk reduced, int64_t n, const Op op) {
  using Held = typename Op::Held;
  __shared__ Held shared[V][kThreads];
  const Slice slice(n);
  const unsigned own = threadIdx.y * blockDim.x + threadIdx.x;
  for (int64_t base = blockIdx.x * static_cast<int64_t>(blockDim.x); base * V < target.outputs;
       base += gridDim.x * static_cast<int64_t>(blockDim.x)) {
    const int64_t output = (base + threadIdx.x) * V;
    Held held[V];
#pragma unroll
    for (int e = 0; e < V; ++e) held[e] = op.none();
    if (output < target.outputs) {
      take_all<V>(op, x + kept.at(output), reduced, slice.first + threadIdx.y, slice.end, blockDim.y, held);
    }
    if (blockDim.y > 1) {
#pragma unroll
      for (int e = 0; e < V; ++e) shared[e][own] = held[e];
      __syncthreads();
      for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
        if (threadIdx.y < half) {
#pragma unroll
          for (int e = 0; e < V; ++e) {
            held[e] = op.join(held[e], shared[e][own + half * blockDim.x]);
            shared[e][own] = held[e];
          }
        }
        __syncthreads();
      }
    }
    if (threadIdx.y != 0 || output >= target.outputs) continue;
#pragma unroll
    for (int e = 0; e < V; ++e) target.put(op, output + e, held[e]);
  }
}

// How a plan is run by packs of V.
struct Shaped {
  int64_t slices = 1;
  dim3 block = kThreads;
  int64_t results_of_block = 1;
  int lanes = 1;
};

int power_of_two(int64_t least, int64_t most) {
  int64_t power = 1;
  while (power < least && power < most) power *= 2;
  return static_cast<int>(power);
}

Shaped shape_of(const Plan& plan, int v) {
  Shaped s;
  if (plan.rows) {
    const int64_t packs = plan.n / v;
    if (packs <= 256 || (packs <= 1024 && plan.outputs >= 4 * kBlocks)) {
      s.lanes = power_of_two(packs, kWarp);
    } else {
      s.lanes = kThreads;
      s.slices = std::clamp<int64_t>(kBlocks / plan.outputs, 1, std::max<int64_t>(1, packs / (kThreads * kAhead)));
    }
    s.results_of_block = kThreads / s.lanes;
  } else {
    const int64_t packs = plan.outputs / v;
    const int x = power_of_two(packs, plan.n < kWarp ? kThreads : kWarp), y = kThreads / x;
    s.block = dim3(static_cast<unsigned>(x), static_cast<unsigned>(y));
    s.results_of_block = int64_t{x} * v;
    const int64_t tiles = (packs + x - 1) / x;
    s.slices = std::clamp<int64_t>(kBlocks / tiles, 1, std::max<int64_t>(1, plan.n / (y * 2 * kAhead)));
  }
  return s;
}

template <typename T>
constexpr int kWhole = 16 / static_cast<int>(sizeof(T));

// Whether all packs lie at multiples of their size: of the last axis, and so of those before it.
bool packs_fit(const Plan& plan, int v) {
  const Walk& last = plan.rows ? plan.reduced : plan.kept;
  return last.stride[last.axes - 1] == 1 && last.size[last.axes - 1] % v == 0 && plan.n > 0;
}

template <typename Op, int V>
void run_packs(const Launch& launch, const Plan& plan, const Op& op) {
  const Shaped s = shape_of(plan, V);
  auto* results = launch.output<typename Op::Result>(0);
  const auto* x = launch.input<typename Op::Element>(0);
  const Target<Op> target{results, static_cast<typename Op::Held*>(launch.scratch), plan.outputs, plan.n};
  const dim3 grid(blocks_for(plan.outputs, s.results_of_block), static_cast<unsigned>(s.slices));
  if (plan.rows) {
    Walk reduced = plan.reduced;
    reduced.size[reduced.axes - 1] /= V;
    reduced.stride[reduced.axes - 1] *= V;
    start(launch, reduce_rows<Op, V>, grid, s.block, 0, x, target, plan.kept, reduced, plan.n / V, s.lanes, op);
  } else {
    start(launch, reduce_columns<Op, V>, grid, s.block, 0, x, target, plan.kept, plan.reduced, plan.n, op);
  }
  if (s.slices == 1) return;
  Walk kept, parts;
  kept.add(plan.outputs, 1);
  parts.add(s.slices, plan.outputs);
  const int across = power_of_two(plan.outputs, kWarp);
  const dim3 block(static_cast<unsigned>(across), static_cast<unsigned>(kThreads / across));
  const Target<Parts<Op>> last{results, nullptr, plan.outputs, s.slices};
  start(launch, reduce_columns<Parts<Op>, 1>, blocks_for(plan.outputs, across), block, 0,
        static_cast<const typename Op::Held*>(launch.scratch), last, kept, parts, s.slices, Parts<Op>{op, plan.n});
}

template <typename Op>
Prepared prepared_for(const Plan& plan, const Op& op) {
  using T = typename Op::Element;
  Prepared prepared;
  prepared.run = [](const Launch&) {};
  if (plan.outputs == 0) return prepared;
  bool packs = false;
  int64_t slices = shape_of(plan, 1).slices;
  if constexpr (Op::kPacks) {
    packs = packs_fit(plan, kWhole<T>);
    if (packs) slices = std::max(slices, shape_of(plan, kWhole<T>).slices);
  }
  if (slices > 1) prepared.scratch_bytes = slices * plan.outputs * static_cast<int64_t>(sizeof(typename Op::Held));
  prepared.run = [plan, op, packs](const Launch& launch) {
    if constexpr (Op::kPacks) {
      if (packs && reinterpret_cast<uintptr_t>(launch.in[0]) % 16 == 0) {
        run_packs<Op, kWhole<T>>(launch, plan, op);
        return;
      }
    }
    run_packs<Op, 1>(launch, plan, op);
  };
  return prepared;
}

Plan plan_of(const Shape& shape, const std::vector<bool>& reduced) {
  Plan plan;
  struct Axis {
    int64_t size;
    bool reduced;
  };
  std::vector<Axis> axes;
  for (size_t i = 0; i < shape.size(); ++i) {
    (reduced[i] ? plan.n : plan.outputs) *= shape[i];
    if (shape[i] == 1) continue;
    if (!axes.empty() && axes.back().reduced == reduced[i])
      axes.back().size *= shape[i];
    else
      axes.push_back({shape[i], reduced[i]});
  }
  plan.fits = axes.size() <= 2 * Walk::kMost;  // kinds alternate
  if (!plan.fits) return plan;
  int64_t stride = 1;
  for (const Axis& axis : axes) stride *= axis.size;
  const bool empty = stride == 0;
  for (const Axis& axis : axes) {
    stride = empty ? 0 : stride / axis.size;
    (axis.reduced ? plan.reduced : plan.kept).add(axis.size, stride);
  }
  for (Walk* walk : {&plan.kept, &plan.reduced}) {
    if (walk->axes == 0) walk->add(1, 0);
    walk->small = plan.outputs < (int64_t{1} << 31) && plan.n < (int64_t{1} << 31);
  }
  plan.rows = !axes.empty() && axes.back().reduced;
  return plan;
}

// Whether the axes that a Reduce node goes over are known, and which they are.
bool reduced_axes(const Node& node, std::vector<bool>* reduced) {
  const int64_t rank = node.input(0).rank();
  std::vector<int64_t> axes;
  if (node.has(1) && node.input(1).count() != 0) {
    if (node.input(1).constant == nullptr) return false;
    axes = node.input(1).ints();
  }
  reduced->assign(static_cast<size_t>(rank), axes.empty() && node.i("noop_with_empty_axes") == 0);
  for (int64_t axis : axes) {
    if (axis < -rank || axis >= rank) return false;
    (*reduced)[static_cast<size_t>(axis < 0 ? axis + rank : axis)] = true;
  }
  return true;
}

Plan reduce_plan(const Node& node) {
  std::vector<bool> reduced;
  reduced_axes(node, &reduced);
  return plan_of(node.input(0).shape, reduced);
}

using RingTypes = Types<uint32_t, uint64_t>;  // whose sums and products are those of signed integers, bit by bit
using ExtremeTypes = Types<float, double, __half, __nv_bfloat16, int32_t, int64_t, uint32_t, uint64_t, int8_t, uint8_t>;

int32_t ring_of(int32_t dtype) {
  return dtype == WEFT_I32 ? int32_t{WEFT_U32} : dtype == WEFT_I64 ? int32_t{WEFT_U64} : dtype;
}
int32_t bytes_of(int32_t dtype) { return dtype == WEFT_BOOL ? int32_t{WEFT_U8} : dtype; }

bool can_walk(const Node& node) {
  std::vector<bool> reduced;
  return reduced_axes(node, &reduced) && plan_of(node.input(0).shape, reduced).fits;
}

bool accepts_floats(const Node& node) { return in_list(FloatTypes(), node.input(0).dtype) && can_walk(node); }

bool accepts_numbers(const Node& node) {
  const int32_t dtype = node.input(0).dtype;
  return (in_list(FloatTypes(), dtype) || in_list(RingTypes(), ring_of(dtype))) && can_walk(node);
}

bool accepts_extreme(const Node& node) {
  const int32_t dtype = node.input(0).dtype;
  if (!in_list(ExtremeTypes(), bytes_of(dtype)) || !can_walk(node)) return false;
  return dtype != WEFT_BOOL || node.input(0).count() > 0;  // the extremes of no bytes are no truth values
}

template <bool plain>
Prepared prepare_sum_of(const Plan& plan, int32_t dtype, Of of, Then then) {
  Prepared prepared;
  const auto make = [&]<typename T>() { prepared = prepared_for(plan, Sum<T, plain>{of, then}); };
  with_type(FloatTypes(), dtype, make);
  with_type(RingTypes(), ring_of(dtype), make);
  return prepared;
}

template <Of of, Then then>
Prepared prepare_sum(const Node& node) {
  return prepare_sum_of<of == Of::kElements>(reduce_plan(node), node.input(0).dtype, of, then);
}

Prepared prepare_product(const Node& node) {
  Prepared prepared;
  const auto make = [&]<typename T>() { prepared = prepared_for(reduce_plan(node), Product<T>()); };
  with_type(FloatTypes(), node.input(0).dtype, make);
  with_type(RingTypes(), ring_of(node.input(0).dtype), make);
  return prepared;
}

template <bool largest>
Prepared prepare_extreme(const Node& node) {
  Prepared prepared;
  with_type(ExtremeTypes(), bytes_of(node.input(0).dtype), [&]<typename T>() {
    using Held = typename Extreme<T>::Held;
    Extreme<T> op{largest, Held()};
    if constexpr (kIsFloat<T>)
      op.nothing = static_cast<Held>(largest ? -INFINITY : INFINITY);
    else
      op.nothing = largest ? std::numeric_limits<T>::lowest() : std::numeric_limits<T>::max();
    prepared = prepared_for(reduce_plan(node), op);
  });
  return prepared;
}

Prepared prepare_log_sum_exp(const Node& node) {
  Prepared prepared;
  with_type(FloatTypes(), node.input(0).dtype,
            [&]<typename T>() { prepared = prepared_for(reduce_plan(node), LogSumExp<T>()); });
  return prepared;
}

// The axes along which the second shape would be broadcast to the first.
bool summed_axes(const Node& node, std::vector<bool>* summed) {
  const Shape &from = node.input(0).shape, &to = node.output(0).shape;
  if (to.size() > from.size()) return false;
  const size_t missing = from.size() - to.size();
  for (size_t i = 0; i < from.size(); ++i) {
    const int64_t target = i < missing ? 1 : to[i - missing];
    if (target != from[i] && target != 1) return false;
    summed->push_back(target != from[i]);
  }
  return true;
}

bool accepts_sum_to(const Node& node) {
  const int32_t dtype = node.input(0).dtype;
  std::vector<bool> summed;
  return (in_list(FloatTypes(), dtype) || in_list(RingTypes(), ring_of(dtype))) && summed_axes(node, &summed) &&
         plan_of(node.input(0).shape, summed).fits;
}

Prepared prepare_sum_to(const Node& node) {
  std::vector<bool> summed;
  summed_axes(node, &summed);
  return prepare_sum_of<true>(plan_of(node.input(0).shape, summed), node.input(0).dtype, Of::kElements, Then::kNothing);
}

}  // namespace

void define_reduce(Definitions& all) {
  all.push_back({"ReduceSum", "reduce", accepts_numbers, prepare_sum<Of::kElements, Then::kNothing>});
  all.push_back({"ReduceMean", "reduce", accepts_floats, prepare_sum<Of::kElements, Then::kMean>});
  all.push_back({"ReduceMax", "reduce", accepts_extreme, prepare_extreme<true>});
  all.push_back({"ReduceMin", "reduce", accepts_extreme, prepare_extreme<false>});
  all.push_back({"ReduceProd", "reduce", accepts_numbers, prepare_product});
  all.push_back({"ReduceSumSquare", "reduce", accepts_numbers, prepare_sum<Of::kSquares, Then::kNothing>});
  all.push_back({"ReduceL1", "reduce", accepts_floats, prepare_sum<Of::kSizes, Then::kNothing>});
  all.push_back({"ReduceL2", "reduce", accepts_floats, prepare_sum<Of::kSquares, Then::kRoot>});
  all.push_back({"ReduceLogSum", "reduce", accepts_floats, prepare_sum<Of::kElements, Then::kLog>});
  all.push_back({"ReduceLogSumExp", "reduce", accepts_floats, prepare_log_sum_exp});
  all.push_back({"weft.SumTo", "reduce", accepts_sum_to, prepare_sum_to});
}

}  // namespace weft::cuda
