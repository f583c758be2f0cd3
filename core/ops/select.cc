// Where and Clip: choosing between values.
#include <limits>

#include "core/graph/downgrade.h"

namespace weft {
namespace {

std::optional<Dim> where_ints(const std::vector<Dim>& v) {
  if (!v[0].known()) return v[1] == v[2] ? std::optional<Dim>(v[1]) : std::nullopt;
  return v[0].value() != 0 ? v[1] : v[2];
}

Status infer_where(InferContext& c) {
  WEFT_CHECK(infer_broadcast(c));
  infer_ints(c, where_ints);
  return {};
}

Status where_grad(GradContext& c) {
  Expr condition = c.input(0), dy = c.grad(0), zero = scalar_like(dy, 0);
  if (c.needs(1)) c.set_grad(1, sum_to(where(condition, dy, zero), c.input(1)));
  if (c.needs(2)) c.set_grad(2, sum_to(where(condition, zero, dy), c.input(2)));
  return {};
}

Status infer_clip(InferContext& c) {
  for (int i : {1, 2}) {
    if (c.has_rank(i) && c.rank(i) != 0 && !(c.rank(i) == 1 && c.dims(i)[0].is(1))) {
      return invalid("input '", i == 1 ? "min" : "max", "' must be a scalar but is ", c.input(i).text());
    }
  }
  return infer_same_as_first(c);
}

Expr as_scalar(Expr bound) {
  return bound.has_rank() && bound.rank() == 0 ? bound : reshape(bound, constant_ints(bound.scope(), {}));
}

// All of it goes to the bound that the output equals, if the input is beyond it; else to the input.
Status clip_grad(GradContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.input(0), low = c.input(1), dy = c.grad(0), zero = scalar_like(dy, 0);
  Expr high = c.input(2);
  Expr to_high, to_low;
  if (low.valid()) to_low = make(s, "Less", {x, as_scalar(low)});
  if (high.valid()) {
    Expr raised = low.valid() ? make(s, "Max", {x, as_scalar(low)}) : x;
    to_high = make(s, "Greater", {raised, as_scalar(high)});
    if (low.valid()) to_low = make(s, "And", {to_low, make(s, "Not", {to_high})});
  }
  if (c.needs(0)) {
    Expr dx = dy;
    if (low.valid()) dx = where(to_low, zero, dx);
    if (high.valid()) dx = where(to_high, zero, dx);
    c.set_grad(0, dx);
  }
  if (c.needs(1)) c.set_grad(1, sum_to(where(to_low, dy, zero), low));
  if (c.needs(2)) c.set_grad(2, sum_to(where(to_high, dy, zero), high));
  return {};
}

// Before opset 11 the bounds were attributes.
Status clip_bounds_to_inputs(UpgradeContext& c) {
  DType dtype = c.type(0).dtype;
  ExprScope scope(c.graph());
  c.attrs.erase("consumed_inputs");
  const char* names[] = {"min", "max"};
  for (size_t i = 0; i < 2; ++i) {
    const AttrValue* bound = c.attrs.find(names[i]);
    if (bound == nullptr) continue;
    if (bound->kind() != AttrKind::kFloat) return invalid("attribute '", names[i], "' must be a number");
    Expr value = scalar(scope, dtype, bound->f());
    WEFT_CHECK(scope.status());
    if (c.inputs.size() < i + 2) c.inputs.resize(i + 2, kNoValue);
    c.inputs[i + 1] = value.id();
    c.attrs.erase(names[i]);
  }
  return {};
}

// Those that are not given were the largest finite numbers, which hold infinities back.
Status clip_bounds_to_attrs(DowngradeContext& c) {
  const char* names[] = {"min", "max"};
  for (int i : {1, 2}) {
    double bound = std::numeric_limits<double>::infinity();
    if (i == 1) bound = -bound;
    if (c.has_input(i)) {
      WEFT_TRY(bound, c.known_float(i));
      c.drop_input(i);
    }
    c.attrs.set(names[i - 1], bound);
  }
  return {};
}

}  // namespace

void define_op_select(OpRegistry& ops) {
  ops.add("Where")
      .group("math")
      .since(16)
      .doc(
          "`X` where the condition is true, `Y` elsewhere. No gradient reaches what was not "
          "chosen.")
      .types("T", kTensorTypes)
      .input("condition", "bool", "Which to choose; all three inputs broadcast as in NumPy.")
      .input("X", "T", "Values where the condition is true.")
      .input("Y", "T", "Values where it is false.")
      .output("output", "T", "The broadcast shape of all inputs.")
      .elementwise()
      .inplace(0, 1)
      .inplace(0, 2)
      .infer(infer_where)
      .grad(where_grad);
  ops.add("Clip")
      .group("math")
      .since(13)
      .doc(
          "`input` limited to at least `min` and then to at most `max`; NaN stays NaN. The "
          "gradient is 1 between the "
          "bounds and on them.")
      .types("T", kNumberTypes)
      .input("input", "T", "Any shape.")
      .optional_input("min", "T", "A scalar; no lower limit without it.")
      .optional_input("max", "T", "A scalar; no upper limit without it.")
      .output("output", "T", "The shape of the input.")
      .elementwise()
      .inplace(0, 0)
      .infer(infer_clip)
      .grad(clip_grad)
      .upgrade(11, clip_bounds_to_inputs)
      .downgrade(11, clip_bounds_to_attrs);
}

}  // namespace weft
