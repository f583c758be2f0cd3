// Initial values of variables, by the names that layers give them.
#include "core/graph/initial.h"

namespace weft {
namespace {

Status infer(InferContext& c) {
  const std::vector<int64_t>& shape = c.attrs().ints("shape");
  for (int64_t dim : shape) {
    if (dim < 0) return invalid("attribute 'shape' asks for the dimension ", dim);
  }
  WEFT_TRY(DType dtype, checked_dtype(c.attrs().i("dtype")));
  if (!contains(kFloatTypes, dtype)) {
    return invalid("attribute 'dtype' is ", dtype_name(dtype), ", which is none of ", dtype_set_text(kFloatTypes));
  }
  c.set_dtype(0, dtype);
  c.set_dims(0, to_dims(shape));
  return {};
}

// Of matrices the rows go in and the columns out; of kernels [out, in, k1, ...] each counts with its window.
void default_fans(const Shape& shape, Initial* initial) {
  Dim window(1);  // as a Dim, which stays as large as it gets: the sizes may be any
  for (size_t i = 2; i < shape.size(); ++i) window = window * Dim(shape[i]);
  const int64_t first = shape.empty() ? 1 : shape[0], second = shape.size() < 2 ? first : shape[1];
  initial->fan_in = shape.size() > 2 ? (Dim(second) * window).value() : first;
  initial->fan_out = shape.size() > 2 ? (Dim(first) * window).value() : second;
}

Status body(BodyContext& c) {
  const Attrs& attrs = c.attrs();
  const Shape shape = attrs.ints("shape");
  Initial initial;
  initial.kind = attrs.s("kind");
  initial.seed = attrs.i("seed");
  initial.stream = attrs.s("stream");
  default_fans(shape, &initial);
  if (attrs.has("fan_in")) initial.fan_in = attrs.i("fan_in");
  if (attrs.has("fan_out")) initial.fan_out = attrs.i("fan_out");
  if (initial.fan_in < 1 || initial.fan_out < 1) return invalid("'fan_in' and 'fan_out' must be at least 1");
  c.set_output(0, initial_value(c.scope(), initial, static_cast<DType>(attrs.i("dtype")), shape));
  return {};
}

}  // namespace

void define_op_initial_value(OpRegistry& ops) {
  ops.add(kWeftDomain, "InitialValue")
      .group("random")
      .doc(
          "What a variable may begin with: the same numbers in every language, decided by the attributes alone. Glorot "
          "and Bengio, 2010: half width sqrt(6 / (fan_in + fan_out)), deviation sqrt(2 / (fan_in + fan_out)); He et "
          "al., 2015: sqrt(6 / fan_in), sqrt(2 / fan_in). Random ones are drawn by weft.RandomUniform (from minus to "
          "plus the half width), weft.RandomNormal and weft.RandomTruncatedNormal with the counter 0; orthogonal is "
          "weft.Orthogonalize of normal numbers of deviation 1, the first dimension being the rows.")
      .types("T", kFloatTypes)
      .required_attr("kind", AttrKind::kString, kInitialDoc)
      .required_attr("shape", AttrKind::kInts, "Dimensions of the output.")
      .dtype_attr("dtype", DType::kF32, "Floating-point type of the output.")
      .attr("seed", int64_t{0}, "Key of all random numbers of a program.")
      .attr("stream", "", "Name that keeps the numbers of one variable apart from those of others: the variable's.")
      .optional_attr("fan_in", AttrKind::kInt,
                     "Inputs of each output; by default rows of a matrix, or the second dimension times the window.")
      .optional_attr("fan_out", AttrKind::kInt,
                     "Outputs of each input; by default columns of a matrix, or the first dimension times the window.")
      .output("output", "T", "A tensor of the shape asked for.")
      .infer(infer)
      .body(body);
}

}  // namespace weft
