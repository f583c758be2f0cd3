// Gradients of RNN, GRU and LSTM: the steps are made again and recorded, then gone through from the last to the first; what
// comes of all steps together (by W, R, X and the biases) is one product each at the end.
#include <algorithm>
#include <cmath>

#include "core/base/divide_up.h"
#include "core/kernel/registry.h"
#include "core/kernels/cpu/recurrent_common.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

constexpr int64_t kWorkRows = 16;  // of `hidden` elements, for one sequence of one step

template <typename T>
struct RecurrentGradState {
  RecurrentState<T> s;
  StepMatrices<T> back;  // from the gates of a step to the h before it
  int dy_input;
  int dc_output = -1, dp_output = -1, dx_output;
  // Scratch behind that of the steps, in elements.
  int64_t h_records, c_records, inner_records, packed_at, dh_at, dc_at, carry_at, work_at, peephole_at, ones_at,
      sums_at;
  int64_t product_at, product_size, end;

  int64_t records_size() const { return s.form.directions * s.rows() * s.hidden; }
};

// One step of one sequence.
template <typename T>
struct BackRow {
  const RecurrentState<T>& s;
  int64_t direction;
  T* gates;        // before the functions; the gradient to them afterwards
  const T *h, *c;  // before the step
  T *dh, *dc;      // from behind; `dc` becomes that of the c before
  T* carry;        // of dh past R: the product with R is added to it
  T* work;         // [kWorkRows * hidden]
  const T* peepholes;
  T* dpeepholes;

  // A function's values, then its slopes, which are 0 where the clip holds.
  const T* run(int64_t function, const T* x, T* clipped, T* y, int64_t n) const {
    const T* kept = s.clipped(x, clipped, n);
    s.function(direction, function).run(kept, y, n);
    return kept;
  }
  void slope(int64_t function, const T* x, const T* kept, T* y, int64_t n) const {
    s.function(direction, function).slope(kept, y, n);
    if (s.clip == 0) return;
    for (int64_t j = 0; j < n; ++j) y[j] = std::fabs(x[j]) > s.clip ? T(0) : y[j];
  }
};

template <typename T>
void back_rnn(const BackRow<T>& r) {
  const int64_t n = r.s.hidden;
  T *y = r.work, *clipped = r.work + n;
  const T* kept = r.run(0, r.gates, clipped, y, n);
  r.slope(0, r.gates, kept, y, n);
  for (int64_t j = 0; j < n; ++j) {
    r.gates[j] = r.dh[j] * y[j];
    r.carry[j] = 0;
  }
}

template <typename T>
void back_lstm(const BackRow<T>& r) {
  const int64_t n = r.s.hidden;
  const bool coupled = r.s.form.input_forget;
  T *i = r.work, *o = i + n, *f = o + n, *g = f + n, *slopes = g + n, *clipped = slopes + 4 * n;
  T *cell = clipped + 4 * n, *out = cell + n, *out_slope = out + n;
  const T* kept = r.run(0, r.gates, clipped, i, 3 * n);
  const T* kept_g = r.run(1, r.gates + 3 * n, clipped + 3 * n, g, n);
  std::copy_n(i, 4 * n, slopes);
  r.slope(0, r.gates, kept, slopes, 3 * n);
  r.slope(1, r.gates + 3 * n, kept_g, slopes + 3 * n, n);
  if (coupled) {
    for (int64_t j = 0; j < n; ++j) f[j] = T(1) - i[j];
  }
  for (int64_t j = 0; j < n; ++j) cell[j] = f[j] * r.c[j] + i[j] * g[j];
  const CellFunction<T>& last = r.s.function(r.direction, 2);
  last.run(cell, out, n);
  std::copy_n(out, n, out_slope);
  last.slope(cell, out_slope, n);

  T *di = r.gates, *dout = di + n, *df = dout + n, *dg = df + n;
  for (int64_t j = 0; j < n; ++j) {
    dout[j] = r.dh[j] * out[j] * slopes[n + j];
    r.dc[j] += r.dh[j] * o[j] * out_slope[j];
    r.carry[j] = 0;
  }
  if (r.peepholes != nullptr) {
    for (int64_t j = 0; j < n; ++j) {
      r.dc[j] += dout[j] * r.peepholes[n + j];
      r.dpeepholes[n + j] += dout[j] * cell[j];
    }
  }
  for (int64_t j = 0; j < n; ++j) {
    const T dc = r.dc[j], dforget = dc * r.c[j];
    di[j] = (coupled ? dc * g[j] - dforget : dc * g[j]) * slopes[j];
    df[j] = coupled ? T(0) : dforget * slopes[2 * n + j];
    dg[j] = dc * i[j] * slopes[3 * n + j];
    r.dc[j] = dc * f[j];
  }
  if (r.peepholes == nullptr) return;
  for (int64_t j = 0; j < n; ++j) {
    r.dc[j] += di[j] * r.peepholes[j] + df[j] * r.peepholes[2 * n + j];
    r.dpeepholes[j] += di[j] * r.c[j];
    r.dpeepholes[2 * n + j] += df[j] * r.c[j];
  }
}

