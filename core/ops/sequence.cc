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

// As many dimensions as all items share; those that differ are open.
Status infer_joined(InferContext& c) {
  if (!c.has_rank(0) || !c.has_rank(1) || c.rank(0) != c.rank(1)) return {};
  Dims dims = c.dims(0);
  for (size_t d = 0; d < dims.size(); ++d) {
    if (!(c.dims(1)[d] == dims[d])) dims[d] = c.fresh();
  }
  c.set_dims(0, std::move(dims));
  return {};
}

Status infer_insert(InferContext& c) {
  WEFT_CHECK(c.check_number(2));
  return infer_joined(c);
}

Status infer_erase(InferContext& c) {
  WEFT_CHECK(c.check_number(1));
  c.output(0) = c.input(0);
  return {};
}

Status infer_stretch(InferContext& c) {
  WEFT_CHECK(c.check_number(1));
  WEFT_CHECK(c.check_number(2));
  c.output(0) = c.input(0);
  return {};
}

Status infer_empty(InferContext& c) {
  const int64_t dtype = c.attrs().i("dtype");
  if (dtype < 1 || dtype >= kDTypeCount) return invalid("'dtype' is ", dtype, ", which is no type of tensors");
  c.set_dtype(0, static_cast<DType>(dtype));
  return {};
}

Status infer_length(InferContext& c) {
  c.set_dims(0, {});
  return {};
}

Expr length_of(Expr sequence) { return make(sequence.scope(), "SequenceLength", {sequence}); }

// A position of a sequence of that length as one from its begin: negative ones count from its end.
Expr from_begin(Expr position, Expr length) {
  const Expr given = cast(position, DType::kI64);
  const Expr negative = cast(make(given.scope(), "Less", {given, scalar_like(given, 0)}), DType::kI64);
  return given + negative * length;
}

// The item of a gradient that is the gradient by `by`, which tells its rank.
Expr grad_of_item(Expr gradient, Expr position, Expr by) {
  return ensure_rank(make(gradient.scope(), "SequenceAt", {gradient, position}), by.type());
}

// Where the item is that was put in. How long the sequence was before, the gradient tells: loops would keep that for it.
Status grad_insert(GradContext& c) {
  const Expr at = c.has_input(2) ? from_begin(c.input(2), length_of(c.grad(0)) - constant_int(c.scope(), 1))
                                 : constant_int(c.scope(), -1);
  if (c.needs(0)) c.set_grad(0, make(c.scope(), "SequenceErase", {c.grad(0), at}));
  if (c.needs(1)) c.set_grad(1, grad_of_item(c.grad(0), at, c.input(1)));
  return {};
}

Status grad_erase(GradContext& c) {
  const Expr at = c.has_input(1) ? from_begin(c.input(1), length_of(c.input(0))) : Expr();
  const Expr item = make(c.scope(), "SequenceAt", {c.input(0), at.valid() ? at : constant_int(c.scope(), -1)});
  c.set_grad(0, make(c.scope(), "SequenceInsert", {c.grad(0), fill_like(item, 0), at}));
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
    if (c.needs(i)) c.set_grad(i, grad_of_item(c.grad(0), constant_int(c.scope(), i), c.input(i)));
  }
  return {};
}

Status grad_at(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.SequenceAtGrad", {c.grad(0), c.input(0), c.input(1)}));
  return {};
}

Status grad_at_grad(GradContext& c) {
  c.set_grad(0, grad_of_item(c.grad(0), c.input(2), c.input(0)));
  return {};
}

Expr stretch(Expr sequence, Expr begin, Expr length) {
  return make(sequence.scope(), "weft.SequenceSlice", {sequence, begin, length});
}

// Asks for the length of what is put behind alone: what loops put something behind of grows, and they would keep it.
Status grad_sequence_concat(GradContext& c) {
  const Expr behind = length_of(c.input(1)), before = length_of(c.grad(0)) - behind;
  if (c.needs(0)) c.set_grad(0, stretch(c.grad(0), constant_int(c.scope(), 0), before));
  if (c.needs(1)) c.set_grad(1, stretch(c.grad(0), before, behind));
  return {};
}

