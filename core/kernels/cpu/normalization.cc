// Kernels of BatchNormalization outside training, LayerNormalization, its gradient and RMSNormalization; other cases run
// through their bodies.
#include <algorithm>
#include <cmath>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/reduce_common.h"
#include "core/kernels/cpu/vectors_common.h"

namespace weft {
namespace {

bool one_float_dtype(const KernelContext& c) {
  DType dtype = c.dtype(0);
  for (int i = 1; i < c.input_count(); ++i) {
    if (c.has_input(i) && c.dtype(i) != dtype) return false;
  }
  return dtype == DType::kF32 || dtype == DType::kF64;
}

// [batch, channels, inner]
struct Channels {
  int64_t batch = 1, channels = 1, inner = 1;
  double epsilon = 0;
};

template <typename T>
void batch_norm(const Channels& c, const RunArgs& args) {
  const T *x = args.input<T>(0), *scale = args.input<T>(1), *bias = args.input<T>(2);
  const T *mean = args.input<T>(3), *variance = args.input<T>(4);
  T* y = args.output<T>(0);
  T *factor = static_cast<T*>(args.scratch), *shift = factor + c.channels;
  for (int64_t i = 0; i < c.channels; ++i) {
    factor[i] = scale[i] / std::sqrt(variance[i] + static_cast<T>(c.epsilon));
    shift[i] = bias[i] - mean[i] * factor[i];
  }
  if (c.inner == 1) {
    int64_t block = std::max<int64_t>(1, 8192 / std::max<int64_t>(c.channels, 1));
    parallel_for(*args.parallel, c.batch, block, 0.5 * static_cast<double>(c.channels),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t n = begin; n < end; ++n) {
                     for (int64_t i = 0; i < c.channels; ++i)
                       y[n * c.channels + i] = x[n * c.channels + i] * factor[i] + shift[i];
                   }
                 });
    return;
  }
  int64_t block = std::max<int64_t>(1, 8192 / std::max<int64_t>(c.inner, 1));
  parallel_for(*args.parallel, c.batch * c.channels, block, 0.5 * static_cast<double>(c.inner),
               [&](int64_t begin, int64_t end) {
                 for (int64_t p = begin; p < end; ++p) {
                   T a = factor[p % c.channels], b = shift[p % c.channels];
                   const T* from = x + p * c.inner;
                   T* to = y + p * c.inner;
                   for (int64_t i = 0; i < c.inner; ++i) to[i] = from[i] * a + b;
                 }
               });
}

bool accepts_batch_norm(const KernelContext& c) {
  return c.rank(0) >= 2 && !c.attrs().b("training_mode") && one_float_dtype(c);
}

Status prepare_batch_norm(const KernelContext& c, PreparedKernel* prepared) {
  const Shape& shape = c.shape(0);
  Channels state{shape[0], shape[1], 1, c.attrs().f("epsilon")};
  for (size_t i = 2; i < shape.size(); ++i) state.inner *= shape[i];
  prepared->cost_ns = 0.5 * static_cast<double>(c.count(0));
  prepared->scratch_bytes = 2 * state.channels * dtype_bytes(c.dtype(0), 1);
  if (c.dtype(0) == DType::kF32)
    prepared->use<&batch_norm<float>>(state);
  else
    prepared->use<&batch_norm<double>>(state);
  return {};
}

// [rows, n], each row normalized alone.
struct Rows {
  int64_t rows = 1, n = 1;
  double epsilon = 0;
  bool vectors = false, biased = false, gives_mean = false, gives_inverse = false;

  template <typename Fn>
  void each(const RunArgs& args, Fn fn) const {
    int64_t block = std::max<int64_t>(1, 8192 / std::max<int64_t>(n, 1));
    parallel_for(*args.parallel, rows, block, kNsOfElement * static_cast<double>(n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) fn(r);
    });
  }
  static constexpr double kNsOfElement = 0.5;
};

// The sum of fn(i), in an order that depends on n alone: sixteen sums side by side, which a compiler keeps in vectors.
template <typename T, typename Fn>
T sum_of(int64_t n, Fn fn) {
  constexpr int64_t kLanes = 16;
  T lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += fn(i + lane);
  }
  for (int64_t lane = 0; i < n; ++i, ++lane) lanes[lane] += fn(i);
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

