// QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear, made of other operators.
#include <algorithm>

#include "core/graph/downgrade.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

constexpr DTypeSet kQuantizedTypes = set_of(DType::kI8, DType::kU8, DType::kI16, DType::kU16, DType::kU4, DType::kI4,
                                            DType::kU2, DType::kI2, DType::kF4E2M1) |
                                     kFloat8Types;

bool is_half(DType dtype) { return dtype == DType::kF16 || dtype == DType::kBF16; }
// What arithmetic of that precision is done in.
DType wide(DType dtype) { return dtype == DType::kF64 ? DType::kF64 : DType::kF32; }

// An attribute that names one of `allowed`; `otherwise` where it is not given, which 0 says too.
Result<DType> dtype_or(BodyContext& c, const char* name, DTypeSet allowed, DType otherwise) {
  const int64_t number = c.attrs().i_or(name, 0);
  if (number == 0) return otherwise;
  const bool named = 0 < number && number < kDTypeCount;
  if (named && contains(allowed, static_cast<DType>(number))) return static_cast<DType>(number);
  return invalid("attribute '", name, "' is ", named ? dtype_name(static_cast<DType>(number)) : cat(number).c_str(),
                 " but must be one of ", dtype_set_text(allowed));
}

bool one_number(const Expr& value) {
  return value.has_rank() && (value.rank() == 0 || (value.rank() == 1 && value.dims()[0].is(1)));
}

Status check_zero_point(BodyContext& c, const char* scale, const char* zero_point) {
  if (!c.has_input(2)) return {};
  Expr s = c.input(1), zero = c.input(2);
  if (!s.has_rank() || !zero.has_rank() || (one_number(s) && one_number(zero))) return {};
  if (may_equal(s.dims(), zero.dims())) return {};
  return invalid("input '", zero_point, "' is ", zero.type().text(), " but must have the shape of input '", scale,
                 "', which is ", s.type().text());
}

// A scale or zero point of each block along `axis`, for each element of x.
Result<Expr> spread_blocks(Expr x, Expr value, const char* name, int64_t axis, int64_t size) {
  size = std::min(size, int64_t{1} << 62);  // no axis is as long, and sums with it fit
  Dims wanted = x.dims();
  wanted[axis] = wanted[axis].ceil_div(Dim(size));
  if (!may_equal(value.dims(), wanted)) {
    return invalid("input '", name, "' is ", value.type().text(), " but must have the shape ", dims_text(wanted),
                   ": one number for each block of ", size, " along axis ", axis, " of ", x.type().text());
  }
  ExprScope& s = x.scope();
  auto part = [&](int64_t start, int64_t end) { return make(s, "Shape", {x}, {{"start", start}, {"end", end}}); };
  if (!(value.dims() == wanted)) {
    Expr blocks = (part(axis, axis + 1) + constant_ints(s, {size - 1})) / constant_ints(s, {size});
    value = reshape(value, concat({part(0, axis), blocks, part(axis + 1, x.rank())}, 0));
  }
  Expr places = make(s, "Range", {constant_int(s, 0), squeeze(part(axis, axis + 1), {0}), constant_int(s, 1)});
  return make(s, "Gather", {value, places / constant_int(s, size)}, {{"axis", axis}});
}

// A scale or zero point so that it broadcasts to x: one number, one for each place along an axis, or one for each block.
Result<Expr> spread(BodyContext& c, Expr value, const char* name) {
  Expr x = c.input(0);
  const int64_t size = c.attrs().i("block_size");
  if (size < 0) return invalid("attribute 'block_size' is ", size, " but must be positive, or 0 for no blocks");
  if (!value.has_rank()) return unimplemented("the rank of input '", name, "' must be known");
  if (one_number(value)) return value.rank() == 0 ? value : squeeze(value, {0});
  if (!x.has_rank()) {
    if (value.rank() == 1 && size == 0) return laid_along(value, shape_of(x), c.attrs().i("axis"));
    return unimplemented("the rank of input 'x' must be known where '", name, "' is ", value.type().text());
  }
  int64_t axis = 0;  // the only one that a vector has
  if (x.rank() != 1) {
    WEFT_TRY(axis, InferContext::axis(c.attrs().i("axis"), x.rank()));
  }
  if (size > 0 && value.rank() == x.rank()) return spread_blocks(x, value, name, axis, size);
  if (value.rank() != 1 || size > 0) {
    return invalid("input '", name, "' is ", value.type().text(), size > 0 ? " and" : " without",
                   " attribute 'block_size' is given, but x is ", x.type().text(),
                   ": it must be a scalar, a vector along 'axis', or, with 'block_size', have the rank of x");
  }
  const Dim &have = value.dims()[0], &want = x.dims()[axis];
  if (have.known() && want.known() && !(have == want)) {
    return invalid("input '", name, "' is ", value.type().text(), " but axis ", axis, " of ", x.type().text(), " has ",
                   want.value(), " places");
  }
  std::vector<int64_t> behind;
  for (int64_t i = 1; i < x.rank() - axis; ++i) behind.push_back(i);
  return behind.empty() ? value : unsqueeze(value, behind);
}

