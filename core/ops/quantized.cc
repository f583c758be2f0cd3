// Operators that read quantized numbers, compute in f32 and quantize what they find, as one: what rewriting makes of
// DequantizeLinear, an operator and QuantizeLinear. Their bodies are these three, and their kernels give the same bits.
#include "core/graph/expr.h"
#include "core/ops/channels_last_common.h"
#include "core/ops/pool_common.h"

namespace weft {
namespace {

constexpr DTypeSet kCodes = set_of(DType::kI8, DType::kU8);

bool is_code(DType dtype) { return contains(kCodes, dtype); }

Status set_code_dtype(InferContext& c) {
  const int64_t number = c.attrs().i("output_dtype");
  const DType dtype = number == static_cast<int64_t>(DType::kI8) ? DType::kI8 : DType::kU8;
  if (number != static_cast<int64_t>(dtype)) {
    return invalid("attribute 'output_dtype' is ", number, " but must be ", static_cast<int64_t>(DType::kU8),
                   " (u8) or ", static_cast<int64_t>(DType::kI8), " (i8)");
  }
  c.set_dtype(0, dtype);
  return {};
}

Status infer_broadcast_code(InferContext& c) {
  WEFT_CHECK(set_code_dtype(c));
  return infer_broadcast(c);
}

Status infer_pooled_code(InferContext& c) {
  WEFT_CHECK(set_code_dtype(c));
  return infer_pool(c);
}
Status infer_pooled_code_last(InferContext& c) {
  WEFT_CHECK(set_code_dtype(c));
  return infer_between_transposes<infer_pooled_code>(c);
}

Status infer_look_up(InferContext& c) {
  const Tensor& table = c.attrs().tensor("table");
  if (!is_code(table.dtype()) || table.shape() != Shape{256}) {
    return invalid("attribute 'table' is ", table.summary(), " but must be u8[256] or i8[256]");
  }
  c.set_dtype(0, table.dtype());
  return infer_same_as_first(c);
}

// The numbers that input `i` stands for; of f32 itself.
Expr numbers_of(const BodyContext& c, int i, const char* scale, const char* zero_point) {
  const Expr x = c.input(i);
  if (!is_code(x.dtype())) return x;
  ExprScope& s = x.scope();
  return make(s, "DequantizeLinear",
              {x, scalar(s, DType::kF32, c.attrs().f(scale)),
               scalar(s, x.dtype(), static_cast<double>(c.attrs().i(zero_point)))});
}

// Quantized, and then within what is less than the range of the type.
Expr codes_of(const BodyContext& c, Expr x) {
  ExprScope& s = x.scope();
  const Attrs& attrs = c.attrs();
  const DType dtype = static_cast<DType>(attrs.i("output_dtype"));
  const auto number = [&](int64_t value) { return scalar(s, dtype, static_cast<double>(value)); };
  const Expr y =
      make(s, "QuantizeLinear", {x, scalar(s, DType::kF32, attrs.f("y_scale")), number(attrs.i("y_zero_point"))});
  const int64_t lowest = dtype == DType::kI8 ? -128 : 0, least = attrs.i("least"), most = attrs.i("most");
  const Expr low = least > lowest ? number(least) : Expr(), high = most < lowest + 255 ? number(most) : Expr();
  return low.valid() || high.valid() ? make(s, "Clip", {y, low, high}) : y;
}

template <Expr (*combine)(Expr, Expr)>
Status pair_body(BodyContext& c) {
  const Expr a = numbers_of(c, 0, "a_scale", "a_zero_point"), b = numbers_of(c, 1, "b_scale", "b_zero_point");
  c.set_output(0, codes_of(c, combine(a, b)));
  return {};
}

Status sums_body(BodyContext& c) {
  c.set_output(0, codes_of(c, cast(c.input(0), DType::kF32) * c.input(1) + c.input(2)));
  return {};
}

Status look_up_body(BodyContext& c) {
  const Expr x = c.input(0), place = cast(x, DType::kI32);
  const Expr table = constant(c.scope(), c.attrs().tensor("table"));
  c.set_output(0, make(c.scope(), "Gather", {table, x.dtype() == DType::kI8 ? place + 128.0 : place}));
  return {};
}

Status mean_body(BodyContext& c) {
  const Expr x = numbers_of(c, 0, "x_scale", "x_zero_point");
  const Attrs keep{{"keepdims", c.attrs().i("keepdims")}};
  c.set_output(0, codes_of(c, make(c.scope(), "ReduceMean", {x, c.input(1)}, keep)));
  return {};
}

Status average_pool_body(BodyContext& c) {
  Attrs window = c.attrs();
  for (const char* name : {"x_scale", "x_zero_point", "y_scale", "y_zero_point", "least", "most", "output_dtype"}) {
    window.erase(name);
  }
  const Expr x = numbers_of(c, 0, "x_scale", "x_zero_point");
  c.set_output(0, codes_of(c, make(c.scope(), "AveragePool", {x}, std::move(window))));
  return {};
}

constexpr const char* kQLinearAveragePool = "weft.QLinearAveragePool";

// What the result is quantized as.
OpDef& with_result_code(OpDef& op) {
  return op.internal()
      .types("T3", kCodes)
      .required_dtype_attr("output_dtype", "Dtype of y.")
      .required_attr("y_scale", AttrKind::kFloat, "As in QuantizeLinear.")
      .required_attr("y_zero_point", AttrKind::kInt, "As in QuantizeLinear.")
      .required_attr("least", AttrKind::kInt, "Results below this become it.")
      .required_attr("most", AttrKind::kInt, "Results above this become it; not below `least`.")
      .no_gradient("its output is rounded, and changes in steps");
}

OpDef& pair_schema(OpDef& op) {
  return with_result_code(op)
      .types("T", kCodes)
      .types("T2", kCodes | set_of(DType::kF32))
      .attr("a_scale", 1.0, "As in DequantizeLinear.")
      .attr("a_zero_point", int64_t{0}, "As in DequantizeLinear.")
      .attr("b_scale", 1.0, "As in DequantizeLinear; nothing for f32.")
      .attr("b_zero_point", int64_t{0}, "As in DequantizeLinear; nothing for f32.")
      .input("a", "T", "Any shape.")
      .input("b", "T2", "Quantized, or numbers; broadcasts with a as in NumPy.")
      .output("y", "T3", "The broadcast shape of a and b.")
      .elementwise()
      .inplace(0, 0)
      .infer(infer_broadcast_code);
}

OpDef& mean_schema(OpDef& op) {
  return with_result_code(op)
      .types("T", kCodes)
      .attr("x_scale", 1.0, "As in DequantizeLinear.")
      .attr("x_zero_point", int64_t{0}, "As in DequantizeLinear.");
}

OpDef& average_pool_schema(OpDef& op, const char* x, const char* y) {
  return mean_schema(op)
      .required_attr("kernel_shape", AttrKind::kInts, "As in AveragePool.")
      .attr("auto_pad", "NOTSET", "As in AveragePool.")
      .flag("ceil_mode", false, "As in AveragePool.")
      .flag("count_include_pad", false, "As in AveragePool.")
      .optional_attr("dilations", AttrKind::kInts, "As in AveragePool.")
      .optional_attr("pads", AttrKind::kInts, "As in AveragePool.")
      .optional_attr("strides", AttrKind::kInts, "As in AveragePool.")
      .input("x", "T", x)
      .output("y", "T3", y);
}

}  // namespace

void define_op_quantized(OpRegistry& ops) {
  pair_schema(ops.add(kWeftDomain, "QLinearAdd"))
      .doc("The sum of the numbers that a and b stand for, quantized.")
      .body(pair_body < operator+>);
  pair_schema(ops.add(kWeftDomain, "QLinearMul"))
      .doc("The product of the numbers that a and b stand for, quantized.")
      .body(pair_body < operator*>);
  with_result_code(ops.add(kWeftDomain, "QuantizeSums"))
      .doc("`x * scale + addend`, computed in f32, quantized: what comes behind sums of products of integers.")
      .input("x", "i32", "Any shape.")
      .input("scale", "f32", "What x counts in; broadcasts with it as in NumPy.")
      .input("addend", "f32", "Broadcasts with x as in NumPy.")
      .output("y", "T3", "The broadcast shape of all inputs.")
      .elementwise()
      .infer(infer_broadcast_code)
      .body(sums_body);
  ops.add(kWeftDomain, "LookUpBytes")
      .internal()
      .doc("What a table has for each number of x, beginning with the least that its type holds.")
      .types("T", kCodes)
      .types("T3", kCodes)
      .required_attr("table", AttrKind::kTensor, "[256], of the dtype of y.")
      .input("x", "T", "Any shape.")
      .output("y", "T3", "The shape of x.")
      .no_gradient("its output changes in steps")
      .elementwise()
      .inplace(0, 0)
      .infer(infer_look_up)
      .body(look_up_body);
  mean_schema(ops.add(kWeftDomain, "QLinearReduceMean"))
      .doc("The mean over the axes of the numbers that x stands for, quantized.")
      .flag("keepdims", true, "As in ReduceMean.")
      .input("x", "T", "Any tensor.")
      .input("axes", "i64", "The axes; negative counts from the end.")
      .shapes_outputs()
      .output("y", "T3", "The reduced tensor.")
      .body(mean_body);
  average_pool_schema(ops.add(kWeftDomain, "QLinearAveragePool"), "[N, C, D1, ...].", "[N, C, O1, ...].")
      .doc("AveragePool of the numbers that x stands for, quantized.")
      .infer(infer_pooled_code)
      .body(average_pool_body);
  average_pool_schema(ops.add(kWeftDomain, "ChannelsLastQLinearAveragePool"), "[N, D1, ..., C].", "[N, O1, ..., C].")
      .doc("QLinearAveragePool, with the channels of x and y last.")
      .infer(infer_pooled_code_last)
      .body(between_transposes<kQLinearAveragePool>);
}

}  // namespace weft
