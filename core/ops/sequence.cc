// Sequences of tensors: SequenceConstruct and SequenceAt.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_construct(InferContext& c) {
  c.output(0).kind = Kind::kSequence;
  c.set_dtype(0, c.dtype(0));
  return {};
}

Status infer_at(InferContext& c) {
  if (c.has_rank(1) && c.rank(1) > 1) return invalid("the position must be one number but is ", c.input(1).text());
  c.output(0).kind = Kind::kTensor;
  c.set_dtype(0, c.dtype(0));
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
      .no_gradient("sequences carry none; take the gradient of the tensors that go in");
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
      .no_gradient("sequences carry none; take the gradient of the tensors that go in");
}

}  // namespace weft
