// RNN, GRU and LSTM, and their gradients.
#include "core/ops/recurrent_common.h"

namespace weft {
namespace {

// Places of inputs; GRU and RNN end after the initial h.
constexpr int kX = 0, kW = 1, kR = 2, kB = 3, kLens = 4, kH = 5, kC = 6, kP = 7;

constexpr int inputs_of(CellKind cell) { return cell == CellKind::kLstm ? 8 : 6; }
constexpr int outputs_of(CellKind cell) { return cell == CellKind::kLstm ? 3 : 2; }

// What X, W and R agree on.
struct Sizes {
  Dim steps, batch, inputs, hidden;
  Dim directions, gate_rows;
  Dims y, state;
};

// The first that is known to be a number.
Dim known_of(const Dim& a, const Dim& b) { return a.known() || !b.known() ? a : b; }

Status check_rank_3(const InferContext& c, int input, const char* what) {
  if (!c.has_rank(input) || c.rank(input) == 3) return {};
  return invalid("input '", c.op().inputs()[static_cast<size_t>(input)].name, "' must be ", what, " but is ",
                 c.input(input).text());
}

Result<Sizes> sizes_of(InferContext& c, const Recurrent& form) {
  WEFT_CHECK(check_rank_3(c, kX, form.batch_first ? "[N, T, inputs]" : "[T, N, inputs]"));
  WEFT_CHECK(check_rank_3(c, kW, "[directions, gates * hidden, inputs]"));
  WEFT_CHECK(check_rank_3(c, kR, "[directions, gates * hidden, hidden]"));
  Sizes s;
  auto size = [&](int input, int axis) {
    return c.has_rank(input) ? c.dims(input)[static_cast<size_t>(axis)] : c.fresh();
  };
  s.steps = size(kX, form.batch_first ? 1 : 0);
  s.batch = size(kX, form.batch_first ? 0 : 1);
  s.inputs = known_of(size(kX, 2), size(kW, 2));
  s.hidden = size(kR, 2);
  if (const AttrValue* given = c.attrs().find("hidden_size")) {
    if (given->i() < 1) return invalid("attribute 'hidden_size' is ", given->i(), " but must be positive");
    if (s.hidden.known() && !s.hidden.is(given->i())) {
      return invalid("attribute 'hidden_size' is ", given->i(), " but input 'R' is ", c.input(kR).text());
    }
    s.hidden = Dim(given->i());
  }
  s.directions = Dim(form.directions);
  s.gate_rows = Dim(form.gates()) * s.hidden;
  s.y = form.batch_first ? Dims{s.batch, s.steps, s.directions, s.hidden}
                         : Dims{s.steps, s.directions, s.batch, s.hidden};
  s.state = form.batch_first ? Dims{s.batch, s.directions, s.hidden} : Dims{s.directions, s.batch, s.hidden};
  const std::string whose = cat(form.directions, form.directions == 1 ? " direction of " : " directions of ",
                                form.gates(), form.gates() == 1 ? " gate" : " gates");
  WEFT_CHECK(c.check_shape(kW, {s.directions, s.gate_rows, s.inputs}, whose));
  WEFT_CHECK(c.check_shape(kR, {s.directions, s.gate_rows, s.hidden}, whose));
  WEFT_CHECK(c.check_shape(kB, {s.directions, Dim(2) * s.gate_rows}, whose));
  WEFT_CHECK(c.check_shape(kLens, {s.batch}, "the batch"));
  WEFT_CHECK(c.check_shape(kH, s.state, "a state"));
  if (form.cell == CellKind::kLstm) {
    WEFT_CHECK(c.check_shape(kC, s.state, "a state"));
    WEFT_CHECK(c.check_shape(kP, {s.directions, Dim(3) * s.hidden}, "the peepholes"));
  }
  return s;
}

template <CellKind cell>
Status infer_recurrent(InferContext& c) {
  WEFT_TRY(Recurrent form, read_recurrent(cell, c.attrs()));
  WEFT_TRY(Sizes s, sizes_of(c, form));
  c.set_dims(0, s.y);
  for (int i = 1; i < c.output_count(); ++i) c.set_dims(i, s.state);
  return {};
}

template <CellKind cell>
Status infer_recurrent_grad(InferContext& c) {
  WEFT_TRY(Recurrent form, read_recurrent(cell, c.attrs()));
  WEFT_TRY(Sizes s, sizes_of(c, form));
  constexpr int kDy = inputs_of(cell);
  WEFT_CHECK(c.check_shape(kDy, s.y, "Y"));
  for (int i = 1; i < outputs_of(cell); ++i) WEFT_CHECK(c.check_shape(kDy + i, s.state, "a state"));
  const Dims x = form.batch_first ? Dims{s.batch, s.steps, s.inputs} : Dims{s.steps, s.batch, s.inputs};
  for (int i = 0; i < c.output_count(); ++i) {
    const std::string& name = c.op().outputs()[static_cast<size_t>(i)].name;
    if (name == "dX") c.set_dims(i, x);
    if (name == "dW") c.set_dims(i, {s.directions, s.gate_rows, s.inputs});
    if (name == "dR") c.set_dims(i, {s.directions, s.gate_rows, s.hidden});
    if (name == "dB") c.set_dims(i, {s.directions, Dim(2) * s.gate_rows});
    if (name == "dP") c.set_dims(i, {s.directions, Dim(3) * s.hidden});
    if (name == "dinitial_h" || name == "dinitial_c") c.set_dims(i, s.state);
  }
  return {};
}

template <CellKind cell>
Status build_recurrent(BodyContext& c) {
  return recurrent_body(cell, c);
}

// The inputs that the gradient's outputs belong to.
template <CellKind cell>
Status grad_recurrent(GradContext& c) {
  static constexpr int kLstmOrder[] = {kR, kW, kB, kH, kC, kP, kX}, kOrder[] = {kR, kW, kB, kH, kX};
  const int* order = cell == CellKind::kLstm ? kLstmOrder : kOrder;
  const int most = cell == CellKind::kLstm ? 7 : 5;
  std::vector<Expr> inputs(static_cast<size_t>(inputs_of(cell)));
  for (int i = 0; i < c.input_count(); ++i) inputs[static_cast<size_t>(i)] = c.input(i);
  for (int i = 0; i < outputs_of(cell); ++i) inputs.push_back(c.has_grad(i) ? c.grad(i) : Expr());
  int count = 0;
  for (int i = 0; i < most; ++i) {
    if (c.needs(order[i])) count = i + 1;
  }
  constexpr const char* kNames[] = {"weft.RNNGrad", "weft.GRUGrad", "weft.LSTMGrad"};
  std::vector<Expr> grads = make_all(c.scope(), kNames[static_cast<int>(cell)], inputs, c.attrs(), count);
  for (int i = 0; i < count; ++i) c.set_grad(order[i], grads[static_cast<size_t>(i)]);
  return {};
}

// In opset 1 it said whether there is a first output, which nodes say themselves.
Status forget_output_sequence(UpgradeContext& c) {
  c.attrs.erase("output_sequence");
  return {};
}

constexpr const char* kActivationsDoc =
    "Relu, Tanh, Sigmoid, Affine `alpha x + beta`, LeakyRelu, ThresholdedRelu `x if x >= alpha else 0`, ScaledTanh "
    "`alpha tanh(beta x)`, HardSigmoid, Elu, Softsign `x / (1 + |x|)` or Softplus, for each direction: ";

template <CellKind cell>
OpDef& attributes(OpDef& op) {
  constexpr const char* kWhich[] = {"f; Tanh if not given.", "f and g; Sigmoid and Tanh if not given.",
                                    "f, g and h; Sigmoid, Tanh and Tanh if not given."};
  op.types("T", kFloatTypes)
      .types("T1", set_of(DType::kI32))
      .optional_attr(
          "activation_alpha", AttrKind::kFloats,
          "For each activation in turn that has an alpha; those behind the last have the default of the operator "
          "of that name.")
      .optional_attr("activation_beta", AttrKind::kFloats, "The same of beta.")
      .optional_attr("activations", AttrKind::kStrings, cat(kActivationsDoc, kWhich[static_cast<int>(cell)]))
      .optional_attr("clip", AttrKind::kFloat,
                     "What the functions of gates are given is kept within -clip and clip; not if not given.")
      .attr("direction", "forward",
            "forward, reverse or bidirectional: the first direction forward, the second in reverse.")
      .optional_attr("hidden_size", AttrKind::kInt, "The number of hidden features; as R has it if not given.");
  if (cell == CellKind::kLstm) op.flag("input_forget", false, "Whether the forget gate is 1 - i.");
  op.attr("layout", int64_t{0}, "0: X is [T, N, inputs]; 1: [N, T, inputs], and states and Y begin with N too.");
  if (cell == CellKind::kGru) {
    op.flag("linear_before_reset", false,
            "Whether the reset gate is for the product with R, and not for what goes into it.");
  }
  return op;
}

template <CellKind cell>
OpDef& inputs(OpDef& op) {
  constexpr const char* kGates[] = {"one gate", "gates z, r, h", "gates i, o, f, c"};
  const std::string gates = kGates[static_cast<int>(cell)];
  op.input("X", "T", "[T, N, inputs]: T steps of N sequences.")
      .input("W", "T", cat("[directions, gates * hidden, inputs], of ", gates, "."))
      .input("R", "T", cat("[directions, gates * hidden, hidden], of ", gates, "."))
      .optional_input("B", "T", "[directions, 2 * gates * hidden]: what is added to the product with W, then with R.")
      .optional_input("sequence_lens", "T1", "[N]: the steps of each sequence, from 0 to T; T if not given.")
      .optional_input("initial_h", "T", "[directions, N, hidden]; 0 if not given.");
  if (cell == CellKind::kLstm) {
    op.optional_input("initial_c", "T", "[directions, N, hidden]; 0 if not given.")
        .optional_input("P", "T", "[directions, 3 * hidden]: how the gates i, o, f see the cell; 0 if not given.");
  }
  return op;
}

constexpr const char* kLengthsDoc =
    " A sequence that is shorter than T keeps its state from its end on, and has 0 in Y there; in reverse it begins at "
    "its "
    "own end.";

template <CellKind cell>
OpDef& forward(OpDef& op, std::string_view formula) {
  attributes<cell>(op).group("nn/recurrent").since(22).doc(cat(formula, kLengthsDoc));
  inputs<cell>(op)
      .output("Y", "T", "[T, directions, N, hidden]: h of each step.")
      .optional_output("Y_h", "T", "[directions, N, hidden]: the last h.");
  if (cell == CellKind::kLstm) op.optional_output("Y_c", "T", "[directions, N, hidden]: the last c.");
  return op.infer(infer_recurrent<cell>)
      .upgrade(7, forget_output_sequence)
      .body(build_recurrent<cell>)
      .grad(grad_recurrent<cell>);
}

template <CellKind cell>
OpDef& backward(OpDef& op, std::string_view of) {
  attributes<cell>(op)
      .group("gradient/recurrent")
      .doc(cat(
          "The gradients of ", of,
          ": its steps are made again, and gone through from the last to the first. A gradient of "
          "these is made step by step where the number of steps is known before the run, else of a Scan over them."));
  inputs<cell>(op).optional_input("dY", "T", "The gradient to Y.").optional_input("dY_h", "T", "The gradient to Y_h.");
  if (cell == CellKind::kLstm) op.optional_input("dY_c", "T", "The gradient to Y_c.");
  // What is seldom asked for comes last: an output costs its time.
  op.output("dR", "T", "The shape of R.")
      .optional_output("dW", "T", "The shape of W.")
      .optional_output("dB", "T", "[directions, 2 * gates * hidden].")
      .optional_output("dinitial_h", "T", "[directions, N, hidden].");
  if (cell == CellKind::kLstm) {
    op.optional_output("dinitial_c", "T", "[directions, N, hidden].")
        .optional_output("dP", "T", "[directions, 3 * hidden].");
  }
  return op.optional_output("dX", "T", "The shape of X.").infer(infer_recurrent_grad<cell>).gradient_of(of);
}

}  // namespace

void define_op_recurrent(OpRegistry& ops) {
  forward<CellKind::kRnn>(ops.add("RNN"),
                          "A recurrent layer, Elman, 1990: in every step `h = f(x W^T + Wb + h R^T + Rb)`.");
  forward<CellKind::kGru>(
      ops.add("GRU"),
      "A layer of gated recurrent units, Cho et al., 2014, arXiv:1406.1078. In every step, with W, R and the biases in "
      "parts for z, r and h: `z = f(x Wz^T + Wbz + h Rz^T + Rbz)`, `r = f(x Wr^T + Wbr + h Rr^T + Rbr)`, `n = g(x Wh^T "
      "+ "
      "Wbh + (r * h) Rh^T + Rbh)`, or with `linear_before_reset` `n = g(x Wh^T + Wbh + r * (h Rh^T + Rbh))`; then `h = "
      "(1 - "
      "z) * n + z * h`.");
  forward<CellKind::kLstm>(ops.add("LSTM"),
                           "A layer of long short-term memory, Hochreiter and Schmidhuber, 1997. In every step, with "
                           "`a = x W^T + Wb + h R^T + Rb` "
                           "in parts for the gates: `i = f(ai + Pi * c)`, `f = f(af + Pf * c)`, `c = f * c + i * "
                           "g(ac)`, `o = f(ao + Po * c)`, `h "
                           "= o * h(c)`.");
  backward<CellKind::kRnn>(ops.add(kWeftDomain, "RNNGrad"), "RNN");
  backward<CellKind::kGru>(ops.add(kWeftDomain, "GRUGrad"), "GRU");
  backward<CellKind::kLstm>(ops.add(kWeftDomain, "LSTMGrad"), "LSTM");
}

}  // namespace weft
