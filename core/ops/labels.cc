// LabelEncoder, CategoryMapper and OneHotEncoder of ai.onnx.ml: labels and categories as numbers and back.
#include <numeric>

#include "core/graph/expr.h"
#include "core/op/labels.h"

namespace weft {
namespace {

constexpr const char* kLabelsNoGradient = "a label does not change gradually";

Status infer_label_encoder(InferContext& c) {
  WEFT_TRY(LabelMap map, read_label_map(c.attrs()));
  if (c.dtype(0) != map.keys.dtype()) {
    return invalid("X is ", dtype_name(c.dtype(0)), " but the keys are ", dtype_name(map.keys.dtype()));
  }
  c.set_dtype(0, map.values.dtype());
  return infer_same_as_first(c);
}

// Version 1 had a list of strings, and their places in it as integers.
Status list_to_map(UpgradeContext& c) {
  std::vector<std::string> classes;
  if (const AttrValue* given = c.attrs.find("classes_strings");
      given != nullptr && given->kind() == AttrKind::kStrings) {
    classes = given->strings();
  }
  c.attrs.erase("classes_strings");
  std::vector<int64_t> places(classes.size());
  std::iota(places.begin(), places.end(), int64_t{0});
  const bool of_strings = !c.inputs.empty() && c.type(0).dtype == DType::kString;
  c.attrs.set(of_strings ? "keys_strings" : "values_strings", std::move(classes));
  c.attrs.set(of_strings ? "values_int64s" : "keys_int64s", std::move(places));
  return {};
}

// A LabelEncoder in the direction that the input asks for.
Status map_categories(BodyContext& c) {
  const AttrValue *ints = c.attrs().find("cats_int64s"), *strings = c.attrs().find("cats_strings");
  if (ints == nullptr || strings == nullptr || ints->ints().size() != strings->strings().size()) {
    return invalid("cats_int64s and cats_strings must be given, of one length, but have ",
                   ints == nullptr ? 0 : ints->ints().size(), " and ",
                   strings == nullptr ? 0 : strings->strings().size(), " items");
  }
  Attrs attrs;
  if (c.input(0).dtype() == DType::kString) {
    attrs = {{"keys_strings", *strings}, {"values_int64s", *ints}, {"default_int64", c.attrs().i("default_int64")}};
  } else {
    attrs = {{"keys_int64s", *ints}, {"values_strings", *strings}, {"default_string", c.attrs().s("default_string")}};
  }
  c.set_output(0, make(c.scope(), "ai.onnx.ml.LabelEncoder", {c.input(0)}, std::move(attrs)));
  return {};
}

Status infer_one_hot_encoder(InferContext& c) {
  const AttrValue *ints = c.attrs().find("cats_int64s"), *strings = c.attrs().find("cats_strings");
  const size_t int_count = ints == nullptr ? 0 : ints->ints().size();
  const size_t string_count = strings == nullptr ? 0 : strings->strings().size();
  if ((int_count == 0) == (string_count == 0)) {
    return invalid("one of cats_int64s and cats_strings must have categories, and not both");
  }
  if ((c.dtype(0) == DType::kString) != (string_count > 0)) {
    return invalid("X is ", dtype_name(c.dtype(0)), " but the categories are ",
                   string_count > 0 ? "strings" : "integers");
  }
  if (!c.has_rank(0)) return {};
  Dims dims = c.dims(0);
  dims.emplace_back(static_cast<int64_t>(int_count + string_count));
  c.set_dims(0, std::move(dims));
  return {};
}

}  // namespace

void define_op_labels(OpRegistry& ops) {
  constexpr DTypeSet kLabels = set_of(DType::kString, DType::kI64, DType::kF32, DType::kI32, DType::kI16, DType::kF64);
  ops.add(kMlDomain, "LabelEncoder")
      .group("labels")
      .since(4)
      .upgrade(2, list_to_map)
      .doc(
          "Each element that is a key as the value of that key, each other one as a default. Keys and values are two "
          "lists of "
          "one length, each given in one of four forms; `default_tensor`, or of the other three defaults the one of "
          "the values' "
          "type, counts. Of equal keys the last one does. NaN is a key like others, and 0 is -0.")
      .types("T1", kLabels)
      .types("T2", kLabels)
      .optional_attr("keys_tensor", AttrKind::kTensor, "Keys, [n].")
      .optional_attr("keys_strings", AttrKind::kStrings, "Keys that are strings.")
      .optional_attr("keys_int64s", AttrKind::kInts, "Keys of type i64.")
      .optional_attr("keys_floats", AttrKind::kFloats, "Keys of type f32.")
      .optional_attr("values_tensor", AttrKind::kTensor, "Values, [n].")
      .optional_attr("values_strings", AttrKind::kStrings, "Values that are strings.")
      .optional_attr("values_int64s", AttrKind::kInts, "Values of type i64.")
      .optional_attr("values_floats", AttrKind::kFloats, "Values of type f32.")
      .optional_attr("default_tensor", AttrKind::kTensor,
                     "The default, one element of the values' type; without it i32 and i16 have -1, f64 -0.")
      .attr("default_string", "_Unused", "The default where values are strings.")
      .attr("default_int64", int64_t{-1}, "The default where values are i64.")
      .attr("default_float", -0.0, "The default where values are f32.")
      .input("X", "T1", "Any shape, of the keys' type.")
      .output("Y", "T2", "The shape of X, of the values' type.")
      .infer(infer_label_encoder)
      .no_gradient(kLabelsNoGradient);
  ops.add(kMlDomain, "CategoryMapper")
      .group("labels")
      .doc(
          "Strings as the integers beside them in two lists of one length, integers as the strings; what is not there "
          "becomes a default. Of equal ones the last counts.")
      .types("T1", set_of(DType::kString, DType::kI64))
      .types("T2", set_of(DType::kString, DType::kI64))
      .optional_attr("cats_int64s", AttrKind::kInts, "The integers.")
      .optional_attr("cats_strings", AttrKind::kStrings, "The strings.")
      .attr("default_int64", int64_t{-1}, "What strings become that are not in the list.")
      .attr("default_string", "_Unused", "What integers become that are not in the list.")
      .input("X", "T1", "Any shape.")
      .output("Y", "T2", "The shape of X: i64 if X has strings, strings otherwise.")
      .body(map_categories)
      .no_gradient(kLabelsNoGradient);
  ops.add(kMlDomain, "OneHotEncoder")
      .group("labels")
      .doc(
          "For each element as many numbers as there are categories: 1 at its category's place, 0 elsewhere. Numbers "
          "are cut "
          "off to integers first. Of equal categories the last one counts.")
      .types("T", set_of(DType::kString, DType::kI64, DType::kI32, DType::kF32, DType::kF64))
      .optional_attr("cats_int64s", AttrKind::kInts, "The categories, for numbers.")
      .optional_attr("cats_strings", AttrKind::kStrings, "The categories, for strings.")
      .flag("zeros", true, "Whether what has no category becomes zeros; else it is an error.")
      .input("X", "T", "Any shape.")
      .output("Y", "f32", "The shape of X and the number of categories.")
      .infer(infer_one_hot_encoder)
      .no_gradient(kLabelsNoGradient);
}

}  // namespace weft