// Where sizes are known in a run alone, a vector must not have stretched x.
Expr in_shape_of_x(BodyContext& c, Expr y) { return one_number(c.input(1)) ? y : reshape_like(y, c.input(0)); }

// The least and the greatest finite number of a quantized type.
std::pair<int, int> range_of(DType dtype) {
  switch (dtype) {
    case DType::kF8E4M3FN: return {-448, 448};
    case DType::kF8E4M3FNUZ: return {-240, 240};
    case DType::kF8E5M2:
    case DType::kF8E5M2FNUZ: return {-57344, 57344};
    case DType::kF4E2M1: return {-6, 6};
    default: break;
  }
  const int bits = dtype_bits(dtype);
  const bool is_signed = dtype == DType::kI16 || dtype == DType::kI8 || dtype == DType::kI4 || dtype == DType::kI2;
  const int low = is_signed ? -(1 << (bits - 1)) : 0;
  return {low, low + (1 << bits) - 1};
}

// Numbers to the nearest of `dtype`. Casts to types of less than a byte keep low bits, so they come from within its range;
// so do the others, as a file may have this in place of the node, and ONNX leaves open what a Cast gives past the range.
Expr saturated(Expr x, DType dtype, const Attrs& attrs) {
  ExprScope& s = x.scope();
  if (!is_integer(dtype)) {
    return make(s, "Cast", {x}, {{"to", static_cast<int64_t>(dtype)}, {"saturate", attrs.i("saturate")}});
  }
  const auto [low, high] = range_of(dtype);
  if (dtype_bits(dtype) < 8) x = cast(x, DType::kI32);
  return cast(make(s, "Clip", {x, scalar_like(x, low), scalar_like(x, high)}), dtype);
}

// In f32 or f64: x in units of the scale, from the zero point on, which is whole for integers; and what it is to become.
struct Units {
  Expr y;
  DType dtype;
};

// Jacob et al., 2018, arXiv:1712.05877.
Result<Units> in_units(BodyContext& c) {
  Expr x = c.input(0), scale = c.input(1);
  WEFT_CHECK(check_zero_point(c, "y_scale", "y_zero_point"));
  const DType given = c.has_input(2) ? c.input(2).dtype() : DType::kNone;
  WEFT_TRY(DType dtype, dtype_or(c, "output_dtype", kQuantizedTypes, given == DType::kNone ? DType::kU8 : given));
  if (given != DType::kNone && dtype != given) {
    return invalid("attribute 'output_dtype' is ", dtype_name(dtype), " but input 'y_zero_point' is ",
                   dtype_name(given));
  }
  // Integers by integers are divided in what holds them all.
  DType precision = scale.dtype() == DType::kI32      ? DType::kF64
                    : scale.dtype() == DType::kF8E8M0 ? DType::kF32
                                                      : scale.dtype();
  WEFT_TRY(precision, dtype_or(c, "precision", kFloatTypes, precision));
  auto rounded = [&](Expr value) { return cast(is_half(precision) ? cast(value, precision) : value, wide(precision)); };
  WEFT_TRY(Expr divisor, spread(c, rounded(scale), "y_scale"));
  Expr y = rounded(rounded(x) / divisor);
  if (is_integer(dtype)) y = make(c.scope(), "Round", {y});
  if (c.has_input(2)) {
    WEFT_TRY(Expr zero, spread(c, cast(c.input(2), wide(precision)), "y_zero_point"));
    y = y + zero;
    if (!is_integer(dtype)) y = rounded(y);
  }
  return Units{y, dtype};
}

Status quantize(BodyContext& c) {
  WEFT_TRY(Units units, in_units(c));
  c.set_output(0, in_shape_of_x(c, saturated(units.y, units.dtype, c.attrs())));
  return {};
}

