// Pools: the greatest, the mean, the sum and the norm of each window or of each whole plane.
#include <cmath>

#include "core/op/window.h"
#include "core/ops/downgrade_common.h"
#include "core/ops/pool_common.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

// The shape of what the windows make of input `x`, which has a rank.
Result<Dims> pooled(InferContext& c, int x) {
  int64_t spatial = c.rank(x) - 2;
  if (spatial < 1) return invalid("X must be [N, C, D1, ...] but is ", c.input(x).text());
  WEFT_TRY(Window window, read_window(c.attrs(), spatial, {}));
  bool ceil = c.attrs().b("ceil_mode");
  Dims out{c.dims(x)[0], c.dims(x)[1]};
  for (int64_t i = 0; i < spatial; ++i) {
    WEFT_TRY(Dim size, window.output_size(i, c.dims(x)[i + 2], ceil));
    out.push_back(ceil && !size.known() ? c.fresh() : size);
  }
  return out;
}

Status infer_max_pool(InferContext& c) {
  int64_t order = c.attrs().i("storage_order");
  if (order != 0 && order != 1) return invalid("attribute 'storage_order' must be 0 or 1 but is ", order);
  return infer_pool(c);
}

// The gradient goes to the element that was picked: the first of equal ones.
Status grad_max_pool(GradContext& c) {
  bool flat = c.output_count() > 1 && c.attrs().i("storage_order") == 0;
  Attrs row_by_row = c.attrs();
  row_by_row.set("storage_order", int64_t{0});
  Expr indices = flat ? c.output(1) : make_all(c.scope(), "MaxPool", {c.input(0)}, std::move(row_by_row), 2)[1];
  c.set_grad(0, make(c.scope(), "weft.ScatterAt", {c.grad(0), indices, c.input(0)}));
  return {};
}

Status infer_scatter_at(InferContext& c) {
  if (c.has_rank(2)) c.set_dims(0, c.dims(2));
  return c.has_rank(0) ? c.check_shape(1, c.dims(0), "the values") : Status();
}
Status infer_gather_at(InferContext& c) {
  if (c.has_rank(1)) c.set_dims(0, c.dims(1));
  return {};
}
Status grad_scatter_at(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.GatherAt", {c.grad(0), c.input(1)}));
  return {};
}
Status grad_gather_at(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.ScatterAt", {c.grad(0), c.input(1), c.input(0)}));
  return {};
}

Status grad_average_pool(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.AveragePoolGrad", {c.grad(0), c.input(0)}, c.attrs()));
  return {};
}
Status infer_average_pool_grad(InferContext& c) {
  if (!c.has_rank(1)) return {};
  WEFT_TRY(Dims pool, pooled(c, 1));
  c.set_dims(0, c.dims(1));
  return c.check_shape(0, pool, "the pool of X");
}
Status grad_average_pool_grad(GradContext& c) {
  c.set_grad(0, make(c.scope(), "AveragePool", {c.grad(0)}, c.attrs()));
  return {};
}

Status grad_sum_pool(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.SumPoolGrad", {c.grad(0), c.input(0)}, c.attrs()));
  return {};
}
Status grad_sum_pool_grad(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.SumPool", {c.grad(0)}, c.attrs()));
  return {};
}

Result<int64_t> norm_of(BodyContext& c) {
  const int64_t p = c.attrs().i("p");
  if (p < 1) return invalid("attribute 'p' is ", p, " but must be at least 1");
  return p;
}
Expr to_power(Expr x, int64_t p) {
  if (p == 2) return x * x;
  Expr size = make(x.scope(), "Abs", {x});
  return p == 1 ? size : make(x.scope(), "Pow", {size, scalar_like(x, static_cast<double>(p))});
}
// Zeros have the norm 0, and no part in the gradient, which is infinite there.
Expr root_of(Expr sum, double p) {
  if (p == 1) return sum;
  ExprScope& s = sum.scope();
  Expr nothing = make(s, "Equal", {sum, scalar_like(sum, 0)});
  Expr some = where(nothing, scalar_like(sum, 1), sum);
  Expr root = p == 2 ? make(s, "Sqrt", {some}) : make(s, "Pow", {some, scalar_like(sum, 1.0 / p)});
  return where(nothing, scalar_like(sum, 0), root);
}

Status lp_pool(BodyContext& c) {
  WEFT_TRY(int64_t p, norm_of(c));
  Attrs window = c.attrs();
  window.erase("p");
  Expr sum = make(c.scope(), "weft.SumPool", {to_power(c.input(0), p)}, std::move(window));
  c.set_output(0, root_of(sum, static_cast<double>(p)));
  return {};
}

