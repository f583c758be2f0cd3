// Features made ready for a model: six operators of the domain ai.onnx.ml, each a body of other operators.
#include <cmath>

#include "core/ops/scores_common.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

// -- Scaler, Normalizer, Binarizer, Imputer.

// An attribute with one item for all features or one for each.
Status check_each_feature(const InferContext& c, std::string_view name, size_t count) {
  if (count == 1 || !c.has_rank(0)) return {};
  const Dim features = c.rank(0) == 0 ? Dim(1) : c.dims(0).back();
  if (features.known() && !features.is(static_cast<int64_t>(count))) {
    return invalid("attribute '", name, "' must have 1 item, or one for each of ", features.text(),
                   " features, but has ", count);
  }
  return {};
}

// Computed with as f64 if X is, else as f32.
Expr real_of(Expr x) { return x.dtype() == DType::kF64 ? x : cast(x, DType::kF32); }

Status infer_scaler(InferContext& c) {
  for (const char* name : {"offset", "scale"}) {
    const std::vector<double> values = floats_or_empty(c.attrs(), name);
    if (!values.empty()) WEFT_CHECK(check_each_feature(c, name, values.size()));
  }
  return infer_same_as_first(c);
}

// A scalar where there is one item, so that the shape of X stays.
Expr each_feature(Expr like, const std::vector<double>& values) {
  const Shape shape = values.size() == 1 ? Shape{} : Shape{static_cast<int64_t>(values.size())};
  return table(like.scope(), like.dtype(), shape, values);
}

Status scaler(BodyContext& c) {
  Expr y = real_of(c.input(0));
  const std::vector<double> offset = floats_or_empty(c.attrs(), "offset"), scale = floats_or_empty(c.attrs(), "scale");
  if (!offset.empty()) y = y - each_feature(y, offset);
  if (!scale.empty()) y = y * each_feature(y, scale);
  c.set_output(0, cast(y, DType::kF32));
  return {};
}

Status infer_normalizer(InferContext& c) {
  const std::string& norm = c.attrs().s("norm");
  if (norm != "MAX" && norm != "L1" && norm != "L2") {
    return invalid("attribute 'norm' must be \"MAX\", \"L1\" or \"L2\" but is \"", norm, "\"");
  }
  if (c.has_rank(0) && c.rank(0) != 1 && c.rank(0) != 2) {
    return invalid("X must be rows [N, C], or one row [C], but is ", c.input(0).text());
  }
  return infer_same_as_first(c);
}

Status normalizer(BodyContext& c) {
  ExprScope& s = c.scope();
  const std::string& norm = c.attrs().s("norm");
  const Expr x = real_of(c.input(0)), last = constant_ints(s, {-1});
  const char* reduce = norm == "MAX" ? "ReduceMax" : norm == "L1" ? "ReduceL1" : "ReduceL2";
  const Expr size = make(s, reduce, {x, last});
  const Expr none = make(s, "Equal", {size, scalar_like(size, 0)});
  c.set_output(0, cast(x / where(none, scalar_like(size, 1), size), DType::kF32));
  return {};
}

Status binarizer(BodyContext& c) {
  const Expr x = c.input(0), real = real_of(x);
  const Expr over = make(c.scope(), "Greater", {real, scalar_like(real, c.attrs().f("threshold"))});
  c.set_output(0, cast(over, x.dtype()));
  return {};
}

const char* imputed_name(DType dtype) { return is_float(dtype) ? "imputed_value_floats" : "imputed_value_int64s"; }

Status infer_imputer(InferContext& c) {
  const char* name = imputed_name(c.dtype(0));
  const AttrValue* values = c.attrs().find(name);
  const size_t count = values == nullptr ? 0 : is_float(c.dtype(0)) ? values->floats().size() : values->ints().size();
  if (count == 0) return invalid("attribute '", name, "' must say what X of ", dtype_name(c.dtype(0)), " gets");
  if (c.dtype(0) == DType::kI32) {
    for (int64_t value : values->ints()) {
      if (value != static_cast<int32_t>(value))
        return invalid("attribute '", name, "' has ", value, ", which i32 does not hold");
    }
  }
  WEFT_CHECK(check_each_feature(c, name, count));
  return infer_same_as_first(c);
}

