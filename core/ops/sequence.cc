// Sequences of tensors: making them, picking items, and the gradients of both.
#include "core/graph/expr.h"

namespace weft {
namespace {

// What all items have in common: the rank, and the dimensions that do not differ.
Status infer_construct(InferContext& c) {
  ValueType& out = c.output(0);
  for (int i = 0; i < c.input_count(); ++i) {
    if (!c.has_rank(i) || c.rank(i) != c.rank(0)) return {};
  }
  Dims dims = c.dims(0);
  for (size_t d = 0; d < dims.size(); ++d) {
    for (int i = 1; i < c.input_count(); ++i) {
      if (c.dims(i)[d] == dims[d]) continue;
      dims[d] = c.fresh();
      break;
    }
  }
  out.has_rank = true;
  out.dims = std::move(dims);
  return {};
}

// An item has the dimensions that all have; what differs among them is the item's own.
Status infer_at(InferContext& c) {
  WEFT_CHECK(c.check_number(1));
  if (!c.has_rank(0)) return {};
  Dims dims = c.dims(0);
  for (Dim& dim : dims) {
    if (!dim.known() && dim.text()[0] == '?') dim = c.fresh();
  }
  c.set_dims(0, std::move(dims));
  return {};
}

Status infer_at_grad(InferContext& c) {
  WEFT_CHECK(c.check_number(2));
  c.output(0) = c.input(1);
  return {};
}

Status infer_as_first(InferContext& c) {
  c.output(0) = c.input(0);
  return {};
}

Status grad_construct(GradContext& c) {
  for (int i = 0; i < c.input_count(); ++i) {
    if (c.needs(i)) c.set_grad(i, make(c.scope(), "SequenceAt", {c.grad(0), constant_int(c.scope(), i)}));
  }
  return {};
}

Status grad_at(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.SequenceAtGrad", {c.grad(0), c.input(0), c.input(1)}));
  return {};
}

Status grad_at_grad(GradContext& c) {
  c.set_grad(0, make(c.scope(), "SequenceAt", {c.grad(0), c.input(2)}));
  return {};
}

Status grad_add(GradContext& c) {
  c.set_grad(0, c.grad(0));
  c.set_grad(1, c.grad(0));
  return {};
}

}  // namespace

void define_op_sequence(OpRegistry& ops) {
  ops.add("SequenceConstruct")
      .group("sequence")
      .since(11)
      .doc("A sequence of the inputs, which share their element type.")
      .types("T", kTensorTypes)
      .variadic_input("inputs", "T", "The items, of any shapes.")
      .output("output_sequence", "seq(T)", "The sequence.")
      .infer(infer_construct)
      .grad(grad_construct);
  ops.add("SequenceAt")
      .group("sequence")
      .since(11)
      .doc("One item of a sequence. A position outside is OUT_OF_RANGE.")
      .types("T", kTensorTypes)
      .types("I", kIndexTypes)
      .input("input_sequence", "seq(T)", "The sequence.")
      .input("position", "I", "A number; negative counts from the end.")
      .output("tensor", "T", "The item.")
      .infer(infer_at)
      .sizes_outputs()
      .grad(grad_at);
  ops.add(kWeftDomain, "SequenceAtGrad")
      .group("sequence")
      .doc("Zeros in the shapes of the items of `like`, but `gradient` at `position`. The gradient of SequenceAt.")
      .types("T", kFloatTypes)
      .types("I", kIndexTypes)
      .input("gradient", "T", "The shape of that item.")
      .input("like", "seq(T)", "A sequence whose shapes are taken.")
      .input("position", "I", "As in SequenceAt.")
      .output("output", "seq(T)", "As many items as like has, in their shapes.")
      .infer(infer_at_grad)
      .grad(grad_at_grad);
  ops.add(kWeftDomain, "SequenceAdd")
      .group("sequence")
      .doc("Item by item, the sums of two sequences of equally many items of equal shapes.")
      .types("T", kFloatTypes)
      .input("A", "seq(T)", "A sequence.")
      .input("B", "seq(T)", "Another one.")
      .output("C", "seq(T)", "The sums.")
      .infer(infer_as_first)
      .grad(grad_add);
  ops.add(kWeftDomain, "SequenceZeros")
      .group("sequence")
      .doc("Zeros in the shapes of the items of `like`.")
      .types("T", kFloatTypes)
      .input("like", "seq(T)", "A sequence whose shapes are taken.")
      .output("output", "seq(T)", "As many items as like has, in their shapes.")
      .infer(infer_as_first)
      .no_gradient("its output does not change with the values");
}

}  // namespace weft
