// SoftmaxCrossEntropyLoss, NegativeLogLikelihoodLoss and weft.SoftmaxCrossEntropyGrad.
#include <cmath>

#include "plugins/cuda/kernels.h"
#include "plugins/cuda/rows.cuh"

namespace weft::cuda {

namespace {

constexpr int kWarp = 32, kMostThreads = 1024, kAhead = 4;

// The maximum so far and the sum of exp(x - maximum).
template <typename T>
struct Scores {
  using W = Wide<T>;
  W top, sum;

  __device__ static Scores none() { return {-INFINITY, 0}; }
  __device__ void add(W x) {
    if (x == W(-INFINITY)) return;
    const W away = x - top, other = exp_of<T>(away > 0 ? -away : away);
    sum = x > top ? sum * other + 1 : sum + other;
    if (x > top) top = x;
  }
  // In the order that is given.
  __device__ static Scores joined(const Scores& a, const Scores& b) {
    Scores out;
    out.top = a.top > b.top ? a.top : b.top;
    const W shift = out.top == W(-INFINITY) ? W(0) : out.top;
    out.sum = a.sum * exp_of<T>(a.top - shift) + b.sum * exp_of<T>(b.top - shift);
    return out;
  }
  // No number where the maximum is infinite, as infinity less itself is none.
  __device__ W total() const { return sum + (top - top); }
  __device__ W log_total() const { return static_cast<W>(log(static_cast<double>(total()))); }
};

// Scores are [rows, classes, inner], labels [rows, inner].
struct Labels {
  const void* at;
  bool wide;
  bool has_ignored;
  int64_t ignored, classes;
  FaultSlot faults;
  int32_t step;

  __device__ int64_t of(int64_t i) const {
    return wide ? static_cast<const int64_t*>(at)[i] : static_cast<const int32_t*>(at)[i];
  }
  // Whether it counts. Tells of one that is outside.
  __device__ bool counts(int64_t label) const {
    if (has_ignored && label == ignored) return false;
    if (label >= 0 && label < classes) return true;
    faults.report(step, kLabelOutOfRange, label, classes);
    return false;
  }
};

// A label's part of the sums.
struct Share {
  double loss, weight;
};

template <typename T>
struct Loss {
  const T *scores, *weights;  // `weights` may be null
  T *each, *log_prob;         // the loss of each label, log-probabilities; or null
  Share* shares;              // or null
  Labels labels;
  int64_t rows, classes, inner;

  // Label number i, whose scores begin at `from`; of a score, less `top` and less `log_sum`.
  __device__ void put(int64_t i, const T* from, Wide<T> top, Wide<T> log_sum) const {
    Share share{0, 0};
    const int64_t label = labels.of(i);
    if (labels.counts(label)) {
      share.weight = weights == nullptr ? 1.0 : static_cast<double>(widen(weights[label]));
      share.loss = -share.weight * static_cast<double>(widen(from[label * inner]) - top - log_sum);
    }
    if (each != nullptr) each[i] = narrow<T>(static_cast<Wide<T>>(share.loss));
    if (shares != nullptr) shares[i] = share;
  }
};

template <typename T>
__device__ Scores<T> from_lane(const Scores<T>& own, int offset) {
  return {__shfl_xor_sync(~0u, own.top, offset), __shfl_xor_sync(~0u, own.sum, offset)};
}

// Joins what the threads of a row have: `lanes` threads, a power of two up to a warp, or the whole block. All threads
// of the block come here, and all of a row get the result.
template <typename T>
__device__ Scores<T> join_row(Scores<T> own, int lanes, Scores<T>* shared) {
  const int within = lanes < kWarp ? lanes : kWarp;
  for (int offset = within / 2; offset > 0; offset /= 2) own = Scores<T>::joined(own, from_lane(own, offset));
  if (lanes <= kWarp) return own;
  __syncthreads();  // until all have read what was there before
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = own;
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  own = lane < lanes / kWarp ? shared[lane] : Scores<T>::none();
  for (int offset = kWarp / 2; offset > 0; offset /= 2) own = Scores<T>::joined(own, from_lane(own, offset));
  return own;
}

// The threads of a row go over its packs.
template <typename T, int V>
__device__ Scores<T> scores_of(const T* from, int64_t packs, int lane, int lanes) {
  Scores<T> all = Scores<T>::none();
  const int64_t step = lanes;
  for (int64_t p = lane; p < packs; p += kAhead * step) {
    Pack<T, V> packed[kAhead];
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      if (p + a * step < packs) packed[a] = load_pack<T, V>(from + (p + a * step) * V);
    }
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      if (p + a * step >= packs) continue;
#pragma unroll
      for (int e = 0; e < V; ++e) all.add(widen(packed[a].v[e]));
    }
  }
  return all;
}