template <typename T>
void layer_norm_row(const T* x, const T* scale, const T* bias, T epsilon, T* y, int64_t n, T* mean, T* inverse) {
  T count = static_cast<T>(n), centre = sum_of<T>(n, [x](int64_t i) { return x[i]; }) / count;
  T variance = sum_of<T>(n, [x, centre](int64_t i) { return (x[i] - centre) * (x[i] - centre); }) / count;
  T factor = T(1) / std::sqrt(variance + epsilon);
  if (bias != nullptr)
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - centre) * factor * scale[i] + bias[i];
  else
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - centre) * factor * scale[i];
  *mean = centre;
  *inverse = factor;
}

template <typename T>
void rms_norm_row(const T* x, const T* scale, T epsilon, T* y, int64_t n) {
  T square = sum_of<T>(n, [x](int64_t i) { return x[i] * x[i]; }) / static_cast<T>(n);
  T factor = T(1) / std::sqrt(square + epsilon);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * factor * scale[i];
}

template <typename T, typename U>
void layer_norm(const Rows& rows, const RunArgs& args) {
  const T *x = args.input<T>(0), *scale = args.input<T>(1), *bias = rows.biased ? args.input<T>(2) : nullptr;
  T* y = args.output<T>(0);
  U* means = rows.gives_mean ? args.output<U>(1) : nullptr;
  U* inverses = rows.gives_inverse ? args.output<U>(2) : nullptr;
  const auto row = rows.vectors ? rows_table(T()).layer_norm : &layer_norm_row<T>;
  rows.each(args, [&](int64_t r) {
    T mean, inverse;
    row(x + r * rows.n, scale, bias, static_cast<T>(rows.epsilon), y + r * rows.n, rows.n, &mean, &inverse);
    if (means != nullptr) means[r] = static_cast<U>(mean);
    if (inverses != nullptr) inverses[r] = static_cast<U>(inverse);
  });
}

template <typename T>
void rms_norm(const Rows& rows, const RunArgs& args) {
  const T *x = args.input<T>(0), *scale = args.input<T>(1);
  T* y = args.output<T>(0);
  const auto row = rows.vectors ? rows_table(T()).rms_norm : &rms_norm_row<T>;
  rows.each(args, [&](int64_t r) { row(x + r * rows.n, scale, static_cast<T>(rows.epsilon), y + r * rows.n, rows.n); });
}

// The gradient to the scale is summed over a few rows each, and then over these sums.
struct RowsGrad {
  static constexpr int64_t kTogether = 32;
  Rows rows;
  bool to_scale = false;
  ReduceStages sums;

  int64_t parts() const { return (rows.rows + kTogether - 1) / kTogether; }
};

template <typename T>
void layer_norm_grad(const RowsGrad& state, const RunArgs& args) {
  const T *x = args.input<T>(0), *scale = args.input<T>(1), *dy = args.input<T>(2);
  T *dx = args.output<T>(0), *dscale = state.to_scale ? args.output<T>(1) : nullptr;
  const int64_t n = state.rows.n, rows = state.rows.rows, parts = state.parts();
  T* partial = parts == 1 ? dscale : static_cast<T*>(args.scratch);
  const auto row = rows_table(T()).layer_norm_grad;
  const int64_t block = std::max<int64_t>(1, 8192 / std::max<int64_t>(1, RowsGrad::kTogether * n));
  const double cost = 2 * Rows::kNsOfElement * static_cast<double>(RowsGrad::kTogether * n);
  parallel_for(*args.parallel, parts, block, cost, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      T* to = state.to_scale ? partial + part * n : nullptr;
      if (to != nullptr) std::fill(to, to + n, T(0));
      const int64_t stop = std::min(rows, (part + 1) * RowsGrad::kTogether);
      for (int64_t at = part * RowsGrad::kTogether * n; at < stop * n; at += n)
        row(x + at, scale, dy + at, static_cast<T>(state.rows.epsilon), dx + at, to, n);
    }
  });
  const Reduction<T>& sum = reduce_table(T()).sum;
  if (state.to_scale && parts > 1) state.sums.run(*args.parallel, sum, sum, partial, partial + parts * n, dscale);
}

int64_t first_axis(const KernelContext& c) {
  int64_t axis = c.attrs().i("axis");
  return axis < 0 ? axis + c.rank(0) : axis;
}

