// Reductions over axes: the Reduce family.
#include "core/ops/downgrade_common.h"
#include "core/ops/elementwise_common.h"

namespace weft {
namespace {

// The axes as given, or all; nothing if they are not known yet.
std::optional<std::vector<int64_t>> known_axes(const InferContext& c, int64_t rank) {
  if (!c.has_input(1)) {
    std::vector<int64_t> all;
    if (!c.attrs().b("noop_with_empty_axes")) {
      for (int64_t i = 0; i < rank; ++i) all.push_back(i);
    }
    return all;
  }
  auto axes = c.numbers(1);
  if (axes && axes->empty() && !c.attrs().b("noop_with_empty_axes")) {
    for (int64_t i = 0; i < rank; ++i) axes->push_back(i);
  }
  return axes;
}

Status infer(InferContext& c) {
  WEFT_CHECK(c.check_vector(1));
  bool keep = c.attrs().b("keepdims");
  if (!c.has_rank(0)) {
    // Of all axes together there is one number, however many there are.
    const bool all = !c.has_input(1) || (c.has_rank(1) && c.rank(1) == 1 && c.dims(1)[0].is(0));
    if (all && !keep && !c.attrs().b("noop_with_empty_axes")) c.set_dims(0, {});
    return {};
  }
  int64_t rank = c.rank(0);
  auto axes = known_axes(c, rank);
  if (!axes) {
    // How many there are tells the rank.
    bool counted = c.has_rank(1) && c.rank(1) == 1 && c.dims(1)[0].known();
    int64_t count = counted ? c.dims(1)[0].value() : 0;
    if (count == 0 && counted && !c.attrs().b("noop_with_empty_axes")) count = rank;
    if (count > rank) return invalid(count, " axes were given for ", c.input(0).text());
    if (keep || counted) c.set_dims(0, c.fresh_dims(keep ? rank : rank - count));
    return {};
  }
  std::vector<bool> reduced(rank, false);
  for (int64_t given : *axes) {
    WEFT_TRY(int64_t axis, InferContext::axis(given, rank));
    if (reduced[axis]) return invalid("axis ", given, " is given twice");
    reduced[axis] = true;
  }
  Dims out;
  for (int64_t i = 0; i < rank; ++i) {
    if (!reduced[i])
      out.push_back(c.dims(0)[i]);
    else if (keep)
      out.push_back(Dim(1));
  }
  c.set_dims(0, std::move(out));
  return {};
}

// Of a list that is known, as of the dimensions of a shape, one number.
template <IntsFn join, int64_t first>
Status infer_with_ints(InferContext& c) {
  WEFT_CHECK(infer(c));
  const ValueType& out = c.output(0);
  if (c.ints(0) == nullptr || !c.has_rank(0) || c.rank(0) != 1 || out.dtype != DType::kI64) return {};
  const auto axes = known_axes(c, 1);
  if (!axes || axes->empty()) return {};
  std::optional<Dim> joined(first);
  for (size_t i = 0; joined && i < c.ints(0)->size(); ++i) joined = join({*joined, (*c.ints(0))[i]});
  if (joined) c.set_ints(0, {*joined});
  return {};
}

// Another reduction over the same axes, which stay, as 1.
Expr again(GradContext& c, const char* op, Expr x) {
  Attrs keep = c.attrs();
  keep.set("keepdims", int64_t{1});
  std::vector<Expr> inputs{x};
  if (c.has_input(1)) inputs.push_back(c.input(1));
  return make(c.scope(), op, inputs, std::move(keep));
}

// A value of the reduced shape, with 1 where it was reduced.
Expr spread(GradContext& c, Expr value) {
  return c.attrs().b("keepdims") ? value : reshape(value, shape_of(again(c, "ReduceSum", c.input(0))));
}

Expr is_zero(Expr x) { return make(x.scope(), "Equal", {x, scalar_like(x, 0)}); }

// How many elements went into each result.
Expr group_size(GradContext& c) {
  Expr x = c.input(0);
  Expr one = scalar(c.scope(), counting_dtype(x.dtype()), 1);
  return again(c, "ReduceSum", expand_like(one, x));
}

// The quotient in the dtype of dy, for a count in the one for that.
Expr shared_among(Expr dy, Expr count) { return cast(cast(dy, count.dtype()) / count, dy.dtype()); }

using Rule = Expr (*)(GradContext& c, Expr x, Expr y, Expr dy);  // y and dy with the reduced dimensions kept
template <Rule rule>
Status grad(GradContext& c) {
  Expr x = c.input(0);
  Expr dx = rule(c, x, spread(c, c.output(0)), spread(c, c.grad(0)));
  c.set_grad(0, expand_like(dx, x));
  return {};
}

Expr sum(GradContext&, Expr, Expr, Expr dy) { return dy; }
Expr mean(GradContext& c, Expr, Expr, Expr dy) { return shared_among(dy, group_size(c)); }
Expr sum_square(GradContext&, Expr x, Expr, Expr dy) { return grad_mul(dy, x + x); }
Expr l1(GradContext& c, Expr x, Expr, Expr dy) { return grad_mul(dy, make(c.scope(), "Sign", {x})); }
// A zero vector has the gradient 0.
Expr l2(GradContext&, Expr x, Expr y, Expr dy) {
  Expr zero = is_zero(y);
  return where(zero, scalar_like(x, 0), grad_mul(dy, x / where(zero, scalar_like(y, 1), y)));
}
Expr log_sum(GradContext& c, Expr x, Expr, Expr dy) { return grad_div(dy, again(c, "ReduceSum", x)); }
Expr log_sum_exp(GradContext& c, Expr x, Expr y, Expr dy) { return grad_mul(dy, make(c.scope(), "Exp", {x - y})); }
// The gradient is shared evenly among equal extremes.
Expr extreme(GradContext& c, Expr x, Expr y, Expr dy) {
  Expr hit = make(c.scope(), "Equal", {x, y});
  Expr count = again(c, "ReduceSum", cast(hit, counting_dtype(x.dtype())));
  return where(hit, shared_among(dy, count), scalar_like(x, 0));
}
// A product at places, as of ScatterND, where the place of an element is that of its group.
Expr prod(GradContext& c, Expr x, Expr, Expr dy) {
  ExprScope& s = c.scope();
  Expr kept = again(c, "ReduceSum", x);
  Expr groups = make(s, "Range", {constant_int(s, 0), make(s, "Size", {kept}), constant_int(s, 1)});
  Expr places = unsqueeze(expand_like(reshape(groups, shape_of(kept)), x), {-1});
  Expr weights = reshape(dy, constant_ints(s, {-1}));
  Expr before = make_all(s, "weft.ScatterScan", {fill_like(weights, 1), places, x}, {}, 2)[1];
  Expr after = make_all(s, "weft.ScatterScan", {weights, places, x}, {{"reverse", int64_t{1}}}, 2)[1];
  return grad_mul(after, before);
}

struct Row {
  const char* name;
  GradFn grad;
  DTypeSet types;
  int axes_input_since;
  const char* doc;
  Status (*shape)(InferContext&) = infer;
};
constexpr DTypeSet kReducible = kFloatTypes | set_of(DType::kI32, DType::kI64, DType::kU32, DType::kU64);
const Row kRows[] = {
    {"ReduceSum", grad<sum>, kReducible, 13, "The sum over the axes.", infer_with_ints<add_ints, 0>},
    {"ReduceMean", grad<mean>, kReducible, 18, "The mean over the axes."},
    {"ReduceMax", grad<extreme>, kReducible | set_of(DType::kI8, DType::kU8, DType::kBool), 18,
     "The maximum over the axes; NaN if there is one. Equal maxima share the gradient evenly."},
    {"ReduceMin", grad<extreme>, kReducible | set_of(DType::kI8, DType::kU8, DType::kBool), 18,
     "The minimum over the axes; NaN if there is one. Equal minima share the gradient evenly."},
    {"ReduceProd", grad<prod>, kReducible, 18, "The product over the axes. Its gradient is exact where factors are 0.",
     infer_with_ints<mul_ints, 1>},
    {"ReduceSumSquare", grad<sum_square>, kReducible, 18, "The sum of the squares over the axes."},
    {"ReduceL1", grad<l1>, kReducible, 18, "The sum of the magnitudes over the axes."},
    {"ReduceL2", grad<l2>, kReducible, 18,
     "The root of the sum of the squares over the axes. The gradient of a zero vector is 0."},
    {"ReduceLogSum", grad<log_sum>, kReducible, 18, "The logarithm of the sum over the axes."},
    {"ReduceLogSumExp", grad<log_sum_exp>, kReducible, 18,
     "The logarithm of the sum of the exponentials over the axes, without overflow."},
};

template <int version>
Status axes_to_input(UpgradeContext& c) {
  return c.attr_to_input("axes", 1);
}

// Without the attribute all axes are meant.
Status axes_to_attr(DowngradeContext& c) {
  const bool none_if_empty = c.attrs.b("noop_with_empty_axes");
  c.attrs.erase("noop_with_empty_axes");
  if (c.has_input(1)) {
    WEFT_TRY(std::vector<int64_t> axes, c.known_numbers(1));
    c.drop_input(1);
    if (!axes.empty()) {
      c.attrs.set("axes", std::move(axes));
      return {};
    }
  }
  if (!none_if_empty) return {};
  // Over an axis of one element, which is over nothing.
  c.inputs[0] = unsqueeze(c.inputs[0], {0});
  c.attrs.set("axes", std::vector<int64_t>{0});
  c.attrs.set("keepdims", int64_t{0});
  return c.scope().status();
}

}  // namespace

void define_op_reduce(OpRegistry& ops) {
  for (const Row& row : kRows) {
    OpDef& op = ops.add(row.name)
                    .group("reduce")
                    .since(row.axes_input_since)
                    .doc(row.doc)
                    .types("T", row.types)
                    .flag("keepdims", true, "Whether reduced dimensions stay, as 1.")
                    .flag("noop_with_empty_axes", false, "Whether no axes means that nothing is reduced; else all are.")
                    .input("data", "T", "Any tensor.")
                    .optional_input("axes", "i64", "The axes; negative counts from the end.")
                    .shapes_outputs()
                    .output("reduced", "T", "The reduced tensor.")
                    .infer(row.shape)
                    .grad(row.grad);
    op.upgrade(row.axes_input_since, axes_to_input<18>)
        .downgrade(row.axes_input_since, axes_to_attr)
        .downgrade(11, axes_from_front);
  }
}

}  // namespace weft
