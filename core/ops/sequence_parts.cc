// Tensors cut into sequences and put together again.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_split(InferContext& c) {
  const bool one_by_one = !c.has_input(1), keep = !one_by_one || c.attrs().b("keepdims");
  if (c.has_rank(1) && c.rank(1) > 1) {
    return invalid("input 'split' must be a number or a list of numbers but is ", c.input(1).text());
  }
  if (!c.has_rank(0)) return {};
  WEFT_TRY(int64_t axis, InferContext::axis(c.attrs().i("axis"), c.rank(0)));
  Dims dims = c.dims(0);
  if (!keep) {
    dims.erase(dims.begin() + axis);
  } else if (one_by_one) {
    dims[axis] = 1;
  } else {
    Dim size = c.fresh();
    if (const auto sizes = c.numbers(1)) {
      const Dim whole = dims[axis];
      Dim sum(0);
      bool alike = !sizes->empty();
      for (int64_t number : *sizes) {
        if (number < 0 || (number == 0 && c.rank(1) == 0)) return invalid("'split' has ", number, ", which is no size");
        sum = sum + Dim(number);
        alike = alike && number == sizes->front();
      }
      if (c.rank(1) == 1) {
        if (whole.known() && !(sum == whole)) {
          return invalid("the sizes of 'split' make ", sum.text(), " but axis ", axis, " has ", whole);
        }
        if (alike) size = sizes->front();
      } else if (whole.known() && whole.value() % sizes->front() == 0) {
        size = sizes->front();
      }
    }
    dims[axis] = size;
  }
  c.set_dims(0, std::move(dims));
  return {};
}

Status grad_split(GradContext& c) {
  const bool new_axis = !c.has_input(1) && !c.attrs().b("keepdims");
  c.set_grad(0, make(c.scope(), "weft.JoinLike", {c.grad(0), c.input(0)},
                     {{"axis", c.attrs().i("axis")}, {"new_axis", int64_t{new_axis}}}));
  return {};
}

Status infer_concat(InferContext& c) {
  if (!c.has_rank(0)) return {};
  const bool new_axis = c.attrs().b("new_axis");
  WEFT_TRY(int64_t axis, InferContext::axis(c.attrs().i("axis"), c.rank(0) + new_axis));
  Dims dims = c.dims(0);
  for (Dim& dim : dims) {
    if (!dim.known() && dim.text()[0] == '?') dim = c.fresh();  // the items' own
  }
  if (new_axis) {
    dims.insert(dims.begin() + axis, c.fresh());
  } else {
    dims[axis] = c.fresh();
  }
  c.set_dims(0, std::move(dims));
  return {};
}

Status grad_concat(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.SplitLike", {c.grad(0), c.input(0)},
                     {{"axis", c.attrs().i("axis")}, {"new_axis", c.attrs().i("new_axis")}}));
  return {};
}

Status infer_like(InferContext& c) {
  c.output(0) = c.input(1);
  c.output(0).ints = nullptr;
  return {};
}

// Each is the other's gradient.
Status grad_split_like(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.JoinLike", {c.grad(0), c.input(0)}, c.attrs()));
  return {};
}
Status grad_join_like(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.SplitLike", {c.grad(0), c.input(0)}, c.attrs()));
  return {};
}

}  // namespace

void define_op_sequence_parts(OpRegistry& ops) {
  ops.add("SplitToSequence")
      .group("sequence")
      .since(24)
      .doc("Cuts a tensor along an axis into the items of a sequence.")
      .types("T", kTensorTypes)
      .types("I", kIndexTypes)
      .attr("axis", int64_t{0}, "The axis; negative counts from the end.")
      .flag("keepdims", true, "Without `split`: whether the items have the axis, of size 1, too.")
      .input("input", "T", "The tensor.")
      .optional_input("split", "I",
                      "A scalar: the size of each item along the axis, of which the last may be smaller. A list: the "
                      "size of each item. Not given: 1.")
      .output("output_sequence", "seq(T)", "The items, in order.")
      .infer(infer_split)
      .grad(grad_split);
  ops.add("ConcatFromSequence")
      .group("sequence")
      .since(11)
      .doc("Puts the items of a sequence, at least one, together along an axis.")
      .types("T", kTensorTypes)
      .required_attr("axis", AttrKind::kInt, "The axis; negative counts from the end, of the output.")
      .flag("new_axis", false, "Whether the axis is one that the items do not have.")
      .input("input_sequence", "seq(T)", "Items of equal shapes, but for the axis if it is theirs.")
      .output("concat_result", "T", "All elements.")
      .infer(infer_concat)
      .sizes_outputs()
      .grad(grad_concat);
  ops.add(kWeftDomain, "SplitLike")
      .group("gradient/shape")
      .doc(
          "Cuts a tensor along an axis into items of the shapes that those of `like` have. The gradient of "
          "ConcatFromSequence.")
      .types("T", kFloatTypes)
      .attr("axis", int64_t{0}, "As in ConcatFromSequence.")
      .flag("new_axis", false, "As in ConcatFromSequence.")
      .input("input", "T", "The tensor.")
      .input("like", "seq(T)", "A sequence whose shapes are taken.")
      .output("output", "seq(T)", "As many items as like has, in their shapes.")
      .infer(infer_like)
      .grad(grad_split_like);
  ops.add(kWeftDomain, "JoinLike")
      .group("gradient/shape")
      .doc(
          "Puts the items of a sequence, of which there may be none, together in the shape of `like`. The gradient of "
          "SplitToSequence.")
      .types("T", kFloatTypes)
      .attr("axis", int64_t{0}, "As in ConcatFromSequence.")
      .flag("new_axis", false, "As in ConcatFromSequence.")
      .input("input", "seq(T)", "The items.")
      .input("like", "T", "A tensor whose shape is taken.")
      .output("output", "T", "All elements.")
      .infer(infer_like)
      .sizes_outputs()
      .grad(grad_join_like);
}

}  // namespace weft