// Scores whose classes are neighbours (inner is 1).
template <typename T, int V>
__global__ void __launch_bounds__(kMostThreads) loss_rows(const Loss<T> loss, int lanes) {
  __shared__ Scores<T> shared[kWarp];
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  const int64_t together = blockDim.x / static_cast<unsigned>(lanes);
  for (int64_t base = blockIdx.x * together; base < loss.rows; base += gridDim.x * together) {
    const int64_t row = base + threadIdx.x / static_cast<unsigned>(lanes);
    const int64_t packs = row < loss.rows ? loss.classes / V : 0;
    const T* from = loss.scores + row * loss.classes;
    const Scores<T> all = join_row(scores_of<T, V>(from, packs, lane, lanes), lanes, shared);
    const Wide<T> log_sum = all.log_total();
    if (lane == 0 && row < loss.rows) loss.put(row, from, all.top, log_sum);
    if (loss.log_prob == nullptr) continue;
    for (int64_t p = lane; p < packs; p += lanes) {
      Pack<T, V> packed = load_pack<T, V>(from + p * V);
#pragma unroll
      for (int e = 0; e < V; ++e) packed.v[e] = narrow<T>(widen(packed.v[e]) - all.top - log_sum);
      store_pack<T, V>(loss.log_prob + row * loss.classes + p * V, packed);
    }
  }
}

// Joins what the threads of each column of the block have; all of them get the result.
template <typename T>
__device__ Scores<T> join_column(Scores<T> all, Scores<T>* shared) {
  if (blockDim.y == 1) return all;
  const unsigned own = threadIdx.y * blockDim.x + threadIdx.x;
  shared[own] = all;
  __syncthreads();
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    if (threadIdx.y < half) shared[own] = Scores<T>::joined(shared[own], shared[own + half * blockDim.x]);
    __syncthreads();
  }
  all = shared[threadIdx.x];
  __syncthreads();  // before the next columns
  return all;
}

// Scores whose classes lie `inner` apart. A block is blockDim.x neighbouring labels, each with blockDim.y threads, a
// power of two.
template <typename T>
__global__ void __launch_bounds__(kThreads) loss_columns(const Loss<T> loss) {
  __shared__ Scores<T> shared[kThreads];
  const int64_t count = loss.rows * loss.inner;
  for (int64_t base = blockIdx.x * static_cast<int64_t>(blockDim.x); base < count;
       base += gridDim.x * static_cast<int64_t>(blockDim.x)) {
    const int64_t i = base + threadIdx.x, start = i / loss.inner * loss.classes * loss.inner + i % loss.inner;
    const T* from = loss.scores + start;
    Scores<T> all = Scores<T>::none();
    if (i < count) {
#pragma unroll 4
      for (int64_t k = threadIdx.y; k < loss.classes; k += blockDim.y) all.add(widen(from[k * loss.inner]));
    }
    all = join_column(all, shared);
    if (i >= count) continue;
    const Wide<T> log_sum = all.log_total();
    if (threadIdx.y == 0) loss.put(i, from, all.top, log_sum);
    if (loss.log_prob == nullptr) continue;
    for (int64_t k = threadIdx.y; k < loss.classes; k += blockDim.y) {
      loss.log_prob[start + k * loss.inner] = narrow<T>(widen(from[k * loss.inner]) - all.top - log_sum);
    }
  }
}

