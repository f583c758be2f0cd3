#include "core/kernels/cpu/recurrent_common.h"

#include <algorithm>
#include <cmath>

#include "core/base/divide_up.h"
#include "core/kernels/cpu/packed_common.h"
#include "core/kernels/cpu/vectors_common.h"

namespace weft {
namespace {

// Sequences of a task: R is read once for so many.
constexpr int64_t kSequences = 16, kMostChunks = 256;
constexpr int64_t kPage = 4096;

int64_t rounded(int64_t count) { return divide_up(count, 16) * 16; }

// y = a * x, + y if `adds`.
template <typename T>
void multiply(const T* a, const T* x, bool adds, T* y, int64_t n) {
  if (adds) {
    for (int64_t i = 0; i < n; ++i) y[i] += a[i] * x[i];
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = a[i] * x[i];
  }
}

// y += x.
template <typename T>
void add(const T* x, T* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += x[i];
}

// A row of a step: what it is about.
template <typename T>
struct CellRow {
  const RecurrentState<T>& s;
  int64_t direction;
  const T* peepholes;  // or null
  T* before;           // gates before the functions
  T* gates;            // [width], and behind
  T *h, *c;
};

template <typename T>
void step_rnn(const CellRow<T>& r) {
  const T* x = r.s.clipped(r.before, r.gates, r.s.hidden);
  r.s.function(r.direction, 0).run(x, r.h, r.s.hidden);
}

template <typename T>
void step_lstm(const CellRow<T>& r) {
  const int64_t n = r.s.hidden;
  const T* p = r.peepholes;
  T *i = r.gates, *o = i + n, *f = o + n, *g = f + n;
  const CellFunction<T>&gate = r.s.function(r.direction, 0), &cell = r.s.function(r.direction, 1);
  if (p != nullptr) {
    multiply(p, r.c, true, r.before, n);
    if (!r.s.form.input_forget) multiply(p + 2 * n, r.c, true, r.before + 2 * n, n);
    const T* x = r.s.clipped(r.before, r.gates, 4 * n);
    gate.run(x, i, n);
    if (!r.s.form.input_forget) gate.run(x + 2 * n, f, n);
    cell.run(x + 3 * n, g, n);
  } else {
    const T* x = r.s.clipped(r.before, r.gates, 4 * n);
    gate.run(x, i, 3 * n);
    cell.run(x + 3 * n, g, n);
  }
  if (r.s.form.input_forget) {
    for (int64_t j = 0; j < n; ++j) f[j] = T(1) - i[j];
  }
  for (int64_t j = 0; j < n; ++j) r.c[j] = f[j] * r.c[j] + i[j] * g[j];
  if (p != nullptr) {
    multiply(p + n, r.c, true, r.before + n, n);
    gate.run(r.s.clipped(r.before + n, o, n), o, n);
  }
  r.s.function(r.direction, 2).run(r.c, g, n);
  multiply(o, g, false, r.h, n);
}

}  // namespace

template <typename T>
CellFunction<T> CellFunction<T>::make(const Activation& activation) {
  return {activation.kind, static_cast<T>(activation.alpha), static_cast<T>(activation.beta), &math_table(T())};
}

template <typename T>
void CellFunction<T>::run(const T* x, T* y, int64_t n) const {
  using Kind = Activation::Kind;
  switch (kind) {
    case Kind::kRelu: return math->relu(x, y, n);
    case Kind::kTanh: return math->tanh(x, y, n);
    case Kind::kSigmoid: return math->sigmoid(x, y, n);
    case Kind::kElu: return math->elu(x, y, n, alpha);
    case Kind::kSoftplus: return math->softplus(x, y, n);
    case Kind::kAffine:
      for (int64_t i = 0; i < n; ++i) y[i] = alpha * x[i] + beta;
      return;
    case Kind::kLeakyRelu: return math->leaky_relu(x, y, n, alpha);
    case Kind::kThresholdedRelu:
      for (int64_t i = 0; i < n; ++i) y[i] = x[i] < alpha ? T(0) : x[i];  // NaN stays NaN
      return;
    case Kind::kScaledTanh:
      for (int64_t i = 0; i < n; ++i) y[i] = beta * x[i];
      math->tanh(y, y, n);
      for (int64_t i = 0; i < n; ++i) y[i] *= alpha;
      return;
    case Kind::kHardSigmoid: return math->hard_sigmoid(x, y, n, alpha, beta);
    case Kind::kSoftsign:
      for (int64_t i = 0; i < n; ++i) y[i] = x[i] / (T(1) + std::fabs(x[i]));
      return;
  }
}

template <typename T>
void CellFunction<T>::slope(const T* x, T* y, int64_t n) const {
  using Kind = Activation::Kind;
  switch (kind) {
    case Kind::kRelu:
      for (int64_t i = 0; i < n; ++i) y[i] = x[i] > 0 ? T(1) : T(0);
      return;
    case Kind::kTanh:
      for (int64_t i = 0; i < n; ++i) y[i] = T(1) - y[i] * y[i];
      return;
    case Kind::kSigmoid:
      for (int64_t i = 0; i < n; ++i) y[i] = y[i] * (T(1) - y[i]);
      return;
    case Kind::kElu:
      for (int64_t i = 0; i < n; ++i) y[i] = x[i] > 0 ? T(1) : y[i] + alpha;
      return;
    case Kind::kSoftplus: return math->sigmoid(x, y, n);
    case Kind::kAffine: std::fill_n(y, n, alpha); return;
    case Kind::kLeakyRelu:
      for (int64_t i = 0; i < n; ++i) y[i] = x[i] > 0 ? T(1) : alpha;
      return;
    case Kind::kThresholdedRelu:
      for (int64_t i = 0; i < n; ++i) y[i] = x[i] < alpha ? T(0) : T(1);
      return;
    case Kind::kScaledTanh:
      for (int64_t i = 0; i < n; ++i) y[i] = beta * x[i];
      math->tanh(y, y, n);
      for (int64_t i = 0; i < n; ++i) y[i] = alpha * beta * (T(1) - y[i] * y[i]);
      return;
    case Kind::kHardSigmoid:
      for (int64_t i = 0; i < n; ++i) {
        const T line = alpha * x[i] + beta;
        y[i] = line > T(0) && line < T(1) ? alpha : T(0);
      }
      return;
    case Kind::kSoftsign:
      for (int64_t i = 0; i < n; ++i) {
        const T size = T(1) + std::fabs(x[i]);
        y[i] = T(1) / (size * size);
      }
      return;
  }
}

template <typename T>
void StepMatrices<T>::add(const Gemm<T>& part, int64_t start) {
  parts.push_back(part);
  parts.back().packs_all_of_b = true;
  from.push_back(start);
  at.push_back(packed_size);
  packed_size += rounded(packed_b_size(parts.back()));
}

template <typename T>
void StepMatrices<T>::pack_all(const T* matrix, T* to, const Parallel& parallel) const {
  for (int64_t d = 0; d < directions; ++d) {
    for (size_t i = 0; i < parts.size(); ++i) {
      Gemm<T> part = parts[i];
      part.b = matrix + d * r_size + from[i];
      pack_b(part, to + d * packed_size + at[i], parallel);
    }
  }
}

template <typename T>
Status StepMatrices<T>::use_constant(const KernelContext& c) {
  const Tensor* constant = c.constant(kRInput);
  if (constant == nullptr || packed_size == 0) return {};
  std::string form = cat(directions, " directions of a recurrent layer");
  for (const Gemm<T>& part : parts) {
    form += cat("; ", form_of_panels(part.k, part.n, part.b_row, part.b_column, part.isa, ""));
  }
  WEFT_TRY(packed, packed_constant<T>(*constant, form, directions * packed_size, c.form_cache(),
                                      [&](const T* elements, T* to) { pack_all(elements, to, Parallel{}); }));
  return {};
}

template <typename T>
const T* StepMatrices<T>::pack(const T* matrix, T* scratch, const Parallel& parallel) const {
  if (packed != nullptr) return static_cast<const T*>(packed->data());
  pack_all(matrix, scratch, parallel);
  return scratch;
}

template <typename T>
int64_t StepMatrices<T>::product_scratch() const {
  int64_t most = 0;
  for (const Gemm<T>& part : parts) most = std::max(most, packed_scratch(part));
  return rounded(most);
}

template <typename T>
Result<RecurrentState<T>> RecurrentState<T>::make(CellKind cell, const KernelContext& c) {
  RecurrentState s{};
  WEFT_TRY(s.form, read_recurrent(cell, c.attrs()));
  s.input_count = c.input_count();
  s.output_count = c.output_count();
  const Shape& x = c.shape(kXInput);
  s.steps = x[s.form.batch_first ? 1 : 0];
  s.batch = x[s.form.batch_first ? 0 : 1];
  s.inputs = x[2];
  s.hidden = c.shape(kRInput)[2];
  s.width = s.form.gates() * s.hidden;
  // Nothing below is larger.
  WEFT_CHECK(element_count({std::max<int64_t>(s.steps, 1), std::max<int64_t>(s.batch, 1),
                            std::max<int64_t>(s.all_width(), 1), 64})
                 .status());
  s.clip = static_cast<T>(s.form.clip);
  for (const Activation& activation : s.form.activations) s.functions.push_back(CellFunction<T>::make(activation));

  s.given.m = s.rows();
  s.given.n = s.all_width();
  s.given.k = s.given.a_row = s.given.b_column = s.inputs;
  s.given.b_row = 1;
  // Rows a whole page apart would share one set of the first-level cache.
  s.given_row = s.all_width() * static_cast<int64_t>(sizeof(T)) % kPage == 0 ? s.all_width() + 16 : s.all_width();
  s.given.c_row = s.given_row;
  if (c.has_input(kBInput)) s.given.init_column = 1;

  const int64_t chunks = std::clamp<int64_t>(divide_up(s.batch, kSequences), 1, kMostChunks);
  for (int64_t d = 0; d < s.form.directions; ++d) {
    for (int64_t i = 0; i < chunks; ++i) {
      const int64_t first = i * s.batch / chunks, end = (i + 1) * s.batch / chunks;
      s.tasks.push_back({d, first, end - first});
      s.most_sequences = std::max(s.most_sequences, end - first);
    }
  }

  s.r.directions = s.form.directions;
  s.r.r_size = s.width * s.hidden;
  Gemm<T> step;
  step.m = s.most_sequences;
  step.k = step.a_row = step.b_column = s.hidden;
  step.b_row = 1;
  step.c_row = s.row_stride() * s.given_row;
  step.init_row = step.c_row;
  step.init_column = 1;
  if (s.apart()) step.c_row = s.width;
  step.n = cell == CellKind::kGru && !s.apart() ? 2 * s.hidden : s.width;
  s.r.add(step, 0);
  if (cell == CellKind::kGru && !s.apart()) {
    step.n = s.hidden;
    step.a_row = s.width;
    s.r.add(step, 2 * s.hidden * s.hidden);
  }
  WEFT_CHECK(s.r.use_constant(c));

  auto reserve = [&s](int64_t count) {
    const int64_t at = s.end;
    s.end += rounded(count);
    return at;
  };
  const int64_t states = s.form.directions * s.batch * s.hidden;
  s.given_at = reserve(s.rows() * s.given_row);
  s.bias_at = reserve(c.has_input(kBInput) ? s.all_width() : 0);
  s.packed_at = reserve(s.r.scratch());
  s.h_at = reserve(states);
  s.c_at = reserve(states);
  s.gates_at = reserve(s.form.directions * s.batch * s.width);
  s.product_size = s.r.product_scratch();
  s.product_at = reserve(std::max(static_cast<int64_t>(s.tasks.size()) * s.product_size, gemm_scratch(s.given)));
  return s;
}

template <typename T>
double RecurrentState<T>::cost_ns() const {
  double step = 0;
  for (const Gemm<T>& part : r.parts) step += gemm_cost_ns(part);
  step += 2 * static_cast<double>(most_sequences * width);
  return gemm_cost_ns(given) + static_cast<double>(steps) * step * static_cast<double>(tasks.size());
}

template <typename T>
bool RecurrentState<T>::begin(const RunArgs& args) const {
  const int32_t* lens = input<int32_t>(args, kLensInput);
  for (int64_t i = 0; lens != nullptr && i < batch; ++i) {
    if (lens[i] >= 0 && lens[i] <= steps) continue;
    *args.status = out_of_range("input 'sequence_lens' has ", lens[i], " at ", i, " but there are ", steps, " steps");
    return false;
  }
  T* scratch = static_cast<T*>(args.scratch);
  Gemm<T> product = given;
  product.a = args.input<T>(kXInput);
  product.b = args.input<T>(kWInput);
  product.c = scratch + given_at;
  if (const T* b = input<T>(args, kBInput)) {
    T* sum = scratch + bias_at;
    // What r is multiplied with has its own.
    const int64_t together = apart() ? 2 * hidden : width;
    for (int64_t d = 0; d < form.directions; ++d, b += 2 * width, sum += width) {
      for (int64_t i = 0; i < width; ++i) sum[i] = i < together ? b[i] + b[width + i] : b[i];
    }
    product.init = scratch + bias_at;
  }
  run_gemm(product, scratch + product_at, *args.parallel);
  r.pack(args.input<T>(kRInput), scratch + packed_at, *args.parallel);
  return true;
}

template <typename T>
const T* RecurrentState<T>::bias(const RunArgs& args, int64_t direction) const {
  const T* b = input<T>(args, kBInput);
  return b == nullptr ? nullptr : b + (2 * direction + 1) * width;
}

template <typename T>
const T* RecurrentState<T>::peepholes(const RunArgs& args, int64_t direction) const {
  const T* p = form.cell == CellKind::kLstm ? input<T>(args, kPInput) : nullptr;
  return p == nullptr ? nullptr : p + direction * 3 * hidden;
}

template <typename T>
const T* RecurrentState<T>::clipped(const T* x, T* to, int64_t n) const {
  if (clip == 0) return x;
  for (int64_t i = 0; i < n; ++i) to[i] = x[i] < -clip ? -clip : x[i] > clip ? clip : x[i];
  return to;
}

template <typename T>
void RecurrentState<T>::run_task(const RunArgs& args, int64_t index, const Records& records,
                                 const Results& results) const {
  const RecurrentTask& task = tasks[static_cast<size_t>(index)];
  const int64_t d = task.direction, n = hidden, lead = row_stride() * given_row;
  T* scratch = static_cast<T*>(args.scratch);
  T *h = scratch + h_at + (d * batch + task.first) * n, *c = scratch + c_at + (d * batch + task.first) * n;
  T* gates = scratch + gates_at + (d * batch + task.first) * width;
  T* more = scratch + product_at + index * product_size;
  const bool is_lstm = form.cell == CellKind::kLstm, is_gru = form.cell == CellKind::kGru;
  const int32_t* lens = input<int32_t>(args, kLensInput);
  const T *p = peepholes(args, d), *packed = packed_r(args) + d * r.packed_size;
  // A single task has all threads for its products.
  const Parallel alone{1, args.parallel->stop}, &parallel = tasks.size() == 1 ? *args.parallel : alone;

  auto begin_states = [&](int place, T* states) {
    const T* from = input<T>(args, place);
    for (int64_t i = 0; i < task.count; ++i) {
      if (from == nullptr)
        std::fill_n(states + i * n, n, T(0));
      else
        std::copy_n(from + state_row(d, task.first + i) * n, n, states + i * n);
    }
  };
  begin_states(kHInput, h);
  if (is_lstm) begin_states(kCInput, c);

  for (int64_t s = 0; s < steps; ++s) {
    if (parallel.stop != nullptr && parallel.stop->stopped()) return;
    const int64_t t = time(d, s), first_row = row(t, task.first);
    T* before = scratch + given_at + first_row * given_row + d * width;
    for (int64_t i = 0; i < task.count && records.h != nullptr; ++i) {
      const int64_t at = (d * rows() + first_row + i * row_stride()) * n;
      std::copy_n(h + i * n, n, records.h + at);
      if (records.c != nullptr) std::copy_n(c + i * n, n, records.c + at);
    }
    Gemm<T> product = r.parts[0];
    product.m = task.count;
    product.a = h;
    product.packed_b = packed + r.at[0];
    product.c = apart() ? gates : before;
    product.init = apart() ? nullptr : before;
    product.backwards = s % 2 != 0;
    run_gemm(product, more, parallel);
    if (is_gru) {
      // Gates z and r, then what the third part is multiplied with: r * h, or all of h.
      T* inner = gates + 2 * n;  // of each row
      for (int64_t i = 0; i < task.count; ++i) {
        T *row_gates = gates + i * width, *row_before = before + i * lead;
        if (apart()) {
          add(row_gates, row_before, 2 * n);
          if (const T* b = bias(args, d)) add(b + 2 * n, row_gates + 2 * n, n);
        }
        function(d, 0).run(clipped(row_before, row_gates, 2 * n), row_gates, 2 * n);
        if (!apart()) multiply(row_gates + n, h + i * n, false, inner + i * width, n);
      }
      if (!apart()) {
        product = r.parts[1];
        product.m = task.count;
        product.a = inner;
        product.packed_b = packed + r.at[1];
        product.c = before + 2 * n;
        product.init = product.c;
        run_gemm(product, more, parallel);
      }
    }
    for (int64_t i = 0; i < task.count; ++i) {
      const bool goes_on = active(lens, task.first + i, t);
      T* y = results.y != nullptr ? results.y + y_row(d, t, task.first + i) * n : nullptr;
      T* row_gates = gates + i * width;
      if (is_gru && records.inner != nullptr) {
        T* record = records.inner + (d * rows() + first_row + i * row_stride()) * n;
        if (goes_on)
          std::copy_n(row_gates + 2 * n, n, record);
        else
          std::fill_n(record, n, T(0));
      }
      if (!goes_on) {
        if (y != nullptr) std::fill_n(y, n, T(0));
        continue;
      }
      T *row_h = h + i * n, *row_before = before + i * lead;
      const CellRow<T> cell{*this, d, p, row_before, row_gates, row_h, c + i * n};
      if (is_lstm) {
        step_lstm(cell);
      } else if (is_gru) {
        T *z = row_gates, *fresh = row_gates + 2 * n;
        if (apart()) multiply(row_gates + n, fresh, true, row_before + 2 * n, n);
        function(d, 1).run(clipped(row_before + 2 * n, fresh, n), fresh, n);
        for (int64_t j = 0; j < n; ++j) row_h[j] = (T(1) - z[j]) * fresh[j] + z[j] * row_h[j];
      } else {
        step_rnn(cell);
      }
      if (y != nullptr) std::copy_n(row_h, n, y);
    }
  }
  for (int64_t i = 0; i < task.count; ++i) {
    const int64_t at = state_row(d, task.first + i) * n;
    if (results.h != nullptr) std::copy_n(h + i * n, n, results.h + at);
    if (results.c != nullptr) std::copy_n(c + i * n, n, results.c + at);
  }
}

template struct CellFunction<float>;
template struct CellFunction<double>;
template struct StepMatrices<float>;
template struct StepMatrices<double>;
template struct RecurrentState<float>;
template struct RecurrentState<double>;

}  // namespace weft
