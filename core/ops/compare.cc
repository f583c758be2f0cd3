// Comparisons of two inputs with broadcasting.
#include "core/graph/downgrade.h"
#include "core/ops/elementwise_common.h"

namespace weft {
namespace {

std::optional<Dim> equal_ints(const std::vector<Dim>& v) {
  if (v[0].known() && v[1].known()) return Dim(v[0].value() == v[1].value());
  if (v[0] == v[1]) return Dim(1);
  // A dimension is no negative number: Equal(shape, -1), as exporters write it, is decided for
  // symbols too.
  for (int i = 0; i < 2; ++i) {
    if (v[i].known() && v[i].value() < 0 && v[1 - i].never_negative()) return Dim(0);
  }
  return std::nullopt;
}

template <typename Compare>
std::optional<Dim> order_ints(const std::vector<Dim>& v) {
  if (!v[0].known() || !v[1].known()) return std::nullopt;
  return Dim(Compare::holds(v[0].value(), v[1].value()));
}
struct LessThan {
  static bool holds(int64_t a, int64_t b) { return a < b; }
};
struct GreaterThan {
  static bool holds(int64_t a, int64_t b) { return a > b; }
};
struct AtMost {
  static bool holds(int64_t a, int64_t b) { return a <= b; }
};
struct AtLeast {
  static bool holds(int64_t a, int64_t b) { return a >= b; }
};

template <IntsFn fn>
Status infer_comparison(InferContext& c) {
  WEFT_CHECK(infer_broadcast(c));
  infer_ints(c, fn);
  return {};
}

// Before opset 12 there were but the two that it is made of.
Status compared_twice(DowngradeContext& c) {
  ExprScope& s = c.scope();
  const char* strict = c.op == "LessOrEqual" ? "Less" : "Greater";
  c.replace({make(s, "Or", {make(s, strict, c.inputs), make(s, "Equal", c.inputs)})});
  return s.status();
}

struct Row {
  const char* name;
  int since;
  DTypeSet types;
  InferFn infer;
  const char* doc;
};
const Row kRows[] = {
    {"Equal", 19, kNumberTypes | set_of(DType::kBool, DType::kString), infer_comparison<equal_ints>,
     "Whether `A == B`, elementwise. NaN equals nothing."},
    {"Less", 13, kNumberTypes, infer_comparison<order_ints<LessThan>>, "Whether `A < B`, elementwise; false with NaN."},
    {"Greater", 13, kNumberTypes, infer_comparison<order_ints<GreaterThan>>,
     "Whether `A > B`, elementwise; false with NaN."},
    {"LessOrEqual", 16, kNumberTypes, infer_comparison<order_ints<AtMost>>,
     "Whether `A <= B`, elementwise; false with NaN."},
    {"GreaterOrEqual", 16, kNumberTypes, infer_comparison<order_ints<AtLeast>>,
     "Whether `A >= B`, elementwise; false with NaN."},
};

}  // namespace

void define_op_compare(OpRegistry& ops) {
  for (const Row& row : kRows) {
    OpDef& op = ops.add(row.name);
    if (op.name().ends_with("OrEqual")) op.downgrade(12, compared_twice);
    op.group("compare")
        .since(row.since)
        .doc(row.doc)
        .types("T", row.types)
        .input("A", "T", "First operand.")
        .input("B", "T", "Second operand; broadcasts with A as in NumPy.")
        .output("C", "bool", "The broadcast shape of A and B.")
        .elementwise()
        .infer(row.infer)
        .no_gradient("its output is not a number")
        .upgrade(7, upgrade_old_broadcast);
  }
}

}  // namespace weft