// Zeros like the items before and behind.
Status grad_sequence_slice(GradContext& c) {
  const Expr all = c.input(0), begin = c.input(1), end = begin + c.input(2);
  const Expr before = fill_like(stretch(all, constant_int(c.scope(), 0), begin), 0);
  const Expr behind = fill_like(stretch(all, end, length_of(all) - end), 0);
  const Expr so_far = make(c.scope(), "weft.SequenceConcat", {before, c.grad(0)});
  c.set_grad(0, make(c.scope(), "weft.SequenceConcat", {so_far, behind}));
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
  ops.add("SequenceEmpty")
      .group("sequence")
      .since(11)
      .doc("A sequence without items.")
      .dtype_attr("dtype", DType::kF32, "The element type of the items that it may have later.")
      .types("T", kTensorTypes)
      .output("output", "seq(T)", "The sequence.")
      .infer(infer_empty)
      .no_gradient("it has no inputs");
  ops.add("SequenceInsert")
      .group("sequence")
      .since(11)
      .doc("A sequence with one item more. A position outside is OUT_OF_RANGE.")
      .types("T", kTensorTypes)
      .types("I", kIndexTypes)
      .input("input_sequence", "seq(T)", "The sequence.")
      .input("tensor", "T", "The item that is put in.")
      .optional_input("position", "I",
                      "The item is put before the one of this number; negative counts from the end. At the end if not "
                      "given.")
      .output("output_sequence", "seq(T)", "The sequence with the item.")
      .infer(infer_insert)
      .grad(grad_insert);
  ops.add("SequenceErase")
      .group("sequence")
      .since(11)
      .doc("A sequence without one of its items. A position outside is OUT_OF_RANGE.")
      .types("T", kTensorTypes)
      .types("I", kIndexTypes)
      .input("input_sequence", "seq(T)", "The sequence.")
      .optional_input("position", "I", "A number; negative counts from the end. The last item if not given.")
      .output("output_sequence", "seq(T)", "The other items.")
      .infer(infer_erase)
      .grad(grad_erase);
  ops.add("SequenceLength")
      .group("sequence")
      .since(11)
      .doc("How many items a sequence has.")
      .types("T", kTensorTypes)
      .input("input_sequence", "seq(T)", "The sequence.")
      .output("length", "i64", "A scalar.")
      .infer(infer_length)
      .no_gradient("it is a number of items");
  ops.add(kWeftDomain, "SequenceAtGrad")
      .group("gradient/sequence")
      .doc("Zeros in the shapes of the items of `like`, but `gradient` at `position`. The gradient of SequenceAt.")
      .types("T", kFloatTypes)
      .types("I", kIndexTypes)
      .input("gradient", "T", "The shape of that item.")
      .input("like", "seq(T)", "A sequence whose shapes are taken.")
      .input("position", "I", "As in SequenceAt.")
      .output("output", "seq(T)", "As many items as like has, in their shapes.")
      .infer(infer_at_grad)
      .grad(grad_at_grad);
  ops.add(kWeftDomain, "SequenceConcat")
      .group("gradient/sequence")
      .doc("The items of two sequences, one behind the other. Loops keep so what their gradients need of sequences.")
      .types("T", kTensorTypes)
      .input("A", "seq(T)", "A sequence.")
      .input("B", "seq(T)", "Another one.")
      .output("C", "seq(T)", "The items of A, then those of B.")
      .infer(infer_joined)
      .grad(grad_sequence_concat);
  ops.add(kWeftDomain, "SequenceSlice")
      .group("gradient/sequence")
      .doc("Some items of a sequence that lie side by side. Those that there are not are OUT_OF_RANGE.")
      .types("T", kTensorTypes)
      .input("input", "seq(T)", "The sequence.")
      .input("begin", "i64", "The number of the first item, from 0.")
      .input("length", "i64", "How many items, 0 or more.")
      .output("output", "seq(T)", "The items.")
      .infer(infer_stretch)
      .grad(grad_sequence_slice);
  ops.add(kWeftDomain, "SequenceAdd")
      .group("gradient/sequence")
      .doc("Item by item, the sums of two sequences of equally many items of equal shapes.")
      .types("T", kFloatTypes)
      .input("A", "seq(T)", "A sequence.")
      .input("B", "seq(T)", "Another one.")
      .output("C", "seq(T)", "The sums.")
      .infer(infer_as_first)
      .grad(grad_add);
  ops.add(kWeftDomain, "SequenceZeros")
      .group("gradient/sequence")
      .doc("Zeros in the shapes of the items of `like`.")
      .types("T", kFloatTypes)
      .input("like", "seq(T)", "A sequence whose shapes are taken.")
      .output("output", "seq(T)", "As many items as like has, in their shapes.")
      .infer(infer_as_first)
      .no_gradient("its output does not change with the values");
}

}  // namespace weft