// Up to what goes through r. `inner` is what was recorded of it, and becomes the gradient to the product with
// linear_before_reset; without, the slopes of r and r itself are left in `kept`.
template <typename T>
void back_gru(const BackRow<T>& r, T* inner, T* kept_r) {
  const int64_t n = r.s.hidden;
  T *z = r.work, *reset = z + n, *fresh = reset + n, *slopes = fresh + n, *clipped = slopes + 3 * n;
  const T* kept = r.run(0, r.gates, clipped, z, 2 * n);
  const T* kept_fresh = r.run(1, r.gates + 2 * n, clipped + 2 * n, fresh, n);
  std::copy_n(z, 3 * n, slopes);
  r.slope(0, r.gates, kept, slopes, 2 * n);
  r.slope(1, r.gates + 2 * n, kept_fresh, slopes + 2 * n, n);
  T *dz = r.gates, *dr = dz + n, *dn = dr + n;
  for (int64_t j = 0; j < n; ++j) {
    const T dh = r.dh[j];
    dz[j] = dh * (r.h[j] - fresh[j]) * slopes[j];
    dn[j] = dh * (T(1) - z[j]) * slopes[2 * n + j];
    r.carry[j] = dh * z[j];
  }
  if (!r.s.form.linear_before_reset) {
    std::copy_n(slopes + n, n, kept_r);
    std::copy_n(reset, n, kept_r + n);
    return;
  }
  for (int64_t j = 0; j < n; ++j) {
    dr[j] = dn[j] * inner[j] * slopes[n + j];
    inner[j] = dn[j] * reset[j];
  }
}

