// Reductions over axes: the Reduce family.
#include "core/graph/expr.h"

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
  if (!c.has_rank(0)) return {};
  int64_t rank = c.rank(0);
  bool keep = c.attrs().b("keepdims");
  auto axes = known_axes(c, rank);
  if (!axes) {
    if (keep) c.set_dims(0, c.fresh_dims(rank));
    return {};
  }
  std::vector<bool> reduced(rank, false);
  for (int64_t given : *axes) {
    WEFT_TRY(int64_t axis, InferContext::axis(given, rank));
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

// A value of the reduced shape, broadcast back to the input's.
Expr spread(GradContext& c, Expr value) {
  Expr x = c.input(0);
  if (!c.attrs().b("keepdims") && x.has_rank()) {
    // The shape with 1 where it was reduced.
    Attrs keep = c.attrs();
    keep.set("keepdims", int64_t{1});
    std::vector<Expr> inputs{x};
    if (c.has_input(1)) inputs.push_back(c.input(1));
    value = reshape(value, shape_of(make(c.scope(), "ReduceSum", inputs, std::move(keep))));
  } else if (!c.attrs().b("keepdims")) {
    c.scope().fail(unimplemented("the gradient of a reduction needs the rank of its input"));
  }
  return value;
}

Expr again(GradContext& c, const char* op, Expr x) {
  Attrs keep = c.attrs();
  keep.set("keepdims", int64_t{1});
  std::vector<Expr> inputs{x};
  if (c.has_input(1)) inputs.push_back(c.input(1));
  return make(c.scope(), op, inputs, std::move(keep));
}

Expr is_zero(Expr x) { return make(x.scope(), "Equal", {x, scalar_like(x, 0)}); }

// How many elements went into each result, in the dtype of x.
Expr group_size(GradContext& c) {
  Expr x = c.input(0);
  Expr ones = fill_like(x, 1);
  return again(c, "ReduceSum", ones);
}

using Rule = Expr (*)(GradContext& c, Expr x, Expr y, Expr dy);  // y and dy with the reduced dimensions kept
template <Rule rule>
Status grad(GradContext& c) {
  Expr x = c.input(0);
  Expr dx = rule(c, x, spread(c, c.output(0)), spread(c, c.grad(0)));
  c.set_grad(0, expand_like(dx, x));
  return {};
}

Expr sum(GradContext&, Expr, Expr, Expr dy) { return dy; }
Expr mean(GradContext& c, Expr, Expr, Expr dy) { return dy / group_size(c); }
Expr sum_square(GradContext&, Expr x, Expr, Expr dy) { return dy * (x + x); }
Expr l1(GradContext& c, Expr x, Expr, Expr dy) { return dy * make(c.scope(), "Sign", {x}); }
// A zero vector has the gradient 0.
Expr l2(GradContext&, Expr x, Expr y, Expr dy) {
  Expr zero = is_zero(y);
  return where(zero, scalar_like(x, 0), dy * x / where(zero, scalar_like(y, 1), y));
}
Expr log_sum(GradContext& c, Expr x, Expr, Expr dy) { return dy / again(c, "ReduceSum", x); }
Expr log_sum_exp(GradContext& c, Expr x, Expr y, Expr dy) { return dy * make(c.scope(), "Exp", {x - y}); }
// The gradient is shared evenly among equal extremes.
Expr extreme(GradContext& c, Expr x, Expr y, Expr dy) {
  Expr hit = cast(make(c.scope(), "Equal", {x, y}), x.dtype());
  return dy * hit / again(c, "ReduceSum", hit);
}
// Without division by x: with the zeros taken out, the product of the others is the gradient of a single zero, and
// of none where there are two. Its own gradient is that of products of the others as well.
Expr prod(GradContext& c, Expr x, Expr, Expr dy) {
  return dy * make(c.scope(), "weft.ProdOthers",
                   c.has_input(1) ? std::vector<Expr>{x, c.input(1)} : std::vector<Expr>{x},
                   {{"noop_with_empty_axes", c.attrs().i("noop_with_empty_axes")}});
}

struct Row {
  const char* name;
  GradFn grad;
  DTypeSet types;
  int axes_input_since;
  const char* doc;
};
constexpr DTypeSet kReducible = kFloatTypes | set_of(DType::kI32, DType::kI64, DType::kU32, DType::kU64);
const Row kRows[] = {
    {"ReduceSum", grad<sum>, kReducible, 13, "The sum over the axes."},
    {"ReduceMean", grad<mean>, kReducible, 18, "The mean over the axes."},
    {"ReduceMax", grad<extreme>, kReducible | set_of(DType::kI8, DType::kU8, DType::kBool), 18,
     "The maximum over the axes; NaN if there is one. Equal maxima share the gradient evenly."},
    {"ReduceMin", grad<extreme>, kReducible | set_of(DType::kI8, DType::kU8, DType::kBool), 18,
     "The minimum over the axes; NaN if there is one. Equal minima share the gradient evenly."},
    {"ReduceProd", grad<prod>, kReducible, 18, "The product over the axes. Its gradient is exact where factors are 0."},
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

// The product of the others along the reduced axes: the derivative of ReduceProd. Made of exclusive products from
// both ends over one flattened axis, so that it is exact with zeros and differentiates itself.
Status prod_others(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.input(0);
  if (!x.has_rank()) return unimplemented("the gradient of ReduceProd needs the rank of its input");
  if (c.has_input(1) && c.input(1).has_rank() && c.input(1).rank() != 1) {
    return invalid("input 'axes' must have one dimension but is ", c.input(1).type().text());
  }
  int64_t rank = x.rank();
  std::vector<bool> reduced(rank, !c.has_input(1));
  if (c.has_input(1)) {
    const ValueType& type = c.input(1).type();
    if (type.ints == nullptr || !all_known(*type.ints)) {
      return unimplemented("the gradient of ReduceProd needs axes that are constant");
    }
    for (const Dim& axis : *type.ints) {
      WEFT_TRY(int64_t at, InferContext::axis(axis.value(), rank));
      reduced[at] = true;
    }
    if (type.ints->empty() && c.attrs().i("noop_with_empty_axes") == 0) reduced.assign(rank, true);
  }
  std::vector<int64_t> perm, kept, gone;
  for (int64_t i = 0; i < rank; ++i) (reduced[i] ? gone : kept).push_back(i);
  perm = kept;
  perm.insert(perm.end(), gone.begin(), gone.end());
  std::vector<int64_t> inverse(rank);
  for (int64_t i = 0; i < rank; ++i) inverse[perm[i]] = i;
  Expr moved = transpose(x, perm);
  Expr rows = make(s, "Flatten", {moved}, {{"axis", static_cast<int64_t>(kept.size())}});
  Expr n = make(s, "Shape", {rows}, {{"start", int64_t{1}}});
  // [rows, n, n] with 1 on the diagonal, multiplied along the last axis.
  Expr index = make(s, "Range", {constant_int(s, 0), squeeze(n, {0}), constant_int(s, 1)});
  Expr diagonal = make(s, "Equal", {unsqueeze(index, {0}), unsqueeze(index, {1})});
  Expr others = where(diagonal, scalar_like(x, 1), unsqueeze(rows, {1}));
  Expr product = make(s, "ReduceProd", {others, constant_ints(s, {2})}, {{"keepdims", int64_t{0}}});
  c.set_output(0, transpose(reshape(product, shape_of(moved)), inverse));
  return {};
}

}  // namespace

void define_op_reduce(OpRegistry& ops) {
  for (const Row& row : kRows) {
    OpDef& op = ops.add(row.name)
                    .group("reduce")
                    .since(row.axes_input_since)
                    .doc(row.doc)
                    .types("T", row.types)
                    .attr("keepdims", int64_t{1}, "1: reduced dimensions stay, as 1; 0: they go.")
                    .attr("noop_with_empty_axes", int64_t{0}, "1: no axes means nothing is reduced; 0: all are.")
                    .input("data", "T", "Any tensor.")
                    .optional_input("axes", "i64", "The axes; negative counts from the end.")
                    .shapes_outputs()
                    .output("reduced", "T", "The reduced tensor.")
                    .infer(infer)
                    .grad(row.grad);
    op.upgrade(row.axes_input_since, axes_to_input<18>);
  }
  ops.add(kWeftDomain, "ProdOthers")
      .group("reduce")
      .doc("For each element, the product of the others that ReduceProd multiplies it with; costs n^2 for n factors.")
      .types("T", kFloatTypes)
      .attr("noop_with_empty_axes", int64_t{0}, "As in ReduceProd.")
      .input("data", "T", "Any tensor.")
      .optional_input("axes", "i64", "As in ReduceProd; constant.")
      .shapes_outputs()
      .output("others", "T", "The shape of data.")
      .body(prod_others);
}

}  // namespace weft
