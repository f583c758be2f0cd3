// Tensors joined and parted: Concat and Split.
#include "core/ops/downgrade_common.h"

namespace weft {
namespace {

Status infer_concat(InferContext& c) {
  for (int i = 0; i < c.input_count(); ++i) {
    if (!c.has_rank(i)) return {};
    if (c.rank(i) != c.rank(0)) {
      return invalid("inputs 0 and ", i, " have the ranks ", c.rank(0), " and ", c.rank(i), " but must have one");
    }
  }
  WEFT_TRY(int64_t axis, InferContext::axis(c.attrs().i("axis"), c.rank(0)));
  Dims out = c.dims(0);
  for (int i = 1; i < c.input_count(); ++i) {
    for (int64_t d = 0; d < c.rank(0); ++d) {
      const Dim& dim = c.dims(i)[d];
      if (d == axis) {
        out[d] = out[d] + dim;
      } else if (out[d].known() && dim.known() && out[d].value() != dim.value()) {
        return invalid("inputs 0 and ", i, " are ", c.input(0).text(), " and ", c.input(i).text(),
                       " but may differ only along axis ", axis);
      } else if (dim.known()) {
        out[d] = dim;
      }
    }
  }
  c.set_dims(0, std::move(out));
  if (c.rank(0) == 1) {
    Dims ints;
    for (int i = 0; i < c.input_count(); ++i) {
      if (c.ints(i) == nullptr) return {};
      // A longer list would be dropped, and a node may have very many inputs.
      if (ints.size() + c.ints(i)->size() > static_cast<size_t>(kMaxKnownInts)) return {};
      ints.insert(ints.end(), c.ints(i)->begin(), c.ints(i)->end());
    }
    c.set_ints(0, std::move(ints));
  }
  return {};
}

// Each input gets its slice of the gradient; the places follow from the shapes.
Status grad_concat(GradContext& c) {
  ExprScope& s = c.scope();
  int64_t axis = c.attrs().i("axis");
  Expr axes = constant_ints(s, {axis});
  Expr at = constant_ints(s, {0});
  for (int i = 0; i < c.input_count(); ++i) {
    Expr x = c.input(i);
    std::vector<Expr> one{make(s, "Gather", {shape_of(x), axes})};
    Expr end = at + one[0];
    if (c.needs(i)) c.set_grad(i, make(s, "Slice", {c.grad(0), at, end, axes}));
    at = end;
  }
  return {};
}

Status infer_split(InferContext& c) {
  int count = c.output_count();
  if (c.attrs().has("num_outputs") && c.has_input(1)) return invalid("give either 'split' or 'num_outputs', not both");
  if (c.attrs().has("num_outputs") && c.attrs().i("num_outputs") != count) {
    return invalid("attribute 'num_outputs' is ", c.attrs().i("num_outputs"), " but there are ", count, " outputs");
  }
  WEFT_CHECK(c.check_vector(1));
  if (!c.has_rank(0)) return {};
  WEFT_TRY(int64_t axis, InferContext::axis(c.attrs().i("axis"), c.rank(0)));
  const Dim& whole = c.dims(0)[axis];
  const Dims* sizes = c.ints(1);
  Dims many;  // more than are propagated
  if (sizes == nullptr && c.constant(1) != nullptr) {
    WEFT_TRY(const std::vector<int64_t> numbers, c.constant(1)->to_ints());
    many = to_dims(numbers);
    sizes = &many;
  }
  if (sizes != nullptr) {
    if (static_cast<int>(sizes->size()) != count) {
      return invalid("input 'split' has ", sizes->size(), " sizes for ", count, " outputs");
    }
    Dim total(0);
    for (const Dim& size : *sizes) {
      if (size.known() && size.value() < 0) return invalid("input 'split' has the negative size ", size.value());
      total = total + size;
    }
    if (total.known() && whole.known() && total.value() != whole.value()) {
      return invalid("the sizes of 'split' add up to ", total.text(), " but dimension ", axis, " is ", whole.text());
    }
  }
  // Without sizes: equal parts, the last one smaller if it does not come out even.
  Dim part = whole.ceil_div(Dim(count));
  for (int i = 0; i < count; ++i) {
    Dims out = c.dims(0);
    if (sizes != nullptr)
      out[axis] = (*sizes)[i];
    else if (c.has_input(1))
      out[axis] = c.fresh();
    else if (!whole.known())
      out[axis] = whole.exact_div(Dim(count)).ok() ? part : c.fresh();
    else if (i < count - 1)
      out[axis] = part;
    else
      out[axis] = whole - part * Dim(count - 1);
    if (out[axis].known() && out[axis].value() < 0) {
      return invalid("dimension ", axis, " of ", whole.text(), " cannot be split into ", count, " parts");
    }
    c.set_dims(i, std::move(out));
  }
  return {};
}

Status grad_split(GradContext& c) {
  std::vector<Expr> parts;
  for (int i = 0; i < c.output_count(); ++i) parts.push_back(c.grad(i));
  c.set_grad(0, concat(parts, c.attrs().i("axis")));
  return {};
}

// Before opset 18 parts without sizes were equal; sizes say what is not.
Status count_to_sizes(DowngradeContext& c) {
  if (!c.attrs.has("num_outputs")) return {};
  c.attrs.erase("num_outputs");
  WEFT_TRY(const int64_t rank, c.known_rank(0));
  WEFT_TRY(const int64_t axis, InferContext::axis(c.attrs.i("axis"), rank));
  const Dim& whole = c.inputs[0].dims()[axis];
  if (whole.exact_div(Dim(c.output_count())).ok()) return {};
  if (!whole.known()) {
    return unimplemented("its attribute 'num_outputs' is given, and that the parts are equal is not known of ",
                         whole.text(), " elements");
  }
  std::vector<int64_t> sizes;
  for (int i = 0; i < c.output_count(); ++i) sizes.push_back(c.output(i).dims[axis].value());
  c.inputs.resize(2);
  c.inputs[1] = constant_ints(c.scope(), sizes);
  return c.scope().status();
}

// Before opset 4 the axis was 1 if none was given.
Status axis_of_old(UpgradeContext& c) {
  if (!c.attrs.has("axis")) c.attrs.set("axis", int64_t{1});
  return {};
}

}  // namespace

void define_op_concat(OpRegistry& ops) {
  ops.add("Concat")
      .group("shape")
      .since(13)
      .doc("The inputs one after another along `axis`.")
      .types("T", kAllTypes)
      .required_attr("axis", AttrKind::kInt, "The axis; negative counts from the end.")
      .variadic_input("inputs", "T", "Tensors that differ along the axis at most.")
      .output("concat_result", "T", "Their dimensions along the axis added up.")
      .infer(infer_concat)
      .grad(grad_concat)
      .upgrade(4, axis_of_old)
      .downgrade(11, axes_from_front);
  ops.add("Split")
      .group("shape")
      .since(18)
      .doc("`input` parted along `axis`.")
      .types("T", kAllTypes)
      .attr("axis", int64_t{0}, "The axis; negative counts from the end.")
      .optional_attr("num_outputs", AttrKind::kInt, "How many equal parts; the last one is smaller if need be.")
      .input("input", "T", "Any tensor.")
      .optional_input("split", "i64", "The size of each part.")
      .shapes_outputs()
      .variadic_output("outputs", "T", "The parts.")
      .counts_outputs("num_outputs", 1)
      .infer(infer_split)
      .grad(grad_split)
      .upgrade(13, [](UpgradeContext& c) { return c.attr_to_input("split", 1); })
      .downgrade(18, count_to_sizes)
      .downgrade(13, [](DowngradeContext& c) { return c.input_to_attr(1, "split"); })
      .downgrade(11, axes_from_front);
}

}  // namespace weft
