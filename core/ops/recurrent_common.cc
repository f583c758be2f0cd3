// RNN, GRU and LSTM made of other operators.
#include "core/ops/recurrent_common.h"

#include "core/graph/subgraph.h"
#include "core/ops/heads_common.h"
#include "core/ops/unranked_common.h"

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

// The states between two steps, [N, H] each; `c` is LSTM's.
struct States {
  Expr h, c;
};

// What the steps of a direction take beside the states and what comes of X, in the parts in which they do.
struct StepWeights {
  Expr hidden;               // [1], how many features there are
  Expr r, r_bias;            // of the gates whose products are one
  Expr r_last, r_last_bias;  // of GRU's last gate, which is not among them
  Expr p[3];                 // how LSTM's gates i, o and f see the cell, if they do

  std::vector<Expr*> all() { return {&hidden, &r, &r_bias, &r_last, &r_last_bias, &p[0], &p[1], &p[2]}; }
};

Expr plus(Expr a, Expr b) { return b.valid() ? a + b : a; }

// A step of a direction.
class Step {
 public:
  Step(const Recurrent& form, int64_t direction, StepWeights weights)
      : form_(form), direction_(direction), w_(std::move(weights)) {}

  // The states behind it; `given` is what comes of X. Of sequences that are not `active` any more the states stay, and the
  // result is 0; without it all are.
  States take(const States& before, Expr given, Expr active, Expr* result) const {
    States after = behind(before, given);
    *result = after.h;
    if (!active.valid()) return after;
    *result = where(active, after.h, scalar_like(after.h, 0));
    after.h = where(active, after.h, before.h);
    if (after.c.valid()) after.c = where(active, after.c, before.c);
    return after;
  }

 private:
  Expr clipped(Expr x) const {
    if (form_.clip == 0) return x;
    return make(x.scope(), "Clip", {x, scalar_like(x, -form_.clip), scalar_like(x, form_.clip)});
  }
  Expr activation(int i, Expr x) const { return apply_activation(form_.activation(direction_, i), clipped(x)); }
  Expr part(Expr x, int64_t i) const { return columns(x, i, 1, w_.hidden); }

  States behind(const States& before, Expr given) const {
    const Expr all = plus(given_to_all(given) + matmul(before.h, w_.r), w_.r_bias);
    switch (form_.cell) {
      case CellKind::kRnn: return {activation(0, all), Expr()};
      case CellKind::kGru: return {gru(before.h, given, all), Expr()};
      case CellKind::kLstm: return lstm(before.c, all);
    }
    return before;
  }

  // Of the gates whose products are one.
  Expr given_to_all(Expr given) const { return form_.cell == CellKind::kGru ? columns(given, 0, 2, w_.hidden) : given; }

  Expr gru(Expr h, Expr given, Expr both) const {
    Expr z = activation(0, part(both, 0)), r = activation(0, part(both, 1)), before;
    if (form_.linear_before_reset)
      before = part(given, 2) + r * plus(matmul(h, w_.r_last), w_.r_last_bias);
    else
      before = plus(part(given, 2) + matmul(r * h, w_.r_last), w_.r_last_bias);
    return (1.0 - z) * activation(1, before) + z * h;
  }

  States lstm(Expr c, Expr all) const {
    auto gate = [&](int64_t i, Expr cell) {
      Expr x = part(all, i);
      return activation(0, w_.p[i].valid() ? x + w_.p[i] * cell : x);
    };
    Expr i = gate(0, c), f = form_.input_forget ? 1.0 - i : gate(2, c);
    Expr next = f * c + i * activation(1, part(all, 3));
    return {gate(1, next) * apply_activation(form_.activation(direction_, 2), next), next};
  }

  const Recurrent& form_;
  const int64_t direction_;
  const StepWeights w_;
};

