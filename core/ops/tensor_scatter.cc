// TensorScatter: new entries of a cache of keys or values.
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

Status infer_tensor_scatter(InferContext& c) {
  const std::string& mode = c.attrs().s("mode");
  if (mode != "linear" && mode != "circular") {
    return invalid("attribute 'mode' is \"", mode, "\" but must be \"linear\" or \"circular\"");
  }
  WEFT_CHECK(infer_same_as_first(c));
  WEFT_CHECK(c.check_vector(2));
  const int known = c.has_rank(0) ? 0 : 1;
  if (!c.has_rank(known)) return {};
  WEFT_TRY(int64_t axis, InferContext::axis(c.attrs().i("axis"), c.rank(known)));
  if (axis == 0) return invalid("attribute 'axis' names axis 0, which is that of the batch");
  if (c.has_rank(2)) {
    Dims wanted{c.dims(known)[0]};
    WEFT_CHECK(c.check_shape(2, wanted, "the batch"));
  }
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  Dims wanted = c.dims(0);
  if (wanted.size() == c.dims(1).size()) wanted[static_cast<size_t>(axis)] = c.dims(1)[static_cast<size_t>(axis)];
  WEFT_CHECK(c.check_shape(1, wanted, "past_cache but for the axis"));
  const Dim &room = c.dims(0)[static_cast<size_t>(axis)], &entries = c.dims(1)[static_cast<size_t>(axis)];
  if (room.known() && entries.known() && entries.value() > room.value()) {
    return invalid("'update' ", c.input(1).text(), " has more entries along axis ", axis, " than 'past_cache' ",
                   c.input(0).text());
  }
  return {};
}

// In the shape of `update`: the place along the axis that each of its elements is written to.
Expr places_of_update(GradContext& c, Expr update, int64_t axis) {
  ExprScope& s = c.scope();
  const Expr shape = shape_of(update);
  auto size_along = [&](Expr x) { return make(s, "Gather", {shape_of(x), constant_int(s, axis)}); };
  Expr place = make(s, "Range", {constant_int(s, 0), size_along(update), constant_int(s, 1)});
  place = laid_along(place, shape, axis);
  if (c.has_input(2)) place = place + laid_along(c.input(2), shape, 0);
  if (c.attrs().s("mode") == "circular") place = make(s, "Mod", {place, size_along(c.input(0))});
  return expand_like(place, update);
}

// What is overwritten no longer counts; an entry counts where it was written.
Status grad_tensor_scatter(GradContext& c) {
  ExprScope& s = c.scope();
  if (c.needs(0)) {
    c.set_grad(0, make(s, "TensorScatter", {c.grad(0), fill_like(c.input(1), 0), c.input(2)}, c.attrs()));
  }
  if (!c.needs(1)) return {};
  const int64_t axis = c.attrs().i("axis");
  c.set_grad(1, make(s, "GatherElements", {c.grad(0), places_of_update(c, c.input(1), axis)}, {{"axis", axis}}));
  return {};
}

}  // namespace

void define_op_tensor_scatter(OpRegistry& ops) {
  ops.add("TensorScatter")
      .group("indexing")
      .since(24)
      .doc(
          "A cache with new entries: `present_cache[b, ..., write_indices[b] + s, ...] = update[b, ..., s, ...]` and "
          "past_cache elsewhere. Written in place where nobody else needs past_cache.")
      .types("T", kAllTypes)
      .attr("mode", "linear",
            "\"linear\": entries that do not fit are OUT_OF_RANGE; \"circular\": places count modulo the size of the "
            "axis.")
      .attr("axis", int64_t{-2}, "The axis of the sequence, not the first; negative counts from the end.")
      .input("past_cache", "T", "[batch, ..., most entries, ...].")
      .input("update", "T", "The shape of past_cache, with as many entries along the axis or fewer.")
      .optional_input("write_indices", "i64",
                      "[batch]: where the first entry of each sample goes; 0 if not given. Negative ones are for "
                      "\"circular\" alone.")
      .output("present_cache", "T", "The shape of past_cache.")
      .inplace(0, 0)
      .infer(infer_tensor_scatter)
      .grad(grad_tensor_scatter);
}

}  // namespace weft
