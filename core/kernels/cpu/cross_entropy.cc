// Kernels of the losses of class labels and of their gradient.
#include <algorithm>
#include <cmath>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/types_common.h"
#include "core/kernels/cpu/vectors_common.h"

namespace weft {
namespace {

enum class Reduction { kNone, kSum, kMean };

// Scores are [rows, classes, inner]. A block is some rows, or part of one row's inner axis.
struct State {
  int64_t rows, classes, inner;
  Reduction reduction = Reduction::kNone;
  bool has_weights = false, has_log_prob = false, has_ignored = false, wide_labels = false;
  int64_t ignored = 0;
  int64_t block = 1;  // labels
};

// What a block found.
struct Partial {
  double loss = 0, weight = 0;
  int64_t wrong_label = 0;
  bool failed = false;
};

constexpr int64_t kTile = 64;  // labels whose running maxima and sums are kept at once

int64_t label_at(const State& s, const void* labels, int64_t i) {
  return s.wide_labels ? static_cast<const int64_t*>(labels)[i] : static_cast<const int32_t*>(labels)[i];
}

// Calls fn(first label, labels, scores of the first label at class 0, step from class to class,
// from label to label) for tiles that together are [begin, end).
template <typename Fn>
void for_tiles(const State& s, int64_t begin, int64_t end, Fn&& fn) {
  while (begin < end) {
    const int64_t row = begin / s.inner, at = begin % s.inner;
    const int64_t n = s.inner == 1 ? 1 : std::min({kTile, s.inner - at, end - begin});
    fn(begin, n, row * s.classes * s.inner + at);
    begin += n;
  }
}

// Maximum over the classes and sum of exp(score - maximum) for each of n labels side by side.
template <typename T>
void max_and_sum(const State& s, const T* x, int64_t n, T* highest, double* sum) {
  for (int64_t j = 0; j < n; ++j) {
    highest[j] = x[j];
    sum[j] = 0;
  }
  for (int64_t k = 1; k < s.classes; ++k) {
    for (int64_t j = 0; j < n; ++j) {
      const T v = x[k * s.inner + j];
      highest[j] = v > highest[j] || v != v ? v : highest[j];
    }
  }
  for (int64_t k = 0; k < s.classes; ++k) {
    for (int64_t j = 0; j < n; ++j) {
      sum[j] += static_cast<double>(std::exp(x[k * s.inner + j] - highest[j]));
    }
  }
}

// The same of one label whose scores are neighbours, on vectors. Writes the exponentials to `y` unless it is null.
template <typename T>
void max_and_sum_vectors(const State& s, const T* x, T* y, T* highest, double* sum) {
  *highest = rows_table(T()).max(x, s.classes);
  *sum = static_cast<double>(rows_table(T()).exp_sum(x, *highest, y, s.classes));
}

template <typename T, bool softmax, bool vectors = false>
void run_loss(const State& s, const RunArgs& args) {
  const T *scores = args.input<T>(0), *weights = s.has_weights ? args.input<T>(2) : nullptr;
  T *loss = args.output<T>(0), *log_prob = s.has_log_prob ? args.output<T>(1) : nullptr;
  const int64_t count = s.rows * s.inner;
  Partial* partials = static_cast<Partial*>(args.scratch);
  const double cost = static_cast<double>(softmax ? s.classes * 8 : 5);
  parallel_for(*args.parallel, count, s.block, cost, [&](int64_t begin, int64_t end) {
    Partial partial;
    T highest[kTile] = {}, log_sum[kTile] = {};
    double sum[kTile] = {};
    for_tiles(s, begin, end, [&](int64_t first, int64_t n, int64_t at) {
      const T* x = scores + at;
      if (softmax && s.classes > 0) {
        if constexpr (vectors)
          max_and_sum_vectors<T>(s, x, nullptr, highest, sum);
        else
          max_and_sum<T>(s, x, n, highest, sum);
        for (int64_t j = 0; j < n; ++j) log_sum[j] = static_cast<T>(std::log(sum[j]));
        if (log_prob != nullptr) {
          for (int64_t k = 0; k < s.classes; ++k) {
            T* to = log_prob + at + k * s.inner;
            for (int64_t j = 0; j < n; ++j) {
              to[j] = static_cast<T>(x[k * s.inner + j] - highest[j] - log_sum[j]);
            }
          }
        }
      }
      for (int64_t j = 0; j < n; ++j) {
        const int64_t label = label_at(s, args.in[1], first + j);
        double value = 0;
        if (!s.has_ignored || label != s.ignored) {
          if (label < 0 || label >= s.classes) {
            if (!partial.failed) partial.wrong_label = label;
            partial.failed = true;
            continue;
          }
          const double weight = weights != nullptr ? static_cast<double>(weights[label]) : 1.0;
          T log_likelihood = x[label * s.inner + j];
          if (softmax) log_likelihood = log_likelihood - highest[j] - log_sum[j];
          value = -weight * static_cast<double>(log_likelihood);
          partial.weight += weight;
        }
        partial.loss += value;
        if (s.reduction == Reduction::kNone) loss[first + j] = static_cast<T>(value);
      }
    });
    partials[begin / s.block] = partial;
  });
  // Blocks that were skipped have left nothing to be read.
  if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
  Partial total;
  for (int64_t b = 0; b * s.block < count; ++b) {
    if (partials[b].failed) {
      *args.status = out_of_range("a label is ", partials[b].wrong_label, " but there are ", s.classes, " classes");
      return;
    }
    total.loss += partials[b].loss;
    total.weight += partials[b].weight;
  }
  if (s.reduction == Reduction::kSum) loss[0] = static_cast<T>(total.loss);
  if (s.reduction == Reduction::kMean) loss[0] = static_cast<T>(total.loss / total.weight);
}

template <typename T, bool vectors = false>
void run_gradient(const State& s, const RunArgs& args) {
  const T *scores = args.input<T>(0), *slopes = args.input<T>(2);
  T* y = args.output<T>(0);
  const int64_t count = s.rows * s.inner;
  Partial* partials = static_cast<Partial*>(args.scratch);
  parallel_for(*args.parallel, count, s.block, static_cast<double>(s.classes * 12), [&](int64_t begin, int64_t end) {
    Partial partial;
    T highest[kTile];
    double sum[kTile];
    for_tiles(s, begin, end, [&](int64_t first, int64_t n, int64_t at) {
      if (s.classes == 0) return;
      const T* x = scores + at;
      if constexpr (vectors)
        max_and_sum_vectors<T>(s, x, y + at, highest, sum);
      else
        max_and_sum<T>(s, x, n, highest, sum);
      for (int64_t j = 0; j < n; ++j) {
        const T slope = slopes[first + j];
        const int64_t label = label_at(s, args.in[1], first + j);
        if (label < 0 || label >= s.classes) {
          if (!partial.failed) partial.wrong_label = label;
          partial.failed = true;
          continue;
        }
        const T share = static_cast<T>(1 / sum[j]);
        for (int64_t k = 0; k < s.classes; ++k) {
          const int64_t i = k * s.inner + j;
          T p;
          if constexpr (vectors)
            p = y[at + i] * share;
          else
            p = std::exp(x[i] - highest[j]) * share;
          y[at + i] = static_cast<T>(slope == 0 ? T(0) : (p - T(k == label ? 1 : 0)) * slope);
        }
      }
    });
    partials[begin / s.block] = partial;
  });
  // Blocks that were skipped have left nothing to be read.
  if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
  for (int64_t b = 0; b * s.block < count; ++b) {
    if (!partials[b].failed) continue;
    *args.status = out_of_range("a label is ", partials[b].wrong_label, " but there are ", s.classes, " classes");
    return;
  }
}

State make_state(const KernelContext& c, PreparedKernel* prepared, double cost_ns) {
  const Shape& scores = c.shape(0);
  State state{scores[0], scores[1], 1};
  for (size_t i = 2; i < scores.size(); ++i) state.inner *= scores[i];
  state.wide_labels = c.dtype(1) == DType::kI64;
  const int64_t count = state.rows * state.inner;
  state.block = std::max<int64_t>(1, 8192 / std::max<int64_t>(1, state.classes));
  prepared->scratch_bytes = (count + state.block - 1) / state.block * static_cast<int64_t>(sizeof(Partial));
  prepared->cost_ns = cost_ns * static_cast<double>(count * state.classes);
  return state;
}

bool accepts_vectors(const KernelContext& c) {
  if (c.dtype(0) != DType::kF32 && c.dtype(0) != DType::kF64) return false;
  int64_t inner = 1;
  for (size_t i = 2; i < c.shape(0).size(); ++i) inner *= c.shape(0)[i];
  return inner == 1 && c.shape(0)[1] > 0;
}

State loss_state(const KernelContext& c, PreparedKernel* prepared, bool softmax) {
  State state = make_state(c, prepared, softmax ? 8 : 1);
  const std::string& reduction = c.attrs().s("reduction");
  state.reduction = reduction == "none" ? Reduction::kNone : reduction == "sum" ? Reduction::kSum : Reduction::kMean;
  state.has_weights = c.has_input(2);
  state.has_log_prob = softmax && c.has_output(1);
  state.has_ignored = c.attrs().has("ignore_index");
  state.ignored = c.attrs().i_or("ignore_index", 0);
  return state;
}

bool takes_loss(const KernelContext& c) { return in_list(FloatElements{}, c.dtype(0)); }

template <bool softmax>
Status prepare_loss(const KernelContext& c, PreparedKernel* prepared) {
  State state = loss_state(c, prepared, softmax);
  with_type(FloatElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&run_loss<T, softmax>>(state); });
  return {};
}

Status prepare_loss_vectors(const KernelContext& c, PreparedKernel* prepared) {
  State state = loss_state(c, prepared, true);
  if (c.dtype(0) == DType::kF32)
    prepared->use<&run_loss<float, true, true>>(state);
  else
    prepared->use<&run_loss<double, true, true>>(state);
  return {};
}

Status prepare_gradient_vectors(const KernelContext& c, PreparedKernel* prepared) {
  State state = make_state(c, prepared, 12);
  if (c.dtype(0) == DType::kF32)
    prepared->use<&run_gradient<float, true>>(state);
  else
    prepared->use<&run_gradient<double, true>>(state);
  return {};
}

Status prepare_gradient(const KernelContext& c, PreparedKernel* prepared) {
  State state = make_state(c, prepared, 12);
  with_type(FloatElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&run_gradient<T>>(state); });
  return {};
}

}  // namespace

void add_cpu_cross_entropy(KernelRegistry& kernels) {
  kernels.add("NegativeLogLikelihoodLoss", {"plain", takes_loss, prepare_loss<false>});
  kernels.add("SoftmaxCrossEntropyLoss", {"vectors", accepts_vectors, prepare_loss_vectors});
  kernels.add("SoftmaxCrossEntropyLoss", {"plain", takes_loss, prepare_loss<true>});
  kernels.add("weft.SoftmaxCrossEntropyGrad", {"vectors", accepts_vectors, prepare_gradient_vectors});
  kernels.add("weft.SoftmaxCrossEntropyGrad", {"plain", takes_loss, prepare_gradient});
}

}  // namespace weft