// Of log-probabilities.
template <typename T>
__global__ void loss_at_labels(const Loss<T> loss) {
  WEFT_FOR(i, loss.rows * loss.inner) {
    loss.put(i, loss.scores + i / loss.inner * loss.classes * loss.inner + i % loss.inner, 0, 0);
  }
}

constexpr int64_t kParts = kThreads;

// The sum of neighbouring parts of the shares by each block.
__global__ void __launch_bounds__(kThreads) sum_shares(const Share* shares, int64_t count, Share* sums) {
  __shared__ Share shared[kThreads];
  const int64_t part = (count + gridDim.x - 1) / gridDim.x, first = blockIdx.x * part;
  const int64_t end = first + part < count ? first + part : count;
  Share sum{0, 0};
#pragma unroll 4
  for (int64_t i = first + threadIdx.x; i < end; i += kThreads) {
    sum.loss += shares[i].loss;
    sum.weight += shares[i].weight;
  }
  shared[threadIdx.x] = sum;
  __syncthreads();
  for (unsigned half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      shared[threadIdx.x].loss += shared[threadIdx.x + half].loss;
      shared[threadIdx.x].weight += shared[threadIdx.x + half].weight;
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) sums[blockIdx.x] = shared[0];
}

// Of at most kParts.
template <typename T>
__global__ void __launch_bounds__(kThreads) finish(const Share* parts, int count, T* loss, bool mean) {
  __shared__ Share shared[kThreads];
  const int own = static_cast<int>(threadIdx.x);
  shared[own] = own < count ? parts[own] : Share{0, 0};
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (own < half) {
      shared[own].loss += shared[own + half].loss;
      shared[own].weight += shared[own + half].weight;
    }
    __syncthreads();
  }
  if (own != 0) return;
  const double all = mean ? shared[0].loss / shared[0].weight : shared[0].loss;
  *loss = narrow<T>(static_cast<Wide<T>>(all));
}

template <typename T>
struct Grad {
  const T *scores, *slopes;
  T* y;
  Labels labels;
  int64_t rows, classes, inner;

  // Of the probability of class k.
  __device__ static T result(Wide<T> p, bool hit, Wide<T> slope) {
    return narrow<T>(slope == 0 ? Wide<T>(0) : (p - Wide<T>(hit ? 1 : 0)) * slope);
  }
};

// A row of at most lanes * K * V scores is in the registers of its threads.
template <typename T, int V, int K>
__global__ void __launch_bounds__(kMostThreads) grad_rows(const Grad<T> grad, int lanes) {
  using W = Wide<T>;
  __shared__ Scores<T> shared[kWarp];
  const int classes = static_cast<int>(grad.classes), packs = classes / V;
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  const int64_t together = blockDim.x / static_cast<unsigned>(lanes);
  for (int64_t base = blockIdx.x * together; base < grad.rows; base += gridDim.x * together) {
    const int64_t row = base + threadIdx.x / static_cast<unsigned>(lanes);
    const int own = row < grad.rows ? packs : 0;
    Pack<T, V> packed[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes >= own) continue;
      packed[k] = load_pack<T, V>(grad.scores + row * classes + (lane + k * lanes) * V);
    }
    Scores<T> all = Scores<T>::none();
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes >= own) continue;
#pragma unroll
      for (int e = 0; e < V; ++e) {
        const W x = widen(packed[k].v[e]);
        if (x > all.top) all.top = x;
      }
    }
    const W shift = all.top == W(-INFINITY) ? W(0) : all.top;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes >= own) continue;