template <typename T>
void back_task(const RecurrentGradState<T>& g, const RunArgs& args, int64_t index) {
  const RecurrentState<T>& s = g.s;
  const RecurrentTask& task = s.tasks[static_cast<size_t>(index)];
  const int64_t d = task.direction, n = s.hidden, stride = s.row_stride(), lead = stride * s.given_row;
  T* scratch = static_cast<T*>(args.scratch);
  const int64_t first_state = (d * s.batch + task.first) * n;
  T *dh = scratch + g.dh_at + first_state, *dc = scratch + g.dc_at + first_state,
    *carry = scratch + g.carry_at + first_state;
  T* kept = scratch + s.gates_at + (d * s.batch + task.first) * s.width;
  T *work = scratch + g.work_at + index * kWorkRows * n, *more = scratch + g.product_at + index * g.product_size;
  T* dpeepholes = scratch + g.peephole_at + index * 3 * n;
  const int32_t* lens = s.template input<int32_t>(args, kLensInput);
  const T* packed = g.back.packed != nullptr ? static_cast<const T*>(g.back.packed->data()) : scratch + g.packed_at;
  packed += d * g.back.packed_size;
  const Parallel alone{1, args.parallel->stop}, &parallel = s.tasks.size() == 1 ? *args.parallel : alone;
  const bool is_lstm = s.form.cell == CellKind::kLstm, is_gru = s.form.cell == CellKind::kGru;
  const bool inside = is_gru && !s.form.linear_before_reset;  // r * h goes into the product

  const T* dy = s.template input<T>(args, g.dy_input);
  auto begin_grads = [&](int input, T* to) {
    const T* from = s.template input<T>(args, input);
    for (int64_t i = 0; i < task.count; ++i) {
      if (from == nullptr)
        std::fill_n(to + i * n, n, T(0));
      else
        std::copy_n(from + s.state_row(d, task.first + i) * n, n, to + i * n);
    }
  };
  begin_grads(g.dy_input + 1, dh);
  if (is_lstm) begin_grads(g.dy_input + 2, dc);
  std::fill_n(dpeepholes, 3 * n, T(0));

  for (int64_t step = s.steps - 1; step >= 0; --step) {
    if (parallel.stop != nullptr && parallel.stop->stopped()) return;
    const int64_t t = s.time(d, step), first_row = s.row(t, task.first);
    const int64_t first_record = (d * s.rows() + first_row) * n;
    T* gates = scratch + s.given_at + first_row * s.given_row + d * s.width;
    T* inner = scratch + g.inner_records + first_record;
    for (int64_t i = 0; i < task.count; ++i) {
      T *row_gates = gates + i * lead, *row_dh = dh + i * n;
      if (!RecurrentState<T>::active(lens, task.first + i, t)) {
        std::fill_n(row_gates, s.width, T(0));
        std::copy_n(row_dh, n, carry + i * n);
        continue;
      }
      if (dy != nullptr) {
        const T* from = dy + s.y_row(d, t, task.first + i) * n;
        for (int64_t j = 0; j < n; ++j) row_dh[j] += from[j];
      }
      const int64_t record = first_record + i * stride * n;
      const BackRow<T> row{s,
                           d,
                           row_gates,
                           scratch + g.h_records + record,
                           scratch + g.c_records + record,
                           row_dh,
                           dc + i * n,
                           carry + i * n,
                           work,
                           s.peepholes(args, d),
                           dpeepholes};
      if (is_lstm)
        back_lstm(row);
      else if (is_gru)
        back_gru(row, inner + i * stride * n, kept + i * s.width);
      else
        back_rnn(row);
    }
    if (inside) {
      // The gradient to r * h.
      Gemm<T> product = g.back.parts[1];
      product.m = task.count;
      product.a = gates + 2 * n;
      product.packed_b = packed + g.back.at[1];
      product.c = kept + 2 * n;
      run_gemm(product, more, parallel);
      for (int64_t i = 0; i < task.count; ++i) {
        if (!RecurrentState<T>::active(lens, task.first + i, t)) continue;
        const T *slope = kept + i * s.width, *r = slope + n, *dinner = r + n;
        const T* h = scratch + g.h_records + first_record + i * stride * n;
        T *dr = gates + i * lead + n, *row_carry = carry + i * n;
        for (int64_t j = 0; j < n; ++j) {
          dr[j] = dinner[j] * h[j] * slope[j];
          row_carry[j] += dinner[j] * r[j];
        }
      }
    }
    Gemm<T> product = g.back.parts[0];
    product.m = task.count;
    product.a = gates;
    product.packed_b = packed + g.back.at[0];
    product.c = dh;
    product.init = carry;
    run_gemm(product, more, parallel);
    if (is_gru && !inside) {
      product = g.back.parts[1];
      product.m = task.count;
      product.a = inner;
      product.packed_b = packed + g.back.at[1];
      product.c = dh;
      product.init = dh;
      run_gemm(product, more, parallel);
    }
  }
  auto end_grads = [&](int output, const T* from) {
    T* to = output < 0 ? nullptr : s.output(args, output);
    for (int64_t i = 0; i < task.count && to != nullptr; ++i) {
      std::copy_n(from + i * n, n, to + s.state_row(d, task.first + i) * n);
    }
  };
  end_grads(3, dh);
  end_grads(g.dc_output, dc);
}

// Products over all steps. Each is given without addresses.
template <typename T>
struct WholeProducts {
  Gemm<T> dw, dx, sums, inner_sums;
  std::vector<Gemm<T>> dr;  // parts of a direction

  explicit WholeProducts(const RecurrentState<T>& s) {
    const int64_t n = s.hidden, all = s.all_width(), row = s.given_row;
    dw.m = all;
    dw.a_column = row;
    dw.n = dw.b_row = dw.c_row = s.inputs;
    dw.k = s.rows();
    dw.a_row = 1;
    dx.m = s.rows();
    dx.n = dx.b_row = dx.c_row = s.inputs;
    dx.k = all;
    dx.a_row = row;
    sums.m = 1;
    sums.n = sums.c_row = all;
    sums.b_row = row;
    sums.k = sums.a_row = s.rows();
    inner_sums = sums;
    inner_sums.n = inner_sums.b_row = inner_sums.c_row = n;
    Gemm<T> part;
    part.m = s.form.cell == CellKind::kGru ? 2 * n : s.width;
    part.n = part.b_row = part.c_row = n;
    part.k = s.rows();
    part.a_row = 1;
    part.a_column = row;
    dr.push_back(part);
    if (s.form.cell != CellKind::kGru) return;
    part.m = n;
    if (s.form.linear_before_reset) part.a_column = n;
    dr.push_back(part);
  }
  int64_t scratch() const {
    int64_t most = std::max({gemm_scratch(dw), gemm_scratch(dx), gemm_scratch(sums), gemm_scratch(inner_sums)});
    for (const Gemm<T>& part : dr) most = std::max(most, gemm_scratch(part));
    return most;
  }
  double cost_ns() const {
    double cost = gemm_cost_ns(dw) + gemm_cost_ns(dx);
    for (const Gemm<T>& part : dr) cost += gemm_cost_ns(part);
    return cost;
  }
};