Status imputer(BodyContext& c) {
  ExprScope& s = c.scope();
  const Expr x = c.input(0);
  if (is_float(x.dtype())) {
    const double replaced = c.attrs().f("replaced_value_float");
    const Expr found = std::isnan(replaced) ? make(s, "IsNaN", {x}) : make(s, "Equal", {x, scalar_like(x, replaced)});
    c.set_output(0, where(found, each_feature(x, c.attrs().floats("imputed_value_floats")), x));
    return {};
  }
  const std::vector<int64_t>& values = c.attrs().ints("imputed_value_int64s");
  const Expr list = values.size() == 1 ? constant_int(s, values[0]) : constant_ints(s, values);
  // As i64, where a number that i32 does not hold is found nowhere.
  const Expr found = make(s, "Equal", {cast(x, DType::kI64), constant_int(s, c.attrs().i("replaced_value_int64"))});
  c.set_output(0, where(found, cast(list, x.dtype()), x));
  return {};
}

// -- FeatureVectorizer.

Status infer_feature_vectorizer(InferContext& c) {
  const std::vector<int64_t> sizes = c.attrs().ints_or_empty("inputdimensions");
  if (!sizes.empty() && static_cast<int>(sizes.size()) != c.input_count()) {
    return invalid("attribute 'inputdimensions' has ", sizes.size(), " sizes for ", c.input_count(), " inputs");
  }
  Dim columns(0), rows = c.fresh();
  bool known = false;
  for (int i = 0; i < c.input_count(); ++i) {
    if (!sizes.empty() && sizes[static_cast<size_t>(i)] < 0) {
      return invalid("attribute 'inputdimensions' has ", sizes[static_cast<size_t>(i)],
                     " but sizes must not be negative");
    }
    if (!c.has_rank(i)) {
      columns = columns + (sizes.empty() ? c.fresh() : Dim(sizes[static_cast<size_t>(i)]));
      continue;
    }
    if (c.rank(i) != 1 && c.rank(i) != 2) {
      return invalid("input ", i, " must be rows [N, C], or one row [C], but is ", c.input(i).text());
    }
    const Dim own = c.rank(i) == 1 ? Dim(1) : c.dims(i)[0];
    if (known && rows.known() && own.known() && !(rows == own)) {
      return invalid("input ", i, " has ", own.text(), " rows, but those before it have ", rows.text());
    }
    if (!known || own.known()) rows = own;
    known = true;
    columns = columns + (sizes.empty() ? c.dims(i).back() : Dim(sizes[static_cast<size_t>(i)]));
  }
  c.set_dims(0, {rows, columns});
  return {};
}

Status feature_vectorizer(BodyContext& c) {
  ExprScope& s = c.scope();
  const std::vector<int64_t> sizes = c.attrs().ints_or_empty("inputdimensions");
  std::vector<Expr> parts;
  for (int i = 0; i < c.input_count(); ++i) {
    Expr part = with_rank(with_two_axes(cast(c.input(i), DType::kF32)), 2);
    if (!sizes.empty()) {
      const int64_t size = sizes[static_cast<size_t>(i)];
      const Expr zero = constant_ints(s, {0}), axis = constant_ints(s, {1});
      part = make(s, "Slice", {part, zero, constant_ints(s, {size}), axis});
      const Expr missing = constant_ints(s, {size}) - make(s, "Shape", {part}, {{"start", 1}});
      const Expr none = scalar_like(part, 0);
      part = make(s, "Pad", {part, concat({zero, missing}, 0), none, axis});
    }
    parts.push_back(part);
  }
  c.set_output(0, concat(parts, 1));
  return {};
}

// -- ArrayFeatureExtractor.

Status infer_array_feature_extractor(InferContext& c) {
  if (c.has_rank(0) && c.rank(0) == 0) return invalid("X must have a dimension at least, but is ", c.input(0).text());
  Dim count = Dim(1);
  if (!c.has_rank(1)) count = c.fresh();
  for (int64_t d = 0; c.has_rank(1) && d < c.rank(1); ++d) count = count * c.dims(1)[static_cast<size_t>(d)];
  if (!c.has_rank(0)) return {};
  Dims out = c.dims(0);
  out.back() = count;
  if (out.size() == 1) out.insert(out.begin(), Dim(1));
  c.set_dims(0, std::move(out));
  return {};
}