// Straight through the rounding, Bengio et al., 2013, arXiv:1308.3432, where nothing is cut off: with DequantizeLinear behind
// it as in PyTorch's fake quantization, and to the scale as in Esser et al., 2020, arXiv:1902.08153.
Status quantize_smoothly(BodyContext& c) {
  WEFT_TRY(Units units, in_units(c));
  const DType inside = units.y.dtype();
  WEFT_TRY(Expr divisor, spread(c, cast(c.input(1), inside), "y_scale"));
  Expr y = cast(c.input(0), inside) / divisor;
  if (c.has_input(2)) {
    WEFT_TRY(Expr zero, spread(c, cast(c.input(2), inside), "y_zero_point"));
    y = y + zero;
  }
  const auto [low, high] = range_of(units.dtype);
  Expr least = make(c.scope(), "GreaterOrEqual", {units.y, scalar_like(y, low)});
  Expr most = make(c.scope(), "LessOrEqual", {units.y, scalar_like(y, high)});
  c.set_output(0, in_shape_of_x(c, where(make(c.scope(), "And", {least, most}), y, scalar_like(y, 0))));
  return {};
}

Status dequantize(BodyContext& c) {
  Expr x = c.input(0), scale = c.input(1);
  WEFT_CHECK(check_zero_point(c, "x_scale", "x_zero_point"));
  WEFT_TRY(DType dtype, dtype_or(c, "output_dtype", kFloatTypes, scale.dtype()));
  if (dtype == DType::kF8E8M0) {
    return invalid("attribute 'output_dtype' must be given where input 'x_scale' is f8e8m0, which holds no sign");
  }
  const DType inside = wide(dtype);
  Expr y = cast(x, inside);
  if (c.has_input(2)) {
    WEFT_TRY(Expr zero, spread(c, cast(c.input(2), inside), "x_zero_point"));
    y = y - zero;
  }
  WEFT_TRY(Expr factor, spread(c, cast(scale, inside), "x_scale"));
  c.set_output(0, in_shape_of_x(c, cast(y * factor, dtype)));
  return {};
}

// Of zeros alone, where the scale is free, it is 1, as in ONNX Runtime.
Status quantize_by_range(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.input(0), none = scalar_like(x, 0), most = scalar_like(x, 255);
  auto extreme = [&](const char* of_all, const char* of_two) {
    return make(s, of_two, {make(s, of_all, {x}, {{"keepdims", int64_t{0}}}), none});
  };
  Expr least = extreme("ReduceMin", "Min"), range = extreme("ReduceMax", "Max") - least;
  Expr scale = where(make(s, "Equal", {range, none}), scalar_like(x, 1), range / most);
  Expr zero = make(s, "Round", {make(s, "Clip", {none - least / scale, none, most})});
  zero = cast(zero, DType::kU8);
  c.set_output(0, make(s, "QuantizeLinear", {x, scale, zero}));
  c.set_output(1, scale);
  c.set_output(2, zero);
  return {};
}

// What a node says without them, too, is left out: that it computes in the scale's type, and gives the zero point's, or u8.
Status without_precision(DowngradeContext& c) {
  const int64_t precision = c.attrs.i_or("precision", 0);
  if (precision == 0 || precision == static_cast<int64_t>(c.inputs[1].dtype())) c.attrs.erase("precision");
  return {};
}
Status quantized_as_zero_point(DowngradeContext& c) {
  if (!c.attrs.has("output_dtype")) return {};
  const DType dtype = c.output(0).dtype;
  c.attrs.erase("output_dtype");
  if (c.has_input(2) || dtype == DType::kU8) return {};
  Expr zero = scalar(c.scope(), dtype, 0);
  c.inputs.resize(3);
  c.inputs[2] = expand_like(zero, c.inputs[1]);
  return c.scope().status();
}
Status dequantized_as_scale(DowngradeContext& c) {
  if (c.output(0).dtype == c.inputs[1].dtype()) c.attrs.erase("output_dtype");
  return {};
}

// Before opset 19 the axis had to be one of x where that is a vector, too.
Status axis_of_vector(DowngradeContext& c) {
  if (c.inputs[0].has_rank() && c.inputs[0].rank() == 1) c.attrs.set("axis", int64_t{0});
  return {};
}

// What overflows was said of types that there were not.
Status without_quantized_saturate(DowngradeContext& c) {
  c.attrs.erase("saturate");
  return axis_of_vector(c);
}