template <typename T>
void finish_by_r(const RecurrentGradState<T>& g, const RunArgs& args, const WholeProducts<T>& whole, T* dr) {
  const RecurrentState<T>& s = g.s;
  const int64_t n = s.hidden;
  T *scratch = static_cast<T*>(args.scratch), *more = scratch + g.product_at;
  for (int64_t d = 0; d < s.form.directions; ++d) {
    const T *gates = scratch + s.given_at + d * s.width, *h = scratch + g.h_records + d * s.rows() * n;
    const T* inner = scratch + g.inner_records + d * s.rows() * n;
    Gemm<T> product = whole.dr[0];
    product.a = gates;
    product.b = h;
    product.c = dr + d * s.width * n;
    run_gemm(product, more, *args.parallel);
    if (whole.dr.size() < 2) continue;
    product = whole.dr[1];
    product.a = s.form.linear_before_reset ? inner : gates + 2 * n;
    product.b = s.form.linear_before_reset ? h : inner;
    product.c = dr + (d * s.width + 2 * n) * n;
    run_gemm(product, more, *args.parallel);
  }
}

// Sums over rows, as products with ones.
template <typename T>
void finish_by_b(const RecurrentGradState<T>& g, const RunArgs& args, const WholeProducts<T>& whole, T* db) {
  const RecurrentState<T>& s = g.s;
  T *scratch = static_cast<T*>(args.scratch), *more = scratch + g.product_at;
  T *ones = scratch + g.ones_at, *sum = scratch + g.sums_at;
  std::fill_n(ones, s.rows(), T(1));
  Gemm<T> product = whole.sums;
  product.a = ones;
  product.b = scratch + s.given_at;
  product.c = sum;
  run_gemm(product, more, *args.parallel);
  for (int64_t d = 0; d < s.form.directions; ++d) {
    T* to = db + 2 * d * s.width;
    std::copy_n(sum + d * s.width, s.width, to);
    std::copy_n(sum + d * s.width, s.width, to + s.width);
    if (s.form.cell != CellKind::kGru || !s.form.linear_before_reset) continue;
    product = whole.inner_sums;
    product.a = ones;
    product.b = scratch + g.inner_records + d * s.rows() * s.hidden;
    product.c = to + s.width + 2 * s.hidden;
    run_gemm(product, more, *args.parallel);
  }
}

template <typename T>
void finish(const RecurrentGradState<T>& g, const RunArgs& args) {
  const RecurrentState<T>& s = g.s;
  const WholeProducts<T> whole(s);
  T *scratch = static_cast<T*>(args.scratch), *more = scratch + g.product_at;
  if (T* dr = s.output(args, 0)) finish_by_r(g, args, whole, dr);
  if (T* dw = s.output(args, 1)) {
    Gemm<T> product = whole.dw;
    product.a = scratch + s.given_at;
    product.b = args.input<T>(kXInput);
    product.c = dw;
    run_gemm(product, more, *args.parallel);
  }
  if (T* db = s.output(args, 2)) finish_by_b(g, args, whole, db);
  if (T* dx = s.output(args, g.dx_output)) {
    Gemm<T> product = whole.dx;
    product.a = scratch + s.given_at;
    product.b = args.input<T>(kWInput);
    product.c = dx;
    run_gemm(product, more, *args.parallel);
  }
  T* dp = g.dp_output < 0 ? nullptr : s.output(args, g.dp_output);
  if (dp == nullptr) return;
  const int64_t size = 3 * s.hidden;
  std::fill_n(dp, s.form.directions * size, T(0));
  for (size_t i = 0; i < s.tasks.size(); ++i) {
    const T* part = scratch + g.peephole_at + static_cast<int64_t>(i) * size;
    for (int64_t j = 0; j < size; ++j) dp[s.tasks[i].direction * size + j] += part[j];
  }
}

