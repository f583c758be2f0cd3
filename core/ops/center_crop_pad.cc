// CenterCropPad: the middle of a tensor, or a tensor in the middle of zeros.
#include "core/graph/expr.h"

namespace weft {
namespace {

// The axes that `shape` speaks of, of which it has `count`.
Result<std::vector<int64_t>> cropped_axes(const Attrs& attrs, int64_t rank) {
  std::vector<int64_t> axes = attrs.ints_or_empty("axes");
  if (!attrs.has("axes")) {
    for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  }
  std::vector<bool> given(static_cast<size_t>(rank), false);
  for (int64_t& axis : axes) {
    WEFT_TRY(axis, InferContext::axis(axis, rank));
    if (given[static_cast<size_t>(axis)]) return invalid("attribute 'axes' has axis ", axis, " twice");
    given[static_cast<size_t>(axis)] = true;
  }
  return axes;
}

Status infer_center_crop_pad(InferContext& c) {
  WEFT_CHECK(c.check_vector(1));
  if (!c.has_rank(0)) return {};
  WEFT_TRY(std::vector<int64_t> axes, cropped_axes(c.attrs(), c.rank(0)));
  if (c.has_rank(1) && c.dims(1)[0].known() && !c.dims(1)[0].is(static_cast<int64_t>(axes.size()))) {
    return invalid("input 'shape' has ", c.dims(1)[0].text(), " sizes for ", axes.size(), " axes");
  }
  Dims out = c.dims(0);
  for (size_t i = 0; i < axes.size(); ++i) {
    Dim& size = out[static_cast<size_t>(axes[i])];
    size = c.ints(1) != nullptr ? (*c.ints(1))[i] : c.fresh();
    if (size.known() && size.value() < 0) {
      return invalid("input 'shape' has ", size.value(), " but sizes must not be negative");
    }
  }
  c.set_dims(0, std::move(out));
  return {};
}

// The opposite takes off what was added, and the other way round.
Status grad_center_crop_pad(GradContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.input(0), sizes = shape_of(x);
  if (c.attrs().has("axes")) sizes = make(s, "Gather", {sizes, constant_ints(s, c.attrs().ints("axes"))});
  c.set_grad(0, make(s, "CenterCropPad", {c.grad(0), sizes}, c.attrs()));
  return {};
}

}  // namespace

void define_op_center_crop_pad(OpRegistry& ops) {
  ops.add("CenterCropPad")
      .group("shape")
      .since(18)
      .doc(
          "The middle of a tensor along axes where it is longer than `shape` says, zeros around it where it is "
          "shorter. Of an odd number of elements to take off or to add one more is at the end.")
      .types("T", kAllTypes)
      .types("Tind", kIndexTypes)
      .optional_attr("axes", AttrKind::kInts,
                     "The axes that `shape` speaks of, none twice; negative ones count from the end. All if not given.")
      .input("input_data", "T", "Any shape.")
      .input("shape", "Tind", "[axes]: the sizes of the output along them.")
      .shapes_outputs()
      .output("output_data", "T", "The shape of the input with other sizes along the axes.")
      .infer(infer_center_crop_pad)
      .grad(grad_center_crop_pad);
}

}  // namespace weft
