// CheckedLengths: what bodies make of lengths that their operator's kernels would check.
#include "core/graph/expr.h"

namespace weft {

static Status infer_checked_lengths(InferContext& c) {
  WEFT_CHECK(c.check_scalar(1));
  if (c.has_input(1) == c.attrs().has("most")) return invalid("either 'most' or 'limit' must be given");
  return infer_same_as_first(c);
}

void define_op_checked_lengths(OpRegistry& ops) {
  ops.add(kWeftDomain, "CheckedLengths")
      .group("nn/recurrent")
      .doc(
          "Lengths as they are. One below 0 or above the most is OUT_OF_RANGE, with the name of its input. Operators "
          "that are made of others where a device has no kernel of them, such as LSTM, check theirs so.")
      .types("T", kIndexTypes)
      .optional_attr("most", AttrKind::kInt, "How many there are of what is counted, where that is known.")
      .required_attr("input", AttrKind::kString, "The input that the lengths are, for the error.")
      .required_attr("unit", AttrKind::kString, "What is counted, for the error: \"steps\".")
      .input("lengths", "T", "Any shape.")
      .optional_input("limit", "i64", "How many there are where a run tells it, a scalar; without `most`.")
      .output("same", "T", "The lengths.")
      .inplace(0, 0)
      .infer(infer_checked_lengths)
      .no_gradient("its numbers are whole")
      .unlisted();
}

}  // namespace weft