// The inputs from 1 to `last` have a number for each element of a row.
bool scales_rows(const KernelContext& c, int last) {
  if (!one_float_dtype(c)) return false;
  const Shape& shape = c.shape(0);
  size_t axis = static_cast<size_t>(first_axis(c)), axes = shape.size() - axis;
  for (int i = 1; i <= last; ++i) {
    if (!c.has_input(i)) continue;
    const Shape& given = c.shape(i);
    if (given.size() < axes || !std::equal(shape.begin() + static_cast<int64_t>(axis), shape.end(),
                                           given.end() - static_cast<int64_t>(axes))) {
      return false;
    }
    for (size_t k = 0; k + axes < given.size(); ++k) {
      if (given[k] != 1) return false;
    }
  }
  return true;
}

// f32 kept as f32, f64 as either.
bool accepts_layer_norm(const KernelContext& c) {
  DType kept = static_cast<DType>(c.attrs().i("stash_type"));
  return scales_rows(c, 2) && (kept == DType::kF32 || kept == c.dtype(0));
}

bool computes_in_own_dtype(const KernelContext& c) {
  return c.dtype(0) == DType::kF64 || static_cast<DType>(c.attrs().i("stash_type")) != DType::kF64;
}

bool accepts_rms_norm(const KernelContext& c) { return scales_rows(c, 1) && computes_in_own_dtype(c); }

bool accepts_layer_norm_grad(const KernelContext& c) {
  return scales_rows(c, 1) && computes_in_own_dtype(c) && c.shape(0) == c.shape(2) && c.count(0) > 0;
}

Rows read_rows(const KernelContext& c, bool vectors, PreparedKernel* prepared) {
  Rows rows;
  rows.epsilon = c.attrs().f("epsilon");
  rows.vectors = vectors;
  rows.biased = c.has_input(2);
  rows.gives_mean = c.has_output(1);
  rows.gives_inverse = c.has_output(2);
  for (int64_t i = 0; i < c.rank(0); ++i)
    (i < first_axis(c) ? rows.rows : rows.n) *= c.shape(0)[static_cast<size_t>(i)];
  prepared->cost_ns = Rows::kNsOfElement * static_cast<double>(c.count(0));
  return rows;
}

template <bool vectors>
Status prepare_layer_norm(const KernelContext& c, PreparedKernel* prepared) {
  Rows rows = read_rows(c, vectors, prepared);
  if (c.dtype(0) == DType::kF32)
    prepared->use<&layer_norm<float, float>>(rows);
  else if (static_cast<DType>(c.attrs().i("stash_type")) == DType::kF32)
    prepared->use<&layer_norm<double, float>>(rows);
  else
    prepared->use<&layer_norm<double, double>>(rows);
  return {};
}

Status prepare_layer_norm_grad(const KernelContext& c, PreparedKernel* prepared) {
  RowsGrad state;
  state.rows = read_rows(c, true, prepared);
  state.to_scale = c.has_output(1);
  prepared->cost_ns *= 2;
  if (state.to_scale && state.parts() > 1) {
    state.sums = ReduceStages::make({state.parts(), state.rows.n}, {true, false});
    prepared->scratch_bytes = dtype_bytes(c.dtype(0), state.parts() * state.rows.n + state.sums.scratch_count());
  }
  if (c.dtype(0) == DType::kF32)
    prepared->use<&layer_norm_grad<float>>(std::move(state));
  else
    prepared->use<&layer_norm_grad<double>>(std::move(state));
  return {};
}

template <bool vectors>
Status prepare_rms_norm(const KernelContext& c, PreparedKernel* prepared) {
  Rows rows = read_rows(c, vectors, prepared);
  if (c.dtype(0) == DType::kF32)
    prepared->use<&rms_norm<float>>(rows);
  else
    prepared->use<&rms_norm<double>>(rows);
  return {};
}

}  // namespace

void add_cpu_normalization(KernelRegistry& kernels) {
  kernels.add("BatchNormalization", {"plain", accepts_batch_norm, prepare_batch_norm});
  kernels.add("LayerNormalization", {"vectors", accepts_layer_norm, prepare_layer_norm<true>});
  kernels.add("LayerNormalization", {"plain", accepts_layer_norm, prepare_layer_norm<false>});
  kernels.add("weft.LayerNormalizationGrad", {"vectors", accepts_layer_norm_grad, prepare_layer_norm_grad});
  kernels.add("RMSNormalization", {"vectors", accepts_rms_norm, prepare_rms_norm<true>});
  kernels.add("RMSNormalization", {"plain", accepts_rms_norm, prepare_rms_norm<false>});
}

}  // namespace weft