// The first version had broken powers too: what is pooled are powers then, and the root is taken of their sums.
Status whole_power(UpgradeContext& c) {
  const AttrValue* p = c.attrs.find("p");
  if (p == nullptr || p->kind() != AttrKind::kFloat) return {};
  const double power = p->f();
  if (power == std::floor(power) && std::fabs(power) < 1e9) {
    c.attrs.set("p", static_cast<int64_t>(power));
    return {};
  }
  if (!(power >= 1) || std::isinf(power)) {
    return invalid("attribute 'p' is ", power, " but must be a number of at least 1");
  }
  if (c.inputs.size() != 1) return invalid("it has ", c.inputs.size(), " inputs but must have one, 'X'");
  ExprScope s(c.graph());
  const Expr x(s, c.inputs[0]);
  c.attrs.set("p", int64_t{1});
  const Expr powers = make(s, "Pow", {make(s, "Abs", {x}), scalar_like(x, power)});
  const Expr norm = root_of(make(s, c.op, {powers}, std::move(c.attrs)), power);
  c.op = "Identity";
  c.inputs = {norm.id()};
  c.attrs = Attrs();
  return s.status();
}

// Over the spatial axes, of which there is at least one.
Result<Expr> over_space(BodyContext& c, Expr x, const char* reduction) {
  Expr axes;
  if (x.has_rank()) {
    if (x.rank() < 3) return invalid("X must be [N, C, D1, ...] but is ", x.type().text());
    std::vector<int64_t> spatial;
    for (int64_t i = 2; i < x.rank(); ++i) spatial.push_back(i);
    axes = constant_ints(c.scope(), spatial);
  } else {
    axes = concat({constant_ints(c.scope(), {2}), axes_from(x, 3)}, 0);  // without a spatial axis the first is wrong
  }
  return make(c.scope(), reduction, {x, axes}, {{"keepdims", int64_t{1}}});
}

Status global_average(BodyContext& c) {
  WEFT_TRY(Expr y, over_space(c, c.input(0), "ReduceMean"));
  c.set_output(0, y);
  return {};
}
Status global_max(BodyContext& c) {
  WEFT_TRY(Expr y, over_space(c, c.input(0), "ReduceMax"));
  c.set_output(0, y);
  return {};
}
Status global_lp(BodyContext& c) {
  WEFT_TRY(int64_t p, norm_of(c));
  Expr x = p > 2 ? to_power(c.input(0), p) : c.input(0);
  WEFT_TRY(Expr y, over_space(c, x, p == 1 ? "ReduceL1" : p == 2 ? "ReduceL2" : "ReduceSum"));
  c.set_output(0, p > 2 ? root_of(y, static_cast<double>(p)) : y);
  return {};
}

// To the first of equal ones alone, as that of MaxPool.
Status grad_global_max(GradContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.input(0);
  Expr size = count_behind(x, 1);
  Expr flat = reshape(x, concat({make(s, "Shape", {x}, {{"end", int64_t{2}}}), size}, 0));
  Expr place = make(s, "ArgMax", {flat}, {{"axis", int64_t{2}}, {"keepdims", int64_t{1}}});
  Expr planes = make(s, "Range", {constant_int(s, 0), make(s, "Size", {place}), constant_int(s, 1)});
  Expr index = place + reshape(planes, shape_of(place)) * size;
  c.set_grad(0, make(s, "weft.ScatterAt", {reshape(c.grad(0), shape_of(place)), index, x}));
  return {};
}

OpDef& window_schema(OpDef& op) {
  return op.required_attr("kernel_shape", AttrKind::kInts, "Size of the window along each spatial axis.")
      .attr("auto_pad", "NOTSET",
            "NOTSET: `pads` holds; SAME_UPPER, SAME_LOWER: output size is input size / stride rounded up; VALID: none.")
      .flag("ceil_mode", false, "Whether output sizes are rounded up.")
      .optional_attr("dilations", AttrKind::kInts, "Distance of the window's elements; 1 if not given.")
      .optional_attr("pads", AttrKind::kInts, "Padding before each spatial axis, then after each; 0 if not given.")
      .optional_attr("strides", AttrKind::kInts, "Step along each spatial axis; 1 if not given.");
}

}  // namespace

Status infer_pool(InferContext& c) {
  if (!c.has_rank(0)) return {};
  WEFT_TRY(Dims out, pooled(c, 0));
  for (int i = 0; i < c.output_count(); ++i) c.set_dims(i, out);
  return {};
}