#pragma unroll
      for (int e = 0; e < V; ++e) all.sum += exp_of<T>(widen(packed[k].v[e]) - shift);
    }
    all = join_row(all, lanes, shared);
    if (own == 0) continue;
    const int64_t label = grad.labels.of(row);
    if (label < 0 || label >= classes) {
      if (lane == 0) grad.labels.counts(label);
      continue;
    }
    const W share = 1 / all.total(), slope = widen(grad.slopes[row]);
#pragma unroll
    for (int k = 0; k < K; ++k) {
      if (lane + k * lanes >= own) continue;
      const int first = (lane + k * lanes) * V;
      Pack<T, V> out;
#pragma unroll
      for (int e = 0; e < V; ++e) {
        const W p = exp_of<T>(widen(packed[k].v[e]) - all.top) * share;
        out.v[e] = Grad<T>::result(p, first + e == label, slope);
      }
      store_pack<T, V>(grad.y + row * classes + first, out);
    }
  }
}

// Rows that are too long for registers, by a block each.
template <typename T, int V>
__global__ void __launch_bounds__(kMostThreads) grad_long(const Grad<T> grad) {
  using W = Wide<T>;
  __shared__ Scores<T> shared[kWarp];
  const int lanes = static_cast<int>(blockDim.x), lane = static_cast<int>(threadIdx.x);
  const int64_t packs = grad.classes / V, step = lanes;
  for (int64_t row = blockIdx.x; row < grad.rows; row += gridDim.x) {
    const int64_t label = grad.labels.of(row);
    if (label < 0 || label >= grad.classes) {
      if (lane == 0) grad.labels.counts(label);
      continue;
    }
    const T* from = grad.scores + row * grad.classes;
    T* to = grad.y + row * grad.classes;
    const W slope = widen(grad.slopes[row]);
    Scores<T> all = Scores<T>::none();
    if (slope != 0) all = scores_of<T, V>(from, packs, lane, lanes);  // else no score counts
    all = join_row(all, lanes, shared);
    const W share = 1 / all.total();
    for (int64_t p = lane; p < packs; p += kAhead * step) {
      Pack<T, V> packed[kAhead];
#pragma unroll
      for (int a = 0; a < kAhead; ++a) {
        if (p + a * step < packs) packed[a] = load_pack<T, V>(from + (p + a * step) * V);
      }
#pragma unroll
      for (int a = 0; a < kAhead; ++a) {
        const int64_t first = (p + a * step) * V;
        if (first >= grad.classes) continue;
        Pack<T, V> out;
#pragma unroll
        for (int e = 0; e < V; ++e) {
          const W probability = exp_of<T>(widen(packed[a].v[e]) - all.top) * share;
          out.v[e] = Grad<T>::result(probability, first + e == label, slope);
        }
        store_pack<T, V>(to + first, out);
      }
    }
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads) grad_columns(const Grad<T> grad) {
  using W = Wide<T>;
  __shared__ Scores<T> shared[kThreads];
  const int64_t count = grad.rows * grad.inner;
  for (int64_t base = blockIdx.x * static_cast<int64_t>(blockDim.x); base < count;
       base += gridDim.x * static_cast<int64_t>(blockDim.x)) {
    const int64_t i = base + threadIdx.x, start = i / grad.inner * grad.classes * grad.inner + i % grad.inner;
    const T* from = grad.scores + start;
    Scores<T> all = Scores<T>::none();
    if (i < count) {
#pragma unroll 4
      for (int64_t k = threadIdx.y; k < grad.classes; k += blockDim.y) all.add(widen(from[k * grad.inner]));
    }
    all = join_column(all, shared);
    if (i >= count) continue;
    const int64_t label = grad.labels.of(i);
    if (label < 0 || label >= grad.classes) {
      if (threadIdx.y == 0) grad.labels.counts(label);
      continue;
    }
    const W share = 1 / all.total(), slope = widen(grad.slopes[i]);
#pragma unroll 4
    for (int64_t k = threadIdx.y; k < grad.classes; k += blockDim.y) {
      const W p = exp_of<T>(widen(from[k * grad.inner]) - all.top) * share;
      grad.y[start + k * grad.inner] = Grad<T>::result(p, k == label, slope);
    }
  }
}

struct State {
  int64_t rows = 0, classes = 0, inner = 1;
  bool softmax = false, mean = false, none = false;  // else the sum
  bool has_weights = false, has_log_prob = false, has_ignored = false, wide_labels = false;
  int64_t ignored = 0;

  int64_t count() const { return rows * inner; }
  dim3 block() const { return classes < kWarp ? dim3(kThreads, 1) : dim3(kWarp, kThreads / kWarp); }
  Labels labels(const Launch& launch) const {
    return {launch.in[1], wide_labels, has_ignored, ignored, classes, launch.stream.faults(), launch.step};
  }
};

template <typename T, int V>
void run_loss_rows(const Launch& launch, const Loss<T>& loss) {
  const int64_t packs = loss.classes / V;
  int lanes = 1;
  while (lanes < kWarp && lanes < packs) lanes *= 2;
  if (packs > 8 * kWarp) lanes = packs > 2048 ? 512 : kThreads / 2;
  const int threads = lanes > kWarp ? lanes : kThreads;
  start(launch, loss_rows<T, V>, blocks_for(loss.rows, threads / lanes), threads, 0, loss, lanes);
}

template <typename T>
void run_loss(const Launch& launch, const State& s) {
  Loss<T> loss{};
  loss.scores = launch.input<T>(0);
  if (s.has_weights) loss.weights = launch.input<T>(2);
  if (s.has_log_prob) loss.log_prob = launch.output<T>(1);
  Share* shares = static_cast<Share*>(launch.scratch);
  if (s.none)
    loss.each = launch.output<T>(0);
  else
    loss.shares = shares + kParts;
  loss.labels = s.labels(launch);
  loss.rows = s.rows;
  loss.classes = s.classes;
  loss.inner = s.inner;
  const int64_t count = s.count();
  if (count > 0) {
    if (!s.softmax || s.classes == 0) {  // without classes every label is wrong or ignored
      start(launch, loss_at_labels<T>, blocks_for(count), kThreads, 0, loss);
    } else if (s.inner > 1) {
      const dim3 block = s.block();
      start(launch, loss_columns<T>, blocks_for(count, block.x), block, 0, loss);
    } else if (s.classes % kWhole<T> == 0 && aligned(loss.scores) && aligned(loss.log_prob)) {
      run_loss_rows<T, kWhole<T>>(launch, loss);
    } else {
      run_loss_rows<T, 1>(launch, loss);
    }
  }
  if (s.none) return;
  const int64_t parts = std::min<int64_t>(kParts, (count + 2047) / 2048);
  if (parts > 0) start(launch, sum_shares, static_cast<unsigned>(parts), kThreads, 0, loss.shares, count, shares);
  start(launch, finish<T>, 1, kThreads, 0, shares, parts, launch.output<T>(0), s.mean);
}

template <typename T, int V>
void run_grad_rows(const Launch& launch, const Grad<T>& grad) {
  constexpr int kFew = V == 1 ? 2 : 1, kMany = V == 1 ? 8 : 4;
  const int64_t packs = grad.classes / V;
  if (packs <= kWarp * kFew) {
    int lanes = 1;
    while (lanes * kFew < packs) lanes *= 2;
    start(launch, grad_rows<T, V, kFew>, blocks_for(grad.rows, kThreads / lanes), kThreads, 0, grad, lanes);
  } else if (packs <= kWarp * kMany) {
    start(launch, grad_rows<T, V, kMany>, blocks_for(grad.rows, kThreads / kWarp), kThreads, 0, grad, kWarp);
  } else if (packs <= kMostThreads * kMany) {
    const int lanes = static_cast<int>((packs + kWarp * kMany - 1) / (kWarp * kMany)) * kWarp;
    start(launch, grad_rows<T, V, kMany>, blocks_for(grad.rows, 1), lanes, 0, grad, lanes);
  } else {
    start(launch, grad_long<T, V>, blocks_for(grad.rows, 1), kMostThreads, 0, grad);
  }
}

template <typename T>
void run_grad(const Launch& launch, const State& s) {
  Grad<T> grad{};
  grad.scores = launch.input<T>(0);
  grad.slopes = launch.input<T>(2);
  grad.y = launch.output<T>(0);
  grad.labels = s.labels(launch);
  grad.rows = s.rows;
  grad.classes = s.classes;
  grad.inner = s.inner;
  if (s.inner > 1) {
    const dim3 block = s.block();
    start(launch, grad_columns<T>, blocks_for(s.count(), block.x), block, 0, grad);
  } else if (s.classes % kWhole<T> == 0 && aligned(grad.scores) && aligned(grad.y)) {
    run_grad_rows<T, kWhole<T>>(launch, grad);
  } else {
    run_grad_rows<T, 1>(launch, grad);
  }
}

// One label for each of the scores' rows and places.
bool accepts_scores(const Node& node) {
  const Value &scores = node.input(0), &labels = node.input(1);
  if (!in_list(FloatTypes(), scores.dtype) || scores.rank() < 2) return false;
  Shape wanted = scores.shape;
  wanted.erase(wanted.begin() + 1);
  return (labels.dtype == WEFT_I64 || labels.dtype == WEFT_I32) && labels.shape == wanted;
}

bool accepts_loss(const Node& node) {
  if (!accepts_scores(node)) return false;
  return !node.has(2) ||
         (node.input(2).dtype == node.input(0).dtype && node.input(2).count() == node.input(0).shape[1]);
}

bool accepts_grad(const Node& node) {
  return accepts_scores(node) && node.input(2).dtype == node.input(0).dtype &&
         node.input(2).shape == node.input(1).shape;
}

State state_of(const Node& node) {
  const Shape& shape = node.input(0).shape;
  State s;
  s.rows = shape[0];
  s.classes = shape[1];
  s.inner = product(shape, 2, shape.size());
  s.wide_labels = node.input(1).dtype == WEFT_I64;
  return s;
}

template <bool softmax>
Prepared prepare_loss(const Node& node) {
  State s = state_of(node);
  const std::string reduction = node.s("reduction");
  s.softmax = softmax;
  s.none = reduction == "none";
  s.mean = reduction == "mean";
  s.has_weights = node.has(2);
  s.has_log_prob = softmax && node.makes(1);
  s.has_ignored = node.has_attr("ignore_index");
  s.ignored = node.i_or("ignore_index", 0);
  Prepared prepared;
  if (!s.none) prepared.scratch_bytes = (kParts + s.count()) * static_cast<int64_t>(sizeof(Share));
  with_type(FloatTypes(), node.input(0).dtype,
            [&]<typename T>() { prepared.run = [s](const Launch& launch) { run_loss<T>(launch, s); }; });
  return prepared;
}

Prepared prepare_grad(const Node& node) {
  const State s = state_of(node);
  Prepared prepared;
  prepared.run = [](const Launch&) {};
  if (node.input(0).count() == 0) return prepared;
  with_type(FloatTypes(), node.input(0).dtype,
            [&]<typename T>() { prepared.run = [s](const Launch& launch) { run_grad<T>(launch, s); }; });
  return prepared;
}

}  // namespace

void define_cross_entropy(Definitions& all) {
  all.push_back({"SoftmaxCrossEntropyLoss", "rows", accepts_loss, prepare_loss<true>});
  all.push_back({"NegativeLogLikelihoodLoss", "labels", accepts_loss, prepare_loss<false>});
  all.push_back({"weft.SoftmaxCrossEntropyGrad", "rows", accepts_grad, prepare_grad});
}

}  // namespace weft::cuda
