// OneHot and NonZero: truth as positions and back.
#include <algorithm>

#include "core/ops/downgrade_common.h"

namespace weft {
namespace {

template <typename T>
double first(const Tensor& tensor) {
  return static_cast<double>(*tensor.as<T>());
}

// The number that a tensor of one element holds; a fraction is cut off.
Result<int64_t> whole_number(const Tensor& tensor) {
  double value = 0;
  switch (tensor.dtype()) {
    case DType::kI64: return *tensor.as<int64_t>();
    case DType::kF32: value = first<float>(tensor); break;
    case DType::kF64: value = first<double>(tensor); break;
    case DType::kF16: value = f16_to_float(*tensor.as<uint16_t>()); break;
    case DType::kBF16: value = bf16_to_float(*tensor.as<uint16_t>()); break;
    case DType::kI32: value = first<int32_t>(tensor); break;
    case DType::kI16: value = first<int16_t>(tensor); break;
    case DType::kI8: value = first<int8_t>(tensor); break;
    case DType::kU64: value = first<uint64_t>(tensor); break;
    case DType::kU32: value = first<uint32_t>(tensor); break;
    case DType::kU16: value = first<uint16_t>(tensor); break;
    default: value = first<uint8_t>(tensor); break;
  }
  if (value > -static_cast<double>(kMostElements) && value < static_cast<double>(kMostElements)) {
    return static_cast<int64_t>(value);
  }
  return invalid("the depth is ", value, ", which is no size");
}

Result<Dim> depth_of(InferContext& c) {
  WEFT_CHECK(c.check_number(1));
  Dim depth = c.fresh();
  if (c.ints(1) != nullptr && c.ints(1)->size() == 1) {
    depth = (*c.ints(1))[0];
  } else if (c.constant(1) != nullptr && c.constant(1)->count() == 1) {
    WEFT_TRY(depth, whole_number(*c.constant(1)));
  }
  if (depth.known() && depth.value() < 0) return invalid("the depth is ", depth.value(), " but must not be negative");
  return depth;
}

Status infer_one_hot(InferContext& c) {
  if (c.has_rank(2) && (c.rank(2) != 1 || (c.dims(2)[0].known() && !c.dims(2)[0].is(2)))) {
    return invalid("'values' must have two elements, off and on, but is ", c.input(2).text());
  }
  WEFT_TRY(Dim depth, depth_of(c));
  if (!c.has_rank(0)) return {};
  WEFT_TRY(int64_t axis, InferContext::axis(c.attrs().i("axis"), c.rank(0) + 1));
  Dims dims = c.dims(0);
  dims.insert(dims.begin() + axis, std::move(depth));
  c.set_dims(0, std::move(dims));
  return {};
}

// Each of the two values gets what flows to where it stands.
Status grad_one_hot(GradContext& c) {
  ExprScope& s = c.scope();
  const bool off_on[] = {false, true};
  WEFT_TRY(Tensor truth, Tensor::from_bytes(DType::kBool, {2}, off_on, sizeof(off_on)));
  Expr hit = make(s, "OneHot", {c.input(0), c.input(1), constant(s, std::move(truth))}, c.attrs());
  Expr zero = scalar_like(c.grad(0), 0);
  auto total = [&](Expr part) { return unsqueeze(make(s, "ReduceSum", {part}, {{"keepdims", int64_t{0}}}), {0}); };
  Expr off = total(where(hit, zero, c.grad(0))), on = total(where(hit, c.grad(0), zero));
  c.set_grad(2, concat({off, on}, 0));
  return {};
}

// Before opset 11 a negative index named nothing, and only -1 counted from the end as the axis.
Status indices_from_front(DowngradeContext& c) {
  if (c.attrs.i("axis") < -1) {
    WEFT_TRY(const int64_t rank, c.known_rank(0));
    WEFT_CHECK(axes_from_front_of(c, rank + 1));
  }
  const Expr indices = c.inputs[0];
  // Of types that have no sign there is nothing to do.
  if (contains(set_of(DType::kU8, DType::kU16, DType::kU32, DType::kU64), indices.dtype())) return {};
  const std::optional<std::vector<int64_t>> known = c.numbers(0);
  if (known && std::all_of(known->begin(), known->end(), [](int64_t index) { return index >= 0; })) return {};
  ExprScope& s = c.scope();
  Expr whole = cast(indices, DType::kI64);
  Expr depth = reshape(cast(c.inputs[1], DType::kI64), constant_ints(s, {}));
  Expr negative = make(s, "Less", {whole, constant_int(s, 0)});
  Expr counted = where(negative, whole + depth, whole);
  // Further away they name nothing: nor does what is past the last place.
  c.inputs[0] = where(make(s, "Less", {counted, constant_int(s, 0)}), depth, counted);
  return s.status();
}

Status infer_non_zero(InferContext& c) {
  if (!c.has_rank(0)) {
    c.set_dims(0, c.fresh_dims(2));
    return {};
  }
  c.set_dims(0, {Dim(c.rank(0)), c.fresh()});
  return {};
}

}  // namespace

void define_op_one_hot(OpRegistry& ops) {
  ops.add("OneHot")
      .group("indexing")
      .since(11)
      .doc(
          "`values[1]` where the index along the new axis is the one that `indices` names, `values[0]` elsewhere. "
          "Negative indices count from the end; those outside name nothing. Fractions are cut off; NaN is an error.")
      .types("T1", kNumberTypes)
      .types("T2", kNumberTypes)
      .types("T3", kAllTypes)
      .attr("axis", int64_t{-1}, "Where the new axis comes; negative counts from the end.")
      .input("indices", "T1", "Any shape.")
      .input("depth", "T2", "The size of the new axis, one number.")
      .shapes_outputs()
      .input("values", "T3", "[2]: off and on.")
      .output("output", "T3", "The shape of indices with the new axis.")
      .infer(infer_one_hot)
      .grad(grad_one_hot)
      .downgrade(11, indices_from_front);
  ops.add("NonZero")
      .group("indexing")
      .since(13)
      .doc(
          "The indices of all elements that are not 0, in row-major order; NaN is not 0, nor is a string that is not "
          "empty.")
      .types("T", kTensorTypes)
      .input("X", "T", "Any shape; a scalar counts as one element of no axis.")
      .output("Y", "i64", "[rank, count]: one column for each.")
      .infer(infer_non_zero)
      .sizes_outputs()
      .no_gradient("an index does not change gradually");
}

}  // namespace weft
