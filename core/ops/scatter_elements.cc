// Elements picked and written one by one along an axis: GatherElements and ScatterElements.
#include "core/ops/downgrade_common.h"
#include "core/ops/scatter_common.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

// Indices have the rank of data, and apart from the axis reach no further.
Status check_elements(const InferContext& c) {
  if (!c.has_rank(0)) return {};
  WEFT_TRY(int64_t axis, InferContext::axis(c.attrs().i("axis"), c.rank(0)));
  if (!c.has_rank(1)) return {};
  if (c.rank(0) != c.rank(1)) {
    return invalid("'data' and 'indices' must have equal ranks but are ", c.input(0).text(), " and ",
                   c.input(1).text());
  }
  for (int64_t d = 0; d < c.rank(0); ++d) {
    const Dim &size = c.dims(0)[static_cast<size_t>(d)], &picked = c.dims(1)[static_cast<size_t>(d)];
    if (d == axis || !size.known() || !picked.known() || picked.value() <= size.value()) continue;
    return invalid("'indices' ", c.input(1).text(), " reach beyond 'data' ", c.input(0).text(), " along axis ", d);
  }
  return {};
}

Status infer_gather_elements(InferContext& c) {
  WEFT_CHECK(check_elements(c));
  if (c.has_rank(1)) c.set_dims(0, c.dims(1));
  return {};
}

Status infer_scatter_elements(InferContext& c) {
  WEFT_CHECK(check_reduction(c));
  WEFT_CHECK(check_elements(c));
  WEFT_CHECK(infer_same_as_first(c));
  return c.has_rank(1) ? c.check_shape(2, c.dims(1), "'indices'") : Status();
}

Attrs along(const Attrs& attrs) { return {{"axis", attrs.i("axis")}}; }

Status grad_gather_elements(GradContext& c) {
  Attrs attrs = along(c.attrs());
  attrs.set("reduction", "add");
  c.set_grad(0, make(c.scope(), "ScatterElements", {fill_like(c.input(0), 0), c.input(1), c.grad(0)}, attrs));
  return {};
}

// All coordinates of what the indices name: along the axis what they say, along the others where they stand.
Expr element_places(Expr indices, int64_t axis) {
  if (axis < 0) axis += indices.rank();
  Expr shape = shape_of(indices);
  std::vector<Expr> parts;
  for (int64_t d = 0; d < indices.rank(); ++d) {
    Expr part = d == axis ? cast(indices, DType::kI64) : coordinates_along(shape, d);
    parts.push_back(unsqueeze(part, {-1}));
  }
  return concat(parts, -1);
}

// Where only a run knows the rank, all is in one row, where the elements of data are numbered.
Joined in_one_row(const Joined& joined, Expr indices, int64_t axis) {
  ExprScope& s = indices.scope();
  const Expr all = constant_ints(s, {-1}), shape = shape_of(joined.data);
  const auto row = [&](Expr x) { return reshape(x, all); };
  const Expr count = make(s, "Size", {joined.data});
  const Expr numbers = reshape(make(s, "Range", {constant_int(s, 0), count, constant_int(s, 1)}), shape);
  // The numbers of what lies at the front of the axis, as far as there are indices along the others.
  const Expr ends = make(s, "ScatterElements", {shape_of(indices), constant_ints(s, {axis}), constant_ints(s, {1})});
  const Expr front = make(s, "Slice", {numbers, fill_like(ends, 0), ends});
  const Expr step = count_behind(joined.data, axis);
  Expr at = cast(indices, DType::kI64);
  const Expr size = make(s, "Gather", {shape, constant_int(s, axis)});
  at = where(make(s, "Less", {at, constant_int(s, 0)}), at + size, at);
  const Expr places = unsqueeze(row(front + at * step), {1});
  return {row(joined.data), places, row(joined.updates), row(joined.out), row(joined.gradient)};
}

Status grad_scatter_elements(GradContext& c) {
  if (c.attrs().s("reduction") == "add") {
    c.set_grad(0, c.grad(0));
    c.set_grad(2, make(c.scope(), "GatherElements", {c.grad(0), c.input(1)}, along(c.attrs())));
    return {};
  }
  const int64_t axis = c.attrs().i("axis");
  Joined joined{c.input(0), Expr(), c.input(2), c.output(0), c.grad(0)};
  if (c.input(1).has_rank()) {
    joined.places = element_places(c.input(1), axis);
  } else {
    joined = in_one_row(joined, c.input(1), axis);
  }
  WEFT_TRY(const JoinedGrads grads, grad_joined(joined, c.attrs().s("reduction")));
  c.set_grad(0, reshape_like(grads.by_data, c.input(0)));
  c.set_grad(2, reshape_like(grads.by_updates, c.input(2)));
  return {};
}

Status scatter_as_elements(BodyContext& c) {
  c.set_output(0, make(c.scope(), "ScatterElements", {c.input(0), c.input(1), c.input(2)}, c.attrs()));
  return {};
}

Status rename_scatter(UpgradeContext& c) {
  if (c.attrs.has("reduction")) return invalid("Scatter has no attribute 'reduction'; ScatterElements has");
  c.op = "ScatterElements";
  return {};
}

Status as_scatter(DowngradeContext& c) {
  c.op = "Scatter";
  return known_indices_from_front(c);
}

OpDef& along_axis(OpDef& op) {
  return op.group("indexing")
      .types("T", kTensorTypes)
      .types("Tind", kIndexTypes)
      .attr("axis", int64_t{0}, "The axis that the indices speak of; negative counts from the end.");
}

OpDef& scatter_inputs(OpDef& op) {
  return op.input("data", "T", "At least one dimension.")
      .input("indices", "Tind", "The rank of data; sizes up to those of data, any along the axis.")
      .input("updates", "T", "The shape of indices.")
      .output("output", "T", "The shape of data.");
}

}  // namespace

void define_op_scatter_elements(OpRegistry& ops) {
  along_axis(ops.add("GatherElements"))
      .since(13)
      .doc(
          "For each index an element of `data`: `output[i][j][k] = data[i][indices[i][j][k]][k]` if axis is 1, and so "
          "on. Negative indices count from the end; one outside is OUT_OF_RANGE.")
      .input("data", "T", "At least one dimension.")
      .input("indices", "Tind", "The rank of data; sizes up to those of data, any along the axis.")
      .output("output", "T", "The shape of indices.")
      .infer(infer_gather_elements)
      .grad(grad_gather_elements);
  scatter_inputs(
      along_axis(ops.add("ScatterElements"))
          .since(18)
          .doc("A copy of `data` with elements replaced by those of `updates`, or joined with them, in "
               "order: `output[i][indices[i][j][k]][k] = updates[i][j][k]` if axis is 1, and so on; of "
               "several for one place the last replaces the others. Negative indices count from the end; "
               "one outside is OUT_OF_RANGE. The gradient is exact where updates meet and where factors "
               "are 0; equal extremes share it evenly.")
          .attr("reduction", "none",
                "\"none\": replaces; \"add\", \"mul\", \"max\", \"min\": joins. Strings are replaced alone; \"max\" "
                "and \"min\" are not for complex numbers, which have no order."))
      .inplace(0, 0)
      .infer(infer_scatter_elements)
      .grad(grad_scatter_elements)
      .downgrade(18, without_extremes)
      .downgrade(11, as_scatter);
  scatter_inputs(
      along_axis(ops.add("Scatter")).since(9).doc("The name of ScatterElements before opset 11, without a reduction."))
      .body(scatter_as_elements)
      .upgrade(kNewestOpset + 1, rename_scatter);  // at every opset: today's files cannot have it
}

}  // namespace weft
