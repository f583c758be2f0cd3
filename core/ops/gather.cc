// Rows picked by index: Gather, and ScatterRows, which adds rows back.
#include "core/ops/downgrade_common.h"

namespace weft {
namespace {

// The shape of what Gather takes out of `data`.
Result<Dims> gathered(const InferContext& c, const char* name, const Dims& data, const Dims& indices) {
  if (data.empty()) return invalid("input '", name, "' must have at least one dimension");
  WEFT_TRY(int64_t axis, InferContext::axis(c.attrs().i("axis"), static_cast<int64_t>(data.size())));
  Dims out(data.begin(), data.begin() + axis);
  out.insert(out.end(), indices.begin(), indices.end());
  out.insert(out.end(), data.begin() + axis + 1, data.end());
  return out;
}

Status infer_gather(InferContext& c) {
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  WEFT_TRY(Dims out, gathered(c, "data", c.dims(0), c.dims(1)));
  c.set_dims(0, std::move(out));
  auto indices = c.numbers(1);
  if (c.rank(0) == 1 && c.rank(1) <= 1 && c.ints(0) != nullptr && indices) {
    Dims ints;
    for (int64_t index : *indices) {
      int64_t size = static_cast<int64_t>(c.ints(0)->size());
      if (index < -size || index >= size) {
        return out_of_range("index ", index, " is outside axis 0 of size ", size);
      }
      ints.push_back((*c.ints(0))[index < 0 ? index + size : index]);
    }
    c.set_ints(0, std::move(ints));
  }
  return {};
}

Status grad_gather(GradContext& c) {
  c.set_grad(0,
             make(c.scope(), "weft.ScatterRows", {c.grad(0), c.input(1), c.input(0)}, {{"axis", c.attrs().i("axis")}}));
  return {};
}

Status infer_scatter(InferContext& c) {
  if (!c.has_rank(2)) return {};
  c.set_dims(0, c.dims(2));
  if (!c.has_rank(1)) return {};
  WEFT_TRY(Dims rows, gathered(c, "like", c.dims(2), c.dims(1)));
  return c.check_shape(0, rows, "a Gather of like");
}

Status grad_scatter(GradContext& c) {
  c.set_grad(0, make(c.scope(), "Gather", {c.grad(0), c.input(1)}, {{"axis", c.attrs().i("axis")}}));
  return {};
}

}  // namespace

void define_op_gather(OpRegistry& ops) {
  ops.add("Gather")
      .group("indexing")
      .since(13)
      .doc(
          "The slices of `data` along `axis` that `indices` names; negative indices count from the end. An index "
          "outside "
          "is OUT_OF_RANGE.")
      .types("T", kAllTypes)
      .types("I", kIndexTypes)
      .attr("axis", int64_t{0}, "The axis that is indexed; negative counts from the end.")
      .input("data", "T", "At least one dimension.")
      .input("indices", "I", "Any shape.")
      .output("output", "T", "The shape of data with the axis replaced by the shape of indices.")
      .infer(infer_gather)
      .grad(grad_gather)
      .downgrade(11, known_indices_from_front);
  ops.add(kWeftDomain, "ScatterRows")
      .group("gradient/shape")
      .doc(
          "Zeros in the shape of `like`, to which the slices of `rows` are added where `indices` says; equal indices "
          "add "
          "up, in order. The gradient of Gather.")
      .types("T", kNumberTypes | kComplexTypes)
      .types("I", kIndexTypes)
      .attr("axis", int64_t{0}, "As in Gather.")
      .input("rows", "T", "What a Gather of `like` gives.")
      .input("indices", "I", "As in Gather.")
      .input("like", "T", "A tensor whose shape is taken.")
      .shape_only()
      .output("output", "T", "The shape of like.")
      .infer(infer_scatter)
      .grad(grad_scatter);
}

}  // namespace weft
