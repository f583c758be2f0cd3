// Dropout: ONNX's operator, and weft.Dropout with its randomness as inputs.
#include "core/graph/downgrade.h"
#include "core/tensor/truth.h"

namespace weft {
namespace {

// Inputs `ratio` and the one after it are scalars.
Status infer_dropout(InferContext& c) {
  for (int i : {1, 2}) WEFT_CHECK(c.check_scalar(i));
  WEFT_CHECK(infer_same_as_first(c));
  for (int i = 1; i < c.output_count(); ++i) c.set_dtype(i, DType::kBool);
  return {};
}

// With the same mask as the output; where nothing was kept the scale may be infinite.
Status dropout_grad(GradContext& c) {
  Expr data = c.input(0), dy = c.grad(0);
  Expr kept = 1.0 - cast(c.input(1), data.dtype());
  if (c.needs(0)) {
    c.set_grad(0, where(c.output(1), grad_div(dy, kept), scalar_like(data, 0)));
  }
  if (c.needs(1)) {
    Expr slope = grad_mul(dy, c.output(0));
    Expr sum = make(c.scope(), "weft.SumTo", {slope, c.input(1)});
    c.set_grad(1, cast(grad_div(sum, kept), c.input(1).dtype()));
  }
  return {};
}

// Absent, or known to be false.
bool never_trains(BodyContext& c) {
  if (!c.has_input(2)) return true;
  const auto& mode = c.scope().graph().value(c.input(2).id()).constant;
  return mode != nullptr && mode->count() == 1 && !says_true(*mode);
}

// In a type that weft.Dropout takes: floats of 8 bits as f32.
Expr as_droppable(Expr x) { return contains(kFloatTypes, x.dtype()) ? x : cast(x, DType::kF32); }

// Without `training_mode` nothing is dropped, as with the ratio 0.
Status dropout_body(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr data = c.input(0);
  if (never_trains(c)) {
    c.set_output(0, make(s, "Identity", {data}));
    if (c.output_count() > 1) c.set_output(1, make(s, "Expand", {scalar(s, DType::kBool, 1), shape_of(data)}));
    return {};
  }
  const DType dtype = data.dtype();
  data = as_droppable(data);
  Expr ratio = c.has_input(1) ? as_droppable(c.input(1)) : scalar_like(data, 0.5);
  Expr active = where(c.input(2), ratio, scalar_like(ratio, 0));
  // A seed stands for the numbers of ONNX's reference, which are numpy's.
  Attrs attrs{{"seed", c.attrs().i_or("seed", 0)}, {"stream", "Dropout"}, {"mt19937", int64_t{c.attrs().has("seed")}}};
  std::vector<Expr> made = make_all(s, "weft.Dropout", {data, active, constant_int(s, 0)}, std::move(attrs), 2);
  c.set_output(0, made[0].dtype() == dtype ? made[0] : cast(made[0], dtype));
  if (c.output_count() > 1) c.set_output(1, made[1]);
  return {};
}

// Before opset 12 the ratio was an attribute, and nothing but inference was described.
Status forget_ratio(UpgradeContext& c) {
  c.attrs.erase("ratio");
  return {};
}

// The attribute says nothing where nothing is dropped. What the mask is then was not said: readers give false, or true.
Status ratio_to_attr(DowngradeContext& c) {
  if (c.output_count() > 1) return unimplemented("its mask is asked for, of which nothing was said");
  if (c.has_input(2)) {
    const Tensor* mode = c.constant(2);
    if (mode == nullptr || mode->count() != 1 || says_true(*mode)) {
      return unimplemented("its input 'training_mode' is not a constant that says no, so it may drop elements");
    }
    c.drop_input(2);
  }
  if (c.has_input(1)) {
    const Result<double> ratio = c.known_float(1);
    if (ratio.ok()) c.attrs.set("ratio", *ratio);
    c.drop_input(1);
  }
  c.attrs.erase("seed");
  return {};
}

// Before opset 7 it dropped elements unless a flag said no.
Status is_test_to_training_mode(UpgradeContext& c) {
  const bool is_test = c.attrs.has("is_test") && c.attrs.i("is_test") != 0;
  c.attrs.erase("is_test");
  if (is_test || c.inputs.size() != 1) return {};
  ExprScope s(c.graph());
  Expr ratio = scalar(s, DType::kF32, c.attrs.has("ratio") ? c.attrs.f("ratio") : 0.5);
  c.inputs = {c.inputs[0], ratio.id(), constant(s, Tensor::scalar(true)).id()};
  return s.status();
}

}  // namespace

void define_op_dropout(OpRegistry& ops) {
  ops.add("Dropout")
      .group("random")
      .since(22)
      .doc(
          "In training each element of `data` becomes 0 with the probability `ratio`, else it is "
          "divided by "
          "`1 - ratio`; otherwise the data is passed on. As ONNX has no state here, the choice is the same in every "
          "run: it is weft.Dropout with the stream \"Dropout\" and the counter 0 and, with a `seed`, the numbers that "
          "ONNX's reference implementation draws, `numpy.random.RandomState(seed).uniform`. To train, with a new "
          "choice in every step, use the layer Dropout, or the "
          "operator of the domain weft that it is made of: `weft_dropout` in Python and C++, `weftDropout` in Java, "
          "`ops.WeftDropout` in Go.")
      .types("T", kFloatTypes | kFloat8Types)
      .types("T1", kFloatTypes | kFloat8Types)
      .optional_attr("seed", AttrKind::kInt, "Where numpy's generator begins, from 0 to 2^32 - 1.")
      .input("data", "T", "Any shape.")
      .optional_input("ratio", "T1", "Probability of being dropped, a scalar from 0 to 1; 0.5 if absent.")
      .optional_input("training_mode", "bool", "Whether to drop anything, a scalar; not if absent.")
      .output("output", "T", "The shape of the data.")
      .optional_output("mask", "bool", "Which elements were kept, in the shape of the data.")
      .infer(infer_dropout)
      .body(dropout_body)
      .upgrade(7, is_test_to_training_mode)
      .upgrade(12, forget_ratio)
      .downgrade(12, ratio_to_attr);
  ops.add(kWeftDomain, "Dropout")
      .group("random")
      .doc(
          "Each element of `data` becomes 0 with the probability `ratio`, else it is divided by `1 - ratio`. The "
          "choice depends on the element's position, `seed`, `stream` and `counter` alone; add 1 to the counter for "
          "every step (it counts modulo 2^32). An element is dropped where weft.RandomUniform from 0 to 1 in f32 is "
          "below `ratio`.")
      .types("T", kFloatTypes)
      .types("T1", kFloatTypes)
      .attr("seed", 0, "Key of all random numbers of a program.")
      .attr("stream", "", "Name that keeps the numbers of one use apart from those of others.")
      .flag(
          "mt19937", false,
          "Whether the numbers are those of the Mersenne Twister (Matsumoto and Nishimura, 1998) that the low 32 bits "
          "of `seed` begin, one after another and of 53 bits, as numpy.random.RandomState draws them; `stream` and "
          "`counter` then say nothing. On one thread.")
      .input("data", "T", "Any shape.")
      .input("ratio", "T1", "Probability of being dropped, a scalar from 0 to 1.")
      .input("counter", "i64", "Number of draws made from the stream before, a scalar; usually a variable.")
      .output("output", "T", "The shape of the data.")
      .output("mask", "bool", "Which elements were kept, in the shape of the data.")
      .inplace(0, 0)
      .infer(infer_dropout)
      .grad(dropout_grad);
}

}  // namespace weft