// One direction.
class Direction {
 public:
  // `x` is [T, N, I], `lens` [N] or none.
  Direction(BodyContext& c, const Recurrent& form, int64_t direction, Expr x, Expr lens)
      : c_(c), form_(form), direction_(direction), s_(c.scope()), x_(x), lens_(lens) {
    const Expr w = item(c.input(1), direction, 0), r = swap_last_two(item(c.input(2), direction, 0));
    w_.hidden = dims_of(r, 0, 1);
    Expr w_bias, r_bias;
    if (has(3)) {
      Expr bias = item(c.input(3), direction, 0);
      w_bias = columns(bias, 0, form.gates(), w_.hidden);
      r_bias = columns(bias, form.gates(), form.gates(), w_.hidden);
    }
    split(r, &w_.r, &w_.r_last);
    if (r_bias.valid()) split(r_bias, &w_.r_bias, &w_.r_last_bias);
    given_ = plus(matmul(x, swap_last_two(w)), w_bias);
    states_.h = initial(5);
    if (form.cell != CellKind::kLstm) return;
    states_.c = initial(6);
    if (!has(7)) return;
    const Expr p = item(c.input(7), direction, 0);
    for (int64_t i = 0; i < 3; ++i) w_.p[i] = columns(p, i, 1, w_.hidden);
  }

  // One step behind the other, where their number is known.
  void unroll(int64_t steps) {
    const Step step(form_, direction_, w_);
    std::vector<Expr> rows(static_cast<size_t>(steps));
    for (int64_t i = 0; i < steps; ++i) {
      const int64_t t = form_.reversed(direction_) ? steps - 1 - i : i;
      const Expr number = lens_.valid() ? scalar(s_, DType::kI32, static_cast<double>(t)) : Expr();
      Expr result;
      states_ = step.take(states_, item(given_, t, 0), active(number, lens_), &result);
      rows[static_cast<size_t>(t)] = unsqueeze(result, {0});
    }
    if (steps == 0) {
      const Expr shape = concat({dims_of(x_, 0, 1), shape_of(states_.h)}, 0);
      results_ = make(s_, "Expand", {scalar_like(x_, 0), shape});
    } else {
      results_ = concat(rows, 0);
    }
  }

  // As a Scan, whose body is a step, where the run tells the number.
  Status scan(Expr steps) {
    std::vector<Expr> in = {states_.h};
    if (states_.c.valid()) in.push_back(states_.c);
    const size_t carried = in.size();
    in.push_back(given_);
    if (lens_.valid()) {
      const Expr numbers = make(s_, "Range", {constant_int(s_, 0), steps, constant_int(s_, 1)});
      in.push_back(cast(numbers, DType::kI32));
    }
    WEFT_CHECK(s_.status());
    const int64_t backward = form_.reversed(direction_) ? 1 : 0;
    Attrs attrs{{"num_scan_inputs", static_cast<int64_t>(in.size() - carried)},
                {"scan_input_directions", std::vector<int64_t>(in.size() - carried, backward)},
                {"scan_output_directions", std::vector<int64_t>{backward}}};
    WEFT_TRY(std::shared_ptr<Graph> body, body_of_scan(in, carried, attrs));
    attrs.set("body", GraphRef(std::move(body)));
    const std::vector<Expr> out = make_all(s_, "Scan", in, std::move(attrs), static_cast<int>(carried + 1));
    states_ = {out[0], carried > 1 ? out[1] : Expr()};
    results_ = out[carried];
    return s_.status();
  }

  const States& states() const { return states_; }
  Expr results() const { return results_; }  // [T, N, H]

 private:
  bool has(int input) const { return c_.has_input(input); }

  // Columns of the gates whose products are one, and those of the last one.
  void split(Expr columns_of_gates, Expr* all, Expr* last) const {
    *all = columns_of_gates;
    if (form_.cell != CellKind::kGru) return;
    *all = columns(columns_of_gates, 0, 2, w_.hidden);
    *last = columns(columns_of_gates, 2, 1, w_.hidden);
  }

