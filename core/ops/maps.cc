// Maps of ai.onnx.ml: ZipMap makes them, CastMap and DictVectorizer make tensors of them.
#include <set>

#include "core/graph/expr.h"

namespace weft {
namespace {

constexpr const char* kMapNoGradient = "maps carry no gradient";

// Which of two lists is given, of strings or of integers; an error unless it is one of them.
struct KeyList {
  const AttrValue* given = nullptr;
  bool strings = false;

  DType dtype() const { return strings ? DType::kString : DType::kI64; }
  size_t count() const { return strings ? given->strings().size() : given->ints().size(); }
};

Result<KeyList> key_list(const Attrs& attrs, const char* of_strings, const char* of_ints) {
  KeyList list;
  const AttrValue *strings = attrs.find(of_strings), *ints = attrs.find(of_ints);
  const bool has_strings = strings != nullptr && !strings->strings().empty();
  const bool has_ints = ints != nullptr && !ints->ints().empty();
  if (has_strings == has_ints) {
    return invalid("one of '", of_strings, "' and '", of_ints, "' must have keys, and not both");
  }
  list.strings = has_strings;
  list.given = has_strings ? strings : ints;
  return list;
}

template <typename T>
Status check_distinct(const std::vector<T>& keys, const char* name) {
  std::set<T> seen;
  for (const T& key : keys) {
    if (!seen.insert(key).second) return invalid("'", name, "' has the key ", key, " twice");
  }
  return {};
}

Status infer_zip_map(InferContext& c) {
  constexpr const char *kStrings = "classlabels_strings", *kInts = "classlabels_int64s";
  WEFT_TRY(const KeyList keys, key_list(c.attrs(), kStrings, kInts));
  WEFT_CHECK(keys.strings ? check_distinct(keys.given->strings(), kStrings)
                          : check_distinct(keys.given->ints(), kInts));
  c.output(0).keys = keys.dtype();
  if (!c.has_rank(0)) return {};
  const Dims& dims = c.dims(0);
  if (dims.size() != 1 && dims.size() != 2) return invalid("X must be [N, C] or [C] but is ", c.input(0).text());
  const Dim width(static_cast<int64_t>(keys.count()));
  if (dims.back().known() && !(dims.back() == width)) {
    return invalid("X is ", c.input(0).text(), " but there are ", keys.count(), " keys: one for each column");
  }
  return {};
}

Status infer_map_items(InferContext& c) {
  const Dim count = c.fresh();
  c.set_dims(0, {count});
  c.set_dims(1, {count});
  return {};
}

Status infer_place_by_key(InferContext& c) {
  for (int i = 0; i < 2; ++i) WEFT_CHECK(c.check_vector(i));
  if (c.has_rank(0) && c.has_rank(1) && !may_equal(c.dims(0), c.dims(1))) {
    return invalid("'keys' is ", c.input(0).text(), " but 'values' is ", c.input(1).text(), "; there must be as many");
  }
  const int64_t size = c.attrs().i("size");
  if (size < 0) return invalid("'size' is ", size, "; it is a number of places");
  if (size > 0) {
    if (c.dtype(0) != DType::kI64) return invalid("'keys' must be i64 to be places, but is ", c.input(0).text());
    c.set_dims(0, {1, size});
    return {};
  }
  WEFT_TRY(const KeyList list, key_list(c.attrs(), "string_vocabulary", "int64_vocabulary"));
  if (list.dtype() != c.dtype(0)) {
    return invalid("the keys are ", dtype_name(c.dtype(0)), " but the vocabulary is ", dtype_name(list.dtype()));
  }
  c.set_dims(0, {1, static_cast<int64_t>(list.count())});
  return {};
}

std::vector<Expr> items_of(BodyContext& c) { return make_all(c.scope(), "weft.MapItems", {c.input(0)}, {}, 2); }

Status dict_vectorizer(BodyContext& c) {
  const std::vector<Expr> items = items_of(c);
  c.set_output(0, make(c.scope(), "weft.PlaceByKey", items, c.attrs()));
  return {};
}

struct CastForm {
  DType to = DType::kF32;
  bool sparse = false;
  int64_t size = 1;
};

Result<CastForm> cast_form(const Attrs& attrs) {
  CastForm form;
  const std::string &to = attrs.s("cast_to"), &map_form = attrs.s("map_form");
  if (to == "TO_STRING") {
    form.to = DType::kString;
  } else if (to == "TO_INT64") {
    form.to = DType::kI64;
  } else if (to != "TO_FLOAT") {
    return invalid("'cast_to' is \"", to, "\" but must be \"TO_FLOAT\", \"TO_STRING\" or \"TO_INT64\"");
  }
  if (map_form != "DENSE" && map_form != "SPARSE") {
    return invalid("'map_form' is \"", map_form, "\" but must be \"DENSE\" or \"SPARSE\"");
  }
  form.sparse = map_form == "SPARSE";
  form.size = attrs.i("max_map");
  if (form.sparse && form.size < 1) return invalid("'max_map' is ", form.size, " but must be 1 or more");
  return form;
}

Status infer_cast_map(InferContext& c) {
  WEFT_TRY(const CastForm form, cast_form(c.attrs()));
  c.set_dtype(0, form.to);
  c.set_dims(0, {1, form.sparse ? Dim(form.size) : c.fresh()});
  return {};
}

Status cast_map(BodyContext& c) {
  WEFT_TRY(const CastForm form, cast_form(c.attrs()));
  const std::vector<Expr> items = items_of(c);
  const Expr values = cast(items[1], form.to);
  c.set_output(0, form.sparse ? make(c.scope(), "weft.PlaceByKey", {items[0], values}, {{"size", form.size}})
                              : unsqueeze(values, {0}));
  return {};
}

}  // namespace

void define_op_maps(OpRegistry& ops) {
  constexpr DTypeSet kKeys = set_of(DType::kI64, DType::kString);
  constexpr DTypeSet kMapped = set_of(DType::kString, DType::kI64, DType::kF32, DType::kF64);
  ops.add(kMlDomain, "ZipMap")
      .group("maps")
      .doc("For each row of a matrix a map: from the keys that an attribute says, one for each column, to the numbers.")
      .types("K", kKeys)
      .optional_attr("classlabels_strings", AttrKind::kStrings, "Keys that are strings, [C].")
      .optional_attr("classlabels_int64s", AttrKind::kInts, "Keys that are integers, [C]; one of the two is given.")
      .input("X", "f32", "[N, C], or [C] as one row.")
      .output("Z", "seq(map(K, f32))", "N maps.")
      .infer(infer_zip_map)
      .no_gradient(kMapNoGradient);
  ops.add(kMlDomain, "CastMap")
      .group("maps")
      .doc(
          "The values of a map as a row, converted as Cast does: in ascending order of their keys, or each at the "
          "place "
          "that its key says, from 0 on, with 0 or \"\" at the others.")
      .types("V", set_of(DType::kString, DType::kF32))
      .types("T2", set_of(DType::kString, DType::kF32, DType::kI64))
      .attr("cast_to", "TO_FLOAT", "\"TO_FLOAT\", \"TO_STRING\" or \"TO_INT64\".")
      .attr("map_form", "DENSE", "\"DENSE\": in order. \"SPARSE\": by places.")
      .attr("max_map", int64_t{1}, "How many places there are, if by places; a key outside them is INVALID_ARGUMENT.")
      .input("X", "map(i64, V)", "A map of integers.")
      .output("Y", "T2", "[1, n].")
      .infer(infer_cast_map)
      .body(cast_map)
      .no_gradient(kMapNoGradient);
  ops.add(kMlDomain, "DictVectorizer")
      .group("maps")
      .doc(
          "The values of a map as a row, each at the place where its key stands in a list, with 0 or \"\" for keys "
          "that "
          "the map does not have. What the list does not have is left out. As ONNX Runtime and scikit-learn do, it "
          "gives a matrix of one row.")
      .types("K", kKeys)
      .types("V", kMapped)
      .optional_attr("string_vocabulary", AttrKind::kStrings, "The list, of strings.")
      .optional_attr("int64_vocabulary", AttrKind::kInts, "The list, of integers; one of the two is given.")
      .input("X", "map(K, V)", "A map.")
      .output("Y", "V", "[1, n], n being how long the list is.")
      .body(dict_vectorizer)
      .no_gradient(kMapNoGradient);
  ops.add(kWeftDomain, "MapItems")
      .group("maps")
      .doc("The keys of a map, in ascending order, and the value of each.")
      .types("K", kKeys)
      .types("V", kMapped)
      .input("map", "map(K, V)", "A map.")
      .output("keys", "K", "[n].")
      .output("values", "V", "[n].")
      .infer(infer_map_items)
      .sizes_outputs()
      .no_gradient(kMapNoGradient);
  ops.add(kWeftDomain, "PlaceByKey")
      .group("maps")
      .doc(
          "A row that has each value at the place that its key says, and 0 or \"\" elsewhere. The key is the place if "
          "`size` is given, and one outside is INVALID_ARGUMENT; else the place is where the key stands in a list, the "
          "last if twice, and a key that does not stand there is left out.")
      .types("K", kKeys)
      .types("V", kMapped)
      .attr("size", int64_t{0}, "How many places there are; 0: as many as the list has.")
      .optional_attr("string_vocabulary", AttrKind::kStrings, "The list, of strings.")
      .optional_attr("int64_vocabulary", AttrKind::kInts, "The list, of integers.")
      .input("keys", "K", "[n].")
      .input("values", "V", "[n].")
      .output("row", "V", "[1, places].")
      .infer(infer_place_by_key)
      .no_gradient("it is for maps, which carry no gradient");
}

}  // namespace weft
