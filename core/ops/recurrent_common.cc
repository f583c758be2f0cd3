#include "core/ops/recurrent_common.h"

#include "core/ops/heads_common.h"

namespace weft {
namespace {

// Item `i` along an axis, without that axis.
Expr item(Expr x, int64_t i, int64_t axis) {
  return make(x.scope(), "Gather", {x, constant_int(x.scope(), i)}, {{"axis", axis}});
}

// Columns [i * width, (i + count) * width) of the last axis.
Expr columns(Expr x, int64_t i, int64_t count, Expr width) {
  ExprScope& s = x.scope();
  return make(s, "Slice",
              {x, width * constant_ints(s, {i}), width * constant_ints(s, {i + count}), constant_ints(s, {-1})});
}

Expr apply_activation(const Activation& f, Expr x) {
  using Kind = Activation::Kind;
  ExprScope& s = x.scope();
  switch (f.kind) {
    case Kind::kRelu: return make(s, "Relu", {x});
    case Kind::kTanh: return make(s, "Tanh", {x});
    case Kind::kSigmoid: return make(s, "Sigmoid", {x});
    case Kind::kAffine: return x * f.alpha + f.beta;
    case Kind::kLeakyRelu: return make(s, "LeakyRelu", {x}, {{"alpha", f.alpha}});
    case Kind::kThresholdedRelu: {
      Expr above = make(s, "GreaterOrEqual", {x, scalar_like(x, f.alpha)});
      return where(above, x, scalar_like(x, 0));
    }
    case Kind::kScaledTanh: return make(s, "Tanh", {x * f.beta}) * f.alpha;
    case Kind::kHardSigmoid: return make(s, "HardSigmoid", {x}, {{"alpha", f.alpha}, {"beta", f.beta}});
    case Kind::kElu: return make(s, "Elu", {x}, {{"alpha", f.alpha}});
    case Kind::kSoftsign: return x / (make(s, "Abs", {x}) + 1.0);
    case Kind::kSoftplus: return make(s, "Softplus", {x});
  }
  return x;
}

// One direction.
class Unroller {
 public:
  // `x` is [T, N, I], `lens` [N] or none.
  Unroller(BodyContext& c, const Recurrent& form, int64_t direction, Expr x, Expr lens)
      : c_(c), form_(form), direction_(direction), s_(c.scope()), lens_(lens) {
    Expr w = item(c.input(1), direction, 0);
    r_ = swap_last_two(item(c.input(2), direction, 0));
    hidden_ = dims_of(r_, 0, 1);
    if (has(3)) {
      Expr bias = item(c.input(3), direction, 0);
      w_bias_ = columns(bias, 0, form.gates(), hidden_);
      r_bias_ = columns(bias, form.gates(), form.gates(), hidden_);
    }
    given_ = plus(matmul(x, swap_last_two(w)), w_bias_);
    h_ = initial(5, x);
    if (form.cell == CellKind::kLstm) {
      c_state_ = initial(6, x);
      if (has(7)) p_ = item(c.input(7), direction, 0);
    }
  }

  void run(int64_t steps) {
    results_.resize(static_cast<size_t>(steps));
    for (int64_t i = 0; i < steps; ++i) {
      const int64_t t = form_.reversed(direction_) ? steps - 1 - i : i;
      Expr h = h_, cell = c_state_;
      step(item(given_, t, 0));
      if (lens_.valid()) {
        Expr active = unsqueeze(make(s_, "Less", {scalar(s_, DType::kI32, static_cast<double>(t)), lens_}), {1});
        results_[static_cast<size_t>(t)] = where(active, h_, scalar_like(h_, 0));
        h_ = where(active, h_, h);
        if (cell.valid()) c_state_ = where(active, c_state_, cell);
      } else {
        results_[static_cast<size_t>(t)] = h_;
      }
    }
  }

  Expr h() const { return h_; }
  Expr c() const { return c_state_; }
  const std::vector<Expr>& results() const { return results_; }

 private:
  bool has(int input) const { return c_.has_input(input); }
  static Expr plus(Expr a, Expr b) { return b.valid() ? a + b : a; }

  Expr initial(int input, Expr x) {
    if (has(input)) return item(c_.input(input), direction_, form_.batch_first ? 1 : 0);
    return make(s_, "Expand", {scalar_like(x, 0), concat({dims_of(x, 1, 2), hidden_}, 0)});
  }