template <typename T>
double grad_cost_ns(const RecurrentGradState<T>& g) {
  return 2.5 * g.s.cost_ns() + WholeProducts<T>(g.s).cost_ns();
}

template <typename T>
void run(const RecurrentGradState<T>& g, const RunArgs& args) {
  const RecurrentState<T>& s = g.s;
  T* scratch = static_cast<T*>(args.scratch);
  if (!s.begin(args)) return;
  g.back.pack(args.input<T>(kRInput), scratch + g.packed_at, *args.parallel);
  const typename RecurrentState<T>::Records records{scratch + g.h_records,
                                                    s.form.cell == CellKind::kLstm ? scratch + g.c_records : nullptr,
                                                    scratch + g.inner_records};
  auto both = [&](int64_t task) {
    s.run_task(args, task, records, {});
    back_task(g, args, task);
  };
  const int64_t tasks = static_cast<int64_t>(s.tasks.size());
  if (tasks == 1) {
    both(0);
  } else {
    parallel_for(*args.parallel, tasks, 1, 2.5 * s.cost_ns() / static_cast<double>(tasks),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) both(i);
                 });
  }
  if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
  finish(g, args);
}

template <CellKind cell, typename T>
Status prepare_of(const KernelContext& c, PreparedKernel* prepared) {
  RecurrentGradState<T> g{};
  WEFT_TRY(g.s, RecurrentState<T>::make(cell, c));
  const RecurrentState<T>& s = g.s;
  const int64_t n = s.hidden, tasks = static_cast<int64_t>(s.tasks.size());
  g.dy_input = cell == CellKind::kLstm ? 8 : 6;
  g.dx_output = cell == CellKind::kLstm ? 6 : 4;
  g.dc_output = cell == CellKind::kLstm ? 4 : -1;
  g.dp_output = cell == CellKind::kLstm ? 5 : -1;
  g.back.directions = s.form.directions;
  g.back.r_size = s.width * n;
  Gemm<T> step;
  step.m = s.most_sequences;
  step.n = step.b_row = step.c_row = step.init_row = n;
  step.init_column = 1;
  step.k = cell == CellKind::kGru ? 2 * n : s.width;
  step.a_row = s.row_stride() * s.given_row;
  g.back.add(step, 0);
  if (cell == CellKind::kGru) {
    step.k = n;
    if (s.form.linear_before_reset)
      step.a_row = s.row_stride() * n;
    else
      step.c_row = s.width;
    g.back.add(step, 2 * n * n);
  }
  WEFT_CHECK(g.back.use_constant(c));

  g.end = s.end;
  auto reserve = [&g](int64_t count) {
    const int64_t at = g.end;
    g.end += divide_up(count, 16) * 16;
    return at;
  };
  const int64_t states = s.form.directions * s.batch * n;
  g.h_records = reserve(g.records_size());
  g.c_records = reserve(cell == CellKind::kLstm ? g.records_size() : 0);
  g.inner_records = reserve(cell == CellKind::kGru ? g.records_size() : 0);
  g.packed_at = reserve(g.back.scratch());
  g.dh_at = reserve(states);
  g.dc_at = reserve(states);
  g.carry_at = reserve(states);
  g.work_at = reserve(tasks * kWorkRows * n);
  g.peephole_at = reserve(tasks * 3 * n);
  g.ones_at = reserve(s.rows());
  g.sums_at = reserve(s.all_width());
  g.product_size = g.back.product_scratch();
  g.product_at = reserve(std::max(tasks * g.product_size, WholeProducts<T>(s).scratch()));
  prepared->scratch_bytes = g.end * static_cast<int64_t>(sizeof(T));
  prepared->cost_ns = grad_cost_ns(g);
  prepared->use<&run<T>>(std::move(g));
  return {};
}

template <CellKind cell>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  return c.dtype(0) == DType::kF32 ? prepare_of<cell, float>(c, prepared) : prepare_of<cell, double>(c, prepared);
}

bool accepts(const KernelContext& c) { return c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64; }

}  // namespace

void add_cpu_recurrent_grad(KernelRegistry& kernels) {
  kernels.add("weft.RNNGrad", {"steps", accepts, prepare<CellKind::kRnn>});
  kernels.add("weft.GRUGrad", {"steps", accepts, prepare<CellKind::kGru>});
  kernels.add("weft.LSTMGrad", {"steps", accepts, prepare<CellKind::kLstm>});
}

}  // namespace weft
