// Optionals: values that may be missing.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_optional(InferContext& c) {
  const AttrValue* given = c.attrs().find("type");
  ValueType held;
  if (given != nullptr) {
    WEFT_TRY(held, ValueType::parse(given->s()));
    if (held.kind == Kind::kOptional)
      return invalid("'type' is ", held.text(), "; an optional holds no other optional");
  }
  if (c.has_input(0)) {
    const ValueType& in = c.input(0);
    if (in.kind != Kind::kTensor && (in.kind != Kind::kSequence || in.holds != Kind::kTensor)) {
      return invalid("the input is ", in.text(), "; an optional holds a tensor or a sequence of tensors");
    }
    if (given != nullptr && !held.alike(in)) {
      return invalid("the input is ", in.text(), " but 'type' says ", held.text());
    }
    held = in;
    held.ints = nullptr;
  } else if (given == nullptr) {
    return invalid("without an input, 'type' must say what the optional could hold, such as \"f32\" or \"seq(f32)\"");
  }
  held.holds = held.kind;
  held.kind = Kind::kOptional;
  c.output(0) = std::move(held);
  return {};
}

Status infer_optional_element(InferContext& c) {
  ValueType out = c.input(0);
  if (out.kind == Kind::kOptional) {
    out.kind = out.holds;
    out.holds = Kind::kTensor;
  }
  c.output(0) = std::move(out);
  return {};
}

Status infer_has_element(InferContext& c) {
  c.set_dims(0, {});
  return {};
}

Status infer_like_first_optional(InferContext& c) {
  c.output(0) = c.input(0);
  if (c.input(1).kind != Kind::kOptional || c.input(0).kind != Kind::kOptional) {
    return invalid("the inputs must be optionals but are ", c.input(0).text(), " and ", c.input(1).text());
  }
  return {};
}

Status infer_element_or_zeros(InferContext& c) {
  c.output(0) = c.input(1);
  c.output(0).ints = nullptr;
  if (c.input(0).kind == Kind::kOptional) return {};
  return invalid("input 'gradient' must be an optional but is ", c.input(0).text());
}

// An optional without an element, as a gradient, is zeros.
Status grad_optional(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.OptionalElementOrZeros", {c.grad(0), c.input(0)}));
  return {};
}

Status grad_element(GradContext& c) {
  const bool optional = c.input(0).type().kind == Kind::kOptional;
  c.set_grad(0, optional ? make(c.scope(), "Optional", {c.grad(0)}) : c.grad(0));
  return {};
}

Status grad_optional_add(GradContext& c) {
  c.set_grad(0, c.grad(0));
  c.set_grad(1, c.grad(0));
  return {};
}

Status grad_element_or_zeros(GradContext& c) {
  c.set_grad(0, make(c.scope(), "Optional", {c.grad(0)}));
  return {};
}

}  // namespace

void define_op_optional(OpRegistry& ops) {
  ops.add("Optional")
      .group("sequence")
      .since(15)
      .doc("An optional that holds the input; without one, an empty optional of the type that `type` says.")
      .optional_type_attr(
          "type",
          "What the optional holds or could hold, as text: \"f32\", \"f32[2, 3]\", \"seq(i64)\". Needed "
          "without an input.")
      .optional_input("input", "any", "A tensor or a sequence.")
      .output("output", "optional(any)", "The optional.")
      .infer(infer_optional)
      .grad(grad_optional);
  ops.add("OptionalGetElement")
      .group("sequence")
      .since(18)
      .doc("What an optional holds; FAILED_PRECONDITION if it is empty. Of a tensor or sequence, that itself.")
      .input("input", "any", "An optional, tensor or sequence.")
      .output("output", "any", "The element.")
      .infer(infer_optional_element)
      .sizes_outputs()
      .grad(grad_element);
  ops.add("OptionalHasElement")
      .group("sequence")
      .since(18)
      .doc(
          "Whether an optional holds something. A tensor or sequence does count as something, an input that is left "
          "out "
          "does not.")
      .optional_input("input", "any", "An optional, tensor or sequence.")
      .output("output", "bool", "A scalar.")
      .infer(infer_has_element)
      .no_gradient("it is a truth value");
  ops.add(kWeftDomain, "OptionalAdd")
      .group("gradient/sequence")
      .doc(
          "The sum of what two optionals hold, tensors of one shape or sequences of them; one that is empty counts as "
          "zeros.")
      .input("A", "optional(any)", "An optional.")
      .input("B", "optional(any)", "Another one, of the same type.")
      .output("C", "optional(any)", "The sum, empty if both are.")
      .infer(infer_like_first_optional)
      .grad(grad_optional_add);
  ops.add(kWeftDomain, "OptionalElementOrZeros")
      .group("gradient/sequence")
      .doc("What an optional holds, or zeros in the shape of `like` if it is empty. The gradient of Optional.")
      .input("gradient", "optional(any)", "An optional.")
      .input("like", "any", "A tensor or sequence whose shapes are taken.")
      .output("output", "any", "A tensor or sequence like `like`.")
      .infer(infer_element_or_zeros)
      .sizes_outputs()
      .grad(grad_element_or_zeros);
}

}  // namespace weft
