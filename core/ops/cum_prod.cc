// CumProd, and the walk along an axis that its gradient is.
#include "core/ops/downgrade_common.h"

namespace weft {
namespace {

Status check_axis(InferContext& c, int input) {
  WEFT_CHECK(c.check_number(input));
  if (c.has_rank(0) && c.rank(0) == 0) return invalid("the input must have at least one dimension");
  auto axis = c.numbers(input);
  if (axis && axis->size() == 1 && c.has_rank(0)) return InferContext::axis((*axis)[0], c.rank(0)).status();
  return {};
}

Status infer_cum_prod(InferContext& c) {
  WEFT_CHECK(check_axis(c, 1));
  return infer_same_as_first(c);
}

Status infer_scan(InferContext& c) {
  WEFT_CHECK(check_axis(c, 2));
  if (c.has_rank(0)) WEFT_CHECK(c.check_shape(1, c.dims(0), "a"));
  return infer_same_as_first(c);
}

// Both outputs of LinearScan.
std::vector<Expr> scan(Expr a, Expr b, Expr axis, bool reverse, bool late) {
  return make_all(a.scope(), "weft.LinearScan", {a, b, axis}, {{"reverse", int64_t{reverse}}, {"late", int64_t{late}}},
                  2);
}

// The product up to an element takes part in each of those behind it: what comes back from them, the last first, is
// multiplied by the elements between. Nothing is divided, so that zeros are no matter.
Status grad_cum_prod(GradContext& c) {
  Expr x = c.input(0), axis = c.input(1);
  const bool exclusive = c.attrs().b("exclusive"), reverse = c.attrs().b("reverse");
  std::vector<Expr> back = scan(x, c.grad(0), axis, !reverse, !exclusive);
  Attrs others = c.attrs();
  others.set("exclusive", int64_t{1});
  c.set_grad(0, grad_mul(back[exclusive ? 1 : 0], make(c.scope(), "CumProd", {x, axis}, std::move(others))));
  return {};
}

// It is undone by the walk the other way, in which the factor of an element is met before or behind it the other way round.
Status grad_scan(GradContext& c) {
  Expr a = c.input(0), axis = c.input(2), dy = c.grad(0);
  const bool reverse = c.attrs().b("reverse"), late = c.attrs().b("late");
  if (c.has_grad(1)) {
    Expr moved = scan(fill_like(a, 0), c.grad(1), axis, !reverse, false)[1];
    dy = c.has_grad(0) ? dy + moved : moved;
  }
  std::vector<Expr> back = scan(a, dy, axis, !reverse, !late);
  c.set_grad(1, back[0]);
  if (!c.needs(0)) return {};
  Expr before = c.output_count() > 1 ? c.output(1) : scan(a, c.input(1), axis, reverse, late)[1];
  c.set_grad(0, late ? grad_mul(back[1], c.output(0)) : grad_mul(back[0], before));
  return {};
}

}  // namespace

void define_op_cum_prod(OpRegistry& ops) {
  ops.add("CumProd")
      .group("reduction")
      .since(26)
      .doc(
          "Products of all elements up to each along an axis. Integers wrap around. The gradient is exact where "
          "factors are 0.")
      .types("T", kFloatTypes | set_of(DType::kI32, DType::kI64, DType::kU32, DType::kU64))
      .types("T2", kIndexTypes)
      .flag("exclusive", false, "Whether the element itself is left out.")
      .flag("reverse", false, "Whether the product begins at the end.")
      .input("x", "T", "At least one dimension.")
      .input("axis", "T2", "A number; negative counts from the end.")
      .output("y", "T", "The shape of x.")
      .infer(infer_cum_prod)
      .grad(grad_cum_prod)
      .downgrade(26, [](DowngradeContext& c) { return running_as_scan(c, "Mul", 1); });
  ops.add(kWeftDomain, "LinearScan")
      .group("gradient")
      .doc(
          "Walks along an axis: `y = b + a * before`, where `before` is the y of the element before, 0 at the first; a "
          "product with a y of exactly 0 is 0. The gradient of CumProd is made of it.")
      .types("T", kFloatTypes)
      .types("T2", kIndexTypes)
      .flag("reverse", false, "Whether the walk begins at the end.")
      .flag("late", false, "Whether the factor is the one of the element before instead of the element's own.")
      .input("a", "T", "At least one dimension.")
      .input("b", "T", "The shape of a.")
      .input("axis", "T2", "A number; negative counts from the end.")
      .output("y", "T", "The shape of a.")
      .optional_output("before", "T", "The shape of a.")
      .infer(infer_scan)
      .grad(grad_scan);
}

}  // namespace weft