  Expr clipped(Expr x) {
    if (form_.clip == 0) return x;
    return make(s_, "Clip", {x, scalar_like(x, -form_.clip), scalar_like(x, form_.clip)});
  }
  Expr activation(int i, Expr x) { return apply_activation(form_.activation(direction_, i), clipped(x)); }
  Expr part(Expr x, int64_t i, int64_t count = 1) { return columns(x, i, count, hidden_); }

  // `given` is what comes of X.
  void step(Expr given) {
    switch (form_.cell) {
      case CellKind::kRnn: h_ = activation(0, plus(given + matmul(h_, r_), r_bias_)); break;
      case CellKind::kGru: step_gru(given); break;
      case CellKind::kLstm: step_lstm(given); break;
    }
  }

  void step_gru(Expr given) {
    Expr both = part(given, 0, 2) + matmul(h_, part(r_, 0, 2));
    if (r_bias_.valid()) both = both + part(r_bias_, 0, 2);
    Expr z = activation(0, part(both, 0)), r = activation(0, part(both, 1));
    Expr bias = r_bias_.valid() ? part(r_bias_, 2) : Expr(), r_h = part(r_, 2), before;
    if (form_.linear_before_reset)
      before = part(given, 2) + r * plus(matmul(h_, r_h), bias);
    else
      before = plus(part(given, 2) + matmul(r * h_, r_h), bias);
    h_ = (1.0 - z) * activation(1, before) + z * h_;
  }

  void step_lstm(Expr given) {
    Expr all = plus(given + matmul(h_, r_), r_bias_);
    auto gate = [&](int64_t i, Expr cell) {
      Expr x = part(all, i);
      return activation(0, p_.valid() ? x + part(p_, i) * cell : x);
    };
    Expr i = gate(0, c_state_), f = form_.input_forget ? 1.0 - i : gate(2, c_state_);
    c_state_ = f * c_state_ + i * activation(1, part(all, 3));
    h_ = gate(1, c_state_) * apply_activation(form_.activation(direction_, 2), c_state_);
  }

  BodyContext& c_;
  const Recurrent& form_;
  int64_t direction_;
  ExprScope& s_;
  Expr lens_, r_, hidden_, w_bias_, r_bias_, given_, p_, h_, c_state_;
  std::vector<Expr> results_;
};

// [N, D, H] or [D, N, H] of one [N, H] a direction.
Expr joined_states(const Recurrent& form, const std::vector<Expr>& states) {
  std::vector<Expr> parts;
  for (Expr state : states) parts.push_back(unsqueeze(state, {form.batch_first ? 1 : 0}));
  return concat(parts, form.batch_first ? 1 : 0);
}

}  // namespace

Status recurrent_body(CellKind cell, BodyContext& c) {
  WEFT_TRY(Recurrent form, read_recurrent(cell, c.attrs()));
  Expr x = c.input(0);
  if (form.batch_first) x = transpose(x, {1, 0, 2});
  WEFT_CHECK(c.scope().status());
  if (!x.has_rank() || !x.dims()[0].known()) {
    return unimplemented("it is made step by step, but the number of steps of X, ", c.input(0).type().text(),
                         ", is not known before the run; give the graph's input that dimension as a number");
  }
  const int64_t steps = x.dims()[0].value();
  Expr lens;
  if (c.has_input(4)) {
    lens = make(c.scope(), "weft.CheckedLengths", {c.input(4)},
                {{"most", steps}, {"input", "sequence_lens"}, {"unit", "steps"}});
  }
  std::vector<Expr> h, last;
  std::vector<std::vector<Expr>> results;
  for (int64_t d = 0; d < form.directions; ++d) {
    Unroller direction(c, form, d, x, lens);
    direction.run(steps);
    h.push_back(direction.h());
    last.push_back(direction.c());
    results.push_back(direction.results());
  }
  if (steps == 0) {
    Expr shape = concat({dims_of(x, 0, 1), constant_ints(c.scope(), {form.directions}), shape_of(h[0])}, 0);
    c.set_output(0, make(c.scope(), "Expand", {scalar_like(x, 0), shape}));
  } else {
    std::vector<Expr> rows;  // [1, D, N, H]
    for (size_t t = 0; t < static_cast<size_t>(steps); ++t) {
      std::vector<Expr> row;
      for (const std::vector<Expr>& direction : results) row.push_back(unsqueeze(direction[t], {0, 1}));
      rows.push_back(concat(row, 1));
    }
    Expr y = concat(rows, 0);
    c.set_output(0, form.batch_first ? transpose(y, {2, 0, 1, 3}) : y);
  }
  if (c.output_count() > 1) c.set_output(1, joined_states(form, h));
  if (c.output_count() > 2) c.set_output(2, joined_states(form, last));
  return {};
}

}  // namespace weft
