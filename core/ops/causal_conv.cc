// CausalConvWithState: a convolution of each channel by itself that looks back alone, and what the next call must know.
#include "core/ops/heads_common.h"

namespace weft {
namespace {

constexpr int kPast = 3;

Status check_rank3(const InferContext& c, int i, const char* name, const char* shape) {
  if (!c.has_rank(i) || c.rank(i) == 3) return {};
  return invalid("input '", name, "' must be ", shape, " but is ", c.input(i).text());
}

bool differ(const Dim& a, const Dim& b) { return a.known() && b.known() && !(a == b); }

Status infer_causal_conv(InferContext& c) {
  const std::string& activation = c.attrs().s("activation");
  if (activation != "none" && activation != "silu" && activation != "swish") {
    return invalid("'activation' is \"", activation, "\" but must be \"none\", \"silu\" or \"swish\"");
  }
  WEFT_CHECK(check_rank3(c, 0, "input", "[N, C, L]"));
  WEFT_CHECK(check_rank3(c, 1, "weight", "[C, 1, k]"));
  WEFT_CHECK(check_rank3(c, kPast, "past_state", "[N, C, k - 1]"));
  const bool sized = c.has_rank(0), weighted = c.has_rank(1);
  if (weighted && (differ(c.dims(1)[1], 1) || c.dims(1)[2].is(0))) {
    return invalid("input 'weight' must be [C, 1, k] with k from 1 on but is ", c.input(1).text());
  }
  if (sized && weighted && differ(c.dims(0)[1], c.dims(1)[0])) {
    return invalid("input 'input' is ", c.input(0).text(), " but input 'weight' is ", c.input(1).text(),
                   ": they must have as many channels");
  }
  if (sized && c.has_input(2)) WEFT_CHECK(c.check_shape(2, {c.dims(0)[1]}, "the channels of 'input'"));
  Dim before = weighted ? c.dims(1)[2] - Dim(1) : c.fresh();
  if (!before.known() && c.has_rank(kPast)) before = c.dims(kPast)[2];
  if (sized && c.has_rank(kPast)) {
    const Dims& past = c.dims(kPast);
    if (differ(past[0], c.dims(0)[0]) || differ(past[1], c.dims(0)[1]) || differ(past[2], before)) {
      return invalid("input 'past_state' is ", c.input(kPast).text(), " but must be ",
                     dims_text({c.dims(0)[0], c.dims(0)[1], before}), ": [N, C, k - 1]");
    }
  }
  if (!sized) return {};
  c.set_dims(0, c.dims(0));
  if (c.output_count() > 1) c.set_dims(1, {c.dims(0)[0], c.dims(0)[1], before});
  return {};
}

Status causal_conv(BodyContext& c) {
  const Expr x = c.input(0), weight = c.input(1);
  if (!weight.has_rank() || !weight.dims()[0].known()) {
    return unimplemented("the number of channels must be known, but 'weight' is ", weight.type().text());
  }
  ExprScope& scope = c.scope();
  const Expr one = constant_ints(scope, {1});
  const Expr before = dims_of(weight, 2, 3) - one;
  Expr past = c.has_input(kPast) ? c.input(kPast) : Expr();
  if (!past.valid()) past = make(scope, "Expand", {scalar_like(x, 0), concat({dims_of(x, 0, 2), before}, 0)});
  const Expr all = concat({past, x}, 2);
  Expr y = x;
  if (!x.has_rank() || !x.dims()[2].is(0)) {
    y = make(scope, "Conv", {all, weight, c.has_input(2) ? c.input(2) : Expr()}, {{"group", weight.dims()[0].value()}});
  }
  if (c.attrs().s("activation") != "none") y = y * make(scope, "Sigmoid", {y});
  c.set_output(0, y);
  if (c.output_count() < 2) return {};
  const Expr end = dims_of(all, 2, 3);
  c.set_output(1, make(scope, "Slice", {all, end - before, end, constant_ints(scope, {2})}));
  return {};
}

}  // namespace

void define_op_causal_conv(OpRegistry& ops) {
  ops.add("CausalConvWithState")
      .group("nn/conv")
      .since(27)
      .doc(
          "The convolution of each channel by itself along L, where each place sees itself and the k - 1 before it: "
          "`Conv(Concat(past_state, input), weight, bias)`, then `y * sigmoid(y)` if `activation` says so. Halves are "
          "computed with in f32.")
      .types("T", kFloatTypes)
      .attr("activation", "none", "\"none\", or \"silu\", which is also called \"swish\".")
      .input("input", "T", "[N, C, L].")
      .input("weight", "T", "[C, 1, k].")
      .optional_input("bias", "T", "[C]: added to each channel.")
      .optional_input("past_state", "T", "[N, C, k - 1]: what was before the input; zeros if not given.")
      .output("output", "T", "[N, C, L].")
      .output("present_state", "T",
              "[N, C, k - 1]: the last places of past_state and input, the next call's past_state.")
      .infer(infer_causal_conv)
      .body_by_shapes(causal_conv);
}

}  // namespace weft
