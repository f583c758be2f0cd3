// Where along an axis something is, and sums up to there: ArgMax, ArgMin, TopK, CumSum.
#include "core/ops/downgrade_common.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

Status infer_arg(InferContext& c) {
  if (!c.has_rank(0)) return {};
  WEFT_TRY(int64_t axis, InferContext::axis(c.attrs().i("axis"), c.rank(0)));
  Dims dims = c.dims(0);
  if (dims[axis].is(0))
    return invalid("axis ", axis, " of ", c.input(0).text(), " is empty, so nothing is largest on it");
  if (c.attrs().b("keepdims"))
    dims[axis] = Dim(1);
  else
    dims.erase(dims.begin() + axis);
  c.set_dims(0, std::move(dims));
  return {};
}

Status infer_top_k(InferContext& c) {
  WEFT_CHECK(c.check_number(1));
  c.set_dtype(1, DType::kI64);
  if (!c.has_rank(0)) return {};
  WEFT_TRY(int64_t axis, InferContext::axis(c.attrs().i("axis"), c.rank(0)));
  Dims dims = c.dims(0);
  auto k = c.numbers(1);
  if (k && k->size() == 1) {
    int64_t wanted = (*k)[0];
    if (wanted < 0) return invalid("K is ", wanted, " but must not be negative");
    if (dims[axis].known() && wanted > dims[axis].value()) {
      return invalid("K is ", wanted, " but axis ", axis, " of ", c.input(0).text(), " has fewer elements");
    }
    dims[axis] = Dim(wanted);
  } else {
    const Dims* ints = c.ints(1);
    dims[axis] = ints != nullptr && ints->size() == 1 ? (*ints)[0] : c.fresh();
  }
  c.set_dims(0, dims);
  c.set_dims(1, std::move(dims));
  return {};
}

// Each element of the output goes back to where it came from.
Status grad_top_k(GradContext& c) {
  Expr x = c.input(0), indices = c.output(1);
  int64_t axis = c.attrs().i("axis");
  if (x.has_rank()) {
    WEFT_TRY(axis, InferContext::axis(axis, x.rank()));
  }
  ExprScope& s = c.scope();
  Expr count = make(s, "Size", {x});
  Expr positions = reshape(make(s, "Range", {constant_int(s, 0), count, constant_int(s, 1)}), shape_of(x));
  Expr first = make(s, "Slice", {positions, constant_ints(s, {0}), constant_ints(s, {1}), constant_ints(s, {axis})});
  Expr step = count_behind(x, axis);
  c.set_grad(0, make(s, "weft.ScatterAt", {c.grad(0), first + indices * step, x}));
  return {};
}

Status infer_cum_sum(InferContext& c) {
  WEFT_CHECK(c.check_number(1));
  auto axis = c.numbers(1);
  if (axis && axis->size() == 1 && c.has_rank(0)) WEFT_CHECK(InferContext::axis((*axis)[0], c.rank(0)).status());
  return infer_same_as_first(c);
}

Status grad_cum_sum(GradContext& c) {
  Attrs attrs = c.attrs();
  attrs.set("reverse", int64_t{!c.attrs().b("reverse")});
  c.set_grad(0, make(c.scope(), "CumSum", {c.grad(0), c.input(1)}, attrs));
  return {};
}

// Before opset 10 the number was an attribute.
Status count_to_input(UpgradeContext& c) {
  const AttrValue* k = c.attrs.find("k");
  if (k != nullptr && k->kind() == AttrKind::kInt) c.attrs.set("k", std::vector<int64_t>{k->i()});
  return c.attr_to_input("k", 1);
}

// Before opset 11 it took the largest, nothing was said of their order, and -1 alone counted from the end.
Status largest_alone(DowngradeContext& c) {
  if (!c.attrs.b("largest")) return unimplemented("it takes the smallest elements");
  c.attrs.erase("largest");
  c.attrs.erase("sorted");
  return c.attrs.i("axis") < -1 ? axes_from_front(c) : Status();
}

Status count_to_attr(DowngradeContext& c) {
  WEFT_TRY(const std::vector<int64_t> k, c.known_numbers(1));
  if (k.size() != 1 || k[0] < 1) return unimplemented("its input 'K' would have to be one number of at least 1");
  c.attrs.set("k", k[0]);
  c.drop_input(1);
  return {};
}

}  // namespace

void define_op_arg(OpRegistry& ops) {
  for (const char* name : {"ArgMax", "ArgMin"}) {
    bool max = std::string_view(name) == "ArgMax";
    ops.add(name)
        .group("reduction")
        .since(13)
        .doc(max ? "The index of the largest element along the axis; NaN counts as largest."
                 : "The index of the smallest element along the axis; NaN counts as smallest.")
        .types("T", kNumberTypes)
        .attr("axis", int64_t{0}, "The axis; negative counts from the end.")
        .flag("keepdims", true, "Whether the axis stays, with the size 1.")
        .flag("select_last_index", false, "Whether to take the last of equal elements instead of the first.")
        .input("data", "T", "At least one dimension.")
        .output("reduced", "i64", "The indices.")
        .infer(infer_arg)
        .downgrade(11, axes_from_front)
        .no_gradient("an index does not change gradually");
  }
  ops.add("TopK")
      .group("sorting")
      .since(11)
      .doc(
          "The K largest or smallest elements along an axis, and where they are. Of equal elements the one with the "
          "lower "
          "index comes first; NaN counts as largest.")
      .types("T", kNumberTypes)
      .types("K", set_of(DType::kI64))
      .attr("axis", int64_t{-1}, "The axis; negative counts from the end.")
      .flag("largest", true, "Whether to take the largest; else the smallest.")
      .flag("sorted", true, "The result is sorted in either case.")
      .input("X", "T", "At least one dimension.")
      .input("K", "K", "i64[1].")
      .shapes_outputs()
      .output("Values", "T", "The shape of X with K along the axis.")
      .output("Indices", "i64", "The shape of Values.")
      .infer(infer_top_k)
      .grad(grad_top_k)
      .upgrade(10, count_to_input)
      .downgrade(11, largest_alone)
      .downgrade(10, count_to_attr);
  ops.add("CumSum")
      .group("reduction")
      .since(14)
      .doc("Sums of all elements up to each along an axis. Integers wrap around.")
      .types("T", kFloatTypes | set_of(DType::kI32, DType::kI64, DType::kU32, DType::kU64))
      .types("T2", kIndexTypes)
      .flag("exclusive", false, "Whether the element itself is left out.")
      .flag("reverse", false, "Whether the sum begins at the end.")
      .input("x", "T", "At least one dimension.")
      .input("axis", "T2", "A number; negative counts from the end.")
      .output("y", "T", "The shape of x.")
      .infer(infer_cum_sum)
      .grad(grad_cum_sum)
      .downgrade(11, [](DowngradeContext& c) { return running_as_scan(c, "Add", 0); });
}

}  // namespace weft