void define_op_pool(OpRegistry& ops) {
  window_schema(ops.add("MaxPool"))
      .group("nn/pool")
      .since(22)
      .doc(
          "The maximum of each window. Of equal ones the first counts, for the indices and for the gradient. That of a "
          "window of padding alone is the lowest finite number, with the index -1.")
      .types("T", kFloatTypes | set_of(DType::kI8, DType::kU8))
      .attr("storage_order", int64_t{0}, "0: indices count row by row; 1: column by column within each channel.")
      .input("X", "T", "[N, C, D1, ...].")
      .output("Y", "T", "[N, C, O1, ...].")
      .optional_output("Indices", "i64", "Of each maximum: its place in X as a flat tensor.")
      .infer(infer_max_pool)
      .grad(grad_max_pool)
      .downgrade(10, without_dilations);
  window_schema(ops.add("AveragePool"))
      .group("nn/pool")
      .since(22)
      .doc("The mean of each window.")
      .types("T", kFloatTypes)
      .flag("count_include_pad", false, "Whether padding counts, as zeros.")
      .input("X", "T", "[N, C, D1, ...].")
      .output("Y", "T", "[N, C, O1, ...].")
      .infer(infer_pool)
      .grad(grad_average_pool)
      .downgrade(19, without_dilations);
  window_schema(ops.add(kWeftDomain, "AveragePoolGrad"))
      .group("gradient/pool")
      .doc("The gradient of AveragePool by X, given that of Y.")
      .types("T", kFloatTypes)
      .flag("count_include_pad", false, "As in AveragePool.")
      .input("dY", "T", "[N, C, O1, ...].")
      .input("X", "T", "A tensor whose shape is taken.")
      .shape_only()
      .output("dX", "T", "The shape of X.")
      .infer(infer_average_pool_grad)
      .grad(grad_average_pool_grad);
  window_schema(ops.add(kWeftDomain, "SumPool"))
      .group("nn/pool")
      .doc("The sum of each window.")
      .types("T", kFloatTypes)
      .input("X", "T", "[N, C, D1, ...].")
      .output("Y", "T", "[N, C, O1, ...].")
      .infer(infer_pool)
      .grad(grad_sum_pool);
  window_schema(ops.add(kWeftDomain, "SumPoolGrad"))
      .group("gradient/pool")
      .doc("The gradient of weft.SumPool by X, given that of Y.")
      .types("T", kFloatTypes)
      .input("dY", "T", "[N, C, O1, ...].")
      .input("X", "T", "A tensor whose shape is taken.")
      .shape_only()
      .output("dX", "T", "The shape of X.")
      .infer(infer_average_pool_grad)
      .grad(grad_sum_pool_grad);
  window_schema(ops.add("LpPool"))
      .group("nn/pool")
      .since(22)
      .doc("The norm of each window: `sum(|x|^p)^(1/p)`. A window of zeros adds nothing to the gradient.")
      .types("T", kFloatTypes)
      .attr("p", int64_t{2}, "Which norm; at least 1.")
      .input("X", "T", "[N, C, D1, ...].")
      .output("Y", "T", "[N, C, O1, ...].")
      .upgrade(2, whole_power)
      .downgrade(18, without_dilations)
      .body(lp_pool);
  ops.add("GlobalAveragePool")
      .group("nn/pool")
      .since(22)
      .doc("The mean over all spatial axes.")
      .types("T", kFloatTypes)
      .input("X", "T", "[N, C, D1, ...].")
      .output("Y", "T", "[N, C, 1, ...].")
      .body(global_average);
  ops.add("GlobalMaxPool")
      .group("nn/pool")
      .since(22)
      .doc("The maximum over all spatial axes; NaN if there is one. The gradient goes to the first of equal ones.")
      .types("T", kFloatTypes)
      .input("X", "T", "[N, C, D1, ...].")
      .output("Y", "T", "[N, C, 1, ...].")
      .body(global_max)
      .grad(grad_global_max);
  ops.add("GlobalLpPool")
      .group("nn/pool")
      .since(22)
      .doc("The norm over all spatial axes: `sum(|x|^p)^(1/p)`. Zeros alone have the gradient 0.")
      .types("T", kFloatTypes)
      .attr("p", int64_t{2}, "Which norm; at least 1.")
      .input("X", "T", "[N, C, D1, ...].")
      .output("Y", "T", "[N, C, 1, ...].")
      .upgrade(2, whole_power)
      .body(global_lp);
  ops.add(kWeftDomain, "ScatterAt")
      .group("gradient/shape")
      .doc("Zeros in the shape of `like`, to which `values` are added at flat `indices`, in order; nothing at -1.")
      .types("T", kFloatTypes)
      .input("values", "T", "Any shape.")
      .input("indices", "i64", "The shape of values: places in `like` as a flat tensor.")
      .input("like", "T", "A tensor whose shape is taken.")
      .shape_only()
      .output("output", "T", "The shape of like.")
      .infer(infer_scatter_at)
      .grad(grad_scatter_at);
  ops.add(kWeftDomain, "GatherAt")
      .group("gradient/shape")
      .doc("The elements of `data`, as a flat tensor, at `indices`; 0 for -1.")
      .types("T", kFloatTypes)
      .input("data", "T", "Any shape.")
      .input("indices", "i64", "Any shape.")
      .output("output", "T", "The shape of indices.")
      .infer(infer_gather_at)
      .grad(grad_gather_at);
}

}  // namespace weft
