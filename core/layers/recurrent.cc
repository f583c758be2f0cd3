// LSTM and GRU: layers that keep a state from step to step.
#include "core/layers/parts_common.h"

namespace weft {
namespace {

struct Cell {
  const char* op;
  int64_t gates;
  bool two_biases;  // GRU multiplies with one of them, LSTM only adds both
};
constexpr Cell kLstm{"LSTM", 4, false}, kGru{"GRU", 3, true};

int64_t directions_of(const Attrs& attrs) { return attrs.b("bidirectional") ? 2 : 1; }

// [directions, rows, columns], where each direction begins with numbers of its own.
void add_matrices(LayerMake& c, std::string_view name, std::string_view init, DType dtype, int64_t rows,
                  int64_t columns) {
  std::vector<Expr> parts;
  for (int64_t i = 0; i < directions_of(c.attrs()); ++i) {
    const std::string stream = cat(c.full_name(name), i == 0 ? "" : "/reverse");
    const Initial initial{c.attrs().s(init), c.attrs().i("seed"), stream, columns, rows};
    parts.push_back(unsqueeze(initial_value(c.scope(), initial, dtype, {rows, columns}), {0}));
  }
  if (!c.scope().status().ok()) return;
  c.add_variable(name, parts.size() == 1 ? parts[0] : concat(parts, 0), true);
}

template <const Cell& cell>
Status make(LayerMake& c) {
  const int64_t inputs = c.attrs().i("inputs"), units = c.attrs().i("units");
  // What the initial values are computed of stays within i64.
  constexpr int64_t kMost = int64_t{1} << 30;
  if (inputs < 1 || units < 1 || inputs > kMost || units > kMost) {
    return invalid("'inputs' is ", inputs, " and 'units' ", units, "; both must be from 1 to 2^30");
  }
  WEFT_TRY(DType dtype, layer_dtype(c.attrs()));
  const int64_t rows = cell.gates * units;
  add_matrices(c, "kernel", "kernel_init", dtype, rows, inputs);
  add_matrices(c, "recurrent_kernel", "recurrent_init", dtype, rows, units);
  add_weight(c, "bias", "bias_init", dtype, {directions_of(c.attrs()), rows}, inputs, rows);
  if (cell.two_biases) {
    add_weight(c, "recurrent_bias", "bias_init", dtype, {directions_of(c.attrs()), rows}, units, rows);
  }
  return {};
}

template <const Cell& cell>
Status call(LayerCall& c) {
  ExprScope& s = c.scope();
  const int64_t units = c.attrs().i("units"), directions = directions_of(c.attrs());
  const bool sequences = c.attrs().b("sequences");
  const Expr x = c.input(0);
  if (x.has_rank() && x.rank() != 3)
    return invalid("the input must be [batch, steps, inputs] but is ", x.type().text());
  const Expr bias = c.variable("bias");
  const Expr second = cell.two_biases ? c.variable("recurrent_bias") : fill_like(bias, 0);
  Attrs attrs{{"hidden_size", units}};
  if (directions == 2) attrs.set("direction", "bidirectional");
  if (cell.two_biases) attrs.set("linear_before_reset", int64_t{1});
  // Steps first: ONNX Runtime runs no other layout.
  const std::vector<Expr> made = make_all(
      s, cell.op,
      {transpose(x, {1, 0, 2}), c.variable("kernel"), c.variable("recurrent_kernel"), concat({bias, second}, 1)}, attrs,
      sequences ? 1 : 2);
  WEFT_CHECK(s.status());
  const Expr y = sequences ? transpose(made[0], {2, 0, 1, 3}) : transpose(made[1], {1, 0, 2});
  // 0 is the size that there is: of the batch, and of the steps.
  const std::vector<int64_t> shape =
      sequences ? std::vector<int64_t>{0, 0, directions * units} : std::vector<int64_t>{0, directions * units};
  c.add_output(weft::make(s, "Reshape", {y, constant_ints(s, shape)}));
  return {};
}

template <const Cell& cell>
void add(LayerRegistry& layers, std::string_view doc, std::string_view gates) {
  add_common_attrs(
      layers.add(cell.op)
          .doc(cat(doc, " The state is 0 before the first step. Its variables are `kernel` [directions, ", cell.gates,
                   " * units, inputs], `recurrent_kernel` [directions, ", cell.gates, " * units, units], ", gates))
          .required_attr("inputs", AttrKind::kInt, "Size of the last dimension of the input.")
          .required_attr("units", AttrKind::kInt, "Size of the state.")
          .flag("bidirectional", false,
                "Whether a second direction goes through the steps from the last to the first, with weights of its "
                "own.")
          .flag("sequences", true,
                "Whether the output has the state after every step, as the next recurrent layer needs it; else it is "
                "the one at the end (of the second direction, at the first step).")
          .attr("kernel_init", "glorot_uniform", kInitialDoc)
          .attr("recurrent_init", "orthogonal", kInitialDoc)
          .attr("bias_init", "zeros", kInitialDoc)
          .input("[batch, steps, inputs].")
          .output("[batch, steps, directions * units], or [batch, directions * units] without `sequences`; the first "
                  "direction's `units` come first."))
      .make(make<cell>)
      .call(call<cell>);
}

}  // namespace

void define_layer_recurrent(LayerRegistry& layers) {
  add<kLstm>(layers, "Long short-term memory (Hochreiter and Schmidhuber, 1997): the operator LSTM over weights.",
             "and `bias` [directions, 4 * units], of the gates i, o, f and c one after the other, as ONNX has them. "
             "PyTorch has them in the order i, f, g, o, and two biases, whose sum this one is.");
  add<kGru>(layers,
            "Gated recurrent units (Cho et al., 2014), which reset the state after its product, as in cuDNN, PyTorch "
            "and Keras: the operator GRU over weights.",
            "`bias` and `recurrent_bias` [directions, 3 * units] each, of the gates z, r and h one after the other, as "
            "ONNX has them; PyTorch has them in the order r, z, n.");
}

}  // namespace weft