Status array_feature_extractor(BodyContext& c) {
  ExprScope& s = c.scope();
  const Expr x = c.input(0);
  const Expr places = reshape(c.input(1), constant_ints(s, {-1}));
  c.set_output(0, with_two_axes(make(s, "Gather", {x, places}, {{"axis", int64_t{-1}}})));
  return {};
}

}  // namespace

void define_op_features(OpRegistry& ops) {
  ops.add(kMlDomain, "ArrayFeatureExtractor")
      .group("classical")
      .doc(
          "The elements of X at some places of its last axis: `Z[..., k] = X[..., Y[k]]` with the places Y one after "
          "the "
          "other. Negative places count from the end.")
      .types("T", kRowTypes | set_of(DType::kString))
      .input("X", "T", "[..., C].")
      .input("Y", "i64", "The places, of any shape.")
      .output("Z", "T", "[..., places]; [1, places] if X has one dimension.")
      .infer(infer_array_feature_extractor)
      .body_by_shapes(array_feature_extractor);
  ops.add(kMlDomain, "Binarizer")
      .group("classical")
      .doc("1 where X is greater than the threshold, else 0. Integers are compared as f32.")
      .types("T", kRowTypes)
      .attr("threshold", 0.0, "What is compared with.")
      .input("X", "T", "Any shape.")
      .output("Y", "T", "The shape of X.")
      .infer(infer_same_as_first)
      .body(binarizer)
      .no_gradient("it is constant but for a step");
  ops.add(kMlDomain, "FeatureVectorizer")
      .group("classical")
      .doc(
          "The features of several inputs side by side, as f32. An input that is longer than its size is cut, a "
          "shorter one "
          "followed by zeros.")
      .types("T1", kRowTypes)
      .optional_attr("inputdimensions", AttrKind::kInts,
                     "Of each input: how many features it has in Y; those it has if not given.")
      .variadic_input("X", "T1", "[N, C], or [C] for one row.")
      .output("Y", "f32", "[N, sum of the sizes].")
      .infer(infer_feature_vectorizer)
      .body_by_shapes(feature_vectorizer);
  ops.add(kMlDomain, "Imputer")
      .group("classical")
      .doc("X with another value where it equals the one that is to be replaced. Replacing NaN finds all NaN.")
      .types("T", kRowTypes)
      .attr("replaced_value_int64", 0, "What is to be replaced in integers.")
      .optional_attr("imputed_value_int64s", AttrKind::kInts, "What integers get: one number, or one for each feature.")
      .attr("replaced_value_float", 0.0, "What is to be replaced in floats.")
      .optional_attr("imputed_value_floats", AttrKind::kFloats, "What floats get: one number, or one for each feature.")
      .input("X", "T", "[..., F].")
      .output("Y", "T", "The shape of X.")
      .infer(infer_imputer)
      .body_by_shapes(imputer);
  ops.add(kMlDomain, "Normalizer")
      .group("classical")
      .doc("Each row over its size, which is `max(X)`, `sum(|X|)` or `sqrt(sum(X^2))`; a row of size 0 stays as it is.")
      .types("T", kRowTypes)
      .attr("norm", "MAX", "\"MAX\", \"L1\" or \"L2\".")
      .input("X", "T", "[N, C], or [C] for one row.")
      .output("Y", "f32", "The shape of X.")
      .infer(infer_normalizer)
      .body_by_shapes(normalizer);
  ops.add(kMlDomain, "Scaler")
      .group("classical")
      .doc("`(X - offset) * scale`, as f32.")
      .types("T", kRowTypes)
      .optional_attr("offset", AttrKind::kFloats, "One number, or one for each feature; 0 if not given.")
      .optional_attr("scale", AttrKind::kFloats, "One number, or one for each feature; 1 if not given.")
      .input("X", "T", "[..., F].")
      .output("Y", "f32", "The shape of X.")
      .infer(infer_scaler)
      .body_by_shapes(scaler);
}

}  // namespace weft