  Expr initial(int input) {
    if (has(input)) return item(c_.input(input), direction_, form_.batch_first ? 1 : 0);
    return make(s_, "Expand", {scalar_like(x_, 0), concat({dims_of(x_, 1, 2), w_.hidden}, 0)});
  }

  // Which sequences have a step of that number, [N, 1]; none if all have.
  static Expr active(Expr number, Expr lens) {
    return lens.valid() ? unsqueeze(make(lens.scope(), "Less", {number, lens}), {1}) : Expr();
  }

  // It gives the states and the result, of the states, what comes of X and the number of the step, if lengths ask for it.
  Result<std::shared_ptr<Graph>> body_of_scan(const std::vector<Expr>& in, size_t carried, const Attrs& attrs) const {
    Graph& around = s_.graph();
    WEFT_TRY(const OpDef* op, around.ops().get(kOnnxDomain, "Scan"));
    std::vector<ValueId> ids;
    for (Expr value : in) ids.push_back(value.id());
    WEFT_TRY(std::shared_ptr<Graph> body, make_body(around.shared_from_this(), *op, ids, attrs));
    ExprScope scope(*body, s_.origin());
    StepWeights weights = w_;
    Expr lens = lens_;
    std::vector<Expr*> captured = weights.all();
    captured.push_back(&lens);
    for (Expr* value : captured) {
      if (!value->valid()) continue;
      WEFT_TRY(const ValueId id, body->capture(around, value->id()));
      *value = Expr(scope, id);
    }
    const auto input = [&](size_t i) { return Expr(scope, body->inputs()[i]); };
    const States before{input(0), carried > 1 ? input(1) : Expr()};
    const Expr number = lens.valid() ? input(carried + 1) : Expr();
    Expr result;
    const States after = Step(form_, direction_, weights).take(before, input(carried), active(number, lens), &result);
    WEFT_CHECK(scope.status());
    std::vector<ValueId> outputs = {after.h.id()};
    if (after.c.valid()) outputs.push_back(after.c.id());
    outputs.push_back(result.id());
    WEFT_CHECK(body->set_outputs(std::move(outputs)));
    return body;
  }

  BodyContext& c_;
  const Recurrent& form_;
  const int64_t direction_;
  ExprScope& s_;
  const Expr x_, lens_;
  StepWeights w_;
  Expr given_, results_;
  States states_;
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
  Expr x = with_rank(c.input(0), 3);
  if (form.batch_first) x = transpose(x, {1, 0, 2});
  WEFT_CHECK(c.scope().status());
  const Dim steps = x.dims()[0];
  const Expr count = steps.known() ? Expr() : make(c.scope(), "Gather", {shape_of(x), constant_int(c.scope(), 0)});
  Expr lens;
  if (c.has_input(4)) {
    Attrs checked{{"input", "sequence_lens"}, {"unit", "steps"}};
    if (steps.known()) checked.set("most", steps.value());
    lens = make(c.scope(), "weft.CheckedLengths", {c.input(4), count}, std::move(checked));
  }
  std::vector<Expr> h, last, results;
  for (int64_t d = 0; d < form.directions; ++d) {
    Direction direction(c, form, d, x, lens);
    if (steps.known()) {
      direction.unroll(steps.value());
    } else {
      WEFT_CHECK(direction.scan(count));
    }
    h.push_back(direction.states().h);
    last.push_back(direction.states().c);
    results.push_back(unsqueeze(direction.results(), {1}));
  }
  const Expr y = concat(results, 1);  // [T, D, N, H]
  c.set_output(0, form.batch_first ? transpose(y, {2, 0, 1, 3}) : y);
  if (c.output_count() > 1) c.set_output(1, joined_states(form, h));
  if (c.output_count() > 2) c.set_output(2, joined_states(form, last));
  return {};
}

}  // namespace weft
