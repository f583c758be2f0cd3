// Operators on the bits of integers: BitShift, BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseNot.
#include "core/graph/expr.h"

namespace weft {
namespace {

constexpr DTypeSet kUnsignedTypes = set_of(DType::kU8, DType::kU16, DType::kU32, DType::kU64);
constexpr DTypeSet kWholeTypes = kUnsignedTypes | set_of(DType::kI8, DType::kI16, DType::kI32, DType::kI64);

Status infer_shift(InferContext& c) {
  const std::string& direction = c.attrs().s("direction");
  if (direction != "LEFT" && direction != "RIGHT") {
    return invalid("attribute 'direction' must be \"LEFT\" or \"RIGHT\" but is \"", direction, "\"");
  }
  return infer_broadcast(c);
}

}  // namespace

void define_op_bitwise(OpRegistry& ops) {
  ops.add("BitShift")
      .group("math")
      .since(11)
      .doc(
          "The bits of `X` moved by `Y` places, elementwise; zeros come in. Moved by all of its places or more, a "
          "number is 0.")
      .types("T", kUnsignedTypes)
      .required_attr("direction", AttrKind::kString, "\"LEFT\", towards higher bits, or \"RIGHT\".")
      .input("X", "T", "What is moved.")
      .input("Y", "T", "Number of places; broadcasts with X as in NumPy.")
      .output("Z", "T", "The broadcast shape of X and Y.")
      .elementwise()
      .inplace(0, 0)
      .inplace(0, 1)
      .infer(infer_shift)
      .no_gradient("integers do not change gradually");
  struct Row {
    const char* name;
    const char* doc;
  };
  for (const Row& row : {Row{"BitwiseAnd", "The bits that are 1 in both A and B, elementwise."},
                         Row{"BitwiseOr", "The bits that are 1 in A or B or both, elementwise."},
                         Row{"BitwiseXor", "The bits that are 1 in just one of A and B, elementwise."}}) {
    ops.add(row.name)
        .group("math")
        .since(18)
        .doc(row.doc)
        .types("T", kWholeTypes)
        .input("A", "T", "First operand.")
        .input("B", "T", "Second operand; broadcasts with A as in NumPy.")
        .output("C", "T", "The broadcast shape of A and B.")
        .elementwise()
        .inplace(0, 0)
        .inplace(0, 1)
        .infer(infer_broadcast)
        .no_gradient("integers do not change gradually");
  }
  ops.add("BitwiseNot")
      .group("math")
      .since(18)
      .doc("The opposite of each bit, elementwise.")
      .types("T", kWholeTypes)
      .input("X", "T", "Any shape.")
      .output("Y", "T", "The shape of X.")
      .elementwise()
      .inplace(0, 0)
      .infer(infer_same_as_first)
      .no_gradient("integers do not change gradually");
}

}  // namespace weft