// Before opset 13 there was one scale for all.
Status one_scale(DowngradeContext& c) {
  const Expr scale = c.inputs[1];
  if (!scale.has_rank() || scale.rank() != 0) {
    return unimplemented("its scale is ", scale.type().text(), ", not a scalar");
  }
  c.attrs.erase("axis");
  return {};
}

}  // namespace

void define_op_quantize(OpRegistry& ops) {
  constexpr const char* kScaleDoc =
      "A scalar; or [D], one for each place along `axis`; or the shape of x with `ceil(D / block_size)` for D.";
  constexpr const char* kZeroDoc = "The shape of the scale; 0 if not given.";
  constexpr const char* kAxisDoc =
      "The axis that the scale goes along, where it is not one number; x has D places there.";
  constexpr const char* kBlockDoc = "How many neighbours along `axis` share a scale; 0: it has no blocks.";
  ops.add("QuantizeLinear")
      .group("math")
      .since(25)
      .doc(
          "`round(x / y_scale) + y_zero_point`, halves to the even number, where what is out of range becomes the "
          "nearest in range and NaN the lowest. To floating-point numbers nothing is rounded before the last step. A "
          "gradient comes from DequantizeLinear or a Cast of y alone, and is that of `x / y_scale + y_zero_point` "
          "where "
          "that, rounded, is in range, else 0.")
      .types("T1", kFloatTypes | set_of(DType::kI32))
      .types("T2", kFloatTypes | set_of(DType::kI32, DType::kF8E8M0))
      .types("T3", kQuantizedTypes)
      .attr("axis", int64_t{1}, kAxisDoc)
      .attr("block_size", int64_t{0}, kBlockDoc)
      .optional_dtype_attr("output_dtype", "Dtype of y: that of the zero point, or u8, if not given.")
      .optional_dtype_attr("precision", "What is divided in: the dtype of the scale if not given.")
      .flag("saturate", true,
            "For 8-bit floats: whether overflow clips to the largest number; else it is infinite or NaN.")
      .input("x", "T1", "Any shape.")
      .input("y_scale", "T2", kScaleDoc)
      .optional_input("y_zero_point", "T3", kZeroDoc)
      .output("y", "T3", "The shape of x.")
      .quantized_output()
      .downgrade(23, without_precision)
      .downgrade(21, quantized_as_zero_point)
      .downgrade(19, without_quantized_saturate)
      .downgrade(13, one_scale)
      .body(quantize)
      .gradient_body(quantize_smoothly);
  ops.add("DequantizeLinear")
      .group("math")
      .since(25)
      .doc("`(x - x_zero_point) * x_scale`, computed in f32, or in f64 for an output of that.")
      .types("T1", kQuantizedTypes | set_of(DType::kI32))
      .types("T2", kFloatTypes | set_of(DType::kF8E8M0))
      .types("T3", kFloatTypes)
      .attr("axis", int64_t{1}, kAxisDoc)
      .attr("block_size", int64_t{0}, kBlockDoc)
      .optional_dtype_attr("output_dtype", "Dtype of y: that of the scale if not given.")
      .input("x", "T1", "Any shape.")
      .quantized_input()
      .input("x_scale", "T2", kScaleDoc)
      .optional_input("x_zero_point", "T1", kZeroDoc)
      .output("y", "T3", "The shape of x.")
      .downgrade(23, dequantized_as_scale)
      .downgrade(19, axis_of_vector)
      .downgrade(13, one_scale)
      .body(dequantize);
  ops.add("DynamicQuantizeLinear")
      .group("math")
      .since(11)
      .doc(
          "QuantizeLinear to u8 with the scale and zero point that the range of x asks for, widened to hold 0: "
          "`y_scale = (max(x, 0) - min(x, 0)) / 255` and `y_zero_point = round(-min(x, 0) / y_scale)`, halves to the "
          "even number. Where there are zeros alone, or nothing, the scale is 1. Its gradient goes to the extremes, of "
          "which equal ones share, 0 with them; that of y is QuantizeLinear's, and the zero point, which changes in "
          "steps, has none.")
      .types("T1", set_of(DType::kF32))
      .types("T2", set_of(DType::kU8))
      .input("x", "T1", "Any shape.")
      .output("y", "T2", "The shape of x.")
      .quantized_output()
      .output("y_scale", "f32", "A scalar.")
      .output("y_zero_point", "T2", "A scalar.")
      .body(quantize_by_range);
}

}  // namespace weft
