// Elements of one type as another: Cast, CastLike, and BitCast of their bits.
#include <algorithm>

#include "core/graph/downgrade.h"

namespace weft {
namespace {

std::optional<Dim> same_int(const std::vector<Dim>& v) { return v[0]; }

Result<DType> wanted_dtype(InferContext& c) {
  Result<DType> to = checked_dtype(c.attrs().i("to"));
  if (!to.ok()) return to.status().within("attribute 'to': ");
  if (!contains(c.op().find_type_var("T2")->set, *to)) {
    return invalid("attribute 'to' asks for ", dtype_name(*to), ", which ", c.op().name(), " does not make");
  }
  return to;
}

Status infer_cast(InferContext& c) {
  WEFT_TRY(DType to, wanted_dtype(c));
  const std::string& mode = c.attrs().s("round_mode");
  if (mode != "up" && mode != "down" && mode != "nearest") {
    return invalid("attribute 'round_mode' must be \"up\", \"down\" or \"nearest\" but is \"", mode, "\"");
  }
  c.set_dtype(0, to);
  WEFT_CHECK(infer_same_as_first(c));
  // Of a number turned into a truth value only 0 and 1 are followed.
  infer_ints(c, same_int);
  return {};
}

// What was quantized has its gradient in the type that it is read as, not in its own, which would round it.
Status cast_grad(GradContext& c) {
  const Expr x = c.input(0);
  if (!is_float(c.output(0).dtype())) return {};
  c.set_grad(0, c.scope().graph().is_quantized(x.id()) ? c.grad(0) : cast(c.grad(0), x.dtype()));
  return {};
}

Status infer_bit_cast(InferContext& c) {
  WEFT_TRY(DType to, wanted_dtype(c));
  const DType from = c.dtype(0);
  if (dtype_bits(from) != dtype_bits(to)) {
    return invalid("attribute 'to' asks for ", dtype_name(to), " of ", dtype_bits(to), " bits, but the input is ",
                   dtype_name(from), " of ", dtype_bits(from), " bits");
  }
  c.set_dtype(0, to);
  return infer_same_as_first(c);
}

Status cast_like(BodyContext& c) {
  Attrs attrs = c.attrs();
  attrs.set("to", static_cast<int64_t>(c.input(1).dtype()));
  c.set_output(0, make(c.scope(), "Cast", {c.input(0)}, std::move(attrs)));
  return {};
}

// Before opset 6 the type was given by ONNX's name for it.
Status name_to_number(UpgradeContext& c) {
  const AttrValue* to = c.attrs.find("to");
  if (to == nullptr || to->kind() != AttrKind::kString) return {};
  static constexpr std::pair<std::string_view, DType> kNames[] = {
      {"FLOAT", DType::kF32},  {"UINT8", DType::kU8},    {"INT8", DType::kI8},    {"UINT16", DType::kU16},
      {"INT16", DType::kI16},  {"INT32", DType::kI32},   {"INT64", DType::kI64},  {"STRING", DType::kString},
      {"BOOL", DType::kBool},  {"FLOAT16", DType::kF16}, {"DOUBLE", DType::kF64}, {"UINT32", DType::kU32},
      {"UINT64", DType::kU64},
  };
  for (const auto& [name, dtype] : kNames) {
    if (to->s() != name) continue;
    c.attrs.set("to", static_cast<int64_t>(dtype));
    return {};
  }
  return invalid("attribute 'to' is \"", to->s(), "\", which is not the name of a type");
}

// What they say is of types that there were not.
Status without_round_mode(DowngradeContext& c) {
  c.attrs.erase("round_mode");
  return {};
}
Status without_saturate(DowngradeContext& c) {
  c.attrs.erase("saturate");
  return {};
}

}  // namespace

void define_op_cast(OpRegistry& ops) {
  constexpr DTypeSet kTypes = kAllTypes & ~kComplexTypes;
  ops.add("Cast")
      .group("math")
      .since(25)
      .doc(
          "The elements as another type. Between floating-point types the nearest value is taken, "
          "halves to even. To "
          "an integer the fraction is cut off, a number out of range becomes the nearest one in "
          "range and NaN the lowest; from a wider integer, and to those of 4 and 2 bits, the low bits are kept. A "
          "truth "
          "value is 0 or 1, and "
          "true for all but 0. Numbers become the shortest strings that read back the same, "
          "\"NaN\", \"INF\" or "
          "\"-INF\"; from strings, \"3.14\", \"-1e5\", \"NaN\", \"+INF\" and the like are read, in "
          "either case.")
      .types("T1", kTypes)
      .types("T2", kTypes)
      .required_dtype_attr("to", "The dtype.")
      .flag("saturate", true,
            "For 8-bit floats: whether overflow clips to the largest number; else it is infinite or NaN.")
      .attr("round_mode", "up", "For f8e8m0: \"up\", \"down\" or \"nearest\".")
      .input("input", "T1", "Any shape.")
      .quantized_input()
      .output("output", "T2", "The shape of the input.")
      .elementwise()
      .infer(infer_cast)
      .grad(cast_grad)
      .upgrade(6, name_to_number)
      .downgrade(24, without_round_mode)
      .downgrade(19, without_saturate);
  ops.add("CastLike")
      .group("math")
      .since(25)
      .doc("The elements as another type, that of a second tensor: Cast to it.")
      .types("T1", kTypes)
      .types("T2", kTypes)
      .flag("saturate", true,
            "For 8-bit floats: whether overflow clips to the largest number; else it is infinite or NaN.")
      .attr("round_mode", "up", "For f8e8m0: \"up\", \"down\" or \"nearest\".")
      .input("input", "T1", "Any shape.")
      .quantized_input()
      .input("target_type", "T2", "A tensor whose type is taken.")
      .shape_only()
      .output("output", "T2", "The shape of the input.")
      .downgrade(24, without_round_mode)
      .downgrade(19, without_saturate)
      .body(cast_like);
  constexpr DTypeSet kPlainTypes = kAllTypes & ~set_of(DType::kString);
  ops.add("BitCast")
      .group("math")
      .since(26)
      .doc("The bits of each element as another type of as many bits.")
      .types("T1", kPlainTypes)
      .types("T2", kPlainTypes)
      .required_dtype_attr("to", "The dtype.")
      .input("input", "T1", "Any shape.")
      .output("output", "T2", "The shape of the input.")
      .view()
      .inplace(0, 0)
      .infer(infer_bit_cast)
      .no_gradient("the bits of a number do not change gradually");
}

}  // namespace weft
