// CheckedLengths: what bodies make of lengths that their operator's kernels would check.
#include "core/graph/expr.h"

namespace weft {

void define_op_checked_lengths(OpRegistry& ops) {
  ops.add(kWeftDomain, "CheckedLengths")
      .group("nn/recurrent")
      .doc(
          "Lengths as they are. One below 0 or above `most` is OUT_OF_RANGE, with the name of the input that it is of. "
          "Operators that are made of others where a device has no kernel of them, such as LSTM, check theirs so.")
      .types("T", kIndexTypes)
      .required_attr("most", AttrKind::kInt, "How many there are of what is counted.")
      .required_attr("input", AttrKind::kString, "The input that the lengths are, for the error.")
      .required_attr("unit", AttrKind::kString, "What is counted, for the error: \"steps\".")
      .input("lengths", "T", "Any shape.")
      .output("same", "T", "The lengths.")
      .inplace(0, 0)
      .infer(infer_same_as_first)
      .no_gradient("its numbers are whole")
      .unlisted();
}

}  // namespace weft
