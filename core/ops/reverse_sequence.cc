// ReverseSequence: the beginnings of sequences turned round.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_reverse_sequence(InferContext& c) {
  const int64_t time = c.attrs().i("time_axis"), batch = c.attrs().i("batch_axis");
  const bool first_two = (time == 0 && batch == 1) || (time == 1 && batch == 0);
  if (!first_two) {
    return invalid("attributes 'time_axis' and 'batch_axis' are ", time, " and ", batch,
                   " but one must be 0 and the other 1");
  }
  WEFT_CHECK(c.check_vector(1));
  WEFT_CHECK(infer_same_as_first(c));
  if (!c.has_rank(0)) return {};
  if (c.rank(0) < 2) return invalid("'input' must have at least two dimensions but is ", c.input(0).text());
  return c.check_shape(1, {c.dims(0)[static_cast<size_t>(batch)]}, "the batch");
}

Status grad_reverse_sequence(GradContext& c) {
  c.set_grad(0, make(c.scope(), "ReverseSequence", {c.grad(0), c.input(1)}, c.attrs()));
  return {};
}

}  // namespace

void define_op_reverse_sequence(OpRegistry& ops) {
  ops.add("ReverseSequence")
      .group("indexing")
      .since(10)
      .doc(
          "Of each sequence b the first `sequence_lens[b]` elements in the opposite order, the others where they were. "
          "A length that is negative or beyond the end is OUT_OF_RANGE.")
      .types("T", kAllTypes)
      .attr("batch_axis", int64_t{1}, "0 or 1: the axis of the sequences.")
      .attr("time_axis", int64_t{0}, "The other one of 0 and 1: the axis along which they run.")
      .input("input", "T", "At least two dimensions.")
      .input("sequence_lens", "i64", "[batch]: the length of each sequence.")
      .output("Y", "T", "The shape of the input.")
      .infer(infer_reverse_sequence)
      .grad(grad_reverse_sequence);
}

}  // namespace weft
